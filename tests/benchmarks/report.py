"""Text tables, medians, and what the probe wrote about a run's jobs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

WIDTH = 80
"""Most columns of a line on the terminal."""
MIB = 2**20


def peak_bytes() -> int:
    """Return the peak resident memory of this process; `getrusage` would tell of the process that began it, too."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], digits: int = 2) -> str:
    """Lay out a table: first column to the left, all others to the right; None is a dash, an empty row is a rule.

    Raises ValueError if a row has not as many cells as the header, or the table is wider than `WIDTH`.
    """
    lines = [[_cell(cell, digits) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in (list(header), *lines) if line) for i in range(len(header))]
    if sum(widths) + 2 * (len(widths) - 1) > WIDTH:
        raise ValueError(f"the table under {' | '.join(header)} is wider than {WIDTH} columns")
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))

    def laid_out(line: Sequence[str]) -> str:
        if not line:
            return rule
        places = zip(line, widths, strict=True)
        return "  ".join(c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(places)).rstrip()

    return "\n".join([laid_out(header), rule, *map(laid_out, lines)])


def _cell(cell: Any, digits: int) -> str:
    if cell is None:
        return "-"
    return f"{cell:.{digits}f}" if isinstance(cell, float) else str(cell)


@dataclass(frozen=True)
class Job:
    """What one job used: seconds, and MiB."""

    rule: str
    started: float  # since the epoch
    wall: float
    start: float | None  # until its own work began: interpreter, imports, configuration; None without a log
    cpu: float  # user and system, of all threads and child processes
    peak: float  # resident memory


@dataclass(frozen=True)
class Run:
    """One run of the workflow: seconds of the whole process tree, and MiB."""

    wall: float
    cpu: float
    jobs: tuple[Job, ...]  # in the order in which they began
    before: float  # without any job: until the first, between two, after the last
    between: float
    after: float
    main_peak: float  # of Snakemake's own process


def read_probes(folder: Path) -> list[dict[str, Any]]:
    """Read what the probe wrote, process by process, in the order in which they began."""
    return sorted((json.loads(file.read_text()) for file in folder.glob("*.json")), key=lambda found: found["started"])


def rule_of(program: str) -> str | None:
    """Rule whose script a process ran, ``scripts/bursts.py``; None for any other."""
    path = Path(program)
    return path.stem if path.parent.name == "scripts" and path.suffix == ".py" else None


def run_of(began: float, wall: float, cpu: float, probes: Iterable[dict[str, Any]]) -> Run:
    """Combine what was measured of a run with what `read_probes` returns of its processes."""
    jobs, main_peak = [], 0.0
    for found in probes:
        rule, peak = rule_of(found["program"]), found["peak_bytes"] / MIB
        if rule is None:
            main_peak = max(main_peak, peak)
            continue
        start = found["logged"] - found["started"] if "logged" in found else None
        used = found["cpu"] + found["children_cpu"]
        jobs.append(Job(rule, found["started"], found["ended"] - found["started"], start, used, peak))
    gaps = uncovered([(job.started, job.started + job.wall) for job in jobs], began, began + wall)
    return Run(wall, cpu, tuple(jobs), *gaps, main_peak)


def uncovered(intervals: Iterable[tuple[float, float]], begin: float, end: float) -> tuple[float, float, float]:
    """Time within begin and end that no interval covers: before the first, between two, after the last of them."""
    before, between, reached = 0.0, 0.0, begin
    for index, (first, last) in enumerate(sorted(intervals)):
        gap = max(0.0, first - reached)
        before, between = (gap, between) if index == 0 else (before, between + gap)
        reached = max(reached, min(last, end))
    return before, between, max(0.0, end - reached)


def summary(runs: Sequence[Run]) -> dict[str, Any]:
    """Medians over runs, in all and rule by rule; the peak memory of a rule is that of its largest job in any run."""
    rules: dict[str, dict[str, Any]] = {}
    for rule in dict.fromkeys(job.rule for run in runs for job in run.jobs):
        of_runs = [[job for job in run.jobs if job.rule == rule] for run in runs]
        starts = [sum(job.start for job in jobs if job.start is not None) for jobs in of_runs]
        rules[rule] = {
            "jobs": median(len(jobs) for jobs in of_runs),
            "wall": median(sum(job.wall for job in jobs) for jobs in of_runs),
            "start": median(starts),
            "cpu": median(sum(job.cpu for job in jobs) for jobs in of_runs),
            "peak": max(job.peak for jobs in of_runs for job in jobs),
        }
    jobs_cpu = [sum(job.cpu for job in run.jobs) for run in runs]
    return {
        "runs": len(runs),
        "wall": median(run.wall for run in runs),
        "walls": [run.wall for run in runs],
        "cpu": median(run.cpu for run in runs),
        "peak": max(job.peak for run in runs for job in run.jobs),
        "rules": rules,
        "jobs": {
            "jobs": median(len(run.jobs) for run in runs),
            "wall": median(sum(job.wall for job in run.jobs) for run in runs),
            "start": median(sum(job.start or 0.0 for job in run.jobs) for run in runs),
            "cpu": median(jobs_cpu),
        },
        "snakemake": {
            "before": median(run.before for run in runs),
            "between": median(run.between for run in runs),
            "after": median(run.after for run in runs),
            "wall": median(run.before + run.between + run.after for run in runs),
            "cpu": median(run.cpu - used for run, used in zip(runs, jobs_cpu, strict=True)),
            "peak": max(run.main_peak for run in runs),
        },
    }


def summary_table(found: dict[str, Any]) -> str:
    """Lay out a `summary` as a table, rule by rule and in all."""
    rows: list[Sequence[Any]] = [
        (name, rule["jobs"], rule["wall"], rule["start"], rule["cpu"], round(rule["peak"]))
        for name, rule in found["rules"].items()
    ]
    own, jobs = found["snakemake"], found["jobs"]
    rows += [
        (),
        ("all jobs", jobs["jobs"], jobs["wall"], jobs["start"], jobs["cpu"], round(found["peak"])),
        ("Snakemake, no job running", None, own["wall"], None, own["cpu"], round(own["peak"])),
        ("  before the first", None, own["before"], None, None, None),
        ("  between jobs", None, own["between"], None, None, None),
        ("  after the last", None, own["after"], None, None, None),
        (),
        ("in all", None, found["wall"], None, found["cpu"], None),
    ]
    return table(("rule", "jobs", "wall s", "of it start", "CPU s", "peak MiB"), rows)
