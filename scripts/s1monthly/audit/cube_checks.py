"""Check and mend a cube's metadata and coordinates; the months are not read.

A cube holds the metadata of an array twice: in the array's own file and in the root. Coordinates and descriptive texts
follow from the root's description, which every record and COG also contains. So if one copy is lost, nothing is lost.
A description from a record or COG is believed if it gives the chunks of a month exactly the digest stated there.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from s1monthly.audit.findings import Commands, some
from s1monthly.audit.remains import told_by_cog
from s1monthly.audit.survey import TileFolder
from s1monthly.cube import months as cube
from s1monthly.cube.create import create
from s1monthly.cube.header import COUNT, DECODING, STATUS, Header, foreign_store, read_header
from s1monthly.cube.layout import COORDINATES, CubeSpec, description
from s1monthly.cube.months import CubeState
from s1monthly.cube.transaction import flush, locked, replace_files, staging
from s1monthly.errors import CubeError, NameFormatError, ProductError, S1MonthlyError
from s1monthly.kernels.bands import bands_of
from s1monthly.model import Direction, Month, Tile
from s1monthly.records.month import Record, read_record

KEYS = ("shape", "dimension_names", *(key for key in DECODING if key != "codecs"))
"""Array metadata that readers depend on. Descriptive texts may change between versions and are not compared."""

ROOT = Path("zarr.json")

_ATTEMPTS = 3
"""Number of attempts to check a cube that a run changes meanwhile."""

_WITNESSES = 5
"""Largest number of months read to find out how the cube was made."""

Metadata = dict[str, Any]


@dataclass(frozen=True)
class CubeCheck:
    """Result of the check of a cube.

    Attributes
    ----------
    state : CubeState or None
        None if the cube's own metadata do not tell its months, or are not enough to read them.
    problem : str
        Empty if nothing is wrong.
    mendable : bool
        True if `mend_cube` can repair the cube.
    strays : tuple of Path
        Entries of the store that are not arrays of the cube.
    """

    state: CubeState | None
    problem: str = ""
    mendable: bool = False
    strays: tuple[Path, ...] = ()


def check_cube(folder: TileFolder) -> CubeCheck:
    """Compare a cube with an empty one made from its description, or from the description in records and COGs."""
    root = folder.cube / ROOT
    for _ in range(_ATTEMPTS):
        before = _identity(root)
        with TemporaryDirectory() as place:
            check, _ = _compared(folder, Path(place) / "store")
        if _identity(root) == before:
            break
    return check


def mend_cube(folder: TileFolder) -> CubeCheck:
    """Write lost or wrong metadata and coordinates of a cube again; chunks of months stay untouched.

    Everything is read and written under the cube's lock, so that earlier changes by another run are not undone.

    Returns
    -------
    CubeCheck
        The problem found, and the state after the repair.

    Raises
    ------
    CubeError
        If the files cannot be written.
    """
    with staging(folder.cube, "mend") as place, locked(folder.cube):
        check, files = _compared(folder, place / "store")
        if not check.mendable:
            return check
        flush(place / "store")
        replace_files(place / "store", folder.cube, files)
    return replace(check, state=cube.state(folder.cube))


def commands_for(check: CubeCheck, store: Path, mend: Commands) -> tuple[str, ...]:
    """Return the commands that mend a cube with a problem."""
    if check.strays:
        return tuple(mend.move_out(path) for path in check.strays)
    if check.mendable:
        return (mend.rebuild,)
    # the workflow never writes into something that is not its cube
    return (mend.move_out(store), mend.run) if store.exists() else (mend.run,)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _compared(folder: TileFolder, made: Path) -> tuple[CubeCheck, list[Path]]:
    """Compare a cube with the expected one, made in the folder `made`; return the files that differ, too."""
    store, header, fault = folder.cube, None, ""
    try:
        header = read_header(store)
        if header is None:
            return CubeCheck(None, f"there is no cube at {store}"), []
    except CubeError as error:
        fault = error.problem.removeprefix("cube ")
        if foreign_store(store) or not store.is_dir():
            return CubeCheck(None, fault), []
    copies: Mapping[str, Any] = header.arrays if header else {}
    spec = _spec_of(header) if header else None
    axis = _axis_of(store, copies) or ((header.first, header.last) if header else None)
    witnesses = islice(_witnesses(folder), _WITNESSES)
    first = next(witnesses, None)
    told = _spec_by(first, store, copies) if axis and first else None
    if axis and first and (header is None or (told and description(told) != header.description)):
        proven = _proven_spec(chain([first], witnesses), store, copies, axis, made)
        if header and proven and description(proven) != header.description:
            fault = "its zarr.json says that it was made otherwise than records and chunks prove"
        spec = proven or spec
    if header is None and spec is None:
        reason = "no record or COG that fits its chunks tells how it was made: only a copy of that file brings it back"
        return CubeCheck(None, f"{fault}; {reason}"), []
    named = (header.description["tile"], header.description["direction"]) if header else ()
    named = (str(spec.tile), str(spec.direction)) if spec else named
    if named != (str(folder.owner.tile), str(folder.owner.direction)):
        return CubeCheck(None, f"it is the cube of {'_'.join(named)}"), []
    if spec is None or axis is None:  # a recipe of another version: compare the two copies of the metadata
        return _compared_copies(store, copies, made, cube.state(store))
    try:
        create(made, spec, *axis, _codecs(store, copies, _arrays(spec)))
    except S1MonthlyError as error:
        return CubeCheck(None, f"{store}/zarr.json describes what cannot be: {error.problem}"), []
    return _judged(folder, header, fault, spec, axis, made)


def _judged(
    folder: TileFolder, header: Header | None, fault: str, spec: CubeSpec, axis: tuple[Month, Month], made: Path
) -> tuple[CubeCheck, list[Path]]:
    """Compare a cube with the one in the folder `made`.

    Valid metadata of the cube first replace those in `made`, so that they stay as they are.
    """
    store, names = folder.cube, (*_arrays(spec), *COORDINATES)
    copies: Mapping[str, Any] = header.arrays if header else {}
    root = json.loads((made / ROOT).read_text("utf-8"))
    consolidated, lost, differing, other = root["consolidated_metadata"]["metadata"], [], [], []
    for name in names:
        own, copy, right = _own(store, name), copies.get(name), consolidated[name]
        chosen = next((found for found in (copy, own) if _alike(found, right)), right)
        if chosen != right:
            consolidated[name] = chosen
            (made / name / ROOT).write_text(json.dumps(chosen, indent=2), "utf-8")
        if not _alike(own, chosen, "codecs"):
            differing.append(Path(name) / ROOT)
            lost += [f"{name}/zarr.json"] if own is None and name not in COORDINATES else []
        if header and not _alike(copy, chosen, "codecs"):
            other.append(name)
    differing += list(_coordinates(store, made))
    (made / ROOT).write_text(json.dumps(root, indent=2, ensure_ascii=False, allow_nan=False), "utf-8")
    problems = [fault] if fault else []
    if header and axis != (header.first, header.last):
        said, found = (f"{first} to {last}" for first, last in ((header.first, header.last), axis))
        problems.append(f"its attributes say {said}, its times are others: {found}")
    other += [name for name in copies if name not in names]
    if other:
        problems.append(f"its zarr.json describes {', '.join(other)} otherwise than this software makes it")
    root_is_right = not problems
    if lost:
        problems.append(f"the metadata of its arrays are lost: {', '.join(lost)}")
    wrong = [str(path) for path in differing if str(path) not in lost]
    if wrong:
        problems.append(f"metadata or coordinates are not what they should be: {some(wrong)}")
    if problems:
        state = cube.state(store) if root_is_right and not lost else None
        return CubeCheck(state, "; ".join(problems), mendable=True), [*differing, *([] if root_is_right else [ROOT])]
    entries = sorted(path for path in store.iterdir() if not path.name.startswith("."))
    strays = tuple(path for path in entries if path.name not in (*names, "zarr.json"))
    told = f"{some(path.name for path in strays)}: none of its arrays" if strays else ""
    return CubeCheck(cube.state(store), told, strays=strays), []


def _compared_copies(
    store: Path, copies: Mapping[str, Any], made: Path, state: CubeState
) -> tuple[CubeCheck, list[Path]]:
    """Compare the arrays' own metadata with the copies in the root; write copies of lost ones to the folder `made`."""
    lost = [name for name, copy in copies.items() if not _alike(_own(store, name), copy, "codecs")]
    for name in lost:
        (made / name).mkdir(parents=True)
        (made / name / ROOT).write_text(json.dumps(copies[name], indent=2), "utf-8")
    if not lost:
        return CubeCheck(state), []
    files = [Path(name) / ROOT for name in lost]
    return CubeCheck(None, f"the metadata of its arrays are lost: {', '.join(map(str, files))}", mendable=True), files


