"""Log files of jobs."""

from __future__ import annotations

import atexit
import logging
import resource
import sys
import time
from pathlib import Path
from types import TracebackType

from s1monthly.errors import FileError, S1MonthlyError

LOGGER = logging.getLogger("s1monthly")


def start(path: str | None, file_level: str = "INFO", suppress_third_party: bool = True) -> logging.Logger:
    """Write this process's log to a file and return the logger.

    An error that ends the process is logged, too: one line for our own errors and file errors, a traceback for all
    others. One-line errors go only to the log, since the run shows the errors of failed jobs. The last line of a
    successful job lists the resources it used. Messages with ``extra={"on_console": True}`` go to standard error, too:
    what a user should know while the job runs.

    Parameters
    ----------
    path : str or None
        Log file, overwritten; None for standard error.
    file_level : str
        Name of the lowest level that is logged.
    suppress_third_party : bool
        True to log libraries only from WARNING up.
    """
    sys.excepthook = _log_exception
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    handler: logging.Handler = _LogFile(path, mode="w") if path else logging.StreamHandler()
    ours = logging.getLevelNamesMapping()[file_level]
    others = max(ours, logging.WARNING) if suppress_third_party else ours
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    console = logging.StreamHandler()
    console.addFilter(lambda record: bool(path) and getattr(record, "on_console", False))
    console.setFormatter(logging.Formatter("  %(message)s"))
    logging.basicConfig(handlers=[handler, console], level=others, force=True)
    LOGGER.setLevel(file_level)
    atexit.unregister(_log_use)
    atexit.register(_log_use, time.monotonic())
    return LOGGER


class _LogFile(logging.FileHandler):
    """A log file; errors that cannot be written, because the disk is full, go to standard error."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, the name is the library's
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)
        elif record.levelno >= logging.ERROR:
            sys.stderr.write(f"{self.format(record)}\n")


def _log_use(began: float) -> None:
    """Log the seconds since the log started, the CPU seconds of the process, and its peak memory."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime
    LOGGER.info("used %.2f s, %.2f CPU s, %.0f MiB at most", time.monotonic() - began, cpu, _peak_mib(used.ru_maxrss))


def _peak_mib(of_rusage: int) -> float:
    """Return the peak memory of this program. On Linux, `getrusage` includes the parent's memory until `exec`."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return of_rusage / (2**20 if sys.platform == "darwin" else 1024)


def _log_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    atexit.unregister(_log_use)  # the error remains the last line
    if isinstance(error, S1MonthlyError):
        LOGGER.critical("%s", error)
    elif isinstance(error, OSError) and error.errno is not None:
        LOGGER.debug("where it failed", exc_info=(kind, error, trace))
        LOGGER.critical("%s", FileError.of(error))
    else:
        LOGGER.critical("failed", exc_info=(kind, error, trace))
        sys.__excepthook__(kind, error, trace)
