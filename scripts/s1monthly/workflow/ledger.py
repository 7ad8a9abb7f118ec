"""State of a tile and direction before a run: what the source was asked, and which months are finished.

``search.json`` in the output tree contains the questions, their time, and the number of granules of each month. It
remains when the work folder and its granule lists are deleted.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from s1monthly.cube.status import COMPLETE, Slots
from s1monthly.files import FileState, file_state
from s1monthly.layout import Layout
from s1monthly.model import Month, TileDirection
from s1monthly.records.recipe import digest
from s1monthly.records.seal import read_made
from s1monthly.records.search_log import Answer, no_data_months, read_answers


@dataclass(frozen=True)
class Ledger:
    """State of one tile and direction, read from the current files.

    Attributes
    ----------
    question : mapping or None
        Question to the source; answers to another question are void. None if the source was never asked.
    asked_months : sequence of Month
        Months of the configuration.
    from_earliest : bool
        True if the months start with the earliest granule (time.full).
    recipe : mapping
        Processing recipe of the cube.
    listings : mapping or None
        Digest of the current content of the source's folder for each month; answers to another listing are void. None
        if the folder was not read.
    refresh : bool
        True to ask again about all months.
    settle_days : int or None
        Ask again about months that were last asked about less than this many days after their end. None: never.
    source_gone : bool
        True if the source has no granules at all. It is not asked, and its earlier answers are kept.
    """

    key: TileDirection
    layout: Layout
    question: Mapping[str, Any] | None
    asked_months: Sequence[Month]
    from_earliest: bool
    recipe: Mapping[str, Any]
    listings: Mapping[Month, str] | None = None
    refresh: bool = False
    settle_days: int | None = None
    source_gone: bool = False
    _known: dict[FileState | None, dict[Month, Answer]] = field(default_factory=dict, repr=False, compare=False)

    def path(self, pattern: str, month: Month | None = None) -> str:
        """Fill a pattern of the layout."""
        return pattern.format(tile=self.key.tile, direction=self.key.direction, month=month)

    @property
    def answers(self) -> dict[Month, Answer]:
        """Valid answers to the current question, for the configured months."""
        path = self.path(self.layout.search)
        signature = file_state(path)
        if signature not in self._known:
            question, answers = read_answers(path)
            self._known.clear()
            self._known[signature] = {
                month: answers[month]
                for month in self.asked_months
                if question == self.question and month in answers and self._holds(answers[month], month)
            }
        return self._known[signature]

    def _holds(self, answer: Answer, month: Month) -> bool:
        same_listing = self.listings is None or answer.listing == self.listings.get(month, "")
        return same_listing and (self.from_earliest or bool(answer.granules) or not answer.from_earliest)

    @property
    def with_granules(self) -> list[Month]:
        """Months with granules."""
        return [] if self.source_gone else [month for month, answer in self.answers.items() if answer.granules]

    def kept(self, month: Month) -> bool:
        """Return True if record and cube hold a month for which the source no longer has a usable granule.

        The month cannot be made again and stays as it is; its products can be read back from the cube.
        """
        answer = self.answers.get(month)
        if not self.source_gone and (answer is None or answer.granules):
            return False
        made = read_made(self.path(self.layout.record, month))
        return made is not None and made.recipe_digest == self.recipe_digest and not self.slot_lost(month)

    @property
    def kept_months(self) -> list[Month]:
        """Months that stay as they are, see `kept`."""
        return [month for month in self.asked_months if self.kept(month)]

    @property
    def to_publish(self) -> list[Month]:
        """Months that should have products: those with granules, and those that are kept."""
        return sorted({*self.with_granules, *self.kept_months})

    @property
    def needing_source(self) -> list[Month]:
        """Months that cannot be completed without the source: unknown months, and months still to make."""
        answers = self.answers
        silent = {month for month, answer in answers.items() if not (answer.granules or answer.lost)}
        return [month for month in self.asked_months if month not in silent and not self.kept(month)]

    @property
    def unusable(self) -> list[Month]:
        """Months that should have granules, but none is usable."""
        return (
            []
            if self.source_gone
            else [month for month, answer in self.answers.items() if answer.lost and not answer.granules]
        )

    @property
    def without_granules(self) -> list[Month]:
        """Months known to have no granules; with `from_earliest`, without those before the earliest granule."""
        return no_data_months(self.answers)

    @property
    def no_data(self) -> list[Month]:
        """Months without granules in the search log, whether or not this run asks for them."""
        return no_data_months(read_answers(self.path(self.layout.search))[1])

    @property
    def settling(self) -> list[Month]:
        """Months that could still get late granules when they were last searched, or that lost some granules."""
        days = self.settle_days
        if days is None:
            return []
        return [month for month, answer in self.answers.items() if answer.lost or not answer.settled(month, days)]

    @cached_property
    def recipe_digest(self) -> str:
        """Digest of the recipe, as in records."""
        return digest(self.recipe)

    def made(self, month: Month) -> bool:
        """Return True if a record exists, in step or not."""
        return os.path.exists(self.path(self.layout.record, month))

    def made_otherwise(self, month: Month) -> bool:
        """Tell whether the record says that the month was made with another recipe."""
        made = read_made(self.path(self.layout.record, month))
        return made is not None and made.recipe_digest != self.recipe_digest

    def is_older(self, patterns: Iterable[str], month: Month) -> bool:
        """Return True if a product is older than its month's record: it was made from an earlier state of the month."""
        made, *products = (file_state(self.path(pattern, month)) for pattern in (self.layout.record, *patterns))
        return made is not None and any(product is not None and product[0] < made[0] for product in products)

    def slot_lost(self, month: Month) -> bool:
        """Return True if the cube lacks a month, whatever its record says: the cube was deleted, or is being remade."""
        held = Slots.read(self.path(self.layout.cube))
        return held is None or held.recipe != self.recipe or held.status(month) != COMPLETE

    def in_step(self, month: Month) -> bool:
        """Return True if record and cube hold the month, made with the current granules and recipe.

        A month made without some unreadable granules is never in step: the next run tries to read them again.
        """
        answer, made = self.answers.get(month), read_made(self.path(self.layout.record, month))
        if answer is None or made is None:
            return False
        of_these = (made.granules_digest, made.recipe_digest, made.unread) == (answer.digest, self.recipe_digest, ())
        return of_these and not self.slot_lost(month)

    def is_empty(self, month: Month) -> bool:
        """Return True if, according to the record, no pixel of the month has a value."""
        made = read_made(self.path(self.layout.record, month))
        return made is not None and made.status == "empty"

    @property
    def out_of_step(self) -> list[Month]:
        """Months that were made and must be made again."""
        return [month for month in self.with_granules if self.made(month) and not self.in_step(month)]

    def work_is_stale(self, month: Month) -> bool:
        """Return True if an earlier run left temporary files of other granules or another recipe."""
        try:
            account = json.loads(Path(self.path(self.layout.account, month)).read_text(encoding="utf-8"))
            held = account["granules_digest"], account["recipe_digest"]
            account["on_tile"], account["off_tile"]  # missing in files of older versions
        except FileNotFoundError:
            return False
        except (OSError, ValueError, KeyError, TypeError):
            return True
        answer = self.answers.get(month)
        return answer is not None and held != (answer.digest, self.recipe_digest)

    def late_list(self, month: Month) -> str | None:
        """Return the path of the month's granule list if it is newer than the record and lists other granules."""
        granules, record = self.path(self.layout.granules, month), self.path(self.layout.record, month)
        try:
            later = os.stat(granules).st_mtime_ns > os.stat(record).st_mtime_ns
        except FileNotFoundError:
            return None
        return granules if later and not self.in_step(month) else None

    def to_ask(self) -> list[Month]:
        """Return the months to search: unknown, settling, or with a lost granule list that is needed."""
        answers, settling = self.answers, set(self.settling)
        if self.source_gone:
            return []
        if self.refresh:
            return list(self.asked_months)
        return [
            month
            for month in self.asked_months
            if month not in answers
            or month in settling
            or (
                (answers[month].granules or answers[month].lost)
                and not os.path.exists(self.path(self.layout.granules, month))
                and not self.in_step(month)
            )
        ]

    def asked_stamp(self) -> str | None:
        """Return the path of the stamp that marks the open question as answered; None if there is no open question.

        The stamp's name is the digest of the question, so no other memory is needed to see that a question was
        answered. A stamp may exist although its question is open again, because the answer was deleted or replaced by
        one to another question. Such a stamp is skipped, and the next name is used.
        """
        months = self.to_ask()
        if not months:
            return None
        answers = self.answers
        asked = [[str(m), (self.listings or {}).get(m), answers[m].asked if m in answers else ""] for m in months]
        questions = (digest([self.question, asked, turn]) for turn in itertools.count())
        place = {"tile": self.key.tile, "direction": self.key.direction}
        stamps = (self.layout.asked.format(**place, question=question) for question in questions)
        return next(stamp for stamp in stamps if not os.path.exists(stamp))

    def missing(self) -> list[Month]:
        """Return the months with granules and without a record."""
        return [month for month in self.with_granules if not self.made(month)]
