"""Several changes in each series: the exact search for the segments of least cost, with a penalty on each change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from s1monthly.kernels.change._breaks import largest
from s1monthly.kernels.change._search import search
from s1monthly.kernels.change.cusum import SMALLEST, Changes
from s1monthly.kernels.change.season import without_season

Floats = NDArray[np.float32]

PENALTY = 4.0
"""Penalty on a change, times the logarithm of the number of values: 3 would be the Bayesian information criterion."""
MOST = 3
"""Changes of a pixel that are reported; all are counted."""


def penalised(
    series: Floats,
    calendar: NDArray[np.intp],
    penalty: float = PENALTY,
    smallest: int = SMALLEST,
    most: int = MOST,
) -> Changes:
    """Find all changes of mean or variance of each series.

    The season is removed. A segment of n values costs n log(variance), twice the negative log-likelihood of a normal
    distribution; each change costs `penalty` log(values). The segmentation of least cost is found exactly, by the
    recursion that PELT prunes: for the few months of a series, without branches and for many pixels at once, that is
    faster. The confidence is the posterior probability of a change by what it saves: 1 / (1 + exp(-saved / 2)).

    Parameters
    ----------
    series, calendar
        As `season.without_season` takes them.
    penalty : float
        Penalty on a change, times log(values).
    smallest : int
        Fewest values of a segment.
    most : int
        Changes of a pixel that are returned, those of the largest steps first.

    References
    ----------
    Jackson et al. (2005), An algorithm for optimal partitioning of data on an interval, doi:10.1109/LSP.2001.838216.
    Killick et al. (2012), Optimal detection of changepoints with a linear computational cost,
    doi:10.1080/01621459.2012.737745. Kass and Raftery (1995), Bayes factors, doi:10.1080/01621459.1995.10476572.
    """
    months, pixels = series.shape
    made = without_season(series, calendar)
    valid = made.there.sum(0, dtype=np.int32)
    on_change = (penalty * np.log(np.maximum(valid, 1))).astype(np.float32)
    before = np.empty((months + 1, pixels), np.int32)
    search(made.values, made.there, on_change, smallest, before)
    place, breaks = np.empty((most, pixels), np.int32), np.zeros(pixels, np.int32)
    step, gain = np.empty((most, pixels), np.float32), np.empty((most, pixels), np.float32)
    largest(made.values, made.there, before, on_change, place, step, gain, breaks)
    sure = 1 / (1 + np.exp(-gain / 2))
    return Changes(place, step, sure.astype(np.float32), valid, breaks)
