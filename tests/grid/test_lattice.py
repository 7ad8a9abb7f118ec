"""Lattices and windows, against the OPERA tile table, pyproj itself, and real granules."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyproj
import pytest
import rasterio
import shapely

from s1monthly.errors import GridError
from s1monthly.grid.lattice import (
    GeoBox,
    covering_window,
    geobox_outline,
    overlap,
    source_pixels,
    target_window,
    tile_geobox,
)
from s1monthly.grid.tiles import tile_origin, tiles_of_roi
from s1monthly.model import Tile
from support.outlines import SIDE, edge

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
