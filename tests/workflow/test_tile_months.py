"""The state of a month: what must be asked, made, or made again, and why."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from s1monthly.cube.header import BEING_WRITTEN, COMPLETE, EMPTY
from s1monthly.errors import ConfigError
from s1monthly.granules import GranuleList, SetAside
from s1monthly.model import Month
from s1monthly.records.reference import Reference, write_reference
from s1monthly.records.seal import SEAL, seal
from s1monthly.workflow.month_state import Step
from s1monthly.workflow.plan import Plan
from support.sites import Site, granule, granules_of, put_layers, write_store

NOVEMBER, DECEMBER, JANUARY, FEBRUARY = Month(2021, 11).until(Month(2022, 2))
ALL = "2021-11 2021-12 2022-01 2022-02"
OVERWRITE: dict[str, Any] = {"output": {"overwrite": True}}
OTHER_RECIPE: dict[str, Any] = {"processing": {"mosaic_strategy": "last"}, "output": {"overwrite": True}}


def steps(site: Site, **sections: Any) -> str:
    return ", ".join(state.step for state in site.tile(**sections).states)


def path_of(site: Site, kind: str, month: Month | None = None, **sections: Any) -> Path:
    tile = site.tile(**sections)
    return Path(getattr(tile.paths(month), kind))


# the steps


def test_the_steps_of_a_month_follow_what_is_there(site: Site) -> None:
    site.granules = granules_of("2021-11 2021-12")
    assert steps(site) == "search, search, search, search"
    site.search()
    assert steps(site) == "read, read, no data, no data"
    tile = site.tile()
    account = Path(tile.paths(NOVEMBER).account)
    account.parent.mkdir(parents=True)
    digests = {"granules_digest": tile.answers[NOVEMBER].digest, "recipe_digest": tile.recipe_digest}
    account.write_text(json.dumps({**digests, "on_tile": [], "off_tile": []}))
    assert steps(site) == "compose, read, no data, no data"
    site.make("2021-11")
    assert steps(site) == "complete, read, no data, no data"
    path_of(site, "cog", NOVEMBER).unlink()
    assert steps(site) == "publish, read, no data, no data"
    assert site.tile().state(NOVEMBER).lacking == ("cog",)


@pytest.mark.parametrize(
    "account",
    [
        lambda account: {**account, "granules_digest": "other"},
        lambda account: {**account, "recipe_digest": "other"},
        lambda account: {key: value for key, value in account.items() if key != "on_tile"},
        lambda account: [],
    ],
)
def test_bursts_of_other_granules_or_another_recipe_are_read_again(site: Site, account: Callable[[Any], Any]) -> None:
    site.granules = granules_of("2021-11")
    site.search()
    tile = site.tile()
    digests = {"granules_digest": tile.answers[NOVEMBER].digest, "recipe_digest": tile.recipe_digest}
    path = Path(tile.paths(NOVEMBER).account)
    path.parent.mkdir(parents=True)
    assert not tile.state(NOVEMBER).stale_bursts
    path.write_text(json.dumps(account({**digests, "on_tile": [], "off_tile": []})))
    state = site.tile().state(NOVEMBER)
    assert (state.step, state.stale_bursts) == (Step.READ, True)
    site.make("2021-11")
    state = site.tile().state(NOVEMBER)
    assert (state.step, state.stale_bursts) == (Step.COMPLETE, True), "a job that is forced must not use them"


def test_a_state_stays_until_the_source_answers_anew(made: Site) -> None:
    """What a run makes or loses must not change its plan; what it finds must."""
    tile = made.tile()
    assert tile.state(NOVEMBER).step is Step.COMPLETE
    path_of(made, "record", NOVEMBER).unlink()
    assert tile.state(NOVEMBER).step is Step.COMPLETE
    made.granules += granules_of("2022-01")
    made.search(search={"refresh": True})
    assert [state.step for state in tile.states] == ["read", "complete", "read", "complete"]
    made.make("2021-11")
    assert tile.state(NOVEMBER).step is Step.READ
    tile.forget()
    assert tile.state(NOVEMBER).step is Step.COMPLETE


# months to make again


def change_record(site: Site, month: Month, **values: Any) -> None:
    """Write a record with other values, and its seal."""
    path = path_of(site, "record", month)
    content = {name: value for name, value in json.loads(path.read_text()).items() if name != SEAL}
    path.write_text(json.dumps(seal({**content, **values})))


def test_other_granules_or_another_recipe_make_a_month_again(made: Site) -> None:
    assert steps(made) == "complete, complete, no data, complete"
    other = made.tile(**OTHER_RECIPE)
    state = other.state(NOVEMBER)
    assert state.to_make_again and state.reasons == ('its cube has another recipe: mosaic: "mean" -> "last"',)
    made.granules += [granule("20211125T015854Z")]
    made.search(search={"refresh": True})
    assert steps(made) == "read, complete, no data, complete"
    assert made.tile().state(NOVEMBER).reasons == ("the source has other granules now",)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"unread": ["a granule"]}, "some of its granules could not be read"),
        ({"unread": None}, "its record was rebuilt, and does not name its granules"),
        ({"granules_digest": None}, "its record was rebuilt, and does not name its granules"),
        ({"recipe_digest": "another"}, "its record has another recipe than its cube"),
        ({"set_aside": []}, None),
    ],
)
def test_what_a_record_says_may_make_its_month_again(made: Site, values: Any, reason: str | None) -> None:
    change_record(made, NOVEMBER, **values)
    state = made.tile().state(NOVEMBER)
    assert (state.to_make_again, state.reasons) == ((True, (reason,)) if reason else (False, ()))


def test_a_month_must_fit_the_reference_that_it_was_despeckled_by(site: Site) -> None:
    """The reference of rabasar; a run that leaves out months of its period cannot make it."""
    despeckle = {"method": "rabasar", "kwargs": {"reference": "2021-11 ... 2021-12"}}
    how: dict[str, Any] = {"processing": {"despeckle": despeckle}}
    site.granules = granules_of("2021-11 2022-01")
    site.search(**how)
    tile = site.tile(**how)
    assert (tile.period, tile.reference, tile.reference_months) == ((NOVEMBER, DECEMBER), None, [NOVEMBER])
    site.make(**how)
    state = site.tile(**how).state(NOVEMBER)
    assert state.to_make_again and state.reasons == ("the reference of its period is gone, or of another recipe",)
    with pytest.raises(ConfigError, match=r"is not made yet, and the time range leaves out 2021-11, 2021-12"):
        site.plan(time={"start": "2022-01", "end": "2022-01"}, **how)
    with pytest.raises(ConfigError, match=r"2021-12 is not over \(today is 2021-12-31\) -> give a period that is past"):
        site.plan(date(2021, 12, 31), **how)

    mean = path_of(site, "reference", **how)
    mean.parent.mkdir(parents=True)
    mean.touch()
    facts = path_of(site, "reference_facts", **how)
    write_reference(facts, Reference(tile.recipe_digest, {"2021-11": "digest"}, "right"))
    state = site.tile(**how).state(JANUARY)
    assert state.to_make_again and state.reasons == ("it was made with another reference",)
    for month in (NOVEMBER, JANUARY):
        record = path_of(site, "record", month, **how)
        content = {name: value for name, value in json.loads(record.read_text()).items() if name != SEAL}
        record.write_text(json.dumps(seal({**content, "despeckled": {"reference_digest": "right"}})))
    assert steps(site, **how) == "publish, no data, publish, no data", "made, and newer than the products"
    assert site.plan(time={"start": "2022-01", "end": "2022-01"}, **how).tiles[0].reference is not None
    facts.write_text(facts.read_text().replace("right", "wrong"))
    assert steps(site, **how) == "read, no data, read, no data"


def test_a_record_altered_by_hand_is_not_believed(made: Site) -> None:
    """Else the next run would make COG, Item and catalog of what it says now."""
    path = path_of(made, "record", NOVEMBER)
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content, indent=4))
    assert made.tile().state(NOVEMBER).is_made, "it says the same"
    for altered in ({**content, "granules": []}, {key: value for key, value in content.items() if key != SEAL}):
        path.write_text(json.dumps(altered))
        state = made.tile().state(NOVEMBER)
        assert state.to_make_again and state.record is None and state.reasons == ("its record was altered",)


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b"null", b"{}", b'{"granules_digest": 1}', b"\xff\xfe"])
def test_a_damaged_record_makes_its_month_again_and_asks_for_its_list(made: Site, damaged: bytes) -> None:
    path_of(made, "record", NOVEMBER).write_bytes(damaged)
    assert made.tile().state(NOVEMBER).to_make_again
    shutil.rmtree(made.tile().layout.work_dir)
    assert made.search() == ["2021-11"]


def test_the_cube_holds_a_month_if_it_is_complete_and_of_this_recipe(site: Site) -> None:
    site.granules = granules_of(ALL)
    site.search()
    site.make()
    tile, store = site.tile(), path_of(site, "cube")
    shutil.rmtree(store)
    assert site.tile().state(NOVEMBER).reasons == ("its cube is gone",)
    statuses = {NOVEMBER: EMPTY, DECEMBER: BEING_WRITTEN, JANUARY: COMPLETE}
    write_store(store, NOVEMBER, FEBRUARY, tile.recipe, statuses)
    assert [state.in_cube for state in site.tile().states] == [False, False, True, False]
    assert site.tile().state(FEBRUARY).reasons == ("the cube does not hold it",)
    assert not site.tile(**OTHER_RECIPE).state(JANUARY).in_cube
    (store / "zarr.json").write_text("{")
    tile.forget()
    assert tile.state(JANUARY).reasons == ("its cube is damaged",) and "zarr.json" in tile.problems[0]


# months whose granules are gone


def test_a_month_whose_granules_are_gone_is_published_and_never_made_again(site: Site) -> None:
    put_layers(site.granule_folder, *granules_of("2021-11 2022-01"))
    local: dict[str, Any] = {"source": site.local}
    site.search(**local)
    site.make(**local)
    for path in site.granule_folder.glob("*_202111*"):
        path.unlink()
    assert site.search(**local) == ["2021-11"]
    november = site.tile(**local).state(NOVEMBER)
    assert november.is_final and november.reasons == ("the source no longer has its granules",)
    assert steps(site, **local) == "complete, no data, complete, no data"
    site.write_record(site.tile(**local), NOVEMBER, "any granules", "another recipe")
    assert not site.tile(**local).state(NOVEMBER).is_made
    path_of(site, "record", NOVEMBER, **local).unlink()
    assert steps(site, **local) == "no data, no data, complete, no data"


def test_a_month_with_a_lost_granule_stays_when_the_source_is_gone(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    put_layers(site.granule_folder, *granules_of("2021-11"))
    lost = SetAside(granule("20211129T015854Z").id, "no layer VH", True)
    found = GranuleList(tuple(granules_of("2021-11")), (lost,))
    monkeypatch.setattr(
        site, "_found", lambda tile, direction, months: {m: found if m == NOVEMBER else GranuleList() for m in months}
    )
    site.search(source=site.local)
    site.make("2021-11", source=site.local)
    shutil.rmtree(site.granule_folder)
    state = site.tile(source=site.local).state(NOVEMBER)
    assert (state.step, state.is_final, state.unusable) == (Step.COMPLETE, True, False)


def test_what_must_be_searched_again_says_why(made: Site) -> None:
    other = made.tile(roi={"tracks": [137]}, **OVERWRITE).state(NOVEMBER)
    assert other.step is Step.SEARCH and other.reasons[0].startswith("the source must be asked again")
    path_of(made, "search").unlink()
    assert made.tile().state(NOVEMBER).reasons == ("not searched yet",)


# products


@pytest.mark.parametrize("kind", ["cog", "preview", "item"])
def test_a_product_older_than_its_record_is_out_of_date(made: Site, kind: str) -> None:
    path = path_of(made, kind, DECEMBER)
    os.utime(path, ns=(1, 1))
    assert [(state.step, state.outdated) for state in made.tile().states if state.outdated] == [(Step.PUBLISH, True)]


# notes of finished months

NOTED = ["2021-11", "2021-12", "2022-02"]


@pytest.fixture
def catalogued(made: Site) -> Site:
    """The same, with a catalog that is newer than all Items."""
    path = path_of(made, "tile_catalog")
    path.touch()
    newest = max(file.stat().st_mtime_ns for file in path.parent.rglob("*"))
    os.utime(path, ns=(newest, newest))
    return made


def plan_with_notes(site: Site, software: Any = None, **sections: Any) -> Plan:
    return site.plan(notes=str(site.folder / "notes.json"), software=software, **sections)


def note(site: Site, *months: str, **sections: Any) -> None:
    """End a run that has found these months up to date."""
    plan_with_notes(site, **sections).note_finished(("10SGD", "ASCENDING", month) for month in months or NOTED)


def finished(site: Site, **sections: Any) -> list[str]:
    """Months that a new run leaves out."""
    (tile,) = plan_with_notes(site, **sections).tiles
    return [str(state.month) for state in tile.states if state.finished]


def test_noted_months_are_finished_and_no_others(catalogued: Site) -> None:
    assert finished(catalogued) == []
    note(catalogued, "2021-11", "2022-02")
    assert finished(catalogued) == ["2021-11", "2022-02"]
    note(catalogued, "2021-12")
    assert finished(catalogued) == NOTED
    assert finished(catalogued, time={"start": "2021-12", "end": "2022-01"}) == ["2021-12"]


def resized(path: Path) -> None:
    """Write another file with the old one's time."""
    status = path.stat()
    path.write_text("other")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: os.utime(path, ns=(1, 1)), resized])
