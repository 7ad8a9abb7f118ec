"""Atomic files, written under a temporary name in the same folder and then renamed; and file locks."""

from __future__ import annotations

import errno
import fcntl
import glob
import hashlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

from s1monthly.errors import FileError

LEFT_BEHIND = 24 * 3600
"""Age in seconds at which a temporary file counts as left behind by a killed process."""

SAMPLE = 1 << 20
"""Bytes at the beginning and at the end of a file that `sample_digest` reads."""

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


@contextmanager
def replacing(path: str | Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path; rename it to `path` if the block succeeds, remove it if the block fails.

    Parameters
    ----------
    path : str or Path
        Final name. A missing folder is made.
    durable : bool
        Flush the file to disk before renaming, so that a machine crash leaves no empty file. Not needed for files that
        can be made again.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    _sweep(final)
    temporary = final.with_name(f".{final.stem}.{uuid4().hex}.part{final.suffix}")
    try:
        yield temporary
        if durable:
            with open(temporary, "rb") as written:
                os.fsync(written.fileno())
        os.replace(temporary, final)
    except BaseException as error:
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(temporary)):
            error.filename = str(final)  # a failed write names no file
        with suppress(OSError):
            temporary.unlink()
        raise


def _sweep(final: Path) -> None:
    """Remove old temporary files of killed writers of `final`; a younger one may still be in use."""
    for left in final.parent.glob(f".{glob.escape(final.stem)}.*.part{glob.escape(final.suffix)}"):
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > LEFT_BEHIND:
                left.unlink()


@contextmanager
def locked(path: str | Path, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold a lock on the file `path`; wait until it is free.

    Locks are advisory (flock); the kernel frees them when a process dies. On a file system without locks the block
    runs unlocked.

    Parameters
    ----------
    path : str or Path
        Lock file; it and its folder are made if missing.
    on_wait : callable, optional
        Called once with the holder's user, process and machine if the lock is taken. The file then names its holder.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB) is False:
            if on_wait:
                on_wait(os.pread(handle, 200, 0).decode(errors="replace").strip() or "another program")
            flock(handle, fcntl.LOCK_EX)
        if on_wait:
            os.ftruncate(handle, 0)
            with suppress(OSError):  # on a full disk, waiting processes cannot see who holds the lock
                os.pwrite(handle, f"user {os.geteuid()}, process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        try:
            yield
        finally:
            if on_wait:
                os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def flock(handle: int, operation: int) -> bool | None:
    """Lock an open file; return False if another process holds it, None if the file system has no locks."""
    try:
        fcntl.flock(handle, operation)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return None
    return True


def md5_of(path: str | Path) -> str:
    """Return the hexadecimal MD5 of a file's content."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def write_text(path: str | Path, text: str, *, only_if_changed: bool = False) -> bool:
    """Write a text file atomically, in UTF-8; see `write_bytes`."""
    return write_bytes(path, text.encode("utf-8"), only_if_changed=only_if_changed)


def write_bytes(path: str | Path, content: bytes, *, only_if_changed: bool = False) -> bool:
    """Write a file atomically.

    Parameters
    ----------
    path : str or Path
        File to write.
    content : bytes
        Its new content.
    only_if_changed : bool
        Leave a file that already has this content untouched, including its modification time.

    Returns
    -------
    bool
        True if the file was written.
    """
    if only_if_changed and Path(path).is_file() and Path(path).read_bytes() == content:
        return False
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return True


FileState = tuple[int, int, int]


def file_state(path: str | Path) -> FileState | None:
    """Return a file's modification time, size and inode, or None if it does not exist."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def sample_digest(path: str | Path) -> str:
    """Return a short digest of a file's size, first and last MiB: fast, also of a large file.

    Raises
    ------
    FileError
        If it cannot be read.
    """
    try:
        return _sample_digest(str(path), file_state(path))
    except OSError as error:
        raise FileError.of(error, str(path)) from error


@lru_cache(maxsize=64)
def _sample_digest(path: str, _state: FileState | None) -> str:
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        content = hashlib.sha256(str(size).encode())
        for start in (0, max(size - SAMPLE, 0)):
            file.seek(start)
            content.update(file.read(SAMPLE))
    return content.hexdigest()[:16]
