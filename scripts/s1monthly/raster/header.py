"""The header of a raster, shared by the readers with and without GDAL."""

from __future__ import annotations

import os
from dataclasses import dataclass

from s1monthly.grid.lattice import GeoBox

RasterInput = str | os.PathLike[str] | bytes
"""A path (GDAL's ``/vsimem/`` included), or the content of a file as bytes."""

REMEDY = "the file is damaged or cut short: delete it, then fetch or make it again"

SMALLEST_PIXEL, LARGEST_PIXEL, FARTHEST = 1e-6, 1e6, 1e8
"""Limits of pixel size and distance from the origin; a header beyond them is wrong, in degrees, metres or feet.

The equator measures 4.0e7 m or 1.3e8 feet, half of it in each direction; false eastings reach 6e7 m.
"""


@dataclass(frozen=True)
class RasterHeader:
    """Grid, type, bands and no data value of a raster.

    Attributes
    ----------
    dtype : str
        NumPy name of the pixel type.
    nodata : float or None
        No data value as declared.
    """

    geobox: GeoBox
    dtype: str
    count: int
    nodata: float | None


def is_possible(geobox: GeoBox) -> bool:
    """Return True if the numbers of a grid are finite and plausible."""
    near = all(abs(edge) <= FARTHEST for edge in geobox.bounds)  # false for NaN
    return near and SMALLEST_PIXEL <= geobox.resolution <= LARGEST_PIXEL
