"""Fetch public files into a folder, without a login: each is there whole or not at all."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from s1monthly.errors import FileError, SourceError
from s1monthly.files import locked, replacing
from s1monthly.sources.retries import FinalFault, GaveUpError, PassingFault, retry
from s1monthly.sources.transfer import PASSING, Clock, Session, get, is_tiff, without_query

LOGGER = logging.getLogger("s1monthly")

MOST_BYTES = 1 << 29
"""More than any of these files has."""

ProblemOf = Callable[[bytes], str]
"""Returns what is wrong with a content; empty if nothing is."""


def ask(url: str, seconds: float, problem_of: ProblemOf) -> bytes:
    """Return the content at an address; try again while a fault may pass.

    Parameters
    ----------
    url : str
        Address, of HTTPS.
    seconds : float
        Time limit for all tries.
    problem_of : callable
        Judges the content.

    Raises
    ------
    SourceError
        If there is no such file, another content comes, or the time is up.
    """

    def attempt(left: float) -> bytes:
        with Session() as session:
            answer = get(session, url, Clock(left), MOST_BYTES)
        if answer.status in PASSING or answer.status >= 500:
            raise PassingFault(f"HTTP {answer.status}", answer.wait)
        if answer.status != 200:
            raise FinalFault(f"HTTP {answer.status}", "check that grd.hosts names the right host")
        problem = problem_of(answer.body)
        if problem:
            remedy = "where a proxy or a portal stands before the network, log in there first; else run again later"
            raise FinalFault(problem, remedy)
        return answer.body

    name = without_query(url)
    try:
        return retry(name, attempt, seconds)
    except GaveUpError as error:
        raise SourceError(
            f"{name}: {error.reason}",
            "run again later; memory.scene_retry_timeout_seconds gives it more time",
        ) from None
    except FinalFault as fault:
        raise SourceError(f"{name}: {fault.reason}", fault.remedy) from None


def fetch(url: str, path: str | os.PathLike[str], seconds: float, problem_of: ProblemOf) -> None:
    """Fetch a file, unless it is there. Of several processes that want it, one fetches and the others wait.

    Parameters
    ----------
    url, seconds, problem_of
        As for `ask`.
    path : path
        Where it is to be.

    Raises
    ------
    SourceError
        As for `ask`.
    FileError
        If it cannot be written.
    """
    path = Path(path)
    if path.exists():
        return
    try:
        with locked(path.with_name(f".{path.name}.lock")):
            if path.exists():
                return
            begun = time.monotonic()
            content = ask(url, seconds, problem_of)
            with replacing(path) as temporary:
                temporary.write_bytes(content)
            LOGGER.info("%s: %.1f MB in %.1f s", path, len(content) / 1e6, time.monotonic() - begun)
    except OSError as error:
        raise FileError.of(error, str(path)) from error


def tiff_problem(content: bytes) -> str:
    """Return what is wrong with a TIFF, as far as its beginning says."""
    return "" if is_tiff(content) else "something else than a TIFF came"
