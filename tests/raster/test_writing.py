"""GeoTIFFs and previews: what is written is read back, and nothing half-written is left."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from PIL import Image

from s1monthly.errors import GridError, ProductError, S1MonthlyError
from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.preview import preview_rgba
from s1monthly.raster.cog import write_cog
from s1monthly.raster.fast_geotiff import open_header
from s1monthly.raster.geotiff import open_raster
from s1monthly.raster.writing import preview_geobox, refuse_unwritten, write_preview, write_raster
from support.granules import ORIGIN, write_tiff
from support.raster_samples import BIG, BOX, LABELS, full_disk, pixels

# reading


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
    read = read_window(tmp_path / "count.tif", slice(0, 200), slice(0, 300))
    np.testing.assert_array_equal(read, counts[0])
    assert read.dtype == np.uint8 and open_header(tmp_path / "count.tif").nodata is None


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


def test_a_preview_is_a_picture_alone(tmp_path: Path) -> None:
    co, cross = pixels(BIG, 2)
    ratio = np.abs(pixels(BIG, seed=7)[0]) / 40
    write_preview(tmp_path / "preview" / "a.png", co, cross, ratio, BIG)
    assert os.listdir(tmp_path / "preview") == ["a.png"]
    with Image.open(tmp_path / "preview" / "a.png") as picture:
        assert picture.mode == "RGBA"
        np.testing.assert_array_equal(np.moveaxis(np.asarray(picture), 2, 0), preview_rgba(co, cross, ratio, 10))


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
