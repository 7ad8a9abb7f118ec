"""Check what an Item says about the origin of its month: types, allowed values, and consistency.

An Item may have been edited. For a rebuilt record, facts that only the Item contains are kept, so they are checked
first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from s1monthly.catalog.item import ORIGIN, PLATFORM_DESIGNATORS
from s1monthly.model import Month

CONSTELLATION = "sentinel-1"
PLATFORMS = tuple(f"{CONSTELLATION}{letter}" for letter in "abcd")
TRACKS = range(1, 176)
"""Relative orbits of Sentinel-1."""

_MOMENT = "%Y-%m-%dT%H:%M:%SZ"


def credible_origin(properties: Mapping[str, Any], month: Month) -> dict[str, Any]:
    """Return the properties of `item.ORIGIN` that can be true; of two that contradict each other, neither.

    Parameters
    ----------
    properties : mapping
        Properties of an Item.
    month : Month
        Month of the Item.
    """
    told = {name: properties[name] for name in ORIGIN if name in properties}
    kept = {name: value for name, value in told.items() if _KINDS[name](value)}
    for names, agree in _RELATIONS:
        if all(name in kept for name in names) and not agree(*(kept[name] for name in names)):
            kept = {name: value for name, value in kept.items() if name not in names}
    for name in ("s1:first_acquisition", "s1:last_acquisition"):
        if name in kept and not month.start <= _moment(kept[name]) < month.end:
            del kept[name]
    return kept


def _moment(text: str) -> datetime:
    return datetime.strptime(text, _MOMENT).replace(tzinfo=UTC)


def _is_moment(value: Any) -> bool:
    try:
        return f"{_moment(value):{_MOMENT}}" == value
    except (TypeError, ValueError):
        return False


def _is_number(least: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and value >= least


def _is_track(value: Any) -> bool:
    return type(value) is int and value in TRACKS


def _is_set_of(belongs: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Return a test for a non-empty, sorted list of distinct values that all pass `belongs`."""
    return lambda value: isinstance(value, list) and all(map(belongs, value)) and value == sorted(set(value)) != []


def _is_software(value: Any) -> bool:
    """Return True for a valid ``processing:software``: package -> version, without spaces."""
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(text, str) and re.fullmatch(r"\S+", text) for pair in value.items() for text in pair)
    )


_KINDS: dict[str, Callable[[Any], bool]] = {
    "platform": lambda value: value in (CONSTELLATION, *PLATFORMS),
    "processing:software": _is_software,
    "s1:platforms": _is_set_of(PLATFORMS.__contains__),
    "s1:tracks": _is_set_of(_is_track),
    "s1:granules": _is_number(1),
    "s1:passes": _is_number(1),
    "s1:missing_granules": _is_number(0),
    "s1:first_acquisition": _is_moment,
    "s1:last_acquisition": _is_moment,
    "sat:relative_orbit": _is_track,
    "sat:platform_international_designator": lambda value: value in PLATFORM_DESIGNATORS.values(),
}

_RELATIONS: tuple[tuple[tuple[str, ...], Callable[..., bool]], ...] = (
    (("platform", "s1:platforms"), lambda one, every: one == (every[0] if len(every) == 1 else CONSTELLATION)),
    (("platform", "sat:platform_international_designator"), lambda one, id_: PLATFORM_DESIGNATORS.get(one) == id_),
    (("s1:tracks", "sat:relative_orbit"), lambda every, one: every == [one]),
    (("s1:granules", "s1:passes"), lambda granules, passes: passes <= granules),
    (("s1:tracks", "s1:passes"), lambda every, passes: len(every) <= passes),
    (("s1:first_acquisition", "s1:last_acquisition"), lambda first, last: _moment(first) <= _moment(last)),
)
"""Names of properties, and a test whether their values can be true together."""
