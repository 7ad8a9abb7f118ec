"""Tiles, lattices and windows, against the OPERA tile table, pyproj itself, and real granules."""

from __future__ import annotations

import csv
import gzip
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from shapely.geometry import MultiPolygon, Point, Polygon

from s1monthly.errors import GridError, NameFormatError
from s1monthly.grid.lattice import (
    GeoBox,
    covering_window,
    geobox_outline,
    orbit_direction,
    overlap,
    source_pixels,
    target_window,
    tile_geobox,
    tile_origin,
    tile_outline,
    tiles_of_roi,
    to_lonlat,
)
from s1monthly.grid.tiles import tiles_beside
from s1monthly.model import Burst, Direction, Tile

SIDE = 109_800
WORLD = MultiPolygon([shapely.box(-180, -80, 0, 84), shapely.box(0, -80, 180, 84)])
FIJI = shapely.box(179, -18, 181, -16)


def east_of(polygon, degrees):
    return shapely.transform(polygon, lambda xy: xy + [degrees, 0])


def edge(bounds, epsg, spacing=2000.0):
    """Longitude and latitude of a box's outline, (n, 2), straight from pyproj; longitudes run on beyond 180."""
    ring = shapely.segmentize(shapely.box(*bounds).exterior, spacing)
    x, y = shapely.get_coordinates(ring).T
    longitude, latitude = pyproj.Transformer.from_crs(epsg, 4326, always_xy=True).transform(x, y)
    return np.column_stack([np.unwrap(longitude, period=360), latitude])


@pytest.fixture(scope="module")
def table(shared_data: Path) -> dict[str, tuple[int, float, float]]:
    """EPSG, left and top of every Sentinel-2 land tile, by name."""
    with gzip.open(shared_data / "mgrs" / "s2_land_tiles.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 19_002
    return {row["tile"]: (int(row["epsg"]), float(row["left"]), float(row["top"])) for row in rows}


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


@pytest.mark.parametrize(
    "name",
    ["", "10SG", "10SGDD", "10sgd", "1SGD", "00SGD", "61SGD", "10IGD", "10OGD", "10BGD", "10YGD", "10SJD",
     "10SGI", "10SGO", "10SGW", "11SAD", "12SAD", "T10SGD", "10SG1", " 10SGD", "10SGD\n"],
)  # fmt: skip
def test_tile_rejects_malformed_names(name):
    with pytest.raises(NameFormatError):
        Tile(name)


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


def test_a_tile_on_the_antimeridian_has_an_outline_in_two_parts():
    outline = tile_outline(Tile("01KAB"))
    assert isinstance(outline, MultiPolygon)
    assert {part.bounds[0] == -180 for part in outline.geoms} == {True, False}
    assert {part.bounds[2] == 180 for part in outline.geoms} == {True, False}


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


# Lattices -------------------------------------------------------------------------------------------------------------


def test_northern_grids_are_sentinel_2s_and_southern_ones_move_to_the_lattice(table):
    for name, (epsg, left, top) in list(table.items())[::40]:
        box = tile_geobox(Tile(name))
        assert (box.epsg, box.shape, box.resolution) == (epsg, (3660, 3660), 30)
        assert box.left % 30 == 0
        assert box.top % 30 == 0
        assert (box.left, box.top) == (left, top if epsg < 32700 else top - 10)


@pytest.mark.parametrize("resolution", [10, 20, 22.5, 40, 60, 100, 120, 1830, 2.5 * 61])
def test_coarser_grids_lie_on_multiples_of_their_resolution(resolution, table):
    for name, (_, left, top) in list(table.items())[::500]:
        box = tile_geobox(Tile(name), resolution)
        assert box.width * resolution == SIDE
        assert (box.left / resolution, box.top / resolution) == (
            round(box.left / resolution),
            round(box.top / resolution),
        )
        moved_left, moved_top = box.left - left, box.top - top
        assert -resolution / 2 <= moved_left < resolution / 2  # ties go west
        assert -resolution / 2 < moved_top <= resolution / 2  # ties go north


def test_ties_of_the_lattice_are_met(table):
    halves = [name for name, (_, left, _) in table.items() if left % 40 == 20]
    assert halves
    assert tile_geobox(Tile(halves[0]), 40).left == table[halves[0]][1] - 20


@pytest.mark.parametrize(
    ("resolution", "words"),
    [(7, ["6, 8"]), (29.9, ["25, 30"]), (5, ["21960", "30 m"]), (20_000, ["10980"]), (109_800, ["30 m"]),
     (0, ["positive"]), (-30, ["positive"]), (float("nan"), ["positive"])],
)  # fmt: skip
def test_resolutions_that_do_not_fit_are_refused_with_their_neighbours(resolution, words):
    with pytest.raises(GridError) as caught:
        tile_geobox(Tile("10SGD"), resolution)
    assert "10SGD" in caught.value.problem
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    ("name", "epsg", "resolution"),
    [("32UND", 3035, 30), ("32UND", 4326, 0.00025), ("32UND", 32633, 30), ("22WFD", 3413, 30), ("01KAB", 3832, 60),
     ("19HBD", 32619, 100)],
)  # fmt: skip
def test_grids_in_other_crss_hold_the_tile_and_no_more(name, epsg, resolution):
    tile = Tile(name)
    box = tile_geobox(tile, resolution, epsg)
    left, top = tile_origin(tile)
    ring = shapely.segmentize(shapely.box(left, top - SIDE, left + SIDE, top).exterior, 50)
    x, y = pyproj.Transformer.from_crs(tile.epsg, epsg, always_xy=True).transform(*shapely.get_coordinates(ring).T)
    slack = 0.01 * resolution  # the outline's points are 200 m apart
    spare = np.array(
        [x.min() - box.bounds[0], y.min() - box.bounds[1], box.bounds[2] - x.max(), box.bounds[3] - y.max()]
    )
    assert (spare >= -slack).all()
    assert (spare <= resolution + slack).all()
    np.testing.assert_allclose(
        np.array(box.bounds) / resolution, np.round(np.array(box.bounds) / resolution), atol=1e-6
    )


