"""Forward model: what the radar receives from a known ground. It knows nothing of the geocoder.

For each line of the image, the ground is walked in steps in the plane across the satellite's path. Each step sends back
its gamma0 times the area that the radar sees of it, at its slant range, unless it lies in shadow or faces away.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from s1monthly.errors import S1MonthlyError
from s1monthly.sources.grd.annotation import Annotation, StateVectors

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Vector = tuple[float, float, float]
Grid = tuple[float, float, float, float, Singles]
"""The attributes of a `Field`, for compiled code."""

_A, _B = 6_378_137.0, 6_356_752.314245
_C = 299_792_458.0
GROUND_STEP = 2.5
"""Metres between steps on the ground: four in a pixel of 10 m."""
_NEIGHBOURS = 8  # state vectors through which the orbit is interpolated


@dataclass(frozen=True, eq=False)
class Field:
    """Values on a grid of longitude and latitude; bilinear in between, and constant beyond its edge.

    Attributes
    ----------
    west, north : float
        First node, in degrees.
    step_x, step_y : float
        Degrees between nodes.
    values : float32 (rows, columns)
        Values; rows go south.
    """

    west: float
    north: float
    step_x: float
    step_y: float
    values: Singles


@njit(nogil=True, cache=True)
def _at(grid: Grid, lon: float, lat: float) -> float:
    west, north, step_x, step_y, values = grid
    rows, columns = values.shape
    x = min(max((lon - west) / step_x, 0.0), columns - 1.000001)
    y = min(max((north - lat) / step_y, 0.0), rows - 1.000001)
    c, r = int(x), int(y)
    u, v = x - c, y - r
    upper = values[r, c] * (1 - u) + values[r, c + 1] * u
    return upper * (1 - v) + (values[r + 1, c] * (1 - u) + values[r + 1, c + 1] * u) * v


@njit(nogil=True, cache=True)
def _geodetic(x: float, y: float, z: float) -> tuple[float, float, float]:
    """Return longitude, latitude in radians and height (Bowring 1985)."""
    e2 = 1 - _B * _B / (_A * _A)
    p = math.sqrt(x * x + y * y)
    r = math.sqrt(p * p + z * z)
    u = math.atan2(_B * z * (1 + (_A * _A / (_B * _B) - 1) * _B / r), _A * p)
    su, cu = math.sin(u), math.cos(u)
    lat = math.atan2(z + (_A * _A / _B - _B) * su * su * su, p - e2 * _A * cu * cu * cu)
    s = math.sin(lat)
    return math.atan2(y, x), lat, p * math.cos(lat) + z * s - _A * math.sqrt(1 - e2 * s * s)


@njit(nogil=True, cache=True)
def _frame(satellite: Floats, velocity: Floats) -> tuple[Vector, Vector, Vector, Vector, float]:
    """Return the plane across the path: direction of flight, its centre, its axes up and right, and the height above.

    The centre is the foot of the Earth's centre on the path's tangent; ``above`` is the satellite's distance from it.
    """
    sx, sy, sz = satellite
    vx, vy, vz = velocity
    speed = math.sqrt(vx * vx + vy * vy + vz * vz)
    vx, vy, vz = vx / speed, vy / speed, vz / speed
    along = sx * vx + sy * vy + sz * vz
    cx, cy, cz = along * vx, along * vy, along * vz
    ux, uy, uz = sx - cx, sy - cy, sz - cz
    above = math.sqrt(ux * ux + uy * uy + uz * uz)
    ux, uy, uz = ux / above, uy / above, uz / above
    right = (vy * uz - vz * uy, vz * ux - vx * uz, vx * uy - vy * ux)
    return (vx, vy, vz), (cx, cy, cz), (ux, uy, uz), right, above


@njit(nogil=True, cache=True)
def _add_echo(
    power: Singles,
    line: int,
    edges: Floats,
    ranges: tuple[float, float],
    seen: float,
    place: tuple[float, float],
    scenes: tuple[Grid, Grid],
    hint: int,
) -> int:
    """Add the echo of a step on the ground to the samples between its two slant ranges; return the first of them.

    `hint` is any sample; that of the step before is the nearest.
    """
    samples = power.shape[2]
    low, high = min(ranges[0], ranges[1]), max(ranges[0], ranges[1])
    k = hint
    while k > 0 and edges[line, k] > low:
        k -= 1
    while k < samples - 1 and edges[line, k + 1] <= low:
        k += 1
    for layer in range(power.shape[0]):
        gamma = _at(scenes[0] if layer == 0 else scenes[1], place[0], place[1])
        m = k
        while m < samples and edges[line, m] < high:
            part = min(high, edges[line, m + 1]) - max(low, edges[line, m])
            if part > 0.0:
                share = part / (high - low)
                power[layer, line, m] += gamma * seen * share / (edges[line, m + 1] - edges[line, m])
            m += 1
    return k


@njit(nogil=True, cache=True)
def _walk_lines(
    first: int,
    last: int,
    satellite: Floats,
    velocity: Floats,
    ground_speed: Floats,
    edges: Floats,
    reference: float,
    delay: float,
    margin: float,
    dem: Grid,
    scenes: tuple[Grid, Grid],
    power: Singles,
) -> None:
    """Fill beta0 of lines first to last - 1; see `beta0`."""
    samples = power.shape[2]
    for line in range(first, last):
        sx, sy, sz = satellite[line]
        (vx, vy, vz), (cx, cy, cz), (ux, uy, uz), (rx, ry, rz), above = _frame(satellite[line], velocity[line])
        near, far = edges[line, 0], edges[line, samples]
        radius = 6_367_000.0
        start = math.acos(min((above**2 + radius**2 - near**2) / (2 * above * radius), 1.0)) - margin / radius
        stop = math.acos((above**2 + radius**2 - far**2) / (2 * above * radius)) + margin / radius
        steps = int((stop - start) * radius / GROUND_STEP)
        rho = radius
        px = py = pz = lon_before = lat_before = 0.0
        before, flattest, sample = 0.0, -2.0, 0
        for step in range(steps + 1):
            angle = start + step * GROUND_STEP / radius
            dx, dy, dz = (math.cos(angle) * ux + math.sin(angle) * rx, math.cos(angle) * uy + math.sin(angle) * ry,
                          math.cos(angle) * uz + math.sin(angle) * rz)  # fmt: skip
            lon = lat = height = 0.0
            qx = qy = qz = distance = 0.0
            for _ in range(5 if step == 0 else 2):
                qx, qy, qz = cx + rho * dx, cy + rho * dy, cz + rho * dz
                distance = math.sqrt((qx - sx) ** 2 + (qy - sy) ** 2 + (qz - sz) ** 2)
                # the line's time is that of zero Doppler for the reference range only
                shift = (distance / _C - reference / 2) * ground_speed[line] if not math.isnan(reference) else 0.0
                lon, lat, height = _geodetic(qx + shift * vx, qy + shift * vy, qz + shift * vz)
                ground = _at(dem, math.degrees(lon), math.degrees(lat))
                rho += ground - height
            measured = distance
            lx, ly, lz = (sx - qx) / distance, (sy - qy) / distance, (sz - qz) / distance
            if delay > 0.0:
                up = (lx * math.cos(lon) + ly * math.sin(lon)) * math.cos(lat) + lz * math.sin(lat)
                measured += delay * math.exp(-height / 6000.0) / up
            cosine = -(lx * ux + ly * uy + lz * uz)
            if step:
                ex, ey, ez = qx - px, qy - py, qz - pz
                # across the line of sight, in the plane: positive if the ground faces the radar
                seen = (ez * ly - ey * lz) * vx + (ex * lz - ez * lx) * vy + (ey * lx - ex * ly) * vz
                if seen > 0.0 and cosine >= flattest:
                    place = math.degrees((lon + lon_before) / 2), math.degrees((lat + lat_before) / 2)
                    sample = _add_echo(power, line, edges, (before, measured), seen, place, scenes, sample)
            flattest = max(flattest, cosine)
            px, py, pz, before = qx, qy, qz, measured
            lon_before, lat_before = lon, lat


def beta0(
    annotation: Annotation,
    dem: Field,
    gamma0: Mapping[str, Field],
    *,
    reference: float,
    tropospheric_delay: bool = True,
    relief: float = 3000.0,
    threads: int = 2,
) -> dict[str, Singles]:
    """Return the beta0 that an image shows of a known ground.

    Parameters
    ----------
    annotation : Annotation
        Of the image: its times, orbit and ground range.
    dem : Field
        Heights above the ellipsoid in metres.
    gamma0 : mapping of str to Field
        Linear gamma0 of the ground, by polarization; one or two.
    reference : float
        Two-way time of the range whose lines have the time of zero Doppler, in seconds; NaN if all have.
    tropospheric_delay : bool
        Lengthen slant ranges as the troposphere does.
    relief : float
        Largest difference in height, in metres: ground that far beyond the image may appear in it.

    Returns
    -------
    dict of str to float32 (lines, samples)
        Linear power, without noise and speckle.
    """
    times = np.arange(float(annotation.lines)) * annotation.line_interval
    satellite = _positions(annotation.orbit, annotation.first_line, times)
    half = 0.05
    before, after = (_positions(annotation.orbit, annotation.first_line, times + step) for step in (-half, half))
    velocity = (after - before) / (2 * half)
    layers = list(gamma0)
    if not 1 <= len(layers) <= 2:
        raise S1MonthlyError(f"{len(layers)} polarizations", "give one or two")
    power = np.zeros((len(layers), annotation.lines, annotation.samples), np.float32)
    fields = [(field.west, field.north, field.step_x, field.step_y, field.values) for field in gamma0.values()]
    edges = _range_edges(annotation, times)
    speed = _ground_speed(satellite, velocity, annotation.line_interval, float(edges.mean()))
    arguments = (
        satellite, velocity, speed, edges, reference,
        2.3 if tropospheric_delay else 0.0, 2.2 * relief + 500.0,
        (dem.west, dem.north, dem.step_x, dem.step_y, dem.values), (fields[0], fields[-1]), power,
    )  # fmt: skip
    bounds = np.linspace(0, annotation.lines, 4 * threads + 1).astype(int)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda first, last: _walk_lines(first, last, *arguments), bounds[:-1], bounds[1:]))
    return dict(zip(layers, power, strict=True))


def _positions(orbit: StateVectors, since: np.datetime64, times: NDArray[np.floating[Any]]) -> Floats:
    """Interpolate positions through the nearest state vectors (Lagrange)."""
    at = (orbit.times - since) / np.timedelta64(1, "s")
    count = min(_NEIGHBOURS, len(at))
    first = np.clip(np.searchsorted(at, times) - count // 2, 0, len(at) - count)
    found = np.zeros((len(times), 3))
    for i in range(count):
        weight = np.ones(len(times))
        for j in range(count):
            if j != i:
                weight *= (times - at[first + j]) / (at[first + i] - at[first + j])
        found += weight[:, None] * orbit.positions[first + i]
    return found


def _range_edges(annotation: Annotation, times: NDArray[np.floating[Any]]) -> Floats:
    """Return slant ranges at the edges of samples, (lines, samples + 1)."""
    sets = annotation.ground_range
    ground = (np.arange(annotation.samples + 1) - 0.5) * annotation.sample_spacing
    by_set = np.array(
        [
            np.polyval(coefficients[::-1], ground - origin)
            for origin, coefficients in zip(sets.origins, sets.coefficients, strict=True)
        ]
    )
    at = (sets.times - annotation.first_line) / np.timedelta64(1, "s")
    place = np.interp(times, at, np.arange(len(at)))
    before = np.minimum(place.astype(int), max(len(at) - 2, 0))
    after = np.minimum(before + 1, len(at) - 1)
    weight = (place - before)[:, None]
    edges: Floats = by_set[before] * (1 - weight) + by_set[after] * weight
    return edges


def _ground_speed(satellite: Floats, velocity: Floats, interval: float, slant_range: float) -> Floats:
    """Return how fast the plane across the path moves over the ground in the middle of the swath, metres a second."""
    ahead = velocity / np.linalg.norm(velocity, axis=1, keepdims=True)
    down = -satellite / np.linalg.norm(satellite, axis=1, keepdims=True)
    down -= (down * ahead).sum(axis=1, keepdims=True) * ahead
    down /= np.linalg.norm(down, axis=1, keepdims=True)
    height = np.linalg.norm(satellite, axis=1)
    cosine = (height**2 + slant_range**2 - 6_367_000.0**2) / (2 * height * slant_range)
    point = satellite + slant_range * (cosine[:, None] * down + np.sqrt(1 - cosine**2)[:, None] * np.cross(down, ahead))
    moved = np.einsum("pk,pk->p", satellite[1:] - point[:-1], velocity[1:]) / np.einsum(
        "pk,pk->p", ahead[:-1], velocity[1:]
    )
    return np.append(moved, moved[-1]) / interval
