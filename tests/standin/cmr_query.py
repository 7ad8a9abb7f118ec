"""A granule search as CMR reads it: parameters checked, granules matched and sorted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import shapely
from shapely.affinity import translate
from shapely.geometry import Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from standin.archive import Entry
from standin.umm_g import COLLECTION, PROVIDER, SHORT_NAME, attributes, inserted, platform

Test = Callable[[Entry], bool]

SORT_KEYS: dict[str, Callable[[Entry], float | str]] = {
    "granule_ur": lambda entry: entry.id,
    "start_date": lambda entry: int(entry.begin.timestamp() * 1000),
    "end_date": lambda entry: int(entry.end.timestamp() * 1000),
}
LARGEST_PAGE = 2000
Options = set[tuple[str, str]]
OPTIONS: Options = {
    ("attribute", "or"),
    ("temporal", "and"),
    ("polygon", "or"),
    ("bounding_box", "or"),
    ("point", "or"),
    ("platform", "ignore_case"),
    ("readable_granule_name", "pattern"),
    ("granule_ur", "pattern"),
}
JOINED_BY_AND = {"attribute", "polygon", "bounding_box", "point"}
"""Several values of these must all be met, unless an option says ``or``; of all others any."""

COLLECTIONS = {"short_name", "provider", "collection_concept_id", "echo_collection_id", "concept_id"}


class BadQuery(Exception):  # noqa: N818
    """CMR answers it with status 400 and these errors."""

    def __init__(self, *errors: str) -> None:
        super().__init__(*errors)
        self.errors = list(errors)


@dataclass(frozen=True)
class Query:
    """What is asked: tests a granule must pass, the order, and the number of granules on a page."""

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
        signs = (*self.sort_keys, "")
        for key, own, other in zip(signs, self.values(entry), values, strict=True):
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
    options: Options = set()
    for name, value in parameters:
        option = re.fullmatch(r"options\[(\w+)\]\[(\w+)\]", name)
        if option:
            parameter, kind = _snake(option[1]), _snake(option[2])
            if (parameter, kind) not in OPTIONS:
                raise BadQuery(f"Option [{kind}] is not supported for param [{parameter}]")
            if value == "true":
                options.add((parameter, kind))
            continue
        values.setdefault(_snake(re.sub(r"\[\d*\]$", "", name)), []).append(value)
    page_size = _page_size(values.pop("page_size", [str(default_page_size)]))
    sort_keys = tuple(values.pop("sort_key", ["start_date"]))
    for key in sort_keys:
        if key.lstrip("+-") not in SORT_KEYS:
            raise BadQuery(f"The sort key [{key.lstrip('+-')}] is not a valid field for sorting granules.")
    unknown = [name for name in values if name not in READERS]
    if unknown:
        raise BadQuery(*(f"Parameter [{name}] was not recognized." for name in unknown))
    if not COLLECTIONS & set(values):
        raise BadQuery(
            "The CMR does not allow querying across granules in all collections. You should limit your query using"
            " conditions that identify one or more collections, such as provider, concept_id, short_name, or"
            " entry_title."
        )
    tests = []
    for name, texts in values.items():
        single = [READERS[name](text, options) for text in texts]
        every = (name, "and") in options or (name in JOINED_BY_AND and (name, "or") not in options)
        tests.append(_all_of(single) if every else _any_of(single))
    return Query(tuple(tests), sort_keys, page_size)


def _all_of(tests: list[Test]) -> Test:
    return lambda entry: all(test(entry) for test in tests)


def _any_of(tests: list[Test]) -> Test:
    return lambda entry: any(test(entry) for test in tests)


def _snake(name: str) -> str:
    """CMR takes shortName, short-name and short_name for one."""
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).replace("-", "_").lower()


def _page_size(texts: list[str]) -> int:
    if len(texts) != 1 or not texts[0].isdigit() or int(texts[0]) > LARGEST_PAGE:
        raise BadQuery(f"page_size must be a number between 0 and {LARGEST_PAGE}")
    return int(texts[0])


# time


def read_moment(text: str) -> datetime:
    """Read a time, UTC unless it says otherwise; fractions of a second are allowed."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadQuery(f"[{text}] is not a valid datetime") from error
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _temporal(text: str, options: Options) -> Test:
    start, end, *season = [*text.split(","), ""][:4]
    if any(season):
        raise NotImplementedError(f"seasons: {text}")
    first = read_moment(start) if start else datetime.min.replace(tzinfo=UTC)
    last = read_moment(end) if end else datetime.max.replace(tzinfo=UTC)
    if first > last:
        raise BadQuery(f"start_date [{start}] must be before end_date [{end}]")
    return lambda entry: entry.begin <= last and entry.end >= first


# place


def _numbers(text: str, kind: str) -> list[float]:
    try:
        return [float(number) for number in text.split(",")]
    except ValueError as error:
        raise BadQuery(f"[{text}] is not a valid URL encoded {kind}") from error


