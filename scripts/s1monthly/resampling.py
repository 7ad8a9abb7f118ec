"""Resampling of power: bilinear, mean of blocks; no data is never smeared."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from s1monthly.errors import S1MonthlyError

ALGORITHM_VERSION = 1
"""Raised whenever the results of resampling change."""

Power = NDArray[np.float32]
Knots = NDArray[np.float64]

MASK_NODATA = 255
"""No data in the mask layer of OPERA RTC-S1."""

_LEAST_WEIGHT = 0.5  # share of the four neighbours' weight that must be valid
_WHOLE = 1.0 - 1e-9  # weight at which one neighbour is as good as hit


@njit(nogil=True, cache=True)
def _positions(knots: Knots, row: int, step: int, positions: NDArray[np.float64]) -> None:
    """Interpolate the knots to every pixel of one row."""
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
def _bilinear(values: Power, knot_rows: Knots, knot_cols: Knots, step: int, resampled: Power) -> None:
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


@njit(nogil=True, cache=True)
def _block_mean(values: Power, factor: int, means: Power) -> None:
    for i in range(means.shape[0]):
        for j in range(means.shape[1]):
            total = 0.0
            number = 0
            for r in range(i * factor, (i + 1) * factor):
                for c in range(j * factor, (j + 1) * factor):
                    if abs(values[r, c]) < np.inf:
                        total += values[r, c]
                        number += 1
            means[i, j] = total / number if 2 * number >= factor * factor else np.nan


def _checked(knot_rows: Knots, knot_cols: Knots, step: int, shape: tuple[int, int]) -> tuple[Knots, Knots]:
    needed = tuple(-(-(n - 1) // step) + 1 for n in shape) if step >= 1 and min(shape) >= 1 else None
    if needed is None or np.shape(knot_rows) != needed or np.shape(knot_cols) != needed:
        raise S1MonthlyError(
            f"knots of shape {np.shape(knot_rows)} and {np.shape(knot_cols)} do not cover {shape} pixels in steps of "
            f"{step}",
            f"pass source positions at every {step}th pixel, the last at or beyond the edge: {needed}",
        )
    return np.ascontiguousarray(knot_rows, dtype=np.float64), np.ascontiguousarray(knot_cols, dtype=np.float64)


def bilinear(values: Power, knot_rows: Knots, knot_cols: Knots, step: int, shape: tuple[int, int]) -> Power:
    """Resample power bilinearly at fractional source positions, without inventing values beside no data.

    A result is the mean of the valid ones among the four neighbours, by their bilinear weights. It is no data where
    these weights sum to less than 0.5, or where a single valid neighbour would make it up alone, unless its weight is 1
    (to 1e-9: the position hits it). What lies outside the source is no data.

    Parameters
    ----------
    values : array (rows, columns) of float32
        Source, linear power; NaN for no data.
    knot_rows, knot_cols : array of float64
        Fractional source rows and columns (integers at pixel centres) of the target pixels (0, 0), (0, step), ...;
        ceil((n - 1) / step) + 1 knots along an axis of n pixels. Between knots positions are bilinear. NaN: no data.
    step : int
        Target pixels from knot to knot.
    shape : tuple of int
        Rows and columns of the target.

    Returns
    -------
    array of float32
        Linear power on the target; NaN for no data.

    Raises
    ------
    S1MonthlyError
        If the knots do not fit the shape.
    """
    knot_rows, knot_cols = _checked(knot_rows, knot_cols, step, shape)
    resampled = np.empty(shape, np.float32)
    _bilinear(np.ascontiguousarray(values, dtype=np.float32), knot_rows, knot_cols, step, resampled)
    return resampled


def block_mean(values: Power, factor: int) -> Power:
    """Average power over blocks of factor x factor whole pixels.

    Parameters
    ----------
    values : array (rows, columns) of float32
        Linear power; NaN for no data.
    factor : int
        Pixels along a block's side.

    Returns
    -------
    array (rows / factor, columns / factor) of float32
        Mean of the block's valid pixels, summed in float64; NaN where less than half of them are valid.

    Raises
    ------
    S1MonthlyError
        If the array is not made of whole blocks.
    """
    rows, cols = values.shape
    if factor < 1 or rows % factor or cols % factor:
        raise S1MonthlyError(
            f"{rows} x {cols} pixels are not made of whole blocks of {factor} x {factor}",
            "choose a resolution that divides the side of the tile",
        )
    means = np.empty((rows // factor, cols // factor), np.float32)
    _block_mean(np.ascontiguousarray(values, dtype=np.float32), factor, means)
    return means
