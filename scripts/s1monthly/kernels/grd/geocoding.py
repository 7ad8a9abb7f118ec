"""From the ground to the image: zero-Doppler time, slant range, line and sample (range-Doppler equations)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.errors import S1MonthlyError
from s1monthly.kernels.grd.orbit import Orbit

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

MAJOR_AXIS, MINOR_AXIS = 6_378_137.0, 6_356_752.314245
"""Of the WGS84 ellipsoid, in metres."""

ZENITH_DELAY = 2.3
"""Path in metres that the troposphere adds to a vertical ray from sea level, as OPERA corrects it."""

_TABLE_STEP = 50.0  # metres of slant range: linear interpolation errs by 0.003 m of ground range
_BEYOND = 2000.0  # metres of ground range that the table reaches beyond the image
ROWS_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class ImageGeometry:
    """How ground points are found in an image in ground range.

    Attributes
    ----------
    orbit : Orbit
        Times are seconds since line 0.
    lines, samples : int
        Size of the image.
    line_interval : float
        Seconds between lines.
    sample_spacing : float
        Metres of ground range between samples.
    set_times : float64 (set,)
        Azimuth times of the polynomials from ground to slant range, in seconds since line 0.
    set_origins : float64 (set,)
        Ground range at which they begin, in metres.
    set_coefficients : float64 (set, order)
        Slant range in metres is the sum of coefficient k times (ground range - origin)^k.
    bistatic_reference : float
        Two-way time in seconds of the range whose lines need no correction; others are shifted by half the
        difference. NaN for no correction.
    nearest_set : bool
        Take the polynomial nearest in time, as the annotation's geolocation grid does, instead of interpolating.
    tropospheric_delay : bool
        Add the path through the troposphere, 2.3 m exp(-h / 6000 m) / cos(incidence), to the slant range.
    """

    orbit: Orbit
    lines: int
    samples: int
    line_interval: float
    sample_spacing: float
    set_times: Floats
    set_origins: Floats
    set_coefficients: Floats
    bistatic_reference: float
    nearest_set: bool = False
    tropospheric_delay: bool = True

    @cached_property
    def _arrays(self) -> tuple[tuple, tuple, tuple]:  # type: ignore[type-arg]
        """Orbit, table of ground range, and image, as the compiled loops take them."""
        orbit = (self.orbit.centre, self.orbit.scale, self.orbit.coefficients)
        delay = ZENITH_DELAY if self.tropospheric_delay else 0.0
        image = (self.line_interval, self.sample_spacing, self.bistatic_reference, delay)
        return orbit, self._range_table(), image

    def slant_range(self, ground_range: NDArray[np.floating[Any]]) -> Floats:
        """Return slant ranges in metres, (set, point), of ground ranges in metres from the first sample."""
        from_origins = ground_range - self.set_origins[:, None]
        powers = from_origins[:, :, None] ** np.arange(self.set_coefficients.shape[1])
        return np.einsum("spk,sk->sp", powers, self.set_coefficients)

    def _range_table(self) -> tuple[float, float, Floats, Floats, bool]:
        """Tabulate ground range at even steps of slant range, for each polynomial."""
        width = self.samples * self.sample_spacing
        ground = np.arange(-_BEYOND, width + _BEYOND + 1, 10.0)
        slant = self.slant_range(ground)
        if not (np.diff(slant, axis=1) > 0).all():
            raise S1MonthlyError(
                "the polynomials from ground range to slant range do not increase over the image",
                "get the product again: its annotation is damaged",
            )
        nodes = np.arange(slant[:, 0].max(), slant[:, -1].min(), _TABLE_STEP)
        table = np.empty((len(slant), len(nodes)))
        for number, values in enumerate(slant):
            guess = np.interp(nodes, values, ground)
            for _ in range(2):  # Newton from a guess that errs by less than 1 mm
                shifted = guess - self.set_origins[number]
                coefficients = self.set_coefficients[number]
                slope = np.polynomial.polynomial.polyval(shifted, np.polynomial.polynomial.polyder(coefficients))
                guess -= (np.polynomial.polynomial.polyval(shifted, coefficients) - nodes) / slope
            table[number] = guess
        return float(nodes[0]), _TABLE_STEP, table, self.set_times, self.nearest_set


@dataclass(frozen=True, eq=False)
class Places:
    """Where ground points lie in an image.

    Attributes
    ----------
    times : float64 (point,)
        Time of zero Doppler, in seconds since line 0.
    slant_ranges : float64 (point,)
        Distance to the satellite then, in metres, without tropospheric delay.
    lines, samples : float64 (point,)
        Place in the image, from 0 at the centre of the first pixel; NaN beyond the swath.
    """

    times: Floats
    slant_ranges: Floats
    lines: Floats
    samples: Floats


def earth_fixed(longitudes: Floats, latitudes: Floats, heights: Floats) -> tuple[Floats, Floats]:
    """Return Earth-fixed positions in metres and upward unit vectors, both (..., 3).

    Parameters
    ----------
    longitudes, latitudes : float64
        Degrees on WGS84.
    heights : float64
        Metres above the ellipsoid.
    """
    longitude, latitude = np.radians(longitudes), np.radians(latitudes)
    eccentricity = 1 - (MINOR_AXIS / MAJOR_AXIS) ** 2
    up = np.stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=-1
    )
    normal = MAJOR_AXIS / np.sqrt(1 - eccentricity * np.sin(latitude) ** 2)
    radius = np.stack([normal, normal, normal * (1 - eccentricity)], axis=-1) + np.asarray(heights)[..., None]
    return radius * up, up


def locate(geometry: ImageGeometry, longitudes: Floats, latitudes: Floats, heights: Floats) -> Places:
    """Find ground points in an image.

    Parameters
    ----------
    geometry : ImageGeometry
        Of the image.
    longitudes, latitudes : float64 (point,)
        Degrees on WGS84.
    heights : float64 (point,)
        Metres above the ellipsoid. NaN gives NaN.

    Returns
    -------
    Places
        One entry for each point.
    """
    from s1monthly.kernels.grd._zero_doppler import locate_points  # imported late: loading the compiled code is slow

    points, ups = earth_fixed(longitudes, latitudes, heights)
    places = np.empty((len(points), 4))
    locate_points(*geometry._arrays, points, ups, np.asarray(heights, np.float64), places)
    return Places(*np.ascontiguousarray(places.T))


def ground_knots(geometry: ImageGeometry, longitudes: Floats, latitudes: Floats) -> Floats:
    """Return what the loops over a lattice interpolate, at its knots.

    Parameters
    ----------
    geometry : ImageGeometry
        Of the image.
    longitudes, latitudes : float64 (knot row, knot column)
        Of the lattice's pixels (0, 0), (0, step), ...; the last knots lie at or beyond its edge.

    Returns
    -------
    float64 (11, knot row, knot column)
        Earth-fixed position at height 0 (3); upward unit vector (3); position of the satellite at zero Doppler (3);
        time of zero Doppler in seconds since line 0; its change with height in seconds a metre. For knots of 480 m,
        interpolation errs by 5 mm.
    """
    points, ups = earth_fixed(longitudes, latitudes, np.zeros_like(longitudes))
    times = locate(geometry, longitudes.ravel(), latitudes.ravel(), np.zeros(longitudes.size)).times
    orbit = geometry.orbit
    satellite, velocity = (values.reshape(points.shape) for values in (orbit.position(times), orbit.velocity(times)))
    by_time = azimuth_speed(geometry, times, points.reshape(-1, 3)).reshape(longitudes.shape)
    by_height = np.einsum("ijk,ijk->ij", ups, velocity) / np.linalg.norm(velocity, axis=-1) / by_time
    layers = [points, ups, satellite, times.reshape(*longitudes.shape, 1), by_height[..., None]]
    return np.ascontiguousarray(np.moveaxis(np.concatenate(layers, axis=-1), -1, 0))


def locate_lattice(
    geometry: ImageGeometry, knots: Floats, step: int, heights: Singles, threads: int = 1
) -> tuple[Singles, Singles]:
    """Find every pixel of a lattice in an image.

    Parameters
    ----------
    geometry : ImageGeometry
        Of the image.
    knots : float64 (11, knot row, knot column)
        From `ground_knots`.
    step : int
        Pixels between knots.
    heights : float32 (rows, columns)
        Metres above the ellipsoid; NaN for no data.
    threads : int
        Threads that work at once.

    Returns
    -------
    lines, samples : float32 (rows, columns)
        Place in the image, from 0 at the centre of the first pixel; NaN beyond the swath and without height. They
        differ from those of `locate` by less than 0.003.
    """
    from s1monthly.kernels.grd._zero_doppler import locate_rows

    lines, samples = np.empty(heights.shape, np.float32), np.empty(heights.shape, np.float32)
    arrays = geometry._arrays[1:]

    def fill(first: int, last: int) -> None:
        locate_rows(first, last, *arrays, knots, step, heights, lines, samples)

    by_rows(fill, len(heights), threads)
    return lines, samples


def by_rows(work: Callable[[int, int], Any], rows: int, threads: int) -> None:
    """Call `work` with the first and the past-the-last row of every block of rows, by some threads."""
    starts = range(0, rows, ROWS_AT_ONCE)
    with ThreadPoolExecutor(threads) as pool:
        for part in [pool.submit(work, first, min(first + ROWS_AT_ONCE, rows)) for first in starts]:
            part.result()


def azimuth_speed(geometry: ImageGeometry, times: Floats, points: Floats) -> Floats:
    """Return how fast the plane of zero Doppler moves over ground points, in metres a second.

    Parameters
    ----------
    times : float64 (point,)
        Times of zero Doppler in seconds since line 0.
    points : float64 (point, 3)
        Earth-fixed positions in metres.
    """
    orbit = geometry.orbit
    velocity, to_point = orbit.velocity(times), points - orbit.position(times)
    speed = np.linalg.norm(velocity, axis=-1)
    return (speed**2 - np.einsum("pk,pk->p", to_point, orbit.acceleration(times))) / speed


def azimuth_spacing(geometry: ImageGeometry, times: Floats, points: Floats) -> Floats:
    """Return the distance in metres between lines at ground points; parameters are those of `azimuth_speed`."""
    return geometry.line_interval * azimuth_speed(geometry, times, points)
