"""What a longer series costs: writing one more month, a longer axis, an axis that begins earlier, disk and memory."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.cube_months import LAYERS, Count, Values, realistic_month
from benchmarks.kernels import timed
from benchmarks.pipeline import DIRECTION, TILE, Progress
from benchmarks.report import MIB, peak_bytes, table
from s1monthly.config.processing import Processing
from s1monthly.cube.axis import prepare
from s1monthly.cube.header import COMPLETE
from s1monthly.cube.layout import CubeSpec
from s1monthly.cube.months import month_digest
from s1monthly.cube.write import write_month
from s1monthly.grid.lattice import tile_geobox
from s1monthly.kernels.bands import bands
from s1monthly.model import Month

HELD = (1, 12, 120)
"""Months that the cube holds."""
FIRST = Month(2015, 1)


@dataclass(frozen=True)
class Growth:
    """A cube of so many months, all complete; medians of seconds."""

    held: int
    append: float  # write one more month into its slot
    lengthen: float  # give the axis one more slot at its end
    begin_earlier: float  # and at its beginning
    digest: float  # read a month back and compute its digest
    memory: float  # peak resident MiB of a process that writes a month, its values included
    empty_kb: float  # of one more slot without data


def measure(folder: Path, repeat: int, progress: Progress, held: Sequence[int] = HELD) -> list[Growth]:
    """Measure cubes of a full tile; all months but the last written are second names of the first one's files."""
    progress("a realistic month, without granules")
    values, count = realistic_month()
    kept = folder / "month.npz"
    np.savez(kept, count=count, **values)
    found = []
    for months in held:
        progress(f"a cube of {months} months")
        found.append(_of(folder / f"held{months}.zarr", months, values, count, kept, repeat))
    return found


def _of(store: Path, held: int, values: Values, count: Count, kept: Path, repeat: int) -> Growth:
    shutil.rmtree(store, ignore_errors=True)
    last = FIRST.shift(held)
    spec = CubeSpec(TILE, DIRECTION, tile_geobox(TILE), bands(*LAYERS), Processing().chunks, {})
    prepare(store, spec, FIRST, last)
    write_month(store, FIRST, values, count)
    repeat_first(store, held)
    append = timed(lambda: write_month(store, last, values, count), repeat).wall
    digest = timed(lambda: month_digest(store, last), repeat).wall
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        memory = pool.submit(peak_of_writing, store, last, kept).result()
    size = size_of(store)
    longer = iter([last.shift(n) for n in range(1, repeat + 1)])
    lengthen = timed(lambda: prepare(store, spec, FIRST, next(longer)), repeat).wall
    empty = (size_of(store) - size) / repeat / 1e3
    earlier = iter([FIRST.shift(-n) for n in range(1, repeat + 1)])
    begin_earlier = timed(lambda: prepare(store, spec, next(earlier), last), repeat).wall
    shutil.rmtree(store)
    return Growth(held, append, lengthen, begin_earlier, digest, memory, empty)


def repeat_first(store: Path, months: int) -> None:
    """Give the first month's files second names in the slots after it, and mark these complete."""
    for chunks in store.glob("*/c/0"):
        if chunks.is_dir() and chunks.parents[1].name in (*(band.name for band in bands(*LAYERS)), "count"):
            for slot in range(1, months):
                shutil.copytree(chunks, chunks.parent / str(slot), copy_function=os.link)
    for slot in range(1, months):
        (store / "status" / "c" / str(slot)).write_bytes(bytes([COMPLETE]))


def peak_of_writing(store: Path, month: Month, kept: Path) -> float:
    """Write a month; return the peak resident memory of this process in MiB."""
    with np.load(kept) as arrays:
        values: Values = {name: arrays[name] for name in arrays.files if name != "count"}
        count: Count = arrays["count"]
    write_month(store, month, values, count)
    return peak_bytes() / MIB


def size_of(store: Path) -> int:
    """Return the bytes of all files of a store."""
    return sum(file.stat().st_size for file in store.rglob("*") if file.is_file())


def growth_table(found: Sequence[Growth]) -> str:
    """Lay out the figures, a line a cube."""
    header = ("months held", "append s", "longer s", "earlier s", "digest s", "peak MiB", "kB a slot")
    rows = [(g.held, g.append, g.lengthen, g.begin_earlier, g.digest, round(g.memory), g.empty_kb) for g in found]
    return table(header, rows, digits=3)
