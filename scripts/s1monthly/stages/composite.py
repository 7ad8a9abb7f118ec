"""The composite stage: merge burst files into pass mosaics, and these into the month's composite.

It works in blocks of rows and never holds a whole pass mosaic, so memory does not grow with the number of granules.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from s1monthly.grid.lattice import GeoBox, overlap
from s1monthly.kernels.compositing import Counts, PassMosaic, Power, composite, row_blocks
from s1monthly.kernels.options import COMPOSITE_METHOD, MOSAIC_STRATEGY, TRIM_FRACTION
from s1monthly.layout import layer_file, parse_granule_id
from s1monthly.model import Pass, passes_of
from s1monthly.raster.fast_geotiff import RowReader, row_reader


@dataclass(frozen=True)
class Merging:
    """Options of `compositing`: how bursts become pass mosaics, and these a composite."""

    strategy: str = MOSAIC_STRATEGY
    method: str = COMPOSITE_METHOD
    trim_fraction: float = TRIM_FRACTION


@dataclass(frozen=True)
class Composed:
    """The composite of a month.

    Attributes
    ----------
    power : array (layer, rows, columns) of float32
        Linear power, layers in the order requested. NaN for no data, at the same pixels in all layers.
    count : array (rows, columns) of uint8
        Number of passes with a valid value.
    passes : tuple of Pass
        Passes with their granules, ordered by time.
    """

    power: NDArray[np.float32]
    count: Counts
    passes: tuple[Pass, ...]


@dataclass(frozen=True)
class _Burst:
    """A burst's file and its rows and columns on the tile, which are empty if it lies off the tile."""

    file: RowReader
    rows: slice
    columns: slice
    first: tuple[int, int]

    @classmethod
    def of(cls, path: Path, geobox: GeoBox) -> _Burst:
        file = row_reader(path)
        common = overlap(geobox, file.header.geobox)
        if common is None:
            return cls(file, slice(0, 0), slice(0, 0), (0, 0))
        return cls(file, *common.target, (common.source[0].start, common.source[1].start))

    def touches(self, rows: slice) -> bool:
        return max(self.rows.start, rows.start) < min(self.rows.stop, rows.stop)

    def add_to(self, mosaic: PassMosaic, rows: slice, columns: slice) -> None:
        """Add the burst's part of `rows` to a mosaic of `rows` and `columns`, which include the burst's columns."""
        start, stop = max(self.rows.start, rows.start), min(self.rows.stop, rows.stop)
        above, left = self.first
        lines = self.file.read(slice(start - self.rows.start + above, stop - self.rows.start + above))
        window = lines[:, left : left + self.columns.stop - self.columns.start]
        mosaic.add(window, start - rows.start, self.columns.start - columns.start)


def _hull(ranges: Iterable[slice]) -> slice:
    """Return the smallest range that includes all ranges; empty without ranges."""
    found = list(ranges)
    return slice(min((one.start for one in found), default=0), max((one.stop for one in found), default=0))


def _merge(bursts: Sequence[_Burst], rows: slice, columns: slice, strategy: str, out: Power) -> None:
    mosaic = PassMosaic(out.shape, strategy)
    for burst in bursts:
        burst.add_to(mosaic, rows, columns)
    mosaic.result(out)


def compose(
    folder: str | Path,
    granules: Iterable[str],
    geobox: GeoBox,
    layers: Sequence[str],
    how: Merging,
    outside: NDArray[np.bool_] | None = None,
    threads: int = 1,
) -> Composed:
    """Merge the bursts of each pass, then the passes of the month, pixel by pixel.

    Parameters
    ----------
    folder : path
        Folder of the burst files: one file per granule and layer, each a window of `geobox`.
    granules : iterable of str
        Ids of the granules to merge. Each must have its files. Without granules the composite is all NaN.
    geobox : GeoBox
        The tile's grid.
    layers : sequence of str
        Layers of the pair, co-polarized first; every granule has all of them.
    how : Merging
        Options of mosaic and composite.
    outside : array (rows, columns) of bool, optional
        Pixels to leave empty.
    threads : int
        Row blocks processed at a time. The result does not depend on it.

    Raises
    ------
    ProductError
        If a file is missing or cannot be read.
    GridError
        If a burst lies on another lattice.
    """
    folder, names = Path(folder), list(granules)
    passes = tuple(passes_of(parse_granule_id(name) for name in names))
    files = [layer_file(name, layer) for layer in layers for name in names]
    power = np.empty((len(layers), *geobox.shape), np.float32)
    count = np.empty(geobox.shape, np.uint8)

    def merge(rows: slice) -> None:
        for layer, plane in zip(layers, power, strict=True):
            found = [[bursts[layer_file(granule.id, layer)] for granule in each.granules] for each in passes]
            touched = [of_pass for each in found if (of_pass := [burst for burst in each if burst.touches(rows)])]
            columns = _hull(burst.columns for of_pass in touched for burst in of_pass)
            plane[rows, : columns.start] = plane[rows, columns.stop :] = np.nan
            count[rows, : columns.start] = count[rows, columns.stop :] = 0
            if touched:
                mosaics = np.empty((len(touched), rows.stop - rows.start, columns.stop - columns.start), np.float32)
                for of_pass, mosaic in zip(touched, mosaics, strict=True):
                    _merge(of_pass, rows, columns, how.strategy, mosaic)
                plane[rows, columns], count[rows, columns] = composite(mosaics, how.method, how.trim_fraction)

    with ThreadPoolExecutor(threads) as pool:
        bursts = dict(zip(files, pool.map(lambda file: _Burst.of(folder / file, geobox), files), strict=True))
        list(pool.map(merge, row_blocks(geobox.shape, max(1, len(passes)))))
    if outside is not None:
        power[:, outside], count[outside] = np.nan, 0
    return Composed(power, count, passes)
