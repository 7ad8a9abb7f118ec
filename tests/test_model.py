"""Months, tiles, bursts; granules grouped into passes, and the newest version of each."""

from __future__ import annotations

import calendar
import csv
import gzip
import random
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s1monthly.errors import NameFormatError
from s1monthly.layout import parse_granule_id
from s1monthly.model import (
    Burst,
    CompositeKey,
    Direction,
    Granule,
    Month,
    Polarization,
    Stack,
    Tile,
    TileDirection,
    newest_versions,
    passes_of,
)
from support.sites import burst_of, granule

MONTHS = st.builds(Month, st.integers(1901, 9998), st.integers(1, 12))
CMR_LISTS = {"granules_19HBD.csv.gz": 666, "granules_22WFD.csv.gz": 443}


def real_granules(shared_data: Path, name: str) -> list[Granule]:
    with gzip.open(shared_data / "cmr" / name, "rt") as stream:
        return [parse_granule_id(row["granule"]) for row in csv.DictReader(stream)]


def overflight(granule: Granule) -> tuple[int, bool, int]:
    """Track, ascending or not, and cycle of a granule, from its burst number alone: gaps in time play no part.

    Burst numbers count the bursts, one every 2.758273 s, since the ascending node of track 1 began a 12-day cycle.
    """
    since_cycle_began = granule.burst.number * 2.758273
    revolution = 12 * 86400 / 175
    phase = since_cycle_began % revolution / revolution
    cycle_began = granule.acquired - timedelta(seconds=since_cycle_began) - datetime(2014, 1, 1, tzinfo=UTC)
    return granule.burst.track, not 0.25 < phase < 0.75, round(cycle_began / timedelta(hours=6))


# months


@given(MONTHS)
def test_a_month_begins_and_ends_where_the_calendar_says(month: Month) -> None:
    days = calendar.monthrange(month.year, month.month)[1]
    assert month.start == datetime(month.year, month.month, 1, tzinfo=UTC)
    assert month.start.utcoffset() == timedelta(0) == month.end.utcoffset()
    assert month.end - month.start == timedelta(days=days)
    assert Month.of(month.end - timedelta(microseconds=1)) == month == Month.of(month.start)
    assert Month.of(month.end) > month


@given(MONTHS, st.integers(-12_000, 12_000))
def test_shift_is_exact_over_years_and_the_order_is_that_of_time(month: Month, step: int) -> None:
    target = month.ordinal + step
    if not 1901 * 12 <= target < 9999 * 12:
        return
    moved = month.shift(step)
    assert (moved.year * 12 + moved.month) - (month.year * 12 + month.month) == step == moved.ordinal - month.ordinal
    assert moved.shift(-step) == month == Month.from_ordinal(month.ordinal)
    assert (moved > month) == (moved.start > month.start) == (str(moved) > str(month)) == (step > 0)


def test_until_crosses_years_and_holds_both_ends() -> None:
    def span(first: str, last: str) -> str:
        return " ".join(map(str, Month.parse(first).until(Month.parse(last))))

    assert span("2023-11", "2024-02") == "2023-11 2023-12 2024-01 2024-02"
    assert span("2024-02", "2024-02") == "2024-02"
    assert span("2024-03", "2024-02") == ""
    assert span("2014-04", "2024-03").count("-") == 120


@given(MONTHS)
def test_month_as_text_and_back(month: Month) -> None:
    assert Month.parse(str(month)) == month and len(str(month)) == 7


NO_MONTHS = [
    *["2024-13", "2024-00", "2024-1", "24-01", "2024-06-01", "2024/06", "202406", "1899-12"],
    " 2024-06",
    "2024-06\n",
    "",
]


@pytest.mark.parametrize("text", NO_MONTHS)
def test_no_month(text: str) -> None:
    with pytest.raises(NameFormatError, match="month"):
        Month.parse(text)


# tiles, bursts, keys


def test_parts_of_a_tile() -> None:
    tile = Tile("01KAB")
    assert (tile.zone, tile.band, tile.column, tile.row, tile.north, tile.epsg) == (1, "K", "A", "B", False, 32701)
    assert (Tile("10SGD").epsg, Tile("22NCF").north, Tile("22MCF").north) == (32610, True, False)


