"""File operations of a cube: lock, staging folders, exchange of folders, and flushing to disk.

No file of a live store is changed in place. Files are written in a staging folder beside the store and then moved in by
renames, or exchanged with the files they replace. A process killed at any moment therefore leaves only whole files in
the store, and beside it a staging folder without a lock holder, which the next run removes.

A file is flushed to disk before the rename that publishes it, and folders after, so that a month never counts as
complete after a power cut that lost its pixels. The order of renames is left to the file system's journal.

On file systems without locks, writers of different months still touch different files, and the order of the rules
keeps the axis unchanged while months are written.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from s1monthly import files
from s1monthly.cube.header import BEING_WRITTEN, COMPLETE, EMPTY, STATUS, read_status
from s1monthly.errors import CubeError
from s1monthly.files import LEFT_BEHIND, flock
from s1monthly.layout import lock_file

_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV}
_NO_EXCHANGE = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
_SUFFIX = ".part"
_REMOVALS = 20


@contextmanager
def cube_errors(path: Path, action: str) -> Iterator[None]:
    """Turn errors of the operating system into a CubeError that names the cube and the action."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "free some space and run again; the cube's months are unharmed"
        elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            remedy = "make the folder writable or give another base_dir"
        else:
            remedy = "see the system's message, then run again"
        raise CubeError(f"cube {path}: {action} failed: {error}", remedy) from error


def locked(path: Path) -> AbstractContextManager[None]:
    """Hold the cube's lock, see `layout.lock_file`; wait until it is free."""
    return files.locked(lock_file(path))


@contextmanager
def staging(path: Path, purpose: str, sweep_all: bool = False) -> Iterator[Path]:
    """Create a folder beside the store, on its file system, and remove it at the end.

    Parameters
    ----------
    purpose : str
        Part of the folder's name: the month, or ``axis``. Abandoned folders of the same purpose are removed first.
    sweep_all : bool
        Remove abandoned folders of every purpose.
    """
    with cube_errors(path, "making a folder beside it"), locked(path):
        for folder in path.parent.iterdir():
            if folder.name.startswith(f"{path.name}.{'' if sweep_all else f'{purpose}.'}") and folder.suffix == _SUFFIX:
                _remove_dead(folder)
        mine = Path(tempfile.mkdtemp(prefix=f"{path.name}.{purpose}.", suffix=_SUFFIX, dir=path.parent))
        handle = os.open(mine / "lock", os.O_RDWR | os.O_CREAT, 0o666)
        flock(handle, fcntl.LOCK_EX)
    try:
        yield mine
    finally:
        with suppress(OSError):  # the next run removes what is left
            # first the bulk, while our lock keeps others from removing it too; then the rest under the cube's lock
            for entry in mine.iterdir():
                if entry.is_dir():
                    _remove(entry)
            with locked(path):
                _remove(mine)
        os.close(handle)


def _remove_dead(folder: Path) -> None:
    try:
        handle = os.open(folder / "lock", os.O_RDWR)
    except FileNotFoundError:  # its owner was killed before or after the lock existed
        _remove(folder)
        return
    try:
        free = flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if free is None:  # without locks only the age tells whether the owner lives: no job takes a day
            free = time.time() - os.fstat(handle).st_mtime > LEFT_BEHIND
        if free:
            _remove(folder)
    finally:
        os.close(handle)


def _remove(folder: Path) -> None:
    """Remove a folder. After an error zarr's threads may still write into it; the next run removes what is left."""
    for _ in range(_REMOVALS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.05)


def flush(folder: Path) -> None:
    """Wait until all files and folders below a folder are on disk."""
    for root, _, names in os.walk(folder, topdown=False):
        for name in (*names, ""):
            fsync(os.path.join(root, name))


def fsync(path: str | Path) -> None:
    """Wait until a file, or the file names in a folder, are on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def link_tree(source: Path, target: Path) -> None:
    """Hard-link a file or a folder of files; copy if the file system has no hard links."""
    if source.is_dir():
        target.mkdir()
        for entry in source.iterdir():
            link_tree(entry, target / entry.name)
        return
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        shutil.copyfile(source, target)
        fsync(target)


def links_and_exchanges(folder: Path) -> bool:
    """Return True if a folder's file system has hard links and can exchange two folders in one step."""
    one, other = folder / "one", folder / "other"
    for made in (one, other):
        made.mkdir()
    (one / "file").touch()
    try:
        os.link(one / "file", other / "file")
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return False
    return exchanged(one, other)


