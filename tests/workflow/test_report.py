"""What a run tells the user before and after: months, products, warnings."""

from __future__ import annotations

import json
import os
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from s1monthly.granules import GranuleList, SetAside
from s1monthly.model import Month
from s1monthly.records.seal import SEAL, seal
from s1monthly.workflow import report
from s1monthly.workflow.plan import Plan
from support.sites import Site, granule, granules_of, set_time

NOVEMBER, DECEMBER, JANUARY, FEBRUARY = Month(2021, 11).until(Month(2022, 2))
ALL = "2021-11 2021-12 2022-01 2022-02"


def line(plan: Plan) -> str:
    """Return the report's line of the only tile and direction."""
    return report.describe(plan.tiles[0])


def test_report_before_any_search(site: Site) -> None:
    assert line(site.plan()) == "4 not searched yet: 2021-11 ... 2022-02"
    assert line(site.plan(time={"years": [2022], "months": [1, 2]})) == "2 not searched yet: 2022-01, 2022-02"
    scattered = {"years": [2020, 2021], "months": [1, 2, 6, 10, 11, 12]}
    assert line(site.plan(time=scattered)) == (
        "12 not searched yet: 2020-01, 2020-02, 2020-06, 2020-10 ... 2021-02, 2021-06, 2021-10 ... 2021-12"
    )
    assert line(site.plan(time={"full": 2014})) == "9 not searched yet: since the earliest granule"


def test_an_empty_month_is_told_with_those_made(made: Site) -> None:
    (tile,) = made.plan().tiles
    path = Path(tile.paths(Month(2021, 12)).record)
    content = {name: value for name, value in json.loads(path.read_text()).items() if name != SEAL}
    before = path.stat()
    path.write_text(json.dumps(seal({**content, "status": "empty"})))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    told = "3 made; 1 of these EMPTY, without a valid pixel (see the log of composite): 2021-12; 1 without granules"
    assert line(made.plan()) == told


def test_report_of_missing_and_made_months(site: Site) -> None:
    site.granules = granules_of("2021-11 2021-12 2022-02")
    site.search()
    assert line(site.plan()) == "3 missing: 2021-11, 2021-12, 2022-02; 1 without granules"
    site.make("2021-12")
    assert line(site.plan()) == "2 missing: 2021-11, 2022-02; 1 made; 1 without granules"
    site.make()
    assert line(site.plan()) == "3 made; 1 without granules"
    longer = {"start": "2021-11", "end": "2022-03"}
    assert line(site.plan(time=longer)) == "1 not searched yet: 2022-03; 3 made; 1 without granules"


def test_report_of_months_with_new_granules(made: Site) -> None:
    made.granules += [granule("20211125T015854Z")]
    made.search(search={"refresh": True})
    tile = made.tile()
    for month in (NOVEMBER, DECEMBER):
        set_time(tile.paths(month).record, 0)
        set_time(tile.paths(month).granules, 1)
    assert (
        line(made.plan()) == "1 to make again, the source has other granules now: 2021-11; 2 made; 1 without granules"
    )


def test_report_of_products_that_were_deleted(made: Site) -> None:
    overviews = made.plan(output={"formats": {"overview": True}})
    assert "; 3 overview COGs to be written: 2021-11, 2021-12, 2022-02" in line(overviews)
    assessed = made.plan(output={"formats": {"ceos_ard": True}})
    assert "; 3 assessments by CEOS-ARD to be written: 2021-11, 2021-12, 2022-02" in line(assessed)
    tile = made.tile()
    for path in (tile.paths(NOVEMBER).cog, tile.paths(DECEMBER).cog, tile.paths(FEBRUARY).preview):
        Path(path).unlink()
    told = "2 COGs to be written: 2021-11, 2021-12; 1 preview to be written: 2022-02"
    assert line(made.plan()) == f"3 made; {told}; 1 without granules"
    Path(tile.paths(DECEMBER).item).unlink()
    without = {"output": {"formats": {"cog": False, "preview": False}}}
    assert line(made.plan(**without)) == "3 made; 1 Item to be written: 2021-12; 1 without granules"
    Path(tile.paths(DECEMBER).record).unlink()
    assert line(made.plan(**without)) == "1 missing: 2021-12; 2 made; 1 without granules"


@pytest.mark.parametrize("time", [{"start": "2021-11", "end": "2022-02"}, {"full": 2014}])
def test_report_of_a_tile_without_any_granule(site: Site, time: dict[str, Any]) -> None:
    site.search(time=time)
    assert "without granules" in line(site.plan(time=time))


