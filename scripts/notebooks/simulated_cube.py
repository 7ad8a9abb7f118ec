"""Write a cube with a known change, for the notebook on series and changes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from s1monthly.config.root import load_config
from s1monthly.cube.axis import prepare
from s1monthly.cube.layout import CubeSpec
from s1monthly.cube.write import write_month
from s1monthly.grid.lattice import tile_geobox
from s1monthly.kernels.bands import bands
from s1monthly.layout import Layout
from s1monthly.model import Direction, Month, Tile, TileDirection
from s1monthly.records.recipe import recipe

FIRST, MONTHS, GAPS = Month(2021, 1), 36, (5, 17)
CHANGED, STEP_DB = Month(2022, 9), -3.0
LOOKS = 40
"""Looks of the speckle: the standard deviation is 0.7 dB."""


@dataclass(frozen=True)
class Truth:
    """What was simulated.

    Attributes
    ----------
    month : str
        First month after the change.
    step : float
        The change in dB.
    changed : array (y, x) of bool
        Pixels that change.
    inside, outside : tuple of float
        x and y in metres of a pixel that changes, and of one that does not.
    """

    month: str
    step: float
    changed: NDArray[np.bool_]
    inside: tuple[float, float]
    outside: tuple[float, float]


def make_cube(base_dir: str | Path, tile: str = "10SGD") -> Truth:
    """Simulate 36 months of a tile at 600 m: speckle, a season, two months without data, and a step in a square.

    The values are drawn at random; no granule is read and no other product is made.
    """
    settings = {
        "roi": {"manual_mgrs_tiles": [tile], "flight_direction": "ASCENDING"},
        "time": {"start": str(FIRST), "end": str(FIRST.shift(MONTHS - 1))},
        "source": {"kind": "simulated"},
        "processing": {"target_resolution": 600},
    }
    owner = TileDirection(Tile(tile), Direction.ASCENDING)
    path, grid, of = Layout(str(base_dir)).of(owner).cube, tile_geobox(owner.tile, 600.0), bands("VV", "VH")
    spec = CubeSpec(owner.tile, owner.direction, grid, of, (64, 64), recipe(load_config(settings)))
    prepare(path, spec, FIRST, FIRST.shift(MONTHS - 1))
    changed = np.zeros(grid.shape, bool)
    changed[60:110, 70:120] = True
    chance = np.random.default_rng(1)
    for number in sorted({*range(MONTHS)} - {*GAPS}):
        month = FIRST.shift(number)
        decibels = -11 + 1.5 * np.sin(2 * np.pi * month.month / 12) + np.where(changed & (month >= CHANGED), STEP_DB, 0)
        co, cross = (10 ** ((decibels + level) / 10) * chance.gamma(LOOKS, 1 / LOOKS, grid.shape) for level in (0, -7))
        power = co.astype(np.float32), cross.astype(np.float32)
        write_month(path, month, {band.name: band.formula(*power) for band in of}, np.full(grid.shape, 3, np.uint8))
    inside, outside = ((grid.left + 600 * (x + 0.5), grid.top - 600 * (y + 0.5)) for x, y in ((95, 85), (20, 150)))
    return Truth(str(CHANGED), STEP_DB, changed, inside, outside)
