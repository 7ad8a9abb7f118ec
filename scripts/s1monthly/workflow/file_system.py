"""What a file system must be able to do to hold an output tree, tried before the first job.

Every product appears by a rename: of a file over the one that it replaces, or of a folder into its place. A local disk,
NFS, Lustre, BeeGFS, GPFS and CephFS do that in one step. Object storage that is mounted as a folder does not: it copies
and deletes, so that others see halves, and a job that dies leaves them; or it refuses.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from s1monthly.errors import S1MonthlyError

MOUNTED_BUCKETS = ("s3fs", "goofys", "geesefs", "mountpoint-s3", "gcsfuse", "blobfuse", "rclone")
"""Programs that mount object storage, as they appear in the type or the source of a mount."""

_MOUNTS = Path("/proc/self/mountinfo")


class FileSystemError(S1MonthlyError):
    """A file system that cannot hold an output tree."""


def refuse_unfit(folder: str | Path) -> None:
    """Refuse a folder whose file system cannot rename files and folders in one step.

    Parameters
    ----------
    folder : path
        Of the output tree, there, and writable.

    Raises
    ------
    FileSystemError
        Naming the file system, or what it refused.
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
    """Type and source of the mount that a folder lies on; nothing where the system does not tell."""
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
