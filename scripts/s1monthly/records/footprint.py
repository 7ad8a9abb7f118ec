"""Footprints: the outline of a month's valid data in longitude and latitude."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from s1monthly.grid.lattice import GeoBox
from s1monthly.grid.outlines import to_lonlat
from s1monthly.kernels.statistics import valid_outline

DECIMALS = 6
"""Decimals of a footprint's longitudes and latitudes: 0.1 m."""

SIMPLIFIED = 2e-5
"""Tolerance in degrees when a footprint is simplified: 2 m."""


def footprint(mask: NDArray[np.bool_], grid: GeoBox) -> dict[str, Any] | None:
    """Return the outline of the valid data as GeoJSON in longitude and latitude, split at the antimeridian.

    It covers every valid pixel to within `SIMPLIFIED`; see `kernels.statistics.valid_outline`.

    Parameters
    ----------
    mask : array (rows, columns), bool
        True for valid pixels, on `grid`.

    Returns
    -------
    dict or None
        Polygon or MultiPolygon with counter-clockwise exteriors; None if no pixel is valid.
    """
    rings = valid_outline(mask)
    if not rings:
        return None
    corner, scale = np.array([grid.left, grid.top]), np.array([grid.resolution, -grid.resolution])
    polygons = shapely.union_all([shapely.Polygon(corner + ring * scale) for ring in rings])
    return geojson(tidy(to_lonlat(polygons, grid.epsg)))


def tidy(geometry: BaseGeometry) -> BaseGeometry:
    """Simplify and round a polygon in longitude and latitude, keep it valid, and turn exteriors counter-clockwise."""
    return shapely.orient_polygons(shapely.set_precision(geometry.simplify(SIMPLIFIED), 10.0**-DECIMALS))


def geojson(geometry: BaseGeometry) -> dict[str, Any]:
    """Return a GeoJSON geometry with coordinates as lists rounded to `DECIMALS`."""
    return {
        "type": geometry.geom_type,
        "coordinates": _rounded(mapping(geometry)["coordinates"]),
    }


def _rounded(coordinates: Any) -> Any:
    if isinstance(coordinates, float):
        return round(coordinates, DECIMALS)
    return [_rounded(part) for part in coordinates]
