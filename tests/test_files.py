"""Files are whole or not there."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from s1monthly import files
from s1monthly.errors import FileError
from s1monthly.files import replacing, write_text

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def record(tmp_path: Path) -> Path:
    path = tmp_path / "record.json"
    path.write_text("old")
    return path


# replacing


def test_an_error_names_the_file_and_not_the_temporary_one(tmp_path: Path) -> None:
    """The error of a failed write names no file, that of an opening the temporary one."""
    for error in (OSError(errno.ENOSPC, "No space left on device"), None):
        with pytest.raises(OSError) as refusal, replacing(tmp_path / "record.json") as temporary:
            raise error or PermissionError(errno.EACCES, "Permission denied", str(temporary))
        assert refusal.value.filename == str(tmp_path / "record.json")
    remedy = "ask its owner (ls -l) for permission to read and write it"
    assert str(FileError.of(refusal.value)) == f"{tmp_path / 'record.json'}: Permission denied -> {remedy}"
    assert "free some space" in str(FileError.of(OSError(errno.ENOSPC, "No space left on device")))


def test_a_file_appears_whole_and_its_folder_with_it(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "record.json"
    with replacing(path) as temporary:
        temporary.write_text("old")
        assert not path.exists() and temporary.parent == path.parent
        assert temporary.suffix == ".json", "writers choose the format by the suffix"
        assert temporary.name.startswith("."), "half-made files are hidden from listings"
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new" and names(path.parent) == ["record.json"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, FileNotFoundError])
def test_a_failure_leaves_the_old_file_and_nothing_else(record: Path, failure: type[BaseException]) -> None:
    """Also a block that writes nothing fails."""
    with pytest.raises(failure), replacing(record) as temporary:
        if failure is not FileNotFoundError:
            temporary.write_text("half")
            raise failure
    assert record.read_text() == "old" and names(record.parent) == ["record.json"]


@pytest.mark.parametrize("broken", ["replace", "fsync"])
def test_a_full_disk_leaves_the_old_file(record: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(OSError, match="No space"):
        write_text(record, "new")
    assert record.read_text() == "old" and names(record.parent) == ["record.json"]


def test_a_file_is_on_the_disk_before_it_takes_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def noting(word: str, act: Callable[..., None]) -> Callable[..., None]:
        return lambda *args: done.append(word) or act(*args)  # type: ignore[func-returns-value]

    monkeypatch.setattr(os, "fsync", noting("flushed", os.fsync))
    monkeypatch.setattr(os, "replace", noting("named", os.replace))
    write_text(tmp_path / "record.json", "text")
    assert done[:2] == ["flushed", "named"]
    done.clear()
    with replacing(tmp_path / "stack.tif", durable=False) as temporary:
        temporary.write_text("temporary")
    assert done == ["named"]


def test_writers_do_not_meet(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All write at once, in threads or, with one process number, on several machines."""
    monkeypatch.setattr(os, "getpid", lambda: 4711)
    writers = 8
    barrier = threading.Barrier(writers, timeout=20)

    def write(number: int) -> str:
        with replacing(record) as temporary:
            temporary.write_text(str(number) * 1000)
            barrier.wait()
            assert temporary.read_text() == str(number) * 1000
        return temporary.name

    with ThreadPoolExecutor(writers) as pool:
        assert len(set(pool.map(write, range(writers)))) == writers
    assert record.read_text() in {str(number) * 1000 for number in range(writers)}
    assert names(record.parent) == ["record.json"]


def test_what_a_killed_writer_left_goes_after_a_day_and_no_sooner(tmp_path: Path) -> None:
    path, other = tmp_path / "record.json", tmp_path / "catalog.json"
    killed = (
        "import os, sys; from s1monthly.files import replacing\n"
        "with replacing(sys.argv[1]) as one, replacing(sys.argv[1]) as two, replacing(sys.argv[2]) as three:\n"
        "    [temporary.write_text('half') for temporary in (one, two, three)]\n"
        "    os.kill(os.getpid(), 9)"
    )
    code = [sys.executable, "-c", killed, str(path), str(other)]
    subprocess.run(code, env={**os.environ, "PYTHONPATH": str(SCRIPTS)}, check=False)
    left = sorted(tmp_path.iterdir())
    assert len(left) == 3 and all(file.name.startswith(".") for file in left)
    old, young = (file for file in left if "record" in file.name)
    (of_other,) = (file for file in left if "catalog" in file.name)
    mine = tmp_path / ".record.mine.json"
    mine.write_text("not a temporary file")
    for file, age in ((old, 60), (young, -60), (of_other, 60), (mine, 60)):
        os.utime(file, (time.time() - files.LEFT_BEHIND - age,) * 2)
    write_text(path, "whole")
    assert set(tmp_path.iterdir()) == {path, young, of_other, mine}


# texts


@pytest.mark.parametrize("text", ["", "späť 東 \U0001f6f0\n", "a\r\nb\rc\n"])
def test_a_text_that_is_the_same_stays_untouched(tmp_path: Path, text: str) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(b"\xff\xfe\x00")
    assert write_text(path, text, only_if_changed=True) is True, "a damaged text counts as changed"
    assert path.read_bytes() == text.encode()
    os.utime(path, (0, 0))
    assert write_text(path, text, only_if_changed=True) is False
    assert path.stat().st_mtime_ns == 0
    assert write_text(path, text) is True
    assert path.stat().st_mtime_ns > 0, "asked for without the option, it is written"


def test_a_digest_of_samples_sees_size_beginning_and_end(tmp_path: Path) -> None:
    path, content = tmp_path / "dem.tif", bytes(3 * files.SAMPLE)
    found = []
    for number, changed in enumerate((content, content + b"0", b"1" + content[1:], content[:-1] + b"1")):
        path.write_bytes(changed)
        os.utime(path, (number, number))
        found.append(files.sample_digest(path))
    assert len(set(found)) == 4 and all(len(one) == 16 for one in found)
    path.rename(tmp_path / "moved.tif")
    assert files.sample_digest(tmp_path / "moved.tif") == found[-1]
    with pytest.raises(FileError, match=r"dem\.tif: No such file"):
        files.sample_digest(path)
