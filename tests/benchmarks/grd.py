"""Whole Sentinel-1 GRD scenes on a tile: one from a folder and from a zip, its static layers, and a month of three.

The scenes have the size, the annotation and the speckle of real ones (IW GRDH, 430 million pixels a polarization), but
show nothing: what is measured does not depend on it. `tests/sources/grd` shows that values are right.
"""

from __future__ import annotations

import statistics
import time
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.pipeline import Progress, run_workflow
from benchmarks.report import peak_bytes, table
from s1monthly.grid.lattice import tile_geobox
from s1monthly.model import Direction, Month, Tile
from s1monthly.sources.grd.image import image_geometry
from s1monthly.sources.grd.product import open_product
from s1monthly.sources.grd.simulation.model import model_annotation, model_manifest, model_name
from s1monthly.sources.grd.simulation.scene import CALIBRATION, LOOKS, NOISE, Place
from s1monthly.sources.grd.simulation.write import tables_for, write_product
from s1monthly.sources.grd.terrain_correction import terrain_corrected
from s1monthly.sources.grd.view import reaching, static_layers, view_tile
from s1monthly.stages.heights import make_heights, read_heights

TILE, MONTH = Tile("33TUG"), Month(2024, 5)
PLACE = Place(13.25, 41.95, 1.1)
DAYS = (3, 15, 27)
LAYERS = ("VV", "VH")
GOALS = {"folder": 8.0, "zip": 18.0, "month": 40.0}
"""Seconds, on two cores; a scene takes at most 1.2 GiB."""


def speckle(lines: int, samples: int) -> NDArray[np.uint16]:
    """Return digital numbers of ground of -12 dB; a part that is repeated, shifted, as a zip cannot know."""
    rng = np.random.default_rng(1)
    power = rng.standard_gamma(LOOKS, (1000, samples), np.float32) * np.float32((0.06 * CALIBRATION**2 + NOISE) / LOOKS)
    part = np.rint(np.sqrt(power)).astype(np.uint16)
    image = np.empty((lines, samples), np.uint16)
    for number, first in enumerate(range(0, lines, len(part))):
        image[first : first + len(part)] = np.roll(part, 997 * number, axis=1)[: lines - first]
    return image


def write_scenes(folder: Path) -> list[Path]:
    """Write a scene of the tile for each of the `DAYS`, where they are missing."""
    made = []
    image: NDArray[np.uint16] | None = None
    for number, day in enumerate(DAYS, 1):
        when = np.datetime64(f"{MONTH}-{day:02d}T05:11:30")
        whole = model_annotation(PLACE.longitude, PLACE.latitude, when, Direction.DESCENDING, "VV", datatake=number)
        manifest = model_manifest(whole, LAYERS, 22)
        path = folder / model_name(manifest)
        made.append(path)
        if (path / "manifest.safe").exists():
            continue
        image = speckle(whole.lines, whole.samples) if image is None else image
        annotations = {layer: replace(whole, polarization=layer) for layer in LAYERS}
        calibration, noise = tables_for(whole, CALIBRATION, NOISE)
        write_product(
            folder, path.name, manifest, annotations, dict.fromkeys(LAYERS, calibration), dict.fromkeys(LAYERS, noise),
            dict.fromkeys(LAYERS, image),
        )  # fmt: skip
    return made


def zipped(product: Path, folder: Path) -> Path:
    """Pack a product, where the zip is missing."""
    target = folder / f"{product.stem}.zip"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for file in sorted(product.rglob("*")):
                archive.write(file, file.relative_to(product.parent))
    return target


def correct(product: Path, heights: Path, threads: int) -> None:
    """Bring both polarizations of a scene onto the tile."""
    tile = read_heights(heights, tile_geobox(TILE))
    assert terrain_corrected(open_product(product), LAYERS, tile, threads=threads) is not None


def make_statics(product: Path, heights: Path, threads: int) -> None:
    """Compute the static layers of the scene's track."""
    tile = read_heights(heights, tile_geobox(TILE))
    view = view_tile(reaching(image_geometry(open_product(product).annotation("VV")), tile), tile, threads)
    assert view is not None and len(static_layers(view, threads)) == 6


def _timed(case: Callable[[], None]) -> tuple[float, float, float]:
    """Return wall and CPU time in s, and this process's memory at most in GiB."""
    wall, cpu = time.perf_counter(), time.process_time()
    case()
    return time.perf_counter() - wall, time.process_time() - cpu, peak_bytes() / 2**30


def measure(folder: Path, cores: int, repeat: int, progress: Progress) -> list[dict[str, Any]]:
    """Measure each case in processes of its own; a first run, in which kernels are compiled, is not measured."""
    progress(f"three whole scenes over {TILE}: 6 GB")
    folder.mkdir(parents=True, exist_ok=True)
    scenes = write_scenes(folder / "scenes")
    packed = zipped(scenes[0], folder / "zip")
    dem = PLACE.write_dem(folder / "dem.tif")
    heights = folder / "heights" / f"{TILE}_made.tif"
    heights.parent.mkdir(exist_ok=True)
    given = {"path": str(dem), "above": "ellipsoid", "geoid": None, "ocean": []}
    cases: dict[str, Callable[[], Any]] = {
        "heights": partial(make_heights, given, tile_geobox(TILE), heights),
        "folder": partial(correct, scenes[0], heights, cores),
        "zip": partial(correct, packed, heights, cores),
        "static": partial(make_statics, scenes[0], heights, cores),
    }
    found = []
    for name, case in cases.items():
        progress(TITLES[name])
        with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
            runs = list(pool.map(_timed, [case] * (repeat + 1)))[1:]
        walls, cpus, peaks = zip(*runs, strict=True)
        found.append(
            {"name": name, "wall": statistics.median(walls), "cpu": statistics.median(cpus), "memory": max(peaks)}
        )
    progress(TITLES["month"])
    more = {
        "roi": {"manual_mgrs_tiles": [str(TILE)], "flight_direction": "DESCENDING"},
        "source": {"kind": "grd", "path": str(folder / "scenes")},
        "grd": {"dem": str(dem), "dem_heights": "ellipsoid"},
    }
    runs_of_month = [
        run_workflow(scenes[0], folder / "run", cores, months=(MONTH, MONTH), more=more) for _ in range(repeat)
    ]
    run = sorted(runs_of_month, key=lambda one: one.wall)[repeat // 2]
    most = max(job.peak for job in run.jobs) / 1024
    found.append({"name": "month", "wall": run.wall, "cpu": run.cpu, "memory": most})
    return found


TITLES = {
    "heights": "heights of the tile, once",
    "folder": "a scene, both polarizations",
    "zip": "the same from a zip",
    "static": "static layers of a track, once",
    "month": "a tile-month of three scenes, snakemake to catalogs",
}


def grd_table(found: Sequence[dict[str, Any]]) -> str:
    """Return a table of the results of `measure`, with the goals."""
    rows = [(TITLES[one["name"]], GOALS.get(one["name"]), one["wall"], one["cpu"], one["memory"]) for one in found]
    return table(("step", "goal s", "wall s", "CPU s", "GiB"), rows)
