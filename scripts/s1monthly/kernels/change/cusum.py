"""One change in each series: cumulative sums, judged by permutations (bootstrap without replacement)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from s1monthly.kernels.change._cusum import exceedances, splits
from s1monthly.kernels.change.season import without_season

Floats = NDArray[np.float32]

PERMUTATIONS = 199
"""Permutations of each series; a confidence is a multiple of 1 / 200."""
CONFIDENCE = 0.95
"""Least confidence of a change that is reported."""
REFINEMENTS = 2
"""Times that season and change are estimated again, each without the other."""
SMALLEST = 6
"""Fewest values before, between and after changes."""


@dataclass(frozen=True)
class Changes:
    """Changes of pixels.

    Attributes
    ----------
    place : array (most, pixels) of int32
        Position of the first valid month after each change, the largest step first; -1 for none.
    magnitude : array (most, pixels) of float32
        Step in dB: mean after the change minus mean before it; NaN for none.
    confidence : array (most, pixels) of float32
        0 to 1. For `cusum` also where it is too low for a change; NaN where a series is too short.
    valid : array (pixels,) of int32
        Values that were used.
    breaks : array (pixels,) of int32
        Number of changes.
    """

    place: NDArray[np.int32]
    magnitude: Floats
    confidence: Floats
    valid: NDArray[np.int32]
    breaks: NDArray[np.int32]


def cusum(
    series: Floats,
    calendar: NDArray[np.intp],
    confidence: float = CONFIDENCE,
    permutations: int = PERMUTATIONS,
    smallest: int = SMALLEST,
) -> Changes:
    """Find the one change of the mean of each series.

    The season is removed, and the values are added up. The confidence is the share of random orders of the same values
    whose sums range less widely; all pixels see the same orders. The month is where two means leave the least squares.

    Parameters
    ----------
    series, calendar
        As `season.without_season` takes them.
    confidence : float
        Least confidence of a change.
    permutations : int
        Number of random orders.
    smallest : int
        Fewest values on each side of a change.

    References
    ----------
    Taylor (2000), Change-Point Analysis: A Powerful New Tool For Detecting Changes. Davison and Hinkley (1997),
    Bootstrap Methods and their Application, section 4.3: p = (1 + larger) / (1 + permutations).
    """
    made = without_season(series, calendar)
    months, pixels = series.shape
    valid = made.there.sum(0, dtype=np.int32)
    random = np.random.default_rng(0)
    orders = np.full((1 + permutations, -(-months // 4) * 4), months, np.int32)
    orders[:, :months] = [np.arange(months), *(random.permutation(months) for _ in range(permutations))]
    # Means of the season take some of the values' variance, but none of that from year to year: as after a fit, the
    # variance is the sum of squares by the degrees of freedom that are left.
    free = np.maximum(valid - made.seasons, 0) / np.maximum(valid - 1, 1)
    larger = np.zeros(pixels, np.int32)
    exceedances(made.values, np.sqrt(free).astype(np.float32), orders, larger)
    place, step = np.empty(pixels, np.int32), np.empty(pixels, np.float32)
    splits(made.values, made.there, valid, smallest, place, step)
    for _ in range(REFINEMENTS):  # a change blurs the season, and the season the change
        made = without_season(series, calendar, place, step)
        splits(made.values, made.there, valid, smallest, place, step)
    chance = (1 + larger) / (1 + permutations)
    sure = np.where(place >= 0, 1 - chance, np.nan).astype(np.float32)
    found = (place >= 0) & (chance <= 1 - confidence + 1e-9)
    return Changes(
        np.where(found, place, -1)[np.newaxis],
        np.where(found, step, np.float32(np.nan))[np.newaxis],
        sure[np.newaxis],
        valid,
        found.astype(np.int32),
    )
