"""What is said of every month of an output tree, and why anything is missing: from files alone, and with more."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import catalog_inspect
import tile_inspect
from s1monthly.audit.inspection import MISSING, InspectedMonth, InspectedTile, Kind, inspect, tiles_there
from s1monthly.audit.inspection_report import coverage, details
from s1monthly.catalog.table import tile_rows, write_catalog
from s1monthly.config.root import Config, load_config
from s1monthly.cube.header import BEING_WRITTEN, COMPLETE
from s1monthly.errors import ProductError
from s1monthly.granules import Granule, GranuleList, SetAside
from s1monthly.grid.lattice import tile_geobox
from s1monthly.layout import Layout
from s1monthly.model import Direction, Month, Tile, TileDirection
from s1monthly.records.granule_list import list_digest, write_granule_list
from s1monthly.records.month import Record, write_record
from s1monthly.records.recipe import digest, recipe
from s1monthly.records.search_log import Answer, write_answers
from s1monthly.workflow.asking import question_of
from s1monthly.workflow.failures import describe, last_error, month_failure, search_failure, why_empty
from support.month_samples import granule, lay_down, month_record
from support.sites import set_time, write_store

KEY = TileDirection(Tile("10SGD"), Direction.ASCENDING)
TODAY = date(2022, 6, 10)
ASKED = datetime(2022, 5, 3, 4, 5, 6, tzinfo=UTC)
LOST = "OPERA_L2_RTC-S1_T137-292319-IW1_20220205T020003Z_20250830T000000Z_S1A_30_v1.0"


def months(text: str) -> list[Month]:
    return [Month.parse(month) for month in text.split()]


class Tree:
    """An output tree of one tile and direction, as runs leave it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.layout = Layout(str(folder / "output"), str(folder / "output" / "work"))
        self.found: dict[Month, GranuleList] = {}

    @property
    def values(self) -> dict[str, Any]:
        """Configuration of the tree."""
        return {
            "roi": {"manual_mgrs_tiles": ["10SGD"], "flight_direction": "ASCENDING"},
            "time": {"start": "2021-11", "end": "2022-04"},
            "source": {"kind": "simulated"},
            "processing": {"target_resolution": 1800},
            "output": {"base_dir": self.layout.base_dir},
        }

    def config(self, **sections: Any) -> Config:
        """Return the checked configuration, with changes; `time` is replaced as a whole."""
        values = self.values
        for name, section in sections.items():
            values[name] = {**values[name], **section} if name != "time" else section
        return load_config(values)

    def path(self, pattern: str, month: str = "") -> Path:
        """Fill a pattern of the layout."""
        return Path(pattern.format(tile=KEY.tile, direction=KEY.direction, month=month))

    def search(self, granules: str, empty: str = "", lost: str = "") -> None:
        """Answer the source's questions: one granule in some months, none in others, none that can be used in more."""
        for month in months(granules):
            self.found[month] = GranuleList(tuple(self.granules(month)), ())
        for month in months(empty):
            self.found[month] = GranuleList((), ())
        for month in months(lost):
            self.found[month] = GranuleList((), (SetAside(LOST, "layer VH is missing", lost=True),))
        answers = {month: Answer.of(listed, ASKED, "") for month, listed in self.found.items()}
        write_answers(self.path(self.layout.search), question_of(self.config()), answers)

    @staticmethod
    def granules(month: Month) -> list[Granule]:
        """Two granules of a month."""
        return [granule(month.start + timedelta(days=4, seconds=3 * n), 292318 + n) for n in range(2)]

    def record(self, month: str, **changes: Any) -> Record:
        """Record of a month, in step with search and recipe but for the changes."""
        listed = self.found.get(Month.parse(month), GranuleList((), ()))
        how = recipe(self.config())
        made = replace(
            month_record(month=month, grid=tile_geobox(KEY.tile, 1800.0), granules=listed.granules),
            granules_digest=list_digest(listed),
            recipe=how,
            recipe_digest=digest(how),
        )
        return replace(made, **changes)

    def make(self, text: str, catalogued: bool = True, **changes: Any) -> None:
        """Write records, their files and complete slots, and the catalog."""
        for month in text.split():
            lay_down(Path(self.layout.base_dir), self.record(month, **changes))
        statuses = dict.fromkeys(months(text), COMPLETE)
        write_store(self.path(self.layout.cube), Month(2021, 1), Month(2022, 12), recipe(self.config()), statuses)
        if catalogued:
            self.catalog()

    def catalog(self) -> None:
        """Write the catalog of what lies there."""
        folder = self.path(self.layout.folder)
        write_catalog(folder / "catalog.parquet", tile_rows(folder))

    def log(self, rule: str, name: str, text: str, later: float = 0) -> Path:
        """Write a job's log, so many seconds after 2024-01-01."""
        path = Path(self.layout.logs, rule, f"{KEY}_{name}.log")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        set_time(path, later)
        return path

    def state(self, config: Config | None = None) -> InspectedTile:
        """Inspect."""
        return inspect(KEY, self.layout, config, TODAY if config else None)

    def month(self, month: str, config: Config | None = None) -> InspectedMonth:
        """Inspect, and pick a month."""
        (found,) = [state for state in self.state(config).months if str(state.month) == month]
        return found


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """Six months: two made, one without data, one without usable granules, one not made, one not searched."""
    monkeypatch.chdir(tmp_path)
    tree = Tree(Path())
    tree.search("2021-11 2021-12 2022-04", empty="2022-01", lost="2022-02")
    tree.make("2021-11 2021-12")
    return tree


