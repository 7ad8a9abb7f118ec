"""Test before the first job whether a file system can hold an output tree.

Every product appears by a rename: a file replaces an older one, or a folder moves into place. A local disk, NFS,
Lustre, BeeGFS, GPFS and CephFS rename in one step. Object storage mounted as a folder copies and deletes instead: other
processes see incomplete files, and a job that dies leaves them behind. Or it refuses the rename.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from s1monthly.errors import S1MonthlyError

MOUNTED_BUCKETS = ("s3fs", "goofys", "geesefs", "mountpoint-s3", "gcsfuse", "blobfuse", "rclone")
"""Programs that mount object storage, as named in the type or source of a mount."""

_MOUNTS = Path("/proc/self/mountinfo")


class FileSystemError(S1MonthlyError):
    """The file system cannot hold an output tree."""


def refuse_unfit(folder: str | Path) -> None:
    """Raise an error if a file system cannot rename files and folders in one step.

    Parameters
    ----------
    folder : path
        Existing, writable folder of the output tree.

    Raises
    ------
    FileSystemError
        If the folder is mounted object storage, or a rename fails.
    """
    place = Path(folder).resolve()
    remedy = (
        "give an output.base_dir on a local disk, NFS, Lustre, BeeGFS or GPFS; copy the finished tree to object storage"
    )
    mounted = _mount(place)
    bucket = next((name for name in MOUNTED_BUCKETS if name in mounted), None)
    if bucket:
        raise FileSystemError(f"{place}: object storage, mounted by {bucket}, which renames by copying", remedy)
    trial = Path(tempfile.mkdtemp(prefix=".trial.", dir=place))
    try:
        _try_renames(trial)
    except OSError as error:
        raise FileSystemError(f"{place}: its file system cannot rename files and folders ({error})", remedy) from error
    finally:
        shutil.rmtree(trial, ignore_errors=True)


def _try_renames(trial: Path) -> None:
    old, new, folder = trial / "old", trial / "new", trial / "folder"
    old.write_text("old")
    new.write_text("new")
    os.replace(new, old)
    folder.mkdir()
    old.rename(folder / "old")
    folder.rename(trial / "renamed")
    if (trial / "renamed" / "old").read_text() != "new":
        raise OSError("a file that was renamed over another has the other's content")


def _mount(place: Path) -> str:
    """Return type and source of the mount that contains a folder; empty if the system does not report mounts."""
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    found = (Path("/"), "")
    for line in lines:
        where, _, what = line.partition(" - ")
        point = Path(where.split()[4].replace("\\040", " "))
        if place.is_relative_to(point) and len(point.parts) >= len(found[0].parts):
            found = (point, what.rsplit(" ", 1)[0])  # without the options
    return found[1]
