"""What a run shows while it works: a line for each finished or failed job, how far the run is, and the time left."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from s1monthly.workflow import failures
from s1monthly.workflow.reading_progress import short_time

RECOUNT_SECONDS = 10.0
"""Remaining jobs are counted at most once in this time: a large run has a hundred thousand."""


@dataclass(frozen=True)
class StartedJob:
    """A job that runs.

    Attributes
    ----------
    wildcards : mapping of str to str
        Of these, tile, direction, track and month are shown.
    started : float
        Seconds on the clock of `Progress`.
    """

    rule: str
    wildcards: Mapping[str, str]
    started: float

    def __str__(self) -> str:
        return " ".join(
            [self.rule, *(self.wildcards[n] for n in ("tile", "direction", "track", "month") if n in self.wildcards)]
        )


@dataclass
class Progress:
    """Progress of a run, told job by job.

    Attributes
    ----------
    remaining : callable
        Returns rule -> number of its jobs that are still to be done.
    clock : callable
        Returns seconds.
    """

    remaining: Callable[[], Mapping[str, int]]
    clock: Callable[[], float] = time.monotonic
    _running: dict[int, StartedJob] = field(default_factory=dict)
    _seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _began: float | None = None
    _counted: tuple[float, Counter[str]] | None = None

    def start(self, job_id: int, rule: str, wildcards: Mapping[str, str]) -> None:
        """Note that a job starts; a job that is tried again starts again."""
        now = self.clock()
        self._began = now if self._began is None else self._began
        self._running[job_id] = StartedJob(rule, wildcards, now)

    def finished(self, job_id: int) -> str:
        """Return the line of a job that has finished; empty for a job that was not started here."""
        job = self._running.pop(job_id, None)
        if job is None:
            return ""
        seconds = self.clock() - job.started
        self._seconds[job.rule].append(seconds)
        if self._counted:
            self._counted[1][job.rule] -= 1
        return f"{job!s:<45} {short_time(seconds):>7}"

    def failed(self, job_id: int, log: list[str]) -> str:
        """Return the line of a job that has failed, with the first line of the error in its log."""
        job = self._running.get(job_id)
        failure = failures.last_error(log)
        why = failure.message.splitlines()[0] if failure else "see the end of this run"
        return f"{job or 'a job'} failed: {why}"

    def overall(self, done: int, total: int) -> str:
        """Return how many jobs of the run are done, and about how long the others will take."""
        left = self._time_left() if done < total else None
        return f"{done} of {total} jobs" + (f", about {short_time(left)} left" if left else "")

    def _time_left(self) -> float | None:
        """Return the seconds left, from the mean time of each rule's jobs and how many ran side by side."""
        now = self.clock()
        if self._counted is None or now - self._counted[0] > RECOUNT_SECONDS:
            self._counted = now, Counter(self.remaining())
        done = [seconds for each in self._seconds.values() for seconds in each]
        if not done or self._began is None or now <= self._began:
            return None
        mean = sum(done) / len(done)
        work = sum(
            number * (sum(self._seconds[rule]) / len(self._seconds[rule]) if self._seconds.get(rule) else mean)
            for rule, number in self._counted[1].items()
        )
        side_by_side = max(1.0, sum(done) / (now - self._began))
        return max(0.0, work / side_by_side)