def test_the_tiles_own_crs_may_be_named():
    assert tile_geobox(Tile("19HBD"), 30, 32719) == tile_geobox(Tile("19HBD"))


@pytest.mark.parametrize(
    ("name", "resolution", "epsg", "words"),
    [
        ("32UND", 30, 4326, ["30 degree", "1 x 1", "0.00045 degree"]),
        ("32UND", 1, 3035, ["30 m are about 30 metre"]),
        ("01KAB", 0.00025, 4326, ["across the edge of EPSG:4326", "EPSG:32701"]),
        ("32UND", 30, 99999, ["no CRS EPSG:99999"]),
    ],
)
def test_grids_that_make_no_sense_are_refused(name, resolution, epsg, words):
    with pytest.raises(GridError) as caught:
        tile_geobox(Tile(name), resolution, epsg)
    assert all(word in str(caught.value) for word in words)


# Bursts ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tile", ["22WFD", "19HBD"])
def test_direction_is_where_real_footprints_go(tile, shared_data):
    with gzip.open(shared_data / "cmr" / f"granules_{tile}.csv.gz", "rt") as file:
        latitude = {
            Burst.parse(row["burst"]): shapely.from_wkt(row["footprint_wkt"]).centroid.y for row in csv.DictReader(file)
        }
    seen = set()
    for burst, here in latitude.items():
        after = latitude.get(Burst(burst.track, burst.number + 1, burst.subswath))
        if after is not None:
            northward = Direction.ASCENDING if after > here else Direction.DESCENDING
            assert orbit_direction(burst) == northward, burst
            seen.add(northward)
    assert seen == set(Direction)


def test_direction_of_known_bursts(shared_data):
    crops = {path.name.split("_")[3] for path in (shared_data / "opera-rtc-s1" / "10SGD_T137").glob("*/*_VV.tif")}
    assert len(crops) == 15
    assert {orbit_direction(Burst.parse(crop)) for crop in crops} == {Direction.ASCENDING}
    example = "T131-279916-IW1"
    assert example[:11] in (shared_data / "cmr" / "umm_g_examples.json").read_text()
    assert orbit_direction(Burst.parse(example)) == Direction.DESCENDING


# Windows on one lattice -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "top", "width", "height"),
    [
        (0, 0, 50, 40),
        (-300, 150, 50, 40),
        (900, -600, 50, 40),
        (300, -300, 5, 5),
        (-300, 300, 200, 200),
        (1470, -1170, 9, 9),
    ],
)
def test_overlap_cuts_the_same_pixels_from_both(left, top, width, height):
    target = GeoBox(32633, 30, 600_000, 5_000_010, 50, 40)
    source = GeoBox(32633, 30, 600_000 + left, 5_000_010 + top, width, height)

    def pixels(box):
        x = box.left + 30 * np.arange(box.width)
        y = box.top - 30 * np.arange(box.height)
        return y[:, None] * 1e7 + x

    common = overlap(target, source)
    cut = pixels(target)[common.target]
    np.testing.assert_array_equal(cut, pixels(source)[common.source])
    assert cut.size == np.isin(pixels(target), pixels(source)).sum() > 0


