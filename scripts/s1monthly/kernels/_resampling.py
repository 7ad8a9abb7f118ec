"""Compiled loop of bilinear resampling, in its own module because its import is slow and most jobs never warp."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Power = NDArray[np.float32]
Knots = NDArray[np.float64]

_LEAST_WEIGHT = 0.5  # smallest total weight of valid neighbours
_WHOLE = 1.0 - 1e-9  # weight from which a position counts as hitting one neighbour


@njit(nogil=True, cache=True)
def _positions(knots: Knots, row: int, step: int, positions: NDArray[np.float64]) -> None:
    """Interpolate positions between knots for every pixel of one row."""
    upper = row // step
    lower = min(upper + 1, knots.shape[0] - 1)
    share = (row - upper * step) / step
    last = knots.shape[1] - 1
    for k in range(knots.shape[1]):
        start = knots[upper, k] + share * (knots[lower, k] - knots[upper, k])
        end = knots[upper, min(k + 1, last)] + share * (knots[lower, min(k + 1, last)] - knots[upper, min(k + 1, last)])
        for c in range(k * step, min((k + 1) * step, positions.shape[0])):
            positions[c] = start + (end - start) * ((c - k * step) / step)


@njit(nogil=True, cache=True)
def fill_bilinear(values: Power, knot_rows: Knots, knot_cols: Knots, step: int, resampled: Power) -> None:
    """Fill a grid with resampled power; see `resampling.bilinear`."""
    rows, cols = values.shape
    source_rows = np.empty(resampled.shape[1])
    source_cols = np.empty(resampled.shape[1])
    for i in range(resampled.shape[0]):
        _positions(knot_rows, i, step, source_rows)
        _positions(knot_cols, i, step, source_cols)
        for j in range(resampled.shape[1]):
            resampled[i, j] = np.nan
            y, x = source_rows[j], source_cols[j]
            if not (-1 < y < rows and -1 < x < cols):
                continue
            r, c = int(np.floor(y)), int(np.floor(x))
            down, right = y - r, x - c
            if 0 <= r < rows - 1 and 0 <= c < cols - 1:  # nearly always: four valid neighbours
                upper = (1 - right) * values[r, c] + right * values[r, c + 1]
                lower = (1 - right) * values[r + 1, c] + right * values[r + 1, c + 1]
                value = (1 - down) * upper + down * lower
                if abs(value) < np.inf:
                    resampled[i, j] = value
                    continue
            total = 0.0
            weights = 0.0
            heaviest = 0.0
            number = 0
            for k in range(4):
                rr, cc = r + k // 2, c + k % 2
                weight = (down if k // 2 else 1 - down) * (right if k % 2 else 1 - right)
                if weight > 0 and 0 <= rr < rows and 0 <= cc < cols:
                    neighbour = values[rr, cc]
                    if abs(neighbour) < np.inf:
                        total += weight * neighbour
                        weights += weight
                        heaviest = max(heaviest, weight)
                        number += 1
            if weights >= _LEAST_WEIGHT and (number > 1 or heaviest >= _WHOLE):
                resampled[i, j] = total / weights
