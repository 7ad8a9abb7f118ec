"""Compare catalogs and Collection with the rows that they should have."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
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
from s1monthly.catalog import item as stac
from s1monthly.catalog import table as catalog
from s1monthly.catalog.collection import collection
from s1monthly.catalog.table import Row, row_key
from s1monthly.errors import ProductError, S1MonthlyError


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


def collection_problems(path: Path, rows: Iterable[Row], repair: RepairCommands) -> Iterator[Finding]:
    """Yield a finding if the Collection is not that of the rows of the global catalog."""
    try:
        found = list(differences(stac.read_document(path), collection(list(rows))))
        problem = f"out of step: {first_of(found)}" if found else ""
    except S1MonthlyError as error:
        problem = error.problem.removeprefix(f"{path}: ")
    if problem:
        yield Finding(str(path), problem, (repair.rebuild,))
