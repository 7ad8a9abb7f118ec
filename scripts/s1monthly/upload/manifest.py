"""Manifests: which objects a publisher wrote, with size and checksum; one for each folder of a tile and direction.

A manifest never claims what is not there: objects are entered after they were put. Before that they are listed as
doubtful, because they may exist, with any content, if the publisher is killed then. A manifest is put on condition that
nobody else has put it since it was read. A publisher that loses this race reads it again, and puts again whatever it
put but could not enter (`transfer.publish`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import uuid4

from s1monthly.upload.storage import Storage, Version
from s1monthly.upload.storage_errors import ConflictError, UploadError

FOLDER = "_manifests"
"""Folder of the manifests below the prefix."""
ROOT = "root"
"""Name of the manifest of what lies at the root of the tree; folders of tiles and directions have their own name."""
SCHEMA = 1

ATTEMPTS = 3
"""Attempts to put a manifest while the connection is lost: the library does not repeat what has a condition."""


class Entry(NamedTuple):
    """What a manifest says of an object.

    Attributes
    ----------
    size : int
        Bytes.
    sha256 : str
        64 hexadecimal digits.
    mtime_ns : int
        Time of change of the local file; an unchanged file is not read again. 0 for content that was made.
    """

    size: int
    sha256: str
    mtime_ns: int = 0


@dataclass
class Manifest:
    """A manifest as it was read, and what was changed since.

    Attributes
    ----------
    files : dict of str to Entry
        By path below the prefix.
    facts : dict
        What else decides whether published files are up to date: ``base_url`` of links, ``frame`` of the cube.
    doubtful : set of str
        Objects that may exist, with any content.
    """

    storage: Storage
    name: str
    files: dict[str, Entry] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)
    state: Version = field(default_factory=Version)

    @property
    def path(self) -> str:
        """Path below the prefix."""
        return manifest_path(self.name)

    @property
    def known(self) -> set[str]:
        """Paths of objects that exist, or may exist."""
        return self.files.keys() | self.doubtful

    @classmethod
    def read(cls, storage: Storage, name: str) -> Manifest:
        """Read a manifest; an empty one if there is none.

        Raises
        ------
        UploadError
            If it cannot be read, or is damaged.
        """
        found = storage.get(manifest_path(name))
        if found is None:
            return cls(storage, name)
        try:
            content = json.loads(found[0])
            if content["schema"] != SCHEMA:
                raise ValueError(f"its schema is {content['schema']}, not {SCHEMA}")
            files = {path: Entry(*values) for path, values in content["files"].items()}
            return cls(storage, name, files, content["facts"], set(content["doubtful"]), found[1])
        except (ValueError, LookupError, TypeError) as error:
            raise UploadError(
                f"{storage.url}/{manifest_path(name)}: damaged ({error})", "delete it: all is compared, and put, again"
            ) from error

    def write(self) -> None:
        """Write the manifest, if nobody else has since it was read.

        Raises
        ------
        ConflictError
            If somebody has.
        UploadError
            If the storage refuses.
        """
        content: dict[str, Any] = {
            "schema": SCHEMA,
            "put": uuid4().hex,  # so that every put gives another ETag, by which publishers notice each other
            "facts": self.facts,
            "doubtful": sorted(self.doubtful),
            "files": {path: list(entry) for path, entry in sorted(self.files.items())},
        }
        text = json.dumps(content, separators=(",", ":")).replace('],"', '],\n"') + "\n"
        self.state = self._put(text.encode())

    def _put(self, content: bytes) -> Version:
        """Put the manifest; if the answer is lost, or another put of ours came first, look what lies there."""
        for left in reversed(range(ATTEMPTS)):
            try:
                return self.storage.put_if(self.path, content, self.state)
            except (ConflictError, UploadError) as error:
                found = self.storage.get(self.path)
                if found and found[0] == content:
                    return found[1]
                if isinstance(error, ConflictError) or (found[1] if found else Version()) != self.state:
                    raise ConflictError(self.path) from None
                if not left:
                    raise
        raise AssertionError

    def begin(self, paths: Iterable[str]) -> None:
        """Write that objects are about to be put, or deleted."""
        for path in paths:
            self.files.pop(path, None)
            self.doubtful.add(path)
        self.write()

    def enter(self, entries: Mapping[str, Entry]) -> None:
        """Write that objects were put."""
        self.files.update(entries)
        self.doubtful.difference_update(entries)
        self.write()

    def strike(self, paths: Iterable[str]) -> None:
        """Write that objects were deleted."""
        self.doubtful.difference_update(paths)
        self.write()


def manifest_path(name: str) -> str:
    """Return the path of a manifest below the prefix."""
    return f"{FOLDER}/{name}.json"


def manifest_names(storage: Storage) -> list[str]:
    """Return the names of all manifests at a place, sorted.

    Raises
    ------
    UploadError
        If the storage cannot be listed.
    """
    names = (path.removeprefix(f"{FOLDER}/") for path, _ in storage.list(FOLDER))
    return sorted({name.removesuffix(".json") for name in names if name.endswith(".json")})
