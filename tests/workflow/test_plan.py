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

from s1monthly.cube.header import BEING_WRITTEN, COMPLETE, EMPTY
from s1monthly.errors import ConfigError, CubeError, SourceError
from s1monthly.layout import DIGEST_PATTERN, SLOTS_PATTERN
from s1monthly.model import Direction, Month, Tile
from s1monthly.records.granule_list import read_granule_list
from s1monthly.records.recipe import digest, recipe
from s1monthly.records.search_log import read_answers
from s1monthly.workflow import report
from s1monthly.workflow.asking import listings_of, question_of
from s1monthly.workflow.month_state import Step
from s1monthly.workflow.plan import Plan, recipe_part
from support.sites import TODAY, Site, granules_of, put_layers, write_store

NOVEMBER, DECEMBER, JANUARY, FEBRUARY = Month(2021, 11).until(Month(2022, 2))
ALL = "2021-11 2021-12 2022-01 2022-02"
OTHER_RECIPE: dict[str, Any] = {"processing": {"mosaic_strategy": "last", "post_processing": False}}
OVERWRITE: dict[str, Any] = {"output": {"overwrite": True}}


def months_that(plan: Plan, what: str) -> list[Month]:
    """Return the months of which an attribute of their state is true."""
    return [state.month for state in plan.tiles[0].states if getattr(state, what)]


# what is planned for


def test_a_plan_has_months_for_every_tile_and_direction(site: Site) -> None:
    both = {"manual_mgrs_tiles": ["10SGD", "11SKB"], "flight_direction": ["ASCENDING", "DESCENDING"]}
    plan = site.plan(roi=both)
    names = [(str(tile.key.tile), str(tile.key.direction)) for tile in plan.tiles]
    assert names == [(tile, direction) for tile in ("10SGD", "11SKB") for direction in ("ASCENDING", "DESCENDING")]
    for tile, direction in names:
        key = plan.tile(tile, direction).key
        assert (key.tile, key.direction) == (Tile(tile), Direction(direction))
    assert len({plan.open_question(tile) for tile in plan.tiles}) == 4
    assert all(list(map(str, tile.months)) == ALL.split() for tile in plan.tiles)


def test_a_polygon_is_asked_for_its_tiles_and_names_are_not(site: Site) -> None:
    wkt = "POLYGON((-122 38, -121 38, -121 39, -122 38))"
    values = site.values()
    values["roi"] = {"wkt": wkt, "flight_direction": "ASCENDING"}
    asked = []

    def tiles(text: str, cover: str) -> list[Tile]:
        asked.append((text, cover))
        return [Tile("10SFH"), Tile("10SGH")]

    config = site.config()
    assert [str(b.key.tile) for b in Plan.make(config, TODAY, tiles).tiles] == ["10SGD"] and asked == []
    polygon = type(config).model_validate(values)
    assert [str(b.key.tile) for b in Plan.make(polygon, TODAY, tiles).tiles] == ["10SFH", "10SGH"]
    assert asked == [(wkt, "all")]


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
    (tile,) = plan.tiles
    assert months_that(plan, "is_final") == [NOVEMBER, JANUARY] and not (plan.stamps or months_that(plan, "to_make"))
    assert "nothing can be made anew" in plan.warnings[-1] and plan.months_to_make() == 0
    cog = Path(tile.paths(NOVEMBER).cog)
    cog.unlink()
    plan.look_again()
    assert any("1 COG to be written: 2021-11" in line for line in report.before_run(plan))
    record = Path(tile.paths(JANUARY).record)
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
    (tile,) = plan.tiles
    Path(tile.paths().cube, "zarr.json").unlink()
    with pytest.raises(CubeError, match=r"S1_monthly\.zarr"):
        made.plan()
    assert Plan.make(made.config(), TODAY, list, for_tools=True).tiles[0].key == tile.key


