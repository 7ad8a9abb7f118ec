"""What a run will cost, told before it begins: download, computing, disk."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from s1monthly.config.root import Config
from s1monthly.model import TILE_SIDE
from s1monthly.records.search_log import Answer

GRANULE_BYTES = 14_000_000
"""Of a granule where the source does not tell: 7 MB each for VV and VH, and 50 kB of mask, as in the archive."""

USUAL_GRANULES = 36
"""Granules of a tile, direction and month, where the source was not asked yet: as in the benchmark, in three passes."""

MONTH_CPU_SECONDS, GRANULE_CPU_SECONDS = 9.5, 0.1
"""CPU time from granules to catalogs: of a month at 30 m, and of each of its granules.

From ``make bench`` (tests/benchmarks/pipeline.py): 13 CPU s for a month of 36 granules. Of these 3.6 go into reading
granules and merging passes, without the start of these processes, and grow with the number of granules.
"""

MONTH_CPU_FIXED = 5.0
"""Part of `MONTH_CPU_SECONDS` that does not grow with the number of pixels: starts, search, Items, tables."""

WINDOW_CPU_NANOSECONDS, WINDOW_CPU_A_SIDE = 5.0, 1.5
"""CPU time of all textures of a pixel, for each angle: so much, and so much for each pixel of the window's side.

Within a third for windows of 3 to 21 pixels, 16 to 64 levels, 1 to 4 angles (``tests/bench.py --only texture``): 26 ns
with two angles and a window of 5, 72 ns with one of 21.
"""

TEXTURE_BAND_CPU_SECONDS, TEXTURE_BAND_BYTES = 0.8, 78_000_000
"""What each band of textures costs in the cube and in the COG, at 30 m: from a full tile with eight of them."""

FETCHED_A_SECOND = 20_000_000
"""Bytes that are assumed to come from the archive in a second, all jobs together: 160 Mbit/s."""

KEPT_BYTES, TEMPORARY_BYTES = 350_000_000, 800_000_000
"""Disk for a month at 30 m with four bands: kept (bench: COG 195 MB, cube 153 MB), and while it is made."""

BURST_BYTES = 17_500_000
"""Temporary files of a granule at 30 m: what of both layers lies on the tile, not compressed (bench: 625 MB for 36)."""

FULL_SIDE = TILE_SIDE / 30
"""Pixels a side of the benchmark's tile."""

MEMORY = {"composite": (930, 50.0), "publish": (600, 30.0), "audit": (600, 30.0)}
"""MB that a job takes whatever the grid, and bytes that each pixel of the grid adds.

Measured with four bands at 30 m and at 10 m: composite 0.8 and 5.0 GB, and 12 bytes a pixel more with textures; publish
0.4 and 2.4 GB. The tools that check or rebuild months read bands as publish does.
"""

READER_MB, READER_BYTES = 200, 4.0
"""The same for each granule that is read at a time: 0.3 GB for two at 30 m, 1.0 GB at 10 m."""


@dataclass(frozen=True)
class Cost:
    """What some months cost.

    Attributes
    ----------
    months : int
        To be made.
    granules : int
        That they are made of.
    download : int
        Bytes to be fetched; 0 where the source lies on disk.
    sized : bool
        True where the source told the size of all of them.
    cpu_seconds : float
        Without fetching.
    kept, temporary : float
        Bytes on disk: of all months for good, and of one while it is made.
    """

    months: int
    granules: int
    download: int
    sized: bool
    cpu_seconds: float
    kept: float
    temporary: float


