"""Statistics of the spread of the passes, against plain numpy."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from s1monthly.errors import S1MonthlyError
from s1monthly.kernels.bands import db
from s1monthly.kernels.options import SPREAD_STATISTICS
from s1monthly.kernels.spread import spread
from s1monthly.versions import ALGORITHMS

GOLDEN = {
    1: {
        "min": [-15.086383, -10.0],
        "max": [-3.979400, -10.0],
        "std": [3.806116, 0.0],
        "p10": [-13.671438, -10.0],
        "p90": [-5.183520, -10.0],
    }
}
"""Statistics of the powers 0.031, 0.07, 0.1, 0.2, 0.4 and of 0.1 alone, by algorithm version."""


def numpys(passes: np.ndarray, statistic: str) -> np.ndarray:
    """A statistic in float64 from numpy's own functions."""
    levels = np.where(np.isfinite(passes), db(passes).astype(np.float64), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        if statistic == "std":
            return np.nanstd(levels, axis=0)
        return np.nanpercentile(levels, {"min": 0, "p10": 10, "p90": 90, "max": 100}[statistic], axis=0)


@pytest.mark.parametrize("number", [*range(1, 13), 17, 21, 31, 40])
def test_every_statistic_is_numpys(number: int) -> None:
    rng = np.random.default_rng(number)
    passes = rng.gamma(3.0, 0.05, (number, 4, 531)).astype(np.float32)
    for row, holes in ((1, 0.4), (2, 0.95)):
        passes[:, row][rng.random((number, 531)) < holes] = np.nan
        passes[:, row][rng.random((number, 531)) < holes / 20] = np.inf
    passes[:, 3] = passes[0, 3]  # equal passes
    found = spread(passes, SPREAD_STATISTICS)
    assert found.dtype == np.float32
    for statistic, values in zip(SPREAD_STATISTICS, found, strict=True):
        # one unit in the last place, and for deviations that cancel, one of the decibels
        np.testing.assert_allclose(values, numpys(passes, statistic), rtol=2e-7, atol=1e-9)
    low, high = (found[SPREAD_STATISTICS.index(name)] for name in ("min", "max"))
    np.testing.assert_array_equal(low, numpys(passes, "min").astype(np.float32))
    np.testing.assert_array_equal(high, numpys(passes, "max").astype(np.float32))


def test_statistics_come_in_the_order_asked_for_whatever_form_the_passes_have() -> None:
    rng = np.random.default_rng(0)
    passes = rng.gamma(3.0, 0.05, (5, 40, 70)).astype(np.float32)
    whole = dict(zip(SPREAD_STATISTICS, spread(passes, SPREAD_STATISTICS), strict=True))
    for asked in (["p90"], ["std", "min"], [*reversed(SPREAD_STATISTICS)]):
        for form in (passes, list(passes), passes[::-1], np.asfortranarray(passes)):
            for name, values in zip(asked, spread(form, asked), strict=True):
                np.testing.assert_array_equal(values, whole[name])


def test_never_warns_and_knows_no_data() -> None:
    passes = np.full((3, 1, 4), np.nan, np.float32)
    passes[0, 0, 1], passes[1, 0, 1:3], passes[2, 0, 3] = 0.01, (np.inf, 0.1), 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        low, deviation = spread(passes, ["min", "std"])
    np.testing.assert_array_equal(low, [[np.nan, db(np.float32(0.01)), -10, np.nan]])
    np.testing.assert_array_equal(deviation, [[np.nan, 0, 0, np.nan]])


def test_spread_refuses() -> None:
    one = np.ones((2, 3), np.float32)
    with pytest.raises(S1MonthlyError, match="p50 are unknown"):
        spread([one], ["min", "p50"])
    with pytest.raises(S1MonthlyError, match="one shape"):
        spread([one, one[:1]], ["min"])
    with pytest.raises(S1MonthlyError, match="0 passes"):
        spread([], ["min"])


def test_golden_values() -> None:
    passes = np.array([[0.07, np.nan], [0.4, 0.1], [0.2, np.nan], [0.031, np.nan], [0.1, np.nan]], np.float32)
    for name, expected in GOLDEN[ALGORITHMS["spread"]].items():
        np.testing.assert_allclose(spread(passes[:, None], [name])[0, 0], expected, rtol=1e-5, atol=1e-6)
