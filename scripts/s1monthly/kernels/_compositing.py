"""Compiled loops of compositing: mosaics of passes, statistics over passes, counts."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from s1monthly.kernels.options import COMPOSITE_METHODS

Power = NDArray[np.float32]
Counts = NDArray[np.uint8]

LANES = 512  # pixels processed side by side
_MOST = 255  # largest count in uint8
MEDIAN, MEAN = COMPOSITE_METHODS.index("median"), COMPOSITE_METHODS.index("mean")


@njit(nogil=True, cache=True)
def add_window(total: NDArray[np.float64], number: NDArray[np.uint16], window: Power, row: int, col: int) -> None:
    cols = window.shape[1]
    for r in range(window.shape[0]):
        line, sums, counts = window[r], total[row + r, col : col + cols], number[row + r, col : col + cols]
        for c in range(cols):
            good = abs(line[c]) < np.inf
            sums[c] += line[c] if good else np.float32(0)
            counts[c] += np.uint16(good)


@njit(nogil=True, cache=True, error_model="numpy")
def divide(total: NDArray[np.float64], number: NDArray[np.uint16], power: Power) -> None:
    for r in range(power.shape[0]):
        for c in range(power.shape[1]):
            power[r, c] = total[r, c] / number[r, c]  # 0 / 0 is NaN


@njit(nogil=True, cache=True)
def place(mosaic: Power, window: Power, row: int, col: int, replace: bool) -> None:
    for r in range(window.shape[0]):
        for c in range(window.shape[1]):
            x = window[r, c]
            if abs(x) < np.inf and (replace or np.isnan(mosaic[row + r, col + c])):
                mosaic[row + r, col + c] = x


@njit(nogil=True, cache=True)
def _take(source: Power, line: Power, valid: NDArray[np.int32]) -> np.int32:
    """Copy a line with no data as infinity; add its valid pixels to `valid` and return their number."""
    top, one, zero = np.float32(np.inf), np.int32(1), np.int32(0)
    some = zero
    line[source.size :] = top
    for k in range(source.size):
        x = source[k]
        good = abs(x) < top
        line[k] = x if good else top
        valid[k] += one if good else zero
        some += one if good else zero
    return some


@njit(nogil=True, cache=True, fastmath={"nnan", "nsz"})
def _exchange(a: Power, b: Power) -> None:
    for k in range(LANES):
        x, y = a[k], b[k]
        a[k] = x if x < y else y
        b[k] = y if x < y else x


@njit(nogil=True, cache=True)
def _sort_lanes(values: Power, number: int) -> None:
    """Sort values[:number], without NaN, along the first axis in every lane by Batcher's merge exchange.

    Knuth, The Art of Computer Programming, volume 3, section 5.2.2, algorithm M. Its comparisons do not depend on the
    data, so the same vector instructions sort LANES pixels at once.
    """
    top = 1
    while 2 * top < number:
        top *= 2
    p = top if number > 1 else 0
    while p > 0:
        q, r, d = top, 0, p
        while True:
            for i in range(number - d):
                if i & p == r:
                    _exchange(values[i], values[i + d])
            if q == p:
                break
            d = q - p
            q //= 2
            r = p
        p //= 2


@njit(nogil=True, cache=True)
def _pick(line: Power, rank: NDArray[np.int32], n: np.int32, out: Power) -> None:
    """Copy a line's values to `out` in the lanes whose rank is n."""
    for k in range(LANES):
        x, y = line[k], out[k]
        out[k] = x if rank[k] == n else y


@njit(nogil=True, cache=True)
def _ranks(valid: NDArray[np.int32], low: NDArray[np.int32], high: NDArray[np.int32]) -> None:
    """Compute the ranks of the two middle values of `valid` sorted values."""
    for k in range(LANES):
        low[k] = (valid[k] - np.int32(1)) >> np.int32(1)
        high[k] = valid[k] >> np.int32(1)


@njit(nogil=True, cache=True)
def _halve(low: Power, high: Power, valid: NDArray[np.int32], power: Power) -> None:
    """Compute the median from the two middle values, which are the same value if their number is odd."""
    half, nothing, odd = np.float32(0.5), np.float32(np.nan), np.int32(1)
    for k in range(power.size):
        x, y = low[k], high[k]
        mean = half * x + half * y
        some = x if (valid[k] & odd) == odd else mean
        power[k] = some if valid[k] > 0 else nothing


@njit(nogil=True, cache=True)
def _saturate(valid: NDArray[np.int32], count: Counts) -> None:
    most = np.int32(_MOST)
    for k in range(count.size):
        count[k] = min(valid[k], most)


