"""Compiled kernel of the Gamma-MAP filter."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Power = NDArray[np.float32]
Sums = NDArray[np.float64]


@njit(nogil=True, cache=True, error_model="numpy")
def gamma_map_rows(power: Power, means: Sums, variations: Sums, looks: float, out: Power) -> None:
    """Filter power by mean and squared coefficient of variation of its windows."""
    noise = 1.0 / looks
    for r in range(power.shape[0]):
        line, source = out[r], power[r]
        for c in range(source.size):
            mean, variation, x = means[r, c], variations[r, c], np.float64(source[c])
            alpha = (1.0 + noise) / (variation - noise)
            b = mean * (alpha - looks - 1.0)
            # with b < 0 the sum would cancel; the root's other form does not
            root = np.sqrt(b * b + 4.0 * alpha * looks * mean * x)
            between = (b + root) / (2.0 * alpha) if b > 0 else 2.0 * looks * mean * x / (root - b)
            smooth = mean if variation <= noise else between
            line[c] = x if variation >= 2.0 * noise else smooth
