"""The floating-point predictor of TIFF: it reorders the bytes of floats so that they compress better."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def predicted(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Rearrange the bytes of a block of pixels without loss, into an array (rows, 4 * columns).

    Each row is split into the first, most significant bytes of all its pixels (sign and exponent, which hardly differ),
    then the second, third and fourth bytes. Each byte is then replaced by its difference from the byte before it in the
    row, modulo 256. NaN keep their bits.

    Notes
    -----
    TIFF Technical Note 3, Adobe Photoshop (2005): Predictor = 3.
    """
    rows, cols = pixels.shape
    words = pixels.view(np.uint32)
    apart = np.empty((rows, 4 * cols), np.uint8)
    for place in range(4):
        plane = apart[:, place * cols : (place + 1) * cols]
        np.right_shift(words, 24 - 8 * place, out=plane, casting="unsafe")  # keeps the lowest byte
    differences = np.empty_like(apart)
    differences[:, 0] = apart[:, 0]
    np.subtract(apart[:, 1:], apart[:, :-1], out=differences[:, 1:])
    return differences
