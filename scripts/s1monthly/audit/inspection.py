"""Find out which months an output tree holds, and why others are missing."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from s1monthly.catalog.table import Row, read_catalog
from s1monthly.config.root import Config
from s1monthly.cube.status import COMPLETE, Slots
from s1monthly.errors import CubeError, ProductError, SourceError
from s1monthly.layout import MONTH_PATTERN, Layout, parse_folder
from s1monthly.model import Direction, Month, Tile, TileDirection
from s1monthly.records.granule_list import read_granule_list
from s1monthly.records.month import EMPTY, read_record
from s1monthly.records.recipe import as_held, difference, digest, recipe
from s1monthly.records.seal import seal_is_whole
from s1monthly.records.search_log import Answer, no_data_months, read_answers, set_aside_of
from s1monthly.workflow.failures import month_failure, search_failure
from s1monthly.workflow.ledger import Ledger
from s1monthly.workflow.plan import listings_of, question_of


class Kind(StrEnum):
    """State of a month."""

    PRESENT = "present"
    NOT_MADE = "not made"
    FAILED = "failed"
    NOT_CATALOGUED = "not catalogued"
    NO_DATA = "no source data"
    UNUSABLE = "no usable granule"
    NOT_SEARCHED = "not searched yet"


MISSING = (Kind.NOT_MADE, Kind.FAILED, Kind.NOT_CATALOGUED, Kind.UNUSABLE)
"""States of a month that is expected and not there."""

EXPECTED = (Kind.PRESENT, *MISSING, Kind.NOT_SEARCHED)
"""States of a month that counts as expected. A month not searched yet may have no data; it counts, as in S1-GRiTS."""

OUT_OF_STEP = "out of step, the next run makes it again: "
"""Start of a remark."""


@dataclass(frozen=True)
class MonthState:
    """State of a month of a tile and direction.

    Attributes
    ----------
    reason : str
        Why it is not present; empty if it is.
    remarks : tuple of str
        Further facts about a finished month: what it does not match, and which of its files are missing.
    missing_granules : mapping of str to str
        Granules that it lacks or would lack: id -> why they cannot be used, as far as known.
    """

    month: Month
    kind: Kind
    reason: str = ""
    remarks: tuple[str, ...] = ()
    missing_granules: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TileState:
    """States of all months of a tile and direction.

    Attributes
    ----------
    months : tuple of MonthState
        In order.
    troubles : tuple of str
        Files that cannot be read, and why the last search failed.
    """

    key: TileDirection
    months: tuple[MonthState, ...]
    troubles: tuple[str, ...] = ()

    def of(self, *kinds: Kind) -> list[MonthState]:
        """Return the months of the given kinds."""
        return [state for state in self.months if state.kind in kinds]

    @property
    def present(self) -> int:
        """Number of months that are finished and in the catalog."""
        return len(self.of(Kind.PRESENT))

    @property
    def expected(self) -> list[Month]:
        """Months that are or should be present: those with granules, and those not searched yet."""
        return [state.month for state in self.of(*EXPECTED)]

    def to_json(self) -> dict[str, Any]:
        """Return everything as a JSON object."""
        expected = self.expected
        return {
            "tile": str(self.key.tile),
            "direction": str(self.key.direction),
            "present": self.present,
            "expected": len(expected),
            "missing": len(expected) - self.present,
            "first": str(expected[0]) if expected else None,
            "last": str(expected[-1]) if expected else None,
            "months": [
                {
                    "month": str(state.month),
                    "state": str(state.kind),
                    "reason": state.reason or None,
                    "remarks": list(state.remarks),
                    "missing_granules": dict(state.missing_granules),
                }
                for state in self.months
            ],
            "troubles": list(self.troubles),
        }


def tiles_there(
    layout: Layout, tile: str | None = None, directions: Collection[Direction] = tuple(Direction)
) -> list[TileDirection]:
    """Return the tiles and directions with a folder in the output tree, in order.

    Raises
    ------
    ProductError
        If there is none (of that tile and those directions).
    """
    base = Path(layout.base_dir)
    names = sorted(path.name for path in base.iterdir() if path.is_dir()) if base.is_dir() else []
    there = [TileDirection(Tile(parsed[0]), Direction(parsed[1])) for name in names if (parsed := parse_folder(name))]
    found = [key for key in there if tile in (None, str(key.tile)) and key.direction in directions]
    if not found:
        wanted = [str(direction) for direction in directions] if len(directions) == 1 else []
        what = " ".join([*([tile] if tile else []), *wanted]) or "a tile"
        others = ", ".join(map(str, there[:8])) + (" ..." if len(there) > 8 else "")
        remedy = f"there are: {others}" if there else "give the --output-dir of a run (output.base_dir)"
        raise ProductError(f"{layout.base_dir}: no folder of {what}", remedy)
    return found


def inspect(key: TileDirection, layout: Layout, config: Config | None = None, today: date | None = None) -> TileState:
    """Find out the state of every month of a tile and direction.

    Parameters
    ----------
    layout : Layout
        Output tree and work folder. Logs in the work folder tell why a month failed; the folder may be missing.
    config : Config, optional
        Gives the requested months and their recipe. Without it, all months from the first to the last known are
        inspected, and their recipe is compared with that of their cube.
    today : date, optional
        The current date, UTC; needed with `config`.
    """
    return _Inspection(key, layout, config, today).state()


class _Inspection:
    """Files of a tile and direction, each read once."""

    def __init__(self, key: TileDirection, layout: Layout, config: Config | None, today: date | None) -> None:
        self.key, self.layout, self.config = key, layout, config
        self.troubles: list[str] = []
        self.answers: dict[Month, Answer] = {}
        self.rows: dict[Month, Row] = {}
        self.cube: Slots | None = None
        self.asked: dict[Month, Answer | None] | None = None
        with self._told():
            self.answers = read_answers(self._path(layout.search))[1]
            if config and today:
                self.asked = self._asked(config, today)
        with self._told():
            if Path(self._path(layout.tile_catalog)).exists():
                rows = read_catalog(self._path(layout.tile_catalog))
                self.rows = {Month.parse(row["month"]): row for row in rows if row["record_path"]}
        with self._told():
            self.cube = Slots.read(self._path(layout.cube))
        self.records: dict[Month, dict[str, Any]] = {}
        with self._told():
            self.records |= {Month.parse(path.stem): {} for path in self._record_files()}
        for month in self.records:
            with self._told():
                self.records[month] = _plain(Path(self._path(layout.record, month)))
        failure = search_failure(layout, key)
        if failure:
            self.troubles.append(f"the last search {failure}")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Collect errors of damaged or unreadable files and continue with the other files."""
        try:
            yield
        except (ProductError, CubeError) as error:
            self.troubles.append(str(error))
        except PermissionError as error:
            self.troubles.append(f"{error.filename}: may not be read -> let its owner give you the right (chmod)")

    def _path(self, pattern: str, month: Month | None = None) -> str:
        return pattern.format(tile=self.key.tile, direction=self.key.direction, month=month)

    def _asked(self, config: Config, today: date) -> dict[Month, Answer | None]:
        """Return the configured months with their valid answers."""
        months, full = config.time.wanted(today)[0], config.time.full is not None
        question, listings = question_of(config), None
        try:
            listings, unused = listings_of(config)
            self.troubles += unused
        except SourceError as error:  # the inspection works without the source
            self.troubles.append(str(error))
        book = Ledger(self.key, self.layout, question, months, full, self._wanted(config), listings)
        return {**dict.fromkeys(months), **book.answers}

    def _wanted(self, config: Config) -> dict[str, Any]:
        """Return the recipe of a configuration as the cube writes it."""
        return as_held(self.cube.recipe if self.cube else None, recipe(config), self.key.tile)

    def _record_files(self) -> list[Path]:
        folder = Path(self._path(self.layout.record)).parent
        return [path for path in folder.glob("*.json") if re.fullmatch(MONTH_PATTERN, path.stem)]

    def state(self) -> TileState:
        """Return the state of every month that is known, requested, or between two known months."""
        silent = set(no_data_months(self.answers))
        before_all = {month for month, answer in self.answers.items() if not answer.granules} - silent
        months = {*self.answers, *self.records, *(self.asked or {})} - before_all
        if self.asked is None and months:
            months = set(min(months).until(max(months)))
        return TileState(self.key, tuple(self._month(month) for month in sorted(months)), tuple(self.troubles))

    def _month(self, month: Month) -> MonthState:
        if month in self.records:
            return self._made(month, self.records[month])
        answer = self.answers.get(month)
        if answer is None:
            return MonthState(month, Kind.NOT_SEARCHED, "not searched yet")
        if self._void(month):
            return MonthState(month, Kind.NOT_SEARCHED, _ASK_AGAIN)
        asked = f"asked {answer.asked[:10]}"
        if answer.granules:
            failure = month_failure(self.layout, self.key, month)
            if failure:
                return MonthState(month, Kind.FAILED, f"{failure}\nsee {failure.log}")
            gone = "; its record is gone, the catalog still names it" if month in self.rows else ""
            found = f"granules: {answer.granules}, passes: {answer.passes}"
            return MonthState(month, Kind.NOT_MADE, f"not made yet, {found}, {asked}{gone}")
        if answer.lost:
            lost = {granule: self._set_aside(month).get(granule, "") for granule in answer.lost}
            why = "" if all(lost.values()) else f", {set_aside_of([answer])}"
            return MonthState(month, Kind.UNUSABLE, f"no granule can be used, {asked}{why}", missing_granules=lost)
        why = f"no granule is used: {set_aside_of([answer])}" if answer.set_aside else "no source data"
        return MonthState(month, Kind.NO_DATA, f"{why}, {asked}")

    def _void(self, month: Month) -> bool:
        return self.asked is not None and month in self.asked and self.asked[month] is None

    def _set_aside(self, month: Month) -> dict[str, str]:
        """Return the reasons in the granule list, if the work folder still has it."""
        try:
            listed = read_granule_list(self._path(self.layout.granules, month))
        except ProductError:
            return {}
        return {left_out.granule_id: left_out.reason for left_out in listed.set_aside if left_out.lost}

    def _made(self, month: Month, record: Mapping[str, Any]) -> MonthState:
        row = self.rows.get(month)
        kind = Kind.PRESENT if row else Kind.NOT_CATALOGUED
        reason = "" if row else "made, but not in the catalog: run catalog_rebuild"
        if not record:
            return MonthState(month, kind, reason, (self._unread(month),))
        remarks = [*self._steps(month, record), *self._other_remarks(month, record, row)]
        missing = row["missing_granules"] if row else self._missing_of_record(month)
        reasons = {entry["id"]: entry["reason"] for entry in record.get("set_aside") or ()}
        lacking = {granule: reasons.get(granule, "") for granule in missing or ()}
        return MonthState(month, kind, reason, tuple(remarks), lacking)

    def _unread(self, month: Month) -> str:
        path = Path(self._path(self.layout.record, month))
        if not os.access(path, os.R_OK, effective_ids=True):
            return "its record may not be read"
        return OUT_OF_STEP + ("its record was altered" if _content(path) else "its record is damaged")

    def _missing_of_record(self, month: Month) -> list[str]:
        try:
            return read_record(self._path(self.layout.record, month)).missing_granules or []
        except ProductError as error:
            self.troubles.append(str(error))
            return []

    def _steps(self, month: Month, record: Mapping[str, Any]) -> Iterator[str]:
        """Yield what a month does not match."""
        answer = self.answers.get(month)
        if self._void(month):
            yield OUT_OF_STEP + _ASK_AGAIN
        elif answer and not answer.granules:
            why = "its granules can no longer be used" if answer.lost else "the source no longer has its granules"
            yield why + (f" ({set_aside_of([answer])})" if answer.set_aside else "")
        elif answer and record.get("granules_digest") is None:
            yield OUT_OF_STEP + "its record was rebuilt, and does not tell its granules"
        elif answer and answer.digest != record["granules_digest"]:
            yield OUT_OF_STEP + f"the source has other granules for it since, asked {answer.asked[:10]}"
        if self.cube is None:
            yield OUT_OF_STEP + "the cube is gone"
        else:
            yield from self._step_of_cube(self.cube, month)
        asked = self.config is not None and month in (self.asked or {})
        held = self.cube.recipe if self.cube else None
        wanted = self._wanted(self.config) if self.config and asked else held
        if wanted and record.get("recipe_digest") != digest(wanted):
            changes = "; ".join(difference(record.get("recipe"), wanted))
            yield (
                OUT_OF_STEP + f"{'the configured recipe' if asked else 'the recipe of its cube'} is another: {changes}"
            )

    @staticmethod
    def _step_of_cube(cube: Slots, month: Month) -> Iterator[str]:
        try:
            if cube.status(month) != COMPLETE:
                yield OUT_OF_STEP + "the cube does not hold it"
        except PermissionError as error:
            yield f"its status in the cube may not be read ({error.filename})"

    def _other_remarks(self, month: Month, record: Mapping[str, Any], row: Row | None) -> Iterator[str]:
        path = Path(self._path(self.layout.record, month))
        failure = month_failure(self.layout, self.key, month, since=path.stat().st_mtime)
        if failure:
            yield f"the last try to make it again, or a file of it, {failure}\nsee {failure.log}"
        if record.get("status") == EMPTY:
            yield "made, without a valid pixel"
        if row and row["digest"] != record.get("digest"):
            yield "the catalog shows an older state of it: run catalog_rebuild"
        wanted = self.config.output.formats.model_dump() if self.config else {}
        for name, pattern in (("cog", self.layout.cog), ("preview", self.layout.preview)):
            named = bool(row and row[f"{name}_path"])
            if wanted.get(name, named) and not Path(self._path(pattern, month)).exists():
                yield f"its {name.replace('cog', 'COG')} is not there; the next run makes it from the cube"


_ASK_AGAIN = "to be searched again: the source's folder, or what is asked of it (kind, polarization, tracks) changed"


def _content(path: Path) -> dict[str, Any]:
    """Read a JSON object; return an empty one if there is none. Raise PermissionError for an unreadable file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _plain(path: Path) -> dict[str, Any]:
    """Read a record unparsed; return an empty one if it was damaged or altered since it was written."""
    content = _content(path)
    return content if seal_is_whole(content) else {}