def _arrays(spec: CubeSpec) -> tuple[str, ...]:
    return (*(band.name for band in spec.bands), COUNT, STATUS)


def _spec_of(header: Header) -> CubeSpec | None:
    """Return a cube's specification from its root; None if its recipe is of another version."""
    held = header.description
    try:
        bands = tuple(bands_of(held["recipe"]))
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
    if tuple(band.name for band in bands) != header.bands:
        return None
    rows, columns = held["chunks"]
    tile, direction = Tile(held["tile"]), Direction(held["direction"])
    return CubeSpec(tile, direction, header.geobox, bands, (rows, columns), held["recipe"])


def _witnesses(folder: TileFolder) -> Iterator[Record]:
    """Yield records, newest first, then COGs: they tell how the cube was made."""
    for month, path in sorted(folder.files["record"].items(), reverse=True):
        try:
            record = read_record(path)
        except ProductError:
            continue
        if record.key == folder.key(month):
            yield record
    for month in sorted(folder.files["cog"], reverse=True):
        told = told_by_cog(folder, month)
        if told:
            yield told


def _spec_by(record: Record, store: Path, copies: Mapping[str, Any]) -> CubeSpec | None:
    """Return a cube's specification from a record, and its chunks from the arrays; None if they are invalid."""
    recipe = {**record.recipe}
    try:
        bands = tuple(bands_of(recipe))
        found = next(_found(store, copies, COUNT, *record.bands))
        _, rows, columns = found["chunk_grid"]["configuration"]["chunk_shape"]
    except (KeyError, ValueError, TypeError, AttributeError, StopIteration):
        return None
    if [band.name for band in bands] != list(record.bands) or not (rows > 0 and columns > 0):
        return None
    return CubeSpec(record.key.tile, record.key.direction, record.grid, bands, (rows, columns), recipe)