@pytest.mark.parametrize(("left", "top"), [(1500, 0), (-300, 0), (0, 300), (0, -1200), (9e5, 9e5)])
def test_boxes_that_share_no_pixel_have_no_overlap(left, top):
    target = GeoBox(32633, 30, 600_000, 5_000_010, 50, 40)
    assert overlap(target, GeoBox(32633, 30, 600_000 + left, 5_000_010 + top, 10, 10)) is None


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (GeoBox(32632, 30, 600_000, 5_000_010, 50, 40), ["EPSG:32632", "EPSG:32633"]),
        (GeoBox(32633, 10, 600_000, 5_000_010, 50, 40), ["at 10", "at 30"]),
        (GeoBox(32633, 30, 600_010, 5_000_010, 50, 40), ["-0.333333 columns", "600010"]),
        (GeoBox(32633, 30, 600_000, 5_000_010.001, 50, 40), ["0 columns", "5000010"]),
    ],
)
def test_boxes_off_one_lattice_are_refused(other, words):
    with pytest.raises(GridError) as caught:
        overlap(GeoBox(32633, 30, 600_000, 5_000_010, 50, 40), other)
    assert all(word in caught.value.problem for word in words)


def test_real_bursts_lie_on_the_lattice_of_their_zones_tiles(shared_data):
    boxes, same_zone = [], []
    for path in sorted((shared_data / "opera-rtc-s1" / "10SGD_T137" / "2021-11-19").glob("*_VV.tif")):
        with rasterio.open(path) as raster:
            boxes.append(
                GeoBox(
                    raster.crs.to_epsg(),
                    raster.res[0],
                    raster.bounds.left,
                    raster.bounds.top,
                    raster.width,
                    raster.height,
                )
            )
    assert len(boxes) == 15
    for box in boxes:
        tiles = tiles_of_roi(geobox_outline(box))
        same_zone += [overlap(tile_geobox(tile), box) for tile in tiles if tile.epsg == box.epsg]
        assert all(covering_window(tile_geobox(tile), box) for tile in tiles)
        assert overlap(box, GeoBox(box.epsg, 30, 300_000, 4_200_000, 1, 1)) is None
    assert len(same_zone) > 0
    assert all(same_zone)


# From grid to grid ----------------------------------------------------------------------------------------------------


def exact_pixels(target, source, rows, columns):
    """Place in `source` of target pixels, straight from pyproj."""
    x, y = target.left + (columns + 0.5) * target.resolution, target.top - (rows + 0.5) * target.resolution
    x, y = pyproj.Transformer.from_crs(target.epsg, source.epsg, always_xy=True).transform(x, y)
    return (source.top - y) / source.resolution - 0.5, (x - source.left) / source.resolution - 0.5


def beside(tile, shift):
    """A box like a tile's, in a zone further east or west, with the tile's centre at its own."""
    box = tile_geobox(tile)
    epsg = box.epsg // 100 * 100 + (tile.zone - 1 + shift) % 60 + 1
    middle = box.left + SIDE / 2, box.top - SIDE / 2
    x, y = pyproj.Transformer.from_crs(box.epsg, epsg, always_xy=True).transform(*middle)
    return GeoBox(epsg, 30, round(x / 30) * 30 - SIDE / 2, round(y / 30) * 30 + SIDE / 2, 3660, 3660)


@pytest.mark.parametrize("step", [16, 50])
@pytest.mark.parametrize("shift", [-1, 1])
@pytest.mark.parametrize("name", ["32NKF", "32NRF", "10SGD", "10TFR", "19HBD", "22WFD", "33XVA", "33XXC", "01KAB"])
def test_knots_give_every_pixel_within_a_thousandth(name, shift, step):
    target = tile_geobox(Tile(name))
    source = beside(Tile(name), shift)
    rows, columns = source_pixels(target, source, step)
    assert rows.shape == columns.shape == (-(-3659 // step) + 1,) * 2
    assert rows.dtype == np.float64
    generator = np.random.default_rng(1)
    i, j = generator.integers(0, 3660, (2, 4000))
    p, q = i // step, j // step
    p, q = np.minimum(p, rows.shape[0] - 2), np.minimum(q, rows.shape[1] - 2)
    u, v = i / step - p, j / step - q
    for knots, true in zip((rows, columns), exact_pixels(target, source, i, j), strict=True):
        upper = knots[p, q] * (1 - v) + knots[p, q + 1] * v
        lower = knots[p + 1, q] * (1 - v) + knots[p + 1, q + 1] * v
        assert np.abs(upper * (1 - u) + lower * u - true).max() < 0.001


def test_knots_of_one_crs_count_pixel_centres():
    target = GeoBox(32633, 30, 600_000, 5_000_010, 33, 1)
    rows, columns = source_pixels(target, GeoBox(32633, 10, 599_970, 5_000_040, 500, 500))
    np.testing.assert_allclose(columns, [[4, 52, 100]] * 2, atol=1e-9)
    np.testing.assert_allclose(rows, [[4] * 3, [52] * 3], atol=1e-9)


def test_knots_are_the_same_in_every_thread():
    target, source = tile_geobox(Tile("10SGD")), beside(Tile("10SGD"), 1)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: source_pixels(target, source), range(24)))
    for rows, columns in results:
        np.testing.assert_array_equal(rows, results[0][0])
        np.testing.assert_array_equal(columns, results[0][1])


