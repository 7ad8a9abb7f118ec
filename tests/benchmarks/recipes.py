"""The despeckling recipe as others run it, with scikit-image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.restoration import denoise_tv_bregman

NO_DATA_DB = -23.0
LEAST, MOST = 1e-7, 1.0


def scikit_image_recipe(power: NDArray[np.float32], reg_param: float = 5.0) -> NDArray[np.float32]:
    """Despeckle as DIST-S1 does: power clipped to 0 dB, no data filled with -23 dB, total variation, back to power."""
    empty = np.isnan(power)
    decibel = np.float32(10.0) * np.log10(np.clip(power, LEAST, MOST))
    decibel[empty] = NO_DATA_DB
    smooth = denoise_tv_bregman(decibel, weight=1.0 / reg_param, isotropic=True, eps=1e-3)
    despeckled: NDArray[np.float32] = np.float32(10.0) ** (smooth / np.float32(10.0))
    despeckled[empty] = np.nan
    return despeckled
