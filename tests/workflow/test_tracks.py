"""Plans with a cube for each track: which tracks there are, what one search answers, and what it says beforehand."""

from __future__ import annotations

from typing import Any

import pytest

from s1monthly.errors import ConfigError
from s1monthly.model import Month
from s1monthly.records.granule_list import read_granule_list
from s1monthly.records.recipe import recipe
from s1monthly.workflow import report
from support.sites import Site, granules_of

BY_TRACK: dict[str, Any] = {"processing": {"by_track": True}}
NOVEMBER, JANUARY = Month(2021, 11), Month(2022, 1)
OF_35 = "T035-073228-IW3"


def names(site: Site, **sections: Any) -> list[str]:
    return [str(tile.key) for tile in site.plan(**sections).tiles]


def test_a_tile_has_a_cube_for_each_track_that_sees_it(site: Site) -> None:
    assert names(site, **BY_TRACK) == ["10SGD_ASCENDING_T035", "10SGD_ASCENDING_T137"]
    both = {"flight_direction": ["DESCENDING", "ASCENDING"], "tracks": [144, 137, 1]}
    assert names(site, roi=both, **BY_TRACK) == ["10SGD_DESCENDING_T144", "10SGD_ASCENDING_T137"]
    assert names(site, roi={"flight_direction": ["ASCENDING", "COMBINED"]}) == ["10SGD_ASCENDING", "10SGD_COMBINED"]


def test_a_tile_that_no_wanted_track_sees_is_told(site: Site) -> None:
    two = {"manual_mgrs_tiles": ["10SGD", "11SLT"], "tracks": [35]}
    plan = site.plan(roi=two, **BY_TRACK)
    assert [str(tile.key) for tile in plan.tiles] == ["10SGD_ASCENDING_T035"]
    assert "tile 11SLT: no track of roi.tracks sees it" in plan.warnings
    with pytest.raises(ConfigError, match=r"roi\.tracks: none of these tracks"):
        site.plan(roi={"tracks": [1]}, **BY_TRACK)


def test_wanting_fewer_tracks_is_no_other_recipe(site: Site) -> None:
    some = {"roi": {"tracks": [137]}}
    assert recipe(site.config(**some, **BY_TRACK)) == recipe(site.config(**BY_TRACK)) == recipe(site.config())
    assert recipe(site.config(**some)) != recipe(site.config())


def test_one_search_answers_for_all_tracks(site: Site) -> None:
    site.granules = [*granules_of("2021-11 2022-01"), *granules_of("2021-11", OF_35)]
    plan = site.plan(**BY_TRACK)
    (stamp,) = {plan.open_question(tile) for tile in plan.tiles}
    assert stamp and "/10SGD_ASCENDING/asked/" in stamp
    assert site.search(**BY_TRACK) == ["2021-11", "2021-12", "2022-01", "2022-02"]
    first, second = site.plan(**BY_TRACK).tiles
    assert (first.with_granules, second.with_granules) == ([NOVEMBER], [NOVEMBER, JANUARY])
    listed = read_granule_list(first.paths(NOVEMBER).granules)
    assert [granule.burst.track for granule in listed.granules] == [35]
    assert [one.reason for one in listed.set_aside] == ["track 137, not 35"]
    assert not site.plan(**BY_TRACK).stamps
    assert site.search() != [], "the pooled cube has answers of its own"


def test_a_late_granule_is_asked_for_all_tracks_and_changes_its_own_alone(site: Site) -> None:
    site.granules = [*granules_of("2021-11"), *granules_of("2021-11", OF_35)]
    site.search(**BY_TRACK)
    site.make(**BY_TRACK)
    site.granules += granules_of("2022-01", OF_35)
    again = {**BY_TRACK, "search": {"refresh": True}}
    assert site.search(**again) == ["2021-11", "2021-12", "2022-01", "2022-02"]
    first, second = site.plan(**BY_TRACK).tiles
    assert [state.month for state in first.states if state.to_make] == [JANUARY]
    assert [state.month for state in second.states if state.to_make] == []


@pytest.mark.parametrize(
    ("sections", "granules"),
    [({}, 144), (BY_TRACK, 144), ({"roi": {"flight_direction": "COMBINED"}}, 288)],
    ids=["pooled", "by track", "both directions"],
)
def test_the_estimate_counts_each_granule_once(site: Site, sections: dict[str, Any], granules: int) -> None:
    assert f"about {granules} granules" in list(report.before_run(site.plan(**sections)))[-1]
