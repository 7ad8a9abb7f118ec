"""What the console shows of a run: finished and failed jobs, how far it is, and the time left."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from types import SimpleNamespace as Namespace
from typing import Any

import pytest
from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.common import LogEvent

from s1monthly.workflow.progress import Progress
from s1monthly.workflow.snakemake_run import LOGGER, SnakemakeRun

MONTH = {"tile": "10SGD", "direction": "ASCENDING", "month": "2024-05"}


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_the_time_left_follows_the_rules_of_the_remaining_jobs() -> None:
    clock, remaining = Clock(), {"bursts": 3, "composite": 4}
    progress = Progress(lambda: remaining, clock)
    progress.start(1, "bursts", MONTH)
    clock.now = 2.0
    assert progress.finished(1) == "bursts 10SGD ASCENDING 2024-05                  2.0 s"
    assert progress.overall(1, 8) == "1 of 8 jobs, about 14 s left", "composites count as the mean of all so far"
    progress.start(2, "composite", MONTH)
    clock.now = 22.0
    progress.finished(2)
    remaining.update(bursts=2, composite=3)
    assert progress.overall(2, 8) == "2 of 8 jobs, about 64 s left"
    assert progress.finished(99) == "", "of another run"
    assert progress.overall(8, 8) == "8 of 8 jobs"


def test_two_jobs_side_by_side_take_half_of_the_time() -> None:
    clock = Clock()
    progress = Progress(lambda: {"bursts": 10}, clock)
    for job in (1, 2):
        progress.start(job, "bursts", MONTH)
    clock.now = 4.0
    for job in (1, 2):
        progress.finished(job)
    assert progress.overall(2, 12) == "2 of 12 jobs, about 20 s left"
    progress.start(3, "bursts", MONTH)
    clock.now = 5.0
    progress.finished(3)
    assert progress.overall(3, 12) == "3 of 12 jobs, about 15 s left", "9 jobs of 3 s, 1.8 at a time"


def test_a_failed_job_shows_the_error_of_its_log(tmp_path: Any) -> None:
    log = tmp_path / "bursts.log"
    log.write_text("2024-05-04 10:11:12,345 CRITICAL 2 of 9 granules cannot be read:\n  - a.tif\n")
    progress = Progress(dict)
    progress.start(1, "bursts", MONTH)
    assert progress.failed(1, [str(log)]) == "bursts 10SGD ASCENDING 2024-05 failed: 2 of 9 granules cannot be read:"
    assert progress.failed(1, []) == "bursts 10SGD ASCENDING 2024-05 failed: see the end of this run"


@pytest.fixture
def console(request: pytest.FixtureRequest) -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """Snakemake's logger with its console handler, as of a run with the options given."""
    quiet, stream = set(getattr(request, "param", [Quietness.RULES])), io.StringIO()
    handler = ColorizingTextHandler(
        True, stream, DefaultFormatter(quiet), DefaultFilter(quiet, False, False, False, False)
    )
    handler.name = "DefaultStreamHandler"
    logger = logging.getLogger(LOGGER)
    before, logger.handlers, level = logger.handlers, [handler], logger.level
    logger.setLevel(logging.INFO)
    dag = Namespace(needrun_jobs=list)
    settings = Namespace(verbose=False, quiet=quiet)
    run = SnakemakeRun(Namespace(is_main_process=True, dryrun=False, output_settings=settings, dag=dag))
    run.show_progress()
    yield logger, stream
    logger.handlers = before
    logger.setLevel(level)


def a_job(logger: logging.Logger) -> None:
    """Say what Snakemake says of a job that fails, is tried again, and ends well."""
    info = {"event": LogEvent.JOB_INFO, "jobid": 7, "rule_name": "bursts", "wildcards": MONTH}
    logger.info("Select jobs to execute...")
    logger.info("Execute 1 jobs...")
    logger.info("", extra=info)
    logger.error("Error in rule bursts", extra={"event": LogEvent.JOB_ERROR, "jobid": 7, "log": []})
    logger.error("RuleException:\nCalledProcessError in file ...")
    logger.info("Trying to restart job 7.")
    logger.info("", extra=info)
    logger.info("Finished jobid: 7", extra={"event": LogEvent.JOB_FINISHED, "job_id": 7})
    logger.info(None, extra={"event": LogEvent.PROGRESS, "done": 1, "total": 2})
    logger.info(None, extra={"event": LogEvent.PROGRESS, "done": 3, "total": 2})  # the target rule, which has no work
    logger.warning("what a user must know")


def test_the_console_shows_jobs_and_warnings_and_no_chatter(console: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = console
    a_job(logger)
    failed, done, warning = stream.getvalue().splitlines()
    assert failed == "bursts 10SGD ASCENDING 2024-05 failed: see the end of this run"
    assert done.startswith("bursts 10SGD ASCENDING 2024-05 ") and done.endswith(" 0.0 s   1 of 2 jobs")
    assert warning == "what a user must know"


@pytest.mark.parametrize("console", [[Quietness.RULES, Quietness.PROGRESS]], indirect=True)
def test_quiet_progress_hides_finished_jobs(console: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = console
    a_job(logger)
    assert [line.split()[0] for line in stream.getvalue().splitlines()] == ["bursts", "what"]


@pytest.mark.parametrize(
    "changes",
    [
        {"dryrun": True},
        {"output_settings": Namespace(verbose=True, quiet={Quietness.RULES})},
        {"output_settings": Namespace(verbose=False, quiet={Quietness.HOST})},
        {"output_settings": Namespace(verbose=False, quiet={Quietness.ALL})},
    ],
)
def test_previews_and_verbose_runs_stay_as_snakemake_shows_them(changes: dict[str, Any]) -> None:
    handler = logging.StreamHandler(io.StringIO())
    handler.name = "DefaultStreamHandler"
    logger = logging.getLogger(LOGGER)
    before, logger.handlers = logger.handlers, [handler]
    settings = Namespace(verbose=False, quiet={Quietness.RULES})
    values = {"is_main_process": True, "dryrun": False, "output_settings": settings, **changes}
    SnakemakeRun(Namespace(**values)).show_progress()
    assert handler.formatter is None and handler.filters == []
    logger.handlers = before
