"""The connections to the archive that all jobs of a run share: their number follows what the link gives.

A slot is a lock on a file, so jobs on several machines share the slots, and those of a killed job are free at once. How
many slots are open, and until when the archive wants to be left alone, is in a small file beside them.
"""

from __future__ import annotations

import fcntl
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

from s1monthly.files import flock, locked, replacing
from s1monthly.sources import retries
from s1monthly.sources.retries import PassingFault
from s1monthly.sources.transfer import Clock

LOGGER = logging.getLogger("s1monthly")

LEAST, FIRST, MOST = 4, 8, 24
"""Connections of a run: at least, at its beginning, at most.

The archive names no limit. Eight is what one download with NASA's own library earthaccess opens; a quarter of the
hundred that NASA's LAADS allows an address is the most.
"""

FASTEST_SHARE, SLOWEST_SHARE = 0.8, 0.5
"""Shares of a connection's best rate: more are opened above the first, some are closed below the second."""

LEAST_RATE = 200_000.0
"""Bytes a second of a connection below which some are closed: a layer must come in its time."""

MEMORY, FORGETTING = 8, 0.9998
"""Transfers over which the rate of a connection is averaged; share of its best rate that is left after another one."""

LEAST_BYTES = 1_000_000
"""Smaller transfers tell nothing about the link: they are mostly waiting."""

POLL = 0.1
"""Seconds between two looks for a free slot."""

VALID_SECONDS = 900.0
"""Age after which what was learned about the link no longer counts."""


@dataclass(frozen=True)
class Link:
    """What a run knows about its link.

    Attributes
    ----------
    slots : float
        Connections that may be open at once.
    usual, best : float
        Bytes a second of a connection: of the last transfers, and the best of such means so far.
    refusals : int
        How often the archive asked to be left alone.
    pause, until : float
        Seconds that it asked for last, and when they end, in seconds since 1970.
    """

    slots: float = FIRST
    usual: float = 0.0
    best: float = 0.0
    refusals: int = 0
    pause: float = 0.0
    until: float = 0.0

    def after_transfer(self, rate: float) -> Link:
        """Open more slots while connections keep their rate; close some if they have lost half of it.

        While the link has room, a connection is as fast as the archive and the way there let it be. Once the link is
        full, each further connection makes all slower.
        """
        usual = self.usual + (rate - self.usual) / MEMORY if self.usual else rate
        best = max(usual, self.best * FORGETTING)
        share, slots = usual / best, self.slots
        if share < SLOWEST_SHARE or usual < LEAST_RATE:
            slots = max(LEAST, slots - 0.5)
        elif share >= FASTEST_SHARE:
            slots = min(MOST, slots + 0.5)
        return replace(self, slots=slots, usual=usual, best=best)

    def after_refusal(self, now: float, seconds: float) -> Link:
        """Close half of the slots and pause; refusals during a pause only prolong it."""
        fresh = now >= self.until
        until = max(self.until, now + seconds)
        slots = max(LEAST, self.slots / 2) if fresh else self.slots
        return replace(self, slots=slots, refusals=self.refusals + 1, pause=until - now, until=until)


@dataclass
class Transfer:
    """A request under way; `size` becomes the number of bytes that came."""

    size: int = 0