def test_report_warns_of_months_that_are_skipped(site: Site) -> None:
    told = list(report.before_run(site.plan(date(2022, 1, 10))))
    assert told[:2] == [
        f"WARNING Skipping 2022-{month}: month is current (incomplete) or future (today is 2022-01-10)"
        for month in ("01", "02")
    ]
    assert told[2:-1] == ["10SGD ASCENDING: 2 not searched yet: 2021-11, 2021-12"]


def test_report_names_options_without_effect(site: Site) -> None:
    told = list(report.before_run(site.plan(parallel={"max_workers": 8}, processing={"group_mode": "minute"})))
    assert [text.split(",")[0] for text in told[:-2]] == [
        "parallel.max_workers: no effect here",
        "processing.group_mode: no effect here",
    ]
    assert not any("no effect" in text for text in report.before_run(site.plan()))


def test_report_warns_of_little_space(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: type("Usage", (), {"free": 20.4e9, "place": place}))
    (told,) = [text for text in report.before_run(site.plan(output={"disk_warn_gb": 50})) if "WARNING" in text]
    assert "20 GB free" in told and "50" in told and str(site.folder) in told
    assert not any("WARNING" in text for text in report.before_run(site.plan(output={"disk_warn_gb": 20})))


def test_report_has_a_line_for_every_tile_and_direction(site: Site) -> None:
    both = {"manual_mgrs_tiles": ["10SGD", "11SKB"], "flight_direction": ["ASCENDING", "DESCENDING"]}
    told = list(report.before_run(site.plan(roi=both)))
    assert [text.split(":")[0] for text in told[:-1]] == [
        f"{tile} {direction}" for tile in ("10SGD", "11SKB") for direction in ("ASCENDING", "DESCENDING")
    ]


def test_a_search_that_failed_is_not_told_as_no_granules(site: Site) -> None:
    assert not [line for line in report.after_run(site.plan()) if "WARNING" in line], "nothing is known yet"
    site.search()
    assert [line for line in report.after_run(site.plan()) if "has no granule for any of these months" in line]


def test_why_granules_are_set_aside_is_told_before_and_after_a_run(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    held = granules_of(ALL)
    reasons = ["polarization HH+HV, not VV+VH", f"older version of {held[0].id}", "no layer VH", "no layer mask"]
    aside = {g.month: SetAside(g.id, why, why.startswith("no layer")) for g, why in zip(held, reasons, strict=True)}
    monkeypatch.setattr(
        site, "_found", lambda tile, direction, months: {m: GranuleList((), (aside[m],)) for m in months}
    )
    site.search()
    told = line(site.plan())
    assert "2 WITHOUT USABLE granules: 2022-01, 2022-02 (2 set aside: no layer VH (1); no layer mask (1))" in told
    assert (
        "2 without granules (2 set aside: polarization HH+HV, not VV+VH (1); older version of another granule (1))"
    ) in told
    assert [state.month for state in site.tile().states if state.unusable] == [JANUARY, FEBRUARY]
    outcome = list(report.after_run(site.plan()))
    assert told in outcome[0]
    assert not [text for text in outcome if "has no granule" in text]
    assert "no granule of these months is used: 4 set aside" in outcome[1]
    shutil.rmtree(site.folder / "work")
    assert site.tile().to_ask() == [JANUARY, FEBRUARY], "the list is needed by the job that says why"


def test_a_month_made_before_of_granules_that_are_now_unusable_is_left_as_it_is(
    made: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = {g.month: SetAside(g.id, "no layer mask", True) for g in made.granules}
    held = lambda tile, direction, months: {m: GranuleList((), tuple(filter(None, [lost.get(m)]))) for m in months}  # noqa: E731
    monkeypatch.setattr(made, "_found", held)
    made.search(search={"refresh": True})
    assert not any(state.to_make for state in made.tile().states)
    assert "3 of these made earlier, left as they are: 2021-11, 2021-12, 2022-02" in line(made.plan())
    assert "no longer has" not in line(made.plan())


def test_a_reference_that_must_be_made_is_told_with_its_disk_space(site: Site) -> None:
    despeckle = {"method": "rabasar", "kwargs": {"reference": "2021-11 ... 2021-12"}}
    told = [text for text in report.before_run(site.plan(processing={"despeckle": despeckle})) if "reference" in text]
    assert told == [
        "10SGD ASCENDING: the reference of 2021-11, 2021-12 is made before all months; the bursts of its months stay on"
        " disk until then, about 1.3 GB of 72 granules"
    ]
    plan = site.plan(processing={"despeckle": despeckle})
    (small,) = [text for text in report.before_run(plan, limits=lambda tile: (0.25, 0.1)) if "reference" in text]
    assert small.endswith(" of 18 granules"), "a polygon leaves a quarter of each month's 36"
    assert not any("reference" in text for text in report.before_run(site.plan()))