def cost(config: Config, answers: Iterable[Answer], unsearched: int, pixels: float | None = None) -> Cost:
    """Estimate what months cost.

    Parameters
    ----------
    config : Config
    answers : iterable of Answer
        What the source answered for each month that will be made.
    unsearched : int
        How many months more will be searched: taken for usual ones, of `USUAL_GRANULES`.
    pixels : float, optional
        Pixels of a tile's grid; where not given, as `usual_pixels` has them.
    """
    known = list(answers)
    months = len(known) + unsearched
    granules = sum(answer.granules for answer in known) + USUAL_GRANULES * unsearched
    sizes = [answer.size if answer.size >= 0 else GRANULE_BYTES * answer.granules for answer in known]
    tiles = _full_tiles(config, pixels)
    texture_cpu, texture_bytes = _textures(config)
    month_cpu = MONTH_CPU_FIXED + (MONTH_CPU_SECONDS - MONTH_CPU_FIXED + texture_cpu) * tiles
    return Cost(
        months=months,
        granules=granules,
        download=sum(sizes) + GRANULE_BYTES * USUAL_GRANULES * unsearched if config.source.kind == "asf" else 0,
        sized=not unsearched and all(answer.size >= 0 for answer in known),
        cpu_seconds=months * month_cpu + GRANULE_CPU_SECONDS * granules,
        kept=months * (KEPT_BYTES + texture_bytes) * tiles,
        temporary=TEMPORARY_BYTES * tiles,
    )


def temporary_mb(config: Config, granules: int, pixels: float | None = None) -> int:
    """MB of the burst files of a month of so many granules; at least 1."""
    return max(1, round(granules * BURST_BYTES * _full_tiles(config, pixels) / 1e6))


def memory_mb(stage: str, pixels: float) -> int:
    """MB of memory for a job on a grid of so many pixels.

    Parameters
    ----------
    stage : str
        A key of `MEMORY`.
    pixels : float
    """
    fixed, each = MEMORY[stage]
    return round(fixed + each * pixels / 1e6)


def reading_mb(readers: int, pixels: float) -> int:
    """MB of memory for a job that reads so many granules at a time onto a grid of so many pixels."""
    return round(700 + readers * (READER_MB + READER_BYTES * pixels / 1e6))


def usual_pixels(config: Config) -> float:
    """Pixels of a tile in its own CRS; in another CRS only the grid itself tells: those of a usual tile, at 30 m."""
    side = FULL_SIDE if config.processing.target_crs else TILE_SIDE / config.processing.target_resolution
    return float(side**2)


def _full_tiles(config: Config, pixels: float | None) -> float:
    """Pixels of a tile, as a multiple of those at 30 m."""
    return (usual_pixels(config) if pixels is None else pixels) / FULL_SIDE**2


def _textures(config: Config) -> tuple[float, int]:
    """CPU seconds and bytes that the textures of a month at 30 m add."""
    options = config.textures
    if options is None:
        return 0.0, 0
    inputs, angles = len(options["inputs"]), len(options["angles"])
    bands = inputs * len(options["metrics"]) * (1 if options["average_angles"] else angles)
    nanoseconds = angles * (WINDOW_CPU_NANOSECONDS + WINDOW_CPU_A_SIDE * options["window_size"])
    return inputs * nanoseconds * 1e-9 * FULL_SIDE**2 + bands * TEXTURE_BAND_CPU_SECONDS, bands * TEXTURE_BAND_BYTES


def told(found: Cost, unsearched: int) -> str:
    """Say it in one line."""
    what = _count(found.months, "month")
    if unsearched:
        what = f"at most {what}, {'all' if unsearched == found.months else unsearched} still to be searched"
    assumed = f", {USUAL_GRANULES} for each month not searched" if unsearched else ""
    parts = [f"{what}, {'about ' if unsearched else ''}{_count(found.granules, 'granule')}{assumed}"]
    if found.download:
        seconds, rate = found.download / FETCHED_A_SECOND, FETCHED_A_SECOND / 1e6
        size = f"{'' if found.sized else 'about '}{_size(found.download)}"
        parts.append(f"download {size}, {_time(seconds)} at {rate:.0f} MB/s")
    parts.append(f"CPU time about {_time(found.cpu_seconds)}")
    parts.append(f"disk about {_size(found.kept)}, and {_size(found.temporary)} for each month in the making")
    return f"to make in all: {'; '.join(parts)}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _size(number: float) -> str:
    """Bytes with two digits that count: 1.5 GB, 350 MB."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= factor:
            scaled = number / factor
            return f"{scaled:.1f} {unit}" if scaled < 9.95 else f"{scaled:.0f} {unit}"
    return f"{number / 1e6:.1f} MB"


def _time(seconds: float) -> str:
    """Seconds, minutes or hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.0f} h"
