"""Preview of a publication: what would be put and deleted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO

from s1monthly.upload.manifest import FOLDER
from s1monthly.upload.storage import Storage, Version


@dataclass(frozen=True)
class Preview(Storage):
    """A place at which nothing is changed: manifests and tables are kept in memory, all else is forgotten."""

    made: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, storage: Storage) -> Preview:
        """Return the preview of a place."""
        return cls(storage.url, storage.store, storage.folder)

    def put(self, path: str, content: bytes | IO[bytes], media_type: str) -> None:
        """Remember a table."""
        if path.endswith(".parquet") and isinstance(content, bytes):
            self.made[path] = content

    def put_if(self, path: str, content: bytes, expected: Version) -> Version:
        """Remember a manifest."""
        self.made[path] = content
        return expected

    def get(self, path: str) -> tuple[bytes, Version] | None:
        """Return what was remembered, else what lies there."""
        return (self.made[path], Version()) if path in self.made else super().get(path)

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Yield what lies there, and the manifests that were remembered."""
        yield from super().list(prefix)
        if prefix == FOLDER:
            yield from ((path, len(content)) for path, content in self.made.items() if path.startswith(f"{FOLDER}/"))

    def delete(self, paths: Sequence[str]) -> None:
        """Delete nothing."""
