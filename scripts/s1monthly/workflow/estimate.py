"""Estimate what a run will cost before it starts: download, computing time and disk space."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from s1monthly.config.root import Config
from s1monthly.grid.crs import metres_a_unit
from s1monthly.kernels.options import INDEX_BANDS, MANTISSA_BITS, RADIOMETRY_LAYERS, slice_parts
from s1monthly.model import TILE_SIDE
from s1monthly.records.search_log import Answer

GRANULE_BYTES = 14_000_000
"""Size of a granule if the source does not give it: 7 MB each for VV and VH and 50 kB of mask, as in the archive."""

USUAL_GRANULES = 36
"""Granules of a tile, direction and month that was not searched yet: three passes, as in the benchmark."""

USUAL_SLICES = 5
"""The same for GRD slices: three passes, of which some meet the tile with two slices."""

SLICE_CPU_SECONDS, SLICE_BYTES = 12.0, 107_000_000
"""CPU time and temporary files of a GRD slice that covers a tile at 30 m, both layers."""

MONTH_CPU_SECONDS, GRANULE_CPU_SECONDS = 9.5, 0.1
"""CPU time from granules to catalogs: for each month at 30 m, and for each of its granules.

From ``make bench`` (tests/benchmarks/pipeline.py): 13 CPU s for a month of 36 granules. Reading granules and merging
passes takes 3.6 s of that, without process starts, and grows with the number of granules.
"""

MONTH_CPU_FIXED = 5.0
"""Part of `MONTH_CPU_SECONDS` that does not depend on the number of pixels: process starts, search, Items, tables."""

WINDOW_CPU_NANOSECONDS, WINDOW_CPU_A_SIDE = 5.0, 1.5
"""CPU time of all textures for each pixel and angle: a fixed part, and a part for each pixel of the window's side.

Correct within a third for windows of 3 to 21 pixels, 16 to 64 levels and 1 to 4 angles
(``tests/bench.py --only texture``): 26 ns with two angles and a window of 5, 72 ns with a window of 21.
"""

TEXTURE_BAND_CPU_SECONDS, TEXTURE_BAND_BYTES = 0.8, 78_000_000
"""Cost of one texture band in cube and COG at 30 m, measured on a full tile with eight such bands."""

SPREAD_BAND_CPU_SECONDS, SPREAD_BAND_BYTES = 0.8, 95_000_000
"""The same for a band of the spread, measured with ten such bands: single passes are noisy and compress little."""

POWER_BYTES, OVERVIEW_COG_BYTES = 97_000_000, 47_000_000
"""Disk space of a month's COG of linear power, and of its three 8-bit overviews, at 30 m on a full tile."""

STATIC_GRANULE_BYTES = 21_000_000
"""Bytes of a static granule with its six layers in the archive."""

STATIC_KEPT_BYTES = 11_500_000
"""Disk space of a static granule in store and COGs at 30 m (bench: 413 MB of 36)."""

STATIC_LAYER_BYTES = {
    "incidence_angle": 1_300_000,
    "rtc_anf_gamma0_to_beta0": 5_100_000,
    "rtc_anf_gamma0_to_sigma0": 3_500_000,
}
"""Size of the layers that convert to another quantity, which are fetched with every granule."""

USUAL_BURSTS = 12
"""Bursts of a track over a tile that was not searched yet."""

TRACK_CPU_SHARE, TRACK_DISK_SHARE = 0.67, 0.75
"""Cost of a month of one of two tracks, compared with a month of both (processing.by_track).

Measured for both together: 1.25 times the CPU time of the pooled month with its granules, 1.5 times the disk space.
"""

FETCHED_A_SECOND = 20_000_000
"""Assumed download rate from the archive in bytes a second, all jobs together: 160 Mbit/s."""

KEPT_BYTES, TEMPORARY_BYTES = 350_000_000, 800_000_000
"""Disk space of a month at 30 m with four bands: permanent (bench: COG 195 MB, cube 153 MB), and temporary."""

BIT_SHARE = 0.039
"""Share of a month's disk space that each bit left out by output.keep_bits saves: 43 % with 12 bits, 25 % with 16."""
OVERVIEW_BYTES = 23_000_000
"""Disk space of a month's overviews in the cube, at 30 m with four bands (tests/benchmarks/README.md)."""

BURST_BYTES = 17_500_000
"""Temporary files of a granule at 30 m: both layers inside the tile, uncompressed (bench: 625 MB for 36 granules)."""

FULL_SIDE = TILE_SIDE / 30
"""Pixels along one side of the benchmark's tile."""

PIXEL_BYTES = 4
"""Temporary bytes for each pixel of a band of the spread, or of a static layer of a track."""

