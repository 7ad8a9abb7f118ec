"""Which pixels of a burst are measurements: power, and the granule's mask layer."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

SHADOW, LAYOVER, LAYOVER_AND_SHADOW, NO_DATA = 1, 2, 3, 255
"""Classes of the mask layer, beside 0 (valid): OPERA RTC-S1 product specification, layer ``mask``."""

CLASSES = (0, SHADOW, LAYOVER, LAYOVER_AND_SHADOW, NO_DATA)
"""All of them."""

EXCLUDED_CLASSES: dict[str, tuple[int, ...]] = {
    "shadow": (SHADOW, LAYOVER_AND_SHADOW, NO_DATA),
    "layover": (LAYOVER, LAYOVER_AND_SHADOW, NO_DATA),
    "both": (SHADOW, LAYOVER, LAYOVER_AND_SHADOW, NO_DATA),
    "none": (),
}
"""Classes that each choice of ``processing.mask`` excludes.

No data is never valid where the mask layer is asked; with ``none`` it is not even read, and power alone decides.
"""

Power = NDArray[np.float32]


def valid_power(
    co: Power,
    cross: Power,
    min_valid_power: float,
    mask: NDArray[np.uint8] | None = None,
    excluded: Collection[int] = (),
) -> tuple[Power, Power]:
    """Set every pixel that is no measurement to NaN, in both polarizations alike.

    A pixel counts where co- and cross-polarized power are both finite and above `min_valid_power`, and its class in the
    mask layer is not excluded.

    Parameters
    ----------
    co, cross : array
        Linear gamma0 power, (rows, columns); NaN where no data.
    min_valid_power : float
        Power at or below it is no measurement.
    mask : array, optional
        Mask layer, (rows, columns), uint8; None where the granule has none.
    excluded : collection of int
        Classes of the mask layer that are not used, see `EXCLUDED_CLASSES`.

    Returns
    -------
    co, cross : array
        float32, new arrays, NaN at the same pixels.
    """
    # Comparisons with NaN are false: these lines exclude NaN, infinities and too small powers together.
    valid = co > min_valid_power
    valid &= co < np.inf
    valid &= cross > min_valid_power
    valid &= cross < np.inf
    if mask is not None:
        for class_ in excluded:  # a comparison takes a fifth of the time of a look-up
            valid &= mask != class_
    return _where(valid, co), _where(valid, cross)


def _where(valid: NDArray[np.bool_], power: Power) -> Power:
    return np.where(valid, power, np.float32(np.nan)).astype(np.float32, copy=False)
