"""Geometric model of Sentinel-1's bursts: footprint and time of each burst, and the bursts over an area.

The orbit is nearly circular and repeats after 175 revolutions in 12 days. It is sun-synchronous, so the Earth turns
exactly 12 times under its plane in a cycle. Bursts are numbered through the cycle, one number per
`BURST_INTERVAL`; so the number gives time, track and place. The beam is steered to zero Doppler and rolled with
the height above the ellipsoid (Torres et al. 2012, GMES Sentinel-1 mission, RSE 120; burst numbering: Sentinel-1 Burst
ID Map, ESA S1-IF-ASD-PL-0007 annex).

Node longitude, eccentricity, times and look angles are a least-squares fit to the real footprints of 138 bursts of
twelve tracks, ascending and descending, at 33 degrees south and 70 degrees north. Errors against them: centres 1.3 km
(root mean square), at most 3 km; corners 1.8 km, at most 5 km. Targets lie on the ellipsoid, so a burst over high
ground is off by about its height. Acquisition times of 2021 to 2024 agree within 15 s, because the real orbit varies
within a tube.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from s1monthly.errors import GridError
from s1monthly.granules import Burst
from s1monthly.grid.outlines import to_lonlat, transformer
from s1monthly.model import Direction

if TYPE_CHECKING:
    from pyproj import Transformer

    from s1monthly.grid.lattice import GeoBox

Floats = npt.NDArray[np.float64]

BURST_INTERVAL = 2.758273
"""Seconds between bursts of one sub-swath."""

ORBIT_PERIOD = 12 * 86_400 / 175
"""Seconds per orbit: 175 orbits in a repeat cycle of 12 days."""

CYCLE = timedelta(days=12)
"""Repeat cycle of one satellite."""
SUBSWATHS = ("IW1", "IW2", "IW3")
REFERENCE_NODE = datetime(2014, 1, 2, 18, 0, 47, tzinfo=UTC)
"""Ascending node of Sentinel-1A at which a cycle begins; burst numbers count from it."""

_NODE_LONGITUDE = 0.168  # degrees east, of the reference node
_SEMI_MAJOR_AXIS = 7_070_000.0
_ECCENTRICITY = 0.0012  # frozen orbit: perigee over the northernmost point
_OBLATENESS_AMPLITUDE = 1_530.0  # metres, twice a revolution: J2 R^2 sin^2(i) / (4 a)
_INCLINATION = np.radians(98.18)
_DAY = 86_400.0  # seconds per turn of the Earth under the orbit plane

_ROLL_PER_METRE = np.radians(0.0566) / 1000.0  # roll steering law of the mission
_ROLL_HEIGHT = 711_700.0
_NEAR = np.radians([26.505, 31.430, 35.960])  # look angle from nadir at `_ROLL_HEIGHT`, per sub-swath
_FAR = np.radians([31.831, 36.261, 39.664])
_MIDDLE = np.array([2.052, 3.022, 3.987])  # seconds after number x interval, per sub-swath
_DURATION = 3.065  # seconds, 21 km as in real bursts; those of a sub-swath overlap by a tenth of it

_A = 6_378_137.0
_B = 6_356_752.314245
_AXES = np.array([_A, _A, _B])

_LAST = int(CYCLE.total_seconds() // BURST_INTERVAL)  # highest burst number
_STRIDE = 8  # burst numbers per step of the coarse search
_REACH = 250_000.0  # metres from the middle of a stride to the farthest corner of its bursts
_DEGREE = 5  # of the polynomial in x and in y that gives incidence angles
_EDGE_PIECES = 6  # straight pieces per long edge of a footprint: 15 km each, 10 m off the curve


def _satellite(seconds: Floats) -> Floats:
    """Return Earth-fixed positions (..., 3) in metres at some seconds after the reference node."""
    mean = 2 * np.pi * seconds / ORBIT_PERIOD
    argument = mean - 2 * _ECCENTRICITY * np.cos(mean)
    radius = _SEMI_MAJOR_AXIS * (1 - _ECCENTRICITY * np.sin(argument)) + _OBLATENESS_AMPLITUDE * np.cos(2 * argument)
    node = np.radians(_NODE_LONGITUDE) - 2 * np.pi * seconds / _DAY
    along, across = np.cos(argument), np.sin(argument) * np.cos(_INCLINATION)
    x = along * np.cos(node) - across * np.sin(node)
    y = along * np.sin(node) + across * np.cos(node)
    return radius[..., None] * np.stack([x, y, np.sin(argument) * np.sin(_INCLINATION)], axis=-1)


def _unit(vectors: Floats) -> Floats:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _dot(one: Floats, other: Floats) -> Floats:
    return np.asarray(np.sum(one * other, axis=-1, keepdims=True))


def _sight(seconds: Floats, look: Floats) -> tuple[Floats, Floats]:
    """Return the satellite and the ellipsoid points that it sees right in the zero-Doppler plane: each (..., 3)."""
    position = _satellite(seconds)
    flight = _unit(_satellite(seconds + 0.5) - _satellite(seconds - 0.5))
    radius = np.linalg.norm(position, axis=-1)
    height = radius - _A + (_A - _B) * (position[..., 2] / radius) ** 2
    angle = (look - _ROLL_PER_METRE * (height - _ROLL_HEIGHT))[..., None]
    vertical = _unit(position / _AXES**2)
    down = -_unit(vertical - _dot(vertical, flight) * flight)
    sight = np.cos(angle) * down + np.sin(angle) * np.cross(down, flight)
    # Nearer intersection of line of sight and ellipsoid, both scaled so that the ellipsoid is a unit sphere.
    start, step = position / _AXES, sight / _AXES
    a, b, c = _dot(step, step), _dot(start, step), _dot(start, start) - 1
    return position, position + (-b - np.sqrt(b * b - a * c)) / a * sight


def _ground(seconds: Floats, look: Floats) -> Floats:
    """Return the points of `_sight` on the ellipsoid: (..., 2) longitude and latitude in degrees."""
    _, target = _sight(seconds, look)
    longitude = np.arctan2(target[..., 1], target[..., 0])
    latitude = np.arctan2(target[..., 2], (_B / _A) ** 2 * np.hypot(target[..., 0], target[..., 1]))
    return np.degrees(np.stack([longitude, latitude], axis=-1))


def _rings(numbers: npt.ArrayLike, subswaths: npt.ArrayLike, pieces: int) -> Floats:
    """Return unclosed footprints, (burst, 2 * pieces + 2, 2) longitude, latitude: first line out, last line back."""
    subswath = np.asarray(subswaths)[:, None]
    start = np.asarray(numbers, dtype=np.float64)[:, None] * BURST_INTERVAL + _MIDDLE[subswath] - _DURATION / 2
    across = np.linspace(0.0, 1.0, pieces + 1)
    look = _NEAR[subswath] + across * (_FAR[subswath] - _NEAR[subswath])
    seconds = np.broadcast_to(start, look.shape)
    return np.concatenate([_ground(seconds, look), _ground(seconds + _DURATION, look)[:, ::-1]], axis=1)


def _index(burst: Burst) -> int:
    return SUBSWATHS.index(burst.subswath)


def sensing_start(burst: Burst) -> timedelta:
    """Return the time from the start of the cycle (an ascending node) to the burst's first line."""
    middle = burst.number * BURST_INTERVAL + float(_MIDDLE[_index(burst)])
    return timedelta(seconds=middle - _DURATION / 2)


