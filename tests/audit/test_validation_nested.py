"""An output tree within another, as the demo's within `output/`, is none of the outer one's business."""

from __future__ import annotations

import shutil
from pathlib import Path

import catalog_rebuild
import catalog_validate
from s1monthly.catalog.table import read_catalog
from s1monthly.catalog.update import catalog_all
from support.small_tree import SmallTree


def test_a_tree_within_a_tree_is_neither_catalogued_nor_told(tmp_path: Path) -> None:
    outer, inner = SmallTree(tmp_path / "output"), SmallTree(tmp_path / "output" / "demo")
    # the month before has no data
    for tree, month in ((outer, "2021-11"), (inner, "2021-12")):
        tree.make(tree.add(month))
    files = {path: path.read_bytes() for path in inner.base.rglob("*") if path.is_file()}
    catalog_all(outer.base)
    assert [row["month"] for row in read_catalog(outer.layout.catalog)] == ["2021-10", "2021-11"]
    assert catalog_validate.main(["--output-dir", str(outer.base), "--digests"]) == 0
    assert catalog_rebuild.main(["--output-dir", str(outer.base)]) == 0
    assert [row["month"] for row in read_catalog(outer.layout.catalog)] == ["2021-10", "2021-11"]
    assert files == {path: path.read_bytes() for path in inner.base.rglob("*") if path.is_file()}
    assert catalog_validate.main(["--output-dir", str(inner.base)]) == 0


def test_a_copy_under_another_name_keeps_nobody_from_cataloguing(tmp_path: Path) -> None:
    """Such as a folder that somebody keeps; a tile that is there under such a name alone keeps its rows."""
    tree = SmallTree(tmp_path / "output")
    november = tree.add("2021-11")
    tree.make(november)
    rows = read_catalog(tree.layout.catalog)
    folder = tree.path("folder", november)
    shutil.copytree(folder, tree.base / "kept_by_me")
    assert catalog_all(tree.base)[0] == rows
    shutil.rmtree(folder)
    assert catalog_all(tree.base)[0] == rows == read_catalog(tree.layout.catalog)
