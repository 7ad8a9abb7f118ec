"""Pieces of work that outlive a failed job."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from s1monthly.errors import SourceError
from s1monthly.workflow.resume import KeptPieces, Piece


def make(kept: KeptPieces, name: str, source: str = "source") -> str:
    def piece() -> Piece:
        (kept.folder / f"{name}.tif").write_text("a piece")
        return Piece("read", (f"{name}.tif",), {"VV": "0123"})

    return kept.once(name, source, piece)


def test_pieces_outlive_the_job_and_are_delivered(tmp_path: Path) -> None:
    kept = KeptPieces(tmp_path / "kept", "maker")
    assert make(kept, "one") == "read"
    assert kept.once("empty", "source", lambda: Piece("nothing there")) == "nothing there"
    (kept.folder / "half.tif").write_text("not finished")
    again = KeptPieces(tmp_path / "kept", "maker")
    assert make(again, "one") == "read, by an earlier try"
    assert again.once("empty", "source", lambda: Piece("made again")) == "nothing there, by an earlier try"
    assert make(again, "half") == "read"
    again.deliver(["one", "empty"], tmp_path / "output")
    assert {path.name: path.read_text() for path in (tmp_path / "output").iterdir()} == {"one.tif": "a piece"}
    assert again.facts("one") == {"VV": "0123"} and again.facts("empty") == {}
    again.remove()
    assert not (tmp_path / "kept").exists()
    assert (tmp_path / "output" / "one.tif").read_text() == "a piece"


def test_a_piece_of_another_source_maker_or_size_is_made_again(tmp_path: Path) -> None:
    kept = KeptPieces(tmp_path / "kept", "maker")
    for name in ("one", "two", "three", "four"):
        make(kept, name)
    (kept.folder / "two.tif").write_text("cut")
    (kept.folder / "three.tif").unlink()
    outcomes = [make(kept, name) for name in ("one", "two", "three")]
    assert outcomes == ["read, by an earlier try", "read", "read"]
    assert make(kept, "four", "another source") == "read"
    assert make(KeptPieces(tmp_path / "kept", "another"), "one") == "read"
    assert not kept.folder.exists(), "pieces of another maker are of no use to anybody"


def test_a_piece_that_fails_is_not_taken_for_finished(tmp_path: Path) -> None:
    kept = KeptPieces(tmp_path / "kept", "maker")

    def fails() -> Piece:
        (kept.folder / "one.tif").write_text("half")
        raise SourceError("cut short", "try again")

    with pytest.raises(SourceError):
        kept.once("one", "source", fails)
    assert make(kept, "one") == "read"


def test_pieces_are_copied_where_there_are_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    kept = KeptPieces(tmp_path / "kept", "maker")
    make(kept, "one")
    kept.deliver(["one"], tmp_path / "output")
    assert (tmp_path / "output" / "one.tif").read_text() == "a piece"


def test_a_damaged_note_of_a_piece_makes_it_again(tmp_path: Path) -> None:
    kept = KeptPieces(tmp_path / "kept", "maker")
    make(kept, "one")
    note = kept.folder / "one.json"
    whole = note.read_bytes()
    for damage in (b"", whole[:30], b"\xff\xfe", b"null", b"{}"):
        note.write_bytes(damage)
        assert make(kept, "one") == "read", damage
        assert make(kept, "one") == "read, by an earlier try"


def test_strangers_files_among_the_pieces_do_not_matter(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / ".DS_Store").write_text("a stranger's")
    (folder / "maker").write_text("a file of the name of the folder")
    (folder / "link").symlink_to(tmp_path / "nowhere")
    assert make(KeptPieces(folder, "maker"), "one") == "read"
    assert [path.name for path in folder.iterdir()] == ["maker"]


def test_pieces_are_delivered_twice(tmp_path: Path) -> None:
    """As by the job of the rule bursts, repeated by hand after unread granules."""
    kept = KeptPieces(tmp_path / "kept", "maker")
    for _ in range(2):
        make(kept, "one")
        kept.deliver(["one"], tmp_path / "output")
    assert (tmp_path / "output" / "one.tif").read_text() == (kept.folder / "one.tif").read_text() == "a piece"
    (tmp_path / "output" / "one.tif").unlink()
    (tmp_path / "output" / "one.tif").write_text("an older one, longer")
    kept.deliver(["one"], tmp_path / "output")
    assert (tmp_path / "output" / "one.tif").read_text() == "a piece"
