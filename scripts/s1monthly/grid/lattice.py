"""Lattices and the place of rasters on them: a tile's grid, common windows, the way from grid to grid.

The module to import grids from: it hands on what its neighbours `tiles` and `outlines` offer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon

from s1monthly.errors import GridError
from s1monthly.grid.crs import crs_of, metres_a_unit
from s1monthly.grid.outlines import is_torn, to_lonlat, transformer
from s1monthly.grid.tiles import tile_origin, tile_outline, tiles_of_roi
from s1monthly.model import TILE_SIDE, Burst, Direction, Tile

__all__ = [
    "GeoBox",
    "Overlap",
    "Window",
    "covering_window",
    "geobox_outline",
    "orbit_direction",
    "overlap",
    "source_pixels",
    "target_window",
    "tile_geobox",
    "tile_origin",
    "tile_outline",
    "tiles_of_roi",
    "to_lonlat",
]

Window = tuple[slice, slice]
"""Rows and columns of an array."""

LARGEST_SIDE = 20_000
"""Pixels a side beyond which a tile's grid is refused: 5.5 m pixels, finer than any Sentinel-1 RTC product."""

SMALLEST_SIDE = 10
"""Pixels a side below which a tile's grid is refused: a resolution in the wrong unit."""

LATTICE_TOLERANCE = 1e-6
"""Pixels by which two boxes of one lattice may be off: rounding in a file's header."""

BURST_INTERVAL = 2.758273
"""Seconds between bursts of one sub-swath."""

ORBIT_PERIOD = 12 * 86_400 / 175
"""Seconds an orbit takes: 175 in a repeat cycle of 12 days."""


@dataclass(frozen=True)
class GeoBox:
    """A north-up grid of square pixels in one CRS.

    Attributes
    ----------
    epsg : int
        EPSG code of the CRS.
    resolution : float
        Pixel size in units of the CRS.
    left, top : float
        Outer corner of the upper-left pixel.
    width, height : int
        Columns and rows.
    """

    epsg: int
    resolution: float
    left: float
    top: float
    width: int
    height: int

    @property
    def crs(self) -> str:
        """CRS as ``EPSG:code``."""
        return f"EPSG:{self.epsg}"

    @property
    def metres_a_pixel(self) -> float:
        """Pixel size in metres, to the scale of the CRS; for one in degrees, along a meridian."""
        return self.resolution * metres_a_unit(self.epsg)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, columns."""
        return self.height, self.width

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top."""
        return (
            self.left,
            self.top - self.height * self.resolution,
            self.left + self.width * self.resolution,
            self.top,
        )

    @property
    def transform(self) -> tuple[float, float, float, float, float, float]:
        """Affine coefficients a, b, c, d, e, f: x = a col + b row + c, y = d col + e row + f, at pixel corners."""
        return (self.resolution, 0.0, self.left, 0.0, -self.resolution, self.top)


@dataclass(frozen=True)
class Overlap:
    """What two boxes of one lattice share: ``a[overlap.target]`` and ``b[overlap.source]`` are the same pixels.

    Attributes
    ----------
    target, source : tuple of slice
        Rows and columns of the common window in either box; never empty.
    """

    target: Window
    source: Window


