"""The multi-temporal filter of passes."""

from __future__ import annotations

import numpy as np
import pytest

from s1monthly.errors import S1MonthlyError
from s1monthly.kernels.speckle.quegan_yu import quegan_yu
from support.speckle import db, field, with_holes

nan = np.nan


def test_the_filter_is_that_of_a_plain_double_loop():
    """Tracks do not mix; holes differ from pass to pass, and stay."""
    tracks = [64, 137, 64, 137, 64, 12]
    passes = np.stack([with_holes((80, 50), seed=seed) for seed in range(6)])
    before = passes.copy()
    made = quegan_yu(passes, tracks, 5)
    np.testing.assert_array_equal(passes, before)
    np.testing.assert_array_equal(np.isnan(made), np.isnan(passes))
    np.testing.assert_array_equal(made[5], passes[5])
    for k, row, col in np.argwhere(~np.isnan(passes)):
        ratios, means = [], {}
        for i in np.flatnonzero(np.array(tracks) == tracks[k]):
            if not np.isnan(passes[i, row, col]):
                window = passes[i, max(row - 2, 0) : row + 3, max(col - 2, 0) : col + 3].astype(np.float64)
                means[i] = np.nanmean(window)
                ratios.append(passes[i, row, col] / means[i])
        assert made[k, row, col] == pytest.approx(means[k] * np.mean(ratios), rel=1e-5)


def test_constants_stay_and_a_target_of_all_passes_keeps_its_sharpness():
    passes = np.full((4, 30, 30), 0.1, np.float32)
    passes[1] *= 3
    np.testing.assert_allclose(quegan_yu(passes, [5] * 4), passes, rtol=1e-6)
    passes[:, 15, 15] *= 1000
    np.testing.assert_allclose(quegan_yu(passes, [5] * 4), passes, rtol=1e-5)


def test_mean_power_is_kept_speckle_is_averaged_and_a_change_of_one_pass_stays():
    rng = np.random.default_rng(0)
    passes = (0.05 * rng.gamma(4, 1 / 4, (6, 300, 300))).astype(np.float32)
    passes[3, 100:200, 100:200] *= 2
    made = quegan_yu(passes, [1] * 6)
    assert abs(db(made[0].mean()) - db(passes[0].mean())) < 0.05
    assert made[0].mean() ** 2 / made[0].var() > 4 * 4
    changed = db(made[3, 110:190, 110:190].mean()) - db(made[2, 110:190, 110:190].mean())
    assert changed == pytest.approx(db(np.array(2.0)), abs=0.1)


def test_an_even_window_is_refused():
    with pytest.raises(S1MonthlyError, match="odd number"):
        quegan_yu(field((10, 10))[None], [1], 4)
