"""Lattices: a tile's grid, common windows of grids, and pixel positions from one grid to another."""

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
from s1monthly.grid.tiles import tile_origin
from s1monthly.model import TILE_SIDE, Tile

Window = tuple[slice, slice]
"""Rows and columns of an array."""

LARGEST_SIDE = 20_000
"""Largest side of a tile's grid in pixels: 5.5 m pixels, finer than any Sentinel-1 RTC product."""

SMALLEST_SIDE = 10
"""Smallest side of a tile's grid in pixels: below it the resolution is in a wrong unit."""

LATTICE_TOLERANCE = 1e-6
"""Pixels by which two boxes of one lattice may differ, because file headers are rounded."""


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
        """Pixel size in metres at the scale of the CRS; for a geographic CRS, along a meridian."""
        return self.resolution * metres_a_unit(self.epsg)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
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
        """Affine coefficients a to f, at pixel corners: x = a col + b row + c, y = d col + e row + f."""
        return (self.resolution, 0.0, self.left, 0.0, -self.resolution, self.top)


@dataclass(frozen=True)
class Overlap:
    """Rows and columns of the common window of two boxes on one lattice, in each of the boxes; never empty."""

    target: Window
    source: Window


def tile_geobox(tile: Tile, resolution: float = 30.0, epsg: int | None = None) -> GeoBox:
    """Return a tile's grid.

    In the tile's own CRS its origin is the Sentinel-2 upper-left corner moved to the nearest multiple of the
    resolution, which is the lattice of OPERA bursts of the same zone. A corner halfway between two multiples moves
    outward (west, north). The grid has 109,800 m / resolution pixels a side. At 30 m the corner does not move north of
    the equator; south of it the top moves 10 m south.

    In another CRS the grid is the bounding box of the Sentinel-2 square, moved outward to multiples of the resolution.

    Parameters
    ----------
    tile : Tile
        Tile of the grid.
    resolution : float
        Pixel size in units of the CRS; in the tile's own CRS it must divide 109,800 m.
    epsg : int, optional
        EPSG code of another CRS than the tile's own.

    Raises
    ------
    GridError
        If tile or CRS does not exist, the resolution does not fit, or the tile lies across a cut of the CRS.
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
    """Return a tile's grid in another CRS; `square` is the tile's bounds in its own CRS."""
    x, y = _transformed_outline(square, tile.epsg, epsg)
    if not (np.isfinite(x).all() and np.isfinite(y).all()) or is_torn(x, y):
        raise GridError(
            f"tile {tile} lies across the edge of EPSG:{epsg} and cannot be one grid there",
            f"process it in another CRS, for example its own, EPSG:{tile.epsg}",
        )
    # An edge that misses the lattice only by rounding must not add a row or column.
    slack = LATTICE_TOLERANCE
    first_column, last_column = math.floor(x.min() / resolution + slack), math.ceil(x.max() / resolution - slack)
    first_row, last_row = math.floor(y.min() / resolution + slack), math.ceil(y.max() / resolution - slack)
    left, top = first_column * resolution, last_row * resolution
    box = GeoBox(epsg, resolution, left, top, last_column - first_column, last_row - first_row)
    _check_size(tile, box, 30 * max(float(np.ptp(x)), float(np.ptp(y))) / TILE_SIDE)
    return box


def _check_size(tile: Tile, box: GeoBox, like_30_m: float) -> None:
    """Refuse a grid whose size shows that the resolution is a mistake."""
    if min(box.shape) < SMALLEST_SIDE or max(box.shape) > LARGEST_SIDE:
        unit = crs_of(box.epsg).axis_info[0].unit_name
        raise GridError(
            f"tile {tile}: pixels of {box.resolution:g} {unit} in {box.crs} make a grid of {box.height} x {box.width}",
            f"give the resolution in units of the CRS: 30 m are about {like_30_m:.2g} {unit} there",
        )


def geobox_outline(box: GeoBox) -> Polygon | MultiPolygon:
    """Return the outline of a box in longitude and latitude; result and errors are those of `outlines.to_lonlat`."""
    return to_lonlat(shapely.box(*box.bounds), box.epsg)


def overlap(target: GeoBox, source: GeoBox) -> Overlap | None:
    """Return the common window of two boxes on one lattice, or None if they share no pixel.

    Raises
    ------
    GridError
        If CRS or resolution differs, or the corners are not whole pixels apart (within 1e-6 pixel).
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
    """Return the common range, in target and source pixels, if the target begins `offset` pixels after the source."""
    start, stop = max(offset, 0), min(offset + target, source)
    return slice(start - offset, stop - offset), slice(start, stop)


def source_pixels(target: GeoBox, source: GeoBox, step: int = 16) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the positions in `source` of every `step`-th pixel centre of `target` (knots), for resampling.

    Interpolate bilinearly between knots for other target pixels. From one UTM zone to the next, with steps of 480 m,
    this is exact within 0.001 pixel (measured: 2e-5 pixel from the equator to 75 degrees).

    Parameters
    ----------
    target, source : GeoBox
        Grids in any two CRSs.
    step : int
        Target pixels between knots.

    Returns
    -------
    rows, columns : (m, n) float64 array
        Fractional pixel positions in `source`, integers at pixel centres. Knot (p, q) belongs to the centre of target
        pixel (p step, q step). The last knots lie at or beyond the last pixel; there are at least two each way. NaN
        outside the domain of the source's CRS.

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
    """Return the window of `source` needed to resample it onto `target`.

    Parameters
    ----------
    target, source : GeoBox
        Grids in any two CRSs.
    margin : int
        Source pixels added on every side, for interpolation.

    Returns
    -------
    tuple of slice, or None
        Rows and columns of `source`; None if the grids do not overlap.

    Raises
    ------
    GridError
        If a CRS does not exist, or the target reaches beyond the domain of the source's CRS.
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
    # Across a cut of the CRS the outline has no interior; use its bounding box, which includes everything needed.
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
    """Return the window of `target` to which `source` contributes: `covering_window` with the grids swapped."""
    return covering_window(source, target, margin)


def _transformed_outline(
    bounds: tuple[float, float, float, float], source_epsg: int, target_epsg: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return x and y of a box's closed outline (about 512 points) in another CRS; infinite outside its domain."""
    ring = shapely.box(*bounds).exterior
    points = shapely.get_coordinates(shapely.segmentize(ring, ring.length / 512))
    x, y = points[:, 0], points[:, 1]
    return (x, y) if source_epsg == target_epsg else transformer(source_epsg, target_epsg).transform(x, y)
