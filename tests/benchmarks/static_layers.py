"""The static layers of a tile, and what the conversion to another quantity of backscatter adds to a month."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.pipeline import MONTH, TILE
from benchmarks.report import peak_bytes, table
from s1monthly.cube.static import StaticOrigin
from s1monthly.granules import Granule, StaticGranule
from s1monthly.grid.lattice import GeoBox, tile_geobox
from s1monthly.layout import Layout
from s1monthly.model import Direction, Polarization, TileDirection
from s1monthly.sources.simulated.source import SimulatedSource
from s1monthly.stages.burst import read_burst
from s1monthly.stages.static import write_group, write_static_cogs

BURSTS = 36
"""Bursts of the tile's static layers, of three tracks; six layers each."""


def static_granules(folder: Path, threads: int) -> list[StaticGranule]:
    """Make the static granules of the tile's bursts where they are missing."""
    source = SimulatedSource(folder=folder, seed=1, polarization=Polarization.VV_VH, tracks=3)
    bursts = [
        burst
        for direction in (Direction.ASCENDING, Direction.DESCENDING)
        for burst in sorted({granule.burst for granule in source.search(TILE, direction, [MONTH])[MONTH].granules})
    ]
    found = source.static(bursts[:BURSTS])
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(source.make, found.values()))


def _make(granules: Sequence[StaticGranule], geobox: GeoBox, folder: Path, threads: int) -> None:
    """Make store and COGs of a track, as a job of rule static does."""
    shutil.rmtree(folder, ignore_errors=True)
    place, track = Layout(str(folder)).of(TileDirection(TILE, Direction.ASCENDING)), granules[0].burst.track
    origin = StaticOrigin(str(TILE), "ASCENDING", track, tuple(granule.id for granule in granules), "bench")
    write_group(place.static_store, origin, geobox, (512, 512), granules, nullcontext, threads)
    write_static_cogs(place.static_store, origin, geobox, place.static_files(track), threads=threads)


def _read(granules: Sequence[Granule], statics: dict[Any, StaticGranule], geobox: GeoBox, threads: int) -> None:
    """Read the granules of a month, converted to beta0 if static granules are given."""
    radiometry = "beta0" if statics else "gamma0_terrain"

    def read(granule: Granule) -> None:
        read_burst(granule, ("VV", "VH"), geobox, 1e-6, "shadow", radiometry, statics.get(granule.burst))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(read, granules))


def _timed(case: Callable[[], None], repeat: int) -> tuple[float, float, float]:
    """Return the medians of wall and CPU time in s, and this process's memory at most in GiB."""
    case()
    times = []
    for _ in range(repeat):
        wall, cpu = time.perf_counter(), time.process_time()
        case()
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    walls, cpus = zip(*times, strict=True)
    return statistics.median(walls), statistics.median(cpus), peak_bytes() / 2**30


def measure(
    granules: Sequence[Granule], folder: Path, threads: int, repeat: int, progress: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Measure each case, every track in a process of its own: times are added, memory is that of the largest."""
    geobox = tile_geobox(TILE)
    progress(f"{BURSTS} static granules over {TILE}")
    statics = static_granules(folder / "granules", threads)
    tracks = groupby(sorted(statics, key=lambda one: one.burst), key=lambda one: one.burst.track)
    source = SimulatedSource(folder=folder / "granules", seed=1, polarization=Polarization.VV_VH, tracks=1)
    of_month = {burst: source.make(g) for burst, g in source.static({granule.burst for granule in granules}).items()}
    cases: dict[str, list[Callable[[], None]]] = {
        f"static layers of a tile: {len(statics)} bursts, six layers": [
            partial(_make, list(mine), geobox, folder / "static", threads) for _, mine in tracks
        ],
        f"read {len(granules)} granules": [partial(_read, granules, {}, geobox, threads)],
        "the same, converted to beta0": [partial(_read, granules, of_month, geobox, threads)],
    }
    found = []
    for name, parts in cases.items():
        progress(name)
        with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
            walls, cpus, peaks = zip(*pool.map(partial(_timed, repeat=repeat), parts), strict=True)
        found.append({"name": name, "wall": sum(walls), "cpu": sum(cpus), "memory": max(peaks)})
    return found


def static_table(found: Sequence[dict[str, Any]]) -> str:
    """Return a Markdown table of the results of `measure`."""
    rows = [(each["name"], each["wall"], each["cpu"], each["memory"]) for each in found]
    return table(("step", "wall s", "CPU s", "GiB at most"), rows)
