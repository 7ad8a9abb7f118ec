"""Compiled kernel of the penalised search: a block of pixels side by side, so that the processor does eight at once."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]

BLOCK = 256
SMALLEST_VARIANCE = np.float32(1e-6)
"""Added to each variance, so that constant values have a cost."""

_LOG = np.polynomial.Chebyshev.interpolate(np.log, 8, [1, 2]).convert(kind=np.polynomial.Polynomial).coef
C0, C1, C2, C3, C4, C5, C6, C7, C8 = (np.float32(number) for number in _LOG)
"""Polynomial of the natural logarithm from 1 to 2, within 1e-6."""
FRACTION, ONE = np.int32(0x7FFFFF), np.int32(0x3F800000)
"""Bits of a float's fraction, and of 1.0."""
LN2 = np.float32(np.log(2))


@njit(nogil=True, error_model="numpy")
def _variances(sums: Floats, squares: Floats, number: Floats, s: np.uintp, t: np.uintp, into: Floats) -> None:
    for c in range(BLOCK):
        n = number[t, c] - number[s, c]
        share = np.float32(1) / (n if n > np.float32(1) else np.float32(1))
        mean = (sums[t, c] - sums[s, c]) * share
        spread = (squares[t, c] - squares[s, c]) * share - mean * mean
        into[c] = (spread if spread > np.float32(0) else np.float32(0)) + SMALLEST_VARIANCE


@njit(nogil=True, error_model="numpy")
def _fractions(bits: Integers, into: Integers) -> None:
    for c in range(BLOCK):
        into[c] = (bits[c] & FRACTION) | ONE


@njit(nogil=True, error_model="numpy")
def _keep_better(cost: Floats, place: np.int32, best: Floats, arg: Integers) -> None:
    for c in range(BLOCK):
        better = cost[c] < best[c]
        arg[c] = place if better else arg[c]
        best[c] = cost[c] if better else best[c]


@njit(nogil=True, error_model="numpy")
def _logarithms(bits: Integers, mantissa: Floats, into: Floats) -> None:
    for c in range(BLOCK):
        m, exponent = mantissa[c], np.float32((bits[c] >> 23) - 127)
        p = C4 + m * (C5 + m * (C6 + m * (C7 + m * C8)))
        into[c] = exponent * LN2 + (C0 + m * (C1 + m * (C2 + m * (C3 + m * p))))


@njit(nogil=True, error_model="numpy")
def _costs(
    least: Floats, number: Floats, logarithm: Floats, few: np.float32, s: np.uintp, t: np.uintp, into: Floats
) -> None:
    for c in range(BLOCK):
        n = number[t, c] - number[s, c]
        into[c] = least[s, c] + n * logarithm[c] if n >= few else np.float32(1e30)


@njit(nogil=True, cache=True, error_model="numpy")
def search(values: Floats, there: NDArray[np.uint8], penalty: Floats, smallest: int, before: Integers) -> None:
    """Fill for each end of a segment its beginning in the best segmentation of all months before that end.

    `before` is (months + 1, pixels): the last segment begins at before[months], the one before it at that place.
    """
    months, pixels = values.shape
    shape = (months + 1, BLOCK)
    sums, squares, number = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    least, start = np.zeros(shape, np.float32), np.zeros(shape, np.int32)
    variance, mantissa = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    bits, fraction = variance.view(np.int32), mantissa.view(np.int32)
    best, arg, fine = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.int32), np.zeros(BLOCK, np.float32)
    logarithm, cost = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    few, huge = np.float32(smallest), np.float32(1e30)
    for first in range(0, pixels, BLOCK):
        size = min(BLOCK, pixels - first)
        fine[:size] = penalty[first : first + size]
        for t in range(months):
            for c in range(size):
                value = values[t, first + c]
                sums[t + 1, c] = sums[t, c] + value
                squares[t + 1, c] = squares[t, c] + value * value
                number[t + 1, c] = number[t, c] + np.float32(there[t, first + c])
        for c in range(BLOCK):
            least[0, c] = -fine[c]
        for t in range(1, months + 1):
            best[:] = huge
            arg[:] = 0
            for s in range(t - smallest + 1):
                _variances(sums, squares, number, np.uintp(s), np.uintp(t), variance)
                _fractions(bits, fraction)
                _logarithms(bits, mantissa, logarithm)
                _costs(least, number, logarithm, few, np.uintp(s), np.uintp(t), cost)
                _keep_better(cost, np.int32(s), best, arg)
            for c in range(BLOCK):
                best[c] += fine[c]
            for c in range(BLOCK):
                least[t, c] = best[c]
                start[t, c] = arg[c]
        for t in range(months + 1):
            for c in range(size):
                before[t, first + c] = start[t, c]
