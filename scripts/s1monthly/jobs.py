"""What a rule tells its script on the command line: the settings of the run, a log, threads, and values by name.

Not by Snakemake's `script:`, for which every job loads a part of Snakemake, and Snakemake itself a reader of notebooks:
0.1 s each. And a job can be run again by hand: `snakemake -p --quiet host` shows its command.
"""

from __future__ import annotations

import argparse
import gc
import shlex
from collections.abc import Collection, Sequence

from s1monthly.job_settings import JobSettings


def command(start: Sequence[str], *values: str) -> str:
    """Shell command of a rule, for Snakemake to fill in.

    Parameters
    ----------
    start : sequence of str
        Words that it begins with, as they are.
    values : str
        Names that Snakemake knows, such as ``input.bursts``: the script is told that value as ``--bursts``.
    """
    begun = shlex.join(start).replace("{", "{{").replace("}", "}}")
    options = [f"--{value.rpartition('.')[2].replace('_', '-')} {{{value}:q}}" for value in values]
    return " ".join([begun, "--log {log:q} --threads {threads}", *options])


def told(
    purpose: str | None,
    argv: Sequence[str] | None,
    *names: str,
    lists: Collection[str] = (),
    optional: Collection[str] = (),
) -> argparse.Namespace:
    """Read what a script was told.

    Parameters
    ----------
    purpose : str
        The script's docstring.
    argv : sequence of str or None
        Arguments; those of the process where None.
    names : str
        Values that it must be given.
    lists : collection of str
        Those of them that may be several, or none.
    optional : collection of str
        Values that may be left out; they are None then.

    Returns
    -------
    argparse.Namespace
        The values as str or list of str; ``settings``, a JobSettings; ``log``, a path; ``threads``, an int.

    Raises
    ------
    SystemExit
        If something is missing or unknown.
    """
    gc.freeze()  # what is loaded stays: not to look through it for garbage, at the end least of all, saves 0.03 s
    parser = argparse.ArgumentParser(description=purpose, allow_abbrev=False)
    add = parser.add_argument
    add("--settings", type=JobSettings.read, required=True, help="file that Snakemake wrote, of all jobs of a run")
    add("--log", required=True, help="file")
    add("--threads", type=int, default=1, help="default: 1")
    for name in (*names, *optional):
        several = {"nargs": "*"} if name in lists else {}
        add(f"--{name.replace('_', '-')}", required=name in names, **several)
    return parser.parse_args(argv)
