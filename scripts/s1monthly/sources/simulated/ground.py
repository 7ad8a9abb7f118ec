"""Compiled kernels of the simulated world: hashed noise, and painting into a raster. Arrays in, arrays out.

The noise is value noise: uniform numbers hashed from lattice corners (Perlin 1985, An image synthesizer, SIGGRAPH; the
quintic fade of Perlin 2002, Improving noise), on cubic lattices in Earth-centred space, one lattice per octave.

All kernels are in one file, because Numba's cache does not notice changes to functions in other files.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Power = NDArray[np.float32]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Codes = NDArray[np.uint8]
Vector = tuple[float, float, float]
Cell = tuple[int, int, float, float]  # row and column in a grid, and the place in it, down and to the right, 0 to 1

WATER, FIELD, GRASS, FOREST, CLEARING, CITY, HILL = range(7)
SURFACES = ("water", "forest", "cleared", "street", "park", "building", "rock", "wooded slope")
"""Rows of the table of surfaces without crops: backscatter in dB."""
CROPS = ("winter wheat", "maize", "rapeseed", "rice", "late crops", "pasture")
"""Rows of the table of crops; the last is grass."""

_WAVELENGTHS = np.array(
    [
        *(110e3, 40e3, 14e3, 5e3, 1.9e3, 0.8e3),  # 0-5 land and sea
        *(80e3, 30e3),  # 6-7 roughness and, of the latter, dryness
        *(11e3, 3.7e3, 1.2e3),  # 8-10 woods
        *(60e3, 17e3, 5e3, 1.5e3),  # 11-14 rivers
        *(2.1e3, 0.9e3),  # 15-16 outlines of cities
        2.5e3,  # 17 wind on water
        *(7e3, 3.1e3, 1.4e3, 0.65e3),  # 18-21 ridges
        *(0.17e3, 0.07e3, 0.4e3),  # 22-24 texture, crowns, edges of woods
    ]
)
_PER_METRE = 1.0 / _WAVELENGTHS
LAND, ROUGH, PATCH, WOOD, COURSE, CORE, WIND, RIDGE = range(8)
FIELDS = RIDGE + 7
"""Number of smooth fields: those named, then height and slope of three octaves of ridges, and the slope of a fourth."""
_SHORE = -0.26
_BAND = 0.5  # degrees of latitude
_ROWS = 34  # sections of a band, south to north: 1,635 m each
_CITY_BAND = 0.25  # degrees of latitude; one site per cell of about that size
_DB = math.log(10.0) / 10.0
_LAYOVER = 0.93  # slope towards the radar: tangent of about 43 degrees of incidence
_SHADOW = -0.92  # slope away from it; shadows reach beyond the steep slope itself


def _around_the_earth(band: float, rows: int) -> Integers:
    """Return how many squares lie around the Earth in each band of latitude, if a band has so many rows of them."""
    middle = np.radians(np.arange(-90, 90, band) + band / 2)
    return np.maximum(1, np.rint(np.cos(middle) * 360 / band * rows)).astype(np.int64)


_COLUMNS = _around_the_earth(_BAND, _ROWS)
_SITES = _around_the_earth(_CITY_BAND, 1)


@njit(cache=True, nogil=True)
def _mix(value: np.uint64) -> np.uint64:
    """Scramble 64 bits with the finaliser of SplitMix64 (Steele, Lea & Flood 2014, OOPSLA)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@njit(cache=True, nogil=True)
def _hash(first: int, second: int, third: int, seed: np.uint64) -> np.uint64:
    value = _mix(seed + np.uint64(first) * np.uint64(0x9E3779B97F4A7C15))
    value = _mix(value ^ (np.uint64(second) * np.uint64(0xC2B2AE3D27D4EB4F)))
    return _mix(value ^ (np.uint64(third) * np.uint64(0x165667B19E3779F9)))


@njit(cache=True, nogil=True)
def _uniform(value: np.uint64) -> float:
    """Return a uniform number in [0, 1) from 53 hashed bits."""
    return float(value >> np.uint64(11)) * 2.0**-53


