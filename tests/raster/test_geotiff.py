"""Windows of GeoTIFFs from disk and memory, and errors that name the file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from PIL import Image

from s1monthly.errors import GridError, ProductError
from s1monthly.grid.lattice import GeoBox
from s1monthly.raster.fast_geotiff import open_header
from s1monthly.raster.geotiff import GDAL_OPTIONS, open_dataset, open_raster
from s1monthly.raster.writing import grid_profile
from support.granules import ORIGIN, write_tiff
from support.raster_samples import BIG, BOX, pixels

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def read_window(raster: Path | str | bytes, rows: slice, cols: slice, band: int = 1) -> NDArray[np.float32]:
    with open_raster(raster) as opened:
        return opened.read(rows, cols, band)


def test_the_header_says_what_the_file_is(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", np.zeros((70, 90), np.float32), epsg=32719, resolution=60.0)
    header = open_header(path)
    assert header.geobox == GeoBox(32719, 60.0, *ORIGIN, 90, 70)
    assert (header.dtype, header.count) == ("float32", 1)
    assert header.nodata is not None and np.isnan(header.nodata)
    assert repr(open_header(path.read_bytes())) == repr(header)


@pytest.mark.parametrize(
    ("crs", "transform", "message"),
    [
        (None, (30, 0, 0, 0, -30, 0), "no CRS"),
        ("+proj=laea +lat_0=12.3 +lon_0=45.6 +R=6371000", (30, 0, 0, 0, -30, 0), "no CRS with an EPSG code"),
        ("EPSG:32611", (30, 0, 0, 0, 30, 0), "not north-up"),
        ("EPSG:32611", (30, 5, 0, 5, -30, 0), "not north-up"),
        ("EPSG:32611", (30, 0, 0, 0, -20, 0), "square"),
    ],
)
def test_rasters_off_any_grid_are_refused_by_name(
    tmp_path: Path, crs: str | None, transform: tuple[float, ...], message: str
) -> None:
    path = tmp_path / "odd.tif"
    profile = {"driver": "GTiff", "dtype": "float32", "count": 1, "height": 4, "width": 4}
    with rasterio.open(path, "w", crs=crs, transform=rasterio.Affine(*transform), **profile) as dataset:
        dataset.write(np.zeros((4, 4), np.float32), 1)
    with pytest.raises(GridError, match=rf"odd\.tif.*{message}"):
        open_header(path)


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.3, 0.9])
@pytest.mark.parametrize("in_memory", [False, True])
def test_a_file_cut_short_is_refused_by_name(tmp_path: Path, kept: float, in_memory: bool) -> None:
    path = write_tiff(tmp_path / "short.tif", pixels(BOX)[0])
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ProductError, match="in memory" if in_memory else r"short\.tif"):
        read_window(path.read_bytes() if in_memory else path, slice(0, 200), slice(0, 300))


def test_what_is_no_geotiff_is_refused_by_name(tmp_path: Path) -> None:
    page = tmp_path / "page.tif"
    page.write_text("<html>Log in</html>")
    picture = tmp_path / "picture.tif"
    Image.new("L", (8, 8)).save(picture, format="PNG")
    for path in (page, picture, tmp_path / "missing.tif", tmp_path):
        with pytest.raises(ProductError, match=path.name):
            open_header(path)


def test_windows_are_the_pixels_of_the_file_from_disk_and_memory(tmp_path: Path) -> None:
    values = pixels(BIG)[0]
    path = write_tiff(tmp_path / "a.tif", values)
    for source in (path, str(path), path.read_bytes()):
        window = read_window(source, slice(490, 600), slice(20, 523))
        np.testing.assert_array_equal(window, values[490:600, 20:523])
        assert window.dtype == np.float32


@pytest.mark.parametrize(
    ("rows", "cols"), [((-1, 5), (0, 5)), ((0, 201), (0, 5)), ((0, 5), (0, 301)), ((5, 5), (0, 5)), ((0, 5), (7, 6))]
)
def test_windows_beyond_the_raster_are_refused(tmp_path: Path, rows: tuple[int, int], cols: tuple[int, int]) -> None:
    path = write_tiff(tmp_path / "a.tif", pixels(BOX)[0])
    with pytest.raises(GridError, match=r"a\.tif"):
        read_window(path, slice(*rows), slice(*cols))


@pytest.mark.parametrize("band", [0, 2])
def test_a_band_that_is_not_there_is_refused(tmp_path: Path, band: int) -> None:
    path = write_tiff(tmp_path / "a.tif", pixels(BOX)[0])
    with pytest.raises(ProductError, match=rf"a\.tif.*band {band}"):
        read_window(path, slice(0, 1), slice(0, 1), band)


def test_a_dataset_is_opened_with_our_options_and_its_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    values = pixels(BIG)[0]
    write_tiff(path, values)
    with open_dataset(path) as dataset:
        np.testing.assert_array_equal(dataset.read(1), values)
        assert GDAL_OPTIONS.items() <= rasterio.env.getenv().items()
    content = path.read_bytes()
    path.write_bytes(content[:-300])
    with pytest.raises(ProductError, match=r"a\.tif: cannot be read"), open_dataset(path) as dataset:
        dataset.read(1)
    with (
        pytest.raises(ProductError, match=r"none\.tif: cannot be read .*No such file"),
        open_dataset(tmp_path / "none.tif"),
    ):
        pass


@pytest.mark.parametrize("run", ["jobs", "commands"])
def test_what_others_set_for_gdal_and_proj_changes_nothing(tmp_path: Path, run: str) -> None:
    """Conda and QGIS point to their own data, with which no CRS is known; any option of GDAL can be a variable."""
    profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "compress": "deflate", "ENDIANNESS": "BIG"}
    with rasterio.open(tmp_path / "a.tif", "w", **profile, **grid_profile(BOX)) as dataset:
        dataset.write(np.random.default_rng(3).uniform(0, 120, (1, *BOX.shape)).astype(np.float32))
    whole = bytearray((tmp_path / "a.tif").read_bytes())
    whole[-3000:-2900] = b"x" * 100  # damaged pixels
    (tmp_path / "b.tif").write_bytes(whole)
    code = f"""
from s1monthly.workflow import {run}
from s1monthly.errors import ProductError
from s1monthly.raster.geotiff import open_raster
def main():
    with open_raster("a.tif") as raster:
        assert raster.header.geobox.epsg == 32611
    try:
        with open_raster("b.tif") as raster:
            raster.read(slice(0, 200), slice(0, 300))
    except ProductError:
        print("all is well")
{run}.run(main)
"""
    foreign = dict.fromkeys(("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH"), "/nonexistent")
    foreign |= {"GTIFF_IGNORE_READ_ERRORS": "YES", "GDAL_SKIP": "GTiff", "OSR_DEFAULT_AXIS_MAPPING_STRATEGY": "x"}
    environment = {**os.environ, **foreign, "PYTHONPATH": str(SCRIPTS)}
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "all is well\n"), done.stderr
