"""Where the time of a tile-month goes: its pieces one by one in this process, as the rules call them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.kernels import LAYERS, METHOD, Timing, timed
from benchmarks.pipeline import DIRECTION, MONTH, TILE, Progress
from benchmarks.report import table
from s1monthly.config.processing import Processing
from s1monthly.cube.axis import prepare
from s1monthly.cube.layout import CubeSpec
from s1monthly.cube.months import read_bands
from s1monthly.cube.write import write_month
from s1monthly.granule_names import layer_file
from s1monthly.granules import Granule
from s1monthly.grid.lattice import tile_geobox
from s1monthly.kernels.bands import bands, compute
from s1monthly.kernels.speckle.despeckling import despeckle
from s1monthly.model import CompositeKey, Polarization
from s1monthly.raster.cog import write_cog
from s1monthly.raster.writing import write_preview, write_raster
from s1monthly.records.record_builder import RecordBuilder
from s1monthly.stages.burst import BurstWindow, read_burst
from s1monthly.stages.composite import Merging, compose

PAIR = Polarization.VV_VH
RECIPE = {"polarization": str(PAIR)}


@dataclass(frozen=True)
class Piece:
    """One piece of the work: what kind of work it is, the rule that does it, and what it takes."""

    kind: str
    rule: str
    what: str
    timing: Timing


def measure(granules: Sequence[Granule], folder: Path, threads: int, repeat: int, progress: Progress) -> list[Piece]:
    """Time every piece, with so many threads where the rule uses them."""
    folder.mkdir(exist_ok=True)
    geobox, options = tile_geobox(TILE), Processing()
    found: list[Piece] = []

    def piece(kind: str, rule: str, what: str, call: Any) -> None:
        progress(f"{rule}: {what}")
        found.append(Piece(kind, rule, what, timed(call, repeat)))

    def side_by_side(work: Any, things: Sequence[Any]) -> list[Any]:
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(work, things))

    def read(granule: Granule) -> Any:
        return read_burst(granule, LAYERS, geobox, options.min_valid_lin, options.mask)

    windows = {one.id: window for one in granules if isinstance(window := read(one), BurstWindow)}

    def write(name: str) -> None:
        for layer, power in windows[name].power.items():
            write_raster(folder / layer_file(name, layer), [power], windows[name].geobox, [layer])

    piece("decode", "bursts", f"{3 * len(granules)} layers, cut", partial(side_by_side, read, granules))
    piece("files", "bursts", "write the windows", partial(side_by_side, write, list(windows)))
    month = compose(folder, windows, geobox, LAYERS, Merging(), threads=threads)
    piece(
        "kernel",
        "composite",
        "passes, median",
        partial(compose, folder, windows, geobox, LAYERS, Merging(), threads=threads),
    )
    for power in month.power:
        power[:] = despeckle(power, METHOD, threads=threads)
    smooth = partial(despeckle, month.power[0], METHOD, threads=threads)
    piece("kernel", "composite", "despeckle 2 bands", lambda: [smooth(), smooth()])
    key = CompositeKey(TILE, DIRECTION, MONTH)

    def bands_checked() -> list[Any]:
        with RecordBuilder(key, PAIR, geobox, month.count) as builder:
            return list(builder.measured(compute(RECIPE, *month.power, threads)))

    piece("kernel", "composite", "bands, statistics", bands_checked)
    store, made = folder / "cube.zarr", bands_checked()
    prepare(store, CubeSpec(TILE, DIRECTION, geobox, bands(*LAYERS), options.chunks, {}), MONTH, MONTH)
    piece("encode", "composite", "slot of the cube, hash", partial(write_month, store, MONTH, made, month.count))
    piece("decode", "publish", "slot of the cube", lambda: list(read_bands(store, MONTH)))
    cog = partial(write_cog, folder / "cog.tif", geobox=geobox, labels=bands(*LAYERS))
    piece("encode", "publish", "COG", lambda: cog(bands=(values for _, values in made)))
    shown = [values for name, values in made if name != "RVI"]
    piece("encode", "publish", "picture", lambda: write_preview(folder / "preview.png", *shown, geobox))
    return found


def breakdown_table(found: Sequence[Piece], pipeline: dict[str, Any] | None = None) -> str:
    """Lay out the pieces, and if whole runs were measured (`report.summary`), starting processes and Snakemake."""
    rows: list[Sequence[Any]] = [(x.kind, x.rule, x.what, x.timing.wall, x.timing.cpu) for x in found]
    if pipeline:
        own, jobs = pipeline["snakemake"], pipeline["jobs"]
        rows += [("start", "all", f"Python and imports of {jobs['jobs']:.0f} jobs", jobs["start"], None)]
        rows += [("Snakemake", "", "plan, schedule, end", own["wall"], own["cpu"])]
    return table(("kind", "rule", "what", "wall s", "CPU s"), rows)
