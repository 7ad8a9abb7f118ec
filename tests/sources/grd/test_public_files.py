"""Fetching of public files: DEM tiles, the geoid and orbit files, from servers that fail in every way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from pyproj import Transformer
from rasterio import Affine
from rasterio.io import MemoryFile

from s1monthly.errors import FileError, GridError, SourceError
from s1monthly.grid.lattice import GeoBox
from s1monthly.sources import retries
from s1monthly.sources.grd.copernicus import open_tiles, tile_name
from s1monthly.sources.grd.dem import Dem, HeightsAbove, open_dem, tile_heights
from s1monthly.sources.grd.dem_fetching import cells_under, fetch_geoid, fetch_tiles
from s1monthly.sources.grd.orbit_fetching import fetch_orbit_file
from s1monthly.sources.grd.orbit_file import read_orbit_file
from s1monthly.sources.grd.public_files import fetch
from s1monthly.stages.heights import fine_grid, make_heights
from standin import Hold, Reply, cut, drop, reset, status, trickle
from standin.bucket import Bucket, buckets
from support.dem_samples import tile_list, write_tile

TIFF = b"II*\0" + bytes(range(256)) * 40
SECONDS = 5.0


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Bucket]]:
    """Three empty buckets; tries follow each other quickly."""
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(retries, "LONGEST_WAIT", 0.05)
    with buckets(3, monkeypatch) as made:
        yield made


def no_problem(content: bytes) -> str:
    return ""


def names_in(folder: Path) -> list[str]:
    """Names of all files but locks, hidden ones too."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock"))


def test_faults_that_pass_are_overcome_and_a_file_is_whole_or_absent(served: list[Bucket], tmp_path: Path) -> None:
    bucket = served[0]
    bucket.objects = {"a/b.tif": TIFF}
    bucket.web.faults = [status(429, retry_after=0), status(503), drop(), cut(), reset(), status(500), None]
    fetch(f"https://{bucket.host}/a/b.tif", tmp_path / "new" / "b.tif", SECONDS, no_problem)
    assert (tmp_path / "new" / "b.tif").read_bytes() == TIFF
    assert len(bucket.asked) == 7
    fetch(f"https://{bucket.host}/a/b.tif", tmp_path / "new" / "b.tif", SECONDS, no_problem)
    assert len(bucket.asked) == 7  # it is there
    for fault in (cut(), trickle(60)):
        bucket.web.faults = fault
        with pytest.raises(SourceError, match=r"https://localhost:\d+/a/b.tif: .* \(tried") as error:
            fetch(f"https://{bucket.host}/a/b.tif", tmp_path / "b.tif", 0.3, no_problem)
        assert "scene_retry_timeout_seconds" in error.value.remedy
    assert names_in(tmp_path) == ["b.tif"]


@pytest.mark.parametrize("code", [403, 404])
def test_what_is_refused_is_not_asked_for_again(served: list[Bucket], tmp_path: Path, code: int) -> None:
    served[0].web.faults = status(code)
    with pytest.raises(SourceError, match=f"b.tif: HTTP {code} -> check that grd.hosts"):
        fetch(f"https://{served[0].host}/b.tif", tmp_path / "b.tif", SECONDS, no_problem)
    assert len(served[0].asked) == 1
    assert names_in(tmp_path) == []


def test_of_several_that_want_a_file_one_fetches_it(served: list[Bucket], tmp_path: Path) -> None:
    bucket, hold = served[0], Hold()
    bucket.objects = {"b.tif": TIFF}
    bucket.web.faults = hold
    url = f"https://{bucket.host}/b.tif"
    several = [threading.Thread(target=fetch, args=(url, tmp_path / "b.tif", SECONDS, no_problem)) for _ in range(4)]
    for each in several:
        each.start()
    hold.release()
    for each in several:
        each.join(10)
    assert bucket.asked == ["b.tif"]
    assert (tmp_path / "b.tif").read_bytes() == TIFF


