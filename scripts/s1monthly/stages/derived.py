"""Further COGs of a month, which follow from its bands: linear power, and 8-bit overviews."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.catalog.derived_assets import QUALITY_BANDS, overview_stretches, power_bands
from s1monthly.catalog.lineage import processing_tags
from s1monthly.cube.months import read_count, read_mask
from s1monthly.errors import CubeError
from s1monthly.kernels.options import RADIOMETRY, RADIOMETRY_TITLES
from s1monthly.kernels.overview import stretched
from s1monthly.model import COG_BLOCK_SIZE, COG_COMPRESSION, CogCompression, Month
from s1monthly.raster.byte_cog import write_byte_cog
from s1monthly.raster.cog import write_cog
from s1monthly.records.month import Record

Values = NDArray[Any]
ROWS = 64


def power_of(db: Values) -> Values:
    """Convert decibels to linear power, 10 ** (db / 10); NaN stays NaN."""
    power = np.empty_like(db)
    for first in range(0, len(db), ROWS):
        rows = slice(first, first + ROWS)
        power[rows] = np.exp(db[rows].astype(np.float64) * (np.log(10) / 10))
    return power


def quality_bands(cube: str | Path, month: Month) -> dict[str, Values]:
    """Read the bands of a quality COG from the cube.

    Raises
    ------
    CubeError
        If the month is not complete or its chunks are damaged.
    """
    mask = read_mask(cube, month)
    if mask is None:
        raise CubeError(f"cube {cube}: no classes of pixels", "report this: it is a fault of the software")
    return {"count": read_count(cube, month), "mask": mask}


def derived_values(record: Record, kind: str, bands: Mapping[str, Values], threads: int = 1) -> dict[str, Values]:
    """Compute the bands of a further COG from those of the month.

    Parameters
    ----------
    record : Record
        Record of the month.
    kind : str
        ``power``, ``quality``, ``overview-dual``, or ``overview-vv`` and the like.
    bands : mapping of str to array
        Both bands in dB, and optionally ``Ratio``; for ``quality`` also ``count`` and ``mask`` of the cube.

    Returns
    -------
    dict of str to array
        Name of each band -> (rows, columns): float32 with NaN for no data, or uint8 with 0.
    """
    if kind == "quality":
        return {name: bands[name] for name in QUALITY_BANDS}
    co, cross = (f"{layer}_dB" for layer in record.polarization.layers)
    if kind == "power":
        names = (band.name for band in power_bands(record.polarization))
        return {name: power_of(bands[of]) for name, of in zip(names, (co, cross), strict=True)}
    pictures: dict[str, Values] = {}
    for name, (low, high) in overview_stretches(record.polarization, kind).items():
        values = bands[name] if name in bands else power_of(bands[cross] - bands[co])
        pictures[name] = stretched(values, low, high, threads)
    return pictures


def write_derived(
    path: str | Path,
    record: Record,
    kind: str,
    bands: Mapping[str, Values],
    block_size: int = COG_BLOCK_SIZE,
    threads: int = 1,
    compression: CogCompression = COG_COMPRESSION,
) -> str:
    """Write a further COG of a month, atomically; return its SHA-256.

    Parameters are those of `derived_values` and `raster.cog.write_cog`.

    Raises
    ------
    ProductError
        If the file cannot be written.
    """
    values, tags = derived_values(record, kind, bands, threads), processing_tags(record)
    if kind == "power":
        floats = [band.astype(np.float32, copy=False) for band in values.values()]
        labels = power_bands(record.polarization, record.recipe.get("radiometry", RADIOMETRY))
        return write_cog(path, floats, record.grid, labels, tags, block_size, threads, compression=compression).sha256
    pictures = {name: band.astype(np.uint8, copy=False) for name, band in values.items()}
    options: dict[str, Any] = {"block_size": block_size, "threads": threads, "compression": compression}
    if kind == "quality":
        return write_byte_cog(path, pictures, record.grid, [*QUALITY_BANDS.values()], tags, averaged=False, **options)
    stretches = overview_stretches(record.polarization, kind)
    of = record.recipe.get("radiometry", RADIOMETRY)
    what = "" if of == RADIOMETRY else f"{RADIOMETRY_TITLES[of]}, "
    texts = [
        f"{what}{name}, {low:g} to {high:g} stretched to 1 to 255; 0: no data"
        for name, (low, high) in stretches.items()
    ]
    return write_byte_cog(path, pictures, record.grid, texts, tags, averaged=True, **options)