@pytest.mark.parametrize("kind", ["cog", "preview", "item", "record"])
def test_a_file_that_changed_voids_the_note(catalogued: Site, kind: str, damage: Callable[[Path], None]) -> None:
    note(catalogued)
    damage(path_of(catalogued, kind, DECEMBER))
    assert finished(catalogued) == ["2021-11", "2022-02"]


def test_so_do_another_granule_a_lost_slot_and_a_lost_cube(catalogued: Site) -> None:
    note(catalogued)
    slot = path_of(catalogued, "cube") / "status" / "c" / "0"
    content = slot.read_bytes()
    slot.unlink()
    assert finished(catalogued) == NOTED[1:]
    slot.write_bytes(content)
    assert finished(catalogued) == NOTED
    catalogued.granules.append(granule("20211225T015854Z"))
    catalogued.search(search={"refresh": True})
    assert finished(catalogued) == ["2021-11", "2022-02"]
    shutil.rmtree(path_of(catalogued, "cube"))
    assert finished(catalogued) == []


def test_other_settings_or_software_void_all_notes_but_those_made_with_them(catalogued: Site) -> None:
    note(catalogued)
    block: dict[str, Any] = {"processing": {"cog_block_size": 256}}
    assert finished(catalogued, **block) == finished(catalogued, software="conda") == []
    note(catalogued, "2021-11", **block)
    assert finished(catalogued, **block) == ["2021-11"]
    assert finished(catalogued) == NOTED[1:]


