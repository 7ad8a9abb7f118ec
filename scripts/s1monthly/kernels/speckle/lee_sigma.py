"""Despeckling by the pixels whose power lies within the speckle of the pixel's own; after Lee (improved sigma)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from s1monthly.errors import S1MonthlyError
from s1monthly.kernels.options import SIGMA, WINDOW_SIZE
from s1monthly.kernels.speckle._lee import lee_rows
from s1monthly.kernels.speckle._lee_sigma import keep_pixels, sums_in_range
from s1monthly.kernels.speckle._window import mean_and_variation, window_sums
from s1monthly.kernels.speckle.window import filter_blocks, half_of, inner, speckle_variation

Power = NDArray[np.float32]

MOST_LOOKS = 1000.0
"""Looks from which the sigma range no longer narrows: there is next to no speckle."""
BRIGHT = 98
"""Percentile of the band from which a pixel may belong to a target."""


def lee_sigma(
    power: Power,
    out: Power,
    *,
    looks: float,
    threads: int = 1,
    window_size: int = WINDOW_SIZE,
    sigma: float = SIGMA,
) -> None:
    """Filter with those pixels of the window that may be speckle around the pixel's own power.

    1. Targets keep their value: bright pixels, from the band's 98th percentile on, in a 3 x 3 window that holds at
       least five of them around a bright centre.
    2. The pixel's power is guessed by `lee` in a 3 x 3 window.
    3. The window's pixels within the sigma range of this guess, which holds the fraction `sigma` of the speckle and
       has its mean, give mean and variance for `lee`, with the speckle's variance within that range.

    If no pixel lies in the range, the pixel keeps its value. So does a single bright pixel on a constant, but for a
    factor 1 / (1 + 1 / looks).

    Parameters
    ----------
    power, out, threads
        Arguments of every method, see `despeckling.METHODS`.
    looks : float
        Equivalent number of looks of `power`.
    window_size : int
        Side of the window in pixels: odd. It is cut at the edge of the array.
    sigma : float
        Fraction of the speckle within the range, above 0 and below 1.

    Raises
    ------
    S1MonthlyError
        If a value is zero, negative or infinite, or an option is out of range.

    References
    ----------
    Lee, Wen, Ainsworth, Chen and Chen (2009), Improved sigma filter for speckle filtering of SAR imagery, IEEE Trans.
    Geoscience and Remote Sensing 47(1), 202-213, doi:10.1109/TGRS.2008.2002881.
    """
    valid = power[~np.isnan(power)]
    bright = float(np.percentile(valid, BRIGHT)) if valid.size else math.inf
    sigma_filter(power, out, looks, window_size, sigma, bright, threads)


def sigma_filter(
    power: Power, out: Power, looks: float, window_size: int, sigma: float, bright: float, threads: int
) -> None:
    """Run `lee_sigma` with targets from the power `bright` on; infinity: without targets."""
    half, noise = half_of(window_size), speckle_variation(looks)
    low, high, spread = sigma_range(looks, sigma)
    margin = max(half, 2)  # a target's cluster reaches two pixels

    def filtered(block: Power, rows: Power) -> None:
        center, priors = inner(block, margin), np.empty(rows.shape)
        small = inner(block, margin - 1)
        lee_rows(center, *mean_and_variation(window_sums(small, 3)), noise, priors)
        sums = sums_in_range(inner(block, margin - half), priors, low, high)
        lee_rows(center, *mean_and_variation(sums), spread, rows)
        keep_pixels(block, sums[0], bright, rows)

    filter_blocks(filtered, margin, power, out, threads)


@cache
def sigma_range(looks: float, sigma: float) -> tuple[float, float, float]:
    """Return the ends of the sigma range in units of the mean, and the squared coefficient of variation within it.

    The range holds the fraction `sigma` of Gamma distributed speckle of mean 1, and its own mean is 1. The latter holds
    exactly where z^L exp(-L z) is the same at both ends.

    Raises
    ------
    S1MonthlyError
        If `sigma` is not between 0 and 1.
    """
    if not 0 < sigma < 1:
        raise S1MonthlyError(f"lee_sigma with {sigma=}", "give a fraction above 0 and below 1, such as 0.9")

    looks = min(looks, MOST_LOOKS)

    def upper(low: float) -> float:
        level = math.log(low) - low
        return _root(lambda z: level - (math.log(z) - z), 1.0, 2.0 - level)

    def share(low: float, order: int) -> float:
        return _gamma(looks + order, looks * upper(low)) - _gamma(looks + order, looks * low)

    low = _root(lambda z: sigma - share(z, 0), 1e-300, 1.0)
    second = (looks + 1) / looks * share(low, 2)
    return low, upper(low), second / share(low, 0) - 1.0


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function that grows from below 0 to above 0 is 0."""
    for _ in range(100):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if function(middle) < 0 else (low, middle)
    return 0.5 * (low + high)


def _gamma(a: float, x: float) -> float:
    """Return the regularized lower incomplete gamma function P(a, x) by its power series."""
    term = total = 1.0
    n = 0
    while term > 1e-17 * total:
        n += 1
        term *= x / (a + n)
        total += term
    return total * math.exp(a * math.log(x) - x - math.lgamma(a + 1.0))
