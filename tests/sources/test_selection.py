"""Which granules are used, and why the others are set aside: what was lost is told from what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s1monthly.granules import PASS_GAP, Burst, BurstGranule, GranuleList, Layer, SetAside
from s1monthly.grid.orbit import orbit_direction
from s1monthly.model import COMBINED, Direction, Month, Polarization
from s1monthly.sources.selection import Selection, by_month, of_track

UP = Burst(137, 292318, "IW1")
UP_BESIDE = Burst(137, 292318, "IW2")
UP_ELSEWHERE = Burst(64, 135620, "IW1")
DOWN = Burst(18, 37352, "IW1")
START = datetime(2021, 11, 30, 23, 59, 59, tzinfo=UTC)
PROCESSED = datetime(2022, 1, 1, tzinfo=UTC)
BOTH = ("VV", "VH", "mask")


def granule(
    burst: Burst = UP, later: float = 0, version: str = "1.0", layers: Sequence[str] = BOTH, processed: float = 0
) -> BurstGranule:
    """A granule that began so many seconds after `START`, processed so many days after `PROCESSED`."""
    return BurstGranule(
        burst=burst,
        acquired=START + timedelta(seconds=later),
        processed=PROCESSED + timedelta(days=processed),
        platform="S1A",
        spacing=30,
        version=version,
        layers=tuple(Layer(name, url=name) for name in layers),
    )


def aside(
    *granules: BurstGranule, acquired: Mapping[str, Sequence[str]] | None = None, **wanted: Any
) -> dict[str, tuple[str, bool]]:
    """Reason and loss of every granule that is set aside."""
    options = {"direction": Direction.ASCENDING, "polarization": Polarization.VV_VH, "only_tracks": None} | wanted
    left_out = Selection(**options).set_aside(granules, acquired)
    assert all(name == one.granule_id for name, one in left_out.items())
    return {name: (one.reason, one.lost) for name, one in left_out.items()}


def test_a_granule_of_those_asked_for_is_used() -> None:
    assert orbit_direction(UP) == orbit_direction(UP_BESIDE) == Direction.ASCENDING
    assert orbit_direction(UP_ELSEWHERE) == Direction.ASCENDING and orbit_direction(DOWN) == Direction.DESCENDING
    assert aside(granule(), granule(UP_BESIDE), granule(UP_ELSEWHERE)) == {}


def test_both_directions_are_used_together() -> None:
    assert aside(granule(), granule(DOWN), direction=COMBINED) == {}


def test_each_track_takes_its_own_granules_and_names_the_others() -> None:
    lost = SetAside(granule(UP, later=86400).id, "no layer VH", lost=True)
    other_way = SetAside(granule(DOWN).id, "direction DESCENDING, not ASCENDING")
    beyond = granule(Burst(35, 73228, "IW1"))
    listed = GranuleList((beyond, granule(UP_ELSEWHERE), granule(), granule(UP_BESIDE)), (other_way, lost))
    assert of_track(listed, None, ()) == listed
    first, second = (of_track(listed, track, [64, 137]) for track in (64, 137))
    assert first.granules == (granule(UP_ELSEWHERE),) and second.granules == (granule(), granule(UP_BESIDE))
    told = {one.granule_id: (one.reason, one.lost) for one in first.set_aside}
    assert told == {
        other_way.granule_id: (other_way.reason, False),
        beyond.id: ("track 35 does not reach the tile", False),
        **dict.fromkeys([granule().id, granule(UP_BESIDE).id, lost.granule_id], ("track 137, not 64", False)),
    }
    assert lost in second.set_aside and len(second.set_aside) == 4
    assert list(second.set_aside) == sorted(second.set_aside, key=lambda one: one.granule_id)


def test_another_direction_is_left_out() -> None:
    other = granule(DOWN, layers=())
    assert aside(other, granule()) == {other.id: ("direction DESCENDING, not ASCENDING", False)}
    assert aside(other, direction=Direction.DESCENDING) == {other.id: ("no layer VV and VH", True)}


def test_another_track_is_left_out() -> None:
    other = granule(UP_ELSEWHERE, layers=("VV",))
    assert aside(other, granule(), only_tracks=[137, 3]) == {other.id: ("track 64 is not among roi.tracks", False)}
    assert aside(other, only_tracks=[64]) == {other.id: ("no layer VH", True)}


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        (("VV", "mask"), "no layer VH"),
        (("VH",), "no layer VV"),
        (("mask",), "no layer VV and VH"),
        ((), "no layer VV and VH"),
    ],
)
@pytest.mark.parametrize("declared", [True, False])
def test_a_layer_that_was_acquired_and_is_missing_is_lost(layers: Sequence[str], reason: str, declared: bool) -> None:
    lacking = granule(layers=layers)
    assert aside(lacking, acquired={lacking.id: ("VV", "VH")} if declared else {}) == {lacking.id: (reason, True)}


@pytest.mark.parametrize(
    ("layers", "declared", "text"),
    [
        (("HH", "HV", "mask"), ("HH", "HV"), "HH+HV"),
        (("HH", "HV", "mask"), None, "HH+HV"),
        (("mask",), ("HV", "HH"), "HH+HV"),
        (("VV", "mask"), ("VV",), "VV"),
        (("mask",), ("VV",), "VV"),
        (("HH", "mask"), ("HH",), "HH"),
    ],
)
def test_another_or_a_single_polarization_is_left_out(
    layers: Sequence[str], declared: Sequence[str] | None, text: str
) -> None:
    other = granule(layers=layers)
    left_out = aside(other, acquired={other.id: declared} if declared else None)
    assert left_out == {other.id: (f"polarization {text}, not VV+VH", False)}


def test_what_has_a_layer_was_acquired_whatever_is_declared() -> None:
    whole, lacking = granule(), granule(UP_BESIDE, layers=("VH",))
    assert aside(whole, lacking, acquired={whole.id: ("VV",), lacking.id: ("VV",)}) == {
        lacking.id: ("no layer VV", True)
    }


def test_older_versions_are_left_out_for_the_newest() -> None:
    old, new = granule(processed=900), granule(version="1.10", processed=1)
    newer = granule(version="1.10", processed=2)
    reason = (f"older version of {newer.id}", False)
    assert aside(old, newer, new) == {old.id: reason, new.id: reason}


def test_a_start_that_reprocessing_moved_is_the_same_acquisition() -> None:
    old, new = granule(), granule(later=1, version="1.1")
    assert aside(old, new) == {old.id: (f"older version of {new.id}", False)}
    later = granule(later=PASS_GAP.total_seconds() + 1, version="1.1")
    assert aside(old, later) == {}


def test_an_incomplete_newer_version_falls_back_on_a_complete_older_one() -> None:
    old, newer = granule(), granule(later=1, version="1.1", layers=("VV",))
    assert aside(old, newer) == {newer.id: (f"no layer VH; {old.id} is used instead", False)}


def test_an_incomplete_granule_is_lost_where_none_of_its_versions_is_complete() -> None:
    old, newer = granule(layers=("VH",)), granule(version="1.1", layers=("VV",))
    elsewhere, another_day = granule(UP_BESIDE), granule(later=12 * 86_400)
    left_out = aside(old, newer, elsewhere, another_day)
    assert left_out == {old.id: ("no layer VV", True), newer.id: ("no layer VH", True)}


def test_a_granule_that_is_left_out_replaces_none() -> None:
    used, other = granule(), granule(version="1.1", layers=("HH", "HV"))
    assert aside(used, other) == {other.id: ("polarization HH+HV, not VV+VH", False)}
    lacking = replace(used, layers=(Layer("VV", url="VV"),))
    assert aside(lacking, other)[lacking.id] == ("no layer VH", True)


LAYERS = [BOTH, ("VV", "VH"), ("VV", "mask"), ("VH",), ("mask",), ("HH", "HV", "mask"), ("HH",), ()]
GRANULES = st.lists(
    st.builds(
        granule,
        burst=st.sampled_from([UP, UP_BESIDE, UP_ELSEWHERE, DOWN]),
        later=st.sampled_from([0, 1, 12 * 86_400, 12 * 86_400 + 1]),
        version=st.sampled_from(["1.0", "1.1", "1.10"]),
        layers=st.sampled_from(LAYERS),
        processed=st.integers(0, 2),
    ),
    max_size=14,
    unique_by=lambda one: one.id,
)
DECLARED = st.sampled_from([None, ("VV", "VH"), ("HH", "HV"), ("VV",), ("HH",)])


@given(granules=GRANULES, data=st.data(), tracks=st.sampled_from([None, [137], [64, 18]]))
def test_every_acquisition_is_used_once_left_out_or_lost(
    granules: list[BurstGranule], data: st.DataObject, tracks: list[int] | None
) -> None:
    text = {one.id: data.draw(DECLARED) for one in granules}
    declared = {name: pair for name, pair in text.items() if pair}
    selection = Selection(Direction.ASCENDING, Polarization.VV_VH, tracks)
    left_out = selection.set_aside(granules, declared)
    assert selection.set_aside(data.draw(st.permutations(granules)), declared) == left_out

    def polarizations(one: BurstGranule) -> set[str]:
        existing = {layer.name for layer in one.layers} - {"mask"}
        return existing | set(
            declared.get(one.id, () if existing.isdisjoint({"VV", "VH"}) and existing else ("VV", "VH"))
        )

    def complete(one: BurstGranule) -> bool:
        return {"VV", "VH"} <= {layer.name for layer in one.layers}

    wanted = [
        one
        for one in granules
        if orbit_direction(one.burst) == Direction.ASCENDING
        and (tracks is None or one.burst.track in tracks)
        and {"VV", "VH"} <= polarizations(one)
    ]
    acquisitions: dict[tuple[Burst, int], list[BurstGranule]] = {}
    for one in wanted:
        acquisitions.setdefault((one.burst, (one.acquired - START).days), []).append(one)
    used, lost = set(), set()
    for same in acquisitions.values():
        whole = [one for one in same if complete(one)]
        if whole:
            used.add(max(whole, key=lambda one: (one.recency, one.id)).id)
        else:
            lost |= {one.id for one in same}
    assert {one.id for one in granules} - set(left_out) == used
    assert {name for name, one in left_out.items() if one.lost} == lost
    assert all(one.reason for one in left_out.values())


@given(granules=GRANULES, data=st.data())
def test_months_get_their_own_granules_in_order(granules: list[BurstGranule], data: st.DataObject) -> None:
    months = [Month(2021, 10), Month(2021, 11), Month(2021, 12)][: data.draw(st.integers(0, 3))]
    names = data.draw(st.sets(st.sampled_from([one.id for one in granules] or [""])))
    left_out = {name: SetAside(name, "for a reason") for name in names}
    found = by_month(months, granules, left_out)
    assert list(found) == months
    for month in months:
        of_month = sorted(one.id for one in granules if one.month == month)
        assert [one.id for one in found[month].granules] == [name for name in of_month if name not in names]
        assert [one.granule_id for one in found[month].set_aside] == [name for name in of_month if name in names]


def test_a_month_without_granules_has_an_entry() -> None:
    assert by_month([Month(2030, 1)], [granule()], {}) == {Month(2030, 1): GranuleList()}
