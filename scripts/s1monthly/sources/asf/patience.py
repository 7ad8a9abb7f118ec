"""Trying again: faults that may pass, growing waits with jitter, and a limit of time for all tries together."""

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
"""Seconds between two tries: doubled from the first to the longest, each time shortened by up to half by chance.

Many jobs that were turned away together must not come back together.
"""

Result = TypeVar("Result")


class PassingFault(Exception):  # noqa: N818
    """A fault that may pass: what it was, and how long the server asks to wait.

    Parameters
    ----------
    reason : str
        In few words, without secrets.
    wait : float
        Seconds to wait at least; 0 where the server does not say.
    """

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait


def wait_asked(header: str | None) -> float:
    """Return the seconds that a Retry-After header asks to wait (RFC 9110, 10.2.3: seconds, or a date); 0 without."""
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
    """A fault that did not pass in the time given.

    Parameters
    ----------
    reason : str
        The last fault.
    tries : int
    seconds : float
        The time given.
    """

    def __init__(self, reason: str, tries: int, seconds: float) -> None:
        super().__init__(reason)
        self.reason = f"{reason} (tried {tries} time{'s' if tries > 1 else ''} in {seconds:g} s)"
        self.tries = tries


def persevere(name: str, attempt: Callable[[float], Result], seconds: float) -> Result:
    """Call a function until it succeeds or its faults have lasted too long.

    Parameters
    ----------
    name : str
        What is tried, for the log.
    attempt : callable
        Takes the seconds that are left; raises `PassingFault` where it is worth another try. Any other exception ends
        the tries.
    seconds : float
        Time for all tries and waits. The first try is always made.

    Raises
    ------
    GaveUpError
        Where the next try would begin after that time.
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
