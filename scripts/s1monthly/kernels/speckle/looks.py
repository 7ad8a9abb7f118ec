"""The equivalent number of looks of a band, estimated from the band itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from s1monthly.kernels.speckle._window import block_variations

Power = NDArray[np.float32]

SIDE = 7
FEWEST = 40
"""Side of the blocks, and the valid pixels of one from which it counts."""
STEP, SMOOTHING = 0.01, 0.04
"""Width of a bin, and standard deviation of the smoothing, of log10 looks."""


def estimate_looks(power: Power, threads: int = 1) -> float:
    """Estimate the equivalent number of looks from the homogeneous areas of a band.

    Each block of 7 x 7 pixels has mean^2 / variance looks. Texture and edges lower it, homogeneous blocks agree: the
    most frequent value (the mode of the logarithms, which the scatter of the variances does not shift) is that of
    homogeneous areas.

    Parameters
    ----------
    power : array (rows, columns) of float32
        Linear power; NaN for no data.
    threads : int
        Number of threads. The result does not depend on it.

    Returns
    -------
    float
        Looks, rounded to two decimals; 1 if there is no block to judge by.

    References
    ----------
    Foucher, Boucher and Benie (2000), Maximum likelihood estimation of the number of looks in SAR images, MIKON 2000,
    doi:10.1109/MIKON.2000.914023; Anfinsen, Doulgeris and Eltoft (2009), Estimation of the equivalent number of looks
    in polarimetric SAR imagery, IEEE Trans. Geoscience and Remote Sensing 47(11), 3795-3809,
    doi:10.1109/TGRS.2009.2019269.
    """
    with ThreadPoolExecutor(threads) as pool:
        tops = range(0, power.shape[0] - SIDE + 1, SIDE)
        found = list(pool.map(lambda top: block_variations(power, top, SIDE, FEWEST), tops))
    variations = np.concatenate([np.empty(0), *found])
    variations = variations[variations > 0]
    if not variations.size:
        return 1.0
    logs = -np.log10(variations)
    low, high = logs.min() - 5 * SMOOTHING, logs.max() + 5 * SMOOTHING
    counts, edges = np.histogram(logs, np.arange(low, high + STEP, STEP))
    reach = np.arange(-4 * SMOOTHING, 4 * SMOOTHING + STEP / 2, STEP)
    smooth = np.convolve(counts, np.exp(-0.5 * (reach / SMOOTHING) ** 2), "same")
    return round(float(10.0 ** (edges[smooth.argmax()] + STEP / 2)), 2)
