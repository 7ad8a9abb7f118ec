"""Despeckling by local statistics, after Kuan."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from s1monthly.kernels.options import WINDOW_SIZE
from s1monthly.kernels.speckle.lee import lee

Power = NDArray[np.float32]


def kuan(power: Power, out: Power, *, looks: float, threads: int = 1, window_size: int = WINDOW_SIZE) -> None:
    """Estimate each pixel by m + w (x - m), with w = (1 - Cu^2 / Ci^2) / (1 + Cu^2), at least 0.

    Ci is the coefficient of variation of the window and Cu = 1 / sqrt(looks) that of the speckle, as in OTB. With
    Ci^2 = var / m^2 and Cu = eta this is term by term the weight of `lee`, so both give the same values. The name is
    there for those who come from tools where the two differ.

    Parameters and errors are those of `lee`.

    References
    ----------
    Kuan, Sawchuk, Strand and Chavel (1985), Adaptive noise smoothing filter for images with signal-dependent noise,
    IEEE Trans. PAMI 7(2), 165-177, doi:10.1109/TPAMI.1985.4767641.
    """
    lee(power, out, looks=looks, threads=threads, window_size=window_size)
