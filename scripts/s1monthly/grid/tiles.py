"""Sentinel-2 tiles, computed without a table: the place of a tile, and the tiles of a region of interest.

In this module a *square* is a 100 km square of the military grid (MGRS) in one UTM zone, given by zone, column
(easting / 100 km, 1 to 8) and row (northing / 100 km, negative south of the equator). Its *tile* is Sentinel-2's
109.8 km square. Relative to the central meridian, squares of one column and row have the same shape in every zone.
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
"""Longitudes of the irregular zones of Norway and Svalbard; None for an unused zone (MGRS, NGA.STND.0037)."""

_TOUCHING = 1e-6
"""Degrees (0.1 m) within which a square touches its zone.

Squares reach at least 5e-3 degrees into their zone or stay at least 2e-3 degrees off. The only exceptions are those of
zone 31 that begin at 3 E, exactly the edge of 31V, and are tiles (31VEF to 31VEK).
"""

_COVERED = 1e-10
"""Square degrees (1 m2) that may remain uncovered of a covered tile, because of rounding. Real gaps start at 2e-8."""


class _Square(NamedTuple):
    zone: int
    column: int
    row: int


def tile_origin(tile: Tile) -> tuple[float, float]:
    """Return a Sentinel-2 tile's upper-left corner: left, top, in metres of ``tile.epsg``.

    The column letter gives the easting and the row letter the northing modulo 2000 km, which the latitude band of the
    square's centre resolves. The tile's corner is the square's, moved outward to a multiple of 60 m. The result is
    exact for all 19,002 tiles of the OPERA tile table. Slivers that `tiles_of_roi` leaves out also have an origin.

    Raises
    ------
    GridError
        If no square of that name is centred in the latitude band, or the square does not touch its zone.
    """
    square = _square_of(tile)
    left, top = _corner(square.column, square.row)
    return left, top if tile.north else top + _FALSE_NORTHING


def tile_outline(tile: Tile) -> Polygon | MultiPolygon:
    """Return the outline of a tile's 109.8 km square in longitude and latitude, as `outlines.to_lonlat` does.

    Raises
    ------
    GridError
        If there is no such tile, as in `tile_origin`.
    """
    left, top = tile_origin(tile)
    return to_lonlat(shapely.box(left, top - TILE_SIDE, left + TILE_SIDE, top), tile.epsg)


def tiles_of_roi(roi: BaseGeometry) -> list[Tile]:
    """List the Sentinel-2 tiles whose 109.8 km squares overlap a region of interest.

    The tiles follow from a rule derived from the 19,002 land tiles of the OPERA tile table:

    1. Every 100 km square that touches its zone's area, 80 S to 84 N, makes a tile. Norway and Svalbard have MGRS's
       irregular zones (so there is 32VKL but no 31VFF, and nothing in 32X, 34X and 36X).
    2. Going from zone 1 to 60, a tile that tiles of earlier zones cover completely is left out. These are mostly
       slivers on a zone's western edge, and the eastern ones of zone 60, which zone 1 covers.
    3. The tile's name has the latitude band of the square's centre.

    The rule gives 56,380 tiles, including all 19,002 of the table. Only one of the others is covered by tiles of the
    table, as a redundant sliver over land would be: 29ULU off Ireland, which has no land. The table cannot confirm the
    rule south of 57 S and over open ocean.

    Parameters
    ----------
    roi : Polygon or MultiPolygon
        Degrees, longitude first, edges straight in longitude and latitude. Across the antimeridian give two polygons
        that meet at 180 and -180 (RFC 7946), or one with continuous longitudes (179 to 181, or -181 to -179).

    Returns
    -------
    list of Tile
        Tiles sorted by name. Parts of the region beyond 80 S or 84 N have none.

    Raises
    ------
    GridError
        If the region is not a valid polygon in degrees, one of its polygons is wider than 180 degrees (179 to -179
        means 358 degrees, not 2), or no tile lies there.

    Examples
    --------
    >>> roi = read_region("POLYGON((-120 36, -119 36, -119 37, -120 36))")
    >>> [tile.name for tile in tiles_of_roi(roi)]
    """
    check_region(roi)
    found: set[_Square] = set()
    for piece in (piece for polygon in shapely.get_parts(roi) for piece in split_at_antimeridian(polygon)):
        squares, outlines = _squares_near(piece)
        if squares:
            shapely.prepare(piece)
            inside = shapely.contains_properly(piece, outlines)
            rest = ~inside & shapely.intersects(piece, outlines)
            # Interiors that intersect share an area; neighbours that only share an edge do not.
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
    """List the tiles that lie outside a region of interest.

    Raises
    ------
    GridError
        If the text is not a region of interest, or all tiles lie outside it.
    """
    roi = read_region(wkt)
    outlines = {tile: tile_outline(tile) for tile in tiles}
    beside = [tile for tile, at in outlines.items() if not shapely.intersects(on_turn(roi, at.bounds), at)]
    if len(beside) == len(outlines):
        west, south, east, north = roi.bounds
        raise GridError(
            f"roi: region of interest {west:g} {south:g} {east:g} {north:g} meets none of the tiles, such as"
            f" {beside[0]}: the mask would leave nothing",
            "give longitude before latitude, a region that meets the tiles, or use_roi_mask: false",
        )
    return beside


def _squares_near(piece: Polygon) -> tuple[list[_Square], NDArray[np.object_]]:
    """Return the squares whose tiles' bounding boxes meet a polygon's, and the unsplit outlines of these tiles."""
    west, south, east, north = piece.bounds
    squares, rings = [], []
    # 100 km are 0.89 to 0.91 degrees of latitude; within a zone a row bends by less than one row.
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
    letters = COLUMN_LETTERS[(square.zone - 1) % 3]
    row = ROW_LETTERS[(square.row + _first_row(square.zone)) % 20]
    return Tile(f"{square.zone:02d}{_band(square.column, square.row)}{letters[square.column - 1]}{row}")


def _first_row(zone: int) -> int:
    """Return the index of the row letter at the equator: A in odd zones, F in even ones."""
    return 0 if zone % 2 else 5


@cache
def _band(column: int, row: int) -> str:
    """Return the latitude band of a square's centre; squares centred beyond 80 S or 84 N belong to the last band."""
    _, latitude = from_utm(np.array([(column + 0.5) * _SQUARE_SIDE]), np.array([(row + 0.5) * _SQUARE_SIDE]))
    return BAND_LETTERS[min(max(int((latitude[0] - _SOUTH) // 8), 0), len(BAND_LETTERS) - 1)]


def _corner(column: int, row: int) -> tuple[float, float]:
    """Return the upper-left corner of a square's tile; northing is negative south of the equator."""
    left = column * _SQUARE_SIDE // _GRAIN * _GRAIN
    top = -((row + 1) * -_SQUARE_SIDE // _GRAIN) * _GRAIN
    return float(left), float(top)


@cache
def _ring(left: float, top: float, side: float) -> Floats:
    """Return the densified outline of a UTM square, (n, 2): degrees east of the central meridian, latitude."""
    count = math.ceil(side / SEGMENT)
    along, zero = np.arange(count) / count, np.zeros(count)
    x = left + side * np.concatenate([zero, along, zero + 1, 1 - along])
    y = top - side * np.concatenate([along, zero + 1, 1 - along, zero])
    return np.column_stack(from_utm(x, y))


@cache
def _outline(column: int, row: int) -> Polygon:
    """Return the outline of a square's tile, in degrees east of the central meridian."""
    return Polygon(_ring(*_corner(column, row), TILE_SIDE))


@cache
def _bounds(column: int, row: int) -> Bounds:
    west, south, east, north = _outline(column, row).bounds
    return west, south, east, north


def zone_area(zone: int) -> BaseGeometry:
    """Return the area of a UTM zone, 80 S to 84 N, with the exceptions of Norway and Svalbard: longitude, latitude."""
    return shapely.transform(_zone_area(zone), lambda x, y: (x + 6 * zone - 183, y), interleaved=False)


@cache
def _zone_area(zone: int) -> BaseGeometry:
    """Return the area of a zone, in degrees east of its central meridian and latitude."""
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
    # All regular zones give the same result.
    return _touches_area(zone if 31 <= zone <= 37 else 1, column, row)


@cache
def _touches_area(zone: int, column: int, row: int) -> bool:
    square = Polygon(_ring(column * _SQUARE_SIDE, (row + 1) * _SQUARE_SIDE, _SQUARE_SIDE))
    return bool(shapely.dwithin(_zone_area(zone), square, _TOUCHING))


def _is_tile(zone: int, column: int, row: int) -> bool:
    """Return whether Sentinel-2 has a tile for a square (rules 1 and 2 of `tiles_of_roi`)."""
    # All zones give the same result but irregular ones and the three east of them (from 56 N), and those near 180 E.
    regular = 4 <= zone <= 57 and (row < 60 or not 31 <= zone <= 40)
    return _is_uncovered(10 if regular else zone, column, row)


@cache
def _is_uncovered(zone: int, column: int, row: int) -> bool:
    if not _touches_zone(zone, column, row):
        return False
    outline, bounds = _outline(column, row), _bounds(column, row)
    covering = []
    # A left-out tile is itself covered by tiles of earlier zones, so every square of earlier zones may count.
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
    """Return whether a bounding box meets another one moved east by `degrees`."""
    west, south, east, north = bounds
    left, bottom, right, top = other
    return left + degrees < east and right + degrees > west and bottom < north and top > south
