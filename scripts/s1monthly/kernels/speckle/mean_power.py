"""The correction that gives a despeckled band the local mean power of its input."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from s1monthly.kernels.speckle.boxcar import boxcar

Power = NDArray[np.float32]

WINDOW = 31
"""Side of the window over which the mean power is kept, pixels."""
MOST = 5.0
"""Power over despeckled power up to which it counts: above it is a target that the filter lost, not speckle."""


def keep_mean_power(power: Power, despeckled: Power, threads: int = 1) -> None:
    """Multiply a despeckled band by the local mean of power / despeckled power.

    A filter that works in decibels gives speckle its geometric mean, which is below its mean. The factor is what
    lacks: the mean, over 31 x 31 pixels, of the speckle that was taken away. A lost target counts with at most 7 dB,
    so its power is not spread over its surroundings.

    Parameters
    ----------
    power : array (rows, columns) of float32
        Linear power before despeckling; NaN for no data.
    despeckled : array (rows, columns) of float32
        Linear power after it, valid at the same pixels; changed in place.
    threads : int
        Number of threads. The result does not depend on it.
    """
    ratio = np.minimum(power / despeckled, np.float32(MOST))
    boxcar(ratio, ratio, threads=threads, window_size=WINDOW)
    despeckled *= ratio