def kinds(state: InspectedTile) -> dict[str, str]:
    return {str(one.month): str(one.kind) for one in state.months}


# what there is of a month


def test_every_month_is_told_with_its_reason(tree: Tree) -> None:
    state = tree.state()
    assert kinds(state) == {
        "2021-11": "present",
        "2021-12": "present",
        "2022-01": "no source data",
        "2022-02": "no usable granule",
        "2022-03": "not searched yet",
        "2022-04": "not made",
    }
    assert [(one.reason, one.remarks) for one in state.months] == [
        ("", ()),
        ("", ()),
        ("no source data, asked 2022-05-03", ()),
        ("no granule can be used, asked 2022-05-03, 1 set aside: layer VH is missing", ()),
        ("not searched yet", ()),
        ("not made yet, granules: 2, passes: 1, asked 2022-05-03", ()),
    ]
    assert (state.present, [str(month) for month in state.expected]) == (
        2,
        ["2021-11", "2021-12", "2022-02", "2022-03", "2022-04"],
    ), "one that was never searched is a gap"
    assert state.troubles == ()


def test_a_configuration_tells_which_months_are_asked_for(tree: Tree) -> None:
    longer = tree.config(time={"start": "2021-10", "end": "2022-07"})
    assert list(kinds(tree.state(longer))) == ["2021-10", *kinds(tree.state()), "2022-05"]
    assert kinds(tree.state(longer))["2022-05"] == "not searched yet", "June is not over, July is in the future"
    assert kinds(tree.state(tree.config())) == kinds(tree.state())
    sparse = tree.config(time={"years": [2021], "months": [11]})
    assert "2022-03" not in kinds(tree.state(sparse)), "not asked for, and nothing is known of it"


def test_months_before_the_earliest_granule_do_not_count(tree: Tree) -> None:
    first = [Answer.of(GranuleList((), ()), ASKED, "", from_earliest=True) for _ in range(3)]
    earlier = dict(zip(months("2021-08 2021-09 2021-10"), first, strict=True))
    write_answers(tree.path(tree.layout.search), question_of(tree.config()), earlier)
    assert min(kinds(tree.state())) == "2021-11"
    assert min(kinds(tree.state(tree.config(time={"full": 2022})))) < "2021-08", "unsearched ones are told"
    assert not {"2021-08", "2021-09", "2021-10"} & {*kinds(tree.state(tree.config(time={"full": 2022})))}


def test_a_void_answer_is_told(tree: Tree) -> None:
    other = tree.config(roi={"tracks": [137]})
    assert tree.month("2022-04", other).kind is Kind.NOT_SEARCHED
    assert "must be asked again" in tree.month("2022-04", other).reason
    assert tree.month("2021-11", other).kind is Kind.PRESENT
    assert "must be asked again" in tree.month("2021-11", other).remarks[0]


