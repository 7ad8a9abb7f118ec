"""Check that a COG shows the content of the cube: every pixel, and the overviews."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.io import MemoryFile

from s1monthly.errors import ProductError
from s1monthly.grid.lattice import GeoBox
from s1monthly.raster.geotiff import open_dataset

SHARE = 1e-5
"""Relative tolerance for a pixel of an overview averaged on another processor."""


def unlike(path: Path, band: int, values: NDArray[np.float32], grid: GeoBox) -> str | None:
    """Return how a band of a COG differs from the cube; None if it does not.

    Pixels are compared bit by bit (all NaN are equal), overviews with those that GDAL averages from `values`. A full
    band of 3660 x 3660 pixels takes 0.4 s.

    Parameters
    ----------
    band : int
        Counted from 1.
    values : array (rows, columns), float32
        Values of the cube; NaN for no data.
    grid : GeoBox
        Grid of the values.
    """
    try:
        with open_dataset(path) as dataset:
            levels = dataset.overviews(band)
            if not np.array_equal(dataset.read(band), values, equal_nan=True):
                return "not what the cube holds"
        for number, expected in enumerate(_averaged(values, grid, levels)):
            with open_dataset(path, overview_level=number) as overview:
                found = overview.read(band)
            if found.shape != expected.shape or not np.allclose(found, expected, SHARE, 0, equal_nan=True):
                return f"overview 1:{levels[number]} is not the average of its pixels"
    except ProductError as error:
        return error.problem.removeprefix(f"raster {path}: ")
    return None


def _averaged(values: NDArray[np.float32], grid: GeoBox, levels: list[int]) -> list[NDArray[np.float32]]:
    """Return overviews of a band at some levels, averaged by GDAL; `raster.cog_blocks` gives the same bits."""
    profile = {"driver": "GTiff", "dtype": "float32", "count": 1, "nodata": np.nan, "tiled": True}
    place = {"crs": grid.crs, "transform": rasterio.Affine(*grid.transform)}
    with MemoryFile() as file:
        with file.open(width=grid.width, height=grid.height, **profile, **place) as dataset:
            dataset.write(values, 1)
            dataset.build_overviews(levels, Resampling.average)
        averaged = []
        for number, _ in enumerate(levels):
            with file.open(overview_level=number) as overview:
                averaged.append(overview.read(1))
        return averaged
