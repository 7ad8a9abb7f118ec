"""Textures of a tile-month, beside scikit-image window by window and beside a compiled loop that builds each matrix."""

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
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.feature import graycomatrix, graycoprops

from benchmarks.kernels import Timing, timed
from benchmarks.pipeline import PROBE, Progress
from benchmarks.report import MIB, read_probes, table
from s1monthly.kernels.options import TEXTURE_METRICS, TextureOptions
from s1monthly.kernels.pixel_pairs import offset
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
"""Cases that the plain ways get too, on a part of the first band."""
SCIKIT_IMAGE_SIDE, LOOP_SIDE = 40, 400
"""Side in pixels of that part."""


@dataclass(frozen=True)
class Measured:
    """One way to compute textures of so many pixels.

    Attributes
    ----------
    case, way : str
    threads : int
    pixels : int
        Pixels of all bands.
    timing : Timing
    ratio : float or None
        CPU time a pixel as a multiple of that of ours with one thread.
    peak : float or None
        Peak resident memory in MiB of a process that does this alone and keeps all textures.
    """

    case: str
    way: str
    threads: int
    pixels: int
    timing: Timing
    ratio: float | None = None
    peak: float | None = None


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


def plain_loop(db: Values, low: float, high: float, options: TextureOptions) -> Values:
    """Compute the same by the plain way, compiled: it fills a matrix for each window and walks over all of it."""
    offsets = np.array([offset(options.distance, angle) for angle in options.angles])
    return _plain_loop(db, low, high, options.levels, options.window_size // 2, offsets)


@njit(nogil=True, cache=True, error_model="numpy")
def _plain_loop(db: Values, low: float, high: float, number: int, half: int, offsets: NDArray[np.int64]) -> Values:
    rows, cols = db.shape
    levels = np.empty((rows, cols), np.int64)
    for r in range(rows):
        for c in range(cols):
            levels[r, c] = min(max(math.floor(number * (np.float64(db[r, c]) - low) / (high - low)), 0), number - 1)
    made = np.zeros((4, rows, cols), np.float32)
    matrix = np.empty((number, number))
    for r in range(rows):
        for c in range(cols):
            top, bottom = max(0, r - half), min(rows, r + half + 1)
            left, right = max(0, c - half), min(cols, c + half + 1)
            for a in range(offsets.shape[0]):
                down, along = offsets[a]
                matrix[:] = 0
                pairs = 0
                for y in range(max(top, top - down), min(bottom, bottom - down)):
                    for x in range(max(left, left - along), min(right, right - along)):
                        matrix[levels[y, x], levels[y + down, x + along]] += 1
                        pairs += 1
                contrast = homogeneity = entropy = mean_i = mean_j = 0.0
                for i in range(number):
                    for j in range(number):
                        p = matrix[i, j] / pairs
                        contrast += p * (i - j) ** 2
                        homogeneity += p / (1 + (i - j) ** 2)
                        entropy -= p * np.log(p) if p > 0 else 0.0
                        mean_i += p * i
                        mean_j += p * j
                variance_i = variance_j = covariance = 0.0
                for i in range(number):
                    for j in range(number):
                        p = matrix[i, j] / pairs
                        variance_i += p * (i - mean_i) ** 2
                        variance_j += p * (j - mean_j) ** 2
                        covariance += p * (i - mean_i) * (j - mean_j)
                flat = variance_i < 1e-15 or variance_j < 1e-15
                correlation = 1.0 if flat else covariance / np.sqrt(variance_i * variance_j)
                made[0, r, c] += contrast / offsets.shape[0]
                made[1, r, c] += homogeneity / offsets.shape[0]
                made[2, r, c] += entropy / offsets.shape[0]
                made[3, r, c] += correlation / offsets.shape[0]
    return made


def measure(folder: Path, repeat: int, progress: Progress) -> list[dict[str, Any]]:
    """Measure ours on two bands of a tile, with one thread and with two, and the plain ways on a part; plain JSON.

    Parameters
    ----------
    folder : path
        For the bands, which the process that is measured for its memory reads.
    repeat : int
        Calls of which the medians are told.
    progress : callable
        Receives a line for each step.
    """
    bands = two_bands()
    file = folder / "texture_bands.npz"
    np.savez(file, **bands)
    found: list[Measured] = []
    db, (low, high) = bands["VV"], RANGES["VV"]
    all_textures({"VV": db[:8, :8]}, CASES[0], 1)  # the first call of a kernel loads or compiles it
    plain_loop(db[:8, :8], low, high, CASES[0])
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
            for way, side, call in (("loop", LOOP_SIDE, plain_loop), ("scikit-image", SCIKIT_IMAGE_SIDE, scikit_image)):
                timing = timed(partial(call, db[:side, :side], low, high, options), repeat)
                found.append(Measured(case, way, 1, side**2, timing, timing.cpu / side**2 / ours))
    return [asdict(one) for one in found]


def peak_memory(file: Path, options: TextureOptions, threads: int) -> float:
    """Peak memory, in MiB, of a process that only computes the textures of a file of bands, and keeps them all."""
    probes = file.parent / "texture_probe"
    probes.mkdir(exist_ok=True)
    search = os.pathsep.join([str(PROBE), str(Path(__file__).resolve().parents[2] / "scripts")])
    code = f"""
import sys
import numpy as np
from s1monthly.kernels.texture import TextureOptions, textures

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