def test_unusable_granules_are_named_with_the_reason_where_the_list_is_at_hand(tree: Tree) -> None:
    assert tree.month("2022-02").missing_granules == {LOST: ""}
    listed = tree.found[Month(2022, 2)]
    write_granule_list(tree.path(tree.layout.granules, "2022-02"), GranuleList((), listed.set_aside))
    assert tree.month("2022-02").missing_granules == {LOST: "layer VH is missing"}


def test_a_month_that_is_not_in_the_catalog_is_missing(tree: Tree) -> None:
    tree.make("2022-04", catalogued=False)
    state = tree.month("2022-04")
    assert (state.kind, state.reason) == (Kind.NOT_CATALOGUED, "made, but not in the catalog: run catalog_rebuild")
    assert state.kind in MISSING
    tree.catalog()
    assert tree.month("2022-04").kind is Kind.PRESENT
    tree.make("2022-01", catalogued=False)
    assert tree.month("2022-01").kind is Kind.NOT_CATALOGUED, "the catalog knows it as a month without data"


def test_a_record_that_is_gone_or_damaged_is_told(tree: Tree) -> None:
    tree.path(tree.layout.record, "2021-11").unlink()
    state = tree.month("2021-11")
    assert state.kind is Kind.NOT_MADE and "its record is gone, the catalog still names it" in state.reason
    for text, why in (("{", "is damaged"), ("[]", "was altered")):
        tree.path(tree.layout.record, "2021-12").write_text(text)
        assert tree.month("2021-12").remarks == (f"out of date, the next run makes it again: its record {why}",)


def test_granules_that_a_month_lacks_are_named(tree: Tree) -> None:
    lost = SetAside(LOST, "VV is cut short", lost=True)
    tree.make("2022-04", set_aside=(lost,), unread=(LOST,))
    assert tree.month("2022-04").missing_granules == {LOST: "VV is cut short"}
    tree.path(tree.layout.tile_catalog).unlink()
    assert tree.month("2022-04").missing_granules == {LOST: "VV is cut short"}


# out of date


@pytest.mark.parametrize(
    ("granules", "told"),
    [
        (3, "the source has other granules now"),
        (0, "the source no longer has its granules"),
    ],
)
def test_other_granules_are_told(tree: Tree, granules: int, told: str) -> None:
    month = Month(2021, 11)
    more = [*tree.granules(month), granule(month.start + timedelta(days=20))][:granules]
    tree.found[month] = GranuleList(tuple(more), ())
    tree.search("", empty="")
    (remark,) = tree.month("2021-11").remarks
    assert remark.endswith(told) and remark.startswith("out of date") == bool(granules)


def test_a_record_that_was_rebuilt_is_told(tree: Tree) -> None:
    unknown = dict.fromkeys(("granules", "set_aside", "unread", "granules_digest", "software"))
    write_record(tree.path(tree.layout.record, "2021-11"), tree.record("2021-11", **unknown))
    assert "its record was rebuilt" in tree.month("2021-11").remarks[0]


def test_a_cube_that_lacks_the_month_is_told(tree: Tree) -> None:
    how = recipe(tree.config())
    statuses = {Month(2021, 11): BEING_WRITTEN, Month(2021, 12): COMPLETE}
    write_store(tree.path(tree.layout.cube), Month(2021, 1), Month(2022, 12), how, statuses)
    assert tree.month("2021-11").remarks == ("out of date, the next run makes it again: the cube does not hold it",)
    assert tree.month("2021-12").remarks == ()
    shutil.rmtree(tree.path(tree.layout.cube))
    assert tree.month("2021-12").remarks == ("out of date, the next run makes it again: its cube is gone",)


