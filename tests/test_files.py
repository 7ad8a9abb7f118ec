"""Files that are whole or not there; granules that could not be read; the log of a job."""

from __future__ import annotations

import atexit
import errno
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from s1monthly import files
from s1monthly.errors import CredentialsError, FileError, ProductError, SourceError
from s1monthly.files import replacing, write_text
from s1monthly.layout import parse_granule_id
from s1monthly.model import CompositeKey, Granule, GranuleList, Layer, SetAside
from s1monthly.records.account import Account, read_account, write_account
from s1monthly.stages.bursts import read_all
from s1monthly.workflow import logs
from s1monthly.workflow.resume import KeptPieces, Piece

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
KEY = CompositeKey.parse("10SGD", "ASCENDING", "2021-11")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# replacing


def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path: Path) -> None:
    """The error of a failed write names no file, that of an opening the temporary one."""
    for error in (OSError(errno.ENOSPC, "No space left on device"), None):
        with pytest.raises(OSError) as refusal, replacing(tmp_path / "record.json") as temporary:
            raise error or PermissionError(errno.EACCES, "Permission denied", str(temporary))
        assert refusal.value.filename == str(tmp_path / "record.json")
    remedy = "let yourself read and write it, or ask whose it is (ls -l)"
    assert str(FileError.of(refusal.value)) == f"{tmp_path / 'record.json'}: Permission denied -> {remedy}"
    assert "free some space" in str(FileError.of(OSError(errno.ENOSPC, "No space left on device")))


def test_a_file_appears_whole_and_its_folder_with_it(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "record.json"
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert not path.exists() and temporary.parent == path.parent
        assert temporary.suffix == ".json", "writers choose the format by the suffix"
        assert temporary.name.startswith("."), "half-made files are hidden from listings"
    assert path.read_text() == "new" and names(path.parent) == ["record.json"]


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("n")
        assert path.read_text() == "old"
        temporary.write_text("new")
    assert path.read_text() == "new" and names(tmp_path) == ["record.json"]


@pytest.mark.parametrize("failure", [ValueError, OSError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("written", [False, True])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, failure: type[BaseException], written: bool
) -> None:
    path = tmp_path / "record.json"
    path.write_text("old")

    def write() -> None:
        with replacing(path) as temporary:
            if written:
                temporary.write_text("half")
            raise failure("in the midst")

    with pytest.raises(failure, match="in the midst"):
        write()
    assert path.read_text() == "old" and names(tmp_path) == ["record.json"]


@pytest.mark.parametrize("broken", ["replace", "fsync"])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "record.json"
    path.write_text("old")
    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(OSError, match="No space"):
        write_text(path, "new")
    assert path.read_text() == "old" and names(tmp_path) == ["record.json"]


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), replacing(path):
        assert path.exists()
    assert path.read_text() == "old" and names(tmp_path) == ["record.json"]


def test_a_file_is_on_the_disk_before_it_takes_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def telling(word: str, act: Callable[..., None]) -> Callable[..., None]:
        return lambda *args: done.append(word) or act(*args)  # type: ignore[func-returns-value]

    monkeypatch.setattr(os, "fsync", telling("flushed", os.fsync))
    monkeypatch.setattr(os, "replace", telling("named", os.replace))
    write_text(tmp_path / "record.json", "text")
    assert done[:2] == ["flushed", "named"]
    done.clear()
    with replacing(tmp_path / "stack.tif", durable=False) as temporary:
        temporary.write_text("temporary")
    assert done == ["named"]


def test_writers_of_one_process_do_not_meet(tmp_path: Path) -> None:
    """All are in the midst of writing at once."""
    path, writers = tmp_path / "record.json", 8
    barrier = threading.Barrier(writers, timeout=20)

    def write(number: int) -> str:
        with replacing(path) as temporary:
            temporary.write_text(str(number) * 1000)
            barrier.wait()
        return temporary.name

    with ThreadPoolExecutor(writers) as pool:
        temporaries = list(pool.map(write, range(writers)))
    assert len(set(temporaries)) == writers
    assert path.read_text() in {str(number) * 1000 for number in range(writers)}
    assert names(tmp_path) == ["record.json"]


def test_writers_of_one_process_number_on_two_machines_do_not_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 4711)
    path = tmp_path / "record.json"
    with replacing(path) as here, replacing(path) as there:
        here.write_text("here")
        there.write_text("there")
        assert (here.read_text(), there.read_text()) == ("here", "there")
    assert path.read_text() == "here" and names(tmp_path) == ["record.json"]


