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
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from s1monthly.audit.repair_commands import RUN, RepairCommands
from s1monthly.audit.report import first_of
from s1monthly.audit.tree_files import TileFolder
from s1monthly.cube import months as cube
from s1monthly.cube.attributes import CREDITS
from s1monthly.cube.create import create, write_group
from s1monthly.cube.header import (
    COUNT,
    DECODING,
    MASK,
    QUALITY,
    STATUS,
    Header,
    foreign_store,
    level_path,
    overview_arrays,
    read_header,
)
from s1monthly.cube.layout import CubeSpec, coordinate_paths, description, group_paths
from s1monthly.cube.months import CubeState
from s1monthly.cube.transaction import flush, locked, replace_files, staging
from s1monthly.errors import CubeError, NameFormatError, ProductError, S1MonthlyError
from s1monthly.files import FileState, file_state
from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.bands import bands_of
from s1monthly.layout import is_cog
from s1monthly.model import Month
from s1monthly.raster.fast_geotiff import open_header
from s1monthly.raster.geotiff import cog_tags
from s1monthly.records.month import read_record

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
        None if the cube's own metadata are not enough to read its months.
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

    def commands(self, store: Path, repair: RepairCommands) -> tuple[str, ...]:
        """Return the commands that repair the cube."""
        if self.strays:
            return tuple(repair.move_out(path) for path in self.strays)
        if self.mendable:
            return (repair.rebuild,)
        # the workflow never writes into something that is not its cube
        return (repair.move_out(store), RUN) if store.exists() else (RUN,)


def check_cube(folder: TileFolder) -> CubeCheck:
    """Compare a cube with an empty one made from its description, or from the description in records and COGs."""
    root = folder.cube / ROOT
    for _ in range(_ATTEMPTS):
        before = _root_state(root)
        with TemporaryDirectory() as place:
            check, _ = _compare(folder, Path(place) / "store")
        if _root_state(root) == before:
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
        check, files = _compare(folder, place / "store")
        if not check.mendable:
            return check
        flush(place / "store")
        replace_files(place / "store", folder.cube, files)
    return replace(check, state=cube.state(folder.cube))


def _root_state(path: Path) -> FileState | None:
    try:
        return file_state(path)
    except NotADirectoryError:  # there is a file in the place of the store
        return None


def _compare(folder: TileFolder, expected: Path) -> tuple[CubeCheck, list[Path]]:
    """Compare a cube with the expected one, made in the folder `expected`; also return the files to replace."""
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
    axis = _axis_of_times(store, copies) or ((header.first, header.last) if header else None)
    witnesses = list(islice(_witnesses(folder), _WITNESSES))
    first = _spec_by(witnesses[0], folder, copies) if witnesses else None
    if axis and (header is None or (first and description(first) != header.description)):
        proven = _proven_spec(witnesses, folder, copies, axis, expected)
        if header and proven and description(proven) != header.description:
            fault = "its zarr.json says that it was made otherwise than records and chunks prove"
        spec = proven or spec
    if header is None and spec is None:
        reason = "no record or COG that fits its chunks tells how it was made: only a copy of that file brings it back"
        return CubeCheck(None, f"{fault}; {reason}"), []
    if spec is None or axis is None:  # a recipe of another version: there is nothing to compare with
        return CubeCheck(cube.state(store)), []
    if (spec.tile, spec.direction) != (folder.owner.tile, folder.owner.direction):
        return CubeCheck(None, f"it is the cube of {spec.tile}_{spec.direction}"), []
    try:
        create(expected, spec, *axis, _codecs(store, copies, _arrays(spec)))
    except S1MonthlyError as error:
        return CubeCheck(None, f"{store}/zarr.json describes what cannot be: {error.problem}"), []
    return _compare_files(store, header, fault, spec, axis, expected)