def test_another_recipe_is_told_with_the_difference(tree: Tree) -> None:
    other = tree.config(processing={"mosaic_strategy": "last", "target_resolution": 1800})
    (remark,) = tree.month("2021-11", other).remarks
    assert remark.endswith('its cube has another recipe: mosaic: "mean" -> "last"')
    assert tree.month("2021-11", tree.config()).remarks == ()
    elsewhen = tree.config(processing={"mosaic_strategy": "last", "target_resolution": 1800}, time={"full": 2014})
    assert tree.month("2021-11", elsewhen).remarks == (), "a month that is not asked for stays as it is"
    write_store(
        tree.path(tree.layout.cube), Month(2021, 1), Month(2022, 12), recipe(other), {Month(2021, 11): COMPLETE}
    )
    assert "its record has another recipe than its cube" in tree.month("2021-11").remarks[0]


def test_other_remarks(tree: Tree) -> None:
    empty = month_record(month="2022-04", grid=tile_geobox(KEY.tile, 1800.0), mask=np.zeros((61, 61), bool))
    tree.make("2022-04", valid=0, count=empty.count, bands=empty.bands, footprint=None)
    assert tree.month("2022-04").remarks == ("made, without a valid pixel",)
    tree.path(tree.layout.cog, "2021-11").unlink()
    tree.path(tree.layout.preview, "2021-12").unlink()
    gone = "is not there; the next run makes it from the cube"
    assert tree.month("2021-11").remarks == (f"its COG {gone}",)
    assert tree.month("2021-12").remarks == (f"its preview {gone}",)
    tree.catalog()
    assert tree.month("2021-11").remarks == (), "whether COGs are wanted is known with a configuration alone"
    assert tree.month("2021-11", tree.config()).remarks == (f"its COG {gone}",)
    bare = tree.config(output={"base_dir": tree.layout.base_dir, "formats": {"cog": False}})
    assert tree.month("2021-11", bare).remarks == ()
    write_record(tree.path(tree.layout.record, "2021-12"), tree.record("2021-12", digest="cd" * 32))
    assert "the catalog shows an older state" in tree.month("2021-12").remarks[0]


# failures


ERROR = (
    "2022-05-04 10:11:12,345 CRITICAL 10SGD_ASCENDING_2022-04: 1 of 2 granules cannot be read:\n  - a.tif\n -> mend\n"
)
TRACEBACK = "2022-05-04 10:11:12,345 CRITICAL failed\nTraceback (most recent call last):\n  File x\nMemoryError: 3 GB\n"
FINE = "2022-05-04 10:11:12,345 INFO all is well\n"


def test_an_empty_month_tells_why(tree: Tree) -> None:
    said = "10SGD_ASCENDING_2022-04: no pixel has a value: it lies beside the tile (3 granules)"
    log = str(tree.log("composite", "2022-04", f"{FINE}2022-05-04 10:11:12,345 WARNING {said}\n{FINE}"))
    other = str(tree.log("composite", "2022-05", f"{FINE}2022-05-04 10:11:12,345 WARNING of a library\n"))
    assert why_empty([log, other, "none.log"]) == [said]


def test_a_failed_month_tells_the_last_error(tree: Tree) -> None:
    log = tree.log("bursts", "2022-04", f"{FINE}{ERROR}")
    state = tree.month("2022-04")
    assert state.kind is Kind.FAILED
    assert state.reason == (
        "failed in bursts, 2022-05-04 10:11: 10SGD_ASCENDING_2022-04: 1 of 2 granules cannot be read:\n  - a.tif\n"
        f" -> mend\nsee {log}"
    )
    tree.log("bursts", "2022-04", TRACEBACK)
    assert "10:11: MemoryError: 3 GB\nsee" in tree.month("2022-04").reason
    shutil.rmtree(tree.layout.work_dir)
    assert tree.month("2022-04").kind is Kind.NOT_MADE, "without the work folder nobody knows"


def test_a_job_that_failed_is_told_with_what_why_and_where(tree: Tree) -> None:
    place = {"tile": "10SGD", "direction": "ASCENDING", "month": "2022-04"}
    log = str(tree.log("bursts", "2022-04", f"{FINE}{ERROR}"))
    assert describe("bursts", place, [log]) == (
        "FAILED bursts 10SGD ASCENDING 2022-04: 10SGD_ASCENDING_2022-04: 1 of 2 granules cannot be read:\n  - a.tif\n"
        f" -> mend\n  log: {log}"
    )
    Path(log).write_text(FINE)
    assert describe("bursts", place, [log]).startswith(
        "FAILED bursts 10SGD ASCENDING 2022-04: it was stopped, and could not"
    )
    assert describe("search", {"tile": "10SGD", "direction": "ASCENDING", "question": "0"}, ["none.log"]) == (
        "FAILED search 10SGD ASCENDING: it ended before it logged a word: what it said stands above, or in the"
        " cluster's log of the job; if nothing, a limit of memory or time stopped it, say"
    )
    assert last_error([log, "none.log"]) is None


