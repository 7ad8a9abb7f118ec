"""Runs side by side over one output tree: each holds the tiles and directions it works on, and refuses another's.

A run holds them by a file of its own in ``{base_dir}/.runs/``, which says who it is and what it works on, and which it
keeps locked (flock) as long as it lives. The kernel frees the lock of a process that dies, however it dies, so a file
that nobody locks is a dead run's and is removed by the next. The place is the output tree because that is what runs
from several folders, users and machines have in common. Where its file system has no locks, nothing is held.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from s1monthly.errors import S1MonthlyError
from s1monthly.files import flock
from s1monthly.model import TileDirection

FOLDER = ".runs"
"""Of the files of runs, in the output tree; hidden, and no product."""

_SHOWN = 5
"""So many tiles are named in a message."""


class RunLockError(S1MonthlyError):
    """Another run works on the same tile and direction, or this run cannot be entered among the others."""


@dataclass(frozen=True)
class Holding:
    """What this run holds: until `release`, or until its process ends.

    Attributes
    ----------
    path : Path
        Its file.
    handle : int
        That file, open and locked.
    """

    path: Path
    handle: int

    def release(self) -> None:
        """Let others have it; who leaves last leaves no trace."""
        self.path.unlink(missing_ok=True)
        os.close(self.handle)
        with suppress(OSError), _alone(self.path.parent) as lock:
            if not any(self.path.parent.glob("*.json")):
                lock.unlink()
                self.path.parent.rmdir()


def hold(base_dir: str | Path, keys: Sequence[TileDirection]) -> Holding | None:
    """Take all tiles and directions that this run works on, or none.

    Parameters
    ----------
    base_dir : path
        Root of the output tree; made where missing.
    keys : sequence of TileDirection

    Returns
    -------
    Holding or None
        To be kept until the run ends. None where the file system has no locks: others are neither seen nor kept away.

    Raises
    ------
    RunLockError
        If a run that lives works on one of them: who, where, since when, and on which. If the output tree cannot be
        written to.
    """
    folder = Path(base_dir, FOLDER)
    wanted = {str(key) for key in keys}
    try:
        with _alone(folder):
            for other in _living(folder):
                _refuse_overlap(other, wanted)
            path = folder / f"{uuid4().hex}.json"
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            if flock(handle, fcntl.LOCK_EX) is None:
                path.unlink()
                os.close(handle)
                return None
            with open(handle, "w", encoding="utf-8", closefd=False) as stream:
                json.dump(_myself(wanted), stream, indent=1)
            return Holding(path, handle)
    except OSError as error:
        raise RunLockError(
            f"{folder}: this run cannot be entered there ({error})",
            "make the output tree writable for all who run over it (umask 002), or give another output.base_dir",
        ) from error


@contextmanager
def _alone(folder: Path) -> Iterator[Path]:
    """Let all others wait who enter, leave or look; give the lock file, which who leaves last may remove."""
    lock = folder / "lock"
    handle = _locked(lock)
    while handle is None:  # removed by who left meanwhile
        handle = _locked(lock)
    try:
        yield lock
    finally:
        os.close(handle)


def _locked(path: Path) -> int | None:
    """Make and lock a file, waiting for whoever has it; None where that file is not the one of this name by then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except FileNotFoundError:
        return None
    flock(handle, fcntl.LOCK_EX)
    with suppress(FileNotFoundError):
        if os.path.samestat(os.fstat(handle), path.stat()):
            return handle
    os.close(handle)
    return None


def refuse_held(base_dir: str | Path, keys: Iterable[TileDirection]) -> None:
    """Refuse tiles and directions that a run works on now; nothing is held or written.

    Raises
    ------
    RunLockError
        As `hold`.
    """
    wanted = {str(key) for key in keys}
    for path in sorted(Path(base_dir, FOLDER).glob("*.json")):
        with suppress(FileNotFoundError), _opened(path) as handle:
            if flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB) is False:
                _refuse_overlap(path, wanted)


def _myself(wanted: Iterable[str]) -> dict[str, object]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "user": _user(),
        "folder": os.getcwd(),
        "since": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "holds": sorted(wanted),
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return str(os.getuid())


def _living(folder: Path) -> Iterator[Path]:
    """Files of the runs that live; those of dead ones are removed."""
    for path in sorted(folder.glob("*.json")):
        with suppress(FileNotFoundError), _opened(path) as handle:  # a run that ends meanwhile removes its own
            # shared: so that the file of another user, which may only be read, can be tried too
            free = flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            if free:
                path.unlink()
            elif free is False:
                yield path


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY)
    try:
        yield handle
    finally:
        os.close(handle)


def _refuse_overlap(path: Path, wanted: set[str]) -> None:
    try:
        other = json.loads(path.read_text(encoding="utf-8"))
        both = sorted(wanted & set(other["holds"]))
        who = f"user {other['user']}, process {other['pid']} on {other['host']}, in {other['folder']}"
        since = other["since"]
    except (ValueError, KeyError, TypeError) as error:
        raise RunLockError(
            f"{path}: a run holds it, and what it works on cannot be read ({error})",
            "end every run over this output tree, delete the file, and run again",
        ) from error
    if both:
        more = f" and {len(both) - _SHOWN} more" if len(both) > _SHOWN else ""
        raise RunLockError(
            f"{', '.join(both[:_SHOWN])}{more}: another run works on it since {since}: {who}",
            f"wait until it has ended, or give this run other tiles; if that machine died, delete {path}",
        )
