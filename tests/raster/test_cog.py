"""COGs: what they hold, how they lie on disk, and that nothing half-written is left."""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, get_args

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Interleaving
from rasterio.windows import Window
from rio_cogeo.cogeo import cog_validate

from s1monthly.audit.products import cog_difference
from s1monthly.errors import GridError, ProductError
from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.statistics import BandStatistics
from s1monthly.model import CogCompression
from s1monthly.raster import cog, cog_blocks
from s1monthly.raster.cog import write_cog
from s1monthly.raster.cog_blocks import Run
from support.gdal_overviews import by_gdal
from support.granules import ORIGIN
from support.raster_samples import BIG, BOX, LABELS, full_disk, pixels
from support.tiff_walker import Tiff, decoded, walk

LIBRARY = str(Path(__file__).resolve().parents[2] / "scripts")
GHOST = {
    "LAYOUT": "IFDS_BEFORE_DATA",
    "BLOCK_ORDER": "ROW_MAJOR",
    "BLOCK_LEADER": "SIZE_AS_UINT4",
    "BLOCK_TRAILER": "LAST_4_BYTES_REPEATED",
    "KNOWN_INCOMPATIBLE_EDITION": "NO",
}


def box(height: int, width: int) -> GeoBox:
    return GeoBox(32611, 30.0, *ORIGIN, width, height)


