"""Bursts; granules grouped into passes, and the newest version of each."""

from __future__ import annotations

import csv
import gzip
import random
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from s1monthly.errors import NameFormatError
from s1monthly.granule_names import parse_granule_id
from s1monthly.granules import Burst, Granule, Slice, newest_versions, passes_of
from support.sites import burst_of, granule

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


def test_burst_as_text_and_back() -> None:
    burst = Burst(7, 1234, "IW3")
    assert str(burst) == "T007-001234-IW3"
    assert Burst.parse("T007-001234-IW3") == burst == Burst.parse("T007_001234_IW3")


@pytest.mark.parametrize("text", ["T7-001234-IW3", "T007-1234-IW3", "T007-001234-IW4", "T007-001234-EW1", "x", ""])
def test_no_burst(text: str) -> None:
    with pytest.raises(NameFormatError, match="burst"):
        Burst.parse(text)


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


MORNING = datetime(2024, 5, 3, 5, 11, tzinfo=UTC)


def slice_of(
    start: float, stop: float, ipf: tuple[int, int] = (3, 60), datatake: str = "00012C", day: int = 0
) -> Slice:
    """Lines from `start` to `stop`, in seconds; processed so many days later."""
    begin, end = (MORNING + timedelta(seconds=moment) for moment in (start, stop))
    name = f"S1A_IW_GRDH_1SDV_{begin:%Y%m%dT%H%M%S}_{end:%Y%m%dT%H%M%S}_000300_{datatake}_{ipf[1]:02X}{day:02X}"
    return replace(parse_slice(f"{name}_T022"), ipf=ipf, processed=MORNING + timedelta(days=day))


def parse_slice(name: str) -> Slice:
    granule = parse_granule_id(name)
    assert isinstance(granule, Slice)
    return granule


def test_slices_of_a_datatake_are_one_pass() -> None:
    pass_, *others = passes_of([slice_of(25, 50), slice_of(0, 25), slice_of(50, 75)])
    assert not others and pass_.name == "T022_20240503T051100Z" and len(pass_.granules) == 3


@pytest.mark.parametrize(
    ("older", "newer", "replaced"),
    [
        ([(0, 25)], [(0, 25)], [(0, 25)]),
        ([(0, 25)], [(1, 26)], [(0, 25)]),
        ([(0, 25), (25, 50)], [(-13, 12), (12, 37), (37, 62)], [(0, 25), (25, 50)]),
        ([(0, 25), (25, 50)], [(12, 37)], []),  # both have lines that the newer one lacks
        ([(0, 25), (25, 50)], [(0, 25)], [(0, 25)]),  # neighbours are no versions of each other
    ],
    ids=["same lines", "a second later", "cut otherwise", "only a part", "neighbour"],
)
def test_a_slice_gives_way_to_newer_ones_with_all_its_lines(
    older: list[tuple[int, int]], newer: list[tuple[int, int]], replaced: list[tuple[int, int]]
) -> None:
    old, new = [slice_of(*span, ipf=(2, 36)) for span in older], [slice_of(*span) for span in newer]
    kept, aside = newest_versions([*old, *new])
    gone = [one for one, span in zip(old, older, strict=True) if span in replaced]
    assert {one.granule_id for one in aside} == {one.id for one in gone}
    assert {one.id for one in kept} == {one.id for one in [*old, *new]} - {one.id for one in gone}
    assert all(one.reason.removeprefix("older version of ") in {one.id for one in new} for one in aside)


def test_processor_counts_before_time_of_processing_and_datatakes_are_apart() -> None:
    by_version, by_time = slice_of(0, 25, (3, 10)), slice_of(0, 25, (2, 90), day=9)
    assert newest_versions([by_time, by_version])[0] == [by_version]
    early, late = slice_of(0, 25, day=1), slice_of(0, 25, day=2)
    assert newest_versions([late, early])[0] == [late]
    other = slice_of(0, 25, datatake="00012D")
    assert len(newest_versions([early, other])[0]) == 2
