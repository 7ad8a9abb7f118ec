"""Granules that several tiles of a run need: fetched once, and kept until the last of these tiles has read them."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from s1monthly.granule_names import layer_file
from s1monthly.granules import GranuleList
from s1monthly.layout import Layout, parse_folder
from s1monthly.model import CompositeKey
from s1monthly.sources.asf.granule_cache import GranuleCache


def release(layout: Layout, key: CompositeKey, listed: GranuleList, cache: GranuleCache) -> None:
    """Remove the granules of a month from the cache that no other tile and direction has still to read.

    A tile has still to read what its list of the month names, while it has neither an account of the month nor its
    record. What is removed too early, since another tile is not searched yet, is fetched again. What stays too long
    goes at the end of the run.

    Parameters
    ----------
    layout : Layout
        Of the whole tree.
    key : CompositeKey
        Tile, direction and month that have been read.
    listed : GranuleList
        Their granules.
    """
    waiting: set[str] = set()
    for path in Path(layout.work_dir).glob(f"*/granules/{key.month}.csv"):
        other = parse_folder(path.parents[1].name)
        if other and other != (str(key.tile), str(key.direction)):
            waiting |= _still_to_read(layout, CompositeKey.parse(*other, str(key.month)), path)
    for granule in listed.granules:
        if granule.id not in waiting:
            cache.remove(layer_file(granule.id, layer.name) for layer in granule.layers)


def _still_to_read(layout: Layout, key: CompositeKey, path: Path) -> set[str]:
    """Return the granules of another tile's list, unless it has read them."""
    place = layout.of(key)
    if os.path.exists(place.account) or os.path.exists(place.record):
        return set()
    try:
        with path.open(encoding="utf-8", newline="") as rows:
            return {row["granule"] for row in csv.DictReader(rows) if row["layer"]}  # without a layer: set aside
    except FileNotFoundError:  # searched anew just now
        return set()
