"""Rows of GeoTIFFs read without GDAL: the same as with it, whatever the file is like, and the same errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.io import MemoryFile

from s1monthly.errors import GridError, ProductError
from s1monthly.geotiff import crop
from s1monthly.geotiff_header import open_header, row_reader
from s1monthly.grid import GeoBox
from s1monthly.rasters import write_raster

BOX = GeoBox(epsg=32610, resolution=30.0, left=499980.0, top=4200000.0, width=70, height=150)

LAYOUTS: dict[str, tuple[bool, dict[str, Any]]] = {
    "strips": (True, {"blockysize": 64}),
    "strips of one row": (True, {"blockysize": 1}),
    "one strip": (True, {"blockysize": 150}),
    "bands one after the other": (True, {"count": 2, "interleave": "band"}),
    "bands pixel by pixel": (False, {"count": 2, "interleave": "pixel"}),
    "compressed": (False, {"compress": "deflate"}),
    "tiled": (False, {"tiled": True, "blockxsize": 64, "blockysize": 64}),
    "big-endian": (False, {"ENDIANNESS": "BIG"}),
    "never written": (False, {"SPARSE_OK": True}),
}


def written(path: Path, dtype: str = "float32", empty: bool = False, **options: Any) -> np.ndarray:
    values = np.random.default_rng(3).uniform(0, 200, BOX.shape).astype(dtype)
    profile = {
        "driver": "GTiff",
        "width": BOX.width,
        "height": BOX.height,
        "count": 1,
        "dtype": dtype,
        "crs": "EPSG:32610",
    }
    with rasterio.open(path, "w", **{**profile, "transform": Affine(*BOX.transform), **options}) as raster:
        for band in range(0 if empty else raster.count):
            raster.write(values + np.array(band, dtype), band + 1)
    return np.zeros_like(values) if empty else values


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_rows_are_those_that_were_written(tmp_path: Path, layout: str, dtype: str) -> None:
    direct, options = LAYOUTS[layout]
    values = written(tmp_path / "a.tif", dtype, layout == "never written", **options)
    reader = row_reader(tmp_path / "a.tif")
    assert (reader.start is not None) == direct
    assert reader.header == open_header(tmp_path / "a.tif")
    for rows in (slice(0, 150), slice(0, 1), slice(63, 65), slice(149, 150)):
        found = reader.read(rows)
        np.testing.assert_array_equal(found, values[rows])
        assert found.dtype == dtype


def test_strips_that_lie_in_another_order_are_not_taken_for_rows(tmp_path: Path) -> None:
    """A strip is written where the file ends: made from below they lie upside down."""
    values = np.random.default_rng(1).random(BOX.shape).astype(np.float32)
    written(tmp_path / "a.tif", blockysize=50, empty=True, SPARSE_OK=True)
    for first in (100, 50, 0):
        with rasterio.open(tmp_path / "a.tif", "r+") as raster:
            raster.write(values[first : first + 50], 1, window=((first, first + 50), (0, BOX.width)))
    reader = row_reader(tmp_path / "a.tif")
    assert reader.start is None
    np.testing.assert_array_equal(reader.read(slice(0, 150)), values)


def test_what_write_raster_leaves_is_read_directly(tmp_path: Path) -> None:
    """Bursts are: the one reason why it is fast."""
    values = np.arange(150 * 70, dtype=np.float32).reshape(150, 70)
    write_raster(tmp_path / "a.tif", [values], BOX, ["VV"])
    reader = row_reader(tmp_path / "a.tif")
    assert reader.start is not None
    np.testing.assert_array_equal(reader.read(slice(10, 100)), values[10:100])
    write_raster(tmp_path / "a.tif", [values[:5, :7]], crop(BOX, slice(0, 5), slice(0, 7)), ["VV"])
    assert row_reader(tmp_path / "a.tif").start is not None


@pytest.mark.parametrize("rows", [slice(0, 0), slice(-1, 5), slice(140, 151), slice(5, 3)])
@pytest.mark.parametrize("layout", ["strips", "compressed"])
def test_rows_beyond_the_raster_are_refused(tmp_path: Path, layout: str, rows: slice) -> None:
    written(tmp_path / "a.tif", **LAYOUTS[layout][1])
    with pytest.raises(GridError, match=r"a\.tif.*beyond"):
        row_reader(tmp_path / "a.tif").read(rows)


@pytest.mark.parametrize("layout", ["strips", "compressed"])
def test_a_file_that_is_cut_short_or_gone_is_named(tmp_path: Path, layout: str) -> None:
    file = tmp_path / "a.tif"
    written(file, **LAYOUTS[layout][1])
    reader, whole = row_reader(file), file.read_bytes()
    file.write_bytes(whole[:-2000])
    with pytest.raises(ProductError, match=r"a\.tif"):
        reader.read(slice(0, 150))
    file.unlink()
    with pytest.raises(ProductError, match=r"a\.tif"):
        reader.read(slice(0, 150))
    with pytest.raises(ProductError, match=r"a\.tif"):
        row_reader(file)


def test_a_raster_that_gdal_has_in_memory_is_left_to_gdal(tmp_path: Path) -> None:
    written(tmp_path / "a.tif", **LAYOUTS["strips"][1])
    with MemoryFile((tmp_path / "a.tif").read_bytes()) as memory:
        reader = row_reader(memory.name)
        assert reader.start is None
        np.testing.assert_array_equal(reader.read(slice(3, 9)), row_reader(tmp_path / "a.tif").read(slice(3, 9)))
