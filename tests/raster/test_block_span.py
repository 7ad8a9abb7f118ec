"""The bytes of a file that hold a window: with them and the beginning alone, GDAL reads the same values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.io import MemoryFile
from rasterio.windows import Window

from s1monthly.raster.block_span import block_span

HEAD = 1 << 14
SHAPE = 1300, 1900


def write(path: Path, dtype: str = "float32", **profile: Any) -> bytes:
    """Write noise, which hardly compresses, with a part without data."""
    values = np.random.default_rng(1).random(SHAPE).astype("float32")
    values[:600, :600] = np.nan
    if dtype == "uint8":
        values = np.nan_to_num(values * 4, nan=255)
    grid = rasterio.Affine(30, 0, 399960, 0, -30, 3700020)
    usual = {"driver": "COG", "compress": "deflate", "blocksize": 512, "crs": "EPSG:32611", "transform": grid}
    named = {"count": 1, "height": SHAPE[0], "width": SHAPE[1], "dtype": dtype}
    nodata = 255 if dtype == "uint8" else np.nan
    with rasterio.open(path, "w", **usual | named | {"nodata": nodata} | profile) as dataset:
        dataset.write(values.astype(dtype), 1)
    return path.read_bytes()


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize(
    "window", [(0, 40, 0, 60), (700, 1300, 1400, 1900), (500, 530, 1000, 1040), (511, 513, 0, 1900)]
)
def test_a_window_is_read_from_its_span_alone(tmp_path: Path, dtype: str, window: tuple[int, int, int, int]) -> None:
    whole = write(tmp_path / "a.tif", dtype)
    rows, cols = slice(*window[:2]), slice(*window[2:])
    span = block_span(whole[:HEAD], lambda box: (rows, cols))
    assert span and HEAD / 8 < span[0] < span[1] <= len(whole)
    part = bytearray(len(whole))
    part[:HEAD] = whole[:HEAD]
    part[span[0] : span[1]] = whole[span[0] : span[1]]
    where = Window.from_slices(rows, cols)
    with rasterio.open(tmp_path / "a.tif") as one, MemoryFile(bytes(part)) as file, file.open() as other:
        np.testing.assert_array_equal(other.read(1, window=where), one.read(1, window=where))
    assert span[1] - span[0] < 0.8 * len(whole) or dtype == "uint8"


def test_beside_the_grid_nothing_is_needed(tmp_path: Path) -> None:
    assert block_span(write(tmp_path / "a.tif")[:HEAD], lambda box: None) is None


@pytest.mark.parametrize(
    "profile",
    [{"BIGTIFF": "YES"}, {"driver": "GTiff", "blocksize": None, "tiled": False}, {"crs": "EPSG:3857"}],
    ids=["BigTIFF", "strips", "no UTM"],
)
def test_unusual_files_are_read_whole(tmp_path: Path, profile: dict[str, Any]) -> None:
    whole = write(tmp_path / "a.tif", **{k: v for k, v in profile.items() if v is not None})
    with pytest.raises(ValueError):
        block_span(whole[:HEAD], lambda box: (slice(0, 1), slice(0, 1)))


def test_a_directory_behind_the_beginning_makes_it_unusual(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.tif")
    for length in (4, 100, 300):
        with pytest.raises(ValueError):
            block_span(whole[:length], lambda box: (slice(0, 1), slice(0, 1)))
