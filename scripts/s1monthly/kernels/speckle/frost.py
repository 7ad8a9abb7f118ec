"""Despeckling by weights that fall with the distance, the faster the more a window varies; after Frost."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from s1monthly.errors import S1MonthlyError
from s1monthly.kernels.options import DAMPING, WINDOW_SIZE
from s1monthly.kernels.speckle._frost import frost_rows
from s1monthly.kernels.speckle._window import mean_and_variation, window_sums
from s1monthly.kernels.speckle.window import filter_blocks, half_of

Power = NDArray[np.float32]


def frost(
    power: Power, out: Power, *, threads: int = 1, window_size: int = WINDOW_SIZE, damping: float = DAMPING
) -> None:
    """Take the mean of the window with weights exp(-damping Ci^2 d).

    Ci is the coefficient of variation of the window and d the distance to the pixel, in pixels, as in OTB (`deramp`).
    A homogeneous window gives nearly its mean; a single bright pixel nearly keeps its value.

    Parameters
    ----------
    power, out, threads
        Arguments of every method, see `despeckling.METHODS`.
    window_size : int
        Side of the window in pixels: odd. It is cut at the edge of the array.
    damping : float
        Larger keeps more detail and more speckle; 0 is the boxcar.

    Raises
    ------
    S1MonthlyError
        If a value is zero, negative or infinite, or an option is out of range.

    References
    ----------
    Frost, Stiles, Shanmugan and Holtzman (1982), A model for radar images and its application to adaptive digital
    filtering of multiplicative noise, IEEE Trans. PAMI 4(2), 157-166, doi:10.1109/TPAMI.1982.4767223.
    """
    if not (damping >= 0 and math.isfinite(damping)):
        raise S1MonthlyError(f"frost with {damping=}", "give a number of at least 0")
    half = half_of(window_size)
    distances2 = np.array(sorted({y * y + x * x for y in range(half + 1) for x in range(half + 1)}), np.int64)

    def filtered(block: Power, rows: Power) -> None:
        _, variations = mean_and_variation(window_sums(block, window_size))
        frost_rows(block, variations, damping, distances2, rows)

    filter_blocks(filtered, half, power, out, threads)