def window_pairs():
    """Targets and sources that meet partly or wholly, in UTM and other CRSs."""
    for name in ("32NRF", "10SGD", "19HBD", "22WFD", "33XXC", "01KAB"):
        tile = Tile(name)
        target = tile_geobox(tile)
        for shift in (-1, 1):
            near = beside(tile, shift)
            for dx, dy in ((0, 0), (60_000, -75_000), (-96_000, 30_000), (104_000, 104_000)):
                source = GeoBox(near.epsg, 30, near.left + dx, near.top + dy, 3000, 900)
                yield pytest.param(target, source, id=f"{name}{shift:+d}{dx:+d}{dy:+d}")
    europe = tile_geobox(Tile("32UND"), 90, 3035)
    yield pytest.param(europe, tile_geobox(Tile("32UND")), id="32UND in Europe")
    yield pytest.param(tile_geobox(Tile("22WFD"), 100, 3413), tile_geobox(Tile("22WFD")), id="22WFD polar")
    yield pytest.param(tile_geobox(Tile("32UND"), 0.001, 4326), tile_geobox(Tile("32UND")), id="32UND in degrees")


@pytest.mark.parametrize(("target", "source"), list(window_pairs()))
def test_windows_hold_all_that_is_needed_and_little_more(target, source):
    i, j = np.meshgrid(np.arange(0, target.height, 7.0), np.arange(0, target.width, 7.0), indexing="ij")
    rows, columns = exact_pixels(target, source, i, j)
    meet = (rows > -0.5) & (rows < source.height - 0.5) & (columns > -0.5) & (columns < source.width - 0.5)
    needed, contributing = covering_window(target, source), target_window(target, source)
    if not meet.any():
        assert needed is None or min(s.stop - s.start for s in needed) < 30
        return
    coarse = 8 * max(target.resolution / source.resolution if target.epsg != 4326 else 4, 1)
    for window, places, size in (
        (needed, (rows[meet], columns[meet]), source.shape),
        (contributing, (i[meet], j[meet]), target.shape),
    ):
        for part, place, length in zip(window, places, size, strict=True):
            assert 0 <= part.start < part.stop <= length
            # Bilinear interpolation needs both neighbours.
            assert part.start <= max(np.floor(place.min()), 0)
            assert part.stop > min(np.floor(place.max()) + 1, length - 1)
            spare = coarse if window is needed else 8
            assert part.start >= place.min() - spare - 3
            assert part.stop <= place.max() + spare + 3


def test_windows_of_boxes_apart_are_none():
    target = tile_geobox(Tile("10SGD"))
    for other in ("10SEG", "19HBD", "33XXC", "40KCB", "11SLA"):
        assert covering_window(target, tile_geobox(Tile(other))) is None
        assert target_window(target, tile_geobox(Tile(other))) is None


def test_boxes_whose_bounds_meet_and_shapes_do_not_have_no_window():
    # At 72 N neighbouring zones are turned against each other by 5.7 degrees: the corners of bounding boxes are empty.
    target = tile_geobox(Tile("33XWA"))
    x, y = edge((target.left, target.top - SIDE, target.left + SIDE, target.top), target.epsg).T
    x, y = pyproj.Transformer.from_crs(4326, 32634, always_xy=True).transform(x, y)
    corner = GeoBox(32634, 30, x.min(), y.max(), 60, 60)
    assert covering_window(target, corner) is None
    whole = GeoBox(32634, 30, x.min(), y.max(), round(np.ptp(x) / 30), round(np.ptp(y) / 30))
    rows, columns = covering_window(target, whole)
    assert (rows.start, columns.start) == (0, 0)
    assert (rows.stop, columns.stop) == whole.shape


def test_windows_across_a_cut_of_the_crs_hold_what_is_needed():
    degrees = GeoBox(4326, 0.01, -180, 0, 36_000, 3000)
    rows, columns = target_window(degrees, tile_geobox(Tile("01KAB")))
    assert (columns.start, columns.stop) == (0, 36_000)
    assert 0 < rows.start < rows.stop < 3000


def test_windows_on_one_lattice_are_the_overlap():
    target = tile_geobox(Tile("11SKA"))
    source = GeoBox(target.epsg, 30, target.left - 3000, target.top + 1500, 200, 300)
    common = overlap(target, source)
    assert covering_window(target, source, margin=0) == common.source
    assert target_window(target, source, margin=0) == common.target
    rows, columns = target_window(target, source, margin=2)
    assert (rows, columns) == (slice(0, common.target[0].stop + 2), slice(0, common.target[1].stop + 2))
