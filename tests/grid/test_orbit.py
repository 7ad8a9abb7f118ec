"""The burst frame's model against real granules: place, time, track, zone, and what sees a tile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
import shapely

from s1monthly.errors import GridError
from s1monthly.granule_names import parse_granule_id, parse_layer_file
from s1monthly.granules import Burst, Granule
from s1monthly.grid import orbit
from s1monthly.grid.orbit import BURST_INTERVAL, ORBIT_PERIOD, orbit_direction
from s1monthly.grid.tiles import tile_outline
from s1monthly.model import Direction, Tile
from s1monthly.sources.asf.footprints import MODEL_MARGIN
from s1monthly.workflow.grids import tracks_over

GEOD = pyproj.Geod(ellps="WGS84")


def real_granules(shared_data: Path, tile: str) -> list[tuple[Granule, shapely.Polygon]]:
    pandas = pytest.importorskip("pandas")
    rows = pandas.read_csv(shared_data / "cmr" / f"granules_{tile}.csv.gz")
    footprints = shapely.from_wkt(rows.footprint_wkt.to_numpy())
    return list(zip(map(parse_granule_id, rows.granule), footprints, strict=True))


def corners(burst: Burst) -> np.ndarray:
    """Return the corners of the modelled footprint: first line near and far range, last line far and near range."""
    return orbit._rings([burst.number], [orbit.SUBSWATHS.index(burst.subswath)], pieces=1)[0]


def four_corners(footprint: shapely.Polygon) -> np.ndarray:
    """Vertices without those in the middle of an edge, which some real footprints have."""
    ring = shapely.get_coordinates(footprint)[:-1]
    while len(ring) > 4:
        flat = ring * [np.cos(np.radians(ring[:, 1].mean())), 1.0]
        before, after = np.roll(flat, 1, axis=0) - flat, np.roll(flat, -1, axis=0) - flat
        cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
        turn = np.abs(cross) / np.linalg.norm(before, axis=1) / np.linalg.norm(after, axis=1)
        ring = np.delete(ring, turn.argmin(), axis=0)
    return ring


@pytest.mark.parametrize("tile", ["19HBD", "22WFD"])
def test_bursts_lie_where_the_real_ones_do(shared_data: Path, tile: str) -> None:
    real = {granule.burst: footprint for granule, footprint in real_granules(shared_data, tile)}
    offsets = []
    for burst, footprint in real.items():
        modelled, measured = corners(burst).mean(axis=0), four_corners(footprint).mean(axis=0)
        offsets.append(GEOD.inv(*modelled, *measured)[2] / 1000)
    assert len(offsets) >= 38
    assert np.sqrt(np.mean(np.square(offsets))) < 2.0
    assert max(offsets) < 4.0


def length(ring: np.ndarray) -> float:
    """Mean length of a footprint's two short sides in metres."""
    sides = sorted(GEOD.inv(*one, *other)[2] for one, other in zip(ring, np.roll(ring, -1, axis=0), strict=True))
    return float(np.mean(sides[:2]))


@pytest.mark.parametrize("tile", ["19HBD", "22WFD"])
def test_footprints_are_as_large_as_the_real_ones(shared_data: Path, tile: str) -> None:
    # the archive's outlines end where the next burst begins, except in the last burst of a slice: that one is whole
    whole = 0
    for burst, measured in {granule.burst: measured for granule, measured in real_granules(shared_data, tile)}.items():
        modelled = orbit.footprint(burst)
        assert modelled.intersection(measured).area / measured.area > 0.85
        if length(four_corners(measured)) > 20_000:
            assert length(corners(burst)) == pytest.approx(length(four_corners(measured)), rel=0.03)
            assert modelled.area / measured.area == pytest.approx(1.0, abs=0.08)
            whole += 1
        else:
            assert length(corners(burst)) == pytest.approx(1.11 * length(four_corners(measured)), rel=0.02)
    assert whole >= 5


@pytest.mark.parametrize("tile", ["19HBD", "22WFD"])
def test_number_gives_track_and_time(shared_data: Path, tile: str) -> None:
    for granule, _ in real_granules(shared_data, tile):
        assert orbit.track_of(granule.burst.number) == granule.burst.track
        start = orbit.REFERENCE_NODE + orbit.sensing_start(granule.burst)
        away = (granule.acquired - start) % orbit.CYCLE
        assert min(away, orbit.CYCLE - away) < timedelta(seconds=10)


