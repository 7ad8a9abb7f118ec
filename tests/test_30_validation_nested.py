"""An output tree within another, as the demo's within `output/`, is none of the outer one's business."""

from __future__ import annotations

from pathlib import Path

import catalog_rebuild
import catalog_validate
from s1monthly.catalog import read_catalog
from s1monthly.cataloguing import catalog_all
from small_tree import SmallTree


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
