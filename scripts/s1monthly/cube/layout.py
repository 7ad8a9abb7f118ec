"""The layout of a cube on disk: arrays, coordinates and attributes.

A cube is a Zarr v3 group: one array (time, y, x) float32 for each band, ``count`` (time, y, x) uint8, ``status`` (time)
uint8, the coordinates ``time``, ``time_bnds``, ``y``, ``x`` and the grid mapping ``spatial_ref``. The root
``zarr.json`` holds the metadata of all arrays (consolidated); replacing this small file changes the axis in one step.

``time`` and ``time_bnds`` have one chunk each with `AXIS_LIMIT` months from the first one on, whatever the current
shape. A longer axis only reveals more of that chunk, so it always agrees with the arrays.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from s1monthly.cube.status import AWAY, STATUS, foreign_store, how_to_mend
from s1monthly.errors import CubeError, NameFormatError
from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.bands import Band
from s1monthly.model import Direction, Month, Tile

AXIS_LIMIT = 1200
"""Most months that the axis of a cube can hold."""

ATTRIBUTE = "s1monthly"
"""Root attribute that identifies a cube of this product."""

COUNT = "count"
GRID_MAPPING = "spatial_ref"
DECODING = ("chunk_grid", "chunk_key_encoding", "codecs", "data_type", "fill_value", "storage_transformers")
"""Metadata of an array that are needed to decode its chunks."""
COORDINATES = ("time", "time_bnds", "y", "x", GRID_MAPPING)


@dataclass(frozen=True)
class CubeSpec:
    """What a cube is made of.

    Attributes
    ----------
    geobox : GeoBox
        Grid of every slot.
    bands : tuple of Band
        Bands, in order.
    chunks : tuple of int
        Rows and columns of a chunk; clipped to the grid.
    recipe : dict
        Everything that determines the values (level, polarization, processing options, algorithm versions), as plain
        JSON.
    """

    tile: Tile
    direction: Direction
    geobox: GeoBox
    bands: tuple[Band, ...]
    chunks: tuple[int, int]
    recipe: dict[str, Any]


def description(spec: CubeSpec) -> dict[str, Any]:
    """Return everything that must be equal for two cubes to be the same, except the axis: plain JSON in a fixed order.

    Raises
    ------
    CubeError
        If the recipe is not plain JSON, the chunks are not positive, or band names are repeated or reserved.
    """
    names = [band.name for band in spec.bands]
    label = f"cube of tile {spec.tile} {spec.direction}"
    if not names or len(set(names)) < len(names) or {COUNT, STATUS, *COORDINATES} & set(names):
        raise CubeError(
            f"{label}: the bands {', '.join(names) or '(none)'} cannot be named side by side",
            f"give each band a name of its own, other than {', '.join((COUNT, STATUS, *COORDINATES))}",
        )
    if min(spec.chunks) < 1:
        raise CubeError(f"{label}: chunks of {spec.chunks} pixels", "give zarr_chunks of one row and column at least")
    try:
        recipe = json.loads(json.dumps(spec.recipe, sort_keys=True, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise CubeError(f"{label}: the recipe is not plain JSON: {error}", "use texts and finite numbers") from error
    grid = asdict(spec.geobox)
    grid |= {key: float(grid[key]) for key in ("resolution", "left", "top")}
    return {
        "tile": str(spec.tile),
        "direction": str(spec.direction),
        "grid": grid,
        "bands": names,
        "chunks": [min(chunk, size) for chunk, size in zip(spec.chunks, spec.geobox.shape, strict=True)],
        "recipe": recipe,
    }


@dataclass(frozen=True)
class Header:
    """The content of a cube's root metadata.

    Attributes
    ----------
    path : Path
        The store.
    first, last : Month
        First and last month of the axis.
    description : dict
        As returned by `description`.
    arrays : dict
        Metadata of each array, as plain JSON.
    """

    path: Path
    first: Month
    last: Month
    description: dict[str, Any]
    arrays: dict[str, Any]

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands, in order."""
        return tuple(self.description["bands"])

    @property
    def data_arrays(self) -> tuple[str, ...]:
        """Names of the arrays that hold a month's pixels: the bands and the count."""
        return (*self.bands, COUNT)

    @property
    def decoding(self) -> dict[str, dict[str, Any]]:
        """What is needed to decode the chunks of each data array; empty metadata count as absent."""
        found = {name: self.arrays.get(name, {}) for name in self.data_arrays}
        return {name: {key: array[key] for key in DECODING if array.get(key)} for name, array in found.items()}

    def differing_keys(self, name: str, metadata: Mapping[str, Any]) -> list[str]:
        """Return the `DECODING` keys whose values in an array's metadata differ from those in the root."""
        array = self.arrays.get(name, {})
        return [key for key in DECODING if (metadata.get(key) or None) != (array.get(key) or None)]

    @property
    def geobox(self) -> GeoBox:
        """Grid of every slot."""
        return GeoBox(**self.description["grid"])

    @property
    def months(self) -> int:
        """Number of slots on the axis."""
        return self.last.ordinal - self.first.ordinal + 1

    def refuse_nonsense(self) -> None:
        """Raise ValueError, TypeError or NameFormatError if the description cannot be that of a cube."""
        described = self.description
        Tile(described["tile"])
        Direction(described["direction"])
        rows, columns = described["chunks"]
        kinds = ((described["bands"], list), (described["recipe"], dict), (self.arrays, dict))
        sizes = (rows, columns, *self.geobox.shape, self.months)
        if not all(isinstance(value, kind) for value, kind in kinds) or not all(size > 0 for size in sizes):
            raise ValueError("its description is not that of a cube")

    def slot(self, month: Month) -> int:
        """Return the position of a month on the axis.

        Raises
        ------
        CubeError
            If the month is outside.
        """
        if not self.first <= month <= self.last:
            raise CubeError(
                f"cube {self.path} has no slot for {month}: its axis is {self.first} to {self.last}",
                "run the workflow again with that month in its time range: the rule cube extends the axis",
            )
        return month.ordinal - self.first.ordinal

    def check_bands(self, names: Iterable[str], month: Month) -> None:
        """Raise CubeError if the bands given for a month are not exactly those of the cube."""
        given = set(names)
        missing = [name for name in self.bands if name not in given]
        unknown = sorted(given - set(self.bands))
        problems = [f"{what} {', '.join(some)}" for what, some in (("missing", missing), ("unknown", unknown)) if some]
        if problems:
            raise CubeError(
                f"cube {self.path}, month {month}: bands {' and '.join(problems)}",
                f"give exactly {', '.join(self.bands)}",
            )


