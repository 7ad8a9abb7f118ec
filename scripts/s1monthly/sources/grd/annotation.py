"""The annotation of an image: its times, spacing, orbit, ground range and geolocation grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from s1monthly.errors import SourceError
from s1monthly.model import Direction
from s1monthly.sources.grd.elements import Element, parse_xml

Floats = NDArray[np.float64]

MOST_SAMPLES = 100_000
"""More samples or lines than any image has."""

MOST_COEFFICIENTS = 30
"""More than any polynomial from ground range to slant range has."""

_FAR = 1e8  # metres or metres a second: nothing near the Earth is further away or faster


@dataclass(frozen=True, eq=False)
class StateVectors:
    """Positions and velocities of the satellite in the Earth-fixed frame.

    Attributes
    ----------
    times : datetime64 (vector,)
        UTC, increasing.
    positions, velocities : float64 (vector, 3)
        Metres, metres a second.
    """

    times: NDArray[np.datetime64]
    positions: Floats
    velocities: Floats


@dataclass(frozen=True, eq=False)
class GroundRange:
    """Polynomials from ground range to slant range (``grsrCoefficients``).

    The opposite ones (``srgrCoefficients``) are off by 16 m in EW, and by 40 m from IPF 2.36.

    Attributes
    ----------
    times : datetime64 (set,)
        Azimuth times, UTC, increasing.
    origins : float64 (set,)
        Ground range at which the polynomials begin, in metres from the first sample.
    coefficients : float64 (set, order)
        Slant range in metres is the sum of coefficient k times (ground range - origin) to the power k.
    """

    times: NDArray[np.datetime64]
    origins: Floats
    coefficients: Floats


@dataclass(frozen=True, eq=False)
class GeolocationGrid:
    """Places that the processor computed.

    Attributes
    ----------
    azimuth_times : datetime64 (point,)
        Time of zero Doppler, UTC.
    slant_range_times : float64 (point,)
        Two-way time in seconds.
    lines, pixels : float64 (point,)
        Place in the image.
    longitudes, latitudes, heights : float64 (point,)
        Place on the ground; degrees, and metres above the ellipsoid.
    incidences : float64 (point,)
        Incidence angle in degrees.
    """

    azimuth_times: NDArray[np.datetime64]
    slant_range_times: Floats
    lines: Floats
    pixels: Floats
    longitudes: Floats
    latitudes: Floats
    heights: Floats
    incidences: Floats


@dataclass(frozen=True, eq=False)
class Annotation:
    """What the annotation of one polarization says.

    Attributes
    ----------
    file : str
        For messages.
    mission, mode, polarization : str
        Such as S1A, IW, VV. The mode of a stripmap product is its swath, such as S4.
    direction : Direction
        Flight direction.
    datatake : int
        Number of the datatake.
    first_line : datetime64
        Azimuth time of line 0, UTC.
    line_interval : float
        Seconds between lines.
    lines, samples : int
        Size of the image.
    sample_spacing : float
        Metres on the ground.
    slant_range_time : float
        Two-way time of the first sample in seconds.
    orbit_source : str
        Such as ``Auxiliary``. With ``Downlink``, the satellite's own orbit was used: its error may reach metres.
    noise_removed : bool
        True if the processor has subtracted thermal noise already.
    orbit : StateVectors
        Around the product.
    ground_range : GroundRange
        Polynomials over the product.
    grid : GeolocationGrid
        Places of some pixels.
    """

    file: str
    mission: str
    mode: str
    polarization: str
    direction: Direction
    datatake: int
    first_line: np.datetime64
    line_interval: float
    lines: int
    samples: int
    sample_spacing: float
    slant_range_time: float
    orbit_source: str
    noise_removed: bool
    orbit: StateVectors
    ground_range: GroundRange
    grid: GeolocationGrid

    @property
    def orbit_from_satellite(self) -> bool:
        """True for near-real-time products that were made with the satellite's own orbit."""
        return self.orbit_source.casefold() == "downlink"


