"""Problems found in an output tree and the commands that mend them, as text and as JSON."""

from __future__ import annotations

import json
import os
import shlex
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

COLUMNS = 80
"""Width of the text. Commands are not wrapped, so that they can be copied."""

QUIET_SECONDS = 30.0
"""Seconds between two lines of progress that go to a file."""

ROOT = Path(__file__).parents[3]
"""Folder of the workflow, with Snakefile and scripts."""


@dataclass(frozen=True, order=True)
class Finding:
    """A problem or a note.

    Attributes
    ----------
    place : str
        File or folder, as in the commands.
    problem : str
        What is wrong with it.
    commands : tuple of str
        Shell commands that mend it, in order.
    """

    place: str
    problem: str
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Commands:
    """Commands that mend an output tree. They work in any folder and with any PATH.

    Attributes
    ----------
    base_dir : Path
        Root of the tree, as the user gave it.
    work_dir : Path or None
        Folder of granule lists, if it is not ``work`` in the tree.
    """

    base_dir: Path
    work_dir: Path | None = None

    @property
    def run(self) -> str:
        """Run the workflow again with the configuration that made the tree."""
        snakefile = shlex.quote(str(ROOT / "Snakefile"))
        return f"{_PYTHON} -m snakemake --snakefile {snakefile} --cores 4 --configfile my.yaml"

    @property
    def rebuild(self) -> str:
        """Make catalogs, Collection and everything else that can be made from the tree."""
        lists = f" --work-dir {_absolute(self.work_dir)}" if self.work_dir else ""
        script = shlex.quote(str(ROOT / "scripts" / "catalog_rebuild.py"))
        return f"{_PYTHON} {script} --output-dir {_absolute(self.base_dir)}{lists}"

    def remove(self, *paths: Path) -> str:
        """Return the command that removes files."""
        return f"rm {' '.join(_absolute(path) for path in paths)}"

    def move(self, path: Path, target: Path) -> str:
        """Return the command that renames a file or folder."""
        return f"mv {_absolute(path)} {_absolute(target)}"

    def move_out(self, path: Path) -> str:
        """Return the command that moves something out of the tree.

        The target lies beside the tree and has the same relative path, so that two files of one name do not collide.
        """
        aside = Path(f"{os.path.abspath(self.base_dir)}.aside")
        folder = aside / Path(os.path.abspath(path)).relative_to(os.path.abspath(self.base_dir)).parent
        return f"mkdir -p {_absolute(folder)} && mv {_absolute(path)} {shlex.quote(f'{folder}/')}"

    def allow(self, path: Path) -> str:
        """Return the command that lets the owner read a file or folder."""
        return f"chmod -R u+rwX {_absolute(path)}"


def _absolute(path: Path) -> str:
    return shlex.quote(os.path.abspath(path))


_PYTHON = shlex.quote(sys.executable)


def unreadable(paths: Iterable[Path], mend: Commands) -> Iterator[Finding]:
    """Yield findings for files and folders that this user cannot read, with their owner."""
    for path in paths:
        problem = "may not be read: what depends on it was not looked at, and its rows in the catalogs are kept"
        with suppress(OSError, KeyError):
            if path.stat().st_uid != os.geteuid():
                problem += f". It belongs to {path.owner()}, who must run the command"
        yield Finding(str(path), problem, (mend.allow(path),))


def misnamed(renamed: Mapping[Path, Path], mend: Commands) -> Iterator[Finding]:
    """Yield findings for folders with the wrong name; `renamed` maps each folder to its right name."""
    for path, name in renamed.items():
        problem = f"holds {name.name}: the catalogs show older rows of its months until it has that name"
        if renamed.get(name) == path:
            if path < name:
                aside = path.with_name(f"{path.name}.aside")
                steps = ((path, aside), (name, path), (aside, name))
                commands = (*(mend.move(*step) for step in steps), mend.rebuild)
                yield Finding(str(path), f"{problem}; and the other way round", commands)
        elif name.exists():
            yield Finding(str(path), f"{problem}; there is one already", (mend.move_out(path),))
        else:
            yield Finding(str(path), problem, (mend.move(path, name), mend.rebuild))


