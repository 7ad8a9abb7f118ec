"""Compiled: how much the power of each block scatters around what rows and columns explain."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from s1monthly.kernels.speckle._window import Power

LAG = 2
"""Pixels between those that are compared: resampling makes neighbours alike."""
CLIP, SHRUNK = 2.5, 0.9113
"""Standard deviations at which differences are cut, and the variance that a normal distribution keeps there."""
MEDIAN = 0.6745
"""Median of a normal distribution's absolute values, in standard deviations."""


@njit(nogil=True, cache=True)
def block_scatter(power: Power, top: int, side: int, step: int, fewest: int) -> NDArray[np.float64]:
    """Return the variance of the logarithm of speckle in each block of a strip, and the number of comparisons in it.

    The variance is NaN where there are less than `fewest`. Blocks begin every `step` columns.

    The difference of the differences of four pixels, at the corners of a square, has four times the variance of one.
    It is free of anything that is a product of a function of the row and one of the column: slopes, and straight
    borders along rows or columns. Other borders give few and large differences, which are cut.
    """
    rows, cols = side, power.shape[1]
    logs = np.empty((rows, cols), np.float32)
    for r in range(rows):
        for c in range(cols):
            x = power[top + r, c]
            logs[r, c] = math.log(x) if x > 0 and x < np.inf else np.nan
    found = np.full((2, max((cols - side) // step + 1, 0)), np.nan)
    values = np.empty((side - LAG) * (side - LAG), np.float32)
    for k in range(found.shape[1]):
        number = 0
        for r in range(side - LAG):
            for c in range(k * step, k * step + side - LAG):
                d = logs[r, c] - logs[r + LAG, c] - logs[r, c + LAG] + logs[r + LAG, c + LAG]
                if d == d:
                    values[number] = abs(d)
                    number += 1
        found[1, k] = number
        if number >= fewest:
            found[0, k] = _clipped_variance(values[:number]) / 4.0
    return found


@njit(nogil=True, cache=True)
def _clipped_variance(values: Power) -> float:
    """Return the variance of normal values, around 0, by those within `CLIP` standard deviations; robust."""
    variance = (float(np.median(values)) / MEDIAN) ** 2
    for _ in range(4):
        limit, total, number = CLIP * math.sqrt(variance), 0.0, 0
        for value in values:
            if value <= limit:
                total += value * value
                number += 1
        variance = total / number / SHRUNK
    return variance
