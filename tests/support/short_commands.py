"""Commands as a report prints them, in short: without interpreter and absolute paths, which differ by machine."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from s1monthly.audit.repair_commands import ROOT


def short(command: str) -> str:
    """``snakemake ...``, ``python scripts/...``; paths from the working folder; what is moved out goes elsewhere."""
    command = command.replace(f"{sys.executable} -m snakemake --snakefile {ROOT}/Snakefile", "snakemake")
    command = command.replace(f"{sys.executable} {ROOT}/scripts/", "python scripts/")
    command = command.replace(f"{Path.cwd()}/", "")
    return re.sub(r"mkdir -p (\S+\.aside\S*) && mv (.+) \1/", r"mv \2 elsewhere/", command)


def in_short(commands: Iterable[str]) -> tuple[str, ...]:
    """All of them."""
    return tuple(map(short, commands))
