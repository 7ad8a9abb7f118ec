"""Finished months: Snakemake does not need to plan their jobs again.

Snakemake plans a job for every product of every month only to find that most need not run: a minute for ten years of a
hundred tiles. So a run notes the months whose products are all up to date, with the state of their files. While these
and everything that rules pass to jobs are unchanged, no job could run for such a month. The notes are in Snakemake's
own folder. If they are missing, damaged or void, Snakemake plans everything.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from s1monthly.files import write_text
from s1monthly.model import Month
from s1monthly.records.recipe import digest
from s1monthly.workflow.ledger import Ledger
from s1monthly.workflow.plan import Plan


class FinishedMonths:
    """Notes of earlier runs, compared with the current files.

    Parameters
    ----------
    plan : Plan
        The months of the run and the paths of their files.
    path : path
        File of the notes.
    passed : object
        Everything that rules pass to their jobs, except wildcards and granules; JSON-able. A change voids all notes.
    """

    def __init__(self, plan: Plan, path: str | Path, passed: Any) -> None:
        self._plan, self._path, self._passed = plan, Path(path), digest(passed)

    @cached_property
    def _notes(self) -> dict[str, Any]:
        """Record path of a month -> its note."""
        try:
            notes = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {of: note for of, note in notes.items() if _is_note(note)} if isinstance(notes, dict) else {}

    @cached_property
    def _unchanged(self) -> dict[tuple[str, Month], str]:
        """Digest of the granules of each unchanged month, by tile folder and month.

        Computed once, before jobs run: months that this run makes stay in its plan.
        """
        found = {}
        for book in self._plan.ledgers:
            catalogued = _modified(book.path(book.layout.tile_catalog))
            for month in book.to_publish:
                held = self._notes.get(book.path(book.layout.record, month))
                if held is not None and held == self._note(book, month):
                    newest = max(modified for modified, _ in held[1:])
                    if catalogued is None or newest <= catalogued:
                        found[str(book.key), month] = _made_of(book, month)
        return found

    def months(self, book: Ledger) -> set[Month]:
        """Return the months of a tile and direction whose jobs need no planning."""
        tile = str(book.key)
        return {month for month in book.to_publish if self._unchanged.get((tile, month)) == _made_of(book, month)}

    def note(self, months: Iterable[tuple[str, str, str]]) -> None:
        """Note months, by tile, direction and month, whose products are all up to date; keep the notes of other months.

        A month is not noted if it lacks a product, or does not match its granules, recipe or cube; nor if its files are
        not in the order in which they are made, since something has changed one of them.

        Raises
        ------
        OSError
            If the notes cannot be written; the older notes are then intact.
        """
        notes = dict(self._notes)
        for tile, direction, name in months:
            book, month = self._plan.ledger(tile, direction), Month.parse(name)
            record = book.path(book.layout.record, month)
            made = self._note(book, month)
            if made is None:
                notes.pop(record, None)
            else:
                notes[record] = made
        if notes != self._notes:
            write_text(self._path, json.dumps(notes, separators=(",", ":")) + "\n")

    def _note(self, book: Ledger, month: Month) -> list[Any] | None:
        """Return the digest that decides the products, then time and size of each; None for an unfinished month."""
        if not (book.in_step(month) or book.kept(month)):
            return None
        files = []
        for pattern in self._plan.month_products:
            try:
                status = os.stat(book.path(pattern, month))
            except FileNotFoundError:
                return None
            files.append([status.st_mtime_ns, status.st_size])
        record, *pictures, item = (modified for modified, _ in files)
        in_order = all(record <= picture <= item for picture in pictures) and record <= item
        return [self._decided_by(_made_of(book, month)), *files] if in_order else None

    def _decided_by(self, granules_digest: str) -> str:
        return digest([self._passed, granules_digest])

    def altered(self, book: Ledger, month: Month) -> bool:
        """Return True if an existing COG or preview has another size than noted, or an existing Item is not JSON."""
        note = self._notes.get(book.path(book.layout.record, month))
        if note is None or note[0] != self._decided_by(_made_of(book, month)):
            return False
        if len(note) != 1 + len(self._plan.month_products):
            return False
        pictures = zip(self._plan.month_products[1:-1], note[2:-1], strict=True)
        if any(_size(book.path(pattern, month)) not in (None, size) for pattern, (_, size) in pictures):
            return True
        item = book.path(self._plan.month_products[-1], month)  # `catalog_rebuild` may have written another valid Item
        return _size(item) not in (None, note[-1][1]) and not _is_json(item)


def _made_of(book: Ledger, month: Month) -> str:
    """Return the digest of a month's granules; "kept" for a month that stays as it is, whatever its granules were."""
    answer = book.answers.get(month)
    return answer.digest if answer and answer.granules and not book.source_gone else "kept"


def _is_note(note: Any) -> bool:
    """Return True for a valid note: a digest, then time and size of each file."""
    if not (isinstance(note, list) and len(note) > 1 and isinstance(note[0], str)):
        return False
    return all(isinstance(each, list) and [type(number) for number in each] == [int, int] for each in note[1:])


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return None


def _is_json(path: str) -> bool:
    try:
        json.loads(Path(path).read_bytes())
    except (OSError, ValueError):
        return False
    return True


def _modified(path: str) -> int | None:
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError:
        return None
