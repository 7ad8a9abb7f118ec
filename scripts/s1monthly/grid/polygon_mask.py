"""Which pixels of a grid lie in a polygon."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from s1monthly.errors import GridError
from s1monthly.grid.lattice import GeoBox
from s1monthly.grid.outlines import LONLAT, is_torn, lonlat_bounds, transformer
from s1monthly.grid.regions import on_turn, polygons_of, read_region

LONGEST_EDGE = 0.01
"""Edges are densified to this many degrees (1.1 km) first: straight in longitude and latitude to well below a pixel."""


def outside_polygon(geobox: GeoBox, wkt: str) -> NDArray[np.bool_]:
    """Mark the pixels of a grid whose centre does not lie in a polygon.

    Parameters
    ----------
    geobox : GeoBox
    wkt : str
        POLYGON or MULTIPOLYGON in longitude and latitude, as `regions.read_region` takes it; edges are straight there.

    Returns
    -------
    array (rows, columns), bool
        True outside.

    Raises
    ------
    GridError
        If the text is no region of interest, or as `window`.
    """
    # Far from the tile the grid's CRS may not know the polygon or tear it: only what lies round the tile is projected.
    near_grid = window(geobox)
    dense = shapely.segmentize(on_turn(read_region(wkt), near_grid.bounds), LONGEST_EDGE)
    near = shapely.MultiPolygon(polygons_of(dense.intersection(near_grid)))
    if near.is_empty:
        return np.ones(geobox.shape, bool)
    return _outside(geobox, _project(near, geobox))


def window(geobox: GeoBox) -> BaseGeometry:
    """Return a densified box in longitude and latitude round a grid, on its turn.

    Raises
    ------
    GridError
        If every such box crosses a cut of the grid's CRS: no polygon can mask this grid.
    """
    west, south, east, north = lonlat_bounds(geobox.bounds, geobox.epsg)
    # Wider by an edge, so that edges inside the grid stay whole; not where the CRS ends so near.
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
    from rasterio.features import geometry_mask  # here, since it loads GDAL, and most months are not masked
    from rasterio.transform import Affine

    outside: NDArray[np.bool_] = geometry_mask([polygon], geobox.shape, Affine(*geobox.transform))
    return outside
