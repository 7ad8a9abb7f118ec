"""Outlines of boxes, straight from pyproj."""

from __future__ import annotations

import numpy as np
import pyproj
import shapely

SIDE = 109_800


def edge(bounds, epsg, spacing=2000.0):
    """Longitude and latitude of a box's outline, (n, 2), straight from pyproj; longitudes run on beyond 180."""
    ring = shapely.segmentize(shapely.box(*bounds).exterior, spacing)
    x, y = shapely.get_coordinates(ring).T
    longitude, latitude = pyproj.Transformer.from_crs(epsg, 4326, always_xy=True).transform(x, y)
    return np.column_stack([np.unwrap(longitude, period=360), latitude])