def _compare_files(
    store: Path, header: Header | None, fault: str, spec: CubeSpec, axis: tuple[Month, Month], expected: Path
) -> tuple[CubeCheck, list[Path]]:
    """Compare a cube with the one in the folder `expected`.

    Valid metadata of the cube first replace those in `expected`, so that they stay as they are.
    """
    arrays, coordinates = _arrays(spec), coordinate_paths(spec.overviews)
    names = (*arrays, *coordinates)
    copies: Mapping[str, Any] = header.arrays if header else {}
    root = json.loads((expected / ROOT).read_text("utf-8"))
    consolidated, lost, differing, other = root["consolidated_metadata"]["metadata"], [], [], []
    for name in names:
        own, copy, right = _own_metadata(store, name), copies.get(name), consolidated[name]
        chosen = next((found for found in (copy, own) if _alike(found, right)), right)
        if chosen != right:
            consolidated[name] = chosen
            (expected / name / ROOT).write_text(json.dumps(chosen, indent=2), "utf-8")
        if not _alike(own, chosen, "codecs"):
            differing.append(Path(name) / ROOT)
            lost += [f"{name}/zarr.json"] if own is None and name in arrays else []
        if header and not _alike(copy, chosen, "codecs"):
            other.append(name)
    differing += list(_wrong_coordinates(store, expected, coordinates))
    differing += list(_wrong_groups(store, expected, spec))
    (expected / ROOT).write_text(json.dumps(root, indent=2, ensure_ascii=False, allow_nan=False), "utf-8")
    problems = [fault] if fault else []
    if header and axis != (header.first, header.last):
        said, found = (f"{first} to {last}" for first, last in ((header.first, header.last), axis))
        problems.append(f"its attributes say {said}, its times are others: {found}")
    other += [name for name in copies if name not in {*names, *group_paths(spec.overviews)}]
    if other:
        problems.append(f"its zarr.json describes {', '.join(other)} otherwise than this software makes it")
    root_is_right = not problems
    if lost:
        problems.append(f"the metadata of its arrays are lost: {', '.join(lost)}")
    wrong = [str(path) for path in differing if str(path) not in lost]
    if wrong:
        problems.append(f"metadata or coordinates are not what they should be: {first_of(wrong)}")
    if problems:
        state = cube.state(store) if root_is_right and not lost else None
        return CubeCheck(state, "; ".join(problems), mendable=True), [*differing, *([] if root_is_right else [ROOT])]
    entries = sorted(path for path in store.iterdir() if not path.name.startswith("."))
    strays = tuple(path for path in entries if path.name not in {*(name.split("/")[0] for name in names), "zarr.json"})
    problem = f"{first_of(path.name for path in strays)}: none of its arrays" if strays else ""
    return CubeCheck(cube.state(store), problem, strays=strays), []


def _arrays(spec: CubeSpec) -> tuple[str, ...]:
    names = [band.name for band in spec.bands]
    mask = [MASK] if spec.recipe.get(QUALITY) else []
    return (*names, COUNT, *mask, STATUS, *overview_arrays(names, spec.overviews))


def _spec_of(header: Header) -> CubeSpec | None:
    """Return a cube's specification from its root; None if its recipe is of another version."""
    try:
        bands = tuple(bands_of(header.recipe))
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
    if tuple(band.name for band in bands) != header.bands:
        return None
    kept = _credits(header.path)
    return CubeSpec(
        header.tile, header.direction, header.geobox, bands, header.chunks, header.recipe, header.overviews, kept
    )


def _credits(store: Path) -> dict[str, str]:
    """Return who made and publishes a cube, from its root: a mended cube keeps that."""
    attributes = (_own_metadata(store, "") or {}).get("attributes") or {}
    return {name: attributes[name] for name in CREDITS if isinstance(attributes.get(name), str)}


@dataclass(frozen=True)
class _Witness:
    """What the record or COG of a month says about its cube."""

    month: Month
    digest: str
    grid: GeoBox
    recipe: dict[str, Any]


def _witnesses(folder: TileFolder) -> Iterator[_Witness]:
    """Yield what records say, newest first, then what COGs say."""
    for month, path in sorted(folder.files["record"].items(), reverse=True):
        with suppress(ProductError):
            record = read_record(path)
            yield _Witness(month, record.digest, record.grid, dict(record.recipe))
    cogs = {month: path for kind, paths in folder.files.items() if is_cog(kind) for month, path in paths.items()}
    for month, path in sorted(cogs.items(), reverse=True):
        tags = cog_tags(path)
        with suppress(S1MonthlyError, KeyError, ValueError):
            yield _Witness(month, tags["DIGEST"], open_header(path).geobox, json.loads(tags["RECIPE"]))


