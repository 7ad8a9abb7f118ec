"""How far the reading of granules is, over all jobs of a run: jobs count in small files, the run's process tells it."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from s1monthly.files import replacing

SHOWN_EVERY = 10.0
"""Seconds between two lines."""

WINDOW = 60.0
"""Seconds over which rates are measured."""

COUNTED_EVERY = 1.0
"""Seconds between two notes of a job."""


class ReadingCount:
    """Counts the granules of a month that a job has read, in a file.

    Parameters
    ----------
    path : str or Path
        File; its folder is made if missing.
    total : int
        Granules of the month.
    """

    def __init__(self, path: str | Path, total: int) -> None:
        self._path, self._total = Path(path), total
        self._granules = self._bytes = 0
        self._next = 0.0

    def add(self, size: int) -> None:
        """Count a granule of so many bytes; write the count about once a second, and at the end."""
        self._granules += 1
        self._bytes += size
        if time.monotonic() < self._next and self._granules < self._total:
            return
        self._next = time.monotonic() + COUNTED_EVERY
        with suppress(OSError), replacing(self._path, durable=False) as temporary:  # nothing depends on it
            temporary.write_text(json.dumps([self._granules, self._bytes, self._total]), encoding="utf-8")


@dataclass
class ReadingProgress:
    """Adds up what the jobs of a run have counted.

    Attributes
    ----------
    folder : str
        Folder of the counts.
    tiles : collection of str
        Beginnings of the names of this run's counts: tile and direction. Those of other runs are left alone.
    total : callable
        Returns the number of granules to read in this run.
    verb : str
        What is done with them: ``fetched`` or ``read``.
    clock : callable
        Returns seconds.
    """

    folder: str
    tiles: Collection[str]
    total: Callable[[], int]
    verb: str
    clock: Callable[[], float] = time.monotonic
    _done: tuple[int, int] = (0, 0)
    _seen: deque[tuple[float, int, int]] = field(default_factory=deque)

    def forget(self) -> None:
        """Remove the counts of this run's tiles, which an earlier run may have left."""
        for path in self._files():
            path.unlink(missing_ok=True)

    def line(self) -> str:
        """Return how far the reading is; empty if nothing has been read since the last line, or all is read."""
        granules, size = self._count()
        total, now = max(granules, self.total()), self.clock()
        if granules == total or (self._seen and granules == self._seen[-1][1]):
            return ""
        self._seen.append((now, granules, size))
        while now - self._seen[0][0] > WINDOW and len(self._seen) > 2:
            self._seen.popleft()
        began, earlier, earlier_size = self._seen[0]
        text = f"{self.verb} {granules} of {total} granules"
        if now == began or granules <= earlier:
            return text
        rate = max(0, size - earlier_size) / (now - began) / 1e6
        left = (total - granules) * (now - began) / (granules - earlier)
        return text + (f", {rate:.1f} MB/s" if rate else "") + (f", about {short_time(left)} left" if left else "")

    def _files(self) -> list[Path]:
        return [path for path in Path(self.folder).glob("*.json") if path.stem.rpartition("_")[0] in self.tiles]

    def _count(self) -> tuple[int, int]:
        """Return the granules and bytes that were read; counts that are complete are kept here, and their files go."""
        granules, size = self._done
        for path in self._files():
            with suppress(OSError, ValueError):
                more, bytes_more, total = map(int, json.loads(path.read_text(encoding="utf-8")))
                granules, size = granules + more, size + bytes_more
                if more >= total:
                    path.unlink()
                    self._done = self._done[0] + more, self._done[1] + bytes_more
        return granules, size


class Ticker:
    """Tells the progress from a thread of its own, while the run waits for its jobs.

    Parameters
    ----------
    tell : callable
        Takes a line.
    """

    def __init__(self, progress: ReadingProgress, tell: Callable[[str], None]) -> None:
        self._progress, self._tell = progress, tell
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="progress")

    def start(self) -> None:
        """Begin to tell."""
        self._progress.forget()
        self._progress.line()
        self._thread.start()

    def stop(self) -> None:
        """Tell no more."""
        self._ended.set()
        self._progress.forget()

    def _run(self) -> None:
        while not self._ended.wait(SHOWN_EVERY):
            if line := self._progress.line():
                self._tell(line)


def short_time(seconds: float) -> str:
    """Format a time: 3.2 s, 45 s, 12 min, 3.5 h."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