def test_a_format_that_is_switched_on_is_missed(catalogued: Site) -> None:
    without: dict[str, Any] = {"output": {"formats": {"cog": False}}}
    note(catalogued, **without)
    assert finished(catalogued, **without) == NOTED
    assert finished(catalogued) == []


def test_an_item_newer_than_the_catalog_is_planned_and_a_missing_catalog_plans_nothing(catalogued: Site) -> None:
    note(catalogued)
    table = path_of(catalogued, "tile_catalog")
    newest = path_of(catalogued, "item", DECEMBER).stat().st_mtime_ns
    os.utime(table, ns=(newest - 1, newest - 1))
    assert "2021-12" not in finished(catalogued)
    table.unlink()
    assert finished(catalogued) == NOTED, "the missing table is asked for itself"


def test_a_month_that_is_not_finished_is_not_noted_and_loses_its_note(catalogued: Site) -> None:
    note(catalogued)
    path_of(catalogued, "preview", NOVEMBER).unlink()
    note(catalogued)
    notes = json.loads((catalogued.folder / "notes.json").read_text())
    assert sorted(Path(name).stem for name in notes) == NOTED[1:]


@pytest.mark.parametrize("kind", ["record", "cog", "preview"])
def test_a_month_with_a_file_changed_after_its_successor_is_not_noted(catalogued: Site, kind: str) -> None:
    """A run is long: what is changed after its job was judged must not be vouched for."""
    later = path_of(catalogued, "item", DECEMBER).stat().st_mtime_ns + 10**9
    os.utime(path_of(catalogued, kind, DECEMBER), ns=(later, later))
    os.utime(path_of(catalogued, "tile_catalog"), ns=(later, later))
    note(catalogued)
    assert finished(catalogued) == ["2021-11", "2022-02"]


