"""List a folder of GRD products by names and sizes only. Imports the standard library only."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from functools import cache

from s1monthly.errors import SourceError, SourceGoneError
from s1monthly.granule_names import is_product_name, parse_product_name
from s1monthly.model import Month

MANIFEST = "manifest.safe"

_ARCHIVE = re.compile(r".*S1[A-D]_(?:IW|EW|S[1-6])_GRD.*\.(?:zip|tar|tgz|tar\.gz|7z)", re.IGNORECASE)
"""A packed product, whether its name is right or not."""

ORBIT_NAME = re.compile(
    r"(?P<mission>S1[A-D])_OPER_AUX_(?P<kind>RESORB|POEORB)_OPOD_(?P<made>\d{8}T\d{6})_"
    r"V(?P<start>\d{8}T\d{6})_(?P<stop>\d{8}T\d{6})\.EOF(?:\.zip|\.gz)?"
)
"""Names of orbit files. Predicted orbits (PREORB) are worse than those in products, so they are not used."""


def find_products(folder: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the paths of the products in a folder, at any depth, in alphabetical order.

    A product is a folder with a manifest, or a folder or zip with the name of a product. Archives whose names are much
    like it are yielded too: they are not used, but not passed over in silence. Hidden folders and files are skipped:
    downloads that are under way live there. Links to folders are followed, each folder once.

    Raises
    ------
    SourceError
        If a folder cannot be listed.
    """
    seen: set[str] = set()

    def refuse(error: OSError) -> None:
        raise SourceError(f"folder {error.filename}: {error.strerror}", "make it readable, or remove it") from error

    for here, folders, files in os.walk(os.fspath(folder), followlinks=True, onerror=refuse):
        real = os.path.realpath(here)
        # a product that was unpacked twice lies in a folder of its own name
        named = is_product_name(os.path.basename(here)) and not any(map(is_product_name, (*folders, *files)))
        is_product = MANIFEST in files or named
        if real in seen or is_product:
            folders.clear()
        if real not in seen and is_product:
            yield here
        elif real not in seen:
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            yield from (os.path.join(here, name) for name in sorted(files) if _is_packed(name))
        seen.add(real)


def _is_packed(name: str) -> bool:
    like = name.endswith(".zip") and is_product_name(name)
    return like or (not name.startswith(".") and _ARCHIVE.fullmatch(name) is not None)


def list_products(folder: str | os.PathLike[str]) -> list[str]:
    """Return the paths of the GRD products in a folder, see `find_products`; and of those without a product's name.

    SLC, RAW and OCN products may lie beside them.

    Raises
    ------
    SourceGoneError
        If there is no such folder, or it holds no product with a product's name.
    SourceError
        If a folder cannot be listed.
    """
    root = os.fspath(folder)
    if not os.path.isdir(root):
        raise SourceGoneError(
            f"source folder {root}: no such folder", "give an existing folder of GRD products as source.path"
        )
    found = [path for path in find_products(root) if not _is_other_kind(os.path.basename(path))]
    if not any(is_product_name(os.path.basename(path)) for path in found):
        but = f" under its own name, but {found[0]}" if found else ""
        raise SourceGoneError(
            f"source folder {root}: no Sentinel-1 GRD product in it{but}",
            "put products there under their own names, as SAFE folders or zips, or correct source.path",
        )
    return found


def _is_other_kind(name: str) -> bool:
    return is_product_name(name) and parse_product_name(name).product_type != "GRD"


def digests(folder: str, orbits: str | None = None) -> tuple[dict[Month, str], tuple[str, ...]]:
    """Return a digest of each month in a folder, and warnings: of other names than a product's, of no orbit files.

    A digest changes with any product, orbit file or size, but not with folders.

    Parameters
    ----------
    folder : str
        Folder of products.
    orbits : str, optional
        Folder of orbit files.

    Raises
    ------
    SourceError
        As for `list_products`, or if there is no folder of orbit files.
    """
    contents: dict[Month, list[str]] = {}
    unused, orbit_paths = [], list(orbit_files(orbits)) if orbits else []
    for path in list_products(folder):
        name = os.path.basename(path)
        if not is_product_name(name):
            unused.append(path)
            continue
        product = parse_product_name(name)
        contents.setdefault(Month.of(product.start), []).append(f"{product.id} {_size(path)}")
    for path, parts in orbit_paths:
        first, last = (Month(int(parts[key][:4]), int(parts[key][4:6])) for key in ("start", "stop"))
        for month in first.until(last):
            if month in contents:
                contents[month].append(f"{os.path.basename(path)} {os.stat(path).st_size}")
    found = {month: hashlib.sha256("\n".join(sorted(lines)).encode()) for month, lines in contents.items()}
    warnings = []
    if unused:
        more = f" and {len(unused) - 1} more are" if unused[1:] else " is"
        remedy = "give products their own names, S1A_IW_GRDH_...SAFE or .zip in these letters, unpack other archives"
        warnings.append(f"source.path: {unused[0]}{more} not used -> {remedy}")
    if orbits and not orbit_paths:
        remedy = "put POEORB or RESORB files there under their own names, or say grd.orbits: none"
        warnings.append(f"grd.orbits: no orbit file in {orbits}, so the orbits in the products are used -> {remedy}")
    return {month: digest.hexdigest() for month, digest in found.items()}, tuple(warnings)


def _size(path: str) -> str:
    """Return the sizes of a product's files, or of its zip."""
    if not os.path.isdir(path):
        return str(os.stat(path).st_size)
    sizes = {}
    for here, _, files in os.walk(path):
        for file in files:
            full = os.path.join(here, file)
            sizes[os.path.relpath(full, path)] = os.stat(full).st_size
    return " ".join(f"{name}:{size}" for name, size in sorted(sizes.items()))


def orbit_files(folder: str | os.PathLike[str]) -> Iterator[tuple[str, re.Match[str]]]:
    """Yield the paths of the orbit files in a folder, at any depth, and the parts of their names (`ORBIT_NAME`).

    Raises
    ------
    SourceError
        If there is no such folder.
    """
    if not os.path.isdir(folder):
        raise SourceError(f"grd.orbits: {folder}: no such folder", "give an existing folder of orbit files, or none")
    for here, folders, files in os.walk(folder):
        folders.sort()
        for file in sorted(files):
            parts = ORBIT_NAME.fullmatch(file)
            if parts:
                yield os.path.join(here, file), parts


@cache
def dem_files(path: str) -> str:
    """Return a digest of the names and sizes of all files of a DEM: of a folder of tiles, or of a raster."""
    if not os.path.isdir(path):
        return str(os.stat(path).st_size)
    lines = []
    for here, folders, files in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        lines += [f"{file} {os.stat(os.path.join(here, file)).st_size}" for file in files]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