def parse_annotation(content: bytes, file: str) -> Annotation:
    """Parse the annotation of a detected image in ground range.

    Parameters
    ----------
    content : bytes
        The file's content.
    file : str
        Its name, for messages.

    Raises
    ------
    SourceError
        If it is damaged, an element is missing, doubled or out of range, or it describes another kind of image.
    """
    root = parse_xml(content, file, "product")
    header = root.child("adsHeader")
    header.choice("productType", ("GRD",))
    general = root.child("generalAnnotation/productInformation")
    general.choice("projection", ("Ground Range",))
    image = root.child("imageAnnotation/imageInformation")
    image.choice("pixelValue", ("Detected",))
    image.choice("outputPixels", ("16 bit Unsigned Integer",))
    processing = root.child("imageAnnotation/processingInformation")
    processing.choice("ellipsoidName", ("WGS84",))
    annotation = Annotation(
        file=file,
        mission=header.choice("missionId", ("S1A", "S1B", "S1C", "S1D")),
        mode=header.choice("mode", ("IW", "EW", "S1", "S2", "S3", "S4", "S5", "S6")),
        polarization=header.choice("polarisation", ("HH", "HV", "VV", "VH")),
        direction=Direction(general.choice("pass", ("Ascending", "Descending")).upper()),
        datatake=header.whole("missionDataTakeId", 0, 2**31),
        first_line=image.time("productFirstLineUtcTime"),
        line_interval=image.number("azimuthTimeInterval", 1e-4, 0.1),
        lines=image.whole("numberOfLines", 2, MOST_SAMPLES),
        samples=image.whole("numberOfSamples", 2, MOST_SAMPLES),
        sample_spacing=image.number("rangePixelSpacing", 1, 100),
        slant_range_time=image.number("slantRangeTime", 1e-3, 2e-2),
        orbit_source=processing.text("orbitSource"),
        noise_removed=processing.flag("thermalNoiseCorrectionPerformed"),
        orbit=_state_vectors(root.child("generalAnnotation")),
        ground_range=_ground_range(root.child("coordinateConversion")),
        grid=_grid(root.child("geolocationGrid")),
    )
    _check_times(annotation, image)
    return annotation


def _check_times(annotation: Annotation, image: Element) -> None:
    """Compare the number of lines with the times of the first and the last."""
    seconds = (image.time("productLastLineUtcTime") - annotation.first_line) / np.timedelta64(1, "s")
    expected = (annotation.lines - 1) * annotation.line_interval
    if abs(seconds - expected) > 2 * annotation.line_interval:
        image.fail(f"is {seconds:.3f} s after the first line, not {expected:.3f} s", "productLastLineUtcTime")


def _increasing(times: list[np.datetime64], parent: Element) -> NDArray[np.datetime64]:
    found = np.array(times, "datetime64[us]")
    if not (found[1:] > found[:-1]).all():
        parent.fail("has times that do not increase")
    return found


def _state_vectors(general: Element) -> StateVectors:
    vectors = general.counted("orbitList", "orbit", least=4)
    for vector in vectors:
        vector.choice("frame", ("Earth Fixed",))
    return StateVectors(
        times=_increasing([vector.time("time") for vector in vectors], general.child("orbitList")),
        positions=np.array([[v.number(f"position/{axis}", -_FAR, _FAR, "m") for axis in "xyz"] for v in vectors]),
        velocities=np.array([[v.number(f"velocity/{axis}", -_FAR, _FAR, "m/s") for axis in "xyz"] for v in vectors]),
    )


def _ground_range(conversion: Element) -> GroundRange:
    sets = conversion.counted("coordinateConversionList", "coordinateConversion")
    coefficients = [item.numbers("grsrCoefficients", -1e9, 1e9) for item in sets]
    order = max(map(len, coefficients))
    for item, values in zip(sets, coefficients, strict=True):
        if not (2 <= len(values) <= MOST_COEFFICIENTS and 5e5 < values[0] < 2e6 and 0 < values[1] < 1):
            item.fail("is no polynomial from ground range to slant range in metres", "grsrCoefficients")
    return GroundRange(
        times=_increasing([item.time("azimuthTime") for item in sets], conversion.child("coordinateConversionList")),
        origins=np.array([item.number("gr0", -1e6, 1e6) for item in sets]),
        coefficients=np.array([np.pad(values, (0, order - len(values))) for values in coefficients]),
    )


def _grid(grid: Element) -> GeolocationGrid:
    points = grid.counted("geolocationGridPointList", "geolocationGridPoint", least=4)

    def numbers(name: str, low: float, high: float) -> Floats:
        return np.array([point.number(name, low, high) for point in points])

    return GeolocationGrid(
        azimuth_times=np.array([point.time("azimuthTime") for point in points]),
        slant_range_times=numbers("slantRangeTime", 1e-3, 2e-2),
        lines=numbers("line", -MOST_SAMPLES, MOST_SAMPLES),
        pixels=numbers("pixel", -MOST_SAMPLES, MOST_SAMPLES),
        longitudes=numbers("longitude", -360, 360),
        latitudes=numbers("latitude", -90, 90),
        heights=numbers("height", -1000, 10000),
        incidences=numbers("incidenceAngle", 5, 80),
    )


def check_same_image(co: Annotation, cross: Annotation) -> None:
    """Check that the two polarizations of a product show the same lines and samples.

    Raises
    ------
    SourceError
        If they do not.
    """
    for name in ("datatake", "first_line", "line_interval", "lines", "samples", "slant_range_time"):
        if getattr(co, name) != getattr(cross, name):
            raise SourceError(
                f"{cross.file}: {name} is {getattr(cross, name)}, but {getattr(co, name)} in {co.file}",
                "get the product again: its polarizations do not belong together",
            )