def tile_geobox(tile: Tile, resolution: float = 30.0, epsg: int | None = None) -> GeoBox:
    """Return a tile's grid.

    In the tile's own CRS its origin is the Sentinel-2 upper-left corner moved to the nearest multiple of the
    resolution, the lattice that OPERA bursts of the same zone lie on; a corner halfway between two multiples moves
    outward (west, north). It is 109,800 m / resolution pixels a side. At 30 m nothing moves north of the equator; south
    of it the top moves 10 m south.

    In another CRS the grid is the bounding box of the Sentinel-2 square, moved outward to multiples of the resolution.

    Parameters
    ----------
    tile : Tile
    resolution : float
        Pixel size in units of the CRS; in the tile's own CRS it must divide 109,800 m.
    epsg : int, optional
        EPSG code of another CRS than the tile's own.

    Raises
    ------
    GridError
        If there is no such tile or CRS, if the resolution does not suit, or if the tile lies across a cut of the CRS.
    """
    if not (math.isfinite(resolution) and resolution > 0):
        raise GridError(f"tile {tile}: pixels of {resolution:g} make no grid", "give a positive resolution, such as 30")
    left, top = tile_origin(tile)
    if epsg is not None and epsg != tile.epsg:
        return _foreign_geobox(tile, (left, top - TILE_SIDE, left + TILE_SIDE, top), resolution, epsg)
    side = round(TILE_SIDE / resolution)
    if abs(side * resolution - TILE_SIDE) > LATTICE_TOLERANCE * resolution:
        allowed = [size for size in range(6, TILE_SIDE // SMALLEST_SIDE + 1) if TILE_SIDE % size == 0]
        finer = max((size for size in allowed if size < resolution), default=allowed[0])
        coarser = min((size for size in allowed if size > resolution), default=allowed[-1])
        raise GridError(
            f"tile {tile}: {resolution:g} m does not divide its {TILE_SIDE:,} m",
            "the nearest whole metres that do: " + ", ".join(f"{size}" for size in sorted({finer, coarser})),
        )
    left = math.ceil(left / resolution - 0.5) * resolution
    top = math.floor(top / resolution + 0.5) * resolution
    box = GeoBox(tile.epsg, resolution, left, top, side, side)
    _check_size(tile, box, 30.0)
    return box


def _foreign_geobox(tile: Tile, square: tuple[float, float, float, float], resolution: float, epsg: int) -> GeoBox:
    """Tile's grid in another CRS than its own; `square` are the tile's bounds in its own."""
    x, y = _transformed_outline(square, tile.epsg, epsg)
    if not (np.isfinite(x).all() and np.isfinite(y).all()) or is_torn(x, y):
        raise GridError(
            f"tile {tile} lies across the edge of EPSG:{epsg} and cannot be one grid there",
            f"process it in another CRS, for example its own, EPSG:{tile.epsg}",
        )
    # Edges that fall on the lattice but for rounding must not add a row or column.
    slack = LATTICE_TOLERANCE
    first_column, last_column = math.floor(x.min() / resolution + slack), math.ceil(x.max() / resolution - slack)
    first_row, last_row = math.floor(y.min() / resolution + slack), math.ceil(y.max() / resolution - slack)
    left, top = first_column * resolution, last_row * resolution
    box = GeoBox(epsg, resolution, left, top, last_column - first_column, last_row - first_row)
    _check_size(tile, box, 30 * max(float(np.ptp(x)), float(np.ptp(y))) / TILE_SIDE)
    return box


def _check_size(tile: Tile, box: GeoBox, like_30_m: float) -> None:
    """Refuse a grid so small or large that its resolution must be a mistake."""
    if min(box.shape) < SMALLEST_SIDE or max(box.shape) > LARGEST_SIDE:
        unit = crs_of(box.epsg).axis_info[0].unit_name
        raise GridError(
            f"tile {tile}: pixels of {box.resolution:g} {unit} in {box.crs} make a grid of {box.height} x {box.width}",
            f"give the resolution in units of the CRS: 30 m are about {like_30_m:.2g} {unit} there",
        )


def geobox_outline(box: GeoBox) -> Polygon | MultiPolygon:
    """Return the outline of a box in longitude and latitude.

    Returns
    -------
    Polygon or MultiPolygon
        As `outlines.to_lonlat` gives it: densified, counter-clockwise, split at the antimeridian.

    Raises
    ------
    GridError
        As `outlines.to_lonlat`.
    """
    return to_lonlat(shapely.box(*box.bounds), box.epsg)


def orbit_direction(burst: Burst) -> Direction:
    """Tell from a burst's number alone whether the satellite flew north or south.

    Numbers count bursts from an ascending node through the whole 12-day cycle, one each 2.758273 s (Sentinel-1 Burst ID
    Map, ESA S1-IF-ASD-PL-0007 annex); the orbit takes 12 x 86,400 / 175 s. The satellite ascends in the first and last
    quarter of an orbit. Agrees with all 319,554 bursts of the OPERA burst database.
    """
    phase = (burst.number * BURST_INTERVAL) % ORBIT_PERIOD / ORBIT_PERIOD
    return Direction.ASCENDING if phase < 0.25 or phase > 0.75 else Direction.DESCENDING


def overlap(target: GeoBox, source: GeoBox) -> Overlap | None:
    """Return the common window of two boxes on one lattice, or None if they share no pixel.

    Raises
    ------
    GridError
        If CRS or resolution differ, or the corners are not whole pixels apart (within 1e-6 pixel).
    """
    remedy = "resample the source onto the target's lattice (source_pixels) instead of cutting it"
    if target.epsg != source.epsg or not math.isclose(target.resolution, source.resolution, rel_tol=1e-9):
        raise GridError(
            f"grids: {source.crs} at {source.resolution:g} and {target.crs} at {target.resolution:g} share no lattice",
            remedy,
        )
    columns = (target.left - source.left) / target.resolution
    rows = (source.top - target.top) / target.resolution
    if max(abs(columns - round(columns)), abs(rows - round(rows))) > LATTICE_TOLERANCE:
        raise GridError(
            f"a grid at {source.left:.9g}, {source.top:.9g} is {rows:g} rows and {columns:g} columns off one at"
            f" {target.left:.9g}, {target.top:.9g} ({target.crs}, {target.resolution:g}): not whole pixels",
            remedy,
        )
    target_rows, source_rows = _common(round(rows), target.height, source.height)
    target_columns, source_columns = _common(round(columns), target.width, source.width)
    if target_rows.start >= target_rows.stop or target_columns.start >= target_columns.stop:
        return None
    return Overlap((target_rows, target_columns), (source_rows, source_columns))


def _common(offset: int, target: int, source: int) -> tuple[slice, slice]:
    """Find the common range, in both counts, of a target that begins `offset` pixels after the source."""
    start, stop = max(offset, 0), min(offset + target, source)
    return slice(start - offset, stop - offset), slice(start, stop)


def source_pixels(target: GeoBox, source: GeoBox, step: int = 16) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find the places in `source` of a sparse net of `target` pixel centres, for resampling.

    Bilinear interpolation between the knots gives the place of any target pixel: from one UTM zone to the next within
    0.001 pixel with steps of 480 m (measured: 2e-5 pixel from the equator to 75 degrees).

    Parameters
    ----------
    target, source : GeoBox
        In any two CRSs.
    step : int
        Target pixels between knots.

    Returns
    -------
    rows, columns : (m, n) float64 array
        Fractional pixel position in `source`: the centre of source pixel (i, j) is (i, j). Knot (p, q) belongs to the
        centre of target pixel (p step, q step); the last knots lie at or beyond the last pixel, and there are at least
        two each way. NaN where the source's CRS does not reach.

    Raises
    ------
    GridError
        If a CRS does not exist.
    """
    knot_rows, knot_columns = (
        np.arange(max(math.ceil((count - 1) / step), 1) + 1) * float(step) for count in target.shape
    )
    x = target.left + (knot_columns + 0.5) * target.resolution
    y = target.top - (knot_rows + 0.5) * target.resolution
    x, y = np.meshgrid(x, y)
    if target.epsg != source.epsg:
        x, y = transformer(target.epsg, source.epsg).transform(x, y)
    rows = (source.top - y) / source.resolution - 0.5
    columns = (x - source.left) / source.resolution - 0.5
    known = np.isfinite(rows) & np.isfinite(columns)
    return np.where(known, rows, np.nan), np.where(known, columns, np.nan)


def covering_window(target: GeoBox, source: GeoBox, margin: int = 2) -> Window | None:
    """Return the window of `source` that is needed to resample it onto `target`.

    Parameters
    ----------
    target, source : GeoBox
        In any two CRSs.
    margin : int
        Source pixels added on every side, for interpolation.

    Returns
    -------
    tuple of slice, or None
        Rows and columns of `source`; None if the boxes have no common area.

    Raises
    ------
    GridError
        If a CRS does not exist, or the target reaches beyond what the source's CRS covers.
    """
    x, y = _transformed_outline(target.bounds, target.epsg, source.epsg)
    finite = np.isfinite(x) & np.isfinite(y)
    if not finite.any():
        return None
    if not finite.all():
        raise GridError(
            f"a grid in {target.crs} at {target.left:g}, {target.top:g} reaches beyond what {source.crs} covers",
            "choose a target CRS or tile nearer to the source's zone",
        )
    columns = (x - source.left) / source.resolution
    rows = (source.top - y) / source.resolution
    extent = shapely.box(0, 0, source.width, source.height)
    # Across a cut of the CRS the outline has no inside; the box round it still holds everything needed.
    outline = Polygon(np.column_stack([columns, rows]))
    if is_torn(x, y) or not outline.is_valid:
        outline = shapely.box(columns.min(), rows.min(), columns.max(), rows.max())
    common = outline.intersection(extent)
    if not common.area > 0:
        return None
    left, top, right, bottom = common.bounds
    return (
        slice(max(math.floor(top) - margin, 0), min(math.ceil(bottom) + margin, source.height)),
        slice(max(math.floor(left) - margin, 0), min(math.ceil(right) + margin, source.width)),
    )


def target_window(target: GeoBox, source: GeoBox, margin: int = 2) -> Window | None:
    """Return the window of `target` to which `source` can contribute: `covering_window` seen from the other side.

    Parameters
    ----------
    target, source : GeoBox
        In any two CRSs.
    margin : int
        Target pixels added on every side.

    Returns
    -------
    tuple of slice, or None
        Rows and columns of `target`; None if the boxes have no common area.

    Raises
    ------
    GridError
        As `covering_window`.
    """
    return covering_window(source, target, margin)


def _transformed_outline(
    bounds: tuple[float, float, float, float], source_epsg: int, target_epsg: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Outline of a box in another CRS: x and y of a closed ring of about 512 points, infinite where there is no way."""
    ring = shapely.box(*bounds).exterior
    points = shapely.get_coordinates(shapely.segmentize(ring, ring.length / 512))
    x, y = points[:, 0], points[:, 1]
    return (x, y) if source_epsg == target_epsg else transformer(source_epsg, target_epsg).transform(x, y)