def bits(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    """The bits of floats, those of NaN made alike."""
    return np.where(np.isnan(values), np.float32(np.nan), values).view(np.uint32)


def odd_values(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Numbers, no data with and without a payload, both zeros, infinities, the smallest and the largest."""
    rng = np.random.default_rng(8)
    values = rng.normal(0, 3, shape).astype(np.float32)
    values[..., : shape[-2] // 3, : shape[-1] // 2] = np.nan
    finfo = np.finfo(np.float32)
    odd = np.float32([-0.0, 0.0, np.inf, -np.inf, finfo.tiny, finfo.smallest_subnormal, finfo.max, finfo.min, np.nan])
    places = rng.random(shape) < 0.2
    values[places] = rng.choice(odd, int(places.sum()))
    payloads = np.uint32([0x7FC12345, 0xFF800001])
    values.view(np.uint32).ravel()[-2:] = payloads[: values.size]
    return values


# what it holds


@pytest.mark.parametrize("compression", get_args(CogCompression))
def test_a_cog_is_valid_and_holds_everything(tmp_path: Path, compression: CogCompression) -> None:
    values = pixels(BIG, 4, seed=2)
    path = tmp_path / "cog" / "a.tif"
    options = {"block_size": 128, "threads": 2, "compression": compression}
    statistics = write_cog(path, iter(values), BIG, LABELS, {"LEVEL": "ARDC"}, **options).statistics
    assert cog_validate(path, strict=True) == (True, [], [])
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(), values)
        assert dataset.descriptions == ("VV_dB", "VH_dB", "Ratio", "RVI")
        assert dataset.units == ("dB", "dB", "1", "1")
        assert np.isnan(dataset.nodata) and dataset.dtypes == ("float32",) * 4
        assert (dataset.crs.to_epsg(), *dataset.transform[:6]) == (32611, *BIG.transform)
        assert dataset.tags() == {"LEVEL": "ARDC", "AREA_OR_POINT": "Area"}
        structure = {"PREDICTOR": "3", "LAYOUT": "COG", "INTERLEAVE": "BAND", "COMPRESSION": compression.upper()}
        assert dataset.tags(ns="IMAGE_STRUCTURE") == structure
        assert dataset.interleaving is Interleaving.band
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


def test_statistics_that_are_known_are_not_measured(tmp_path: Path) -> None:
    known = [BandStatistics(1.0, 2.0, 1.5, 0.25, 12)]
    assert write_cog(tmp_path / "a.tif", pixels(BOX), BOX, LABELS[:1], known=known).statistics == known
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert dataset.tags(1)["STATISTICS_MEAN"] == "1.5"


@pytest.mark.parametrize("compression", get_args(CogCompression))
@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize(
    ("shape", "block_size"),
    [((600, 700), 128), ((129, 385), 128), ((300, 520), 256), ((512, 1024), 512), ((513, 7), 512), ((1, 1), 128)],
)
def test_every_pixel_is_read_back_bit_by_bit(
    tmp_path: Path, shape: tuple[int, int], block_size: int, count: int, compression: CogCompression
) -> None:
    values = odd_values((count, *shape))
    path = tmp_path / "a.tif"
    write_cog(path, values, box(*shape), [LABELS[0]] * count, block_size=block_size, compression=compression)
    assert cog_validate(path, strict=True) == (True, [], [])
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(bits(dataset.read()), bits(values))
        assert set(dataset.read()[np.isnan(values)].view(np.uint32).tolist()) == {0x7FC00000}
    tiff = walk(path)
    for band in range(count):
        found = tiff.band(0, band)
        beyond = [(0, whole - size) for whole, size in zip(found.shape, shape, strict=True)]
        np.testing.assert_array_equal(bits(found), bits(np.pad(values[band], beyond, mode="edge")))


@pytest.mark.parametrize("epsg", [32719, 3031, 4326, 3857])
def test_any_crs_is_kept(tmp_path: Path, epsg: int) -> None:
    grid = GeoBox(epsg, 0.25, -60.0, 10.0, 40, 30)
    write_cog(tmp_path / "a.tif", np.ones((1, *grid.shape), np.float32), grid, LABELS[:1], block_size=16)
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert (dataset.crs.to_epsg(), *dataset.transform[:6]) == (epsg, *grid.transform)


@pytest.mark.parametrize("threads", ["1", "2"])
def test_gdal_reads_windows_and_overviews_without_a_warning(
    tmp_path: Path, threads: str, caplog: pytest.LogCaptureFixture
) -> None:
    values = pixels(BIG, 3)
    write_cog(tmp_path / "a.tif", values, BIG, LABELS[:3], block_size=128)
    rng, tiff = np.random.default_rng(0), walk(tmp_path / "a.tif")
    with caplog.at_level(logging.WARNING), rasterio.Env():
        with rasterio.open(tmp_path / "a.tif", num_threads=threads) as dataset:
            for _ in range(20):
                (row, height), (col, width) = (np.sort(rng.choice(500, 2, replace=False)) for _ in range(2))
                found = dataset.read(window=Window.from_slices((row, height), (col, width)))
                np.testing.assert_array_equal(found, values[:, row:height, col:width])
            np.testing.assert_array_equal(dataset.read(2), values[1])
        for level in range(3):
            with rasterio.open(tmp_path / "a.tif", overview_level=level, num_threads=threads) as overview:
                height, width = overview.shape
                expected = [tiff.band(level + 1, band)[:height, :width] for band in range(3)]
                np.testing.assert_array_equal(overview.read(), expected)
    assert caplog.records == []


def test_overviews_are_means_of_valid_pixels(tmp_path: Path) -> None:
    values = pixels(BIG, 2, seed=3)
    write_cog(tmp_path / "a.tif", values, BIG, LABELS[:2], block_size=256)
    parts = values.astype(np.float64).reshape(2, 300, 2, 350, 2).transpose(0, 1, 3, 2, 4).reshape(2, 300, 350, 4)
    empty = np.isnan(parts).all(axis=-1)
    parts[empty] = 0
    means = np.where(empty, np.nan, np.nanmean(parts, axis=-1))
    with rasterio.open(tmp_path / "a.tif", overview_level=0) as overview:
        np.testing.assert_allclose(overview.read(), means, rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "levels"), [((600, 700), 3), ((601, 700), 3), ((915, 457), 3), ((129, 131), 1), ((128, 128), 0)]
)
def test_overviews_are_those_of_gdal(tmp_path: Path, shape: tuple[int, int], levels: int) -> None:
    values = np.where(np.isfinite(odd := odd_values((2, *shape))) & (np.abs(odd) < 1e3), odd, np.float32(np.nan))
    path = tmp_path / "a.tif"
    write_cog(path, values, box(*shape), LABELS[:2], block_size=128)
    with rasterio.open(path) as dataset:
        assert dataset.overviews(1) == [2 ** (level + 1) for level in range(levels)]
    for band in range(2):
        for level, expected in enumerate(by_gdal(values[band], levels)):
            with rasterio.open(path, overview_level=level) as overview:
                np.testing.assert_array_equal(overview.read(band + 1), expected)
        assert cog_difference(path, band + 1, values[band], box(*shape)) is None


def test_a_band_without_data_and_a_small_raster_make_valid_cogs(tmp_path: Path) -> None:
    values = pixels(BOX, 2)
    values[1] = np.nan
    write_cog(tmp_path / "a.tif", values, BOX, LABELS[:2])
    assert cog_validate(tmp_path / "a.tif", strict=True) == (True, [], [])
    with rasterio.open(tmp_path / "a.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(), values)
        assert dataset.tags(2)["STATISTICS_VALID_PERCENT"] == "0"
        assert "STATISTICS_MEAN" not in dataset.tags(2)


# how it lies on disk


def expected_order(tiff: Tiff) -> list[tuple[int, int]]:
    """Blocks in the order that the ghost area promises: the smallest overview first, by band, row and column."""
    return [block for level in reversed(tiff.levels) for block in level.blocks]


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("big", [False, True])
def test_blocks_lie_as_the_ghost_area_says(
    tmp_path: Path, count: int, big: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, path = pixels(BIG, count), tmp_path / "a.tif"
    if big:
        monkeypatch.setattr(cog, "CLASSIC_LIMIT", 10_000)
    write_cog(path, values, BIG, LABELS[:count], {"a": "1"}, block_size=128)
    tiff = walk(path)
    assert tiff.big == big
    assert tiff.ghost == GHOST | ({"INTERLEAVE": "BAND"} if count > 1 else {})
    assert [level.shape for level in tiff.levels] == [(600, 700), (300, 350), (150, 175), (75, 88)]
    assert [level.tags.get(254, (0,)) for level in tiff.levels] == [(0,), (1,), (1,), (1,)]
    assert tiff.levels[0].start < 256 and all(a.start < b.start for a, b in pairwise(tiff.levels))
    blocks = expected_order(tiff)
    assert len(blocks) == count * (5 * 6 + 3 * 3 + 2 * 2 + 1)
    for (offset, size), (following, _) in pairwise([*blocks, (len(tiff.content) + 4, 0)]):
        assert tiff.content[offset - 4 : offset] == size.to_bytes(4, "little")
        assert tiff.content[offset + size : offset + size + 4] == tiff.content[offset + size - 4 : offset + size]
        assert offset + size + 4 == following - 4
        decoded(tiff.content[offset : offset + size], 128)
    assert cog_validate(path, strict=True) == (True, [], [])
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(), values)
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.tags()["a"] == "1" and dataset.descriptions == tuple(label.name for label in LABELS[:count])


def test_the_header_says_no_more_than_gdals_own(tmp_path: Path) -> None:
    """Tags and types are those of a GeoTIFF by GDAL, but for the places of blocks."""
    write_cog(tmp_path / "ours.tif", pixels(BIG, 2), BIG, LABELS[:2], block_size=128)
    with rasterio.open(tmp_path / "ours.tif") as dataset:
        profile, tags = dataset.profile, [dataset.tags(band) for band in (1, 2)]
        with rasterio.open(tmp_path / "gdal.tif", "w", predictor=3, **profile) as other:
            other.write(dataset.read())
            for band, label in enumerate(LABELS[:2], start=1):
                other.set_band_description(band, label.name)
                other.set_band_unit(band, label.units)
                other.update_tags(band, **tags[band - 1])
            other.build_overviews([2, 4, 8])
    ours, gdals = walk(tmp_path / "ours.tif"), walk(tmp_path / "gdal.tif")
    for level, other in zip(ours.levels, gdals.levels, strict=True):
        for tag in sorted({*level.tags, *other.tags} - {324, 325, 42112}):
            assert level.tags.get(tag) == other.tags.get(tag), tag
    assert sorted(ours.levels[0].tags[42112][0].split(b"\n")) == sorted(gdals.levels[0].tags[42112][0].split(b"\n"))


def test_the_first_kilobytes_tell_what_the_file_is(tmp_path: Path) -> None:
    """However many blocks there are, their places come behind the last directory."""
    write_cog(tmp_path / "a.tif", pixels(BIG, 2), BIG, LABELS[:2], block_size=16)
    first, *_, last = walk(tmp_path / "a.tif").levels
    assert len(first.blocks) > 3000 and last.start < 4096


def test_bigtiff_begins_where_4_byte_offsets_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def written() -> bytes:
        write_cog(tmp_path / "a.tif", pixels(BIG, 2), BIG, LABELS[:2], block_size=128)
        return (tmp_path / "a.tif").read_bytes()

    size = len(written())
    for limit, version in ((size, 42), (size - 1, 43)):
        monkeypatch.setattr(cog, "CLASSIC_LIMIT", limit)
        assert written()[2] == version


def test_more_than_4_gib_are_bigtiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [[2**31, 2**31 - 7, 2**30, 5], [300]]
    monkeypatch.setattr(cog, "spool_band", lambda *given: [Run(0, of_level) for of_level in sizes])
    monkeypatch.setattr(cog, "_copy", lambda *given: None)
    write_cog(tmp_path / "a.tif", pixels(BIG, 2), BIG, LABELS[:2])
    tiff = walk(tmp_path / "a.tif")
    assert tiff.big
    place = len(tiff.content) + 4
    for offset, size in expected_order(tiff):
        assert offset == place
        place += size + 8
    assert place > 2**33


@pytest.mark.parametrize(("threads", "piece"), [(1, 1000), (2, 1000), (2, 2**20)])
def test_the_checksum_is_that_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int, piece: int
) -> None:
    monkeypatch.setattr(cog, "COPIED", piece)  # bytes, far fewer than a band has
    made = write_cog(tmp_path / "a.tif", pixels(BIG, 3), BIG, LABELS[:3], block_size=128, threads=threads)
    assert made.sha256 == hashlib.sha256((tmp_path / "a.tif").read_bytes()).hexdigest()


def test_the_checksum_waits_for_the_last_piece(tmp_path: Path) -> None:
    class Asked(Future[Any]):
        def result(self, timeout: float | None = None) -> Any:
            return self.work()

    class Late(Executor):
        """Does no work before its result is asked for."""

        def submit(self, work: Callable[..., object], /, *given: object, **named: object) -> Future[Any]:
            asked = Asked()
            asked.work = partial(work, *given, **named)
            return asked

    with open(tmp_path / "a", "wb") as file:
        writer = cog._Summing(file, Late())
        writer.write(b"one")
        writer.write(b"two")
        assert writer.sha256() == hashlib.sha256(b"onetwo").hexdigest()


def test_blocks_that_are_lost_while_they_wait_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def losing(values: Any, block_size: int, pool: Any, spool: IO[bytes], *given: Any) -> list[Run]:
        runs = cog_blocks.spool_band(values, block_size, pool, spool, *given)
        spool.truncate(spool.tell() - 1)
        return runs

    monkeypatch.setattr(cog, "spool_band", losing)
    with pytest.raises(ProductError, match=r"a\.tif: cannot be written.*cut short"):
        write_cog(tmp_path / "a.tif", pixels(BIG, 2), BIG, LABELS[:2], block_size=128)
    assert list(tmp_path.iterdir()) == []


def test_blocks_wait_beside_the_product(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere, in memory perhaps, there may be no room for them."""
    folders = []

    def noted(dir: Path) -> IO[bytes]:
        folders.append(dir)
        return TemporaryFile(dir=dir)

    monkeypatch.setattr(cog, "TemporaryFile", noted)
    write_cog(tmp_path / "b" / "a.tif", pixels(BOX, 2), BOX, LABELS[:2])
    assert folders == [tmp_path / "b"] * 2


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    values, digests = pixels(BIG, 2), set()
    for index, threads in enumerate((1, 2, 2, 4)):
        path = tmp_path / f"{index}" / "a.tif"
        write_cog(path, values, BIG, LABELS[:2], {"b": "2", "a": "1"}, block_size=128, threads=threads)
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_an_empty_block_is_there_and_takes_next_to_nothing(tmp_path: Path) -> None:
    values = np.full((1, *BIG.shape), np.nan, np.float32)
    values[0, 599, 699] = 1
    write_cog(tmp_path / "a.tif", values, BIG, LABELS[:1], block_size=128)
    sizes = [size for _, size in walk(tmp_path / "a.tif").levels[0].blocks]
    assert len(set(sizes[:-1])) == 1 and 0 < sizes[0] < 128 * 128 * 4 / 200 < sizes[-1]


# nothing half-written


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


def test_bands_that_do_not_fit_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    one, other = pixels(BOX)[0], pixels(BIG)[0]
    with pytest.raises(GridError, match=r"a\.tif, band VH_dB.*grid has \(200, 300\)"):
        write_cog(tmp_path / "a.tif", [one, other], BOX, LABELS[:2])
    too_few_or_many: list[Sequence[NDArray[np.float32]]] = [[], [one], [one, one, one]]
    for given in too_few_or_many:
        with pytest.raises(ValueError, match=r"shorter|longer"):
            write_cog(tmp_path / "a.tif", given, BOX, LABELS[:2])
    assert list(tmp_path.iterdir()) == []


def test_a_failure_on_the_way_keeps_the_old_file(tmp_path: Path) -> None:
    write_cog(tmp_path / "b.tif", pixels(BOX), BOX, LABELS[:1])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def failing() -> Iterator[NDArray[np.float32]]:
        yield pixels(BOX)[0]
        raise GridError("second band", "none")

    with pytest.raises(GridError, match="second band"):
        write_cog(tmp_path / "b.tif", failing(), BOX, LABELS[:2])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("threads", [1, 2])
def test_a_full_disk_is_noticed_wherever_it_strikes(tmp_path: Path, threads: int) -> None:
    noise = np.random.default_rng(5).uniform(1, 2, (2, *BIG.shape)).astype(np.float32)
    write_cog(tmp_path / "cog.tif", noise, BIG, LABELS[:2], block_size=128)
    size = (tmp_path / "cog.tif").stat().st_size
    (tmp_path / "full").mkdir()
    for limit in (0, size // 100, size // 2, size - 2000, size - 1):  # among blocks, or when they are put together
        with full_disk(limit), pytest.raises(ProductError, match=r"x\.tif.*space"):
            write_cog(tmp_path / "full" / "x.tif", noise, BIG, LABELS[:2], block_size=128, threads=threads)
    assert list((tmp_path / "full").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProductError, match=r"a\.tif.*-> check"):
        write_cog(tmp_path / "file" / "a.tif", pixels(BOX), BOX, LABELS[:1])


def test_a_killed_writer_leaves_nothing(tmp_path: Path) -> None:
    program = (
        "import os, sys, numpy as np\n"
        "from s1monthly.kernels.bands import bands\nfrom s1monthly.raster.cog import write_cog\n"
        "from s1monthly.grid.lattice import GeoBox\n"
        "def killed():\n    yield np.ones((600, 700), np.float32)\n    os.kill(os.getpid(), 9)\n"
        "write_cog(sys.argv[1], killed(), GeoBox(32611, 30.0, 0.0, 0.0, 700, 600), bands('VV', 'VH')[:2])\n"
    )
    environment = {**os.environ, "PYTHONPATH": LIBRARY}
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.tif")], check=False, env=environment)
    assert done.returncode == -9 and list(tmp_path.iterdir()) == []
