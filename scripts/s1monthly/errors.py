"""Errors of the library. Every message names the object (tile, month, granule, file, key) and the remedy."""

from __future__ import annotations

import errno

WINDOWS = "s1monthly does not run on Windows -> install WSL (wsl --install), and run it in there"


class S1MonthlyError(Exception):
    """Base class of every error that the library raises on purpose.

    Parameters
    ----------
    problem : str
        What is wrong, naming the object.
    remedy : str
        What the user can do about it.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem} -> {self.remedy}"


class ConfigError(S1MonthlyError):
    """An option that is unknown, malformed or contradicts another."""


class NameFormatError(S1MonthlyError):
    """A name (tile, month, burst, granule, file) that does not follow its format."""


class FileError(S1MonthlyError):
    """A file or folder that cannot be read or written."""

    @classmethod
    def of(cls, error: OSError, what: str = "a file") -> FileError:
        """Describe in one line what the operating system refused; `what` names the file if the error does not."""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "free some space or raise the quota, and run again"
        elif error.errno == errno.EROFS:
            remedy = "give a folder that can be written to"
        elif isinstance(error, PermissionError):
            remedy = "ask its owner (ls -l) for permission to read and write it"
        else:
            remedy = "fix that and run again"
        return cls(f"{error.filename or what}: {error.strerror or error}", remedy)


class SourceError(S1MonthlyError):
    """A source that cannot be searched or read, or a granule whose content does not match its name."""


class SourceGoneError(SourceError):
    """A granule folder that is missing or empty. Finished months do not need it."""


class CredentialsError(S1MonthlyError):
    """Credentials that are missing, expired or refused. No granule can be fetched, so work stops at once."""


class GridError(S1MonthlyError):
    """A grid that cannot be made, or a raster that does not lie on the expected grid."""


class CubeError(S1MonthlyError):
    """A cube that is missing, foreign, damaged, or made with another recipe."""


class ProductError(S1MonthlyError):
    """A record, COG, Item or catalog that is missing, damaged or out of step."""
