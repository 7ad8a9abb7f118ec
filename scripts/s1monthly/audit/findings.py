"""What is found wrong in an output tree, and the commands that mend it; as text for people and as JSON."""

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
"""Width of the text; commands are not broken, so that they can be copied."""

QUIET_SECONDS = 30.0
"""Seconds between two lines of progress where they go to a file."""

ROOT = Path(__file__).parents[3]
"""Of the workflow: where Snakefile and scripts lie."""


@dataclass(frozen=True, order=True)
class Finding:
    """Something that is wrong, or worth a note.

    Attributes
    ----------
    place : str
        The file or folder, as a path that the commands use too.
    problem : str
        What is wrong with it.
    commands : tuple of str
        What mends it: shell commands, in order.
    """

    place: str
    problem: str
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Commands:
    """The commands that mend an output tree; each can be pasted in any folder, whatever is on the path.

    Attributes
    ----------
    base_dir : Path
        Root of the tree, as the user gave it.
    work_dir : Path or None
        Folder of granule lists, where it is not ``work`` in the tree.
    """

    base_dir: Path
    work_dir: Path | None = None

    @property
    def run(self) -> str:
        """Run the workflow again, with the configuration that made the tree."""
        snakefile = shlex.quote(str(ROOT / "Snakefile"))
        return f"{_PYTHON} -m snakemake --snakefile {snakefile} --cores 4 --configfile my.yaml"

    @property
    def rebuild(self) -> str:
        """Make catalogs, Collection and whatever else can be made from what lies in the tree."""
        lists = f" --work-dir {_absolute(self.work_dir)}" if self.work_dir else ""
        script = shlex.quote(str(ROOT / "scripts" / "catalog_rebuild.py"))
        return f"{_PYTHON} {script} --output-dir {_absolute(self.base_dir)}{lists}"

    def remove(self, *paths: Path) -> str:
        """Remove files."""
        return f"rm {' '.join(_absolute(path) for path in paths)}"

    def move(self, path: Path, target: Path) -> str:
        """Give a file or folder another name."""
        return f"mv {_absolute(path)} {_absolute(target)}"

    def move_out(self, path: Path) -> str:
        """Move something out of the tree, beside it, to the place that it had in it: two of a name do not meet."""
        aside = Path(f"{os.path.abspath(self.base_dir)}.aside")
        folder = aside / Path(os.path.abspath(path)).relative_to(os.path.abspath(self.base_dir)).parent
        return f"mkdir -p {_absolute(folder)} && mv {_absolute(path)} {shlex.quote(f'{folder}/')}"

    def allow(self, path: Path) -> str:
        """Let the owner of a file or folder read it."""
        return f"chmod -R u+rwX {_absolute(path)}"


def _absolute(path: Path) -> str:
    return shlex.quote(os.path.abspath(path))


_PYTHON = shlex.quote(sys.executable)


def unreadable(paths: Iterable[Path], mend: Commands) -> Iterator[Finding]:
    """Tell of files and folders that this user may not read, and whose they are."""
    for path in paths:
        problem = "may not be read: what depends on it was not looked at, and its rows in the catalogs are kept"
        with suppress(OSError, KeyError):
            if path.stat().st_uid != os.geteuid():
                problem += f". It belongs to {path.owner()}, who must run the command"
        yield Finding(str(path), problem, (mend.allow(path),))


def misnamed(renamed: Mapping[Path, Path], mend: Commands) -> Iterator[Finding]:
    """Tell of folders that hold what belongs into one of another name: folder -> the name that it should have."""
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
    """What was found in an output tree.

    Attributes
    ----------
    base_dir : str
    months, tiles : int
        Months that were made, of all directions; tiles that have a folder.
    problems, notes : list of Finding
        What is wrong; and what is not, but worth knowing.
    """

    base_dir: str
    months: int = 0
    tiles: int = 0
    problems: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)

    def to_json(self) -> str:
        """Everything, as a JSON object; ``valid`` is true where nothing is wrong."""
        content: dict[str, Any] = {"valid": not self.problems, **asdict(self)}
        return json.dumps(content, indent=1)

    def to_text(self) -> str:
        """One line where nothing is wrong; else every finding with the commands that mend it."""
        extent = f"{counted(self.months, 'month')} of {counted(self.tiles, 'tile')}"
        lines = []
        run = Commands(Path()).run
        # what mends without a download goes first: a record that is rebuilt need not be made of granules again
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
    """Of those that tell the same the first, with the number of the others."""
    groups: dict[str, list[Finding]] = {}
    for finding in sorted(findings):
        groups.setdefault(finding.problem, []).append(finding)
    for problem, (first, *others) in groups.items():
        yield Finding(f"{first.place}{f' and {len(others)} more' if others else ''}", problem, first.commands)


def counted(number: int, thing: str) -> str:
    """Number and noun: ``1 month``, ``2 months``."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def some(things: Iterable[str], most: int = 3) -> str:
    """Join the first few with semicolons, and say how many more there are."""
    things = list(things)
    more = [f"and {len(things) - most} more"] if len(things) > most else []
    return "; ".join([*things[:most], *more])


def wrapped(line: str) -> list[str]:
    """Break a line between words; what follows is indented."""
    return textwrap.wrap(line, COLUMNS, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def fitted(line: str) -> str:
    """Cut a line to the width of the text, with dots where something is left out."""
    return line if len(line) <= COLUMNS else f"{line[: COLUMNS - 3].rstrip()}..."


def told(finding: Finding, label: str = "") -> Iterator[str]:
    """Lines of a finding: the place, the problem, a command a line."""
    yield f"{label}{finding.place}"
    yield from wrapped(f"  {finding.problem}")
    for command in finding.commands:
        yield f"  $ {command}"


class Progress:
    """A line on standard error that says how far the work is: rewritten on a terminal, seldom repeated elsewhere."""

    def __init__(self, doing: str, total: int) -> None:
        self._doing, self._total, self._done = doing, total, 0
        self._terminal = sys.stderr.isatty()
        self._pause = 0.2 if self._terminal else QUIET_SECONDS
        self._told = time.monotonic()

    def step(self) -> None:
        """One more is done."""
        self._done += 1
        now = time.monotonic()
        last = self._terminal and self._done == self._total
        if now - self._told >= self._pause or last:
            self._told = now
            line = f"{self._doing}: {self._done} of {self._total}"
            sys.stderr.write(f"\r{line}" + "\n" * last if self._terminal else f"{line}\n")
            sys.stderr.flush()
