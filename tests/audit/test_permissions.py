"""What this user may not read or write is reported; its rows stay, and the rest is done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import catalog_inspect
from s1monthly.audit.month_validation import Depth
from s1monthly.audit.repair_commands import RepairCommands
from s1monthly.audit.validation import validate
from support.audited_tree import DESCENDING, NOVEMBER, VALID, rebuild, rows
from support.small_tree import SmallTree

pytestmark = pytest.mark.usefixtures("unprivileged")

UNREADABLE: dict[str, Callable[[SmallTree], Path]] = {
    "tile folder": lambda tree: tree.path("folder", NOVEMBER),
    "folder of records": lambda tree: tree.path("record", NOVEMBER).parent,
    "record": lambda tree: tree.path("record", NOVEMBER),
    "COG": lambda tree: tree.path("cog", NOVEMBER),
    "search log": lambda tree: tree.path("search", NOVEMBER),
    "cube": lambda tree: tree.path("cube", NOVEMBER),
    "metadata of a band": lambda tree: tree.path("cube", NOVEMBER) / "VV_dB" / "zarr.json",
    "status of a month": lambda tree: tree.path("cube", NOVEMBER) / "status" / "c" / "0",
    "chunks of a band": lambda tree: tree.path("cube", NOVEMBER) / "VV_dB" / "c",
    "catalog of the tile": lambda tree: tree.path("tile_catalog", NOVEMBER),
    "global catalog": lambda tree: Path(tree.layout.catalog),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_unreadable_files_keep_their_rows(tree: SmallTree, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    before, path = rows(tree), UNREADABLE[what](tree)
    tree.path("item", DESCENDING).unlink()
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        found = {finding.place: finding for finding in validate(tree.base).problems}
        assert set(found) == {str(path), str(tree.path("item", DESCENDING))}
        assert found[str(path)].commands == (RepairCommands(tree.base).allow(path),)
        assert rebuild(tree) == 1
        assert tree.path("item", DESCENDING).exists(), "the rest is mended"
        assert f"{path}\n" in capsys.readouterr().out
    finally:
        path.chmod(mode)
    assert rows(tree) == before
    assert validate(tree.base, Depth(digests=True)).to_text() == VALID


@pytest.mark.parametrize("what", UNREADABLE)
def test_inspection_goes_on_beside_unreadable_files(tree: SmallTree, what: str) -> None:
    path = UNREADABLE[what](tree)
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        catalog_inspect.main(["--output-dir", "output"])
    finally:
        path.chmod(mode)


def test_a_read_only_folder_is_reported(tree: SmallTree) -> None:
    before = rows(tree)
    tree.path("record", NOVEMBER).unlink()
    tree.path("item", DESCENDING).unlink()
    folder = tree.path("record", NOVEMBER).parent
    folder.chmod(0o500)
    try:
        assert rebuild(tree) == 1
    finally:
        folder.chmod(0o700)
    assert tree.path("item", DESCENDING).exists() and rows(tree) == before
