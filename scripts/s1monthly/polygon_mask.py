"""Which pixels of a grid lie in a polygon."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from s1monthly.grid import GeoBox
from s1monthly.outlines import LONLAT, transformer

LONGEST_EDGE = 0.01
"""Edges are densified to this many degrees (1.1 km) first: straight in longitude and latitude to well below a pixel."""


def outside_polygon(geobox: GeoBox, wkt: str) -> NDArray[np.bool_]:
    """Mark the pixels of a grid whose centre does not lie in a polygon.

    Parameters
    ----------
    geobox : GeoBox
    wkt : str
        POLYGON or MULTIPOLYGON in longitude and latitude; edges are straight there.

    Returns
    -------
    array (rows, columns), bool
        True outside.
    """
    from rasterio.features import geometry_mask  # here, since it loads GDAL, and most months are not masked
    from rasterio.transform import Affine

    to_grid = transformer(LONLAT, geobox.epsg)
    dense = shapely.segmentize(shapely.from_wkt(wkt), LONGEST_EDGE)
    projected = shapely.transform(dense, lambda x, y: to_grid.transform(x, y), interleaved=False)
    outside: NDArray[np.bool_] = geometry_mask([projected], geobox.shape, Affine(*geobox.transform))
    return outside
