"""The run that Snakemake does: everything that looks beyond its documented interface, in one place.

Tried with Snakemake 9.27. In another version, what is looked for may be missing. Then Snakemake simply does what it
always does: a run is slower, or says less, but makes the same files.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from s1monthly.files import write_text
from s1monthly.workflow.environment import workflow_folder
from s1monthly.workflow.progress import Progress

JUDGED = frozenset({"MTIME", "PARAMS", "SOFTWARE_ENV"})
"""Rerun triggers under which a month that was finished stays finished: those of the default profile."""

LOGGER = "snakemake.logging"
"""Name of Snakemake's logger."""

DEFAULT_RATE = (100, 1)
"""Jobs and seconds of Snakemake's default limit of jobs that are started."""

MOST_PREVIEWED = 1000
"""Months whose jobs a preview plans though it shows none of them; this takes about ten seconds."""


REMAKE = ".snakemake/s1monthly_remake"
"""Input of jobs that must run, whatever file times and Snakemake's memory say: newer than all files until the first job
starts, and of new content in each run."""

END_OF_TIME = 2**31 - 1
"""The last moment in seconds that every file system knows."""


def renew_remake() -> None:
    """Write `REMAKE` anew, before jobs are planned."""
    write_text(REMAKE, f"{uuid.uuid4()}\n")
    os.utime(REMAKE, (END_OF_TIME, END_OF_TIME))


def date_remake() -> None:
    """Give `REMAKE` the time of now, before the first job: what jobs make is newer."""
    now = time.time_ns()  # without a time given, the kernel takes that of its last tick
    os.utime(REMAKE, ns=(now, now))


