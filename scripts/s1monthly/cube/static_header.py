"""What the groups of a store of static layers were made of, read without zarr, as `cube.header` reads cubes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s1monthly.cube.header import ATTRIBUTE
from s1monthly.granule_names import SLICE_PATTERN
from s1monthly.layout import track_name


@dataclass(frozen=True)
class StaticOrigin:
    """What the static layers of a track were made of.

    Attributes
    ----------
    tile, direction, track
        Place; the track as a number.
    granules : tuple of str
        Ids of the static granules, in burst order; or of the GRD slice.
    made_of : str
        Digest of bursts, granules with the sizes of their files, grid, and version of the product.
    without : tuple of str
        Bursts for which the source has no static granule.
    simulated : bool
        True if they are made up.
    """

    tile: str
    direction: str
    track: int
    granules: tuple[str, ...]
    made_of: str
    without: tuple[str, ...] = ()
    simulated: bool = False

    @property
    def name(self) -> str:
        """Tile, direction and track as text, the track once."""
        name = track_name(self.track)
        return f"{self.tile} {self.direction.removesuffix(f'_{name}')} {name}"

    @property
    def source(self) -> str:
        """What the layers were made of, in words: static granules of OPERA, or the geometry of a GRD slice."""
        if self.simulated:
            return "made up, for trials"
        of_slice = any(re.fullmatch(SLICE_PATTERN, granule) for granule in self.granules)
        return "Sentinel-1 GRD, DEM and orbit" if of_slice else "OPERA RTC-S1-STATIC"


def read_origins(path: str | Path) -> dict[int, StaticOrigin]:
    """Return what the static layers of each track in a store were made of, by track; empty without a store."""
    try:
        return _origins(json.loads((Path(path) / "zarr.json").read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _origins(root: Mapping[str, Any]) -> dict[int, StaticOrigin]:
    groups = root["consolidated_metadata"]["metadata"]
    found = {}
    for document in groups.values():
        if document["node_type"] == "group":
            known = dict(document["attributes"][ATTRIBUTE])
            lists = {name: tuple(known[name]) for name in ("granules", "without")}
            origin = StaticOrigin(**{**known, **lists})
            found[origin.track] = origin
    return found