def test_crops_of_track_137_lie_in_their_bursts(shared_data: Path) -> None:
    seen = set()
    for path in sorted((shared_data / "opera-rtc-s1" / "10SGD_T137" / "2021-11-19").glob("*_VV.tif")):
        name = parse_layer_file(path.name)
        assert name is not None
        granule = parse_granule_id(name[0])
        with rasterio.open(path) as dataset:
            assert dataset.crs.to_epsg() == orbit.utm_epsg(granule.burst)
            crop = shapely.box(*dataset.bounds)
        assert orbit.utm_footprint(granule.burst).distance(crop.centroid) < 4_000
        start = orbit.REFERENCE_NODE + orbit.sensing_start(granule.burst)
        away = (granule.acquired - start) % orbit.CYCLE
        assert min(away, orbit.CYCLE - away) < timedelta(seconds=15)
        seen.add(granule.burst)
    assert len(seen) == 15


@pytest.mark.parametrize(
    ("tile", "direction", "real", "largest"),
    [
        ("19HBD", Direction.ASCENDING, {18, 91}, [18, 91]),
        ("19HBD", Direction.DESCENDING, {156}, [156]),
        ("22WFD", Direction.ASCENDING, {17, 46, 90, 119, 148}, [46, 119]),
        ("22WFD", Direction.DESCENDING, {25, 54, 127, 156}, [54, 127]),
    ],
)
def test_tracks_over_a_tile(
    shared_data: Path, tile: str, direction: Direction, real: set[int], largest: list[int]
) -> None:
    listed = {granule.burst for granule, _ in real_granules(shared_data, tile)}
    assert {burst.track for burst in listed if orbit_direction(burst) == direction} == real
    outline = tile_outline(Tile(tile))
    found = orbit.bursts_over(outline, direction)
    share = orbit.coverage(found, outline)
    assert real <= set(share)
    assert all(share[track] < 0.1 for track in set(share) - real)  # slivers that nobody acquires
    assert sorted(sorted(share, key=share.__getitem__)[-len(largest) :]) == largest
    missed = {burst for burst in listed if orbit_direction(burst) == direction} - set(found)
    assert len(missed) <= 2  # corners that touch the tile by less than the model's error
    assert missed <= set(orbit.bursts_over(outline, direction, MODEL_MARGIN))
    foreseen = set(tracks_over(Tile(tile), direction))
    assert set(share) <= foreseen and all(share.get(track, 0) < 0.1 for track in foreseen - real)


@pytest.mark.parametrize("tile", ["10SGD", "33UUU", "31NAA", "56HLH", "60WWT", "01KAB", "40XEN"])
@pytest.mark.parametrize("direction", list(Direction))
def test_found_bursts_meet_the_tile_in_their_direction(tile: str, direction: Direction) -> None:
    outline = tile_outline(Tile(tile))
    found = orbit.bursts_over(outline, direction)
    assert found == sorted(set(found))
    for burst in found:
        assert orbit_direction(burst) == direction
        assert burst.track == orbit.track_of(burst.number)
        assert orbit.footprint(burst).intersects(outline)
    share = orbit.coverage(found, outline)
    largest = max(share, key=share.__getitem__)
    assert share[largest] > 0.7
    assert 10 <= sum(burst.track == largest for burst in found) <= 25


def test_coverage_is_that_of_the_footprints_union() -> None:
    outline = tile_outline(Tile("33UUU"))
    found = orbit.bursts_over(outline, Direction.DESCENDING)
    for track, share in orbit.coverage(found, outline).items():
        joined = shapely.union_all([orbit.footprint(burst) for burst in found if burst.track == track])
        assert share == pytest.approx(joined.intersection(outline).area / outline.area, abs=0.01)


