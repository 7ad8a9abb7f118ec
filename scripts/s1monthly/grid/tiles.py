"""Sentinel-2 tiles by arithmetic: where a named tile lies, and which tiles an area of interest needs.

Words used here alone: a *square* is a 100 km square of the military grid (MGRS) in one UTM zone, given by zone, column
(easting / 100 km, 1 to 8) and row (northing / 100 km, signed, negative south of the equator). Its *tile* is the
109.8 km square that Sentinel-2 makes of it. Seen from the central meridian, squares of one column and row have the same
shape in every zone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Point, Polygon
from shapely.geometry.base import BaseGeometry

from s1monthly.errors import GridError
from s1monthly.grid.outlines import SEGMENT, to_lonlat
from s1monthly.grid.regions import check_region, on_turn, read_region, shift, split_at_antimeridian
from s1monthly.grid.utm import from_utm
from s1monthly.model import BAND_LETTERS, COLUMN_LETTERS, ROW_LETTERS, TILE_SIDE, Tile

Floats = NDArray[np.float64]
Bounds = tuple[float, float, float, float]
"""West, south, east, north."""

_SQUARE_SIDE = 100_000
_GRAIN = 60  # tile corners lie on multiples of the coarsest Sentinel-2 pixel
_FALSE_NORTHING = 10_000_000
_COLUMNS = range(1, 9)
_ROWS = range(-89, 94)  # every row that touches 80 S to 84 N
_SOUTH, _NORTH = -80, 84

_EXCEPTIONS: dict[tuple[int, str], tuple[float, float] | None] = {
    (31, "V"): (0, 3),
    (32, "V"): (3, 12),
    (31, "X"): (0, 9),
    (32, "X"): None,
    (33, "X"): (9, 21),
    (34, "X"): None,
    (35, "X"): (21, 33),
    (36, "X"): None,
    (37, "X"): (33, 42),
}
"""Longitudes of the zones that Norway and Svalbard have widened, narrowed or closed (MGRS, NGA.STND.0037)."""

_TOUCHING = 1e-6
"""Degrees (0.1 m) within which a square touches its zone. The nearest cases reach 5e-3 degrees in or stay 2e-3 degrees
off, but for the squares of zone 31 that begin on 3 E, the very edge of 31V, and are tiles (31VEF to 31VEK)."""

_COVERED = 1e-10
"""Square degrees (1 m2) of a tile that may stick out where it counts as covered: rounding. True gaps start at 2e-8."""


class _Square(NamedTuple):
    zone: int
    column: int
    row: int


def tile_origin(tile: Tile) -> tuple[float, float]:
    """Return a Sentinel-2 tile's upper-left corner: left, top, in metres of ``tile.epsg``.

    The column letter gives the easting, the row letter the northing modulo 2000 km, and the latitude band of the
    square's centre says which multiple it is. The corner is the square's, moved outward to a multiple of 60 m. Exact
    for all 19,002 tiles of the OPERA tile table. Slivers that `tiles_of_roi` leaves out have an origin too.

    Raises
    ------
    GridError
        If no square of that name has its centre in the latitude band, or the square does not touch its zone.
    """
    square = _square_of(tile)
    left, top = _corner(square.column, square.row)
    return left, top if tile.north else top + _FALSE_NORTHING


def tile_outline(tile: Tile) -> Polygon | MultiPolygon:
    """Return the outline of a tile's 109.8 km square in longitude and latitude.

    Returns
    -------
    Polygon or MultiPolygon
        As `outlines.to_lonlat` gives it: densified, counter-clockwise, split at the antimeridian.

    Raises
    ------
    GridError
        As `tile_origin`.
    """
    left, top = tile_origin(tile)
    return to_lonlat(shapely.box(left, top - TILE_SIDE, left + TILE_SIDE, top), tile.epsg)


def tiles_of_roi(roi: BaseGeometry) -> list[Tile]:
    """List the Sentinel-2 tiles whose 109.8 km squares have common area with a region of interest.

    No table is needed; the set of tiles follows from a rule that was read off the 19,002 land tiles of the OPERA tile
    table:

    1. a tile is made of every 100 km square that touches its zone's area, 80 S to 84 N, with the zones of Norway and
       Svalbard as MGRS has them (so there is 32VKL and no 31VFF, and nothing in 32X, 34X and 36X);
    2. taken zone by zone from 1 to 60, a tile that those of earlier zones cover wholly is left out: mostly the slivers
       on a zone's western edge, but the eastern ones of zone 60, which zone 1 covers;
    3. its name has the latitude band of the square's centre.

    It gives 56,380 tiles, all 19,002 of the table among them. Of the others one alone is covered by tiles of the table,
    as redundant slivers over land would be: 29ULU, off Ireland, which just has no land. South of 57 S and over open
    ocean the table is silent and the rule alone speaks.

    Parameters
    ----------
    roi : Polygon or MultiPolygon
        Degrees, longitude first, edges straight in longitude and latitude. Across the antimeridian either two polygons
        that meet at 180 and -180 (RFC 7946), or one whose longitudes run on (179 to 181, or -181 to -179).

    Returns
    -------
    list of Tile
        Sorted by name. Parts of the region beyond 80 S or 84 N have no tiles.

    Raises
    ------
    GridError
        If the region is no valid polygon in degrees, if one of its polygons is wider than 180 degrees (179 to -179
        means 358 degrees, not 2), or if no tile lies there.
    """
    check_region(roi)
    found: set[_Square] = set()
    for piece in (piece for polygon in shapely.get_parts(roi) for piece in split_at_antimeridian(polygon)):
        squares, outlines = _squares_near(piece)
        if squares:
            shapely.prepare(piece)
            inside = shapely.contains_properly(piece, outlines)
            rest = ~inside & shapely.intersects(piece, outlines)
            # Interiors that meet have an area in common; neighbours that share an edge have none.
            inside[rest] = shapely.relate_pattern(outlines[rest], piece, "T********")
            found.update(square for square, common in zip(squares, inside, strict=True) if common)
    tiles = sorted(_tile_of(square) for square in found if _is_tile(*square))
    if not tiles:
        west, south, east, north = roi.bounds
        raise GridError(
            f"region of interest {west:g} {south:g} {east:g} {north:g}: there is no Sentinel-2 tile",
            "give a region between 80 S and 84 N, longitude before latitude",
        )
    return tiles


def tiles_beside(wkt: str, tiles: Sequence[Tile]) -> list[Tile]:
    """List the tiles that do not meet a region of interest.

    Raises
    ------
    GridError
        If the text is no region of interest, or none of the tiles meets it.
    """
    roi = read_region(wkt)
    outlines = {tile: tile_outline(tile) for tile in tiles}
    beside = [tile for tile, at in outlines.items() if not shapely.intersects(on_turn(roi, at.bounds), at)]
    if len(beside) == len(outlines):
        west, south, east, north = roi.bounds
        raise GridError(
            f"roi.wkt: region of interest {west:g} {south:g} {east:g} {north:g} meets none of the tiles, such as"
            f" {beside[0]}: the mask would leave nothing",
            "give longitude before latitude, a region that meets the tiles, or use_roi_mask: false",
        )
    return beside


def _squares_near(piece: Polygon) -> tuple[list[_Square], NDArray[np.object_]]:
    """Squares whose tiles' bounding boxes meet that of a polygon, and the outlines of these tiles, unsplit."""
    west, south, east, north = piece.bounds
    squares, rings = [], []
    # 100 km are 0.89 to 0.91 degrees of latitude, and a row bends by less than a row within a zone.
    lowest = math.floor(min(south / 0.89, south / 0.91)) - 3
    highest = math.ceil(max(north / 0.89, north / 0.91)) + 2
    for row in range(max(lowest, _ROWS[0]), min(highest, _ROWS[-1]) + 1):
        for column in _COLUMNS:
            left, bottom, right, top = _bounds(column, row)
            if top <= south or bottom >= north:
                continue
            for number in range(math.ceil((west - right + 183) / 6), math.floor((east - left + 183) / 6) + 1):
                squares.append(_Square((number - 1) % 60 + 1, column, row))
                rings.append(np.add(_ring(*_corner(column, row), TILE_SIDE), (6 * number - 183, 0)))
    return squares, shapely.polygons(np.array(rings)) if rings else np.empty(0, object)