def test_a_month_whose_granules_are_gone_is_published_and_never_made_again(site: Site) -> None:
    put_layers(site.granule_folder, *granules_of("2021-11 2022-01"))
    site.search(source=site.local)
    site.make(source=site.local)
    for path in site.granule_folder.glob("*_202111*"):
        path.unlink()
    assert site.search(source=site.local) == ["2021-11"]
    plan = site.plan(source=site.local)
    (tile,) = plan.tiles
    assert (tile.with_granules, months_that(plan, "is_final")) == ([JANUARY], [NOVEMBER])
    assert not (plan.stamps or months_that(plan, "to_make"))
    Path(tile.paths(NOVEMBER).record).unlink()
    plan.look_again()
    assert months_that(plan, "is_made") == [JANUARY]
    assert any("do not go together (catalog_rebuild" in line and "2021-11" in line for line in report.before_run(plan))


def test_another_recipe_alone_is_no_damage(site: Site) -> None:
    """What no granule can make again is told as it is: catalog_rebuild could do nothing about it."""
    put_layers(site.granule_folder, *granules_of("2021-11 2022-01"))
    site.search(source=site.local)
    site.make(source=site.local)
    for path in site.granule_folder.glob("*_202111*"):
        path.unlink()
    site.search(source=site.local)
    (tile,) = site.plan(source=site.local).tiles
    site.write_record(tile, NOVEMBER, "any granules", "another recipe")
    told = "\n".join(report.before_run(site.plan(source=site.local)))
    assert "1 made earlier with another recipe, whose granules are gone: 2021-11" in told
    assert "catalog_rebuild" not in told


def test_listings_are_taken_of_a_local_source_alone(site: Site) -> None:
    put_layers(site.granule_folder, *granules_of("2021-11 2022-01"))
    assert set(listings_of(site.config(source=site.local))[0]) == {NOVEMBER, JANUARY}
    assert listings_of(site.config(source={"kind": "simulated", "path": str(site.granule_folder)})) == ({}, (), None)


def test_files_of_the_folder_that_are_not_used_are_told(site: Site) -> None:
    put_layers(site.granule_folder, *granules_of("2021-11"))
    (left_out,) = granules_of("2021-12")
    (site.granule_folder / f"{left_out.id}.zip").touch()
    told = [text for text in report.before_run(site.plan(source=site.local)) if text.startswith("WARNING")]
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
    assert made.plan().tiles
    assert made.plan(output={"formats": {"cog": False}}, time={"start": "2021-12", "end": "2021-12"}).tiles


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
    assert months_that(plan, "to_make_again") == [NOVEMBER, DECEMBER, FEBRUARY]
    wider = {"start": "2021-01", "end": "2022-12"}
    assert made.plan(**OTHER_RECIPE, **OVERWRITE, time=wider).tiles


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
    (tile,) = site.plan(**spelled).tiles
    algorithms = {name: number for name, number in tile.recipe["algorithms"].items() if name != "polygon_mask"}
    grid = {"crs": "EPSG:32610", "resolution": 60.0}
    held = {**tile.recipe, "algorithms": algorithms, "grid": grid, "roi_mask": spelled["roi"]["wkt"]}
    write_store(tile.paths().cube, NOVEMBER, NOVEMBER, held, {NOVEMBER: COMPLETE})
    site.write_record(tile, NOVEMBER, tile.answers[NOVEMBER].digest, digest(held))
    turned = "polygon((238 38, 239.0 39, 239 38, 238 38))"
    other: dict[str, Any] = {"roi": {"wkt": turned}, "processing": {"use_roi_mask": True, "target_resolution": 60}}
    for sections in (spelled, other):
        plan = site.plan(**sections)
        (tile,) = plan.tiles
        assert tile.recipe == held and months_that(plan, "is_made") == [NOVEMBER]
        of_job = plan.job_settings.of("10SGD", "ASCENDING").recipe
        assert repr(of_job) == repr(tile.recipe) and plan.job_settings.recipe == plan.recipe
    with pytest.raises(CubeError, match=r"recipe \(mosaic: \"mean\" -> \"last\"\)"):
        site.plan(roi=other["roi"], processing={**other["processing"], "mosaic_strategy": "last"})


# a polygon that limits the granules


NEAR, FAR = "T137-292323-IW1", "T137-292320-IW1"
MASKED: dict[str, Any] = {"roi": {"bbox": [-120.3, 34.7, -120.2, 34.8]}, "processing": {"use_roi_mask": True}}


