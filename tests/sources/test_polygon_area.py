"""Which granules a polygon leaves of a tile: those that may hold a value for it, and few more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyproj
import pytest
import shapely
from shapely.geometry import Polygon

from s1monthly.granules import Burst, Granule, GranuleList, SetAside
from s1monthly.grid.orbit import bursts_over, footprint
from s1monthly.grid.regions import wkt_of_bounds
from s1monthly.grid.tiles import tile_outline
from s1monthly.model import Direction, Month, Tile
from s1monthly.sources.asf.footprints import FOOTPRINT_MARGIN
from s1monthly.sources.polygon_area import PolygonArea
from support.sites import granule

TILE, MONTH = Tile("10SGD"), Month(2021, 11)
BOX = (-120.3, 34.7, -120.2, 34.8)
GEOD = pyproj.Geod(ellps="WGS84")


def area(bounds: Sequence[float] = BOX, resolution: float = 30, epsg: int | None = None) -> PolygonArea:
    west, south, east, north = bounds
    return PolygonArea(TILE, wkt_of_bounds(west, south, east, north), resolution, epsg)


def east_of(bounds: Sequence[float], metres: float) -> Granule:
    """Return a granule whose footprint is a square of 0.1 degrees, so many metres to the east of a box."""
    _, south, east, north = bounds
    left = GEOD.fwd(east, (south + north) / 2, 90, metres)[0]
    square = shapely.box(left, south, left + 0.1, north)
    return replace(granule("20211119T015854Z"), footprint=shapely.to_wkt(square, rounding_precision=6))


@pytest.mark.parametrize(
    ("metres", "resolution", "meets"),
    [(-100, 30, True), (2_900, 30, True), (3_200, 30, False), (3_200, 300, True), (4_000, 300, False)],
)
def test_a_footprint_counts_within_its_margin_and_two_pixels(metres: float, resolution: float, meets: bool) -> None:
    assert area(resolution=resolution).meets(east_of(BOX, metres)) == meets


def test_the_margin_is_in_metres_also_where_the_grid_is_in_degrees() -> None:
    in_degrees = area(resolution=0.0003, epsg=4326)
    assert in_degrees.meets(east_of(BOX, 2_900)) and not in_degrees.meets(east_of(BOX, 3_300))


def test_a_place_from_the_orbit_model_has_the_margin_of_the_model() -> None:
    """Whether the source had no outline, or wrote the model's as footprint."""
    burst = Burst(137, 292322, "IW1")
    middle = footprint(burst).centroid
    upwards = shapely.LineString([middle, (middle.x, middle.y + 1)])
    north = footprint(burst).intersection(upwards).bounds[3]
    for metres, meets in ((8_000, True), (13_000, False)):
        south = GEOD.fwd(middle.x, north, 0, metres)[1]
        beside = PolygonArea(TILE, wkt_of_bounds(middle.x, south, middle.x + 0.01, south + 0.01), 30, None)
        bare = granule("20211119T015854Z", str(burst))
        for told in ("", shapely.to_wkt(footprint(burst), rounding_precision=6)):
            assert beside.meets(replace(bare, footprint=told)) == meets, (metres, told)


def test_used_and_unused_granules_of_a_month_are_limited_alike() -> None:
    near, far = east_of(BOX, 0), east_of(BOX, 30_000)
    inside = next(b for b in bursts_over(shapely.box(*BOX), Direction.ASCENDING))
    outside = next(b for b in bursts_over(tile_outline(TILE), Direction.ASCENDING) if not area().meets_burst(b))
    aside = [SetAside(granule("20211110T015854Z", str(b)).id, "older", lost=True) for b in (inside, outside)]
    found = {MONTH: GranuleList((near, far), tuple(aside)), MONTH.shift(1): GranuleList()}
    limited = area().limit(found)
    assert limited == {MONTH: GranuleList((near,), (aside[0],)), MONTH.shift(1): GranuleList()}


def test_no_granule_is_lost_that_shows_the_polygon() -> None:
    """All bursts whose modelled footprint overlaps a polygon meet it, for polygons all over the tile."""
    west, south, east, north = tile_outline(TILE).bounds
    for column in range(3):
        for row in range(3):
            left, bottom = west + (east - west) * (0.1 + 0.3 * column), south + (north - south) * (0.1 + 0.3 * row)
            box = (left, bottom, left + 0.1, bottom + 0.1)
            limit = area(box)
            for direction in Direction:
                seen = bursts_over(shapely.box(*box), direction)
                meeting = [b for b in bursts_over(tile_outline(TILE), direction) if limit.meets_burst(b)]
                assert set(seen) <= set(meeting) and len(meeting) <= len(seen) + 16


def test_shares_are_those_of_bursts_and_area() -> None:
    everything = area((-123, 34, -118, 38))
    assert everything.share_of_granules == 1
    assert everything.share_of_pixels == pytest.approx(1)
    small = area()
    square = Polygon(shapely.box(*BOX).exterior)
    expected = abs(GEOD.geometry_area_perimeter(shapely.segmentize(square, 0.01))[0]) / 109_800**2
    assert small.share_of_pixels == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("size", [0.02, 0.1, 0.3])
def test_the_share_of_granules_is_about_that_of_bursts(size: float) -> None:
    """Over many places, against the bursts of the orbit model that come within the margin of the polygon."""
    west, south, east, north = tile_outline(TILE).bounds
    margin = FOOTPRINT_MARGIN / 111_000
    over_tile = [len(bursts_over(tile_outline(TILE), direction)) for direction in Direction]
    told, counted = [], []
    for place in range(9):
        left = west + 0.2 + (east - west - 0.4 - size) * (place % 3) / 2
        bottom = south + 0.1 + (north - south - 0.2 - size) * (place // 3) / 2
        box = (left, bottom, left + size, bottom + size)
        told.append(area(box).share_of_granules)
        seen = [len(bursts_over(shapely.box(*box).buffer(margin), direction)) for direction in Direction]
        counted.append(sum(seen) / sum(over_tile))
    assert sum(told) == pytest.approx(sum(counted), rel=0.35)


def test_many_small_parts_count_no_more_than_all_of_the_tile() -> None:
    corners = [(-120.7 + 0.1 * x, 34.3 + 0.1 * y) for x in range(10) for y in range(9)]
    squares = [shapely.box(left, bottom, left + 0.01, bottom + 0.01) for left, bottom in corners]
    spread = PolygonArea(TILE, shapely.MultiPolygon(squares).wkt, 30, None)
    assert 0.7 < spread.share_of_granules <= 1
    near = PolygonArea(TILE, shapely.MultiPolygon(squares[:2]).wkt, 30, None)
    alone = PolygonArea(TILE, squares[0].wkt, 30, None)
    assert alone.share_of_granules < near.share_of_granules < 1.5 * alone.share_of_granules


def test_a_polygon_off_the_tile_leaves_nothing() -> None:
    nothing = area((10, 50, 11, 51))
    assert not nothing.meets(east_of(BOX, 0)) and not nothing.meets_burst(Burst(137, 292318, "IW1"))
    assert (nothing.share_of_granules, nothing.share_of_pixels) == (0, 0)
