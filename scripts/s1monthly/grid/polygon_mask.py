"""Mask of a grid's pixels outside a polygon."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry

from s1monthly.errors import GridError
from s1monthly.grid.lattice import GeoBox
from s1monthly.grid.outlines import LONLAT, box_in_lonlat, is_torn, transformer
from s1monthly.grid.regions import on_turn, polygons_of, read_region

LONGEST_EDGE = 0.01
"""Longest edge in degrees (1.1 km) after densifying, so that edges stay straight in longitude and latitude."""


def outside_polygon(geobox: GeoBox, wkt: str) -> NDArray[np.bool_]:
    """Mark the pixels of a grid whose centre lies outside a polygon.

    Parameters
    ----------
    geobox : GeoBox
        The grid.
    wkt : str
        POLYGON or MULTIPOLYGON for `regions.read_region`, with edges straight in longitude and latitude.

    Returns
    -------
    array (rows, columns), bool
        True outside.

    Raises
    ------
    GridError
        If the text is not a region of interest, or `window` fails.
    """
    near = part_near(geobox, wkt)
    if near.is_empty:
        return np.ones(geobox.shape, bool)
    return _outside(geobox, _project(near, geobox))


def part_near(geobox: GeoBox, wkt: str) -> MultiPolygon:
    """Return the part of a polygon around a grid, in longitude and latitude, densified; empty if none is there.

    The grid's CRS may not cover the polygon far from the tile, or may cut it, so only this part is projected.

    Raises
    ------
    GridError
        As `outside_polygon`.
    """
    near_grid = window(geobox)
    dense = shapely.segmentize(on_turn(read_region(wkt), near_grid.bounds), LONGEST_EDGE)
    return MultiPolygon(polygons_of(dense.intersection(near_grid)))


def window(geobox: GeoBox) -> BaseGeometry:
    """Return a densified box in longitude and latitude around a grid that crosses no cut of the grid's CRS.

    Raises
    ------
    GridError
        If there is no such box, so that no polygon can mask this grid.
    """
    west, south, east, north = box_in_lonlat(geobox.bounds, geobox.epsg)
    # Widen the box by one edge, so that edges inside the grid stay whole, unless the CRS ends within it.
    for margin in (LONGEST_EDGE, 0.0):
        box = shapely.box(west - margin, max(south - margin, -90.0), east + margin, min(north + margin, 90.0))
        dense = shapely.segmentize(box, LONGEST_EDGE)
        outline = shapely.get_coordinates(_project(dense, geobox))
        if np.isfinite(outline).all() and not is_torn(outline[:, 0], outline[:, 1]):
            return dense
    raise GridError(
        f"a grid in {geobox.crs} at {geobox.left:g}, {geobox.top:g} lies across the edge of its CRS: a polygon cannot"
        " mask it",
        "choose another processing.target_crs, or leave use_roi_mask out",
    )


def _project(geometry: BaseGeometry, geobox: GeoBox) -> BaseGeometry:
    to_grid = transformer(LONLAT, geobox.epsg)
    return shapely.transform(geometry, lambda x, y: to_grid.transform(x, y), interleaved=False)


def _outside(geobox: GeoBox, polygon: BaseGeometry) -> NDArray[np.bool_]:
    from rasterio.features import geometry_mask  # imported late: it loads GDAL, and most months are not masked
    from rasterio.transform import Affine

    outside: NDArray[np.bool_] = geometry_mask([polygon], geobox.shape, Affine(*geobox.transform))
    return outside
