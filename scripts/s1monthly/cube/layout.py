"""The layout of a cube on disk: arrays, coordinates and attributes.

A cube is a Zarr v3 group: one array (time, y, x) float32 for each band, ``count`` (time, y, x) uint8, ``status`` (time)
uint8, the coordinates ``time``, ``time_bnds``, ``y``, ``x`` and the grid mapping ``spatial_ref``. The root
``zarr.json`` holds the metadata of all arrays (consolidated); replacing this small file changes the axis in one step.

``time`` and ``time_bnds`` have one chunk each with `AXIS_LIMIT` months from the first one on, whatever the current
shape. A longer axis only reveals more of that chunk, so it always agrees with the arrays.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from s1monthly.cube.header import COUNT, STATUS
from s1monthly.errors import CubeError
from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.bands import Band
from s1monthly.model import Direction, Tile

AXIS_LIMIT = 1200
"""Most months that the axis of a cube can hold."""

GRID_MAPPING = "spatial_ref"
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