def test_a_failure_of_an_earlier_try_is_forgotten(tree: Tree) -> None:
    tree.log("composite", "2022-04", ERROR, later=0)
    tree.log("bursts", "2022-04", FINE, later=60)
    assert tree.month("2022-04").kind is Kind.NOT_MADE
    tree.log("composite", "2022-04", ERROR, later=120)
    assert tree.month("2022-04").reason.startswith("failed in composite")
    tree.log("composite", "2021-11", ERROR, later=0)
    assert tree.month("2021-11").remarks == (), "older than the record"
    tree.log("composite", "2021-11", ERROR, later=9e8)
    assert "the last try to make it again, or a file of it, failed in composite" in tree.month("2021-11").remarks[0]


def test_of_two_failures_the_later_counts(tree: Tree) -> None:
    tree.log("cog", "2022-04", ERROR)
    tree.log("preview", "2022-04", ERROR.replace("10:11:12", "10:12:12"))
    failure = month_failure(tree.layout, KEY, Month(2022, 4))
    assert failure is not None and (failure.rule, failure.when.minute) == ("preview", 12)


def test_a_failed_search_is_told_until_one_succeeds(tree: Tree) -> None:
    tree.log("search", "0123456789abcdef", ERROR.replace("1 of 2 granules cannot be read", "no answer"))
    assert tree.state().troubles[0].startswith("the last search failed in search, 2022-05-04 10:11: ")
    tree.log("search", "fedcba9876543210", FINE, later=60)
    assert tree.state().troubles == () and search_failure(tree.layout, KEY) is None


# a tree that is not whole


def test_damaged_files_are_told_and_do_not_end_it(tree: Tree) -> None:
    for path in (tree.layout.search, tree.layout.tile_catalog):
        tree.path(path).write_text("{")
    (tree.path(tree.layout.cube) / "zarr.json").write_text("{}")
    state = tree.state()
    assert kinds(state) == {"2021-11": "not catalogued", "2021-12": "not catalogued"}
    assert len(state.troubles) == 3
    assert all(" -> " in trouble for trouble in state.troubles)


def test_a_folder_without_anything_has_no_months(tree: Tree) -> None:
    shutil.rmtree(tree.path(tree.layout.folder))
    tree.path(tree.layout.folder).mkdir()
    state = tree.state()
    assert state.months == () and "Range" in next(coverage([state])) and list(details([state]))


def test_tiles_are_found_by_their_folders(tree: Tree) -> None:
    base = Path(tree.layout.base_dir)
    for name in ("10SFD_DESCENDING", "10SGD_DESCENDING", "mosaic", "10SGD"):
        (base / name).mkdir()
    assert [str(key) for key in tiles_there(tree.layout)] == [
        "10SFD_DESCENDING",
        "10SGD_ASCENDING",
        "10SGD_DESCENDING",
    ]
    assert [str(key) for key in tiles_there(tree.layout, "10SGD", [Direction.DESCENDING])] == ["10SGD_DESCENDING"]
    with pytest.raises(ProductError, match="no folder of 11SLT -> there are: 10SFD_DESCENDING, 10SGD_ASCENDING"):
        tiles_there(tree.layout, "11SLT")
    with pytest.raises(ProductError, match=r"nowhere: no folder of a tile -> .*--output-dir"):
        tiles_there(Layout("nowhere", ""))


# the tables


def fits(lines: Sequence[str]) -> bool:
    return all(len(line) <= 80 for text in lines for line in text.split("\n"))


