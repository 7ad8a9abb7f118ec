"""The mask of a region of interest, against the point in the polygon: any CRS, any size, longitudes on any turn."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from shapely.geometry import MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry

from s1monthly.errors import GridError
from s1monthly.grid import regions as regions_module
from s1monthly.grid.lattice import GeoBox, tile_geobox
from s1monthly.grid.outlines import box_in_lonlat, transformer
from s1monthly.grid.polygon_mask import outside_polygon, window
from s1monthly.model import Tile
from s1monthly.versions import ALGORITHMS

WKT = (
    "POLYGON((-120.9995 35.9975, -120.9965 35.9995, -120.9965 35.9965, -120.9995 35.9975),"
    " (-120.998 35.9977, -120.9974 35.9977, -120.9974 35.9983, -120.998 35.9983, -120.998 35.9977))"
)
BOX = GeoBox(32610, 30.0, 680280.0, 3985770.0, 12, 13)

GOLDEN = {
    2: """
        ............
        .........#..
        ........##..
        .......###..
        ......####..
        ....##..##..
        ...###..##..
        ..########..
        ..########..
        ....######..
        .......###..
        ............
        ............
    """
}
"""Pixels inside `WKT` (#), by algorithm version."""


def picture(outside: np.ndarray) -> list[str]:
    return ["".join(".#"[int(inside)] for inside in row) for row in ~outside]


def test_golden_values() -> None:
    assert picture(outside_polygon(BOX, WKT)) == GOLDEN[ALGORITHMS["polygon_mask"]].split()


def test_a_pixel_is_inside_where_its_centre_is() -> None:
    rows, columns = np.mgrid[: BOX.height, : BOX.width] + 0.5
    to_lonlat = Transformer.from_crs(BOX.epsg, 4326, always_xy=True)
    lon, lat = to_lonlat.transform(BOX.left + 30 * columns, BOX.top - 30 * rows)
    np.testing.assert_array_equal(outside_polygon(BOX, WKT), ~shapely.contains_xy(shapely.from_wkt(WKT), lon, lat))


WORLD = [[-180, -90, 0, 90], [0, -90, 180, 90]]

GRIDS = [
    *(("10SGD", None), ("10SGD", 4326), ("10SGD", 3857), ("10SGD", 5070), ("10SGD", 4807), ("10SGD", 2225)),
    *(("01WCP", None), ("60WWU", None), ("01WCP", 3413), ("60WWU", 3995), ("60KXF", 3832), ("01KAB", None)),
    *(("33XWJ", 3413), ("33XWJ", None), ("01CDM", 3031), ("30STJ", None)),
]
"""Temperate, on both sides of the antimeridian, polar, on the meridian of Greenwich."""


def grid_of(tile: str, epsg: int | None) -> GeoBox:
    units = {4326: 0.01, 4807: 0.011, 2225: 3280.0}
    resolution = units.get(epsg or 0, 1000.0)
    return tile_geobox(Tile(tile), 600 if epsg is None else resolution, epsg)


def centres(geobox: GeoBox) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Longitude and latitude of the pixels' centres."""
    x = geobox.left + (np.arange(geobox.width) + 0.5) * geobox.resolution
    y = geobox.top - (np.arange(geobox.height) + 0.5) * geobox.resolution
    lon, lat = transformer(geobox.epsg, 4326).transform(*np.meshgrid(x, y))
    return lon, lat


def in_polygon(geobox: GeoBox, region: BaseGeometry) -> NDArray[np.bool_]:
    """Whether centres lie in a polygon, on whichever turn: no pixel is projected, no line is drawn."""
    lon, lat = centres(geobox)
    return np.logical_or.reduce([shapely.contains_xy(region, lon + turn, lat) for turn in (-360, 0, 360)])


def regions(geobox: GeoBox) -> dict[str, BaseGeometry]:
    """Polygons that cut a grid, small and large."""
    west, south, east, north = box_in_lonlat(geobox.bounds, geobox.epsg)
    x, y, wide, high = (west + east) / 2 + 1e-4, (south + north) / 2 + 1e-4, east - west, north - south
    low, top = max(south - 60, -90), min(north + 60, 90)
    around = box(west - 20, max(south - 5, -90), east + 20, min(north + 5, 90))
    return {
        "triangle": Polygon([(west, south), (x, north), (east, south)]),
        "half the globe's width": box(x - 170, low, x, top),
        "the other half": box(x, low, x + 170, top),
        "hole": around.difference(box(x - wide / 4, y - high / 4, x + wide / 4, y + high / 4)),
        "parts": MultiPolygon([box(x - 100, low, x - wide / 4, top), box(x + wide / 8, y, x + 60, top)]),
    }


@pytest.mark.parametrize("kind", ["triangle", "half the globe's width", "the other half", "hole", "parts"])
@pytest.mark.parametrize(("tile", "epsg"), GRIDS)
def test_a_pixel_is_kept_where_its_centre_lies_in_the_polygon(tile: str, epsg: int | None, kind: str) -> None:
    geobox = grid_of(tile, epsg)
    region = regions(geobox)[kind]
    inside, turns = in_polygon(geobox, region), 0
    assert 0.1 < inside.mean() < 0.9
    for turn in (-360, 0, 360):
        moved = shapely.transform(region, lambda xy, turn=turn: xy + (turn, 0.0))
        if moved.bounds[0] >= -360 and moved.bounds[2] <= 360:
            turns += 1
            np.testing.assert_array_equal(~outside_polygon(geobox, moved.wkt), inside)
    assert turns


@pytest.mark.parametrize(("tile", "epsg"), GRIDS)
def test_a_tile_that_lies_wholly_in_the_polygon_is_kept_whole(tile: str, epsg: int | None) -> None:
    geobox = grid_of(tile, epsg)
    west, south, east, north = box_in_lonlat(geobox.bounds, geobox.epsg)
    around = box(west - 80, max(south - 70, -90), east + 80, min(north + 70, 90))
    turn = 360 * round((west + east) / 720)
    around = shapely.transform(around, lambda xy: xy - (turn, 0.0))
    # the whole globe, and two parts that meet at the antimeridian, have no seam
    for region in (around, MultiPolygon([box(*bounds) for bounds in WORLD])):
        assert not outside_polygon(geobox, region.wkt).any()


@pytest.mark.parametrize(("tile", "epsg"), GRIDS)
def test_a_tile_beside_the_polygon_is_masked_whole(tile: str, epsg: int | None) -> None:
    geobox = grid_of(tile, epsg)
    west, south, _, north = box_in_lonlat(geobox.bounds, geobox.epsg)
    beside = box(west - 100, south, west - 0.001, north)
    assert outside_polygon(geobox, beside.wkt).all()


def test_polygons_that_meet_at_the_antimeridian_or_run_on_are_one() -> None:
    geobox = tile_geobox(Tile("01WCP"), 300)
    west, south, east, north = box_in_lonlat(geobox.bounds, geobox.epsg)
    assert west < -180 < east
    runs_on = box(west + 0.3, south + 0.2, east - 0.3, north - 0.2)
    split = MultiPolygon(
        [box(west + 360.3, south + 0.2, 180, north - 0.2), box(-180, south + 0.2, east - 0.3, north - 0.2)]
    )
    np.testing.assert_array_equal(outside_polygon(geobox, runs_on.wkt), outside_polygon(geobox, split.wkt))


@pytest.mark.parametrize("epsg", [4326, 3857, 4258])
@pytest.mark.parametrize("tile", ["60KYG", "01LBJ"])
def test_a_grid_beside_the_edge_of_its_crs_is_masked_too(tile: str, epsg: int) -> None:
    geobox = tile_geobox(Tile(tile), {3857: 300.0}.get(epsg, 0.003), epsg)
    west, south, east, north = box_in_lonlat(geobox.bounds, geobox.epsg)
    region = box(west - 1, south - 1, (west + east) / 2 + 1e-5, north + 1)
    np.testing.assert_array_equal(~outside_polygon(geobox, region.wkt), in_polygon(geobox, region))


def test_what_is_no_region_is_refused() -> None:
    geobox = tile_geobox(Tile("10SGD"), 600)
    for wkt in ("POINT(1 2)", "POLYGON((", box(-179, 0, 179, 10).wkt, box(5e5, 0, 6e5, 10).wkt):
        with pytest.raises(GridError):
            outside_polygon(geobox, wkt)


def test_a_polygon_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []
    monkeypatch.setattr(regions_module, "_parsed", lru_cache(lambda wkt: parsed.append(wkt) or shapely.from_wkt(wkt)))
    region = box(-121.125, 34, -118, 36).wkt
    for tile in ("10SGD", "10SGE"):
        assert not outside_polygon(tile_geobox(Tile(tile), 600), region).all()
        assert regions_module.projects_whole(region, 32610) and regions_module.projects_whole(region, 32611)
        assert regions_module.canonical_wkt(region)
    assert parsed == [region]


def test_a_grid_that_no_polygon_can_mask_is_known_before() -> None:
    geobox = tile_geobox(Tile("01CDM"), 60, 5070)
    with pytest.raises(GridError, match="reaches beyond"):
        window(geobox)
    window(tile_geobox(Tile("01CDM"), 60))
