"""Layover and shadow of a lattice."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from s1monthly.errors import S1MonthlyError
from s1monthly.kernels.grd.geocoding import ImageGeometry, by_rows
from s1monthly.kernels.resampling import bilinear

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Codes = NDArray[np.uint8]

DEGREE = 5
"""Of the polynomials from image to lattice. Over a tile they err by less than 0.01 pixel."""
MOST_OFF = 0.25
"""Pixels by which the polynomials may err."""
STEP = 16
"""Lines and columns of the walk between knots."""


def layover_shadow(geometry: ImageGeometry, knots: Floats, step: int, heights: Singles, threads: int = 1) -> Codes:
    """Find the ground in layover and shadow.

    The ground is walked along the planes of zero Doppler, from near to far. A point is in layover if a nearer one has a
    greater slant range, or a farther one a smaller. It is in shadow if the satellite saw a nearer one under a flatter
    line of sight.

    Parameters
    ----------
    geometry : ImageGeometry
        Of the image; only its orbit is used, so that the result is the same for all images of one orbit.
    knots : float64 (11, knot row, knot column)
        From `geocoding.ground_knots`.
    step : int
        Pixels between knots.
    heights : float32 (rows, columns)
        Metres above the ellipsoid, with a margin as wide as the relief needs; NaN for none.
    threads : int
        Threads that work at once.

    Returns
    -------
    uint8 (rows, columns)
        0 seen, 1 shadow, 2 layover, 3 both, as in OPERA's masks.

    Raises
    ------
    S1MonthlyError
        If the lattice is so large that it cannot be turned into lines of the image.
    """
    from s1monthly.kernels.grd._visibility import fill_nearest, walk  # imported late: loading compiled code is slow

    # The walk has a line for each step of time, and a column for each step of slant range at height 0, none wider than
    # a pixel.
    times = knots[9]
    ranges = np.sqrt(((knots[:3] - knots[6:9]) ** 2).sum(axis=0))
    interval = _least_step(times, step)
    y, x = (times - times.min()) / interval, (ranges - ranges.min()) / _least_step(ranges, step)
    shape = math.ceil(y.max()) + 1, math.ceil(x.max()) + 1
    rows, columns = (at.astype(np.float64) * step for at in np.indices(times.shape))
    wanted = np.concatenate([rows[None], columns[None], knots[:6]])
    turned = _refitted(y, x, wanted, shape)
    turned_heights = bilinear(heights, turned[0], turned[1], STEP, shape)
    satellite = geometry.orbit.position(times.min() + np.arange(shape[0]) * interval)
    found = np.empty(shape, np.uint8)
    ground = np.ascontiguousarray(turned[2:])
    by_rows(lambda a, b: walk(a, b, ground, STEP, satellite, turned_heights, found), shape[0], threads)
    mask = np.empty(heights.shape, np.uint8)
    places = np.ascontiguousarray(np.stack([y, x]))
    by_rows(lambda a, b: fill_nearest(a, b, places, step, found, heights, mask), len(heights), threads)
    return mask


def _least_step(values: Floats, step: int) -> float:
    """Return how much a coordinate changes from one pixel to the next along its gradient, where that is least."""
    return float(np.hypot(*np.gradient(values)).min()) / step


def _refitted(y: Floats, x: Floats, values: Floats, shape: tuple[int, int]) -> Floats:
    """Return values, given at knots of the lattice, at knots of the walk: by polynomials."""
    scale_y, scale_x = max(shape[0] - 1, 1) / 2, max(shape[1] - 1, 1) / 2
    design = _terms(y.ravel() / scale_y - 1, x.ravel() / scale_x - 1)
    flat = values.reshape(len(values), -1).T
    centre = flat.mean(axis=0)
    solution = np.linalg.lstsq(design, flat - centre, rcond=None)[0]
    off = np.abs(design @ solution + centre - flat)[:, :2].max()
    if off > MOST_OFF:
        raise S1MonthlyError(
            f"a lattice cannot be turned into lines of the image: it errs by {off:.2f} pixels",
            "choose a tile of 110 km, or its own CRS",
        )
    knots_y, knots_x = (np.arange(max(math.ceil((count - 1) / STEP), 1) + 1) * float(STEP) for count in shape)
    grid_y, grid_x = np.meshgrid(knots_y, knots_x, indexing="ij")
    found = _terms(grid_y.ravel() / scale_y - 1, grid_x.ravel() / scale_x - 1) @ solution + centre
    return np.ascontiguousarray(found.T.reshape(len(values), *grid_y.shape))


def _terms(y: Floats, x: Floats) -> Floats:
    """Return the terms of a polynomial in two variables."""
    powers = [(i, j) for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)]
    return np.stack([y**i * x**j for i, j in powers], axis=1)
