"""Compare catalogs and Collections with the rows that they should have."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from s1monthly.audit.items import TOLERANCE, differences
from s1monthly.audit.repair_commands import RepairCommands
from s1monthly.audit.report import Finding, first_of
from s1monthly.catalog import items_table
from s1monthly.catalog import table as catalog
from s1monthly.catalog.document import read_document
from s1monthly.catalog.geopackage import geopackage_table, read_geopackage
from s1monthly.catalog.table import Row, row_key
from s1monthly.catalog.update import documents_of
from s1monthly.errors import ProductError, S1MonthlyError
from s1monthly.layout import Layout


@dataclass(frozen=True)
class ExistingCatalog:
    """A catalog as it is.

    Attributes
    ----------
    problem : str
        Why it cannot be read; empty if it can.
    """

    path: Path
    rows: list[Row]
    problem: str = ""

    @classmethod
    def read(cls, path: Path) -> ExistingCatalog:
        """Read a catalog; one that cannot be read has no rows."""
        try:
            return cls(path, catalog.read_catalog(path))
        except ProductError as error:
            return cls(path, [], error.problem.removeprefix(f"{path}: "))

    def problems(
        self, expected: Iterable[Row], skipped: Callable[[Row], bool], repair: RepairCommands
    ) -> Iterator[Finding]:
        """Yield a finding if its rows are not the expected ones, except rows for which `skipped` is true."""
        found = [] if self.problem else list(self._differences(expected, skipped))
        if not (self.problem or found) and not self._is_described():
            found = ["its GeoParquet metadata do not describe its rows"]
        if self.problem or found:
            yield Finding(str(self.path), self.problem or f"out of step: {first_of(found)}", (repair.rebuild,))

    def _differences(self, expected: Iterable[Row], skipped: Callable[[Row], bool]) -> Iterator[str]:
        keys = sorted(row_key(row) for row in self.rows)
        yield from (f"{'_'.join(key)} is there twice" for key, after in pairwise(keys) if key == after)
        if [row_key(row) for row in self.rows] != keys:
            yield "its rows are not in order"
        have, want = ({row_key(row): row for row in rows if not skipped(row)} for rows in (self.rows, expected))
        for key in sorted(have.keys() | want.keys()):
            if key not in want:
                yield f"{'_'.join(key)} is there, and nothing lies there of it"
            elif key not in have:
                yield f"{'_'.join(key)} is missing"
            else:
                columns = [name for name in catalog.SCHEMA.names if not _same(name, have[key][name], want[key][name])]
                yield from [f"{'_'.join(key)}: {', '.join(columns)}"] if columns else []

    def _is_described(self) -> bool:
        try:
            metadata = pq.read_schema(pa.BufferReader(self.path.read_bytes())).metadata or {}
            expected = json.dumps(catalog.geo_metadata(self.rows))
            return bool(json.loads(metadata.get(b"geo", b"null")) == json.loads(expected))
        except (ValueError, shapely.errors.ShapelyError):
            return False


def _same(name: str, found: Any, expected: Any) -> bool:
    if name != "geometry":
        return not any(True for _ in differences(found, expected))
    shapes = [shapely.from_wkb(value, on_invalid="ignore") for value in (found, expected)]
    return shapes[0] is not None and bool(shapes[0].equals_exact(shapes[1], TOLERANCE))


def items_problems(
    path: Path, expected: pa.Table, skipped: Collection[str], repair: RepairCommands
) -> Iterator[Finding]:
    """Yield a finding if a table of Items has not the expected ones, except Items whose ids are in `skipped`."""
    try:
        found = items_table.read_items(path)
    except ProductError as error:
        yield Finding(str(path), error.problem.removeprefix(f"{path}: "), (repair.rebuild,))
        return
    wrong = [] if found.equals(expected) else list(_wrong_items(found, expected, skipped))
    if not wrong and _metadata(found) != items_table.items_metadata(found):
        wrong = ["its metadata do not describe its Items"]
    if wrong:
        yield Finding(str(path), f"out of step: {first_of(wrong)}", (repair.rebuild,))


def geopackage_problems(path: Path, rows: Sequence[Row], repair: RepairCommands) -> Iterator[Finding]:
    """Yield a finding if there is a GeoPackage, and it does not hold the rows of the global catalog."""
    if not path.exists():
        return
    try:
        wrong = "" if read_geopackage(path).equals(geopackage_table(rows)) else "out of step with catalog.parquet"
    except ProductError as error:
        wrong = error.problem.removeprefix(f"{path}: ")
    if wrong:
        yield Finding(str(path), wrong, (repair.rebuild,))


def _wrong_items(found: pa.Table, expected: pa.Table, skipped: Collection[str]) -> Iterator[str]:
    have, want = ([row for row in table.to_pylist() if row["id"] not in skipped] for table in (found, expected))
    names = [[row["id"] for row in rows] for rows in (have, want)]
    if names[0] != names[1]:
        yield from (f"{name} is there, and no such Item" for name in names[0] if name not in names[1])
        yield from (f"{name} is missing" for name in names[1] if name not in names[0])
        if set(names[0]) == set(names[1]):
            yield "its Items are not in order, or one is there twice"
        return
    for row, other in zip(have, want, strict=True):
        if any(True for _ in differences(_known(row), _known(other))):
            yield f"{row['id']} is not its Item"


def _known(value: Any) -> Any:
    """Return a row of a table without the fields that are null: other Items have them."""
    if isinstance(value, dict):
        return {name: _known(inner) for name, inner in value.items() if inner is not None}
    return [_known(inner) for inner in value] if isinstance(value, list) else value


def _metadata(table: pa.Table) -> dict[str, Any] | None:
    try:
        return {key.decode(): json.loads(value) for key, value in (table.schema.metadata or {}).items()}
    except ValueError:
        return None


def stac_problems(layout: Layout, rows: Iterable[Row], repair: RepairCommands) -> Iterator[Finding]:
    """Yield a finding for the root Catalog and each Collection that is not that of the rows of the global catalog."""
    try:
        documents = documents_of(layout, list(rows))
    except S1MonthlyError as error:
        yield Finding(layout.collection, error.problem, (repair.rebuild,))
        return
    for path, expected in documents.items():
        problem = _document_problem(path, expected)
        if problem:
            yield Finding(str(path), problem, (repair.rebuild,))


def _document_problem(path: Path, expected: Mapping[str, Any] | None) -> str:
    if expected is None:
        return "nothing belongs in it" if path.exists() else ""
    try:
        found = list(differences(read_document(path), expected))
    except ProductError as error:
        return error.problem.removeprefix(f"{path}: ")
    return f"out of step: {first_of(found)}" if found else ""
