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

ORBIT_NAME = re.compile(
    r"(?P<mission>S1[A-D])_OPER_AUX_(?P<kind>RESORB|POEORB)_OPOD_(?P<made>\d{8}T\d{6})_"
    r"V(?P<start>\d{8}T\d{6})_(?P<stop>\d{8}T\d{6})\.EOF(?:\.zip|\.gz)?"
)
"""Names of orbit files. Predicted orbits (PREORB) are worse than those in products, so they are not used."""


def find_products(folder: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the paths of the products in a folder, at any depth, in alphabetical order.

    A product is a folder with a manifest, or a folder or zip with the name of a product. Hidden folders and files are
    skipped: downloads that are under way live there. Links to folders are followed, each folder once.

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
            zips = (name for name in sorted(files) if name.endswith(".zip") and is_product_name(name))
            yield from (os.path.join(here, name) for name in zips)
        seen.add(real)


def list_products(folder: str | os.PathLike[str]) -> list[str]:
    """Return the paths of the products in a folder, see `find_products`.

    Raises
    ------
    SourceGoneError
        If there is no such folder, or it holds no product.
    SourceError
        If a folder cannot be listed.
    """
    root = os.fspath(folder)
    if not os.path.isdir(root):
        raise SourceGoneError(
            f"source folder {root}: no such folder", "give an existing folder of GRD products as source.path"
        )
    found = list(find_products(root))
    if not found:
        raise SourceGoneError(
            f"source folder {root}: no Sentinel-1 product in it",
            "put products there under their own names, as SAFE folders or zips, or correct source.path",
        )
    return found


def digests(folder: str, orbits: str | None = None) -> tuple[dict[Month, str], tuple[str, ...]]:
    """Return a digest of each month in a folder, and warnings about what has no product's name.

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
    warnings = []
    for path in list_products(folder):
        name = os.path.basename(path)
        if not is_product_name(name):
            warnings.append(f"source.path: {path} is not used -> give it the name of its product, S1A_IW_GRDH_...SAFE")
            continue
        product = parse_product_name(name)
        contents.setdefault(Month.of(product.start), []).append(f"{product.id} {_size(path)}")
    for path, parts in orbit_files(orbits) if orbits else ():
        first, last = (Month(int(parts[key][:4]), int(parts[key][4:6])) for key in ("start", "stop"))
        for month in first.until(last):
            if month in contents:
                contents[month].append(f"{os.path.basename(path)} {os.stat(path).st_size}")
    found = {month: hashlib.sha256("\n".join(sorted(lines)).encode()) for month, lines in contents.items()}
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
