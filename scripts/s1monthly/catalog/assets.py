"""The files of a month on disk: path, size, checksum; and the grid of a preview."""

from __future__ import annotations

import hashlib
import os
import struct
from dataclasses import dataclass, replace
from pathlib import Path

from s1monthly.errors import ProductError
from s1monthly.grid.lattice import GeoBox

_PNG = struct.Struct(">8sI4sII")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class AssetFile:
    """A file or store that an Item names.

    Attributes
    ----------
    href : str
        Relative to the Item, with forward slashes.
    size : int or None
        Bytes; None for a store of many files.
    sha256 : str or None
        64 hexadecimal digits; None for a store of many files.
    grid : GeoBox or None
        Grid of the file if it differs from the month's.
    """

    href: str
    size: int | None = None
    sha256: str | None = None
    grid: GeoBox | None = None


def relative(path: str | Path, folder: str | Path) -> str:
    """Return a path relative to a folder, with forward slashes."""
    return Path(os.path.relpath(path, folder)).as_posix()


def asset_file(path: str | Path, folder: str | Path, sha256: str | None = None) -> AssetFile:
    """Describe a file for an Item in `folder`; a store (itself a folder) gets no size or checksum.

    Parameters
    ----------
    path, folder : path
        The file, and the folder of the Item.
    sha256 : str, optional
        Checksum of the file if known; otherwise the file is read.

    Raises
    ------
    ProductError
        If `path` does not exist.
    """
    path = Path(path)
    if path.is_dir():
        return AssetFile(relative(path, folder))
    try:
        with open(path, "rb") as stream:
            checksum = sha256 or hashlib.file_digest(stream, "sha256").hexdigest()
            return AssetFile(relative(path, folder), os.fstat(stream.fileno()).st_size, checksum)
    except OSError as error:
        raise ProductError(f"{path}: cannot be read ({error})", "run again; what is missing is made again") from error


def preview_file(path: str | Path, folder: str | Path, grid: GeoBox) -> AssetFile:
    """Describe a preview and its grid for an Item in `folder`; `grid` is the month's.

    Raises
    ------
    ProductError
        If `path` is not a PNG picture.
    """
    return replace(asset_file(path, folder), grid=preview_grid(path, grid))


def preview_grid(path: str | Path, grid: GeoBox) -> GeoBox:
    """Return the grid of a preview from its size: blocks of whole pixels from the upper-left corner of `grid`.

    If the size of `grid` is not a multiple of the block, the last blocks extend beyond it.

    Raises
    ------
    ProductError
        If `path` is not a PNG picture.
    """
    remedy = "delete it; the next run makes it again"
    try:
        with open(path, "rb") as stream:
            signature, _, chunk, width, height = _PNG.unpack(stream.read(_PNG.size))
    except (OSError, struct.error) as error:
        raise ProductError(f"preview {path}: cannot be read ({error})", remedy) from error
    if signature != _PNG_SIGNATURE or chunk != b"IHDR" or not width or not height:
        raise ProductError(f"preview {path}: not a PNG picture", remedy)
    factor = -(-grid.width // width)
    if (width, height) != (-(-grid.width // factor), -(-grid.height // factor)):
        raise ProductError(f"preview {path}: {width} x {height} pixels do not fit its month's grid", remedy)
    return GeoBox(grid.epsg, grid.resolution * factor, grid.left, grid.top, width, height)
