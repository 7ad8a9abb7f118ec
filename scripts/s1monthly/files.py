"""Files that are whole or not there: written under a temporary name in the same folder, then renamed; and locks."""

from __future__ import annotations

import errno
import fcntl
import glob
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

LEFT_BEHIND = 24 * 3600
"""Seconds after which a temporary file counts as left behind by a killed process."""

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


@contextmanager
def replacing(path: str | Path, *, durable: bool = True) -> Iterator[Path]:
    """Give a temporary path; rename it to `path` when the block ends well, remove it when it fails.

    Parameters
    ----------
    path : str or Path
        Final name. Its folder is made where missing.
    durable : bool
        Flush the file to the disk before it takes its name, so that a crash of the machine leaves no empty file. Not
        needed for temporary files, which are made again.
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
    """Remove what killed writers of this file left long ago; a younger one may still be written."""
    for left in final.parent.glob(f".{glob.escape(final.stem)}.*.part{glob.escape(final.suffix)}"):
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > LEFT_BEHIND:
                left.unlink()


@contextmanager
def locked(path: str | Path) -> Iterator[None]:
    """Hold a lock, a file of this name, waiting for whoever has it.

    Locks are advisory (flock) and freed by the kernel when a process dies. Where the file system has none, the block
    runs without.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def flock(handle: int, operation: int) -> bool | None:
    """Lock an open file; False where another process has it; None where the file system has no locks."""
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
    """Hexadecimal MD5 of a file's content."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def write_text(path: str | Path, text: str, *, only_if_changed: bool = False) -> bool:
    """Write a text file atomically.

    Parameters
    ----------
    path : str or Path
    text : str
    only_if_changed : bool
        Leave a file that holds this very text untouched, its time of modification included.

    Returns
    -------
    bool
        True where the file was written.
    """
    content = text.encode("utf-8")
    if only_if_changed and Path(path).is_file() and Path(path).read_bytes() == content:
        return False
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return True


FileState = tuple[int, int, int]


def file_state(path: str | Path) -> FileState | None:
    """What tells two states of a file apart; None where there is none."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
