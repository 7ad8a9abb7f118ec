"""The composite stage: merge burst files into pass mosaics, and these into the month's composite.

It works in blocks of rows and never holds a whole pass mosaic, so memory does not grow with the number of granules.
The bands of the spread come from the same blocks and wait in a temporary file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.granule_names import layer_file, parse_granule_id
from s1monthly.granules import Pass, passes_of
from s1monthly.grid.lattice import GeoBox, overlap
from s1monthly.kernels.bands import NODATA, spread_bands
from s1monthly.kernels.compositing import Counts, PassMosaic, Power, composite, row_blocks
from s1monthly.kernels.options import COMPOSITE_METHOD, MOSAIC_STRATEGY, TRIM_FRACTION
from s1monthly.kernels.speckle.quegan_yu import quegan_yu
from s1monthly.kernels.spread import spread
from s1monthly.raster.band_file import BandFile
from s1monthly.raster.fast_geotiff import RowReader, row_reader
from s1monthly.stages.viewing import Viewing


@dataclass(frozen=True)
class Merging:
    """Options of `compositing`: how bursts become pass mosaics, and these a composite and bands of their spread.

    With `quegan_yu`, a size in pixels, the composite is that of mosaics despeckled by `speckle.quegan_yu` with such a
    window. The spread is always that of the mosaics as they are. With `angle`, the options of
    `kernels.angle_normalisation`, mosaics are normalised first of all.
    """

    strategy: str = MOSAIC_STRATEGY
    method: str = COMPOSITE_METHOD
    trim_fraction: float = TRIM_FRACTION
    spread: Sequence[str] = ()
    quegan_yu: int = 0
    angle: Mapping[str, float] | None = None

    @classmethod
    def of(cls, recipe: Mapping[str, Any]) -> Merging:
        """Return the options of a recipe."""
        despeckle = recipe["despeckle"] or {}
        window = despeckle["window_size"] if despeckle.get("method") == "quegan_yu" else 0
        return cls(
            recipe["mosaic"],
            **recipe["composite"],
            spread=recipe.get("spread", ()),
            quegan_yu=window,
            angle=recipe.get("angle_normalisation"),
        )

    def viewing(
        self, statics: str | Path, tracks: Sequence[int], folder: Path, shape: tuple[int, int]
    ) -> Viewing | None:
        """Return how the passes saw the tile, if an option needs it."""
        weigh = self.method == "local_resolution"
        return Viewing(statics, tracks, weigh, self.angle, folder, shape) if self.needs_statics else None

    @property
    def needs_statics(self) -> bool:
        """True if an option needs the static layers of the passes."""
        return self.method == "local_resolution" or self.angle is not None

    def with_margin(self, rows: slice, height: int) -> slice:
        """Return the rows of mosaics that the composite of some rows depends on."""
        half = self.quegan_yu // 2
        return slice(max(rows.start - half, 0), min(rows.stop + half, height))

    def despeckled(
        self, mosaics: NDArray[np.float32], tracks: Sequence[int], outside: NDArray[np.bool_] | None
    ) -> NDArray[np.float32]:
        """Return mosaics (pass, rows, columns) as they are composited; pixels outside do not count."""
        if not self.quegan_yu:
            return mosaics
        return quegan_yu(mosaics if outside is None else np.where(outside, NODATA, mosaics), tracks, self.quegan_yu)


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
    spread : iterator of (band name, array)
        Bands of the spread, see `kernels.spread`, in the order of `kernels.bands.spread_bands`; each is read from a
        temporary file when it is asked for.
    """

    power: NDArray[np.float32]
    count: Counts
    passes: tuple[Pass, ...]
    spread: Iterator[tuple[str, Power]]


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


def _merged(passes: Sequence[Sequence[_Burst]], rows: slice, columns: slice, strategy: str) -> NDArray[np.float32]:
    """Return the mosaics of passes: (pass, rows, columns)."""
    mosaics = np.empty((len(passes), rows.stop - rows.start, columns.stop - columns.start), np.float32)
    for bursts, out in zip(passes, mosaics, strict=True):
        mosaic = PassMosaic(out.shape, strategy)
        for burst in bursts:
            burst.add_to(mosaic, rows, columns)
        mosaic.result(out)
    return mosaics


@dataclass(frozen=True)
class _Block:
    """Mosaics of the passes (pass, rows, columns), and their composite: power and count."""

    mosaics: NDArray[np.float32]
    power: Power
    count: Counts


