"""Despeckling of a month by its ratio to a temporal mean; after Zhao et al. (RABASAR)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from s1monthly.kernels.options import SIGMA, WINDOW_SIZE
from s1monthly.kernels.speckle.lee_sigma import sigma_filter

Power = NDArray[np.float32]


def rabasar(
    power: Power,
    reference: Power,
    *,
    looks: float,
    threads: int = 1,
    window_size: int = WINDOW_SIZE,
) -> None:
    """Despeckle a month in place, by its ratio to the temporal mean of a reference period.

    Where nothing changed the ratio is speckle alone, without any detail of the ground. It is despeckled by `lee_sigma`
    (without targets, which have no place in a ratio), and multiplied by the mean again. So cities, coasts and borders
    of fields have the sharpness of the mean. What changed in this month stays: the range of the sigma filter parts it
    from its surroundings.

    A pixel that no month of the reference saw is despeckled without it, by `lee_sigma` from its like.

    Parameters
    ----------
    power : array (rows, columns) of float32
        Linear power, positive; NaN for no data. It is replaced by the result, valid at the same pixels.
    reference : array (rows, columns) of float32
        Temporal mean of the power; NaN where there is none.
    looks : float
        Equivalent number of looks of the ratio, see `looks.estimate_looks`. They are nearly those of the month, since
        the speckle of a mean of n months is small: L n / (n + 1) for a month outside the period, L n / (n - 1) within.
    threads : int
        Number of threads. The result does not depend on it.
    window_size : int
        Side of the window in pixels: odd. It is cut at the edge of the array.

    Raises
    ------
    S1MonthlyError
        If a value is zero, negative or infinite, or an option is out of range.

    References
    ----------
    Zhao, Deledalle, Denis, Maitre, Nicolas and Tupin (2019), Ratio-based multitemporal SAR images denoising: RABASAR,
    IEEE Trans. Geoscience and Remote Sensing 57(6), 3552-3565, doi:10.1109/TGRS.2018.2885683.
    """
    ratio = power / reference
    sigma_filter(ratio, ratio, looks, window_size, SIGMA, math.inf, threads)
    ratio *= reference
    alone = np.isnan(reference) & ~np.isnan(power)
    if alone.any():
        unseen = np.where(alone, power, np.float32(np.nan))
        sigma_filter(unseen, unseen, looks, window_size, SIGMA, math.inf, threads)
        ratio[alone] = unseen[alone]
    power[:] = ratio
