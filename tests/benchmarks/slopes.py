"""Composites of slopes that are seen from both directions, over the simulator's relief and against a known truth.

The number of independent samples in a pixel of the map falls with the area that a pass illuminates there. So speckle
has 4 looks on flat ground, fewer on slopes that face the radar, more on slopes that face away from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from benchmarks.pipeline import TILE, Progress
from benchmarks.report import table
from s1monthly.granules import Burst
from s1monthly.grid.lattice import GeoBox, geobox_outline, tile_geobox
from s1monthly.grid.orbit import bursts_over, footprint, incidence_angle, utm_epsg
from s1monthly.kernels.compositing import composite
from s1monthly.kernels.options import COMPOSITE_METHODS, CompositeMethod
from s1monthly.model import Direction
from s1monthly.raster.geotiff import crop
from s1monthly.sources.simulated.granules import LOOKS
from s1monthly.sources.simulated.scene import Scene
from s1monthly.sources.simulated.static import FLATTEST, STEEPEST

HILLS = slice(3360, 3660), slice(1515, 1815)
"""Rows and columns of the tile in which nearly all ground slopes."""
PASSES = {Direction.ASCENDING: 3, Direction.DESCENDING: 2}
STEEP = 0.1
"""Slope, as a tangent, from which ground counts as sloping."""
DAY = date(2024, 5, 15)

Power = NDArray[np.float32]


@dataclass(frozen=True)
class Slopes:
    """Passes over a relief.

    Attributes
    ----------
    passes, areas : array (pass, rows, columns) of float32
        Power with speckle, and area factors.
    truth : array (rows, columns) of float32
        The same for all passes.
    steep : array (rows, columns) of bool
        Where the ground slopes.
    """

    passes: Power
    areas: Power
    truth: Power
    steep: NDArray[np.bool_]


@dataclass(frozen=True)
class Error:
    """Root mean square error in dB, and 10 log10 of the mean of estimate / truth."""

    rmse: float
    bias: float


def burst_over(geobox: GeoBox, direction: Direction) -> Burst:
    """Return the burst of the grid's zone that sees most of a grid."""
    outline = geobox_outline(geobox)
    bursts = [burst for burst in bursts_over(outline, direction) if utm_epsg(burst) == geobox.epsg]
    return max(bursts, key=lambda burst: (footprint(burst).intersection(outline).area, str(burst)))


def simulate(geobox: GeoBox, seed: int = 1) -> Slopes:
    """Simulate a month of passes of both directions over a small grid."""
    scene, random = Scene(seed), np.random.default_rng(seed)
    spans = np.tile(np.array([0, geobox.width]), (geobox.height, 1))
    truth = scene.truth(geobox, DAY, Direction.ASCENDING, "VV")
    steep = np.zeros(geobox.shape, bool)
    passes, areas = [], []
    for direction, number in PASSES.items():
        slope, _ = scene.relief(geobox, direction, spans)
        incidence = incidence_angle(burst_over(geobox, direction), geobox)
        local = np.clip(incidence - np.degrees(np.arctan(slope)), STEEPEST, FLATTEST)
        area = 1 / np.tan(np.radians(local))
        looks = LOOKS / np.tan(np.radians(incidence)) / area
        areas += [area] * number
        passes += [truth * random.gamma(looks) / looks for _ in range(number)]
        steep |= np.abs(slope) >= STEEP
    return Slopes(np.array(passes, np.float32), np.array(areas, np.float32), truth, steep)


def errors(slopes: Slopes) -> dict[CompositeMethod, Error]:
    """Return the error of each way to composite, where the ground slopes."""
    found = {}
    for method in COMPOSITE_METHODS:
        power, _ = composite(slopes.passes, method, areas=slopes.areas)
        ratio = power[slopes.steep].astype(np.float64) / slopes.truth[slopes.steep]
        ratio = ratio[np.isfinite(ratio)]
        rmse = float(np.sqrt(np.mean((10 * np.log10(ratio)) ** 2)))
        found[method] = Error(rmse, float(10 * np.log10(ratio.mean())))
    return found


def measure(progress: Progress) -> dict[CompositeMethod, Error]:
    """Measure the errors in hills of the benchmark's tile."""
    geobox = crop(tile_geobox(TILE), *HILLS)
    progress(f"composites of slopes in a window of {geobox.width} x {geobox.height} pixels")
    return errors(simulate(geobox))


def slopes_table(found: dict[CompositeMethod, Error]) -> str:
    """Lay out what `measure` found."""
    rows = [(method.replace("_", " "), error.rmse, error.bias) for method, error in found.items()]
    return table(("on slopes, both directions", "RMSE, dB", "bias of mean power, dB"), rows)
