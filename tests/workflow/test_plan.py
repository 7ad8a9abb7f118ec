"""The plan of a run: what it refuses, what it asks, the axis of each cube, and what it tells the user."""

from __future__ import annotations

import json
import os
import re
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from s1monthly.cube.status import BEING_WRITTEN, COMPLETE, EMPTY
from s1monthly.errors import ConfigError, CubeError, SourceError
from s1monthly.layout import DIGEST_PATTERN, SLOTS_PATTERN
from s1monthly.model import Direction, GranuleList, Month, SetAside, Tile
from s1monthly.records.recipe import digest, recipe
from s1monthly.records.seal import SEAL, seal
from s1monthly.records.search_log import read_answers
from s1monthly.workflow.plan import Plan, listings_of, question_of, recipe_part
from support.sites import TODAY, Site, granule, granules_of, put_layers, set_time, write_store

NOVEMBER, DECEMBER, JANUARY, FEBRUARY = Month(2021, 11).until(Month(2022, 2))
ALL = "2021-11 2021-12 2022-01 2022-02"
OTHER_RECIPE: dict[str, Any] = {"processing": {"mosaic_strategy": "last", "post_processing": False}}
OVERWRITE: dict[str, Any] = {"output": {"overwrite": True}}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, monkeypatch)


@pytest.fixture
def made(site: Site) -> Site:
    """A site with granules and finished months in 2021-11, 2021-12 and 2022-02; none in 2022-01."""
    site.granules = granules_of("2021-11 2021-12 2022-02")
    site.search()
    site.make()
    return site


def line(plan: Plan) -> str:
    """What the report says of the only tile and direction."""
    (told,) = [text for text in plan.report() if text.startswith("10SGD ASCENDING: ")]
    return told.removeprefix("10SGD ASCENDING: ")


# what is planned for


def test_a_plan_has_a_ledger_for_every_tile_and_direction(site: Site) -> None:
    both = {"manual_mgrs_tiles": ["10SGD", "11SKB"], "flight_direction": ["ASCENDING", "DESCENDING"]}
    plan = site.plan(roi=both)
    names = [(str(book.key.tile), str(book.key.direction)) for book in plan.ledgers]
    assert names == [(tile, direction) for tile in ("10SGD", "11SKB") for direction in ("ASCENDING", "DESCENDING")]
    for tile, direction in names:
        key = plan.ledger(tile, direction).key
        assert (key.tile, key.direction) == (Tile(tile), Direction(direction))
    assert len({plan.open_question(book) for book in plan.ledgers}) == 4
    assert all(list(map(str, book.asked_months)) == ALL.split() for book in plan.ledgers)


def test_a_polygon_is_asked_for_its_tiles_and_names_are_not(site: Site) -> None:
    wkt = "POLYGON((-122 38, -121 38, -121 39, -122 38))"
    values = site.values()
    values["roi"] = {"wkt": wkt, "flight_direction": "ASCENDING"}
    asked = []

    def tiles(text: str) -> list[Tile]:
        asked.append(text)
        return [Tile("10SFH"), Tile("10SGH")]

    config = site.config()
    assert [str(b.key.tile) for b in Plan.make(config, TODAY, tiles).ledgers] == ["10SGD"] and asked == []
    polygon = type(config).model_validate(values)
    assert [str(b.key.tile) for b in Plan.make(polygon, TODAY, tiles).ledgers] == ["10SFH", "10SGH"]
    assert asked == [wkt]


@pytest.mark.parametrize("today", [date(2021, 11, 1), date(2021, 11, 30), date(2020, 1, 1)])
def test_a_plan_without_a_whole_past_month_is_refused(site: Site, today: date) -> None:
    with pytest.raises(ConfigError, match="no whole past month") as refusal:
        site.plan(today)
    assert "2021-11" in refusal.value.remedy and "2022-02" in refusal.value.remedy


