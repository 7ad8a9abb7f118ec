"""Command line of a rule's script: settings of the run, log, threads, and named values.

Snakemake's `script:` is not used: it makes every job load a part of Snakemake, and Snakemake itself load a notebook
reader, 0.1 s each. You can also run a job yourself: `snakemake -n -p --quiet host` prints its command. Run it in the
folder of the run, while no run works on the tile: Snakemake holds the tile's lock, not the job.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Collection, Sequence

from s1monthly.workflow import logs
from s1monthly.workflow.environment import forget_foreign_settings
from s1monthly.workflow.job_settings import JobSettings


def command(*values: str) -> str:
    """Return the shell command of a rule, with placeholders for Snakemake.

    Parameters
    ----------
    values : str
        Snakemake names, such as ``input.bursts``, which becomes the option ``--bursts``. The start of the command, the
        script and ``--settings``, is ``params.start``.
    """
    options = [f"--{value.rpartition('.')[2].replace('_', '-')}={{{value}:q}}" for value in values]
    return " ".join(["{params.start} --log={log:q} --threads={threads}", *options])


def read_arguments(
    purpose: str | None, argv: Sequence[str] | None, *names: str, optional: Collection[str] = ()
) -> tuple[argparse.Namespace, logging.Logger]:
    """Parse a script's arguments and start its log.

    Parameters
    ----------
    purpose : str
        The script's docstring.
    argv : sequence of str or None
        Arguments; None for those of the process.
    names : str
        Required values.
    optional : collection of str
        Optional values; None if not given.

    Returns
    -------
    job : argparse.Namespace
        The values as str; ``settings``, a JobSettings; ``threads``, an int.
    log : logging.Logger

    Raises
    ------
    SystemExit
        If an argument is missing or unknown.
    ConfigError
        If the settings cannot be read; the error is logged.
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
    """Run a script as a program, without the GDAL and PROJ settings of other software."""
    forget_foreign_settings()
    main()
