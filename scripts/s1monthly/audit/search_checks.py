"""Check that a search log is credible and belongs to its tile and direction."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s1monthly.audit.survey import TileFolder
from s1monthly.catalog import table as catalog
from s1monthly.catalog.table import Row
from s1monthly.errors import ProductError
from s1monthly.model import Month
from s1monthly.records.granule_list import list_digest, read_granule_list
from s1monthly.records.search_log import read_answers


@dataclass(frozen=True)
class SearchCheck:
    """Result of the check of a search log.

    Attributes
    ----------
    rows : dict of Month to dict
        Rows of the months without usable granules; empty if something is wrong.
    problem : str
        Empty if nothing is wrong.
    """

    rows: dict[Month, Row] = field(default_factory=dict)
    problem: str = ""


def check_search(folder: TileFolder) -> SearchCheck:
    """Read a search log and compare its digests with those of the records.

    The log does not name its tile. If it was copied from another tile, none of its digests fits a record or a current
    granule list. If a search found late granules in a month, the digest differs from the record and fits the list.
    """
    path = Path(folder.fill(folder.layout.search))
    try:
        rows = catalog.search_rows(folder.owner, folder.layout)
        compared = 0
        for month, answer in sorted(read_answers(path)[1].items()):
            made_of = _granules_digest(folder, month)
            if made_of is None:
                continue
            if answer.digest == made_of or answer.digest == _listed(folder, month):
                return SearchCheck(rows)
            compared += 1
    except ProductError as error:
        return SearchCheck(problem=error.problem.removeprefix(f"{path}: "))
    if compared:
        problem = "of another tile or direction, or edited: its granules are those of no record"
        return SearchCheck(problem=problem)
    return SearchCheck(rows)


def _granules_digest(folder: TileFolder, month: Month) -> str | None:
    """Return the digest of a month's granules; None if no record has it."""
    try:
        record: Any = json.loads(folder.files["record"][month].read_text(encoding="utf-8"))
        told = record["granules_digest"]
    except (KeyError, OSError, ValueError, TypeError):
        return None
    return told if isinstance(told, str) else None


def _listed(folder: TileFolder, month: Month) -> str | None:
    try:
        return list_digest(read_granule_list(folder.fill(folder.layout.granules, month)))
    except ProductError:
        return None
