"""List a folder of granules by file names and sizes only. Imports the standard library only."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from s1monthly.errors import SourceError, SourceGoneError
from s1monthly.granule_names import parse_burst_id, parse_layer_file, parse_like_granule, parse_static_file
from s1monthly.layout import CUBE_FOLDER, FOLDER_LIKE_GRANULES, WORK_MARKER
from s1monthly.model import Month

LayerFiles = Mapping[str, Mapping[str, tuple[str, int]]]
"""Granule id -> layer name -> (path, size in bytes)."""


@dataclass(frozen=True)
class FolderContent:
    """The granules in a folder.

    Attributes
    ----------
    files : LayerFiles
        Sorted by granule and layer.
    warnings : tuple of str
        Unused files and folders that may be or contain granules, with the remedy.
    static : LayerFiles
        The same of static granules.
    """

    files: LayerFiles
    warnings: tuple[str, ...]
    static: LayerFiles = field(default_factory=dict)


def list_folder(folder: str | os.PathLike[str], trees: Collection[str] = (), cache: str | None = None) -> FolderContent:
    """List the layer files of all granules in a folder, at any depth, by their names.

    Links to folders are followed, each folder once. These are skipped:

    - hidden folders (``.name``): unfinished files live there;
    - folders in which runs write files with the names of granules (in work folders; the cache), and cubes;
    - folders without read permission.

    If a file exists twice with the same size, the first path in alphabetical order is used.

    Parameters
    ----------
    folder : path
        Folder of granules; relative paths stay relative.
    trees : collection of str
        Work folder of this run. A marker file identifies the work folders of other runs.
    cache : str, optional
        Folder of fetched layers.

    Raises
    ------
    SourceGoneError
        If there is no such folder, or it holds no granule.
    SourceError
        If the folder cannot be listed or belongs to a run, a granule's file cannot be reached, or two files with one
        name differ in size.
    """
    root = os.fspath(folder)
    if not os.path.isdir(root):
        problem = f"source folder {root}: no such folder"
        raise SourceGoneError(problem, "give an existing folder of granules as source.path")
    walk = _Walk(root, _RunFolders(trees, cache))
    found: dict[str, dict[str, tuple[str, int]]] = {}
    static: dict[str, dict[str, tuple[str, int]]] = {}
    for path, granule_id, layer in sorted(walk.layer_files()):
        try:
            size = os.stat(path).st_size
        except OSError as error:
            raise SourceError(f"granule file {path}: {error.strerror}", "repair or remove the file") from error
        kind = static if parse_static_file(os.path.basename(path)) else found
        first = kind.setdefault(granule_id, {}).setdefault(layer, (path, size))
        if first[1] != size:
            two_masks = layer == "mask" and _has_older_name(first[0]) != _has_older_name(path)
            raise SourceError(
                f"granule {granule_id}, layer {layer}: two {'mask layers' if two_masks else 'files'} of different "
                f"size: {first[0]} ({first[1]} bytes) and {path} ({size} bytes)",
                "keep one of them" if two_masks else "remove the file that is damaged or cut short",
            )
    warnings = tuple(walk.warnings(found))
    if not found:
        lines = [f"source folder {root}: no OPERA RTC-S1 granule in it", *warnings]
        if walk.of_runs:
            lines.append(f"skipped, as runs keep their own files there: {_shown(walk.of_runs, 5)}")
        raise SourceGoneError(
            "\n".join(lines),
            "put granule files there under their own names (OPERA_L2_RTC-S1_..._VV.tif), or correct source.path",
        )
    return FolderContent(_sorted(found), warnings, _sorted(static))


def _sorted(files: LayerFiles) -> LayerFiles:
    return {name: dict(sorted(files[name].items())) for name in sorted(files)}


class _RunFolders:
    """Recognizes the folders in which runs keep their own files, by real paths (absolute, links resolved)."""

    def __init__(self, trees: Collection[str], cache: str | None) -> None:
        self._trees = set(filter(None, map(_identity, trees)))
        self._cache = _identity(cache) if cache else None

    def include(self, real: str, start: str) -> bool:
        """Return True if a folder is one of them; simulated granules are not if the walk started among them."""
        inside = FOLDER_LIKE_GRANULES.search(real)
        if inside and self._is_work_folder(real[: inside.start()] or "/"):
            return not (inside["simulated"] and Path(start).is_relative_to(real[: inside.end("simulated")]))
        return bool(CUBE_FOLDER.search(real)) or self._is_cache(real)

    def surround(self, start: str) -> bool:
        """Return True if a walk that starts at a folder starts inside one of them."""
        return any(self.include(str(folder), start) for folder in (Path(start), *Path(start).parents))

    def cache_surrounds(self, real: str) -> bool:
        """Return True if a folder is the cache or lies in it."""
        return any(self._is_cache(str(folder)) for folder in (Path(real), *Path(real).parents))

    def _is_cache(self, folder: str) -> bool:
        return self._cache is not None and _identity(folder) == self._cache

    def _is_work_folder(self, folder: str) -> bool:
        return _identity(folder) in self._trees or os.path.exists(os.path.join(folder, WORK_MARKER))


@dataclass
class _Walk:
    """A walk through a folder, with lists of what it skipped.

    Attributes
    ----------
    of_runs, closed : list of str
        Folders of runs, and folders without read permission.
    unused : list of (path, granule id)
        Files that may belong to a granule.
    """

    root: str
    run_folders: _RunFolders
    of_runs: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    unused: list[tuple[str, str]] = field(default_factory=list)

    def layer_files(self) -> Iterator[tuple[str, str, str]]:
        """Yield path, granule id and layer name of every layer file, of static granules too."""
        start = os.path.realpath(self.root)
        if self.run_folders.surround(start):
            raise SourceError(
                f"source.path {self.root}: a run keeps its own files there",
                "keep granules elsewhere, and give their folder as source.path",
            )
        seen: set[tuple[int, int]] = set()
        folders = [(self.root, start, start)]  # as found, as it really is, and where the walk or a link led
        while folders:
            folder, real, start = folders.pop()
            try:
                status = os.stat(folder)
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
                with os.scandir(folder) as scan:
                    # sorted: which of two paths to a linked folder is used must not depend on the file system
                    entries = sorted(scan, key=lambda entry: entry.name)
            except PermissionError as error:
                if folder == self.root:
                    raise _unlisted(folder, error) from error
                self.closed.append(folder)
                continue
            except OSError as error:
                raise _unlisted(folder, error) from error
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if self._is_folder(entry):
                    if entry.is_symlink():
                        target = os.path.realpath(entry.path)
                        skipped, found = self.run_folders.surround(target), (entry.path, target, target)
                    else:
                        inner = os.path.join(real, entry.name)
                        skipped, found = self.run_folders.include(inner, start), (entry.path, inner, start)
                    if skipped:
                        self.of_runs.append(entry.path)
                    else:
                        folders.append(found)
                elif layer_file := parse_layer_file(entry.name) or parse_static_file(entry.name):
                    yield entry.path, *layer_file
                elif (granule_id := parse_like_granule(entry.name)) is not None:
                    self.unused.append((entry.path, granule_id))

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        try:
            return entry.is_dir()
        except PermissionError:
            self.closed.append(entry.path)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise _unlisted(entry.path, error) from error
        return False

    def warnings(self, found: Collection[str]) -> Iterator[str]:
        """Yield a warning for each kind of unused path, except other files of granules that were found."""
        if self.closed:
            yield (
                f"source.path {self.root}: skipped, as it may not be read: {_shown(self.closed, 5)}"
                " -> make it readable if granules lie there"
            )
        for folder in self.of_runs:
            if self.run_folders.cache_surrounds(os.path.realpath(folder)):
                fetched = _granules_in(folder) - set(found)
                if fetched:
                    yield (
                        f"source.path {self.root}: granules in the cache {folder} are not used: {len(fetched)}, "
                        f"{_shown(fetched, 1)} -> move them out of download.cache_dir if they belong to the source"
                    )
        unused = [path for path, granule_id in self.unused if granule_id not in found]
        if unused:
            what = "file looks like a granule and is" if len(unused) == 1 else "files look like granules and are"
            yield (
                f"source.path {self.root}: {len(unused)} {what} not used: {_shown(unused, 1)}"
                " -> unpack archives, and name layers as OPERA does (OPERA_L2_RTC-S1_..._VV.tif)"
            )


def _has_older_name(path: str) -> bool:
    return "_layover_shadow_mask." in os.path.basename(path).lower()


def _granules_in(folder: str) -> set[str]:
    names = (name for _, _, files in os.walk(folder) for name in files)
    return {layer_file[0] for name in names if (layer_file := parse_layer_file(name))}


def _shown(paths: Collection[str], number: int) -> str:
    first = sorted(paths)[:number]
    return ", ".join([*first, "..."] if len(paths) > number else first)


def _unlisted(folder: str, error: OSError) -> SourceError:
    return SourceError(
        f"source folder {folder}: cannot be listed ({error.strerror})", "make the folder readable, or move it away"
    )


def _identity(path: str | Path) -> tuple[int, int] | None:
    """Return device and inode of a file, the same for every path to it; None if there is no file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def static_digest(static: LayerFiles) -> str:
    """Return a digest of all static granules in a folder; it changes with any granule, layer or size."""
    content = hashlib.sha256()
    for granule_id in sorted(static):
        for layer, (_, size) in sorted(static[granule_id].items()):
            content.update(f"{granule_id} {layer} {size}\n".encode())
    return content.hexdigest()


def digests(files: LayerFiles) -> dict[Month, str]:
    """Return a digest of each month in a folder; it changes with any granule, layer or size.

    Paths do not count: moving files does not change the digest.

    Parameters
    ----------
    files : mapping
        From `list_folder`.

    Returns
    -------
    dict of Month to str
        UTC month of acquisition -> SHA-256, hexadecimal. Months without a granule have no entry.
    """
    contents: dict[Month, hashlib._Hash] = {}
    for granule_id in sorted(files):
        content = contents.setdefault(parse_burst_id(granule_id).month, hashlib.sha256())
        for layer, (_, size) in sorted(files[granule_id].items()):
            content.update(f"{granule_id} {layer} {size}\n".encode())
    return {month: content.hexdigest() for month, content in contents.items()}
