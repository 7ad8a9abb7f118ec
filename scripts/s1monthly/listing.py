"""What lies in a folder of granules, by file names and sizes alone. Standard library only."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping

from s1monthly.errors import SourceError
from s1monthly.naming import parse_granule_id, parse_layer_file
from s1monthly.vocabulary import Month

LayerFiles = Mapping[str, Mapping[str, tuple[str, int]]]
"""Granule id -> layer name -> (path, size in bytes)."""


def find_layer_files(folder: str | os.PathLike[str]) -> dict[str, dict[str, tuple[str, int]]]:
    """Find the layer files of all granules in a folder, at any depth, by their names.

    Links to folders are followed, each folder once; hidden folders (``.name``) are passed over, as half-made files live
    there. A file that is there twice, with the same size, is taken from the first path in alphabetical order.

    Parameters
    ----------
    folder : path
        Relative paths stay relative.

    Returns
    -------
    dict
        Granule id -> layer name -> (path, size in bytes); both sorted.

    Raises
    ------
    SourceError
        If the folder or one below cannot be listed, a granule's file cannot be reached, two files of one name differ in
        size, or there is no granule at all.
    """
    root = os.fspath(folder)
    if not os.path.isdir(root):
        raise SourceError(f"source folder {root}: no such folder", "give an existing folder of granules as source.path")
    found: dict[str, dict[str, tuple[str, int]]] = {}
    for path, granule_id, layer in sorted(_layer_files(root)):
        try:
            size = os.stat(path).st_size
        except OSError as error:
            raise SourceError(f"granule file {path}: {error.strerror}", "repair or remove the file") from error
        first = found.setdefault(granule_id, {}).setdefault(layer, (path, size))
        if first[1] != size:
            raise SourceError(
                f"granule {granule_id}, layer {layer}: two files of different size: {first[0]} ({first[1]} bytes) and "
                f"{path} ({size} bytes)",
                "remove the file that is damaged or cut short",
            )
    if not found:
        raise SourceError(
            f"source folder {root}: no OPERA RTC-S1 granule in it",
            "put granule files there under their own names (OPERA_L2_RTC-S1_..._VV.tif), or correct source.path",
        )
    return {granule_id: dict(sorted(found[granule_id].items())) for granule_id in sorted(found)}


def _layer_files(root: str) -> Iterator[tuple[str, str, str]]:
    seen: set[tuple[int, int]] = set()
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as scan:
                # sorted: which of two ways to a linked folder is taken must not depend on the file system
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            raise SourceError(
                f"source folder {folder}: cannot be listed ({error.strerror})",
                "make the folder readable, or move it away",
            ) from error
        for entry in entries:
            layer_file = parse_layer_file(entry.name)
            if layer_file:
                yield entry.path, *layer_file
            elif not entry.name.startswith(".") and entry.is_dir():
                folders.append(entry.path)


def digests(files: LayerFiles) -> dict[Month, str]:
    """Digest of what a folder holds of each month: it differs where a granule, a layer or a size differs.

    Paths do not enter: moving files about changes nothing.

    Parameters
    ----------
    files : mapping
        From `find_layer_files`.

    Returns
    -------
    dict of Month to str
        UTC month of acquisition -> SHA-256, hexadecimal; months without a granule are not there.
    """
    contents: dict[Month, hashlib._Hash] = {}
    for granule_id in sorted(files):
        content = contents.setdefault(parse_granule_id(granule_id).month, hashlib.sha256())
        for layer, (_, size) in sorted(files[granule_id].items()):
            content.update(f"{granule_id} {layer} {size}\n".encode())
    return {month: content.hexdigest() for month, content in contents.items()}
