"""Compressed blocks of a COG: those of each band and its overviews, in a temporary file, level by level."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cache, partial
from typing import IO, Any

import numpy as np
from numcodecs.zstd import Zstd
from numpy.typing import DTypeLike, NDArray

Values = NDArray[np.float32]
Sums = NDArray[np.float64]

LEADER = TRAILER = 4
"""Bytes before and after each block, see `spool_band`."""

_ZSTD = Zstd(level=1)  # releases the GIL while it compresses
_STRONGER_ZSTD = Zstd(level=3)  # an empty block of 512 x 512 takes 125 bytes, with level 1 2731


@dataclass(frozen=True)
class Run:
    """The blocks of a band at one level, contiguous in the temporary file.

    Attributes
    ----------
    start : int
        Position of the first block's leader in the temporary file, bytes.
    sizes : list of int
        Bytes of each block without leader and trailer; row by row from the upper left.
    """

    start: int
    sizes: list[int]

    @property
    def length(self) -> int:
        """Bytes of all blocks with leaders and trailers."""
        return sum(self.sizes) + len(self.sizes) * (LEADER + TRAILER)


def level_shapes(shape: tuple[int, int], block_size: int) -> list[tuple[int, int]]:
    """Return rows and columns of a raster and its overviews; each halves the one before, until one block holds it."""
    shapes = [shape]
    while max(shapes[-1]) > block_size:
        shapes.append(halved_shape(shapes[-1]))
    return shapes


def spool_band(values: Values, block_size: int, pool: Executor, spool: IO[bytes]) -> list[Run]:
    """Compress a band and its overviews, and append the blocks to a temporary file.

    GDAL's COG reader expects a leader before each block (its size as 4 bytes) and a trailer behind it (its last 4 bytes
    again). If a block reaches beyond the raster, the last column and row are repeated, as GDAL does.

    Parameters
    ----------
    values : array (rows, columns)
        NaN for no data. All bits are kept except those of NaN.
    block_size : int
        Side of the blocks in pixels; even.
    pool : Executor
        Runs the compression; the bytes do not depend on it.
    spool : binary file
        Temporary file to append to.

    Returns
    -------
    list of Run
        One for each of `level_shapes`.
    """
    runs = []
    for coarser_shape in [*level_shapes(values.shape, block_size)[1:], None]:
        coarser = None if coarser_shape is None else np.full(coarser_shape, np.nan, np.float32)
        run = Run(spool.tell(), [])
        work = partial(_compressed_and_halved, values, coarser, block_size)
        for block in pool.map(work, *zip(*_corners(values.shape, block_size), strict=True)):
            spool.writelines((len(block).to_bytes(LEADER, "little"), block, block[-TRAILER:]))
            run.sizes.append(len(block))
        runs.append(run)
        if coarser is not None:
            values = coarser
    return runs


def _corners(shape: tuple[int, int], block_size: int) -> Iterator[tuple[int, int]]:
    for row in range(0, shape[0], block_size):
        for col in range(0, shape[1], block_size):
            yield row, col


def _compressed_and_halved(finer: Values, coarser: Values | None, block_size: int, row: int, col: int) -> bytes:
    """Compress a block and write its part of the next coarser overview."""
    if coarser is not None:
        rows, cols = (
            slice(start // 2, min((start + block_size) // 2, size))
            for start, size in zip((row, col), coarser.shape, strict=True)
        )
        halve(finer, coarser, rows, cols)
    return _compressed(finer[row : row + block_size, col : col + block_size], block_size)


def _compressed(pixels: Values, block_size: int) -> bytes:
    missing = np.isnan(pixels)
    if missing.any():
        if missing.all():
            return _empty(block_size)
        pixels = np.where(missing, np.float32(np.nan), pixels)
    beyond = [(0, block_size - size) for size in pixels.shape]
    if any(after for _, after in beyond):
        pixels = np.pad(pixels, beyond, mode="edge")
    return bytes(_ZSTD.encode(predicted(pixels)))


@cache
def _empty(block_size: int) -> bytes:
    """Return a compressed block without valid pixels; a tile with little coverage consists mostly of these."""
    pixels = np.full((block_size, block_size), np.nan, np.float32)
    return bytes(_STRONGER_ZSTD.encode(predicted(pixels)))


def predicted(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Apply TIFF's floating-point predictor: reorder the bytes of pixels so that they compress better, without loss.

    Returns an array (rows, 4 * columns) of bytes.

    Each row is split into the first, most significant bytes of all its pixels (sign and exponent, which hardly differ),
    then the second, third and fourth bytes. Each byte is then replaced by its difference from the byte before it in the
    row, modulo 256. NaN keep their bits.

    Notes
    -----
    TIFF Technical Note 3, Adobe Photoshop (2005): Predictor = 3.
    """
    rows, cols = pixels.shape
    words = pixels.view(np.uint32)
    apart = np.empty((rows, 4 * cols), np.uint8)
    for place in range(4):
        plane = apart[:, place * cols : (place + 1) * cols]
        np.right_shift(words, 24 - 8 * place, out=plane, casting="unsafe")  # keeps the lowest byte
    differences = np.empty_like(apart)
    differences[:, 0] = apart[:, 0]
    np.subtract(apart[:, 1:], apart[:, :-1], out=differences[:, 1:])
    return differences


def halved_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """Return rows and columns of a raster's overview: half of its own, rounded up."""
    return -(-shape[0] // 2), -(-shape[1] // 2)


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