def test_an_empty_or_missing_source_folder_stops_the_plan_of_what_is_not_made(site: Site) -> None:
    with pytest.raises(SourceError, match="no such folder"):
        site.plan(source=site.local)
    site.granule_folder.mkdir()
    with pytest.raises(SourceError, match="no OPERA RTC-S1 granule"):
        site.plan(source=site.local)


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_a_source_folder_that_is_gone_leaves_what_is_made(site: Site, folder: str) -> None:
    put_layers(site.granule_folder, *granules_of("2021-11 2022-01"))
    site.search(source=site.local)
    site.make(source=site.local)
    shutil.rmtree(site.granule_folder)
    if folder == "empty":
        site.granule_folder.mkdir()
    plan = site.plan(source=site.local)
    (book,) = plan.ledgers
    assert book.to_publish == [NOVEMBER, JANUARY] and not (plan.stamps or book.missing() or book.out_of_step)
    assert "nothing can be made anew" in plan.warnings[-1] and plan.months_to_make() == 0
    cog = Path(book.path(plan.layout.cog, NOVEMBER))
    cog.unlink()
    assert any("1 COG to be made again: 2021-11" in line for line in plan.report())
    record = Path(book.path(plan.layout.record, JANUARY))
    record.write_text(record.read_text().replace('"unread": []', '"unread": ["x"]'))
    with pytest.raises(SourceError, match=r"needed for 10SGD ASCENDING 2022-01 ->.*catalog_rebuild"):
        site.plan(source=site.local)
    record.unlink()
    with pytest.raises(SourceError, match="needed for 10SGD ASCENDING 2022-01"):
        site.plan(source=site.local)
    tools = Plan.make(site.config(source=site.local), TODAY, list, for_tools=True)
    assert not tools.stamps, "tools need no source"


def test_a_damaged_cube_stops_runs_and_no_tools(made: Site) -> None:
    plan = made.plan()
    (book,) = plan.ledgers
    Path(book.path(plan.layout.cube), "zarr.json").unlink()
    with pytest.raises(CubeError, match=r"S1_monthly\.zarr"):
        made.plan()
    assert Plan.make(made.config(), TODAY, list, for_tools=True).ledgers[0].key == book.key


def test_a_month_whose_granules_are_gone_is_published_and_never_made_again(site: Site) -> None:
    put_layers(site.granule_folder, *granules_of("2021-11 2022-01"))
    site.search(source=site.local)
    site.make(source=site.local)
    for path in site.granule_folder.glob("*_202111*"):
        path.unlink()
    assert site.search(source=site.local) == ["2021-11"]
    plan = site.plan(source=site.local)
    (book,) = plan.ledgers
    assert (book.with_granules, book.kept_months, book.to_publish) == ([JANUARY], [NOVEMBER], [NOVEMBER, JANUARY])
    assert not (plan.stamps or book.missing() or book.out_of_step)
    Path(book.path(plan.layout.record, NOVEMBER)).unlink()
    assert book.to_publish == [JANUARY]
    assert any("do not go together (catalog_rebuild" in line and "2021-11" in line for line in plan.report())


def test_another_recipe_alone_is_no_damage(site: Site) -> None:
    """What no granule can make again is told as it is: catalog_rebuild could do nothing about it."""
    put_layers(site.granule_folder, *granules_of("2021-11 2022-01"))
    site.search(source=site.local)
    site.make(source=site.local)
    for path in site.granule_folder.glob("*_202111*"):
        path.unlink()
    site.search(source=site.local)
    (book,) = site.plan(source=site.local).ledgers
    site.write_record(book, NOVEMBER, "any granules", "another recipe")
    told = "\n".join(site.plan(source=site.local).report())
    assert "1 made earlier with another recipe, whose granules are gone: 2021-11" in told
    assert "catalog_rebuild" not in told


