"""The seal of a record: a digest of everything else in it, which shows whether the record was altered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from s1monthly.files import FileState, file_state
from s1monthly.records.recipe import digest

SEAL = "seal"
"""Key of the seal in a record."""


def seal(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record's content with its seal added."""
    return {**content, SEAL: digest(dict(content))}


def seal_is_whole(content: Mapping[str, Any]) -> bool:
    """Return True if a record's content is unchanged since it was sealed."""
    return content.get(SEAL) == digest({key: value for key, value in content.items() if key != SEAL})


@dataclass(frozen=True)
class RecordSummary:
    """The part of a record that decides whether its month is up to date; attributes as in `records.month.Record`."""

    granules_digest: str | None
    recipe_digest: str
    unread: tuple[str, ...] | None
    digest: str
    status: str
    reference_digest: str = ""


@lru_cache(maxsize=65536)
def _summary(path: str, _signature: FileState) -> RecordSummary | None:
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        if not seal_is_whole(record):
            return None
        unread = None if record["unread"] is None else tuple(record["unread"])
        known = record["granules_digest"], record["recipe_digest"], unread
        despeckled = record.get("despeckled") or {}
        results = record.get("digest", ""), record.get("status", ""), despeckled.get("reference_digest", "")
        return RecordSummary(*known, *results)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def read_summary(path: str | Path) -> RecordSummary | None:
    """Read the part of a record that decides whether its month is up to date.

    Returns None if the record is missing, damaged, or was altered after writing.
    """
    signature = file_state(path)
    return None if signature is None else _summary(str(path), signature)
