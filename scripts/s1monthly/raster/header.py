"""What a raster is, without its pixels: shared by the readers with GDAL and without."""

from __future__ import annotations

import os
from dataclasses import dataclass

from s1monthly.grid.lattice import GeoBox

RasterInput = str | os.PathLike[str] | bytes
"""A path (GDAL's ``/vsimem/`` included), or the whole file in memory."""

REMEDY = "the file is damaged or cut short: delete it, then fetch or make it again"

SMALLEST_PIXEL, LARGEST_PIXEL, FARTHEST = 1e-6, 1e6, 1e8
"""Sizes of pixels, and distance from the origin, beyond which a header is wrong; in degrees, metres or feet alike.

The equator measures 4.0e7 m or 1.3e8 feet, half of it either way; false eastings reach 6e7 m.
"""


@dataclass(frozen=True)
class RasterHeader:
    """What a raster is, without its pixels.

    Attributes
    ----------
    geobox : GeoBox
        Its grid.
    dtype : str
        NumPy name of the type of its pixels.
    count : int
        Number of bands.
    nodata : float or None
        No data value as declared.
    """

    geobox: GeoBox
    dtype: str
    count: int
    nodata: float | None


def is_possible(geobox: GeoBox) -> bool:
    """Tell whether a raster can lie on such a grid: the numbers of its header are finite, and none is absurd."""
    near = all(abs(edge) <= FARTHEST for edge in geobox.bounds)  # false for NaN
    return near and SMALLEST_PIXEL <= geobox.resolution <= LARGEST_PIXEL
