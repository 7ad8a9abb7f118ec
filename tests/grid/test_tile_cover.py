"""The fewest tiles that cover a region: they cover it, no fewer do, and they prefer their own zone."""

from __future__ import annotations

from itertools import combinations

import pytest
import shapely
from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry

from s1monthly.grid.regions import on_turn, read_region, wkt_of_bounds
from s1monthly.grid.tile_cover import fewest_tiles
from s1monthly.grid.tiles import tile_outline, tiles_of_roi
from s1monthly.model import Tile

Bounds = tuple[float, float, float, float]


def uncovered(roi: BaseGeometry, tiles: list[Tile]) -> float:
    """Square degrees of a region that no tile covers."""
    outlines = shapely.union_all([tile_outline(tile) for tile in tiles])
    world = shapely.box(-180, -90, 180, 90)
    return on_turn(roi, world.bounds).intersection(world).difference(outlines).area


def names(tiles: list[Tile]) -> list[str]:
    return [tile.name for tile in tiles]


@pytest.mark.parametrize(
    "bounds",
    [
        (-120.3, 34.7, -120.2, 34.8),  # the middle of 10SGD, which three tiles meet
        (-121, 36, -119, 37),  # the edge of zones 10 and 11
        (5, 60, 7, 61),  # Norway's irregular zones
        (179.4, -18, -179.5, -16.5),  # the antimeridian
        (-0.4, -0.3, 0.4, 0.6),  # the equator and Greenwich
    ],
)
def test_no_fewer_tiles_cover_it(bounds: Bounds) -> None:
    roi = read_region(wkt_of_bounds(*bounds))
    tiles = tiles_of_roi(roi)
    fewest = fewest_tiles(roi, tiles)
    assert set(fewest) <= set(tiles) and names(fewest) == sorted(names(fewest))
    assert uncovered(roi, fewest) < 1e-8
    assert all(uncovered(roi, [t for t in fewest if t != left_out]) > 1e-8 for left_out in fewest)
    if len(tiles) <= 14:
        for some in combinations(tiles, len(fewest) - 1):
            assert uncovered(roi, list(some)) > 1e-8, names(list(some))


@pytest.mark.parametrize(("west", "expected"), [(-120.1, "10SGF"), (-119.6, "11SKA")])
def test_of_two_tiles_that_cover_it_the_one_of_its_own_zone_is_taken(west: float, expected: str) -> None:
    roi = read_region(wkt_of_bounds(west, 36.4, west + 0.1, 36.5))
    assert names(tiles_of_roi(roi)) == ["10SGF", "11SKA"]
    assert names(fewest_tiles(roi, tiles_of_roi(roi))) == [expected]


def test_a_small_box_in_the_middle_of_a_tile_needs_that_tile_alone() -> None:
    roi = read_region(wkt_of_bounds(-120.3, 34.7, -120.2, 34.8))
    assert len(tiles_of_roi(roi)) > 1
    assert len(fewest_tiles(roi, tiles_of_roi(roi))) == 1


def test_parts_holes_and_other_turns_are_understood() -> None:
    far = MultiPolygon(
        [shapely.box(240, 36, 240.1, 36.1), shapely.box(10, 50, 11, 51) - shapely.box(10.2, 50.2, 10.8, 50.8)]
    )
    tiles = tiles_of_roi(far)
    fewest = fewest_tiles(far, tiles)
    assert uncovered(far, fewest) < 1e-8 and len(fewest) < len(tiles)
    assert any(tile.zone in (10, 11) for tile in fewest) and any(tile.zone == 32 for tile in fewest)


def test_a_hole_spares_a_tile() -> None:
    """A frame round a tile's middle needs no tile that only the middle needs."""
    whole = shapely.box(-121.5, 34, -119.5, 36)
    frame = whole - shapely.box(-121.3, 34.2, -119.7, 35.8)
    assert len(fewest_tiles(frame, tiles_of_roi(frame))) <= len(fewest_tiles(whole, tiles_of_roi(whole)))
    assert uncovered(frame, fewest_tiles(frame, tiles_of_roi(frame))) < 1e-8


def test_one_tile_or_none_to_choose_from_is_returned() -> None:
    roi = read_region(wkt_of_bounds(-120.3, 34.7, -120.2, 34.8))
    assert fewest_tiles(roi, [Tile("10SGD")]) == [Tile("10SGD")]
    assert fewest_tiles(roi, []) == []


def test_what_no_tile_covers_needs_none() -> None:
    """Beyond 84 N there are no tiles; what lies south of it is covered."""
    roi = read_region(wkt_of_bounds(10, 83, 14, 86))
    tiles = tiles_of_roi(roi)
    fewest = fewest_tiles(roi, tiles)
    assert 0 < len(fewest) <= len(tiles)
    assert uncovered(roi, fewest) == pytest.approx(uncovered(roi, tiles), abs=1e-8)
