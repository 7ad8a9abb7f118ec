"""Mosaics as one cloud-optimised GeoTIFF, computed block by block with only a block of the tiles in memory.

Averages are always of power: dB is converted to power, resampled and converted back; Ratio and RVI are computed from
the mean powers. This applies to overviews too. Other bands (textures, standard deviations) are averaged as they are.
Pixels of COGs on the mosaic's own lattice are copied.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from uuid import uuid4
from xml.etree import ElementTree

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.io import DatasetReader, MemoryFile
from rasterio.windows import Window

from s1monthly.grid.lattice import GeoBox, covering_window, overlap, source_pixels
from s1monthly.kernels.bands import bands, db
from s1monthly.kernels.resampling import bilinear, block_mean
from s1monthly.mosaic.plan import Bounds, Cog, Label, Mosaic, covering_grid, polarization_of
from s1monthly.mosaic.vrt import add_element, band_element, dataset_element
from s1monthly.raster.geotiff import crop, open_raster
from s1monthly.raster.writing import refuse_unwritten, writing

BLOCK_SIZE = 512
"""Side of the COG's blocks, pixels."""

WORKED = 2048
"""Side in pixels of what is processed at a time, in pixels of the mosaic or of the tiles, whichever are finer."""

KNOTS = 16
"""Pixels between exactly computed positions; see `grid.lattice.source_pixels`."""

Values = list[NDArray[np.float32]]
"""One (rows, columns) array for each band, NaN for no data."""


class Averaging:
    """Conversion between the bands of a product and quantities that may be averaged.

    Parameters
    ----------
    labels : sequence of Label
        Labels of the bands; the first two are backscatter in dB, co-polarized first.
    """

    def __init__(self, labels: Sequence[Label]) -> None:
        pair = polarization_of(labels)
        computed = bands(*pair.layers) if pair else ()
        formulas = {band.name: band.formula for band in computed if band.role in ("backscatter", "index")}
        self._formulas = [formulas.get(label.name) for label in labels]
        others = [label for label, formula in zip(labels, self._formulas, strict=True) if formula is None]
        self._levels = [label.units == "dB" and not label.name.endswith("_std") for label in others]

    @property
    def needed(self) -> list[int]:
        """Positions, from 0, of the bands to read: backscatter, and those without a formula."""
        return [0, 1, *(place for place, formula in enumerate(self._formulas) if formula is None)]

    def linear(self, values: Values) -> Values:
        """Convert the needed bands to what may be averaged: levels in dB to power, the others unchanged."""
        levels = (True, True, *self._levels)
        ten = np.float32(10)
        return [np.power(ten, one / ten) if level else one for one, level in zip(values, levels, strict=True)]

    def bands(self, linear: Values) -> Values:
        """Compute every band from averaged values of `linear`."""
        co, cross, *others = linear
        rest = (db(one) if level else one for one, level in zip(others, self._levels, strict=True))
        return [formula(co, cross) if formula else next(rest) for formula in self._formulas]


def write_cog_mosaic(mosaic: Mosaic, folder: str | Path) -> Path:
    """Write a mosaic as the COG ``{folder}/{name}.tif``, completely or not at all; the same COGs give the same pixels.

    float32, NaN for no data, ZSTD level 1 with the floating-point predictor. The pixels pass through uncompressed
    temporary files beside the product, one for each overview, which hold no empty blocks.

    Parameters
    ----------
    mosaic : Mosaic
        The mosaic to write.
    folder : path
        Created if needed.

    Raises
    ------
    ProductError
        If a tile's COG cannot be read, or the mosaic cannot be written, for example because the disk is full.
    """
    final, averaging = Path(folder, f"{mosaic.name}.tif"), Averaging(mosaic.labels)
    boxes = list(_levels(mosaic.geobox))
    run = uuid4().hex
    files = [final.with_name(f".{final.stem}.{run}.{level}.part.tif") for level in range(len(boxes))]
    try:
        with writing(final) as temporary:
            _write(files[0], boxes[0], len(mosaic.labels), _mosaicked(mosaic, averaging))
            for finer, file, box in zip(files, files[1:], boxes[1:], strict=False):
                with rasterio.open(finer) as dataset:
                    _write(file, box, len(mosaic.labels), _halved(dataset, box, averaging))
            with MemoryFile(_joined(mosaic, files).encode(), ext=".vrt") as memory, memory.open() as source:
                _copy_as_cog(source, temporary)
            refuse_unwritten(temporary)
    finally:
        for file in files:
            with suppress(FileNotFoundError):
                file.unlink()
    return final