@pytest.fixture
def masked(site: Site) -> Site:
    """A site with two granules in 2021-11 and 2021-12, one of which meets the polygon, and one off it in 2022-01."""
    site.granules = [*granules_of("2021-11 2021-12", NEAR), *granules_of("2021-11 2021-12 2022-01", FAR)]
    site.search(**MASKED)
    return site


def test_only_granules_that_meet_the_polygon_are_used(masked: Site) -> None:
    (tile,) = masked.plan(**MASKED).tiles
    assert {month: answer.granules for month, answer in tile.answers.items()} == {
        NOVEMBER: 1,
        DECEMBER: 1,
        JANUARY: 0,
        FEBRUARY: 0,
    }
    (listed,) = read_granule_list(tile.paths(NOVEMBER).granules).granules
    assert str(listed.burst) == NEAR
    assert [len(masked.search(**{**MASKED, "search": {"refresh": True}})), len(masked.search(**MASKED))] == [4, 0]


def test_a_late_granule_off_the_polygon_makes_nothing_again(masked: Site) -> None:
    masked.make(**MASKED)
    masked.granules += granules_of("2021-12 2022-01", "T137-292319-IW1")
    masked.search(**MASKED, search={"refresh": True})
    assert months_that(masked.plan(**MASKED), "is_made") == [NOVEMBER, DECEMBER]
    masked.granules += granules_of("2021-12", "T137-292322-IW1")
    masked.search(**MASKED, search={"refresh": True})
    assert months_that(masked.plan(**MASKED), "to_make_again") == [DECEMBER]


def test_another_polygon_or_none_asks_again(masked: Site) -> None:
    """And so does one polygon that becomes another and then the first again: answers are to one polygon."""
    other = {**MASKED, "roi": {"bbox": [-120.3, 34.3, -120.2, 34.4]}}
    for sections, granules, asked in ((other, 1, 4), ({}, 2, 4), (MASKED, 1, 3)):
        assert masked.search(**sections) == ALL.split()[:asked]  # what has no granule for the tile has none for a part
        assert masked.tile(**sections).answers[NOVEMBER].granules == granules
    assert masked.search(**{**MASKED, "roi": {"bbox": [239.7, 34.7, 239.8, 34.8]}}) == []


def as_before_polygons_limited(site: Site) -> None:
    """Rewrite the search log as an older version wrote it: with all granules of the tile, and no polygon."""
    path = Path(site.tile(**MASKED).paths().search)
    content = json.loads(path.read_text())
    for month, entry in content["months"].items():
        entry["digest"], polygon = entry.pop("tile_digest"), entry.pop("polygon")
        entry["granules"] = sum(str(granule.month) == month for granule in site.granules)
        assert polygon
    path.write_text(json.dumps(content))


def test_months_made_of_all_granules_of_the_tile_are_not_made_again(masked: Site) -> None:
    """Earlier versions read all granules and masked the pixels: the values are the same."""
    as_before_polygons_limited(masked)
    answers = read_answers(masked.tile(**MASKED).paths().search)[1]
    (tile,) = masked.plan(**MASKED).tiles
    for month in (NOVEMBER, DECEMBER):
        masked.write_record(tile, month, answers[month].digest, tile.recipe_digest)
    write_store(tile.paths().cube, NOVEMBER, DECEMBER, tile.recipe, dict.fromkeys((NOVEMBER, DECEMBER), COMPLETE))
    before = masked.plan(**MASKED)
    assert months_that(before, "is_made") == [NOVEMBER, DECEMBER]
    assert before.tiles[0].to_ask() == [JANUARY]  # it had granules, and was not made: which of them meet the polygon?
    made_of = [state.made_of for state in before.tiles[0].states[:2]]
    assert made_of == [answers[month].digest for month in (NOVEMBER, DECEMBER)]
    masked.search(**MASKED, search={"refresh": True})
    after = masked.plan(**MASKED)
    assert months_that(after, "is_made") == [NOVEMBER, DECEMBER]
    assert [state.made_of for state in after.tiles[0].states[:2]] == made_of
    Path(tile.paths(NOVEMBER).record).unlink()
    as_before_polygons_limited(masked)
    lost = masked.plan(**MASKED).tiles[0]
    assert (lost.to_ask(), lost.state(NOVEMBER).step) == ([NOVEMBER, JANUARY], Step.SEARCH)
    masked.search(**MASKED)
    assert masked.tile(**MASKED).state(NOVEMBER).granules_digest != made_of[0]