def _proven_spec(
    witnesses: Iterable[Record], store: Path, copies: Mapping[str, Any], axis: tuple[Month, Month], made: Path
) -> CubeSpec | None:
    """Return the first specification under which a month's chunks have the digest of its record or COG."""
    for record in witnesses:
        spec = _spec_by(record, store, copies)
        if spec is None or not axis[0] <= record.key.month <= axis[1]:
            continue
        create(made, spec, *axis, _codecs(store, copies, _arrays(spec)))
        for name in (*record.bands, COUNT):
            if (store / name / "c").is_dir():
                (made / name / "c").symlink_to(os.path.abspath(store / name / "c"))
        try:
            proven = cube.slot_digest(made, record.key.month) == record.digest
        except CubeError:
            proven = False
        shutil.rmtree(made)  # removes links to chunks, not the chunks
        if proven:
            return spec
    return None


def _own(store: Path, name: str) -> Metadata | None:
    """Read an array's metadata from its own file; return None if they are lost or damaged."""
    try:
        found = json.loads((store / name / ROOT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _found(store: Path, copies: Mapping[str, Any], *names: str) -> Iterator[Metadata]:
    """Yield the available metadata of arrays, from the root and from their own files."""
    for name in names:
        yield from (found for found in (copies.get(name), _own(store, name)) if isinstance(found, dict))


def _codecs(store: Path, copies: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the known compression of arrays: a mended cube keeps it."""
    told: dict[str, Any] = {}
    for name in names:
        codecs = [found["codecs"] for found in _found(store, copies, name) if isinstance(found.get("codecs"), list)]
        told |= {name: codecs[0]} if codecs and codecs[0] else {}
    return told


def _alike(one: Any, other: Any, *more: str) -> bool:
    """Return True if the metadata of two arrays mean the same to a reader."""
    return isinstance(one, dict) and all((one.get(key) or None) == (other.get(key) or None) for key in (*KEYS, *more))


def _coordinates(store: Path, made: Path) -> Iterator[Path]:
    """Yield chunks of coordinates that are missing or wrong."""
    for name in COORDINATES:
        for path in sorted((made / name / "c").rglob("*")):
            found = store / path.relative_to(made)
            if path.is_file() and (not found.is_file() or found.read_bytes() != path.read_bytes()):
                yield path.relative_to(made)


def _axis_of(store: Path, copies: Mapping[str, Any]) -> tuple[Month, Month] | None:
    """Return first and last month from the times; None if these are not the first days of consecutive months."""
    try:
        number = next(found["shape"][0] for found in _found(store, copies, STATUS, COUNT, "time"))
        times = np.frombuffer((store / "time" / "c" / "0").read_bytes(), "<i4").astype(np.int64)[:number]
    except (OSError, ValueError, TypeError, KeyError, IndexError, StopIteration):
        return None
    days = times.astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    in_order = times.size and np.all(np.diff(months.astype(np.int64)) == 1)
    if not (in_order and np.array_equal(months.astype("datetime64[D]"), days)):
        return None
    try:
        return Month.parse(str(months[0])), Month.parse(str(months[-1]))
    except NameFormatError:
        return None
