"""COGs of tiles to make mosaics of: their power is known at every place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

from s1monthly.grid.lattice import GeoBox, tile_geobox
from s1monthly.grid.outlines import transformer
from s1monthly.kernels.bands import bands, db, spread_bands
from s1monthly.layout import Layout
from s1monthly.model import CompositeKey, Month, Stack, Tile
from s1monthly.mosaic.plan import Label, Mosaic, find_cogs, plan_mosaics
from s1monthly.raster.cog import write_cog

MAY = Month(2024, 5)
SIZE = 900.0
"""Metres a pixel: tiles of 122 x 122."""

Floats = NDArray[np.floating]
Field = Callable[[Floats, Floats], Floats]


def speckle(x: Floats, y: Floats) -> Floats:
    """Power that looks random and is the same wherever the same pixel centre is asked for."""
    noise = np.abs(np.sin(x * 12.9898 + y * 78.233) * 43758.5453) % 1
    return 0.01 + 0.4 * noise**2


def waves(lon: Floats, lat: Floats) -> Floats:
    """Power that is smooth in longitude and latitude, round the globe."""
    return 0.1 * (1.5 + np.sin(700 * np.radians(lon)) * np.cos(700 * np.radians(lat)))


def centres(box: GeoBox) -> tuple[Floats, Floats]:
    x = box.left + (np.arange(box.width) + 0.5) * box.resolution
    y = box.top - (np.arange(box.height) + 0.5) * box.resolution
    return np.meshgrid(x, y)


def power_of(box: GeoBox, field: Field) -> Floats:
    x, y = centres(box)
    return field(*transformer(box.epsg, 4326).transform(x, y)) if field is waves else field(x, y)


def put(
    base: Path,
    tile: str,
    direction: str = "ASCENDING",
    month: Month = MAY,
    *,
    field: Field = speckle,
    factor: float = 1.0,
    empty: tuple[slice, slice] | None = None,
    size: float = SIZE,
    epsg: int | None = None,
    pair: tuple[str, str] = ("VV", "VH"),
    others: bool = False,
    level: str = "hARDCp",
    recipe: dict[str, object] | None = None,
) -> Path:
    """Write a tile's COG: power of a field times a factor, VH a fifth of VV or less; `others`: texture and spread.

    `recipe`: that in its tags.
    """
    box = tile_geobox(Tile(tile), size, epsg)
    co = (factor * power_of(box, field)).astype(np.float32)
    if empty:
        co[empty] = np.nan
    cross = (co * (0.1 + 0.3 * co)).astype(np.float32)
    labels = list(bands(*pair))
    values = [band.formula(co, cross) for band in labels]
    if others:
        labels.append(Label(f"{pair[0]}_glcm_contrast", "1", "contrast"))
        labels += spread_bands(pair[:1], ["max", "std"])
        values += [(7 + 100 * co).astype(np.float32), db(np.float32(2) * co), (5 * co).astype(np.float32)]
    path = Path(Layout(str(base)).of(CompositeKey(Tile(tile), Stack.parse(direction), month)).cog)
    write_cog(
        path,
        values,
        box,
        labels,
        tags={"PROCESSING_LEVEL": level, **({"RECIPE": json.dumps(recipe)} if recipe else {})},
    )
    return path


def planned(
    base: Path, directions: str = "ASCENDING", epsg: int | None = 4326, resolution: float | None = None
) -> list[Mosaic]:
    cogs, _ = find_cogs(Layout(str(base)), MAY, directions)
    return plan_mosaics(cogs, directions, epsg, resolution)


def read(path: Path, **options: int) -> Floats:
    with rasterio.open(path, **options) as dataset:
        return dataset.read()
