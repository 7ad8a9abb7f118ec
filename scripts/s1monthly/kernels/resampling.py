"""Resampling of power, bilinear or by block means, without spreading no data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from s1monthly.errors import S1MonthlyError

Power = NDArray[np.float32]
Knots = NDArray[np.float64]


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
    """Resample power bilinearly at fractional source positions, without extrapolating into no data.

    Each result is the weighted mean of the valid pixels among its four neighbours. It is no data if their weights sum
    to less than 0.5, or if only one neighbour is valid, unless the position hits it (its weight is 1 within 1e-9).
    Pixels outside the source are no data.

    Parameters
    ----------
    values : array (rows, columns) of float32
        Linear power of the source; NaN for no data.
    knot_rows, knot_cols : array of float64
        Fractional source rows and columns (integers at pixel centres) of the target pixels (0, 0), (0, step), ...;
        ceil((n - 1) / step) + 1 knots along an axis of n pixels. Positions between knots are interpolated bilinearly.
        NaN gives no data.
    step : int
        Target pixels between knots.
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
    from s1monthly.kernels._resampling import fill_bilinear  # imported late: loading the compiled code is slow

    knot_rows, knot_cols = _checked(knot_rows, knot_cols, step, shape)
    resampled = np.empty(shape, np.float32)
    fill_bilinear(np.ascontiguousarray(values, dtype=np.float32), knot_rows, knot_cols, step, resampled)
    return resampled


def between_knots(knots: Knots, step: int, shape: tuple[int, int]) -> Knots:
    """Interpolate bilinearly between the knots of a grid, for every pixel; knots are as in `bilinear`, at least."""
    for axis, size in enumerate(shape):
        place, share = np.divmod(np.arange(size), step)
        share = np.expand_dims(share / step, 1 - axis)
        after = np.minimum(place + 1, knots.shape[axis] - 1)
        knots = (1 - share) * np.take(knots, place, axis) + share * np.take(knots, after, axis)
    return knots


def block_mean(values: Power, factor: int) -> Power:
    """Average power over blocks of factor x factor pixels.

    Parameters
    ----------
    values : array (rows, columns) of float32
        Linear power; NaN for no data.
    factor : int
        Side of a block in pixels.

    Returns
    -------
    array (rows / factor, columns / factor) of float32
        Mean of the block's valid pixels, summed in float64; NaN if less than half of its pixels are valid.

    Raises
    ------
    S1MonthlyError
        If the array's sides are not multiples of `factor`.
    """
    rows, cols = values.shape
    if factor < 1 or rows % factor or cols % factor:
        raise S1MonthlyError(
            f"{rows} x {cols} pixels are not made of whole blocks of {factor} x {factor}",
            "choose a resolution that divides the side of the tile",
        )

    # Sum rows first, then columns, so that each step works on long contiguous vectors.
    def summed(part: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
        columns = part.reshape(-1, factor, cols).sum(axis=1, dtype=dtype)
        total: NDArray[Any] = sum(columns[:, column::factor] for column in range(factor))
        return total

    means = np.full((rows // factor, cols // factor), np.nan, np.float32)
    valid = np.abs(values) < np.inf
    if valid.all():  # nearly always
        np.divide(summed(values, np.float64), factor * factor, out=means, casting="same_kind")
    elif valid.any():
        total, number = summed(np.where(valid, values, np.float32(0)), np.float64), summed(valid, np.uint16)
        np.divide(total, number, out=means, where=2 * number >= factor * factor, casting="same_kind")
    return means
