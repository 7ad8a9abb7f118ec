"""Months that a run left finished: what is noted of them, and what makes a note void."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s1monthly.model import Month
from s1monthly.workflow.finished import FinishedMonths
from s1monthly.workflow.plan import Plan
from support.sites import Site, granule, granules_of

MONTHS = ["2021-11", "2021-12", "2022-02"]
PASSED = {"cog": ["version", 1]}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Three months that are made and catalogued."""
    site = Site(tmp_path, monkeypatch)
    site.granules = granules_of(" ".join(MONTHS))
    site.search()
    site.make()
    catalogued(site)
    return site


def catalogued(site: Site) -> None:
    """Write the tile's catalog: later than all Items."""
    path = Path(path_of(site, "tile_catalog"))
    path.touch()
    newest = max(file.stat().st_mtime_ns for file in path.parent.rglob("*"))
    os.utime(path, ns=(newest, newest))


def path_of(site: Site, kind: str, month: str = "") -> Path:
    book = site.book()
    return Path(book.path(getattr(book.layout, kind), Month.parse(month) if month else None))


def notes(site: Site, plan: Plan | None = None, passed: Any = PASSED) -> FinishedMonths:
    return FinishedMonths(plan or site.plan(), site.folder / "notes.json", passed)


def note(site: Site, *months: str, **sections: Any) -> None:
    """End a run that has found these months up to date."""
    plan = site.plan(**sections)
    notes(site, plan).note(("10SGD", "ASCENDING", month) for month in months or MONTHS)


def finished(site: Site, passed: Any = PASSED, **sections: Any) -> list[str]:
    """Months that a new run leaves out."""
    plan = site.plan(**sections)
    return sorted(map(str, notes(site, plan, passed).months(plan.ledgers[0])))


def test_noted_months_are_left_out_and_no_others(site: Site) -> None:
    assert finished(site) == []
    note(site, "2021-11", "2022-02")
    assert finished(site) == ["2021-11", "2022-02"]
    note(site, "2021-12")
    assert finished(site) == MONTHS
    assert finished(site, time={"start": "2021-12", "end": "2022-01"}) == ["2021-12"]


def resized(path: Path) -> None:
    """Write another file with the old one's time."""
    status = path.stat()
    path.write_text("other")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: os.utime(path, ns=(1, 1)), resized])
@pytest.mark.parametrize("kind", ["cog", "preview", "item", "record"])
def test_a_file_that_changed_brings_its_month_back(site: Site, kind: str, damage: Callable[[Path], None]) -> None:
    note(site)
    damage(path_of(site, kind, "2021-12"))
    assert finished(site) == ["2021-11", "2022-02"]


def test_so_do_another_granule_a_lost_slot_and_a_lost_cube(site: Site) -> None:
    note(site)
    slot = path_of(site, "cube") / "status" / "c" / "0"
    held = slot.read_bytes()
    slot.unlink()
    assert finished(site) == MONTHS[1:]
    slot.write_bytes(held)
    assert finished(site) == MONTHS
    site.granules.append(granule("20211225T015854Z"))
    site.search(search={"refresh": True})
    assert finished(site) == ["2021-11", "2022-02"]
    shutil.rmtree(path_of(site, "cube"))
    assert finished(site) == []


def test_a_granule_that_is_found_in_the_same_run_counts_too(site: Site) -> None:
    note(site)
    plan = site.plan()
    held = notes(site, plan)
    assert len(held.months(plan.ledgers[0])) == 3
    site.granules.append(granule("20211225T015854Z"))
    site.search(search={"refresh": True})
    assert sorted(map(str, held.months(plan.ledgers[0]))) == ["2021-11", "2022-02"]


def test_what_a_run_makes_stays_in_its_plan(site: Site) -> None:
    note(site, "2021-11")
    plan = site.plan()
    held = notes(site, plan)
    assert len(held.months(plan.ledgers[0])) == 1
    note(site)
    assert len(held.months(plan.ledgers[0])) == 1


def test_other_params_void_a_note_for_every_month_that_was_not_seen_with_them(site: Site) -> None:
    note(site)
    other = {"cog": ["version", 2]}
    assert finished(site, other) == []
    notes(site, passed=other).note([("10SGD", "ASCENDING", "2021-11")])
    assert finished(site, other) == ["2021-11"]
    assert finished(site) == MONTHS[1:]


