"""Check that a month is complete: record, slot in the cube, COG, preview and Item, each against the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.audit.doubts import Doubt, doubt, doubt_values, read_credible
from s1monthly.audit.findings import Commands, Finding, some, unreadable
from s1monthly.audit.month_mends import denied_chunks, lost_status_alone, values_in_cog
from s1monthly.audit.products import (
    NAMES,
    OPTIONAL,
    checksum_in,
    cog_faults,
    differences,
    expected_item,
    named_by,
    preview_fault,
    property_of,
    unlike_the_cube,
)
from s1monthly.audit.remains import left_of
from s1monthly.audit.restoring import INVENTED, invented_by, restore
from s1monthly.audit.survey import TileFolder
from s1monthly.catalog import item as stac
from s1monthly.catalog.table import Row, record_row
from s1monthly.cube import months as cube
from s1monthly.cube.chunks import lost_chunks
from s1monthly.cube.header import Status
from s1monthly.cube.months import CubeState
from s1monthly.errors import CubeError, ProductError, S1MonthlyError
from s1monthly.model import Month, Polarization
from s1monthly.raster.geotiff import cog_tags
from s1monthly.records.month import Record


@dataclass(frozen=True)
class Depth:
    """How much a check reads.

    Attributes
    ----------
    checksums : bool
        True to read whole COGs for their checksums; else only headers and sizes.
    digests : bool
        True to read every value in cube and COGs for the months' digests, and overviews; else only the counts.
    """

    checksums: bool = True
    digests: bool = False


DEFAULT = Depth()


@dataclass
class MonthCheck:
    """Result of the check of a month.

    Attributes
    ----------
    problems, notes : list of Finding
    made : bool
        True if the month has a record.
    row : dict or None
        Its row in the tile's catalog; None if something is wrong: the repair writes the catalogs again.
    """

    problems: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    made: bool = False
    row: Row | None = None


def check_month(
    folder: TileFolder, month: Month, state: CubeState | None, before: Row | None, depth: Depth, mend: Commands
) -> MonthCheck:
    """Check all files of a month.

    Parameters
    ----------
    state : CubeState or None
        State of the folder's cube; None if it has no readable cube.
    before : dict or None
        The month's row in the tile's catalog.
    """
    check = MonthCheck()
    looker = _Looker(folder, month, state, depth, mend, check)
    record = looker.record(before)
    if record is not None:
        check.made = True
        looker.compare_with_cube(record, before)
        if not check.problems:  # otherwise all products are made again
            looker.look_at_products(record)
        if not check.problems and state is not None:
            check.row = record_row(record, folder.layout)
    return check


class _Looker:
    def __init__(
        self,
        folder: TileFolder,
        month: Month,
        state: CubeState | None,
        depth: Depth,
        mend: Commands,
        check: MonthCheck,
    ) -> None:
        self._folder, self._month, self._state, self._depth = folder, month, state, depth
        self._mend, self._check = mend, check
        self._files = {kind: paths[month] for kind, paths in folder.files.items() if month in paths}
        self._held = state is not None and month in state.complete

    def _path(self, kind: str) -> Path:
        return Path(self._folder.fill(getattr(self._folder.layout, kind), self._month))

    def _tell(self, path: Path, problem: str, *commands: str) -> None:
        self._check.problems.append(Finding(str(path), problem, commands))

    def record(self, before: Row | None) -> Record | None:
        """Read the month's record; report why there is none, and whether it can be made from the cube."""
        path = self._path("record")
        commands: tuple[str, ...] = (self._mend.run,)
        if "record" in self._files:
            try:
                record = read_credible(path)
                if record.key == self._folder.key(self._month):
                    return record
                problem = f"this record is of {record.key}: a copy, or a file under another name"
            except ProductError as error:
                problem = error.problem.removeprefix(f"{path}: ")
            commands = (self._mend.remove(path), self._mend.run)
        elif self._held:
            stray = invented_by(self._folder, self._month, before)
            if stray:
                self._tell(stray, INVENTED.format(month=self._month), self._mend.remove(stray))
                return None
            problem = "no record, though the cube holds the month"
        elif self._state and lost_status_alone(self._folder, self._month, self._state, before):
            problem = "its record, and in the cube its status, are lost; its values are whole"
            commands = (self._mend.rebuild,)
        else:
            problem = f"record and values in the cube are lost; left: {left_of(self._files)}. It must be made again"
        if self._state is not None and self._held:
            try:
                restore(self._folder, self._month, self._state, before)
                commands = (*commands[:-1], self._mend.rebuild)
            except ProductError as error:
                problem += f"; {error.problem}"
        self._tell(path, problem, *commands)
        return None

    def compare_with_cube(self, record: Record, before: Row | None) -> None:
        """Report differences between cube and record, and which is at fault.

        An unreadable cube is reported by the folder's check. By default this reads the count of passes and looks for
        the chunks; with `Depth.digests` it reads all values.
        """
        state = self._state
        if state is None:
            return
        status = state.months.get(self._month, Status.EMPTY)
        if status is not Status.COMPLETE:
            begun = status is Status.BEING_WRITTEN
            told = "was being written or given bands, and is not finished" if begun else "is empty"
            told, command = f"{self._month} {told}, though there is a record", self._mend.run
            if lost_status_alone(self._folder, self._month, state, before):
                told, command = f"{told}; its values are whole, its status alone was lost", self._mend.rebuild
            self._tell(self._folder.cube, told, command)
            return
        count, fault = self._count()
        doubted = doubt(self._folder, record, state, before, count)
        if doubted:
            self._tell_doubt(doubted, again=False)
            return
        fault = fault or self._chunk_fault(state, count)
        denied = denied_chunks(self._folder, self._month, state) if fault else []
        if denied:
            self._check.problems += unreadable(denied, self._mend)
        elif fault:
            self._tell(self._folder.cube, f"{self._month}: {fault}", self._mend.rebuild)
        elif self._depth.digests:
            doubted = doubt_values(self._folder, record, state, before)
            if doubted and doubted.restored is None and values_in_cog(self._folder, record) is not None:
                # the rebuild reads every value of a month without an Item, and restores the values from the COG
                commands = (self._mend.remove(self._path("item")), self._mend.rebuild)
                problem = "the values in the cube are not those of its record and COG: damaged"
                self._tell(self._folder.cube, f"{self._month}: {problem}", *commands)
            elif doubted:
                self._tell_doubt(doubted, again=True)

    def _tell_doubt(self, doubted: Doubt, again: bool) -> None:
        """Report a record that is not believed; with `again`, the commands make a rebuild look again."""
        path = self._path("record")
        if doubted.restored is None:
            # a rebuild says what cannot be mended; of all values, which it does not read, that is known here
            commands = (self._mend.move_out(path), self._mend.run) if again else (self._mend.rebuild,)
            self._tell(self._folder.cube, f"{self._month}: {doubted.problem}", *commands)
        elif doubted.contradicted and not again:
            self._tell(path, doubted.problem, self._mend.rebuild)
        else:
            self._tell(path, doubted.problem, self._mend.remove(path), self._mend.rebuild)

    def _count(self) -> tuple[NDArray[np.uint8] | None, str]:
        """Read the count of passes, or return why it cannot be read."""
        try:
            return cube.read_count(self._folder.cube, self._month), ""
        except CubeError as error:
            return None, error.problem

    def _chunk_fault(self, state: CubeState, count: NDArray[np.uint8] | None) -> str:
        """Return which chunks are lost; the count tells which must exist."""
        if count is None:
            return ""
        slot, polarization = self._month.ordinal - state.first.ordinal, Polarization(state.recipe["polarization"])
        return some(lost_chunks(self._folder.cube, slot, state.bands, polarization, count))

    def look_at_products(self, record: Record) -> None:
        """Report what is wrong with COG, preview and Item, and note unknown facts about the month."""
        item, sound = self._item(), []
        named = named_by(item, self._files)
        for kind in OPTIONAL:
            if self._is_sound(kind, record, kind in named):
                sound.append(self._files[kind])
                if kind not in named:
                    problem = "the month's Item does not name it (output.formats)"
                    self._check.notes.append(Finding(str(self._files[kind]), problem))
        other = item and property_of(item, "s1:digest") not in (None, record.digest)
        if other and checksum_in(item, "record") != sha256(self._files["record"].read_bytes()).hexdigest():
            path = self._files["item"]
            problem = "of an older state of the month: its digest is not the record's"
            self._tell(path, problem, self._mend.remove(path, *sound), self._mend.run)
        elif item and not self._check.problems and self._state is not None:
            self._compare_item(item, record, named)  # otherwise the other repairs write the Item again
        if self._depth.digests and not self._check.problems and self._state is not None:
            self._compare_values(record, named)
        if record.unknown:
            text = f"rebuilt from the cube; of what the month was made of, {', '.join(record.unknown)} not known"
            note = Finding(str(self._files["record"]), f"{text}. The next run over the month makes it anew")
            self._check.notes.append(note)

    def _compare_values(self, record: Record, named: set[str]) -> None:
        fault = unlike_the_cube(record, self._folder.layout, {kind for kind in OPTIONAL if kind in self._files})
        if fault:
            kind, reason = fault
            again = () if kind in OPTIONAL and kind not in named else (self._mend.run,)
            self._tell(self._path(kind), reason, self._mend.remove(self._path(kind)), *again)

    def _item(self) -> dict[str, Any] | None:
        path = self._path("item")
        if "item" not in self._files:
            self._tell(path, "no Item", self._mend.run)
            return None
        try:
            return stac.read_document(path)
        except ProductError as error:
            self._tell(path, error.problem.removeprefix(f"{path}: "), self._mend.rebuild)
            return None

    def _is_sound(self, kind: str, record: Record, named: bool) -> bool:
        """Return True if a product exists and is correct; a product not named by the Item must fit the record, too."""
        path = self._path(kind)
        if kind not in self._files:
            if named:
                self._tell(path, f"no {NAMES[kind]}, though the month's Item names it", self._mend.run)
            return False
        if kind == "preview":
            fault = preview_fault(path, record.grid)
        elif named:
            fault = some(cog_faults(path, record))
        else:
            fault = "" if cog_tags(path).get("DIGEST") == record.digest else "of other values, and no Item names it"
        if fault:
            self._tell(path, fault, self._mend.remove(path), *([self._mend.run] if named else []))
        return not fault

    def _compare_item(self, item: Mapping[str, Any], record: Record, named: set[str]) -> None:
        """Report where the Item contradicts record and files.

        Sizes and checksums in the Item show whether a product was cut short or changed.
        """
        path = self._files["item"]
        try:
            expected = expected_item(record, self._folder.layout, named, item, self._depth.checksums)
        except S1MonthlyError as error:
            self._tell(path, error.problem, self._mend.run)
            return
        found = list(differences(item, expected))
        for kind in sorted(named):
            reason = _other_file(item, expected, kind, found)
            if reason:
                product = self._files[kind]
                problem = f"not the file that the month's Item names: {reason}"
                self._tell(product, problem, self._mend.remove(product), self._mend.run)
                found = [line for line in found if not line.startswith(_file_facts(kind))]
        if found:
            problem = f"not what record and files say (edited, or of another version): {some(found)}"
            self._tell(path, problem, self._mend.rebuild)


def _file_facts(kind: str) -> tuple[str, ...]:
    return tuple(f"assets.{kind}.file:{fact}: " for fact in ("size", "checksum"))


def _other_file(item: Mapping[str, Any], expected: Mapping[str, Any], kind: str, found: list[str]) -> str | None:
    """Return how a product differs from the file named by the Item."""
    if not any(line.startswith(_file_facts(kind)) and not line.endswith(": missing") for line in found):
        return None
    told, size = (document["assets"][kind].get("file:size") for document in (item, expected))
    return "another checksum" if told == size else f"{size} bytes, where the Item says {told}"
