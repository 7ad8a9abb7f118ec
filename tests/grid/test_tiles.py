"""Tiles, regions of interest and outlines, against the OPERA tile table and pyproj itself."""

from __future__ import annotations

import time

import numpy as np
import pyproj
import pytest
import shapely
from shapely.geometry import MultiPolygon, Point, Polygon

from s1monthly.errors import GridError
from s1monthly.grid.lattice import geobox_outline, tile_geobox
from s1monthly.grid.outlines import to_lonlat
from s1monthly.grid.tiles import tile_origin, tile_outline, tiles_beside, tiles_of_roi
from s1monthly.model import Tile
from support.outlines import SIDE, edge

WORLD = MultiPolygon([shapely.box(-180, -80, 0, 84), shapely.box(0, -80, 180, 84)])
FIJI = shapely.box(179, -18, 181, -16)


def east_of(polygon, degrees):
    return shapely.transform(polygon, lambda xy: xy + [degrees, 0])


def outlines_of(origins) -> tuple[list[str], np.ndarray]:
    """Names and outlines of tiles, straight from their EPSG, left and top; twice where they reach beyond 180."""
    unit = shapely.get_coordinates(shapely.segmentize(shapely.box(0, -1, 1, 0).exterior, 1 / 28))
    names, rings = [], []
    for epsg in sorted({epsg for epsg, _, _ in origins.values()}):
        of_zone = {name: (left, top) for name, (code, left, top) in origins.items() if code == epsg}
        x, y = (np.array(list(of_zone.values()))[:, None, :] + SIDE * unit).transpose(2, 0, 1)
        longitude, latitude = pyproj.Transformer.from_crs(epsg, 4326, always_xy=True).transform(x, y)
        ring = np.stack([np.unwrap(longitude, period=360), latitude], axis=-1)
        for turn in (-360, 0, 360):
            reaching = (ring[:, :, 0].max(axis=1) + turn > -180) & (ring[:, :, 0].min(axis=1) + turn < 180)
            names += np.array(list(of_zone))[reaching].tolist()
            rings.append(ring[reaching] + [turn, 0])
    return names, shapely.polygons(np.concatenate(rings))


@pytest.fixture(scope="module")
def outlines(table) -> tuple[list[str], np.ndarray]:
    """Names and outlines of the table's tiles."""
    return outlines_of(table)


def test_tiles_beside_a_region_are_named():
    tiles = [Tile("01WCP"), Tile("60WWU"), Tile("10SGD")]
    assert tiles_beside("POLYGON((178 60,190 60,190 75,178 75,178 60))", tiles) == [Tile("10SGD")]
    assert tiles_beside("POLYGON((230 20,250 20,250 50,230 50,230 20))", tiles[2:]) == []
    with pytest.raises(GridError, match="none of the tiles"):
        tiles_beside("POLYGON((36 -21,37 -21,37 -20,36 -21))", tiles)


def brute_force(roi, outlines) -> set[str]:
    """Tiles of the table that have common area with a region in [-180, 180]."""
    names, polygons = outlines
    meet = np.flatnonzero(shapely.intersects(polygons, roi))
    return {names[i] for i in meet if polygons[i].intersection(roi).area > 0}


# Tiles ----------------------------------------------------------------------------------------------------------------


def test_tile_accepts_every_name_of_the_table(table):
    assert all(Tile(name).epsg == epsg for name, (epsg, _, _) in table.items())


def test_tile_origin_is_exact_for_every_land_tile(table):
    wrong = {name for name, (_, left, top) in table.items() if tile_origin(Tile(name)) != (left, top)}
    assert not wrong


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("10TGD", "10SGD"),  # centred in another band
        ("10CGD", "11C"),  # beside its zone
        ("31VFF", "32VLL"),  # in the part of 31V that belongs to 32V
        ("34XDM", "33XWG"),  # there is no 34X
        ("01XAA", "59X"),  # across the antimeridian
    ],
)
def test_tile_origin_refuses_squares_that_do_not_exist(name, remedy):
    with pytest.raises(GridError) as caught:
        tile_origin(Tile(name))
    assert name in caught.value.problem
    assert remedy in caught.value.remedy


# Region of interest to tiles ------------------------------------------------------------------------------------------


