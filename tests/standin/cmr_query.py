"""A granule search as CMR reads it: the parameters that asf_search sends for a tile, checked as CMR checks them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import shapely
from shapely.affinity import translate
from shapely.geometry import Polygon

from standin.archive import Entry
from standin.umm_g import PROVIDER, short_name

Test = Callable[[Entry], bool]

SORT_KEYS: dict[str, Callable[[Entry], float | str]] = {
    "granule_ur": lambda entry: entry.id,
    "start_date": lambda entry: int(entry.begin.timestamp() * 1000),
    "end_date": lambda entry: int(entry.end.timestamp() * 1000),
}
LARGEST_PAGE = 2000
OPTIONS = {("temporal", "and"), ("platform", "ignore_case"), ("attribute", "or")}


class BadQuery(Exception):  # noqa: N818
    """CMR answers it with status 400 and this error."""


@dataclass(frozen=True)
class Query:
    """A search: tests that a granule must pass, the order, and the number of granules on a page."""

    tests: tuple[Test, ...]
    sort_keys: tuple[str, ...]
    page_size: int

    def find(self, entries: Iterable[Entry]) -> list[Entry]:
        """Return the granules that match, in order."""
        found = sorted((e for e in entries if all(test(e) for test in self.tests)), key=lambda entry: entry.number)
        for key in reversed(self.sort_keys):
            found.sort(key=SORT_KEYS[key.lstrip("+-")], reverse=key.startswith("-"))
        return found

    def values(self, entry: Entry) -> list[float | str]:
        """Values a granule is sorted by, the number of its concept last."""
        return [*(SORT_KEYS[key.lstrip("+-")](entry) for key in self.sort_keys), entry.number]

    def is_behind(self, entry: Entry, values: Sequence[Any]) -> bool:
        """Tell whether a granule comes behind the one with these values."""
        for key, own, other in zip((*self.sort_keys, ""), self.values(entry), values, strict=True):
            if own != other:
                return bool(own > other) != key.startswith("-")
        return False


def parse_query(parameters: Sequence[tuple[str, str]], default_page_size: int) -> Query:
    """Read the parameters of a search.

    Raises
    ------
    BadQuery
        If a parameter is not known or its value is not valid.
    """
    values: dict[str, list[str]] = {}
    any_attribute = ("options[attribute][or]", "true") in parameters
    for name, value in parameters:
        option = re.fullmatch(r"options\[(\w+)\]\[(\w+)\]", name)
        if option and (option[1], option[2]) not in OPTIONS:
            raise BadQuery(f"Option [{option[2]}] is not supported for param [{option[1]}]")
        if not option:
            # CMR takes shortName, short-name and short_name for one
            plain = re.sub(r"(?<=[a-z])([A-Z])", r"_\1", re.sub(r"\[\d*\]$", "", name))
            values.setdefault(plain.replace("-", "_").lower(), []).append(value)
    size, *_ = values.pop("page_size", [str(default_page_size)])
    if not size.isdigit() or int(size) > LARGEST_PAGE:
        raise BadQuery(f"page_size must be a number between 0 and {LARGEST_PAGE}")
    sort_keys = tuple(values.pop("sort_key", ["start_date"]))
    for key in sort_keys:
        if key.lstrip("+-") not in SORT_KEYS:
            raise BadQuery(f"The sort key [{key.lstrip('+-')}] is not a valid field for sorting granules.")
    for name in values:
        if name not in READERS:
            raise BadQuery(f"Parameter [{name}] was not recognized.")
    if not {"short_name", "provider"} & set(values):
        raise BadQuery("The CMR does not allow querying across granules in all collections.")
    tests = []
    for name, texts in values.items():
        single = [READERS[name](text) for text in texts]
        join = all if name == "attribute" and not any_attribute else any
        tests.append(lambda entry, single=single, join=join: join(test(entry) for test in single))
    return Query(tuple(tests), sort_keys, int(size))


def read_moment(text: str) -> datetime:
    """Read a time, UTC unless it says otherwise; fractions of a second are allowed."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadQuery(f"[{text}] is not a valid datetime") from error
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _temporal(text: str) -> Test:
    start, end = map(read_moment, text.split(","))
    if start > end:
        raise BadQuery(f"start_date [{start}] must be before end_date [{end}]")
    return lambda entry: entry.begin <= end and entry.end >= start


def read_polygon(text: str) -> Polygon:
    """Read ``lon,lat,lon,lat,...``; across the antimeridian longitudes go on beyond 180.

    Its sides are straight in longitude and latitude; CMR's are great circles, which differ little over a tile.

    Raises
    ------
    BadQuery
        If it has fewer than 4 points, is not closed, crosses itself or runs clockwise.
    """
    try:
        points = np.array(text.split(","), float).reshape(-1, 2)
    except ValueError as error:
        raise BadQuery(f"[{text}] is not a valid URL encoded polygon") from error
    if len(points) < 4:
        raise BadQuery(f"[{text}] is not a valid URL encoded polygon")
    if (np.abs(points) > (180, 90)).any():
        raise BadQuery("Spatial validation error: Point longitude must be within -180.0 and 180.0")
    if (points[0] != points[-1]).any():
        raise BadQuery("Spatial validation error: Polygon boundary was not closed.")
    turns = np.cumsum(np.round(np.diff(points[:, 0]) / 360))
    points[1:, 0] -= 360 * turns  # whole turns, where numpy's `unwrap` would part first and last by a rounding error
    if points[0, 0] != points[-1, 0]:
        raise NotImplementedError(f"a polygon with a pole in it: {text}")
    polygon = Polygon(points)
    if not polygon.is_valid:
        raise BadQuery("Spatial validation error: The polygon boundary intersected itself")
    if not polygon.exterior.is_ccw:
        raise BadQuery("Spatial validation error: Points must be provided in counter-clockwise order.")
    return polygon


def _polygon(text: str) -> Test:
    turned = [translate(read_polygon(text), turn) for turn in (-360.0, 0.0, 360.0)]
    for geometry in turned:
        shapely.prepare(geometry)
    return lambda entry: any(geometry.intersects(entry.footprint) for geometry in turned)


def _attribute(text: str) -> Test:
    kind, name, value = text.split(",")
    if (kind, name) != ("string", "OPERA_BURST_ID"):
        raise BadQuery(f"[{text}] is not an attribute of these collections")
    return lambda entry: value == str(entry.granule.burst).replace("-", "_")


READERS: dict[str, Callable[[str], Test]] = {
    "short_name": lambda text: lambda entry: text.lower() == short_name(entry).lower(),
    "attribute": _attribute,
    "provider": lambda text: lambda entry: text == PROVIDER,
    "temporal": _temporal,
    "polygon": _polygon,
}
