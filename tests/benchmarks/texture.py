"""Textures of a tile-month, beside scikit-image window by window."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.feature import graycomatrix, graycoprops

from benchmarks.kernels import Timing, timed
from benchmarks.pipeline import PROBE, Progress
from benchmarks.report import MIB, read_probes, table
from s1monthly.kernels.options import TEXTURE_METRICS, TextureOptions
from s1monthly.kernels.texture import textures

Values = NDArray[np.float32]

SIDE = 3660
RANGES = {"VV": (-25.0, 5.0), "VH": (-32.0, -5.0)}
FOUR = (0.0, 45.0, 90.0, 135.0)
CASES = (
    TextureOptions(levels=16),
    TextureOptions(levels=32, angles=FOUR),
    TextureOptions(levels=32, angles=FOUR, window_size=7),
    TextureOptions(levels=32, angles=FOUR, window_size=11),
    TextureOptions(levels=32, angles=FOUR, window_size=21),
)
COMPARED = CASES[:2]
"""Cases that scikit-image computes too, on a part of the first band."""
PART = 40
"""Side in pixels of that part."""


@dataclass(frozen=True)
class Measured:
    """One way to compute textures of so many pixels."""

    case: str
    way: str
    threads: int
    pixels: int  # of all bands
    timing: Timing
    ratio: float | None = None  # CPU time a pixel as a multiple of ours with one thread
    peak: float | None = None  # resident MiB of a process that does this alone and keeps all textures


def two_bands(side: int = SIDE) -> dict[str, Values]:
    """Draw decibels as after despeckling: fields of 30 pixels, smooth ground, and a little noise left."""
    rng = np.random.default_rng(0)
    fields = np.kron(rng.normal(0, 2.5, (side // 30 + 1,) * 2), np.ones((30, 30)))[:side, :side]
    ground = 20.0 * gaussian_filter(rng.standard_normal((side, side), np.float32), 6) + fields
    noise = gaussian_filter(rng.standard_normal((2, side, side), np.float32), (0, 1, 1))
    return {
        name: (mean + ground + noise[k]).astype(np.float32)
        for k, (name, mean) in enumerate({"VV": -11, "VH": -18}.items())
    }


def all_textures(bands: dict[str, Values], options: TextureOptions, threads: int) -> list[Values]:
    """Compute the textures of all bands, and keep them."""
    return [values for name, db in bands.items() for _, values in textures(db, *RANGES[name], options, threads)]


def scikit_image(db: Values, low: float, high: float, options: TextureOptions) -> Values:
    """Compute the mean textures of a band without no data as scikit-image documents it: a matrix for each window."""
    levels = np.clip(np.floor(options.levels * (db.astype(np.float64) - low) / (high - low)), 0, options.levels - 1)
    levels, half = levels.astype(np.uint8), options.window_size // 2
    radians = [math.radians(angle) for angle in options.angles]
    made = np.empty((len(TEXTURE_METRICS), *db.shape), np.float32)
    for r, c in np.ndindex(*db.shape):
        window = levels[max(0, r - half) : r + half + 1, max(0, c - half) : c + half + 1]
        matrices = graycomatrix(window, [options.distance], radians, options.levels, normed=True)
        for k, metric in enumerate(TEXTURE_METRICS):
            made[k, r, c] = graycoprops(matrices, metric).mean()
    return made


def measure(folder: Path, repeat: int, progress: Progress) -> list[dict[str, Any]]:
    """Measure ours on two bands of a tile, with one thread and with two, and scikit-image on a part; plain JSON.

    The process whose memory is measured reads the bands from `folder`.
    """
    bands = two_bands()
    file = folder / "texture_bands.npz"
    np.savez(file, **bands)
    found: list[Measured] = []
    db, (low, high) = bands["VV"], RANGES["VV"]
    all_textures({"VV": db[:8, :8]}, CASES[0], 1)  # the first call of a kernel loads or compiles it
    for options in CASES:
        case = f"{options.levels} levels, {len(options.angles)} angles, window {options.window_size}"
        pixels = len(bands) * db.size
        for threads in (1, 2):
            progress(f"textures of {case}, {threads} thread{'s' if threads > 1 else ''}")
            timing = timed(partial(all_textures, bands, options, threads), repeat)
            peak = peak_memory(file, options, threads)
            found.append(Measured(case, "ours", threads, pixels, timing, peak=peak))
        ours = found[-2].timing.cpu / pixels
        if options in COMPARED:
            timing = timed(partial(scikit_image, db[:PART, :PART], low, high, options), repeat)
            found.append(Measured(case, "scikit-image", 1, PART**2, timing, timing.cpu / PART**2 / ours))
    return [asdict(one) for one in found]


def peak_memory(file: Path, options: TextureOptions, threads: int) -> float:
    """Peak memory, in MiB, of a process that only computes the textures of a file of bands, and keeps them all."""
    probes = file.parent / "texture_probe"
    probes.mkdir(exist_ok=True)
    search = os.pathsep.join([str(PROBE), str(Path(__file__).resolve().parents[2] / "scripts")])
    code = f"""
import sys
import numpy as np
from s1monthly.kernels.options import TextureOptions
from s1monthly.kernels.texture import textures

bands, options = np.load(sys.argv[1]), TextureOptions(**{vars(options)!r})
kept = [list(textures(bands[name], *ends, options, {threads})) for name, ends in {RANGES!r}.items()]
"""
    environment = os.environ | {"PYTHONPATH": search, "BENCH_PROBE": str(probes)}
    subprocess.run([sys.executable, "-c", code, str(file)], env=environment, check=True)
    return float(read_probes(probes)[-1]["peak_bytes"] / MIB)


def texture_table(found: Sequence[dict[str, Any]]) -> str:
    """Lay out what `measure` found: wall and CPU seconds, CPU time a pixel, the same as a multiple of ours, memory."""
    header = ("", "threads", "wall s", "CPU s", "ns/pixel", "x ours", "MiB")
    rows: list[Sequence[Any]] = []
    for case, group in groupby(found, lambda one: one["case"]):
        rows.append((case, *[""] * (len(header) - 1)))
        for one in group:
            each = 1e9 * one["timing"]["cpu"] / one["pixels"]
            whole = (None if one[key] is None else round(one[key]) for key in ("ratio", "peak"))
            rows.append((f"  {one['way']}", one["threads"], *one["timing"].values(), round(each), *whole))
    return table(header, rows)
