"""Correct files with a time in the future: the clock was set back, or another computer's clock is ahead.

Snakemake rejects products made from such files as older than their inputs, until the clock catches up.
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
"""Nanoseconds between two new times: the coarser of today's file systems can distinguish them."""

_SKIPPED = {"zarr", "kept"}
"""Folders of a tile whose many files Snakemake does not know, except the cube's stamp."""


def files_of(layout: Layout, keys: Iterable[TileDirection]) -> Iterator[str]:
    """List the files of tiles and directions whose times Snakemake compares, including catalogs."""
    yield from filter(os.path.exists, layout.root_files())
    for key in keys:
        cube = Path(layout.cube.format(tile=key.tile, direction=key.direction))
        yield from map(str, cube.glob("status/slots_*"))
        for root in (f"{layout.base_dir}/{key}", f"{layout.work_dir}/{key}"):
            for folder, folders, names in os.walk(root):
                folders[:] = [name for name in folders if name not in _SKIPPED]
                yield from (f"{folder}/{name}" for name in names)


def correct_future_times(paths: Iterable[str]) -> str | None:
    """Set the times of files from the future to just before now, and keep their order.

    Returns
    -------
    str or None
        Message for the user; None if no file is from the future.
    """
    now, future = time.time_ns(), {}
    for path in paths:
        try:
            modified = os.stat(path).st_mtime_ns
        except FileNotFoundError:  # a temporary file, removed meanwhile
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
    message = (
        f"files from the future: {len(future)}, such as {newest} of {datetime.fromtimestamp(moments[-1] / 1e9):%F %T}:"
        " this computer's clock was set back, or another's is ahead"
    )
    if left:
        return f"{message}; another user's: {left} -> set the clock right, or let that user run first"
    return f"{message}; they have the time of this run now"
