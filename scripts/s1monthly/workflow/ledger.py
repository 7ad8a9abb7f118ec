"""What is known of a tile and direction before any work: what was asked of the source, and what is finished.

``search.json``, in the output tree, says what was asked, when, and how many granules each month has. It stays when the
work folder goes, and the granule lists with that.
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
    """What is known of one tile and direction, read from the files as they are now.

    Attributes
    ----------
    key : TileDirection
    layout : Layout
    question : mapping or None
        What is asked of the source: another question makes every earlier answer void. None where nothing ever was.
    asked_months : sequence of Month
        Months that the configuration asks for.
    from_earliest : bool
        True where the months begin with the earliest granule (time.full).
    recipe : mapping
    listings : mapping or None
        What the source's folder holds now, a digest a month: an answer to another listing is void. None: not looked at.
    refresh : bool
        Ask again whatever is known.
    settle_days : int or None
        Ask again about months that had ended less than so many days before they were last asked about. None: never.
    source_gone : bool
        The source has no granule at all, of no month: it is not asked, and what it answered before is kept.
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
        """Answers to this very question that still hold, for the months asked for."""
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
        """Months that are known to have granules."""
        return [] if self.source_gone else [month for month, answer in self.answers.items() if answer.granules]

    def kept(self, month: Month) -> bool:
        """True where record and cube hold a month that the source has no usable granule of any more.

        It cannot be made again, and stays as it is; its products can be read back from the cube.
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
        """Months whose products there should be: those with granules, and those that are kept."""
        return sorted({*self.with_granules, *self.kept_months})

    @property
    def needing_source(self) -> list[Month]:
        """Months of which nothing is known, or that must be made, where the source is gone."""
        answers = self.answers
        silent = {month for month, answer in answers.items() if not (answer.granules or answer.lost)}
        return [month for month in self.asked_months if month not in silent and not self.kept(month)]

    @property
    def unusable(self) -> list[Month]:
        """Months of which no granule can be used, though some should be."""
        return (
            []
            if self.source_gone
            else [month for month, answer in self.answers.items() if answer.lost and not answer.granules]
        )

    @property
    def without_granules(self) -> list[Month]:
        """Months that are known to have none; with `from_earliest`, those before the earliest granule do not count."""
        return no_data_months(self.answers)

    @property
    def no_data(self) -> list[Month]:
        """Every month that the account of the search shows without granules, asked for in this run or not."""
        return no_data_months(read_answers(self.path(self.layout.search))[1])

    @property
    def settling(self) -> list[Month]:
        """Months for which late granules were to be expected when last asked, or of which some granules are lost."""
        days = self.settle_days
        if days is None:
            return []
        return [month for month, answer in self.answers.items() if answer.lost or not answer.settled(month, days)]

    @cached_property
    def recipe_digest(self) -> str:
        """Digest of the recipe, as records carry it."""
        return digest(self.recipe)

    def made(self, month: Month) -> bool:
        """True where a record exists, in step or not."""
        return os.path.exists(self.path(self.layout.record, month))

    def is_older(self, patterns: Iterable[str], month: Month) -> bool:
        """True where a product of a month is older than its record: made from what the month was before."""
        made, *products = (file_state(self.path(pattern, month)) for pattern in (self.layout.record, *patterns))
        return made is not None and any(product is not None and product[0] < made[0] for product in products)

    def slot_lost(self, month: Month) -> bool:
        """True where the cube lacks a month, whatever its record says: the cube was deleted, or is being remade."""
        held = Slots.read(self.path(self.layout.cube))
        return held is None or held.recipe != self.recipe or held.status(month) != COMPLETE

    def in_step(self, month: Month) -> bool:
        """True where record and cube hold the month, made of just the granules now known, by just this recipe.

        A month that was made without some granules that could not be read is never in step: they are tried again.
        """
        answer, made = self.answers.get(month), read_made(self.path(self.layout.record, month))
        if answer is None or made is None:
            return False
        of_these = (made.granules_digest, made.recipe_digest, made.unread) == (answer.digest, self.recipe_digest, ())
        return of_these and not self.slot_lost(month)

    def is_empty(self, month: Month) -> bool:
        """True where the record says that no pixel of the month has a value."""
        made = read_made(self.path(self.layout.record, month))
        return made is not None and made.status == "empty"

    @property
    def out_of_step(self) -> list[Month]:
        """Months that were made, and must be made again."""
        return [month for month in self.with_granules if self.made(month) and not self.in_step(month)]

    def work_is_stale(self, month: Month) -> bool:
        """True where an earlier run left temporary files of other granules, or under another recipe."""
        try:
            account = json.loads(Path(self.path(self.layout.account, month)).read_text(encoding="utf-8"))
            held = account["granules_digest"], account["recipe_digest"]
            account["on_tile"], account["off_tile"]  # older versions left them out
        except FileNotFoundError:
            return False
        except (OSError, ValueError, KeyError, TypeError):
            return True
        answer = self.answers.get(month)
        return answer is not None and held != (answer.digest, self.recipe_digest)

    def late_list(self, month: Month) -> str | None:
        """Path of the month's granule list where it was rewritten after the record and names other granules."""
        granules, record = self.path(self.layout.granules, month), self.path(self.layout.record, month)
        try:
            later = os.stat(granules).st_mtime_ns > os.stat(record).st_mtime_ns
        except FileNotFoundError:
            return None
        return granules if later and not self.in_step(month) else None

    def to_ask(self) -> list[Month]:
        """Months to ask the source about: unknown and settling ones, and those whose list is gone though needed."""
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
        """Path of the stamp that the answer to what must be asked now leaves; None where nothing must be asked.

        Its name is the digest of the question, so an answered question is known without any other memory. A stamp that
        is there although its question is open again (the answer was deleted, or replaced by that to another question)
        is passed over: the next name counts.
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
        """Months with granules and without a record."""
        return [month for month in self.with_granules if not self.made(month)]
