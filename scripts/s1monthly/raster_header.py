"""What a raster is, without its pixels: shared by the readers with GDAL and without."""

from __future__ import annotations

import os
from dataclasses import dataclass

from s1monthly.grid import GeoBox

RasterInput = str | os.PathLike[str] | bytes
"""A path (GDAL's ``/vsimem/`` included), or the whole file in memory."""

REMEDY = "the file is damaged or cut short: delete it, then fetch or make it again"


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
