"""A place to publish at that lies in memory: it notes the order of puts, and can stop a publisher at any of them."""

from __future__ import annotations

import hashlib
import json
import posixpath
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
from obstore.store import MemoryStore

from s1monthly.upload.storage import Storage, Version
from s1monthly.upload.storage_errors import ConflictError

MANIFESTS = "_manifests/"


class KilledError(Exception):
    """The publisher is killed."""


@dataclass(frozen=True)
class Shelf(Storage):
    """Objects in memory.

    Attributes
    ----------
    objects : dict
        Path -> content.
    log : list of str
        Paths in the order in which they were put.
    watch : list of callable
        Called after every change.
    """

    objects: dict[str, bytes] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    watch: list[Callable[[], None]] = field(default_factory=list)
    lock: Any = field(default_factory=threading.RLock)
    seconds: float = 0.0

    @classmethod
    def of(cls, objects: dict[str, bytes] | None = None, seconds: float = 0.0) -> Shelf:
        """Return a shelf with a copy of some objects; every request takes so many seconds."""
        return cls("shelf://", MemoryStore(), None, dict(objects or {}), seconds=seconds)

    def put(self, path: str, content: bytes | IO[bytes], media_type: str) -> None:
        """Put an object."""
        time.sleep(self.seconds)
        data = content if isinstance(content, bytes) else content.read()
        with self.lock:
            self.objects[path] = data
            self.log.append(path)
            for watch in self.watch:
                watch()

    def put_if(self, path: str, content: bytes, expected: Version) -> Version:
        """Put an object on condition."""
        time.sleep(self.seconds)
        with self.lock:
            found = self.get(path)
            if (found[1] if found else Version()) != expected:
                raise ConflictError(path)
            self.put(path, content, "")
            return _version(content)

    def get(self, path: str) -> tuple[bytes, Version] | None:
        """Read an object."""
        with self.lock:
            content = self.objects.get(path)
        return None if content is None else (content, _version(content))

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """List objects."""
        with self.lock:
            found = [(path, len(content)) for path, content in self.objects.items()]
        yield from (one for one in found if not prefix or one[0].startswith(f"{prefix}/"))

    def states(self, prefix: str) -> dict[str, str | None]:
        """Return the ETags of objects."""
        with self.lock:
            return {path: _version(data).e_tag for path, data in self.objects.items() if path.startswith(f"{prefix}/")}

    def delete(self, paths: Sequence[str]) -> None:
        """Delete objects."""
        with self.lock:
            for path in paths:
                self.objects.pop(path, None)
                for watch in self.watch:
                    watch()

    @property
    def data(self) -> dict[str, bytes]:
        """All objects but manifests."""
        return {path: content for path, content in self.objects.items() if not path.startswith(MANIFESTS)}

    @property
    def puts(self) -> list[str]:
        """Paths that were put, but for manifests."""
        return [path for path in self.log if not path.startswith(MANIFESTS)]

    def kill_after(self, puts: int) -> None:
        """Kill the publisher after so many more changes."""
        left = [puts]

        def count() -> None:
            left[0] -= 1
            if left[0] < 0:
                raise KilledError

        self.watch[:] = [count]


def _version(content: bytes) -> Version:
    return Version(hashlib.md5(content).hexdigest())


def missing_names(objects: dict[str, bytes]) -> list[str]:
    """Return what a reader who begins at the root is led to, but does not find."""
    missing: list[str] = []
    pending, seen = ["catalog.json"], set()
    while pending:
        path = pending.pop()
        if path in seen or path not in objects:
            missing += [] if path in seen or path == "catalog.json" else [path]
            continue
        seen.add(path)
        if not path.endswith(".json"):
            continue
        document = _document(objects[path])
        folder = posixpath.dirname(path)
        for link in document.get("links", ()):
            if link["rel"] in ("child", "item", "static-layers"):
                pending.append(posixpath.normpath(posixpath.join(folder, link["href"])))
        for asset in document.get("assets", {}).values():
            target = posixpath.normpath(posixpath.join(folder, asset["href"]))
            pending.append(f"{target}/zarr.json" if target.endswith(".zarr") else target)
            seen.update({f"{target}/zarr.json"} & objects.keys())
    tables = [path for path in objects if posixpath.basename(path) == "catalog.parquet"]
    for table in tables:
        for row in _rows(objects[table]):
            paths = (posixpath.join(posixpath.dirname(table), path) for path in row.values() if path)
            missing += [f"{table} names {path}" for path in paths if path not in objects]
    return missing


@lru_cache(maxsize=256)
def _document(content: bytes) -> Any:
    return json.loads(content)


@lru_cache(maxsize=64)
def _rows(content: bytes) -> list[dict[str, Any]]:
    columns = ["cog_path", "preview_path", "record_path", "item_path"]
    rows: list[dict[str, Any]] = pq.read_table(pa.BufferReader(content), columns=columns).to_pylist()
    return rows


def files_of(folder: Path) -> dict[str, bytes]:
    """Return what is to be published of a tree: all but hidden files, the work folder and the search log."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not path.name.startswith((".", "slots_"))
        and path.name != "search.json"
        and path.relative_to(folder).parts[0] not in ("work", ".s1monthly")
    }
