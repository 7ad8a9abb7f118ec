"""Compiled kernel of the multi-temporal filter."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Passes = NDArray[np.float32]


@njit(nogil=True, cache=True, error_model="numpy")
def combine(passes: Passes, means: Passes) -> None:
    """Replace each pass by its local mean times the mean, over the passes valid at a pixel, of power / local mean."""
    number, rows, cols = passes.shape
    valid, total = np.empty(cols), np.empty(cols)
    for r in range(rows):
        valid[:] = 0.0
        total[:] = 0.0
        for k in range(number):
            line, mean = passes[k, r], means[k, r]
            for c in range(cols):
                there = line[c] > 0
                valid[c] += 1.0 if there else 0.0
                total[c] += line[c] / mean[c] if there else 0.0
        for k in range(number):
            line, mean = passes[k, r], means[k, r]
            for c in range(cols):
                line[c] = mean[c] * (total[c] / valid[c]) if line[c] > 0 else np.float32(np.nan)
