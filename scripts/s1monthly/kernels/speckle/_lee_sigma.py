"""Compiled kernel of the improved sigma filter."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Power = NDArray[np.float32]
Sums = NDArray[np.float64]

CLUSTER = 5
"""Pixels above the brightness limit that make a 3 x 3 window a target."""


@njit(nogil=True, cache=True)
def _is_cluster(block: Power, row: int, col: int, bright: float) -> bool:
    """Return whether a pixel of the block is bright, and so are enough of the nine around it."""
    if not block[row, col] >= bright:
        return False
    number = 0
    for r in range(row - 1, row + 2):
        for c in range(col - 1, col + 2):
            number += block[r, c] >= bright
    return number >= CLUSTER


@njit(nogil=True, cache=True)
def _is_target(block: Power, row: int, col: int, bright: float) -> bool:
    """Return whether a bright pixel belongs to the cluster of any of the nine pixels around it."""
    for r in range(row - 1, row + 2):
        for c in range(col - 1, col + 2):
            if _is_cluster(block, r, c, bright):
                return True
    return False


@njit(nogil=True, cache=True)
def sums_in_range(block: Power, priors: Sums, low: float, high: float) -> Sums:
    """Return the sums of `_window.window_sums` over the pixels within the range low to high times each pixel's prior.

    `block` has the margin of the window alone.
    """
    rows, cols = priors.shape
    side = block.shape[0] - rows + 1
    sums = np.zeros((3, rows, cols))
    lows, highs = np.empty(cols), np.empty(cols)
    for r in range(rows):
        number, total, squares = sums[0, r], sums[1, r], sums[2, r]
        for c in range(cols):
            lows[c], highs[c] = low * priors[r, c], high * priors[r, c]
        for dy in range(side):
            for dx in range(side):
                line = block[r + dy, dx : dx + cols]
                for c in range(cols):
                    pixel = line[c]
                    x = np.float64(pixel if (pixel >= lows[c]) & (pixel <= highs[c]) else 0.0)
                    number[c] += 1.0 if x > 0 else 0.0
                    total[c] += x
                    squares[c] += x * x
    return sums


@njit(nogil=True, cache=True)
def keep_pixels(block: Power, numbers: Sums, bright: float, out: Power) -> None:
    """Set targets, and pixels with no pixel in their range, to their own value."""
    margin = (block.shape[0] - out.shape[0]) // 2
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            x = block[r + margin, c + margin]
            if numbers[r, c] == 0 or (x >= bright and _is_target(block, r + margin, c + margin, bright)):
                out[r, c] = x
