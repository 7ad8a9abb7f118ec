"""A log file for every job."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import TracebackType

from s1monthly.config import Logging
from s1monthly.errors import S1MonthlyError

LOGGER = logging.getLogger("s1monthly")


def start(path: str | None, options: Logging) -> logging.Logger:
    """Write this process's log to a file and return the logger.

    An error that ends the process is written there too: one line for an error of ours, a traceback for any other.

    Parameters
    ----------
    path : str or None
        Log file, written anew; standard error where None.
    options : Logging
        The configuration's section: least level written, and whether libraries have their say.
    """
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    handler: logging.Handler = logging.FileHandler(path, mode="w") if path else logging.StreamHandler()
    ours = logging.getLevelNamesMapping()[options.file_level]
    others = max(ours, logging.WARNING) if options.suppress_third_party else ours
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(handlers=[handler], level=others, force=True)
    LOGGER.setLevel(options.file_level)
    sys.excepthook = _log_exception
    return LOGGER


def _log_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, S1MonthlyError):
        LOGGER.critical("%s", error)
        print(f"{kind.__name__}: {error}", file=sys.stderr)
    else:
        LOGGER.critical("failed", exc_info=(kind, error, trace))
        sys.__excepthook__(kind, error, trace)
