"""The real workflow over simulated granules: a tile-month plain, with textures, empty, crowded; a year."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
import yaml

from benchmarks import yardstick
from benchmarks.report import Job, Run, read_probes, run_of, summary, summary_table, table
from s1monthly.files import replacing
from s1monthly.granule_names import layer_file
from s1monthly.granules import Burst, Granule
from s1monthly.grid.lattice import GeoBox, overlap, tile_geobox
from s1monthly.grid.orbit import utm_footprint
from s1monthly.kernels.options import DESPECKLE_OPTIONS
from s1monthly.model import Direction, Month, Polarization, Tile
from s1monthly.raster.fast_geotiff import open_header
from s1monthly.raster.geotiff import crop
from s1monthly.sources.simulated.source import SimulatedSource

ROOT = Path(__file__).resolve().parents[2]
PROBE = Path(__file__).resolve().parent / "probe"

TILE, DIRECTION, MONTH = Tile("19UEP"), Direction.ASCENDING, Month(2024, 5)
"""One track passes over it three times that month, with bursts of its own zone, and all kinds of land lie in it."""
BURSTS = 12
"""Bursts of a pass that are used, of the 14 that touch the tile: 36 granules, 97 % of the tile."""
PIXELS_LEFT = 366
"""Side of the window, a tenth of the tile's, that holds all the data of the month that is 99 % empty."""

TEXTURES = {"texture_features": {"enabled": True, "levels": 16, "angles": [0, 90]}}
"""Four metrics of both bands: eight texture bands."""
TITLES = {
    "full": "A tile-month: 36 granules, 3 passes, 4 bands",
    "textures": "The same with textures: 16 levels, 2 angles, 8 bands more",
    "empty": "A month that is 99 % empty",
    "crowded": "A month of 108 granules, 9 passes",
    "year": "12 months of 36 granules",
}
CASES = tuple(TITLES)[:3]
"""Run again and again; the others once."""

Progress = Callable[[str], None]


def planned_granules(folder: Path) -> tuple[SimulatedSource, list[Granule]]:
    """Choose the granules of the benchmark: three passes of the `BURSTS` bursts that together see most of the tile."""
    source = SimulatedSource(folder=folder, seed=1, polarization=Polarization.VV_VH, tracks=1)
    found = source.search(TILE, DIRECTION, [MONTH])[MONTH].granules
    square = shapely.box(*tile_geobox(TILE).bounds)
    seen = {burst: utm_footprint(burst).intersection(square) for burst in {granule.burst for granule in found}}
    while len(seen) > BURSTS:
        without = {burst: _area(seen, burst) for burst in seen}
        del seen[max(without, key=lambda burst: (without[burst], str(burst)))]
    return source, [granule for granule in found if granule.burst in seen]


def _area(footprints: dict[Burst, shapely.Geometry], left_out: Burst) -> float:
    return float(shapely.union_all([shape for burst, shape in footprints.items() if burst != left_out]).area)


def make_granules(folder: Path, threads: int, progress: Progress) -> list[Granule]:
    """Make the benchmark's granules where they are missing; return them with their files."""
    source, granules = planned_granules(folder)
    progress(f"{len(granules)} granules over {TILE}, {MONTH}, in {folder}")
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(source.make, granules))


def empty_granules(folder: Path, granules: Sequence[Granule]) -> None:
    """Write the granules again without any data but in a window in the middle of the tile.

    The bursts are the same, and so are names and grids; what lies outside the window is NaN, or 255 in the mask.
    """
    tile = tile_geobox(TILE)
    first = (tile.height - PIXELS_LEFT) // 2
    left = crop(tile, slice(first, first + PIXELS_LEFT), slice(first, first + PIXELS_LEFT))
    for granule in granules:
        for layer in granule.layers:
            made = folder / granule.id / Path(layer.url).name
            if not made.exists():
                made.parent.mkdir(parents=True, exist_ok=True)
                _write_emptied(Path(layer.url), made, left)


def _write_emptied(file: Path, made: Path, left: GeoBox) -> None:
    common = overlap(left, open_header(file).geobox)
    with rasterio.open(file) as dataset:
        pixels, profile = dataset.read(1), dataset.profile
    emptied = np.full_like(pixels, profile["nodata"])
    if common:
        emptied[common.source] = pixels[common.source]
    with replacing(made) as temporary, rasterio.open(temporary, "w", **profile) as dataset:
        dataset.write(emptied, 1)


def moved_granules(folder: Path, granules: Sequence[Granule], days: Sequence[timedelta]) -> None:
    """Give the granules other days, once for each of `days`: links to the same files under other names."""
    for granule, later in product(granules, days):
        made = replace(granule, acquired=granule.acquired + later)
        for layer in granule.layers:
            link = folder / made.id / layer_file(made.id, layer.name)
            if not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                os.link(layer.url, link)


def run_workflow(
    granules: Path,
    folder: Path,
    cores: int,
    processing: Mapping[str, Any] | None = None,
    months: tuple[Month, Month] = (MONTH, MONTH),
    formats: Mapping[str, Any] | None = None,
    statics: bool = False,
    more: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Run:
    """Run the workflow over a folder of granules, in a new folder, from the first to the last month, and measure it.

    Sections of the configuration are replaced by those in `more`, and the environment by another one.

    Raises RuntimeError with the end of the output if the run fails.
    """
    if folder.exists():
        shutil.rmtree(folder)
    probes = folder / "probes"
    probes.mkdir(parents=True)
    settings = {
        "roi": {"manual_mgrs_tiles": [str(TILE)], "flight_direction": str(DIRECTION)},
        "time": {"start": str(months[0]), "end": str(months[1])},
        "source": {"kind": "local", "path": str(granules.resolve())},
        "output": {"disk_warn_gb": 0, "formats": dict(formats or {})},
        "processing": dict(processing or {}),
        "static": {"enabled": statics},
        **(more or {}),
    }
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(settings))
    search = os.pathsep.join(filter(None, [str(PROBE), os.environ.get("PYTHONPATH")]))
    environment = {**(environment or os.environ), "PYTHONPATH": search, "BENCH_PROBE": str(probes.resolve())}
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--configfile", str(config), "--cores", str(cores)]
    before, began = _children_cpu(), time.time()
    with (folder / "output.txt").open("w") as output:
        code = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, env=environment).returncode
    wall, cpu = time.time() - began, _children_cpu() - before
    if code:
        raise RuntimeError(f"snakemake ended with {code}:\n{(folder / 'output.txt').read_text()[-3000:]}")
    return run_of(began, wall, cpu, read_probes(probes))


