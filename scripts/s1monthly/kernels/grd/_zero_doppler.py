"""Compiled loops of ``geocoding``: time of zero Doppler, slant range, line and sample of ground points."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
OrbitArrays = tuple[float, float, Floats]
"""Centre, scale and coefficients of an `Orbit`."""
RangeTable = tuple[float, float, Floats, Floats, bool]
"""First slant range, step, ground range by set and node, times of the sets, and whether the nearest set is taken."""
ImageArrays = tuple[float, float, float, float]
"""Seconds between lines, metres between samples, reference of the bistatic shift in seconds (NaN: none), delay in m."""

LIGHT = 299_792_458.0
SCALE_HEIGHT = 6000.0
"""Height in metres over which the tropospheric delay falls to 1/e."""

_SMALL_STEP = 1e-4  # seconds; the error after a Newton step from here is below 1e-11 s
_MOST_STEPS = 30


@njit(nogil=True, cache=True)
def _solve(orbit: OrbitArrays, x: float, y: float, z: float, start: float) -> tuple[float, float, float, float]:
    """Return the time of zero Doppler of a point and the satellite's position then; NaN if it is not found.

    Newton's method for (P - S(t)) V(t) = 0.
    """
    centre, scale, coefficients = orbit
    last = coefficients.shape[1] - 1
    time = start
    for _ in range(_MOST_STEPS):
        u = (time - centre) / scale
        sx = sy = sz = vx = vy = vz = ax = ay = az = 0.0
        for k in range(last, -1, -1):
            ax, ay, az = ax * u + vx, ay * u + vy, az * u + vz
            vx, vy, vz = vx * u + sx, vy * u + sy, vz * u + sz
            sx, sy, sz = sx * u + coefficients[0, k], sy * u + coefficients[1, k], sz * u + coefficients[2, k]
        vx, vy, vz = vx / scale, vy / scale, vz / scale
        factor = 2.0 / (scale * scale)
        ax, ay, az = ax * factor, ay * factor, az * factor
        dx, dy, dz = x - sx, y - sy, z - sz
        value = dx * vx + dy * vy + dz * vz
        slope = dx * ax + dy * ay + dz * az - (vx * vx + vy * vy + vz * vz)
        step = value / slope
        time -= step
        if abs(step) < _SMALL_STEP:
            return time, sx - vx * step, sy - vy * step, sz - vz * step
        if not abs(step) < 1e5:
            break
    return np.nan, np.nan, np.nan, np.nan


@njit(nogil=True, cache=True)
def _ground_range(table: RangeTable, slant_range: float, time: float, hint: int) -> tuple[float, int]:
    """Return the ground range of a slant range at an azimuth time; NaN outside the table.

    `hint` is any set; the set after the time is returned as the hint for a neighbouring point.
    """
    first, step, nodes, times, nearest = table
    place = (slant_range - first) / step
    if not (0.0 <= place < nodes.shape[1] - 1):
        return np.nan, hint
    node = int(place)
    share = place - node
    after = hint
    while after < times.shape[0] - 1 and times[after] < time:
        after += 1
    while after > 0 and times[after - 1] >= time:
        after -= 1
    before = max(after - 1, 0)
    weight = 1.0
    if after > before:
        weight = min(max((time - times[before]) / (times[after] - times[before]), 0.0), 1.0)
    if nearest:
        weight = 1.0 if weight > 0.5 else 0.0
    early = nodes[before, node] + share * (nodes[before, node + 1] - nodes[before, node])
    late = nodes[after, node] + share * (nodes[after, node + 1] - nodes[after, node])
    return early + weight * (late - early), after


@njit(nogil=True, cache=True)
def _image_place(
    table: RangeTable,
    image: ImageArrays,
    time: float,
    sight: tuple[float, float, float],
    up: tuple[float, float, float],
    height: float,
    hint: int,
) -> tuple[float, float, float, int]:
    """Return slant range without delay, line, sample and a hint, of a point that is seen at a time along a sight."""
    interval, spacing, reference, delay = image
    x, y, z = sight
    slant_range = math.sqrt(x * x + y * y + z * z)
    measured = slant_range
    if delay > 0.0:
        measured += delay * math.exp(-height / SCALE_HEIGHT) * slant_range / (x * up[0] + y * up[1] + z * up[2])
    line_time = time
    if not math.isnan(reference):
        line_time -= slant_range / LIGHT - reference / 2.0
    ground, hint = _ground_range(table, measured, time, hint)
    return slant_range, line_time / interval, ground / spacing, hint


@njit(nogil=True, cache=True)
def locate_points(
    orbit: OrbitArrays,
    table: RangeTable,
    image: ImageArrays,
    points: Floats,
    ups: Floats,
    heights: Floats,
    places: Floats,
) -> None:
    """Fill time, slant range, line and sample of points; see `geocoding.locate`."""
    hint = 0
    for k in range(points.shape[0]):
        time, sx, sy, sz = _solve(orbit, points[k, 0], points[k, 1], points[k, 2], orbit[0])
        sight = (sx - points[k, 0], sy - points[k, 1], sz - points[k, 2])
        up = (ups[k, 0], ups[k, 1], ups[k, 2])
        slant_range, line, sample, hint = _image_place(table, image, time, sight, up, heights[k], hint)
        places[k, 0], places[k, 1], places[k, 2], places[k, 3] = time, slant_range, line, sample


@njit(nogil=True, cache=True)
def knot_row(knots: Floats, row: int, step: int, values: Floats) -> None:
    """Interpolate layers of knots for every column of one row: (layer, knot, knot) -> (layer, column)."""
    upper = row // step
    lower = min(upper + 1, knots.shape[1] - 1)
    share = (row - upper * step) / step
    last = knots.shape[2] - 1
    for layer in range(knots.shape[0]):
        for k in range(knots.shape[2]):
            right = min(k + 1, last)
            start = knots[layer, upper, k] + share * (knots[layer, lower, k] - knots[layer, upper, k])
            end = knots[layer, upper, right] + share * (knots[layer, lower, right] - knots[layer, upper, right])
            slope = (end - start) / step
            for c in range(min(step, values.shape[1] - k * step)):
                values[layer, k * step + c] = start + slope * c


@njit(nogil=True, cache=True)
def locate_rows(
    first: int,
    last: int,
    table: RangeTable,
    image: ImageArrays,
    knots: Floats,
    step: int,
    heights: Singles,
    lines: Singles,
    samples: Singles,
) -> None:
    """Fill lines and samples of rows first to last - 1 of a lattice; see `geocoding.locate_lattice`."""
    ground = np.empty((knots.shape[0], heights.shape[1]))
    hint = 0
    for r in range(first, last):
        knot_row(knots, r, step, ground)
        for c in range(heights.shape[1]):
            h = np.float64(heights[r, c])
            up = (ground[3, c], ground[4, c], ground[5, c])
            # The satellite is where it sees the ground at height 0. For the ground at this height it has moved by a few
            # metres across the sight, which changes the range by less than 1 mm.
            sight = (
                ground[6, c] - ground[0, c] - h * up[0],
                ground[7, c] - ground[1, c] - h * up[1],
                ground[8, c] - ground[2, c] - h * up[2],
            )
            time = ground[9, c] + h * ground[10, c]
            _, line, sample, hint = _image_place(table, image, time, sight, up, h, hint)
            lines[r, c] = line
            samples[r, c] = sample
