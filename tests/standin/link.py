"""A link of limited speed in front of a server: a wait for the first byte, and rates of a connection and of all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

PIECE = 1 << 17
"""Bytes sent at a time."""

LATE = 0.25
"""Seconds of sending that a connection, or the link, may catch up after a pause."""


@dataclass
class Link:
    """Sends bodies no faster than a network would. Thread-safe.

    Attributes
    ----------
    first_byte : float
        Seconds from a request to the first byte of its answer.
    each, together : float
        Bytes a second of a connection, and of all connections together.
    sent : int
        Bytes of bodies so far.
    began, ended : float
        When the first and the last of these bytes were sent, in seconds of `time.monotonic`.
    """

    first_byte: float = 0.0
    each: float = float("inf")
    together: float = float("inf")
    sent: int = 0
    began: float = 0.0
    ended: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _free: float = 0.0

    def wait(self) -> None:
        """Wait as long as an answer takes to begin."""
        time.sleep(self.first_byte)

    def send(self, write: Callable[[memoryview], object], body: bytes) -> None:
        """Send a body piece by piece; each waits until the connection and the link have room for it."""
        free, view = time.monotonic(), memoryview(body)
        for start in range(0, len(body), PIECE):
            piece = view[start : start + PIECE]
            now = time.monotonic()
            free = max(free, now - LATE) + len(piece) / self.each
            with self._lock:
                self._free = max(self._free, now - LATE) + len(piece) / self.together
                until = max(free, self._free)
                self.began = self.began or now
                self.sent += len(piece)
            if until > now:
                time.sleep(until - now)
            write(piece)
            self.ended = time.monotonic()
