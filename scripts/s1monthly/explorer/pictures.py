"""Pictures of what is visible: windows of cubes and of maps of changes, as fine as the screen."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.cube.header import COUNT, Header
from s1monthly.cube.months import read_part
from s1monthly.cube.overviews import overview_factors, shapes
from s1monthly.errors import ProductError
from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.halving import halved
from s1monthly.kernels.preview import preview_rgba, shown_bands
from s1monthly.model import Month

Values = NDArray[np.float32]
Bounds = tuple[float, float, float, float]
"""Left, bottom, right, top in units of the CRS."""

FINEST = 2.0
"""Pixels of a picture along a pixel of the screen, at most. Levels halve: there is never less than one."""
PERCENTILES = (2.0, 98.0)
"""Percentiles of the values between which colours are stretched by default."""


@dataclass(frozen=True)
class Picture:
    """Values of a window.

    Attributes
    ----------
    values : array (rows, columns) of float32
        NaN for no data. The first row is the northernmost.
    bounds : tuple of float
        Outer edges of the pixels.
    factor : int
        Pixels of the full resolution along a side of each pixel.
    """

    values: NDArray[Any]
    bounds: Bounds
    factor: int


def choose_factor(box: GeoBox, units_a_pixel: float) -> int:
    """Return the factor of the finest level whose pixels are not much smaller than those of the screen.

    Parameters
    ----------
    box : GeoBox
        Full resolution.
    units_a_pixel : float
        Size of a pixel of the screen in units of the CRS.
    """
    factors = (1, *overview_factors(box.shape))
    return next((one for one in factors if one * box.resolution * FINEST >= units_a_pixel), factors[-1])


def read_picture(
    header: Header, month: Month, name: str, view: Bounds, units_a_pixel: float, threads: int = 2
) -> Picture | None:
    """Read the part of a month that is visible, at the resolution of the screen.

    Coarser levels are the cube's overviews, or made as they are made where it has none. Counts and classes are not
    averaged: every factor-th pixel is shown. A count of 0 is no data.

    Parameters
    ----------
    name : str
        Band, ``count`` or ``mask``.
    view : tuple of float
        Left, bottom, right, top of what is visible.
    units_a_pixel : float
        Size of a pixel of the screen in units of the CRS.

    Returns
    -------
    Picture or None
        None if nothing of the tile is visible.

    Raises
    ------
    CubeError
        If the month is not complete, or cannot be read.
    """
    box, factor = header.geobox, choose_factor(header.geobox, units_a_pixel)
    level = _level(box, factor)
    window = _window(level, view)
    if window is None:
        return None
    (rows, columns), (bounds) = window, _bounds(level, window)
    stored = factor == 1 or (name in header.bands and factor in header.overviews)
    if stored:
        values = read_part(header.path, month, name, rows, columns, factor, threads)
    else:
        values = read_part(header.path, month, name, *_full(window, factor, box.shape), 1, threads)
        values = _coarser(values, factor) if name in header.bands else values[::factor, ::factor]
    values = values.astype(np.float32)
    if name == COUNT:
        values[values == 0] = np.nan
    return Picture(values, bounds, factor)


def read_change_picture(path: Path, number: int, view: Bounds, units_a_pixel: float) -> Picture | None:
    """Read the visible part of a band of a map of changes, the nearest pixels of what is coarser; see `read_picture`.

    Parameters
    ----------
    number : int
        Band, counted from 1.

    Raises
    ------
    ProductError
        If the map is gone or cannot be read.
    """
    from rasterio.windows import Window

    from s1monthly.raster.geotiff import open_dataset, open_raster

    with open_raster(path) as raster:
        box = raster.header.geobox
    factor = choose_factor(box, units_a_pixel)
    level = _level(box, factor)
    window = _window(level, view)
    if window is None:
        return None
    shape = tuple(part.stop - part.start for part in window)
    full = Window.from_slices(*_full(window, factor, box.shape))
    with open_dataset(path) as dataset:
        if number > dataset.count:
            raise ProductError(f"{path}: no band {number}", "make the map again: scripts/change.py")
        values = dataset.read(number, window=full, out_shape=shape)
    return Picture(values.astype(np.float32), _bounds(level, window), factor)


def read_colours(header: Header, month: Month, view: Bounds, units_a_pixel: float, threads: int = 2) -> Picture | None:
    """Read the visible part of a month in the colours of its preview: uint32, red, green, blue, alpha; 0 for no data.

    Arguments and errors are those of `read_picture`.
    """
    co, cross, ratio = shown_bands(header.recipe["polarization"].split("+"))
    names = [co, cross, *([ratio] if ratio in header.bands else [])]
    found = [read_picture(header, month, name, view, units_a_pixel, threads) for name in names]
    layers = [one.values for one in found if one is not None]
    if found[0] is None or len(layers) < len(names):
        return None
    rgba = preview_rgba(layers[0], layers[1], layers[2] if len(layers) > 2 else None, 1)
    return replace(found[0], values=np.ascontiguousarray(np.moveaxis(rgba, 0, -1)).view("<u4")[..., 0])


def stretch(values: Values) -> tuple[float, float]:
    """Return the `PERCENTILES` of the valid values, apart from each other; 0 and 1 if there is none."""
    there = values[np.isfinite(values)]
    if not there.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(there, PERCENTILES))
    return (low, high) if high > low else (low - 0.5, low + 0.5)


@dataclass(frozen=True)
class StretchScale:
    """A scale on which a stretch is chosen: its ends, its step, decimals of the step, and the default."""

    first: float
    last: float
    step: float
    decimals: int
    shown: tuple[float, float]


def stretch_scale(values: Values) -> StretchScale:
    """Return a scale over all valid values, of 30 to 300 steps between the ends of `stretch`."""
    low, high = stretch(values)
    there = values[np.isfinite(values)]
    least, most = (float(there.min()), float(there.max())) if there.size else (low, high)
    place = math.floor(math.log10(high - low) - 1.5)
    first, last = math.floor(min(least, low) / 10**place), math.ceil(max(most, high) / 10**place)
    ends = [round(one * 10.0**place, 10) for one in (first, last, round(low / 10**place), round(high / 10**place))]
    return StretchScale(ends[0], ends[1], round(10.0**place, 10), max(0, -place), (ends[2], ends[3]))


def swiped(left: Picture | None, right: Picture | None, divider: float) -> Picture | None:
    """Join two pictures of one window: west of a line the first, east of it the second, None for nothing there."""
    shape = left or right
    if shape is None:
        return None
    values = np.full_like(shape.values, np.nan) if shape.values.dtype == np.float32 else np.zeros_like(shape.values)
    west, _, east, _ = shape.bounds
    column = round(float(np.clip((divider - west) / (east - west), 0, 1)) * values.shape[1])
    if left is not None:
        values[:, :column] = left.values[:, :column]
    if right is not None:
        values[:, column:] = right.values[:, column:]
    return replace(shape, values=values)


@dataclass(frozen=True)
class _Level:
    """A grid of rectangular pixels with the bounds of a tile's grid, or of a coarser copy of it."""

    bounds: Bounds
    shape: tuple[int, int]

    @property
    def size(self) -> tuple[float, float]:
        """Height and width of a pixel."""
        left, bottom, right, top = self.bounds
        return (top - bottom) / self.shape[0], (right - left) / self.shape[1]