def test_folders_that_cannot_be_written_are_named(served: list[Bucket], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    served[0].objects = {"b.tif": TIFF}
    with pytest.raises(FileError, match=r"file.*"):
        fetch(f"https://{served[0].host}/b.tif", tmp_path / "file" / "b.tif", SECONDS, no_problem)


def with_tiles(bucket: Bucket, seconds: int, missing: set[tuple[int, int]], *cells: tuple[int, int]) -> None:
    names = [tile_name(cell, seconds) for cell in cells]
    bucket.objects = {"tileList.txt": tile_list(missing, seconds), **{f"{name}/{name}.tif": TIFF for name in names}}


YEREVAN = GeoBox(32638, 30.0, 455_000, 4_440_000, 100, 100)  # 44.5 E, 40.1 N: its margin reaches south of 40 N


def test_tiles_come_from_glo_30_then_from_glo_90_and_the_rest_is_ocean(served: list[Bucket], tmp_path: Path) -> None:
    glo_30, glo_90, _ = served
    assert cells_under(YEREVAN) == [(39, 44), (40, 44)]
    with_tiles(glo_30, 10, {(39, 44), (40, 44)})
    with_tiles(glo_90, 30, {(39, 44)}, (40, 44))
    fetch_tiles(tmp_path, YEREVAN, glo_30.host, glo_90.host, SECONDS)
    tile = tile_name((40, 44), 30)
    assert glo_30.asked == ["tileList.txt"]
    assert glo_90.asked == ["tileList.txt", f"{tile}/{tile}.tif"]
    tiles = open_tiles(tmp_path)
    assert tiles.files == {(40, 44): str(tmp_path / "glo_90" / f"{tile}.tif")}
    assert tiles.listed and tiles.listed.says_ocean((39, 44)) and not tiles.listed.says_ocean((38, 44))
    # all is there: nothing is asked, and no network is needed
    for bucket in served:
        bucket.web.close()
    fetch_tiles(tmp_path, YEREVAN, glo_30.host, glo_90.host, SECONDS)
    assert (len(glo_30.asked), len(glo_90.asked)) == (1, 2)


def test_a_box_that_is_all_ocean_needs_no_tile(served: list[Bucket], tmp_path: Path) -> None:
    with_tiles(served[0], 10, {(39, 44), (40, 44)})
    with_tiles(served[1], 30, {(39, 44), (40, 44)})
    fetch_tiles(tmp_path, YEREVAN, served[0].host, served[1].host, SECONDS)
    heights = open_tiles(tmp_path).surface(np.array([40.2, 39.9]), np.array([44.4, 44.6]))
    np.testing.assert_array_equal(heights, 0)


def test_no_broken_answer_is_taken_for_ocean(served: list[Bucket], tmp_path: Path) -> None:
    glo_30, glo_90, _ = served
    with_tiles(glo_90, 30, {(39, 44)}, (40, 44))
    whole, page = tile_list(set()), b"<html>Please log in</html>"

    def answer(body: bytes) -> None:
        glo_30.web.faults = lambda exchange: Reply(200, body)

    for body, problem in (
        (b"", "0 tiles, not all of GLO-30"),
        (page, "'<html>Please' is no name of a tile"),
        (whole[: len(whole) // 4], "is no name of a tile|not all of"),
        (tile_list(set(), 30), "a list of tiles of 30 came, not of 10"),
    ):
        answer(body)
        with pytest.raises(SourceError, match=problem) as error:
            fetch_tiles(tmp_path, YEREVAN, glo_30.host, glo_90.host, SECONDS)
        assert "https://localhost" in error.value.problem and "tileList.txt" in error.value.problem
    # the list is whole, but the tile that it names is refused, is gone, or is a page
    with_tiles(glo_30, 10, set())
    glo_30.web.faults = []
    for fault, problem in (
        (status(403), "HTTP 403"),
        (status(404), "HTTP 404"),
        (lambda exchange: Reply(200, page), "something else than a TIFF came"),
    ):
        glo_30.web.faults_at = {"N39_00_E044": fault}
        with pytest.raises(SourceError, match=f"N39_00_E044_00_DEM.tif: {problem}"):
            fetch_tiles(tmp_path, YEREVAN, glo_30.host, glo_90.host, SECONDS)
    assert names_in(tmp_path) == ["tileList.txt"]
    (tmp_path / "glo_30" / "tileList.txt").write_bytes(whole[:1000])
    with pytest.raises(GridError, match=r"glo_30/tileList\.txt"):
        fetch_tiles(tmp_path, YEREVAN, glo_30.host, glo_90.host, SECONDS)


def squares(box: GeoBox, margin: float) -> set[tuple[int, int]]:
    """Squares of one degree that a lattice touches with a margin in metres, by PROJ at many places."""
    x = np.linspace(box.left - margin, box.left + box.width * box.resolution + margin, 150)
    y = np.linspace(box.top + margin, box.top - box.height * box.resolution - margin, 150)
    longitude, latitude = Transformer.from_crs(box.epsg, 4326, always_xy=True).transform(*np.meshgrid(x, y))
    cells = zip(np.floor(latitude).ravel(), np.floor((longitude + 180) % 360 - 180).ravel(), strict=True)
    return {(int(south), int(west)) for south, west in cells}


@pytest.mark.parametrize(
    "box",
    [
        GeoBox(32633, 90.0, 500_000, 8_900_000, 1220, 1220),  # 80 N, where a degree of longitude has 19 km
        GeoBox(32633, 90.0, 500_000, 9_320_000, 600, 600),  # 83 to 84 N
        GeoBox(32701, 90.0, 190_000, 8_200_000, 1220, 1220),  # across 180 degrees
        GeoBox(32760, 90.0, 790_000, 1_350_000, 300, 300),  # across 180 degrees in Antarctica
        GeoBox(32631, 90.0, 499_980, 20_010, 300, 300),  # at the equator and the first meridian of a zone
    ],
    ids=["80 N", "83 N", "180", "Antarctica", "equator"],
)
def test_squares_under_a_lattice(box: GeoBox, tmp_path: Path) -> None:
    found, needed = set(cells_under(box)), squares(box, 20_000)
    assert needed <= found
    assert len(found) < 2 * len(needed)  # it is a rectangle in longitude and latitude
    # reading the heights needs none but these: there is no list that would say ocean
    centre = next(iter(needed))[1]

    def plane(longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
        return 3000 + 50 * (np.mod(longitude - centre + 180, 360) - 180) + 20 * latitude

    for cell in found:
        write_tile(tmp_path, cell, 120, 60, plane)
    heights = tile_heights(Dem(open_tiles(tmp_path), HeightsAbove.EGM2008, None), box)
    x = heights.box.left + (np.arange(heights.box.width) + 0.5) * box.resolution
    y = heights.box.top - (np.arange(heights.box.height) + 0.5) * box.resolution
    places = Transformer.from_crs(box.epsg, 4326, always_xy=True).transform(*np.meshgrid(x, y))
    assert np.abs(heights.heights - plane(*places)).max() < 0.05


def test_the_geoid_is_fetched_once(served: list[Bucket], tmp_path: Path) -> None:
    served[2].objects = {"egm.tif": TIFF}
    for _ in range(2):
        fetch_geoid(tmp_path / "egm.tif", served[2].host, SECONDS)
    assert served[2].asked == ["egm.tif"] and (tmp_path / "egm.tif").read_bytes() == TIFF


def test_heights_from_fetched_files_are_those_of_a_folder(
    served: list[Bucket], sentinel1: Path, tmp_path: Path
) -> None:
    name, egm96 = tile_name((-70, 161)), sentinel1 / "geoid" / "egm96_15.gtx"
    transform = Affine(1 / 180, 0, 161 - 1 / 360, 0, -1 / 360, -69 + 1 / 720)
    with MemoryFile() as memory:
        profile = {"driver": "GTiff", "width": 180, "height": 360, "count": 1, "dtype": "float32", "crs": 4326}
        with memory.open(**profile, transform=transform) as dataset:
            dataset.write(np.random.default_rng(1).uniform(0, 500, (360, 180)).astype(np.float32), 1)
        tile = memory.read()
    with rasterio.open(egm96) as dataset, MemoryFile() as memory:
        with memory.open(**{**dataset.profile, "driver": "GTiff"}) as geoid:
            geoid.write(dataset.read())
        served[2].objects = {"egm.tif": memory.read()}
    around = {(-70, 160), (-70, 162), (-71, 160), (-71, 161), (-71, 162), (-69, 160), (-69, 161), (-69, 162)}
    served[0].objects = {"tileList.txt": tile_list(around), f"{name}/{name}.tif": tile}
    served[1].objects = {"tileList.txt": tile_list(around, 30)}
    dem = {
        "path": str(tmp_path / "cache" / "dem"), "geoid": str(tmp_path / "cache" / "egm.tif"), "above": "egm2008",
        "ocean": [],
        "fetched": {"tiles": [served[0].host, served[1].host], "geoid": served[2].host, "seconds": SECONDS},
    }  # fmt: skip
    box = GeoBox(32758, 120.0, 340_000, 2_300_000, 60, 60)
    fetched = make_heights(dem, box, tmp_path / "32758_a.tif")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / f"{name}.tif").write_bytes(tile)
    own = open_dem(tmp_path / "own", HeightsAbove.EGM2008, egm96, ocean=[tile_name(cell) for cell in around])
    np.testing.assert_array_equal(fetched.heights, tile_heights(own, fine_grid(box)).heights)
    assert np.ptp(fetched.heights) > 20


START, STOP = np.datetime64("2023-08-23T13:30:00", "us"), np.datetime64("2023-08-23T13:30:25", "us")
PRECISE = "AUX_POEORB/S1A_OPER_AUX_POEORB_OPOD_20230912T080653_V20230822T225942_20230824T005942.EOF"
NEWER = "AUX_POEORB/S1A_OPER_AUX_POEORB_OPOD_20240105T080653_V20230822T225942_20230824T005942.EOF"
RESTITUTED = "AUX_RESORB/S1A_OPER_AUX_RESORB_OPOD_20230823T162050_V20230823T123139_20230823T154909.EOF"
BESIDE = [
    "AUX_POEORB/S1A_OPER_AUX_POEORB_OPOD_20230913T080653_V20230823T225942_20230825T005942.EOF",
    "AUX_POEORB/S1B_OPER_AUX_POEORB_OPOD_20230912T080653_V20230822T225942_20230824T005942.EOF",
    "AUX_RESORB/S1A_OPER_AUX_RESORB_OPOD_20230823T144216_V20230823T105254_20230823T133040.EOF",  # ends within a margin
    "AUX_RESORB/S1A_OPER_AUX_RESORB_OPOD_20230824T162050_V20230824T123139_20230824T154909.EOF",
    "AUX_RESORB/S1A_OPER_AUX_RESORB_OPOD_20240101T162050_V20240101T123139_20240101T154909.EOF",
    "AUX_POEORB/readme.txt",
]


def test_the_best_orbit_file_is_fetched(served: list[Bucket], sentinel1: Path, tmp_path: Path) -> None:
    bucket, real = served[0], next((sentinel1 / "orbit").glob("*20230823T162050*")).read_bytes()
    bucket.objects = {RESTITUTED: real, **dict.fromkeys(BESIDE, b"<beside/>")}
    bucket.page = 1  # every list has several pages
    found = fetch_orbit_file(tmp_path / "restituted", "S1A", START, STOP, bucket.host, SECONDS)
    assert found and found.path == str(tmp_path / "restituted" / RESTITUTED.partition("/")[2])
    orbit = read_orbit_file(found.path, "S1A", START, STOP)
    assert orbit.times[0] < START < STOP < orbit.times[-1]
    # lists of restituted files end soon after the product
    assert not any("2024" in asked for asked in bucket.asked)
    # precise before restituted, the newest of them
    bucket.objects = {**bucket.objects, PRECISE: b"<precise/>"}
    found = fetch_orbit_file(tmp_path / "precise", "S1A", START, STOP, bucket.host, SECONDS)
    assert found and found.kind == "POEORB"
    bucket.objects = {**bucket.objects, NEWER: b"<newer/>"}
    found = fetch_orbit_file(tmp_path / "newer", "S1A", START, STOP, bucket.host, SECONDS)
    assert found and Path(found.path).read_bytes() == b"<newer/>"
    # what is there is kept, without a question
    before = len(bucket.asked)
    bucket.web.close()
    found = fetch_orbit_file(tmp_path / "restituted", "S1A", START, STOP, bucket.host, 0.2)
    assert found and found.kind == "RESORB"
    assert len(bucket.asked) == before


def test_orbit_files_that_cannot_be_had(served: list[Bucket], tmp_path: Path) -> None:
    bucket = served[0]
    bucket.objects = dict.fromkeys(BESIDE, b"<beside/>")
    assert fetch_orbit_file(tmp_path, "S1A", START, STOP, bucket.host, SECONDS) is None
    for body, problem in (
        (b"<html></html>", "no list of files came"),
        (b"<ListBucketResult><Contents>", "no well-formed XML"),
        (b"<ListBucketResult></ListBucketResult>", "IsTruncated is missing"),
    ):
        bucket.web.faults = lambda exchange, body=body: Reply(200, body)  # type: ignore[misc]
        with pytest.raises(SourceError, match=problem):
            fetch_orbit_file(tmp_path, "S1A", START, STOP, bucket.host, SECONDS)
    bucket.objects = {PRECISE: b"<precise/>"}
    bucket.web.faults, bucket.web.faults_at = [], {PRECISE: cut(fitting_length=True)}
    with pytest.raises(SourceError, match=r"V20230822\S*EOF: 5 bytes came, not 10"):
        fetch_orbit_file(tmp_path, "S1A", START, STOP, bucket.host, SECONDS)
    assert names_in(tmp_path) == []
