"""Blocks of COGs: the predictor is to the bit that of GDAL."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from numcodecs.zstd import Zstd
from numpy.typing import NDArray

from s1monthly.raster.cog_blocks import predicted
from support.tiff_walker import unpredicted, walk


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
