"""Remove each pixel's monthly climatology."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from s1monthly.kernels.change._season import remove

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Anomalies:
    """Series without their season.

    Attributes
    ----------
    values : array (months, pixels) of float32
        dB above the mean of the calendar month; 0 where there is no value, so that sums pass over it.
    there : array (months, pixels) of uint8
        1 where there is a value.
    seasons : array (pixels,) of int32
        Calendar months whose mean was subtracted.
    """

    values: Floats
    there: NDArray[np.uint8]
    seasons: NDArray[np.int32]


def without_season(
    series: Floats,
    calendar: NDArray[np.intp],
    place: NDArray[np.int32] | None = None,
    step: Floats | None = None,
) -> Anomalies:
    """Subtract from each pixel's series its mean in each calendar month.

    A value whose calendar month has no other valid one says nothing about change, and is left out.

    Parameters
    ----------
    series : array (months, pixels) of float32
        dB, NaN for no data.
    calendar : array (months,) of int
        Calendar month of each, 0 to 11.
    place, step : array (pixels,), optional
        A known change of each pixel: its position (-1 for none) and its size in dB. The season is then that of the
        series without it, but the anomalies keep it.
    """
    pixels = series.shape[1]
    if place is None or step is None:
        place, step = np.full(pixels, -1, np.int32), np.zeros(pixels, np.float32)
    made = Anomalies(np.empty(series.shape, np.float32), np.empty(series.shape, np.uint8), np.zeros(pixels, np.int32))
    remove(series, calendar, place, step, made.values, made.there, made.seasons)
    return made
