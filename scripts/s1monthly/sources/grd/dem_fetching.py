"""Fetch the tiles of the Copernicus DEM under a lattice, and the geoid that their heights are measured from."""

from __future__ import annotations

import math
import os

import numpy as np

from s1monthly.errors import GridError
from s1monthly.grid.lattice import GeoBox
from s1monthly.sources.grd.copernicus import LIST, Cell, TileList, parse_tile_list, read_tile_list, tile_name
from s1monthly.sources.grd.dem import surroundings_lonlat
from s1monthly.sources.grd.public_files import fetch, tiff_problem

_SPARE = 0.02
"""Degrees of latitude beyond the lattice: heights are interpolated from nodes around it."""


def cells_under(box: GeoBox) -> list[Cell]:
    """Return the squares of one degree that a lattice and the widest margin of its relief touch.

    Parameters
    ----------
    box : GeoBox
        The lattice, without a margin. It may lie across 180 degrees.
    """
    longitudes, latitudes = surroundings_lonlat(box)
    south, north = latitudes.min() - _SPARE, latitudes.max() + _SPARE
    aside = _SPARE / math.cos(math.radians(min(np.abs(latitudes).max(), 89.0)))
    west, east = longitudes.min() - aside, longitudes.max() + aside
    rows, columns = range(math.floor(south), math.ceil(north)), range(math.floor(west), math.ceil(east))
    return sorted({(row, (column + 180) % 360 - 180) for row in rows for column in columns if -90 <= row < 90})


def fetch_tiles(folder: str | os.PathLike[str], box: GeoBox, glo_30: str, glo_90: str, seconds: float) -> None:
    """Fetch the tiles under a lattice into a folder that `open_tiles` reads; those that are there are not asked for.

    The public lists of tiles tell ocean from land: a square in neither list is ocean. They are fetched once.

    Parameters
    ----------
    folder : path
        Folder of the tiles.
    box : GeoBox
        The lattice.
    glo_30, glo_90 : str
        Hosts of the buckets.
    seconds : float
        Time limit for each file.

    Raises
    ------
    SourceError, FileError
        If a file cannot be fetched. No tile is then taken for ocean.
    GridError
        If a list in the folder is damaged.
    """
    cells = cells_under(box)
    for host, arc_seconds in ((glo_30, 10), (glo_90, 30)):
        listed = _tile_list(folder, host, arc_seconds, seconds).cells if cells else frozenset()
        for cell in cells:
            if cell in listed:
                _fetch_tile(folder, host, cell, arc_seconds, seconds)
        cells = [cell for cell in cells if cell not in listed]


def fetch_geoid(path: str | os.PathLike[str], host: str, seconds: float) -> None:
    """Fetch the geoid grid of a path's name, unless it is there. Errors are those of `fetch`."""
    fetch(f"https://{host}/{os.path.basename(path)}", path, seconds, tiff_problem)


def _fetch_tile(folder: str | os.PathLike[str], host: str, cell: Cell, arc_seconds: int, seconds: float) -> None:
    name = tile_name(cell, arc_seconds)
    path = os.path.join(_subfolder(folder, arc_seconds), f"{name}.tif")
    fetch(f"https://{host}/{name}/{name}.tif", path, seconds, tiff_problem)


def _tile_list(folder: str | os.PathLike[str], host: str, arc_seconds: int, seconds: float) -> TileList:
    path = os.path.join(_subfolder(folder, arc_seconds), LIST)

    def problem(content: bytes) -> str:
        try:
            found = parse_tile_list(content, path)
        except GridError as error:
            return error.problem
        return "" if found.seconds == arc_seconds else f"a list of tiles of {found.seconds} came, not of {arc_seconds}"

    fetch(f"https://{host}/{LIST}", path, seconds, problem)
    return read_tile_list(path)


def _subfolder(folder: str | os.PathLike[str], arc_seconds: int) -> str:
    return os.path.join(folder, {10: "glo_30", 30: "glo_90"}[arc_seconds])
