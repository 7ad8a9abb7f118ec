"""GeoTIFFs, COGs and previews: what is written is read back, and nothing half-written is left."""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from PIL import Image
from rio_cogeo.cogeo import cog_validate

from granules import ORIGIN, write_tiff
from s1monthly.bands import bands
from s1monthly.errors import GridError, ProductError, S1MonthlyError
from s1monthly.grid import GeoBox
from s1monthly.previews import preview_rgba
from s1monthly.rasters import (
    open_header,
    preview_geobox,
    read_raster,
    read_window,
    write_cog,
    write_preview,
    write_raster,
)

BOX = GeoBox(32611, 30.0, *ORIGIN, 300, 200)
BIG = GeoBox(32611, 30.0, *ORIGIN, 700, 600)
LABELS = bands("VV", "VH")


def pixels(box: GeoBox, count: int = 1, seed: int = 0) -> NDArray[np.float32]:
    values = np.random.default_rng(seed).normal(-10, 3, (count, *box.shape)).astype(np.float32)
    values[:, :37, :53] = np.nan
    values[:, 100, 100] = np.nan
    return values


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """Let no file grow beyond some bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# reading


def test_the_header_says_what_the_file_is(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", np.zeros((70, 90), np.float32), epsg=32719, resolution=60.0)
    header = open_header(path)
    assert header.geobox == GeoBox(32719, 60.0, *ORIGIN, 90, 70)
    assert (header.dtype, header.count, header.block_shape) == ("float32", 1, (512, 512))
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
    read, box = read_raster(path)
    np.testing.assert_array_equal(read.view(np.uint32), values.view(np.uint32))
    assert box == BOX
    with rasterio.open(path) as dataset:
        assert dataset.descriptions == ("VV", "VH", "third")
        assert np.isnan(dataset.nodata)
        assert dataset.compression is None
        assert dataset.interleaving.value.lower() == "band"


def test_counts_are_written_as_whole_numbers_without_no_data(tmp_path: Path) -> None:
    counts = np.arange(200 * 300, dtype=np.uint8).reshape(1, 200, 300)
    write_raster(tmp_path / "count.tif", counts, BOX, ["count"])
    read, _ = read_raster(tmp_path / "count.tif")
    np.testing.assert_array_equal(read, counts)
    assert read.dtype == np.uint8
    assert open_header(tmp_path / "count.tif").nodata is None


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
    write_cog(tmp_path / "b.tif", pixels(BOX), BOX, LABELS[:1])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def failing() -> Iterator[NDArray[np.float32]]:
        yield pixels(BOX)[0]
        raise GridError("second band", "none")

    with pytest.raises(GridError, match="second band"):
        write_raster(tmp_path / "a.tif", failing(), BOX, ["VV", "VH"])
    with pytest.raises(GridError, match="second band"):
        write_cog(tmp_path / "b.tif", failing(), BOX, LABELS[:2])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_full_disk_is_noticed_wherever_it_strikes(tmp_path: Path) -> None:
    """GDAL fails in silence when the last blocks do not fit at closing."""
    noise = np.random.default_rng(5).uniform(1, 2, (2, *BIG.shape)).astype(np.float32)
    picture = pixels(BIG)[0], pixels(BIG)[0], pixels(BIG)[0]
    write_raster(tmp_path / "whole.tif", noise, BIG, ["a", "b"])
    write_cog(tmp_path / "cog.tif", noise, BIG, LABELS[:2])
    write_preview(tmp_path / "a.png", *picture, BIG)
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    (tmp_path / "full").mkdir()
    for share in (0.01, 0.5, 0.999):
        for write in (
            lambda path: write_raster(path, noise, BIG, ["a", "b"]),
            lambda path: write_cog(path, noise, BIG, LABELS[:2]),
        ):
            with full_disk(int(share * sizes["whole.tif"])), pytest.raises(ProductError, match=r"x\.tif.*space"):
                write(tmp_path / "full" / "x.tif")
    # room for the uncompressed file, not for its overviews
    with full_disk(int(1.1 * sizes["whole.tif"])), pytest.raises(ProductError, match=r"x\.tif.*space"):
        write_cog(tmp_path / "full" / "x.tif", noise, BIG, LABELS[:2])
    with full_disk(sizes["a.png"] // 2), pytest.raises(ProductError, match=r"x\.png.*space"):
        write_preview(tmp_path / "full" / "x.png", *picture, BIG)
    assert list((tmp_path / "full").iterdir()) == []


def test_a_silent_loss_of_blocks_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guard the guard: files that GDAL would call written, without a block or without their end."""
    values = pixels(BIG, 2)
    path = tmp_path / "a.tif"
    copy = rasterio.shutil.copy

    def cut_short(source: Path, target: Path, **options: object) -> None:
        copy(source, target, **options)
        os.truncate(target, target.stat().st_size - 100)

    with monkeypatch.context() as patch:
        patch.setattr(rasterio.shutil, "copy", cut_short)
        with pytest.raises(ProductError, match=r"a\.tif.*block .* was not written"):
            write_cog(path, values, BIG, LABELS[:2])

    def without_last_band(target: Path, given: Iterable[NDArray[np.float32]], *arguments: object) -> None:
        first, *_ = given
        profile = {"driver": "GTiff", "count": 2, "width": 700, "height": 600, "dtype": "float32", "tiled": True}
        grid = {"crs": BIG.crs, "transform": rasterio.Affine(*BIG.transform)}
        with rasterio.open(target, "w", sparse_ok=True, interleave="band", **profile, **grid) as dataset:
            dataset.write(first, 1)

    monkeypatch.setattr("s1monthly.rasters._write_bands", without_last_band)
    with pytest.raises(ProductError, match=r"a\.tif.*band 2 was not written"):
        write_raster(path, values, BIG, ["a", "b"])
    with pytest.raises(ProductError, match=r"a\.tif.*band 2 was not written"):
        write_cog(path, values, BIG, LABELS[:2])
    assert list(tmp_path.iterdir()) == []


