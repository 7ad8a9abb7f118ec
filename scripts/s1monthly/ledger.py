"""What is known of a tile and direction before any work: what was asked of the source, and what is finished.

``search.json``, in the output tree, says what was asked, when, and how many granules each month has. It stays when the
work folder goes, and the granule lists with that.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from s1monthly.errors import NameFormatError, ProductError
from s1monthly.files import write_text
from s1monthly.granule_list import GranuleList
from s1monthly.naming import Layout
from s1monthly.recipe import digest
from s1monthly.slots import COMPLETE, Slots
from s1monthly.vocabulary import Month, TileDirection, passes_of

SEAL = "seal"
"""Key of a record: the digest of all else in it."""


@dataclass(frozen=True)
class Answer:
    """What the source answered for one month.

    Attributes
    ----------
    asked : str
        When, ISO 8601, UTC.
    granules, passes, set_aside : int
        How many are used, in how many passes, and how many were set aside.
    size : int
        Bytes of the layers; -1 where the source does not know.
    digest : str
        `GranuleList.digest`.
    listing : str
        Digest of what the source's folder held of the month; empty for a source without a folder.
    from_earliest : bool
        True where it was asked only to find the earliest granule and what follows (time.full).
    lost : tuple of str
        Ids of granules that should be used and cannot.
    reasons : mapping of str to int
        Why granules were set aside -> how many; empty where an older version asked.
    """

    asked: str
    granules: int
    passes: int
    set_aside: int
    size: int
    digest: str
    listing: str
    from_earliest: bool
    lost: tuple[str, ...]
    reasons: Mapping[str, int] = field(default_factory=dict)

    def settled(self, month: Month, days: int) -> bool:
        """Whether it was given so many days after the month's end, when late granules are no longer expected."""
        return datetime.fromisoformat(self.asked) >= month.end + timedelta(days=days)

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> Answer:
        """Read an entry of ``search.json``.

        Raises
        ------
        ValueError, TypeError
            If a value is missing, or not what this software writes there.
        """
        entry = {"reasons": {}, **entry}
        for name, belongs in _ENTRY.items():
            if not belongs(entry[name]):
                raise ValueError(f"{name}: {entry[name]!r}")
        return cls(**{**entry, "lost": tuple(entry["lost"])})

    @classmethod
    def of(cls, found: GranuleList, asked: datetime, listing: str, from_earliest: bool = False) -> Answer:
        """Sum up a granule list."""
        sizes = [layer.size for granule in found.granules for layer in granule.layers]
        return cls(
            asked=f"{asked.astimezone(UTC):{_MOMENT}}",
            granules=len(found.granules),
            passes=len(passes_of(found.granules)),
            set_aside=len(found.set_aside),
            size=-1 if any(size < 0 for size in sizes) else sum(sizes),
            digest=found.digest,
            listing=listing,
            from_earliest=from_earliest,
            lost=tuple(left_out.granule_id for left_out in found.set_aside if left_out.lost),
            reasons=dict(Counter(_ONE_GRANULE.sub(_any_granule, one.reason) for one in found.set_aside)),
        )


_ONE_GRANULE = re.compile(r"OPERA_L2_RTC-S1_[^\s;,]+?(?:_([A-Z]+\.tif))?(?=[\s;,]|$)")


def _any_granule(name: re.Match[str]) -> str:
    """Replace the name of a granule or of its file, so that equal reasons are counted together."""
    return f"its {name[1]}" if name[1] else "another granule"


def set_aside_of(answers: Iterable[Answer]) -> str:
    """Say how many granules were set aside, and why; empty where none were."""
    answers = list(answers)
    number = sum(answer.set_aside for answer in answers)
    reasons = sum((Counter(answer.reasons) for answer in answers), Counter[str]())
    if not number:
        return ""
    told = "; ".join(f"{reason} ({count})" if len(reasons) > 1 else reason for reason, count in reasons.most_common())
    return f"{number} set aside" + (f": {told}" if told else "")


def _is_moment(value: Any) -> bool:
    return isinstance(value, str) and f"{datetime.strptime(value, _MOMENT):{_MOMENT}}" == value


