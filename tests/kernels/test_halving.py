"""Overviews are to the bit those of GDAL."""

from __future__ import annotations

import numpy as np
import pytest

from s1monthly.kernels.halving import halve, halved_shape
from support.gdal_overviews import Values, by_gdal


def halved(finer: Values, side: int) -> Values:
    coarser = np.full(halved_shape(finer.shape), np.nan, np.float32)
    rows, cols = (range(0, size, side) for size in coarser.shape)
    for row in rows:
        for col in cols:
            window = (slice(start, min(start + side, n)) for start, n in zip((row, col), coarser.shape, strict=True))
            halve(finer, coarser, *window)
    return coarser


def speckled(shape: tuple[int, int], missing: float, infinite: float = 0) -> Values:
    """Values around zero, where rounding shows."""
    rng = np.random.default_rng(3)
    values = rng.normal(0, 3, shape).astype(np.float32)
    values[rng.random(shape) < missing] = np.nan
    values[rng.random(shape) < infinite] = np.inf
    values[rng.random(shape) < infinite] = -np.inf
    return values


@pytest.mark.parametrize("missing", [0, 0.02, 0.7])
@pytest.mark.parametrize("infinite", [0, 0.03])
@pytest.mark.parametrize("shape", [(64, 64), (65, 64), (64, 63), (457, 915), (9, 70), (50, 9), (7, 10), (733, 730)])
def test_each_level_is_to_the_bit_that_of_gdal(shape: tuple[int, int], missing: float, infinite: float) -> None:
    values = speckled(shape, missing, infinite)
    for level, expected in enumerate(by_gdal(values, levels=3)):
        values = halved(values, side=32)
        np.testing.assert_array_equal(values, expected, err_msg=f"level {level}")


@pytest.mark.parametrize("shape", [(2, 2), (3, 3), (2, 1), (1, 6), (5, 2)])
@pytest.mark.parametrize("missing", [0, 0.3])
def test_tiny_rasters_are_averaged_as_by_gdal(shape: tuple[int, int], missing: float) -> None:
    values = speckled(shape, missing)
    np.testing.assert_array_equal(halved(values, side=1), by_gdal(values, levels=1)[0])


@pytest.mark.parametrize("shape", [(48, 52), (47, 52), (47, 51)])
@pytest.mark.parametrize("missing", [0, 0.4])
def test_windows_do_not_show(shape: tuple[int, int], missing: float) -> None:
    values = speckled(shape, missing, infinite=0.02)
    whole = halved(values, side=64)
    for side in (1, 5, 8):
        np.testing.assert_array_equal(halved(values, side), whole)


@pytest.mark.parametrize("shape", [(48, 52), (47, 51)])
def test_no_data_adds_nothing(shape: tuple[int, int]) -> None:
    values = np.where(np.random.default_rng(0).random(shape) < 0.6, np.float32(np.nan), np.float32(-7.3))
    values[10:30, 12:31] = np.nan
    found = halved(values, side=16)
    assert np.isnan(found[6:14, 7:15]).all()
    assert set(found[~np.isnan(found)].tolist()) == {np.float32(-7.3)}


def test_of_an_odd_axis_each_pixel_counts_alike() -> None:
    """Three pixels make two: the middle one is shared."""
    found = halved(np.float32([[1, 4, 10], [1, 4, 10]]), side=8)
    np.testing.assert_allclose(found, [[(1 + 4 / 2) / 1.5, (4 / 2 + 10) / 1.5]], rtol=1e-6)


def test_nothing_is_written_beside_the_window() -> None:
    values, coarser = speckled((40, 40), 0.1), np.full((20, 20), np.nan, np.float32)
    halve(values, coarser, slice(5, 9), slice(3, 20))
    inside = np.zeros(coarser.shape, bool)
    inside[5:9, 3:20] = True
    assert np.isnan(coarser[~inside]).all() and np.isfinite(coarser[inside]).all()
