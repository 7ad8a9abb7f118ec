"""Calibration and noise against plain numpy; border noise in a drawn scene."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator

from s1monthly.errors import S1MonthlyError
from s1monthly.kernels.grd.border import EROSION, begins_black, border_noise, fixed_border
from s1monthly.kernels.grd.calibration import NoiseTable, Table, full_table, mean_power

LINES = np.array([-5.0, 40.0, 90.0, 120.0])
PIXELS = np.array([0.0, 40.0, 80.0, 99.0])


def tables(rng: np.random.Generator) -> tuple[Table, NoiseTable, np.ndarray, np.ndarray]:
    """Return gain and noise tables for 100 samples, and the calibration and noise at lines 0 to 109."""
    calibration = rng.uniform(300, 600, (4, 4))
    noise = rng.uniform(500, 2000, (4, 4))
    grid = np.stack(np.meshgrid(np.arange(110), np.arange(100), indexing="ij"), axis=-1)
    expected = [RegularGridInterpolator((LINES, PIXELS), values)(grid) for values in (calibration, noise)]
    expected[1][10:60, 20:71] *= np.interp(np.arange(10, 60), [12, 50], [1.1, 1.4])[:, None]
    expected[1][60:, :21] *= 1.25  # a block with one value
    full = full_table(LINES, [PIXELS] * 4, list(noise), 100)
    factors = np.concatenate([np.interp(np.arange(10, 60), [12, 50], [1.1, 1.4]), np.full(50, 1.25)])
    bounds = np.array([[10, 59, 20, 70], [60, 109, 0, 20]])
    table = NoiseTable(full.lines, full.values, bounds, np.array([0, 50]), factors.astype(np.float32))
    gains = full_table(LINES, [PIXELS] * 4, list(calibration), 100)
    return Table(gains.lines, gains.values**-2.0), table, expected[0], expected[1]


def test_power_is_that_of_plain_numpy() -> None:
    rng = np.random.default_rng(1)
    gain, noise, calibration, level = tables(rng)
    counts = rng.integers(1, 100, (110, 100), np.uint16)
    counts[rng.random(counts.shape) < 0.3] = 0
    # gains, not calibration vectors, are linear between lines: at the vectors' lines both agree
    for looks, first_line, first_sample in ((1, 0, 0), (3, 7, 11), (2, 40, 50)):
        window = counts[first_line : first_line + 60, first_sample : first_sample + 48]
        found = mean_power(window, first_line, first_sample, gain, noise, looks)
        squared = np.where(window == 0, np.nan, window.astype(float) ** 2)
        part = np.s_[first_line : first_line + 60, first_sample : first_sample + 48]
        gains = np.array([
            np.interp(line, gain.lines, gain.values[:, sample].astype(float))
            for line in range(first_line, first_line + 60) for sample in range(first_sample, first_sample + 48)
        ]).reshape(60, 48)  # fmt: skip
        power = (squared - level[part]) * gains
        blocks = power.reshape(60 // looks, looks, 48 // looks, looks)
        valid = np.isfinite(blocks).sum(axis=(1, 3))
        with np.errstate(invalid="ignore"):
            expected = np.nansum(blocks, axis=(1, 3)) / np.where(2 * valid >= looks * looks, valid, np.nan)
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-7)
        assert (found < 0).any()
        assert np.isnan(found).any() == (2 * valid < looks * looks).any()
    exact = mean_power(counts[40:41], 40, 0, gain, None, 1)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(
            exact[counts[40:41] > 0], ((counts[40] / calibration[40]) ** 2)[counts[40] > 0], 1e-5
        )


def test_windows_beyond_the_tables_are_refused() -> None:
    gain, noise, *_ = tables(np.random.default_rng(1))
    with pytest.raises(S1MonthlyError, match="samples 60 to 119 reach beyond the 100 of the tables"):
        mean_power(np.ones((3, 60), np.uint16), 0, 60, gain, noise, 3)


def test_border_noise_is_found_and_water_is_kept() -> None:
    rng = np.random.default_rng(3)
    noise_level, looks = 1700.0, 3
    intensity = rng.gamma(4.4, noise_level * 1.05 / 4.4, (1500, 3000))  # water, barely above the noise
    intensity[:, 1500:] *= 30  # land
    edge = 240 + (np.arange(1500) // 50) % 3 * 30  # samples of border noise: ragged
    border = np.arange(3000) < edge[:, None]
    intensity[border] = rng.gamma(1, 100, border.sum())
    intensity[700:703, 100:103] = 60_000  # a bright echo within the border
    intensity[:60] = 0
    counts = np.rint(np.sqrt(intensity)).astype(np.uint16)
    gain = Table(np.zeros(1), np.full((1, 3000), 1 / noise_level, np.float32))
    ratio = mean_power(counts, 0, 0, gain, None, looks)
    found = border_noise(ratio, looks, left=True, right=True, top=True, bottom=False)
    inside = border[::looks, ::looks]
    assert found[inside].all()
    cut = found[40:].sum(axis=1)
    assert cut.max() <= (edge.max() + 2 * EROSION) / looks
    assert found[: 20 + EROSION // looks].all()
    assert found[35:, 200:].mean() < 0.005
    nothing = border_noise(ratio, looks, left=False, right=False, top=False, bottom=False)
    assert not nothing.any()
    # every other side is as the left one
    sides = dict.fromkeys(("left", "right", "top", "bottom"), False)
    left = border_noise(ratio, looks, **{**sides, "left": True})
    assert left.any()
    for side, turned in (("right", np.fliplr), ("top", np.transpose), ("bottom", lambda image: np.fliplr(image).T)):
        cut_there = border_noise(turned(ratio), looks, **{**sides, side: True})
        np.testing.assert_array_equal(cut_there, turned(left), err_msg=side)


def test_fixed_border() -> None:
    found = fixed_border((3000, 4000), 0, 0, (16_000, 25_000), cut_top=True, cut_bottom=True)
    assert found[:1600].all() and found[:, :1000].all()
    assert not found[1600:, 1000:].any()
    found = fixed_border((3000, 4000), 13_000, 21_000, (16_000, 25_000), cut_top=True, cut_bottom=False)
    assert not found[:, :3000].any() and found[:, 3000:].all()
    assert begins_black(np.r_[np.zeros(2001, np.uint16), np.ones(9, np.uint16)])
    assert not begins_black(np.r_[np.zeros(2000, np.uint16), np.ones(9, np.uint16)])
