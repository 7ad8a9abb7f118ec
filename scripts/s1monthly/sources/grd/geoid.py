"""Geoid grids: the height of the geoid above the ellipsoid."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError

from s1monthly.errors import GridError
from s1monthly.raster.geotiff import GDAL_OPTIONS

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

REMEDY = (
    "give a geoid grid in longitude and latitude as grd.geoid, such as us_nga_egm08_25.tif of cdn.proj.org (for "
    "Copernicus DEM) or egm96_15.gtx"
)
CACHE = {"GDAL_CACHEMAX": GDAL_OPTIONS["GDAL_CACHEMAX"]}
"""Options for rasters of the user's own, whose side files count."""
LOWEST, HIGHEST = -110.0, 90.0
"""Bounds of the geoid's height in metres anywhere."""


@dataclass(frozen=True, eq=False)
class Geoid:
    """A grid of geoid heights, linear between its nodes.

    Attributes
    ----------
    file : str
        For messages.
    values : float32 (rows, columns)
        Metres above the ellipsoid; NaN for no data.
    west, north : float
        Longitude and latitude of the first node in degrees.
    step_x, step_y : float
        Degrees between nodes.
    """

    file: str
    values: Singles
    west: float
    north: float
    step_x: float
    step_y: float

    def height(self, longitudes: Floats, latitudes: Floats) -> Floats:
        """Return the geoid's height above the ellipsoid in metres.

        Parameters
        ----------
        longitudes, latitudes : float64
            Degrees, of one shape.

        Raises
        ------
        GridError
            If a place lies outside the grid, or has no data in it.
        """
        rows, columns = self.values.shape
        turn = 360.0 / self.step_x  # columns once around the Earth
        whole = columns >= turn - 1e-6
        x = np.mod((longitudes - self.west) / self.step_x + 1e-9, turn)
        y = (self.north - latitudes) / self.step_y
        if whole:
            y = np.clip(y, 0, rows - 1)  # a global grid may end half a step before the poles
        x = np.where(x > turn - 1e-6, 0.0, x)
        inside = (y > -1e-6) & (y < rows - 1 + 1e-6) & (whole | (x < columns - 1 + 1e-6))
        if not inside.all():
            self._refuse(longitudes, latitudes, ~inside, "lies outside of it")
        upper = np.clip(np.floor(y).astype(int), 0, rows - 2)
        left = np.floor(x).astype(int)
        left = left if whole else np.minimum(left, columns - 2)
        right = (left + 1) % round(turn) if whole else left + 1
        down, along = y - upper, x - left
        high = self.values[upper, left] * (1 - along) + self.values[upper, right] * along
        low = self.values[upper + 1, left] * (1 - along) + self.values[upper + 1, right] * along
        found = high * (1 - down) + low * down
        if not np.isfinite(found).all():
            self._refuse(longitudes, latitudes, ~np.isfinite(found), "has no data in it")
        return np.asarray(found, np.float64)

    def _refuse(self, longitudes: Floats, latitudes: Floats, wrong: NDArray[np.bool_], why: str) -> None:
        longitude, latitude = np.asarray(longitudes)[wrong].flat[0], np.asarray(latitudes)[wrong].flat[0]
        raise GridError(f"geoid {self.file}: longitude {longitude:.3f}, latitude {latitude:.3f} {why}", REMEDY)


def open_geoid(path: str | os.PathLike[str]) -> Geoid:
    """Read a geoid grid in any format that GDAL knows.

    Raises
    ------
    GridError
        If it cannot be read, is not in longitude and latitude, or its values are no geoid heights.
    """
    name = os.fspath(path)
    try:
        with rasterio.Env(**CACHE), rasterio.open(name) as dataset:
            values = dataset.read(1, out_dtype=np.float32)
            transform, crs, nodata = dataset.transform, dataset.crs, dataset.nodata
            scale, offset = dataset.scales[0], dataset.offsets[0]
    except (RasterioError, OSError) as error:
        raise GridError(f"geoid {name}: {error}", REMEDY) from error
    if crs is None or not crs.is_geographic or transform.b or transform.d or transform.a <= 0 or transform.e >= 0:
        raise GridError(f"geoid {name}: no north-up grid in longitude and latitude", REMEDY)
    # in place: EGM2008 at 2.5 minutes has 150 MB
    if nodata is not None:
        values[values == np.float32(nodata)] = np.nan
    values *= np.float32(scale)
    values += np.float32(offset)
    lowest, highest = np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)
    if min(values.shape) < 2 or not (lowest >= LOWEST and highest <= HIGHEST):
        span = f"{lowest:g} to {highest:g}" if np.isfinite(lowest) else "no"
        raise GridError(f"geoid {name}: {span} m are no heights of the geoid ({LOWEST:g} to {HIGHEST:g} m)", REMEDY)
    west, north = transform.c + transform.a / 2, transform.f + transform.e / 2
    return Geoid(name, values, west, north, transform.a, -transform.e)
