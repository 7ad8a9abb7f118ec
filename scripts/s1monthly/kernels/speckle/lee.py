"""Despeckling by local statistics, after Lee."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from s1monthly.kernels.options import WINDOW_SIZE
from s1monthly.kernels.speckle._lee import lee_rows
from s1monthly.kernels.speckle._window import mean_and_variation, window_sums
from s1monthly.kernels.speckle.window import filter_blocks, half_of, inner, speckle_variation

Power = NDArray[np.float32]


def lee(power: Power, out: Power, *, looks: float, threads: int = 1, window_size: int = WINDOW_SIZE) -> None:
    """Estimate each pixel by m + b (x - m), where m is the mean of its window and b the signal's share of the variance.

    b = max(var_x / var, 0) with var_x = (var - m^2 eta^2) / (1 + eta^2) and eta^2 = 1 / looks. A homogeneous window
    gives its mean. A bright target far above its surroundings keeps its value, but for a factor 1 / (1 + eta^2).

    This is Lee's filter in the exact form of Lee and Pottier and of gee_s1_ard, which is also Kuan's. OTB's and SNAP's
    filter of this name has b = 1 - eta^2 m^2 / var, without the factor 1 / (1 + eta^2).

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
    Lee (1980), Digital image enhancement and noise filtering by use of local statistics, IEEE Trans. PAMI 2(2),
    165-168, doi:10.1109/TPAMI.1980.4766994; Lee and Pottier (2009), Polarimetric Radar Imaging, chapter 5,
    doi:10.1201/9781420054989.
    """
    half, noise = half_of(window_size), speckle_variation(looks)

    def filtered(block: Power, rows: Power) -> None:
        lee_rows(inner(block, half), *mean_and_variation(window_sums(block, window_size)), noise, rows)

    filter_blocks(filtered, half, power, out, threads)