@njit(cache=True, nogil=True)
def _corners(
    octave: int, x: float, y: float, z: float, cells: Integers, values: Floats, seed: np.uint64
) -> tuple[float, float, float]:
    """Return the place within a lattice cell; update the eight corner values if the point has left the last cell."""
    px, py, pz = x * _PER_METRE[octave], y * _PER_METRE[octave], z * _PER_METRE[octave]
    ix, iy, iz = math.floor(px), math.floor(py), math.floor(pz)
    if ix != cells[octave, 0] or iy != cells[octave, 1] or iz != cells[octave, 2]:
        cells[octave, 0], cells[octave, 1], cells[octave, 2] = ix, iy, iz
        key = seed + np.uint64(octave)
        for corner in range(8):
            hashed = _hash(ix + (corner & 1), iy + (corner >> 1 & 1), iz + (corner >> 2), key)
            values[octave, corner] = 2.0 * _uniform(hashed) - 1.0
    return px - ix, py - iy, pz - iz


@njit(cache=True, nogil=True)
def _fade(t: float) -> float:
    return t * t * t * (t * (t * 6.0 - 15.0) + 10.0)


@njit(cache=True, nogil=True)
def _noise(octave: int, x: float, y: float, z: float, cells: Integers, values: Floats, seed: np.uint64) -> float:
    """Return the value noise of an octave, in [-1, 1]."""
    tx, ty, tz = _corners(octave, x, y, z, cells, values, seed)
    fx, fy, fz = _fade(tx), _fade(ty), _fade(tz)
    v = values[octave]
    near = v[0] + fx * (v[1] - v[0])
    near += fy * (v[2] + fx * (v[3] - v[2]) - near)
    far = v[4] + fx * (v[5] - v[4])
    far += fy * (v[6] + fx * (v[7] - v[6]) - far)
    return near + fz * (far - near)


@njit(cache=True, nogil=True)
def _noise_and_slope(
    octave: int, x: float, y: float, z: float, along: Vector, cells: Integers, values: Floats, seed: np.uint64
) -> tuple[float, float]:
    """Return the value noise of an octave and its derivative along a direction, per wavelength."""
    tx, ty, tz = _corners(octave, x, y, z, cells, values, seed)
    fx, fy, fz = _fade(tx), _fade(ty), _fade(tz)
    dx = 30.0 * tx * tx * (tx - 1.0) * (tx - 1.0)
    dy = 30.0 * ty * ty * (ty - 1.0) * (ty - 1.0)
    dz = 30.0 * tz * tz * (tz - 1.0) * (tz - 1.0)
    v = values[octave]
    x00, x10, x01, x11 = v[1] - v[0], v[3] - v[2], v[5] - v[4], v[7] - v[6]
    v00, v10, v01, v11 = v[0] + fx * x00, v[2] + fx * x10, v[4] + fx * x01, v[6] + fx * x11
    near, far = v00 + fy * (v10 - v00), v01 + fy * (v11 - v01)
    xnear, xfar = x00 + fy * (x10 - x00), x01 + fy * (x11 - x01)
    ynear, yfar = v10 - v00, v11 - v01
    along_x = dx * (xnear + fz * (xfar - xnear))
    along_y = dy * (ynear + fz * (yfar - ynear))
    along_z = dz * (far - near)
    return near + fz * (far - near), along[0] * along_x + along[1] * along_y + along[2] * along_z


@njit(cache=True, nogil=True)
def _step(low: float, high: float, value: float) -> float:
    """Return a smooth step from 0 at `low` to 1 at `high`."""
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@njit(cache=True, nogil=True)
def cities(south: float, north: float, west: float, east: float, seed: np.uint64) -> Floats:
    """Return the cities around a window in degrees: (site, 3) longitude, latitude, radius in metres."""
    found = []
    first = math.floor((max(south, -89.0) + 90.0) / _CITY_BAND) - 1
    last = math.floor((min(north, 89.0) + 90.0) / _CITY_BAND) + 1
    for band in range(max(first, 0), min(last, len(_SITES) - 1) + 1):
        count = _SITES[band]
        margin = 360.0 / count
        begin = math.floor((west - margin + 180.0) / margin)
        end = math.floor((east + margin + 180.0) / margin)
        for column in range(begin, end + 1):
            key = _hash(band, column % count, 101, seed)
            if _uniform(key) < 0.42:
                across, up = _uniform(_mix(key + np.uint64(1))), _uniform(_mix(key + np.uint64(2)))
                radius = 900.0 + 8000.0 * _uniform(_mix(key + np.uint64(3))) ** 4
                found.append((-180.0 + (column + across) * margin, -90.0 + (band + up) * _CITY_BAND, radius))
    sites = np.empty((len(found), 3))
    for index, site in enumerate(found):
        sites[index, 0], sites[index, 1], sites[index, 2] = site
    return sites


