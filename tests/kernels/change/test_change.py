"""Changes of simulated series: planted steps, stable speckle, seasons and gaps; least squares and `ruptures`."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray

from s1monthly.errors import ConfigError
from s1monthly.kernels.bands import Band, bands
from s1monthly.kernels.change.cusum import cusum
from s1monthly.kernels.change.detection import DEFAULTS, METHODS, change_bands, change_values, method_options
from s1monthly.kernels.change.penalised import penalised
from s1monthly.kernels.change.season import without_season

LOOKS = 60
"""Looks of a despeckled month; the default method leaves more (tests/benchmarks/README.md, Accuracy)."""
PIXELS = 3000

Floats = NDArray[np.float32]


def simulated(
    months: int, seed: int, step: float = 0.0, pixels: int = PIXELS, winters: bool = False
) -> tuple[Floats, NDArray[np.intp], NDArray[np.intp]]:
    """Speckle in dB, with a season up to 3 dB, a tenth of the months missing; a step at a random month of each pixel.

    With `winters` December to February are always missing.
    """
    chance = np.random.default_rng([seed, months])
    time, calendar = np.arange(months)[:, None], np.arange(months) % 12
    series = -12 + 10 * np.log10(chance.gamma(LOOKS, 1 / LOOKS, (months, pixels)))
    series += np.sin(2 * np.pi * calendar / 12)[:, None] * chance.uniform(0, 3, pixels)
    at = chance.integers(8, months - 8, pixels)
    series += step * (time >= at)
    series[chance.random(series.shape) < 0.1] = np.nan
    if winters:
        series[np.isin(calendar, (0, 1, 11))] = np.nan
    return series.astype(np.float32), calendar, at


@pytest.mark.parametrize("method", METHODS)
def test_a_step_of_2_db_is_found_within_a_month(method: str) -> None:
    series, calendar, at = simulated(120, 1, 2.0)
    found = METHODS[method](series, calendar)
    hit = (found.place[0] >= 0) & (abs(found.place[0] - at) <= 1)
    assert hit.mean() >= 0.95
    assert np.nanmean(found.magnitude[0]) == pytest.approx(2, abs=0.1)
    assert np.nanmedian(found.confidence[0][hit]) > 0.99
    falling = METHODS[method](-series, calendar)
    assert np.nanmean(falling.magnitude[0]) == pytest.approx(-2, abs=0.1)


@pytest.mark.parametrize("winters", [False, True])
@pytest.mark.parametrize("months", [36, 120])
@pytest.mark.parametrize("method", METHODS)
def test_speckle_seasons_and_gaps_raise_few_false_alarms(method: str, months: int, winters: bool) -> None:
    series, calendar, _ = simulated(months, 2, winters=winters)
    found = METHODS[method](series, calendar)
    assert (found.breaks > 0).mean() <= 0.05
    np.testing.assert_array_equal(found.breaks > 0, found.place[0] >= 0)


def test_the_confidence_is_that_of_a_plain_bootstrap() -> None:
    series, calendar, _ = simulated(60, 3, 0.5, pixels=40)
    series[:, :20] += np.where(np.arange(60) >= 30, 0.4, 0)[:, None]
    found, chance = cusum(series, calendar, permutations=999), np.random.default_rng(4)
    for pixel in range(series.shape[1]):
        values = series[:, pixel].astype(float)
        anomalies = np.concatenate([values[calendar == m] - np.nanmean(values[calendar == m]) for m in range(12)])
        order = np.concatenate([np.flatnonzero(calendar == m) for m in range(12)])
        anomalies = anomalies[np.argsort(order)]
        anomalies = anomalies[np.isfinite(anomalies)]
        scale = np.sqrt((len(anomalies) - 12) / (len(anomalies) - 1))

        def width(of: NDArray[np.float64]) -> float:
            sums = np.append(0, np.cumsum(of))
            return float(sums.max() - sums.min())

        smaller = np.mean([width(chance.permutation(anomalies)) < scale * width(anomalies) for _ in range(1000)])
        assert found.confidence[0, pixel] == pytest.approx(smaller, abs=0.06)
    assert np.ptp(found.confidence) > 0.5


def test_month_and_step_are_those_of_least_squares_with_a_season() -> None:
    months, pixels = 72, 60
    series, calendar, _ = simulated(months, 5, 2.0, pixels)
    found = cusum(series, calendar)
    same = 0
    for pixel in range(pixels):
        there = np.flatnonzero(np.isfinite(series[:, pixel]))
        season = np.eye(12)[calendar[there]]
        best = (np.inf, -1, 0.0)
        for k in there[6:-5]:
            design = np.column_stack([season, there >= k])
            answer, _, _, _ = np.linalg.lstsq(design, series[there, pixel], rcond=None)
            best = min(best, (float(((design @ answer - series[there, pixel]) ** 2).sum()), k, answer[-1]))
        if best[1] == found.place[0, pixel]:
            same += 1
            assert found.magnitude[0, pixel] == pytest.approx(best[2], abs=0.05)
    assert same >= 0.9 * pixels


def test_the_search_finds_the_segments_that_ruptures_finds() -> None:
    ruptures = pytest.importorskip("ruptures")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cost = ruptures.costs.CostNormal()
    chance, pixels, months = np.random.default_rng(6), 120, 96
    series = chance.normal(-10, 0.5, (months, pixels)).astype(np.float32)
    for pixel in range(pixels):  # steps, and a change of the variance alone
        for at, step in zip(chance.integers(6, months - 6, pixel % 4), (3, -2, 1.5), strict=False):
            series[at:, pixel] += step
        if pixel % 5 == 0:
            series[:40, pixel] = -10 + 4 * (series[:40, pixel] + 10)
    series[chance.random(series.shape) < 0.15] = np.nan
    calendar, same = np.arange(months) % 12, 0
    anomalies, found = without_season(series, calendar), penalised(series, calendar, most=16)
    for pixel in range(pixels):
        there = np.flatnonzero(anomalies.there[:, pixel])
        values = anomalies.values[there, pixel].astype(float)
        penalty = 4 * np.log(len(there))
        search = ruptures.Pelt(custom_cost=cost, min_size=6, jump=1).fit(values)
        theirs = search.predict(pen=penalty)
        ours = [*np.searchsorted(there, sorted(found.place[: found.breaks[pixel], pixel])), len(there)]
        same += theirs == ours

        def total(ends: list[int], values: NDArray[np.float64] = values, penalty: float = penalty) -> float:
            parts = np.split(values, ends[:-1])
            return sum(len(part) * np.log(part.var() + 1e-6) + penalty for part in parts)

        assert min(np.diff([0, *ours])) >= 6 and total(ours) <= total(theirs) + 1e-2
    assert same >= 0.97 * pixels and len(set(found.breaks)) >= 4


@pytest.mark.parametrize("method", METHODS)
def test_empty_and_short_series_have_no_change(method: str) -> None:
    series, calendar, _ = simulated(48, 7, 5.0, pixels=70)
    series[:, 0] = np.nan
    series[10:, 1] = np.nan  # no calendar month twice
    series[15:, 2] = np.nan
    found = METHODS[method](series, calendar)
    assert found.valid[:2].tolist() == [0, 0] and (found.place[:, :3] == -1).all()
    assert np.isnan(found.magnitude[:, :3]).all() and np.isnan(found.confidence[:, :3]).all()
    numbers = np.arange(48, dtype=np.int32) + 202001
    values = change_values(method, found, numbers)
    assert values.shape == (len(change_bands(method, _band())), 70) and values.dtype == np.float32
    assert np.isnan(values[:, 0]).all() and values[0, 9] == numbers[found.place[0, 9]]


def _band() -> Band:
    return bands("VV", "VH")[0]


def test_options_of_another_method_or_out_of_range_are_refused() -> None:
    assert method_options("cusum", {"penalty": None, "smallest": 8}) == {**DEFAULTS["cusum"], "smallest": 8}
    for method, given, message in (
        ("cusum", {"penalty": 3.0}, "penalty: not an option of cusum -> it has confidence, permutations"),
        ("pelt", {"smallest": 1}, "smallest: 1 -> give 3 to 120"),
        ("cusum", {"confidence": 0.999}, "999 permutations"),
    ):
        with pytest.raises(ConfigError, match=message):
            method_options(method, given)