NO_TILES = {
    "no zone 61": ["61SGD"],
    "no zone 0": ["00SGD"],
    "no latitude band": ["10IGD", "10BGD", "10YGD"],
    "no column": ["10SJD", "11SGD"],
    "no row": ["10SGW", "10SGI"],
    "not a tile name": ["1SGD", "010SGD", "10sgd", "10SGD ", "10SGD\n", ""],
}


@pytest.mark.parametrize(("name", "says"), [(name, says) for says, names in NO_TILES.items() for name in names])
def test_no_tile(name: str, says: str) -> None:
    with pytest.raises(NameFormatError, match=says):
        Tile(name)


def test_burst_as_text_and_back() -> None:
    burst = Burst(7, 1234, "IW3")
    assert str(burst) == "T007-001234-IW3"
    assert Burst.parse("T007-001234-IW3") == burst == Burst.parse("T007_001234_IW3")


@pytest.mark.parametrize("text", ["T7-001234-IW3", "T007-1234-IW3", "T007-001234-IW4", "T007-001234-EW1", "x", ""])
def test_no_burst(text: str) -> None:
    with pytest.raises(NameFormatError, match="burst"):
        Burst.parse(text)


def test_polarization_pairs_name_the_co_polarized_layer_first() -> None:
    assert [pair.layers for pair in Polarization] == [("VV", "VH"), ("HH", "HV")]


def test_composite_key_by_names() -> None:
    key = CompositeKey.parse(tile="10SGD", direction="DESCENDING", month="2021-11")
    assert key == CompositeKey(Tile("10SGD"), Direction.DESCENDING, Month(2021, 11))
    assert str(key) == "10SGD_DESCENDING_2021-11"


@pytest.mark.parametrize(
    ("text", "pooled", "track", "directions", "passes"),
    [
        ("DESCENDING", "DESCENDING", None, [Direction.DESCENDING], "descending passes"),
        ("ASCENDING_T007", "ASCENDING", 7, [Direction.ASCENDING], "ascending passes of track 7"),
        ("COMBINED", "COMBINED", None, [*Direction], "passes of both directions"),
    ],
)
def test_a_stack_is_a_direction_a_track_or_both_directions(
    text: str, pooled: str, track: int | None, directions: list[Direction], passes: str
) -> None:
    stack = Stack.parse(text)
    assert stack == text == str(Stack.of(pooled, track)) and (stack.pooled, stack.track) == (pooled, track)
    assert list(stack.directions) == directions and stack.passes == passes
    key = CompositeKey.parse("10SGD", text, "2021-11")
    assert str(key) == f"10SGD_{text}_2021-11" and str(TileDirection(key.tile, stack).pooled) == f"10SGD_{pooled}"


@pytest.mark.parametrize(
    "text", ["", "ascending", "T137", "ASCENDING_137", "ASCENDING_T000", "ASCENDING_T176", "COMBINED_T137"]
)
def test_other_texts_are_no_stacks(text: str) -> None:
    with pytest.raises(NameFormatError, match="not a direction"):
        Stack.parse(text)


# passes


@pytest.mark.parametrize(
    "start",
    ["20211119T015950Z", "20211119T235950Z", "20211130T235950Z", "20211231T235950Z", "20240228T235950Z"],
    ids=["minute", "midnight", "month end", "year end", "28 February of a leap year"],
)
def test_a_pass_may_cross_minutes_days_months_and_years(start: str) -> None:
    began = parse_granule_id(granule(start).id).acquired
    overflown = [granule(began + timedelta(seconds=3 * n), burst_of(292318 + n)) for n in range(10)]
    assert len({g.acquired.minute for g in overflown}) == 2
    (found,) = passes_of(overflown)
    assert found.granules == tuple(overflown)
    assert (found.start, found.end) == (overflown[0].acquired, overflown[-1].acquired)
    assert found.name == f"T137_{start}"


def test_platforms_six_days_apart_make_two_passes() -> None:
    days = [("20211119T015854Z", "S1A"), ("20211125T015813Z", "S1B"), ("20211201T015854Z", "S1A")]
    overflown = [granule(day, burst_of(292318 + n), platform=name) for day, name in days for n in range(3)]
    assert [[g.platform for g in p.granules] for p in passes_of(overflown)] == [["S1A"] * 3, ["S1B"] * 3, ["S1A"] * 3]


def test_the_same_track_in_both_directions_of_a_day_makes_two_passes() -> None:
    assert len(passes_of([granule("20211119T015854Z"), granule("20211119T141500Z", burst_of(300000))])) == 2