def test_a_picture_made_again_with_another_size_is_noted_anew(catalogued: Site) -> None:
    note(catalogued)
    path_of(catalogued, "cog", DECEMBER).write_bytes(b"longer than before")
    path_of(catalogued, "item", DECEMBER).touch()
    path_of(catalogued, "tile_catalog").touch()
    note(catalogued)
    assert finished(catalogued) == NOTED


@pytest.mark.parametrize("damaged", ["", "{", "[]", "null", '{"x": 1}', "\x00", "5", '"x"', None])
def test_damaged_notes_only_cost_time(catalogued: Site, damaged: str | None) -> None:
    notes = catalogued.folder / "notes.json"
    if damaged is None:
        notes.mkdir()
    else:
        notes.write_text(damaged)
    assert finished(catalogued) == []
    if damaged is not None:
        note(catalogued)
        assert finished(catalogued) == NOTED


def test_notes_of_a_wrong_shape_only_cost_time(catalogued: Site) -> None:
    note(catalogued)
    file = catalogued.folder / "notes.json"
    whole = json.loads(file.read_text())
    name = str(path_of(catalogued, "record", DECEMBER))
    held = whole[name]
    shapes = [5, "x", None, {}, [], [held[0]], held[1:], held[:-1], [*held, [1, 2]], [held[0], *held[2:], 5]]
    shapes += [[held[0], *([] for _ in held[1:])], [held[0], *(["1", 2] for _ in held[1:])], [[1], *held[1:]]]
    for wrong in shapes:
        file.write_text(json.dumps(whole | {name: wrong}))
        (tile,) = plan_with_notes(catalogued).tiles
        assert not any(state.outdated for state in tile.states), wrong
        assert finished(catalogued) == ["2021-11", "2022-02"], wrong
        note(catalogued)
        assert json.loads(file.read_text()) == whole, wrong


def test_notes_of_another_tree_stay(catalogued: Site) -> None:
    (catalogued.folder / "notes.json").write_text('{"elsewhere/months/2021-11.json": ["0", [1, 2]]}')
    note(catalogued)
    assert "elsewhere/months/2021-11.json" in json.loads((catalogued.folder / "notes.json").read_text())


@pytest.mark.parametrize("kind", ["cog", "preview"])
def test_a_picture_of_another_size_than_noted_is_out_of_date(catalogued: Site, kind: str) -> None:
    def outdated() -> list[str]:
        (tile,) = plan_with_notes(catalogued).tiles
        return [str(state.month) for state in tile.states if state.outdated]

    assert outdated() == []
    note(catalogued)
    assert outdated() == []
    path = path_of(catalogued, kind, DECEMBER)
    path.write_bytes(b"cut short")
    assert outdated() == ["2021-12"]
    path.unlink()
    assert outdated() == [], "what is missing is made again anyway"
    item = path_of(catalogued, "item", FEBRUARY)
    item.write_text('{"another": "that is as good"}')
    assert outdated() == []
    item.write_text('{"cut sho')
    assert outdated() == ["2022-02"]
