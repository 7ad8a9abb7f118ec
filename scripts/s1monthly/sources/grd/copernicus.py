"""Tiles of the Copernicus DEM in a folder, as one surface of heights above the geoid."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window

from s1monthly.errors import ConfigError, GridError
from s1monthly.raster.geotiff import GDAL_OPTIONS

Singles = NDArray[np.float32]
Floats = NDArray[np.float64]
Cell = tuple[int, int]
"""South-western corner of a square of one degree: latitude, longitude."""

LIST = "tileList.txt"
"""Name of the list of all tiles, in the buckets of GLO-30 and GLO-90."""

FEWEST_TILES = 26_400
"""A list with fewer names was cut short: GLO-30 has 26,450 tiles, GLO-90 a few more."""

_LIST_REMEDY = f"get it again: https://copernicus-dem-30m.s3.amazonaws.com/{LIST}"

_NAME = re.compile(
    r"Copernicus_DSM(?:_COG)?_(?P<seconds>10|30)_(?P<ns>[NS])(?P<latitude>\d\d)_00_(?P<ew>[EW])(?P<longitude>\d{3})_00_DEM"
)
_SUFFIXES = ("tif", "tiff", "dt2")


def _wrapped(longitude: int) -> int:
    return (longitude + 180) % 360 - 180


def tile_name(cell: Cell, seconds: int = 10) -> str:
    """Return the name of a tile: 10 for GLO-30, 30 for GLO-90.

    Examples
    --------
    >>> tile_name((42, 12))
    'Copernicus_DSM_COG_10_N42_00_E012_00_DEM'
    """
    latitude, longitude = cell
    longitude = _wrapped(longitude)
    north, east = "N" if latitude >= 0 else "S", "E" if longitude >= 0 else "W"
    return f"Copernicus_DSM_COG_{seconds}_{north}{abs(latitude):02d}_00_{east}{abs(longitude):03d}_00_DEM"


def _parse_name(name: str) -> tuple[Cell, int] | None:
    """Return the square and the seconds (10 for GLO-30, 30 for GLO-90) of a tile's name, or None if it is none."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    latitude = int(match["latitude"]) * (1 if match["ns"] == "N" else -1)
    longitude = int(match["longitude"]) * (1 if match["ew"] == "E" else -1)
    return (latitude, _wrapped(longitude)), int(match["seconds"])


def _only_in_glo_90(cell: Cell) -> bool:
    """Return whether GLO-30 may lack the square although it has land: around Armenia and Azerbaijan."""
    return 38 <= cell[0] <= 41 and 43 <= cell[1] <= 50


@dataclass(frozen=True)
class TileList:
    """A list of all tiles that exist.

    Attributes
    ----------
    path : str
        The file.
    cells : frozenset of (int, int)
        Squares with a tile.
    seconds : int
        10 for the list of GLO-30, 30 for that of GLO-90.
    """

    path: str
    cells: frozenset[Cell]
    seconds: int

    def says_ocean(self, cell: Cell) -> bool:
        """Return whether a square is ocean, since no tile of it exists."""
        return cell not in self.cells and not (self.seconds == 10 and _only_in_glo_90(cell))


def read_tile_list(path: str | os.PathLike[str]) -> TileList:
    """Read the list of tiles of one of the public buckets.

    Raises
    ------
    GridError
        If it cannot be read, was cut short, or is no such list.
    """
    name = os.fspath(path)
    try:
        with open(name, "rb") as file:
            content = file.read()
    except OSError as error:
        raise GridError(f"list of DEM tiles {name}: {error}", _LIST_REMEDY) from error
    return parse_tile_list(content, name)


def parse_tile_list(content: bytes, name: str) -> TileList:
    """Parse the list of tiles of one of the public buckets; `name` is for messages.

    Raises
    ------
    GridError
        If it was cut short, or is no such list.
    """
    cells, seconds = set(), set()
    for line in content.decode("ascii", "replace").split():
        found = _parse_name(line)
        if found is None:
            raise GridError(f"list of DEM tiles {name}: {line[:60]!r} is no name of a tile", _LIST_REMEDY)
        cells.add(found[0])
        seconds.add(found[1])
    if len(cells) < FEWEST_TILES or len(seconds) != 1:
        problem = f"{len(cells):,} tiles, not all of GLO-30 or of GLO-90"
        raise GridError(f"list of DEM tiles {name}: {problem}", _LIST_REMEDY)
    return TileList(name, frozenset(cells), seconds.pop())


def _both(lists: Sequence[TileList]) -> TileList | None:
    """Return one list of the squares of all lists, which knows ocean as well as the best of them."""
    if not lists:
        return None
    cells = frozenset().union(*(each.cells for each in lists))
    return TileList(" or ".join(each.path for each in lists), cells, max(each.seconds for each in lists))


