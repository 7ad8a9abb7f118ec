"""Shell commands that repair an output tree. They can be pasted in any folder and with any PATH."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from s1monthly.audit.report import Finding
from s1monthly.workflow.environment import workflow_folder

ROOT = workflow_folder()
"""Folder of the workflow, with Snakefile and scripts."""

_PYTHON = shlex.quote(sys.executable)

RUN = f"{_PYTHON} -m snakemake --snakefile {shlex.quote(str(ROOT / 'Snakefile'))} --cores 4 --configfile my.yaml"
"""Run the workflow again with the configuration that made the tree."""


@dataclass(frozen=True)
class RepairCommands:
    """Commands for one output tree.

    Attributes
    ----------
    base_dir : Path
        Root of the tree, as the user gave it.
    """

    base_dir: Path

    @property
    def rebuild(self) -> str:
        """Return the command that makes everything that can be made from the tree itself."""
        script = shlex.quote(str(ROOT / "scripts" / "catalog_rebuild.py"))
        return f"{_PYTHON} {script} --output-dir {_absolute(self.base_dir)}"

    def remove(self, path: Path) -> str:
        """Return the command that removes a file."""
        return f"rm {_absolute(path)}"

    def move(self, path: Path, target: Path) -> str:
        """Return the command that renames a file or folder."""
        return f"mv {_absolute(path)} {_absolute(target)}"

    def move_out(self, path: Path) -> str:
        """Return the command that moves something to ``<tree>.aside/``, where it keeps its relative path."""
        aside = Path(f"{os.path.abspath(self.base_dir)}.aside")
        folder = aside / Path(os.path.abspath(path)).relative_to(os.path.abspath(self.base_dir)).parent
        return f"mkdir -p {_absolute(folder)} && mv {_absolute(path)} {shlex.quote(f'{folder}/')}"

    def allow(self, path: Path) -> str:
        """Return the command that lets the owner read and write a file or folder."""
        return f"chmod -R u+rwX {_absolute(path)}"


def _absolute(path: Path) -> str:
    return shlex.quote(os.path.abspath(path))


def unreadable(paths: Iterable[Path], repair: RepairCommands) -> Iterator[Finding]:
    """Yield findings for files and folders that this user cannot read, with their owner."""
    for path in paths:
        problem = "may not be read: what depends on it was not looked at, and its rows in the catalogs are kept"
        with suppress(OSError, KeyError):
            if path.stat().st_uid != os.geteuid():
                problem += f". It belongs to {path.owner()}, who must run the command"
        yield Finding(str(path), problem, (repair.allow(path),))


def misnamed(folders: Mapping[Path, Path], repair: RepairCommands) -> Iterator[Finding]:
    """Yield findings for folders with the wrong name; `folders` maps each of them to its right name."""
    for path, name in folders.items():
        problem = f"holds {name.name}: the catalogs show older rows of its months until it has that name"
        if name.exists():
            yield Finding(str(path), f"{problem}; there is one already", (repair.move_out(path),))
        else:
            yield Finding(str(path), problem, (repair.move(path, name), repair.rebuild))
