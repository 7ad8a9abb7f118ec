"""Run the real Snakefile in a temporary directory, and say which jobs ran.

The workflow profile beside the Snakefile (profiles/default) applies by itself, as it does for a user.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CONFIG_FILE = "config.yaml"

_BLOCK = re.compile(r"^(?:local)?(?:rule|checkpoint) (?P<rule>\w+):\n(?P<lines>(?: {4}.*\n)+)", re.MULTILINE)
_JOBID = re.compile(r"^ {4}jobid: (\d+)$", re.MULTILINE)
_WILDCARDS = re.compile(r"^ {4}wildcards: (.+)$", re.MULTILINE)
_FINISHED = re.compile(r"^Finished jobid: (\d+) ", re.MULTILINE)
_FAILED = re.compile(r"^Error in (?:rule|checkpoint) (\w+):$", re.MULTILINE)


@dataclass(frozen=True)
class Job:
    """One job: its rule, and its wildcards by name (``tile``, ``direction``, ``month`` ...)."""

    rule: str
    wildcards: dict[str, str]


@dataclass(frozen=True)
class Run:
    """What a call of snakemake did.

    Attributes
    ----------
    returncode : int
        0 for success.
    output : str
        Everything printed, standard output and standard error as they came.
    """

    returncode: int
    output: str

    @cached_property
    def done(self) -> list[Job]:
        """Jobs that finished, in that order; in a dry run those that are planned. Rule ``all`` is no job."""
        told = {}
        for block in _BLOCK.finditer(self.output):
            named = _WILDCARDS.search(block["lines"])
            wildcards = dict(pair.split("=", 1) for pair in named[1].split(", ")) if named else {}
            told[_JOBID.search(block["lines"])[1]] = Job(block["rule"], wildcards)
        ids = list(told) if "This was a dry-run" in self.output else _FINISHED.findall(self.output)
        return [told[jobid] for jobid in ids if told[jobid].rule != "all"]

    @cached_property
    def jobs(self) -> Counter[str]:
        """How many jobs of every rule finished (or are planned, in a dry run); empty where there was nothing to do."""
        return Counter(job.rule for job in self.done)

    @cached_property
    def failed(self) -> Counter[str]:
        """How often a job of every rule failed, retries included."""
        return Counter(_FAILED.findall(self.output))

    def months(self, rule: str) -> list[str]:
        """Months whose job of a rule finished (or is planned), in order."""
        return sorted(job.wildcards["month"] for job in self.done if job.rule == rule)


def snakemake_command(folder: Path, config: Mapping[str, Any], *args: str, cores: int = 2) -> list[str]:
    """Write a configuration into a folder and return the command that runs it; to be started with ``cwd=folder``.

    Parameters
    ----------
    folder : Path
        Relative paths of the configuration, `logs/` and `.snakemake/` lie here.
    config : mapping
        Written as YAML to `config.yaml`; give absolute paths to data outside the folder.
    *args : str
        More arguments of snakemake, such as ``-n``.
    cores : int
        Snakemake's ``--cores``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_FILE).write_text(yaml.safe_dump(dict(config), sort_keys=False))
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--cores", str(cores)]
    command += ["--quiet", "host"]  # the profile's own leaves out what `Run` reads
    return [*command, *args, "--configfile", CONFIG_FILE]  # it would take targets behind it for more files


def run_snakemake(
    folder: Path,
    config: Mapping[str, Any],
    *args: str,
    cores: int = 2,
    check: bool = True,
    timeout: float = 240,
    environment: Mapping[str, str] | None = None,
) -> Run:
    """Run the workflow in a folder and wait for it.

    Parameters
    ----------
    folder, config, *args, cores
        As for `snakemake_command`.
    check : bool
        Fail, with what was printed, where snakemake fails; False where the failure is what is tested.
    timeout : float
        Seconds after which it is killed.
    environment : mapping, optional
        All environment variables; this process's where not given.
    """
    ended = subprocess.run(
        snakemake_command(folder, config, *args, cores=cores),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        env=environment,
        check=False,
    )
    run = Run(ended.returncode, ended.stdout)
    assert not check or run.returncode == 0, f"snakemake ended with {run.returncode}:\n{run.output}"
    return run
