"""Heights above the ellipsoid on a tile's grid and around it, made once for all GRD slices."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from s1monthly.errors import ProductError
from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.options import slice_parts
from s1monthly.raster.geotiff import open_raster
from s1monthly.raster.writing import write_raster
from s1monthly.sources.grd.dem import HeightsAbove, TileHeights, grown, open_dem, tile_heights
from s1monthly.sources.grd.dem_fetching import fetch_geoid, fetch_tiles


def fine_grid(box: GeoBox) -> GeoBox:
    """Return the grid on which slices are corrected: that of the tile, with large pixels divided into parts of 30 m."""
    parts = slice_parts(box.metres_a_pixel)
    return replace(box, resolution=box.resolution / parts, width=box.width * parts, height=box.height * parts)


def make_heights(dem: Mapping[str, Any], box: GeoBox, path: str | Path) -> TileHeights:
    """Make the heights of a tile on its `fine_grid`, write them, and remove those of another DEM.

    Parameters
    ----------
    dem : mapping
        `path`, `above`, `geoid` and `ocean` of `open_dem`; `fetched`: the hosts of `tiles` and of `geoid`, for those
        that are fetched, and the `seconds` for each file.
    box : GeoBox
        The tile's grid.
    path : path
        File to write, named by the tile and a digest of what it is made of.

    Raises
    ------
    ConfigError, GridError
        As for `open_dem` and `tile_heights`.
    SourceError, FileError
        If a file of the DEM cannot be fetched.
    ProductError
        If the file cannot be written.
    """
    box, fetched = fine_grid(box), dem.get("fetched", {})
    if "tiles" in fetched:
        glo_30, glo_90 = fetched["tiles"]
        fetch_tiles(dem["path"], box, glo_30, glo_90, fetched["seconds"])
    if "geoid" in fetched:
        fetch_geoid(dem["geoid"], fetched["geoid"], fetched["seconds"])
    opened = open_dem(dem["path"], HeightsAbove(dem["above"]), dem["geoid"], dem["ocean"])
    heights = tile_heights(opened, box)
    write_raster(path, [heights.heights], heights.box, ["height"])
    for other in Path(path).parent.glob(f"{Path(path).stem.partition('_')[0]}_*"):
        if other.name != os.path.basename(path):
            other.unlink(missing_ok=True)
    return heights


def read_heights(path: str | Path, box: GeoBox) -> TileHeights:
    """Read the heights of a tile on its `fine_grid`.

    Parameters
    ----------
    path : path
        File that `make_heights` wrote.
    box : GeoBox
        The tile's grid.

    Raises
    ------
    ProductError
        If the file is missing, damaged, or that of another grid.
    """
    box = fine_grid(box)
    with open_raster(path) as raster:
        around = raster.header.geobox
        margin = (around.width - box.width) // 2
        if around != grown(box, margin):
            raise ProductError(f"{path}: heights of another grid", "delete it and run again")
        values = raster.read(slice(0, around.height), slice(0, around.width))
    return TileHeights(around, margin, np.ascontiguousarray(values, np.float32))
