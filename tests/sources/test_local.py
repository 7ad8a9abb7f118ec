"""Granules in a folder: what is found, what is set aside, and what stops a search."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
import rasterio.warp
import shapely
from numpy.typing import NDArray

from s1monthly.errors import SourceError
from s1monthly.granules import Burst, Granule, GranuleList
from s1monthly.grid.lattice import tile_geobox
from s1monthly.grid.orbit import orbit_direction
from s1monthly.grid.tiles import tiles_of_roi
from s1monthly.model import COMBINED, Direction, Month, Polarization, Tile
from s1monthly.sources import open_source
from s1monthly.sources.local import LocalSource
from support.granules import ORIGIN, static_layers, write_granule, write_static, write_tiff

TILE = Tile("11SLT")  # holds granules.ORIGIN
NOVEMBER = Month(2021, 11)


def found(
    folder: Path,
    months: Sequence[Month] = (NOVEMBER,),
    *,
    tile: Tile = TILE,
    direction: Direction = Direction.ASCENDING,
    polarization: Polarization = Polarization.VV_VH,
    tracks: Sequence[int] | None = None,
    with_mask: bool = False,
) -> dict[Month, GranuleList]:
    return LocalSource(folder, polarization, tracks, with_mask=with_mask).search(tile, direction, months)


def ids(granules: Sequence[Granule]) -> list[str]:
    return [granule.id for granule in granules]


def test_a_granule_is_found_with_its_layers(tmp_path: Path) -> None:
    power = np.full((20, 30), 0.1, np.float32)
    layers: dict[str, NDArray[Any]] = {"VV": power, "VH": power, "mask": np.zeros(power.shape, np.uint8)}
    written = write_granule(tmp_path / "deep" / "down", layers)
    (granule,) = found(tmp_path)[NOVEMBER].granules
    assert granule == written
    assert set(granule.layers) == set(written.layers)
    assert all(layer.md5 == "" for layer in granule.layers)


def test_the_footprint_is_the_rasters_outline(tmp_path: Path) -> None:
    write_granule(tmp_path)
    (granule,) = found(tmp_path)[NOVEMBER].granules
    to_lonlat = pyproj.Transformer.from_crs(32611, 4326, always_xy=True)
    left, top = ORIGIN
    corners = [to_lonlat.transform(x, y) for x in (left, left + 600) for y in (top, top - 600)]
    expected = shapely.MultiPoint(corners).convex_hull
    footprint = shapely.from_wkt(granule.footprint)
    assert footprint.symmetric_difference(expected).area < 1e-3 * expected.area


def test_months_are_whole_and_in_utc(tmp_path: Path) -> None:
    moments = ["20211031T235959Z", "20211101T000000Z", "20211130T235959Z", "20211201T000000Z"]
    granules = [
        write_granule(tmp_path, acquired=moment, burst=f"T137-{number}-IW1")
        for number, moment in enumerate(moments, 292318)
    ]
    months = [Month(2021, 10), NOVEMBER, Month(2021, 12), Month(2030, 1)]
    answer = found(tmp_path, months)
    assert list(answer) == months
    listed = [ids(answer[month].granules) for month in answer]
    assert listed == [ids(granules[:1]), ids(granules[1:3]), ids(granules[3:]), []]


def test_only_the_direction_asked_is_found(tmp_path: Path) -> None:
    descending = next(b for n in range(292319, 294319) if orbit_direction(b := Burst(137, n, "IW1")) == "DESCENDING")
    up, down = write_granule(tmp_path), write_granule(tmp_path, burst=str(descending))
    for direction, granule in ((Direction.ASCENDING, up), (Direction.DESCENDING, down)):
        answer = found(tmp_path, direction=direction)[NOVEMBER]
        assert ids(answer.granules) == [granule.id] and answer.set_aside == ()
    assert {*ids(found(tmp_path, direction=COMBINED)[NOVEMBER].granules)} == {up.id, down.id}


@pytest.mark.parametrize("older", [False, True], ids=["without", "under its older name"])
def test_a_granule_without_a_mask_is_set_aside_where_the_mask_is_used(tmp_path: Path, older: bool) -> None:
    power = np.full((20, 20), 0.1, np.float32)
    granule = write_granule(tmp_path, {"VV": power, "VH": power})
    if older:
        path = tmp_path / f"{granule.id}_layover_shadow_mask.tif"
        write_tiff(path, np.zeros((20, 20), np.uint8))
    answer = found(tmp_path, with_mask=True)[NOVEMBER]
    assert ids(answer.granules) == ([granule.id] if older else [])
    if older:
        assert answer.granules[0].layer("mask").url == str(path)
    else:
        (aside,) = answer.set_aside
        assert (
            aside.lost
            and aside.reason.startswith(f"no layer mask beside {aside.granule_id}_VV.tif")
            and "processing.mask: none" in aside.reason
        )
    assert ids(found(tmp_path, with_mask=False)[NOVEMBER].granules) == [granule.id]


def test_versions_on_either_side_of_a_months_end_are_one_acquisition(tmp_path: Path) -> None:
    old = write_granule(tmp_path, acquired="20211130T235959Z", version="1.0")
    new = write_granule(tmp_path, acquired="20211201T000000Z", version="1.1")
    december = Month(2021, 12)
    assert found(tmp_path, [NOVEMBER])[NOVEMBER].granules == ()
    answer = found(tmp_path, [NOVEMBER, december])
    assert [a.granule_id for a in answer[NOVEMBER].set_aside] == [old.id]
    assert ids(answer[december].granules) == [new.id]


def test_what_does_not_meet_the_tile_is_not_listed(tmp_path: Path) -> None:
    box = tile_geobox(TILE)
    here = write_granule(tmp_path, left=box.bounds[2] - 30, top=box.top)
    write_granule(tmp_path, left=box.bounds[2] + 300, top=box.top, burst="T137-292319-IW1")
    power = np.full((20, 20), 0.1, np.float32)
    write_granule(tmp_path, {"VV": power}, left=box.bounds[2] + 300, top=box.top, burst="T137-292320-IW1")
    assert found(tmp_path)[NOVEMBER] == GranuleList((here,))


def test_tiles_at_the_antimeridian_find_granules_on_both_sides(tmp_path: Path) -> None:
    to_utm = pyproj.Transformer.from_crs(4326, 32760, always_xy=True)
    x, y = (round(v / 30) * 30 for v in to_utm.transform(180.0, -17.0))
    square = np.full((200, 200), 0.1, np.float32)  # 3 km on either side
    granule = write_granule(tmp_path, {"VV": square, "VH": square}, left=x - 3000, top=y, epsg=32760)
    for west, east in ((179.975, 179.995), (-179.995, -179.975)):
        tiles = tiles_of_roi(shapely.box(west, -17.02, east, -17.01))
        assert tiles
        for tile in tiles:
            (here,) = found(tmp_path, tile=tile)[NOVEMBER].granules
            assert here.id == granule.id
            parts = shapely.get_parts(shapely.from_wkt(here.footprint))
            assert len(parts) == 2 and max(part.bounds[2] - part.bounds[0] for part in parts) < 0.1
    assert found(tmp_path)[NOVEMBER] == GranuleList()


def test_a_granule_that_cannot_be_opened_is_listed_where_its_burst_lies(tmp_path: Path) -> None:
    whole = write_granule(tmp_path)
    broken = write_granule(tmp_path, burst="T137-292319-IW1")
    for layer in broken.layers:
        Path(layer.url).write_bytes(b"")
    # it must stop its own month when it is read, and neither vanish nor stop the months beside it
    assert ids(found(tmp_path, tile=Tile("10SGD"))[NOVEMBER].granules) == [broken.id]  # where track 137 really passes
    assert ids(found(tmp_path)[NOVEMBER].granules) == [whole.id]


@pytest.mark.parametrize("numbers", [(np.inf, 4e5, 4e6), (30, np.nan, 4e6), (1e300, 4e5, 4e6)])
def test_a_granule_whose_header_cannot_be_is_listed_where_its_burst_lies(
    tmp_path: Path, numbers: tuple[float, float, float]
) -> None:
    size, left, top = numbers
    broken = write_granule(tmp_path, burst="T137-292319-IW1")
    for layer in broken.layers:
        with rasterio.open(layer.url, "r+") as raster:
            raster.transform = rasterio.Affine(size, 0, left, 0, -size, top)
    assert ids(found(tmp_path, tile=Tile("10SGD"))[NOVEMBER].granules) == [broken.id]


def test_a_damaged_layer_beside_a_sound_one_leaves_the_granule_listed(tmp_path: Path) -> None:
    granule = write_granule(tmp_path)
    for layer in granule.layers[:1]:
        Path(layer.url).write_bytes(b"II*")
    assert ids(found(tmp_path)[NOVEMBER].granules) == [granule.id]


def test_relative_folders_give_relative_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_granule(tmp_path / "granules")
    monkeypatch.chdir(tmp_path)
    (granule,) = found(Path("granules"))[NOVEMBER].granules
    assert all(layer.url.startswith("granules") for layer in granule.layers)


def test_no_folder_is_not_an_empty_answer(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(SourceError, match=str(folder)):
            found(folder)


def test_preparing_tells_the_checksums(tmp_path: Path) -> None:
    granule = write_granule(tmp_path)
    with LocalSource(tmp_path, Polarization.VV_VH).prepared(granule) as ready:
        assert ready == granule
        for layer in ready.layers:
            assert layer.md5 == hashlib.md5(Path(layer.url).read_bytes()).hexdigest()


def test_a_file_that_went_away_since_the_search_is_named(tmp_path: Path) -> None:
    granule = write_granule(tmp_path)
    Path(granule.layers[0].url).unlink()
    with pytest.raises(SourceError, match=f"{granule.id}.*{granule.layers[0].name}.tif"):
        LocalSource(tmp_path, Polarization.VV_VH).prepared(granule)


def test_sources_are_opened_by_kind(tmp_path: Path) -> None:
    granule = write_granule(tmp_path)
    source = open_source("local", folder=tmp_path, polarization=Polarization.VV_VH, only_tracks=[137], with_mask=False)
    assert ids(source.search(TILE, Direction.ASCENDING, [NOVEMBER])[NOVEMBER].granules) == [granule.id]
    with pytest.raises(SourceError, match=r"ftp.*config/README"):
        open_source("ftp", folder=tmp_path, polarization=Polarization.VV_VH)


@pytest.mark.parametrize("name", ["11SKU", "11SKT", "11SKV", "11SLU", "10SGD"])
def test_real_granules_over_a_tile_are_those_whose_bounds_meet_it(shared_data: Path, name: str) -> None:
    folder = shared_data / "opera-rtc-s1"
    answer = found(folder, list(Month(2021, 11).until(Month(2023, 12))), tile=Tile(name))
    box = tile_geobox(Tile(name))
    expected: dict[str, set[str]] = {}
    for path in folder.rglob("*_VV.tif"):
        with rasterio.open(path) as dataset:
            bounds = rasterio.warp.transform_bounds(dataset.crs, box.crs, *dataset.bounds)
        if shapely.box(*bounds).intersects(shapely.box(*box.bounds)):
            moment = path.name.split("_")[4]
            expected.setdefault(f"{moment[:4]}-{moment[4:6]}", set()).add(path.name[:-7])
    assert {str(month): set(ids(f.granules)) for month, f in answer.items() if f.granules} == expected
    assert all(not f.set_aside for f in answer.values())
    assert bool(expected) == (name != "11SLU")


def test_static_granules_lie_anywhere_in_the_folder(tmp_path: Path) -> None:
    """The newest of each burst, also one of which a layer lacks; they are no granules of a month."""
    write_granule(tmp_path)
    bursts = [Burst.parse(f"T137-{number}-IW1") for number in (292318, 292319, 292320)]
    layers = static_layers((30, 40))
    write_static(tmp_path / "old", layers, burst=str(bursts[0]))
    newest = write_static(tmp_path / "deep" / "down", {"mask": layers["mask"]}, burst=str(bursts[0]), version="1.1")
    other = write_static(tmp_path, layers, burst=str(bursts[1]))
    mask = next(tmp_path.glob("*STATIC*_mask.tif"))
    mask.rename(mask.with_suffix(".TIFF"))
    write_static(tmp_path, layers, burst="T064-135524-IW1")
    source = LocalSource(tmp_path, Polarization.VV_VH)
    static = source.static(bursts)
    assert {burst: granule.id for burst, granule in static.items()} == {bursts[0]: newest.id, bursts[1]: other.id}
    assert [layer.name for layer in static[bursts[0]].layers] == ["mask"]
    assert len(static[bursts[1]].layers) == 6
    with source.prepared(static[bursts[0]]) as ready:
        assert ready.layers[0].md5 == hashlib.md5(Path(newest.layers[0].url).read_bytes()).hexdigest()
    (granule,) = found(tmp_path)[NOVEMBER].granules
    assert ids([granule]) == ["OPERA_L2_RTC-S1_T137-292318-IW1_20211119T015854Z_20250830T120333Z_S1A_30_v1.0"]
