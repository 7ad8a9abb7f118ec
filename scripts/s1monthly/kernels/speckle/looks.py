"""The equivalent number of looks of a band, estimated from the band itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from s1monthly.kernels.speckle._looks import block_scatter

Power = NDArray[np.float32]

SIDE, FEWEST = 16, 20
"""Side of the blocks, and the comparisons within one from which it counts."""
MOST_BLOCKS = 20_000
"""Blocks from which every second strip, or more, is left out."""
STEP, SMOOTHING = 0.01, 0.05
"""Width of a bin, and standard deviation of the smoothing, of log10 looks."""
PEAK = 0.25
"""Height from which a peak counts, as a share of the highest one."""
SCATTER = 1.4
"""Scatter of log10 looks of blocks of pure speckle, times the root of the comparisons in one; at most."""
FEWEST_BLOCKS, ABOVE = 16, 0.125
"""Blocks from which they can agree, and how many may lie far above the peak for each that lies just above it."""
UPPER = 98
"""Percentile of the blocks that is taken where they do not agree."""
NO_SPECKLE, MOST_LOOKS = 1e-9, 1000.0
"""Variance of a constant's logarithm, at most; looks where there is no block with more, so that nothing is smoothed."""


class Looks(NamedTuple):
    """Looks of a band.

    Attributes
    ----------
    looks : float
        Equivalent number of looks.
    sure : bool
        False if no homogeneous area was found.
    """

    looks: float
    sure: bool


def estimate_looks(power: Power, threads: int = 1) -> Looks:
    """Estimate the equivalent number of looks from the homogeneous areas of a band.

    Each block of 16 x 16 pixels has the looks that explain how its power scatters, apart from slopes and borders, see
    `block_scatter`. Texture lowers them, homogeneous blocks agree. So the estimate is the most frequent value; if
    there are several, the largest that is a quarter as frequent as the first: too many looks smooth too little, which
    spoils less than too much.

    Blocks of speckle alone lie close above their most frequent value. If too many lie far above it, no homogeneous
    area is found: the estimate is the 98th percentile of the blocks, and not sure. Texture that is the same everywhere
    and from pixel to pixel cannot be told from speckle.

    Parameters
    ----------
    power : array (rows, columns) of float32
        Linear power; NaN for no data.
    threads : int
        Number of threads. The result does not depend on it.

    Returns
    -------
    Looks
        Looks, rounded to two decimals, and whether they are sure; 1000 and not sure if there is nothing to judge by.

    References
    ----------
    The mode of local estimates: Foucher, Boucher and Benie (2000), Maximum likelihood estimation of the number of
    looks in SAR images, MIKON 2000, doi:10.1109/MIKON.2000.914023; Anfinsen, Doulgeris and Eltoft (2009), Estimation
    of the equivalent number of looks in polarimetric SAR imagery, IEEE Trans. Geoscience and Remote Sensing 47(11),
    3795-3809, doi:10.1109/TGRS.2009.2019269. The logarithm of speckle of L looks has the variance trigamma(L).

    Examples
    --------
    >>> smooth = despeckle(vv_power, "lee", looks=estimate_looks(vv_power).looks)
    """
    variances, comparisons = _blocks(power, threads)
    if not variances.size:
        return Looks(MOST_LOOKS, False)
    logs = -np.log10(variances)
    peak, scatter = _peak(logs), SCATTER / np.sqrt(np.median(comparisons))
    near = np.count_nonzero((logs >= peak) & (logs < peak + scatter))
    above = np.count_nonzero(logs >= peak + 2 * scatter)
    sure = logs.size >= FEWEST_BLOCKS and above <= ABOVE * near
    chosen = peak if sure else float(np.percentile(logs, UPPER))
    return Looks(round(_looks_of(10.0**-chosen), 2), bool(sure))


def _blocks(power: Power, threads: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the variance of the logarithm of speckle, and the number of comparisons, of all blocks with speckle.

    Blocks overlap by half if there are not too many.
    """
    rows, cols = power.shape
    step = SIDE if rows * cols > MOST_BLOCKS * (SIDE // 2) ** 2 else SIDE // 2
    every = max(1, round(rows * cols / (MOST_BLOCKS * step**2)))
    with ThreadPoolExecutor(threads) as pool:
        tops = range(0, rows - SIDE + 1, step * every)
        found = list(pool.map(lambda top: block_scatter(power, top, SIDE, step, FEWEST), tops))
    variances, comparisons = np.concatenate([np.empty((2, 0)), *found], axis=1)
    there = variances > NO_SPECKLE
    return variances[there], comparisons[there]


def _peak(logs: NDArray[np.float64]) -> float:
    """Return the largest of the most frequent values."""
    low, high = logs.min() - 5 * SMOOTHING, logs.max() + 5 * SMOOTHING
    counts, edges = np.histogram(logs, np.arange(low, high + STEP, STEP))
    reach = np.arange(-4 * SMOOTHING, 4 * SMOOTHING + STEP / 2, STEP)
    smooth = np.convolve(counts, np.exp(-0.5 * (reach / SMOOTHING) ** 2), "same")
    before, here, after = smooth[:-2], smooth[1:-1], smooth[2:]
    peaks = np.flatnonzero((here >= before) & (here > after) & (here >= PEAK * smooth.max()))
    return float(edges[peaks.max() + 1]) + STEP / 2


def _looks_of(variance: float) -> float:
    """Return the looks of speckle whose logarithm has this variance: the inverse of the trigamma function."""
    low, high = -3.0, 12.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _trigamma(10.0**middle) > variance else (low, middle)
    return 10.0**high


def _trigamma(x: float) -> float:
    """Return the trigamma function, by its recurrence and asymptotic series; to 1e-8."""
    y = x + 6.0
    return sum((x + k) ** -2 for k in range(6)) + 1 / y + 1 / (2 * y**2) + 1 / (6 * y**3) - 1 / (30 * y**5)
