"""Chunks, shards and codecs of the cube: what writing, disk, a point's series and a month's map cost with each."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from zarr.abc.codec import BytesBytesCodec
from zarr.codecs import BloscCodec, ZstdCodec

from benchmarks.cube_months import realistic_month
from benchmarks.pipeline import Progress
from benchmarks.report import table

MONTHS, COPIES = 120, 12
"""Months of the series, and how many of them have files of their own; the others are second names of those."""
BAND = "VV_dB"
PIXEL = 1700, 1500
"""Row and column of the series; in no layout at the corner of a chunk."""


@dataclass(frozen=True)
class Layout:
    """One way to store a month's bands.

    Attributes
    ----------
    chunk : int
        Rows and columns of a chunk: what is read and decompressed at least.
    codec : str
        Name in `CODECS`.
    shard : int or None
        Rows and columns of a file that holds many chunks; None for one file a chunk.
    """

    chunk: int
    codec: str
    shard: int | None = None


def _blosc(cname: str, level: int, shuffle: str) -> BytesBytesCodec:
    return BloscCodec(cname=cname, clevel=level, shuffle=shuffle, typesize=4)


CODECS: dict[str, BytesBytesCodec] = {
    "zstd 1 bit": _blosc("zstd", 1, "bitshuffle"),
    "zstd 3 bit": _blosc("zstd", 3, "bitshuffle"),
    "zstd 5 bit": _blosc("zstd", 5, "bitshuffle"),
    "zstd 1 byte": _blosc("zstd", 1, "shuffle"),
    "zstd 3 byte": _blosc("zstd", 3, "shuffle"),
    "lz4 5 bit": _blosc("lz4", 5, "bitshuffle"),
    "lz4 5 byte": _blosc("lz4", 5, "shuffle"),
    "zstd 3 raw": ZstdCodec(level=3),
}
"""Blosc's compressors with their level, after a shuffle of bits or bytes; and zstd without a shuffle."""

LAYOUTS = (
    *(Layout(chunk, "zstd 3 bit") for chunk in (512, 1024, 1830, 3660)),
    *(Layout(chunk, "lz4 5 bit") for chunk in (512, 1024, 1830)),
    *(Layout(chunk, "zstd 3 bit", shard) for chunk, shard in ((128, 1024), (256, 1024), (512, 1024), (256, 3840))),
    *(Layout(1024, codec) for codec in CODECS if codec not in ("zstd 3 bit", "lz4 5 bit")),
)


@dataclass(frozen=True)
class Cost:
    """What one layout costs; seconds are medians.

    Attributes
    ----------
    write : float
        Seconds to write a month, four bands and the count.
    size : float
        MB of the month.
    files : int
        Files of the month.
    series, series_cold, series_dask : float
        Seconds for a point's `MONTHS` months of one band: by zarr, the same with the files out of memory, and by xarray
        with dask.
    series_cpu : float
        CPU seconds of the first of these.
    map : float
        Seconds for one month of one band, the whole tile.
    """

    write: float
    size: float
    files: int
    series: float
    series_cold: float
    series_dask: float
    series_cpu: float
    map: float


def compare(folder: Path, repeat: int, progress: Progress, layouts: Sequence[Layout] = LAYOUTS) -> dict[Layout, Cost]:
    """Measure all layouts turn by turn, so that what else the machine does strikes them alike."""
    progress("a realistic month, without granules")
    values, count = realistic_month()
    month: dict[str, NDArray[Any]] = {**values, "count": count}
    seen: dict[Layout, dict[str, list[float]]] = {layout: {} for layout in layouts}
    stores = {layout: folder / f"layout{number}.zarr" for number, layout in enumerate(layouts)}
    sizes = {}
    for turn in range(repeat):
        progress(f"{len(layouts)} layouts of the cube, turn {turn + 1} of {repeat}")
        for layout, store in stores.items():
            shutil.rmtree(store, ignore_errors=True)
            create(store, layout, month)
            _note(seen[layout], "write", lambda store=store: write(store, month))
            files = [file for file in store.rglob("c/0/**/*") if file.is_file()]
            sizes[layout] = sum(file.stat().st_size for file in files) / 1e6, len(files)
            repeat_month(store)
            _note(seen[layout], "series", lambda store=store: series(store))
            _note(seen[layout], "series_dask", lambda store=store: series_dask(store))
            _note(seen[layout], "map", lambda store=store: one_map(store))
            forget(store / BAND)
            _note(seen[layout], "series_cold", lambda store=store: series(store))
            shutil.rmtree(store)
    return {
        layout: Cost(size=size, files=files, **{name: statistics.median(found) for name, found in seen[layout].items()})
        for layout, (size, files) in sizes.items()
    }


