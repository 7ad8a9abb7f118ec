"""The static layers of a tile, and what the conversion to another quantity of backscatter adds to a month."""

from __future__ import annotations

import resource
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.pipeline import MONTH, TILE
from benchmarks.report import table
from s1monthly.cube.static import StaticOrigin
from s1monthly.granules import Granule, StaticGranule
from s1monthly.grid.lattice import GeoBox, tile_geobox
from s1monthly.model import Direction, Polarization
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
    """Make store and COGs of every track, as the jobs of rule static do."""
    shutil.rmtree(folder, ignore_errors=True)
    for track in sorted({granule.burst.track for granule in granules}):
        mine = [granule for granule in granules if granule.burst.track == track]
        origin = StaticOrigin(str(TILE), "ASCENDING", track, tuple(granule.id for granule in mine), "bench")
        write_group(folder / "S1_static.zarr", origin, geobox, (512, 512), mine, nullcontext, threads)
        write_static_cogs(folder / "S1_static.zarr", origin, geobox, partial(_cog, folder, track), threads=threads)


def _cog(folder: Path, track: int, layer: str) -> str:
    return str(folder / f"{track}_{layer}.tif")


def _read(granules: Sequence[Granule], statics: dict[Any, StaticGranule], geobox: GeoBox, threads: int) -> None:
    """Read the granules of a month, converted to beta0 if static granules are given."""
    radiometry = "beta0" if statics else "gamma0_terrain"

    def read(granule: Granule) -> None:
        read_burst(granule, ("VV", "VH"), geobox, 1e-6, "shadow", radiometry, statics.get(granule.burst))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(read, granules))


def measure(
    granules: Sequence[Granule], folder: Path, threads: int, repeat: int, progress: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Measure wall time, CPU time and the memory of this process, the median of several times."""
    geobox = tile_geobox(TILE)
    progress(f"{BURSTS} static granules over {TILE}")
    statics = static_granules(folder / "granules", threads)
    source = SimulatedSource(folder=folder / "granules", seed=1, polarization=Polarization.VV_VH, tracks=1)
    of_month = {burst: source.make(g) for burst, g in source.static({granule.burst for granule in granules}).items()}
    cases: dict[str, Callable[[], None]] = {
        f"static layers of a tile: {len(statics)} bursts, six layers": partial(
            _make, statics, geobox, folder / "static", threads
        ),
        f"read {len(granules)} granules": partial(_read, granules, {}, geobox, threads),
        "the same, converted to beta0": partial(_read, granules, of_month, geobox, threads),
    }
    found = []
    for name, case in cases.items():
        progress(name)
        case()
        times = []
        for _ in range(repeat):
            wall, cpu = time.perf_counter(), time.process_time()
            case()
            times.append((time.perf_counter() - wall, time.process_time() - cpu))
        walls, cpus = zip(*times, strict=True)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        found.append({"name": name, "wall": statistics.median(walls), "cpu": statistics.median(cpus), "memory": peak})
    return found


def static_table(found: Sequence[dict[str, Any]]) -> str:
    """Return a Markdown table of the results of `measure`."""
    rows = [(each["name"], each["wall"], each["cpu"], each["memory"]) for each in found]
    return table(("step", "wall s", "CPU s", "GiB at most"), rows)