def test_a_gap_of_ten_minutes_still_belongs_to_a_pass() -> None:
    first = granule("20211119T015000Z")
    for seconds, passes in ((600, 1), (601, 2)):
        later = granule(first.acquired + timedelta(seconds=seconds), burst_of(292500))
        assert len(passes_of([first, later])) == passes


def test_tracks_at_one_time_are_kept_apart_and_passes_sorted_by_start_then_track() -> None:
    late = granule("20211119T020000Z", burst_of(1, track=3))
    same_time = [granule("20211119T015854Z", burst_of(1, track=track)) for track in (137, 64)]
    assert [(p.track, len(p.granules)) for p in passes_of([late, *same_time])] == [(64, 1), (137, 1), (3, 1)]
    assert passes_of([]) == []


@pytest.mark.parametrize("name", CMR_LISTS)
def test_passes_of_real_lists_are_the_overflights_that_burst_numbers_tell(shared_data: Path, name: str) -> None:
    granules = real_granules(shared_data, name)
    assert len(granules) == CMR_LISTS[name]
    expected = defaultdict(set)
    for each in granules:
        expected[overflight(each)].add(each)
    found = passes_of(granules)
    assert {frozenset(p.granules) for p in found} == {frozenset(group) for group in expected.values()}
    assert sum(len(p.granules) for p in found) == len(granules)
    assert [p.start for p in found] == sorted(p.start for p in found)
    shuffled = granules[:]
    random.Random(1).shuffle(shuffled)
    assert passes_of(shuffled) == found


# versions


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ({"version": "1.0", "processed": "20250901T000000Z"}, {"version": "1.1", "processed": "20240101T000000Z"}),
        ({"version": "1.9", "processed": "20250901T000000Z"}, {"version": "1.10", "processed": "20240101T000000Z"}),
        ({"version": "9.9", "processed": "20250901T000000Z"}, {"version": "10.0", "processed": "20240101T000000Z"}),
        ({"version": "1.0", "processed": "20240101T000000Z"}, {"version": "1.0", "processed": "20250901T000000Z"}),
        ({"version": "1.0", "processed": "20240101T000000Z"}, {"version": "1.0", "processed": "20240101T000001Z"}),
    ],
)
@pytest.mark.parametrize("shift", [-1, 0, 1])
@pytest.mark.parametrize("turned", [False, True])
def test_the_newest_version_is_kept(older: dict[str, str], newer: dict[str, str], shift: int, turned: bool) -> None:
    """Reprocessing may move the start in the name by a second; the order of the granules plays no part."""
    began = datetime(2021, 11, 30, 23, 59, 59, tzinfo=UTC)
    old = granule(began, **older)
    new = granule(began + timedelta(seconds=shift), **newer)
    kept, replaced = newest_versions([new, old] if turned else [old, new])
    assert kept == [new]
    assert [(s.granule_id, s.lost) for s in replaced] == [(old.id, False)]
    assert new.id in replaced[0].reason


def test_other_bursts_and_other_days_replace_nothing() -> None:
    granules = [
        granule("20211119T015854Z", burst_of(292318, "IW1"), version="1.0"),
        granule("20211119T015854Z", burst_of(292318, "IW2"), version="1.1"),
        granule("20211119T015857Z", burst_of(292319, "IW1"), version="1.2"),
        granule("20211125T015854Z", burst_of(292318, "IW1"), version="1.3"),
    ]
    kept, replaced = newest_versions([*granules, granules[0]])
    assert set(kept) == set(granules) and kept == sorted(kept, key=lambda g: g.id)
    assert replaced == []


@pytest.mark.parametrize("name", CMR_LISTS)
def test_one_granule_a_burst_and_overflight_is_left_of_a_real_list(shared_data: Path, name: str) -> None:
    granules = real_granules(shared_data, name)
    month, second = timedelta(days=30), timedelta(seconds=1)
    again = [replace(g, acquired=g.acquired + second, processed=g.processed + month) for g in granules[::7]]
    newest: dict[tuple[object, ...], Granule] = {}
    for each in [*granules, *again]:
        seen = (each.burst, overflight(each))
        if seen not in newest or (each.version, each.processed) > (newest[seen].version, newest[seen].processed):
            newest[seen] = each
    kept, replaced = newest_versions([*again, *granules])
    assert set(kept) == set(newest.values()) and len(kept) == len(newest)
    assert len(kept) + len(replaced) == len({*granules, *again}) > len(granules)
