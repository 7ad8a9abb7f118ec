"""Compiled statistics of moving windows, shared by the filters.

Filters work on padded blocks of rows: no data and what lies beyond the array are 0, which no power is. So a window has
one form everywhere, and its statistics count valid pixels alone. Sums are taken anew for each pixel, in float64: a
running sum would carry the rounding error of a bright target to the dark pixels after it.

No kernel of another file calls these functions, because Numba's cache does not notice changes in other files.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Power = NDArray[np.float32]
Sums = NDArray[np.float64]


@njit(nogil=True, cache=True)
def bad_values(power: Power, first: int, last: int) -> int:
    """Return how many values of these rows are zero, negative or infinite."""
    bad = 0
    for r in range(first, last):
        line = power[r]
        for c in range(line.size):
            bad += (line[c] <= 0) | (line[c] == np.inf)
    return bad


@njit(nogil=True, cache=True)
def padded_rows(power: Power, first: int, last: int, half: int) -> Power:
    """Return rows first to last - 1 with `half` rows and columns around them; 0 for no data and beyond the array."""
    rows, cols = power.shape
    block = np.zeros((last - first + 2 * half, cols + 2 * half), np.float32)
    for r in range(max(first - half, 0), min(last + half, rows)):
        source, target = power[r], block[r - first + half, half : half + cols]
        for c in range(cols):
            target[c] = source[c] if source[c] > 0 else np.float32(0)
    return block


@njit(nogil=True, cache=True)
def _sum_columns(block: Power, top: int, side: int, columns: Sums) -> None:
    """Sum `side` rows of a padded block from `top` on: number of valid pixels, power and squared power a column."""
    number, total, squares = columns[0], columns[1], columns[2]
    for c in range(block.shape[1]):
        number[c] = total[c] = squares[c] = 0.0
    for r in range(top, top + side):
        line = block[r]
        for c in range(block.shape[1]):
            x = np.float64(line[c])
            number[c] += 1.0 if x > 0 else 0.0
            total[c] += x
            squares[c] += x * x


@njit(nogil=True, cache=True)
def window_sums(block: Power, side: int) -> Sums:
    """Return the sums of all windows of `side` x `side` pixels of a padded block, by their first pixel.

    Returns
    -------
    array (3, rows - side + 1, columns - side + 1) of float64
        Number of valid pixels, sum of power, sum of squared power.
    """
    rows, cols = block.shape
    sums = np.empty((3, rows - side + 1, cols - side + 1))
    columns = np.empty((3, cols))
    for r in range(sums.shape[1]):
        _sum_columns(block, r, side, columns)
        for k in range(3):
            line, column = sums[k, r], columns[k]
            for c in range(line.size):
                line[c] = column[c]
            for d in range(1, side):
                for c in range(line.size):
                    line[c] += column[c + d]
    return sums


@njit(nogil=True, cache=True, error_model="numpy")
def window_means(block: Power, side: int, means: Power) -> None:
    """Compute the mean power of all windows of a padded block, by their first pixel; NaN for empty windows."""
    rows, cols = means.shape
    numbers, totals = np.empty(block.shape[1]), np.empty(block.shape[1])
    number, total = np.empty(cols), np.empty(cols)
    for r in range(rows):
        numbers[:] = 0.0
        totals[:] = 0.0
        for d in range(side):
            line = block[r + d]
            for c in range(line.size):
                numbers[c] += 1.0 if line[c] > 0 else 0.0
                totals[c] += line[c]
        number[:] = 0.0
        total[:] = 0.0
        for d in range(side):
            for c in range(cols):
                number[c] += numbers[c + d]
                total[c] += totals[c + d]
        for c in range(cols):
            means[r, c] = total[c] / number[c]


@njit(nogil=True, cache=True, error_model="numpy")
def _variation(number: float, total: float, squares: float) -> float:
    mean = total / number
    variance = (squares - mean * total) / max(number - 1.0, 1.0)
    return max(variance, 0.0) / (mean * mean)


@njit(nogil=True, cache=True, error_model="numpy")
def mean_and_variation(sums: Sums) -> tuple[Sums, Sums]:
    """Turn sums into mean and variance / mean^2 (the squared coefficient of variation), in the same memory.

    The variance is that of a sample, with n - 1 as in OTB; it is 0 for a single value. Empty windows give NaN.
    """
    for r in range(sums.shape[1]):
        number, total, squares = sums[0, r], sums[1, r], sums[2, r]
        for c in range(number.size):
            squares[c] = _variation(number[c], total[c], squares[c])
            total[c] = total[c] / number[c]
    return sums[1], sums[2]
