"""What the rules know of Snakemake's run: right for the version in the locks, harmless where things lie elsewhere."""

from __future__ import annotations

import sys
from types import SimpleNamespace as Namespace

import pytest
from snakemake.cli import get_argument_parser
from snakemake.settings.enums import Quietness
from snakemake.settings.types import (
    DAGSettings,
    MaxJobsPerTimespan,
    OutputSettings,
    SchedulingSettings,
    StorageSettings,
)

from s1monthly.workflow.snakemake_run import DEFAULT_RATE, MOST_PREVIEWED, SnakemakeRun


def test_of_an_unknown_snakemake_nothing_is_assumed() -> None:
    run = SnakemakeRun(object())
    assert run.decides and not run.draws and not run.is_batch and run.cores == 0
    assert run.targets == run.triggers == frozenset() and run.storage_provider is None and run.deployment == []
    assert not run.may_leave_out_finished and not run.shows_no_job(MOST_PREVIEWED + 1) and not run.stops_after("search")
    assert run.finished_months() is None and run.failed_jobs() == run.finished_jobs() == run.software == []
    assert run.module is None and not run.changes_paths and run.takes_part and run.name_of("search") == "search"
    assert run.python_of([object()]) == sys.executable
    run.lift_job_rate()
    run.try_jobs_once()


def test_settings_are_where_this_snakemake_has_them() -> None:
    dag = DAGSettings(targets=frozenset({"mosaic_tiles"}), until=frozenset({"search"}))
    workflow = Namespace(
        is_main_process=True,
        local_exec=True,
        cores=4,
        dryrun=True,
        executor_plugin=object(),
        dag_settings=dag,
        output_settings=OutputSettings(quiet={Quietness.RULES}),
        storage_settings=StorageSettings(default_storage_provider="s3"),
    )
    run = SnakemakeRun(workflow)
    assert run.targets == {"mosaic_tiles"} and run.stops_after("search") and not run.stops_after("bursts")
    assert run.cores == 4 and run.storage_provider == "s3" and not run.draws
    assert run.shows_no_job(MOST_PREVIEWED + 1) and not run.shows_no_job(MOST_PREVIEWED)
    assert {"MTIME", "PARAMS", "CODE"} <= run.triggers and not run.may_leave_out_finished
    workflow.executor_plugin = None
    assert run.draws


@pytest.mark.parametrize(("rate", "lifted"), [((100, "1s"), True), ((5, "1s"), False), ((100, "1m"), False)])
def test_only_the_default_job_rate_is_lifted(rate: tuple[int, str], lifted: bool) -> None:
    scheduler = Namespace(job_rate_limiter="limiter")
    settings = SchedulingSettings(max_jobs_per_timespan=MaxJobsPerTimespan(*rate))
    SnakemakeRun(Namespace(scheduling_settings=settings, scheduler=scheduler)).lift_job_rate()
    assert (scheduler.job_rate_limiter is None) == lifted


def test_the_default_job_rate_is_still_that_of_snakemake() -> None:
    rate = MaxJobsPerTimespan.parse_choice(get_argument_parser().get_default("max_jobs_per_timespan"))
    assert (rate.max_jobs, rate.timespan) == DEFAULT_RATE
