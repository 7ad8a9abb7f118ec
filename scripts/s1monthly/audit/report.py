"""Problems found in an output tree, as text for a terminal and as JSON; and the progress of a check."""

from __future__ import annotations

import json
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

COLUMNS = 80
"""Width of the text. Commands are not wrapped, so that they can be copied."""

QUIET_SECONDS = 30.0
"""Seconds between two lines of progress that go to a file."""


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
        Shell commands that repair it, in order.
    """

    place: str
    problem: str
    commands: tuple[str, ...] = ()

    def lines(self, label: str = "") -> Iterator[str]:
        """Yield place, problem, then each command as lines of text."""
        yield f"{label}{self.place}"
        yield from wrap(f"  {self.problem}")
        for command in self.commands:
            yield f"  $ {command}"


@dataclass
class Report:
    """Result of the validation of an output tree.

    Attributes
    ----------
    months, tiles : int
        Months with a valid record, of all directions, and tiles with a folder.
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
        extent = f"{count_of(self.months, 'month')} of {count_of(self.tiles, 'tile')}"
        lines = []
        # repairs without a run of the workflow first: they need no granules
        for finding in sorted(self.problems, key=lambda finding: (_needs_run(finding), finding)):
            lines += [*finding.lines(), ""]
        for finding in _grouped(self.notes):
            lines += [*finding.lines("note: "), ""]
        if not self.problems:
            return "\n".join([*lines, f"valid: {extent}"])
        if len(self.problems) > 1:
            lines += ["Mend them in this order.", ""]
        if any(map(_needs_run, self.problems)):
            lines += ["(my.yaml: the configuration that made the tree)", ""]
        return "\n".join([*lines, f"NOT VALID: {count_of(len(self.problems), 'problem')} in {extent}"])


def _needs_run(finding: Finding) -> bool:
    return any(" -m snakemake " in command for command in finding.commands)


def _grouped(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the first of all findings with the same problem, with the number of the others."""
    groups: dict[str, list[Finding]] = {}
    for finding in sorted(findings):
        groups.setdefault(finding.problem, []).append(finding)
    for problem, (first, *others) in groups.items():
        yield Finding(f"{first.place}{f' and {len(others)} more' if others else ''}", problem, first.commands)


def count_of(number: int, noun: str) -> str:
    """Return number and noun: ``1 month``, ``2 months``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def first_of(texts: Iterable[str], most: int = 3) -> str:
    """Join the first few texts with semicolons and count the rest."""
    texts = list(texts)
    more = [f"and {len(texts) - most} more"] if len(texts) > most else []
    return "; ".join([*texts[:most], *more])


def wrap(line: str) -> list[str]:
    """Wrap a line between words; continuation lines are indented."""
    return textwrap.wrap(line, COLUMNS, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def shorten(line: str) -> str:
    """Shorten a line to the width of the text; dots mark the cut."""
    return line if len(line) <= COLUMNS else f"{line[: COLUMNS - 3].rstrip()}..."


class Progress:
    """Progress line on standard error: updated in place on a terminal, repeated at long intervals elsewhere."""

    def __init__(self, label: str, total: int) -> None:
        self._label, self._total, self._done = label, total, 0
        self._terminal = sys.stderr.isatty()
        self._pause = 0.2 if self._terminal else QUIET_SECONDS
        self._shown = time.monotonic()

    def step(self) -> None:
        """Count one more finished item."""
        self._done += 1
        now = time.monotonic()
        last = self._terminal and self._done == self._total
        if now - self._shown >= self._pause or last:
            self._shown = now
            line = f"{self._label}: {self._done} of {self._total}"
            sys.stderr.write(f"\r{line}" + "\n" * last if self._terminal else f"{line}\n")
            sys.stderr.flush()
