"""The log of a job: how it ends, and what it holds."""

from __future__ import annotations

import atexit
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from s1monthly.workflow import logs

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def run_job(log: Path, body: str) -> subprocess.CompletedProcess[str]:
    """Run a process that logs as a job does."""
    code = (
        "import logging, sys\n"
        "from s1monthly.workflow import logs\n"
        "from s1monthly.errors import CubeError\n"
        f"log = logs.start(sys.argv[1])\n{body}\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    return subprocess.run(
        [sys.executable, "-c", code, str(log)], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("body", "last"),
    [
        ("raise CubeError('cube 10SGD: damaged', 'delete it')", "cube 10SGD: damaged -> delete it"),
        ("open('/no/such/file')", "/no/such/file: No such file or directory -> fix that and run again"),
    ],
)
def test_an_error_of_ours_or_of_a_file_ends_the_log_in_one_line(tmp_path: Path, body: str, last: str) -> None:
    log = tmp_path / "logs" / "composite" / "10SGD.log"
    ended = run_job(log, f"log.info('begun')\n{body}")
    assert ended.returncode != 0 and ended.stderr == ""
    lines = log.read_text().splitlines()
    assert [line.split(maxsplit=2)[2] for line in lines] == ["INFO begun", f"CRITICAL {last}"]


def test_a_full_disk_under_the_log_leaves_the_error_on_standard_error() -> None:
    ended = run_job(Path("/dev/full"), "log.info('begun')\nraise CubeError('cube 10SGD: damaged', 'delete it')")
    assert ended.returncode != 0
    (line,) = ended.stderr.splitlines()
    assert line.endswith(" CRITICAL cube 10SGD: damaged -> delete it")


def test_a_log_that_cannot_be_begun_is_named_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("no folder")
    ended = run_job(tmp_path / "logs" / "10SGD.log", "")
    assert ended.returncode != 0
    assert ended.stderr == f"{tmp_path / 'logs'}: File exists -> fix that and run again\n"


def test_any_other_error_leaves_its_traceback_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "10SGD.log"
    log.write_text("an earlier attempt\n")
    ended = run_job(log, "def guilty(): return {}['no such key']\nguilty()")
    assert ended.returncode != 0
    text = log.read_text()
    assert "Traceback (most recent call last)" in text and "in guilty" in text
    assert text.splitlines()[-1] == "KeyError: 'no such key'"
    assert "earlier attempt" not in text
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
    lines = [tuple(line.split()[2:]) for line in path.read_text().splitlines()]
    least = LEVELS.index(level)
    assert [name for name, who in lines if who == "ours"] == list(LEVELS[least:])
    assert [name for name, who in lines if who == "theirs"] == list(LEVELS[max(least, 2 if quiet else 0) :])


@pytest.mark.usefixtures("own_logging")
def test_without_a_file_the_log_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    logs.start(None).warning("said")
    captured = capsys.readouterr()
    assert captured.err.endswith(" WARNING said\n") and captured.out == ""