@njit(cache=True, nogil=True)
def _parcel(section: np.uint64, u: float, v: float, dry: bool) -> tuple[np.uint64, bool]:
    """Return the parcel at a point of a section: its key, and whether it is grass between irrigated circles."""
    if dry and _uniform(_mix(section + np.uint64(1))) < 0.7:
        column, row = int(u * 2.0), int(v * 2.0)
        across, up = u * 2.0 - column - 0.5, v * 2.0 - row - 0.5
        inside = across * across + up * up < 0.2304
        return _mix(section + np.uint64(10 + 2 * row + column)), not inside
    pieces = _mix(section + np.uint64(2))
    wide, narrow = 1 + int(pieces & np.uint64(3)), 3 + int(pieces >> np.uint64(8) & np.uint64(3)) * 2
    if pieces >> np.uint64(16) & np.uint64(1):
        wide, narrow = narrow, wide
    return _mix(section + np.uint64(100 + 16 * int(u * wide) + int(v * narrow))), False


@njit(cache=True, nogil=True)
def _crop(draw: float) -> int:
    """Return the crop (row of the table of crops) for a uniform number."""
    for crop, share in enumerate((0.22, 0.44, 0.56, 0.63, 0.78)):
        if draw < share:
            return crop
    return 5


@njit(cache=True, nogil=True)
def _town(section: np.uint64, u: float, v: float, core: float) -> tuple[int, float]:
    """Return the surface (row of the table) and the dB above it, at a point in a city of density `core`, 0 to 1."""
    column, row = int(u * 12.0), int(v * 15.0)
    across, up = u * 12.0 - column, v * 15.0 - row
    block = _mix(section + np.uint64(1000 + 32 * row + column))
    if across < 0.17 or up < 0.2:
        return 3, 0.0
    if _uniform(block) < 0.16 - 0.1 * core:
        return 4, 0.0
    works = _uniform(_mix(block + np.uint64(1))) < 0.05
    house = _mix(block + np.uint64(2 + int(across * 3.0) + 4 * int(up * 2.0)))
    glint = max(0.0, _uniform(house) - 0.55) / 0.45
    bright = 5.0 * core + (9.0 + 6.0 * core) * glint + (5.0 if works else 0.0)
    return 5, bright


@njit(cache=True, nogil=True)
def _between(knots: Floats | Power, index: int, cell: Cell) -> float:
    """Interpolate bilinearly in a cell of a (quantity, row, column) grid."""
    j, k, down, right = cell
    upper = knots[index, j, k] + right * (knots[index, j, k + 1] - knots[index, j, k])
    lower = knots[index, j + 1, k] + right * (knots[index, j + 1, k + 1] - knots[index, j + 1, k])
    return upper + down * (lower - upper)


@njit(cache=True, nogil=True)
def _vector(knots: Floats, first: int, cell: Cell) -> Vector:
    """Interpolate three quantities, from `first` on."""
    return _between(knots, first, cell), _between(knots, first + 1, cell), _between(knots, first + 2, cell)


