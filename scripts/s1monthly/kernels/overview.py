"""8-bit pictures of bands at full resolution, with a fixed stretch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

ROWS = 64
"""Rows computed at a time, so that temporaries stay in the cache."""


def stretched(values: NDArray[np.float32], low: float, high: float, threads: int = 1) -> NDArray[np.uint8]:
    """Stretch values linearly to 8 bits: `low` and less become 1, `high` and more 255, no data 0.

    A grey level g stands for ``low + (g - 1) / 254 * (high - low)``.

    Parameters
    ----------
    values : array (rows, columns)
        NaN for no data.
    low, high : float
        Ends of the stretch.
    threads : int
        The result does not depend on it.

    Examples
    --------
    >>> stretched(np.float32([[-20, -10, 0, np.nan]]), -20, 0)
    array([[  1, 128, 255,   0]], dtype=uint8)
    """
    picture = np.empty(values.shape, np.uint8)

    def work(first: int) -> None:
        rows = slice(first, first + ROWS)
        level = np.rint(np.clip((values[rows] - np.float32(low)) * np.float32(254 / (high - low)), 0, 254)) + 1
        picture[rows] = np.where(np.isnan(level), 0, level)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(0, len(values), ROWS)))
    return picture
