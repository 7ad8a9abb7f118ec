"""Check a month's COG and preview: against its record by headers, against the cube by every value."""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader, MemoryFile

from s1monthly.audit.report import first_of
from s1monthly.audit.tree_files import TileFolder
from s1monthly.catalog.assets import preview_grid
from s1monthly.catalog.derived_assets import derived_bands
from s1monthly.cube import months as cube
from s1monthly.cube.header import existing_header
from s1monthly.cube.overviews import KEEP_BITS
from s1monthly.errors import CubeError, ProductError, S1MonthlyError
from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.halving import halved
from s1monthly.kernels.preview import preview_rgba, shown_bands
from s1monthly.layout import is_cog, is_derived
from s1monthly.model import Month
from s1monthly.raster.geotiff import GDAL_OPTIONS, open_dataset
from s1monthly.raster.writing import refuse_unwritten, side_file
from s1monthly.records.month import Record, verified
from s1monthly.stages.derived import derived_values, quality_bands

PNG_END = b"IEND\xaeB`\x82"
"""Last bytes of a complete PNG; GDAL reads a truncated one without an error."""

SHADE = 1
"""Tolerance in grey levels, of 255, for a preview computed on another processor."""

SHARE = 1e-5
"""Relative tolerance for a pixel of an overview averaged on another processor."""

OVERVIEW_SHARE = 2.0**-KEEP_BITS
"""The same for a pixel of an overview in the cube, which is rounded."""

# COG


def cog_faults(path: Path, record: Record, kind: str = "cog") -> list[str]:
    """Return why a file is not the COG of a month, without reading pixels.

    Compared are layout, overviews, grid, bands, no data, tags and length.

    Parameters
    ----------
    kind : str
        ``cog`` for that of all bands, else the name of a band, or the kind of a further COG.
    """
    dtype, names = "float32", tuple(record.bands) if kind == "cog" else (kind,)
    if is_derived(kind):
        dtype, names = derived_bands(kind, record.polarization)
    try:
        with rasterio.Env(**GDAL_OPTIONS), rasterio.open(path) as dataset:
            faults = [*_layout_faults(dataset), *_content_faults(dataset, record, names, dtype)]
        if not faults:
            refuse_unwritten(path)
    except RasterioError as error:
        return [f"cannot be opened ({error.__cause__ or error})"]
    except OSError as error:
        return [f"cut short, or never whole ({error})"]
    return faults


def _layout_faults(dataset: DatasetReader) -> Iterator[str]:
    if dataset.driver != "GTiff":
        yield f"a {dataset.driver} file, not a GeoTIFF"
        return
    if dataset.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") != "COG":
        yield "not laid out as a COG: written by something else, or changed since"
    rows, columns = dataset.block_shapes[0]
    if rows != columns or set(dataset.block_shapes) != {(rows, columns)}:
        yield f"not tiled: blocks of {rows} x {columns} pixels"
    elif max(dataset.shape) > rows * max([1, *dataset.overviews(1)]):
        yield f"overviews are missing: there are {dataset.overviews(1) or 'none'}"


def _content_faults(dataset: DatasetReader, record: Record, names: tuple[str, ...], dtype: str) -> Iterator[str]:
    grid = record.grid
    epsg = dataset.crs.to_epsg() if dataset.crs else None
    if epsg != grid.epsg:
        yield f"in {f'EPSG:{epsg}' if epsg else 'no CRS'}, not {grid.crs}"
    if dataset.shape != grid.shape:
        yield f"{dataset.shape[0]} x {dataset.shape[1]} pixels, not {grid.shape[0]} x {grid.shape[1]}"
    if tuple(dataset.transform)[:6] != tuple(grid.transform):
        yield "on another grid: its transform is not the record's"
    if dataset.descriptions != names:
        yield f"bands {', '.join(str(name) for name in dataset.descriptions)}, not {', '.join(names)}"
    if set(dataset.dtypes) != {dtype}:
        yield f"of type {', '.join(sorted(set(dataset.dtypes)))}, not {dtype}"
    if dtype == "float32" and not all(value is not None and math.isnan(value) for value in dataset.nodatavals):
        yield "no data is not declared as NaN"
    if dataset.tags().get("DIGEST") != record.digest:
        yield "made of other values than the record's (tag DIGEST)"
    elif not _names_granules(dataset.tags(), record):
        yield "made of other granules than the record's (tag GRANULES)"


