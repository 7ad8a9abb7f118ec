"""Fields of speckle, with and without holes."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

nan = np.nan
LOOKS = 12


def db(power):
    return 10 * np.log10(power.astype(np.float64))


def field(shape, seed=0, looks=LOOKS):
    """Speckle of 12 looks over fields, some of them above 0 dB."""
    rng = np.random.default_rng(seed)
    ground = np.kron(rng.normal(-10, 5, (shape[0] // 25 + 1, shape[1] // 25 + 1)), np.ones((25, 25)))
    return (10 ** (ground[: shape[0], : shape[1]] / 10) * rng.gamma(looks, 1 / looks, shape)).astype(np.float32)


def with_holes(shape, seed=0):
    """Single missing pixels, blobs, a missing corner, and islands."""
    power = field(shape, seed)
    rng = np.random.default_rng(seed + 1)
    power[gaussian_filter(rng.normal(size=shape), 2) > 0.12] = nan
    power[rng.random(shape) < 0.05] = nan
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    power[rows + cols < max(shape) // 3] = nan
    return power