class SnakemakeRun:
    """The run that Snakemake is doing, as far as the rules must know it.

    Parameters
    ----------
    workflow
        Snakemake's `workflow` object, as a Snakefile sees it.
    """

    def __init__(self, workflow: Any) -> None:
        self._workflow = workflow
        self._modifier: Any = getattr(workflow, "modifier", None)  # of this Snakefile, not of one that imports it
        self._handled = False
        self.plan: Any = None
        """What all readings of a module share."""

    @classmethod
    def of(cls, workflow: Any) -> SnakemakeRun:
        """Return the run; for all readings of a module (``use rule bursts from ... with:`` reads it again) the same."""
        runs: dict[str | None, SnakemakeRun] = workflow.__dict__.setdefault("s1monthly_runs", {})
        run = cls(workflow)
        return runs.setdefault(run.module, run)

    def _look(self, path: str, default: Any) -> Any:
        """Follow attributes; return `default` if one is missing."""
        value = self._workflow
        for name in path.split("."):
            value = getattr(value, name, None)
            if value is None:
                return default
        return value

    @property
    def module(self) -> str | None:
        """Name under which another Snakefile imports this one (``module``); None for a run of its own."""
        name = getattr(self._modifier, "namespace", None)
        return None if name is None else str(name)

    @property
    def changes_paths(self) -> bool:
        """True if that Snakefile gives other paths to inputs and outputs (``prefix``, ``replace_prefix``)."""
        paths = getattr(self._modifier, "path_modifier", None)
        return any(getattr(paths, name, None) for name in ("prefix", "_prefix_replacements"))

    def name_of(self, rule: str) -> str:
        """Return the name that a rule has in the run: another one after ``use rule * from ... as s1_*``."""
        return rule if self.module is None else str(self._modifier.modify_rulename(rule))

    def _own(self, jobs: Iterable[Any]) -> list[Any]:
        """Return the jobs of our own rules; a Snakefile that imports this one has others."""
        if self.module is None:
            return list(jobs)
        names = {rule.name for rule in self._modifier.rules}
        return [job for job in jobs if job.rule.name in names]

    @property
    def takes_part(self) -> bool:
        """True if our jobs are among those of the run: a Snakefile that imports this one may have other targets."""
        return self.module is None or bool(self._own(self._look("dag.jobs", ())))

    def call_handlers_of_module(self, *handlers: Callable[[], None]) -> None:
        """Let the run call our handlers where another Snakefile imports this one; Snakemake itself calls only its own.

        Parameters
        ----------
        handlers : callable
            ``onstart``, ``onsuccess`` and ``onerror``. Each runs after the other Snakefile's handler of that name.
        """
        if self.module is None or self._handled:
            return
        self._handled = True
        for name, ours in zip(("onstart", "onsuccess", "onerror"), handlers, strict=True):
            self._chain(name, ours)

    def _chain(self, name: str, ours: Callable[[], None]) -> None:
        register, main = getattr(self._workflow, name), self._workflow.modifier_stack[0]

        def after(theirs: Callable[[Any], None]) -> Callable[[Any], None]:
            def both(log: Any) -> None:
                theirs(log)
                ours()

            return both

        def register_both(theirs: Callable[[Any], None]) -> None:
            register(after(theirs) if self._workflow.modifier is main else theirs)

        setattr(self._workflow, f"_{name}", after(getattr(self._workflow, f"_{name}")))
        setattr(self._workflow, name, register_both)

    @property
    def decides(self) -> bool:
        """True if this process decides what is done; False in the process of a cluster job."""
        return bool(self._look("is_main_process", True))

    @property
    def draws(self) -> bool:
        """True if the graph is only drawn or listed: nothing runs, and no preview is shown."""
        return self.decides and hasattr(self._workflow, "executor_plugin") and self._workflow.executor_plugin is None

    @property
    def cores(self) -> int:
        """Cores of this machine that jobs may share; 0 if jobs run elsewhere."""
        local = self._look("local_exec", False) and self.decides
        return int(self._look("cores", 0)) if local else 0

    @property
    def targets(self) -> frozenset[str]:
        """Targets named on the command line."""
        return frozenset(self._look("dag_settings.targets", ()))

    def stops_after(self, rule: str) -> bool:
        """Return True if the run was asked to end with a rule (``--until``)."""
        return self._look("dag_settings.until", frozenset()) == {self.name_of(rule)}

    @property
    def is_batch(self) -> bool:
        """Return True if only a part of the jobs is looked at (``--batch``)."""
        return bool(self._look("dag_settings.batch", False))

    @property
    def storage_provider(self) -> str | None:
        """Provider of remote storage that would hold all files."""
        provider = self._look("storage_settings.default_storage_provider", None)
        return None if provider is None else str(provider)

    @property
    def deployment(self) -> list[str]:
        """How software is deployed: names of methods, such as ``conda``."""
        return sorted(method.name.lower() for method in self._look("deployment_settings.deployment_method", ()))

    @property
    def software(self) -> list[Any]:
        """What decides in which software jobs run, for `Plan.make`; empty if they run in that of Snakemake."""
        if not self.deployment:
            return []
        environment = workflow_folder() / "envs" / "s1monthly.yaml"
        return [self.deployment, environment.read_text(encoding="utf-8")]

    @property
    def triggers(self) -> frozenset[str]:
        """What makes a job run again in this run."""
        return frozenset(trigger.name for trigger in self._look("dag_settings.rerun_triggers", ()))

    @property
    def may_leave_out_finished(self) -> bool:
        """Return True if months noted as finished need no jobs: no job is forced, in a batch, or only drawn."""
        forced = any(self._look(f"dag_settings.{name}", ()) for name in ("forceall", "forcerun", "forcetargets"))
        known = bool(self.triggers) and self.triggers <= JUDGED
        return self.decides and not self.draws and not forced and not self.is_batch and known

    def shows_no_job(self, months: int) -> bool:
        """Return True if this is a preview that shows no job, of so many months that planning them would take long."""
        return bool(self._look("dryrun", False) and self._quiet & {"RULES", "ALL"} and months > MOST_PREVIEWED)

    @property
    def _quiet(self) -> set[str]:
        """What Snakemake does not show."""
        return {kind.name for kind in self._look("output_settings.quiet", ()) or ()}

    def finished_months(self) -> list[tuple[str, str, str]] | None:
        """Tile, direction and month of every month whose jobs are all done; None if that is unknown."""
        if not self.triggers >= JUDGED or not hasattr(self._look("dag", None), "needrun_jobs"):
            return None
        dag = self._workflow.dag
        jobs, publish = self._own(dag.jobs), self.name_of("publish")
        done = {_month_of(job) for job in jobs if job.rule.name == publish}
        open_still = {_month_of(job) for job in self._own(dag.needrun_jobs()) if "month" in job.rule.wildcard_names}
        return sorted(done - open_still)

    def failed_jobs(self) -> list[list[Any]]:
        """Jobs that failed, in a fixed order: each a list of its own, with all members if a group failed."""
        failed = sorted(self._look("scheduler.failed", ()), key=str)
        groups = [self._own(job.jobs if job.is_group() else [job]) for job in failed]
        return [jobs for jobs in groups if jobs]

    def finished_jobs(self) -> list[Any]:
        """Jobs that this run finished, in a fixed order."""
        return sorted(self._own(self._look("dag.finished_jobs", ())), key=str)

    def python_of(self, jobs: Iterable[Any]) -> str:
        """Return the Python in which jobs ran: that of their conda environment, else Snakemake's own."""
        of_conda = [env.address for job in jobs if (env := getattr(job, "conda_env", None))] if self.deployment else []
        return os.path.join(of_conda[0], "bin", "python") if of_conda else sys.executable

    def limit(self, resource: str, most: int) -> None:
        """Limit what the jobs of a run have of a resource at once, unless the user did (``--resources``)."""
        if resource not in self._look("global_resources", ()) and self.decides:
            self._look("register_resource", lambda *_: None)(resource, most)

    def try_jobs_once(self) -> None:
        """Let a cluster job try once: who submitted it tries again, and asks for more memory and time."""
        for rule in self._look("rules", ()):
            rule.restart_times = 0

    def show_progress(self) -> None:
        """Let the console show a line for each finished or failed job, instead of Snakemake's own messages.

        Only where `quiet` has ``rules``, as in the default profile. A preview, ``--verbose`` and a logger that the user
        chose stay as they are; the log in ``.snakemake/log`` too.
        """
        handler = next((h for h in logging.getLogger(LOGGER).handlers if h.name == "DefaultStreamHandler"), None)
        plain = self._look("dryrun", True) or self._look("output_settings.verbose", True)
        if handler is None or plain or not self.decides or "RULES" not in self._quiet:
            return
        lines = ConsoleLines(Progress(self._remaining_jobs), list(handler.filters), handler.formatter)
        handler.filters[:] = [lines]
        handler.setFormatter(lines)

    def _remaining_jobs(self) -> Counter[str]:
        """Count the jobs still to be done, by rule."""
        dag = self._look("dag", None)
        return Counter(job.rule.name for job in dag.needrun_jobs()) if hasattr(dag, "needrun_jobs") else Counter()

    def lift_job_rate(self) -> None:
        """Start jobs without Snakemake's default limit of 100 a second.

        While jobs wait, that limit adds a timer of a second for every job that ends and never takes one away: the
        scheduler wakes ever more often, and the run ends a second late. A limit that the user gave stays.
        """
        rate = self._look("scheduling_settings.max_jobs_per_timespan", None)
        scheduler = self._look("scheduler", None)
        if scheduler and (getattr(rate, "max_jobs", 0), getattr(rate, "timespan", 0)) == DEFAULT_RATE:
            scheduler.job_rate_limiter = None