@dataclass(frozen=True)
class TileFolder:
    """Tiles in a folder.

    Attributes
    ----------
    folder : str
        For messages.
    files : mapping of (int, int) to str
        Path of the tile of each square.
    listed : TileList or None
        The tiles that exist by the lists in the folder, if it has any.
    ocean : frozenset of (int, int)
        Squares that the user knows to be all ocean.
    """

    folder: str
    files: Mapping[Cell, str]
    listed: TileList | None = None
    ocean: frozenset[Cell] = frozenset()

    def surface(self, latitudes: Floats, longitudes: Floats) -> Singles:
        """Return heights at the nodes of a grid in latitude and longitude, linear between the tiles' own nodes.

        Tiles have no common row or column, and their columns are further apart from one band of latitude to the next;
        what lies between two tiles is interpolated from both.

        Parameters
        ----------
        latitudes : float64 (rows,)
            Degrees.
        longitudes : float64 (columns,)
            Degrees, increasing; they may go beyond 180.

        Returns
        -------
        float32 (rows, columns)
            Metres above the geoid; 0 on squares that are all ocean.

        Raises
        ------
        GridError
            If a tile is not in the folder and not known to be ocean, or cannot be read.
        """
        heights = np.empty((len(latitudes), len(longitudes)), np.float32)
        rows, columns = np.ceil(latitudes - 1e-9).astype(int) - 1, np.floor(longitudes + 1e-9).astype(int)
        for south in np.unique(rows):
            for west in np.unique(columns):
                inside = np.ix_(rows == south, columns == west)
                cell = (int(south), int(west))
                heights[inside] = self._within(cell, latitudes[rows == south], longitudes[columns == west])
        return heights

    def _within(self, cell: Cell, latitudes: Floats, longitudes: Floats) -> Singles:
        """Return heights at places of one square, (latitude, longitude)."""
        path = self.path(cell)
        rows, columns = _size(path, (cell[0], _wrapped(cell[1]))) if path else _usual_size(cell)
        y, x = (cell[0] + 1 - latitudes) * rows, (longitudes - cell[1]) * columns
        y, x = np.clip(y, 0, rows), np.clip(x, 0, columns)
        top, left = math.floor(y.min() + 1e-6), math.floor(x.min() + 1e-6)
        # the last row and column that are needed; those numbered `rows` and `columns` belong to the next tile
        bottom, right = math.ceil(y.max() - 1e-6), math.ceil(x.max() - 1e-6)
        last = min(bottom, rows - 1), min(right, columns - 1)
        own = _read(path, top, left, *last) if path else np.zeros((last[0] - top + 1, last[1] - left + 1), np.float32)
        if right == columns:
            at = cell[0] + 1 - np.arange(top, top + len(own)) / rows
            own = np.hstack([own, self.surface(at, np.array([cell[1] + 1.0]))])
        if bottom == rows:
            at = cell[1] + np.arange(left, left + own.shape[1]) / columns
            own = np.vstack([own, self.surface(np.array([float(cell[0])]), at)])
        return _between(_between(own, y - top, 0), x - left, 1).astype(np.float32)

    def lacks(self, cell: Cell) -> bool:
        """Return True if the tile of a square is missing, and the square is not known to be ocean."""
        cell = cell[0], _wrapped(cell[1])
        return not (cell in self.files or cell in self.ocean or (self.listed and self.listed.says_ocean(cell)))

    def path(self, cell: Cell) -> str | None:
        """Return the path of a square's tile; None if the square is ocean; raise GridError if the tile is missing."""
        if self.lacks(cell):
            self._refuse((cell[0], _wrapped(cell[1])))
        return self.files.get((cell[0], _wrapped(cell[1])))

    def _refuse(self, cell: Cell) -> NoReturn:
        """Raise an error that names a missing tile, and what to do."""
        tile = tile_name(cell)
        fetch = f"put it there, from https://copernicus-dem-30m.s3.amazonaws.com/{tile}/{tile}.tif"
        if _only_in_glo_90(cell):
            tile_90 = tile_name(cell, 30)
            fetch += f", or {tile_90} from copernicus-dem-90m"
        if self.listed and cell in self.listed.cells:
            raise GridError(f"DEM folder {self.folder}: no tile {tile}, which {self.listed.path} lists", fetch)
        bucket = "copernicus-dem-90m" if _only_in_glo_90(cell) else "copernicus-dem-30m"
        raise GridError(
            f"DEM folder {self.folder}: no tile {tile}, and nothing there says that it is ocean",
            f"{fetch}; or, if it is ocean, put {LIST} of the bucket {bucket} there, or name the tile as ocean",
        )

    def spacing(self, south: float, north: float, west: float, east: float) -> tuple[float, float]:
        """Return the finest spacing of tiles in a box, in degrees of latitude and longitude."""
        sizes = []
        for latitude in range(math.ceil(south) - 1, math.ceil(north)):
            for longitude in range(math.floor(west), math.floor(east) + 1):
                cell = latitude, _wrapped(longitude)
                sizes.append(_size(self.files[cell], cell) if cell in self.files else _usual_size(cell))
        return 1 / max(rows for rows, _ in sizes), 1 / max(columns for _, columns in sizes)


