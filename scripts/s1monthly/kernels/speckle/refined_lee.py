"""Despeckling by local statistics in that half of the window to which the pixel belongs; after Lee."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from s1monthly.kernels.speckle._refined_lee import HALF, HALF_WINDOWS, refined_lee_rows
from s1monthly.kernels.speckle._window import window_sums
from s1monthly.kernels.speckle.window import filter_blocks

Power = NDArray[np.float32]


def refined_lee(power: Power, out: Power, *, threads: int = 1) -> None:
    """Filter like `lee` within the half of a 7 x 7 window that lies on the pixel's side of an edge.

    The means of nine 3 x 3 subwindows (their centres two pixels apart) give the edge: the steepest of four gradients,
    and of its two sides the one whose mean is nearer to the centre's. The noise is the mean of the five least squared
    coefficients of variation of the subwindows, so no number of looks is needed.

    A subwindow without valid pixels counts as equal to the centre; one with fewer than 5 does not count for the noise.
    A single bright pixel on a constant keeps its value: the noise around it is zero.

    Parameters
    ----------
    power, out, threads
        Arguments of every method, see `despeckling.METHODS`.

    Raises
    ------
    S1MonthlyError
        If a value is zero, negative or infinite.

    References
    ----------
    Lee (1981), Refined filtering of image noise using local statistics, Computer Graphics and Image Processing 15(4),
    380-389, doi:10.1016/S0146-664X(81)80018-4.
    """

    def filtered(block: Power, rows: Power) -> None:
        refined_lee_rows(block, window_sums(block, 3), HALF_WINDOWS, rows)

    filter_blocks(filtered, HALF, power, out, threads)
