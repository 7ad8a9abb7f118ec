"""Retries: faults that may pass, growing waits with jitter, and one time limit for all tries."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

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

    `wait` is the least number of seconds to wait; 0 if the server does not say.
    """

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait


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


def retry_after(header: str | None) -> float:
    """Return the seconds that a Retry-After header asks to wait (RFC 9110, 10.2.3: seconds or a date); else 0."""
    if not header:
        return 0.0
    try:
        if header.strip().isdecimal():
            return float(header)
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def retry(name: str, attempt: Callable[[float], Result], seconds: float) -> Result:
    """Call a function until it succeeds or the time is up.

    Parameters
    ----------
    name : str
        Name of the task, for the log.
    attempt : callable
        Takes the seconds left; raises `PassingFault` if another try makes sense. Any other exception ends the tries.
    seconds : float
        Time limit for all tries and waits. The first try is always made.

    Raises
    ------
    GaveUpError
        If the next try would begin after that time.
    """
    start, longest = time.monotonic(), FIRST_WAIT
    faults: list[str] = []
    while True:
        try:
            return attempt(max(0.0, seconds - (time.monotonic() - start)))
        except PassingFault as fault:
            faults.append(fault.reason)
            wait = max(fault.wait, random.uniform(longest / 2, longest))
            if time.monotonic() - start + wait >= seconds:
                raise GaveUpError(faults, seconds) from fault
            shown = {"on_console": wait > SHOWN_WAIT}
            LOGGER.warning("%s: try %d: %s; next in %.0f s", name, len(faults), fault.reason, wait, extra=shown)
        time.sleep(wait)
        longest = min(2 * longest, LONGEST_WAIT)
