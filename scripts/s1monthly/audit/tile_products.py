"""Check what the months of a tile refer to: products of static layers, and the reference of rabasar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from s1monthly.audit.repair_commands import RUN
from s1monthly.audit.report import Finding
from s1monthly.audit.tree_files import TileFolder
from s1monthly.cube.static_header import read_origins
from s1monthly.records.recipe import digest
from s1monthly.records.reference import period_of, read_reference


def static_problems(folder: TileFolder) -> Iterator[Finding]:
    """Yield a finding for each COG and Item that lacks of a track whose layers are in the store."""
    paths = folder.layout.of(folder.owner)
    for track in read_origins(paths.static_store):
        for path in map(Path, paths.static_files(track).values()):
            if not path.exists():
                what = "Item" if path.suffix == ".json" else "COG"
                yield Finding(str(path), f"no {what}, though the track has static layers", (RUN,))


def reference_problem(folder: TileFolder, recipe: Mapping[str, Any]) -> Finding | None:
    """Return a finding if the cube's months were despeckled with a reference that is gone or altered, else None."""
    paths = folder.layout.of(folder.owner)
    if not period_of(recipe) or (
        Path(paths.reference).exists() and read_reference(paths.reference_facts, digest(recipe))
    ):
        return None
    problem = "missing or altered: a run would make it and all months again, from the granules; restore it from a copy"
    return Finding(str(Path(paths.reference).parent), problem, (RUN,))
