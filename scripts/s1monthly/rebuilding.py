"""Make again what an output tree has lost, from what still lies there: records, Items, catalogs, the Collection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from s1monthly import catalog, cube, stac
from s1monthly.catalog import Row, write_catalog
from s1monthly.collection import collection
from s1monthly.cube import CubeState
from s1monthly.errors import CubeError, ProductError, S1MonthlyError
from s1monthly.findings import Commands, Finding, Progress, counted, misnamed, some, told, wrapped
from s1monthly.naming import Layout
from s1monthly.products import (
    NAMES,
    OPTIONAL,
    differences,
    expected_item,
    named_by,
    pictures_need_no_grid,
    read_item,
    unlike_the_cube,
)
from s1monthly.records import SCHEMA, Record, read_record
from s1monthly.restoring import restore, write_restored
from s1monthly.survey import TileFolder, survey
from s1monthly.vocabulary import Month


@dataclass
class Rebuilt:
    """What came of it.

    Attributes
    ----------
    lines : list of str
        What was made, and of what.
    left : list of Finding
        What could not be made, and the commands that do.
    """

    lines: list[str] = field(default_factory=list)
    left: list[Finding] = field(default_factory=list)

    def to_text(self) -> str:
        """Everything, for people."""
        lines = [part for line in self.lines for part in wrapped(line)]
        for finding in sorted(self.left):
            lines += ["", *told(finding)]
        if self.left:
            lines += ["", f"NOT WHOLE: {counted(len(self.left), 'thing')} left to mend"]
        return "\n".join(lines)


def rebuild(base_dir: Path, work_dir: Path) -> Rebuilt:
    """Make records that are lost, Items that are missing or wrong, every catalog and the Collection.

    A record is made from the cube, see `restoring`. An Item is written where COG and preview are proven to show what
    the cube holds. COGs and previews are made by the workflow; those that are missing are told.

    Parameters
    ----------
    base_dir : Path
        Root of the output tree.
    work_dir : Path
        Where granule lists may lie.
    """
    done, mend, layout = Rebuilt(), Commands(base_dir), Layout(str(base_dir), str(work_dir))
    if not base_dir.is_dir():
        done.left.append(Finding(str(base_dir), "no such folder", (mend.run,)))
        return done
    tree = survey(base_dir, work_dir)
    done.left += [misnamed(path, name, mend) for path, name in tree.renamed.items()]
    rows: list[Row] = []
    for folder in tree.folders:
        found = FolderRebuild(folder, mend, done).rows()
        path = Path(folder.fill(layout.tile_catalog))
        if found or path.exists():
            write_catalog(path, found)
            made = sum(row["record_path"] is not None for row in found)
            done.lines.append(f"{folder.path.name}: {counted(made, 'month')}, {len(found) - made} without data")
        rows += catalog.seen_from_above(found, folder.path.name)
    if rows or Path(layout.catalog).exists():
        write_catalog(layout.catalog, rows)
        stac.write_document(layout.collection, collection(rows))
        done.lines.append(f"{layout.catalog}: {len(rows)} rows of {counted(len(tree.folders), 'folder')}")
    else:
        done.lines.append(f"{base_dir}: no months to catalog")
    return done


class FolderRebuild:
    """What is made again in the folder of a tile and direction."""

    def __init__(self, folder: TileFolder, mend: Commands, done: Rebuilt) -> None:
        self._folder, self._mend, self._done = folder, mend, done
        self._state: CubeState | None = None
        try:
            self._state = cube.state(folder.cube)
        except CubeError as error:
            if folder.files["record"] or folder.cube.exists():
                self._leave(folder.cube, error.problem, mend.run)
        try:
            self._rows_before = catalog.read_catalog(folder.fill(folder.layout.tile_catalog))
        except ProductError:
            self._rows_before = []
        self._usual = {kind for kind in OPTIONAL if folder.files[kind]}

    def rows(self) -> list[Row]:
        """Mend the folder; return the rows of its catalog, by month."""
        self._restore_records()
        records = dict(self._records())
        progress = Progress(f"{self._folder.path.name}: Items", len(records))
        for month, record in records.items():
            if self._state and month in self._state.complete:
                with pictures_need_no_grid():
                    self._mend_item(record)
            elif self._state:
                self._leave(self._folder.cube, f"{month}: there is a record, the cube lacks the month", self._mend.run)
            progress.step()
        rows = {month: self._row(record) for month, record in records.items()}
        rows |= {month: row for month, row in self._without_data().items() if month not in rows}
        return [rows[month] for month in sorted(rows)]

    def _leave(self, path: Path, problem: str, *commands: str) -> None:
        self._done.left.append(Finding(str(path), problem, commands))

    def _restore_records(self) -> None:
        if self._state is None:
            return
        files, before = self._folder.files, {row["month"]: row for row in self._rows_before}
        for month in self._state.complete:
            path = Path(self._folder.fill(self._folder.layout.record, month))
            if path.exists() and not _is_lost(path):
                continue
            try:
                restored = restore(self._folder, month, self._state, before.get(str(month)))
            except ProductError as error:
                self._leave(path, f"no record, and {error.problem}", self._mend.run)
                continue
            write_restored(path, restored, [files[kind][month] for kind in files if month in files[kind]])
            files["record"][month] = path
            self._done.lines.append(f"{restored.record.key}: {restored.told}")

    def _records(self) -> Iterator[tuple[Month, Record]]:
        for month, path in sorted(self._folder.files["record"].items()):
            try:
                record = read_record(path)
            except ProductError as error:
                self._leave(path, error.problem.removeprefix(f"{path}: "), self._mend.remove(path), self._mend.run)
                continue
            if record.key == self._folder.key(month):
                yield month, record
            else:
                problem = f"this record is of {record.key}: a copy, or a file under another name"
                self._leave(path, problem, self._mend.remove(path), self._mend.rebuild)

    def _mend_item(self, record: Record) -> None:
        """Write the month's Item where it is missing or wrong, and its products are sound."""
        folder, month = self._folder, record.key.month
        path = Path(folder.fill(folder.layout.item, month))
        found = read_item(path)
        kinds = named_by(found, self._usual)
        missing = [kind for kind in OPTIONAL if kind in kinds and month not in folder.files[kind]]
        for kind in missing:
            self._leave(Path(folder.fill(getattr(folder.layout, kind), month)), f"no {NAMES[kind]}", self._mend.run)
        if missing:
            if found is None:
                self._leave(path, f"no Item, and no {' and no '.join(NAMES[kind] for kind in missing)}", self._mend.run)
            return
        try:
            wrong = ["missing, or no JSON object"]
            if found is not None:
                wrong = list(differences(found, expected_item(record, folder.layout, kinds, found, checksums=False)))
                if not wrong:
                    return
            fault = unlike_the_cube(record, folder.layout, kinds)
            if fault:
                kind, reason = fault
                product = folder.files[kind][month]
                self._leave(product, f"{month}: {reason}", self._mend.remove(product), self._mend.run)
                return
            stac.write_document(path, expected_item(record, folder.layout, kinds, found, checksums=True))
        except S1MonthlyError as error:
            self._leave(path, error.problem, self._mend.run)
            return
        self._done.lines.append(f"{record.key}: Item written again; it was {some(wrong)}")

    def _row(self, record: Record) -> Row:
        try:
            return catalog.record_row(record, self._folder.layout)
        except ProductError as error:  # the preview is no picture, or of another grid
            path = self._folder.files["preview"][record.key.month]
            self._leave(path, error.problem.removeprefix(f"preview {path}: "), self._mend.remove(path), self._mend.run)
            return catalog.record_row(record, self._folder.layout, with_preview=False)

    def _without_data(self) -> dict[Month, Row]:
        try:
            return catalog.search_rows(self._folder.owner, self._folder.layout)
        except ProductError as error:
            path = Path(self._folder.fill(self._folder.layout.search))
            self._leave(path, error.problem.removeprefix(f"{path}: "), self._mend.remove(path), self._mend.run)
            kept = (catalog.NO_DATA, catalog.UNUSABLE)
            return {Month.parse(row["month"]): row for row in self._rows_before if row["status"] in kept}


def _is_lost(path: Path) -> bool:
    """Whether a record cannot be read, and is not one of another version, which must not be written over."""
    try:
        read_record(path)
        return False
    except ProductError:
        pass
    try:
        return bool(json.loads(path.read_text(encoding="utf-8"))["schema"] == SCHEMA)
    except (OSError, ValueError, KeyError, TypeError):
        return True