def test_an_unfinished_month_need_not_be_covered(made: Site) -> None:
    plan = made.plan()
    statuses = {NOVEMBER: BEING_WRITTEN, DECEMBER: COMPLETE, JANUARY: EMPTY}
    shutil.rmtree(plan.tiles[0].paths().cube)
    write_store(plan.tiles[0].paths().cube, NOVEMBER, FEBRUARY, plan.recipe, statuses)
    assert made.plan(**OTHER_RECIPE, **OVERWRITE, time={"start": "2021-12", "end": "2022-01"}).tiles


def test_every_cube_is_looked_at(site: Site) -> None:
    both = {"flight_direction": ["ASCENDING", "DESCENDING"]}
    site.granules = granules_of("2021-11")
    site.search(roi={"flight_direction": "DESCENDING"})
    site.make(roi={"flight_direction": "DESCENDING"})
    assert site.plan(**OTHER_RECIPE).tiles
    with pytest.raises(CubeError, match="10SGD_DESCENDING"):
        site.plan(**OTHER_RECIPE, roi=both)


def test_something_foreign_in_the_cube_s_place_stops_the_plan(site: Site) -> None:
    store = Path(site.tile().paths().cube)
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
    (tile,) = plan.tiles
    if held:
        write_store(tile.paths().cube, Month.parse(held[0]), Month.parse(held[1]), plan.recipe, {})
    assert tuple(map(str, plan.axis(tile))) == axis
    assert plan.slots_stamp(tile).endswith(f"/status/slots_{axis[0]}_{axis[1]}_{tile.recipe_digest}")


def test_the_slots_stamp_changes_with_axis_and_recipe_alone(made: Site) -> None:
    def stamp(**sections: Any) -> str:
        plan = made.plan(**sections)
        return plan.slots_stamp(plan.tiles[0])

    before = stamp()
    assert re.fullmatch(SLOTS_PATTERN, Path(before).name.removeprefix("slots_"))
    assert Path(before).parent.parent == Path(made.tile().paths().cube)
    assert before == stamp(output={"formats": {"cog": False}}) == stamp(time={"start": "2021-12", "end": "2021-12"})
    assert before == stamp(memory={"max_download_workers": 9}, processing={"cog_block_size": 256})
    other = stamp(**OTHER_RECIPE, **OVERWRITE)
    made.granules += granules_of("2022-03")
    longer = {"start": "2021-11", "end": "2022-03"}
    made.search(time=longer)
    assert len({before, other, stamp(time=longer)}) == 3


def test_a_month_whose_slot_is_lost_is_asked_for_where_its_list_is_gone_too(made: Site) -> None:
    """A cube that was deleted is made again from granules: their list is needed, though the records are in step."""
    plan = made.plan()
    shutil.rmtree(plan.tiles[0].paths().cube)
    shutil.rmtree(plan.layout.work_dir)
    assert made.search() == ["2021-11", "2021-12", "2022-02"]


# deciding, or not


def test_a_job_s_own_plan_takes_what_was_asked_as_settled(made: Site) -> None:
    """A cluster job plans again, perhaps while the source's folder changes: it decides nothing."""
    put_layers(made.granule_folder, *granules_of("2021-12"))
    decided = made.plan()
    (tile,) = decided.tiles
    late = made.plan(deciding=False, source=made.local, roi={"tracks": [64]})
    assert late.stamps == {} and late.open_question(late.tiles[0]) is None
    assert late.tiles[0].question == tile.question == read_answers(tile.paths().search)[0]
    assert late.tiles[0].answers == tile.answers and len(tile.answers) == 4
    assert made.plan(source=made.local, **OVERWRITE).tiles[0].answers == {}, "deciding, it would be void"
    assert late.slots_stamp(late.tiles[0]).rsplit("_", 1)[0] == decided.slots_stamp(tile).rsplit("_", 1)[0]


