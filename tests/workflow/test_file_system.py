"""A file system that cannot rename in one step is refused before any work."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest

from s1monthly.errors import ConfigError
from s1monthly.layout import Layout
from s1monthly.workflow import file_system as file_systems
from s1monthly.workflow.file_system import FileSystemError, refuse_unfit
from s1monthly.workflow.work_folder import claim_work, refuse_shared_work

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / {place} rw,nosuid - {kind} {source} rw,user_id=0
31 30 0:41 / {place}/inner rw - nfs4 server:/home rw,vers=4.2
"""


def mount(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str, source: str) -> Path:
    place = tmp_path / "a bucket"
    (place / "inner").mkdir(parents=True)
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTS.format(place=str(place).replace(" ", "\\040"), kind=kind, source=source))
    monkeypatch.setattr(file_systems, "_MOUNTS", table)
    return place


def test_a_local_folder_is_fit_and_left_as_it_was(tmp_path: Path) -> None:
    refuse_unfit(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "source"), [("fuse.s3fs", "s3fs"), ("fuse", "mountpoint-s3"), ("fuse.gcsfuse", "bucket")]
)
def test_a_mounted_bucket_is_refused_by_name(
    kind: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = mount(monkeypatch, tmp_path, kind, source)
    with pytest.raises(FileSystemError, match=r"a bucket: object storage, mounted by .*give an output\.base_dir on"):
        refuse_unfit(place)
    assert [path.name for path in place.iterdir()] == ["inner"]


def test_what_is_mounted_deeper_or_beside_counts_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = mount(monkeypatch, tmp_path, "fuse.s3fs", "s3fs")
    refuse_unfit(place / "inner")
    beside = tmp_path / "a bucket of ice"
    beside.mkdir()
    refuse_unfit(beside)


def test_folders_that_cannot_be_renamed_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(FileSystemError, match="cannot rename files and folders"):
        refuse_unfit(tmp_path)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


def test_a_replaced_file_that_keeps_its_content_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "replace", lambda source, target: None)
    with pytest.raises(FileSystemError, match="has the other's content"):
        refuse_unfit(tmp_path)


def test_a_system_without_a_table_of_mounts_is_tried_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_systems, "_MOUNTS", tmp_path / "none")
    refuse_unfit(tmp_path)


# the work folder


@pytest.mark.parametrize("note", [b"", b"  \n", b"\xff\xfe"])
def test_a_damaged_note_of_the_work_folder_is_named_with_the_remedy(tmp_path: Path, note: bytes) -> None:
    layout = Layout(str(tmp_path / "out"), str(tmp_path / "work"))
    claim_work(layout)
    refuse_shared_work(layout)
    Path(layout.owner).write_bytes(note)
    with pytest.raises(ConfigError, match=r"base_dir\.txt: damaged: .* -> delete it if that is .*out, and run again"):
        refuse_shared_work(layout)


def test_a_claimed_work_folder_that_became_read_only_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(dir: str, **_: str) -> str:
        raise OSError(errno.EROFS, "Read-only file system", dir)

    layout = Layout(str(tmp_path / "out"), str(tmp_path / "work"))
    claim_work(layout)
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["base_dir.txt"]
    monkeypatch.setattr(tempfile, "mkdtemp", read_only)
    with pytest.raises(OSError, match="Read-only file system"):
        claim_work(layout)
