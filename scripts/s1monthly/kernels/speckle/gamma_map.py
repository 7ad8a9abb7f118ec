"""Despeckling by the most probable value under a Gamma distribution of scene and speckle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from s1monthly.kernels.options import WINDOW_SIZE
from s1monthly.kernels.speckle._gamma_map import gamma_map_rows
from s1monthly.kernels.speckle._window import mean_and_variation, window_sums
from s1monthly.kernels.speckle.window import filter_blocks, half_of, inner, speckle_variation

Power = NDArray[np.float32]


def gamma_map(power: Power, out: Power, *, looks: float, threads: int = 1, window_size: int = WINDOW_SIZE) -> None:
    """Take the most probable power, if scene and speckle are both Gamma distributed.

    With Ci the coefficient of variation of the window, Cu = 1 / sqrt(L) that of speckle of L looks, m the mean and x
    the pixel: the mean where Ci <= Cu (homogeneous), x where Ci >= sqrt(2) Cu (a target or an edge), and between them
    (m (a - L - 1) + sqrt(m^2 (a - L - 1)^2 + 4 a L m x)) / (2 a) with a = (1 + Cu^2) / (Ci^2 - Cu^2). A single bright
    pixel keeps its value, and so do the pixels around it.

    Parameters
    ----------
    power, out, threads
        Arguments of every method, see `despeckling.METHODS`.
    looks : float
        Equivalent number of looks of `power`.
    window_size : int
        Side of the window in pixels: odd. It is cut at the edge of the array.

    Raises
    ------
    S1MonthlyError
        If a value is zero, negative or infinite, or an option is out of range.

    References
    ----------
    Lopes, Nezry, Touzi and Laur (1990), Maximum a posteriori speckle filtering and first order texture models in SAR
    images, IGARSS 1990, 2409-2412, doi:10.1109/IGARSS.1990.689026.
    """
    half = half_of(window_size)
    speckle_variation(looks)

    def filtered(block: Power, rows: Power) -> None:
        gamma_map_rows(inner(block, half), *mean_and_variation(window_sums(block, window_size)), looks, rows)

    filter_blocks(filtered, half, power, out, threads)
