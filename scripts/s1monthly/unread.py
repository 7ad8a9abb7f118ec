"""All granules of a month, read side by side; those that could not be read are told, and only so many are allowed."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from s1monthly.errors import SourceError
from s1monthly.files import write_text
from s1monthly.vocabulary import CompositeKey, Granule

LOGGER = logging.getLogger("s1monthly")


def read_all(
    key: CompositeKey, granules: Sequence[Granule], read: Callable[[Granule], str], workers: int, most: float
) -> dict[str, str]:
    """Read every granule of a month, some at a time, and log each with its number.

    Parameters
    ----------
    key : CompositeKey
    granules : sequence of Granule
    read : callable
        Does all that is to be done with a granule, and says in a few words what came of it.
    workers : int
        How many are read at a time.
    most : float
        Fraction of them that may be unreadable (``memory.max_failed_ratio``).

    Returns
    -------
    dict of str to str
        Granule id -> why it could not be read.

    Raises
    ------
    SourceError
        If more are unreadable than allowed, or all, naming each and the reason; all others have been tried by then.
    """
    reasons: dict[str, str] = {}
    with ThreadPoolExecutor(workers) as pool:
        work = {pool.submit(read, granule): granule.id for granule in granules}
        for number, done in enumerate(as_completed(work), start=1):
            try:
                LOGGER.info("%d/%d %s: %s", number, len(work), work[done], done.result())
            except SourceError as error:
                LOGGER.error("%d/%d %s", number, len(work), error)
                reasons[work[done]] = error.problem
    if reasons and (len(reasons) == len(granules) or len(reasons) / len(granules) > most):
        told = "".join(f"\n  - {reason}" for _, reason in sorted(reasons.items()))
        raise SourceError(
            f"{key}: {len(reasons)} of {len(granules)} granules cannot be read:{told}",
            "mend or remove these files and run again; or allow some to be missing by memory.max_failed_ratio",
        )
    return reasons


def write_unread(path: str | Path, reasons: Mapping[str, str]) -> None:
    """Write the reasons, for the record."""
    write_text(path, json.dumps(dict(reasons), indent=1, sort_keys=True) + "\n")


def read_unread(path: str | Path) -> dict[str, str]:
    """Read what `write_unread` wrote: granule id -> reason."""
    reasons: dict[str, str] = json.loads(Path(path).read_text(encoding="utf-8"))
    return reasons