USUAL_TRACKS = 2
"""Tracks of a tile whose static layers a composite reads, if it does."""

MEMORY = {
    "composite": (930, 50.0),
    "publish": (600, 30.0),
    "audit": (600, 30.0),
    "static": (150, 12.0),
    "heights": (550, 50.0),
    "slices": (400, 60.0),
}
"""Memory of a job: MB for any grid, and bytes for each pixel of the grid.

Measured with four bands at 30 m and at 10 m: composite 0.8 and 5.0 GB, and 12 bytes a pixel more with textures; publish
0.4 and 2.4 GB. The tools that check or rebuild months read bands as publish does.
"""

READER_MB, READER_BYTES = 200, 4.0
"""The same for each granule read at the same time: 0.3 GB for two at 30 m, 1.0 GB at 10 m."""


@dataclass(frozen=True)
class Cost:
    """Estimated cost of some months.

    Attributes
    ----------
    months : int
        Months to make.
    granules : int
        Granules of these months.
    download : int
        Bytes to download; 0 if the source is on disk.
    sized : bool
        True if the source gave the size of every granule.
    cpu_seconds : float
        CPU time without downloads.
    kept, temporary : float
        Bytes on disk: permanently for all months, and temporarily for one month while it is made.
    usual : int
        Granules assumed for a month that is not searched yet.
    """

    months: int
    granules: int
    download: int
    sized: bool
    cpu_seconds: float
    kept: float
    temporary: float
    usual: int


def cost(
    config: Config,
    answers: Iterable[Answer],
    unsearched: int,
    pixels: float | None = None,
    share: float = 1.0,
    covered: float = 1.0,
    statics: int = 0,
) -> Cost:
    """Estimate the cost of some months.

    Parameters
    ----------
    answers : iterable of Answer
        The source's answer for each month to make.
    unsearched : int
        Number of further months that are not searched yet; each counts `USUAL_GRANULES`.
    pixels : float, optional
        Pixels of a tile's grid; default: `usual_pixels`.
    share, covered : float
        Shares of a tile's granules and pixels that the polygon of use_roi_mask leaves, 0 to 1.
    statics : int
        Number of static granules to read for static layers.
    """
    grd = config.source.kind == "grd"
    usual = max(1, round((USUAL_SLICES if grd else USUAL_GRANULES) * share))
    known = list(answers)
    months = len(known) + unsearched
    granules = sum(answer.granules for answer in known) + usual * unsearched
    sizes = [answer.size if answer.size >= 0 else GRANULE_BYTES * answer.granules for answer in known]
    tiles = _full_tiles(config, pixels)
    spread_bands = _spread_bands(config)
    texture_cpu, texture_bytes = _textures(config)
    more_cpu = texture_cpu + spread_bands * SPREAD_BAND_CPU_SECONDS
    more_bytes = texture_bytes + spread_bands * SPREAD_BAND_BYTES
    overviews = OVERVIEW_BYTES * _core_share(config) * config.output.multiscales
    formats = config.output.formats
    further = POWER_BYTES * formats.power + OVERVIEW_COG_BYTES * formats.overview
    cpu_share, disk_share = (TRACK_CPU_SHARE, TRACK_DISK_SHARE) if config.processing.by_track else (1.0, 1.0)
    a_month = (_core_bytes(config) + more_bytes) * _kept_share(config) + overviews + further
    converting = sum(STATIC_LAYER_BYTES[name] for name in RADIOMETRY_LAYERS[config.processing.radiometry])
    fetched = sum(sizes) + GRANULE_BYTES * usual * unsearched
    fetched += converting * granules + STATIC_GRANULE_BYTES * statics
    month_cpu = MONTH_CPU_FIXED + (MONTH_CPU_SECONDS - MONTH_CPU_FIXED + more_cpu) * tiles
    return Cost(
        months=months,
        granules=granules,
        download=fetched if config.source.kind == "asf" else 0,
        sized=not (unsearched or statics or converting) and all(answer.size >= 0 for answer in known),
        cpu_seconds=months * month_cpu * cpu_share + (SLICE_CPU_SECONDS if grd else GRANULE_CPU_SECONDS) * granules,
        kept=(months * a_month * disk_share * covered + STATIC_KEPT_BYTES * statics) * tiles,
        temporary=(TEMPORARY_BYTES * share + _waiting_bands(config) * PIXEL_BYTES * FULL_SIDE**2) * tiles,
        usual=usual,
    )


def temporary_mb(config: Config, granules: int, pixels: float | None = None) -> int:
    """Return the MB of temporary files of a month with this many granules: bursts, and bands that wait; at least 1."""
    each = SLICE_BYTES if config.source.kind == "grd" else BURST_BYTES
    of_tile = granules * each + _waiting_bands(config) * PIXEL_BYTES * FULL_SIDE**2
    return max(1, round(of_tile * _full_tiles(config, pixels) / 1e6))