def orbit_direction(burst: Burst) -> Direction:
    """Return the flight direction of a burst, computed from its number.

    Bursts are numbered from an ascending node through the whole 12-day cycle, one every 2.758273 s (Sentinel-1 Burst ID
    Map, ESA S1-IF-ASD-PL-0007 annex); an orbit takes 12 x 86,400 / 175 s. The satellite ascends in the first and last
    quarter of an orbit. The result is right for all 319,554 bursts of the OPERA burst database.
    """
    phase = (burst.number * BURST_INTERVAL) % ORBIT_PERIOD / ORBIT_PERIOD
    return Direction.ASCENDING if phase < 0.25 or phase > 0.75 else Direction.DESCENDING


def track_of(number: int) -> int:
    """Return the track of a burst number; tracks change at the ascending node."""
    return int(number * BURST_INTERVAL // ORBIT_PERIOD) + 1


def centre(burst: Burst) -> tuple[float, float]:
    """Return the middle of the footprint, longitude and latitude in degrees."""
    index = np.array(_index(burst))
    seconds = np.array(burst.number * BURST_INTERVAL + _MIDDLE[index])
    longitude, latitude = _ground(seconds, np.array((_NEAR[index] + _FAR[index]) / 2))
    return float(longitude), float(latitude)


def utm_epsg(burst: Burst) -> int:
    """Return the EPSG code of the UTM zone of the burst's product.

    All three sub-swaths of a number have the zone of the middle of the whole swath. For example, the real bursts
    T137-292318 to 292325 are in zone 11, including sub-swath IW1, whose middle lies in zone 10.
    """
    longitude, latitude = centre(Burst(burst.track, burst.number, "IW2"))
    zone = int((longitude + 180.0) // 6.0) % 60 + 1
    return (32600 if latitude >= 0 else 32700) + zone


def utm_footprint(burst: Burst) -> Polygon:
    """Return the footprint in metres of its product's UTM zone (`utm_epsg`), with the long edges curved."""
    ring = _rings([burst.number], [_index(burst)], _EDGE_PIECES)[0]
    return Polygon(np.column_stack(transformer(4326, utm_epsg(burst)).transform(*ring.T)))


def footprint(burst: Burst) -> BaseGeometry:
    """Return the footprint in longitude and latitude, in two parts if it crosses the antimeridian."""
    return to_lonlat(utm_footprint(burst), utm_epsg(burst))


def incidence_angle(burst: Burst, geobox: GeoBox) -> Floats:
    """Return the incidence angle on the ellipsoid at the pixel centres of a grid.

    It is the angle between the ellipsoid's normal and the line of sight. The exact angle at points all over the burst
    and around it is fitted by a polynomial in x and y, which is within 1e-5 degrees of it.

    Parameters
    ----------
    geobox : GeoBox
        Grid in the UTM zone of the burst's product (`utm_epsg`), not much larger than the burst.

    Returns
    -------
    array (rows, columns) of float64
        Degrees.
    """
    index, across = _index(burst), np.linspace(-0.2, 1.2, 15)
    look = _NEAR[index] + across * (_FAR[index] - _NEAR[index])
    middle = burst.number * BURST_INTERVAL + _MIDDLE[index]
    seconds, looks = np.meshgrid(middle + np.linspace(-1.2, 1.2, 9) * _DURATION, look, indexing="ij")
    satellite, target = _sight(seconds, looks)
    cosine = _dot(_unit(target / _AXES**2), _unit(satellite - target))[..., 0]
    places = _ground(seconds, looks).reshape(-1, 2)
    xy = np.column_stack(transformer(4326, utm_epsg(burst)).transform(*places.T))
    centre, half = xy.mean(axis=0), np.ptp(xy, axis=0) / 2
    degree = [_DEGREE, _DEGREE]
    u, v = ((xy - centre) / half).T
    terms = np.polynomial.polynomial.polyvander2d(u, v, degree)
    factors = np.linalg.lstsq(terms, np.degrees(np.arccos(cosine)).ravel(), rcond=None)[0]
    x = geobox.left + (np.arange(geobox.width) + 0.5) * geobox.resolution
    y = geobox.top - (np.arange(geobox.height) + 0.5) * geobox.resolution
    u, v = (x - centre[0]) / half[0], (y - centre[1]) / half[1]
    return np.asarray(np.polynomial.polynomial.polygrid2d(u, v, factors.reshape(_DEGREE + 1, _DEGREE + 1)).T)


def _sphere(longitude: Floats, latitude: Floats) -> Floats:
    """Return points on a sphere of the Earth's size, (..., 3) in metres, exact enough to compare distances."""
    east, north = np.radians(longitude), np.radians(latitude)
    return _A * np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)], axis=-1)


