"""Check that the products of static layers are there: months name them in their Items."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from s1monthly.audit.repair_commands import RUN
from s1monthly.audit.report import Finding
from s1monthly.audit.tree_files import TileFolder
from s1monthly.cube.static_header import read_origins


def static_problems(folder: TileFolder) -> Iterator[Finding]:
    """Yield a finding for each COG and Item that lacks of a track whose layers are in the store."""
    paths = folder.layout.of(folder.owner)
    for track in read_origins(paths.static_store):
        for path in map(Path, paths.static_files(track).values()):
            if not path.exists():
                what = "Item" if path.suffix == ".json" else "COG"
                yield Finding(str(path), f"no {what}, though the track has static layers", (RUN,))
