"""Read a cube's axis and complete months with plain file access, for the Snakefile: no numpy, no zarr."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from s1monthly.errors import CubeError, NameFormatError
from s1monthly.model import Month


class Status(IntEnum):
    """Status of a month's slot."""

    EMPTY = 0
    BEING_WRITTEN = 1
    COMPLETE = 2


EMPTY, BEING_WRITTEN, COMPLETE = Status

STATUS = "status"
"""Array of the slots' statuses: a file with one byte for each slot, no file for an empty one."""

TEXTURES, TEXTURE = "textures", "texture"
"""Key of the recipe and name among its algorithms that determine only textures, never the core bands."""

AWAY = "move it away, or give another output.base_dir; it is never written into"
"""Remedy for a store of another product."""

PEER_BANDS = ("VV_dB", "HH_dB")
"""Bands that identify a store of S1-GRiTS; one of them is enough."""

OWN_ARRAYS = ("count", STATUS, "time_bnds")
"""Arrays that identify a store of this product even without its root; two of them are enough."""


def how_to_mend(path: str | Path) -> str:
    """Return the command that repairs a damaged cube or record, given its path. Deleting it is never the first remedy.

    Its granules may be gone, and cube and record prove what the other one should hold.
    """
    base = os.path.normpath(Path(path, *[os.pardir] * 3))
    return (
        f"keep it, and run scripts/catalog_rebuild.py --output-dir {shlex.quote(base)}:"
        " it mends what can be mended, and says what cannot"
    )


def foreign_store(path: str | Path) -> str | None:
    """Describe a store or file that this product did not write; return None for a cube, or if nothing is there."""
    path = Path(path)
    if not path.is_dir():
        return "a file, not a folder" if path.exists() else None
    peer = next((f" with the band {name}, as S1-GRiTS writes" for name in PEER_BANDS if (path / name).is_dir()), "")
    if any((path / name).exists() for name in (".zgroup", ".zarray", ".zmetadata")):
        return f"a Zarr v2 store{peer}"
    if sum((path / name).is_dir() for name in OWN_ARRAYS) > 1:
        return None
    try:
        root = json.loads((path / "zarr.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "a folder without zarr.json" if any(names for _, _, names in os.walk(path)) else None
    except ValueError as error:
        return f"a store whose zarr.json is damaged ({error})"
    attributes = root.get("attributes") if isinstance(root, dict) else None
    ours = attributes.get("s1monthly") if isinstance(attributes, dict) else None
    return None if isinstance(ours, dict) else f"a Zarr v3 store{peer}"


def adds_only_textures(existing: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return True if a recipe is an existing one plus textures: the core bands then have the same values under both.

    Textures that differ do not count as an addition, because those in the cube would be wrong.
    """
    (core, textures), (wanted_core, wanted_textures) = _split(existing), _split(wanted)
    return core == wanted_core and bool(wanted_textures) and not textures


def _split(recipe: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """Split a recipe into what determines the core bands and what determines textures."""
    algorithms = dict(recipe.get("algorithms", {}))
    core = {key: value for key, value in recipe.items() if key != TEXTURES} | {"algorithms": algorithms}
    textures = [recipe.get(TEXTURES), algorithms.pop(TEXTURE, None)]
    return core, [part for part in textures if part is not None]


def read_status(path: str | Path, slot: int) -> Status:
    """Read a slot's status; a file that is not one valid byte was truncated or changed and counts as BEING_WRITTEN."""
    try:
        content = Path(path, STATUS, "c", str(slot)).read_bytes()
    except FileNotFoundError:
        return EMPTY
    return {bytes([status]): status for status in Status}.get(content, BEING_WRITTEN)


@lru_cache(maxsize=4096)
def _attributes(path: str, _signature: tuple[int, int, int]) -> dict[str, Any]:
    ours: dict[str, Any] = json.loads(Path(path, "zarr.json").read_text(encoding="utf-8"))["attributes"]["s1monthly"]
    return ours


@dataclass(frozen=True)
class Slots:
    """Axis, chunks and recipe of a cube, with one slot for every calendar month from `first` to `last`.

    Attributes
    ----------
    first, last : Month
        First and last month of the axis.
    chunks : tuple of int
        Rows and columns of a chunk.
    """

    path: str
    first: Month
    last: Month
    chunks: tuple[int, int]
    recipe: dict[str, Any]

    @classmethod
    def read(cls, path: str) -> Slots | None:
        """Read a store's axis and recipe; return None if there is no store.

        Raises
        ------
        CubeError
            If the store was not written by this product or is damaged.
        """
        if not Path(path).is_file() and not any(names for _, _, names in os.walk(path)):
            return None  # Snakemake may have created empty folders for the stamp
        try:
            root = os.stat(os.path.join(path, "zarr.json"))
            ours = _attributes(path, (root.st_mtime_ns, root.st_size, root.st_ino))
            rows, columns = ours["chunks"]
            return cls(path, Month.parse(ours["first"]), Month.parse(ours["last"]), (rows, columns), ours["recipe"])
        except (OSError, ValueError, KeyError, TypeError, NameFormatError) as error:
            damage, found = f"{type(error).__name__}: {error}", foreign_store(path)
            if found or not any(Path(path, name).is_dir() for name in OWN_ARRAYS):
                found = found or f"its attributes are damaged ({damage})"
                raise CubeError(f"{path}: not a cube of this product: {found}", AWAY) from error
            raise CubeError(f"{path}/zarr.json is lost or damaged ({damage})", how_to_mend(path)) from error

    def status(self, month: Month) -> Status:
        """Return a month's status; EMPTY outside the axis."""
        inside = self.first <= month <= self.last
        return read_status(self.path, month.ordinal - self.first.ordinal) if inside else EMPTY

    def refuse_damage(self) -> None:
        """Raise an error if an array's metadata, or the statuses of all months, are lost.

        Otherwise the months would count as missing and be made again, or their jobs would fail.

        Raises
        ------
        CubeError
            Names what is lost, and the command that restores it.
        """
        store = Path(self.path)
        root = json.loads((store / "zarr.json").read_text(encoding="utf-8"))
        lost = []
        for name in root.get("consolidated_metadata", {}).get("metadata", {}):
            try:
                metadata = json.loads((store / name / "zarr.json").read_text(encoding="utf-8"))
            except (FileNotFoundError, NotADirectoryError, ValueError):
                metadata = None
            if not isinstance(metadata, dict):
                lost.append(f"{name}/zarr.json")
        if (store / "count" / "c").is_dir() and not (store / STATUS / "c").is_dir():
            lost.append(f"{STATUS}/c")
        if lost:
            raise CubeError(f"cube {self.path}: lost or damaged: {', '.join(lost)}", how_to_mend(self.path))

    def complete(self) -> list[Month]:
        """Return the complete months."""
        return [month for month in self.first.until(self.last) if self.status(month) == COMPLETE]
