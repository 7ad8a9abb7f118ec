"""Notes of what was published: an idle call then compares a few files and one listing, and reads no manifest.

They lie in the hidden folder of the output tree, a file for each place. Losing them costs time alone: all files are
then compared with the manifests. A month's chunks are represented by its status, which is a new file whenever they
change; chunks that were lost since are noticed by ``catalog_validate``, or here by ``--verify``.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from s1monthly import VERSION
from s1monthly.audit.tree_files import TileFolder
from s1monthly.cube.header import STATUS
from s1monthly.cube.layout import COORDINATES
from s1monthly.files import write_text
from s1monthly.layout import HIDDEN
from s1monthly.upload.cube_objects import files_below
from s1monthly.upload.manifest import SCHEMA


class Notes:
    """Notes of one place.

    Parameters
    ----------
    base_dir : path
        Root of the output tree.
    url : str
        The place.
    use : bool
        False: nothing is known, and nothing is noted.
    """

    def __init__(self, base_dir: Path, url: str, use: bool = True) -> None:
        self._path = base_dir / HIDDEN / "published" / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.json"
        self._use = use
        self._known: dict[str, Any] = {}
        with suppress(OSError, ValueError, TypeError):
            self._known = dict(json.loads(self._path.read_text("utf-8"))) if use else {}

    def known(self, name: str, state: str | None, fingerprint: str) -> dict[str, Any] | None:
        """Return what was noted of a folder, if neither its manifest nor its files have changed since; else None.

        Parameters
        ----------
        state : str or None
            ETag of the manifest that lies there.
        """
        found = self._known.get(name)
        same = isinstance(found, dict) and state and [found.get("state"), found.get("files")] == [state, fingerprint]
        return found if same else None

    def note(self, name: str, state: str | None, fingerprint: str, **facts: Any) -> None:
        """Note that a folder is published."""
        self._known[name] = {"state": state, "files": fingerprint, **facts}

    def write(self) -> None:
        """Write the notes; where that is not allowed, the next call takes longer."""
        if self._use:
            with suppress(OSError):
                write_text(self._path, json.dumps(self._known, indent=1), only_if_changed=True)


def fingerprint(*facts: Any) -> str:
    """Return a digest of plain values, and of this version."""
    return hashlib.sha256(json.dumps([VERSION, SCHEMA, *facts]).encode()).hexdigest()


def folder_fingerprint(folder: TileFolder, base_url: str) -> str:
    """Return a digest of times and sizes of all files of a folder but the cube's chunks."""
    found = sorted(_files(str(folder.path), str(folder.cube)))
    return fingerprint(base_url, found)


def _files(path: str, cube: str) -> Iterator[tuple[str, int, int]]:
    """Yield path, time and size of files; of a cube, chunks of coordinates and statuses alone."""
    pending = [path]
    while pending:
        above = pending.pop()
        chunks = above.startswith(f"{cube}/") and os.path.basename(above) not in (STATUS, *COORDINATES)
        with os.scandir(above) as entries:
            for entry in entries:
                if entry.name.startswith(".") or (chunks and entry.name == "c"):
                    continue
                if entry.is_dir():
                    pending.append(entry.path)
                else:
                    status = entry.stat()
                    yield entry.path[len(path) :], status.st_mtime_ns, status.st_size


def changes_fingerprint(folder: Path, *facts: Any) -> str:
    """Return a digest of times and sizes of the maps of changes, and of other facts."""
    found = sorted((key, entry.stat().st_mtime_ns, entry.stat().st_size) for key, entry in files_below(folder))
    return fingerprint(found, *facts)
