"""No path out of the output tree is opened, whatever links lie in it and whatever the browser asks for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from bokeh.document import Document

from s1monthly.errors import FileError, ProductError
from s1monthly.explorer.map_tab import MapTab
from s1monthly.explorer.tree import contents, refuse_outside, shown
from support.explored_tree import MISSING, explored_tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    explored_tree(tmp_path / "output", 9)
    return tmp_path / "output"


def test_what_there_is_is_listed(tree: Path) -> None:
    found = contents(tree)
    assert [str(key) for key in found.keys] == ["10SGD_ASCENDING"] and found.left_out == []
    cube = shown(tree, found.keys[0])
    assert cube.names == ["VV_dB", "VH_dB", "Ratio", "RVI", "count"]
    assert MISSING not in cube.complete and len(cube.complete) == 8 and len(cube.months) == 9


@pytest.mark.parametrize(
    "link", ["", "zarr", "zarr/S1_monthly.zarr", "zarr/S1_monthly.zarr/zarr.json", "zarr/S1_monthly.zarr/VV_dB/c"]
)
def test_a_link_out_of_the_tree_is_left_out_and_named(tree: Path, link: str) -> None:
    shutil.copytree(tree / "10SGD_ASCENDING", tree / "10SGD_DESCENDING")
    place, outside = tree / "10SGD_DESCENDING" / link, tree.parent / "outside"
    place.rename(outside)
    place.symlink_to(outside)
    found = contents(tree)
    assert [str(key) for key in found.keys] == ["10SGD_ASCENDING"]
    (line,) = found.left_out
    assert "10SGD_DESCENDING" in line and "leads out of the output tree" in line


def test_a_tree_may_itself_be_a_link(tree: Path) -> None:
    (tree.parent / "link").symlink_to(tree)
    assert len(contents(tree.parent / "link").keys) == 1


def test_paths_outside_are_refused(tree: Path) -> None:
    refuse_outside(tree, tree / "x" / ".." / "y")
    for path in (tree / ".." / "other", tree.parent / "output2", Path("/etc/passwd")):
        with pytest.raises(FileError, match="leads out"):
            refuse_outside(tree, path)


def test_an_empty_tree_is_said_to_be_empty(tmp_path: Path) -> None:
    with pytest.raises(ProductError, match="no cube"):
        contents(tmp_path)


@pytest.mark.parametrize("widget", ["tile", "passes", "band", "change"])
@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd month", "..", ""])
def test_names_that_the_page_does_not_offer_are_refused(tree: Path, widget: str, name: str) -> None:
    """A browser may send any value; the server looks up what it found, and builds no path from it."""
    tab = MapTab(Document(), str(tree))
    for work in (tab.choose_tile, tab.choose_cube):
        tab.actor.do(work)
    getattr(tab.controls, widget).value = name
    work = {"tile": tab.choose_tile, "passes": tab.choose_cube, "band": tab.choose_band, "change": tab.choose_change}
    tab.actor.do(work[widget])
    if widget == "change" and " " not in name:
        assert tab.map.change.data["image"] == []
    else:
        assert "not in this tree" in tab.status.text