def _names_granules(tags: Mapping[str, str], record: Record) -> bool:
    """Return True if COG and record name the same granules, or one of them names none."""
    if "GRANULES" not in tags or record.granules is None:
        return True
    return sorted(tags["GRANULES"].split()) == sorted(granule.id for granule in record.granules)


def derived_difference(path: Path, record: Record, kind: str, bands: Mapping[str, NDArray[np.float32]]) -> str | None:
    """Return how a further COG differs from what follows from the bands; None if it does not."""
    expected = derived_values(record, kind, bands)
    try:
        with open_dataset(path) as dataset:
            for number, (name, values) in enumerate(expected.items(), 1):
                found = dataset.read(number)
                if values.dtype == np.float32:
                    alike = np.allclose(found, values, 1e-6, 0, equal_nan=True)
                elif kind == "quality":
                    alike = np.array_equal(found, values)
                else:
                    alike = np.abs(found.astype(np.int16) - values).max() <= SHADE
                if not alike:
                    return f"band {name}: not what follows from the cube"
    except ProductError as error:
        return error.problem.removeprefix(f"raster {path}: ")
    return None


def cog_difference(path: Path, band: int, values: NDArray[np.float32], grid: GeoBox) -> str | None:
    """Return how a band of a COG differs from the cube; None if it does not.

    Pixels are compared bit by bit (all NaN are equal), overviews with those that GDAL averages from `values`. A full
    band of 3660 x 3660 pixels takes 0.4 s.

    Parameters
    ----------
    band : int
        Counted from 1.
    values : array (rows, columns), float32
        Values of the cube; NaN for no data.
    grid : GeoBox
        Grid of the values.
    """
    try:
        with open_dataset(path) as dataset:
            levels = dataset.overviews(band)
            if not np.array_equal(dataset.read(band), values, equal_nan=True):
                return "not what the cube holds"
        for number, expected in enumerate(_overviews(values, grid, levels)):
            with open_dataset(path, overview_level=number) as overview:
                found = overview.read(band)
            if found.shape != expected.shape or not np.allclose(found, expected, SHARE, 0, equal_nan=True):
                return f"overview 1:{levels[number]} is not the average of its pixels"
    except ProductError as error:
        return error.problem.removeprefix(f"raster {path}: ")
    return None


def _overviews(values: NDArray[np.float32], grid: GeoBox, levels: list[int]) -> list[NDArray[np.float32]]:
    """Return overviews of a band at some levels, averaged by GDAL; `kernels.halving` gives the same bits."""
    profile = {"driver": "GTiff", "dtype": "float32", "count": 1, "nodata": np.nan, "tiled": True}
    georeference = {"crs": grid.crs, "transform": rasterio.Affine(*grid.transform)}
    with MemoryFile() as file:
        with file.open(width=grid.width, height=grid.height, **profile, **georeference) as dataset:
            dataset.write(values, 1)
            dataset.build_overviews(levels, Resampling.average)
        averaged = []
        for number, _ in enumerate(levels):
            with file.open(overview_level=number) as overview:
                averaged.append(overview.read(1))
        return averaged


def cube_overview_fault(store: Path, month: Month, band: str, values: NDArray[np.float32]) -> str | None:
    """Return how the overviews in the cube differ from those of a band's values; None if they do not.

    Parameters
    ----------
    values : array (rows, columns), float32
        Values of the band; NaN for no data.
    """
    factors = existing_header(store).overviews
    with ThreadPoolExecutor(1) as pool:
        for factor in factors:
            values = halved(values, pool)
            try:
                found = cube.read_overview(store, month, band, factor)
            except CubeError as error:
                return error.problem
            if not np.allclose(found, values, OVERVIEW_SHARE, 0, equal_nan=True):
                return f"{month}: overview {factor} of {band} in the cube is not the average of its pixels"
    return None


# preview