def test_a_job_s_own_plan_refuses_nothing_and_lists_nothing(made: Site) -> None:
    """What the deciding process allowed may look like a mixture once the first job has begun the cube anew."""
    assert made.plan(deciding=False, **OTHER_RECIPE).tiles
    made.granule_folder.mkdir()
    assert made.plan(deciding=False, source=made.local).tiles


def test_a_job_s_own_plan_before_any_answer_knows_nothing(site: Site) -> None:
    (tile,) = site.plan(deciding=False).tiles
    assert (tile.answers, tile.question) == ({}, None)


def test_an_open_question_is_closed_by_its_stamp_within_a_run(site: Site) -> None:
    plan = site.plan()
    (tile,) = plan.tiles
    stamp = plan.open_question(tile)
    assert stamp is not None and re.fullmatch(DIGEST_PATTERN, Path(stamp).name)
    Path(stamp).parent.mkdir(parents=True)
    Path(stamp).touch()
    assert plan.open_question(tile) is None


def test_a_stamp_without_its_answer_closes_nothing_for_the_next_run(site: Site) -> None:
    plan = site.plan()
    stamp = plan.open_question(plan.tiles[0])
    assert stamp is not None
    Path(stamp).parent.mkdir(parents=True)
    Path(stamp).touch()
    again = site.plan()
    assert again.open_question(again.tiles[0]) is not None


# products


def test_products_of_a_month(site: Site) -> None:
    layout = site.plan().layout
    assert list(site.plan().published.values()) == [layout.cog, layout.preview, layout.item]
    bare = site.plan(output={"formats": {"cog": False, "preview": False}})
    cog = site.plan(output={"formats": {"preview": False}})
    assert list(bare.published.values()) == [layout.item]
    assert list(cog.published.values()) == [layout.cog, layout.item]
    bands = site.plan(output={"cog_layout": "per_band", "bands": ["RVI"]})
    assert list(bands.published) == ["VV_dB", "VH_dB", "RVI", "preview", "item"]
    assert bands.published["RVI"] == layout.cog.replace(".tif", "_RVI.tif")
    assert bands.tiles[0].products == bands.job_settings.products == tuple(bands.published)
    assert bands.product_options == {"cog": True, "preview": True, "cog_layout": "per_band"}


def test_only_options_away_from_their_default_make_products_again(site: Site) -> None:
    """Rule publish compares this with what it noted when it made a month: `formats` alone, in earlier versions."""
    assert json.dumps(site.plan().product_options) == '{"cog": true, "preview": true}'
    zstd = site.plan(output={"cog_compression": "zstd"})
    assert zstd.product_options == {"cog": True, "preview": True, "cog_compression": "zstd"}
    assert zstd.job_settings.cog_compression == "zstd" and site.plan().job_settings.cog_compression == "deflate"


def test_a_part_of_the_recipe_changes_with_its_keys_alone(site: Site) -> None:
    def part(*keys: str, **processing: Any) -> str:
        return recipe_part(site.plan(processing=processing).tiles[0], *keys)

    assert part("mosaic") != part("mosaic", mosaic_strategy="last")
    assert part("mosaic") == part("mosaic", composite_method="mean")
    assert part("mosaic", "composite") != part("mosaic", "composite", composite_method="mean")


def test_every_part_of_the_recipe_that_the_rules_name_is_there(site: Site) -> None:
    rules = Path(__file__).resolve().parents[2] / "rules"
    named = {
        key
        for path in rules.glob("*.smk")
        for call in re.findall(r"recipe=recipe_parts\(([^)]*)\)", path.read_text())
        for key in re.findall(r'"(\w+)"', call)
    }
    full = site.config(processing={"texture_features": {"enabled": True}, "radiometry": "beta0"})
    grd = {"dem": __file__, "dem_heights": "ellipsoid"}
    slices = site.config(source={"kind": "grd", "path": str(site.folder)}, grd=grd)
    assert named <= {*recipe(full), *recipe(slices)}
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
    (tile,) = site.plan(**archive).tiles
    site.write_record(tile, Month(2022, 1), "other granules", tile.recipe_digest)
    assert site.plan(**archive).may_fetch()
    put_layers(site.granule_folder, *site.granules)
    assert not site.plan(source=site.local).may_fetch(), "a folder needs no login"
