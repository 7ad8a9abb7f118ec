"""GeoTIFFs and previews: what is written is read back, and nothing half-written is left."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from PIL import Image

from s1monthly.audit.products import preview_fault
from s1monthly.errors import GridError, ProductError, S1MonthlyError
from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.preview import preview_rgba
from s1monthly.raster.cog import write_cog
from s1monthly.raster.fast_geotiff import open_header
from s1monthly.raster.writing import preview_geobox, refuse_unwritten, write_preview, write_raster
from support.granules import ORIGIN
from support.raster_samples import BIG, BOX, LABELS, full_disk, pixels

# temporary rasters


def test_a_raster_is_read_back_bit_by_bit(tmp_path: Path) -> None:
    values = pixels(BOX, 3)
    path = tmp_path / "new" / "folder" / "a.tif"
    write_raster(path, values, BOX, ["VV", "VH", "third"])
    assert open_header(path).geobox == BOX
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read().view(np.uint32), values.view(np.uint32))
        assert dataset.descriptions == ("VV", "VH", "third")
        assert np.isnan(dataset.nodata)
        assert dataset.compression is None
        assert dataset.interleaving.value.lower() == "band"


def test_counts_are_written_as_whole_numbers_without_no_data(tmp_path: Path) -> None:
    counts = np.arange(200 * 300, dtype=np.uint8).reshape(1, 200, 300)
    write_raster(tmp_path / "count.tif", counts, BOX, ["count"])
    with rasterio.open(tmp_path / "count.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(), counts)
        assert dataset.dtypes == ("uint8",) and dataset.nodata is None


def test_bands_that_do_not_fit_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(GridError, match=r"band VH"):
        write_raster(tmp_path / "a.tif", [pixels(BOX)[0], pixels(BIG)[0]], BOX, ["VV", "VH"])
    with pytest.raises(ValueError, match="shorter"):
        write_raster(tmp_path / "a.tif", pixels(BOX), BOX, ["VV", "VH"])
    with pytest.raises(ValueError, match="shorter"):
        write_raster(tmp_path / "a.tif", [], BOX, ["VV"])
    assert list(tmp_path.iterdir()) == []


def test_a_failure_on_the_way_keeps_the_old_file(tmp_path: Path) -> None:
    write_raster(tmp_path / "a.tif", pixels(BOX), BOX, ["VV"])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def failing() -> Iterator[NDArray[np.float32]]:
        yield pixels(BOX)[0]
        raise GridError("second band", "none")

    with pytest.raises(GridError, match="second band"):
        write_raster(tmp_path / "a.tif", failing(), BOX, ["VV", "VH"])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_full_disk_is_noticed_wherever_it_strikes(tmp_path: Path) -> None:
    """GDAL fails in silence when the last blocks do not fit at closing."""
    noise = np.random.default_rng(5).uniform(1, 2, (2, *BIG.shape)).astype(np.float32)
    picture = pixels(BIG)[0], pixels(BIG)[0], pixels(BIG)[0]
    write_raster(tmp_path / "whole.tif", noise, BIG, ["a", "b"])
    write_preview(tmp_path / "a.png", *picture, BIG)
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    (tmp_path / "full").mkdir()
    for share in (0.01, 0.5, 0.999):
        with full_disk(int(share * sizes["whole.tif"])), pytest.raises(ProductError, match=r"x\.tif.*space"):
            write_raster(tmp_path / "full" / "x.tif", noise, BIG, ["a", "b"])
    with full_disk(sizes["a.png"] // 2), pytest.raises(ProductError, match=r"x\.png.*space"):
        write_preview(tmp_path / "full" / "x.png", *picture, BIG)
    assert list((tmp_path / "full").iterdir()) == []


def test_a_silent_loss_of_blocks_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guard the guard: files that GDAL would call written, without a block or without their end."""
    values = pixels(BIG, 2)
    path = tmp_path / "a.tif"
    write_cog(path, values, BIG, LABELS[:2], block_size=128)
    refuse_unwritten(path)
    os.truncate(path, path.stat().st_size - 100)
    with pytest.raises(OSError, match="band 2 was not written"):
        refuse_unwritten(path)
    path.unlink()

    def without_last_band(target: Path, given: Iterable[NDArray[np.float32]], *arguments: object) -> None:
        first, *_ = given
        profile = {"driver": "GTiff", "count": 2, "width": 700, "height": 600, "dtype": "float32", "tiled": True}
        grid = {"crs": BIG.crs, "transform": rasterio.Affine(*BIG.transform)}
        with rasterio.open(target, "w", sparse_ok=True, interleave="band", **profile, **grid) as dataset:
            dataset.write(first, 1)

    monkeypatch.setattr("s1monthly.raster.writing._write_bands", without_last_band)
    with pytest.raises(ProductError, match=r"a\.tif.*band 2 was not written"):
        write_raster(path, values, BIG, ["a", "b"])
    assert list(tmp_path.iterdir()) == []