def _note(seen: dict[str, list[float]], name: str, call: Callable[[], Any]) -> None:
    if name in ("series", "map"):
        call()  # once before: the files come into memory
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    seen.setdefault(name, []).append(time.perf_counter() - wall)
    if name == "series":
        seen.setdefault("series_cpu", []).append(time.process_time() - cpu)


def create(store: Path, layout: Layout, month: Mapping[str, NDArray[Any]]) -> None:
    """Make the arrays of `MONTHS` months, without data."""
    group = zarr.open_group(store, mode="w")
    for name, values in month.items():
        group.create_array(
            name,
            shape=(MONTHS, *values.shape),
            dtype=values.dtype,
            fill_value=np.nan if values.dtype == np.float32 else 0,
            chunks=(1, layout.chunk, layout.chunk),
            shards=(1, layout.shard, layout.shard) if layout.shard else None,
            compressors=CODECS[layout.codec],
            dimension_names=("time", "y", "x"),
        )


def write(store: Path, month: Mapping[str, NDArray[Any]]) -> None:
    """Write the first month."""
    group = zarr.open_group(store, mode="r+")
    for name, values in month.items():
        group[name][0] = values


def repeat_month(store: Path) -> None:
    """Give the band whose series is read `MONTHS` months: `COPIES` of the first, the others by second names."""
    chunks = store / BAND / "c"
    for slot in range(1, MONTHS):
        source, copy = (0, shutil.copyfile) if slot < COPIES else (slot % COPIES, os.link)
        shutil.copytree(chunks / str(source), chunks / str(slot), copy_function=copy)


def forget(folder: Path) -> None:
    """Have the system drop a folder's files from memory, where it can."""
    for file in folder.rglob("*"):
        if file.is_file():
            handle = os.open(file, os.O_RDONLY)
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def series(store: Path) -> NDArray[np.float32]:
    """Read a point's series with zarr."""
    return np.asarray(zarr.open_array(store / BAND, mode="r")[:, PIXEL[0], PIXEL[1]])


def series_dask(store: Path) -> NDArray[np.float32]:
    """Read a point's series with xarray and dask."""
    with xr.open_zarr(store, consolidated=False) as dataset:
        found: NDArray[np.float32] = dataset[BAND][:, PIXEL[0], PIXEL[1]].compute().values
    return found


def one_map(store: Path) -> NDArray[np.float32]:
    """Read one month of a band with zarr."""
    return np.asarray(zarr.open_array(store / BAND, mode="r")[7])


def layout_table(found: Mapping[Layout, Cost]) -> str:
    """Lay out the costs, a line a layout."""
    header = ("chunk", "shard", "codec", "write", "MB", "files", "series", "CPU", "cold", "dask", "map")
    rows = [
        (layout.chunk, layout.shard, layout.codec, cost.write, round(cost.size), cost.files)
        + (cost.series, cost.series_cpu, cost.series_cold, cost.series_dask, cost.map)
        for layout, cost in found.items()
    ]
    return table(header, rows)


def as_json(found: Mapping[Layout, Cost]) -> list[dict[str, Any]]:
    """Costs as plain JSON."""
    return [asdict(layout) | asdict(cost) for layout, cost in found.items()]
