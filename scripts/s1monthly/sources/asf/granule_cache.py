"""A folder of fetched layers, bounded in size and shared by all jobs: what was not used for longest goes first."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from s1monthly.files import LEFT_BEHIND, replacing
from s1monthly.layout import parse_granule_id, parse_layer_file

LOGGER = logging.getLogger("s1monthly")

LOCK_POLL = 0.2
"""Seconds between two looks at a lock."""

SHARE_FREED = 20
"""Eviction makes room for one part in so many of the bound, so that not every file has to be made room for."""

WRITERS = 64
"""As many processes may fill the cache at once and still see in time that it is full."""

_LEFT_BEHIND = re.compile(r"\.(?P<stem>[^.].*?)(?:\.[0-9a-f]{32}\.part)?\.tif(?:\.lock)?")


class GranuleCache:
    """Layer files under their own names, in a folder a track.

    Files of other names are neither counted nor removed. Trouble with the folder is logged once and otherwise as if
    nothing were cached.

    Parameters
    ----------
    folder : str or Path
        Made where missing.
    most : int
        Bytes that its files may take together; passed at most by files that are being written.
    """

    def __init__(self, folder: str | Path, most: int) -> None:
        self.folder = Path(folder)
        self.most = most
        self._mutex = threading.Lock()
        self._unseen = 0  # bytes that may be written before the folder is looked through again
        self._warned = False

    def path(self, file: str) -> Path:
        """Place of a layer file."""
        granule_id, _ = parse_layer_file(file) or ("", "")
        return self.folder / f"T{parse_granule_id(granule_id).burst.track:03d}" / file

    def read(self, file: str, size: int, md5: str) -> bytes | None:
        """Return a file's content if it is there and whole, and count it as used; None otherwise.

        Parameters
        ----------
        file : str
            Name of a layer file.
        size : int
            Bytes; -1 where not known.
        md5 : str
            Hexadecimal MD5; empty where not known. A file of which neither is known is not cached.
        """
        if not _can_be_checked(size, md5):
            return None
        path = self.path(file)
        try:
            content = path.read_bytes()
            if _is_whole(content, size, md5):
                with suppress(OSError):  # evicted under our hands, or another user's
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
        """Keep a file's content, making room first; arguments as of `read`. Without effect where it does not fit."""
        if not _can_be_checked(size, md5) or len(content) > self.most:
            return
        path = self.path(file)
        try:
            self._make_room(len(content))
            # where the MD5 is known a file that a crash of the machine emptied is found by it
            with replacing(path, durable=not md5) as temporary:
                temporary.write_bytes(content)
        except OSError as error:
            self._warn(error)

    @contextmanager
    def locked(self, file: str, seconds: float) -> Iterator[None]:
        """Keep other jobs from fetching a file while it is fetched here.

        Goes on without the lock where the file system has none, or where another job holds it for longer than the
        seconds given.
        """
        descriptor = self._lock(file, seconds)
        try:
            yield
        finally:
            if descriptor is not None:
                with suppress(OSError):
                    os.unlink(self._lock_path(file))  # before it is let go: who waits sees that it is gone
                os.close(descriptor)

    def _lock_path(self, file: str) -> Path:
        return self.path(file).with_name(f".{file}.lock")

    def _lock(self, file: str, seconds: float) -> int | None:
        path, end = self._lock_path(file), time.monotonic() + seconds
        while True:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError:  # nothing can be written here, so nothing is fetched for others
                return None
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(descriptor).st_ino == os.stat(path).st_ino:
                    return descriptor
            except (BlockingIOError, PermissionError, FileNotFoundError):
                pass  # held by another job, or let go and removed just now
            except OSError:  # no locks on this file system
                os.close(descriptor)
                return None
            os.close(descriptor)
            if time.monotonic() >= end:
                return None
            time.sleep(LOCK_POLL)

    def _make_room(self, size: int) -> None:
        """Remove what was not used for longest until a file of this size fits."""
        with self._mutex:
            if size <= self._unseen:
                self._unseen -= size
                return
            held = self._held()
            total = sum(each for _, each, _ in held)
            if total + size > self.most:
                wanted = self.most - max(size, self.most // SHARE_FREED)
                for _, each, path in sorted(held):
                    if total <= wanted:
                        break
                    with suppress(FileNotFoundError):  # another job was quicker
                        os.unlink(path)
                    total -= each
            self._unseen = (self.most - total - size) // WRITERS

    def _held(self) -> list[tuple[float, int, str]]:
        """Time of last use, size and path of every cached file; sweeps what killed jobs left behind long ago."""
        held = []
        for folder in self.folder.glob("T[0-9][0-9][0-9]"):
            with suppress(NotADirectoryError, FileNotFoundError), os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):
                        if parse_layer_file(entry.name):
                            status = entry.stat()
                            held.append((status.st_mtime, status.st_size, entry.path))
                        elif _is_left_behind(entry):
                            os.unlink(entry.path)
        return held

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
    """Tell whether a file is one of our temporary files or locks, and long dead."""
    match = _LEFT_BEHIND.fullmatch(entry.name)
    ours = match is not None and parse_layer_file(f"{match['stem']}.tif") is not None
    return ours and time.time() - entry.stat().st_mtime > LEFT_BEHIND
