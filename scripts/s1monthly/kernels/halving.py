"""Overviews: averages of a raster's pixels on coarser and coarser grids, each half of the one before."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Values = NDArray[np.float32]
Sums = NDArray[np.float64]

_WINDOW = 256
"""Side of the windows averaged at a time, in pixels of the coarser raster."""


def halved_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """Return rows and columns of a raster's overview: half of its own, rounded up."""
    return -(-shape[0] // 2), -(-shape[1] // 2)


def level_shapes(shape: tuple[int, int], largest: int) -> list[tuple[int, int]]:
    """Return rows and columns of a raster and its overviews; each halves the one before.

    Parameters
    ----------
    largest : int
        The last overview is the first that has at most so many rows and columns.
    """
    shapes = [shape]
    while max(shapes[-1]) > largest:
        shapes.append(halved_shape(shapes[-1]))
    return shapes


def halved(finer: Values, pool: Executor) -> Values:
    """Return the next coarser overview of a raster; see `halve`.

    Parameters
    ----------
    finer : array (rows, columns)
        NaN for no data.
    pool : Executor
        Averages several windows at a time; the values do not depend on it.
    """
    shape = halved_shape(finer.shape)
    coarser = np.full(shape, np.nan, np.float32)
    rows, columns = ([slice(start, min(start + _WINDOW, size)) for start in range(0, size, _WINDOW)] for size in shape)
    for job in [pool.submit(halve, finer, coarser, down, right) for down in rows for right in columns]:
        job.result()
    return coarser


def halve(finer: Values, coarser: Values, rows: slice, cols: slice) -> None:
    """Compute a window of the next coarser overview: the mean of the valid pixels below, weighted by area, in float64.

    An axis with an even number of pixels is cut into pairs. An odd number n makes (n + 1) / 2 parts of equal width, a
    little narrower than two pixels: part i takes all of pixel 2 i, and of its neighbours the share that lies in the
    part. Infinities are values; opposite ones give NaN.

    Parameters
    ----------
    finer : array (rows, columns)
        NaN for no data.
    coarser : array of `halved_shape`
        Only the window is written. Pixels without a valid pixel below keep their value: initialise them with NaN.
    rows, cols : slice
        Start and stop of the window, in pixels of `coarser`.

    Notes
    -----
    Bit for bit the result of GDAL's ``average`` for a level whose no data is NaN, because sums are taken in the same
    order: see ``GDALResampleChunk_AverageOrRMS_T`` in GDAL's gcore/overview.cpp.
    """
    part = finer[max(2 * rows.start - 1, 0) : 2 * rows.stop, max(2 * cols.start - 1, 0) : 2 * cols.stop]
    if np.isnan(part[0, 0]) and np.isnan(part).all():
        return
    with np.errstate(invalid="ignore"):  # opposite infinities
        if finer.shape[0] % 2 or finer.shape[1] % 2:
            total, number = _weighed(part, finer.shape, rows, cols)
        else:
            part = finer[2 * rows.start : 2 * rows.stop, 2 * cols.start : 2 * cols.stop]
            total = _fours(part)
            if not np.isnan(total).any():  # the usual case: all pixels are valid
                np.multiply(total, 0.25, out=coarser[rows, cols], casting="same_kind")
                return
            valid = ~np.isnan(part)
            total, number = _fours(np.where(valid, part, np.float32(0))), _fours(valid, np.uint8)
        np.divide(total, number, out=coarser[rows, cols], where=number > 0, casting="same_kind")


def _fours(values: NDArray[Any], dtype: DTypeLike = np.float64) -> NDArray[Any]:
    pairs = values[:, ::2].astype(dtype)
    pairs += values[:, 1::2]
    return np.add(pairs[::2], pairs[1::2])


def _weighed(part: Values, shape: tuple[int, int], rows: slice, cols: slice) -> tuple[Sums, Sums]:
    """Return the weighted sums of a window's valid pixels, and the sums of their weights, for any number of pixels."""
    window = np.full((2 * (rows.stop - rows.start) + 1, 2 * (cols.stop - cols.start) + 1), np.nan, np.float32)
    down, right = int(rows.start == 0), int(cols.start == 0)  # there is no pixel before the first
    window[down : down + part.shape[0], right : right + part.shape[1]] = part
    valid = ~np.isnan(window)
    weights = _weights(shape[0], rows), _weights(shape[1], cols)
    return _summed(np.where(valid, window, np.float64(0)), *weights), _summed(valid.astype(np.float64), *weights)


def _weights(size: int, window: slice) -> tuple[Sums, Sums]:
    """Return the weights of the pixels before and after pixel 2 i in part i of an axis; pixel 2 i has weight 1.

    Computed exactly as GDAL does: means halfway between two floats are common here, and must round the same way.
    """
    part = np.arange(window.start, window.stop, dtype=np.float64)
    if size % 2 == 0:
        return np.zeros_like(part), np.ones_like(part)
    width = size / ((size + 1) // 2)
    before = 1 - (part * width - (2 * part - 1))
    return np.where(part > 0, before, 0), 1 - ((2 * part + 2) - (part + 1) * width)


def _summed(values: Sums, rows: tuple[Sums, Sums], cols: tuple[Sums, Sums]) -> Sums:
    """Sum a window with weights, along its rows, then down its columns."""
    for before, after in (cols, rows):
        values = values.T
        total = values[1::2]
        if before.any():  # an infinity times zero would be NaN
            total = before[:, None] * values[:-1:2] + total
        values = total + after[:, None] * values[2::2]
    return values
