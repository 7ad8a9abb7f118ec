"""Retries: faults that may pass, growing waits with jitter, and one time limit for all tries."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol, TypeVar

LOGGER = logging.getLogger("s1monthly")

FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
"""Seconds between two tries: doubled from the first to the longest, each randomly shortened by up to half.

The jitter keeps jobs that failed together from retrying together.
"""

SHOWN_WAIT = 5.0
"""Waits longer than this many seconds are shown on the console, too."""

Result = TypeVar("Result")


class PassingFault(Exception):  # noqa: N818
    """A fault that may pass, with a short reason without secrets.

    `wait` is the least number of seconds to wait; 0 if the server does not say. `slow_down` is True if the server
    asks for fewer requests.
    """

    def __init__(self, reason: str, wait: float = 0.0, slow_down: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait
        self.slow_down = slow_down


class FinalFault(Exception):  # noqa: N818
    """A fault that another try will not fix: a short reason and what the user can do, both without secrets."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason, remedy)
        self.reason = reason
        self.remedy = remedy


class GaveUpError(Exception):
    """A fault that lasted longer than the time given.

    `reason` is the last fault and the number of tries; `before` is the fault before that if it was another one.
    """

    def __init__(self, faults: list[str], seconds: float) -> None:
        self.reason = f"{faults[-1]} (tried {len(faults)} time{'s' if len(faults) > 1 else ''} in {seconds:g} s)"
        self.before = faults[-2] if len(faults) > 1 and faults[-2] != faults[-1] else ""
        super().__init__(self.reason)


def retry_after(header: str | None, date: str | None = None) -> float:
    """Return the seconds that a Retry-After header asks to wait (RFC 9110, 10.2.3: seconds or a date); else 0.

    A date counts from the server's own, the header Date, if that is given: the clock of this machine may be wrong.
    """
    if not header:
        return 0.0
    try:
        if header.strip().isdecimal():
            return float(header)
        moment = _moment(header)
    except (ValueError, OverflowError):
        return 0.0
    now = datetime.now(UTC)
    with suppress(ValueError, OverflowError):
        now = _moment(date) if date else now
    return max(0.0, (moment - now).total_seconds())


def _moment(text: str) -> datetime:
    moment = parsedate_to_datetime(text)
    return moment.replace(tzinfo=moment.tzinfo or UTC)


class Timer(Protocol):
    """A time limit, and how to wait within it."""

    @property
    def left(self) -> float:
        """Seconds left; 0 when time is up."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class _Seconds:
    """A time limit from now."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return max(0.0, self._end - time.monotonic())

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def retry(name: str, attempt: Callable[[float], Result], seconds: float, timer: Timer | None = None) -> Result:
    """Call a function until it succeeds or the time is up.

    Parameters
    ----------
    name : str
        Name of the task, for the log.
    attempt : callable
        Takes the seconds left; raises `PassingFault` if another try makes sense. Any other exception ends the tries.
    seconds : float
        Time limit for all tries and waits. The first try is always made.
    timer : Timer, optional
        Keeps the time, where not all of it counts.

    Raises
    ------
    GaveUpError
        If the next try would begin after that time.
    """
    timer, longest = timer or _Seconds(seconds), FIRST_WAIT
    faults: list[str] = []
    while True:
        try:
            return attempt(timer.left)
        except PassingFault as fault:
            faults.append(fault.reason)
            wait = max(fault.wait, random.uniform(longest / 2, longest))
            if wait >= timer.left:
                raise GaveUpError(faults, seconds) from fault
            shown = {"on_console": wait > SHOWN_WAIT}
            LOGGER.warning("%s: try %d: %s; next in %.0f s", name, len(faults), fault.reason, wait, extra=shown)
        timer.sleep(wait)
        longest = min(2 * longest, LONGEST_WAIT)
