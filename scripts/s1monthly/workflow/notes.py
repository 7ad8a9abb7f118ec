"""Notes of finished months, for which Snakemake need not plan jobs.

Snakemake plans a job for every product of every month only to find that most need not run: a minute for ten years of a
hundred tiles. So a run notes the months whose products are all up to date, with time and size of their files. While
these and everything that decides the products are unchanged, no job could run for such a month. The notes lie in
Snakemake's own folder. If they are missing or damaged, Snakemake plans everything. A new param of a rule that changes
products must enter `wanted.settings_of_products` or `versions`: otherwise months that are noted stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from s1monthly.files import write_text
from s1monthly.records.recipe import digest

Files = list[list[int]]
"""Time of modification in ns, and size in bytes, of a month's record and products."""


@dataclass(frozen=True)
class Notes:
    """Notes of earlier runs.

    Attributes
    ----------
    path : path or None
        File of the notes; None: there are none.
    settings : object
        Everything that decides a month's products, except its granules; JSON-able. A change voids all notes.
    """

    path: str | Path | None = None
    settings: Any = None

    @cached_property
    def _notes(self) -> dict[str, Any]:
        try:
            notes = json.loads(Path(self.path).read_text(encoding="utf-8")) if self.path else {}
        except (OSError, ValueError):
            return {}
        return {of: note for of, note in notes.items() if _is_note(note)} if isinstance(notes, dict) else {}

    def files(self, record: str, granules: str) -> Files | None:
        """Return the files noted for a month; None if nothing is noted, or if it was noted under other conditions.

        Parameters
        ----------
        record : str
            Path of the month's record.
        granules : str
            Digest of the month's granules.
        """
        decided_by, *files = self._notes.get(record, [None])
        return files if decided_by == self._decided_by(granules) else None

    def write(self, months: Mapping[str, tuple[str, Files] | None]) -> None:
        """Note months by the path of their record; keep the notes of other months.

        Parameters
        ----------
        months : mapping
            Digest of the granules and files of each month; None for a month that is not finished.

        Raises
        ------
        OSError
            If the notes cannot be written; the older notes are then intact.
        """
        notes = {record: note for record, note in self._notes.items() if record not in months}
        for record, month in months.items():
            if month is not None:
                notes[record] = [self._decided_by(month[0]), *month[1]]
        if self.path and notes != self._notes:
            write_text(self.path, json.dumps(notes, separators=(",", ":")) + "\n")
            self._notes.clear()
            self._notes.update(notes)

    @cached_property
    def _settings(self) -> str:
        return digest(self.settings)

    def _decided_by(self, granules: str) -> str:
        return digest([self._settings, granules])


def _is_note(note: Any) -> bool:
    """Return True for a valid note: a digest, then time and size of each file."""
    if not (isinstance(note, list) and len(note) > 1 and isinstance(note[0], str)):
        return False
    return all(isinstance(each, list) and [type(number) for number in each] == [int, int] for each in note[1:])
