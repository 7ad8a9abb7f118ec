"""The orbit as a polynomial through state vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from s1monthly.errors import S1MonthlyError

Floats = NDArray[np.float64]

DEGREE = 6
"""Over the 160 s of an annotation this errs by 0.01 mm; a higher degree follows the noise of the vectors."""

MOST_OFF_TRACK = 1.0
"""Metres by which a state vector may miss the polynomial."""

MOST_OFF_SPEED = 1.0
"""Metres a second by which a velocity may differ from the polynomial's. Those of IPF 2.36 differ by 0.04."""


@dataclass(frozen=True, eq=False)
class Orbit:
    """Position of the satellite in the Earth-fixed frame as a polynomial of time.

    Attributes
    ----------
    centre, scale : float
        The polynomial's variable is u = (t - centre) / scale; t is in seconds since a time that the caller chose.
    coefficients : float64 (3, degree + 1)
        Position in metres: sum of coefficient k times u^k.
    """

    centre: float
    scale: float
    coefficients: Floats

    def position(self, times: Floats) -> Floats:
        """Return positions in metres, (..., 3), at times in seconds."""
        return self._values(times, 0)

    def velocity(self, times: Floats) -> Floats:
        """Return velocities in metres a second, (..., 3)."""
        return self._values(times, 1)

    def acceleration(self, times: Floats) -> Floats:
        """Return accelerations in metres a second squared, (..., 3)."""
        return self._values(times, 2)

    def _values(self, times: Floats, order: int) -> Floats:
        u = (np.asarray(times, np.float64) - self.centre) / self.scale
        derived = np.polynomial.polynomial.polyder(self.coefficients.T, order) / self.scale**order
        return np.moveaxis(np.polynomial.polynomial.polyval(u, derived), 0, -1)


def fit_orbit(times: Floats, positions: Floats, velocities: Floats, file: str) -> Orbit:
    """Fit a polynomial to the positions of state vectors.

    Velocities are used as a check only: in some products they do not fit the positions, and zero Doppler is where the
    satellite came closest, whatever its velocity was said to be.

    Parameters
    ----------
    times : float64 (vector,)
        Seconds since a time that the caller chose.
    positions, velocities : float64 (vector, 3)
        Earth-fixed, in metres and metres a second.
    file : str
        Where the vectors come from, for messages.

    Raises
    ------
    S1MonthlyError
        If there are fewer than 4 vectors, or they lie on no orbit of Sentinel-1.
    """
    remedy = "get the file again, or give an orbit file (grd.orbits)"
    if len(times) < 4:
        raise S1MonthlyError(f"{file}: {len(times)} state vectors, fewer than 4", remedy)
    height = np.linalg.norm(positions, axis=1)
    if not ((height > 6.9e6) & (height < 7.2e6)).all():
        wrong = height[np.argmax(np.abs(height - 7.07e6))]
        raise S1MonthlyError(f"{file}: a state vector is {wrong:,.0f} m from the Earth's centre, not 7,070 km", remedy)
    centre, scale = (times[0] + times[-1]) / 2, max((times[-1] - times[0]) / 2, 1e-3)
    u = (times - centre) / scale
    degree = min(DEGREE, len(times) - 1)
    coefficients = np.polynomial.polynomial.polyfit(u, positions, degree)
    orbit = Orbit(centre, scale, np.ascontiguousarray(coefficients.T))
    off_track = np.abs(orbit.position(times) - positions).max()
    off_speed = np.abs(orbit.velocity(times) - velocities).max()
    if off_track > MOST_OFF_TRACK or off_speed > MOST_OFF_SPEED:
        raise S1MonthlyError(
            f"{file}: its state vectors lie on no orbit: positions are off by {off_track:.3g} m, velocities by "
            f"{off_speed:.3g} m/s",
            remedy,
        )
    return orbit
