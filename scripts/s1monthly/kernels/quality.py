"""Classes of a month's pixels: valid, or why there is no value.

What each burst saw of a pixel is kept as bits, so that those of all bursts of a month can be joined by ``or``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from s1monthly.kernels.masking import LAYOVER, LAYOVER_AND_SHADOW, SHADOW

CLASSES = {
    0: "no_data",
    1: "valid",
    2: "shadow",
    3: "layover",
    4: "shadow_and_layover",
    5: "outside_polygon",
    6: "below_min_valid_lin",
}
"""Class of the array ``mask`` -> meaning."""

MEASURED, IN_LAYOVER, IN_SHADOW, TOO_LOW = 1, 2, 4, 8
"""Bits of what a burst saw: power above the least one outside layover and shadow; a pixel that its mask layer puts in
layover, or in shadow; power at or below the least one."""

Bits = NDArray[np.uint8]


def seen(
    co: NDArray[np.float32], cross: NDArray[np.float32], min_valid_power: float, mask: NDArray[np.uint8] | None
) -> Bits:
    """Return what a burst saw of each pixel, as bits.

    Parameters
    ----------
    co, cross : array (rows, columns)
        Linear power as in the granule; NaN for no data.
    min_valid_power : float
        Power at or below this is no measurement.
    mask : array, optional
        Mask layer; None if the granule has none.
    """
    finite = np.isfinite(co) & np.isfinite(cross)
    enough = finite & (co > min_valid_power) & (cross > min_valid_power)
    bits = np.where(enough, np.uint8(MEASURED), np.where(finite, np.uint8(TOO_LOW), np.uint8(0)))
    if mask is not None:
        for classes, bit in (((LAYOVER, LAYOVER_AND_SHADOW), IN_LAYOVER), ((SHADOW, LAYOVER_AND_SHADOW), IN_SHADOW)):
            masked = (mask == classes[0]) | (mask == classes[1])
            bits[masked] = (bits[masked] & ~np.uint8(MEASURED | TOO_LOW)) | np.uint8(bit)
    return bits


def classes_of(bits: Bits, count: NDArray[np.uint8], outside: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """Return the class of each pixel of a month, see `CLASSES`.

    A pixel with a value is valid, or layover if every burst saw it in layover (where `processing.mask` keeps layover).
    A pixel without a value is outside the polygon; else in shadow, layover or both, if any burst saw it so; else below
    the least valid power; else no data.

    Parameters
    ----------
    bits : array (rows, columns)
        Results of `seen` of all bursts, joined by ``or``.
    count : array (rows, columns)
        Number of passes with a value.
    outside : array of bool, optional
        Pixels outside the polygon.
    """
    table = np.zeros((2, 16), np.uint8)  # without and with a value -> class of each combination of bits
    for combination in range(16):
        shadow, layover = bool(combination & IN_SHADOW), bool(combination & IN_LAYOVER)
        masked = 4 if shadow and layover else 2 if shadow else 3 if layover else 0
        table[0, combination] = masked or (6 if combination & TOO_LOW else 0)
        table[1, combination] = 3 if layover and not combination & MEASURED else 1
    classes = table[(count > 0).astype(np.uint8), bits]
    if outside is not None:
        classes[outside] = 5
    return classes
