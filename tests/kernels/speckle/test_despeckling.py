"""What every despeckling method promises."""

from __future__ import annotations

import math

import numpy as np
import pytest

from s1monthly.errors import S1MonthlyError
from s1monthly.kernels.options import DESPECKLE_OPTIONS
from s1monthly.kernels.speckle import despeckling
from s1monthly.kernels.speckle.despeckling import METHODS
from support.speckle import LOOKS, db, field, with_holes

nan = np.nan


def despeckle(power, method, **options):
    """Despeckle with the looks of the fields, where a method needs them."""
    looked = {"looks": LOOKS} if "looks" in DESPECKLE_OPTIONS.get(method, {}) else {}
    return despeckling.despeckle(power, method, **looked, **options)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (90, 140)])
@pytest.mark.parametrize("method", sorted(METHODS))
def test_method_keeps_shape_type_mask_and_input(method, shape):
    for power in (field(shape), with_holes(shape), np.full(shape, nan, np.float32)):
        before = power.copy()
        with np.errstate(all="raise", under="ignore"):
            made = despeckle(power, method)
        assert made.shape == power.shape
        assert made.dtype == np.float32
        np.testing.assert_array_equal(np.isnan(made), np.isnan(power))
        assert (made[np.isfinite(made)] > 0).all()
        np.testing.assert_array_equal(power, before)


@pytest.mark.parametrize("shape", [(1, 50), (300, 140)])
@pytest.mark.parametrize("method", sorted(METHODS))
def test_method_can_write_over_its_input(method, shape):
    for power in (field(shape), with_holes(shape), np.full(shape, nan, np.float32)):
        expected = despeckle(power, method)
        other = np.zeros(shape, np.float32)
        assert despeckle(power, method, out=other) is other
        assert despeckle(power, method, threads=2, out=power) is power
        np.testing.assert_array_equal(other, expected)
        np.testing.assert_array_equal(power, expected)


@pytest.mark.parametrize("level", [1e-5, 0.03, 1.0, 40.0])
@pytest.mark.parametrize("method", sorted(METHODS))
def test_method_keeps_a_constant(method, level):
    power = np.full((70, 150), level, np.float32)
    power[20:30, 40:90] = nan
    made = despeckle(power, method)
    np.testing.assert_allclose(made[np.isfinite(power)], level, rtol=1e-5)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_method_keeps_the_mean_power(method):
    """Within 2.2 / looks dB, which lie between the mean and the geometric mean of speckle; and it does smooth."""
    rng = np.random.default_rng(0)
    for level in (0.01, 3.0):
        power = (level * rng.gamma(LOOKS, 1 / LOOKS, (300, 300))).astype(np.float32)
        power[100:130, 50:200] = nan
        made = despeckle(power, method)
        assert abs(10 * math.log10(np.nanmean(made) / np.nanmean(power))) < 2.2 / LOOKS
        assert np.nanstd(db(made)) < 0.4 * np.nanstd(db(power))


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"boxcar"}))
def test_method_keeps_edges(method):
    power = np.full((80, 80), 0.01, np.float32)
    power[:, 40:] = 1.0
    power *= np.random.default_rng(3).gamma(LOOKS, 1 / LOOKS, power.shape).astype(np.float32)
    made = db(despeckle(power, method))
    assert made[:, 42].mean() - made[:, 37].mean() > 15


@pytest.mark.parametrize("method", sorted(METHODS))
def test_values_that_are_no_power_are_refused(method):
    for value in (0.0, -1.0, np.inf):
        power = field((80, 30))
        power[70, 20] = value
        with pytest.raises(S1MonthlyError, match="1 power values are zero"):
            despeckle(power, method)


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("looks", [4, 20])
def test_a_bias_correction_keeps_the_mean_power(method, looks):
    """To 0.05 dB over large areas; a lost target is not spread over its surroundings."""
    rng = np.random.default_rng(1)
    power = (0.05 * rng.gamma(looks, 1 / looks, (400, 400))).astype(np.float32)
    power[:30, :50] = nan
    inner = (slice(60, 340), slice(60, 340))
    made = despeckle(power, method, bias_correction="mean_power", threads=2)
    np.testing.assert_array_equal(np.isnan(made), np.isnan(power))
    assert abs(db(made[inner].mean()) - db(power[inner].mean())) < 0.05
    same = power.copy()
    despeckle(same, method, bias_correction="mean_power", out=same)
    np.testing.assert_array_equal(same, made)
    factor = made / despeckle(power, method)
    power[200, 200] = 1000.0
    changed = despeckle(power, method, bias_correction="mean_power") / despeckle(power, method) / factor
    assert np.nanmax(np.abs(db(changed))) < 0.2


def test_unknown_methods_and_other_dimensions_are_refused():
    with pytest.raises(S1MonthlyError, match=r"'best'.*tv_bregman"):
        despeckle(field((5, 5)), "best")
    with pytest.raises(S1MonthlyError, match=r"reg_param.*looks, window_size"):
        despeckle(field((5, 5)), "lee", reg_param=5.0)
    with pytest.raises(S1MonthlyError, match="3 dimensions"):
        despeckle(np.ones((1, 2, 2), np.float32), "tv_bregman")
