"""A cube's axis and finished months, read by plain file access: what the Snakefile must know before any work."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from s1monthly.errors import CubeError, NameFormatError
from s1monthly.vocabulary import Month

EMPTY, BEING_WRITTEN, COMPLETE = 0, 1, 2
"""Status of a month's slot."""


@lru_cache(maxsize=4096)
def _attributes(path: str, _signature: tuple[int, int, int]) -> dict[str, Any]:
    ours: dict[str, Any] = json.loads(Path(path, "zarr.json").read_text(encoding="utf-8"))["attributes"]["s1monthly"]
    return ours


@dataclass(frozen=True)
class Slots:
    """One slot for every calendar month from `first` to `last`.

    Attributes
    ----------
    path : str
        The store.
    first, last : Month
    chunks : tuple of int
        Rows and columns of a chunk.
    recipe : dict
        How its values are made.
    """

    path: str
    first: Month
    last: Month
    chunks: tuple[int, int]
    recipe: dict[str, Any]

    @classmethod
    def read(cls, path: str) -> Slots | None:
        """Read a store's axis and recipe; None where there is no store.

        Raises
        ------
        CubeError
            If something lies there that this product did not write.
        """
        if not Path(path).is_file() and not any(names for _, _, names in os.walk(path)):
            return None  # at most the empty folders that Snakemake makes for the stamp
        try:
            root = os.stat(os.path.join(path, "zarr.json"))
            ours = _attributes(path, (root.st_mtime_ns, root.st_size, root.st_ino))
            rows, columns = ours["chunks"]
            return cls(path, Month.parse(ours["first"]), Month.parse(ours["last"]), (rows, columns), ours["recipe"])
        except (OSError, ValueError, KeyError, TypeError, NameFormatError) as error:
            raise CubeError(
                f"{path}: not a cube of this product ({type(error).__name__}: {error})",
                "move it away, or give another output.base_dir; it is never written into",
            ) from error

    def status(self, month: Month) -> int:
        """EMPTY, BEING_WRITTEN or COMPLETE; EMPTY for a month outside the axis."""
        if not self.first <= month <= self.last:
            return EMPTY
        chunk = Path(self.path, "status", "c", str(month.ordinal - self.first.ordinal))
        try:
            return chunk.read_bytes()[0]
        except (FileNotFoundError, IndexError):
            return EMPTY

    def complete(self) -> list[Month]:
        """Months whose slot is complete."""
        return [month for month in self.first.until(self.last) if self.status(month) == COMPLETE]
