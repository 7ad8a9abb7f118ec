"""A full tile's month with the statistics of real ones, without any granule: scene, speckle, median, despeckling."""

from __future__ import annotations

from datetime import date

import numpy as np
from numpy.typing import NDArray

from benchmarks.pipeline import DIRECTION, TILE
from s1monthly.config.processing import Processing
from s1monthly.grid.lattice import GeoBox, tile_geobox
from s1monthly.kernels.bands import bands
from s1monthly.kernels.compositing import composite
from s1monthly.kernels.speckle.despeckling import despeckle
from s1monthly.model import Polarization
from s1monthly.sources.simulated.scene import Scene

LAYERS = Polarization.VV_VH.layers
PASSES, LOOKS = 3, 4
"""Passes of the month, and looks of the speckle in each, as in the simulated granules."""

Values = dict[str, NDArray[np.float32]]
Count = NDArray[np.uint8]


def realistic_month() -> tuple[Values, Count]:
    """Make the four bands of a despeckled month, and its count; 2 % of the tile, beside the swath, have no data."""
    geobox, options = tile_geobox(TILE), Processing().despeckle
    scene, chance = Scene(1), np.random.default_rng(1)
    outside = beside_the_swath(geobox)
    smooth = []
    for layer in LAYERS:
        truth = scene.truth(geobox, date(2024, 5, 10), DIRECTION, layer)
        passes = np.stack([truth * _speckle(chance, truth.shape) for _ in range(PASSES)])
        median = composite(passes, "median", threads=2)[0]
        median[outside] = np.nan
        smooth.append(despeckle(median, threads=2, **options.recipe()))
    values = {band.name: band.formula(*smooth) for band in bands(*LAYERS)}
    return values, np.where(np.isnan(smooth[0]), 0, PASSES).astype(np.uint8)


def _speckle(chance: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    return chance.gamma(LOOKS, 1 / LOOKS, shape).astype(np.float32)


def beside_the_swath(geobox: GeoBox) -> NDArray[np.bool_]:
    """Say which pixels lie in the tile's lower right corner, behind a slanting edge as a swath's is."""
    rows, columns = np.ogrid[: geobox.height, : geobox.width]
    outside: NDArray[np.bool_] = columns + rows / 4 > 0.97 * geobox.width + 0.225 * geobox.height
    return outside