def test_the_table_of_a_tree_is_that_of_s1_grits_and_words(tree: Tree) -> None:
    lines = list(coverage([tree.state()]))
    assert lines[:2] == [
        "Tile    Direction       Months  Expected  Missing  Complete  Range",
        "10SGD   ASCENDING            2         5        3    40.0%   2021-11 ~ 2022-04",
    ]
    assert lines[2:] == [
        "\nMissing",
        "  10SGD ASCENDING: not made: 2022-04; no usable granule: 2022-02; not searched\n    yet: 2022-03",
        "\nNot expected",
        "  10SGD ASCENDING: no source data: 2022-01",
    ]
    assert fits(lines)


def test_the_table_adds_up_and_names_what_to_look_at(tree: Tree) -> None:
    shutil.rmtree(tree.path(tree.layout.cube))
    other = InspectedTile(
        TileDirection(Tile("11SLT"), Direction.DESCENDING), (InspectedMonth(Month(2020, 1), Kind.PRESENT),)
    )
    lines = list(coverage([tree.state(), other]))
    assert lines[2:4] == [
        "11SLT   DESCENDING           1         1        0   100.0%   2020-01 ~ 2020-01",
        "all                          3         6        3    50.0%   2020-01 ~ 2022-04",
    ]
    assert lines[-2:] == ["\nTo look at with tile_inspect", "  10SGD ASCENDING: out of date: 2021-11, 2021-12"]


def test_nearly_complete_is_not_complete() -> None:
    many = [InspectedMonth(month, Kind.PRESENT) for month in Month(2015, 1).until(Month(2024, 12))] * 20
    state = InspectedTile(KEY, (*many, InspectedMonth(Month(2025, 1), Kind.NOT_MADE)))
    assert " 99.9% " in list(coverage([state]))[1]


def test_the_details_of_a_tile_fit_a_terminal(tree: Tree) -> None:
    lost = SetAside(LOST, "its layer VH cannot be decoded, and this is told in many words, which take their room", True)
    tree.make("2022-04 2021-12", set_aside=(lost,), unread=(LOST,))
    tree.path(tree.layout.tile_catalog).unlink()
    tree.make("2021-11 2021-12", set_aside=(lost,))
    tree.log("composite", "2021-11", ERROR.replace("  - a.tif\n", 30 * "  - granule\n"), later=9e8)
    lines = list(details([tree.state()]))
    assert fits(lines)
    text = "\n".join(lines)
    assert text.startswith(
        "-" * 26 + " Tile: 10SGD  |  ASCENDING " + "-" * 27 + "\n\nASCENDING\n  Present months:  3 (3 with a remark)\n"
    )
    assert "  Expected months: 5\n  Date range:      2021-11 ~ 2022-04\n  Completeness:    60.0%\n" in text
    assert "\n  Present, with a remark (3):\n    - 2021-11  (the last try to make it again, or a file of it," in text
    assert text.count("- granule") == 8, "of 30; the log that is named holds all"
    assert "\n               ...\n                -> mend\n               see output/work/logs/composite/10SGD" in text
    assert text.count("made of fewer granules than there are, 1 missing:\n") == 3
    assert "T137-292319-IW1 2022-02-05 02:00:03 S1A: its layer VH" in text
    assert "\n  Without source data, not expected (1):\n    - 2022-01  (no source data, asked 2022-05-03)\n" in text
    assert "\n  Not searched yet (1): 2022-03" in text


def test_errors_that_name_granules_and_files_fit_too(tree: Tree) -> None:
    path = f"granules/{LOST}_VV.tif"
    tree.log("bursts", "2022-04", ERROR.replace("  - a.tif", f"  - granule {LOST}: raster {path}: cut short"))
    lines = list(details([tree.state()]))
    assert fits(lines)
    text = "\n".join(lines)
    assert "- granule T137-292319-IW1 2022-02-05 02:00:03 S1A: raster" in text
    assert path in text.replace("\n" + " " * 17, "") and "see output/work/logs/bursts/10SGD_ASC" in text


def test_what_has_no_granules_name_is_told_as_it_is(tree: Tree) -> None:
    tree.found[Month(2022, 2)] = GranuleList((), (SetAside("OPERA_strange", "not a granule's name", lost=True),))
    tree.search("")
    assert "OPERA_strange)" in "\n".join(details([tree.state()]))