def _is_number(least: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and value >= least


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_MOMENT = "%Y-%m-%dT%H:%M:%SZ"

_ENTRY: dict[str, Callable[[Any], bool]] = {
    "asked": _is_moment,
    "granules": _is_number(0),
    "passes": _is_number(0),
    "set_aside": _is_number(0),
    "size": _is_number(-1),
    "digest": _is_text,
    "listing": _is_text,
    "from_earliest": lambda value: isinstance(value, bool),
    "lost": lambda value: isinstance(value, list) and all(map(_is_text, value)),
    "reasons": lambda value: isinstance(value, dict) and all(map(_is_number(1), value.values())),
}
"""What the values of an entry of ``search.json`` can be."""


def no_data_months(answers: Mapping[Month, Answer]) -> list[Month]:
    """Months without granules, in order; those looked at to find the earliest granule, and before it, do not count."""
    first = min((month for month, answer in answers.items() if answer.granules), default=None)
    return sorted(
        month
        for month, answer in answers.items()
        if not answer.granules and not (answer.from_earliest and (first is None or month < first))
    )


Signature = tuple[int, int, int]


def _signature(path: str | Path) -> Signature | None:
    """What tells two states of a file apart; None where there is none."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


@lru_cache(maxsize=4096)
def _load(path: str, _signature: Signature) -> tuple[Any, dict[Month, Answer]]:
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        months = {Month.parse(m): Answer.read(entry) for m, entry in content["months"].items()}
        return content["question"], months
    except OSError as error:
        remedy = "make it a file that you may read (chmod u+r), or delete it: the next run asks again"
        raise ProductError(f"{path}: account of the search cannot be read ({error})", remedy) from error
    except (ValueError, KeyError, TypeError, AttributeError, NameFormatError) as error:
        remedy = "delete it; the next run asks again"
        raise ProductError(f"{path}: account of the search is damaged ({error})", remedy) from error


def seal(content: Mapping[str, Any]) -> dict[str, Any]:
    """Add to a record's content the digest of all else in it, which tells a record that was altered by hand."""
    return {**content, SEAL: digest(dict(content))}


def seal_is_whole(content: Mapping[str, Any]) -> bool:
    """True where a record's content is as it was when it was sealed."""
    return content.get(SEAL) == digest({key: value for key, value in content.items() if key != SEAL})


@dataclass(frozen=True)
class Made:
    """What a record says that decides whether its month is up to date; see the attributes of `records.Record`."""

    granules_digest: str | None
    recipe_digest: str
    unread: tuple[str, ...] | None
    digest: str
    status: str


@lru_cache(maxsize=65536)
def _made(path: str, _signature: Signature) -> Made | None:
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        if not seal_is_whole(record):
            return None
        unread = None if record["unread"] is None else tuple(record["unread"])
        known = record["granules_digest"], record["recipe_digest"], unread
        return Made(*known, record.get("digest", ""), record.get("status", ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def read_made(path: str | Path) -> Made | None:
    """Read from a record what decides whether its month is up to date.

    Returns
    -------
    Made or None
        None where there is no record, or it is damaged, or was altered since it was written.
    """
    signature = _signature(path)
    return None if signature is None else _made(str(path), signature)


def read_answers(path: str | Path) -> tuple[Any, dict[Month, Answer]]:
    """Read ``search.json``: the question, and the answer of each month; nothing where there is no such file.

    Raises
    ------
    ProductError
        If the file is damaged, or may not be read.
    """
    signature = _signature(path)
    if signature is None:
        return None, {}
    question, months = _load(str(path), signature)
    return question, dict(months)


def write_answers(path: str | Path, question: Any, answers: Mapping[Month, Answer]) -> None:
    """Write ``search.json``; months that were answered to the same question before are kept."""
    held_question, held = read_answers(path)
    months = {**(held if held_question == question else {}), **answers}
    content = {"schema": 1, "question": question, "months": {str(m): asdict(months[m]) for m in sorted(months)}}
    write_text(path, json.dumps(content, indent=1, sort_keys=True) + "\n")


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
    _known: dict[Signature | None, dict[Month, Answer]] = field(default_factory=dict, repr=False, compare=False)

    def path(self, pattern: str, month: Month | None = None) -> str:
        """Fill a pattern of the layout."""
        return pattern.format(tile=self.key.tile, direction=self.key.direction, month=month)

    @property
    def answers(self) -> dict[Month, Answer]:
        """Answers to this very question that still hold, for the months asked for."""
        path = self.path(self.layout.search)
        signature = _signature(path)
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
        made, *products = (_signature(self.path(pattern, month)) for pattern in (self.layout.record, *patterns))
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
