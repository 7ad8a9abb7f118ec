"""How a raster comes onto a grid: which of its pixels are needed, and what becomes of their values."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.errors import ProductError
from s1monthly.grid.lattice import GeoBox, covering_window, overlap, source_pixels, target_window
from s1monthly.kernels.resampling import between_knots, bilinear, block_mean
from s1monthly.raster.geotiff import crop
from s1monthly.sources.layers import REMEDY

STEP = 16
"""Target pixels between knots of a transformation to another CRS."""

SCALE_TOLERANCE = 0.05
"""Share of a source pixel by which a target pixel may be larger and still count as the same size.

UTM's scale differs by up to 0.3 % between neighbouring zones, so that their 30 m pixels count as the same size.
"""

MOST_PARTS = 2_000
"""Most source pixels along the side of a target pixel (6 km from 3 m). With more, the raster's header is wrong."""

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Placing(ABC):
    """The part of a raster that lies on a grid.

    Attributes
    ----------
    rows, cols : slice
        Window of the raster that is needed; the methods take values of this window.
    row, col : int
        Place of the result's upper-left pixel on the grid.
    """

    rows: slice
    cols: slice
    row: int
    col: int

    @abstractmethod
    def resample(self, values: Values) -> Values:
        """Bring values, float32 with NaN for no data, onto the grid, by the rules of `placing`."""

    @abstractmethod
    def nearest(self, classes: NDArray[Any], missing: int) -> NDArray[Any]:
        """Bring classes onto the grid: each target pixel takes that at its centre; `missing` outside the raster."""


@dataclass(frozen=True)
class _Cut(Placing):
    """Whole pixels, averaged over blocks of factor x factor; `missing` pads them to whole target pixels."""

    factor: int
    missing: tuple[tuple[int, int], tuple[int, int]]

    def resample(self, values: Values) -> Values:
        padded = np.pad(values, self.missing, constant_values=np.nan) if np.any(self.missing) else values
        return block_mean(padded, self.factor) if self.factor > 1 else padded

    def nearest(self, classes: NDArray[Any], missing: int) -> NDArray[Any]:
        padded = np.pad(classes, self.missing, constant_values=missing) if np.any(self.missing) else classes
        middle = slice(self.factor // 2, None, self.factor)
        return padded[middle, middle] if self.factor > 1 else padded


@dataclass(frozen=True)
class _Warp(Placing):
    """Interpolated on `fine`, which has factor x factor pixels for each of the target's, and averaged."""

    fine: GeoBox
    source: GeoBox
    factor: int

    def resample(self, values: Values) -> Values:
        # `source_pixels` gives at least two knots each way; a window of one row or column needs only one.
        enough = tuple(slice(math.ceil((side - 1) / STEP) + 1) for side in self.fine.shape)
        rows, cols = (knots[enough] for knots in source_pixels(self.fine, self._window, STEP))
        warped = bilinear(values, rows, cols, STEP, self.fine.shape)
        return block_mean(warped, self.factor) if self.factor > 1 else warped

    def nearest(self, classes: NDArray[Any], missing: int) -> NDArray[Any]:
        target = _divided(self.fine, 1 / self.factor)
        knots = source_pixels(target, self._window, STEP)
        rows, cols = (np.rint(between_knots(positions, STEP, target.shape)) for positions in knots)
        inside = (rows >= 0) & (rows < classes.shape[0]) & (cols >= 0) & (cols < classes.shape[1])
        placed = np.full(target.shape, missing, classes.dtype)
        placed[inside] = classes[rows[inside].astype(np.intp), cols[inside].astype(np.intp)]
        return placed

    @property
    def _window(self) -> GeoBox:
        return crop(self.source, self.rows, self.cols)


def placing(source: GeoBox, target: GeoBox, name: str) -> Placing | None:
    """Plan how a raster comes onto a grid.

    - If CRS and pixel size are equal, whole pixels are cut out and nothing is resampled.
    - If the target's pixels are whole multiples of the raster's in the same CRS, values are averaged
      (`resampling.block_mean`).
    - Otherwise values are interpolated once (`resampling.bilinear`). A target pixel larger than the raster's is divided
      into equal parts of at most the raster's pixel size, which are then averaged, so that every measurement counts at
      any resolution.

    Parameters
    ----------
    source, target : GeoBox
        Grid of the raster, and the grid to bring it onto.
    name : str
        Name of the raster, for errors.

    Returns
    -------
    Placing or None
        None if the raster lies beside the grid.

    Raises
    ------
    ProductError
        If the raster's pixels are too small to be true.
    GridError
        If a raster of the grid's CRS and pixel size lies off its lattice.
    """
    factor = math.ceil(target.resolution / source.resolution - 1e-9)
    whole = math.isclose(factor * source.resolution, target.resolution, rel_tol=1e-9)
    if target.epsg == source.epsg and whole:
        _refuse_many_parts(factor, source, target, name)
        return _cut(source, target, factor)
    return _warp(source, target, name)


def needed_window(target: GeoBox) -> Callable[[GeoBox], tuple[slice, slice] | None]:
    """Return a function that tells the window of a raster's grid that `placing` needs; None beside the target."""

    def window_of(source: GeoBox) -> tuple[slice, slice] | None:
        place = placing(source, target, "")
        return (place.rows, place.cols) if place else None

    return window_of


def _cut(source: GeoBox, target: GeoBox, factor: int) -> Placing | None:
    common = overlap(_divided(target, factor), source)
    if common is None:
        return None
    rows, cols = common.target
    above, left = ((part.start % factor, -part.stop % factor) for part in (rows, cols))
    return _Cut(*common.source, rows.start // factor, cols.start // factor, factor, (above, left))


def _warp(source: GeoBox, target: GeoBox, name: str) -> Placing | None:
    window = target_window(target, source)
    if window is None:
        return None
    rows, cols = window
    box = crop(target, rows, cols)
    factor = math.ceil(_scale(box, source) - SCALE_TOLERANCE)
    _refuse_many_parts(factor, source, target, name)
    fine = _divided(box, factor)
    needed = covering_window(fine, source)
    return _Warp(*needed, rows.start, cols.start, fine, source, factor) if needed else None


def _refuse_many_parts(factor: int, source: GeoBox, target: GeoBox, name: str) -> None:
    if factor > MOST_PARTS:
        raise ProductError(
            f"raster {name}: {source.resolution:g} is too fine a pixel for a grid of {target.resolution:g} in"
            f" {target.crs}",
            REMEDY,
        )


def _divided(box: GeoBox, factor: float) -> GeoBox:
    """Return the grid with each pixel divided into factor x factor."""
    width, height = round(box.width * factor), round(box.height * factor)
    return replace(box, resolution=box.resolution / factor, width=width, height=height)


def _scale(target: GeoBox, source: GeoBox) -> float:
    """Return the largest side of any target pixel in the box, in source pixels."""
    rows, cols = source_pixels(target, source, STEP)
    sides = [np.hypot(np.diff(rows, axis=axis), np.diff(cols, axis=axis)) for axis in (0, 1)]
    return max(float(np.nanmax(side)) for side in sides) / STEP