# COGs


def test_a_cog_is_valid_and_holds_everything(tmp_path: Path) -> None:
    values = pixels(BIG, 4, seed=2)
    path = tmp_path / "cog" / "a.tif"
    statistics = write_cog(path, iter(values), BIG, LABELS, {"LEVEL": "ARDC"}, block_size=128, threads=2)
    valid, errors, warnings = cog_validate(path, strict=True)
    assert valid and not errors and not warnings
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(), values)
        assert dataset.descriptions == ("VV_dB", "VH_dB", "Ratio", "RVI")
        assert dataset.units == ("dB", "dB", "1", "1")
        assert np.isnan(dataset.nodata) and dataset.dtypes == ("float32",) * 4
        assert (dataset.crs.to_epsg(), *dataset.transform[:6]) == (32611, *BIG.transform)
        assert dataset.tags()["LEVEL"] == "ARDC"
        structure = dataset.tags(ns="IMAGE_STRUCTURE")
        assert (structure["COMPRESSION"], structure["PREDICTOR"], structure["LAYOUT"]) == ("ZSTD", "3", "COG")
        assert set(dataset.block_shapes) == {(128, 128)}
        assert dataset.overviews(1) == [2, 4, 8]
        for band in range(4):
            tags, finite = dataset.tags(band + 1), values[band][np.isfinite(values[band])].astype(np.float64)
            assert tags["long_name"] == LABELS[band].description
            expected = [finite.min(), finite.max(), finite.mean(), finite.std(), 100 * finite.size / values[band].size]
            names = ("MINIMUM", "MAXIMUM", "MEAN", "STDDEV", "VALID_PERCENT")
            written = [float(tags[f"STATISTICS_{name}"]) for name in names]
            np.testing.assert_allclose(written, expected, rtol=1e-7)
            assert statistics[band].mean == pytest.approx(finite.mean())
    assert os.listdir(path.parent) == ["a.tif"]


def test_overviews_are_means_of_valid_pixels(tmp_path: Path) -> None:
    values = pixels(BIG, 2, seed=3)
    write_cog(tmp_path / "a.tif", values, BIG, LABELS[:2], block_size=256)
    parts = values.astype(np.float64).reshape(2, 300, 2, 350, 2).transpose(0, 1, 3, 2, 4).reshape(2, 300, 350, 4)
    empty = np.isnan(parts).all(axis=-1)
    parts[empty] = 0
    means = np.where(empty, np.nan, np.nanmean(parts, axis=-1))
    with rasterio.open(tmp_path / "a.tif", overview_level=0) as overview:
        np.testing.assert_allclose(overview.read(), means, rtol=1e-5)


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    values = pixels(BIG, 2)
    picture = pixels(BIG)[0], pixels(BIG)[0], pixels(BIG)[0]
    digests = set()
    for index, threads in enumerate((1, 2, 2, 4)):
        path = tmp_path / f"{index}" / "a.tif"
        write_cog(path, values, BIG, LABELS[:2], {"b": "2", "a": "1"}, block_size=128, threads=threads)
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
        write_preview(path.with_suffix(".png"), *picture, BIG)
        digests.add(hashlib.sha256(path.with_suffix(".png").read_bytes()).hexdigest())
    assert len(digests) == 2


