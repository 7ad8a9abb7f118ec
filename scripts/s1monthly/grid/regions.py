"""Regions of interest: polygons in longitude and latitude, read and checked.

Longitudes may range from -180 to 180 or from 0 to 360, and may continue across the antimeridian (179 to 181).
"""

from __future__ import annotations

import math
from functools import lru_cache

import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.validation import explain_validity

from s1monthly.errors import GridError
from s1monthly.grid.crs import utm_zone


def polygons_of(geometry: BaseGeometry) -> list[Polygon]:
    """Return the polygons of a geometry, without lines and points left by clipping."""
    return [part for part in shapely.get_parts(geometry) if isinstance(part, Polygon) and part.area > 0]


def shift(polygon: Polygon, degrees: float) -> Polygon:
    """Move a polygon east by `degrees`."""
    return shapely.transform(polygon, lambda x, y: (x + degrees, y), interleaved=False)


def split_at_antimeridian(polygon: Polygon) -> list[Polygon]:
    """Cut a polygon with continuous longitudes, such as 179 to 181 degrees, into polygons in [-180, 180]."""
    west, _, east, _ = polygon.bounds
    if west >= -180 and east <= 180:
        return [polygon]
    pieces = []
    for turn in range(math.floor((west + 180) / 360), math.ceil((east + 180) / 360)):
        world = shapely.box(360 * turn - 180, -90, 360 * turn + 180, 90)
        pieces += [shift(piece, -360 * turn) for piece in polygons_of(polygon.intersection(world))]
    return pieces


_parsed = lru_cache(maxsize=8)(shapely.from_wkt)
"""The geometry of a text: that of a coast has a million vertices, and every tile asks for it."""


@lru_cache(maxsize=8)
def read_region(wkt: str) -> Polygon | MultiPolygon:
    """Read a region of interest and check it.

    Raises
    ------
    GridError
        If the text is not WKT, or `check_region` refuses the region.
    """
    try:
        roi = _parsed(wkt)
    except shapely.errors.ShapelyError as error:
        raise GridError(f"not WKT ({error})", _REMEDY) from error
    check_region(roi)
    return roi


def wkt_of_bounds(west: float, south: float, east: float, north: float) -> str:
    """Return a box in longitude and latitude as WKT; west of more than east means across the antimeridian.

    Raises
    ------
    GridError
        If these are not longitudes and latitudes, or the box is empty.

    Examples
    --------
    >>> wkt_of_bounds(179, -19, -178, -16)
    'POLYGON ((182 -19, 182 -16, 179 -16, 179 -19, 182 -19))'
    """
    if not (-180 <= west <= 360 and -180 <= east <= 360 and west != east and -90 <= south < north <= 90):
        raise GridError(
            f"box {west:g} {south:g} {east:g} {north:g}: not west, south, east, north in degrees",
            "give longitude before latitude, south before north",
        )
    east = east + 360 if west > east else east
    middle = (west + east) / 2 if east - west > 180 else east
    boxes = [shapely.box(west, south, middle, north), shapely.box(middle, south, east, north)]
    region = MultiPolygon(polygons_of(shapely.GeometryCollection(boxes)))
    whole = region.geoms[0] if len(region.geoms) == 1 else region
    return str(shapely.to_wkt(whole, rounding_precision=-1, trim=True))


_REMEDY = "give a POLYGON of longitude latitude pairs, for example POLYGON((113 30, 114 30, 114 31, 113 30))"