@lru_cache(maxsize=16)
def _onto(plane: str) -> Transformer:
    from pyproj import Transformer  # imported late: a job that reads granules needs no CRS

    return Transformer.from_crs("EPSG:4326", plane, always_xy=True)


def _local(area: BaseGeometry) -> tuple[str, Floats, float]:
    """Return an equal-area plane around the area, the area's middle on the sphere, and its radius in metres."""
    points = _sphere(*shapely.get_coordinates(area).T)
    middle = _A * _unit(points.mean(axis=0))
    latitude = np.degrees(np.arcsin(middle[2] / _A))
    longitude = np.degrees(np.arctan2(middle[1], middle[0]))
    plane = f"+proj=laea +lat_0={latitude:.6f} +lon_0={longitude:.6f} +ellps=WGS84 +units=m"
    return plane, middle, float(np.linalg.norm(points - middle, axis=1).max())


def _flat(area: BaseGeometry, plane: str) -> BaseGeometry:
    """Project an area from longitude and latitude onto a plane."""
    dense = shapely.segmentize(area, 0.1)
    return shapely.transform(dense, lambda xy: np.column_stack(_onto(plane).transform(*xy.T))).buffer(0)


def _flat_bursts(bursts: list[Burst], plane: str) -> npt.NDArray[np.object_]:
    rings = _rings([burst.number for burst in bursts], [_index(burst) for burst in bursts], _EDGE_PIECES)
    xy = _onto(plane).transform(*rings.reshape(-1, 2).T)
    return shapely.polygons(np.column_stack(xy).reshape(rings.shape))


