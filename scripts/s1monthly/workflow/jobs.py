"""What a rule tells its script on the command line: the settings of the run, a log, threads, and values by name.

Not by Snakemake's `script:`, for which every job loads a part of Snakemake, and Snakemake itself a reader of notebooks:
0.1 s each. And a job can be run by hand: `snakemake -n -p --quiet host` shows its command. It needs the folder of the
run, and that no run works on the tile: it is Snakemake that holds the tile.
"""

from __future__ import annotations

import argparse
import gc
import logging
from collections.abc import Callable, Collection, Sequence

from s1monthly.workflow import logs
from s1monthly.workflow.environment import forget_foreign_settings
from s1monthly.workflow.job_settings import JobSettings


def command(*values: str) -> str:
    """Shell command of a rule, for Snakemake to fill in.

    Parameters
    ----------
    values : str
        Names that Snakemake knows, such as ``input.bursts``: the script is told that value as ``--bursts``. What the
        command begins with, the script and ``--settings``, is ``params.start``.
    """
    told = [f"--{value.rpartition('.')[2].replace('_', '-')}={{{value}:q}}" for value in values]
    return " ".join(["{params.start} --log={log:q} --threads={threads}", *told])


def told(
    purpose: str | None, argv: Sequence[str] | None, *names: str, optional: Collection[str] = ()
) -> tuple[argparse.Namespace, logging.Logger]:
    """Read what a script was told, and begin its log.

    Parameters
    ----------
    purpose : str
        The script's docstring.
    argv : sequence of str or None
        Arguments; those of the process where None.
    names : str
        Values that it must be given.
    optional : collection of str
        Values that may be left out; they are None then.

    Returns
    -------
    job : argparse.Namespace
        The values as str; ``settings``, a JobSettings; ``threads``, an int.
    log : logging.Logger

    Raises
    ------
    SystemExit
        If something is missing or unknown.
    ConfigError
        If the settings cannot be read; it stands in the log.
    """
    parser = argparse.ArgumentParser(description=purpose, allow_abbrev=False)
    add = parser.add_argument
    add("--settings", required=True, help="file that Snakemake wrote, of all jobs of a run")
    add("--log", required=True, help="file")
    add("--threads", type=int, default=1, help="default: 1")
    for name in (*names, *optional):
        add(f"--{name.replace('_', '-')}", required=name in names)
    job = parser.parse_args(argv)
    logs.start(job.log)
    job.settings = JobSettings.read(job.settings)
    return job, logs.start(job.log, **job.settings.logging)


def run(main: Callable[[], None]) -> None:
    """Run a script as a program, without what others set for GDAL and PROJ.

    What is loaded by then stays: not to look through it for garbage saves 0.03 s.
    """
    forget_foreign_settings()
    gc.freeze()
    main()
