"""The reference of a tile and direction: which temporal mean the months of a cube were despeckled with (rabasar)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from s1monthly.files import write_text
from s1monthly.model import Month
from s1monthly.records.seal import seal, seal_is_whole


@dataclass(frozen=True)
class Reference:
    """Facts of a reference.

    Attributes
    ----------
    recipe_digest : str
        Digest of the recipe of its cube.
    months : mapping of str to str
        Month of the period that has granules -> digest of the granules that the mean was made from.
    digest : str
        SHA-256 of the values, 64 hexadecimal digits.
    missing : mapping
        Month -> granule id -> why the mean was made without it; only of months that lack some.
    """

    recipe_digest: str
    months: Mapping[str, str]
    digest: str
    missing: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def number_missing(self) -> int:
        """Number of granules that the mean was made without."""
        return sum(map(len, self.missing.values()))


def period_of(recipe: Mapping[str, Any]) -> tuple[Month, ...]:
    """Return the months of the reference period of a recipe; none if its method has no reference."""
    given = (recipe.get("despeckle") or {}).get("reference")
    if not given:
        return ()
    first, last = (Month.parse(month) for month in given.split(" ... "))
    return tuple(first.until(last))


def write_reference(path: str | Path, reference: Reference) -> None:
    """Write the facts of a reference, sealed, atomically."""
    write_text(path, json.dumps(seal(asdict(reference)), indent=1, sort_keys=True) + "\n")


def read_reference(path: str | Path, recipe_digest: str) -> Reference | None:
    """Read the facts of a reference; return None if they are missing, altered, or of another recipe."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        found = Reference(content["recipe_digest"], content["months"], content["digest"], content["missing"])
        return found if seal_is_whole(content) and found.recipe_digest == recipe_digest else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
