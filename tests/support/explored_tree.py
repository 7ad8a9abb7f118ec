"""A small tree to explore: months of a coarse tile with a season, a step, a gap and a month that is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from s1monthly.cube.axis import prepare
from s1monthly.cube.layout import CubeSpec
from s1monthly.cube.overviews import overview_factors
from s1monthly.cube.write import write_month
from s1monthly.grid.lattice import GeoBox, tile_geobox
from s1monthly.kernels.bands import bands
from s1monthly.model import Direction, Month, Tile

TILE = Tile("10SGD")
RECIPE = {"level": "hARDCp", "polarization": "VV+VH"}
FIRST = Month(2021, 1)
MISSING = FIRST.shift(7)
STEP = FIRST.shift(15)
"""First month after a step of 4 dB up in the northern half of the tile."""


def power(number: int, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return VV of a month as power: a gradient, a season, a step, noise; no data in the south-western corner."""
    chance = np.random.default_rng(number)
    made = np.linspace(0.05, 0.2, shape[1], dtype=np.float32) * np.ones(shape, np.float32)
    made *= 10 ** (0.1 * np.sin(2 * np.pi * number / 12)) * chance.gamma(200, 1 / 200, shape)
    if number >= STEP.ordinal - FIRST.ordinal:
        made[: shape[0] // 2] *= 10**0.4
    made[-shape[0] // 3 :, : shape[1] // 4] = np.nan
    return made.astype(np.float32)


def explored_tree(base: Path, months: int = 30, resolution: float = 600.0, overviews: bool = True) -> GeoBox:
    """Write the cube of `TILE`, ascending; return its grid."""
    box, of = tile_geobox(TILE, resolution), bands("VV", "VH")
    path = base / f"{TILE}_ASCENDING/zarr/S1_monthly.zarr"
    factors = overview_factors(box.shape) if overviews else ()
    prepare(
        path, CubeSpec(TILE, Direction.ASCENDING, box, of, (128, 128), RECIPE, factors), FIRST, FIRST.shift(months - 1)
    )
    for number in range(months):
        month = FIRST.shift(number)
        if month != MISSING:
            co = power(number, box.shape)
            values = {band.name: band.formula(co, co / 5) for band in of if band.formula}
            write_month(path, month, values, np.where(np.isfinite(co), 1 + number % 4, 0).astype(np.uint8))
    return box
