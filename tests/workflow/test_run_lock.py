"""Runs side by side: one tile and direction is never worked on by two, and a dead run stands in nobody's way."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from s1monthly.model import Direction, Tile, TileDirection
from s1monthly.workflow import run_lock
from s1monthly.workflow.run_lock import FOLDER, Holding, RunLockError, hold, living_runs

HERE, THERE, BACK = (
    TileDirection(Tile("10SGD"), Direction.ASCENDING),
    TileDirection(Tile("11SLT"), Direction.ASCENDING),
    TileDirection(Tile("10SGD"), Direction.DESCENDING),
)
HOLD_AND_WAIT = """
import sys
from s1monthly.workflow.run_lock import hold
from s1monthly.model import Direction, Tile, TileDirection
held = hold(sys.argv[1], [TileDirection(Tile("10SGD"), Direction.ASCENDING)])
print("held", flush=True)
sys.stdin.read()
"""


def taken(base: Path, *keys: TileDirection) -> Holding:
    held = hold(base, keys)
    assert held is not None
    return held


def files(base: Path) -> list[Path]:
    return sorted((base / FOLDER).glob("*.json"))


@contextmanager
def other_process(base: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLD_AND_WAIT, str(base)]
    environment = {**os.environ, "PYTHONPATH": str(Path(run_lock.__file__).parents[2])}
    with subprocess.Popen(
        command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_two_runs_of_different_tiles_or_directions_go_side_by_side(tmp_path: Path) -> None:
    held = [taken(tmp_path, key) for key in (HERE, THERE, BACK)]
    assert len(files(tmp_path)) == 3
    for one in held:
        one.release()
    assert files(tmp_path) == []


def test_the_same_tile_is_refused_naming_who_holds_it(tmp_path: Path) -> None:
    first = taken(tmp_path, HERE, THERE)
    with pytest.raises(RunLockError) as refusal:
        hold(tmp_path, [BACK, HERE])
    told = str(refusal.value)
    assert "10SGD_ASCENDING: another run works on it since 2" in told
    assert f"process {os.getpid()} on {os.uname().nodename}" in told and str(Path.cwd()) in told
    assert "10SGD_DESCENDING" not in told and "11SLT" not in told
    assert len(files(tmp_path)) == 1, "who was refused holds nothing"
    first.release()
    taken(tmp_path, BACK, HERE).release()


def test_many_tiles_are_told_by_the_first_few(tmp_path: Path) -> None:
    many = [TileDirection(Tile(f"10S{letter}D"), Direction.ASCENDING) for letter in "ABCDEFGH"]
    taken(tmp_path, *many)
    with pytest.raises(RunLockError, match=r"10SAD_ASCENDING, .*10SED_ASCENDING and 3 more: another run"):
        hold(tmp_path, many)


def test_another_process_is_refused_and_its_death_frees_what_it_held(tmp_path: Path) -> None:
    with other_process(tmp_path) as process:
        with pytest.raises(RunLockError, match=f"process {process.pid} "):
            hold(tmp_path, [HERE])
        process.kill()
        process.wait()
        (left,) = files(tmp_path)
        mine = taken(tmp_path, HERE)
    assert files(tmp_path) == [mine.path] != [left]


def test_the_runs_that_work_on_a_tree_are_named_without_holding_anything(tmp_path: Path) -> None:
    assert living_runs(tmp_path) == [] and not (tmp_path / FOLDER).exists()
    with other_process(tmp_path) as process:
        (run,) = living_runs(tmp_path)
        assert f"process {process.pid} on {os.uname().nodename}, in {Path.cwd()}" in run.who
        assert run.holds == {str(HERE)} and run.since.startswith("2")
        process.kill()
        process.wait()
        assert living_runs(tmp_path) == []


def test_a_child_does_not_keep_what_its_parent_held(tmp_path: Path) -> None:
    held = taken(tmp_path, HERE)
    with subprocess.Popen(["sleep", "60"], close_fds=False) as child:
        os.close(held.handle)  # as the kernel does when the run is killed; its jobs may live on
        taken(tmp_path, HERE).release()
        child.kill()


def test_a_file_of_another_user_that_may_only_be_read_is_respected(tmp_path: Path) -> None:
    held = taken(tmp_path, HERE)
    held.path.chmod(0o444)
    with pytest.raises(RunLockError, match="another run works on it"):
        hold(tmp_path, [HERE])


def test_a_held_file_that_cannot_be_understood_is_no_permission(tmp_path: Path) -> None:
    held = taken(tmp_path, HERE)
    held.path.write_text("{")
    with pytest.raises(RunLockError, match=r"cannot be read .*delete the file"):
        hold(tmp_path, [THERE])


def test_without_locks_nothing_is_held_and_nothing_of_others_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = taken(tmp_path, HERE)

    def none(handle: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    assert hold(tmp_path, [HERE]) is None
    assert files(tmp_path) == [others.path]


def test_a_tree_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "tree").write_text("a file")
    with pytest.raises(RunLockError, match=r"cannot be entered .*umask"):
        hold(tmp_path / "tree", [HERE])


def test_locks_of_older_versions_are_removed_in_the_folders_of_this_run(tmp_path: Path) -> None:
    mine = [f"{HERE}/.catalog.parquet.lock", f"{HERE}/zarr/S1_monthly.zarr.lock"]
    old, others = [".runs/lock", ".catalog.parquet.lock", *mine], [f"{THERE}/.catalog.parquet.lock"]
    for name in (*old, *others):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    taken(tmp_path, HERE).release()
    assert [name for name in (*old, *others) if (tmp_path / name).exists()] == others


def test_what_a_run_says_of_itself(tmp_path: Path) -> None:
    held = taken(tmp_path, THERE, HERE)
    told = json.loads(held.path.read_text())
    assert told["holds"] == ["10SGD_ASCENDING", "11SLT_ASCENDING"]
    assert told["pid"] == os.getpid() and told["folder"] == str(Path.cwd())


def test_a_user_without_a_name_is_told_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert json.loads(taken(tmp_path, HERE).path.read_text())["user"] == str(os.getuid())


ENTER_AND_LEAVE = """
import sys
from pathlib import Path
from s1monthly.workflow.run_lock import RunLockError, hold
from s1monthly.model import Direction, Tile, TileDirection
sign = Path(sys.argv[1], "sign")
for _ in range(300):
    try:
        held = hold(sys.argv[1], [TileDirection(Tile("10SGD"), Direction.ASCENDING)])
    except RunLockError:
        continue
    sign.touch(exist_ok=False)
    sign.unlink()
    held.release()
"""


def test_those_who_enter_and_leave_at_once_never_hold_the_same_tile(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(run_lock.__file__).parents[2])}
    command = [sys.executable, "-c", ENTER_AND_LEAVE, str(tmp_path)]
    processes = [subprocess.Popen(command, env=environment) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
