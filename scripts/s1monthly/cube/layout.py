"""The layout of a cube on disk: arrays, coordinates and attributes.

A cube is a Zarr v3 group: one array (time, y, x) float32 for each band, ``count`` (time, y, x) uint8, ``status`` (time)
uint8, the coordinates ``time``, ``time_bnds``, ``y``, ``x`` and the grid mapping ``spatial_ref``. The root
``zarr.json`` holds the metadata of all arrays (consolidated); replacing this small file changes the axis in one step.

A cube may hold overviews of each month, see `cube.overviews`; they are no part of a month's digest.

``time`` and ``time_bnds`` have one chunk each with `AXIS_LIMIT` months from the first one on, whatever the current
shape. A longer axis only reveals more of that chunk, so it always agrees with the arrays.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from s1monthly.cube.header import COUNT, MASK, OVERVIEWS, STATUS, level_path
from s1monthly.errors import CubeError
from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.bands import Band
from s1monthly.model import Stack, Tile

AXIS_LIMIT = 1200
"""Most months that the axis of a cube can hold."""

GRID_MAPPING = "spatial_ref"
COORDINATES = ("time", "time_bnds", "y", "x", GRID_MAPPING)
LEVEL_COORDINATES = ("time", "y", "x", GRID_MAPPING)
"""Coordinates of each overview."""


def coordinate_paths(factors: Iterable[int]) -> tuple[str, ...]:
    """Return the paths of all coordinates of a cube with these overviews."""
    return (*COORDINATES, *(level_path(factor, name) for factor in factors for name in LEVEL_COORDINATES))


def group_paths(factors: Sequence[int]) -> tuple[str, ...]:
    """Return the paths of the groups of a cube with these overviews, the innermost first; none without overviews."""
    return (*map(level_path, factors), OVERVIEWS) if factors else ()


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
    overviews : tuple of int
        Factors of the overviews, see `cube.overviews`: 2, 4, 8 ...; none for a cube without.
    credits : mapping of str to str
        ACDD attributes of the root, such as ``creator_name`` and ``license``. Cubes with other ones are the same.
    """

    tile: Tile
    direction: Stack
    geobox: GeoBox
    bands: tuple[Band, ...]
    chunks: tuple[int, int]
    recipe: dict[str, Any]
    overviews: tuple[int, ...] = ()
    credits: Mapping[str, str] = field(default_factory=dict)


def description(spec: CubeSpec) -> dict[str, Any]:
    """Return everything that must be equal for two cubes to be the same, except the axis: plain JSON in a fixed order.

    Raises
    ------
    CubeError
        If the recipe is not plain JSON, the chunks are not positive, or band names are repeated or reserved.
    """
    names = [band.name for band in spec.bands]
    label = f"cube of tile {spec.tile} {spec.direction}"
    if not names or len(set(names)) < len(names) or {COUNT, MASK, STATUS, OVERVIEWS, *COORDINATES} & set(names):
        raise CubeError(
            f"{label}: the bands {', '.join(names) or '(none)'} cannot be named side by side",
            f"give each band a name of its own, other than {', '.join((COUNT, MASK, STATUS, OVERVIEWS, *COORDINATES))}",
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
        **({"overviews": list(spec.overviews)} if spec.overviews else {}),
    }