@pytest.mark.parametrize("number", [1, 100_000, 250_017, 375_887])
def test_frame_is_regular(number: int) -> None:
    track = orbit.track_of(number)
    bursts = [Burst(track, number, subswath) for subswath in orbit.SUBSWATHS]
    assert len({orbit.utm_epsg(burst) for burst in bursts}) == 1
    first = orbit.utm_footprint(bursts[0])
    for burst in bursts:
        near, far, late_far, late_near = corners(burst)
        width, length = GEOD.inv(*near, *far)[2], GEOD.inv(*near, *late_near)[2]
        assert 75_000 < width < 100_000
        assert 19_000 < length < 22_500
        assert GEOD.inv(*far, *late_far)[2] == pytest.approx(length, rel=0.05)
    starts = [orbit.sensing_start(burst) for burst in bursts]
    assert starts == sorted(starts)
    assert first.is_valid
    # to the right of the flight, and sub-swaths from near to far
    near, far, _, late = corners(bursts[0])
    heading, across = GEOD.inv(*near, *late)[0], GEOD.inv(*near, *far)[0]
    assert (across - heading) % 360 == pytest.approx(90, abs=8)


def test_consecutive_bursts_overlap_by_a_tenth_and_subswaths_a_little() -> None:
    def flat(burst: Burst) -> shapely.Polygon:
        xy = pyproj.Transformer.from_crs(4326, 32632, always_xy=True).transform(*corners(burst).T)
        return shapely.Polygon(np.column_stack(xy))

    outline = tile_outline(Tile("32TPS"))
    burst = next(b for b in orbit.bursts_over(outline, Direction.ASCENDING) if b.subswath == "IW2")
    one, following = flat(burst), flat(Burst(burst.track, burst.number + 1, "IW2"))
    beside = flat(Burst(burst.track, burst.number, "IW3"))
    assert one.intersection(following).area / one.area == pytest.approx(0.1, abs=0.02)
    assert 0.005 < one.intersection(beside).area / one.area < 0.1


def test_cycle_closes() -> None:
    assert pytest.approx(12 * 86_400) == 175 * ORBIT_PERIOD
    last = int(12 * 86_400 / BURST_INTERVAL)
    assert orbit.track_of(1) == 1
    assert orbit.track_of(last) == 175
    before, after = orbit.centre(Burst(175, last, "IW2")), orbit.centre(Burst(1, 1, "IW2"))
    assert GEOD.inv(*before, *after)[2] < 40_000


def test_antimeridian_footprint_is_split() -> None:
    outline = tile_outline(Tile("01KAB"))
    parts = [orbit.footprint(burst) for burst in orbit.bursts_over(outline, Direction.ASCENDING)]
    assert any(part.geom_type == "MultiPolygon" for part in parts)
    for part in parts:
        west, _, east, _ = part.bounds
        assert -180 <= west < east <= 180
        assert part.area < 1.0  # square degrees: none goes round the globe


def test_reference_node_is_an_instant_of_utc() -> None:
    assert orbit.REFERENCE_NODE.tzinfo is UTC
    assert datetime(2014, 1, 1, tzinfo=UTC) < orbit.REFERENCE_NODE < datetime(2014, 1, 13, tzinfo=UTC)


def test_empty_area_is_refused() -> None:
    with pytest.raises(GridError, match="empty area"):
        orbit.bursts_over(shapely.Polygon(), Direction.ASCENDING)


@pytest.mark.parametrize("tile", ["22WFD", "19HBD"])
def test_direction_is_where_real_footprints_go(tile: str, shared_data: Path) -> None:
    latitude = {granule.burst: footprint.centroid.y for granule, footprint in real_granules(shared_data, tile)}
    seen = set()
    for burst, here in latitude.items():
        after = latitude.get(Burst(burst.track, burst.number + 1, burst.subswath))
        if after is not None:
            northward = Direction.ASCENDING if after > here else Direction.DESCENDING
            assert orbit_direction(burst) == northward, burst
            seen.add(northward)
    assert seen == set(Direction)


def test_direction_of_known_bursts(shared_data: Path) -> None:
    crops = {path.name.split("_")[3] for path in (shared_data / "opera-rtc-s1" / "10SGD_T137").glob("*/*_VV.tif")}
    assert len(crops) == 15
    assert {orbit_direction(Burst.parse(crop)) for crop in crops} == {Direction.ASCENDING}
    example = "T131-279916-IW1"
    assert example[:11] in (shared_data / "cmr" / "umm_g_examples.json").read_text()
    assert orbit_direction(Burst.parse(example)) == Direction.DESCENDING
