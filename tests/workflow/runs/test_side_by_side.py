"""Many hands over one output tree: runs of different tiles side by side, of the same tile never, batches in turn."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from s1monthly.model import Direction, Tile, TileDirection
from s1monthly.workflow.run_lock import FOLDER, hold
from slurm.cluster import wait_until
from support.runs import add, config
from support.same_tree import content
from support.workflow import Run, run_snakemake, snakemake_command

WEST, EAST = "11SLT", "11SMT"
"""Two tiles that overlap where the granules lie."""
MONTHS = ("2021-11",)

pytestmark = pytest.mark.xdist_group("side_by_side")  # what one run makes is made once, in one process


def of_tiles(*tiles: str) -> dict[str, Any]:
    """Configuration of a user, whose folder lies beside the granules and the output tree."""
    return config(
        roi={"manual_mgrs_tiles": list(tiles)},
        time={"start": MONTHS[0], "end": MONTHS[-1]},  # a month without data is catalogued with the time of asking
        source={"path": "../granules"},
        output={"base_dir": "../shared"},
    )


def runs(place: Path) -> list[Path]:
    return sorted((place / "shared" / FOLDER).glob("*.json"))


def start(folder: Path, values: dict[str, Any]) -> subprocess.Popen[bytes]:
    command = snakemake_command(folder, values, cores=1)
    with open(folder / "told.txt", "wb") as told:
        return subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end(started: subprocess.Popen[bytes]) -> None:
    """Kill a run with all its jobs, as when a machine dies."""
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for number, month in enumerate(MONTHS, start=1):
        add(tmp_path, month, power=0.1 * number)
    return tmp_path


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What one run of both tiles makes."""
    place = tmp_path_factory.mktemp("alone")
    for number, month in enumerate(MONTHS, start=1):
        add(place, month, power=0.1 * number)
    run_snakemake(place / "both", of_tiles(WEST, EAST))
    return content(place / "shared")


def test_two_users_and_two_tiles_give_what_one_run_of_both_gives(place: Path, alone: dict[str, str]) -> None:
    started = [start(place / user, of_tiles(tile)) for user, tile in (("one", WEST), ("two", EAST))]
    most = 0
    deadline = time.monotonic() + 240
    try:
        while any(run.poll() is None for run in started):
            assert time.monotonic() < deadline
            most = max(most, len(runs(place)))
            time.sleep(0.05)
    finally:
        for run in started:
            if run.poll() is None:
                end(run)
    told = [(place / user / "told.txt").read_text() for user in ("one", "two")]
    assert [run.returncode for run in started] == [0, 0], "\n".join(told)
    assert most == 2, "they did not run at once"
    assert runs(place) == []
    assert len([name for name in alone if name.endswith(".tif")]) == 2 * len(MONTHS)
    assert content(place / "shared") == alone


def test_who_comes_second_to_a_tile_is_refused_before_any_job(place: Path) -> None:
    held = hold(place / "shared", [TileDirection(Tile(WEST), Direction.ASCENDING)])
    assert held
    refused = run_snakemake(place / "two", of_tiles(EAST, WEST), check=False)
    assert refused.returncode == 1 and refused.jobs == {}
    assert f"{WEST}_ASCENDING: another run works on it since" in refused.output
    assert f"process {os.getpid()} on {os.uname().nodename}" in refused.output
    assert "wait until it has ended" in refused.output and "Traceback" not in refused.output
    assert content(place / "shared") == {}
    looking = run_snakemake(place / "two", of_tiles(WEST), "-n")
    assert looking.jobs["search"] == 1, "looking is free"
    tool = run_snakemake(place / "two", of_tiles(WEST), "--cores", "1", "catalog_inspect", check=False)
    assert "catalog_inspect" in {*tool.jobs, *tool.failed}, tool.output
    held.release()
    made = run_snakemake(place / "two", of_tiles(WEST), "--until", "search")
    assert made.jobs == {"search": 1} and runs(place) == []


def test_another_user_takes_over_from_a_run_that_was_killed(place: Path, alone: dict[str, str]) -> None:
    first = start(place / "one", of_tiles(WEST, EAST))
    try:
        wait_until(lambda: any((place / "shared").glob("*/months/*.json")), 120, "the first record")
    finally:
        end(first)
    assert len(runs(place)) == 1
    run_snakemake(place / "two", of_tiles(WEST, EAST))
    assert runs(place) == []
    assert content(place / "shared") == alone


def test_batches_one_after_the_other_give_what_one_run_gives(place: Path, alone: dict[str, str]) -> None:
    both, folder = of_tiles(WEST, EAST), place / "one"

    def batch(number: int, check: bool = True) -> Run:
        return run_snakemake(folder, both, "--batch", f"catalog={number}/2", "catalog", check=check)

    refused = batch(1, check=False)
    assert refused.returncode == 1 and refused.jobs == {}
    assert "must be asked first about 2 tiles and directions" in refused.output
    run_snakemake(folder, both, "--until", "search")
    made = [batch(1), batch(2)]
    assert [run.jobs["composite"] for run in made] == [len(MONTHS)] * 2
    assert [run.jobs["tile_catalog"] for run in made] == [1, 1] and made[1].jobs["catalog"] == 1
    assert content(place / "shared") == alone
    assert "Nothing to be done" in run_snakemake(folder, both).output


def test_storage_that_would_get_all_but_the_cube_is_refused(place: Path) -> None:
    refused = run_snakemake(place / "one", of_tiles(WEST), "--default-storage-provider", "fs", check=False)
    assert refused.returncode == 1 and refused.jobs == {}
    assert "--default-storage-provider fs: a cube is changed in place" in refused.output
    assert not (place / "shared").exists()


def test_a_run_that_cannot_begin_lets_go(place: Path) -> None:
    (place / "shared").mkdir()
    (place / "shared" / "work").symlink_to("/proc")  # where nobody can make a file, root included
    failed = run_snakemake(place / "one", of_tiles(WEST), check=False)
    assert failed.returncode == 1 and not failed.jobs and "Traceback" not in failed.output
    assert (place / "shared" / FOLDER).exists() and runs(place) == []


def test_a_run_that_fails_lets_go(place: Path) -> None:
    broken = next((place / "granules").rglob("*_VV.tif"))
    broken.write_bytes(broken.read_bytes()[:200])
    failed = run_snakemake(place / "one", of_tiles(WEST), check=False)
    assert failed.returncode == 1 and failed.failed["bursts"] == 1
    assert runs(place) == []
