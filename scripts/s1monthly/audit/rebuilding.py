"""Rebuild lost records, Items, catalogs and the Collection from the remaining files of an output tree."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from s1monthly.audit.cube_checks import check_cube, commands_for, mend_cube
from s1monthly.audit.doubts import doubt, read_credible
from s1monthly.audit.findings import Commands, Finding, Progress, counted, fitted, misnamed, some, told, unreadable
from s1monthly.audit.month_mends import denied_chunks, lost_status_alone, values_in_cog
from s1monthly.audit.products import (
    NAMES,
    OPTIONAL,
    differences,
    expected_item,
    named_by,
    pictures_need_no_grid,
    read_item,
    unlike_the_cube,
)
from s1monthly.audit.remains import left_of, row_of_remains
from s1monthly.audit.restoring import INVENTED, Restored, content_of, invented_by, restore, write_restored
from s1monthly.audit.search_checks import check_search
from s1monthly.audit.survey import TileFolder, Tree, survey
from s1monthly.catalog import item as stac
from s1monthly.catalog import table as catalog
from s1monthly.catalog.table import Row
from s1monthly.catalog.update import catalog_all, previous_rows, replace_rows
from s1monthly.cube import months as cube
from s1monthly.cube.chunks import lost_chunks
from s1monthly.cube.months import CubeState
from s1monthly.cube.write import complete_again, write_month
from s1monthly.errors import CubeError, ProductError, S1MonthlyError
from s1monthly.layout import Layout
from s1monthly.model import Month, Polarization
from s1monthly.records.month import SCHEMA, Record, read_record
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
        lines = [fitted(f"{made.place} {made.what}: {made.why}") for made in self.made]
        for finding in sorted(self.left):
            lines += ["", *told(finding)]
        lines += [""] if lines else []
        extent = f"{counted(self.months, 'month')} of {counted(self.folders, 'folder')}"
        extent += f", {self.without_data} without data" if self.without_data else ""
        if self.left:
            return "\n".join([*lines, f"NOT WHOLE: {counted(len(self.left), 'thing')} left to mend in {extent}"])
        return "\n".join([*lines, f"catalogued: {extent}" if self.folders else "no months to catalog"])


def rebuild(base_dir: Path, work_dir: Path | None = None) -> Rebuilt:
    """Make lost records, missing or wrong Items, all catalogs and the Collection.

    A lost record, or one that is proven wrong (see `doubts`), is made from the cube (see `restoring`). An Item is
    written if COG and preview are proven to show the content of the cube. COGs and previews are made by the workflow;
    missing ones are reported. Correct files are not written again.

    Parameters
    ----------
    base_dir : Path
        Root of the output tree.
    work_dir : Path, optional
        Folder of granule lists, if any; default: ``work`` in the tree.
    """
    lists = work_dir or base_dir / "work"
    done, mend, layout = Rebuilt(str(base_dir)), Commands(base_dir, work_dir), Layout(str(base_dir), str(lists))
    if not base_dir.is_dir():
        done.left.append(Finding(str(base_dir), "no such folder: give the one that output.base_dir names"))
        return done
    tree = survey(base_dir, lists)
    done.left += misnamed(tree.renamed, mend)
    done.left += unreadable([*tree.unreadable, *(path for part in tree.folders for path in part.unreadable)], mend)
    for folder in tree.folders:
        if not folder.closed:
            with may_be_refused(folder.path, mend, done), held_by_no_run(folder, mend, done) as free:
                if free:
                    FolderRebuild(folder, mend, done).mend()
    if not tree.folders and not Path(layout.catalog).exists():
        return done
    with no_folder_at(_place_taken(layout), mend, done), may_be_refused(base_dir, mend, done):
        taken = [folder for folder in tree.folders if Path(folder.fill(layout.tile_catalog)).is_dir()]
        if not (taken or {Path(layout.catalog), Path(layout.collection)} & set(tree.unreadable)):
            _catalog_all(tree, base_dir, done)  # otherwise the global catalog would lose rows
    return done


def _place_taken(layout: Layout) -> Path:
    """Return the first global file whose path is a folder, else the catalog."""
    places = [Path(layout.catalog), Path(layout.collection)]
    return next((path for path in places if path.is_dir()), places[0])


def _catalog_all(tree: Tree, base_dir: Path, done: Rebuilt) -> None:
    closed = {folder.path for folder in tree.folders if folder.closed}
    passed_over = {*tree.renamed, *tree.strays, *tree.unreadable, *closed}
    rows, written = catalog_all(base_dir, passed_over, tree.untold, only_if_changed=True)
    for path in written:
        done.made.append(Made(str(path), "catalog" if path.suffix == ".parquet" else "Collection", "out of step"))
    done.folders = len({(row["mgrs_tile_id"], row["flight_direction"]) for row in rows})
    done.without_data = sum(row["status"] in (catalog.NO_DATA, catalog.UNUSABLE) for row in rows)
    done.months = len(rows) - done.without_data


@contextmanager
def no_folder_at(path: Path, mend: Commands, done: Rebuilt) -> Iterator[None]:
    """Report a folder at the path of a file, and continue."""
    try:
        yield
    except IsADirectoryError:
        problem = "a folder, where a file of this name belongs"
        done.left.append(Finding(str(path), problem, (mend.move_out(path), mend.rebuild)))


@contextmanager
def may_be_refused(path: Path, mend: Commands, done: Rebuilt) -> Iterator[None]:
    """Report a file that this user cannot read or write, and continue."""
    try:
        yield
    except PermissionError as error:
        place = Path(error.filename or path)
        done.left.append(Finding(str(place), f"may not be read or written ({error.strerror})", (mend.allow(place),)))


@contextmanager
def held_by_no_run(folder: TileFolder, mend: Commands, done: Rebuilt) -> Iterator[bool]:
    """Keep runs out of a folder and yield True; if a run works on it, report that and yield False."""
    try:
        held = hold(folder.path.parent, [folder.owner])
    except RunLockError as error:
        done.left.append(Finding(str(folder.path), f"passed over: {error.problem}. {error.remedy}", (mend.rebuild,)))
        yield False
        return
    try:
        yield True
    finally:
        if held:
            held.release()


class FolderRebuild:
    """Rebuild of the folder of a tile and direction."""

    def __init__(self, folder: TileFolder, mend: Commands, done: Rebuilt) -> None:
        self._folder, self._mend, self._done = folder, mend, done
        self._state = self._mended_cube()
        self._rows_before = {row["month"]: row for row in previous_rows(folder.owner, folder.layout)}
        self._usual = {kind for kind in OPTIONAL if folder.files[kind]}
        self._doubted: set[Month] = set()

    def _mended_cube(self) -> CubeState | None:
        """Write wrong coordinates and metadata of the cube again; return the cube's state."""
        store = self._folder.cube
        check = check_cube(self._folder)
        if check.mendable:
            try:
                check = mend_cube(self._folder)
            except CubeError as error:
                self._leave(store, error.problem.removeprefix("cube "), self._mend.rebuild)
                return None
            self._done.made.append(Made(self._folder.path.name, "cube", check.problem))
        elif check.problem and (self._folder.files["record"] or store.exists()):
            self._leave(store, check.problem, *commands_for(check, store, self._mend))
        return check.state

    def mend(self) -> None:
        """Mend status of months, records and Items, then write the folder's catalog."""
        self._mend_months()
        self._restore_records()
        records = dict(self._records())
        progress = Progress(f"{self._folder.path.name}: Items", len(records))
        for month, record in records.items():
            if self._state and month in self._state.complete:
                with pictures_need_no_grid():
                    self._mend_month(record)
            elif self._state:
                self._leave(self._folder.cube, f"{month}: there is a record, the cube lacks the month", self._mend.run)
            progress.step()
        self._write_catalog()

    def _path(self, kind: str, month: Month | None = None) -> Path:
        return Path(self._folder.fill(getattr(self._folder.layout, kind), month))

    def _leave(self, path: Path, problem: str, *commands: str) -> None:
        self._done.left.append(Finding(str(path), problem, commands))

    # months of the cube

    def _mend_months(self) -> None:
        """Mark months as complete that lost only their status."""
        if self._state is None:
            return
        for month in self._state.months:
            digests = lost_status_alone(self._folder, month, self._state, self._rows_before.get(str(month)))
            if month not in self._folder.hidden and digests and complete_again(self._folder.cube, month, digests):
                self._done.made.append(Made(str(self._folder.key(month)), "month", "its status was lost"))
        self._state = cube.state(self._folder.cube)

    def _give_back(self, record: Record) -> bool:
        """Write a month's values into the cube again from its COG, if the COG is proven to hold them."""
        values = values_in_cog(self._folder, record)
        if values is None:
            return False
        month = record.key.month
        write_month(self._folder.cube, month, values, cube.read_count(self._folder.cube, month))
        self._done.made.append(Made(str(record.key), "month", "values lost in the cube, taken from its COG"))
        return True

    def _is_whole(self, record: Record) -> bool:
        """Tell whether the cube holds the values of a record; reads all of them."""
        try:
            return cube.month_digest(self._folder.cube, record.key.month) == record.digest
        except CubeError:
            return False

    def _leave_lost(self, record: Record, problem: str) -> None:
        """Report a month whose values are neither in the cube nor in a COG; its record stays as proof of them."""
        month = record.key.month
        self._doubted.add(month)
        problem = f"{month}: {problem}. No COG holds its values: only its granules can make it again"
        self._leave(self._folder.cube, problem, self._mend.move_out(self._path("record", month)), self._mend.run)

    def _lost_chunks(self, state: CubeState, month: Month, count: NDArray[np.uint8]) -> list[str]:
        slot, polarization = month.ordinal - state.first.ordinal, Polarization(state.recipe["polarization"])
        return lost_chunks(self._folder.cube, slot, state.bands, polarization, count)

    # records

    def _restore_records(self) -> None:
        state = self._state
        if state is None:
            return
        for month in state.complete:
            path = self._path("record", month)
            if month in self._folder.hidden:
                continue
            stray = None if path.exists() else invented_by(self._folder, month, self._rows_before.get(str(month)))
            if stray:
                self._leave(stray, INVENTED.format(month=month), self._mend.remove(stray))
                continue
            with no_folder_at(path, self._mend, self._done):
                content = content_of(path)
                if content is not None and not _is_lost(path):
                    continue
                try:
                    restored = restore(self._folder, month, state, self._rows_before.get(str(month)))
                except ProductError as error:
                    self._leave(path, f"no record, and {error.problem}", self._mend.run)
                    continue
                self._write_record(month, restored, content, "lost")

    def _write_record(self, month: Month, restored: Restored, instead_of: bytes | None, why: str) -> None:
        path, files = self._path("record", month), self._folder.files
        products = [paths[month] for paths in files.values() if month in paths]
        if write_restored(path, restored, products, instead_of):
            self._done.made.append(Made(str(restored.record.key), "record", f"{why}; {restored.told}"))
        files["record"][month] = path

    def _records(self) -> Iterator[tuple[Month, Record]]:
        for month, path in sorted(self._folder.files["record"].items()):
            try:
                record = read_credible(path)
            except ProductError as error:
                self._leave(path, error.problem.removeprefix(f"{path}: "), self._mend.remove(path), self._mend.run)
                continue
            if record.key == self._folder.key(month):
                yield month, record
            else:
                problem = f"this record is of {record.key}: a copy, or a file under another name"
                self._leave(path, problem, self._mend.remove(path), self._mend.rebuild)

    def _believed(self, record: Record) -> Record | None:
        """Return the record, or its replacement if it is proven wrong; None if it is not believed."""
        month = record.key.month
        path, before = self._path("record", month), self._rows_before.get(str(month))
        content = content_of(path)
        if self._state is None or content is None:
            return record
        try:
            count = cube.read_count(self._folder.cube, month)
            lost = self._lost_chunks(self._state, month, count)
        except CubeError as error:
            count, lost = None, [error.problem]
        if lost and not self._give_back(record):
            denied = denied_chunks(self._folder, month, self._state)
            if denied:
                self._doubted.add(month)
                self._done.left += unreadable(denied, self._mend)
            else:
                self._leave_lost(record, some(lost))
            return None
        doubted = doubt(self._folder, record, self._state, before, count)
        if doubted and doubted.restored is None and self._give_back(record):
            doubted = doubt(self._folder, record, self._state, before, count)
        if doubted is None:
            return record
        if doubted.restored and doubted.contradicted:
            self._write_record(month, doubted.restored, content, doubted.in_short)
            return doubted.restored.record
        self._doubted.add(month)
        if doubted.restored:
            self._leave(path, doubted.problem, self._mend.remove(path), self._mend.rebuild)
        else:
            self._leave(path, doubted.problem, self._mend.move_out(path), self._mend.run)
        return None

    # Items

    def _mend_month(self, found: Record) -> None:
        """Write the month's record again if it is proven wrong, and its Item if it is missing or wrong."""
        record = self._believed(found)
        if record is None:
            return
        path = self._path("item", record.key.month)
        try:
            with no_folder_at(path, self._mend, self._done):
                self._mend_item(record, path)
        except S1MonthlyError as error:
            self._leave(path, error.problem, self._mend.run)

    def _mend_item(self, record: Record, path: Path) -> None:
        folder, month = self._folder, record.key.month
        made_of = content_of(self._path("record", month))
        found = read_item(path)
        kinds = named_by(found, self._usual)
        missing = [kind for kind in OPTIONAL if kind in kinds and month not in folder.files[kind]]
        if missing and not (self._is_whole(record) or self._give_back(record)):
            self._leave_lost(record, "other values than the record's (digest)")  # a run would refuse to show them
            return
        for kind in missing:
            self._leave(self._path(kind, month), f"no {NAMES[kind]}", self._mend.run)
        if missing:
            if found is None:
                self._leave(path, f"no Item, and no {' and no '.join(NAMES[kind] for kind in missing)}", self._mend.run)
            return
        wrong: list[str] = []
        if found is not None:
            wrong = list(differences(found, expected_item(record, folder.layout, kinds, found, checksums=False)))
            if not wrong:
                return
        fault = unlike_the_cube(record, folder.layout, kinds)
        if fault and fault[0] == "record" and self._give_back(record):
            fault = unlike_the_cube(record, folder.layout, kinds)
        if fault:
            kind, reason = fault
            if kind == "record":
                self._leave_lost(record, reason)
            else:
                product = self._path(kind, month)
                self._leave(product, f"{month}: {reason}", self._mend.remove(product), self._mend.run)
            return
        item = expected_item(record, folder.layout, kinds, found, checksums=True)
        if content_of(self._path("record", month)) == made_of:  # otherwise a running workflow makes the Item
            stac.write_document(path, item)
            self._done.made.append(Made(str(record.key), "Item", _in_short(wrong)))

    # catalog

    def _write_catalog(self) -> None:
        folder = self._folder
        path = self._path("tile_catalog")
        if not (path.exists() or any(folder.files.values()) or self._path("search").exists()):
            return
        if not self._path("search").exists():
            problem = "lost: months without data are known from the old catalog alone"
            self._leave(self._path("search"), problem, self._mend.run)
        with no_folder_at(path, self._mend, self._done):
            rows, new = replace_rows(folder.owner, folder.layout, lambda _: list(self._rows()), only_if_changed=True)
            if new:
                self._done.made.append(Made(folder.path.name, "catalog", _changes(self._rows_before, rows)))

    def _rows(self) -> Iterator[Row]:
        """Yield rows of the files that exist now: a run may have finished more months since the survey."""
        folder, made = self._folder, set()
        for path in catalog.record_paths(folder.path):
            month = Month.parse(path.stem)
            if month in folder.hidden:
                continue
            try:
                read_record(path)  # rejects an altered record: it is never catalogued
                record = read_credible(path)
            except ProductError:  # reported already
                continue
            if record.key != folder.key(month) or (month in self._doubted and str(month) in self._rows_before):
                continue
            made.add(month)
            yield self._row(record)
        for month in folder.hidden:
            made.add(month)
            yield from (row for row in self._rows_before.values() if row["month"] == str(month))
        for month in sorted({month for kind in ("cog", "preview", "item") for month in folder.files[kind]} - made):
            row = self._row_of_remains(month)
            if row:
                made.add(month)
                yield row
        yield from (row for month, row in self._without_data().items() if month not in made)

    def _row(self, record: Record) -> Row:
        try:
            return catalog.record_row(record, self._folder.layout)
        except ProductError as error:  # the preview is not a picture, or has another grid
            path = self._path("preview", record.key.month)
            self._leave(path, error.problem.removeprefix(f"preview {path}: "), self._mend.remove(path), self._mend.run)
            return catalog.record_row(record, self._folder.layout, with_preview=False)

    def _row_of_remains(self, month: Month) -> Row | None:
        """Return the row of a month without a valid record; None if an older catalog tells more, or nothing does."""
        files, before = self._folder.files, self._rows_before.get(str(month))
        row = row_of_remains(self._folder, month)
        known = before is not None and (row is None or row["digest"] == before["digest"])
        if not (self._state and month in self._state.complete) and month not in self._doubted:
            left = left_of([kind for kind in files if kind != "record" and month in files[kind]])
            kept = "its row is kept" if row or known else "and no row"
            problem = f"record and values in the cube are lost; left: {left}; {kept}. It must be made again"
            self._leave(self._path("record", month), problem, self._mend.run)
        return None if known else row

    def _without_data(self) -> dict[Month, Row]:
        path = self._path("search")
        unread = path in self._folder.unreadable
        search = check_search(self._folder)
        if search.problem and not unread:
            self._leave(path, search.problem, self._mend.remove(path), self._mend.run)
        if not search.problem:
            return search.rows
        kept = (catalog.NO_DATA, catalog.UNUSABLE)
        return {Month.parse(month): row for month, row in self._rows_before.items() if row["status"] in kept}


def _is_lost(path: Path) -> bool:
    """Return True for an unreadable record, but not for one of another version, which must not be overwritten."""
    try:
        read_credible(path)
        return False
    except ProductError:
        pass
    try:
        return bool(json.loads(path.read_text(encoding="utf-8"))["schema"] == SCHEMA)
    except (OSError, ValueError, KeyError, TypeError):
        return True


def _in_short(wrong: Iterable[str]) -> str:
    """Return the names of wrong values in an Item, without the values, from `products.differences`."""
    names = [line.split(": ")[0].removeprefix("properties.") for line in wrong]
    return f"wrong in {some(names)}" if names else "missing, or no JSON object"


def _changes(before: dict[str, Row], rows: Iterable[Row]) -> str:
    """Return the number of rows added, removed and changed, as text."""
    now = {row["month"]: row for row in rows}
    numbers = {
        "new": len(now.keys() - before.keys()),
        "gone": len(before.keys() - now.keys()),
        "changed": sum(row != before[month] for month, row in now.items() if month in before),
    }
    return ", ".join(f"{counted(number, 'row')} {name}" for name, number in numbers.items() if number) or "lost"