def preview_fault(path: Path, grid: GeoBox) -> str | None:
    """Return why a preview cannot be shown on its month's grid; None if it can.

    Previews of earlier versions have no side file.
    """
    try:
        place = preview_grid(path, grid)
        if not path.read_bytes().endswith(PNG_END):
            return "cut short"
        picture = _read_picture(path)
        if side_file(path).exists() and not _is_placed(path, place):
            return f"its side file {side_file(path).name} does not place it on its month's grid"
    except ProductError as error:
        return error.problem.removeprefix(f"preview {path}: ")
    except RasterioError as error:
        return f"cannot be decoded ({error.__cause__ or error})"
    return None if len(picture) == 4 else f"{len(picture)} channels, not red, green, blue and alpha"


def _is_placed(path: Path, grid: GeoBox) -> bool:
    """Return True if GDAL finds a picture on a grid."""
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="TRUE"), rasterio.open(path, driver="PNG") as dataset:
        epsg = dataset.crs.to_epsg() if dataset.crs else None
        return epsg == grid.epsg and tuple(dataset.transform)[:6] == tuple(grid.transform)


def _read_picture(path: Path) -> NDArray[np.uint8]:
    # ignore side files, which could describe it differently
    with rasterio.Env(GDAL_PAM_ENABLED="NO", **GDAL_OPTIONS), rasterio.open(path, driver="PNG") as dataset:
        picture: NDArray[np.uint8] = dataset.read()
        return picture


@contextmanager
def ignore_missing_georeference() -> Iterator[None]:
    """Suppress rasterio's warning that a PNG has no grid. Use it around threads, not inside: they share the filters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


# against the cube


def compare_with_cube(folder: TileFolder, record: Record, kinds: Collection[str]) -> tuple[str, str] | None:
    """Return the first product that does not show the month as the cube holds it, and why.

    The values of every band are compared with the record's statistics and digest, and with the COG pixel by pixel,
    including overviews. The preview is drawn again and compared.

    Parameters
    ----------
    kinds : collection of str
        Products to compare, see `items.products`.

    Returns
    -------
    tuple of str, or None
        Kind (``record`` if the cube contradicts the record, ``overviews`` if those in the cube do not show the
        month) and reason; None if nothing differs.
    """
    month = record.key.month
    cogs, preview = {kind: folder.place(kind, month) for kind in filter(is_cog, kinds)}, folder.place("preview", month)
    shown = shown_bands(record.polarization.layers)
    drawn: dict[str, NDArray[np.float32]] = {}
    for kind, path in cogs.items():
        if faults := cog_faults(path, record, kind):
            return kind, "; ".join(faults)
    try:
        bands = cube.read_checked(folder.cube, month, record.digest)
        different: tuple[str, str] | None = None
        overview_fault: str | None = None
        for number, (name, values) in enumerate(verified(record, bands), 1):
            for kind, band in (("cog", number), (name, 1)):
                if kind in cogs and not different:
                    fault = cog_difference(cogs[kind], band, values, record.grid)
                    different = (kind, f"band {name}: {fault}") if fault else None
            overview_fault = overview_fault or cube_overview_fault(folder.cube, month, name, values)
            if name in shown:
                drawn[name] = values
    except S1MonthlyError as error:
        return "record", error.problem
    if overview_fault:
        return "overviews", overview_fault
    if different:  # not before the cube is known to be right, of which the COG may be the last copy
        return different
    if "quality" in kinds:
        drawn |= quality_bands(folder.cube, month)
    for kind in filter(is_derived, kinds):
        path = folder.place(kind, month)
        different_from = first_of(cog_faults(path, record, kind)) or derived_difference(path, record, kind, drawn)
        if different_from:
            return kind, different_from
    fault = preview_fault(preview, record.grid) if "preview" in kinds else None
    if fault:
        return "preview", fault
    if "preview" not in kinds:
        return None
    picture = _read_picture(preview)
    factor = -(-record.grid.width // picture.shape[2])
    (co, cross), ratio = (drawn[name] for name in shown[:2]), drawn.get(shown[2])
    again = preview_rgba(co, cross, ratio, factor)
    alike = picture.shape == again.shape and np.abs(picture.astype(np.int16) - again).max() <= SHADE
    return None if alike else ("preview", "it does not show what the cube holds")
