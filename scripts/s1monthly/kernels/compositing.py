"""Compositing: merge the bursts of a pass into a mosaic, and the passes of a month into a composite with a count.

The two polarizations are composited one by one. ``masking.valid_power`` made the same pixels valid in both, so both
take each pixel from the same bursts, are valid at the same pixels and have the same count.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit
from numpy.typing import NDArray

from s1monthly.errors import S1MonthlyError
from s1monthly.kernels.options import (
    COMPOSITE_METHOD,
    COMPOSITE_METHODS,
    LARGEST_TRIM,
    MOSAIC_STRATEGIES,
    TRIM_FRACTION,
)

Power = NDArray[np.float32]
Counts = NDArray[np.uint8]

LANES = 512  # pixels processed side by side
BLOCK_ROWS = 64
BLOCK_PIXELS = 2**20
_MOST = 255  # largest count in uint8
MEDIAN, MEAN = COMPOSITE_METHODS.index("median"), COMPOSITE_METHODS.index("mean")


@njit(nogil=True, cache=True)
def _add(total: NDArray[np.float64], number: NDArray[np.uint16], window: Power, row: int, col: int) -> None:
    cols = window.shape[1]
    for r in range(window.shape[0]):
        line, sums, counts = window[r], total[row + r, col : col + cols], number[row + r, col : col + cols]
        for c in range(cols):
            good = abs(line[c]) < np.inf
            sums[c] += line[c] if good else np.float32(0)
            counts[c] += np.uint16(good)


@njit(nogil=True, cache=True, error_model="numpy")
def _divide(total: NDArray[np.float64], number: NDArray[np.uint16], power: Power) -> None:
    for r in range(power.shape[0]):
        for c in range(power.shape[1]):
            power[r, c] = total[r, c] / number[r, c]  # 0 / 0 is NaN


@njit(nogil=True, cache=True)
def _place(mosaic: Power, window: Power, row: int, col: int, replace: bool) -> None:
    for r in range(window.shape[0]):
        for c in range(window.shape[1]):
            x = window[r, c]
            if abs(x) < np.inf and (replace or np.isnan(mosaic[row + r, col + c])):
                mosaic[row + r, col + c] = x


class PassMosaic:
    """Mosaic of the bursts of one pass and polarization on one tile.

    Bursts are merged one by one, so memory depends on the tile and not on the number of bursts. Non-finite pixels are
    no data and never affect a valid one.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the tile.
    strategy : {"mean", "first", "last"}
        Value where bursts overlap: the mean of the valid powers (summed in float64, so that the order of bursts does
        not matter), or the first or last valid power in the order of adding, which is that of acquisition.

    Raises
    ------
    S1MonthlyError
        For an unknown strategy.
    """

    def __init__(self, shape: tuple[int, int], strategy: str = "mean") -> None:
        if strategy not in MOSAIC_STRATEGIES:
            raise S1MonthlyError(
                f"mosaic strategy {strategy!r} is unknown", f"use one of: {', '.join(MOSAIC_STRATEGIES)}"
            )
        self.shape = shape
        self.strategy = strategy
        if strategy == "mean":
            self._total = np.zeros(shape, np.float64)
            self._number = np.zeros(shape, np.uint16)
        else:
            self._power = np.full(shape, np.nan, np.float32)

    def add(self, window: Power, row: int, col: int) -> None:
        """Merge a burst.

        Parameters
        ----------
        window : array (rows, columns) of float32
            Linear power of the burst's part inside the tile; NaN for no data.
        row, col : int
            Place of the window's first pixel in the tile.

        Raises
        ------
        S1MonthlyError
            If the window does not lie inside the tile.
        """
        rows, cols = window.shape
        if row < 0 or col < 0 or row + rows > self.shape[0] or col + cols > self.shape[1]:
            raise S1MonthlyError(
                f"a burst window of {rows} x {cols} pixels at row {row}, column {col} is not inside the tile of "
                f"{self.shape[0]} x {self.shape[1]}",
                "cut the burst to the tile first",
            )
        window = np.ascontiguousarray(window, dtype=np.float32)
        if self.strategy == "mean":
            _add(self._total, self._number, window, row, col)
        else:
            _place(self._power, window, row, col, self.strategy == "last")

    def result(self, out: Power | None = None) -> Power:
        """Return the mosaic of all bursts added so far, in `out` if given: float32 power, NaN for no data."""
        power = np.empty(self.shape, np.float32) if out is None else out
        if self.strategy == "mean":
            _divide(self._total, self._number, power)
        else:
            power[:] = self._power
        return power


@njit(nogil=True, cache=True)
def _take(source: Power, line: Power, valid: NDArray[np.int32]) -> np.int32:
    """Copy a line with no data as infinity; add its valid pixels to `valid` and return their number."""
    top, one, zero = np.float32(np.inf), np.int32(1), np.int32(0)
    some = zero
    line[source.size :] = top
    for k in range(source.size):
        x = source[k]
        good = abs(x) < top
        line[k] = x if good else top
        valid[k] += one if good else zero
        some += one if good else zero
    return some


@njit(nogil=True, cache=True, fastmath={"nnan", "nsz"})
def _exchange(a: Power, b: Power) -> None:
    for k in range(LANES):
        x, y = a[k], b[k]
        a[k] = x if x < y else y
        b[k] = y if x < y else x


@njit(nogil=True, cache=True)
def _sort_lanes(values: Power, number: int) -> None:
    """Sort values[:number], without NaN, along the first axis in every lane by Batcher's merge exchange.

    Knuth, The Art of Computer Programming, volume 3, section 5.2.2, algorithm M. Its comparisons do not depend on the
    data, so the same vector instructions sort LANES pixels at once.
    """
    top = 1
    while 2 * top < number:
        top *= 2
    p = top if number > 1 else 0
    while p > 0:
        q, r, d = top, 0, p
        while True:
            for i in range(number - d):
                if i & p == r:
                    _exchange(values[i], values[i + d])
            if q == p:
                break
            d = q - p
            q //= 2
            r = p
        p //= 2


@njit(nogil=True, cache=True)
def _pick(line: Power, rank: NDArray[np.int32], n: np.int32, out: Power) -> None:
    """Copy a line's values to `out` in the lanes whose rank is n."""
    for k in range(LANES):
        x, y = line[k], out[k]
        out[k] = x if rank[k] == n else y