CHATTER = (
    "Assuming unrestricted shared filesystem",
    "Conda environments: ignored",
    "DAG of jobs will be updated",
    "Execute ",
    "Provided cores: ",
    "Provided resources: downloads=",
    "Rules claiming more threads",
    "RuleException:\nCalledProcessError",
    "Select jobs to execute",
    "Trying to restart job",
    "Updating checkpoint dependencies",
    "Using shell: ",
)
"""Starts of messages that tell a user nothing; the log in ``.snakemake/log`` has them."""


class ConsoleLines(logging.Filter, logging.Formatter):
    """Filter and formatter of Snakemake's console handler: shows `Progress`, and hides what it replaces.

    Parameters
    ----------
    progress : Progress
    filters, formatter
        Those of the handler before. They decide on all other messages, so that ``--quiet`` has its effect.
    """

    def __init__(self, progress: Progress, filters: Sequence[Any], formatter: logging.Formatter | None) -> None:
        logging.Filter.__init__(self)
        logging.Formatter.__init__(self)
        self._progress, self._filters, self._formatter = progress, filters, formatter or logging.Formatter()
        self._lines: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True if a message is shown."""
        event = getattr(getattr(record, "event", None), "name", None)
        if event == "JOB_INFO":
            self._progress.start(record.jobid, record.rule_name, record.wildcards)  # type: ignore[attr-defined]
        passes = all(other.filter(record) for other in self._filters)
        if event == "JOB_FINISHED":
            line = self._progress.finished(record.job_id)  # type: ignore[attr-defined]
            if line and passes:
                self._lines.append(line)
            return False
        if event == "JOB_ERROR":
            return True
        if event == "PROGRESS" and record.done > record.total:  # type: ignore[attr-defined]
            return False  # the target rule, which Snakemake counts as done but not in the total
        return passes and not str(record.msg).startswith(CHATTER)

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a message."""
        event = getattr(getattr(record, "event", None), "name", None)
        if event == "JOB_ERROR":
            return self._progress.failed(record.jobid, record.log)  # type: ignore[attr-defined]
        if event == "PROGRESS":
            overall = self._progress.overall(record.done, record.total)  # type: ignore[attr-defined]
            *others, last = self._lines or [""]
            self._lines = []
            return "\n".join([*others, f"{last}   {overall}"])
        return self._formatter.format(record)


def collect_garbage_seldom() -> None:
    """Let Python look for garbage seldom while jobs are planned: nearly all of a hundred thousand jobs stay."""
    gc.set_threshold(50_000, 20, 100)


def _month_of(job: Any) -> tuple[str, str, str]:
    return job.wildcards.tile, job.wildcards.direction, job.wildcards.month