@dataclass
class Report:
    """Result of the check of an output tree.

    Attributes
    ----------
    months, tiles : int
        Finished months of all directions, and tiles with a folder.
    problems, notes : list of Finding
        Problems, and other things worth knowing.
    """

    base_dir: str
    months: int = 0
    tiles: int = 0
    problems: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)

    def to_json(self) -> str:
        """Return everything as a JSON object; ``valid`` is true if nothing is wrong."""
        content: dict[str, Any] = {"valid": not self.problems, **asdict(self)}
        return json.dumps(content, indent=1)

    def to_text(self) -> str:
        """Return all findings with their commands as text; only a summary line if nothing is wrong."""
        extent = f"{counted(self.months, 'month')} of {counted(self.tiles, 'tile')}"
        lines = []
        run = Commands(Path()).run
        # repairs without a download first: a month whose record is rebuilt needs no granules
        for finding in sorted(self.problems, key=lambda finding: (run in finding.commands, finding)):
            lines += [*told(finding), ""]
        for finding in _alike(self.notes):
            lines += [*told(finding, "note: "), ""]
        if not self.problems:
            return "\n".join([*lines, f"valid: {extent}"])
        if len(self.problems) > 1:
            lines += ["Mend them in this order.", ""]
        if any(run in finding.commands for finding in self.problems):
            lines += ["(my.yaml: the configuration that made the tree)", ""]
        return "\n".join([*lines, f"NOT VALID: {counted(len(self.problems), 'problem')} in {extent}"])


def _alike(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the first of all findings with the same problem, with the number of the others."""
    groups: dict[str, list[Finding]] = {}
    for finding in sorted(findings):
        groups.setdefault(finding.problem, []).append(finding)
    for problem, (first, *others) in groups.items():
        yield Finding(f"{first.place}{f' and {len(others)} more' if others else ''}", problem, first.commands)


def counted(number: int, thing: str) -> str:
    """Return number and noun: ``1 month``, ``2 months``."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def some(things: Iterable[str], most: int = 3) -> str:
    """Join the first few with semicolons and count the rest."""
    things = list(things)
    more = [f"and {len(things) - most} more"] if len(things) > most else []
    return "; ".join([*things[:most], *more])


def wrapped(line: str) -> list[str]:
    """Wrap a line between words; continuation lines are indented."""
    return textwrap.wrap(line, COLUMNS, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def fitted(line: str) -> str:
    """Shorten a line to the width of the text; dots mark the cut."""
    return line if len(line) <= COLUMNS else f"{line[: COLUMNS - 3].rstrip()}..."


def told(finding: Finding, label: str = "") -> Iterator[str]:
    """Yield the lines of a finding: place, problem, then each command."""
    yield f"{label}{finding.place}"
    yield from wrapped(f"  {finding.problem}")
    for command in finding.commands:
        yield f"  $ {command}"


class Progress:
    """Progress line on standard error: updated in place on a terminal, repeated at long intervals elsewhere."""

    def __init__(self, doing: str, total: int) -> None:
        self._doing, self._total, self._done = doing, total, 0
        self._terminal = sys.stderr.isatty()
        self._pause = 0.2 if self._terminal else QUIET_SECONDS
        self._told = time.monotonic()

    def step(self) -> None:
        """Count one more finished item."""
        self._done += 1
        now = time.monotonic()
        last = self._terminal and self._done == self._total
        if now - self._told >= self._pause or last:
            self._told = now
            line = f"{self._doing}: {self._done} of {self._total}"
            sys.stderr.write(f"\r{line}" + "\n" * last if self._terminal else f"{line}\n")
            sys.stderr.flush()
