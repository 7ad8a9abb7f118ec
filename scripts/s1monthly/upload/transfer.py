"""Put many objects at once, in phases, under a manifest."""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from s1monthly.errors import FileError
from s1monthly.upload.manifest import Entry, Manifest
from s1monthly.upload.storage import PART, Storage
from s1monthly.upload.storage_errors import ConflictError, UploadError

T = TypeVar("T")

BASE_URL = "base_url"
"""Fact in manifests: address to which the links of published STAC documents lead; empty for relative links."""

ATTEMPTS = 10
"""Attempts to publish a folder that other publishers publish too."""

BATCH_FILES, BATCH_BYTES = 2000, 2**30
"""After so many files or bytes the manifest is written: a publisher that is killed loses no more than these."""


@dataclass(frozen=True)
class Upload:
    """An object that is to be published.

    Attributes
    ----------
    path : str
        Below the prefix.
    phase : int
        Objects of a phase are put after all of earlier ones.
    media_type : str
        Of the object.
    file : str or None
        Local file.
    content : bytes or callable
        Content that was made, or makes it from `file`.
    size, mtime_ns : int
        Of the local file.
    compare : bool
        True if the checksum decides whether the object is new, not the time of the file.
    """

    path: str
    phase: int
    media_type: str
    file: str | None = None
    content: bytes | Callable[[], bytes] | None = None
    size: int = 0
    mtime_ns: int = 0
    compare: bool = False

    def is_unchanged(self, entry: Entry) -> bool:
        """Return True if the object need not be read: file or made content are those of the manifest."""
        if self.file is None:
            return isinstance(self.content, bytes) and entry.sha256 == hashlib.sha256(self.content).hexdigest()
        return (
            not self.compare
            and entry.mtime_ns == self.mtime_ns
            and (self.content is not None or entry.size == self.size)
        )

    def read(self) -> tuple[bytes, Entry]:
        """Return content and entry; not for large files."""
        if self.content is not None:
            content = self.content() if callable(self.content) else self.content
        else:
            assert self.file is not None
            content = Path(self.file).read_bytes()
        return content, Entry(len(content), hashlib.sha256(content).hexdigest(), self.mtime_ns)

    def checksum(self) -> Entry:
        """Return the entry of the object as it is now."""
        with _file_errors(self.file):
            if self.content is not None or self.file is None or self.size <= PART:
                return self.read()[1]
            with open(self.file, "rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
                return Entry(os.fstat(stream.fileno()).st_size, digest, self.mtime_ns)

    def put(self, storage: Storage) -> Entry:
        """Write the object and return its entry: checksum and bytes are of one state of the file."""
        with _file_errors(self.file):
            if self.content is not None or self.file is None or self.size <= PART:
                content, entry = self.read()
                storage.put(self.path, content, self.media_type)
                return entry
            with open(self.file, "rb") as stream:  # files are replaced, never changed in place
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
                size = stream.seek(0, os.SEEK_END)
                stream.seek(0)
                storage.put(self.path, stream, self.media_type)
                return Entry(size, digest, self.mtime_ns)


@contextmanager
def _file_errors(file: str | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileError.of(error, file or "a file") from error


@dataclass
class Plan:
    """What is to be published of a folder.

    Attributes
    ----------
    uploads : list of Upload
        Everything that is to be there in the end, also what is there already.
    first : callable
        Returns what to put before anything else, from the uploads that are new or changed.
    facts : dict
        For the manifest: ``base_url`` holds from the first object on, others once all are there.
    """

    uploads: list[Upload]
    first: Callable[[list[Upload]], list[Upload]] = lambda changed: []
    facts: dict[str, str] = field(default_factory=dict)


@dataclass
class Done:
    """What was put: numbers of objects and bytes."""

    files: int = 0
    bytes: int = 0

    def count(self, entries: Iterable[Entry]) -> None:
        """Add objects."""
        for entry in entries:
            self.files += 1
            self.bytes += entry.size


def publish(
    storage: Storage,
    name: str,
    make_plan: Callable[[Manifest], Plan],
    workers: int = 16,
    tell: Callable[[Done, int], None] = lambda done, total: None,
) -> tuple[Manifest, Done]:
    """Put what is new or changed of a folder, and enter it in the folder's manifest.

    Parameters
    ----------
    name : str
        Of the manifest.
    make_plan : callable
        Makes the plan, given the manifest as it is; called again if another publisher changed that.
    workers : int
        Objects put at once.
    tell : callable
        Told of what is done, and of how many objects in all.

    Returns
    -------
    manifest : Manifest
        As it lies there now.
    done : Done

    Raises
    ------
    UploadError
        If the storage refuses, or other publishers never let this one through.
    FileError
        If a local file cannot be read.
    """
    doubtful: set[str] = set()
    done = Done()
    for attempt in range(ATTEMPTS):
        manifest = Manifest.read(storage, name)
        try:
            _Transfer(manifest, doubtful, done, workers, tell).run(make_plan(manifest))
            return manifest, done
        except ConflictError:
            time.sleep(random.uniform(0, min(0.1 * 2**attempt, 5.0)))
    raise UploadError(
        f"{storage.url}/{manifest.path}: other publishers write it all the time", "run one publisher at a time"
    )


class _Transfer:
    """One attempt at publishing a folder."""

    def __init__(
        self, manifest: Manifest, doubtful: set[str], done: Done, workers: int, tell: Callable[[Done, int], None]
    ) -> None:
        self._manifest, self._doubtful, self._done = manifest, doubtful, done
        self._workers, self._tell = workers, tell

    def run(self, plan: Plan) -> None:
        manifest, storage = self._manifest, self._manifest.storage
        with ThreadPoolExecutor(self._workers) as pool:
            changed, refreshed = self._compare(plan.uploads, pool)
            if not changed:
                if refreshed or plan.facts != manifest.facts:
                    manifest.facts = dict(plan.facts)
                    manifest.enter(refreshed)
                return
            first = plan.first(changed)
            twice = {upload.path for upload in first} - {upload.path for upload in changed}
            changed = _in_order([*changed, *(upload for upload in plan.uploads if upload.path in twice)])
            manifest.facts = {key: value for key, value in manifest.facts.items() if key != BASE_URL}
            manifest.facts |= {key: value for key, value in plan.facts.items() if key == BASE_URL}
            manifest.begin(over := [upload.path for upload in (*first, *changed)])
            self._doubtful.update(over)
            _all(pool, [partial(upload.put, storage) for upload in first])
            entries: dict[str, Entry] = {}
            for batch in _batches(changed):
                put = _all(pool, [partial(upload.put, storage) for upload in batch])
                entries |= {upload.path: entry for upload, entry in zip(batch, put, strict=True)}
                self._done.count(put)
                self._tell(self._done, len(changed))
                if len(entries) >= BATCH_FILES or sum(entry.size for entry in entries.values()) >= BATCH_BYTES:
                    manifest.enter(entries)
                    self._doubtful.difference_update(entries)
                    entries = {}
            manifest.facts = dict(plan.facts)
            manifest.enter(refreshed | entries)
            self._doubtful.clear()

    def _compare(self, uploads: Sequence[Upload], pool: ThreadPoolExecutor) -> tuple[list[Upload], dict[str, Entry]]:
        """Return the uploads that are new or changed, and new entries of those that only have another time."""
        files, changed, unsure = self._manifest.files, [], []
        for upload in uploads:
            entry = files.get(upload.path)
            if entry is None or upload.path in self._doubtful:
                changed.append(upload)
            elif not upload.is_unchanged(entry):
                unsure.append(upload)
        refreshed = {}
        now = _all(pool, [upload.checksum for upload in unsure])
        for upload, entry in zip(unsure, now, strict=True):
            if files[upload.path][:2] != entry[:2]:
                changed.append(upload)
            elif files[upload.path] != entry:
                refreshed[upload.path] = entry
        return _in_order(changed), refreshed


def _in_order(uploads: Iterable[Upload]) -> list[Upload]:
    return sorted(uploads, key=lambda upload: (upload.phase, upload.path))


def _all(pool: ThreadPoolExecutor, calls: Iterable[Callable[[], T]]) -> list[T]:
    """Run all calls at once and return their results; after an error no further one is begun."""
    futures = [pool.submit(call) for call in calls]
    try:
        return [future.result() for future in futures]
    except BaseException:
        for future in futures:
            future.cancel()
        raise


def _batches(uploads: Sequence[Upload]) -> Iterator[list[Upload]]:
    """Yield uploads of one phase, so many at a time that the manifest is written now and then."""
    batch: list[Upload] = []
    size = 0
    for upload in uploads:
        if batch and (upload.phase != batch[0].phase or len(batch) >= BATCH_FILES or size >= BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(upload)
        size += upload.size
    if batch:
        yield batch
