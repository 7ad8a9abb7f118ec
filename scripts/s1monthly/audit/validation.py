"""Check that an output tree is complete and consistent: months, catalogs, Collections, and no stray files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

from s1monthly.audit.catalog_checks import ExistingCatalog, geopackage_problems, items_problems, stac_problems
from s1monthly.audit.cube_metadata import check_cube
from s1monthly.audit.month_validation import DEFAULT, Depth, MonthCheck, MonthValidation
from s1monthly.audit.products import ignore_missing_georeference
from s1monthly.audit.repair_commands import RUN, RepairCommands, misnamed, unreadable
from s1monthly.audit.report import Finding, Progress, Report
from s1monthly.audit.tile_products import reference_problem, static_problems
from s1monthly.audit.tree_files import TileFolder, Tree, list_tree
from s1monthly.catalog.items_table import for_root, item_name, items_of, joined
from s1monthly.catalog.table import Row, folder_name, row_key, search_rows, with_global_paths
from s1monthly.catalog.update import previous_rows, rows_to_keep
from s1monthly.cube.header import Status
from s1monthly.errors import ProductError
from s1monthly.layout import Layout
from s1monthly.model import Month

NO_FOLDER = "no such folder: give the one that output.base_dir names"
NO_SEARCH_LOG = "lost: months without data are known from the old catalog alone"

WORKERS = 2
"""Months checked at the same time; the work is mostly reading, hashing and decoding, which run in parallel."""


def validate(base_dir: Path, depth: Depth = DEFAULT) -> Report:
    """Check an output tree; write nothing."""
    report, repair, layout = Report(str(base_dir)), RepairCommands(base_dir), Layout(str(base_dir))
    if not base_dir.is_dir():
        report.problems.append(Finding(str(base_dir), NO_FOLDER))
        return report
    tree = list_tree(base_dir)
    files = [Path(path) for path in layout.root_files()]
    if not (tree.folders or tree.renamed or tree.unreadable or any(path.exists() for path in files)):
        problem = "a folder without any output of this workflow: give the one that output.base_dir names"
        report.problems.append(Finding(str(base_dir), problem))
        return report
    folders = [_FolderValidation(folder, repair) for folder in tree.folders if not folder.closed]
    jobs = [(check, month) for check in folders for month in check.months_to_check()]
    progress = Progress("months checked", len(jobs))
    with ignore_missing_georeference(), ThreadPoolExecutor(WORKERS) as pool:

        def one(job: tuple[_FolderValidation, Month]) -> MonthCheck:
            check, month = job
            return MonthValidation(check.folder, month, check.state, depth, repair).check()

        for (check, month), result in zip(jobs, pool.map(one, jobs), strict=True):
            check.months[month] = result
            progress.step()
    for check in folders:
        report.problems += check.problems()
        report.notes += check.notes()
    report.problems += misnamed(tree.renamed, repair)
    parts: list[Tree | TileFolder] = [tree, *tree.folders]
    for part in parts:
        for path in part.strays:
            problem = "does not belong in an output tree, or has not the name that it was made with"
            report.problems.append(Finding(str(path), problem, (repair.move_out(path),)))
        for path in part.leftovers:
            by_viewer = path.name.endswith(".aux.xml")
            problem = "left by a viewer" if by_viewer else "left by a run that was killed, or is running"
            report.notes.append(Finding(str(path), problem))
        report.problems += unreadable(part.unreadable, repair)
    if not {*files} & {*tree.unreadable}:
        report.problems += _global_problems(layout, folders, tree.unknown_folders, repair)
    report.months = sum(month.made for check in folders for month in check.months.values())
    report.tiles = len({check.folder.owner.tile for check in folders})
    return report


class _FolderValidation:
    """Check of the folder of a tile and direction.

    Attributes
    ----------
    state : CubeState or None
        State of its cube; None if there is no readable cube.
    months : dict of Month to MonthCheck
        Results for the months of `months_to_check`, filled by the caller.
    unsure : bool
        True if the search log cannot be read: the months without data are unknown.
    """

    def __init__(self, folder: TileFolder, repair: RepairCommands) -> None:
        self.folder, self._repair = folder, repair
        self.months: dict[Month, MonthCheck] = {}
        self.catalog = ExistingCatalog.read(folder.place("tile_catalog"))
        self._cube = check_cube(folder)
        self.state = self._cube.state
        self._search = folder.place("search")
        self._search_problem, self._without_data = "", list[Row]()
        self.unsure = self._search in folder.unreadable
        if not self._search.exists():
            rows = rows_to_keep(previous_rows(folder.owner, folder.layout), (), folder.layout)
            self._without_data = [row for row in rows if row["record_path"] is None]
        elif not self.unsure:
            try:
                self._without_data = list(search_rows(folder.owner, folder.layout).values())
            except ProductError as error:
                self._search_problem, self.unsure = error.problem.removeprefix(f"{self._search}: "), True

    def months_to_check(self) -> list[Month]:
        """Return the months with a file or a complete slot in the cube."""
        complete = self.state.complete if self.state else ()
        with_files = {month for paths in self.folder.files.values() for month in paths}
        return sorted({*with_files, *complete} - self.folder.hidden)

    def is_troubled(self, row: Row) -> bool:
        """Return True if a row's month has a problem: the repair writes the catalogs again."""
        troubled = [*self.folder.hidden, *(month for month, check in self.months.items() if check.row is None)]
        return any(row["month"] == str(month) for month in troubled)

    def rows(self) -> list[Row]:
        """Return the rows that the catalog should have; a month with a problem keeps its row."""
        made = {str(month) for month in self.months}
        rows = [check.row for check in self.months.values() if check.row]
        rows += [row for row in self._without_data if row["month"] not in made]
        return [*rows, *(row for row in self.catalog.rows if self.is_troubled(row))]

    def problems(self) -> Iterator[Finding]:
        """Yield all problems of the folder."""
        made = any(check.made for check in self.months.values())
        store, search = self.folder.cube, self._search
        if self._cube.problem and (made or store.exists()):
            yield Finding(str(store), self._cube.problem, self._cube.commands(store, self._repair))
        if self._search_problem:
            yield Finding(str(search), self._search_problem, (self._repair.remove(search), RUN))
        elif not search.exists() and (self.months or self.catalog.rows):
            yield Finding(str(search), NO_SEARCH_LOG, (RUN,))
        for check in self.months.values():
            yield from check.problems
        yield from static_problems(self.folder)
        if self.state and made and (problem := reference_problem(self.folder, self.state.recipe)):
            yield problem
        if not self.unsure:
            yield from self.catalog.problems(self.rows(), self.is_troubled, self._repair)
            path = self.folder.place("tile_items")
            if self.catalog.path.exists() or path.exists():
                yield from items_problems(path, self.items(), self.troubled_items(), self._repair)

    def items(self) -> pa.Table:
        """Return the Items that the table of Items should have, without those of months with a problem."""
        rows = [row for row in self.rows() if not self.is_troubled(row)]
        return items_of(sorted(rows, key=row_key), self.folder.path)

    def troubled_items(self) -> set[str]:
        """Return the ids of the Items of months with a problem."""
        months = {*self.folder.hidden, *self.months}
        rows = [{"month": str(month)} for month in months]
        return {f"{self.folder.owner}_{row['month']}" for row in rows if self.is_troubled(row)}

    def notes(self) -> Iterator[Finding]:
        """Yield notes about the folder."""
        for check in self.months.values():
            yield from check.notes
        for month, status in self.state.months.items() if self.state else ():
            if status is Status.BEING_WRITTEN and month not in self.months:
                problem = "a month was being written or given bands, and is not finished: the next run writes it again"
                yield Finding(f"{self.folder.cube} {month}", problem)


