"""Compiled kernel of Lee's filter."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Power = NDArray[np.float32]
Sums = NDArray[np.float64]


@njit(nogil=True, cache=True, error_model="numpy")
def lee_rows(power: Power, means: Sums, variations: Sums, noise: float, out: NDArray[np.floating]) -> None:
    """Filter power by the statistics of its windows; `noise` is the speckle's squared coefficient of variation."""
    for r in range(power.shape[0]):
        line, source, mean, variation = out[r], power[r], means[r], variations[r]
        for c in range(source.size):
            weight = (1.0 - noise / variation[c]) / (1.0 + noise)
            weight = weight if weight > 0.0 else 0.0
            line[c] = mean[c] + weight * (source[c] - mean[c])