@njit(cache=True, nogil=True, error_model="numpy")
def smooth_fields(knots: Floats, ratio: int, spans: Integers, sites: Floats, seed: np.uint64) -> Power:
    """Compute the slowly varying fields at every node of a grid that is `ratio` times as dense as the knots.

    Parameters
    ----------
    knots : float64 (8, knot row, knot column)
        Position in noise space (3) in metres, latitude and longitude in degrees, and the horizontal unit vector from
        the radar to the ground (3).
    ratio : int
        Nodes from knot to knot.
    spans : int64 (node rows, 2)
        First and past-the-last node to compute in each row; the others stay 0.
    sites : float64 (site, 4)
        Cities: position in noise space and radius, in metres.

    Returns
    -------
    float32 (field, node rows, node columns)
    """
    fields = np.zeros((FIELDS, spans.shape[0], (knots.shape[2] - 1) * ratio), np.float32)
    cells = np.full((len(_WAVELENGTHS), 3), -(2**62), np.int64)
    values = np.zeros((len(_WAVELENGTHS), 8))
    octaves = np.empty(18)
    for r in range(spans.shape[0]):
        for c in range(spans[r, 0], spans[r, 1]):
            cell = r // ratio, c // ratio, (r % ratio) / ratio, (c % ratio) / ratio
            x, y, z = _vector(knots, 0, cell)
            for octave in range(len(octaves)):
                octaves[octave] = _noise(octave, x, y, z, cells, values, seed)
            land = octaves[0] + 0.6 * octaves[1] + 0.28 * octaves[2] + 0.12 * octaves[3] + 0.05 * octaves[4]
            fields[LAND, r, c] = land + 0.02 * octaves[5]
            fields[ROUGH, r, c] = octaves[6] + 0.16 * octaves[9] + 0.06 * octaves[10]
            fields[PATCH, r, c] = octaves[7]
            fields[WOOD, r, c] = octaves[8] + 0.6 * octaves[9] + 0.34 * octaves[10]
            fields[COURSE, r, c] = octaves[11] + 0.4 * octaves[12] + 0.13 * octaves[13] + 0.03 * octaves[14]
            fields[WIND, r, c] = octaves[17]
            core = -9.0
            for site in range(sites.shape[0]):
                ax, ay, az = x - sites[site, 0], y - sites[site, 1], z - sites[site, 2]
                away = (ax * ax + ay * ay + az * az) / (sites[site, 3] * sites[site, 3])
                core = max(core, 1.0 - math.sqrt(away))
            fields[CORE, r, c] = core + 0.5 * octaves[15] + 0.3 * octaves[16]
            if _steep(fields[LAND, r, c], fields[ROUGH, r, c], fields[PATCH, r, c]) > 0.0:
                sight = _vector(knots, 5, cell)
                for ridge in range(3):
                    height, rise = _noise_and_slope(18 + ridge, x, y, z, sight, cells, values, seed)
                    fields[RIDGE + 2 * ridge, r, c] = height
                    fields[RIDGE + 2 * ridge + 1, r, c] = rise
                fields[RIDGE + 6, r, c] = _noise_and_slope(21, x, y, z, sight, cells, values, seed)[1]
    return fields


@njit(cache=True, nogil=True)
def _steep(land: float, rough: float, patch: float) -> float:
    """Return how mountainous a place is, 0 to 1."""
    return _step(0.02, 0.55, rough + 0.45 * patch) * _step(_SHORE, _SHORE + 0.15, land)


@njit(cache=True, nogil=True)
def _slopes(fields: Power, cell: Cell) -> tuple[float, float]:
    """Return the slope towards the radar (negative: away from it), in full detail and of the large ridges only."""
    slope, broad = 0.0, 0.0
    for ridge in range(3):
        height = _between(fields, RIDGE + 2 * ridge, cell)
        rise = _between(fields, RIDGE + 2 * ridge + 1, cell)
        # the noise changes sign at a ridge's crest
        slope -= (0.85, 0.65, 0.42)[ridge] * rise * height / math.sqrt(height * height + 0.01)
        if ridge == 1:
            broad = slope
    return slope + 0.14 * _between(fields, RIDGE + 6, cell), broad


@njit(cache=True, nogil=True)
def _is_water(fields: Power, cell: Cell, land: float, steep: float) -> bool:
    return land < _SHORE or (steep < 0.2 and abs(_between(fields, COURSE, cell)) < 0.009)


@njit(cache=True, nogil=True)
def _flag(slope: float, broad: float) -> int:
    """Return the class of the mask: 0 valid, 1 shadow, 2 layover, 3 both."""
    flag = 2 if slope > _LAYOVER else 0
    if broad < _SHADOW or slope < _SHADOW - 0.15:
        flag += 1
    return flag


@njit(cache=True, nogil=True)
def _cultivated(crops: Floats, crop: int, parcel: np.uint64, season: float, latitude: float) -> tuple[float, float]:
    """Return the co- and cross-polarized dB of a parcel."""
    level = 2.2 * _uniform(_mix(parcel + np.uint64(2))) - 1.1
    other = 1.4 * _uniform(_mix(parcel + np.uint64(3))) - 0.7
    shift = 24.0 * _uniform(_mix(parcel + np.uint64(4))) - 12.0
    # southern seasons are half a year off, with a smooth transition in the tropics
    half_year = 182.625 * (0.5 - 0.5 * min(max(latitude / 8.0, -1.0), 1.0))
    away = abs(season - (crops[crop, 4] + shift + half_year)) % 365.25
    away = min(away, 365.25 - away) / crops[crop, 5]
    grown = math.exp(-0.5 * away * away)  # the canopy, 0 to 1: a bell curve that wraps at the end of the year
    co = crops[crop, 0] + level + crops[crop, 2] * grown
    return co, crops[crop, 1] + 0.6 * level + other + crops[crop, 3] * grown


