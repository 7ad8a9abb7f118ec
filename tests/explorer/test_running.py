"""Runs that the explorer starts: their command, what they print, one at a time, and how they end."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from s1monthly.errors import ConfigError, FileError
from s1monthly.explorer.configuration import ConfigurationFile
from s1monthly.explorer.running import Output, RunError, Runner, as_text, command, most_cores, profiles
from s1monthly.model import Direction, Tile, TileDirection
from s1monthly.workflow.environment import workflow_folder
from s1monthly.workflow.run_lock import hold
from support.runs import add, config

SLEEP = [sys.executable, "-uc", "print('begun'); import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-uc",
    "import signal, time; signal.signal(2, signal.SIG_IGN); print('begun'); time.sleep(60)",
]


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runner]:
    """The runner of a tree in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    one = Runner("output")
    yield one
    one.close(patience=0)


def until_it_prints(runner: Runner, text: str) -> None:
    end = time.monotonic() + 20
    while not any(text in line for line in runner.output.lines):
        assert time.monotonic() < end, list(runner.output.lines)
        time.sleep(0.02)
        runner.look()


def until_it_ends(runner: Runner) -> None:
    end = time.monotonic() + 60
    while runner.running:
        assert time.monotonic() < end, list(runner.output.lines)
        time.sleep(0.02)
        runner.look()


def test_the_command_is_the_documented_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workflow_folder())
    snakemake, *words = command("my.yaml", 2 if most_cores() > 1 else 1)
    assert Path(snakemake).name == "snakemake"
    assert words == ["--cores", str(min(2, most_cores())), "--configfile", "my.yaml"]
    assert command("my.yaml", 1, preview=True)[-3:] == ["--dry-run", "--configfile", "my.yaml"]
    assert command("my.yaml", 1, "slurm")[1:] == [
        "--profile", str(Path("profiles", "slurm")), "--configfile", "my.yaml"
    ]  # fmt: skip


def test_profiles_are_those_of_this_folder_and_of_the_workflow(runner: Runner) -> None:
    assert profiles() == {"slurm": workflow_folder() / "profiles" / "slurm"}
    for name in ("default", "mine", "slurm"):
        Path("profiles", name).mkdir(parents=True)
        Path("profiles", name, "config.v9+.yaml").touch()
    assert profiles() == {name: Path("profiles", name) for name in ("mine", "slurm")}


@pytest.mark.parametrize("profile", ["default", "../slurm", "/etc", "slurm; touch pwned", "--forceall", ["slurm"]])
def test_a_profile_that_was_not_found_is_refused(profile: object) -> None:
    with pytest.raises(RunError, match="choose one of slurm"):
        command("my.yaml", 1, profile)  # type: ignore[arg-type]


@pytest.mark.parametrize("cores", [0, -1, 10**6, 1.5, True, None, "1", "1 --forceall", "$(touch pwned)"])
def test_cores_that_are_no_number_of_this_machine_are_refused(cores: object) -> None:
    with pytest.raises(RunError, match="give a number from 1 to"):
        command("my.yaml", cores)  # type: ignore[arg-type]


def test_the_command_can_be_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "it's; touch pwned"
    folder.mkdir()
    monkeypatch.chdir(folder)
    name = "a b\"'$(touch pwned) `touch pwned`.yaml"
    told = as_text(["printf", "%s", *command(name, 1)[-1:]])
    done = subprocess.run(["sh", "-c", told], cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout == name and list(folder.iterdir()) == []
    assert shlex.split(told)[:3] == ["cd", str(folder), "&&"]


def test_output_comes_in_any_pieces() -> None:
    lines = [
        "search 11SLT ASCENDING    0.5 s   1 of 4 jobs, about 2.0 s left",
        "FAILED bursts 11SLT ASCENDING 2021-11: ü was damaged",
        "  log: work/logs/bursts/x.log",
        "cube 11SLT ASCENDING    0.3 s   4 of 11 jobs",
    ]
    output, content = Output(), "\n".join(lines).encode()
    for start in range(len(content)):
        output.add(content[start : start + 1])
    assert list(output.lines) == lines[:3] and (output.done, output.total, output.left) == (1, 4, "2.0 s")
    output.add(b"", last=True)
    assert list(output.lines) == lines and (output.done, output.total, output.left) == (4, 11, "")
    assert list(output.failures) == lines[1:3]


def test_what_a_run_prints_and_how_it_ends(runner: Runner) -> None:
    assert not runner.running and runner.words == []
    words = [sys.executable, "-c", "import sys; print('one'); sys.stderr.write('two'); sys.exit(3)", "a;b"]
    runner.start(words)
    assert runner.running and runner.words == words
    until_it_ends(runner)
    assert (runner.returncode, runner.stopped) == (3, False)
    assert sorted("".join(runner.output.lines)) == sorted("onetwo")


def test_a_second_run_is_refused_until_the_first_was_stopped(runner: Runner) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a script that started the explorer with &
    try:
        runner.start(SLEEP)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    until_it_prints(runner, "begun")
    with pytest.raises(RunError, match="output: a run of this explorer works -> wait until it has ended, or stop it"):
        runner.start(SLEEP, preview=True)
    runner.stop()
    until_it_ends(runner)
    assert runner.stopped and runner.returncode == -signal.SIGINT
    runner.stop()  # nothing is left to stop
    runner.start([sys.executable, "-c", ""], preview=True)
    until_it_ends(runner)
    assert not runner.stopped and runner.returncode == 0 and runner.preview


def test_a_run_of_somebody_else_is_named(runner: Runner) -> None:
    held = hold("output", [TileDirection(Tile("10SGD"), Direction.ASCENDING)])
    assert held
    with pytest.raises(RunError, match=rf"another run works on it since 2.*process {os.getpid()} on .*wait"):
        runner.start(SLEEP)
    held.release()
    runner.start([sys.executable, "-c", ""])


def test_a_program_that_is_not_there_is_named(runner: Runner) -> None:
    with pytest.raises(FileError, match="no_such_program: No such file"):
        runner.start(["no_such_program"])
    assert not runner.running


def test_when_the_explorer_ends_its_run_ends_too(runner: Runner) -> None:
    runner.start(STUBBORN)
    until_it_prints(runner, "begun")
    runner.close(patience=0.05)
    assert runner.returncode == -signal.SIGKILL and runner.stopped


def test_a_preview_says_in_the_words_of_a_run_what_is_missing_and_what_is_wrong(runner: Runner) -> None:
    folder = Path()
    add(folder, "2021-11")
    Path("my.yaml").write_text(yaml.safe_dump(config(time={"start": "2021-11", "end": "2021-12"})))
    runner.start(command("my.yaml", 1, preview=True), preview=True)
    until_it_ends(runner)
    assert runner.returncode == 0
    assert "11SLT ASCENDING: 2 not searched yet: 2021-11, 2021-12" in runner.output.lines
    assert not Path("output", "11SLT_ASCENDING").exists(), "a preview makes nothing"
    bad = yaml.safe_dump(config(time={"start": "2021-13", "end": "2021-12"}, roi={"manual_mgrs_tiles": ["$(x)"]}))
    Path("my.yaml").write_text(bad)
    with pytest.raises(ConfigError) as refusal:
        ConfigurationFile.of("output", "my.yaml").check(bad)
    runner.start(command("my.yaml", 1, preview=True), preview=True)
    until_it_ends(runner)
    assert runner.returncode == 1
    assert str(refusal.value) in "\n".join(runner.output.lines)