@njit(nogil=True, cache=True)
def composite_rows(
    passes: NDArray[np.float32], first: int, method: int, trim_fraction: float, power: Power, count: Counts
) -> None:
    """Composite the rows of ``passes`` from ``first`` on into ``power``; ``method`` indexes COMPOSITE_METHODS.

    The mean is a trimmed mean that cuts nothing.
    """
    rows, cols = power.shape
    values = np.empty((passes.shape[0], LANES), np.float32)
    valid = np.empty(LANES, np.int32)
    total = np.empty(LANES, np.float64)
    cut = np.empty(LANES, np.int32)
    middle = np.zeros((2, LANES), np.float32)
    ranks = np.zeros((2, LANES), np.int32)
    top = np.float32(np.inf)
    for r in range(rows):
        for c in range(0, cols, LANES):
            width = min(LANES, cols - c)
            # Skip passes that are empty here. In the others no data is infinity, which sorts to the end.
            valid[:] = 0
            number = 0
            for n in range(passes.shape[0]):
                if _take(passes[n, first + r, c : c + width], values[number], valid) > 0:
                    number += 1
            if number > 1 and method != MEAN:
                _sort_lanes(values, number)
            if method == MEDIAN:
                _ranks(valid, ranks[0], ranks[1])
                for n in range(number):
                    _pick(values[n], ranks[0], np.int32(n), middle[0])
                    _pick(values[n], ranks[1], np.int32(n), middle[1])
                _halve(middle[0], middle[1], valid, power[r, c : c + width])
            else:
                total[:] = 0
                for k in range(width):
                    cut[k] = 0 if method == MEAN else int(trim_fraction * valid[k])
                for n in range(number):
                    line = values[n]
                    for k in range(width):
                        inside = (line[k] < top) & (n >= cut[k]) & ((method == MEAN) | (n < valid[k] - cut[k]))
                        total[k] += line[k] if inside else np.float32(0)
                for k in range(width):
                    n = valid[k] - 2 * cut[k]
                    power[r, c + k] = total[k] / n if n > 0 else np.nan
            _saturate(valid, count[r, c : c + width])


@njit(nogil=True, cache=True)
def spread_rows(levels: NDArray[np.float32], fractions: NDArray[np.float64], out: NDArray[np.float32]) -> None:
    """Compute statistics over the passes in ``levels`` (pass, rows, columns) into ``out`` (statistic, rows, columns).

    A fraction is that of a percentile; NaN stands for the standard deviation.
    """
    rows, cols = levels.shape[1:]
    values = np.empty((levels.shape[0], LANES), np.float32)
    valid = np.empty(LANES, np.int32)
    for r in range(rows):
        for c in range(0, cols, LANES):
            width = min(LANES, cols - c)
            valid[:] = 0
            number = 0
            for n in range(levels.shape[0]):
                if _take(levels[n, r, c : c + width], values[number], valid) > 0:
                    number += 1
            _sort_lanes(values, number)
            for s in range(fractions.size):
                line = out[s, r, c : c + width]
                if np.isnan(fractions[s]):
                    _deviate(values[:number], valid, line)
                else:
                    _interpolate(values, valid, fractions[s], line)


@njit(nogil=True, cache=True, error_model="numpy")
def _deviate(values: Power, valid: NDArray[np.int32], out: Power) -> None:
    """Compute the population standard deviation of the finite values of each lane."""
    mean, total = np.zeros(LANES, np.float64), np.zeros(LANES, np.float64)
    top = np.float32(np.inf)
    for n in range(values.shape[0]):
        for k in range(LANES):
            mean[k] += values[n, k] if values[n, k] < top else np.float32(0)
    for k in range(LANES):
        mean[k] /= valid[k]
    for n in range(values.shape[0]):
        for k in range(LANES):
            off = values[n, k] - mean[k]
            total[k] += off * off if values[n, k] < top else 0.0
    for k in range(out.size):
        out[k] = np.sqrt(total[k] / valid[k])  # 0 / 0 is NaN


@njit(nogil=True, cache=True)
def _interpolate(values: Power, valid: NDArray[np.int32], fraction: float, out: Power) -> None:
    """Interpolate between the two sorted values beside the rank (valid - 1) x fraction, as numpy's percentiles do."""
    for k in range(out.size):
        if valid[k] == 0:
            out[k] = np.nan
            continue
        rank = (valid[k] - 1) * fraction
        below = int(rank)
        part = rank - below
        low, high = np.float64(values[below, k]), np.float64(values[below + (part > 0.0), k])
        out[k] = low + (high - low) * part


@njit(nogil=True, cache=True, error_model="numpy")
def local_resolution_rows(passes: NDArray[np.float32], areas: NDArray[np.float32], power: Power, count: Counts) -> None:
    """Average the passes (pass, rows, columns), weighted by 1 / area, into ``power``."""
    rows, cols = power.shape
    total, weights = np.empty(cols, np.float64), np.empty(cols, np.float64)
    valid = np.empty(cols, np.int32)
    for r in range(rows):
        total[:], weights[:], valid[:] = 0, 0, 0
        for n in range(passes.shape[0]):
            line, area = passes[n, r], areas[n, r]
            for c in range(cols):
                good = (abs(line[c]) < np.inf) & (area[c] > 0) & (area[c] < np.inf)
                weight = 1.0 / area[c] if good else 0.0
                total[c] += weight * line[c] if good else 0.0
                weights[c] += weight
                valid[c] += np.int32(good)
        for c in range(cols):
            power[r, c] = total[c] / weights[c]  # 0 / 0 is NaN
        _saturate(valid, count[r])


@njit(nogil=True, cache=True)
def count_disagreeing(values: NDArray[np.float32], count: Counts, exact: bool) -> int:
    in_rows = np.zeros(values.shape[0], np.int32)  # 32 bits fit more pixels into a vector
    for r in range(values.shape[0]):
        line, passes = values[r], count[r]
        for c in range(values.shape[1]):
            there, seen = line[c] == line[c], passes[c] != 0
            in_rows[r] += (there & (not seen)) | (exact & seen & (not there))
    return in_rows.sum()