@njit(cache=True, nogil=True)
def _roadside(section: np.uint64, u: float, v: float) -> tuple[int, float]:
    """Return surface and dB above it, as `_town`, on a road along the section's edge and in a farmyard; else -1."""
    farm = _mix(section + np.uint64(5))
    if (min(v, 1.0 - v) < 0.008 and farm & np.uint64(1)) or (min(u, 1.0 - u) < 0.008 and farm & np.uint64(2)):
        return 3, 0.0
    away_u, away_v = _uniform(farm) - u, _uniform(_mix(farm)) - v
    return (5, 4.0) if abs(away_u) < 0.028 and abs(away_v) < 0.022 and farm & np.uint64(12) else (-1, 0.0)


@njit(cache=True, nogil=True, error_model="numpy")
def paint(
    knots: Floats,
    step: int,
    fields: Power,
    fine: int,
    phase: tuple[int, int],
    spans: Integers,
    seed: np.uint64,
    season: float,
    cleared: bool,
    crops: Floats,
    surfaces: Floats,
    co: Power,
    cross: Power,
    mask: Codes,
    cover: Codes,
) -> None:
    """Paint the world into a raster: backscatter of two layers, mask and land cover.

    Parameters
    ----------
    knots : float64 (8, knot row, knot column)
        As for `smooth_fields`, at every `step`-th pixel; linear in between.
    fields : float32 (field, node row, node column)
        From `smooth_fields`, at every `fine`-th pixel, which divides `step`; linear in between.
    phase : tuple of int
        Row and column of the raster's first pixel, counted from the first knot.
    spans : int64 (rows, 2)
        First and past-the-last column to paint in each row; other pixels stay unchanged.
    season, cleared
        Day of the year, 0 to 366; True from the day of the clearing on.
    crops : float64 (6, 6)
        By crop: co- and cross-polarized dB of bare ground, their change at full growth, day of the peak in the northern
        hemisphere, width in days.
    surfaces : float64 (8, 2)
        By surface: co- and cross-polarized dB.
    co, cross, mask, cover : float32, float32, uint8, uint8 (rows, columns)
        Output: linear power, NaN in radar shadow; 0 valid, 1 shadow, 2 layover, 3 both; class of land cover.
    """
    cells = np.full((len(_WAVELENGTHS), 3), -(2**62), np.int64)
    values = np.zeros((len(_WAVELENGTHS), 8))
    last_band, last_column, last_row, last_crop = -1, -1, -1, -1
    section, last_parcel = np.uint64(0), np.uint64(0)
    parcel_co, parcel_cross = 0.0, 0.0
    place = np.arange(co.shape[1]) + phase[1]
    node, past_node = place // fine, (place % fine) / fine
    knot, past_knot = place // step, (place % step) / step
    for r in range(spans.shape[0]):
        pr = r + phase[0]
        knot_row, past_knot_row = pr // step, (pr % step) / step
        node_row, past_node_row = pr // fine, (pr % fine) / fine
        for c in range(spans[r, 0], spans[r, 1]):
            cell = node_row, node[c], past_node_row, past_node[c]
            land = _between(fields, LAND, cell)
            rough = _between(fields, ROUGH, cell)
            patch = _between(fields, PATCH, cell)
            steep = _steep(land, rough, patch)
            slope, broad = 0.0, 0.0
            if _is_water(fields, cell, land, steep):
                kind = WATER
                wind = 0.8 * _between(fields, WIND, cell)
                co_db, cross_db = surfaces[0, 0] + wind, surfaces[0, 1] + 0.5 * wind
            else:
                knot_cell = knot_row, knot[c], past_knot_row, past_knot[c]
                x, y, z = _vector(knots, 0, knot_cell)
                latitude = _between(knots, 3, knot_cell)
                longitude = _between(knots, 4, knot_cell)
                band = min(max(int((latitude + 90.0) / _BAND), 0), len(_COLUMNS) - 1)
                u = (longitude + 180.0) / 360.0 * _COLUMNS[band]
                v = (latitude + 90.0 - band * _BAND) / _BAND * _ROWS
                column, row = math.floor(u), math.floor(v)
                u, v = u - column, v - row
                if band != last_band or column != last_column or row != last_row:
                    last_band, last_column, last_row = band, column, row
                    section = _hash(band, column % _COLUMNS[band], row, seed + np.uint64(977))
                wood = _between(fields, WOOD, cell)
                core = _between(fields, CORE, cell)
                texture = 0.9 * _noise(22, x, y, z, cells, values, seed)
                edge = wood - 0.34 + 0.9 * steep
                if abs(edge) < 0.16:
                    edge += 0.16 * _noise(24, x, y, z, cells, values, seed)
                if steep > 0.0:
                    slope, broad = _slopes(fields, cell)
                    slope, broad = slope * steep, broad * steep
                if core > 0.0 and steep < 0.3:
                    kind = CITY
                    surface, brighter = _town(section, u, v, min(core, 1.0))
                    co_db, cross_db = surfaces[surface, 0] + brighter, surfaces[surface, 1] + 0.8 * brighter
                elif steep > 0.3:
                    kind = HILL
                    woods = _step(-0.25, 0.25, wood + 0.5 * texture)
                    co_db = surfaces[6, 0] + woods * (surfaces[7, 0] - surfaces[6, 0]) + texture
                    cross_db = surfaces[6, 1] + woods * (surfaces[7, 1] - surfaces[6, 1]) + texture
                elif edge > 0.0:
                    stand = _mix(section + np.uint64(3000 + 8 * int(u * 4.0) + int(v * 3.0)))
                    kind = CLEARING if _uniform(stand) < 0.12 else FOREST
                    surface = 2 if cleared and kind == CLEARING else 1
                    age = 1.2 * _uniform(_mix(stand)) - 0.6
                    crowns = 0.6 * texture + 0.6 * _noise(23, x, y, z, cells, values, seed)
                    co_db, cross_db = surfaces[surface, 0] + crowns + 0.5 * age, surfaces[surface, 1] + crowns + age
                else:
                    surface, brighter = _roadside(section, u, v)
                    if surface >= 0:
                        kind = CITY
                        co_db, cross_db = surfaces[surface, 0] + brighter, surfaces[surface, 1] + 0.8 * brighter
                    else:
                        parcel, grass = _parcel(section, u, v, patch > 0.1 and rough < -0.05)
                        crop = 5 if grass else _crop(_uniform(_mix(parcel + np.uint64(1))))
                        if parcel != last_parcel or crop != last_crop:
                            last_parcel, last_crop = parcel, crop
                            parcel_co, parcel_cross = _cultivated(crops, crop, parcel, season, latitude)
                        kind = GRASS if crop == 5 else FIELD
                        co_db, cross_db = parcel_co + 0.5 * texture, parcel_cross + 0.5 * texture
                facing = min(max(4.5 * slope, -6.0), 5.0)
                co_db += facing
                cross_db += 0.9 * facing
            flag = _flag(slope, broad)
            cover[r, c] = kind
            mask[r, c] = flag
            co[r, c] = np.nan if flag & 1 else math.exp(_DB * co_db)
            cross[r, c] = np.nan if flag & 1 else math.exp(_DB * cross_db)


