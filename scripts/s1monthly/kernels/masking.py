"""Masking: find the valid pixels of a burst from its power and mask layer."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

SHADOW, LAYOVER, LAYOVER_AND_SHADOW, NO_DATA = 1, 2, 3, 255
"""Classes of the mask layer besides 0 (valid); OPERA RTC-S1 product specification, layer ``mask``."""

CLASSES = (0, SHADOW, LAYOVER, LAYOVER_AND_SHADOW, NO_DATA)
"""All classes of the mask layer."""

EXCLUDED_CLASSES: dict[str, tuple[int, ...]] = {
    "shadow": (SHADOW, LAYOVER_AND_SHADOW, NO_DATA),
    "layover": (LAYOVER, LAYOVER_AND_SHADOW, NO_DATA),
    "both": (SHADOW, LAYOVER, LAYOVER_AND_SHADOW, NO_DATA),
    "none": (),
}
"""Classes that each choice of ``processing.mask`` excludes.

Every choice but ``none`` excludes no data. With ``none`` the mask layer is not read and power alone decides.
"""

Power = NDArray[np.float32]


def valid_power(
    co: Power,
    cross: Power,
    min_valid_power: float,
    mask: NDArray[np.uint8] | None = None,
    excluded: Collection[int] = (),
) -> tuple[Power, Power]:
    """Set invalid pixels to NaN in both polarizations.

    A pixel is valid if co- and cross-polarized power are both finite and above `min_valid_power`, and its mask class
    is not excluded.

    Parameters
    ----------
    co, cross : array
        Linear gamma0 power, (rows, columns); NaN for no data.
    min_valid_power : float
        Power at or below this is no measurement.
    mask : array, optional
        Mask layer, (rows, columns), uint8; None if the granule has none.
    excluded : collection of int
        Classes of the mask layer to exclude, see `EXCLUDED_CLASSES`.

    Returns
    -------
    co, cross : array
        New float32 arrays with NaN at the same pixels.
    """
    # Comparisons with NaN are false, so these lines exclude NaN, infinity and too small power together.
    valid = co > min_valid_power
    valid &= co < np.inf
    valid &= cross > min_valid_power
    valid &= cross < np.inf
    if mask is not None:
        for class_ in excluded:  # five times as fast as a look-up table
            valid &= mask != class_
    return _where(valid, co), _where(valid, cross)


def _where(valid: NDArray[np.bool_], power: Power) -> Power:
    return np.where(valid, power, np.float32(np.nan)).astype(np.float32, copy=False)