def test_all_tiles_of_the_world_hold_the_table_and_no_redundant_square(table, outlines):
    world = {tile.name for tile in tiles_of_roi(WORLD)}
    assert len(world) == 56_380
    assert set(table) <= world
    tree = shapely.STRtree(outlines[1])
    others = {name: (Tile(name).epsg, *tile_origin(Tile(name))) for name in world - set(table)}
    redundant = set()
    for name, polygon in zip(*outlines_of(others), strict=True):
        near = outlines[1][tree.query(polygon)]
        if near.size and polygon.difference(shapely.union_all(near)).area == 0:
            redundant.add(name)
    assert redundant == {"29ULU"}  # a true tile of the Atlantic; the land beside it lies in 28UGD and 29UMU


SYSTEMATIC = {
    "zones 10 and 11": shapely.box(-122.5, 37, -119.5, 38.5),
    "zones 31 to 33, mid latitude": shapely.box(5.5, 44, 12.5, 47),
    "bands S and T": shapely.box(10, 39.9, 10.2, 40.1),
    "equator": shapely.box(28, -1.5, 31, 1.5),
    "equator, Brazil": shapely.box(-55, -0.5, -53, 0.5),
    "Norway 31V 32V": shapely.box(2.5, 56, 8, 64.5),
    "Svalbard": shapely.box(5, 76, 40, 82),
    "Greenland": shapely.box(-75, 76, -10, 84),
    "Wrangel, east half": shapely.box(-180, 70, -175, 72),
    "Chukotka": MultiPolygon([shapely.box(176, 62, 180, 71), shapely.box(-180, 62, -170, 71)]),
    "Fiji": MultiPolygon([shapely.box(177, -20, 180, -15), shapely.box(-180, -20, -178, -15)]),
    "Patagonia": shapely.box(-76, -56, -65, -40),
    "New Zealand": shapely.box(165, -48, 180, -34),
    "Taimyr": shapely.box(80, 70, 110, 81),
    "a triangle": Polygon([(-10, 5), (25, 36), (40, -20)]),
    "with a hole": Polygon(shapely.box(0, 40, 12, 50).exterior, [shapely.box(2, 42, 10, 48).exterior.coords]),
}


@pytest.mark.parametrize("place", SYSTEMATIC)
def test_tiles_of_roi_match_the_table(place, table, outlines):
    roi = SYSTEMATIC[place]
    found = {tile.name for tile in tiles_of_roi(roi)}
    expected = brute_force(roi, outlines)
    assert expected
    assert found & set(table) == expected


def test_tiles_of_random_regions_match_the_table(table, outlines):
    generator = np.random.default_rng(7)
    names, polygons = outlines
    for index in generator.choice(len(names), 300, replace=False):
        west, south, east, north = polygons[index].bounds
        middle = generator.uniform((max(west, -180), south), (min(east, 180), north))
        corners = middle + generator.uniform(-1, 1, (6, 2)) * generator.choice([0.01, 0.3, 2.0])
        roi = MultiPolygon([shapely.convex_hull(shapely.multipoints(corners))]).intersection(
            shapely.box(-180, -80, 180, 84)
        )
        found = {tile.name for tile in tiles_of_roi(roi)}
        assert found & set(table) == brute_force(roi, outlines), roi.wkt
        for name in found:
            assert tile_outline(Tile(name)).intersects(roi)


def test_norway_follows_the_widened_zone():
    names = {tile.name for tile in tiles_of_roi(shapely.box(3.5, 58.9, 6, 59.2))}
    assert {"31VEF", "32VKL", "32VLL"} <= names
    assert not {"31VFF", "31VEL"} & names


@pytest.mark.parametrize("turn", [0, -360])
def test_regions_across_the_antimeridian_can_be_given_in_every_way(turn):
    split = MultiPolygon([shapely.box(179, -18, 180, -16), shapely.box(-180, -18, -179, -16)])
    tiles = tiles_of_roi(east_of(FIJI, turn))
    assert tiles == tiles_of_roi(split)
    assert {tile.zone for tile in tiles} == {1, 60}
    assert len(tiles) < 15


def test_a_region_wider_than_half_the_globe_is_refused():
    with pytest.raises(GridError, match="358 degrees") as caught:
        tiles_of_roi(Polygon([(179, -18), (-179, -18), (-179, -16), (179, -16)]))
    assert "179 to 181" in caught.value.remedy


