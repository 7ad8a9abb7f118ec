"""Check that an output tree is complete and consistent: months, catalogs, Collection, and no stray files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from s1monthly.audit.cube_checks import check_cube, commands_for
from s1monthly.audit.findings import Commands, Finding, Progress, Report, misnamed, some, unreadable
from s1monthly.audit.month_checks import DEFAULT, Depth, MonthCheck, check_month
from s1monthly.audit.products import TOLERANCE, differences, pictures_need_no_grid
from s1monthly.audit.search_checks import SearchCheck, check_search
from s1monthly.audit.survey import TileFolder, Tree, survey
from s1monthly.catalog import item as stac
from s1monthly.catalog import table as catalog
from s1monthly.catalog.collection import collection
from s1monthly.catalog.table import Row, row_key
from s1monthly.catalog.update import previous_rows, rows_to_keep
from s1monthly.cube.header import Status
from s1monthly.errors import ProductError, S1MonthlyError
from s1monthly.layout import Layout
from s1monthly.model import Month

WORKERS = 2
"""Months checked at the same time; the work is mostly reading, hashing and decoding, which run in parallel."""

FILES = (".parquet", ".json", ".tif", ".png")
"""Suffixes of files in an output tree."""


def validate(base_dir: Path, depth: Depth = DEFAULT, work_dir: Path | None = None) -> Report:
    """Check an output tree; write nothing.

    Parameters
    ----------
    base_dir : Path
        Root of the tree.
    work_dir : Path, optional
        Folder of granule lists, if any; default: ``work`` in the tree.
    """
    report, mend = Report(str(base_dir)), Commands(base_dir, work_dir)
    there = "give the one that output.base_dir names"
    if not base_dir.is_dir():
        report.problems.append(Finding(str(base_dir), f"no such folder: {there}"))
        return report
    tree, layout = survey(base_dir, work_dir or base_dir / "work"), Layout(str(base_dir), "")
    if not (
        tree.folders
        or tree.renamed
        or tree.unreadable
        or Path(layout.catalog).exists()
        or Path(layout.collection).exists()
    ):
        report.problems.append(Finding(str(base_dir), f"a folder without any output of this workflow: {there}"))
        return report
    folders = [FolderCheck(folder, mend) for folder in tree.folders if not folder.closed]
    jobs = [(check, month) for check in folders for month in check.to_check()]
    progress = Progress("months checked", len(jobs))
    with pictures_need_no_grid(), ThreadPoolExecutor(WORKERS) as pool:

        def one(job: tuple[FolderCheck, Month]) -> MonthCheck:
            check, month = job
            return check_month(check.folder, month, check.state, check.row_before(month), depth, mend)

        for (check, month), result in zip(jobs, pool.map(one, jobs), strict=True):
            check.months[month] = result
            progress.step()
    for check in folders:
        report.problems += check.problems()
        report.notes += check.notes()
    report.problems += misnamed(tree.renamed, mend)
    parts: list[Tree | TileFolder] = [tree, *tree.folders]
    for part in parts:
        _told_by_name(part.strays, part.leftovers, report, mend)
        report.problems += unreadable(part.unreadable, mend)
    if not {Path(layout.catalog), Path(layout.collection)} & set(tree.unreadable):
        report.problems += _global_problems(layout, folders, tree.untold, mend)
    report.months = sum(month.made for check in folders for month in check.months.values())
    report.tiles = len({check.folder.owner.tile for check in folders})
    return report


def _told_by_name(strays: Iterable[Path], leftovers: Iterable[Path], report: Report, mend: Commands) -> None:
    for path in strays:
        if path.is_dir() and path.suffix in FILES:
            problem = "a folder, where a file of this name belongs"
            report.problems.append(Finding(str(path), problem, (mend.move_out(path), mend.rebuild)))
            continue
        problem = "does not belong in an output tree, or has not the name that it was made with"
        report.problems.append(Finding(str(path), problem, (mend.move_out(path),)))
    for path in leftovers:
        by_viewer = path.name.endswith(".aux.xml")
        problem = "left by a viewer" if by_viewer else "left by a run that was killed, or is running"
        report.notes.append(Finding(str(path), problem))


@dataclass(frozen=True)
class HeldCatalog:
    """An existing catalog.

    Attributes
    ----------
    problem : str
        Why it cannot be read; empty if it can.
    """

    path: Path
    rows: list[Row]
    problem: str = ""

    @classmethod
    def read(cls, path: str | Path) -> HeldCatalog:
        """Read a catalog; one that cannot be read has no rows."""
        try:
            return cls(Path(path), catalog.read_catalog(path))
        except ProductError as error:
            return cls(Path(path), [], error.problem.removeprefix(f"{path}: "))

    def problems(
        self, expected: Iterable[Row], passed_over: Callable[[Row], bool], mend: Commands
    ) -> Iterator[Finding]:
        """Yield a finding if its rows are not the expected ones, except rows for which `passed_over` is true."""
        if self.problem:
            yield Finding(str(self.path), self.problem, (mend.rebuild,))
            return
        keys = sorted(row_key(row) for row in self.rows)
        lines = [f"{'_'.join(key)} is there twice" for key, after in pairwise(keys) if key == after]
        if [row_key(row) for row in self.rows] != keys:
            lines.append("its rows are not in order")
        have, want = ({row_key(row): row for row in rows if not passed_over(row)} for rows in (self.rows, expected))
        for key in sorted(have.keys() | want.keys()):
            if key not in want:
                lines.append(f"{'_'.join(key)} is there, and nothing lies there of it")
            elif key not in have:
                lines.append(f"{'_'.join(key)} is missing")
            else:
                columns = [name for name in catalog.SCHEMA.names if not _same(name, have[key][name], want[key][name])]
                lines += [f"{'_'.join(key)}: {', '.join(columns)}"] if columns else []
        if not lines and not self._is_described():
            lines.append("its GeoParquet metadata do not describe its rows")
        if lines:
            yield Finding(str(self.path), f"out of step: {some(lines)}", (mend.rebuild,))

    def _is_described(self) -> bool:
        try:
            told = json.loads(
                (pq.read_schema(pa.BufferReader(self.path.read_bytes())).metadata or {}).get(b"geo", b"null")
            )
            return bool(told == json.loads(json.dumps(catalog.geo_metadata(self.rows))))
        except (ValueError, shapely.errors.ShapelyError):
            return False


def _same(name: str, found: Any, expected: Any) -> bool:
    if name != "geometry":
        return not any(True for _ in differences(found, expected))
    shapes = [shapely.from_wkb(value, on_invalid="ignore") for value in (found, expected)]
    return shapes[0] is not None and bool(shapes[0].equals_exact(shapes[1], TOLERANCE))


class FolderCheck:
    """Check of the folder of a tile and direction.

    Attributes
    ----------
    state : CubeState or None
        State of its cube; None if there is no readable cube.
    months : dict of Month to MonthCheck
        Results for the months of `to_check`, filled by the caller.
    unsure : bool
        True if the search log cannot be read or is wrong: the months without data are unknown.
    """

    def __init__(self, folder: TileFolder, mend: Commands) -> None:
        self.folder, self._mend = folder, mend
        self.months: dict[Month, MonthCheck] = {}
        self.catalog = HeldCatalog.read(folder.fill(folder.layout.tile_catalog))
        self._search = Path(folder.fill(folder.layout.search))
        self._cube = check_cube(folder)
        self.state = self._cube.state
        unread = self._search in folder.unreadable
        search = SearchCheck() if unread else check_search(folder)
        self._search_problem, self._without_data = search.problem, search.rows
        self.unsure = bool(self._search_problem) or unread
        if not self._search.exists():
            kept = rows_to_keep(previous_rows(folder.owner, folder.layout), (), folder.layout)
            self._without_data = {Month.parse(row["month"]): row for row in kept if row["record_path"] is None}

    def to_check(self) -> list[Month]:
        """Return the months with a file or a complete slot in the cube."""
        held = self.state.complete if self.state else ()
        found = {month for paths in self.folder.files.values() for month in paths} | set(held)
        return sorted(found - self.folder.hidden)

    def row_before(self, month: Month) -> Row | None:
        """Return the month's row in the existing catalog, or None."""
        return next((row for row in self.catalog.rows if row["month"] == str(month)), None)

    def troubled(self, row: Row) -> bool:
        """Return True if a row's month has a problem: the repair writes the catalogs again."""
        checked = any(check.row is None for month, check in self.months.items() if str(month) == row["month"])
        return checked or any(str(month) == row["month"] for month in self.folder.hidden)

    def rows(self) -> list[Row]:
        """Return the rows that the catalog should have; a month with a problem keeps its row."""
        rows = {month: check.row for month, check in self.months.items() if check.row}
        rows |= {month: row for month, row in self._without_data.items() if month not in self.months}
        return [*rows.values(), *(row for row in self.catalog.rows if self.troubled(row))]

    def problems(self) -> Iterator[Finding]:
        """Yield all problems of the folder."""
        made = any(check.made for check in self.months.values())
        if self._cube.problem and (made or self.folder.cube.exists()):
            yield Finding(
                str(self.folder.cube), self._cube.problem, commands_for(self._cube, self.folder.cube, self._mend)
            )
        if self._search_problem:
            again = (self._mend.remove(self._search), self._mend.run)
            yield Finding(str(self._search), self._search_problem, again)
        elif not self._search.exists() and (self.months or self.catalog.rows):
            problem = "lost: months without data are known from the old catalog alone"
            yield Finding(str(self._search), problem, (self._mend.run,))
        for check in self.months.values():
            yield from check.problems
        if not self.unsure:
            yield from self.catalog.problems(self.rows(), self.troubled, self._mend)

    def notes(self) -> Iterator[Finding]:
        """Yield notes about the folder."""
        for check in self.months.values():
            yield from check.notes
        for month, status in self.state.months.items() if self.state else ():
            if status is Status.BEING_WRITTEN and month not in self.months:
                problem = "a month was being written or given bands, and is not finished: the next run writes it again"
                yield Finding(f"{self.folder.cube} {month}", problem)


def _global_problems(
    layout: Layout, folders: Sequence[FolderCheck], untold: set[str], mend: Commands
) -> Iterator[Finding]:
    by_name = {check.folder.path.name: check for check in folders}
    unsure = {name for name, check in by_name.items() if check.unsure} | untold

    def passed_over(row: Row) -> bool:
        name = f"{row['mgrs_tile_id']}_{row['flight_direction']}"
        return name in unsure or (name in by_name and by_name[name].troubled(row))

    held = HeldCatalog.read(layout.catalog)
    if not folders and not held.path.exists():
        return
    expected = [row for name, check in by_name.items() for row in catalog.with_global_paths(check.rows(), name)]
    yield from held.problems(expected, passed_over, mend)
    path = Path(layout.collection)
    rows = [*(row for row in expected if not passed_over(row)), *(row for row in held.rows if passed_over(row))]
    try:
        lines = list(differences(stac.read_document(path), collection(rows)))
        problem = f"out of step: {some(lines)}" if lines else ""
    except S1MonthlyError as error:
        problem = error.problem.removeprefix(f"{path}: ")
    if problem:
        yield Finding(str(path), problem, (mend.rebuild,))