def changed(source: Path, target: Path) -> list[Path]:
    """Return the files that are missing or different in `target`: relative paths, the root's ``zarr.json`` last."""
    names = [Path(root, name).relative_to(source) for root, _, found in os.walk(source) for name in found]
    return [
        name
        for name in sorted(names, key=lambda n: (n.name == "zarr.json", -len(n.parts), n))
        if not (target / name).exists() or (target / name).read_bytes() != (source / name).read_bytes()
    ]


def replace_files(source: Path, target: Path, names: Iterable[Path]) -> None:
    """Move files into a store one after the other, replacing those of the same name."""
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(source / name, target / name)
    fsync(target)


def swap(one: Path, other: Path) -> None:
    """Exchange two files or folders, or move the one that exists; a second call reverts the first."""
    if not one.exists():
        if other.exists():
            other.rename(one)
    elif not other.exists():
        one.rename(other)
    elif not exchanged(one, other):
        aside = other.with_name(f"{other.name}.aside")
        _rename_all([(one, aside), (other, one), (aside, other)])


def _rename_all(steps: Sequence[tuple[Path, Path]]) -> None:
    """Rename files one after the other; if one rename fails, revert those before it.

    Raises
    ------
    OSError
        If a rename failed and all were reverted.
    CubeError
        If reverting failed too, so that files are in the wrong place.
    """
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in steps:
            source.rename(target)
            done.append((source, target))
    except OSError as error:
        try:
            for source, target in reversed(done):
                target.rename(source)
        except OSError:
            raise CubeError(f"{steps[0][0]}: cannot be renamed, nor put back: {error}", "run again") from error
        raise


def stage_status(folder: Path) -> None:
    """Write a file for each status that a slot can be given."""
    (folder / STATUS).mkdir()
    for status in (BEING_WRITTEN, COMPLETE):
        (folder / STATUS / str(status)).write_bytes(bytes([status]))


def replace_slot(path: Path, folder: Path, arrays: Iterable[str], slot: int) -> None:
    """Exchange a slot's chunks with those staged as slot 0, between status 1 and status 2. Needs the lock.

    If the disk reports an error, the chunks are exchanged back and the slot gets its old status.
    """
    pairs = [(path / name / "c" / str(slot), folder / name / "c" / "0") for name in arrays]
    before, swapped = read_status(path, slot), []
    try:
        for chunks in (path / STATUS / "c", *(live.parent for live, _ in pairs)):
            chunks.mkdir(exist_ok=True)
        _set_status(path, folder, slot, BEING_WRITTEN)
        fsync(path / STATUS / "c")
        for live, staged in pairs:
            swap(live, staged)
            swapped.append((live, staged))
            fsync(live.parent)
        _set_status(path, folder, slot, COMPLETE)
    except OSError:
        with suppress(OSError):  # if even this fails, the slot rightly stays at "being written"
            for live, staged in swapped:
                swap(live, staged)
            _set_status(path, folder, slot, before)
        raise
    fsync(path / STATUS / "c")


def mark_complete(path: Path, folder: Path, slot: int) -> None:
    """Mark a slot with intact chunks as complete; `folder` holds the staged statuses. Needs the lock."""
    (path / STATUS / "c").mkdir(exist_ok=True)
    _set_status(path, folder, slot, COMPLETE)
    fsync(path / STATUS / "c")


def _set_status(path: Path, folder: Path, slot: int, status: int) -> None:
    shown, staged = path / STATUS / "c" / str(slot), folder / STATUS / str(status)
    if status == EMPTY:
        shown.unlink(missing_ok=True)
    elif staged.exists():
        os.replace(staged, shown)


def replace_store(store: Path, path: Path) -> None:
    """Put a new store in the place of the old one, which moves to where the new one was.

    In one step if the system can exchange two folders; otherwise by renames through the names ``.new`` and ``.old``,
    which `recover` completes if the process is killed in between.
    """
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        store.rename(path)
    elif not exchanged(store, path):
        new, old = _aside(path)
        _rename_all([(store, new), (path, old), (new, path), (old, store)])
    fsync(path.parent)


def _aside(path: Path) -> tuple[Path, Path]:
    return path.with_name(f"{path.name}.new"), path.with_name(f"{path.name}.old")


def recover(path: Path, bin_: Path) -> None:
    """Complete or revert a `replace_store` that was killed between its renames; move leftovers to the folder `bin_`."""
    new, old = _aside(path)
    if old.exists() and not path.exists():
        (new if new.exists() else old).rename(path)
    for leftover in (new, old):
        if leftover.exists():
            leftover.rename(bin_ / leftover.name)


def exchanged(one: Path, other: Path) -> bool:
    """Exchange two files or folders in one step (Linux); return False if the system or file system cannot."""
    working_directory, rename_exchange = -100, 2
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(working_directory, os.fsencode(one), working_directory, os.fsencode(other), rename_exchange) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NO_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code), str(one))