@njit(nogil=True, cache=True)
def _ranks(valid: NDArray[np.int32], low: NDArray[np.int32], high: NDArray[np.int32]) -> None:
    """Compute the ranks of the two middle values of `valid` sorted values."""
    for k in range(LANES):
        low[k] = (valid[k] - np.int32(1)) >> np.int32(1)
        high[k] = valid[k] >> np.int32(1)


@njit(nogil=True, cache=True)
def _halve(low: Power, high: Power, valid: NDArray[np.int32], power: Power) -> None:
    """Compute the median from the two middle values, which are the same value if their number is odd."""
    half, nothing, odd = np.float32(0.5), np.float32(np.nan), np.int32(1)
    for k in range(power.size):
        x, y = low[k], high[k]
        mean = half * x + half * y
        some = x if (valid[k] & odd) == odd else mean
        power[k] = some if valid[k] > 0 else nothing


@njit(nogil=True, cache=True)
def _saturate(valid: NDArray[np.int32], count: Counts) -> None:
    most = np.int32(_MOST)
    for k in range(count.size):
        count[k] = min(valid[k], most)


@njit(nogil=True, cache=True)
def _composite_rows(
    passes: NDArray[np.float32], first: int, method: int, trim_fraction: float, power: Power, count: Counts
) -> None:
    """Composite the rows of ``passes`` from ``first`` on into ``power``; ``method`` indexes COMPOSITE_METHODS.

    The mean is a trimmed mean that cuts nothing.
    """
    rows, cols = power.shape
    values = np.empty((passes.shape[0], LANES), np.float32)
    valid = np.empty(LANES, np.int32)
    total = np.empty(LANES, np.float64)
    cut = np.empty(LANES, np.int32)
    middle = np.zeros((2, LANES), np.float32)
    ranks = np.zeros((2, LANES), np.int32)
    top = np.float32(np.inf)
    for r in range(rows):
        for c in range(0, cols, LANES):
            width = min(LANES, cols - c)
            # Skip passes that are empty here. In the others no data is infinity, which sorts to the end.
            valid[:] = 0
            number = 0
            for n in range(passes.shape[0]):
                if _take(passes[n, first + r, c : c + width], values[number], valid) > 0:
                    number += 1
            if number > 1 and method != MEAN:
                _sort_lanes(values, number)
            if method == MEDIAN:
                _ranks(valid, ranks[0], ranks[1])
                for n in range(number):
                    _pick(values[n], ranks[0], np.int32(n), middle[0])
                    _pick(values[n], ranks[1], np.int32(n), middle[1])
                _halve(middle[0], middle[1], valid, power[r, c : c + width])
            else:
                total[:] = 0
                for k in range(width):
                    cut[k] = 0 if method == MEAN else int(trim_fraction * valid[k])
                for n in range(number):
                    line = values[n]
                    for k in range(width):
                        inside = (line[k] < top) & (n >= cut[k]) & ((method == MEAN) | (n < valid[k] - cut[k]))
                        total[k] += line[k] if inside else np.float32(0)
                for k in range(width):
                    n = valid[k] - 2 * cut[k]
                    power[r, c + k] = total[k] / n if n > 0 else np.nan
            _saturate(valid, count[r, c : c + width])


