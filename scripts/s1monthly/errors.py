"""Errors: one base class; every message names the object (tile, month, granule, file, key) and the remedy."""


class S1MonthlyError(Exception):
    """Base of every error that the product raises on purpose.

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


class SourceError(S1MonthlyError):
    """A source that cannot be searched or read, or a granule that is not what its name says."""


class CredentialsError(S1MonthlyError):
    """Credentials that are missing, expired or refused: no granule can be had, so nothing is tried any further."""


class GridError(S1MonthlyError):
    """A grid that cannot be made, or a raster that does not lie on the expected one."""


class CubeError(S1MonthlyError):
    """A cube that is missing, foreign, damaged, or made with another recipe."""


class ProductError(S1MonthlyError):
    """A record, COG, Item or catalog that is missing, damaged or out of step."""
