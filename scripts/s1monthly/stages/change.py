"""Map the changes of a band of a cube: chunk by chunk, each through all months."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s1monthly import VERSION
from s1monthly.catalog.assets import asset_file
from s1monthly.catalog.change_item import change_item
from s1monthly.catalog.document import write_document
from s1monthly.cube.header import Header
from s1monthly.cube.months import status_file
from s1monthly.cube.series import read_pixels
from s1monthly.errors import CubeError
from s1monthly.kernels.bands import Band, bands_of
from s1monthly.kernels.change.detection import METHODS, change_bands, change_values, method_options
from s1monthly.layout import Layout
from s1monthly.model import Month, TileDirection
from s1monthly.raster.block_cog import block_cog
from s1monthly.records.month import software_versions

FEWEST = 24
"""Fewest months of a cube: a season is known from two values of a calendar month."""
PIXELS = 2**15
"""Pixels that a thread judges at a time."""


def make_change(
    base_dir: str | Path,
    header: Header,
    band: str,
    method: str = "cusum",
    options: Mapping[str, Any] | None = None,
    first: Month | None = None,
    last: Month | None = None,
    threads: int | None = None,
) -> Path:
    """Write the map of a band's changes, and its Item; return the path of the COG.

    Parameters
    ----------
    base_dir : path
        Root of the output tree.
    header : Header
        The cube.
    band : str
        Band, such as VV_dB.
    method : {'cusum', 'pelt'}
        One change in each pixel, or several; see `kernels.change`.
    options : mapping, optional
        Options of the method, see `kernels.change.detection.DEFAULTS`.
    first, last : Month, optional
        First and last month; by default all complete ones.
    threads : int, optional
        By default one for each processor.

    Raises
    ------
    CubeError
        If the cube has no such band or too few months, is damaged, or was changed meanwhile.
    ConfigError
        If an option is wrong.
    ProductError
        If the files cannot be written.
    """
    chosen = method_options(method, options or {})
    known = {one.name: one for one in bands_of(header.recipe) if one.name in header.bands}
    if band not in known:
        raise CubeError(f"cube {header.path} has no band {band}", f"its bands are {', '.join(known)}")
    months = [
        month
        for month in header.complete_months()
        if (first is None or first <= month) and (last is None or month <= last)
    ]
    if len(months) < FEWEST:
        raise CubeError(
            f"cube {header.path}: {len(months)} complete months", f"changes are sought in {FEWEST} months or more"
        )
    place = Layout(str(base_dir)).of(TileDirection(header.tile, header.direction))
    path, labels = Path(place.change(band)), change_bands(method, known[band])
    tags = _tags(header, known[band], months, method, chosen)
    before = [status_file(header, month) for month in months]
    number = threads or len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(number) as pool, block_cog(path, header.geobox, labels, tags, number) as write:
        for rows, columns in _blocks(header):
            series = _read(header, band, months, rows, columns, number)
            pieces = [slice(start, start + PIXELS) for start in range(0, len(series[0]), PIXELS)]
            found = pool.map(partial(_judged, series, months, method, chosen), pieces)
            shape = (len(labels), rows.stop - rows.start, columns.stop - columns.start)
            write(rows, columns, np.concatenate(list(found), 1).reshape(shape))
        if [status_file(header, month) for month in months] != before:
            raise CubeError(f"cube {header.path}: months were replaced meanwhile", "wait for the running workflow")
    item = change_item(header, known[band], months, method, chosen, labels, asset_file(path, path.parent))
    write_document(place.change(band, "json"), item)
    return path


def _blocks(header: Header) -> Iterator[tuple[slice, slice]]:
    """Yield rows and columns of each chunk."""
    (rows, columns), (height, width) = header.geobox.shape, header.chunks
    for top in range(0, rows, height):
        for left in range(0, columns, width):
            yield slice(top, min(top + height, rows)), slice(left, min(left + width, columns))


def _read(
    header: Header, band: str, months: Sequence[Month], rows: slice, columns: slice, threads: int
) -> list[NDArray[np.float32]]:
    """Read a chunk through all months: the pixels of each."""
    grid = np.mgrid[rows, columns].reshape(2, -1)
    found = read_pixels(header.path, [band], grid[0], grid[1], lambda values: values[band], months, threads)
    complete = [values for values in found if values is not None]
    if len(complete) < len(found):
        raise CubeError(f"cube {header.path}: months were replaced meanwhile", "wait for the running workflow")
    return complete


def _judged(
    series: Sequence[NDArray[np.float32]],
    months: Sequence[Month],
    method: str,
    options: Mapping[str, Any],
    piece: slice,
) -> NDArray[np.float32]:
    """Return the values of `change_bands` of some pixels: (band, pixels)."""
    calendar = np.array([month.month - 1 for month in months])
    numbers = np.array([month.year * 100 + month.month for month in months], np.int32)
    changes = METHODS[method](np.stack([values[piece] for values in series]), calendar, **options)
    return change_values(method, changes, numbers)


def _tags(
    header: Header, band: Band, months: Sequence[Month], method: str, options: Mapping[str, Any]
) -> dict[str, str]:
    stack, software = header.direction, sorted(software_versions(s1monthly=VERSION).items())
    return {
        "TITLE": f"Changes of Sentinel-1 {band.name}, {header.tile} {stack}, {months[0]} to {months[-1]}",
        "BAND": band.name,
        "QUANTITY": band.description,
        "METHOD": method,
        "OPTIONS": json.dumps(dict(options), sort_keys=True),
        "MONTHS": " ".join(map(str, months)),
        "DIRECTION": str(stack.pooled),
        **({} if stack.track is None else {"TRACK": str(stack.track)}),
        "MGRS_TILE": str(header.tile),
        "RECIPE": json.dumps(header.recipe, sort_keys=True),
        "SOFTWARE": " ".join(f"{name}={number}" for name, number in software),
    }