def _check_points(points: Iterable[Sequence[float]]) -> None:
    errors = []
    for longitude, latitude in points:
        if not -180 <= longitude <= 180:
            errors.append(f"Point longitude [{longitude:g}] must be within -180.0 and 180.0")
        if not -90 <= latitude <= 90:
            errors.append(f"Point latitude [{latitude:g}] must be within -90 and 90.0")
    if errors:
        raise BadQuery(*(f"Spatial validation error: {error}" for error in errors))


def read_polygon(text: str) -> Polygon:
    """Read ``lon,lat,lon,lat,...``; across the antimeridian longitudes go on beyond 180.

    Its sides are straight in longitude and latitude; CMR's are great circles, which differ little over a tile.

    Raises
    ------
    BadQuery
        If it has fewer than 4 points, is not closed, crosses itself or runs clockwise.
    """
    numbers = _numbers(text, "polygon")
    if len(numbers) % 2 or len(numbers) < 8:
        raise BadQuery(f"[{text}] is not a valid URL encoded polygon")
    points = np.reshape(numbers, (-1, 2))
    _check_points(points.tolist())
    if (points[0] != points[-1]).any():
        raise BadQuery(
            "Spatial validation error: Polygon boundary was not closed. The last point must be equal to the first"
            " point."
        )
    turns = np.cumsum(np.round(np.diff(points[:, 0]) / 360))
    points[1:, 0] -= 360 * turns  # whole turns, where numpy's `unwrap` would part first and last by a rounding error
    if points[0, 0] != points[-1, 0]:
        raise NotImplementedError(f"a polygon with a pole in it: {text}")
    polygon = Polygon(points)
    if not polygon.is_valid:
        raise BadQuery("Spatial validation error: The polygon boundary intersected itself")
    if not polygon.exterior.is_ccw:
        raise BadQuery(
            "Spatial validation error: The polygon boundary points are listed in the wrong order. Points must be"
            " provided in counter-clockwise order."
        )
    return polygon


def _touches(area: BaseGeometry) -> Test:
    """Test whether a footprint meets an area whose longitudes may lie beyond 180."""
    turned = [translate(area, turn) for turn in (-360.0, 0.0, 360.0)]
    for geometry in turned:
        shapely.prepare(geometry)
    return lambda entry: any(geometry.intersects(entry.footprint) for geometry in turned)


def _polygon(text: str, options: Options) -> Test:
    return _touches(read_polygon(text))


def _bounding_box(text: str, options: Options) -> Test:
    numbers = _numbers(text, "bounding_box")
    if len(numbers) != 4:
        raise BadQuery(f"[{text}] is not a valid URL encoded bounding_box")
    west, south, east, north = numbers
    _check_points([(west, south), (east, north)])
    if north < south:
        raise BadQuery(
            f"Spatial validation error: The bounding rectangle north value [{north:g}] was less than the south value"
            f" [{south:g}]"
        )
    return _touches(box(west, south, east if east >= west else east + 360, north))


def _point(text: str, options: Options) -> Test:
    numbers = _numbers(text, "point")
    if len(numbers) != 2:
        raise BadQuery(f"[{text}] is not a valid URL encoded point")
    _check_points([numbers])
    return _touches(Point(numbers))


# names and attributes


def _attribute(text: str, options: Options) -> Test:
    parts = [part.strip() for part in text.split(",")]
    converters: dict[str, Callable[[str], Any]] = {"string": str.lower, "int": int, "float": float}
    if not 3 <= len(parts) <= 4 or parts[0] not in converters or not any(parts[2:]):
        raise BadQuery(f"[{text}] is not a valid attribute")
    convert, name = converters[parts[0]], parts[1]
    try:
        low, high = (convert(limit) if limit else None for limit in (parts[2], parts[-1]))
    except ValueError as error:
        raise BadQuery(f"[{text}] is not a valid attribute") from error

    def test(entry: Entry) -> bool:
        values = [convert(value) for value in attributes(entry).get(name, [])]
        return any((low is None or low <= value) and (high is None or value <= high) for value in values)

    return test


def _equal(found: Callable[[Entry], str]) -> Callable[[str, Options], Test]:
    return lambda text, options: lambda entry: found(entry).lower() == text.lower()


def _granule_ur(text: str, options: Options) -> Test:
    if options & {("granule_ur", "pattern"), ("readable_granule_name", "pattern")}:
        return lambda entry: fnmatchcase(entry.id.lower(), text.lower())
    return lambda entry: entry.id.lower() == text.lower()


def _updated_since(text: str, options: Options) -> Test:
    since = read_moment(text)
    return lambda entry: inserted(entry) >= since


READERS: dict[str, Callable[[str, Options], Test]] = {
    "short_name": _equal(lambda entry: SHORT_NAME),
    "provider": _equal(lambda entry: PROVIDER),
    "collection_concept_id": _equal(lambda entry: COLLECTION),
    "echo_collection_id": _equal(lambda entry: COLLECTION),
    "concept_id": _equal(lambda entry: COLLECTION),
    "platform": _equal(platform),
    "granule_ur": _granule_ur,
    "readable_granule_name": _granule_ur,
    "updated_since": _updated_since,
    "temporal": _temporal,
    "attribute": _attribute,
    "polygon": _polygon,
    "bounding_box": _bounding_box,
    "point": _point,
}
