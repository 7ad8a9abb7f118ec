"""A cache of fetched layers, shared by all jobs and limited in size: least recently used files are removed first."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from s1monthly.files import LEFT_BEHIND, replacing
from s1monthly.granule_names import burst_of_file
from s1monthly.layout import track_name

LOGGER = logging.getLogger("s1monthly")

LOCK_POLL = 0.2
"""Seconds between two checks of a lock."""

SHARE_FREED = 20
"""Eviction frees at least 1/SHARE_FREED of the limit, so that it need not run for every file."""

WRITERS = 64
"""Number of processes that may fill the cache at once and still notice in time that it is full."""

_LEFT_BEHIND = re.compile(r"\.(?P<stem>[^.].*?)(?:\.[0-9a-f]{32}\.part)?\.tif(?:\.lock)?")


class GranuleCache:
    """A cache of layer files under their own names, with one folder per track.

    Files with other names are neither counted nor removed. If the folder fails, this is logged once and the cache acts
    as if it were empty.

    Parameters
    ----------
    folder : str or Path
        Folder of the cache; created if missing.
    max_bytes : int
        Largest total size of the files in bytes; only files that are being written may exceed it.
    """

    def __init__(self, folder: str | Path, max_bytes: int) -> None:
        self.folder = Path(folder)
        self.max_bytes = max_bytes
        self._mutex = threading.Lock()
        self._unseen = 0  # bytes that may be written before the next scan of the folder
        self._warned = False

    def path(self, file: str) -> Path:
        """Return the path of a layer file."""
        burst = burst_of_file(file)
        if burst is None:
            raise ValueError(f"{file}: no layer of a granule")
        return self.folder / track_name(burst.track) / file

    def read(self, file: str, size: int, md5: str) -> bytes | None:
        """Return a file's content and mark it as used; return None if it is missing or damaged.

        Parameters
        ----------
        file : str
            Name of a layer file.
        size : int
            Bytes; -1 if not known.
        md5 : str
            Hexadecimal MD5; empty if not known. Files without a known size or MD5 are not cached.
        """
        if not _can_be_checked(size, md5):
            return None
        path = self.path(file)
        try:
            content = path.read_bytes()
            if _is_whole(content, size, md5):
                with suppress(OSError):  # just evicted, or owned by another user
                    os.utime(path)
                return content
            path.unlink()
        except FileNotFoundError:
            return None
        except OSError as error:
            self._warn(error)
            return None
        LOGGER.warning("cached file %s is damaged: it is fetched again", path)
        return None

    def write(self, file: str, content: bytes, size: int, md5: str) -> None:
        """Save a file's content, making room first (arguments as for `read`). Do nothing if it does not fit."""
        if not _can_be_checked(size, md5) or len(content) > self.max_bytes:
            return
        path = self.path(file)
        try:
            self._make_room(len(content))
            # a known MD5 reveals a file that a crash of the machine emptied
            with replacing(path, durable=not md5) as temporary:
                temporary.write_bytes(content)
        except OSError as error:
            self._warn(error)

    def remove(self, files: Iterable[str]) -> None:
        """Remove layer files that nobody needs any more; those that are not there are passed over."""
        for file in files:
            with suppress(OSError):  # gone already, or it stays until room is needed
                os.unlink(self.path(file))

    @contextmanager
    def locked(self, file: str, seconds: float) -> Iterator[None]:
        """Keep other jobs from fetching a file while this job fetches it.

        Continue without the lock if the file system has no locks, or if another job holds it for longer than `seconds`.
        """
        descriptor = self._lock(file, seconds)
        try:
            yield
        finally:
            if descriptor is not None:
                with suppress(OSError):
                    os.unlink(self._lock_path(file))  # before the release, so that waiting jobs see that it is gone
                os.close(descriptor)

    def _lock_path(self, file: str) -> Path:
        return self.path(file).with_name(f".{file}.lock")

    def _lock(self, file: str, seconds: float) -> int | None:
        path, end = self._lock_path(file), time.monotonic() + seconds
        while True:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError:  # the cache is not writable, so there is nothing to share
                return None
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(descriptor).st_ino == os.stat(path).st_ino:
                    return descriptor
            except (BlockingIOError, PermissionError, FileNotFoundError):
                pass  # held by another job, or just released and removed
            except OSError:  # no locks on this file system
                os.close(descriptor)
                return None
            os.close(descriptor)
            if time.monotonic() >= end:
                return None
            time.sleep(LOCK_POLL)

    def _make_room(self, size: int) -> None:
        """Remove the least recently used files until a file of this size fits."""
        with self._mutex:
            if size <= self._unseen:
                self._unseen -= size
                return
            files = self._files()
            total = sum(each for _, each, _ in files)
            if total + size > self.max_bytes:
                wanted = self.max_bytes - max(size, self.max_bytes // SHARE_FREED)
                for _, each, path in sorted(files):
                    if total <= wanted:
                        break
                    with suppress(FileNotFoundError):  # another job was quicker
                        os.unlink(path)
                    total -= each
            self._unseen = (self.max_bytes - total - size) // WRITERS

    def _files(self) -> list[tuple[float, int, str]]:
        """Return time of last use, size and path of every cached file; remove what killed jobs left long ago."""
        files = []
        for folder in self.folder.glob("T[0-9][0-9][0-9]"):
            with suppress(NotADirectoryError, FileNotFoundError), os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):
                        if burst_of_file(entry.name):
                            status = entry.stat()
                            files.append((status.st_mtime, status.st_size, entry.path))
                        elif _is_left_behind(entry):
                            os.unlink(entry.path)
        return files

    def _warn(self, error: OSError) -> None:
        with self._mutex:
            if not self._warned:
                LOGGER.warning("cache %s: %s; going on without", self.folder, error.strerror or error)
            self._warned = True


def _can_be_checked(size: int, md5: str) -> bool:
    return size >= 0 or bool(md5)


def _is_whole(content: bytes, size: int, md5: str) -> bool:
    right_size = size in (-1, len(content))
    return right_size and (not md5 or hashlib.md5(content, usedforsecurity=False).hexdigest() == md5.lower())


def _is_left_behind(entry: os.DirEntry[str]) -> bool:
    """Return True if a file is an old temporary file or lock of ours."""
    match = _LEFT_BEHIND.fullmatch(entry.name)
    ours = match is not None and burst_of_file(f"{match['stem']}.tif") is not None
    return ours and time.time() - entry.stat().st_mtime > LEFT_BEHIND
