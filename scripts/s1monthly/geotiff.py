"""GeoTIFFs as they lie on disk or in memory: windows of them by GDAL, and errors that name the file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader, MemoryFile
from rasterio.windows import Window

from s1monthly.errors import GridError, ProductError
from s1monthly.grid import GeoBox
from s1monthly.raster_header import REMEDY, RasterHeader, RasterInput

GDAL_OPTIONS = {
    # GDAL's own limit is a share of the machine's memory, which on a large node is more than a job may use.
    "GDAL_CACHEMAX": 128,
    # A folder of granules can hold 100,000 files: do not list it for side files at every opening.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
}


class Raster:
    """An open GeoTIFF: its name, its header and its pixels by windows.

    Made by `open_raster`; not to be shared between threads.
    """

    def __init__(self, dataset: DatasetReader, name: str) -> None:
        self._dataset = dataset
        self.name = name
        self.header = RasterHeader(
            geobox=_geobox(dataset, name),
            dtype=str(dataset.dtypes[0]),
            count=dataset.count,
            nodata=dataset.nodata,
        )

    def read(self, rows: slice, cols: slice, band: int = 1) -> NDArray[Any]:
        """Read a window of one band.

        Parameters
        ----------
        rows, cols : slice
            Start and stop, inside the raster.
        band : int
            Counted from 1.

        Returns
        -------
        array
            (rows, columns), in the raster's own type.

        Raises
        ------
        GridError
            If the window reaches beyond the raster.
        ProductError
            If the raster has no such band or cannot be decoded there.
        """
        header, height, width = self.header, *self.header.geobox.shape
        if not (0 <= rows.start < rows.stop <= height and 0 <= cols.start < cols.stop <= width):
            raise GridError(
                f"raster {self.name}: rows {rows.start}:{rows.stop}, columns {cols.start}:{cols.stop} reach beyond its "
                f"{height} rows and {width} columns",
                "check that the raster and the grid it is read for belong together",
            )
        if not 1 <= band <= header.count:
            raise ProductError(f"raster {self.name}: no band {band} among its {header.count}", REMEDY)
        try:
            pixels: NDArray[Any] = self._dataset.read(band, window=Window.from_slices(rows, cols))
        except RasterioError as error:
            raise ProductError(f"raster {self.name}: cannot be decoded ({_cause(error)})", REMEDY) from error
        return pixels


@contextmanager
def open_raster(raster: RasterInput) -> Iterator[Raster]:
    """Open a GeoTIFF, from a path or from bytes in memory.

    Raises
    ------
    ProductError
        If the file is missing, cut short, or no GeoTIFF.
    GridError
        If it is not a north-up raster of square pixels in a CRS with an EPSG code.
    """
    name = "in memory" if isinstance(raster, bytes) else os.fspath(raster)
    with ExitStack() as stack:
        stack.enter_context(rasterio.Env(**GDAL_OPTIONS))
        try:
            if raster == b"":  # MemoryFile takes it for a file yet to be written
                raise ProductError(f"raster {name}: empty", REMEDY)
            if isinstance(raster, bytes):
                dataset = stack.enter_context(stack.enter_context(MemoryFile(raster)).open(driver="GTiff"))
            else:
                dataset = stack.enter_context(rasterio.open(name, driver="GTiff"))
        except RasterioError as error:
            raise ProductError(f"raster {name}: cannot be opened as a GeoTIFF ({_cause(error)})", REMEDY) from error
        yield Raster(dataset, name)


@contextmanager
def open_dataset(path: str | os.PathLike[str], **options: Any) -> Iterator[DatasetReader]:
    """Open any raster by rasterio, for what `Raster` does not tell, with the same GDAL options.

    Raises
    ------
    ProductError
        If it cannot be opened, or cannot be read while it is open.
    """
    try:
        with rasterio.Env(**GDAL_OPTIONS), rasterio.open(path, **options) as dataset:
            yield dataset
    except RasterioError as error:
        raise ProductError(f"raster {path}: cannot be read ({_cause(error)})", REMEDY) from error


def read_window(raster: RasterInput, rows: slice, cols: slice, band: int = 1) -> NDArray[Any]:
    """Read a window of one band of a GeoTIFF; errors as `open_raster` and `Raster.read`."""
    with open_raster(raster) as opened:
        return opened.read(rows, cols, band)


def crop(geobox: GeoBox, rows: slice, cols: slice) -> GeoBox:
    """Return the grid of a window of a grid; the window may reach beyond it."""
    return GeoBox(
        epsg=geobox.epsg,
        resolution=geobox.resolution,
        left=geobox.left + cols.start * geobox.resolution,
        top=geobox.top - rows.start * geobox.resolution,
        width=cols.stop - cols.start,
        height=rows.stop - rows.start,
    )


def _geobox(dataset: DatasetReader, name: str) -> GeoBox:
    a, b, left, d, e, top = dataset.transform[:6]
    if b or d or a <= 0 or a != -e:
        raise GridError(
            f"raster {name}: not north-up with square pixels (transform {a:g}, {b:g}, {left:g}, {d:g}, {e:g}, {top:g})",
            "bring the raster onto a north-up grid of square pixels",
        )
    epsg = dataset.crs.to_epsg() if dataset.crs else None
    if epsg is None:
        raise GridError(f"raster {name}: no CRS with an EPSG code", "assign the raster's CRS, for example EPSG:32610")
    return GeoBox(int(epsg), float(a), float(left), float(top), dataset.width, dataset.height)


def _cause(error: BaseException) -> str:
    return str(error.__cause__ or error)