def test_listings_are_taken_of_a_local_source_alone(site: Site) -> None:
    put_layers(site.granule_folder, *granules_of("2021-11 2022-01"))
    assert set(listings_of(site.config(source=site.local))[0]) == {NOVEMBER, JANUARY}
    assert listings_of(site.config(source={"kind": "simulated", "path": str(site.granule_folder)})) == ({}, ())


def test_files_of_the_folder_that_are_not_used_are_told(site: Site) -> None:
    put_layers(site.granule_folder, *granules_of("2021-11"))
    (left_out,) = granules_of("2021-12")
    (site.granule_folder / f"{left_out.id}.zip").touch()
    told = [text for text in site.plan(source=site.local).report() if text.startswith("WARNING")]
    assert len(told) == 1 and "1 file looks like a granule and is not used" in told[0] and left_out.id in told[0]


@pytest.mark.parametrize("kind", ["asf", "local"])
def test_whether_a_mask_is_needed_is_part_of_the_question(site: Site, kind: str) -> None:
    site.granule_folder.mkdir()
    source = {"kind": kind, "path": str(site.granule_folder)}
    asked = [question_of(site.config(source=source, processing={"mask": mask})) for mask in ("shadow", "both", "none")]
    assert asked[0] == asked[1] != asked[2]
    options = [site.config(source=source, processing={"mask": mask}).source_options for mask in ("shadow", "none")]
    assert [one["with_mask"] for one in options] == [True, False]


def test_a_cache_that_is_the_source_itself_is_listed(site: Site) -> None:
    put_layers(site.granule_folder / "T137", *granules_of("2021-11"))
    for cache, months in ((site.granule_folder, {NOVEMBER}), (site.granule_folder / "T137", None)):
        config = site.config(source=site.local, download={"cache_dir": str(cache)})
        if months is not None:
            assert set(listings_of(config)[0]) == months
        else:
            with pytest.raises(SourceError, match="no OPERA RTC-S1 granule"):
                listings_of(config)


def test_a_question_is_what_decides_the_answer_of_the_source(site: Site) -> None:
    site.granule_folder.mkdir()
    before = question_of(site.config())
    same: list[dict[str, Any]] = [
        {"output": {"base_dir": "elsewhere", "formats": {"cog": False}}},
        {"processing": {"mosaic_strategy": "last", "target_resolution": 60}},
        {"memory": {"max_download_workers": 7}},
        {"time": {"years": [2020]}},
        {"search": {"refresh": True}},
    ]
    assert [question_of(site.config(**sections)) for sections in same] == [before] * len(same)
    other: list[dict[str, Any]] = [
        {"roi": {"polarization": "HH+HV"}},
        {"roi": {"tracks": [137]}},
        {"source": site.local},
        {"source": {"path": "made-here"}},
        {"source": {"simulation": {"seed": 2}}},
        {"source": {"simulation": {"passes_per_track": 1}}},
    ]
    assert len({digest(question_of(site.config(**sections))) for sections in [{}, *other]}) == len(other) + 1


# one cube, one recipe


def test_the_same_recipe_is_no_mixture(made: Site) -> None:
    assert made.plan().ledgers
    assert made.plan(output={"formats": {"cog": False}}, time={"start": "2021-12", "end": "2021-12"}).ledgers


def test_another_recipe_is_refused_with_the_difference_and_both_ways_out(made: Site) -> None:
    with pytest.raises(CubeError) as refusal:
        made.plan(**OTHER_RECIPE)
    assert "10SGD_ASCENDING" in refusal.value.problem
    for difference in ('mosaic: "mean" -> "last"', 'level: "hARDCp" -> "ARDC"', "despeckle: {"):
        assert difference in refusal.value.problem
    assert "composite" not in refusal.value.problem, "only what differs is named"
    assert "output.base_dir" in refusal.value.remedy and "output.overwrite: true" in refusal.value.remedy


