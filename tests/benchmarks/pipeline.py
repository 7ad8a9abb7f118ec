"""The real workflow over simulated granules: a full tile-month, and one that is 99 % empty."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import rasterio
import shapely
import yaml

from benchmarks.report import Run, read_probes, run_of
from s1monthly.files import replacing
from s1monthly.geotiff import crop, open_header
from s1monthly.grid import GeoBox, overlap, tile_geobox
from s1monthly.orbit import utm_footprint
from s1monthly.sources.simulated import SimulatedSource
from s1monthly.vocabulary import Burst, Direction, Granule, Month, Tile

ROOT = Path(__file__).resolve().parents[2]
PROBE = Path(__file__).resolve().parent / "probe"

TILE, DIRECTION, MONTH = Tile("19UEP"), Direction.ASCENDING, Month(2024, 5)
"""One track passes over it three times that month, with bursts of its own zone, and all kinds of land lie in it."""
BURSTS = 12
"""Bursts of a pass that are used, of the 14 that touch the tile: 36 granules, 97 % of the tile."""
PIXELS_LEFT = 366
"""Side of the window, a tenth of the tile's, that holds all the data of the month that is 99 % empty."""

Progress = Callable[[str], None]


def planned_granules(folder: Path) -> tuple[SimulatedSource, list[Granule]]:
    """Choose the granules of the benchmark: three passes of the `BURSTS` bursts that together see most of the tile."""
    source = SimulatedSource(folder, tracks=1)
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


def run_workflow(granules: Path, folder: Path, cores: int) -> Run:
    """Run the workflow over a folder of granules, in a new folder, and measure it.

    Raises
    ------
    RuntimeError
        If the run fails; with the end of its output.
    """
    if folder.exists():
        shutil.rmtree(folder)
    probes = folder / "probes"
    probes.mkdir(parents=True)
    settings = {
        "roi": {"manual_mgrs_tiles": [str(TILE)], "flight_direction": str(DIRECTION)},
        "time": {"start": str(MONTH), "end": str(MONTH)},
        "source": {"kind": "local", "path": str(granules.resolve())},
        "output": {"disk_warn_gb": 0},
    }
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(settings))
    search = os.pathsep.join(filter(None, [str(PROBE), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": search, "BENCH_PROBE": str(probes.resolve())}
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--configfile", str(config), "--cores", str(cores)]
    before, began = _children_cpu(), time.time()
    with (folder / "output.txt").open("w") as output:
        code = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, env=environment).returncode
    wall, cpu = time.time() - began, _children_cpu() - before
    if code:
        raise RuntimeError(f"snakemake ended with {code}:\n{(folder / 'output.txt').read_text()[-3000:]}")
    return run_of(began, wall, cpu, read_probes(probes), folder / "output" / "work" / "logs" / "benchmark")


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
