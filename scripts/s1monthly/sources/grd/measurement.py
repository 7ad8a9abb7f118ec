"""Read the pixels of a product, and find the border noise of old ones."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from threading import BoundedSemaphore

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window

from s1monthly.errors import SourceError
from s1monthly.kernels.grd.border import REACH, begins_black, border_noise, fixed_border
from s1monthly.kernels.grd.calibration import NoiseTable, Table, mean_power
from s1monthly.kernels.grd.flattening import LookGrid
from s1monthly.raster.geotiff import GDAL_OPTIONS
from s1monthly.sources.grd.elements import REMEDY
from s1monthly.sources.grd.product import Product
from s1monthly.sources.grd.radiometry import FIRST_WITHOUT_BORDER_NOISE, above_noise_table

Counts = NDArray[np.uint16]
Singles = NDArray[np.float32]
Flags = NDArray[np.bool_]
Shape = tuple[int, int]
"""Lines and samples of an image."""

STRIP = 128
"""Rows of squares that are read at once."""

_BLACK_LINE = 100
"""Line from the start, and from the end, that tells whether the image begins or ends black."""


@contextmanager
def _opened(product: Product, layer: str, shape: Shape) -> Iterator[rasterio.DatasetReader]:
    """Open the pixels of a layer; within a zip they are read without unpacking it."""
    name = product.file(layer, "measurement")
    try:
        with rasterio.Env(**GDAL_OPTIONS), rasterio.open(product.files.gdal_path(name)) as dataset:
            if (dataset.height, dataset.width) != shape or dataset.count != 1 or dataset.dtypes[0] != "uint16":
                raise SourceError(
                    f"{product.files.label(name)}: {dataset.height} x {dataset.width} pixels of {dataset.dtypes[0]}, "
                    f"not {shape[0]} x {shape[1]} of uint16 as its annotation says",
                    REMEDY,
                )
            yield dataset
    except RasterioError as error:
        raise SourceError(f"{product.files.label(name)}: {error}", REMEDY) from error


def read_power(
    product: Product, layer: str, grid: LookGrid, shape: Shape, gain: Table, noise: NoiseTable | None, threads: int = 1
) -> Singles:
    """Read the mean power of squares of an image, strip by strip: from start to end, as suits a zip.

    Parameters
    ----------
    product : Product
        The product.
    layer : str
        Polarization.
    grid : LookGrid
        Squares.
    shape : tuple of int
        Lines and samples that the annotation promises.
    gain, noise
        As for `calibration.mean_power`.
    threads : int
        Threads that calibrate strips while the next one is read.

    Returns
    -------
    float32 (grid rows, grid columns)
        Linear power, which may be negative; NaN for no data.

    Raises
    ------
    SourceError
        If the measurement file is missing, damaged, or not what the annotation promises.
    """
    power = np.empty((grid.rows, grid.columns), np.float32)
    lines, samples = grid.window
    free = BoundedSemaphore(threads + 1)  # strips in memory

    def calibrate(row: int, counts: Counts) -> None:
        try:
            line = lines.start + row * grid.looks
            found = mean_power(counts, line, samples.start, gain, noise, grid.looks)
            power[row : row + len(found)] = found
        finally:
            free.release()

    with _opened(product, layer, shape) as dataset, ThreadPoolExecutor(threads) as pool:
        work = []
        for row in range(0, grid.rows, STRIP):
            first = lines.start + row * grid.looks
            strip = slice(first, min(first + STRIP * grid.looks, lines.stop))
            free.acquire()
            counts = dataset.read(1, window=Window.from_slices(strip, samples))
            work.append(pool.submit(calibrate, row, counts))
        for part in work:
            part.result()
    return power


def has_border_noise(product: Product) -> bool:
    """Return whether a product's processor left noise at the border: before IPF 2.90."""
    return product.manifest.ipf < FIRST_WITHOUT_BORDER_NOISE


def border_cut(product: Product, layer: str, grid: LookGrid, shape: Shape, noise: NoiseTable) -> Flags:
    """Find the squares of an image to cut because of border noise.

    Parameters
    ----------
    product : Product
        The product.
    layer : str
        The co-polarized layer, in which border noise is told from the image.
    grid : LookGrid
        Squares.
    shape : tuple of int
        Lines and samples of the image.
    noise : NoiseTable
        Thermal noise of the layer. Where it is all zero, as from IPF 2.36, a fixed border is cut.

    Returns
    -------
    bool (grid rows, grid columns)
        True for squares to cut.
    """
    if not noise.values.any():
        return _fixed_cut(product, layer, grid, shape)
    wide = _to_borders(grid, shape)
    above = read_power(product, layer, wide, shape, above_noise_table(noise), None)
    last_line, last_sample = (part.stop for part in wide.window)
    found = border_noise(
        above,
        wide.looks,
        left=wide.first_sample == 0,
        right=last_sample + wide.looks > shape[1],
        top=wide.first_line == 0,
        bottom=last_line + wide.looks > shape[0],
    )
    row = (grid.first_line - wide.first_line) // grid.looks
    column = (grid.first_sample - wide.first_sample) // grid.looks
    return found[row : row + grid.rows, column : column + grid.columns]


def _to_borders(grid: LookGrid, shape: Shape) -> LookGrid:
    """Extend squares to those borders of the image from which border noise may reach them."""
    bounds = []
    for first, count, size in (
        (grid.first_line, grid.rows, shape[0]),
        (grid.first_sample, grid.columns, shape[1]),
    ):
        last = first // grid.looks + count
        if first + count * grid.looks > size - REACH:
            last = size // grid.looks
        start = 0 if first < REACH else first
        bounds.append((start, last - start // grid.looks))
    (first_line, rows), (first_sample, columns) = bounds
    return replace(grid, first_line=first_line, rows=rows, first_sample=first_sample, columns=columns)


def _fixed_cut(product: Product, layer: str, grid: LookGrid, shape: Shape) -> Flags:
    with _opened(product, layer, shape) as dataset:
        black = [
            begins_black(dataset.read(1, window=Window(0, line, shape[1], 1)))
            for line in (_BLACK_LINE, shape[0] - 1 - _BLACK_LINE)
        ]
    size = grid.rows * grid.looks, grid.columns * grid.looks
    cut = fixed_border(size, grid.first_line, grid.first_sample, shape, black[0], black[1])
    return np.logical_or.reduce(cut.reshape(grid.rows, grid.looks, grid.columns, grid.looks), axis=(1, 3))
