"""Files from the future: made before the clock was set back, or by a computer whose clock is ahead.

Snakemake refuses what a job makes from them, as it is older than what it was made of: until the clock is right.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from s1monthly.layout import Layout
from s1monthly.model import TileDirection

_STEP = 1000
"""Nanoseconds between two times that are given: what the coarser of today's file systems tell apart."""

_PASSED_OVER = {"zarr", "kept"}
"""Folders of a tile whose many files Snakemake does not know; but for the cube's stamp."""


def files_of(layout: Layout, keys: Iterable[TileDirection]) -> Iterator[str]:
    """List the files of some tiles and directions whose times Snakemake compares, catalogs included."""
    yield from filter(os.path.exists, (layout.catalog, layout.collection))
    for key in keys:
        cube = Path(layout.cube.format(tile=key.tile, direction=key.direction))
        yield from map(str, cube.glob("status/slots_*"))
        for root in (f"{layout.base_dir}/{key}", f"{layout.work_dir}/{key}"):
            for folder, folders, names in os.walk(root):
                folders[:] = [name for name in folders if name not in _PASSED_OVER]
                yield from (f"{folder}/{name}" for name in names)


def bring_back(paths: Iterable[str]) -> str | None:
    """Set the times of files from the future to just before now; which is newer than which stays the same.

    Parameters
    ----------
    paths : iterable of str

    Returns
    -------
    str or None
        What was found, for the user; None where no file is from the future.
    """
    now, future = time.time_ns(), {}
    for path in paths:
        try:
            modified = os.stat(path).st_mtime_ns
        except FileNotFoundError:  # a temporary one, gone meanwhile
            continue
        if modified > now:
            future[path] = modified
    if not future:
        return None
    moments = sorted(set(future.values()))
    given = {moment: now - _STEP * place for place, moment in enumerate(reversed(moments))}
    left = 0
    for path, modified in future.items():
        try:
            os.utime(path, ns=(given[modified], given[modified]))
        except PermissionError:
            left += 1
    newest = max(future, key=future.__getitem__)
    told = (
        f"files from the future: {len(future)}, such as {newest} of {datetime.fromtimestamp(moments[-1] / 1e9):%F %T}:"
        " this computer's clock was set back, or another's is ahead"
    )
    if left:
        return f"{told}; another user's: {left} -> set the clock right, or let that user run first"
    return f"{told}; they have the time of this run now"
