"""Mean values of groups of pixels: of points and polygons."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def group_means(values: NDArray[np.generic], starts: NDArray[np.intp], *, decibels: bool) -> NDArray[np.float32]:
    """Average the valid pixels of each group; decibels are averaged as power.

    Parameters
    ----------
    values : array (pixels,)
        Values, group after group, NaN for no data.
    starts : array (groups,) of int
        Position of each group's first pixel, ascending. No group is empty.
    decibels : bool
        True for values in dB: the result is 10 log10 of the mean of 10 ** (value / 10).

    Returns
    -------
    array (groups,) of float32
        NaN for groups without a valid pixel. A group of one pixel keeps its value.
    """
    linear = np.exp(values.astype(np.float64) * (np.log(10) / 10)) if decibels else values.astype(np.float64)
    valid = np.isfinite(linear)
    number = np.add.reduceat(valid, starts, dtype=np.int64)
    total = np.add.reduceat(np.where(valid, linear, 0.0), starts)
    mean = np.where(number > 0, total, np.nan) / np.maximum(number, 1)
    return (10 * np.log10(mean) if decibels else mean).astype(np.float32)


def group_counts(count: NDArray[np.uint8], starts: NDArray[np.intp]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return of each group the share of valid pixels, and their mean count of passes (0 if none is valid).

    Parameters
    ----------
    count : array (pixels,) of uint8
        Passes at each pixel, group after group; 0 for no data.
    starts : array (groups,) of int
        As for `group_means`.
    """
    pixels = np.diff(np.append(starts, len(count)))
    valid = np.add.reduceat(count > 0, starts, dtype=np.int64)
    passes = np.add.reduceat(count, starts, dtype=np.int64) / np.maximum(valid, 1)
    return (valid / pixels).astype(np.float32), passes.astype(np.float32)
