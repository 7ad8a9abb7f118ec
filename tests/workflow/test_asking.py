"""What must be asked of the source: nothing that is known, everything that is not, whatever was deleted meanwhile."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from s1monthly.model import Month
from s1monthly.records.search_log import no_data_months
from s1monthly.workflow.tile_months import TileMonths, stamp_to_ask
from support.sites import Site, burst_of, granules_of, put_layers

NOVEMBER = Month(2021, 11)


def state(tile: TileMonths) -> tuple[str, str, str]:
    """Months to ask, with granules, and without, in short."""
    lists = (tile.to_ask(), tile.with_granules, no_data_months(tile.answers))
    return tuple(" ".join(map(str, months)) for months in lists)  # type: ignore[return-value]


ALL = "2021-11 2021-12 2022-01 2022-02"


def test_everything_is_asked_once(site: Site) -> None:
    site.granules = granules_of("2021-11 2022-01")
    assert state(site.tile()) == (ALL, "", "")
    assert site.search() == ALL.split()
    assert state(site.tile()) == ("", "2021-11 2022-01", "2021-12 2022-02")
    assert site.search() == []
    assert stamp_to_ask([site.tile()]) is None


def test_a_longer_time_asks_for_its_new_months_alone(site: Site) -> None:
    site.granules = granules_of("2021-11 2022-04")
    site.search()
    longer = {"start": "2021-10", "end": "2022-04"}
    assert site.search(time=longer) == ["2021-10", "2022-03", "2022-04"]
    assert state(site.tile(time=longer)) == ("", "2021-11 2022-04", "2021-10 2021-12 2022-01 2022-02 2022-03")
    assert site.search() == [], "the shorter time is still known"


@pytest.mark.parametrize("made", [[], ["2021-11"], ["2021-11", "2022-01"]])
@pytest.mark.parametrize("lists", ["kept", "one deleted", "work folder deleted"])
@pytest.mark.parametrize("recipe", ["same", "another"])
@pytest.mark.parametrize("refresh", [False, True])
def test_what_is_asked_again(site: Site, made: list[str], lists: str, recipe: str, refresh: bool) -> None:
    """A list that is gone is asked for again where the month has still to be made of it, and only there."""
    site.granules = granules_of("2021-11 2022-01")
    site.search()
    if made:
        site.make(*made)
    plan = site.plan()
    if lists == "one deleted":
        Path(plan.tiles[0].paths(NOVEMBER).granules).unlink()
    elif lists == "work folder deleted":
        shutil.rmtree(plan.layout.work_dir)
    gone = {"kept": [], "one deleted": ["2021-11"], "work folder deleted": ["2021-11", "2022-01"]}[lists]
    expected = ALL.split() if refresh else [m for m in gone if recipe == "another" or m not in made]
    sections: dict[str, Any] = {"search": {"refresh": refresh}, "output": {"overwrite": True}}
    if recipe == "another":
        sections["processing"] = {"mosaic_strategy": "last"}
    tile = site.tile(**sections)
    assert [str(month) for month in tile.to_ask()] == expected
    assert (stamp_to_ask([tile]) is not None) == bool(expected)
    assert site.search(**sections) == expected
    assert [str(month) for month in site.tile(**sections).to_ask()] == (expected if refresh else [])


def test_refresh_asks_in_every_run_and_once_in_a_run(site: Site) -> None:
    site.granules = granules_of("2021-11")
    refresh = {"refresh": True}
    assert site.search(search=refresh) == ALL.split()
    assert site.search(search=refresh) == ALL.split()
    assert site.search() == []


def _delete_answers(site: Site) -> None:
    tile = site.tile(source=site.local)
    Path(tile.paths().search).unlink()


def _delete_output(site: Site) -> None:
    shutil.rmtree(site.tile(source=site.local).layout.base_dir)


def _ask_something_else(site: Site) -> None:
    assert site.search(source=site.local, roi={"tracks": [64]}) == ALL.split()


def _add_and_remove_granules(site: Site) -> None:
    late = granules_of(ALL, burst_of(292319))
    put_layers(site.granule_folder, *late)
    assert site.search(source=site.local) == ALL.split()
    for path in site.granule_folder.glob("*292319*"):
        path.unlink()


@pytest.mark.parametrize("loss", [_delete_answers, _delete_output, _ask_something_else, _add_and_remove_granules])
def test_an_answer_that_is_lost_is_asked_for_again(site: Site, loss: Callable[[Site], None]) -> None:
    """The stamps of earlier answers are still in the work folder: they must not hide that the answer is gone."""
    put_layers(site.granule_folder, *granules_of(ALL))
    assert site.search(source=site.local) == ALL.split()
    loss(site)
    assert site.search(source=site.local) == ALL.split()
    assert site.search(source=site.local) == []
    assert state(site.tile(source=site.local)) == ("", ALL, "")


def test_an_answer_to_another_listing_is_void_for_its_month_alone(site: Site) -> None:
    put_layers(site.granule_folder, *granules_of("2021-11 2022-01"))
    source = site.local
    assert site.search(source=source) == ALL.split()
    assert state(site.tile(source=source)) == ("", "2021-11 2022-01", "2021-12 2022-02")
    put_layers(site.granule_folder, *granules_of("2021-12"))
    assert state(site.tile(source=source)) == ("2021-12", "2021-11 2022-01", "2022-02")
    assert site.search(source=source) == ["2021-12"]
    put_layers(site.granule_folder, *granules_of("2022-01"), size=101)
    assert state(site.tile(source=source)) == ("2022-01", "2021-11 2021-12", "2022-02")
    for path in site.granule_folder.glob("*_20211205T*"):
        path.unlink()
    assert site.search(source=source) == ["2021-12", "2022-01"]
    assert state(site.tile(source=source)) == ("", "2021-11 2022-01", "2021-12 2022-02")


def test_granules_moved_to_another_folder_of_the_source_are_not_asked_for_again(site: Site) -> None:
    put_layers(site.granule_folder, *granules_of("2021-11"))
    site.search(source=site.local)
    (site.granule_folder / "below").mkdir()
    for path in site.granule_folder.glob("*.tif"):
        path.rename(path.parent / "below" / path.name)
    assert site.search(source=site.local) == []


def test_the_stamp_is_the_question_and_nothing_else(site: Site) -> None:
    put_layers(site.granule_folder, *granules_of("2021-11"))

    def stamp(**sections: Any) -> str | None:
        return stamp_to_ask([site.tile(**{"source": site.local, **sections})])

    first = stamp()
    assert first == stamp() == stamp(output={"formats": {"cog": False}}, processing={"mosaic_strategy": "last"})
    others = [
        stamp(roi={"tracks": [137]}),
        stamp(roi={"polarization": "HH+HV"}),
        stamp(roi={"flight_direction": "DESCENDING"}),
        stamp(roi={"manual_mgrs_tiles": ["10SGE"]}),
        stamp(time={"start": "2021-11", "end": "2022-01"}),
        stamp(source={"kind": "simulated", "path": str(site.granule_folder)}),
    ]
    put_layers(site.granule_folder, *granules_of("2021-12"))
    others.append(stamp())
    assert len({first, *others}) == len(others) + 1


def test_a_stamp_is_new_for_a_list_that_is_asked_for_again(site: Site) -> None:
    site.granules = granules_of("2021-11")
    november = {"start": "2021-11", "end": "2021-11"}
    first = stamp_to_ask([site.tile(time=november)])
    site.search(time=november)
    Path(site.tile().paths(NOVEMBER).granules).unlink()
    assert first != stamp_to_ask([site.tile(time=november)]) is not None


def test_the_account_of_months_without_data_does_not_shrink_with_the_time_asked_for(site: Site) -> None:
    site.granules = granules_of("2021-11")
    site.search()
    tile = site.tile(time={"start": "2022-01", "end": "2022-01"})
    assert [str(month) for month in no_data_months(tile.answers)] == ["2022-01"]
    assert [str(month) for month in tile.no_data] == ["2021-12", "2022-01", "2022-02"]


# the full archive


def test_months_before_the_earliest_granule_do_not_count(site: Site) -> None:
    site.granules = granules_of("2021-03 2021-05")
    full, today = {"full": 2021}, date(2021, 7, 10)
    assert len(site.search(today, time=full)) == 12 * 7 + 3
    assert state(site.tile(today=today, time=full)) == ("", "2021-03 2021-05", "2021-04 2021-06")


def test_a_new_month_without_granules_counts(site: Site) -> None:
    site.granules = granules_of("2021-03 2021-05")
    full = {"full": 2021}
    site.search(date(2021, 7, 10), time=full)
    later = date(2021, 9, 10)
    assert site.search(later, time=full) == ["2021-07", "2021-08"]
    assert state(site.tile(today=later, time=full))[2] == "2021-04 2021-06 2021-07 2021-08"


def test_months_after_an_earlier_first_granule_count(site: Site) -> None:
    put_layers(site.granule_folder, *granules_of("2021-05"))
    full: dict[str, Any] = {"time": {"full": 2021}, "source": site.local}
    today = date(2021, 7, 10)
    site.search(today, **full)
    put_layers(site.granule_folder, *granules_of("2021-02"))
    assert "2021-02" in site.search(today, **full)
    assert state(site.tile(today=today, **full)) == ("", "2021-02 2021-05", "2021-03 2021-04 2021-06")


def test_months_asked_by_name_count_though_the_full_archive_was_asked_before(site: Site) -> None:
    site.granules = granules_of("2021-03")
    site.search(date(2021, 5, 1), time={"full": 2021})
    years = {"start": "2021-01", "end": "2021-04"}
    site.search(time=years)
    assert state(site.tile(time=years)) == ("", "2021-03", "2021-01 2021-02 2021-04")


# months that settle


def asked_on(site: Site, moment: str, *months: str) -> None:
    """Let the answers of some months have been given at another time."""
    path = site.folder / "out" / "10SGD_ASCENDING" / "search.json"
    content = json.loads(path.read_text())
    for month in months:
        content["months"][month]["asked"] = moment
    path.write_text(json.dumps(content))


ASF = {"kind": "asf"}


@pytest.mark.parametrize(
    ("asked", "days", "again"),
    [
        ("2022-01-29T23:59:59Z", 60, ALL),  # November had ended 59 days, 23:59:59 before
        ("2022-01-30T00:00:00Z", 60, "2021-12 2022-01 2022-02"),
        ("2022-01-30T00:00:00Z", 61, ALL),
        ("2022-03-02T00:00:00Z", 60, "2022-01 2022-02"),
        ("2022-03-02T00:00:00Z", 1, ""),
        ("2022-02-28T23:59:59Z", 0, "2022-02"),
        ("2022-05-01T00:00:00Z", 60, ""),
    ],
)
def test_months_that_were_settling_when_last_asked_are_asked_again(
    site: Site, asked: str, days: int, again: str
) -> None:
    site.granules = granules_of("2021-11 2022-01")
    sections: dict[str, Any] = {"source": ASF, "search": {"settle_days": days}}
    assert site.search(**sections) == ALL.split()
    asked_on(site, asked, *ALL.split())
    assert " ".join(str(state.month) for state in site.tile(**sections).states if state.settling) == again
    assert site.search(**sections) == again.split()
    assert site.search(**sections) == [], "asked now, long after"


def test_a_settling_month_keeps_what_is_known_of_it(site: Site) -> None:
    """Until it is asked again it counts as it did; an answer that says the same leaves its list untouched."""
    site.granules = granules_of("2021-11 2022-01")
    site.search(source=ASF)
    site.make(source=ASF)
    path = site.folder / "work" / "10SGD_ASCENDING" / "granules" / "2022-01.csv"
    before = path.stat().st_mtime_ns
    asked_on(site, "2022-03-01T00:00:00Z", "2022-01", "2022-02")
    tile = site.tile(source=ASF)
    assert state(tile) == ("2022-01 2022-02", "2021-11 2022-01", "2021-12 2022-02")
    assert not any(state.to_make for state in tile.states)
    assert site.search(source=ASF) == ["2022-01", "2022-02"]
    assert path.stat().st_mtime_ns == before
    site.granules += granules_of("2022-01", burst_of(292319))
    asked_on(site, "2022-03-01T00:00:00Z", "2022-01")
    assert site.search(source=ASF) == ["2022-01"]
    assert [str(state.month) for state in site.tile(source=ASF).states if state.to_make_again] == ["2022-01"]


def test_only_the_archive_settles(site: Site) -> None:
    site.granules = granules_of("2021-11")
    site.search()
    asked_on(site, "2021-12-01T00:00:00Z", *ALL.split())
    assert site.search() == []


def test_a_preview_tells_what_will_be_asked_again(site: Site) -> None:
    site.granules = granules_of("2021-11")
    site.search(source=ASF)
    asked_on(site, "2022-03-01T00:00:00Z", "2022-02")
    report = "\n".join(site.report(source=ASF))
    assert "1 to be asked about again, more granules may come: 2022-02" in report
