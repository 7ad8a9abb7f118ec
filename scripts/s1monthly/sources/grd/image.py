"""From annotation to the geometry of an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from s1monthly.errors import S1MonthlyError, SourceError
from s1monthly.kernels.grd.geocoding import ImageGeometry
from s1monthly.kernels.grd.orbit import fit_orbit
from s1monthly.sources.grd.annotation import Annotation, StateVectors
from s1monthly.sources.grd.elements import REMEDY

Floats = NDArray[np.float64]

MOST_UNEVEN = 20e-6
"""Seconds by which a grid point's time may differ from a shift of half the two-way time; in all products 1.4e-6."""


def image_geometry(
    annotation: Annotation,
    orbit: StateVectors | None = None,
    *,
    nearest_set: bool = False,
    tropospheric_delay: bool = True,
) -> ImageGeometry:
    """Return the geometry of an image.

    Parameters
    ----------
    annotation : Annotation
        Of the image.
    orbit : StateVectors, optional
        From an orbit file; otherwise those of the annotation are used.
    nearest_set, tropospheric_delay
        See `ImageGeometry`.

    Raises
    ------
    SourceError
        If the state vectors do not lie on an orbit or end before the product does, or the grid's times contradict its
        lines.
    """
    vectors = orbit or annotation.orbit
    start = annotation.first_line
    times = _seconds(vectors.times, start)
    last = (annotation.lines - 1) * annotation.line_interval
    if times[0] > 0 or times[-1] < last:
        problem = f"state vectors from {vectors.times[0]} to {vectors.times[-1]} do not cover the product"
        raise SourceError(f"{annotation.file}: {problem}", REMEDY)
    ground_range = annotation.ground_range
    try:
        return ImageGeometry(
            orbit=fit_orbit(times, vectors.positions, vectors.velocities, annotation.file),
            lines=annotation.lines,
            samples=annotation.samples,
            line_interval=annotation.line_interval,
            sample_spacing=annotation.sample_spacing,
            set_times=_seconds(ground_range.times, start),
            set_origins=ground_range.origins,
            set_coefficients=ground_range.coefficients,
            bistatic_reference=bistatic_reference(annotation),
            nearest_set=nearest_set,
            tropospheric_delay=tropospheric_delay,
        )
    except SourceError:
        raise
    except S1MonthlyError as error:
        raise SourceError(error.problem, error.remedy) from error


def bistatic_reference(annotation: Annotation) -> float:
    """Return the two-way time in seconds of the range at which lines have the time of zero Doppler.

    The processor corrects the delay between sending and receiving for one range only, which it does not annotate. At
    any other, zero Doppler lies half the difference of the two-way times later than the line's time. The geolocation
    grid holds both.

    Raises
    ------
    SourceError
        If the grid's times do not follow that rule.
    """
    grid = annotation.grid
    later = _seconds(grid.azimuth_times, annotation.first_line) - grid.lines * annotation.line_interval
    references = grid.slant_range_times - 2 * later
    reference = float(np.median(references))
    uneven = np.abs(references - reference).max() / 2
    if uneven > MOST_UNEVEN:
        raise SourceError(
            f"{annotation.file}: times and lines of its geolocation grid differ by up to {uneven * 1e6:.0f} us from "
            "what the range implies",
            REMEDY,
        )
    return reference


def _seconds(times: NDArray[np.datetime64], since: np.datetime64) -> Floats:
    return (times - since) / np.timedelta64(1, "s")
