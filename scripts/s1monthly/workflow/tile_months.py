"""The months of a tile and direction: this decides whether a month is up to date.

Everything that must know asks here: the plan and its report, the rules, the inspection.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from s1monthly.cube.header import COMPLETE, Header, cached_header
from s1monthly.errors import CubeError, ProductError
from s1monthly.files import FileState, file_state
from s1monthly.layout import Layout
from s1monthly.model import Month, TileDirection
from s1monthly.records.recipe import difference, digest, polygon_digest
from s1monthly.records.reference import Reference, period_of, read_reference
from s1monthly.records.seal import RecordSummary, read_summary
from s1monthly.records.search_log import Answer, no_data_months, read_answers
from s1monthly.workflow.month_state import MonthState, Step, why_source_lost
from s1monthly.workflow.notes import Files, Notes
from s1monthly.workflow.tile_statics import TileStatics

ASK_AGAIN = "the source must be asked again: its granules or the question (kind, polarization, tracks, polygon) changed"
NEVER_ASKED = "not searched yet"
"""Why no answer of the source counts."""


@dataclass(eq=False)
class TileMonths:
    """The months of one tile and direction.

    A state is computed once. It stays, whatever jobs write, until the source's answers change or `forget` is called:
    what a run makes must not change its plan.

    Attributes
    ----------
    question : mapping or None
        Question to the source; answers to another question do not count. None if the source was never asked.
    months : sequence of Month
        Months of the configuration.
    from_earliest : bool
        True if the months start with the earliest granule (time.full).
    recipe : mapping
        Processing recipe, spelled as in the cube.
    products : sequence of str
        Products that are made from the cube; names as in `Layout`.
    listings : mapping or None
        Digest of what the source's folder holds of each month; answers to another listing do not count. None if the
        folder was not read.
    refresh : bool
        True to ask again about all months.
    settle_days : int or None
        Ask again about months that were last asked about less than this many days after their end. None: never.
    source_gone : bool
        True if the source has no granules at all. It is not asked, and its earlier answers stay.
    notes : Notes
        Months that earlier runs left finished.
    statics : TileStatics or None
        Static layers; None if none are made.
    """

    key: TileDirection
    layout: Layout
    question: Mapping[str, Any] | None
    months: Sequence[Month]
    from_earliest: bool
    recipe: Mapping[str, Any]
    products: Sequence[str] = ()
    listings: Mapping[Month, str] | None = None
    refresh: bool = False
    settle_days: int | None = None
    source_gone: bool = False
    notes: Notes = field(default_factory=Notes)
    statics: TileStatics | None = None
    _known: _Known | None = field(init=False, repr=False, default=None)

    def paths(self, month: Month | None = None) -> Layout:
        """Return the paths of the tile and direction, or of a month."""
        return self.layout.of(self.key, month)

    @cached_property
    def _search_log(self) -> str:
        return self.paths().search

    @cached_property
    def recipe_digest(self) -> str:
        """Digest of the recipe, as in records."""
        return digest(self.recipe)

    # what is known of the source

    @cached_property
    def period(self) -> tuple[Month, ...]:
        """Months of the reference period; empty unless the recipe despeckles by a reference (rabasar)."""
        return period_of(self.recipe)

    @property
    def reference(self) -> Reference | None:
        """Facts of the reference; None if it must be made, and with it all months."""
        return self._now.reference

    @property
    def reference_months(self) -> list[Month]:
        """Months of the reference period that have granules."""
        return [month for month in self.with_granules if month in self.period]

    @cached_property
    def polygon(self) -> str:
        """Digest of the polygon to which the run is limited; empty without one."""
        return polygon_digest(self.recipe)

    @property
    def answers(self) -> dict[Month, Answer]:
        """Answers of the source that count, for the configured months."""
        return self._now.answers

    @property
    def with_granules(self) -> list[Month]:
        """Months for which the source has granules."""
        return [] if self.source_gone else [month for month, answer in self.answers.items() if answer.granules]

    @property
    def no_data(self) -> list[Month]:
        """Months without granules in the search log, whether or not this run asks for them."""
        return no_data_months(read_answers(self._search_log)[1])

    @property
    def problems(self) -> tuple[str, ...]:
        """Why search log or cube cannot be read. Without them no answer counts, and the cube holds nothing."""
        return self._now.problems

    @property
    def _now(self) -> _Known:
        version = file_state(self._search_log)
        if self._known is None or self._known.version != version:
            self._known = self._look(version)
        return self._known

    def _look(self, version: FileState | None) -> _Known:
        known = _Known(version, catalog=file_state(self.paths().tile_catalog))
        try:
            question, answers = read_answers(self._search_log)
            known.searched = set(answers)
            if question == self.question:
                known.answers = {
                    month: answers[month]
                    for month in self.months
                    if month in answers and self._counts(answers[month], month)
                }
        except ProductError as error:
            known.problems += (str(error),)
        if self.period and os.path.exists(self.paths().reference):
            known.reference = read_reference(self.paths().reference_facts, self.recipe_digest)
        try:
            known.header = cached_header(self.paths().cube)
        except CubeError as error:
            known.problems += (str(error),)
        return known

    def _counts(self, answer: Answer, month: Month) -> bool:
        same_listing = self.listings is None or answer.listing == self.listings.get(month, "")
        same_range = self.from_earliest or bool(answer.granules) or not answer.from_earliest
        return same_listing and same_range and self._same_area(answer, month)

    def _same_area(self, answer: Answer, month: Month) -> bool:
        """Return whether an answer is about this run's polygon, or about the whole tile and the month is made of that.

        Earlier versions read all granules of a tile also where a polygon masks it; the values are the same.
        """
        if answer.polygon or not self.polygon:
            return answer.polygon == self.polygon
        record = read_summary(self.paths(month).record)
        return not (answer.granules or answer.lost) or (record is not None and record.granules_digest == answer.digest)

    # states

    def forget(self) -> None:
        """Compute all states anew when they are asked for next."""
        self._known = None
        if self.statics:
            self.statics.forget()

    @property
    def states(self) -> list[MonthState]:
        """States of all configured months."""
        return [self.state(month) for month in self.months]

    def state(self, month: Month) -> MonthState:
        """Return the state of a month."""
        known = self._now
        if month not in known.states:
            known.states[month] = self._judge(month, known)
        return known.states[month]

    def _judge(self, month: Month, known: _Known) -> MonthState:
        answer, paths = known.answers.get(month), self.paths(month)
        record, has_record = read_summary(paths.record), os.path.exists(paths.record)
        same_recipe = record is not None and record.recipe_digest == self.recipe_digest
        source_lost = self.source_gone or (answer is not None and not answer.granules)
        digests = (answer.digest, answer.tile_digest) if answer else ()
        same_granules = source_lost or (
            record is not None and record.unread == () and record.granules_digest in digests
        )
        in_cube, cube_reason = self._look_into_cube(month, known)
        if in_cube and self.period and record:
            cube_reason = _other_reference(record, known.reference)
            in_cube = not cube_reason
        bursts_of = _account_digests(paths.account)
        fitting_bursts = answer is not None and bursts_of == (answer.digest, self.recipe_digest)
        state = MonthState(
            month,
            Step.SEARCH,
            answer=answer,
            record=record,
            has_record=has_record,
            in_cube=in_cube,
            stale_bursts=bursts_of is not None and not fitting_bursts,
            source_lost=source_lost,
            unusable=not self.source_gone and answer is not None and bool(answer.lost) and not answer.granules,
            settling=self._settles(month, answer),
        )
        if same_recipe and same_granules and in_cube:
            if answer and record and record.granules_digest == answer.tile_digest:  # a month of `_same_area`
                state = replace(state, answer=replace(answer, digest=answer.tile_digest))
            return self._judge_products(state, known)
        reasons = tuple(filter(None, [*self._record_reasons(state), cube_reason])) if has_record else ()
        if source_lost:
            lost = (why_source_lost(answer),) if has_record else ()
            return replace(state, step=Step.NO_DATA, reasons=(*lost, *reasons))
        if answer is None:
            why = ASK_AGAIN if month in known.searched else NEVER_ASKED
            return replace(state, reasons=(why, *reasons) if has_record else ())
        return replace(state, step=Step.COMPOSE if fitting_bursts else Step.READ, reasons=reasons)

    def _settles(self, month: Month, answer: Answer | None) -> bool:
        if self.settle_days is None or answer is None:
            return False
        return bool(answer.lost) or not answer.settled(month, self.settle_days)

    def _look_into_cube(self, month: Month, known: _Known) -> tuple[bool, str]:
        """Return whether the cube holds a month in this recipe, and if not, why."""
        header = known.header
        if header is None:
            return False, "its cube is damaged" if known.problems else "its cube is gone"
        if header.recipe != self.recipe:
            return False, f"its cube has another recipe: {'; '.join(difference(header.recipe, self.recipe))}"
        complete = header.status(month) == COMPLETE
        return complete, "" if complete else "the cube does not hold it"

    def _record_reasons(self, state: MonthState) -> Iterator[str]:
        """Yield what in a record does not fit."""
        record, answer = state.record, state.answer
        if record is None:
            yield _why_unread(self.paths(state.month).record)
            return
        if answer and not state.source_lost:
            if record.granules_digest is None or record.unread is None:
                yield "its record was rebuilt, and does not name its granules"
            elif record.granules_digest not in (answer.digest, answer.tile_digest):
                yield "the source has other granules now"
            elif record.unread:
                yield "some of its granules could not be read"
        if record.recipe_digest != self.recipe_digest and state.in_cube:
            yield "its record has another recipe than its cube"

    def _judge_products(self, state: MonthState, known: _Known) -> MonthState:
        """Find out whether a month that is made has all its products."""
        files = self._files(state.month)
        lacking = tuple(name for name, file in files.items() if file is None)
        there = {name: file for name, file in files.items() if file is not None}
        noted = self.notes.files(self.paths(state.month).record, state.made_of)
        if noted is not None and len(noted) != len(files):
            noted = None
        older = any(file[0] < there["record"][0] for file in there.values()) if "record" in there else False
        outdated = older or (noted is not None and self._changed(state.month, files, noted))
        catalogued = known.catalog is None or all(file[0] <= known.catalog[0] for file in there.values())
        return replace(
            state,
            step=Step.PUBLISH if lacking or outdated else Step.COMPLETE,
            reasons=(why_source_lost(state.answer),) if state.source_lost else (),
            lacking=lacking,
            outdated=outdated,
            finished=catalogued and noted is not None and noted == _times_and_sizes(files),
        )

    def _files(self, month: Month) -> dict[str, FileState | None]:
        paths = self.paths(month)
        return {name: file_state(paths.product(name)) for name in ("record", *self.products)}

    def _changed(self, month: Month, files: Mapping[str, FileState | None], noted: Files) -> bool:
        """Return True if a product has another size than noted; an Item may have one, while it is JSON."""
        for (name, file), (_, size) in zip(files.items(), noted, strict=True):
            resized = file is not None and file[1] != size and name != "record"
            if resized and not (name == "item" and _is_json(self.paths(month).item)):
                return True
        return False

    def note(self, month: Month) -> tuple[str, Files] | None:
        """Return what to note of a month after a run; None if it is not finished.

        Its files must be in the order in which they are made: otherwise something has changed one of them.
        """
        state = self.state(month)
        files = _times_and_sizes(self._files(month))
        if not state.is_made or files is None:
            return None
        record, *pictures, item = (modified for modified, _ in files)
        in_order = all(record <= picture <= item for picture in pictures) and record <= item
        return (state.made_of, files) if in_order else None

    # questions to the source

    def to_ask(self) -> list[Month]:
        """Return the months to search: unknown, settling, or with a lost granule list that is needed."""
        if self.source_gone:
            return []
        if self.refresh:
            return list(self.months)
        return [state.month for state in self.states if self._must_ask(state)]

    def _must_ask(self, state: MonthState) -> bool:
        answer = state.answer
        if answer is None or state.settling:
            return True
        list_is_needed = state.to_make or state.unusable
        return list_is_needed and not os.path.exists(self.paths(state.month).granules)


def months_to_ask(tracks: Sequence[TileMonths]) -> list[Month]:
    """Return the months of a search: those that any of the tracks that share it needs."""
    return sorted({month for tile in tracks for month in tile.to_ask()})


def stamp_to_ask(tracks: Sequence[TileMonths]) -> str | None:
    """Return the path of the stamp that marks the open question as answered; None if there is no open question.

    The stamp's name is the digest of the question, so no other memory is needed to see that a question was answered. A
    stamp may exist although its question is open again, because the answer was deleted or replaced by one to another
    question. Such a stamp is skipped, and the next name is used.

    Parameters
    ----------
    tracks : sequence of TileMonths
        What shares a search: all tracks of a tile and direction that have cubes of their own, or the only cube.
    """
    months = months_to_ask(tracks)
    statics = [tile.statics for tile in tracks if tile.statics and tile.statics.must_ask and not tile.source_gone]
    if not months and not statics:
        return None
    first, listings = tracks[0], tracks[0].listings or {}
    earlier = {m: [tile.answers[m].asked if m in tile.answers else "" for tile in tracks] for m in months}
    asked = [[str(m), listings.get(m), *earlier[m]] for m in months]
    asked += [["static", statics[0].listing, ""]] if statics else []
    numbers = [tile.key.direction.track for tile in tracks if tile.key.direction.track]
    place = {"tile": first.key.tile, "direction": first.key.direction.pooled}
    questions = (digest([first.question, asked, turn, *numbers]) for turn in itertools.count())
    stamps = (first.layout.asked.format(**place, question=question) for question in questions)
    return next(stamp for stamp in stamps if not os.path.exists(stamp))


@dataclass
class _Known:
    """What was read of a tile and direction, and the states computed from it.

    Attributes
    ----------
    version : FileState or None
        State of the search log.
    catalog : FileState or None
        State of the tile's catalog.
    searched : set of Month
        Months in the search log, whether or not their answers count.
    """

    version: FileState | None
    catalog: FileState | None
    searched: set[Month] = field(default_factory=set)
    answers: dict[Month, Answer] = field(default_factory=dict)
    header: Header | None = None
    reference: Reference | None = None
    problems: tuple[str, ...] = ()
    states: dict[Month, MonthState] = field(default_factory=dict)


def _other_reference(record: RecordSummary, reference: Reference | None) -> str:
    """Return why a month does not fit the reference; empty if it was despeckled by it."""
    if reference is None:
        return "the reference of its period is gone, or of another recipe"
    return "" if record.reference_digest == reference.digest else "it was made with another reference"


def _account_digests(path: str) -> tuple[str, str] | None:
    """Return the digests of granules and recipe of the bursts in the work folder; None if there are none."""
    try:
        account = json.loads(Path(path).read_text(encoding="utf-8"))
        account["on_tile"], account["off_tile"]  # missing in files of older versions
        return account["granules_digest"], account["recipe_digest"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return "", ""


def _times_and_sizes(files: Mapping[str, FileState | None]) -> Files | None:
    """Return time and size of each file; None if one is missing."""
    found = [[file[0], file[1]] for file in files.values() if file is not None]
    return found if len(found) == len(files) else None


def _is_json(path: str) -> bool:
    try:
        json.loads(Path(path).read_bytes())
    except (OSError, ValueError):
        return False
    return True


def _why_unread(path: str) -> str:
    """Say why a record is not believed."""
    if not os.access(path, os.R_OK, effective_ids=True):
        return "its record may not be read"
    return "its record was altered" if _is_json(path) else "its record is damaged"