def test_writers_and_readers_of_several_processes_see_whole_files_alone(tmp_path: Path) -> None:
    path = tmp_path / "search.json"
    code = (
        "import sys; from s1monthly.files import write_text\n"
        "for _ in range(60): write_text(sys.argv[1], sys.argv[2] * 50_000)"
    )
    path.write_text("0" * 50_000)
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(path), digit], env={**os.environ, "PYTHONPATH": str(SCRIPTS)})
        for digit in "123"
    ]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        seen.add(path.read_text())
        time.sleep(0.001)
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert {*seen, path.read_text()} <= {digit * 50_000 for digit in "0123"}
    assert names(tmp_path) == ["search.json"]


def test_what_a_killed_writer_left_goes_after_a_day_and_no_sooner(tmp_path: Path) -> None:
    path, other = tmp_path / "record.json", tmp_path / "catalog.json"
    killed = (
        "import os, sys; from s1monthly.files import replacing\n"
        "with replacing(sys.argv[1]) as temporary: temporary.write_text('half'); os.kill(os.getpid(), 9)"
    )
    for target in (path, path, other):
        subprocess.run(
            [sys.executable, "-c", killed, str(target)], env={**os.environ, "PYTHONPATH": str(SCRIPTS)}, check=False
        )
    left = sorted(tmp_path.iterdir())
    assert len(left) == 3 and all(file.name.startswith(".") for file in left)
    old, young = (file for file in left if "record" in file.name)
    (of_other,) = (file for file in left if "catalog" in file.name)
    for file, age in (
        (old, files.LEFT_BEHIND + 60),
        (young, files.LEFT_BEHIND - 60),
        (of_other, files.LEFT_BEHIND + 60),
    ):
        os.utime(file, (time.time() - age, time.time() - age))
    mine = tmp_path / ".record.mine.json"
    mine.write_text("not a temporary file")
    os.utime(mine, (0, 0))
    write_text(path, "whole")
    assert set(tmp_path.iterdir()) == {path, young, of_other, mine}


# texts


@pytest.mark.parametrize("text", ["", "plain\n", "späť 東 \U0001f6f0\n", "a\r\nb\rc\n"])
def test_a_text_that_is_the_same_stays_untouched(tmp_path: Path, text: str) -> None:
    path = tmp_path / "list.csv"
    assert write_text(path, text, only_if_changed=True) is True
    assert path.read_bytes() == text.encode()
    os.utime(path, (0, 0))
    assert write_text(path, text, only_if_changed=True) is False
    assert path.stat().st_mtime_ns == 0
    assert write_text(path, text + "more", only_if_changed=True) is True
    assert path.read_bytes() == (text + "more").encode() and path.stat().st_mtime_ns > 0
    os.utime(path, (0, 0))
    assert write_text(path, text + "more") is True
    assert path.stat().st_mtime_ns > 0, "asked for without the option, it is written"


