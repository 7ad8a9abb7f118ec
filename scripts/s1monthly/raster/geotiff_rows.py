"""Reader of rows of a GeoTIFF's first band, without GDAL if they are uncompressed and contiguous, as in bursts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.errors import ProductError
from s1monthly.raster.geotiff_header import header_by_gdal, read_usual
from s1monthly.raster.header import REMEDY, RasterHeader


@dataclass(frozen=True)
class RowReader:
    """Reader of the rows of a file.

    Created by `row_reader`. Holds no open file and may be shared between threads.

    Attributes
    ----------
    start : int or None
        Offset of the first row; see `geotiff_header.read_usual`.
    """

    path: str
    header: RasterHeader
    start: int | None

    def read(self, rows: slice) -> NDArray[Any]:
        """Read whole rows: (rows, columns), of the raster's type; raises as `open_raster` and `Raster.read`."""
        width = self.header.geobox.width
        if self.start is None or not 0 <= rows.start < rows.stop <= self.header.geobox.height:
            from s1monthly.raster.geotiff import read_window  # here, since it loads GDAL

            return read_window(self.path, rows, slice(0, width))
        pixels = np.empty((rows.stop - rows.start, width), self.header.dtype)
        try:
            with open(self.path, "rb") as file:
                file.seek(self.start + rows.start * width * pixels.itemsize)
                found = file.readinto(pixels.data.cast("B"))
        except OSError as error:
            raise ProductError(f"raster {self.path}: cannot be read ({error})", REMEDY) from error
        if found != pixels.nbytes:
            raise ProductError(f"raster {self.path}: cut short", REMEDY)
        return pixels


def row_reader(path: str | os.PathLike[str]) -> RowReader:
    """Return a reader for the rows of a GeoTIFF; raises as `geotiff_header.open_header`."""
    name = os.fspath(path)
    return RowReader(name, *(read_usual(name) or (header_by_gdal(name), None)))
