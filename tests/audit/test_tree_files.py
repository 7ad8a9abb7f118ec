"""Strays, leftovers and folders under other names: each is reported as what it is, and no row is lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import catalog_rebuild
import catalog_validate
from s1monthly.audit.validation import validate
from s1monthly.catalog.update import catalog_all
from s1monthly.layout import lock_file
from support.audited_tree import DESCENDING, NOVEMBER, VALID, follow, rebuild, rows
from support.short_commands import in_short
from support.small_tree import SmallTree


def test_leftovers_are_notes(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tree.base / "10SGD_ASCENDING"
    for name in (
        *("cog/.10SGD_S1_Monthly_ASCENDING_2021-11.0123.part.tif", "months/.2021-11.0123.part.json"),
        *(".catalog.0123.part.parquet", "cog/10SGD_S1_Monthly_ASCENDING_2021-11.tif.aux.xml"),
    ):
        (folder / name).touch()
    (folder / "zarr" / "S1_monthly.zarr.2021-11.x.part").mkdir()
    (tree.base / ".collection.0123.part.json").touch()
    (tree.base / ".DS_Store").touch()
    assert catalog_validate.main([]) == 0
    out = capsys.readouterr().out
    assert out.count("note: ") == 2 and out.count("left by a viewer") == 1
    assert "note: output/.collection.0123.part.json and 4 more\n" in out
    assert out.splitlines()[-1] == VALID


def test_side_files_of_previews_are_ours(tree: SmallTree) -> None:
    preview = tree.path("preview", NOVEMBER)
    assert preview.with_name(f"{preview.name}.aux.xml").exists() and validate(tree.base).to_text() == VALID
    preview.unlink()
    notes = [finding.place for finding in validate(tree.base).notes]
    assert notes == [f"{preview}.aux.xml"], "without its preview it is left over"


def test_work_mosaics_and_hidden_folders_are_no_strays(tree: SmallTree) -> None:
    (tree.base / "work").rename(tree.base / "jobs")
    (tree.base / "jobs" / "base_dir.txt").write_text("..\n")
    (tree.base / "mosaic").mkdir()
    (tree.base / "demo.jpg").touch()
    shutil.copytree(tree.path("folder", NOVEMBER), tree.base / ".backup")
    for kind in ("catalog", "tile_catalog", "cube"):
        lock = lock_file(tree.path(kind, NOVEMBER))
        assert lock.exists() and lock.parent == tree.base / ".s1monthly" / "locks"
    assert rebuild(tree) == 0
    assert validate(tree.base).to_text() == VALID


def test_a_tree_within_a_tree_is_left_alone(tree: SmallTree) -> None:
    """As the demo's within `output/`."""
    inner = SmallTree(tree.base / "demo")
    inner.make(inner.add("2022-01"))
    before = rows(tree), {path: path.read_bytes() for path in inner.base.rglob("*") if path.is_file()}
    catalog_all(tree.base)
    assert catalog_validate.main(["--digests"]) == catalog_rebuild.main([]) == 0
    assert before == (rows(tree), {path: path.read_bytes() for path in inner.base.rglob("*") if path.is_file()})
    assert catalog_validate.main(["--output-dir", str(inner.base)]) == 0


def test_a_missing_folder_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for tool in (catalog_validate, catalog_rebuild):
        assert tool.main(["--output-dir", str(tmp_path / "nowhere")]) == 1
        out = capsys.readouterr().out
        assert "no such folder: give the one that output.base_dir names" in out and "$" not in out
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_without_output_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody's folder, or one that was mistyped: nothing is to be run or moved there."""
    (tmp_path / "letters").mkdir()
    (tmp_path / "notes.txt").touch()
    assert catalog_rebuild.main(["--output-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "no months to catalog\n"
    assert catalog_validate.main(["--output-dir", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "a folder without any output of this workflow" in " ".join(out.split())
    assert "output.base_dir" in out and "$" not in out
    assert {path.name for path in tmp_path.iterdir()} == {"letters", "notes.txt"}


def test_an_empty_folder_of_a_tile_has_no_rows(tree: SmallTree) -> None:
    (tree.base / "11SLT_ASCENDING").mkdir()
    assert validate(tree.base).to_text() == VALID
    shutil.rmtree(tree.base / "10SGD_DESCENDING")
    (tree.base / "10SGD_DESCENDING").mkdir()
    places = {finding.place for finding in validate(tree.base).problems}
    assert places == {
        f"output/{name}"
        for name in ("catalog.parquet", "items.parquet", "collection.json", "collection_DESCENDING.json")
    }
    assert rebuild(tree) == 0
    assert validate(tree.base).to_text() == "valid: 2 months of 1 tile"


def test_a_copy_of_a_folder_is_reported(tree: SmallTree) -> None:
    shutil.copytree(tree.base / "10SGD_ASCENDING", tree.base / "10SGD_ASCENDING copy")
    before = rows(tree)
    (found,) = validate(tree.base).problems
    assert found.place == "output/10SGD_ASCENDING copy" and found.problem.endswith("; there is one already")
    assert in_short(found.commands) == ("mv 'output/10SGD_ASCENDING copy' elsewhere/",)
    assert catalog_all(tree.base)[0] == before
    shutil.rmtree(tree.base / "10SGD_ASCENDING")
    assert catalog_all(tree.base)[0] == before == rows(tree), "a tile under another name alone keeps its rows"


@pytest.mark.parametrize("name", ["kept_by_me", "10SGD_ASCENDING_2020", "11SLT_ASCENDING"])
def test_a_renamed_folder_keeps_name_and_rows_until_its_command_is_followed(
    tree: SmallTree, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody may have given it that name on purpose."""
    before = rows(tree)
    tree.path("folder", NOVEMBER).rename(tree.base / name)
    assert rebuild(tree) == 1 and rows(tree) == before
    assert (tree.base / name).is_dir() and f"/output/{name} " in capsys.readouterr().out
    follow(tree, [finding for finding in validate(tree.base).problems if finding.place == f"output/{name}"])
    assert rows(tree) == before and validate(tree.base).to_text() == VALID


def test_swapped_folders_keep_their_rows(tree: SmallTree) -> None:
    before = rows(tree)
    one, other, aside = (tree.base / name for name in ("10SGD_ASCENDING", "10SGD_DESCENDING", "aside"))
    for source, target in ((one, aside), (other, one), (aside, other)):
        source.rename(target)
    assert rebuild(tree) == 1 and rows(tree) == before


@pytest.mark.parametrize("kind", ["record", "item", "tile_catalog", "catalog", "search"])
def test_a_folder_in_the_place_of_a_file_ends_in_no_traceback(tree: SmallTree, kind: str) -> None:
    before = rows(tree)
    tree.path(kind, DESCENDING).unlink()
    tree.path(kind, DESCENDING).mkdir()
    places = [finding.place for finding in validate(tree.base).problems]
    assert str(tree.path(kind, DESCENDING)) in places
    assert rebuild(tree) == 1
    if kind != "catalog":
        assert rows(tree) == before