def memory_mb(stage: str, pixels: float) -> int:
    """Return the memory in MB of a job.

    Parameters
    ----------
    stage : str
        A key of `MEMORY`.
    pixels : float
        Pixels of the grid.
    """
    fixed, each = MEMORY[stage]
    return round(fixed + each * pixels / 1e6)


def reading_mb(readers: int, pixels: float, ahead: int = 0) -> int:
    """Return the memory in MB of a job that reads `readers` granules at a time onto a grid of `pixels` pixels.

    It has fetched `ahead` further ones.
    """
    return round(700 + readers * (READER_MB + READER_BYTES * pixels / 1e6) + ahead * GRANULE_BYTES / 1e6)


def slice_pixels(config: Config, pixels: float) -> float:
    """Return the pixels of the grid on which GRD slices are corrected, for a tile's grid of `pixels` pixels."""
    epsg = config.processing.epsg
    unit = 1.0 if epsg is None else metres_a_unit(epsg)
    return pixels * slice_parts(config.processing.target_resolution * unit) ** 2


def usual_pixels(config: Config) -> float:
    """Return the pixels of a tile in its own CRS.

    With ``target_crs``, only the grid itself gives the number: a usual tile at 30 m is assumed.
    """
    side = FULL_SIDE if config.processing.target_crs else TILE_SIDE / config.processing.target_resolution
    return float(side**2)


def _full_tiles(config: Config, pixels: float | None) -> float:
    """Return the pixels of a tile, divided by those of a tile at 30 m."""
    return (usual_pixels(config) if pixels is None else pixels) / FULL_SIDE**2


def _core_bytes(config: Config) -> float:
    """Return the disk space of a month's core bands at 30 m: each band takes a quarter of four, within 10 %."""
    return KEPT_BYTES * _core_share(config)


def _core_share(config: Config) -> float:
    """Return the number of core bands, divided by four."""
    return (2 + len({*config.output.bands} & {*INDEX_BANDS})) / 4


def _kept_share(config: Config) -> float:
    """Return the share of disk space that rounding leaves, 0 to 1."""
    bits = config.output.keep_bits
    return 1 - BIT_SHARE * (MANTISSA_BITS - bits) if bits else 1.0


def _waiting_bands(config: Config) -> int:
    """Return the number of bands and static layers that wait in a temporary file while a month is composited."""
    processing = config.processing
    layers = (processing.composite_method == "local_resolution") + (processing.angle_normalisation.exponent is not None)
    return _spread_bands(config) + USUAL_TRACKS * layers


def _spread_bands(config: Config) -> int:
    return len(config.processing.spread) * len(config.roi.polarization.layers)


def _textures(config: Config) -> tuple[float, int]:
    """Return the CPU seconds and bytes that textures add to a month at 30 m."""
    options = config.textures
    if options is None:
        return 0.0, 0
    inputs, angles = len(options["inputs"]), len(options["angles"])
    bands = inputs * len(options["metrics"]) * (1 if options["average_angles"] else angles)
    nanoseconds = angles * (WINDOW_CPU_NANOSECONDS + WINDOW_CPU_A_SIDE * options["window_size"])
    return inputs * nanoseconds * 1e-9 * FULL_SIDE**2 + bands * TEXTURE_BAND_CPU_SECONDS, bands * TEXTURE_BAND_BYTES


def as_text(found: Cost, unsearched: int) -> str:
    """Return the cost as one line of text."""
    what = _count(found.months, "month")
    if unsearched:
        what = f"at most {what}, {'all' if unsearched == found.months else unsearched} still to be searched"
    assumed = f", {found.usual} for each month not searched" if unsearched else ""
    parts = [f"{what}, {'about ' if unsearched else ''}{_count(found.granules, 'granule')}{assumed}"]
    if found.download:
        seconds, rate = found.download / FETCHED_A_SECOND, FETCHED_A_SECOND / 1e6
        size = f"{'' if found.sized else 'about '}{size_text(found.download)}"
        parts.append(f"download {size}, {_time(seconds)} at {rate:.0f} MB/s")
    parts.append(f"CPU time about {_time(found.cpu_seconds)}")
    parts.append(f"disk about {size_text(found.kept)}, and {size_text(found.temporary)} for each month in the making")
    return f"to make in all: {'; '.join(parts)}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def size_text(number: float) -> str:
    """Format with two significant digits: 1.5 GB, 350 MB."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= factor:
            scaled = number / factor
            return f"{scaled:.1f} {unit}" if scaled < 9.95 else f"{scaled:.0f} {unit}"
    return f"{number / 1e6:.1f} MB"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.0f} h"