def test_months_asked_for_and_never_searched_are_missing(tree: Tree) -> None:
    tree.search("2022-03", empty="2022-02")
    tree.make("2021-11 2021-12 2022-03 2022-04")
    assert "100.0%" in list(coverage([tree.state()]))[1]
    longer = tree.state(tree.config(time={"start": "2021-11", "end": "2022-05"}))
    assert (longer.present, len(longer.expected)) == (4, 5)
    assert "  Completeness:    80.0%" in list(details([longer]))


def test_a_complete_series_says_so(tree: Tree) -> None:
    tree.search("2022-03", empty="2022-02")
    tree.make("2021-11 2021-12 2022-03 2022-04")
    assert list(details([tree.state()]))[-1] == "\n  No missing months"


# the scripts


def run_catalog(tree: Tree, *more: str) -> None:
    catalog_inspect.main(["--output-dir", tree.layout.base_dir, *more])


def test_catalog_inspect(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    run_catalog(tree)
    assert capsys.readouterr().out == "\n".join(coverage([tree.state()])) + "\n"
    run_catalog(tree, "--json")
    (content,) = json.loads(capsys.readouterr().out)
    assert {key: content[key] for key in ("tile", "direction", "present", "expected", "missing", "first", "last")} == {
        "tile": "10SGD",
        "direction": "ASCENDING",
        "present": 2,
        "expected": 5,
        "missing": 3,
        "first": "2021-11",
        "last": "2022-04",
    }
    assert content["months"][3] == {
        "month": "2022-02",
        "state": "no usable granule",
        "reason": "no granule can be used, asked 2022-05-03, 1 set aside: layer VH is missing",
        "remarks": [],
        "missing_granules": {LOST: ""},
    }


@pytest.mark.parametrize("script", [catalog_inspect, tile_inspect])
def test_inspections_look_into_the_work_folder_that_is_named(
    tree: Tree, capsys: pytest.CaptureFixture[str], script: Any
) -> None:
    elsewhere = tree.folder / "elsewhere"
    tree.log("bursts", "2022-04", ERROR)
    shutil.move(tree.layout.work_dir, elsewhere)
    configured = tree.folder / "my.yaml"
    configured.write_text(yaml.safe_dump(tree.values))
    options = ["--output-dir", tree.layout.base_dir, "--json"]
    if script is tile_inspect:
        options += ["--tile", "10SGD", "--configfile", str(configured)]
    for more, state in (([], "not made"), (["--work-dir", str(elsewhere)], "failed")):
        script.main([*options, *more])
        months = {one["month"]: one["state"] for one in json.loads(capsys.readouterr().out)[0]["months"]}
        assert months["2022-04"] == state


def test_tile_inspect(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    (Path(tree.layout.base_dir) / "10SGD_DESCENDING").mkdir()
    tile_inspect.main(["--tile", "10SGD", "--direction", "ascending", "--output-dir", tree.layout.base_dir])
    assert capsys.readouterr().out == "\n".join(details([tree.state()])) + "\n"
    configured = tree.folder / "my.yaml"
    configured.write_text(yaml.safe_dump({**tree.values, "time": {"start": "2021-09", "end": "2022-04"}}))
    tile_inspect.main(["--tile", "10sgd", "--configfile", str(configured), "--json"])
    ascending, descending = json.loads(capsys.readouterr().out)
    assert [one["month"] for one in ascending["months"]][:3] == ["2021-09", "2021-10", "2021-11"]
    assert len(descending["months"]) == 8


@pytest.mark.parametrize("script", [catalog_inspect, tile_inspect])
def test_errors_of_the_scripts_are_one_line(script: Any, tmp_path: Path) -> None:
    options = ["--tile", "10SGD"] if script is tile_inspect else []
    with pytest.raises(SystemExit) as caught:
        script.main(["--output-dir", str(tmp_path), *options])
    assert isinstance(caught.value.code, str) and "\n" not in caught.value.code
    if script is tile_inspect:
        with pytest.raises(SystemExit) as caught:
            script.main(["--configfile", str(tmp_path / "none.yaml"), *options])
        assert "No such file" in str(caught.value.code)