def _square_of(tile: Tile) -> _Square:
    """Find the square that a tile is made of."""
    column = COLUMN_LETTERS[(tile.zone - 1) % 3].index(tile.column) + 1
    index = ROW_LETTERS.index(tile.row)
    rows = [row for row in _ROWS if (row + _first_row(tile.zone)) % 20 == index]
    row = next((row for row in rows if _band(column, row) == tile.band), None)
    if row is None:
        squares = [_Square(tile.zone, column, row) for row in rows if _touches_zone(tile.zone, column, row)]
        raise GridError(
            f"there is no tile {tile}: no square {tile.column}{tile.row} of zone {tile.zone} is centred in latitude"
            f" band {tile.band}",
            f"tiles of these letters: {', '.join(sorted(_tile_of(square).name for square in squares))}",
        )
    if not _touches_zone(tile.zone, column, row):
        middle = _outline(column, row).centroid
        longitude = (middle.x + 6 * tile.zone - 3) % 360 - 180
        names = ", ".join(other.name for other in tiles_of_roi(Point(longitude, middle.y).buffer(0.001)))
        raise GridError(
            f"there is no tile {tile}: its square, round {longitude:.2f} {middle.y:.2f}, lies outside zone {tile.zone}",
            f"tiles there: {names}",
        )
    return _Square(tile.zone, column, row)


