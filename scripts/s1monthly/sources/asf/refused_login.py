"""A refused login that all jobs of a run know about: each further try could get the account locked."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path

from s1monthly.errors import CredentialsError
from s1monthly.files import write_text

VALID_SECONDS = 1800.0
"""Seconds for which a refusal counts. The start of a run, which tests the login, ends it earlier."""


class RefusedLogin:
    """A refused login, saved in a file of a folder that the jobs of a run share."""

    def __init__(self, folder: str | Path) -> None:
        self._path = Path(folder) / "login_refused.json"

    def check(self) -> None:
        """Raise the refusal that an earlier try or another job met.

        Raises
        ------
        CredentialsError
            If a refusal is saved.
        """
        try:
            if time.time() - self._path.stat().st_mtime > VALID_SECONDS:
                return
            problem, remedy = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError):
            return
        raise CredentialsError(problem, remedy)

    def save(self, refusal: CredentialsError) -> None:
        """Save the refusal for the other jobs."""
        with suppress(OSError):  # the other jobs then meet the refusal themselves
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_text(self._path, json.dumps([refusal.problem, refusal.remedy]) + "\n")

    def forget(self) -> None:
        """Remove the refusal, because the login was tested again."""
        with suppress(OSError):  # it expires anyway
            self._path.unlink()