def _spec_by(witness: _Witness, folder: TileFolder, copies: Mapping[str, Any]) -> CubeSpec | None:
    """Return a cube's specification, with chunks as its arrays have them; None if there is no such cube."""
    try:
        bands = tuple(bands_of(witness.recipe))
        found = next(_metadata(folder.cube, copies, COUNT, *(band.name for band in bands)))
        _, rows, columns = found["chunk_grid"]["configuration"]["chunk_shape"]
        possible = rows > 0 and columns > 0
    except (KeyError, ValueError, TypeError, AttributeError, StopIteration):
        return None
    tile, direction = folder.owner.tile, folder.owner.direction
    factors = _factors(folder.cube, copies)
    spec = CubeSpec(tile, direction, witness.grid, bands, (rows, columns), witness.recipe, factors)
    return spec if possible else None


def _factors(store: Path, copies: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the factors of the overviews that the root or a folder tells of: 2, 4, 8 ..., without a gap."""
    paths = ((factor, level_path(factor)) for factor in (2**power for power in range(1, 32)))
    return tuple(factor for factor, _ in takewhile(lambda one: one[1] in copies or (store / one[1]).is_dir(), paths))


def _proven_spec(
    witnesses: Iterable[_Witness], folder: TileFolder, copies: Mapping[str, Any], axis: tuple[Month, Month], place: Path
) -> CubeSpec | None:
    """Return the first specification under which a month's chunks have the digest of its record or COG."""
    store = folder.cube
    for witness in witnesses:
        spec = _spec_by(witness, folder, copies)
        if spec is None or not axis[0] <= witness.month <= axis[1]:
            continue
        create(place, spec, *axis, _codecs(store, copies, _arrays(spec)))
        for name in _arrays(spec):
            if name != STATUS and (store / name / "c").is_dir():
                (place / name / "c").symlink_to(os.path.abspath(store / name / "c"))
        try:
            proven = cube.slot_digest(place, witness.month) == witness.digest
        except CubeError:
            proven = False
        shutil.rmtree(place)  # removes links to chunks, not the chunks
        if proven:
            return spec
    return None


def _own_metadata(store: Path, name: str) -> Metadata | None:
    """Read an array's metadata from its own file; return None if they are lost or damaged."""
    try:
        found = json.loads((store / name / ROOT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _metadata(store: Path, copies: Mapping[str, Any], *names: str) -> Iterator[Metadata]:
    """Yield the available metadata of arrays, from the root and from their own files."""
    for name in names:
        yield from (found for found in (copies.get(name), _own_metadata(store, name)) if isinstance(found, dict))


def _codecs(store: Path, copies: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the known compression of arrays: a mended cube keeps it."""
    codecs: dict[str, Any] = {}
    for name in names:
        found = next((m["codecs"] for m in _metadata(store, copies, name) if isinstance(m.get("codecs"), list)), None)
        codecs |= {name: found} if found else {}
    return codecs


def _alike(one: Any, other: Any, *more: str) -> bool:
    """Return True if the metadata of two arrays mean the same to a reader."""
    return isinstance(one, dict) and all((one.get(key) or None) == (other.get(key) or None) for key in (*KEYS, *more))


def _wrong_groups(store: Path, expected: Path, spec: CubeSpec) -> Iterator[Path]:
    """Yield the files of overviews' groups that are lost, damaged, or do not hold the arrays' metadata.

    Those in the folder `expected` are first written again, from the arrays there.
    """
    for name in group_paths(spec.overviews):
        document = _own_metadata(expected, name) or {}
        members = document["consolidated_metadata"]["metadata"]
        write_group(expected / name, document["attributes"], list(members))
        wanted = (_own_metadata(expected, name) or {})["consolidated_metadata"]["metadata"]
        found = ((_own_metadata(store, name) or {}).get("consolidated_metadata") or {}).get("metadata", {})
        arrays = {member: right for member, right in wanted.items() if right["node_type"] == "array"}
        if found.keys() != wanted.keys() or not all(_alike(found[m], arrays[m], "codecs") for m in arrays):
            yield Path(name) / ROOT


def _wrong_coordinates(store: Path, expected: Path, names: Iterable[str]) -> Iterator[Path]:
    """Yield chunks of coordinates that are missing or wrong."""
    for name in names:
        for path in sorted((expected / name / "c").rglob("*")):
            found = store / path.relative_to(expected)
            if path.is_file() and (not found.is_file() or found.read_bytes() != path.read_bytes()):
                yield path.relative_to(expected)


def _axis_of_times(store: Path, copies: Mapping[str, Any]) -> tuple[Month, Month] | None:
    """Return first and last month from the times; None if these are not the first days of consecutive months."""
    try:
        number = next(found["shape"][0] for found in _metadata(store, copies, STATUS, COUNT, "time"))
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
