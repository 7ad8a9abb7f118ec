"""Compiled kernel that reads the changes of each pixel from the result of the search."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]


@njit(nogil=True, cache=True, error_model="numpy")
def _moments(values: Floats, there: NDArray[np.uint8], first: int, last: int, c: int) -> tuple[int, float, float]:
    """Return number, mean and sum of squared differences of a pixel's values in some months."""
    number, total = 0, 0.0
    for t in range(first, last):
        if there[t, c]:
            number += 1
            total += values[t, c]
    mean, squares = total / max(number, 1), 0.0
    for t in range(first, last):
        if there[t, c]:
            squares += (values[t, c] - mean) ** 2
    return number, mean, squares


@njit(nogil=True, cache=True, error_model="numpy")
def _cost(number: int, squares: float) -> float:
    return number * np.log(squares / number + 1e-6)


@njit(nogil=True, cache=True, error_model="numpy")
def largest(
    values: Floats,
    there: NDArray[np.uint8],
    before: Integers,
    penalty: Floats,
    place: Integers,
    step: Floats,
    gain: Floats,
    breaks: Integers,
) -> None:
    """Find the changes of each pixel: the largest steps first, as many as `place` has rows; -1 and NaN for none.

    `gain` is what a change saves of the cost, its penalty subtracted.
    """
    months, pixels = values.shape
    place[:] = -1
    step[:] = np.nan
    gain[:] = np.nan
    for c in range(pixels):
        end, middle = months, before[months, c]
        while middle > 0:
            begin = before[middle, c]
            n1, mean1, squares1 = _moments(values, there, begin, middle, c)
            n2, mean2, squares2 = _moments(values, there, middle, end, c)
            n, _, squares = _moments(values, there, begin, end, c)
            saved = _cost(n, squares) - _cost(n1, squares1) - _cost(n2, squares2) - penalty[c]
            month = middle
            while not there[month, c]:
                month += 1
            breaks[c] += 1
            k = len(place)
            while k > 0 and (place[k - 1, c] < 0 or abs(step[k - 1, c]) < abs(mean2 - mean1)):
                if k < len(place):
                    place[k, c], step[k, c], gain[k, c] = place[k - 1, c], step[k - 1, c], gain[k - 1, c]
                k -= 1
            if k < len(place):
                place[k, c], step[k, c], gain[k, c] = month, mean2 - mean1, saved
            end, middle = middle, begin
