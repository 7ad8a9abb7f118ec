"""Compiled kernel of the monthly climatology."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@njit(nogil=True, cache=True, error_model="numpy")
def remove(
    series: Floats,
    calendar: NDArray[np.intp],
    place: NDArray[np.int32],
    step: Floats,
    anomalies: Floats,
    there: NDArray[np.uint8],
    seasons: NDArray[np.int32],
) -> None:
    """Fill anomalies (0 for none), which months have a value, and each pixel's number of calendar months.

    The season is that of the series without `step`, which begins at `place` (-1 for none); anomalies keep the step.
    """
    months, pixels = series.shape
    total, number = np.zeros((12, pixels), np.float32), np.zeros((12, pixels), np.float32)
    for t in range(months):
        line, into, count = series[t], total[calendar[t]], number[calendar[t]]
        for c in range(pixels):
            valid = line[c] == line[c]
            level = step[c] if place[c] >= 0 and t >= place[c] else np.float32(0)
            into[c] += line[c] - level if valid else np.float32(0)
            count[c] += np.float32(1) if valid else np.float32(0)
    for k in range(12):
        for c in range(pixels):
            if number[k, c] < 2:
                number[k, c] = 0
            else:
                total[k, c] /= number[k, c]
                seasons[c] += 1
    for t in range(months):
        line, mean, count = series[t], total[calendar[t]], number[calendar[t]]
        for c in range(pixels):
            valid = line[c] == line[c] and count[c] > 0
            there[t, c] = 1 if valid else 0
            anomalies[t, c] = line[c] - mean[c] if valid else np.float32(0)
