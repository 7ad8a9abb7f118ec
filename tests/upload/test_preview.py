"""A preview says what would be done, and changes nothing."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from conftest import ROOT
from support.small_tree import SmallTree

SCRIPT = ROOT / "scripts" / "upload.py"


def test_a_preview_counts_what_a_publication_puts_and_makes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    main = runpy.run_path(str(SCRIPT))["main"]
    tree, place = SmallTree(tmp_path / "output"), tmp_path / "far" / "published"
    tree.make(tree.add("2021-11"))
    given = ["--output-dir", str(tmp_path / "output"), "--url", str(place)]
    assert not main([*given, "--dry-run"])
    told = capsys.readouterr().out
    assert not place.parent.exists()
    assert not main(given)
    done = capsys.readouterr().out
    number = sum(path.is_file() and "_manifests" not in path.parts for path in place.rglob("*"))
    assert f"({number} files to be put, " in told and "to be published: 1 month of 1 folder" in told
    assert f"({number} files put, " in done


def test_a_folder_that_is_no_tree_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    main = runpy.run_path(str(SCRIPT))["main"]
    (tmp_path / "mistyped").mkdir()
    with pytest.raises(SystemExit, match="no output tree, it holds no month -> give the root"):
        main(["--output-dir", str(tmp_path / "mistyped"), "--url", str(tmp_path / "published")])