def existing_header(path: Path) -> Header:
    """Read the root of a cube.

    Raises
    ------
    CubeError
        If there is no cube, or the store was not written by this product or is damaged.
    """
    header = read_header(path)
    if header is None:
        raise CubeError(f"there is no cube at {path}", "run the workflow again: the rule cube makes it")
    return header


def read_header(path: Path) -> Header | None:
    """Read the root of a cube; return None if nothing is there, or only folders without files.

    Raises
    ------
    CubeError
        If the store was not written by this product or is damaged.
    """
    try:
        root = json.loads((path / "zarr.json").read_text("utf-8"))
        ours = root["attributes"][ATTRIBUTE]
        described = {key: ours[key] for key in ("tile", "direction", "grid", "bands", "chunks", "recipe")}
        first, last = Month.parse(ours["first"]), Month.parse(ours["last"])
        header = Header(path, first, last, described, root["consolidated_metadata"]["metadata"])
        header.refuse_nonsense()
        return header
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, NameFormatError) as error:
        found = foreign_store(path)
        if found:
            raise CubeError(f"{path} is not a cube of this product: {found}", AWAY) from error
        if not isinstance(error, FileNotFoundError):
            damage = f"{type(error).__name__}: {error}"
            raise CubeError(f"{path}/zarr.json is damaged ({damage})", how_to_mend(path)) from error
        if path.is_dir() and any(entry.is_dir() and any(entry.iterdir()) for entry in path.iterdir()):
            raise CubeError(f"{path}/zarr.json is lost", how_to_mend(path)) from error
    return None
