"""Compare a month's COG, preview and Item with its record."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from s1monthly.audit.origins import credible_origin
from s1monthly.audit.overviews import unlike
from s1monthly.catalog import item as stac
from s1monthly.catalog.assets import asset_file, preview_file, preview_grid
from s1monthly.cube import months as cube
from s1monthly.errors import ProductError, S1MonthlyError
from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.preview import preview_rgba, shown_bands
from s1monthly.layout import Layout
from s1monthly.raster.geotiff import GDAL_OPTIONS
from s1monthly.raster.writing import refuse_unwritten
from s1monthly.records.month import Record, verified

NAMES = {"cog": "COG", "preview": "preview"}
"""Products that the configuration can switch off, and their names in messages."""

OPTIONAL = tuple(NAMES)

TOLERANCE = 2e-6
"""Tolerance in degrees for outlines computed by another version of PROJ: twice the rounding."""

PNG_END = b"IEND\xaeB`\x82"
"""Last bytes of a complete PNG; GDAL reads a truncated one without an error."""

SHADE = 1
"""Tolerance in grey levels, of 255, for a preview computed on another processor."""


def paths_of(record: Record, layout: Layout) -> dict[str, Path]:
    """Return the paths of a month's products by the kinds of `item.ASSETS`."""
    place = layout.of(record.key)
    return {kind: Path(place.cube if kind == "zarr" else getattr(place, kind)) for kind in stac.ASSETS}


def named_by(item: Mapping[str, Any] | None, usual: Iterable[str]) -> set[str]:
    """Return the optional products that the Item names; if no Item tells, those in `usual`."""
    assets = item.get("assets") if item else None
    return {kind for kind in OPTIONAL if kind in (assets if isinstance(assets, Mapping) else usual)}


def property_of(item: Mapping[str, Any] | None, name: str) -> Any:
    """Return a property of an Item; None if there is no such property or no Item."""
    properties = item.get("properties") if item else None
    return properties.get(name) if isinstance(properties, Mapping) else None


def read_item(path: Path) -> dict[str, Any] | None:
    """Read an Item; return None if it is missing or cannot be read."""
    try:
        return stac.read_document(path)
    except ProductError:
        return None


def expected_item(
    record: Record, layout: Layout, kinds: Iterable[str], found: Mapping[str, Any] | None, checksums: bool
) -> dict[str, Any]:
    """Build the Item that a month should have.

    Parameters
    ----------
    kinds : iterable of str
        Optional products that the Item names.
    found : mapping or None
        The existing Item. If the record was rebuilt, what this Item says about the month's origin is kept.
    checksums : bool
        False to take the COG's checksum from `found` instead of reading the COG.

    Raises
    ------
    ProductError
        If a product is missing, or the preview is not a picture of the month's grid.
    """
    paths, folder = paths_of(record, layout), Path(layout.of(record.key).folder)
    files = {"zarr": asset_file(paths["zarr"], folder), "record": asset_file(paths["record"], folder)}
    if "cog" in kinds:
        told = None if checksums else checksum_in(found, "cog")
        files["cog"] = asset_file(paths["cog"], folder, told)
    if "preview" in kinds:
        files["preview"] = preview_file(paths["preview"], folder, record.grid)
    item = stac.item(record, files)
    if record.unknown and found and property_of(found, "s1:digest") == record.digest:
        kept = credible_origin(found["properties"], record.key.month)
        item["properties"] = {**kept, **item["properties"]}
        item["stac_extensions"] = stac.declared({**item, "stac_extensions": []})
    return item


def checksum_in(item: Mapping[str, Any] | None, kind: str) -> str | None:
    """Return the SHA-256 of an asset from its Item; None if the Item does not have it."""
    try:
        text = item["assets"][kind]["file:checksum"] if item else ""
    except (KeyError, TypeError):
        return None
    match = re.fullmatch("1220([0-9a-f]{64})", text) if isinstance(text, str) else None
    return match[1] if match else None


def differences(found: Any, expected: Any, place: str = "") -> Iterator[str]:
    """Yield a line for each wrong value of a document: ``place: found, not expected``."""
    if isinstance(found, Mapping) and isinstance(expected, Mapping):
        for key in [*expected, *(key for key in found if key not in expected)]:
            inner = f"{place}.{key}" if place else str(key)
            if key not in found:
                yield f"{inner}: missing"
            elif key not in expected:
                yield f"{inner}: does not belong there"
            else:
                yield from differences(found[key], expected[key], inner)
    elif isinstance(found, list) and isinstance(expected, list):
        if len(found) != len(expected):
            yield f"{place}: {len(found)} entries, not {len(expected)}"
            return
        for index, (one, other) in enumerate(zip(found, expected, strict=True)):
            yield from differences(one, other, f"{place}[{index}]")
    elif not _same(found, expected):
        yield f"{place}: {_short(found)}, not {_short(expected)}"


def _same(found: Any, expected: Any) -> bool:
    if isinstance(found, float | int) and isinstance(expected, float) and not isinstance(found, bool):
        return math.isclose(found, expected, rel_tol=1e-9, abs_tol=TOLERANCE)
    return bool(type(found) is type(expected) and found == expected)


def _short(value: Any, most: int = 40) -> str:
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."


# COG


