"""Find out from its log in the work folder why a job failed or made an empty month."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from s1monthly.layout import Layout
from s1monthly.model import Month, TileDirection

FIRST_STAGE = "bursts"
"""First rule of every attempt to make a month."""

_LAST_WORD = re.compile(r"^(?P<when>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+ CRITICAL (?P<message>.*)", re.M | re.S)


@dataclass(frozen=True)
class Failure:
    """A failed job.

    Attributes
    ----------
    when : datetime
        Local time, as in the log.
    message : str
        What went wrong, in one or more lines; the last line of a traceback.
    log : str
        Path of the complete log.
    """

    rule: str
    when: datetime
    message: str
    log: str

    def __str__(self) -> str:
        return f"failed in {self.rule}, {self.when:%Y-%m-%d %H:%M}: {self.message}"


_EMPTY = re.compile(r"^[-\d]{10} [\d:]{8},\d+ WARNING (?P<message>\S+: no pixel has a value: .*)", re.M)


def month_failure(layout: Layout, key: TileDirection, month: Month, since: float = 0.0) -> Failure | None:
    """Find out why the last attempt to make a month failed.

    Parameters
    ----------
    since : float
        Ignore logs older than this, in seconds since 1970: they are from an earlier attempt.

    Returns
    -------
    Failure or None
        None if no log contains a failure.
    """
    logs = list(Path(layout.logs).glob(f"*/{key}_{month}.log"))
    began = [path.stat().st_mtime for path in logs if path.parent.name == FIRST_STAGE]
    return _last(path for path in logs if path.stat().st_mtime >= max([since, *began]))


def search_failure(layout: Layout, key: TileDirection) -> Failure | None:
    """Find out why the last search failed; return None if it did not fail or has no log."""
    logs = sorted(Path(layout.logs, "search").glob(f"{key.pooled}_*.log"), key=lambda path: path.stat().st_mtime)
    return _last(logs[-1:])


def last_error(logs: Iterable[str]) -> Failure | None:
    """Return the last error in a job's log files; None if the job succeeded or logged no error."""
    return _last(Path(log) for log in logs if Path(log).exists())


def describe(rule: str, place: Mapping[str, str], logs: Sequence[str]) -> str:
    """Describe a failed job: which one, why, and where its log is.

    Parameters
    ----------
    place : mapping
        Wildcards of the job: those of tile, direction and month that it has.
    logs : sequence of str
        Its log files.
    """
    failure = last_error(logs)
    begun = [log for log in logs if Path(log).exists() and Path(log).stat().st_size]  # Snakemake creates empty logs
    what = " ".join([rule, *(place[name] for name in ("tile", "direction", "track", "month") if name in place)])
    if failure:
        why = failure.message
    elif begun:
        why = "it was stopped, and could not say why: by a limit of memory or time, say"
    else:
        why = (
            "it ended before it logged a word: what it said stands above, or in the cluster's log of the job;"
            " if nothing, a limit of memory or time stopped it, say"
        )
    return "\n".join([f"FAILED {what}: {why}", *(f"  log: {log}" for log in begun)])


def why_empty(logs: Iterable[str]) -> list[str]:
    """Read from the logs of a finished job why its months are empty; return an empty list if none is."""
    texts = (Path(log).read_text(encoding="utf-8", errors="replace") for log in logs if Path(log).exists())
    return [match["message"] for text in texts for match in _EMPTY.finditer(text)]


def _last(logs: Iterable[Path]) -> Failure | None:
    return max(filter(None, map(_read, logs)), key=lambda failure: failure.when, default=None)


def _read(path: Path) -> Failure | None:
    try:
        match = _LAST_WORD.search(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:  # an unreadable log tells nothing
        return None
    if not match:
        return None
    lines = [line.rstrip() for line in match["message"].splitlines() if line.strip()]
    traceback = len(lines) > 1 and lines[1].startswith("Traceback")
    return Failure(
        path.parent.name,
        datetime.strptime(match["when"], "%Y-%m-%d %H:%M:%S"),
        lines[-1] if traceback else "\n".join(lines),
        str(path),
    )
