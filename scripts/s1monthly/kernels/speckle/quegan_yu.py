"""Despeckling of the passes of a month by each other; after Quegan and Yu."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from s1monthly.kernels.options import WINDOW_SIZE
from s1monthly.kernels.speckle._quegan_yu import combine
from s1monthly.kernels.speckle._window import padded_rows, window_means
from s1monthly.kernels.speckle.window import half_of


def quegan_yu(
    passes: NDArray[np.float32], tracks: Sequence[int], window_size: int = WINDOW_SIZE
) -> NDArray[np.float32]:
    """Despeckle passes by those of the same track, before they are composited.

    J_k = (m_k / N) sum_i (I_i / m_i), over the N passes of a track that are valid at a pixel; m is the mean power of
    the valid pixels of the window around it. Each pass keeps its own local mean, so a change between passes stays; the
    speckle and the detail within a window are the mean of all. The only pass of its track stays as it is.

    Parameters
    ----------
    passes : array (pass, rows, columns) of float32
        Linear power, positive; NaN for no data. Rows and columns at the edge have smaller windows: give a margin of
        half a window to blocks of rows.
    tracks : sequence of int
        Track of each pass.
    window_size : int
        Side of the window in pixels: odd.

    Returns
    -------
    array (pass, rows, columns) of float32
        Linear power, NaN exactly where `passes` is NaN.

    Raises
    ------
    S1MonthlyError
        If `window_size` is even or out of range.

    References
    ----------
    Quegan and Yu (2001), Filtering of multichannel SAR images, IEEE Trans. Geoscience and Remote Sensing 39(11),
    2373-2379, doi:10.1109/36.964973.
    """
    half, rows = half_of(window_size), passes.shape[1]
    made = passes.copy()
    for track in set(tracks):
        same = [place for place, other in enumerate(tracks) if other == track]
        if len(same) > 1:
            together = passes[same]
            means = np.empty_like(together)
            for power, mean in zip(together, means, strict=True):
                window_means(padded_rows(power, 0, rows, half), window_size, mean)
            combine(together, means)
            made[same] = together
    return made
