"""Compiled loops of ``flattening``: area of the ground as the radar sees it, local incidence, resampling."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from s1monthly.kernels.grd._zero_doppler import knot_row
from s1monthly.kernels.masking import SHADOW

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Codes = NDArray[np.uint8]
Corners = tuple[float, float, float, float]

_SIDE, _MIDDLE = np.float32(1 / 24), np.float32(22 / 24)
"""Weights of three neighbours, which widen a square's mean as far as `_splat` spreads area: to a variance of 1/6."""
_LEAST_WEIGHT = 0.5  # smallest total weight of valid neighbours


@njit(nogil=True, cache=True)
def _points(knots: Floats, row: int, step: int, heights: Singles, ground: Floats) -> None:
    """Fill positions (layers 0 to 2), upward vectors (3 to 5) and the satellite's positions (6 to 8) of one row."""
    knot_row(knots, row, step, ground)
    for c in range(heights.shape[1]):
        for k in range(3):
            ground[k, c] += heights[row, c] * ground[3 + k, c]


@njit(nogil=True, cache=True)
def _splat(area: Singles, y: float, x: float, value: float) -> None:
    """Share a value among the four cells around a place; what falls outside is dropped."""
    if not (-1.0 < y < area.shape[0] and -1.0 < x < area.shape[1]):
        return
    r, c = math.floor(y), math.floor(x)
    down, along = y - r, x - c
    for k in range(4):
        rr, cc = r + k // 2, c + k % 2
        if 0 <= rr < area.shape[0] and 0 <= cc < area.shape[1]:
            area[rr, cc] += value * (down if k // 2 else 1.0 - down) * (along if k % 2 else 1.0 - along)


@njit(nogil=True, cache=True)
def _squares(places: Singles, row: int, first: int, looks: int, found: Floats) -> None:
    """Fill the places of one row in squares instead of pixels."""
    middle = (looks - 1) / 2.0
    for c in range(found.shape[0]):
        found[c] = (places[row, c] - first - middle) / looks


@njit(nogil=True, cache=True)
def _facet_area(upper: Floats, lower: Floats, c: int) -> tuple[float, float]:
    """Return the area of a facet as the radar sees it, negative if it faces away, and of its surface.

    NaN without height.
    """
    ax, ay, az = lower[0, c + 1] - upper[0, c], lower[1, c + 1] - upper[1, c], lower[2, c + 1] - upper[2, c]
    bx, by, bz = upper[0, c + 1] - lower[0, c], upper[1, c + 1] - lower[1, c], upper[2, c + 1] - lower[2, c]
    # half the product of the diagonals is the vector area of the facet, whether it is flat or not
    nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    lx = upper[6, c] - (upper[0, c] + lower[0, c + 1]) / 2
    ly = upper[7, c] - (upper[1, c] + lower[1, c + 1]) / 2
    lz = upper[8, c] - (upper[2, c] + lower[2, c + 1]) / 2
    seen = (nx * lx + ny * ly + nz * lz) / (2 * math.sqrt(lx * lx + ly * ly + lz * lz))
    return seen, math.sqrt(nx * nx + ny * ny + nz * nz) / 2


@njit(nogil=True, cache=True)
def _add_facet(area: Singles, ys: Corners, xs: Corners, share: float, parts: int, inside: bool) -> None:
    """Share a facet's area among the cells in which its parts lie; corners are upper left, right, lower left, right."""
    y0, y1, y2, y3 = ys
    x0, x1, x2, x3 = xs
    for i in range(parts):
        v = (i + 0.5) / parts
        left_y, right_y = y0 + v * (y2 - y0), y1 + v * (y3 - y1)
        left_x, right_x = x0 + v * (x2 - x0), x1 + v * (x3 - x1)
        for j in range(parts):
            u = (j + 0.5) / parts
            y, x = left_y + u * (right_y - left_y), left_x + u * (right_x - left_x)
            if not inside:
                _splat(area, y, x, share)
                continue
            row, column = int(y), int(x)
            down, along = share * (y - row), x - column
            up = share - down
            area[row, column] += up * (1.0 - along)
            area[row, column + 1] += up * along
            area[row + 1, column] += down * (1.0 - along)
            area[row + 1, column + 1] += down * along


@njit(nogil=True, cache=True)
def add_area(
    first: int,
    last: int,
    knots: Floats,
    step: int,
    heights: Singles,
    lines: Singles,
    samples: Singles,
    mask: Codes,
    first_line: int,
    first_sample: int,
    looks: int,
    parts: int,
    surface: bool,
    area: Singles,
) -> None:
    """Add the facets between rows first to last of a lattice to the area; see `flattening.illuminated_area`."""
    columns = heights.shape[1]
    layers, most_y, most_x = knots.shape[0], area.shape[0] - 1.0, area.shape[1] - 1.0
    upper, lower = np.empty((layers, columns)), np.empty((layers, columns))
    upper_y, lower_y, upper_x, lower_x = np.empty(columns), np.empty(columns), np.empty(columns), np.empty(columns)
    _points(knots, first, step, heights, upper)
    _squares(lines, first, first_line, looks, upper_y)
    _squares(samples, first, first_sample, looks, upper_x)
    for r in range(first, last):
        _points(knots, r + 1, step, heights, lower)
        _squares(lines, r + 1, first_line, looks, lower_y)
        _squares(samples, r + 1, first_sample, looks, lower_x)
        for c in range(columns - 1):
            y0, y1, y2, y3 = upper_y[c], upper_y[c + 1], lower_y[c], lower_y[c + 1]
            x0, x1, x2, x3 = upper_x[c], upper_x[c + 1], lower_x[c], lower_x[c + 1]
            low_y, high_y = min(min(y0, y1), min(y2, y3)), max(max(y0, y1), max(y2, y3))
            low_x, high_x = min(min(x0, x1), min(x2, x3)), max(max(x0, x1), max(x2, x3))
            if not (high_y > -1.0 and low_y < most_y + 1.0 and high_x > -1.0 and low_x < most_x + 1.0):
                continue  # beyond the window, or nowhere
            if mask[r, c] & mask[r, c + 1] & mask[r + 1, c] & mask[r + 1, c + 1] & SHADOW:
                continue
            seen, whole = _facet_area(upper, lower, c)
            if not (seen > 0.0 and abs(x0 + x1 + x2 + x3 + y0 + y1 + y2 + y3) < np.inf):
                continue
            inside = low_y >= 0.0 and high_y < most_y and low_x >= 0.0 and high_x < most_x
            share = (whole if surface else seen) / (parts * parts)
            _add_facet(area, (y0, y1, y2, y3), (x0, x1, x2, x3), share, parts, inside)
        upper, lower = lower, upper
        upper_y, lower_y, upper_x, lower_x = lower_y, upper_y, lower_x, upper_x


@njit(nogil=True, cache=True)
def fill_incidence(
    first: int, last: int, knots: Floats, step: int, heights: Singles, local: bool, incidence: Singles
) -> None:
    """Fill incidence angles of rows first to last - 1; see `flattening.incidence_angle`."""
    rows, columns = heights.shape
    before, here, after = (
        np.empty((knots.shape[0], columns)),
        np.empty((knots.shape[0], columns)),
        np.empty((knots.shape[0], columns)),
    )
    _points(knots, max(first - 1, 0), step, heights, before)
    _points(knots, first, step, heights, here)
    for r in range(first, last):
        _points(knots, min(r + 1, rows - 1), step, heights, after)
        for c in range(columns):
            nx, ny, nz = here[3, c], here[4, c], here[5, c]
            if local:
                left, right = max(c - 1, 0), min(c + 1, columns - 1)
                ax, ay = here[0, right] - here[0, left], here[1, right] - here[1, left]
                az = here[2, right] - here[2, left]
                bx, by, bz = before[0, c] - after[0, c], before[1, c] - after[1, c], before[2, c] - after[2, c]
                nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
            lx, ly, lz = here[6, c] - here[0, c], here[7, c] - here[1, c], here[8, c] - here[2, c]
            cosine = (nx * lx + ny * ly + nz * lz) / math.sqrt(
                (nx * nx + ny * ny + nz * nz) * (lx * lx + ly * ly + lz * lz)
            )
            incidence[r, c] = math.degrees(math.acos(min(max(cosine, -1.0), 1.0)))
        before, here, after = here, after, before


@njit(nogil=True, cache=True)
def fill_flattened(
    first: int, last: int, beta: Singles, area: Singles, slant: Singles, least: Singles, gamma: Singles
) -> None:
    """Fill terrain-flattened gamma0 of rows first to last - 1; see `flattening.flattened`."""
    rows, columns = beta.shape
    for r in range(first, last):
        for c in range(columns):
            gamma[r, c] = np.nan
            here = beta[r, c]
            if not (abs(here) < np.inf and area[r, c] >= least[c]):
                continue
            mean = np.float32(0.0)
            for k in range(9):
                i, j = k // 3 - 1, k % 3 - 1
                value = here
                if 0 <= r + i < rows and 0 <= c + j < columns and abs(beta[r + i, c + j]) < np.inf:
                    value = beta[r + i, c + j]
                mean += (_SIDE if i else _MIDDLE) * (_SIDE if j else _MIDDLE) * value
            gamma[r, c] = mean * slant[c] / area[r, c]


@njit(nogil=True, cache=True)
def fill_sampled(
    first: int,
    last: int,
    values: Singles,
    lines: Singles,
    samples: Singles,
    first_line: int,
    first_sample: int,
    looks: int,
    sampled: Singles,
) -> None:
    """Resample rows first to last - 1 bilinearly; see `flattening.on_lattice`."""
    rows, columns = values.shape
    middle = (looks - 1) / 2.0
    for i in range(first, last):
        for j in range(sampled.shape[1]):
            sampled[i, j] = np.nan
            y = (lines[i, j] - first_line - middle) / looks
            x = (samples[i, j] - first_sample - middle) / looks
            if not (-1.0 < y < rows + 0.5 and -1.0 < x < columns + 0.5):
                continue
            # up to the edge of the image, and over pixels beyond its last whole squares, the outermost squares count
            y, x = min(max(y, 0.0), rows - 1.0), min(max(x, 0.0), columns - 1.0)
            r, c = math.floor(y), math.floor(x)
            down, along = y - r, x - c
            total = weights = 0.0
            number = 0
            for k in range(4):
                rr, cc = r + k // 2, c + k % 2
                if 0 <= rr < rows and 0 <= cc < columns:
                    value = values[rr, cc]
                    if abs(value) < np.inf:
                        weight = (down if k // 2 else 1.0 - down) * (along if k % 2 else 1.0 - along)
                        total += weight * value
                        weights += weight
                        number += 1
            if weights >= _LEAST_WEIGHT and (number > 1 or weights > 1.0 - 1e-9):
                sampled[i, j] = total / weights
