"""Transformation of outlines to longitude and latitude: densified, unbroken, split at the antimeridian."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from s1monthly.errors import GridError
from s1monthly.grid.crs import crs_name, crs_of, degrees_a_unit, metres_a_unit, utm_zone
from s1monthly.grid.regions import polygons_of, split_at_antimeridian
from s1monthly.grid.utm import FALSE_NORTHING, from_utm, near_meridian

if TYPE_CHECKING:  # imported late: a tile's own grid needs no CRS
    from pyproj import Transformer

SEGMENT = 5_000.0
"""Longest segment of a projected edge, metres.

An edge of length s along a parallel deviates from the straight line in longitude and latitude by s^2 tan(lat) / (8 R):
under 5 m at 84 degrees, under 1 m below 60 degrees.
"""

LONLAT = 4326
"""EPSG code of longitude and latitude on WGS 84."""


@lru_cache(maxsize=256)
def transformer(source: int | str, target: int | str) -> Transformer:
    """Return the transformation between two CRSs, x (or longitude) first; threads may share it.

    Raises
    ------
    GridError
        If one of the CRSs does not exist.
    """
    from pyproj import Transformer

    return Transformer.from_crs(crs_of(source), crs_of(target), always_xy=True)


def is_torn(x: NDArray[np.float64], y: NDArray[np.float64]) -> bool:
    """Return whether a densified and transformed line of finite points jumps: it crosses a cut of the target CRS."""
    steps = np.hypot(np.diff(x), np.diff(y))
    # At 84 N steps in degrees differ up to tenfold between x and y; a cut is a jump around the globe.
    return bool(steps.max() > 50 * np.median(steps))


def to_lonlat(geometry: BaseGeometry, epsg: int | str) -> Polygon | MultiPolygon:
    """Transform a polygon to longitude and latitude.

    Edges are straight in the given CRS and are densified (`SEGMENT`) first.

    Parameters
    ----------
    geometry : Polygon or MultiPolygon
        Valid polygon in the CRS's coordinates (x or longitude first).
    epsg : int or str
        EPSG code of its CRS, or a text such as WKT.

    Returns
    -------
    Polygon or MultiPolygon
        Degrees on WGS 84, longitudes in [-180, 180], split at the antimeridian (RFC 7946, section 3.1.9), exterior
        rings counter-clockwise (section 3.1.6).

    Raises
    ------
    GridError
        If the geometry has no area, reaches beyond the CRS's domain, or surrounds a pole.
    """
    if degrees_a_unit(epsg) is None:
        geometry = shapely.segmentize(geometry, SEGMENT / metres_a_unit(epsg))
    pieces = []
    for polygon in polygons_of(geometry):
        outer = _lonlat_ring(polygon.exterior, epsg)
        holes = [_lonlat_ring(ring, epsg) for ring in polygon.interiors]
        # Each ring is continuous, but a hole may lie a whole turn away from its polygon.
        holes = [hole - (360 * np.round((hole - outer[0])[0, 0] / 360), 0) for hole in holes]
        pieces += split_at_antimeridian(Polygon(outer, holes))
    if not pieces:
        raise GridError(
            f"a {geometry.geom_type} without area in {crs_name(epsg)} has no outline",
            "give a polygon or multipolygon with an area",
        )
    return shapely.orient_polygons(pieces[0] if len(pieces) == 1 else MultiPolygon(pieces))


def box_in_lonlat(bounds: tuple[float, float, float, float], epsg: int) -> tuple[float, float, float, float]:
    """Return west, south, east and north of a box; longitudes continue beyond 180 instead of jumping.

    Parameters
    ----------
    bounds : tuple of float
        Left, bottom, right, top of the box in its CRS.
    epsg : int
        EPSG code of the CRS.

    Raises
    ------
    GridError
        If the box reaches beyond the CRS's domain, or surrounds a pole.
    """
    ring = shapely.box(*bounds).exterior
    lon, lat = _lonlat_ring(shapely.segmentize(ring, ring.length / 512), epsg).T
    return float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max())


def _lonlat(x: NDArray[np.float64], y: NDArray[np.float64], epsg: int | str) -> tuple[NDArray[np.float64], ...]:
    """Return longitude and latitude of points; in UTM and near its meridian without PROJ."""
    zone = utm_zone(epsg)
    signed = y - FALSE_NORTHING if zone and zone < 0 else y
    if zone and near_meridian(x, signed):
        east, latitude = from_utm(x, signed)
        return (east + 6 * abs(zone) - 3) % 360 - 180, latitude
    longitude, latitude = transformer(epsg, LONLAT).transform(x, y)
    return longitude, latitude


def _lonlat_ring(ring: shapely.LinearRing, epsg: int | str) -> NDArray[np.float64]:
    """Return longitude and latitude of a closed ring, (n, 2); longitudes continue beyond 180 instead of jumping."""
    xy = shapely.get_coordinates(ring)
    lon, lat = _lonlat(xy[:, 0], xy[:, 1], epsg)
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        raise GridError(
            f"an outline near x {xy[0, 0]:.0f}, y {xy[0, 1]:.0f} reaches beyond what {crs_name(epsg)} covers",
            "use a CRS that covers the whole area",
        )
    degrees = degrees_a_unit(epsg)
    if degrees is None:
        lon = np.unwrap(lon, period=360)
        if abs(lon[-1] - lon[0]) > 180:
            raise GridError(
                f"an outline near x {xy[0, 0]:.0f}, y {xy[0, 1]:.0f} in {crs_name(epsg)} goes round a pole and has no"
                " shape in longitude and latitude",
                "cut the area along a meridian, so that the pole lies on its edge",
            )
        lon[-1] = lon[0]
    else:  # 181 stays 181
        lon = lon + 360 * np.round((xy[:, 0] * degrees - lon) / 360)
    return np.column_stack([lon, lat])


def lonlat_bounds(geometries: Iterable[BaseGeometry]) -> list[float] | None:
    """Return the bounding box west, south, east, north of geometries in longitude and latitude; None without any.

    If a geometry is split at the antimeridian, the box crosses it too and west is larger than east (RFC 7946, section
    5.2); it is the narrowest box that contains everything.
    """
    geometries = list(geometries)
    parts = [part.bounds for geometry in geometries for part in shapely.get_parts(geometry)]
    if not parts:
        return None
    west, south = min(p[0] for p in parts), min(p[1] for p in parts)
    east, north = max(p[2] for p in parts), max(p[3] for p in parts)
    if any(geometry.bounds[0] <= -180 and geometry.bounds[2] >= 180 for geometry in geometries):
        reached, widest = -180.0, 0.0
        for left, _, right, _ in sorted(parts):
            if left - reached > widest:
                widest, east, west = left - reached, reached, left
            reached = max(reached, right)
    return [west, south, east, north]