def test_a_catalog_older_than_an_item_brings_its_month_back_and_none_at_all_does_not(site: Site) -> None:
    note(site)
    table = path_of(site, "tile_catalog")
    newest = path_of(site, "item", "2021-12").stat().st_mtime_ns
    os.utime(path_of(site, "tile_catalog"), ns=(newest - 1, newest - 1))
    assert "2021-12" not in finished(site)
    table.unlink()
    assert finished(site) == MONTHS, "the missing table is asked for itself"


def test_a_format_that_is_switched_on_is_missed(site: Site) -> None:
    without = {"output": {"formats": {"cog": False}}}
    note(site, **without)
    assert finished(site, **without) == MONTHS
    assert finished(site) == []


def test_a_month_that_is_not_finished_is_not_noted_and_loses_its_note(site: Site) -> None:
    note(site)
    path_of(site, "preview", "2021-11").unlink()
    note(site)
    held = json.loads((site.folder / "notes.json").read_text())
    assert sorted(Path(name).stem for name in held) == MONTHS[1:]


@pytest.mark.parametrize("damaged", ["", "{", "[]", "null", '{"x": 1}', "\x00", "5", '"x"'])
def test_damaged_notes_only_cost_time(site: Site, damaged: str) -> None:
    (site.folder / "notes.json").write_text(damaged)
    assert finished(site) == []
    note(site)
    assert finished(site) == MONTHS


def test_notes_of_a_wrong_shape_only_cost_time(site: Site) -> None:
    note(site)
    file = site.folder / "notes.json"
    whole = json.loads(file.read_text())
    name = str(path_of(site, "record", "2021-12"))
    held = whole[name]
    assert finished(site) == MONTHS
    shapes = [5, "x", None, {}, [], [held[0]], held[1:], held[:-1], [*held, [1, 2]], [held[0], *held[2:], 5]]
    shapes += [[held[0], *([] for _ in held[1:])], [held[0], *(["1", 2] for _ in held[1:])], [[1], *held[1:]]]
    for wrong in shapes:
        file.write_text(json.dumps(whole | {name: wrong}))
        plan = site.plan()
        assert not any(notes(site, plan).altered(plan.ledgers[0], Month.parse(month)) for month in MONTHS), wrong
        assert finished(site) == ["2021-11", "2022-02"], wrong
        note(site)
        assert json.loads(file.read_text()) == whole, wrong


def test_notes_that_cannot_be_read_only_cost_time(site: Site) -> None:
    (site.folder / "notes.json").mkdir()
    assert finished(site) == []


def test_notes_of_another_tree_stay(site: Site) -> None:
    (site.folder / "notes.json").write_text('{"elsewhere/months/2021-11.json": ["0", [1, 2]]}')
    note(site)
    assert "elsewhere/months/2021-11.json" in json.loads((site.folder / "notes.json").read_text())


@pytest.mark.parametrize("kind", ["record", "cog", "preview"])
def test_a_month_with_a_file_changed_after_its_successor_is_not_noted(site: Site, kind: str) -> None:
    """A run is long: what is changed after its job was judged must not be vouched for."""
    path = path_of(site, kind, "2021-12")
    later = path_of(site, "item", "2021-12").stat().st_mtime_ns + 10**9
    os.utime(path, ns=(later, later))
    os.utime(path_of(site, "tile_catalog"), ns=(later, later))
    note(site)
    assert finished(site) == ["2021-11", "2022-02"]


@pytest.mark.parametrize("kind", ["cog", "preview"])
def test_a_picture_of_another_size_than_noted_is_altered(site: Site, kind: str) -> None:
    def altered() -> list[str]:
        plan = site.plan()
        found = notes(site, plan)
        return [month for month in MONTHS if found.altered(plan.ledgers[0], Month.parse(month))]

    assert altered() == []
    note(site)
    assert altered() == []
    path = path_of(site, kind, "2021-12")
    path.write_bytes(b"cut short")
    assert altered() == ["2021-12"]
    path.unlink()
    assert altered() == [], "what is missing is made again anyway"
    item = path_of(site, "item", "2022-02")
    item.write_text('{"another": "that is as good"}')
    assert altered() == []
    item.write_text('{"cut sho')
    assert altered() == ["2022-02"]
