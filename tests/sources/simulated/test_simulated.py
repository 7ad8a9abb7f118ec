"""The simulated source: a real acquisition plan, files like OPERA's, speckle of known statistics over a known truth."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
import rasterio.features
import shapely

from s1monthly.errors import SourceError
from s1monthly.granule_names import layer_file, parse_granule_id, parse_layer_file
from s1monthly.granules import Granule, passes_of
from s1monthly.grid.lattice import GeoBox, tile_geobox
from s1monthly.grid.orbit import orbit_direction, utm_epsg, utm_footprint
from s1monthly.grid.tiles import tile_outline
from s1monthly.model import COMBINED, Direction, Month, Polarization, Tile
from s1monthly.records.source_facts import facts_of
from s1monthly.sources import open_source
from s1monthly.sources.simulated.granules import burst_geobox, footprint_spans, simulate
from s1monthly.sources.simulated.scene import LandCover, Scene
from s1monthly.sources.simulated.source import SimulatedSource
from s1monthly.versions import ALGORITHMS

MAY = Month(2024, 5)
ASCENDING, DESCENDING = Direction
VV_VH = Polarization.VV_VH


def simulated(folder: Path, seed: int = 1) -> SimulatedSource:
    return SimulatedSource(folder=folder, seed=seed, polarization=VV_VH, tracks=2)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> SimulatedSource:
    return simulated(tmp_path_factory.mktemp("granules"))


@pytest.fixture(scope="module")
def granule(source: SimulatedSource) -> Granule:
    """A granule of track 137 over 10SGD, in the neighbour zone 11, made."""
    found = source.search(Tile("10SGD"), ASCENDING, [MAY])[MAY].granules
    return source.make(next(g for g in found if str(g.burst) == "T137-292320-IW2"))


def pixels(granule: Granule, layer: str) -> np.ndarray:
    found = granule.layer(layer)
    assert found is not None
    with rasterio.open(found.url) as dataset:
        return dataset.read(1)


# the plan


def test_both_directions_together_are_the_two_of_them(source: SimulatedSource) -> None:
    each = [source.search(Tile("10SGD"), direction, [MAY])[MAY].granules for direction in Direction]
    both = source.search(Tile("10SGD"), COMBINED, [MAY])[MAY]
    assert both.granules == tuple(sorted(each[0] + each[1], key=lambda granule: granule.id)) and not both.set_aside


@pytest.mark.parametrize("tile", ["10SGD", "19HBD", "22WFD", "31NAA", "01KAB"])
def test_plan_of_a_month(source: SimulatedSource, tile: str) -> None:
    months = [MAY, Month(2024, 6)]
    for direction in Direction:
        found = source.search(Tile(tile), direction, months)
        assert list(found) == months
        outline = tile_outline(Tile(tile))
        for month, of_month in found.items():
            assert of_month.set_aside == ()
            assert [g.id for g in of_month.granules] == sorted({g.id for g in of_month.granules})
            passes = passes_of(of_month.granules)
            assert 4 <= len(passes) <= 6 and len({p.track for p in passes}) == 2
            assert max(len(p.granules) for p in passes) in range(10, 26)
            for overflight in passes:
                starts = [g.acquired for g in overflight.granules]
                assert overflight.end - overflight.start < timedelta(seconds=40)
                assert all(later - sooner < timedelta(seconds=4) for sooner, later in pairwise(starts))
            for granule in of_month.granules:
                assert (granule.month, orbit_direction(granule.burst)) == (month, direction)
                assert parse_granule_id(granule.id) == granule
                assert [layer.name for layer in granule.layers] == ["VV", "VH", "mask"]
                for layer in granule.layers:
                    assert parse_layer_file(Path(layer.url).name) == (granule.id, layer.name)
                    assert (layer.size, Path(layer.url).exists()) == (-1, False)
                footprint = shapely.from_wkt(granule.footprint)
                assert footprint.is_valid and footprint.intersects(outline)


def test_passes_come_every_twelve_days_on_real_days(source: SimulatedSource) -> None:
    months = list(Month(2023, 1).until(Month(2023, 12)))
    found = source.search(Tile("10SGD"), ASCENDING, months)
    passes = passes_of(g for of_month in found.values() for g in of_month.granules)
    for track in (35, 137):
        days = [p.start.date() for p in passes if p.track == track]
        assert len(days) in (30, 31)
        assert {later - sooner for sooner, later in pairwise(days)} == {timedelta(days=12)}
    real = {date(2023, 1, 1), date(2023, 10, 4), date(2023, 11, 9), date(2023, 12, 27)}  # of the real track 137
    assert real <= {p.start.date() for p in passes if p.track == 137}


def test_burst_has_one_name_whatever_tile_asks(source: SimulatedSource) -> None:
    names = [{g.id for g in source.search(Tile(t), ASCENDING, [MAY])[MAY].granules} for t in ("10SGD", "11SKU")]
    bursts = [{parse_granule_id(name).burst for name in those} for those in names]
    shared = bursts[0] & bursts[1]
    assert shared
    assert all(({n for n in names[0] if str(b) in n}) == {n for n in names[1] if str(b) in n} for b in shared)


def test_tracks_and_passes_are_limited_and_other_tracks_set_aside(tmp_path: Path) -> None:
    def passes(**options: Any) -> list[tuple[int, int]]:
        options = {"seed": 1, "polarization": VV_VH, "tracks": 2} | options
        source = open_source("simulated", folder=tmp_path, **options)
        found = source.search(Tile("10SGD"), ASCENDING, [MAY])[MAY]
        unused = {parse_granule_id(each.granule_id).burst.track: each.reason for each in found.set_aside}
        assert unused == ({137: "track 137 is not among roi.tracks"} if "only_tracks" in options else {})
        return [(p.track, p.start.day) for p in passes_of(found.granules)]

    assert passes() == [(137, 7), (35, 12), (137, 19), (35, 24), (137, 31)]
    assert passes(tracks=1) == [(137, 7), (137, 19), (137, 31)]
    assert passes(passes_per_track=1) == [(137, 7), (35, 12)]
    assert passes(only_tracks=[35]) == [(35, 12), (35, 24)]


def test_satellites_and_the_archives_beginning(source: SimulatedSource) -> None:
    months = [Month(2014, 9), Month(2015, 3), Month(2025, 3)]
    found = source.search(Tile("10SGD"), ASCENDING, months)
    assert found[months[0]].granules == ()
    assert {g.platform for g in found[months[1]].granules} == {"S1A"}
    assert {g.platform for g in found[months[2]].granules} == {"S1C"}  # tracks 35 and 137 are odd
    assert all(4 <= len(passes_of(found[month].granules)) <= 6 for month in months[1:])


# the files


def test_files_are_like_operas(granule: Granule) -> None:
    assert granule.burst == parse_granule_id(granule.id).burst
    footprint, shape = utm_footprint(granule.burst), None
    for name, dtype in (("VV", "float32"), ("VH", "float32"), ("mask", "uint8")):
        layer = granule.layer(name)
        assert layer is not None
        assert Path(layer.url).name == layer_file(granule.id, name)
        assert layer.size == Path(layer.url).stat().st_size
        with rasterio.open(layer.url) as dataset:
            assert dataset.crs.to_epsg() == 32611 == utm_epsg(granule.burst)
            assert dataset.dtypes == (dtype,)
            assert dataset.count == 1
            assert dataset.block_shapes == [(512, 512)]
            assert dataset.compression.name == "deflate"
            assert np.isnan(dataset.nodata) if name != "mask" else dataset.nodata == 255
            assert dataset.transform.a == -dataset.transform.e == 30
            assert dataset.bounds.left % 30 == dataset.bounds.top % 30 == 0
            assert shapely.box(*dataset.bounds).buffer(0.01).contains(footprint)
            assert dataset.bounds.left - footprint.bounds[0] > -30
            shape = shape or dataset.shape
            assert dataset.shape == shape
            if name == "mask":
                outside = rasterio.features.geometry_mask([footprint], dataset.shape, dataset.transform)
                assert np.array_equal(dataset.read(1) == 255, outside)
    mask, power = pixels(granule, "mask"), pixels(granule, "VV")
    assert set(np.unique(mask)) <= {0, 1, 2, 3, 255}
    assert np.array_equal(np.isnan(power), (mask == 255) | (mask & 1 == 1))
    assert np.nanmin(power) > 0
    assert 0.4 < np.mean(mask != 255) < 0.8  # a slanted strip in an upright raster


def test_other_zones_and_hemispheres(source: SimulatedSource) -> None:
    zones = {}
    for tile in ("19HBD", "10SGD", "40XEN", "31NAA"):
        found = source.search(Tile(tile), ASCENDING, [MAY])[MAY].granules
        zones[tile] = {burst_geobox(g.burst).epsg for g in found}
        for g in found:
            box = burst_geobox(g.burst)
            assert box.left % 30 == box.top % 30 == 0
            spans = footprint_spans(utm_footprint(g.burst), box)
            assert spans.min() >= 0
            assert spans[:, 1].max() <= box.width
            painted = np.maximum(spans[:, 1] - spans[:, 0], 0).sum()
            assert painted * 900 == pytest.approx(utm_footprint(g.burst).area, rel=1e-3)
    assert zones["10SGD"] >= {32611}
    assert all(32700 < epsg < 32761 for epsg in zones["19HBD"])
    assert len(zones["40XEN"]) > 1


def test_prepare_is_idempotent_and_deterministic(tmp_path: Path, granule: Granule) -> None:
    def digests(seed: int, of: Granule, threads: int = 1) -> dict[str, str]:
        source = simulated(tmp_path / f"{threads}", seed)
        with ThreadPoolExecutor(threads) as pool:
            made = list(pool.map(source.make, [of] * threads))
        assert all(m == made[0] for m in made)
        assert not list((tmp_path / f"{threads}").rglob(".*"))
        return {x.name: hashlib.sha256(Path(x.url).read_bytes()).hexdigest() for x in made[0].layers}

    first = {x.name: hashlib.sha256(Path(x.url).read_bytes()).hexdigest() for x in granule.layers}
    assert digests(1, granule, threads=2) == first
    other = digests(2, granule)
    assert not set(other.values()) & set(first.values())
    source = simulated(tmp_path / "2")
    file = Path(source.make(granule).layers[0].url)
    before = file.stat().st_mtime_ns
    source.make(granule)
    assert file.stat().st_mtime_ns == before
    file.unlink()
    source.make(granule)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == first["VV"]


def test_unwritable_folder_is_named(tmp_path: Path, granule: Granule) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(SourceError, match=granule.id):
        simulated(tmp_path / "taken").make(granule)


# the speckle


def test_speckle_is_gamma_of_four_looks_over_the_truth(granule: Granule) -> None:
    box, ratios = burst_geobox(granule.burst), {}
    for layer in VV_VH.layers:
        power, truth = pixels(granule, layer), Scene(1).truth(box, granule.acquired, ASCENDING, layer)
        ratio = (power / truth)[np.isfinite(power)].astype(np.float64)
        assert ratio.size > 1_000_000
        assert ratio.mean() == pytest.approx(1.0, abs=0.003)
        assert ratio.mean() ** 2 / ratio.var() == pytest.approx(4.0, rel=0.05)
        skewness = np.mean((ratio - 1) ** 3) / ratio.std() ** 3
        assert skewness == pytest.approx(2 / np.sqrt(4), abs=0.03)  # of a gamma distribution with shape 4
        ratios[layer] = ratio
        image = np.where(np.isfinite(power), power / truth - 1, 0)
        assert abs(np.mean(image[:, 1:] * image[:, :-1]) / np.mean(image**2)) < 0.01
        assert abs(np.mean(image[1:] * image[:-1]) / np.mean(image**2)) < 0.01
    assert abs(np.corrcoef(ratios["VV"], ratios["VH"])[0, 1]) < 0.01


GOLDEN = {
    1: {
        "VV": [np.nan, 0.602783, 0.115585, 0.141815],
        "VH": [np.nan, 0.0913391, 0.0447159, 0.0677338],
        "mask": [255, 2, 0, 0],
    }
}
"""Pixels of ``granule``, by algorithm version."""


def test_golden_values(granule: Granule) -> None:
    for layer, expected in GOLDEN[ALGORITHMS["sources.simulated"]].items():
        np.testing.assert_allclose(pixels(granule, layer)[100:1100:250, 1500], expected, rtol=3e-4, err_msg=layer)


def test_speckle_is_independent_between_dates(granule: Granule) -> None:
    scene = Scene(1)
    later = replace(granule, acquired=granule.acquired + timedelta(days=12))
    truth = scene.truth(burst_geobox(granule.burst), granule.acquired, ASCENDING, "VV")
    truth_later = scene.truth(burst_geobox(granule.burst), later.acquired, ASCENDING, "VV")
    one, other = pixels(granule, "VV") / truth, simulate(scene, later, VV_VH)["VV"] / truth_later
    valid = np.isfinite(one)
    assert np.array_equal(valid, np.isfinite(other))
    assert abs(np.corrcoef(one[valid], other[valid])[0, 1]) < 0.01


# the scene


@pytest.fixture(scope="module")
def tile() -> GeoBox:
    return tile_geobox(Tile("10SGD"), 180.0)


@pytest.fixture(scope="module")
def cover(tile: GeoBox) -> np.ndarray:
    return Scene(1).landcover(tile)


def db(power: np.ndarray) -> float:
    return float(10 * np.log10(np.nanmean(power)))


def test_water_is_dark_and_cities_are_bright(tile: GeoBox, cover: np.ndarray) -> None:
    assert set(np.unique(cover)) == {int(c) for c in LandCover} and np.any(Scene(2).landcover(tile) != cover)
    hh, vv = (Scene(1).truth(tile, date(2024, 5, 15), ASCENDING, layer) for layer in ("HH", "VV"))
    assert vv.dtype == np.float32 and not np.allclose(hh, vv, rtol=0.02, equal_nan=True)
    with pytest.raises(SourceError, match="XX"):
        Scene(1).truth(tile, date(2024, 5, 15), ASCENDING, "XX")
    assert db(vv[cover == LandCover.WATER]) == pytest.approx(-22, abs=0.7)
    city = vv[cover == LandCover.CITY]
    assert np.mean(city > 1) > 0.05  # roads and farmyards are among them
    assert (city > 1).sum() > 200
    assert np.nanmax(vv) > 10 ** (0.8)
    assert not np.any(vv[cover == LandCover.FOREST] > 1)
    vh = Scene(1).truth(tile, date(2024, 5, 15), ASCENDING, "VH")
    assert db(vh[cover == LandCover.FOREST]) > db(vh[cover == LandCover.GRASS]) + 3
    assert np.nanmin(vh) > 1e-4  # far above the smallest valid power


def test_clearing_is_bare_from_its_day_on(tile: GeoBox, cover: np.ndarray) -> None:
    scene = Scene(1, clearing=date(2024, 6, 10))
    before, after = (scene.truth(tile, date(2024, 6, day), ASCENDING, "VH") for day in (9, 10))
    cleared, forest = cover == LandCover.CLEARING, cover == LandCover.FOREST
    assert db(after[cleared]) < db(before[cleared]) - 4
    assert db(before[cleared]) == pytest.approx(db(before[forest]), abs=0.5)
    assert np.array_equal(before[forest], after[forest], equal_nan=True)


@pytest.mark.parametrize(("name", "summer"), [("10SGD", 7), ("56HLH", 1)])
def test_fields_have_seasons(name: str, summer: int) -> None:
    box = replace(tile_geobox(Tile(name), 180.0), width=300, height=300)
    scene = Scene(1)
    fields, forest = (scene.landcover(box) == c for c in (LandCover.FIELD, LandCover.FOREST))
    vh = {month: scene.truth(box, date(2023, month, 15), ASCENDING, "VH") for month in (1, 7)}
    winter = 8 - summer
    assert db(vh[summer][fields]) > db(vh[winter][fields]) + 1.5
    assert db(vh[summer][forest]) == pytest.approx(db(vh[winter][forest]), abs=0.1)


def test_slopes_face_one_way_and_shadow_the_other(tile: GeoBox, cover: np.ndarray) -> None:
    scene, day = Scene(1), date(2024, 5, 15)
    powers = {d: scene.truth(tile, day, d, "VV") for d in Direction}
    masks = {d: scene.mask(tile, d) for d in Direction}
    for direction in Direction:
        mask, power = masks[direction], powers[direction]
        assert set(np.unique(mask)) <= {0, 1, 2, 3}
        assert 0.001 < np.mean(mask & 1) < 0.05
        assert 0.001 < np.mean(mask & 2 > 0) < 0.05
        assert np.array_equal(np.isnan(power), mask & 1 == 1)
        assert set(np.unique(cover[mask > 0])) <= {LandCover.HILL, LandCover.FOREST, LandCover.FIELD, LandCover.GRASS}
    hills = (cover == LandCover.HILL) & np.isfinite(powers[ASCENDING]) & np.isfinite(powers[DESCENDING])
    facing = np.corrcoef(*(10 * np.log10(powers[d][hills]) for d in Direction))[0, 1]
    assert facing < 0.3  # what faces one satellite turns away from the other
    flat = np.isin(cover, (LandCover.WATER, LandCover.CITY)) & (masks[ASCENDING] == 0)
    assert np.median(powers[ASCENDING][flat] / powers[DESCENDING][flat]) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(("one", "other", "longitude", "latitude"), [
    (32610, 32611, -120.0, 33.95), (32633, 32634, 18.0, 50.2), (32701, 32760, 180.0, -17.0),
    (32631, 32731, 3.0, 0.0), (32640, 32641, 60.0, 79.0),
])  # fmt: skip
def test_same_ground_looks_the_same_in_both_zones(one: int, other: int, longitude: float, latitude: float) -> None:
    side, scene, day = 500, Scene(1), date(2024, 5, 15)
    boxes = []
    for epsg in (one, other):
        x, y = pyproj.Transformer.from_crs(4326, epsg, always_xy=True).transform(longitude, latitude)
        boxes.append(GeoBox(epsg, 30.0, x - 15 * side, y + 15 * side, side, side))
    rows, columns = np.mgrid[60 : side - 60, 60 : side - 60]
    x, y = boxes[0].left + (columns + 0.5) * 30, boxes[0].top - (rows + 0.5) * 30
    east, north = pyproj.Transformer.from_crs(one, other, always_xy=True).transform(x, y)
    column, row = (east - boxes[1].left) / 30 - 0.5, (boxes[1].top - north) / 30 - 0.5
    centred = (np.abs(column - np.rint(column)) < 0.1) & (np.abs(row - np.rint(row)) < 0.1)
    inside = centred & (np.rint(row) >= 0) & (np.rint(row) < side) & (np.rint(column) >= 0) & (np.rint(column) < side)
    assert inside.sum() > 1_000
    there = np.rint(row[inside]).astype(int), np.rint(column[inside]).astype(int)
    here = rows[inside], columns[inside]
    covers = [scene.landcover(box) for box in boxes]
    assert np.mean(covers[0][here] == covers[1][there]) > 0.98
    powers = [scene.truth(box, day, ASCENDING, "VV") for box in boxes]
    assert np.nanmedian(np.abs(10 * np.log10(powers[0][here] / powers[1][there]))) < 0.1
    unlike, unrelated = (
        np.nanmean(np.abs(10 * np.log10(powers[0][here] / other_power[there])))
        for other_power in (powers[1], np.roll(powers[1], 97, axis=0))
    )
    assert unlike < 0.25 * unrelated + 0.05


def test_window_of_a_raster_is_the_raster_there(tile: GeoBox) -> None:
    whole = GeoBox(32610, 30.0, tile.left, tile.top, 700, 600)
    window = GeoBox(32610, 30.0, tile.left + 30 * 217, tile.top - 30 * 133, 211, 173)
    scene, day = Scene(1), date(2024, 5, 15)
    for direction in Direction:
        expected = scene.truth(whole, day, direction, "VV")[133 : 133 + 173, 217 : 217 + 211]
        assert np.array_equal(scene.truth(window, day, direction, "VV"), expected, equal_nan=True)


def test_files_have_tags_as_operas_that_tell_nothing_untrue(source: SimulatedSource, granule: Granule) -> None:
    with source.prepared(granule) as ready:
        path = next(layer.url for layer in ready.layers if layer.name == "VV")
    with rasterio.open(path) as file:
        facts = facts_of(file.tags())
    assert facts["beam"] in ("IW1", "IW2", "IW3") and facts["beam"] in granule.id
    assert "simulat" in facts["dem"] and "simulated" in facts["orbit_files"] and "nesz_db" not in facts