def disagreeing(values: NDArray[np.float32], count: Counts, exact: bool) -> int:
    """Count the pixels at which a band contradicts the count of passes.

    Parameters
    ----------
    values : array (rows, columns) of float32
        A band; NaN for no data.
    count : array (rows, columns) of uint8
        Number of valid passes.
    exact : bool
        True: count also pixels with passes but no value. False: count only values without a pass, for bands such as
        textures, which lack values where a pixel has no neighbour.

    Raises
    ------
    S1MonthlyError
        If the shapes differ.
    """
    if values.shape != count.shape:
        raise S1MonthlyError(
            f"a band of shape {values.shape} and a count of shape {count.shape}", "give both on the tile's grid"
        )
    return int(_disagreeing(values, count, exact))


@njit(nogil=True, cache=True)
def _disagreeing(values: NDArray[np.float32], count: Counts, exact: bool) -> int:
    in_rows = np.zeros(values.shape[0], np.int32)  # 32 bits fit more pixels into a vector
    for r in range(values.shape[0]):
        line, passes = values[r], count[r]
        for c in range(values.shape[1]):
            there, seen = line[c] == line[c], passes[c] != 0
            in_rows[r] += (there & (not seen)) | (exact & seen & (not there))
    return in_rows.sum()


def row_blocks(shape: tuple[int, int], passes: int) -> list[slice]:
    """Cut a grid into blocks of rows of at most `BLOCK_PIXELS` pixels over all passes; none without passes."""
    step = max(1, BLOCK_PIXELS // (shape[1] * max(1, passes)))
    return [slice(row, min(row + step, shape[0])) for row in range(0, shape[0] if passes else 0, step)]


def composite(
    passes: NDArray[np.float32] | Sequence[Power],
    method: str = COMPOSITE_METHOD,
    trim_fraction: float = TRIM_FRACTION,
    threads: int = 1,
) -> tuple[Power, Counts]:
    """Composite the passes of a month pixel by pixel, in linear power, ignoring no data.

    Parameters
    ----------
    passes : array (pass, rows, columns) of float32, or sequence of arrays (rows, columns)
        Linear power; NaN or infinity for no data. A large grid may be composited in blocks of rows (`row_blocks`).
    method : {"median", "mean", "trimmed_mean"}
        Statistic of the n valid values of a pixel. For even n the median is the mean of the two middle values. The
        trimmed mean leaves out the k smallest and k largest values, k = floor(trim_fraction x n).
    trim_fraction : float
        Share cut off at each end by the trimmed mean, at least 0 and less than 0.5.
    threads : int
        Number of threads. The result does not depend on it.

    Returns
    -------
    power : array (rows, columns) of float32
        NaN where no pass is valid. Means are summed in float64.
    count : array (rows, columns) of uint8
        Number of valid passes; 255 means 255 or more.

    Raises
    ------
    S1MonthlyError
        For an unknown method, a trim fraction out of range, no passes, or passes of different shapes.

    References
    ----------
    Trimmed mean: Tukey (1962), The future of data analysis, Annals of Mathematical Statistics 33(1), 1-67,
    doi:10.1214/aoms/1177704711; k is that of ``scipy.stats.trim_mean``.

    Examples
    --------
    >>> passes = np.stack([first, second, third])  # linear power, NaN for no data
    >>> power, count = composite(passes, "trimmed_mean", trim_fraction=0.2)
    """
    if method not in COMPOSITE_METHODS:
        raise S1MonthlyError(f"composite method {method!r} is unknown", f"use one of: {', '.join(COMPOSITE_METHODS)}")
    if not 0 <= trim_fraction < LARGEST_TRIM:
        remedy = f"use at least 0 and less than {LARGEST_TRIM}"
        raise S1MonthlyError(f"trim fraction {trim_fraction} is out of range", remedy)
    shapes = sorted({np.shape(one) for one in passes})
    if len(shapes) != 1 or len(shapes[0]) != 2:
        raise S1MonthlyError(
            f"a composite needs passes of one shape (rows, columns), not {len(passes)} passes of {shapes}",
            "read at least one pass, all of them on the tile's grid",
        )
    power = np.empty(shapes[0], np.float32)
    count = np.empty(shapes[0], np.uint8)
    chosen = COMPOSITE_METHODS.index(method)
    stack = np.ascontiguousarray(passes, dtype=np.float32) if isinstance(passes, np.ndarray) else None

    def work(first: int) -> None:
        block = slice(first, first + BLOCK_ROWS)
        if stack is None:
            few = np.stack([np.asarray(one[block], dtype=np.float32) for one in passes])
            _composite_rows(few, 0, chosen, trim_fraction, power[block], count[block])
        else:
            _composite_rows(stack, first, chosen, trim_fraction, power[block], count[block])

    blocks = range(0, shapes[0][0], BLOCK_ROWS)
    if threads == 1:
        for first in blocks:
            work(first)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, blocks))
    return power, count
