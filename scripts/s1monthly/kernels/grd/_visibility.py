"""Compiled loops of ``visibility``: walk each line of the image from near to far."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from s1monthly.kernels.grd._zero_doppler import knot_row
from s1monthly.kernels.masking import LAYOVER, SHADOW

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Codes = NDArray[np.uint8]


@njit(nogil=True, cache=True)
def walk(first: int, last: int, knots: Floats, step: int, satellite: Floats, heights: Singles, mask: Codes) -> None:
    """Fill the mask of lines first to last - 1: near range is column 0.

    Parameters
    ----------
    knots : float64 (6, knot row, knot column)
        Earth-fixed position at height 0, and upward unit vector.
    satellite : float64 (lines, 3)
        Its position at the time of each line.
    heights : float32 (lines, columns)
        Metres above the ellipsoid; NaN for none.
    mask : uint8 (lines, columns)
        Output.
    """
    columns = heights.shape[1]
    ground = np.empty((6, columns))
    ranges = np.empty(columns)
    for r in range(first, last):
        knot_row(knots, r, step, ground)
        sx, sy, sz = satellite[r, 0], satellite[r, 1], satellite[r, 2]
        radius = math.sqrt(sx * sx + sy * sy + sz * sz)
        furthest, steepest = -np.inf, -np.inf
        for c in range(columns):
            h = heights[r, c]
            dx = ground[0, c] + h * ground[3, c] - sx
            dy = ground[1, c] + h * ground[4, c] - sy
            dz = ground[2, c] + h * ground[5, c] - sz
            distance = math.sqrt(dx * dx + dy * dy + dz * dz)
            ranges[c] = distance
            mask[r, c] = 0
            if math.isnan(distance):
                continue
            # minus the cosine of the angle between straight down and the line of sight: it grows with the angle
            angle = (dx * sx + dy * sy + dz * sz) / (distance * radius)
            if angle < steepest:
                mask[r, c] |= SHADOW
            if distance < furthest:
                mask[r, c] |= LAYOVER
            steepest, furthest = max(steepest, angle), max(furthest, distance)
        nearest = np.inf
        for c in range(columns - 1, -1, -1):
            if ranges[c] > nearest:
                mask[r, c] |= LAYOVER
            if ranges[c] < nearest:
                nearest = ranges[c]


@njit(nogil=True, cache=True)
def fill_nearest(first: int, last: int, knots: Floats, step: int, source: Codes, heights: Singles, mask: Codes) -> None:
    """Fill rows first to last - 1 of a lattice from the nearest place of lines and columns given at knots."""
    places = np.empty((2, mask.shape[1]))
    for r in range(first, last):
        knot_row(knots, r, step, places)
        for c in range(mask.shape[1]):
            y, x = places[0, c] + 0.5, places[1, c] + 0.5
            mask[r, c] = 0
            if not math.isnan(heights[r, c]) and 0 <= y < source.shape[0] and 0 <= x < source.shape[1]:
                mask[r, c] = source[int(y), int(x)]