@pytest.mark.parametrize(
    ("roi", "problem"),
    [
        (Point(10, 50), "no area"),
        (Polygon(), "no area"),
        (Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]), "Self-intersection"),
        (shapely.box(500_000, 4_000_000, 600_000, 4_100_000), "not longitudes and latitudes"),
        (shapely.box(50, 91, 51, 92), "not longitudes and latitudes"),
        (shapely.box(10, 85, 20, 89), "no Sentinel-2 tile"),
        (shapely.box(10, -89, 20, -85), "no Sentinel-2 tile"),
    ],
)
def test_regions_that_make_no_sense_are_refused(roi, problem):
    with pytest.raises(GridError, match=problem):
        tiles_of_roi(roi)


def test_every_place_from_80_south_to_84_north_has_a_tile():
    generator = np.random.default_rng(3)
    for longitude, latitude in zip(generator.uniform(-180, 180, 400), generator.uniform(-80, 84, 400), strict=True):
        assert tiles_of_roi(Point(longitude, latitude).buffer(1e-4))


def test_a_tile_is_needed_as_soon_as_a_region_reaches_it():
    tile = Tile("32UND")
    west, south, _, north = tile_outline(tile).bounds
    assert tile not in tiles_of_roi(shapely.box(west - 1, south, west - 1e-9, north))
    assert tile in tiles_of_roi(shapely.box(west - 1, south, west + 1e-4, north))


def test_a_continent_takes_seconds():
    start = time.process_time()
    africa = tiles_of_roi(shapely.box(-20, -36, 52, 38))
    middle = time.process_time()
    assert tiles_of_roi(shapely.box(9.9, 52.9, 10.3, 53.3)) == [Tile("32UND"), Tile("32UNE")]
    assert middle - start < 10
    assert time.process_time() - middle < 0.3
    assert len(africa) > 5000


# Outlines -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["32NNF", "10SGD", "19HBD", "22WFD", "27XWL", "33XXF", "01KAB", "60WWD", "01WCU"])
def test_outlines_follow_the_true_edge(name):
    tile = Tile(name)
    outline = tile_outline(tile)
    assert outline.is_valid
    west, _, east, _ = outline.bounds
    assert west >= -180
    assert east <= 180
    assert all(part.exterior.is_ccw for part in shapely.get_parts(outline))
    left, top = tile_origin(tile)
    exact = edge((left, top - SIDE, left + SIDE, top), tile.epsg, 100)
    whole = shapely.union_all([east_of(outline, turn) for turn in (-360, 0, 360)], grid_size=1e-12)
    metres = np.array([111_320 * np.cos(np.radians(exact[:, 1].mean())), 111_320])
    boundary = shapely.transform(whole, lambda xy: xy * metres).boundary
    assert shapely.distance(shapely.points(exact * metres), boundary).max() < 30
    assert outline.area == pytest.approx(Polygon(exact).area, rel=1e-4)


def test_a_geobox_has_the_outline_of_its_tile():
    box = tile_geobox(Tile("10SGD"))
    assert geobox_outline(box).equals_exact(tile_outline(Tile("10SGD")), 1e-12)


@pytest.mark.parametrize(("epsg", "x"), [(32633, 500_000.0), (32601, 248_600.0), (32760, 802_400.0)])
def test_holes_stay_holes(epsg, x):
    y = 5_000_000.0 if epsg < 32700 else 8_000_000.0
    ring = Polygon(Point(x, y).buffer(20_000).exterior, [Point(x, y).buffer(10_000).exterior.coords])
    outline = to_lonlat(MultiPolygon([ring]), epsg)  # 180 E lies between the starts of both rings
    assert outline.is_valid
    area = sum(abs(pyproj.Geod(ellps="WGS84").geometry_area_perimeter(part)[0]) for part in shapely.get_parts(outline))
    assert area == pytest.approx(ring.area, rel=4e-3)  # the scale of UTM, squared


def test_longitudes_of_a_geographic_crs_are_cut_too():
    outline = to_lonlat(shapely.box(170, -10, 190, 10), 4326)
    assert sorted(part.bounds for part in outline.geoms) == [(-180, -10, -170, 10), (170, -10, 180, 10)]


def test_outlines_without_shape_are_refused():
    with pytest.raises(GridError, match="round a pole"):
        to_lonlat(shapely.box(-1e5, -1e5, 1e5, 1e5), 3413)
    with pytest.raises(GridError, match="without area"):
        to_lonlat(Polygon(), 32633)
    with pytest.raises(GridError, match="no CRS EPSG:99999"):
        to_lonlat(shapely.box(0, 0, 1, 1), 99999)
