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

Result = TypeVar("Result")


class PassingFault(Exception):  # noqa: N818
    """A fault that may pass, with a short reason without secrets.

    `wait` is the least number of seconds to wait; 0 if the server does not say.
    """

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait


def wait_asked(header: str | None) -> float:
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


class GaveUpError(Exception):
    """A fault that lasted longer than the time given; `reason` is the last fault, with the number of tries."""

    def __init__(self, reason: str, tries: int, seconds: float) -> None:
        super().__init__(reason)
        self.reason = f"{reason} (tried {tries} time{'s' if tries > 1 else ''} in {seconds:g} s)"
        self.tries = tries


def persevere(name: str, attempt: Callable[[float], Result], seconds: float) -> Result:
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
    begun = time.monotonic()
    longest, tries = FIRST_WAIT, 0
    while True:
        tries += 1
        try:
            return attempt(max(0.0, seconds - (time.monotonic() - begun)))
        except PassingFault as fault:
            wait = max(fault.wait, random.uniform(longest / 2, longest))
            if time.monotonic() - begun + wait >= seconds:
                raise GaveUpError(fault.reason, tries, seconds) from fault
            LOGGER.warning("%s: try %d: %s; next in %.0f s", name, tries, fault.reason, wait)
        time.sleep(wait)
        longest = min(2 * longest, LONGEST_WAIT)