def measure(
    granules: Sequence[Granule], folder: Path, cores: int, repeat: int, progress: Progress
) -> dict[str, dict[str, Any]]:
    """Run the `CASES` turn by turn, then the others; a first run, in which kernels are compiled, is not measured.

    Returns case -> `report.summary`, with the sizes of products; ``yardstick`` -> the machine's speed meanwhile.
    """
    full = folder / "granules"
    sources = {
        "full": full,
        "textures": full,
        **{case: folder / f"granules_{case}" for case in ("empty", "crowded", "year")},
    }
    progress("the same granules: 99 % empty, on other days, in other months")
    empty_granules(sources["empty"], granules)
    moved_granules(sources["crowded"], granules, [timedelta(days) for days in range(3)])
    first = MONTH.start.replace(month=1)
    moved_granules(sources["year"], granules, [MONTH.start.replace(month=n) - MONTH.start for n in range(1, 13)])
    months = {"year": (Month(first.year, 1), Month(first.year, 12))}
    progress("first run, not measured")
    run_workflow(sources["empty"], folder / "run_first", cores, TEXTURES)
    runs: dict[str, list[Run]] = {case: [] for case in TITLES}
    speeds = [yardstick.measure(granules)]
    for number, case in [*product(range(1, repeat + 1), CASES), (1, "crowded"), (1, "year")]:
        processing = TEXTURES if case == "textures" else None
        run = run_workflow(sources[case], folder / f"run_{case}", cores, processing, months.get(case, (MONTH, MONTH)))
        runs[case].append(run)
        progress(f"{TITLES[case]}, run {number}: {run.wall:.1f} s, {run.cpu:.1f} CPU s")
        if case in (CASES[-1], tuple(TITLES)[-1]):
            speeds.append(yardstick.measure(granules))
            progress(f"yardstick: {speeds[-1].slower:.2f} times the time of the goals' machine")
    found: dict[str, dict[str, Any]] = {
        case: summary(of_case) | {"product_mb": product_sizes(folder / f"run_{case}")} for case, of_case in runs.items()
    }
    return found | {"yardstick": asdict(yardstick.middle(speeds))}


def measure_methods(granules: Sequence[Granule], folder: Path, cores: int, progress: Progress) -> dict[str, Job]:
    """Run a tile-month with each despeckling method; return the job that composed it.

    rabasar compares it with two months before, made of the same granules.
    """
    full, year = folder / "granules", folder / "granules_before"
    before = [MONTH.shift(-2), MONTH.shift(-1)]
    moved_granules(year, granules, [month.start - MONTH.start for month in (*before, MONTH)])
    found = {}
    for method in ("none", *DESPECKLE_OPTIONS):
        options = {"reference": f"{before[0]} ... {before[1]}"} if method == "rabasar" else {}
        how: dict[str, Any] = {"despeckle": {"method": method, "kwargs": options}}
        how = {"post_processing": False} if method == "none" else how
        source, first = (year, before[0]) if options else (full, MONTH)
        run = run_workflow(source, folder / "run_method", cores, how, (first, MONTH))
        found[method] = [job for job in run.jobs if job.rule == "composite"][-1]
        progress(f"{method}: composed in {found[method].wall:.1f} s, {found[method].cpu:.1f} CPU s")
    return found


def methods_table(found: Mapping[str, Job]) -> str:
    """Lay out what `measure_methods` found."""
    rows = [(method, job.wall, job.cpu, job.peak) for method, job in found.items()]
    return table(("method", "job of rule composite, s", "CPU s", "peak MB"), rows)


def tables(found: Mapping[str, dict[str, Any]], cores: int) -> str:
    """Lay out what `measure` found, case by case."""
    cases = {case: runs for case, runs in found.items() if case in TITLES}
    speed = yardstick.Yardstick(**found["yardstick"])
    text = ["", *yardstick.goals_text(speed, {case: runs["wall"] for case, runs in cases.items()})]
    for case, runs in cases.items():
        sizes = ", ".join(f"{kind} {size:.1f}" for kind, size in runs["product_mb"].items())
        busy = f"{cores} cores busy {100 * runs['cpu'] / (cores * runs['wall']):.0f} % of the time"
        text += ["", f"{TITLES[case]}; median of {runs['runs']}", "", summary_table(runs)]
        text += ["", f"{busy}; products, MB: {sizes}"]
    return "\n".join(text)


def _children_cpu() -> float:
    """CPU seconds of all processes that were started here and have ended, their children included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def product_sizes(folder: Path) -> dict[str, float]:
    """MB of what a run left in its output tree, by kind of product."""
    sizes: dict[str, float] = {}
    for file in (folder / "output").rglob("*"):
        if file.is_file():
            kind = next((part for part in file.parts if part in ("cog", "zarr", "preview")), "tables and records")
            sizes[kind] = sizes.get(kind, 0.0) + file.stat().st_size / 1e6
    return dict(sorted(sizes.items()))