def test_a_damaged_text_counts_as_changed(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(b"\xff\xfe\x00")
    assert write_text(path, "whole", only_if_changed=True) is True
    assert path.read_text() == "whole"


# granules that could not be read


BURST = "OPERA_L2_RTC-S1_T137-{:06d}-IW1_20211119T015854Z_20250830T120333Z_S1A_30_v1.0"


def unread(
    granules: int, failed: int, most: float, error: Exception | None = None, lost: tuple[SetAside, ...] = ()
) -> Account:
    """Read granules of which the first few fail."""
    listed = [parse_granule_id(BURST.format(number)) for number in range(granules)]

    def read(granule: Granule) -> Piece:
        if granule.burst.number < failed:
            raise error or SourceError(f"file {granule.burst.number} is cut short, ä", "fetch it again")
        return Piece("read", facts={"VV": f"{granule.burst.number}"})

    with tempfile.TemporaryDirectory() as folder:
        return read_all(KEY, GranuleList(tuple(listed), lost), read, KeptPieces(folder, "maker"), 2, most, "recipe")


@pytest.mark.parametrize(
    ("granules", "failed", "most", "refused"),
    [
        (30, 0, 0.0, False),
        (30, 1, 0.0, True),
        (30, 3, 0.1, False),
        (30, 4, 0.1, True),
        (9, 1, 0.1, True),
        (10, 1, 0.1, False),
        (30, 29, 1.0, False),
        (30, 30, 1.0, True),
        (0, 0, 0.0, False),
        # 29 of 50 are not more than 0.58, though 0.58 * 50 is less than 29 in floating point
        (50, 29, 0.58, False),
        (50, 30, 0.58, True),
    ],
)
def test_as_many_may_be_unread_as_allowed(granules: int, failed: int, most: float, refused: bool) -> None:
    if not refused:
        account = unread(granules, failed, most)
        assert len(account.unread) == failed
        assert account.checksums == {BURST.format(n): {"VV": f"{n}"} for n in range(failed, granules)}
        return
    with pytest.raises(SourceError) as refusal:
        unread(granules, failed, most)
    assert f"10SGD_ASCENDING_2021-11: {failed} of {granules} granules" in refusal.value.problem
    assert all(f"file {n} is cut short" in refusal.value.problem for n in range(failed))
    assert "memory.max_failed_ratio" in refusal.value.remedy


def test_reasons_are_logged_with_counts_and_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="s1monthly"):
        account = unread(4, 1, 0.5)
    assert account.unread == {BURST.format(0): "file 0 is cut short, ä"}
    messages = sorted(record.getMessage() for record in caplog.records)
    assert [message[:4] for message in messages] == ["1/4 ", "2/4 ", "3/4 ", "4/4 "]
    assert [record.levelname for record in caplog.records].count("ERROR") == 1
    write_account(tmp_path / "account.json", account)
    assert read_account(tmp_path / "account.json") == account
    with pytest.raises(ProductError, match=r"no\.json is not there.*run the job of the rule bursts first"):
        read_account(tmp_path / "no.json")


def test_the_account_names_the_granules_that_left_files(tmp_path: Path) -> None:
    listed = [parse_granule_id(BURST.format(number)) for number in range(3)]
    kept = KeptPieces(tmp_path, "maker")

    def read(granule: Granule) -> Piece:
        if granule is listed[1]:
            return Piece("no valid pixel on the tile")
        (kept.folder / f"{granule.id}_VV.tif").write_text("power")
        return Piece("read", (f"{granule.id}_VV.tif",))

    account = read_all(KEY, GranuleList(tuple(listed), ()), read, kept, 2, 0.0, "recipe")
    assert account.on_tile == [listed[0].id, listed[2].id] and set(account.checksums) == {one.id for one in listed}


def test_granules_set_aside_as_lost_count_as_unreadable() -> None:
    """A month without them is not whole: with memory.max_failed_ratio 0 it is not made in silence."""
    chosen, gone = SetAside("older", "older version"), SetAside("a granule", "no layer VH", lost=True)
    assert unread(3, 0, 0.0, lost=(chosen,)).unread == {}
    with pytest.raises(SourceError, match=r"1 of 4 granules.*\n.*a granule: no layer VH"):
        unread(3, 0, 0.0, lost=(chosen, gone))
    assert unread(3, 0, 0.25, lost=(gone,)).unread == {}, "the list of granules tells it already"
    with pytest.raises(SourceError, match=r"2 of 4 granules"):
        unread(3, 1, 0.25, lost=(gone,))


