"""Find out which months an output tree holds, and why others are missing."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from s1monthly.catalog.table import Row, read_catalog
from s1monthly.config.root import Config
from s1monthly.cube.header import Header, cached_header
from s1monthly.errors import CubeError, ProductError, SourceError
from s1monthly.layout import MONTH_PATTERN, Layout, parse_folder
from s1monthly.model import Month, Stack, Tile, TileDirection
from s1monthly.records.granule_list import read_granule_list
from s1monthly.records.month import EMPTY, read_record
from s1monthly.records.search_log import no_data_months, read_answers, set_aside_of
from s1monthly.records.statics_used import other_statics
from s1monthly.workflow.asking import listings_of
from s1monthly.workflow.commands import DIRECTIONS
from s1monthly.workflow.failures import month_failure, search_failure
from s1monthly.workflow.month_state import MonthState, product_name
from s1monthly.workflow.plan import tile_months
from s1monthly.workflow.tile_months import ASK_AGAIN, NEVER_ASKED, TileMonths


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

OUT_OF_DATE = "out of date, the next run makes it again: "
"""Start of a remark."""


@dataclass(frozen=True)
class InspectedMonth:
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
class InspectedTile:
    """States of all months of a tile and direction.

    Attributes
    ----------
    months : tuple of InspectedMonth
        In order.
    troubles : tuple of str
        Files that cannot be read, and why the last search failed.
    """

    key: TileDirection
    months: tuple[InspectedMonth, ...]
    troubles: tuple[str, ...] = ()

    def of(self, *kinds: Kind) -> list[InspectedMonth]:
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
            "direction": str(self.key.direction.pooled),
            "track": self.key.direction.track,
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
    layout: Layout,
    tile: str | None = None,
    directions: Collection[Stack] = tuple(DIRECTIONS["ALL"]),
    tracks: Collection[int] = (),
) -> list[TileDirection]:
    """Return the tiles and directions with a folder in the output tree, in order.

    Parameters
    ----------
    tracks : collection of int
        Only cubes of these tracks; all cubes if it is empty.

    Raises
    ------
    ProductError
        If there is none (of that tile, those directions and tracks).
    """
    base = Path(layout.base_dir)
    names = sorted(path.name for path in base.iterdir() if path.is_dir()) if base.is_dir() else []
    there = [TileDirection(Tile(parsed[0]), Stack.parse(parsed[1])) for name in names if (parsed := parse_folder(name))]
    found = [
        key
        for key in there
        if tile in (None, str(key.tile))
        and key.direction.pooled in directions
        and (not tracks or key.direction.track in tracks)
    ]
    if not found:
        wanted = [str(direction) for direction in directions] if len(directions) == 1 else []
        wanted += [f"T{track:03d}" for track in tracks]
        what = " ".join([*([tile] if tile else []), *wanted]) or "a tile"
        others = ", ".join(map(str, there[:8])) + (" ..." if len(there) > 8 else "")
        remedy = f"there are: {others}" if there else "give the --output-dir of a run (output.base_dir)"
        raise ProductError(f"{layout.base_dir}: no folder of {what}", remedy)
    return found


def inspect(
    key: TileDirection, layout: Layout, config: Config | None = None, today: date | None = None
) -> InspectedTile:
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
    try:
        return _Inspection(key, layout, config, today).state()
    except PermissionError as error:  # the folder of the tile, without which nothing is known
        return InspectedTile(key, (), (_not_readable(error),))


def _not_readable(error: PermissionError) -> str:
    return f"{error.filename}: may not be read -> let its owner give you the right (chmod)"


class _Inspection:
    """Files of a tile and direction, each read once."""

    def __init__(self, key: TileDirection, layout: Layout, config: Config | None, today: date | None) -> None:
        self.key, self.layout, self.config = key, layout, config
        self.troubles: list[str] = []
        self.rows: dict[Month, Row] = {}
        self.records: set[Month] = set()
        with self._collect_troubles():
            if Path(self._paths().tile_catalog).exists():
                rows = read_catalog(self._paths().tile_catalog)
                self.rows = {Month.parse(row["month"]): row for row in rows if row["record_path"]}
        with self._collect_troubles():
            names = os.listdir(Path(self._paths().record).parent)
            self.records = {Month.parse(name[:7]) for name in names if re.fullmatch(rf"{MONTH_PATTERN}\.json", name)}
        self.found = self._as_found()
        self.wanted = self._configured(config, today) if config and today else None
        self.troubles += self.found.problems
        failure = search_failure(layout, key)
        if failure:
            self.troubles.append(f"the last search {failure}\nsee {failure.log}")

    @contextmanager
    def _collect_troubles(self) -> Iterator[None]:
        """Collect errors of damaged or unreadable files and continue with the other files."""
        try:
            yield
        except FileNotFoundError:
            pass
        except (ProductError, CubeError) as error:
            self.troubles.append(str(error))
        except PermissionError as error:
            self.troubles.append(_not_readable(error))

    def _paths(self, month: Month | None = None) -> Layout:
        return self.layout.of(self.key, month)

    def _slots(self) -> Header | None:
        try:
            return cached_header(self._paths().cube)
        except CubeError:  # `TileMonths.problems` has it
            return None

    def _as_found(self) -> TileMonths:
        """Return all months that are known, as the search log and the cube say they should be."""
        try:
            question, self.answers = read_answers(self._paths().search)
        except ProductError:  # `TileMonths.problems` has it
            question, self.answers = None, {}
        slots = self._slots()
        recipe = slots.recipe if slots else self._recipe_of_a_record()
        months = sorted({*self.answers, *self.records})
        return TileMonths(self.key, self.layout, question, months, True, recipe)

    def _recipe_of_a_record(self) -> Mapping[str, Any]:
        """Return the recipe that the records of a lost cube name."""
        for month in sorted(self.records):
            with self._collect_troubles():
                return read_record(self._paths(month).record).recipe
        return {}

    def _configured(self, config: Config, today: date) -> TileMonths:
        """Return the months of the configuration."""
        listed = None
        try:
            listed = listings_of(config)
            self.troubles += listed.warnings
        except SourceError as error:  # the inspection works without the source
            self.troubles.append(str(error))
        months = config.time.wanted(today)[0]
        return tile_months(config, self.layout, self.key, months, self._slots(), listed)

    def state(self) -> InspectedTile:
        """Return the state of every month that is known, requested, or between two known months."""
        silent = set(no_data_months(self.answers))
        before_all = {month for month, answer in self.answers.items() if not answer.granules} - silent
        months = {*self.found.months, *(self.wanted.months if self.wanted else ())} - before_all
        if self.wanted is None and months:
            months = set(min(months).until(max(months)))
        return InspectedTile(self.key, tuple(map(self._month, sorted(months))), tuple(self.troubles))

    def _state(self, month: Month) -> MonthState:
        asked = self.wanted is not None and month in self.wanted.months
        return (self.wanted if self.wanted and asked else self.found).state(month)

    def _month(self, month: Month) -> InspectedMonth:
        try:
            state = self._state(month)
        except PermissionError as error:
            kind = Kind.PRESENT if month in self.rows else Kind.NOT_CATALOGUED
            return InspectedMonth(month, kind, remarks=(f"{error.filename} may not be read",))
        answer = state.answer
        if state.has_record:
            return self._made(state)
        if answer is None:
            why = ASK_AGAIN if month in self.answers else NEVER_ASKED
            return InspectedMonth(month, Kind.NOT_SEARCHED, why)
        asked = f"asked {answer.asked[:10]}"
        if state.to_make:
            failure = month_failure(self.layout, self.key, month)
            if failure:
                return InspectedMonth(month, Kind.FAILED, f"{failure}\nsee {failure.log}")
            gone = "; its record is gone, the catalog still names it" if month in self.rows else ""
            found = f"granules: {answer.granules}, passes: {answer.passes}"
            return InspectedMonth(month, Kind.NOT_MADE, f"not made yet, {found}, {asked}{gone}")
        if state.unusable:
            lost = {granule: self._set_aside(month).get(granule, "") for granule in answer.lost}
            why = "" if all(lost.values()) else f", {set_aside_of([answer])}"
            return InspectedMonth(month, Kind.UNUSABLE, f"no granule can be used, {asked}{why}", missing_granules=lost)
        why = f"no granule is used: {set_aside_of([answer])}" if answer.set_aside else "no source data"
        return InspectedMonth(month, Kind.NO_DATA, f"{why}, {asked}")

    def _set_aside(self, month: Month) -> dict[str, str]:
        """Return the reasons in the granule list, if the work folder still has it."""
        try:
            listed = read_granule_list(self._paths(month).granules)
        except ProductError:
            return {}
        return {left_out.granule_id: left_out.reason for left_out in listed.set_aside if left_out.lost}

    def _made(self, state: MonthState) -> InspectedMonth:
        """Describe a month that has a record."""
        row = self.rows.get(state.month)
        kind = Kind.PRESENT if row else Kind.NOT_CATALOGUED
        reason = "" if row else "made, but not in the catalog: run catalog_rebuild"
        prefix = OUT_OF_DATE if state.to_make else ""
        remarks = [f"{prefix}{why}" for why in state.reasons]
        lacking: dict[str, str] = {}
        if state.record:
            remarks += self._other_remarks(state, row)
            lacking = self._missing_granules(state.month, row)
        return InspectedMonth(state.month, kind, reason, tuple(remarks), lacking)

    def _missing_granules(self, month: Month, row: Row | None) -> dict[str, str]:
        """Return the granules that a month lacks, and why, as its record says."""
        if row and not row["missing_granules"]:
            return {}
        with self._collect_troubles():
            record = read_record(self._paths(month).record)
            reasons = {one.granule_id: one.reason for one in record.set_aside or ()}
            return {granule: reasons.get(granule, "") for granule in record.missing_granules or ()}
        return {}

    def _other_remarks(self, state: MonthState, row: Row | None) -> Iterator[str]:
        month = state.month
        made = Path(self._paths(month).record).stat().st_mtime
        failure = month_failure(self.layout, self.key, month, since=made)
        if failure:
            yield f"the last try to make it again, or a file of it, {failure}\nsee {failure.log}"
        if state.record and state.record.status == EMPTY:
            yield "made, without a valid pixel"
        if state.record and row and row["digest"] != state.record.digest:
            yield "the catalog shows an older state of it: run catalog_rebuild"
        changed = self._other_statics(month) if state.record else []
        if changed:
            yield f"made with other static granules than today's of {', '.join(changed)}; it is not made again"
        for name in dict.fromkeys(map(product_name, self._lacking(state, row))):
            yield f"its {name} is not there; the next run makes it from the cube"

    def _other_statics(self, month: Month) -> list[str]:
        """Return the tracks whose static layers are others than those that a month was made with."""
        store = self._paths().static_store
        if os.path.exists(store):
            with self._collect_troubles():
                return other_statics(read_record(self._paths(month).record).statics, store)
        return []

    def _lacking(self, state: MonthState, row: Row | None) -> Iterable[str]:
        """Return the names of missing products: without a configuration, of those that the catalog names."""
        if self.wanted and state.month in self.wanted.months:
            return state.lacking
        folder = self._paths(state.month).folder
        catalogued = {name: row[f"{name}_path"] for name in ("cog", "preview") if row and row[f"{name}_path"]}
        return [name for name, path in catalogued.items() if not os.path.exists(os.path.join(folder, path))]
