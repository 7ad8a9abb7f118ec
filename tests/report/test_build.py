"""The data of the report: what the inspection says, what the records hold, written again only where it changed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest

import report as tool
from s1monthly.audit.inspection import inspect, tiles_there
from s1monthly.audit.validation import validate
from s1monthly.errors import ProductError
from s1monthly.grid.lattice import tile_geobox
from s1monthly.layout import Layout
from s1monthly.model import Tile
from s1monthly.reading import open_cube
from s1monthly.report.build import Built, build
from s1monthly.report.tile import EDGE, place_on_earth
from support.browser import HOSTILE
from support.month_samples import lay_down, month_record, publish
from support.small_tree import SmallTree

TILES = ["10SGD_ASCENDING", "10SGD_DESCENDING", "11SKU_ASCENDING"]


def index(tree: SmallTree) -> dict[str, Any]:
    """What the report says of all tiles."""
    return json.loads(Path(tree.layout.report_index).read_text().removeprefix("s1monthly.index(").removesuffix(");\n"))


def details(tree: SmallTree, name: str) -> dict[str, Any]:
    """What the report says of a tile and direction."""
    return json.loads(data(tree, name).read_text().splitlines()[2].removesuffix(");"))


def data(tree: SmallTree, name: str) -> Path:
    return Path(tree.layout.report_index).with_name(f"{name}.js")


def test_every_month_is_what_the_inspection_says(tree: SmallTree) -> None:
    assert build(tree.layout) == Built(tree.layout.report_page, 3, 3, 0)
    found = index(tree)
    assert [one["name"] for one in found["tiles"]] == TILES
    assert [title for title, *_ in found["links"]][:5] == [
        *("table of months", "table of Items", "STAC Catalog"),
        *("STAC Collection", "STAC Collection ascending"),
    ]
    for key, one in zip(tiles_there(tree.layout), found["tiles"], strict=True):
        state, months = inspect(key, tree.layout), details(tree, one["name"])["months"]
        assert [found["kinds"][int(kind)] for kind in one["kinds"]] == [str(month.kind) for month in state.months]
        assert [month["reason"] for month in months] == [month.reason for month in state.months]
        assert [month["missing"] for month in months] == [dict(month.missing_granules) for month in state.months]
        assert (one["present"], one["expected"]) == (state.present, len(state.expected))
        told = {place: reason for reason, places in one["reasons"].items() for place in places}
        assert told == {place: month.reason for place, month in enumerate(state.months) if month.reason}
    assert found["tiles"][0]["kinds"] == "4006052"


def test_statistics_are_those_of_the_cube(tree: SmallTree) -> None:
    build(tree.layout)
    shown = details(tree, TILES[0])
    cube = open_cube(tree.base, "10SGD", "ASCENDING")
    months = {str(time)[:7]: cube.sel(time=time) for time in cube.time.values}
    first = index(tree)["tiles"][0]["first"]
    assert first == "2021-10" and [band["name"] for band in shown["bands"]] == ["VV_dB", "VH_dB", "Ratio", "RVI"]
    for place, month in ((1, "2021-11"), (2, "2021-12"), (4, "2022-02")):
        for name, values in shown["months"][place]["bands"].items():
            held = months[month][name].values.astype(float)
            expected = [np.nanmean(held), np.nanstd(held), np.nanmin(held), np.nanmax(held), np.isfinite(held).sum()]
            np.testing.assert_allclose(values, expected, rtol=1e-5)
    assert [bool(month.get("bands")) for month in shown["months"]] == [False, True, True, False, True, False, False]


def test_only_what_changed_is_written_again(tree: SmallTree) -> None:
    build(tree.layout)
    assert build(tree.layout).written == 0
    key = next(iter(tree.months))
    log = Path(tree.layout.logs, "bursts", f"{key}.log")
    changes: dict[str, Callable[[], object]] = {
        "record": lambda: tree.path("record", key).unlink(),
        "preview": lambda: tree.path("preview", key).unlink(),
        "search log": lambda: os.utime(tree.path("search", key)),
        "table": lambda: tree.path("tile_catalog", key).unlink(),
        "granule list": lambda: tree.path("granules", key).unlink(),
        "change": lambda: touch(Path(tree.layout.of(key).change("VV_dB"))),
        "status of the cube": lambda: shutil.rmtree(tree.path("cube", key) / "status"),
        "data": lambda: data(tree, str(TILES[0])).write_text("// cut"),
    }
    for what, change in changes.items():
        others = {name: data(tree, name).stat().st_mtime_ns for name in TILES[1:]}
        change()
        assert build(tree.layout).written == 1, what
        assert {name: data(tree, name).stat().st_mtime_ns for name in TILES[1:]} == others, what
    log.write_text("2024-01-02 03:04:05,678 CRITICAL again\n")
    assert build(tree.layout).written == 2, "logs of a tile are of both directions"
    assert len(details(tree, TILES[0])["links"]) == 4, "cube, change, search log, table of Items"


def touch(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.touch()


def test_a_tile_that_is_gone_leaves_the_report(tree: SmallTree) -> None:
    build(tree.layout)
    note = data(tree, "note")
    note.write_text("mine")
    shutil.rmtree(tree.base / TILES[2])
    assert build(tree.layout) == Built(tree.layout.report_page, 2, 0, 1)
    assert not data(tree, TILES[2]).exists() and note.exists()
    assert [one["name"] for one in index(tree)["tiles"]] == TILES[:2]


def test_trees_without_months_have_a_report(tmp_path: Path) -> None:
    tree = SmallTree(tmp_path)
    assert build(tree.layout).tiles == 0 and index(tree)["tiles"] == []
    item = tmp_path / "10SGD_ASCENDING_T137" / "static" / "10SGD_S1_Static_ASCENDING_T137.json"
    item.parent.mkdir(parents=True)
    item.write_text("{}")
    assert build(tree.layout).tiles == 1
    [one] = index(tree)["tiles"]
    assert (one["first"], one["kinds"], one["track"], one["expected"]) == (None, "", 137, 0)
    [[title, href, size]] = details(tree, one["name"])["links"]
    assert (title, size) == ("static layers T137, STAC Item", 2)
    assert (Path(tree.layout.report) / unquote(href)).resolve() == item
    with pytest.raises(ProductError, match="no such folder"):
        build(Layout(str(tmp_path / "nowhere")))


def test_an_altered_record_is_not_believed(tree: SmallTree) -> None:
    key = next(iter(tree.months))
    path = tree.path("record", key)
    path.write_text(path.read_text().replace('"mean": -', '"mean": -9'))
    build(tree.layout)
    month = details(tree, TILES[0])["months"][1]
    assert "bands" not in month and any("its record was altered" in remark for remark in month["remarks"])


def test_no_text_of_a_tree_can_end_its_script(tree: SmallTree) -> None:
    build(tree.layout)
    written = Path(tree.layout.report_index).read_text() + data(tree, TILES[0]).read_text()
    assert "<" not in written and written.isascii()
    assert HOSTILE in details(tree, TILES[0])["months"][5]["missing"].values()


def test_an_outline_goes_on_beyond_the_antimeridian() -> None:
    ring = np.array(place_on_earth(tile_geobox(Tile("01KAB")))["outline"])
    assert ring.shape == (4 * EDGE, 2) and np.ptp(ring[:, 0]) < 1.5 and np.ptp(ring[:, 1]) < 1.5
    assert abs(abs(ring[:, 0]).max() - 180) < 1.5


def test_builds_at_once_leave_a_whole_report(tree: SmallTree) -> None:
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: build(tree.layout), range(2)))
    assert sorted(one.written for one in done) == [0, 3]
    assert not [path for path in Path(tree.layout.report).rglob("*") if ".part" in path.name]


def test_validation_passes_over_the_report(tree: SmallTree) -> None:
    before = validate(tree.base).problems
    build(tree.layout)
    assert validate(tree.base).problems == before


def test_the_tool_names_the_page(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["--output-dir", str(tree.base)]) is None
    page = f"{tree.base}/report/index.html"
    assert capsys.readouterr().out == f"{page}: 3 tiles and directions, 3 of them new or changed\n"
    assert Path(page).read_text().startswith("<!DOCTYPE html>")
    with pytest.raises(SystemExit, match="no such folder"):
        tool.main(["--output-dir", str(tree.base / "nowhere")])


def test_months_that_are_empty_or_rebuilt_say_what_is_not_known(tmp_path: Path) -> None:
    lay_down(tmp_path, month_record(month="2021-11", mask=np.zeros((3660, 3660), bool)))
    lay_down(tmp_path, month_record(month="2021-12", unknown=True, spread=("std",)), kinds=())
    publish(tmp_path)
    tree = SmallTree(tmp_path)
    build(tree.layout)
    [one], shown = index(tree)["tiles"], details(tree, "10SGD_ASCENDING")
    empty, rebuilt = shown["months"]
    assert (one["coverage"][0], one["previews"], empty["status"], empty["count"]) == (0, "10", "empty", [None] * 3)
    assert empty["bands"]["VV_dB"] == [None, None, None, None, 0]
    assert (rebuilt["granules"], rebuilt["passes"], rebuilt["software"], rebuilt["aside"]) == (None, [], None, [])
    assert [band["name"] for band in shown["bands"]][4:] == ["VV_dB_std", "VH_dB_std"]
    assert "standard deviation of VV_dB" in shown["bands"][4]["text"]