def check_region(roi: BaseGeometry) -> None:
    """Check that a geometry is a region of interest.

    Raises
    ------
    GridError
        If it is not a valid polygon in degrees, or one of its polygons is wider than 180 degrees (179 to -179 means 358
        degrees, not 2).
    """
    kind = roi.geom_type
    if not isinstance(roi, Polygon | MultiPolygon):
        raise GridError(f"region of interest: holds {kind}, not a polygon, and has no area", _REMEDY)
    if roi.is_empty:
        raise GridError(f"region of interest: the {kind} is empty, it has no area", _REMEDY)
    west, south, east, north = roi.bounds
    if not (west >= -360 and east <= 360 and south >= -90 and north <= 90):
        raise GridError(
            f"region of interest: {west:g} to {east:g}, {south:g} to {north:g} are not longitudes and latitudes",
            "give degrees, longitude before latitude",
        )
    for polygon in shapely.get_parts(roi):  # parts may touch or overlap, since their union counts
        if not polygon.is_valid:
            raise GridError(
                f"region of interest: the {kind} is not valid: {explain_validity(polygon)}",
                "repair it, for example with shapely.make_valid",
            )
        west, _, east, _ = polygon.bounds
        if east - west > 180:
            raise GridError(
                f"region of interest: one polygon spans {east - west:g} degrees of longitude, from {west:g} to"
                f" {east:g}",
                "across the antimeridian give longitudes that run on (179 to 181), or a MultiPolygon of two parts that"
                " meet at 180 and -180; cut a truly wider region into parts of at most 180 degrees",
            )


DIGITS = 9
"""Decimals of a degree in canonical WKT (0.1 mm)."""


@lru_cache(maxsize=64)
def canonical_wkt(wkt: str) -> str:
    """Return the canonical WKT of a region of interest; return any other text unchanged.

    Longitudes are in [-180, 180] and split at the antimeridian; `DIGITS` decimals; two dimensions; vertices, holes and
    parts in a fixed order; no vertices on straight edges.
    """
    try:
        parts = shapely.get_parts(read_region(wkt))
    except GridError:
        return wkt
    pieces = [piece for polygon in parts for piece in split_at_antimeridian(polygon)]
    whole = pieces[0] if len(pieces) == 1 else MultiPolygon(pieces)
    rounded = shapely.transform(whole, lambda xy: xy.round(DIGITS) + 0.0)  # + 0.0 makes 0 of -0
    tidy = shapely.simplify(shapely.normalize(rounded), 10.0**-DIGITS, preserve_topology=False)
    return str(shapely.to_wkt(tidy, rounding_precision=DIGITS))


@lru_cache(maxsize=64)
def projects_whole(wkt: str, epsg: int) -> bool:
    """Return whether version 1 of `polygon_mask`, which projected whole polygons, was right for a region and CRS."""
    longitude, latitude = shapely.get_coordinates(_parsed(wkt)).T
    zone = utm_zone(epsg)
    if zone:
        east = (longitude - (6 * abs(zone) - 183) + 180) % 360 - 180
        return bool(abs(east).max() <= FARTHEST)
    near = longitude.max() - longitude.min() <= FARTHEST and abs(longitude).max() <= 180
    return bool(near and abs(latitude).max() <= HIGHEST)


FARTHEST, HIGHEST = 80.0, 85.0
"""Degrees that every CRS can project: of longitude (from UTM's central meridian, or in width) and of latitude."""


def on_turn(roi: BaseGeometry, bounds: tuple[float, float, float, float]) -> BaseGeometry:
    """Shift a region by whole turns of the globe onto bounds, and merge it into one geometry without seams.

    Parameters
    ----------
    roi : Polygon or MultiPolygon
        Region with longitudes from -360 to 360.
    bounds : tuple of float
        West, south, east, north; longitudes may continue beyond 180.

    Returns
    -------
    Polygon or MultiPolygon
        The region's polygons whose bounds meet the given ones, not clipped; empty if none do.
    """
    west, south, east, north = bounds
    moved = []
    for polygon in shapely.get_parts(roi):
        left, bottom, right, top = polygon.bounds
        if bottom <= north and top >= south:
            turns = range(math.ceil((west - right) / 360), math.floor((east - left) / 360) + 1)
            moved += [shift(polygon, 360 * turn) if turn else polygon for turn in turns]
    return shapely.union_all(moved) if len(moved) > 1 else MultiPolygon(moved)
