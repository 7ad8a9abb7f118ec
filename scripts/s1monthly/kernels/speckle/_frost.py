"""Compiled kernel of the Frost filter."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Power = NDArray[np.float32]
Sums = NDArray[np.float64]

HALVINGS = 9


@njit(nogil=True, cache=True, inline="always")
def _decay(y: float) -> float:
    """Return exp(-y) for y >= 0 to 1e-9, in operations that the compiler turns into vector code."""
    z = min(y, 80.0) * (-1.0 / 2**HALVINGS)
    small = 1.0 + z * (1.0 + z * (1 / 2 + z * (1 / 6 + z * (1 / 24 + z * (1 / 120 + z * (1 / 720))))))
    for _ in range(HALVINGS):
        small *= small
    return small


@njit(nogil=True, cache=True)
def _ring(block: Power, row: int, half: int, distance2: int, number: Sums, total: Sums) -> None:
    """Sum the valid pixels at this squared distance from each pixel of a row."""
    number[:] = 0.0
    total[:] = 0.0
    for dy in range(-half, half + 1):
        for dx in range(-half, half + 1):
            if dy * dy + dx * dx == distance2:
                line = block[row + half + dy, half + dx : half + dx + total.size]
                for c in range(total.size):
                    number[c] += 1.0 if line[c] > 0 else 0.0
                    total[c] += line[c]


@njit(nogil=True, cache=True, error_model="numpy")
def frost_rows(block: Power, variations: Sums, damping: float, distances2: NDArray[np.int64], out: Power) -> None:
    """Filter a padded block by its windows' squared coefficients of variation.

    `distances2` are all squared distances within the window.
    """
    rows, cols = out.shape
    half = (block.shape[0] - rows) // 2
    number, total, weights, weighted = np.empty(cols), np.empty(cols), np.empty(cols), np.empty(cols)
    for r in range(rows):
        variation = variations[r]
        weights[:] = 0.0
        weighted[:] = 0.0
        for distance2 in distances2:
            _ring(block, r, half, distance2, number, total)
            factor = damping * np.sqrt(np.float64(distance2))
            for c in range(cols):
                weight = _decay(factor * variation[c])
                weights[c] += weight * number[c]
                weighted[c] += weight * total[c]
        line = out[r]
        for c in range(cols):
            line[c] = weighted[c] / weights[c]