def test_bands_are_taken_one_at_a_time(tmp_path: Path) -> None:
    alive: list[weakref.ref[NDArray[np.float32]]] = []
    most = 0

    def lazily() -> Iterator[NDArray[np.float32]]:
        nonlocal most
        for seed in range(6):
            values = pixels(BOX, seed=seed)[0].copy()
            alive.append(weakref.ref(values))
            most = max(most, sum(reference() is not None for reference in alive))
            yield values
            del values

    write_cog(tmp_path / "a.tif", lazily(), BOX, [LABELS[0]] * 6)
    assert len(alive) == 6 and most <= 2


def test_a_band_without_data_and_a_small_raster_make_valid_cogs(tmp_path: Path) -> None:
    values = pixels(BOX, 2)
    values[1] = np.nan
    write_cog(tmp_path / "a.tif", values, BOX, LABELS[:2])
    assert cog_validate(tmp_path / "a.tif", strict=True) == (True, [], [])
    with rasterio.open(tmp_path / "a.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(), values)
        assert dataset.tags(2)["STATISTICS_VALID_PERCENT"] == "0"
        assert "STATISTICS_MEAN" not in dataset.tags(2)


def test_a_file_left_by_a_killed_writer_is_in_nobodys_way(tmp_path: Path) -> None:
    program = (
        "import os, sys, numpy as np\n"
        "from s1monthly.bands import bands\n"
        "from s1monthly.grid import GeoBox\nfrom s1monthly.rasters import write_cog\n"
        "def killed():\n    yield np.ones((600, 700), np.float32)\n    os.kill(os.getpid(), 9)\n"
        "write_cog(sys.argv[1], killed(), GeoBox(32611, 30.0, 0.0, 0.0, 700, 600), bands('VV', 'VH')[:2])\n"
    )
    path = tmp_path / "a.tif"
    environment = {**os.environ, "PYTHONPATH": LIBRARY}
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=False, env=environment)
    assert done.returncode == -9 and not path.exists()
    write_cog(path, pixels(BIG, 2), BIG, LABELS[:2])
    assert cog_validate(path, strict=True) == (True, [], [])
    assert not list(tmp_path.glob(".a.source*"))


LIBRARY = str(Path(__file__).resolve().parent.parent / "scripts")


# previews


def test_a_preview_is_a_picture_alone(tmp_path: Path) -> None:
    co, cross = pixels(BIG, 2)
    ratio = np.abs(pixels(BIG, seed=7)[0]) / 40
    write_preview(tmp_path / "preview" / "a.png", co, cross, ratio, BIG)
    assert os.listdir(tmp_path / "preview") == ["a.png"]
    with Image.open(tmp_path / "preview" / "a.png") as picture:
        assert picture.mode == "RGBA"
        np.testing.assert_array_equal(np.moveaxis(np.asarray(picture), 2, 0), preview_rgba(co, cross, ratio, 10))


@pytest.mark.parametrize(
    ("resolution", "expected"), [(30.0, 300.0), (10.0, 300.0), (60.0, 300.0), (45.0, 315.0), (400.0, 400.0)]
)
def test_previews_are_of_whole_pixels_and_cover_the_raster(resolution: float, expected: float) -> None:
    box = GeoBox(32611, resolution, *ORIGIN, 2440, 2441)
    preview = preview_geobox(box)
    assert (preview.resolution, preview.left, preview.top, preview.epsg) == (expected, box.left, box.top, 32611)
    for side, covered in ((box.width, preview.width), (box.height, preview.height)):
        assert 0 <= covered * expected - side * resolution < expected


def test_errors_say_what_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(S1MonthlyError, match=r"a\.tif.*-> check"):
        write_raster(tmp_path / "file" / "a.tif", pixels(BOX), BOX, ["VV"])