def test_another_recipe_is_allowed_where_every_month_held_is_remade(made: Site) -> None:
    plan = made.plan(**OTHER_RECIPE, **OVERWRITE)
    assert all(plan.ledgers[0].slot_lost(month) for month in (NOVEMBER, DECEMBER, FEBRUARY))
    wider = {"start": "2021-01", "end": "2022-12"}
    assert made.plan(**OTHER_RECIPE, **OVERWRITE, time=wider).ledgers


@pytest.mark.parametrize(
    ("time", "uncovered"),
    [
        ({"start": "2021-12", "end": "2022-02"}, ["2021-11"]),
        ({"start": "2021-12", "end": "2022-01"}, ["2021-11", "2022-02"]),
        ({"years": [2022], "months": [2]}, ["2021-11", "2021-12"]),
    ],
)
def test_overwriting_a_part_is_refused_with_the_months_not_covered(
    made: Site, time: dict[str, Any], uncovered: list[str]
) -> None:
    with pytest.raises(CubeError) as refusal:
        made.plan(**OTHER_RECIPE, **OVERWRITE, time=time)
    assert [month for month in ALL.split() if month in refusal.value.remedy] == uncovered
    assert "base_dir" in refusal.value.remedy and 'mosaic: "mean" -> "last"' in refusal.value.problem


def test_another_spelling_of_one_recipe_makes_nothing_again(site: Site) -> None:
    """Nor does a cube's own spelling, which an older version wrote, become another: records and stamps carry it."""
    site.granules = granules_of("2021-11")
    ring = "-122 38, -121 38, -121 39, -122 38"
    spelled: dict[str, Any] = {
        "roi": {"wkt": f"POLYGON(({ring}))"},
        "processing": {"use_roi_mask": True, "target_crs": 32610, "target_resolution": 60},
    }
    site.search(**spelled)
    (book,) = site.plan(**spelled).ledgers
    algorithms = {name: number for name, number in book.recipe["algorithms"].items() if name != "polygon_mask"}
    grid = {"crs": "EPSG:32610", "resolution": 60.0}
    held = {**book.recipe, "algorithms": algorithms, "grid": grid, "roi_mask": spelled["roi"]["wkt"]}
    write_store(book.path(book.layout.cube), NOVEMBER, NOVEMBER, held, {NOVEMBER: COMPLETE})
    site.write_record(book, NOVEMBER, book.answers[NOVEMBER].digest, digest(held))
    turned = "polygon((238 38, 239.0 39, 239 38, 238 38))"
    other: dict[str, Any] = {"roi": {"wkt": turned}, "processing": {"use_roi_mask": True, "target_resolution": 60}}
    for sections in (spelled, other):
        plan = site.plan(**sections)
        (book,) = plan.ledgers
        assert book.recipe == held and book.in_step(NOVEMBER) and book.out_of_step == book.missing() == []
        of_job = plan.job_settings.of("10SGD", "ASCENDING").recipe
        assert repr(of_job) == repr(book.recipe) and plan.job_settings.recipe == plan.recipe
    with pytest.raises(CubeError, match=r"recipe \(mosaic: \"mean\" -> \"last\"\)"):
        site.plan(roi=other["roi"], processing={**other["processing"], "mosaic_strategy": "last"})


def test_an_unfinished_month_need_not_be_covered(made: Site) -> None:
    plan = made.plan()
    statuses = {NOVEMBER: BEING_WRITTEN, DECEMBER: COMPLETE, JANUARY: EMPTY}
    shutil.rmtree(plan.ledgers[0].path(plan.layout.cube))
    write_store(plan.ledgers[0].path(plan.layout.cube), NOVEMBER, FEBRUARY, plan.recipe, statuses)
    assert made.plan(**OTHER_RECIPE, **OVERWRITE, time={"start": "2021-12", "end": "2022-01"}).ledgers