@dataclass(frozen=True)
class _Blocks:
    """The composite of a month in blocks of rows; attributes as in `compose`, bursts by the names of their files."""

    bursts: Mapping[str, _Burst]
    passes: Sequence[Pass]
    how: Merging
    height: int
    outside: NDArray[np.bool_] | None
    viewing: Viewing | None

    def composite(self, layer: str, rows: slice) -> tuple[slice, _Block | None]:
        """Composite rows of a layer; return the columns that bursts reach, and the block there, if any."""
        how, wide = self.how, self.how.with_margin(rows, self.height)
        found = [[self.bursts[layer_file(granule.id, layer)] for granule in each.granules] for each in self.passes]
        near = [[burst for burst in of_pass if burst.touches(wide)] for of_pass in found]
        touched = [of_pass for of_pass in near if of_pass]
        columns = _hull(burst.columns for of_pass in touched for burst in of_pass)
        if not touched:
            return columns, None
        tracks = [each.track for each, of_pass in zip(self.passes, near, strict=True) if of_pass]
        mosaics = _merged(touched, wide, columns, how.strategy)
        areas = self.viewing.normalise(mosaics, tracks, wide, columns) if self.viewing else None
        smooth = how.despeckled(mosaics, tracks, None if self.outside is None else self.outside[wide, columns])
        inner = slice(rows.start - wide.start, rows.stop - wide.start)
        smooth, mosaics = (np.ascontiguousarray(each[:, inner]) for each in (smooth, mosaics))
        weights = None if areas is None else areas[:, inner]
        return columns, _Block(mosaics, *composite(smooth, how.method, how.trim_fraction, areas=weights))


class _SpreadFile:
    """Bands of the spread, in a file until they are read."""

    def __init__(self, folder: Path, layers: Sequence[str], statistics: Sequence[str], shape: tuple[int, int]) -> None:
        self._statistics = statistics
        self._names = [band.name for band in spread_bands(layers, statistics)]
        self._file = BandFile(folder, shape) if statistics else None

    def write(self, layer: int, rows: slice, columns: slice, mosaics: NDArray[np.float32] | None) -> None:
        """Write the spread of the mosaics of a layer: rows and columns of the grid, elsewhere in these rows NaN."""
        if self._file is None:
            return
        values = np.full((len(self._statistics), rows.stop - rows.start, self._file.shape[1]), np.nan, np.float32)
        if mosaics is not None:
            values[:, :, columns] = spread(mosaics, self._statistics)
        for number, band in enumerate(values, layer * len(self._statistics)):
            self._file.write(number, rows.start, band)

    def read(self, outside: NDArray[np.bool_] | None) -> Iterator[tuple[str, Power]]:
        if self._file is None:
            return
        for number, name in enumerate(self._names):
            values = self._file.read(number)
            if outside is not None:
                values[outside] = np.nan
            yield name, values


def compose(
    folder: str | Path,
    granules: Iterable[str],
    geobox: GeoBox,
    layers: Sequence[str],
    how: Merging,
    outside: NDArray[np.bool_] | None = None,
    threads: int = 1,
    statics: str | Path = "",
) -> Composed:
    """Merge the bursts of each pass, then the passes of the month, pixel by pixel, and measure their spread.

    Parameters
    ----------
    folder : path
        Folder of the burst files: one file per granule and layer, each a window of `geobox`. Bands of the spread wait
        in a temporary file beside it.
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
    statics : path
        Store of the static layers of the tile and direction, needed for `local_resolution` and `angle` alone.

    Raises
    ------
    ProductError
        If a file is missing or cannot be read.
    GridError
        If a burst lies on another lattice.
    CubeError
        If static layers are needed and cannot be read.
    FileError
        If the temporary file cannot be written.
    """
    folder, names = Path(folder), list(granules)
    passes = tuple(passes_of(parse_granule_id(name) for name in names))
    power = np.empty((len(layers), *geobox.shape), np.float32)
    count = np.empty(geobox.shape, np.uint8)
    spreads = _SpreadFile(folder.parent, layers, how.spread, geobox.shape)
    viewing = how.viewing(statics, [each.track for each in passes], folder.parent, geobox.shape)

    def merge(rows: slice) -> None:
        for number, (layer, plane) in enumerate(zip(layers, power, strict=True)):
            columns, made = blocks.composite(layer, rows)
            plane[rows, : columns.start] = plane[rows, columns.stop :] = np.nan
            count[rows, : columns.start] = count[rows, columns.stop :] = 0
            if made:
                plane[rows, columns], count[rows, columns] = made.power, made.count
            spreads.write(number, rows, columns, made.mosaics if made else None)

    with ThreadPoolExecutor(threads) as pool:
        files = [layer_file(name, layer) for layer in layers for name in names]
        bursts = dict(zip(files, pool.map(lambda file: _Burst.of(folder / file, geobox), files), strict=True))
        blocks = _Blocks(bursts, passes, how, geobox.height, outside, viewing)
        list(pool.map(merge, row_blocks(geobox.shape, max(1, len(passes)))))
    if outside is not None:
        power[:, outside], count[outside] = np.nan, 0
    return Composed(power, count, passes, spreads.read(outside))
