"""Read windows of GeoTIFFs, on disk or in memory, with GDAL; errors name the file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import MaskFlags
from rasterio.errors import CRSError, RasterioError
from rasterio.io import DatasetReader, MemoryFile
from rasterio.windows import Window

from s1monthly.errors import GridError, ProductError
from s1monthly.grid.lattice import GeoBox
from s1monthly.raster.header import REMEDY, RasterHeader, RasterInput, is_possible

GDAL_OPTIONS = {
    # GDAL's default is a share of the machine's memory; on a large node that is more than a job may use.
    "GDAL_CACHEMAX": 128,
    # A folder of granules can hold 100,000 files: do not list it for side files each time a file is opened.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
}

SIDE_FILES = {
    # Look for side files by name, but take the georeference only from the raster's own header.
    "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE",
    "GDAL_GEOREF_SOURCES": "INTERNAL,PAM",
}
"""Options for files from other software: also read no data, masks and scales from ``.msk`` and ``.aux.xml`` files."""


class Raster:
    """An open GeoTIFF with its name and header; reads pixels by windows.

    Created by `open_raster`; not to be shared between threads.
    """

    def __init__(self, dataset: DatasetReader, name: str) -> None:
        self._dataset = dataset
        self.name = name
        self.header = RasterHeader(_geobox(dataset, name), str(dataset.dtypes[0]), dataset.count, dataset.nodata)

    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns of a block, the smallest unit that GDAL decodes."""
        rows, cols = self._dataset.block_shapes[0]
        return rows, cols

    @property
    def tags(self) -> dict[str, str]:
        """Tags of the file."""
        return dict(self._dataset.tags())

    @property
    def unlike_its_pixels(self) -> str | None:
        """A declaration in the header that changes the meaning of the first band's pixels, or None.

        Scale and offset, a unit in dB, or several pictures in one file.
        """
        dataset = self._dataset
        scale, offset, unit = dataset.scales[0], dataset.offsets[0], dataset.units[0] or ""
        if (scale, offset) != (1, 0):
            return f"scale {scale:g} and offset {offset:g}"
        if unit.strip().lower() in _DECIBELS:
            return f"the unit {unit}"
        if dataset.subdatasets:
            return f"{len(dataset.subdatasets)} pictures"
        return None

    def read(self, rows: slice, cols: slice, band: int = 1, missing: float | None = None) -> NDArray[Any]:
        """Read a window of one band.

        Parameters
        ----------
        rows, cols : slice
            Start and stop, inside the raster.
        band : int
            Counted from 1.
        missing : float, optional
            Value for pixels that the header or a mask declares as no data; by default they stay as they are.

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
            window = Window.from_slices(rows, cols)
            pixels: NDArray[Any] = self._dataset.read(band, window=window)
            if missing is not None:
                self._put_missing(missing, pixels, band, window)
        except RasterioError as error:
            raise ProductError(f"raster {self.name}: cannot be decoded ({_cause(error)})", REMEDY) from error
        return pixels

    def _put_missing(self, missing: float, pixels: NDArray[Any], band: int, window: Window) -> None:
        nodata = self._dataset.nodatavals[band - 1]
        if nodata is not None and not np.isnan(nodata) and nodata != missing:
            with np.errstate(over="ignore"):  # a value outside the type's range matches no pixel
                pixels[pixels == nodata] = missing
        if MaskFlags.per_dataset in self._dataset.mask_flag_enums[band - 1]:
            pixels[self._dataset.read_masks(band, window=window) == 0] = missing


@contextmanager
def open_raster(raster: RasterInput, side_files: bool = False) -> Iterator[Raster]:
    """Open a GeoTIFF from a path or from bytes in memory.

    Parameters
    ----------
    raster : path or bytes
        The file, or its content.
    side_files : bool
        Also read files beside the raster, see `SIDE_FILES`.

    Raises
    ------
    ProductError
        If the file is missing, truncated or not a GeoTIFF.
    GridError
        If it is not a north-up raster of square pixels in a CRS with an EPSG code.
    """
    name = "in memory" if isinstance(raster, bytes) else os.fspath(raster)
    with ExitStack() as stack:
        stack.enter_context(rasterio.Env(**GDAL_OPTIONS | (SIDE_FILES if side_files else {})))
        try:
            if raster == b"":  # MemoryFile would create a new file
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
    """Open any raster with rasterio and our GDAL options, for properties that `Raster` lacks.

    Raises
    ------
    ProductError
        If it cannot be opened, or a read fails while it is open.
    """
    try:
        with rasterio.Env(**GDAL_OPTIONS), rasterio.open(path, **options) as dataset:
            yield dataset
    except RasterioError as error:
        raise ProductError(f"raster {path}: cannot be read ({_cause(error)})", REMEDY) from error


def cog_tags(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read the tags of a GeoTIFF; return an empty dict if it is missing or cannot be opened."""
    try:
        with rasterio.Env(**GDAL_OPTIONS), rasterio.open(path, driver="GTiff") as dataset:
            return dict(dataset.tags())
    except RasterioError:
        return {}


def crop(geobox: GeoBox, rows: slice, cols: slice) -> GeoBox:
    """Return the grid of a window of a grid; the window may extend beyond it."""
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
    if b or d or not a > 0 or a != -e:
        raise GridError(
            f"raster {name}: not north-up with square pixels (transform {a:g}, {b:g}, {left:g}, {d:g}, {e:g}, {top:g})",
            "bring the raster onto a north-up grid of square pixels",
        )
    try:
        epsg = dataset.crs.to_epsg() if dataset.crs else None
    except CRSError:
        epsg = None
    if epsg is None:
        raise GridError(f"raster {name}: no CRS with an EPSG code", "assign the raster's CRS, for example EPSG:32610")
    box = GeoBox(int(epsg), float(a), float(left), float(top), dataset.width, dataset.height)
    if not is_possible(box):
        raise GridError(
            f"raster {name}: no place on Earth has {box.width} x {box.height} pixels of {a:g} from {left:g}, {top:g}",
            "write the raster again with its true transform",
        )
    return box


_DECIBELS = {"db", "decibel", "decibels"}


def _cause(error: BaseException) -> str:
    return str(error.__cause__ or error)
