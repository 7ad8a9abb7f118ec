"""What all window filters share: checks, blocks of rows, threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from s1monthly.errors import S1MonthlyError
from s1monthly.kernels.options import LARGEST_WINDOW, SMALLEST_WINDOW
from s1monthly.kernels.speckle._window import bad_values, padded_rows

Power = NDArray[np.float32]

BLOCK_ROWS = 64


def filter_blocks(filtered: Callable[[Power, Power], None], half: int, power: Power, out: Power, threads: int) -> None:
    """Filter block by block of rows, each with a margin, so that blocks and threads do not show in the result.

    Parameters
    ----------
    filtered : callable
        Called with a padded block (see `_window`) and the rows of `out` to fill; values of invalid pixels do not
        matter.
    half : int
        Rows and columns that a pixel's result depends on, to each side.
    power, out, threads
        Arguments of every method, see `despeckling.METHODS`.

    Raises
    ------
    S1MonthlyError
        If a value is zero, negative or infinite.
    """
    rows = power.shape[0]
    source = power.copy() if np.may_share_memory(power, out) else power

    def work(first: int) -> None:
        last = min(first + BLOCK_ROWS, rows)
        target = out[first:last]
        filtered(padded_rows(source, first, last, half), target)
        target[np.isnan(source[first:last])] = np.nan

    with ThreadPoolExecutor(threads) as pool:
        starts = range(0, rows, BLOCK_ROWS)
        bad = sum(pool.map(lambda first: bad_values(power, first, min(first + BLOCK_ROWS, rows)), starts))
        if bad:
            raise S1MonthlyError(
                f"{bad} power values are zero, negative or infinite, and cannot be despeckled",
                "set what is not valid to NaN before despeckling",
            )
        list(pool.map(work, starts))


def inner(block: Power, half: int) -> Power:
    """Return a padded block without its margin."""
    return block[half : block.shape[0] - half, half : block.shape[1] - half]


def half_of(window_size: int) -> int:
    """Return how many pixels a window reaches to each side.

    Raises
    ------
    S1MonthlyError
        If the size is even or out of range.
    """
    if window_size % 2 == 0 or not SMALLEST_WINDOW <= window_size <= LARGEST_WINDOW:
        raise S1MonthlyError(
            f"a window of {window_size} pixels", f"use an odd number from {SMALLEST_WINDOW} to {LARGEST_WINDOW}"
        )
    return window_size // 2


def speckle_variation(looks: float) -> float:
    """Return the squared coefficient of variation of speckle of so many looks.

    Raises
    ------
    S1MonthlyError
        If `looks` is not a positive number.
    """
    if not 0 < looks < np.inf:
        raise S1MonthlyError(f"despeckling with {looks} looks", "give a positive number of looks")
    return 1.0 / looks