def _usual_size(cell: Cell) -> tuple[int, int]:
    """Return rows and columns of a tile of GLO-30; columns are wider towards the poles."""
    latitude = max(cell[0], -cell[0] - 1)
    factor = next(
        factor for limit, factor in ((50, 1), (60, 1.5), (70, 2), (75, 3), (80, 5), (90, 10)) if latitude < limit
    )
    return 3600, round(3600 / factor)


def _between(values: NDArray[np.floating], places: Floats, axis: int) -> NDArray[np.floating]:
    """Interpolate linearly along one axis."""
    last = values.shape[axis] - 1
    before = np.clip(np.floor(places + 1e-6).astype(int), 0, max(last - 1, 0))
    after = np.minimum(before + 1, last)
    weight = np.clip(places - before, 0, 1)
    weight = np.where(np.abs(weight - np.rint(weight)) < 1e-6, np.rint(weight), weight)
    weight = weight.reshape((-1, 1) if axis == 0 else (1, -1)).astype(np.float32)
    return np.take(values, before, axis) * (1 - weight) + np.take(values, after, axis) * weight


@lru_cache(maxsize=1024)
def _size(path: str, cell: Cell) -> tuple[int, int]:
    """Return rows and columns of a tile, which must lie where its name says."""
    try:
        with rasterio.Env(**GDAL_OPTIONS), rasterio.open(path) as dataset:
            transform, crs = dataset.transform, dataset.crs
            rows, columns = dataset.height, dataset.width
    except RasterioError as error:
        raise GridError(f"DEM tile {path}: {error}", "get it again") from error
    west, north = transform.c + transform.a / 2, transform.f + transform.e / 2
    offsets = west - cell[1], north - cell[0] - 1, transform.a * columns - 1, transform.e * rows + 1
    if crs is None or not crs.is_geographic or max(map(abs, offsets)) > 1e-6:
        raise GridError(
            f"DEM tile {path}: {rows} x {columns} pixels from {west:.6f}, {north:.6f} are not the square of its name",
            "get it again, under its own name",
        )
    return rows, columns


def _read(path: str, top: int, left: int, bottom: int, right: int) -> Singles:
    """Read rows and columns of a tile, both inclusive."""
    try:
        with rasterio.Env(**GDAL_OPTIONS), rasterio.open(path) as dataset:
            window = Window.from_slices((top, bottom + 1), (left, right + 1))
            heights = dataset.read(1, window=window, masked=True).astype(np.float32).filled(np.nan)
    except RasterioError as error:
        raise GridError(f"DEM tile {path}: {error}", "get it again") from error
    return np.asarray(heights, np.float32)


def open_tiles(folder: str | os.PathLike[str], ocean: Iterable[str] = ()) -> TileFolder:
    """List the tiles of the Copernicus DEM in a folder, at any depth. GLO-30 counts before GLO-90.

    Ocean has no tile. So that it is told from a forgotten tile, put `tileList.txt` of the bucket copernicus-dem-30m or
    copernicus-dem-90m into the folder, or both into folders in it, or name the tiles that are ocean.

    Parameters
    ----------
    folder : path
        The folder.
    ocean : iterable of str
        Names of tiles that are all ocean, such as ``Copernicus_DSM_COG_10_S70_00_E162_00_DEM``.

    Raises
    ------
    ConfigError
        If a name of `ocean` is no tile's, or the folder has that tile.
    GridError
        If there is no tile, or the list is not whole.
    """
    name = os.fspath(folder)
    found: dict[Cell, tuple[int, str]] = {}
    lists: list[TileList] = []
    for here, folders, files in os.walk(name):
        folders[:] = sorted(entry for entry in folders if not entry.startswith("."))
        lists += [read_tile_list(os.path.join(here, LIST))] if LIST in files else []
        for file in sorted(files):
            stem, _, suffix = file.partition(".")
            tile = _parse_name(stem) if suffix in _SUFFIXES else None
            if tile:
                entry = (tile[1], os.path.join(here, file))
                found[tile[0]] = min(found.get(tile[0], entry), entry)
    if not (found or lists):
        raise GridError(
            f"DEM folder {name}: no tile of the Copernicus DEM in it",
            f"put tiles there under their own names, such as {tile_name((42, 12))}.tif, or give a GeoTIFF or VRT",
        )
    tiles = {cell: path for cell, (_, path) in found.items()}
    return TileFolder(name, tiles, _both(lists), frozenset(_ocean_cell(entry, tiles) for entry in ocean))


def _ocean_cell(name: str, tiles: Mapping[Cell, str]) -> Cell:
    found = _parse_name(name)
    if found is None:
        raise ConfigError(f"ocean: {name} is no name of a tile", f"give names such as {tile_name((-70, 162))}")
    if found[0] in tiles:
        raise ConfigError(f"ocean: {name} has heights in {tiles[found[0]]}", "remove one of them")
    return found[0]
