"""Spread: how much the passes of a month differ, pixel by pixel, in decibels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from s1monthly.errors import S1MonthlyError
from s1monthly.kernels import _compositing as kernels
from s1monthly.kernels.bands import db
from s1monthly.kernels.options import SPREAD_STATISTICS

Power = NDArray[np.float32]

_FRACTIONS = {"min": 0.0, "p10": 0.1, "p90": 0.9, "max": 1.0, "std": np.nan}


def spread(passes: NDArray[np.float32] | Sequence[Power], statistics: Sequence[str]) -> NDArray[np.float32]:
    """Compute statistics of the passes of a month, pixel by pixel, in dB, ignoring no data.

    The values of a pixel are 10 log10 of its n valid powers.

    - ``min``, ``max``: the smallest and largest value.
    - ``std``: the population standard deviation, sqrt(sum of (x - mean)^2 / n); 0 if one pass is valid.
    - ``p10``, ``p90``: the 10th and 90th percentile. It has the rank (n - 1) x 0.1 or 0.9 among the sorted values,
      counted from 0, and is interpolated linearly between the two beside it, as ``numpy.nanpercentile`` does.

    Parameters
    ----------
    passes : array (pass, rows, columns) of float32, or sequence of arrays (rows, columns)
        Linear power; NaN, infinity or 0 for no data.
    statistics : sequence of str
        Some of ``min``, ``max``, ``std``, ``p10`` and ``p90``.

    Returns
    -------
    array (statistic, rows, columns) of float32
        dB, in the order of `statistics`; NaN where no pass is valid.

    Raises
    ------
    S1MonthlyError
        For an unknown statistic, or passes that are not arrays of one shape.

    Examples
    --------
    >>> low, high = spread([first, second, third], ["p10", "p90"])  # linear power, NaN for no data
    """
    unknown = [name for name in statistics if name not in SPREAD_STATISTICS]
    if unknown:
        raise S1MonthlyError(
            f"spread statistics {', '.join(unknown)} are unknown", f"use some of: {', '.join(SPREAD_STATISTICS)}"
        )
    shapes = sorted({np.shape(one) for one in passes})
    if len(shapes) != 1 or len(shapes[0]) != 2:
        raise S1MonthlyError(
            f"a spread needs passes of one shape (rows, columns), not {len(passes)} passes of {shapes}",
            "read at least one pass, all of them on the tile's grid",
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        levels = db(np.ascontiguousarray(passes, dtype=np.float32))
    out = np.empty((len(statistics), *shapes[0]), np.float32)
    kernels.spread_rows(levels, np.array([_FRACTIONS[name] for name in statistics]), out)
    return out