def test_an_account_of_other_granules_or_another_recipe_is_refused() -> None:
    account = unread(3, 0, 0.0)
    account.check(account.granules_digest, "recipe")
    with pytest.raises(ProductError, match="another granule list"):
        account.check("another", "recipe")
    with pytest.raises(ProductError, match="another recipe"):
        account.check(account.granules_digest, "another")


def test_what_was_read_has_the_checksums_of_the_files_read() -> None:
    layers = (Layer("VV", "a.tif", 10, "declared"), Layer("VH", "b.tif", 10))
    granules = [replace(parse_granule_id(BURST.format(number)), layers=layers) for number in range(3)]
    account = Account(
        {granules[0].id: "gone"}, {granules[1].id: {"VV": "measured", "VH": "too"}}, "list", "recipe", (), {}
    )
    one, other = account.of_read(granules)
    assert (one.id, [layer.md5 for layer in one.layers]) == (granules[1].id, ["measured", "too"])
    assert (other.id, [layer.md5 for layer in other.layers]) == (granules[2].id, ["declared", ""])


@pytest.mark.parametrize("error", [ProductError("x", "y"), ValueError("x")])
def test_other_errors_are_not_taken_for_an_unread_granule(error: Exception) -> None:
    with pytest.raises(type(error)):
        unread(3, 1, 1.0, error)


def test_an_error_that_ends_all_leaves_the_rest_untried(tmp_path: Path) -> None:
    """Every further try with refused credentials brings the account nearer to being locked."""
    tried = []

    def read(granule: Granule) -> Piece:
        tried.append(granule.id)
        raise CredentialsError("the login was refused", "give another")

    listed = [parse_granule_id(BURST.format(number)) for number in range(200)]
    with pytest.raises(CredentialsError):
        read_all(KEY, GranuleList(tuple(listed), ()), read, KeptPieces(tmp_path, "maker"), 2, 1.0, "recipe")
    assert len(tried) < 100


# pieces kept


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
    told = [make(kept, name) for name in ("one", "two", "three")]
    assert told == ["read, by an earlier try", "read", "read"]
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
    for damage in (
        b"",
        whole[:30],
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        whole.replace(b'{"one.tif"', b'[{"one.tif"', 1),
    ):
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
    assert names(folder) == ["maker"]


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


# logs


