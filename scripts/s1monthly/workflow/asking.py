"""What a configuration asks its source for, and what the source's folder holds."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from s1monthly.config.root import Config
from s1monthly.model import Month
from s1monthly.sources import listing
from s1monthly.sources.grd import listing as grd_listing

SEARCH_RULES = 1
"""Raise it when the archive's answer is judged differently: which granules meet a tile, and which are set aside."""


def question_of(config: Config) -> dict[str, Any]:
    """Return the question to the source, without tile, direction and month. Another question voids earlier answers."""
    source: dict[str, Any] = {"kind": config.source.kind}
    if config.source.kind == "asf":
        source |= {"host": config.source.hosts.cmr, "rules": SEARCH_RULES}
    else:
        source |= {"path": str(config.source_path)}
    if config.source.kind == "simulated":
        source |= config.source.simulation.model_dump()
    elif config.source.kind == "grd":
        source |= {"orbits": config.grd.orbits if config.grd.fetches_orbits else config.grd.orbits_folder}
    else:
        source |= {"mask": config.processing.mask != "none"}
    return {"source": source, "polarization": str(config.roi.polarization), "tracks": config.roi.tracks}


def dem_of(config: Config) -> dict[str, Any]:
    """Return what `stages.heights.make_heights` needs to know of the DEM; empty without GRD products."""
    if config.source.kind != "grd":
        return {}
    grd = config.grd
    path, geoid = grd.dem, grd.geoid
    fetched: dict[str, Any] = {}
    if grd.fetches_dem:
        path = os.path.join(config.fetched_dir, "copernicus_dem")
        fetched["tiles"] = [grd.hosts.glo_30, grd.hosts.glo_90]
    if grd.fetched_geoid:
        geoid, fetched["geoid"] = os.path.join(config.fetched_dir, grd.fetched_geoid), grd.hosts.geoid
    if fetched:
        fetched["seconds"] = config.memory.scene_retry_timeout_seconds
    return {"path": path, "above": grd.dem_heights, "geoid": geoid, "ocean": sorted(grd.ocean), "fetched": fetched}


class Listed(NamedTuple):
    """What the source's folder holds, see `listings_of`."""

    months: dict[Month, str]
    warnings: tuple[str, ...]
    static: str | None = None


def listings_of(config: Config) -> Listed:
    """Read the source's folder; return empty results for a source that is not a folder.

    Returns
    -------
    months : dict of Month to str
        Result of `listing.digests`.
    warnings : tuple of str
        Files in the folder that are not used.
    static : str or None
        Result of `listing.static_digest`; None for a source that is not a folder.
    """
    if config.source.kind == "grd":
        return Listed(*grd_listing.digests(str(config.source_path), config.grd.orbits_folder))
    if config.source.kind != "local":
        return Listed({}, ())
    content = listing.list_folder(str(config.source_path), **config.run_folders)
    return Listed(listing.digests(content.files), content.warnings, listing.static_digest(content.static))