# previews


def test_a_preview_is_a_picture_with_its_place(tmp_path: Path) -> None:
    co, cross = pixels(BIG, 2)
    ratio = np.abs(pixels(BIG, seed=7)[0]) / 40
    write_preview(tmp_path / "preview" / "a.png", co, cross, ratio, BIG)
    assert sorted(os.listdir(tmp_path / "preview")) == ["a.png", "a.png.aux.xml"]
    with Image.open(tmp_path / "preview" / "a.png") as picture:
        assert picture.mode == "RGBA"
        np.testing.assert_array_equal(np.moveaxis(np.asarray(picture), 2, 0), preview_rgba(co, cross, ratio, 10))


@pytest.mark.parametrize("epsg", [32611, 32760, 4326, 3035, 3857])
def test_gdal_places_a_preview(tmp_path: Path, epsg: int) -> None:
    grid = GeoBox(epsg, 0.01, -12.3, 4.5, 400, 300) if epsg == 4326 else replace(BIG, epsg=epsg)
    picture = pixels(grid)[0], pixels(grid)[0], None
    write_preview(tmp_path / "a.png", *picture, grid)
    place = preview_geobox(grid)
    with rasterio.open(tmp_path / "a.png") as dataset:
        assert dataset.crs.to_epsg() == epsg and tuple(dataset.transform)[:6] == place.transform
        assert dataset.bounds == place.bounds and dataset.count == 4
    assert preview_fault(tmp_path / "a.png", grid) is None
    (tmp_path / "a.png.aux.xml").unlink()
    assert preview_fault(tmp_path / "a.png", grid) is None, "as earlier versions left it"
    write_preview(tmp_path / "a.png", *picture, replace(grid, left=grid.left + grid.resolution))
    assert "a.png.aux.xml does not place it" in str(preview_fault(tmp_path / "a.png", grid))


def test_the_same_picture_gives_the_same_bytes(tmp_path: Path) -> None:
    picture = pixels(BIG)[0], pixels(BIG)[0], pixels(BIG)[0]
    digests = set()
    for name in ("a.png", "b.png"):
        write_preview(tmp_path / name, *picture, BIG)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("resolution", "expected"), [(30.0, 300.0), (10.0, 300.0), (60.0, 300.0), (45.0, 315.0), (400.0, 400.0)]
)
def test_previews_are_of_whole_pixels_and_cover_the_raster(resolution: float, expected: float) -> None:
    box = GeoBox(32611, resolution, *ORIGIN, 2440, 2441)
    preview = preview_geobox(box)
    assert (preview.resolution, preview.left, preview.top, preview.epsg) == (expected, box.left, box.top, 32611)
    for side, covered in ((box.width, preview.width), (box.height, preview.height)):
        assert 0 <= covered * expected - side * resolution < expected


@pytest.mark.parametrize(
    ("epsg", "resolution", "factor"),
    [(4326, 0.003, 1), (4326, 0.0003, 9), (4807, 0.0003, 10), (2225, 100.0, 10), (3857, 30.0, 10)],
)
def test_previews_are_of_300_metres_whatever_the_unit(epsg: int, resolution: float, factor: int) -> None:
    assert preview_geobox(GeoBox(epsg, resolution, 0, 40, 1000, 900)).resolution == factor * resolution


def test_errors_say_what_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(S1MonthlyError, match=r"a\.tif.*-> check"):
        write_raster(tmp_path / "file" / "a.tif", pixels(BOX), BOX, ["VV"])
