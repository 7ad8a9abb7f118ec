"""Rebuild records, Items, catalogs and Collections from the files of an output tree, and mend cubes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from s1monthly.audit.cube_metadata import check_cube, mend_cube
from s1monthly.audit.items import differences, expected_item, named_products, products, read_item
from s1monthly.audit.month_record import check_record, known_digests, measure_record, missing_record
from s1monthly.audit.month_values import restore_overviews, restore_status, restore_values, values_fault
from s1monthly.audit.products import compare_with_cube, ignore_missing_georeference
from s1monthly.audit.repair_commands import RUN, RepairCommands, misnamed, unreadable
from s1monthly.audit.report import Finding, Progress, count_of, first_of, shorten
from s1monthly.audit.tree_files import TileFolder, Tree, list_tree
from s1monthly.audit.validation import NO_FOLDER, NO_SEARCH_LOG
from s1monthly.catalog.document import write_document
from s1monthly.catalog.table import NO_DATA, UNUSABLE, Row, folder_name, record_paths, record_row, search_rows
from s1monthly.catalog.update import catalog_all, previous_rows, replace_rows
from s1monthly.cube import months as cube
from s1monthly.cube.months import CubeState
from s1monthly.errors import CubeError, ProductError, S1MonthlyError
from s1monthly.layout import Layout, is_cog
from s1monthly.model import Month
from s1monthly.records.month import Record, write_record
from s1monthly.workflow.month_state import product_name
from s1monthly.workflow.run_lock import RunLockError, hold


@dataclass(frozen=True)
class Made:
    """Something that was written.

    Attributes
    ----------
    place : str
        Month, folder or file.
    what : str
        ``cube``, ``month``, ``record``, ``Item``, ``catalog`` or ``Collection``.
    why : str
        What was wrong before.
    """

    place: str
    what: str
    why: str


@dataclass
class Rebuilt:
    """Result of a rebuild.

    Attributes
    ----------
    months, without_data, folders : int
        Content of the global catalog.
    made : list of Made
        Everything written.
    left : list of Finding
        What could not be made, and the commands that make it.
    """

    base_dir: str
    months: int = 0
    without_data: int = 0
    folders: int = 0
    made: list[Made] = field(default_factory=list)
    left: list[Finding] = field(default_factory=list)

    def to_json(self) -> str:
        """Return everything as a JSON object; ``whole`` is true if nothing is left to mend."""
        return json.dumps({"whole": not self.left, **asdict(self)}, indent=1)

    def to_text(self) -> str:
        """Return a line for each thing written, the remaining problems with their commands, and a summary."""
        lines = [shorten(f"{made.place} {made.what}: {made.why}") for made in self.made]
        for finding in sorted(self.left):
            lines += ["", *finding.lines()]
        lines += [""] if lines else []
        extent = f"{count_of(self.months, 'month')} of {count_of(self.folders, 'folder')}"
        extent += f", {self.without_data} without data" if self.without_data else ""
        if self.left:
            return "\n".join([*lines, f"NOT WHOLE: {count_of(len(self.left), 'thing')} left to mend in {extent}"])
        return "\n".join([*lines, f"catalogued: {extent}" if self.folders else "no months to catalog"])


def rebuild(base_dir: Path) -> Rebuilt:
    """Make lost records, missing or wrong Items, all catalogs and Collections; mend cubes.

    A record that is missing, or whose seal does not fit, is measured in the cube. An Item is written if COG and preview
    are proven to show the content of the cube. COGs and previews are made by the workflow; missing ones are reported.
    Correct files are not written again.
    """
    done, repair, layout = Rebuilt(str(base_dir)), RepairCommands(base_dir), Layout(str(base_dir))
    if not base_dir.is_dir():
        done.left.append(Finding(str(base_dir), NO_FOLDER))
        return done
    tree = list_tree(base_dir)
    done.left += misnamed(tree.renamed, repair)
    done.left += unreadable([*tree.unreadable, *(path for part in tree.folders for path in part.unreadable)], repair)
    for folder in tree.folders:
        if not folder.closed:
            with _report_refusals(folder.path, repair, done), _lock(folder, repair, done) as locked:
                if locked:
                    _FolderRebuild(folder, repair, done).rebuild()
    if tree.folders or Path(layout.catalog).exists():
        with _report_refusals(base_dir, repair, done):
            if not set(map(Path, layout.root_files())) & set(tree.unreadable):
                _catalog_all(tree, base_dir, done)  # otherwise the global catalog would lose rows
    return done


def _catalog_all(tree: Tree, base_dir: Path, done: Rebuilt) -> None:
    closed = {folder.path for folder in tree.folders if folder.closed}
    passed_over = {*tree.renamed, *tree.strays, *tree.unreadable, *closed}
    rows, written = catalog_all(base_dir, passed_over, tree.unknown_folders, only_if_changed=True)
    for path in written:
        done.made.append(
            Made(str(path), "Collection" if path.stem.startswith("collection") else "catalog", "out of step")
        )
    done.folders = len({folder_name(row) for row in rows})
    done.without_data = sum(row["status"] in (NO_DATA, UNUSABLE) for row in rows)
    done.months = len(rows) - done.without_data


@contextmanager
def _report_refusals(path: Path, repair: RepairCommands, done: Rebuilt) -> Iterator[None]:
    """Report a file that this user cannot read or write, or a folder in its place, and continue."""
    try:
        yield
    except (PermissionError, IsADirectoryError) as error:
        place = Path(error.filename2 or error.filename or path)
        command = repair.allow(place) if isinstance(error, PermissionError) else repair.move_out(place)
        done.left.append(Finding(str(place), f"may not be read or written ({error.strerror})", (command,)))


@contextmanager
def _lock(folder: TileFolder, repair: RepairCommands, done: Rebuilt) -> Iterator[bool]:
    """Keep runs out of a folder and yield True; if a run works on it, report that and yield False."""
    try:
        lock = hold(folder.path.parent, [folder.owner])
    except RunLockError as error:
        done.left.append(Finding(str(folder.path), f"passed over: {error.problem}. {error.remedy}", (repair.rebuild,)))
        yield False
        return
    try:
        yield True
    finally:
        if lock:
            lock.release()


class _FolderRebuild:
    """Rebuild of the folder of a tile and direction: cube, months, records, Items, catalog, in this order."""

    def __init__(self, folder: TileFolder, repair: RepairCommands, done: Rebuilt) -> None:
        self._folder, self._repair, self._done = folder, repair, done
        self._rows_before = {row["month"]: row for row in previous_rows(folder.owner, folder.layout)}
        self._products = products(kind for kind, months in folder.files.items() if months)

    def rebuild(self) -> None:
        """Mend and write what can be made; report the rest."""
        folder = self._folder
        state = self._mend_cube()
        if state:
            for month in state.months:
                row = self._rows_before.get(str(month))
                if month not in folder.hidden and restore_status(folder, month, state, row):
                    self._made(str(folder.key(month)), "month", "its status was lost")
            state = cube.state(folder.cube)
        complete = state.complete if state else ()
        months = sorted({*complete, *(month for paths in folder.files.values() for month in paths)} - folder.hidden)
        progress = Progress(f"{folder.path.name}: months", len(months))
        for month in months:
            record = self._record(month, state)
            if record and state:
                try:
                    with ignore_missing_georeference():
                        self._mend_month(record, state)
                except S1MonthlyError as error:
                    self._leave(folder.place("item", month), error.problem, RUN)
            progress.step()
        self._write_catalog()

    def _made(self, place: str, what: str, why: str) -> None:
        self._done.made.append(Made(place, what, why))

    def _leave(self, path: Path, problem: str, *commands: str) -> None:
        self._done.left.append(Finding(str(path), problem, commands))

    def _mend_cube(self) -> CubeState | None:
        """Write wrong coordinates and metadata of the cube again; return the cube's state."""
        store = self._folder.cube
        check = check_cube(self._folder)
        if check.mendable:
            try:
                check = mend_cube(self._folder)
            except CubeError as error:
                self._leave(store, error.problem.removeprefix("cube "), self._repair.rebuild)
                return None
            self._made(self._folder.path.name, "cube", check.problem)
        elif check.problem and (self._folder.files["record"] or store.exists()):
            self._leave(store, check.problem, *check.commands(store, self._repair))
        return check.state

    def _record(self, month: Month, state: CubeState | None) -> Record | None:
        """Return the record of a month, measured again if there is none that can be believed."""
        folder, path = self._folder, self._folder.place("record", month)
        check = check_record(folder, month)
        if check.record:
            return check.record
        if not (check.replaceable and state and month in state.complete):
            self._done.left.append(missing_record(folder, month, check, self._repair))
            return None
        try:
            record = measure_record(folder, month, state, self._rows_before.get(str(month)))
        except ProductError as error:
            self._leave(path, f"{check.problem}, and {error.problem}", RUN)
            return None
        self._write_record(path, record)
        self._made(str(record.key), "record", f"{check.problem}; measured in the cube, its granules are unknown")
        return record

    def _write_record(self, path: Path, record: Record) -> None:
        """Write a record, with a time before that of products of the same values: a run need not make them again."""
        write_record(path, record)
        month, folder = record.key.month, self._folder
        times = [file.stat().st_mtime_ns for kind, file in folder.found(month).items() if kind != "record"]
        if times and set(known_digests(folder, month, None).values()) == {record.digest}:
            os.utime(path, ns=(min(times), min(times)))

    def _mend_month(self, record: Record, state: CubeState) -> None:
        """Mend the month's values in the cube, and write its Item if it is missing or wrong."""
        folder, month = self._folder, record.key.month
        if month not in state.complete:
            self._leave(folder.cube, f"{month}: there is a record, the cube lacks the month", RUN)
            return
        fault = values_fault(folder, record, state)
        if not fault or self._values_restored(record, state, fault):
            self._mend_item(record, state)

    def _values_restored(self, record: Record, state: CubeState, fault: str) -> bool:
        """Write the month into the cube again from its values there or in its COG; report if neither can be done."""
        if restore_overviews(self._folder, record) and not values_fault(self._folder, record, state):
            self._made(str(record.key), "month", "overviews lost or wrong in the cube, made again from its values")
            return True
        if restore_values(self._folder, record) and not values_fault(self._folder, record, state):
            self._made(str(record.key), "month", "values lost in the cube, taken from its COG")
            return True
        path = self._folder.place("record", record.key.month)  # keep it: it proves the values
        problem = f"{record.key.month}: {fault}. No COG mends that: only its granules can make it again"
        self._leave(self._folder.cube, problem, self._repair.move_out(path), RUN)
        return False

    def _mend_item(self, record: Record, state: CubeState) -> None:
        folder, month = self._folder, record.key.month
        path, files = folder.place("item", month), folder.found(month)
        found = read_item(path)
        kinds = named_products(found, self._products_of(files))
        missing = [kind for kind in products(kinds) if kind not in files]
        wrong: list[str] = []
        if found is not None and not missing:
            wrong = list(differences(found, expected_item(folder, record, kinds, found, checksums=False)))
            if not wrong:
                return
        present = kinds - {*missing}
        fault = compare_with_cube(folder, record, present)
        if fault and fault[0] in ("record", "overviews") and self._values_restored(record, state, fault[1]):
            fault = compare_with_cube(folder, record, present)
        if fault and fault[0] not in ("record", "overviews"):
            product = folder.place(fault[0], month)
            self._leave(product, f"{month}: {fault[1]}", self._repair.remove(product), RUN)
        for kind in missing if not fault else ():
            self._leave(folder.place(kind, month), f"no {product_name(kind)}", RUN)
        if fault or missing:
            return
        write_document(path, expected_item(folder, record, kinds, found, checksums=True))
        self._made(str(record.key), "Item", _summary(wrong))

    def _products_of(self, files: Mapping[str, Path]) -> list[str]:
        """Return the products of a month without an Item: those of the folder, with COGs as the month has them."""
        cogs = [kind for kind in files if is_cog(kind)]
        others = [kind for kind in self._products if is_cog(kind) and ("cog" in cogs) == (kind == "cog")]
        further = [kind for kind in self._products if not is_cog(kind)]
        return [*(others if cogs else filter(is_cog, self._products)), *further]

    # catalog

    def _write_catalog(self) -> None:
        folder = self._folder
        path, search = folder.place("tile_catalog"), folder.place("search")
        if not (path.exists() or any(folder.files.values()) or search.exists()):
            return
        if not search.exists():
            self._leave(search, NO_SEARCH_LOG, RUN)
        rows, written = replace_rows(folder.owner, folder.layout, lambda: list(self._rows()), only_if_changed=True)
        if written:
            self._made(folder.path.name, "catalog", _changes(self._rows_before, rows))

    def _rows(self) -> Iterator[Row]:
        """Yield the rows of all months; those that only an older catalog knows are added by `update.rows_to_keep`."""
        folder, made = self._folder, set()
        for path in record_paths(folder.path):
            month = Month.parse(path.stem)
            record = None if month in folder.hidden else check_record(folder, month).record
            if record:
                made.add(str(month))
                yield self._row(record)
        yield from (row for month, row in self._rows_without_data().items() if month not in made)

    def _row(self, record: Record) -> Row:
        try:
            return record_row(record, self._folder.layout)
        except ProductError as error:  # the preview is not a picture, or has another grid
            path = self._folder.place("preview", record.key.month)
            self._leave(path, error.problem.removeprefix(f"preview {path}: "), self._repair.remove(path), RUN)
            return record_row(record, self._folder.layout, with_preview=False)

    def _rows_without_data(self) -> dict[str, Row]:
        """Return the rows of months without data by month; older ones if the search log cannot be read."""
        folder, path = self._folder, self._folder.place("search")
        if path not in folder.unreadable:
            try:
                return {str(month): row for month, row in search_rows(folder.owner, folder.layout).items()}
            except ProductError as error:
                self._leave(path, error.problem.removeprefix(f"{path}: "), self._repair.remove(path), RUN)
        return {month: row for month, row in self._rows_before.items() if row["status"] in (NO_DATA, UNUSABLE)}


def _summary(wrong: Iterable[str]) -> str:
    """Return the names of wrong values in an Item, without the values, from `items.differences`."""
    names = [line.split(": ")[0].removeprefix("properties.") for line in wrong]
    return f"wrong in {first_of(names)}" if names else "missing, or no JSON object"


def _changes(before: dict[str, Row], rows: Iterable[Row]) -> str:
    """Return the number of rows added, removed and changed, as text."""
    now = {row["month"]: row for row in rows}
    numbers = {
        "new": len(now.keys() - before.keys()),
        "gone": len(before.keys() - now.keys()),
        "changed": sum(row != before[month] for month, row in now.items() if month in before),
    }
    return (
        ", ".join(f"{count_of(number, 'row')} {name}" for name, number in numbers.items() if number)
        or "written again, no row changed"
    )
