"""Check that a month is complete: record, values in the cube, COG, preview and Item, each against the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s1monthly.audit.items import assessment_fault, differences, expected_item, named_products, other_file, products
from s1monthly.audit.month_record import check_record, missing_record
from s1monthly.audit.month_values import has_chunks, values_fault
from s1monthly.audit.products import cog_faults, compare_with_cube, preview_fault
from s1monthly.audit.repair_commands import RUN, RepairCommands
from s1monthly.audit.report import Finding, first_of
from s1monthly.audit.tree_files import TileFolder
from s1monthly.catalog.document import read_document
from s1monthly.catalog.table import Row, record_row
from s1monthly.cube.header import Status
from s1monthly.cube.months import CubeState
from s1monthly.errors import ProductError, S1MonthlyError
from s1monthly.layout import is_derived
from s1monthly.model import Month
from s1monthly.raster.geotiff import cog_tags
from s1monthly.records.month import Record
from s1monthly.workflow.month_state import product_name


@dataclass(frozen=True)
class Depth:
    """How much a check reads.

    Attributes
    ----------
    checksums : bool
        True to read whole COGs for their checksums; else only headers and sizes.
    digests : bool
        True to read every value in cube, COGs and previews; else only the count of passes.
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
        True if the month has a record that can be believed.
    row : dict or None
        Its row in the tile's catalog; None if something is wrong: the repair writes the catalogs again.
    """

    problems: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    made: bool = False
    row: Row | None = None


class MonthValidation:
    """Check of all files of a month.

    Parameters
    ----------
    state : CubeState or None
        State of the folder's cube; None if it has no readable cube.
    """

    def __init__(
        self, folder: TileFolder, month: Month, state: CubeState | None, depth: Depth, repair: RepairCommands
    ) -> None:
        self._folder, self._month, self._state, self._depth, self._repair = folder, month, state, depth, repair
        self._files = folder.found(month)
        self._check = MonthCheck()
        self._named: set[str] = set()

    def check(self) -> MonthCheck:
        """Check record and cube, then the products: if record or cube are wrong, all products are made again."""
        check = self._check
        record = self._record()
        if record is None:
            return check
        check.made = True
        if self._state:
            self._check_values(record, self._state)
        if not check.problems:
            self._check_products(record)
        if self._state and not check.problems:
            check.row = record_row(record, self._folder.layout)
        return check

    def _place(self, kind: str) -> Path:
        return self._folder.place(kind, self._month)

    def _report(self, path: Path, problem: str, *commands: str) -> None:
        self._check.problems.append(Finding(str(path), problem, commands))

    def _record(self) -> Record | None:
        """Read the month's record; report why there is none, and how to make it."""
        check, state, path = check_record(self._folder, self._month), self._state, self._place("record")
        if check.record:
            return check.record
        in_cube = state is not None and state.months.get(self._month) is Status.COMPLETE
        if check.replaceable and state and (in_cube or has_chunks(self._folder, self._month, state)):
            what = ", though the cube holds the month" if in_cube and not path.exists() else ""
            self._report(path, f"{check.problem}{what}", self._repair.rebuild)
        else:
            self._check.problems.append(missing_record(self._folder, self._month, check, self._repair))
        return None

    def _check_values(self, record: Record, state: CubeState) -> None:
        """Report differences between cube and record. An unreadable cube is reported by the folder's check."""
        store, status = self._folder.cube, state.months.get(self._month, Status.EMPTY)
        if status is not Status.COMPLETE:
            begun = status is Status.BEING_WRITTEN
            what = "was being written or given bands, and is not finished" if begun else "is empty"
            command = self._repair.rebuild if has_chunks(self._folder, self._month, state) else RUN
            self._report(store, f"{self._month} {what}, though there is a record", command)
            return
        fault = values_fault(self._folder, record, state)
        if fault:
            self._report(store, f"{self._month}: {fault}", self._repair.rebuild)

    def _check_products(self, record: Record) -> None:
        """Report what is wrong with COG, preview and Item, and note unknown facts about the month."""
        item = self._item()
        named = self._named = named_products(item, self._files)
        for kind in products({*named, *self._files}):
            fault = self._product_fault(kind, record, kind in named)
            if fault:
                remove = [self._repair.remove(self._place(kind))] if kind in self._files else []
                self._report(self._place(kind), fault, *remove, *([RUN] if kind in named else []))
            elif kind in self._files and kind not in named:
                problem = "the month's Item does not name it (output.formats)"
                self._check.notes.append(Finding(str(self._files[kind]), problem))
        if item and self._state and not self._check.problems:  # otherwise the other repairs write the Item again
            self._compare_item(item, record, named)
        if self._depth.digests and self._state and not self._check.problems:
            self._compare_values(record, named)
        if record.unknown:
            problem = (
                f"rebuilt from the cube; of what the month was made of, {', '.join(record.unknown)} not known."
                " The next run over the month reads its granules again"
            )
            self._check.notes.append(Finding(str(self._files["record"]), problem))

    def _item(self) -> dict[str, Any] | None:
        path = self._place("item")
        if "item" not in self._files:
            self._report(path, "no Item", RUN)
            return None
        try:
            return read_document(path)
        except ProductError as error:
            self._report(path, error.problem.removeprefix(f"{path}: "), self._repair.rebuild)
            return None

    def _product_fault(self, kind: str, record: Record, named: bool) -> str | None:
        """Return what is wrong with a product. One that the Item does not name need only fit the record."""
        path = self._place(kind)
        if kind not in self._files:
            return f"no {product_name(kind)}, though the month's Item names it" if named else None
        if kind == "preview":
            return preview_fault(path, record.grid)
        if kind == "ceos_ard":
            return assessment_fault(path, record, self._named)
        if named or is_derived(kind):
            return first_of(cog_faults(path, record, kind))
        return None if cog_tags(path).get("DIGEST") == record.digest else "of other values, and no Item names it"

    def _compare_item(self, item: Mapping[str, Any], record: Record, named: set[str]) -> None:
        """Report where the Item contradicts record and files.

        Sizes and checksums in the Item show whether a product was cut short or changed.
        """
        path = self._files["item"]
        try:
            expected = expected_item(self._folder, record, named, item, self._depth.checksums)
        except S1MonthlyError as error:
            self._report(path, error.problem, RUN)
            return
        found = list(differences(item, expected))
        for kind in sorted(named):
            fault = other_file(item, expected, kind)
            if fault:
                product = self._files[kind]
                self._report(product, fault, self._repair.remove(product), RUN)
                found = [line for line in found if not line.startswith(f"assets.{kind}.file:")]
        if found:
            problem = f"not what record and files say (edited, or of another version): {first_of(found)}"
            self._report(path, problem, self._repair.rebuild)

    def _compare_values(self, record: Record, named: set[str]) -> None:
        """Report where cube, COG and preview show other values than the record's."""
        difference = compare_with_cube(self._folder, record, products(self._files))
        if difference is None:
            return
        kind, fault = difference
        if kind == "overviews":
            self._report(self._folder.cube, fault, self._repair.remove(self._place("item")), self._repair.rebuild)
        elif kind == "record":  # a rebuild reads every value of a month without an Item
            problem = f"{self._month}: the values in the cube are not those of its record: {fault}"
            self._report(self._folder.cube, problem, self._repair.remove(self._place("item")), self._repair.rebuild)
        else:
            run = [RUN] if kind in named else []
            self._report(self._place(kind), fault, self._repair.remove(self._place(kind)), *run)