def test_every_cube_is_looked_at(site: Site) -> None:
    both = {"flight_direction": ["ASCENDING", "DESCENDING"]}
    site.granules = granules_of("2021-11")
    site.search(roi={"flight_direction": "DESCENDING"})
    site.make(roi={"flight_direction": "DESCENDING"})
    assert site.plan(**OTHER_RECIPE).ledgers
    with pytest.raises(CubeError, match="10SGD_DESCENDING"):
        site.plan(**OTHER_RECIPE, roi=both)


def test_something_foreign_in_the_cube_s_place_stops_the_plan(site: Site) -> None:
    store = Path(site.book().path(site.plan().layout.cube))
    store.mkdir(parents=True)
    (store / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    with pytest.raises(CubeError, match=re.escape(str(store))):
        site.plan()


# the axis


@pytest.mark.parametrize(
    ("granules", "held", "axis"),
    [
        ("2021-12 2022-01", None, ("2021-12", "2022-01")),
        ("2021-12", None, ("2021-12", "2021-12")),
        ("2021-12", ("2021-11", "2022-02"), ("2021-11", "2022-02")),
        ("2021-11", ("2021-12", "2022-01"), ("2021-11", "2022-01")),
        ("2022-02", ("2021-12", "2022-01"), ("2021-12", "2022-02")),
        ("2021-12", ("2014-10", "2014-11"), ("2014-10", "2021-12")),
        ("2021-12", ("2023-01", "2024-06"), ("2021-12", "2024-06")),
    ],
)
def test_the_axis_is_the_union_and_never_shrinks(
    site: Site, granules: str, held: tuple[str, str] | None, axis: tuple[str, str]
) -> None:
    site.granules = granules_of(granules)
    site.search()
    plan = site.plan()
    (book,) = plan.ledgers
    if held:
        write_store(book.path(plan.layout.cube), Month.parse(held[0]), Month.parse(held[1]), plan.recipe, {})
    assert tuple(map(str, plan.axis(book))) == axis
    assert plan.slots_stamp(book).endswith(f"/status/slots_{axis[0]}_{axis[1]}_{book.recipe_digest}")


def test_the_slots_stamp_changes_with_axis_and_recipe_alone(made: Site) -> None:
    def stamp(**sections: Any) -> str:
        plan = made.plan(**sections)
        return plan.slots_stamp(plan.ledgers[0])

    before = stamp()
    assert re.fullmatch(SLOTS_PATTERN, Path(before).name.removeprefix("slots_"))
    assert Path(before).parent.parent == Path(made.book().path(made.plan().layout.cube))
    assert before == stamp(output={"formats": {"cog": False}}) == stamp(time={"start": "2021-12", "end": "2021-12"})
    assert before == stamp(memory={"max_download_workers": 9}, processing={"cog_block_size": 256})
    other = stamp(**OTHER_RECIPE, **OVERWRITE)
    made.granules += granules_of("2022-03")
    longer = {"start": "2021-11", "end": "2022-03"}
    made.search(time=longer)
    assert len({before, other, stamp(time=longer)}) == 3


def test_a_slot_is_lost_unless_complete_and_of_this_recipe(site: Site) -> None:
    site.granules = granules_of(ALL)
    site.search()
    plan = site.plan()
    (book,) = plan.ledgers
    assert book.slot_lost(NOVEMBER), "no cube"
    statuses = {NOVEMBER: EMPTY, DECEMBER: BEING_WRITTEN, JANUARY: COMPLETE}
    store = write_store(book.path(plan.layout.cube), NOVEMBER, FEBRUARY, plan.recipe, statuses)
    assert [book.slot_lost(m) for m in NOVEMBER.until(FEBRUARY.shift(1))] == [True, True, False, True, True]
    other = site.plan(**OTHER_RECIPE, **OVERWRITE)
    assert other.ledgers[0].slot_lost(JANUARY), "another recipe"
    shutil.rmtree(store)
    store.mkdir()
    assert book.slot_lost(JANUARY), "deleted but for the empty folder"


def test_a_month_whose_slot_is_lost_is_asked_for_where_its_list_is_gone_too(made: Site) -> None:
    """A cube that was deleted is made again from granules: their list is needed, though the records are in step."""
    plan = made.plan()
    shutil.rmtree(plan.ledgers[0].path(plan.layout.cube))
    shutil.rmtree(plan.layout.work_dir)
    assert made.search() == ["2021-11", "2021-12", "2022-02"]


# the report


def test_report_before_any_search(site: Site) -> None:
    assert line(site.plan()) == "4 not searched yet: 2021-11 ... 2022-02"
    assert line(site.plan(time={"years": [2022], "months": [1, 2]})) == "2 not searched yet: 2022-01, 2022-02"
    scattered = {"years": [2020, 2021], "months": [1, 2, 6, 10, 11, 12]}
    assert line(site.plan(time=scattered)) == (
        "12 not searched yet: 2020-01, 2020-02, 2020-06, 2020-10 ... 2021-02, 2021-06, 2021-10 ... 2021-12"
    )
    assert line(site.plan(time={"full": 2014})) == "9 not searched yet: since the earliest granule"


def test_an_empty_month_is_told_with_those_made(made: Site) -> None:
    (book,) = made.plan().ledgers
    path = Path(book.path(made.plan().layout.record, Month(2021, 12)))
    content = {name: value for name, value in json.loads(path.read_text()).items() if name != SEAL}
    path.write_text(json.dumps(seal({**content, "status": "empty"})))
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
    book = made.book()
    for month in (NOVEMBER, DECEMBER):
        set_time(book.path(book.layout.record, month), 0)
        set_time(book.path(book.layout.granules, month), 1)
    assert line(made.plan()) == "1 to make again, granules, record or cube changed: 2021-11; 2 made; 1 without granules"


def test_report_of_products_that_were_deleted(made: Site) -> None:
    layout, book = made.plan().layout, made.book()
    for pattern, months in ((layout.cog, (NOVEMBER, DECEMBER)), (layout.preview, (FEBRUARY,)), (layout.item, ())):
        for month in months:
            Path(book.path(pattern, month)).unlink()
    told = "2 COGs to be made again: 2021-11, 2021-12; 1 preview to be made again: 2022-02"
    assert line(made.plan()) == f"3 made; {told}; 1 without granules"
    Path(book.path(layout.item, DECEMBER)).unlink()
    without = {"output": {"formats": {"cog": False, "preview": False}}}
    assert line(made.plan(**without)) == "3 made; 1 Item to be made again: 2021-12; 1 without granules"
    Path(book.path(layout.record, DECEMBER)).unlink()
    assert line(made.plan(**without)) == "1 missing: 2021-12; 2 made; 1 without granules"


@pytest.mark.parametrize("time", [{"start": "2021-11", "end": "2022-02"}, {"full": 2014}])
def test_report_of_a_tile_without_any_granule(site: Site, time: dict[str, Any]) -> None:
    site.search(time=time)
    assert "without granules" in line(site.plan(time=time))


def test_report_warns_of_months_that_are_skipped(site: Site) -> None:
    told = list(site.plan(date(2022, 1, 10)).report())
    assert told[:2] == [
        f"WARNING Skipping 2022-{month}: month is current (incomplete) or future (today is 2022-01-10)"
        for month in ("01", "02")
    ]
    assert told[2:-1] == ["10SGD ASCENDING: 2 not searched yet: 2021-11, 2021-12"]


def test_report_names_options_without_effect(site: Site) -> None:
    told = list(site.plan(parallel={"max_workers": 8}, processing={"group_mode": "minute"}).report())
    assert [text.split(",")[0] for text in told[:-2]] == [
        "parallel.max_workers: no effect here",
        "processing.group_mode: no effect here",
    ]
    assert not any("no effect" in text for text in site.plan().report())


def test_report_warns_of_little_space(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: type("Usage", (), {"free": 20.4e9, "place": place}))
    (told,) = [text for text in site.plan(output={"disk_warn_gb": 50}).report() if "WARNING" in text]
    assert "20 GB free" in told and "50" in told and str(site.folder) in told
    assert not any("WARNING" in text for text in site.plan(output={"disk_warn_gb": 20}).report())


def test_report_has_a_line_for_every_tile_and_direction(site: Site) -> None:
    both = {"manual_mgrs_tiles": ["10SGD", "11SKB"], "flight_direction": ["ASCENDING", "DESCENDING"]}
    told = list(site.plan(roi=both).report())
    assert [text.split(":")[0] for text in told[:-1]] == [
        f"{tile} {direction}" for tile in ("10SGD", "11SKB") for direction in ("ASCENDING", "DESCENDING")
    ]


# deciding, or not


def test_a_job_s_own_plan_takes_what_was_asked_as_settled(made: Site) -> None:
    """A cluster job plans again, perhaps while the source's folder changes: it decides nothing."""
    put_layers(made.granule_folder, *granules_of("2021-12"))
    decided = made.plan()
    (book,) = decided.ledgers
    late = made.plan(deciding=False, source=made.local, roi={"tracks": [64]})
    assert late.stamps == {} and late.open_question(late.ledgers[0]) is None
    assert late.ledgers[0].question == book.question == read_answers(book.path(book.layout.search))[0]
    assert late.ledgers[0].answers == book.answers and len(book.answers) == 4
    assert made.plan(source=made.local, **OVERWRITE).ledgers[0].answers == {}, "deciding, it would be void"
    assert late.slots_stamp(late.ledgers[0]).rsplit("_", 1)[0] == decided.slots_stamp(book).rsplit("_", 1)[0]


def test_a_job_s_own_plan_refuses_nothing_and_lists_nothing(made: Site) -> None:
    """What the deciding process allowed may look like a mixture once the first job has begun the cube anew."""
    assert made.plan(deciding=False, **OTHER_RECIPE).ledgers
    made.granule_folder.mkdir()
    assert made.plan(deciding=False, source=made.local).ledgers


def test_a_job_s_own_plan_before_any_answer_knows_nothing(site: Site) -> None:
    (book,) = site.plan(deciding=False).ledgers
    assert (book.answers, book.question) == ({}, None)


def test_an_open_question_is_closed_by_its_stamp_within_a_run(site: Site) -> None:
    plan = site.plan()
    (book,) = plan.ledgers
    stamp = plan.open_question(book)
    assert stamp is not None and re.fullmatch(DIGEST_PATTERN, Path(stamp).name)
    Path(stamp).parent.mkdir(parents=True)
    Path(stamp).touch()
    assert plan.open_question(book) is None


def test_a_stamp_without_its_answer_closes_nothing_for_the_next_run(site: Site) -> None:
    plan = site.plan()
    stamp = plan.open_question(plan.ledgers[0])
    assert stamp is not None
    Path(stamp).parent.mkdir(parents=True)
    Path(stamp).touch()
    again = site.plan()
    assert again.open_question(again.ledgers[0]) is not None


# products


def test_products_of_a_month(site: Site) -> None:
    layout = site.plan().layout
    assert set(site.plan().month_products) == {layout.record, layout.cog, layout.preview, layout.item}
    bare = site.plan(output={"formats": {"cog": False, "preview": False}})
    cog = site.plan(output={"formats": {"preview": False}})
    assert set(bare.month_products) == {layout.record, layout.item}
    assert set(cog.month_products) == {layout.record, layout.cog, layout.item}


def test_a_part_of_the_recipe_changes_with_its_keys_alone(site: Site) -> None:
    def part(*keys: str, **processing: Any) -> str:
        return recipe_part(site.plan(processing=processing).ledgers[0], *keys)

    assert part("mosaic") != part("mosaic", mosaic_strategy="last")
    assert part("mosaic") == part("mosaic", composite_method="mean")
    assert part("mosaic", "composite") != part("mosaic", "composite", composite_method="mean")
    with pytest.raises(KeyError):
        part("no such key")


def test_every_part_of_the_recipe_that_the_rules_name_is_there(site: Site) -> None:
    rules = Path(__file__).resolve().parents[2] / "rules"
    named = {
        key
        for path in rules.glob("*.smk")
        for call in re.findall(r"recipe=recipe_parts\(([^)]*)\)", path.read_text())
        for key in re.findall(r'"(\w+)"', call)
    }
    textured = site.config(processing={"texture_features": {"enabled": True}})
    assert named <= set(recipe(textured))
    assert {"algorithms", "grid", "mask"} <= named


def test_paths_are_taken_without_detours(site: Site) -> None:
    os.makedirs(site.folder / "here")
    plan = site.plan(output={"base_dir": f"{site.folder}/here/../out/", "work_dir": "./work//"})
    assert (plan.layout.base_dir, plan.layout.work_dir) == (str(site.folder / "out"), "work")


def test_a_run_may_fetch_only_where_months_are_unknown_or_not_made(site: Site) -> None:
    archive: dict[str, Any] = {"source": {"kind": "asf"}}
    site.granules = granules_of("2021-11 2022-01")
    assert site.plan(**archive).may_fetch()
    site.search(**archive)
    assert site.plan(**archive).may_fetch()
    site.make(**archive)
    assert not site.plan(**archive).may_fetch()
    (book,) = site.plan(**archive).ledgers
    site.write_record(book, Month(2022, 1), "other granules", book.recipe_digest)
    assert site.plan(**archive).may_fetch()
    put_layers(site.granule_folder, *site.granules)
    assert not site.plan(source=site.local).may_fetch(), "a folder needs no login"


def test_a_search_that_failed_is_not_told_as_no_granules(site: Site) -> None:
    assert not [line for line in site.plan().outcome() if "WARNING" in line], "nothing is known yet"
    site.search()
    assert [line for line in site.plan().outcome() if "has no granule for any of these months" in line]


def test_why_granules_are_set_aside_is_told_before_and_after_a_run(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    held = granules_of(ALL)
    reasons = ["polarization HH+HV, not VV+VH", f"older version of {held[0].id}", "no layer VH", "no layer mask"]
    aside = {g.month: SetAside(g.id, why, why.startswith("no layer")) for g, why in zip(held, reasons, strict=True)}
    held_by = {m: GranuleList((), (one,)) for m, one in aside.items()}
    monkeypatch.setattr(site, "_found", lambda tile, direction, months: {m: held_by[m] for m in months})
    site.search()
    told = line(site.plan())
    assert "2 WITHOUT USABLE granules: 2022-01, 2022-02 (2 set aside: no layer VH (1); no layer mask (1))" in told
    assert (
        "2 without granules (2 set aside: polarization HH+HV, not VV+VH (1); older version of another granule (1))"
    ) in told
    assert site.book().unusable == [JANUARY, FEBRUARY]
    outcome = list(site.plan().outcome())
    assert told in outcome[0]
    assert not [text for text in outcome if "has no granule" in text]
    assert "no granule of these months is used: 4 set aside" in outcome[1]
    shutil.rmtree(site.folder / "work")
    assert site.book().to_ask() == [JANUARY, FEBRUARY], "the list is needed by the job that says why"


def test_a_month_made_before_of_granules_that_are_now_unusable_is_left_as_it_is(
    made: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = {g.month: SetAside(g.id, "no layer mask", True) for g in made.granules}
    held = lambda tile, direction, months: {m: GranuleList((), tuple(filter(None, [lost.get(m)]))) for m in months}  # noqa: E731
    monkeypatch.setattr(made, "_found", held)
    made.search(search={"refresh": True})
    assert made.book().out_of_step == [] and made.book().missing() == []
    assert "3 of these made earlier, left as they are: 2021-11, 2021-12, 2022-02" in line(made.plan())
    assert "no longer has" not in line(made.plan())
