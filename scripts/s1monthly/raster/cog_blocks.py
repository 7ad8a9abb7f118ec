"""Compressed blocks of a COG: those of each band and its overviews, in a temporary file, level by level."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cache, partial
from typing import IO

import numpy as np
from isal import isal_zlib
from numcodecs.zstd import Zstd
from numpy.typing import NDArray

from s1monthly.kernels.halving import Values, halve, level_shapes
from s1monthly.model import COG_COMPRESSION, CogCompression

LEADER = TRAILER = 4
"""Bytes before and after each block, see `spool_band`."""

_ZSTD = Zstd(level=1)
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


def spool_band(
    values: Values, block_size: int, pool: Executor, spool: IO[bytes], compression: CogCompression = COG_COMPRESSION
) -> list[Run]:
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
        work = partial(_compressed_and_halved, values, coarser, block_size, compression)
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


def _compressed_and_halved(
    finer: Values, coarser: Values | None, block_size: int, compression: CogCompression, row: int, col: int
) -> bytes:
    """Compress a block and write its part of the next coarser overview."""
    if coarser is not None:
        rows, cols = (
            slice(start // 2, min((start + block_size) // 2, size))
            for start, size in zip((row, col), coarser.shape, strict=True)
        )
        halve(finer, coarser, rows, cols)
    return _compressed(finer[row : row + block_size, col : col + block_size], block_size, compression)


def _compressed(pixels: Values, block_size: int, compression: CogCompression) -> bytes:
    missing = np.isnan(pixels)
    if missing.any():
        if missing.all():
            return _empty(block_size, compression)
        pixels = np.where(missing, np.float32(np.nan), pixels)
    beyond = [(0, block_size - size) for size in pixels.shape]
    if any(after for _, after in beyond):
        pixels = np.pad(pixels, beyond, mode="edge")
    return _encoded(predicted(pixels), compression)


@cache
def _empty(block_size: int, compression: CogCompression) -> bytes:
    """Return a compressed block without valid pixels; a tile with little coverage consists mostly of these."""
    pixels = predicted(np.full((block_size, block_size), np.nan, np.float32))
    return zlib.compress(pixels.data, 9) if compression == "deflate" else bytes(_STRONGER_ZSTD.encode(pixels))


def _encoded(pixels: NDArray[np.uint8], compression: CogCompression) -> bytes:
    """Compress bytes; both libraries release the GIL while they work."""
    # ISA-L takes a fifth of the time of zlib and a quarter of libdeflate's, for files of the same size
    return isal_zlib.compress(pixels.data, 1) if compression == "deflate" else bytes(_ZSTD.encode(pixels))


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