@njit(cache=True, nogil=True, error_model="numpy")
def relief(
    fields: Power, fine: int, phase: tuple[int, int], spans: Integers, slope: NDArray[np.float32], mask: Codes
) -> None:
    """Compute the slopes under a raster, from the same relief as `paint`; the other parameters are those of `paint`.

    Parameters
    ----------
    slope, mask : float32, uint8 (rows, columns)
        Output: tangent of the slope towards the radar, negative away from it; class of the mask.
    """
    place = np.arange(slope.shape[1]) + phase[1]
    node, past_node = place // fine, (place % fine) / fine
    for r in range(spans.shape[0]):
        pr = r + phase[0]
        node_row, past_node_row = pr // fine, (pr % fine) / fine
        for c in range(spans[r, 0], spans[r, 1]):
            cell = node_row, node[c], past_node_row, past_node[c]
            land = _between(fields, LAND, cell)
            steep = _steep(land, _between(fields, ROUGH, cell), _between(fields, PATCH, cell))
            whole, broad = 0.0, 0.0
            if steep > 0.0 and not _is_water(fields, cell, land, steep):
                whole, broad = _slopes(fields, cell)
                whole, broad = whole * steep, broad * steep
            slope[r, c] = whole
            mask[r, c] = _flag(whole, broad)
