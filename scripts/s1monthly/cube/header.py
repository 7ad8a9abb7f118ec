"""Read a cube's root and the status of its months with plain file access: the Snakefile needs no numpy, no zarr."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s1monthly.errors import CubeError, FileError, NameFormatError
from s1monthly.files import FileState, file_state
from s1monthly.model import Month, Stack, Tile

if TYPE_CHECKING:
    from s1monthly.grid.lattice import GeoBox


class Status(IntEnum):
    """Status of a month's slot."""

    EMPTY = 0
    BEING_WRITTEN = 1
    COMPLETE = 2


EMPTY, BEING_WRITTEN, COMPLETE = Status
_OF_BYTE = {bytes([status]): status for status in Status}

STATUS = "status"
"""Array of the slots' statuses: a file with one byte for each slot, no file for an empty one."""

ADDED = {"textures": "texture", "spread": "spread", "quality": "quality"}
"""Key of the recipe -> name of its algorithm. They add bands or classes, and never change the core bands."""

AWAY = "move it away, or give another output.base_dir; it is never written into"
"""Remedy for a store of another product."""

PEER_BANDS = ("VV_dB", "HH_dB")
"""Bands that identify a store of S1-GRiTS; one of them is enough."""

COUNT = "count"
"""Array of the number of passes."""

MASK = "mask"
"""Array of the classes of pixels, see `kernels.quality`; in cubes whose recipe has `QUALITY`."""
QUALITY = "quality"

OVERVIEWS = "overviews"
"""Group of the overviews, see `cube.overviews`."""

ATTRIBUTE = "s1monthly"
"""Root attribute that identifies a cube of this product."""

DECODING = ("chunk_grid", "chunk_key_encoding", "codecs", "data_type", "fill_value", "storage_transformers")
"""Metadata of an array that are needed to decode its chunks."""

OWN_ARRAYS = (COUNT, STATUS, "time_bnds")
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
    ours = attributes.get(ATTRIBUTE) if isinstance(attributes, dict) else None
    return None if isinstance(ours, dict) else f"a Zarr v3 store{peer}"


def level_path(factor: int, name: str = "") -> str:
    """Return the path of an overview, or of an array in it, within the cube: ``overviews/8/VV_dB``."""
    return f"{OVERVIEWS}/{factor}/{name}".rstrip("/")


def overview_arrays(bands: Iterable[str], factors: Iterable[int]) -> tuple[str, ...]:
    """Return the paths of all overviews of some bands."""
    return tuple(level_path(factor, band) for factor in factors for band in bands)


