"""Border noise of old products: pixels at the border that are neither zero nor an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Singles = NDArray[np.float32]
Flags = NDArray[np.bool_]
Whole = NDArray[np.int64]

THRESHOLD = 0.5
"""Part of the thermal noise below which a mean of nine pixels belongs to the border: no image is that dark."""
REACH = 2000
"""Pixels from the border to which border noise is looked for."""
EROSION = 30
"""Pixels that are cut beyond the last pixel with border noise."""
NEIGHBOURS = 5
"""Rows (or columns) on either side whose border counts, too: a bright pixel does not end the border."""
FIXED_COLUMNS = 1000
"""Columns that are cut on either side where the noise is not known."""
FIXED_LINES = 1600
"""Lines that are cut where the noise is not known and the image begins or ends within the product."""


def border_noise(above_noise: Singles, looks: int, left: bool, right: bool, top: bool, bottom: bool) -> Flags:
    """Find border noise: dark squares that are connected to the border of the image along their row or column.

    Parameters
    ----------
    above_noise : float32 (rows, columns)
        Mean of the squared digital numbers of the co-polarized layer over the thermal noise; NaN for no data.
    looks : int
        Side of the squares in pixels.
    left, right, top, bottom : bool
        Whether the window begins or ends there with the image: no other side is a border.

    Returns
    -------
    bool (rows, columns)
        True for border noise, and for `EROSION` around it.
    """
    dark = ~(above_noise >= THRESHOLD)  # also no data
    reach, more = -(-REACH // looks), -(-EROSION // looks)
    found = np.zeros(dark.shape, np.bool_)
    for wanted, view, result in (
        (left, dark, found),
        (right, dark[:, ::-1], found[:, ::-1]),
        (top, dark.T, found.T),
        (bottom, dark.T[:, ::-1], found.T[:, ::-1]),
    ):
        if wanted:
            width = _run_lengths(view[:, :reach], more)
            result |= np.arange(view.shape[1]) < width[:, None]
    return found


def _run_lengths(dark: Flags, more: int) -> Whole:
    """Return how many squares of each row to cut: its run of dark ones or a neighbour's, and some more."""
    runs = np.logical_and.accumulate(dark, axis=1).sum(axis=1)
    padded = np.pad(runs, NEIGHBOURS)
    longest = np.lib.stride_tricks.sliding_window_view(padded, 2 * NEIGHBOURS + 1).max(axis=1)
    widths: Whole = np.where(longest > 0, longest + more, 0)
    return widths


def fixed_border(shape: tuple[int, int], first_line: int, first_sample: int, image: tuple[int, int], cut_top: bool,
                 cut_bottom: bool) -> Flags:  # fmt: skip
    """Return a fixed border, for products whose noise is not known (IPF 2.36).

    S1Tiling cuts 1000 columns on either side, and 1600 lines where the product begins or ends with black lines.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the window, in pixels.
    first_line, first_sample : int
        Place of the window in the image.
    image : tuple of int
        Lines and samples of the image.
    cut_top, cut_bottom : bool
        Whether lines are cut at the start and end; see `begins_black`.

    Returns
    -------
    bool (rows, columns)
        True for the border.
    """
    line = np.arange(first_line, first_line + shape[0])[:, None]
    sample = np.arange(first_sample, first_sample + shape[1])
    columns = (sample < FIXED_COLUMNS) | (sample >= image[1] - FIXED_COLUMNS)
    lines = (cut_top & (line < FIXED_LINES)) | (cut_bottom & (line >= image[0] - FIXED_LINES))
    return columns | lines


def begins_black(row: NDArray[np.uint16]) -> bool:
    """Return whether the hundredth line from the start (or end) of an image has more than 2000 zeros."""
    return bool(np.count_nonzero(row == 0) > 2000)
