"""The files of a Sentinel-1 product in SAFE format: a folder, or a zip that is read without unpacking."""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from s1monthly.errors import SourceError
from s1monthly.granule_names import ProductName, is_product_name, parse_product_name
from s1monthly.sources.grd.elements import MOST_BYTES, REMEDY
from s1monthly.sources.grd.listing import MANIFEST

PIECE = 2**20
"""Bytes read at a time."""


@dataclass(frozen=True)
class SafeFiles:
    """The files of one product.

    Attributes
    ----------
    path : str
        Its folder or zip.
    inside : str
        For a zip, the folder in it that holds the manifest, with a slash at its end, or nothing; else None.
    sizes : mapping of str to int
        Names relative to the manifest, and their unpacked sizes in bytes.
    """

    path: str
    inside: str | None
    sizes: Mapping[str, int]

    @property
    def name(self) -> ProductName:
        """What the name of the product says; in a zip, the folder's name counts if it is a product's."""
        names = [(self.inside or "").strip("/").rpartition("/")[2], os.path.basename(self.path.rstrip("/"))]
        return parse_product_name(next(filter(is_product_name, names), names[1]))

    def label(self, name: str) -> str:
        """Return the full name of a file, for messages."""
        return f"{self.path}/{self.inside or ''}{name}"

    def read(self, name: str) -> bytes:
        """Read a small file, such as XML.

        Raises
        ------
        SourceError
            If it is missing, damaged or larger than any XML of a product.
        """
        size = self.sizes.get(name)
        if size is None:
            raise SourceError(f"{self.label(name)}: no such file", REMEDY)
        if size > MOST_BYTES:
            raise SourceError(f"{self.label(name)}: {size:,} bytes, more than {MOST_BYTES:,}", REMEDY)
        with self._open(name) as file:
            return file.read(MOST_BYTES + 1)

    def md5(self, name: str) -> str:
        """Return the checksum of a file, 32 hexadecimal digits; it is read from start to end.

        Raises
        ------
        SourceError
            If it is missing or damaged.
        """
        digest = hashlib.md5(usedforsecurity=False)
        with self._open(name) as file:
            while piece := file.read(PIECE):
                digest.update(piece)
        return digest.hexdigest()

    @contextmanager
    def _open(self, name: str) -> Iterator[IO[bytes]]:
        try:
            if self.inside is None:
                with open(os.path.join(self.path, name), "rb") as file:
                    yield file
            else:
                with zipfile.ZipFile(self.path) as archive, archive.open(self.inside + name) as member:
                    yield member
        # RuntimeError: encrypted; NotImplementedError: packed in another way; EOFError: cut short
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
            raise SourceError(f"{self.label(name)}: {error or 'cut short'}", REMEDY) from error

    def gdal_path(self, name: str) -> str:
        """Return the path by which GDAL opens a file, also within a zip."""
        if self.inside is None:
            return os.path.join(self.path, name)
        return f"/vsizip/{{{os.path.abspath(self.path)}}}/{self.inside}{name}"


def open_safe(path: str | os.PathLike[str]) -> SafeFiles:
    """List the files of a product.

    Parameters
    ----------
    path : path
        A SAFE folder, or a zip that holds one at any depth.

    Raises
    ------
    SourceError
        If it cannot be read, or does not hold exactly one manifest.
    """
    path = os.fspath(path)
    try:
        return _list_folder(path) if os.path.isdir(path) else _list_zip(path)
    except OSError as error:
        raise SourceError(f"product {path}: {error.strerror or error}", REMEDY) from error


def _list_folder(path: str) -> SafeFiles:
    sizes = {}
    for folder, _, files in os.walk(path):
        for file in files:
            full = os.path.join(folder, file)
            sizes[os.path.relpath(full, path).replace(os.sep, "/")] = os.stat(full).st_size
    if MANIFEST not in sizes:
        raise SourceError(f"product {path}: no {MANIFEST} in it", REMEDY)
    return SafeFiles(path, None, sizes)


def _list_zip(path: str) -> SafeFiles:
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info.file_size for info in archive.infolist() if not info.is_dir()}
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise SourceError(f"product {path}: no whole zip: {error}", REMEDY) from error
    manifests = [name for name in members if name.rpartition("/")[2] == MANIFEST]
    if len(manifests) != 1:
        problem = f"holds {len(manifests)} files {MANIFEST}, not one"
        raise SourceError(f"product {path}: {problem}", "give one zip for each product, whole")
    inside = manifests[0].removesuffix(MANIFEST)
    sizes = {name.removeprefix(inside): size for name, size in members.items() if name.startswith(inside)}
    return SafeFiles(path, inside, sizes)