def _level(box: GeoBox, factor: int) -> _Level:
    factors = (1, *overview_factors(box.shape))
    place = factors.index(factor)
    return _Level(box.bounds, [box.shape, *shapes(box.shape, factors[1:])][place])


def _window(level: _Level, view: Bounds) -> tuple[slice, slice] | None:
    (height, width), (left, _, _, top) = level.size, level.bounds
    ends = ((top - view[3]) / height, (top - view[1]) / height), ((view[0] - left) / width, (view[2] - left) / width)
    parts = [
        slice(max(0, math.floor(first)), min(size, math.ceil(last)))
        for (first, last), size in zip(ends, level.shape, strict=True)
    ]
    return (parts[0], parts[1]) if all(part.start < part.stop for part in parts) else None


def _full(window: tuple[slice, slice], factor: int, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return the window of full resolution below a window of a coarser level."""
    rows, columns = (
        slice(part.start * factor, min(part.stop * factor, size)) for part, size in zip(window, shape, strict=True)
    )
    return rows, columns


def _bounds(level: _Level, window: tuple[slice, slice]) -> Bounds:
    (rows, columns), (height, width), (left, _, _, top) = window, level.size, level.bounds
    return (
        left + columns.start * width,
        top - rows.stop * height,
        left + columns.stop * width,
        top - rows.start * height,
    )


def _coarser(values: Values, factor: int) -> Values:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        while factor > 1:
            values, factor = halved(values, pool), factor // 2
    return values
