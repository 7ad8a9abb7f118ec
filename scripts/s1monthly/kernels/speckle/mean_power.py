"""The correction that gives a despeckled band the local mean power of its input."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from s1monthly.kernels.speckle._window import padded_rows, window_means
from s1monthly.kernels.speckle.window import BLOCK_ROWS

Power = NDArray[np.float32]

HALF = 15
"""Half of the window over which the mean power is kept: 31 x 31 pixels."""
BRIGHT = 10.0
"""Times the harmonic mean of its window from which a pixel is a target, before or after despeckling."""


def keep_mean_power(power: Power, despeckled: Power, threads: int = 1) -> None:
    """Multiply a despeckled band by local mean power over local mean despeckled power.

    A filter that works in decibels gives speckle its geometric mean, which is below its mean. The factor gives back
    what lacks, over 31 x 31 pixels. Targets are left out: what the filter took from them is not given to their
    surroundings.

    Parameters
    ----------
    power : array (rows, columns) of float32
        Linear power before despeckling; NaN for no data.
    despeckled : array (rows, columns) of float32
        Linear power after it, valid at the same pixels; changed in place.
    threads : int
        Number of threads. The result does not depend on it.
    """
    before, after = power.copy(), despeckled.copy()
    targets = np.empty(power.shape, bool)
    inverse = np.float32(1) / despeckled

    def find(rows: slice) -> None:
        targets[rows] = np.maximum(power[rows], despeckled[rows]) * _means(inverse, rows) > BRIGHT

    def correct(rows: slice) -> None:
        wanted, found = _means(before, rows), _means(after, rows)
        despeckled[rows] *= np.divide(wanted, found, out=np.ones_like(found), where=found > 0)

    blocks = [slice(first, min(first + BLOCK_ROWS, len(power))) for first in range(0, len(power), BLOCK_ROWS)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(find, blocks))
        before[targets] = after[targets] = np.nan
        list(pool.map(correct, blocks))


def _means(values: Power, rows: slice) -> Power:
    """Return the mean of the valid values in the window around each pixel of some rows; NaN without any."""
    means = np.empty((rows.stop - rows.start, values.shape[1]), np.float32)
    window_means(padded_rows(values, rows.start, rows.stop, HALF), 2 * HALF + 1, means)
    return means