def _global_problems(
    layout: Layout, folders: Sequence[_FolderValidation], unknown: set[str], repair: RepairCommands
) -> Iterator[Finding]:
    """Yield problems of global catalog, root Catalog and Collections; rows of `unknown` folders are not judged."""
    by_name = {check.folder.path.name: check for check in folders}
    unsure = {name for name, check in by_name.items() if check.unsure} | unknown

    def skipped(row: Row) -> bool:
        name = folder_name(row)
        return name in unsure or (name in by_name and by_name[name].is_troubled(row))

    existing = ExistingCatalog.read(Path(layout.catalog))
    if not folders and not existing.path.exists():
        return
    expected = [row for name, check in by_name.items() for row in with_global_paths(check.rows(), name)]
    yield from existing.problems(expected, skipped, repair)
    left_out = {name for check in folders for name in check.troubled_items()}
    left_out |= {item_name(row) for row in existing.rows if skipped(row)}
    items = joined([for_root(by_name[name].items(), name) for name in sorted(by_name) if name not in unsure])
    yield from items_problems(Path(layout.items), items, left_out, repair)
    rows = [*(row for row in expected if not skipped(row)), *(row for row in existing.rows if skipped(row))]
    yield from stac_problems(layout, rows, repair)
    yield from geopackage_problems(Path(layout.geopackage), rows, repair)
