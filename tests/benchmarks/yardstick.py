"""How fast this machine is at this moment, measured by plain libraries between the runs: times mean little without.

The goals were set on a machine that took `REFERENCE` for the same work.
"""

from __future__ import annotations

import textwrap
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import geometric_mean, median

import numpy as np
import rasterio
from skimage.restoration import denoise_tv_bregman

from benchmarks.report import WIDTH
from s1monthly.granules import Granule

REFERENCE = {"decode": 1.8, "despeckle": 4.5}
"""CPU seconds: both polarizations of 36 granules, by rasterio; one band of 3660 x 3660, by scikit-image."""

GOALS = {"full": 8.5, "textures": 12.0, "empty": 4.0}
"""Wall seconds of the cases of `pipeline`, on such a machine."""

SIDE, ITERATIONS = 3660, 20
"""Of the band; as many iterations as real data take."""


@dataclass(frozen=True)
class Yardstick:
    """CPU seconds of the two pieces of work, one thread."""

    decode: float
    despeckle: float

    @property
    def slower(self) -> float:
        """How many times longer this machine takes than the one of the goals."""
        return geometric_mean([self.decode / REFERENCE["decode"], self.despeckle / REFERENCE["despeckle"]])


def measure(granules: Sequence[Granule]) -> Yardstick:
    """Do both once."""
    speckled = 10 * np.log10(np.random.default_rng(1).gamma(9.0, 0.01, (SIDE, SIDE)).astype(np.float32))
    began = time.process_time()
    for granule in granules:
        for layer in granule.layers:
            if layer.name != "mask":
                with rasterio.open(layer.url) as dataset:
                    dataset.read(1)
    decoded = time.process_time()
    denoise_tv_bregman(speckled, weight=0.2, isotropic=True, eps=0.0, max_num_iter=ITERATIONS)
    return Yardstick(decoded - began, time.process_time() - decoded)


def middle(found: Sequence[Yardstick]) -> Yardstick:
    """Medians of several."""
    return Yardstick(median(one.decode for one in found), median(one.despeckle for one in found))


def goals_text(yardstick: Yardstick, walls: Mapping[str, float]) -> list[str]:
    """Compare the seconds of each case with its goal, as it is and at this machine's speed."""
    told = (
        f"Yardstick: 72 layers decoded in {yardstick.decode:.2f} CPU s, a band despeckled by scikit-image in"
        f" {yardstick.despeckle:.2f}; where the goals were set {REFERENCE['decode']} and {REFERENCE['despeckle']}:"
        f" {yardstick.slower:.2f} times slower here."
    )
    lines = textwrap.wrap(told, WIDTH)
    for case, goal in GOALS.items():
        here = goal * yardstick.slower
        share = walls[case] / here
        lines.append(f"{case}: {walls[case]:.1f} s; goal {goal:.1f} s, at this speed {here:.1f} s ({share:.2f} of it)")
    return lines
