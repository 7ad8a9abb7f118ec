"""Compiled kernels of the CUSUM test. A block of pixels stays in the processor's cache through all permutations."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]

BLOCK = 64


@njit(nogil=True, error_model="numpy")
def _larger(one: np.float32, two: np.float32) -> np.float32:
    return one if one > two else two  # max() of numba is slow, since it looks for NaN


@njit(nogil=True, error_model="numpy")
def _smaller(one: np.float32, two: np.float32) -> np.float32:
    return one if one < two else two


@njit(nogil=True, cache=True, error_model="numpy")
def exceedances(values: Floats, scale: Floats, orders: Integers, larger: Integers) -> None:
    """Count of each pixel the orders whose cumulative sums range at least as widely as `scale` times the first order's.

    The length of the orders is a multiple of four; the place behind the last month stands for nothing.
    """
    months, pixels = values.shape
    block = np.zeros((months + 1, BLOCK), np.float32)
    total, high, low = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    own = np.empty(BLOCK, np.float32)
    for first in range(0, pixels, BLOCK):
        size = min(BLOCK, pixels - first)
        for t in range(months):
            for c in range(size):
                block[t, c] = values[t, first + c]
        for place in range(len(orders)):
            total[:], high[:], low[:] = 0, 0, 0
            order = orders[place]
            for t in range(0, len(order), 4):
                i, j, k, n = np.uintp(order[t]), np.uintp(order[t + 1]), np.uintp(order[t + 2]), np.uintp(order[t + 3])
                for c in range(BLOCK):  # four months at a time, since storing the sums takes longer than adding
                    one = total[c] + block[i, c]
                    two = one + block[j, c]
                    three = two + block[k, c]
                    four = three + block[n, c]
                    high[c] = _larger(_larger(_larger(high[c], one), _larger(two, three)), four)
                    low[c] = _smaller(_smaller(_smaller(low[c], one), _smaller(two, three)), four)
                    total[c] = four
            if place == 0:
                for c in range(size):
                    own[c] = (high[c] - low[c]) * scale[first + c]
            else:
                for c in range(size):
                    larger[first + c] += 1 if high[c] - low[c] >= own[c] else 0


@njit(nogil=True, cache=True, error_model="numpy")
def splits(
    values: Floats, there: NDArray[np.uint8], valid: Integers, smallest: int, place: Integers, step: Floats
) -> None:
    """Find of each pixel the split into two means that leaves the least squares; -1 if a side would be too short."""
    months, pixels = values.shape
    total, before = np.zeros(pixels, np.float32), np.zeros(pixels, np.float32)
    best, mean = np.full(pixels, np.float32(-1)), np.zeros(pixels, np.float32)
    place[:] = -1
    for t in range(months):
        for c in range(pixels):
            mean[c] += values[t, c]
    for c in range(pixels):
        mean[c] /= np.float32(max(valid[c], 1))
    for t in range(months):
        line, valid_here = values[t], there[t]
        for c in range(pixels):
            n, k = np.float32(valid[c]), before[c]
            if valid_here[c] and k >= smallest and n - k >= smallest:
                gain = total[c] * total[c] * n / (k * (n - k))
                if gain > best[c]:
                    best[c] = gain
                    place[c] = t
                    step[c] = -total[c] * n / (k * (n - k))
            total[c] += line[c] - mean[c] if valid_here[c] else np.float32(0)
            before[c] += np.float32(valid_here[c])
