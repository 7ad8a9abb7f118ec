"""The static granules that the values of a month depend on, as its record names them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from s1monthly.cube.static_header import read_origins
from s1monthly.granule_names import parse_static_id
from s1monthly.layout import track_name

STATIC = "static_granule"
"""Fact of a granule in the account of a month: id of the static granule that converted its burst."""


def statics_used(
    facts: Mapping[str, Mapping[str, str]], store: str | Path, tracks: Collection[int] = ()
) -> dict[str, Any] | None:
    """Return the static granules that a month was made with; None if its values depend on none.

    Parameters
    ----------
    facts : mapping
        Granule id -> its facts, of which `STATIC` counts.
    store : path
        Store of the static layers of the tile and direction.
    tracks : collection of int
        Tracks whose layers in the store the composite read.

    Returns
    -------
    dict or None
        ``bursts``: ids of the static granules that converted bursts; ``tracks``: of each track, such as ``T137``, the
        ids of its static granules, and ``made_of``, the digest of the layers. Each is there if it was used.
    """
    bursts = sorted({of_one[STATIC] for of_one in facts.values() if STATIC in of_one})
    origins = read_origins(store) if tracks else {}
    by_track = {
        track_name(track): {"granules": list(origins[track].granules), "made_of": origins[track].made_of}
        for track in sorted(tracks)
        if track in origins
    }
    return {**({"bursts": bursts} if bursts else {}), **({"tracks": by_track} if by_track else {})} or None


def static_granules(statics: Mapping[str, Any] | None) -> list[str]:
    """Return the ids of all static granules that a month was made with, sorted."""
    used = statics or {}
    of_tracks = (name for track in used.get("tracks", {}).values() for name in track["granules"])
    return sorted({*used.get("bursts", ()), *of_tracks})


def other_statics(statics: Mapping[str, Any] | None, store: str | Path) -> list[str]:
    """Return the tracks, such as ``T137``, whose static layers in the store are not those that a month was made with.

    Tracks that the store lacks do not count.
    """
    used, origins = statics or {}, read_origins(store)
    digests = {name: track["made_of"] for name, track in used.get("tracks", {}).items()}
    changed = {
        track_name(track)
        for track, origin in origins.items()
        if digests.get(track_name(track), origin.made_of) != origin.made_of
    }
    for name in used.get("bursts", ()):
        track = parse_static_id(name).burst.track
        if track in origins and name not in origins[track].granules:
            changed.add(track_name(track))
    return sorted(changed)