def adds_only_bands(existing: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return True if a recipe is an existing one plus textures or a spread: bands of both have the same values.

    Textures or a spread that differ do not count as an addition, because the bands in the cube would be wrong.
    """
    (core, added), (wanted_core, wanted_added) = _split(existing), _split(wanted)
    return core == wanted_core and added != wanted_added and added.items() <= wanted_added.items()


def _split(recipe: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split a recipe into what determines the core bands and what determines the bands beside them."""
    algorithms = dict(recipe.get("algorithms", {}))
    core = {key: value for key, value in recipe.items() if key not in ADDED} | {"algorithms": algorithms}
    parts = {key: [recipe.get(key), algorithms.pop(name, None)] for key, name in ADDED.items()}
    return core, {key: part for key, part in parts.items() if part != [None, None]}


def read_status(path: str | Path, slot: int) -> Status:
    """Read a slot's status; a file that is not one valid byte was truncated or changed and counts as BEING_WRITTEN."""
    try:
        content = Path(path, STATUS, "c", str(slot)).read_bytes()
    except FileNotFoundError:
        return EMPTY
    return _OF_BYTE.get(content, BEING_WRITTEN)


@dataclass(frozen=True)
class Header:
    """The content of a cube's root metadata.

    Attributes
    ----------
    path : Path
        The store.
    first, last : Month
        First and last month of the axis.
    description : dict
        As returned by `description`.
    arrays : dict
        Metadata of each array, as plain JSON.
    """

    path: Path
    first: Month
    last: Month
    description: dict[str, Any]
    arrays: dict[str, Any]

    @property
    def tile(self) -> Tile:
        """Tile of the cube."""
        return Tile(self.description["tile"])

    @property
    def direction(self) -> Stack:
        """Direction of the cube; also a track of it, or both directions."""
        return Stack.parse(self.description["direction"])

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands, in order."""
        return tuple(self.description["bands"])

    @property
    def data_arrays(self) -> tuple[str, ...]:
        """Names of the arrays that hold a month's pixels: the bands, the count and, where there are, the classes."""
        return (*self.bands, COUNT, *([MASK] if self.has_mask else []))

    @property
    def has_mask(self) -> bool:
        """Whether the cube holds classes of pixels."""
        return bool(self.description["recipe"].get(QUALITY))

    @property
    def overviews(self) -> tuple[int, ...]:
        """Factors of the overviews; empty for a cube without."""
        return tuple(self.description.get("overviews", ()))

    @property
    def slot_arrays(self) -> tuple[str, ...]:
        """Paths of all arrays that are written with a month: `data_arrays`, and the overviews of the bands."""
        return (*self.data_arrays, *overview_arrays(self.bands, self.overviews))

    @property
    def decoding(self) -> dict[str, dict[str, Any]]:
        """What is needed to decode the chunks of each array of a month; empty metadata count as absent."""
        found = {name: self.arrays.get(name, {}) for name in self.slot_arrays}
        return {name: {key: array[key] for key in DECODING if array.get(key)} for name, array in found.items()}

    def differing_keys(self, name: str, metadata: Mapping[str, Any]) -> list[str]:
        """Return the `DECODING` keys whose values in an array's metadata differ from those in the root."""
        array = self.arrays.get(name, {})
        return [key for key in DECODING if (metadata.get(key) or None) != (array.get(key) or None)]

    @property
    def chunks(self) -> tuple[int, int]:
        """Rows and columns of a chunk."""
        rows, columns = self.description["chunks"]
        return rows, columns

    @property
    def recipe(self) -> dict[str, Any]:
        """Everything that determined the values."""
        recipe: dict[str, Any] = self.description["recipe"]
        return recipe

    @property
    def simulated(self) -> bool:
        """Whether no value is measured: the recipe then describes the simulated ground."""
        return isinstance(self.recipe.get("data"), dict)

    @property
    def geobox(self) -> GeoBox:
        """Grid of every slot."""
        from s1monthly.grid.lattice import GeoBox  # here, since it loads numpy

        return GeoBox(**self.description["grid"])

    @property
    def slots(self) -> int:
        """Number of slots on the axis."""
        return self.last.ordinal - self.first.ordinal + 1

    def refuse_nonsense(self) -> None:
        """Raise ValueError, TypeError or NameFormatError if the description cannot be that of a cube."""
        described = self.description
        Tile(described["tile"])
        Stack.parse(described["direction"])
        rows, columns = described["chunks"]
        overviews = described.get("overviews", [])
        kinds = ((described["bands"], list), (described["recipe"], dict), (self.arrays, dict), (overviews, list))
        grid = described["grid"]
        sizes = (rows, columns, grid["height"], grid["width"], self.slots)
        if (
            not all(isinstance(value, kind) for value, kind in kinds)
            or not all(size > 0 for size in sizes)
            or set(grid) != {"epsg", "resolution", "left", "top", "width", "height"}
            or overviews != [2 ** (number + 1) for number in range(len(overviews))]
        ):
            raise ValueError("its description is not that of a cube")

    def slot(self, month: Month) -> int:
        """Return the position of a month on the axis.

        Raises
        ------
        CubeError
            If the month is outside.
        """
        if not self.first <= month <= self.last:
            raise CubeError(
                f"cube {self.path} has no slot for {month}: its axis is {self.first} to {self.last}",
                "run the workflow again with that month in its time range: the rule cube extends the axis",
            )
        return month.ordinal - self.first.ordinal

    def check_bands(self, names: Iterable[str], month: Month) -> None:
        """Raise CubeError if the bands given for a month are not exactly those of the cube."""
        given = set(names)
        missing = [name for name in self.bands if name not in given]
        unknown = sorted(given - set(self.bands))
        problems = [f"{what} {', '.join(some)}" for what, some in (("missing", missing), ("unknown", unknown)) if some]
        if problems:
            raise CubeError(
                f"cube {self.path}, month {month}: bands {' and '.join(problems)}",
                f"give exactly {', '.join(self.bands)}",
            )

    def status(self, month: Month) -> Status:
        """Return a month's status; EMPTY outside the axis."""
        return read_status(self.path, self.slot(month)) if self.first <= month <= self.last else EMPTY

    def complete_months(self) -> list[Month]:
        """Return the complete months."""
        return [month for month in self.first.until(self.last) if self.status(month) == COMPLETE]

    def refuse_damage(self) -> None:
        """Raise an error if an array's metadata, or the statuses of all months, are lost.

        Otherwise the months would count as missing and be made again, or their jobs would fail.

        Raises
        ------
        CubeError
            Names what is lost, and the command that restores it.
        """
        lost = []
        for name in self.arrays:
            try:
                metadata = json.loads((self.path / name / "zarr.json").read_text(encoding="utf-8"))
            except (FileNotFoundError, NotADirectoryError, ValueError):
                metadata = None
            if not isinstance(metadata, dict):
                lost.append(f"{name}/zarr.json")
        if (self.path / COUNT / "c").is_dir() and not (self.path / STATUS / "c").is_dir():
            lost.append(f"{STATUS}/c")
        if lost:
            raise CubeError(f"cube {self.path}: lost or damaged: {', '.join(lost)}", how_to_mend(self.path))


def existing_header(path: Path) -> Header:
    """Read the root of a cube.

    Raises
    ------
    CubeError
        If there is no cube, or the store was not written by this product or is damaged.
    """
    header = read_header(path)
    if header is None:
        raise CubeError(f"there is no cube at {path}", "run the workflow again: the rule cube makes it")
    return header


def read_header(path: str | Path) -> Header | None:
    """Read the root of a cube; return None if nothing is there, or only folders without files.

    Raises
    ------
    CubeError
        If the store was not written by this product or is damaged.
    """
    path = Path(path)
    try:
        root = json.loads((path / "zarr.json").read_text("utf-8"))
        ours = root["attributes"][ATTRIBUTE]
        described = {key: ours[key] for key in ("tile", "direction", "grid", "bands", "chunks", "recipe")}
        described |= {key: ours[key] for key in ("overviews",) if key in ours}
        first, last = Month.parse(ours["first"]), Month.parse(ours["last"])
        header = Header(path, first, last, described, root["consolidated_metadata"]["metadata"])
        header.refuse_nonsense()
        return header
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, NameFormatError) as error:
        if not path.is_file() and not any(names for _, _, names in os.walk(path)):
            return None  # Snakemake may have created empty folders for the stamp
        damage, found = f"damaged ({type(error).__name__}: {error})", foreign_store(path)
        if found or not any((path / name).is_dir() for name in OWN_ARRAYS):
            found = found or f"its attributes are {damage}"
            raise CubeError(f"{path}: not a cube of this product: {found}", AWAY) from error
        problem = "lost" if isinstance(error, FileNotFoundError) else damage
        raise CubeError(f"{path}/zarr.json is {problem}", how_to_mend(path)) from error


def cached_header(path: str | Path) -> Header | None:
    """Do the same as `read_header`, but read a root only once in a process as long as its file is the same.

    Raises
    ------
    CubeError
        As `read_header`, or if the file cannot be read.
    """
    root = Path(path, "zarr.json")
    try:
        return _read_again(str(path), file_state(root)) if root.is_file() else read_header(path)
    except OSError as error:
        raise CubeError(f"{path}/zarr.json: {error.strerror or error}", FileError.of(error).remedy) from error


@lru_cache(maxsize=1024)
def _read_again(path: str, _state: FileState | None) -> Header | None:
    return read_header(path)
