"""Compiled loops of ``calibration``."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Counts = NDArray[np.uint16]
Singles = NDArray[np.float32]
Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


@njit(nogil=True, cache=True)
def _table_row(lines: Floats, values: Singles, line: float, first: int, row: Singles) -> None:
    """Interpolate a table linearly at a line; before the first and after the last vector it is constant."""
    after = 0
    while after < lines.shape[0] - 1 and lines[after] < line:
        after += 1
    before = max(after - 1, 0)
    weight = 1.0
    if after > before:
        weight = min(max((line - lines[before]) / (lines[after] - lines[before]), 0.0), 1.0)
    early, late = np.float32(1.0 - weight), np.float32(weight)
    for c in range(row.shape[0]):
        row[c] = early * values[before, first + c] + late * values[after, first + c]


@njit(nogil=True, cache=True)
def mean_power(
    counts: Counts,
    first_line: int,
    first_sample: int,
    gain_lines: Floats,
    gains: Singles,
    noise_lines: Floats,
    noises: Singles,
    bounds: Whole,
    starts: Whole,
    factors: Singles,
    looks: int,
    power: Singles,
) -> None:
    """Fill means of calibrated power; see `calibration.mean_power`."""
    width = power.shape[1] * looks
    gain, noise = np.empty(width, np.float32), np.zeros(width, np.float32)
    total, number = np.empty(power.shape[1]), np.empty(power.shape[1], np.int64)
    for r in range(power.shape[0]):
        total[:] = 0.0
        number[:] = 0
        for i in range(r * looks, (r + 1) * looks):
            line = first_line + i
            _table_row(gain_lines, gains, line, first_sample, gain)
            if noises.shape[0]:
                _table_row(noise_lines, noises, line, first_sample, noise)
                for block in range(bounds.shape[0]):
                    if bounds[block, 0] <= line <= bounds[block, 1]:
                        factor = factors[starts[block] + line - bounds[block, 0]]
                        start, stop = bounds[block, 2] - first_sample, bounds[block, 3] + 1 - first_sample
                        for c in range(max(start, 0), min(stop, width)):
                            noise[c] *= factor
            for c in range(power.shape[1]):
                for k in range(c * looks, (c + 1) * looks):
                    count = np.float32(counts[i, k])
                    if count > 0:
                        total[c] += (count * count - noise[k]) * gain[k]
                        number[c] += 1
        for c in range(power.shape[1]):
            power[r, c] = total[c] / number[c] if 2 * number[c] >= looks * looks else np.nan