def names_granules(tags: Mapping[str, str], record: Record) -> bool:
    """Return True if COG and record name the same granules, or one of them names none."""
    if "GRANULES" not in tags or record.granules is None:
        return True
    return sorted(tags["GRANULES"].split()) == sorted(granule.id for granule in record.granules)


def names_software(tags: Mapping[str, str], record: Record) -> bool:
    """Return True if COG and record name the same software, or one of them names none."""
    if record.software is None:
        return True
    software = sorted(f"{name}={text}" for name, text in record.software.items())
    return sorted(tags.get("SOFTWARE", " ".join(software)).split()) == software


def cog_faults(path: Path, record: Record) -> list[str]:
    """Return why a file is not the COG of a month, without reading pixels.

    Compared are layout, overviews, grid, bands, no data, tags and length.
    """
    try:
        with rasterio.Env(**GDAL_OPTIONS), rasterio.open(path) as dataset:
            faults = [*_layout_faults(dataset), *_content_faults(dataset, record)]
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


def _content_faults(dataset: DatasetReader, record: Record) -> Iterator[str]:
    grid, names = record.grid, tuple(record.bands)
    epsg = dataset.crs.to_epsg() if dataset.crs else None
    if epsg != grid.epsg:
        yield f"in {f'EPSG:{epsg}' if epsg else 'no CRS'}, not {grid.crs}"
    if dataset.shape != grid.shape:
        yield f"{dataset.shape[0]} x {dataset.shape[1]} pixels, not {grid.shape[0]} x {grid.shape[1]}"
    if tuple(dataset.transform)[:6] != tuple(grid.transform):
        yield "on another grid: its transform is not the record's"
    if dataset.descriptions != names:
        yield f"bands {', '.join(str(name) for name in dataset.descriptions)}, not {', '.join(names)}"
    if set(dataset.dtypes) != {"float32"}:
        yield f"of type {', '.join(sorted(set(dataset.dtypes)))}, not float32"
    if not all(value is not None and math.isnan(value) for value in dataset.nodatavals):
        yield "no data is not declared as NaN"
    if dataset.tags().get("DIGEST") != record.digest:
        yield "made of other values than the record's (tag DIGEST)"
    elif not names_granules(dataset.tags(), record):
        yield "made of other granules than the record's (tag GRANULES)"


# preview


def preview_fault(path: Path, grid: GeoBox) -> str | None:
    """Return why a preview cannot be shown on its month's grid; None if it can."""
    try:
        preview_grid(path, grid)
        if not path.read_bytes().endswith(PNG_END):
            return "cut short"
        picture = _picture(path)
    except ProductError as error:
        return error.problem.removeprefix(f"preview {path}: ")
    except RasterioError as error:
        return f"cannot be decoded ({error.__cause__ or error})"
    return None if len(picture) == 4 else f"{len(picture)} channels, not red, green, blue and alpha"


def _picture(path: Path) -> NDArray[np.uint8]:
    # ignore side files, which could describe it differently
    with rasterio.Env(GDAL_PAM_ENABLED="NO", **GDAL_OPTIONS), rasterio.open(path, driver="PNG") as dataset:
        picture: NDArray[np.uint8] = dataset.read()
        return picture


@contextmanager
def pictures_need_no_grid() -> Iterator[None]:
    """Suppress rasterio's warning that a PNG has no grid. Use it around threads, not inside: they share the filters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


# against the cube


def unlike_the_cube(record: Record, layout: Layout, kinds: Iterable[str]) -> tuple[str, str] | None:
    """Return the first product that does not show the month as the cube holds it, and why.

    The values of every band are compared with the record's statistics and digest, and with the COG pixel by pixel,
    including overviews. The preview is drawn again and compared.

    Parameters
    ----------
    kinds : iterable of str
        Products of `OPTIONAL` to compare.

    Returns
    -------
    tuple of str, or None
        Kind (``record`` if the cube contradicts the record) and reason; None if nothing differs.
    """
    paths = paths_of(record, layout)
    shown = shown_bands(record.polarization.layers)
    drawn: dict[str, NDArray[np.float32]] = {}
    faults = cog_faults(paths["cog"], record) if "cog" in kinds else []
    if faults:
        return "cog", "; ".join(faults)
    try:
        bands = cube.read_checked(paths["zarr"], record.key.month, record.digest)
        cog_fault = None
        for number, (name, values) in enumerate(verified(record, bands), 1):
            if "cog" in kinds and not cog_fault:
                cog_fault = unlike(paths["cog"], number, values, record.grid)
                cog_fault = cog_fault and f"band {name}: {cog_fault}"
            if name in shown:
                drawn[name] = values
    except S1MonthlyError as error:
        return "record", error.problem
    if cog_fault:  # not before the cube is known to be right, of which the COG may be the last copy
        return "cog", cog_fault
    if "preview" not in kinds:
        return None
    fault = preview_fault(paths["preview"], record.grid)
    if fault:
        return "preview", fault
    picture = _picture(paths["preview"])
    factor = -(-record.grid.width // picture.shape[2])
    co, cross, ratio = (drawn[name] for name in shown)
    again = preview_rgba(co, cross, ratio, factor)
    alike = picture.shape == again.shape and np.abs(picture.astype(np.int16) - again).max() <= SHADE
    return None if alike else ("preview", "it does not show what the cube holds")
