"""An image of its own: a circular orbit over a given place, and the annotation that a processor would write for it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from s1monthly.model import Direction
from s1monthly.sources.grd.annotation import Annotation, GeolocationGrid, GroundRange, StateVectors
from s1monthly.sources.grd.manifest import Manifest

Floats = NDArray[np.float64]

_GRAVITY = 3.986004418e14
_ROTATION = 7.2921159e-5
_A, _B = 6_378_137.0, 6_356_752.314245
_C = 299_792_458.0
AXIS = 7_071_000.0
"""Radius of the orbit in metres."""
INCLINATION = math.radians(98.18)
NEAR_RANGE, FAR_RANGE = 800_400.0, 964_000.0
"""Slant ranges of the edges of IW, in metres."""
BISTATIC_REFERENCE = 5.872e-3
"""Two-way time in seconds of the range whose lines have the time of zero Doppler, as in real IW products."""
LINE_INTERVAL = 1.4975e-3
LINES = 16_690
SPACING = 10.0


class Orbit(NamedTuple):
    """A circular orbit: argument of latitude and longitude of the ascending node at time 0, in radians."""

    argument: float
    node: float

    def states(self, times: Floats) -> tuple[Floats, Floats]:
        """Return Earth-fixed positions and velocities, (time, 3), at times in seconds."""
        rate = math.sqrt(_GRAVITY / AXIS**3)
        u, node = self.argument + rate * times, self.node - _ROTATION * times
        ci, si = math.cos(INCLINATION), math.sin(INCLINATION)
        cu, su, cn, sn = np.cos(u), np.sin(u), np.cos(node), np.sin(node)
        position = AXIS * np.stack([cn * cu - sn * su * ci, sn * cu + cn * su * ci, su * si], axis=-1)
        velocity = AXIS * rate * np.stack([-cn * su - sn * cu * ci, -sn * su + cn * cu * ci, cu * si], axis=-1)
        turned = np.stack([-position[:, 1], position[:, 0], 0 * position[:, 2]], axis=-1)
        return position, velocity - _ROTATION * turned


def _earth_fixed(lon: float, lat: float) -> Floats:
    e2 = 1 - (_B / _A) ** 2
    normal = _A / math.sqrt(1 - e2 * math.sin(lat) ** 2)
    across = normal * math.cos(lat)
    return np.array([across * math.cos(lon), across * math.sin(lon), normal * (1 - e2) * math.sin(lat)])


def orbit_over(longitude: float, latitude: float, direction: Direction, slant_range: float) -> Orbit:
    """Return the orbit from which a place is seen to the right at time 0, at a slant range.

    Parameters
    ----------
    longitude, latitude : float
        Degrees; at most 75 degrees from the equator.
    direction : Direction
        Flight direction.
    slant_range : float
        Metres.
    """
    target = _earth_fixed(math.radians(longitude), math.radians(latitude))
    argument = math.asin(max(min(math.sin(math.radians(latitude)) / math.sin(INCLINATION), 1.0), -1.0))
    argument = argument if direction == Direction.ASCENDING else math.pi - argument
    # the track passes to the left of the place: west of it when ascending
    away = 0.09 / math.cos(math.radians(latitude)) * (-1 if direction == Direction.ASCENDING else 1)
    node = math.radians(longitude) + away - math.atan2(math.cos(INCLINATION) * math.sin(argument), math.cos(argument))
    unknown = np.array([argument, node])

    def missed(values: Floats) -> Floats:
        position, velocity = Orbit(float(values[0]), float(values[1])).states(np.zeros(1))
        sight = target - position[0]
        return np.array([sight @ velocity[0] / 7500.0, np.linalg.norm(sight) - slant_range])

    for _ in range(20):
        value = missed(unknown)
        slope = np.stack([(missed(unknown + step) - value) / 1e-7 for step in np.eye(2) * 1e-7], axis=1)
        unknown = unknown - np.clip(np.linalg.solve(slope, value), -0.05, 0.05)
    return Orbit(float(unknown[0]), float(unknown[1]))


def _ground(orbit: Orbit, times: Floats, ranges: Floats) -> tuple[Floats, Floats, Floats]:
    """Return longitude and latitude in degrees and incidence in degrees of points of the ellipsoid in an image."""
    position, velocity = orbit.states(times)
    ahead = velocity / np.linalg.norm(velocity, axis=1, keepdims=True)
    down = np.einsum("pk,pk->p", position, ahead)[:, None] * ahead - position
    down /= np.linalg.norm(down, axis=1, keepdims=True)
    right = np.cross(down, ahead)
    height = -np.einsum("pk,pk->p", position, down)
    radius = np.full(len(times), 6_367_000.0)
    e2 = 1 - (_B / _A) ** 2
    for _ in range(8):
        cosine = (AXIS**2 + ranges**2 - radius**2) / (2 * ranges * height)
        sight = cosine[:, None] * down + np.sqrt(1 - cosine**2)[:, None] * right
        point = position + ranges[:, None] * sight
        # scale to the ellipsoid: (x^2 + y^2) / a^2 + z^2 / b^2 = 1
        size = np.sqrt((point[:, 0] ** 2 + point[:, 1] ** 2) / _A**2 + point[:, 2] ** 2 / _B**2)
        radius = np.linalg.norm(point, axis=1) / size
    latitude = np.arctan2(point[:, 2], (1 - e2) * np.hypot(point[:, 0], point[:, 1]))
    longitude = np.arctan2(point[:, 1], point[:, 0])
    up = np.stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=-1
    )
    incidence = np.degrees(np.arccos(-np.einsum("pk,pk->p", sight, up)))
    return np.degrees(longitude), np.degrees(latitude), incidence


def _ground_range(orbit: Orbit, start: np.datetime64, seconds: float) -> tuple[GroundRange, int]:
    """Return polynomials from ground to slant range, one a second, and the number of samples."""
    times = np.arange(-1.0, seconds + 2.0)
    ranges = np.linspace(NEAR_RANGE, FAR_RANGE, 400)
    coefficients, widths = [], []
    for time in times:
        lon, lat, _ = _ground(orbit, np.full(len(ranges), time), ranges)
        points = np.array([_earth_fixed(x, y) for x, y in zip(np.radians(lon), np.radians(lat), strict=True)])
        chords = np.linalg.norm(np.diff(points, axis=0), axis=1)
        along = np.append(0.0, np.cumsum(chords))
        fitted = np.polynomial.Polynomial.fit(along, ranges, 8, domain=[0, along[-1]])
        coefficients.append(fitted.convert().coef)
        widths.append(along[-1])
    stamps = start + (times * 1e6).astype("timedelta64[us]")
    sets = GroundRange(stamps, np.zeros(len(times)), np.array(coefficients))
    return sets, int(min(widths) / SPACING)


def model_annotation(
    longitude: float,
    latitude: float,
    when: np.datetime64,
    direction: Direction,
    polarization: str,
    *,
    slant_range: float = 880_000.0,
    datatake: int = 1,
) -> Annotation:
    """Return the annotation of an IW image whose middle line passes a place.

    Parameters
    ----------
    longitude, latitude : float
        Degrees; at most 75 degrees from the equator.
    when : datetime64
        Time at which the place is seen, UTC.
    direction : Direction
        Flight direction.
    polarization : str
        HH, HV, VV or VH.
    slant_range : float
        Of the place in metres; it decides where in the swath it lies.
    datatake : int
        Number of the datatake.
    """
    seconds = (LINES - 1) * LINE_INTERVAL
    over = orbit_over(longitude, latitude, direction, slant_range)
    half = math.sqrt(_GRAVITY / AXIS**3) * seconds / 2
    orbit = Orbit(over.argument - half, over.node + _ROTATION * seconds / 2)
    start = when.astype("datetime64[us]") - np.timedelta64(round(seconds / 2 * 1e6), "us")
    at = np.arange(-70.0, 100.0, 10.0)
    positions, velocities = orbit.states(at)
    sets, samples = _ground_range(orbit, start, seconds)
    annotation = Annotation(
        file="model", mission="S1A", mode="IW", polarization=polarization, direction=direction,
        datatake=datatake,
        first_line=start, line_interval=LINE_INTERVAL, lines=LINES, samples=samples,
        sample_spacing=SPACING, slant_range_time=2 * NEAR_RANGE / _C,
        orbit_source="Auxiliary", noise_removed=False,
        orbit=StateVectors(start + (at * 1e6).astype("timedelta64[us]"), positions, velocities), ground_range=sets,
        grid=_no_grid(),
    )  # fmt: skip
    return replace(annotation, grid=_grid(annotation, orbit))


def _no_grid() -> GeolocationGrid:
    nothing = np.zeros(0)
    return GeolocationGrid(np.zeros(0, "datetime64[us]"), *([nothing] * 7))


def _grid(annotation: Annotation, orbit: Orbit) -> GeolocationGrid:
    """Return the geolocation grid on the ellipsoid, by the polynomials nearest in time."""
    every_line = np.minimum(np.arange(0.0, annotation.lines + 1800, 1855), annotation.lines - 1)
    every_pixel = np.minimum(np.arange(0.0, annotation.samples + 1200, 1300), annotation.samples - 1)
    lines, pixels = (
        values.ravel() for values in np.meshgrid(np.unique(every_line), np.unique(every_pixel), indexing="ij")
    )
    sets = annotation.ground_range
    at = (sets.times - annotation.first_line) / np.timedelta64(1, "s")
    nearest = np.abs(at[:, None] - lines * annotation.line_interval).argmin(axis=0)
    ranges = np.array([
        np.polyval(sets.coefficients[number][::-1], pixel * annotation.sample_spacing)
        for number, pixel in zip(nearest, pixels, strict=True)
    ])  # fmt: skip
    delays = 2 * ranges / _C
    times = lines * annotation.line_interval + (delays - BISTATIC_REFERENCE) / 2
    longitude, latitude, incidence = _ground(orbit, times, ranges)
    stamps = annotation.first_line + np.rint(times * 1e6).astype("timedelta64[us]")
    return GeolocationGrid(stamps, delays, lines, pixels, longitude, latitude, 0 * lines, incidence)


def ground_at(annotation: Annotation, line: float, pixels: Floats) -> tuple[Floats, Floats]:
    """Return longitude and latitude of pixels of a line, bilinear in the geolocation grid."""
    grid = annotation.grid
    lines, columns = np.unique(grid.lines), np.unique(grid.pixels)

    def between(values: Floats) -> Floats:
        by_line = [np.interp(pixels, columns, row) for row in values.reshape(len(lines), len(columns))]
        return np.array([np.interp(line, lines, column) for column in np.transpose(by_line)])

    return between(grid.longitudes), between(grid.latitudes)


def model_manifest(annotation: Annotation, polarizations: tuple[str, ...], track: int) -> Manifest:
    """Return the manifest of a product with such an image."""
    last, far = annotation.lines - 1, annotation.samples - 1
    corners = []
    for line, pixel in ((0, 0), (0, far), (last, far), (last, 0)):
        longitude, latitude = ground_at(annotation, line, np.array([pixel]))
        corners.append((float(longitude[0]), float(latitude[0])))
    seconds = (annotation.lines - 1) * annotation.line_interval
    stop = annotation.first_line + np.timedelta64(round(seconds * 1e6), "us")
    return Manifest(
        mission=annotation.mission, mode=annotation.mode, product_type="GRD", polarizations=polarizations,
        direction=annotation.direction, track=track, absolute_orbit=annotation.datatake, datatake=annotation.datatake,
        start=annotation.first_line, stop=stop,
        ipf=(3, 90), processed=stop + np.timedelta64(3, "h"), footprint=tuple(corners), objects=(),
    )  # fmt: skip


def model_name(manifest: Manifest) -> str:
    """Return the name of a product, with ``.SAFE``; it ends with a checksum of what the manifest says."""
    start, stop = (str(time)[:19].replace("-", "").replace(":", "") for time in (manifest.start, manifest.stop))
    pair = ("D" if len(manifest.polarizations) == 2 else "S") + manifest.polarizations[0][0]
    unique = sum(f"{manifest.start}{manifest.track}{manifest.direction}".encode()) % 65536
    return (
        f"{manifest.mission}_IW_GRDH_1S{pair}_{start}_{stop}_{manifest.absolute_orbit:06d}_{manifest.datatake:06X}_"
        f"{unique:04X}.SAFE"
    )