class Connections:
    """Slots for requests to the archive. Thread-safe.

    Parameters
    ----------
    folder : str or Path
        Folder that the jobs of a run share; created if missing.
    fixed : int or None
        Number of slots of this job, whatever others do; None shares the slots of the run with all its jobs.
    """

    def __init__(self, folder: str | Path, fixed: int | None = None) -> None:
        self._folder = Path(folder)
        self._fixed = fixed
        self._changed = threading.Condition()
        self._files: dict[int, IO[str]] = {}
        self._held: set[int] = set()
        self._idle: list[int] = []
        self._waiting = 0
        self._polled = 0.0
        self._link, self._looked = Link(), 0.0
        self._refusals, self._paused = 0, 0.0

    @contextmanager
    def one(self, clock: Clock) -> Iterator[Transfer]:
        """Hold a slot for a request. How it goes decides how many slots are open, and when the next request may begin.

        Parameters
        ----------
        clock : Clock
            Gets back the time that is spent waiting for the slot.

        Raises
        ------
        PassingFault
            If the clock is given up before there is a slot.
        """
        with clock.stopped():
            slot = self._take(clock)
        transfer, begun = Transfer(), time.monotonic()
        try:
            yield transfer
            if transfer.size >= LEAST_BYTES and self._fixed is None:
                rate = transfer.size / (time.monotonic() - begun)
                self._learn(lambda link: link.after_transfer(rate))
        except PassingFault as fault:
            if fault.slow_down:
                seconds = max(fault.wait, retries.FIRST_WAIT)
                self._learn(lambda link: link.after_refusal(time.time(), seconds))
            raise
        finally:
            self._give_back(slot)

    def _take(self, clock: Clock) -> int:
        """Wait for the end of a pause, then for a slot of this job, or one that no job holds."""
        with self._changed:
            self._waiting += 1
            try:
                while not clock.given_up:
                    self._look()
                    now = time.monotonic()
                    if now >= self._paused:
                        slot = self._idle.pop() if self._idle else self._free_slot(now)
                        if slot is not None:
                            return slot
                    self._changed.wait(POLL)
                raise PassingFault("given up")
            finally:
                self._waiting -= 1
                while len(self._idle) > self._waiting:  # kept for a request that was given up
                    self._free(self._idle.pop())

    def _free_slot(self, now: float) -> int | None:
        """Lock a slot that no job holds; None if there is none, or somebody has just looked."""
        if self._fixed is not None:
            slot = next((number for number in range(self._fixed) if number not in self._held), None)
        elif now < self._polled:
            return None
        else:
            slot = next((number for number in range(int(self._link.slots)) if self._lock(number)), None)
            self._polled = now + POLL if slot is None else 0.0
        if slot is not None:
            self._held.add(slot)
        return slot

    def _lock(self, number: int) -> bool:
        """Lock the file of a slot. Without locks on the file system, a job has `LEAST` slots for itself."""
        if number in self._held:
            return False
        try:
            if number not in self._files:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._files[number] = open(self._folder / f"slot_{number:02d}", "a", encoding="utf-8")  # noqa: SIM115
            locked = flock(self._files[number].fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            locked = None
        return number < LEAST if locked is None else locked

    def _give_back(self, slot: int) -> None:
        """Leave a slot to the next request of this job; without one, or if fewer slots are open now, to other jobs."""
        with self._changed:
            if self._waiting > len(self._idle) and slot < (self._fixed or self._link.slots):
                self._idle.append(slot)
            else:
                self._free(slot)
            self._polled = 0.0
            self._changed.notify()

    def _free(self, slot: int) -> None:
        """Leave a slot to other jobs."""
        self._held.discard(slot)
        if slot in self._files:
            with suppress(OSError):
                flock(self._files[slot].fileno(), fcntl.LOCK_UN)

    # what the jobs of a run know of the link

    @property
    def _path(self) -> Path:
        return self._folder / "link.json"

    def _look(self) -> None:
        """Look at what other jobs have learned, unless that was done just now; begin a pause that is new."""
        now = time.monotonic()
        if now >= self._looked:
            self._looked = now + POLL
            self._link = self._read()
            self._pause(now)

    def _pause(self, now: float) -> None:
        """Pause for what is left of a refusal's time; never longer than the archive asked, whatever the clocks say."""
        if self._link.refusals != self._refusals:
            self._refusals = self._link.refusals
            self._paused = now + min(max(self._link.until - time.time(), 0.0), self._link.pause)

    def _read(self) -> Link:
        try:
            if time.time() - self._path.stat().st_mtime > VALID_SECONDS:
                return Link()
            return Link(**json.loads(self._path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return Link()

    def _learn(self, change: Callable[[Link], Link]) -> None:
        """Change what the jobs know."""
        with self._changed:
            before = self._link
            try:
                with locked(self._folder / "link.lock"):
                    before = self._read()
                    self._link = change(before)
                    with replacing(self._path, durable=False) as temporary:
                        temporary.write_text(json.dumps(asdict(self._link)), encoding="utf-8")
            except OSError:  # this job then knows it alone, until it looks again
                self._link = change(before)
            self._pause(time.monotonic())
        if self._link.refusals > before.refusals:
            LOGGER.info("all jobs pause for %.0f s, then open %d connections", self._link.pause, self._link.slots)
