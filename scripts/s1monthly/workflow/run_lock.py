"""Locks of runs on one output tree: each run holds its tiles and directions, and other runs cannot use them.

Each run has a file in ``{base_dir}/.s1monthly/runs/`` that names the run and its tiles, and keeps it locked (flock).
The kernel releases the lock when the process ends, however it ends. So an unlocked file belongs to a dead run; the next
run removes it. The output tree is what runs from several folders, users and machines share. If its file system has no
locks, nothing is held.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import shutil
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from s1monthly.errors import S1MonthlyError
from s1monthly.files import flock, locked
from s1monthly.layout import HIDDEN
from s1monthly.model import TileDirection

FOLDER = f"{HIDDEN}/runs"
"""Folder of the runs' files in the output tree; hidden, and not a product."""

_OLD_FOLDER, _OLD_LOCKS = ".runs", (".catalog.parquet.lock", "zarr/S1_monthly.zarr.lock")
"""Where earlier versions had locks: at the root, and in the folder of a tile and direction."""

_SHOWN = 5
"""Number of tiles named in a message."""


class RunLockError(S1MonthlyError):
    """Another run works on the same tile and direction, or this run cannot be registered."""


@dataclass(frozen=True)
class Holding:
    """Lock on the tiles of this run until `release` or the end of the process: the run's file, open and locked."""

    path: Path
    handle: int

    def release(self) -> None:
        """Release the lock."""
        self.path.unlink(missing_ok=True)
        os.close(self.handle)


@dataclass(frozen=True)
class LivingRun:
    """A run that works on the output tree now.

    Attributes
    ----------
    who : str
        User, process, machine and working folder.
    since : str
        When it began, in UTC.
    holds : frozenset of str
        Its tiles and directions.
    """

    who: str
    since: str
    holds: frozenset[str]

    @classmethod
    def read(cls, path: Path) -> LivingRun:
        """Read the file of a run.

        Raises
        ------
        RunLockError
            If it is damaged.
        """
        try:
            run = json.loads(path.read_text(encoding="utf-8"))
            who = f"user {run['user']}, process {run['pid']} on {run['host']}, in {run['folder']}"
            return cls(who, run["since"], frozenset(run["holds"]))
        except (ValueError, KeyError, TypeError) as error:
            raise RunLockError(
                f"{path}: a run holds it, and what it works on cannot be read ({error})",
                "end every run over this output tree, delete the file, and run again",
            ) from error


def living_runs(base_dir: str | Path) -> list[LivingRun]:
    """Return the runs that work on an output tree now; none if its file system has no locks.

    Raises
    ------
    RunLockError
        If the file of one is damaged.
    OSError
        If the folder of their files is not writable.
    """
    folder = Path(base_dir, FOLDER)
    if not folder.is_dir():
        return []
    with locked(folder / "lock"):
        return [LivingRun.read(path) for path in _living(folder)]


def hold(base_dir: str | Path, keys: Sequence[TileDirection]) -> Holding | None:
    """Lock all tiles and directions of this run, or none.

    Parameters
    ----------
    base_dir : path
        Root of the output tree; created if missing.
    keys : sequence of TileDirection
        Tiles and directions of this run.

    Returns
    -------
    Holding or None
        Keep it until the run ends. None if the file system has no locks: other runs are then neither seen nor kept out.

    Raises
    ------
    RunLockError
        If a living run works on one of them; the error says which run, since when, and on which tiles. Also if the
        output tree is not writable.
    """
    folder = Path(base_dir, FOLDER)
    wanted = {str(key) for key in keys}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / "lock"):
            for other in _living(folder):
                _refuse_overlap(other, wanted)
            _remove_old_locks(Path(base_dir), wanted)
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


def _remove_old_locks(base_dir: Path, names: Iterable[str]) -> None:
    """Remove lock files that older versions left, in the root and in the folders of this run."""
    shutil.rmtree(base_dir / _OLD_FOLDER, ignore_errors=True)
    for folder in (base_dir, *(base_dir / name for name in names)):
        for name in _OLD_LOCKS:
            with suppress(OSError):
                (folder / name).unlink(missing_ok=True)


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
    except (KeyError, OSError):  # in a container, the user may have no name
        return str(os.getuid())


def _living(folder: Path) -> Iterator[Path]:
    """Yield the files of living runs and remove those of dead ones."""
    for path in sorted(folder.glob("*.json")):
        with suppress(FileNotFoundError), _opened(path) as handle:  # a run that ends now removes its file
            # a shared lock works on read-only files of other users, too
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
    other = LivingRun.read(path)
    both = sorted(wanted & other.holds)
    if both:
        more = f" and {len(both) - _SHOWN} more" if len(both) > _SHOWN else ""
        raise RunLockError(
            f"{', '.join(both[:_SHOWN])}{more}: another run works on it since {other.since}: {other.who}",
            f"wait until it has ended, or give this run other tiles; if that machine died, delete {path}",
        )