@cache
def _strides() -> tuple[npt.NDArray[np.int64], Floats]:
    """Return the first burst number of every stride, and the middle of its bursts on the sphere."""
    first = np.arange(1, _LAST + 1, _STRIDE)
    seconds = (first + (_STRIDE - 1) / 2) * BURST_INTERVAL + _MIDDLE[1]
    return first, _sphere(*_ground(seconds, np.full(len(first), (_NEAR[0] + _FAR[2]) / 2)).T)


def bursts_over(area: BaseGeometry, direction: Direction, margin: float = 0.0) -> list[Burst]:
    """List the bursts whose footprints overlap an area, sorted.

    Parameters
    ----------
    area : Polygon or MultiPolygon
        Longitude and latitude, split at the antimeridian.
    direction : Direction
        Direction of the bursts.
    margin : float
        Metres by which the area is grown first.

    Raises
    ------
    GridError
        If the area is empty.
    """
    if area.is_empty:
        raise GridError("an empty area is seen by no burst", "give a polygon in longitude and latitude")
    plane, middle, radius = _local(area)
    first, places = _strides()
    near = np.linalg.norm(places - middle, axis=1) < radius + margin + _REACH
    numbers = (first[near][:, None] + np.arange(_STRIDE)).ravel()
    candidates = [
        burst
        for number in numbers[numbers <= _LAST].tolist()
        for burst in (Burst(track_of(number), number, subswath) for subswath in SUBSWATHS)
        if orbit_direction(burst) == direction
    ]
    if not candidates:
        return []
    grown = _flat(area, plane).buffer(margin) if margin else _flat(area, plane)
    shared = shapely.area(shapely.intersection(_flat_bursts(candidates, plane), grown))
    return sorted(burst for burst, metres in zip(candidates, shared.tolist(), strict=True) if metres > 0)


def coverage(bursts: Iterable[Burst], area: BaseGeometry) -> dict[int, float]:
    """Return the share of an area that each track sees, 0 to 1; `area` is that of `bursts_over`."""
    by_track: dict[int, list[Burst]] = {}
    for burst in bursts:
        by_track.setdefault(burst.track, []).append(burst)
    plane, _, _ = _local(area)
    flat = _flat(area, plane)
    return {
        track: float(shapely.union_all(_flat_bursts(seen, plane)).intersection(flat).area / flat.area)
        for track, seen in sorted(by_track.items())
    }
