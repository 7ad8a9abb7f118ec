"""A refused login, told to all jobs of a run: each further try brings the account nearer to being locked."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path

from s1monthly.errors import CredentialsError
from s1monthly.files import write_text

HOLDS = 1800.0
"""Seconds for which a refusal counts; the start of a run, which tries the login out, ends it before."""


class HeldRefusal:
    """The refusal that some job met, in a file of the work folder.

    Parameters
    ----------
    folder : str or Path
        That the jobs of a run share.
    """

    def __init__(self, folder: str | Path) -> None:
        self._path = Path(folder) / "login_refused.json"

    def check(self) -> None:
        """Raise the refusal that another try or job met.

        Raises
        ------
        CredentialsError
        """
        try:
            if time.time() - self._path.stat().st_mtime > HOLDS:
                return
            problem, remedy = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError):
            return
        raise CredentialsError(problem, remedy)

    def hold(self, refusal: CredentialsError) -> None:
        """Tell the others."""
        with suppress(OSError):  # they will find out by themselves
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_text(self._path, json.dumps([refusal.problem, refusal.remedy]) + "\n")

    def forget(self) -> None:
        """End it: the login was tried out again."""
        with suppress(OSError):  # it ends by itself
            self._path.unlink()
