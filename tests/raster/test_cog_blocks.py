"""Blocks of COGs: overviews and predictor are to the bit those of GDAL."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from numcodecs.zstd import Zstd
from numpy.typing import NDArray

from s1monthly.raster.cog_blocks import halve, halved_shape, predicted
from support.gdal_overviews import Values, by_gdal
from support.tiff_walker import unpredicted, walk

# overviews


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


# the floating-point predictor


def any_bits(shape: tuple[int, int]) -> NDArray[np.float32]:
    """Floats of every kind: numbers, both zeros, infinities, NaN with and without a payload."""
    values = np.random.default_rng(1).integers(0, 2**32, shape, np.uint32)
    values.ravel()[:6] = 0x7FC00000, 0x7F800000, 0xFF800000, 0x80000000, 0, 0xFFC00123
    return values.view(np.float32)


def test_two_pixels_by_hand() -> None:
    """1.0 is 3F 80 00 00, 2.0 is 40 00 00 00."""
    assert predicted(np.float32([[1.0, 2.0]])).tolist() == [[0x3F, 0x01, 0x40, 0x80, 0, 0, 0, 0]]


@pytest.mark.parametrize("shape", [(1, 6), (3, 5), (16, 16)])
def test_nothing_is_lost(shape: tuple[int, int]) -> None:
    values = any_bits(shape)
    found = predicted(values)
    assert (found.shape, found.dtype) == ((shape[0], 4 * shape[1]), np.uint8)
    np.testing.assert_array_equal(unpredicted(found).view(np.uint32), values.view(np.uint32))


def test_a_part_of_an_array_will_do() -> None:
    values = any_bits((40, 50))
    np.testing.assert_array_equal(predicted(values[3:20, 7:30]), predicted(values[3:20, 7:30].copy()))


def test_the_bytes_are_those_that_gdal_compresses(tmp_path: Path) -> None:
    values = any_bits((64, 64))
    profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "width": 64, "height": 64, "tiled": True}
    profile |= {"blockxsize": 64, "blockysize": 64, "compress": "ZSTD", "predictor": 3, "crs": "EPSG:32611"}
    with rasterio.open(tmp_path / "a.tif", "w", transform=rasterio.Affine(30, 0, 0, 0, -30, 0), **profile) as dataset:
        dataset.write(values, 1)
    tiff = walk(tmp_path / "a.tif")
    ((offset, size),) = tiff.levels[0].blocks
    assert Zstd().decode(tiff.content[offset : offset + size]) == predicted(values).tobytes()