def _levels(box: GeoBox) -> Iterator[GeoBox]:
    """Yield the grids of the mosaic and its overviews; each pixel covers two by two pixels of the grid before."""
    yield box
    while max(box.shape) > BLOCK_SIZE:
        width, height = -(-box.width // 2), -(-box.height // 2)
        box = GeoBox(box.epsg, 2 * box.resolution, box.left, box.top, width, height)
        yield box


def _windows(shape: tuple[int, int], side: int) -> Iterator[tuple[slice, slice]]:
    for row in range(0, shape[0], side):
        for column in range(0, shape[1], side):
            yield slice(row, min(row + side, shape[0])), slice(column, min(column + side, shape[1]))


def _write(path: Path, box: GeoBox, count: int, blocks: Iterator[tuple[tuple[slice, slice], Values]]) -> None:
    """Write a sparse, uncompressed GeoTIFF from blocks of all bands, and check that every block was written."""
    profile = {"crs": box.crs, "transform": rasterio.Affine(*box.transform), "width": box.width, "height": box.height}
    options = {"tiled": True, "blockxsize": BLOCK_SIZE, "blockysize": BLOCK_SIZE, "interleave": "band"}
    options |= {"sparse_ok": True, "bigtiff": "YES", "dtype": "float32", "nodata": np.nan, "driver": "GTiff"}
    written = set()
    with rasterio.open(path, "w", count=count, **options, **profile) as dataset:
        for (rows, columns), values in blocks:
            for inner in _windows(values[0].shape, BLOCK_SIZE):
                part = np.stack([band[inner] for band in values])
                if not np.isnan(part).all():
                    row, column = rows.start + inner[0].start, columns.start + inner[1].start
                    dataset.write(part, window=Window(column, row, *part.shape[:0:-1]))
                    written.add((row // BLOCK_SIZE, column // BLOCK_SIZE))
    _refuse_lost(path, written)


def _refuse_lost(path: Path, written: set[tuple[int, int]]) -> None:
    """Raise OSError if a written block is missing: on a full disk GDAL can lose it without reporting an error."""
    size = path.stat().st_size
    with rasterio.open(path) as dataset:
        for row, column in written:
            for band in dataset.indexes:
                offset = dataset.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=band)
                if not offset or int(offset) >= size:
                    raise OSError(f"block {column}, {row} of band {band} was not written")


def _mosaicked(mosaic: Mosaic, averaging: Averaging) -> Iterator[tuple[tuple[slice, slice], Values]]:
    """Yield the mosaic block by block; a group of COGs fills only pixels without a value from an earlier group."""
    factors = [_factor(mosaic, group) for group in mosaic.groups()]
    bounds_of = dict(zip((cog.path for cog in mosaic.cogs), mosaic.bounds, strict=True))
    side = max(KNOTS, WORKED >> math.ceil(math.log2(max(factors))))
    for rows, columns in _windows(mosaic.geobox.shape, side):
        block = crop(mosaic.geobox, rows, columns)
        values = [np.full(block.shape, np.nan, np.float32) for _ in mosaic.labels]
        for group, factor in zip(mosaic.groups(), factors, strict=True):
            near = [cog for cog in group if _touching(block.bounds, bounds_of[cog.path])]
            if near and any(np.isnan(band).any() for band in values):
                if mosaic.native(group):
                    found = _gathered(near, block, range(len(mosaic.labels)))
                else:
                    found = _resampled(near, block, factor, averaging)
                for band, new in zip(values, found, strict=True):
                    np.copyto(band, new, where=np.isnan(band))
        yield (rows, columns), values


def _factor(mosaic: Mosaic, group: Sequence[Cog]) -> int:
    """Return the side in tile pixels of the blocks that are averaged before interpolation."""
    return 1 if mosaic.native(group) else max(1, math.floor(mosaic.coarsening(group) + 1e-6))


def _touching(one: Bounds, other: Bounds) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _gathered(cogs: Sequence[Cog], box: GeoBox, places: Sequence[int]) -> Values:
    """Read bands of COGs on one lattice for a box; a COG fills only pixels without a value from an earlier one."""
    values = [np.full(box.shape, np.nan, np.float32) for _ in places]
    for cog in cogs:
        common = overlap(box, cog.geobox)
        if common:
            with ExitStack() as stack:
                opened = cache(lambda path: stack.enter_context(open_raster(path)))
                for band, place in zip(values, places, strict=True):
                    view = band[common.target]
                    empty = np.isnan(view)
                    if empty.any():
                        path, number = cog.source(place)
                        np.copyto(view, opened(path).read(*common.source, number), where=empty)
    return values


def _resampled(cogs: Sequence[Cog], block: GeoBox, factor: int, averaging: Averaging) -> Values:
    """Resample COGs of one lattice onto a block: as one raster, in power.

    The averaged pixels start at multiples of their size, wherever the tiles begin, so that neighbours share them.
    """
    size = cogs[0].geobox.resolution
    coarse = covering_grid([cog.geobox.bounds for cog in cogs], cogs[0].geobox.epsg, size * factor)
    window = covering_window(block, coarse)
    if window is None:
        return averaging.bands([np.full(block.shape, np.nan, np.float32) for _ in averaging.needed])
    coarse = crop(coarse, *window)
    fine = GeoBox(coarse.epsg, size, coarse.left, coarse.top, coarse.width * factor, coarse.height * factor)
    linear = averaging.linear(_gathered(cogs, fine, averaging.needed))
    if factor > 1:
        linear = [block_mean(band, factor) for band in linear]
    knots = source_pixels(block, coarse, KNOTS)
    return averaging.bands([bilinear(band, *knots, KNOTS, block.shape) for band in linear])


def _halved(finer: DatasetReader, box: GeoBox, averaging: Averaging) -> Iterator[tuple[tuple[slice, slice], Values]]:
    """Yield the blocks of an overview, each pixel from two by two finer ones; fewer than two valid ones give NaN."""
    for rows, columns in _windows(box.shape, WORKED // 2):
        window = Window(2 * columns.start, 2 * rows.start, *(2 * (s.stop - s.start) for s in (columns, rows)))
        read = [finer.read(place + 1, window=window, boundless=False) for place in averaging.needed]
        padding = [(0, 2 * (s.stop - s.start) - side) for s, side in zip((rows, columns), read[0].shape, strict=True)]
        linear = averaging.linear([np.pad(band, padding, constant_values=np.nan) for band in read])
        yield (rows, columns), averaging.bands([block_mean(band, 2) for band in linear])


def _joined(mosaic: Mosaic, files: Sequence[Path]) -> str:
    """Return the text of a VRT of the mosaic and its overviews, which GDAL's COG driver then copies."""
    root = dataset_element(mosaic.geobox, mosaic.tags)
    for number, label in enumerate(mosaic.labels, start=1):
        band = band_element(root, number, label)
        for tag, file in zip(["SimpleSource", *["Overview"] * (len(files) - 1)], files, strict=True):
            source = add_element(band, tag)
            add_element(source, "SourceFilename", file.resolve(), relativeToVRT=0)
            add_element(source, "SourceBand", number)
    return ElementTree.tostring(root, encoding="unicode")


def _copy_as_cog(source: DatasetReader, path: Path) -> None:
    rasterio.shutil.copy(
        source,
        path,
        driver="COG",
        compress="ZSTD",
        level=1,
        predictor="FLOATING_POINT",
        blocksize=BLOCK_SIZE,
        overviews="FORCE_USE_EXISTING",
        bigtiff="IF_SAFER",
    )