def run_job(log: Path, body: str, options: str = "") -> subprocess.CompletedProcess[str]:
    """Run a process that logs as a job does."""
    code = (
        "import logging, sys\n"
        "from s1monthly.workflow import logs\n"
        "from s1monthly.errors import CubeError\n"
        f"log = logs.start(sys.argv[1]{options})\n{body}\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code, str(log)],
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_error_of_ours_ends_the_log_in_one_line(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "composite" / "10SGD.log"
    ended = run_job(log, "log.info('begun')\nraise CubeError('cube 10SGD: damaged', 'delete it')")
    assert ended.returncode != 0
    first, last = log.read_text().splitlines()
    assert first.endswith(" INFO begun") and last.endswith(" CRITICAL cube 10SGD: damaged -> delete it")
    assert ended.stderr == ""


def test_what_the_system_refuses_ends_the_log_in_one_line(tmp_path: Path) -> None:
    log = tmp_path / "10SGD.log"
    ended = run_job(log, "open('/no/such/file')")
    assert ended.returncode != 0 and ended.stderr == ""
    (line,) = log.read_text().splitlines()
    assert line.endswith(" CRITICAL /no/such/file: No such file or directory -> mend that, and run again")


def test_a_full_disk_under_the_log_leaves_the_error_on_standard_error() -> None:
    ended = run_job(Path("/dev/full"), "log.info('begun')\nraise CubeError('cube 10SGD: damaged', 'delete it')")
    assert ended.returncode != 0
    (line,) = ended.stderr.splitlines()
    assert line.endswith(" CRITICAL cube 10SGD: damaged -> delete it")


def test_a_log_that_cannot_be_begun_is_named_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("no folder")
    ended = run_job(tmp_path / "logs" / "10SGD.log", "")
    assert ended.returncode != 0
    assert ended.stderr == f"{tmp_path / 'logs'}: File exists -> mend that, and run again\n"


def test_any_other_error_leaves_its_traceback_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "10SGD.log"
    log.write_text("an earlier attempt\n")
    ended = run_job(log, "def guilty(): return {}['no such key']\nguilty()")
    assert ended.returncode != 0
    told = log.read_text()
    assert "Traceback (most recent call last)" in told and "in guilty" in told
    assert told.splitlines()[-1] == "KeyError: 'no such key'"
    assert "earlier attempt" not in told
    assert "Traceback" in ended.stderr and "KeyError" in ended.stderr


def test_the_log_of_a_job_that_succeeds_ends_with_what_it_used(tmp_path: Path) -> None:
    log = tmp_path / "10SGD.log"
    spend = (
        "import time\nmemory = bytearray(300 * 2**20)\nbegan = time.process_time()\n"
        "while time.process_time() < began + 0.3: pass"
    )
    assert run_job(log, f"{spend}\nlog.info('made')").returncode == 0
    made, used = log.read_text().splitlines()
    found = re.search(r"INFO used (\d+\.\d\d) s, (\d+\.\d\d) CPU s, (\d+) MiB at most$", used)
    assert made.endswith("made") and found
    wall, cpu, peak = map(float, found.groups())
    assert wall >= 0.29 and cpu >= 0.3 and 300 < peak < 600


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Put back what `logs.start` changes in this process."""
    root, hook, level = logging.getLogger(), sys.excepthook, logs.LOGGER.level
    held, root_level = root.handlers[:], root.level
    root.handlers = []
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers, sys.excepthook = held, hook
    root.setLevel(root_level)
    atexit.unregister(logs._log_use)
    logs.LOGGER.setLevel(level)


LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@pytest.mark.parametrize("quiet", [True, False])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.usefixtures("own_logging")
def test_levels_of_the_log_file(tmp_path: Path, level: str, quiet: bool) -> None:
    """Nothing below the level asked for; of libraries nothing below WARNING besides, where they are suppressed."""
    path = tmp_path / "job.log"
    ours, theirs = logs.start(str(path), level, quiet), logging.getLogger("rasterio._env")
    for number in (logging.getLevelName(name) for name in LEVELS):
        ours.log(number, "ours")
        theirs.log(number, "theirs")
    told = [tuple(line.split()[2:]) for line in path.read_text().splitlines()]
    least = LEVELS.index(level)
    assert [name for name, who in told if who == "ours"] == list(LEVELS[least:])
    assert [name for name, who in told if who == "theirs"] == list(LEVELS[max(least, 2 if quiet else 0) :])


@pytest.mark.usefixtures("own_logging")
def test_without_a_file_the_log_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    logs.start(None).warning("told")
    captured = capsys.readouterr()
    assert captured.err.endswith(" WARNING told\n") and captured.out == ""


def test_a_damaged_account_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    write_account(path, unread(3, 2, 1.0))
    whole = json.loads(path.read_text())
    damages = [b"", path.read_bytes()[:50], b"\xff", b"null", b"[]", b"{}", b"5"]
    damages += [json.dumps({**whole, name: 5}).encode() for name in whole]
    damages += [json.dumps({**whole, "checksums": {"a": value}}).encode() for value in (None, {"VV": 1})]
    for damage in damages:
        path.write_bytes(damage)
        with pytest.raises(ProductError, match=r"account\.json: .* is damaged .* -> delete it and run again"):
            read_account(path)


def test_an_account_is_json(tmp_path: Path) -> None:
    write_account(tmp_path / "account.json", unread(3, 2, 1.0))
    expected = {BURST.format(n): f"file {n} is cut short, ä" for n in (0, 1)}
    checksums = {BURST.format(2): {"VV": "2"}}
    content = json.loads((tmp_path / "account.json").read_text())
    assert (content["unread"], content["checksums"]) == (expected, checksums)
