"""Compiled kernel of the refined Lee filter."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Power = NDArray[np.float32]
Sums = NDArray[np.float64]
HALF = 3
FEWEST = 5
"""Valid pixels of a 3 x 3 subwindow from which its variance counts as noise."""


def _half_windows() -> NDArray[np.int64]:
    """Return first and last column of each row of the window's eight halves, which contain the edge itself.

    Left, right, upper left, lower right, upper, lower, upper right, lower left.
    """
    ranges = np.empty((8, 2 * HALF + 1, 2), np.int64)
    for r in range(-HALF, HALF + 1):
        whole, none = (-HALF, HALF), (1, 0)
        halves = (
            (-HALF, 0),
            (0, HALF),
            (-HALF, -r),
            (-r, HALF),
            whole if r <= 0 else none,
            whole if r >= 0 else none,
            (r, HALF),
            (-HALF, r),
        )
        ranges[:, r + HALF] = halves
    return ranges


HALF_WINDOWS = _half_windows()


@njit(nogil=True, cache=True)
def _least_five(values: NDArray[np.float64], number: int) -> float:
    """Return the mean of the five least of `number` values, or of all if there are fewer; sorts them."""
    for i in range(1, number):
        value = values[i]
        k = i
        while k > 0 and values[k - 1] > value:
            values[k] = values[k - 1]
            k -= 1
        values[k] = value
    total = 0.0
    for i in range(min(number, 5)):
        total += values[i]
    return total / min(number, 5)


@njit(nogil=True, cache=True, error_model="numpy")
def _variation(number: float, total: float, squares: float) -> float:
    mean = total / number
    variance = (squares - mean * total) / max(number - 1.0, 1.0)
    return max(variance, 0.0) / (mean * mean)


@njit(nogil=True, cache=True, error_model="numpy")
def _side(m: NDArray[np.float64]) -> int:
    """Return the half of the window to which the centre belongs, from the nine means, row by row."""
    across = abs(m[0] + m[3] + m[6] - m[2] - m[5] - m[8])
    diagonal = abs(m[0] + m[1] + m[3] - m[5] - m[7] - m[8])
    down = abs(m[0] + m[1] + m[2] - m[6] - m[7] - m[8])
    other = abs(m[1] + m[2] + m[5] - m[3] - m[6] - m[7])
    steepest, first, one, two = across, 0, 3, 5
    if diagonal > steepest:
        steepest, first, one, two = diagonal, 2, 0, 8
    if down > steepest:
        steepest, first, one, two = down, 4, 1, 7
    if other > steepest:
        steepest, first, one, two = other, 6, 2, 6
    return first if abs(m[one] - m[4]) <= abs(m[two] - m[4]) else first + 1


@njit(nogil=True, cache=True, error_model="numpy")
def _pixel(block: Power, row: int, col: int, noise: float, half_window: NDArray[np.int64]) -> float:
    """Estimate a pixel from one half of its window; without a known noise, by the half's mean."""
    number = total = squares = 0.0
    for dy in range(2 * HALF + 1):
        line = block[row + dy]
        for c in range(col + HALF + half_window[dy, 0], col + HALF + half_window[dy, 1] + 1):
            x = np.float64(line[c])
            number += 1.0 if x > 0 else 0.0
            total += x
            squares += x * x
    mean = total / number
    weight = (1.0 - noise / _variation(number, total, squares)) / (1.0 + noise)
    weight = weight if (weight > 0.0) & (noise >= 0.0) else 0.0
    return mean + weight * (block[row + HALF, col + HALF] - mean)


@njit(nogil=True, cache=True, error_model="numpy")
def refined_lee_rows(block: Power, sums: Sums, half_windows: NDArray[np.int64], out: Power) -> None:
    """Filter a padded block by the sums of all its 3 x 3 windows."""
    means, variations = np.empty(9), np.empty(9)
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            if not block[r + HALF, c + HALF] > 0:
                continue
            center = sums[1, r + 2, c + 2] / sums[0, r + 2, c + 2]
            known = 0
            for k in range(9):
                number, total, squares = sums[:, r + 2 * (k // 3), c + 2 * (k % 3)]
                means[k] = total / number if number > 0 else center
                if number >= FEWEST:
                    variations[known] = _variation(number, total, squares)
                    known += 1
            noise = _least_five(variations, known) if known > 0 else -1.0
            out[r, c] = _pixel(block, r, c, noise, half_windows[_side(means)])
