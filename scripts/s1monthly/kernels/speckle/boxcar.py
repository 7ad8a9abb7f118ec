"""Despeckling by the mean of a window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from s1monthly.kernels.options import WINDOW_SIZE
from s1monthly.kernels.speckle._window import window_means
from s1monthly.kernels.speckle.window import filter_blocks, half_of

Power = NDArray[np.float32]


def boxcar(power: Power, out: Power, *, threads: int = 1, window_size: int = WINDOW_SIZE) -> None:
    """Replace each pixel by the mean power of the valid pixels of the window around it.

    Keeps the mean power; blurs everything that is smaller than the window.

    Parameters
    ----------
    power, out, threads
        Arguments of every method, see `despeckling.METHODS`.
    window_size : int
        Side of the window in pixels: odd. It is cut at the edge of the array.

    Raises
    ------
    S1MonthlyError
        If a value is zero, negative or infinite, or an option is out of range.
    """
    filter_blocks(lambda block, rows: window_means(block, window_size, rows), half_of(window_size), power, out, threads)