def _tile_of(square: _Square) -> Tile:
    """Name the tile of a square."""
    letters = COLUMN_LETTERS[(square.zone - 1) % 3]
    row = ROW_LETTERS[(square.row + _first_row(square.zone)) % 20]
    return Tile(f"{square.zone:02d}{_band(square.column, square.row)}{letters[square.column - 1]}{row}")


def _first_row(zone: int) -> int:
    """Index of the row letter at the equator: A in odd zones, F in even ones."""
    return 0 if zone % 2 else 5


@cache
def _band(column: int, row: int) -> str:
    """Latitude band of a square's centre; squares that touch 80 S or 84 N from outside belong to the last band."""
    _, latitude = from_utm(np.array([(column + 0.5) * _SQUARE_SIDE]), np.array([(row + 0.5) * _SQUARE_SIDE]))
    return BAND_LETTERS[min(max(int((latitude[0] - _SOUTH) // 8), 0), len(BAND_LETTERS) - 1)]


def _corner(column: int, row: int) -> tuple[float, float]:
    """Upper-left corner of a square's tile; northing negative south of the equator."""
    left = column * _SQUARE_SIDE // _GRAIN * _GRAIN
    top = -((row + 1) * -_SQUARE_SIDE // _GRAIN) * _GRAIN
    return float(left), float(top)


@cache
def _ring(left: float, top: float, side: float) -> Floats:
    """Densified outline of a square in UTM, (n, 2): degrees east of the central meridian, latitude."""
    count = math.ceil(side / SEGMENT)
    along, zero = np.arange(count) / count, np.zeros(count)
    x = left + side * np.concatenate([zero, along, zero + 1, 1 - along])
    y = top - side * np.concatenate([along, zero + 1, 1 - along, zero])
    return np.column_stack(from_utm(x, y))


@cache
def _outline(column: int, row: int) -> Polygon:
    """Outline of a square's tile, east of the central meridian."""
    return Polygon(_ring(*_corner(column, row), TILE_SIDE))


@cache
def _bounds(column: int, row: int) -> Bounds:
    """Bounding box of `_outline`."""
    west, south, east, north = _outline(column, row).bounds
    return west, south, east, north


@cache
def _zone_area(zone: int) -> BaseGeometry:
    """Area of a zone in degrees east of its central meridian, and latitude."""
    middle = 6 * zone - 183
    parts = []
    for index, band in enumerate(BAND_LETTERS):
        limits = _EXCEPTIONS.get((zone, band), (middle - 3, middle + 3))
        if limits:
            bottom, top = _SOUTH + 8 * index, _NORTH if band == "X" else _SOUTH + 8 * (index + 1)
            parts.append(shapely.box(limits[0] - middle, bottom, limits[1] - middle, top))
    area = shapely.union_all(parts)
    shapely.prepare(area)
    return area


def _touches_zone(zone: int, column: int, row: int) -> bool:
    """Whether a 100 km square touches its zone."""
    # Zones without an exception are alike.
    return _touches_area(zone if 31 <= zone <= 37 else 1, column, row)


@cache
def _touches_area(zone: int, column: int, row: int) -> bool:
    square = Polygon(_ring(column * _SQUARE_SIDE, (row + 1) * _SQUARE_SIDE, _SQUARE_SIDE))
    return bool(shapely.dwithin(_zone_area(zone), square, _TOUCHING))


def _is_tile(zone: int, column: int, row: int) -> bool:
    """Whether Sentinel-2 has a tile of a square (rules 1 and 2 of `tiles_of_roi`)."""
    # Zones are alike but those with, or up to three east of, an exception (from 56 N), and those near the antimeridian.
    alike = 4 <= zone <= 57 and (row < 60 or not 31 <= zone <= 40)
    return _is_kept(10 if alike else zone, column, row)


@cache
def _is_kept(zone: int, column: int, row: int) -> bool:
    if not _touches_zone(zone, column, row):
        return False
    outline, bounds = _outline(column, row), _bounds(column, row)
    covering = []
    # A tile that was left out is covered by tiles of still earlier zones, so every square of these may be counted.
    for step in (-3, -2, -1, 1, 2, 3):
        other = (zone + step - 1) % 60 + 1
        if other < zone:
            covering += [
                shift(_outline(near, level), 6 * step)
                for level in range(max(row - 2, _ROWS[0]), min(row + 2, _ROWS[-1]) + 1)
                for near in _COLUMNS
                if _meet(bounds, _bounds(near, level), 6 * step) and _touches_zone(other, near, level)
            ]
    return not covering or outline.difference(shapely.union_all(covering)).area > _COVERED


def _meet(bounds: Bounds, other: Bounds, degrees: float) -> bool:
    """Whether a bounding box meets another one, moved east by so many degrees."""
    west, south, east, north = bounds
    left, bottom, right, top = other
    return left + degrees < east and right + degrees > west and bottom < north and top > south
