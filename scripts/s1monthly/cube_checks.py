"""Whether a cube's metadata and coordinates are what its description says; its months are another matter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from s1monthly import cube
from s1monthly.bands import bands_of
from s1monthly.cube import CubeSpec, CubeState
from s1monthly.cube_creation import create
from s1monthly.cube_files import locked
from s1monthly.cube_layout import COORDINATES, COUNT, DECODING, STATUS, read_header
from s1monthly.errors import CubeError, NameFormatError
from s1monthly.files import write_text
from s1monthly.findings import Commands, some
from s1monthly.vocabulary import Month

KEYS = ("shape", "dimension_names", *(key for key in DECODING if key != "codecs"))
"""Metadata of an array that readers go by; wordings, which another version may change, are not compared."""


@dataclass(frozen=True)
class CubeCheck:
    """What was found of a cube.

    Attributes
    ----------
    state : CubeState or None
        None where its months cannot be told or read by what it says of itself.
    problem : str
        Empty where nothing is wrong.
    spec : CubeSpec or None
        What `mend_cube` needs to make its metadata and coordinates again, where that mends it.
    axis : tuple of Month or None
        Where its root is wrong and all its arrays tell what it should say: the axis that they have.
    strays : tuple of Path
        What lies in it and is none of its arrays.
    """

    state: CubeState | None
    problem: str = ""
    spec: CubeSpec | None = None
    axis: tuple[Month, Month] | None = None
    strays: tuple[Path, ...] = ()


def check_cube(store: Path) -> CubeCheck:
    """Compare a cube with an empty one that is made from its description; the description itself is taken as true."""
    try:
        state = cube.state(store)
        header = read_header(store)
    except CubeError as error:
        return CubeCheck(None, error.problem.removeprefix("cube "))
    spec = _spec_of(state)
    if spec is None or header is None:
        return CubeCheck(state)
    arrays = (*state.bands, COUNT, STATUS)
    lost = [name for name in arrays if _metadata(store, name) is None]
    if lost:
        return CubeCheck(
            None, f"the metadata of its arrays are lost: {', '.join(f'{name}/zarr.json' for name in lost)}"
        )
    with TemporaryDirectory() as folder:
        made, axis = Path(folder) / "store", _axis_of(store) or (state.first, state.last)
        create(made, spec, *axis)
        differing = list(_differing(store, made, arrays))
        consolidated = {name: {key: array.get(key) for key in KEYS} for name, array in header.arrays.items()}
        names = (*arrays, *COORDINATES)
        other = [name for name in arrays if consolidated.get(name) != _metadata(made, name)]
        other += [name for name in consolidated if name not in names]
    if other or axis != (state.first, state.last):
        problem = f"its zarr.json describes {', '.join(other)} otherwise than this software makes it"
        if axis != (state.first, state.last):
            problem = f"its attributes say {state.first} to {state.last}, its times are others: {axis[0]} to {axis[1]}"
        return CubeCheck(None, problem) if differing else CubeCheck(None, problem, spec, axis)
    if differing:
        return CubeCheck(state, f"metadata or coordinates are not what they should be: {some(differing)}", spec)
    entries = sorted(path for path in store.iterdir() if not path.name.startswith("."))
    strays = tuple(path for path in entries if path.name not in (*names, "zarr.json"))
    told = f"{some(path.name for path in strays)}: none of its arrays" if strays else ""
    return CubeCheck(state, told, strays=strays)


def mend_cube(check: CubeCheck, store: Path) -> CubeState | None:
    """Make metadata and coordinates again where that mends a cube; no chunk of a month is touched.

    Returns
    -------
    CubeState or None
        What it holds then; None where nothing was to be made, or it would not mend it.
    """
    if check.spec is None:
        return check.state
    with TemporaryDirectory() as folder:
        if check.axis:
            made = Path(folder) / "store"
            create(made, check.spec, *check.axis)
            root = json.loads((made / "zarr.json").read_text(encoding="utf-8"))
            arrays = root["consolidated_metadata"]["metadata"]
            for name in arrays:  # as they are: a cube stays compressed as it was made
                arrays[name] = json.loads((store / name / "zarr.json").read_text(encoding="utf-8"))
            with locked(store):
                write_text(store / "zarr.json", json.dumps(root, indent=2, ensure_ascii=False, allow_nan=False))
        elif check.state:
            cube.prepare(store, check.spec, check.state.first, check.state.last)
    return cube.state(store)


def commands_for(check: CubeCheck, store: Path, mend: Commands) -> tuple[str, ...]:
    """What mends a cube with a problem."""
    if check.strays:
        return tuple(mend.move_out(path) for path in check.strays)
    if check.spec:
        return (mend.rebuild,)
    # whatever lies in its place that is not its own the workflow never writes into
    return (mend.move_out(store), mend.run) if store.exists() else (mend.run,)


def _spec_of(state: CubeState) -> CubeSpec | None:
    """What the cube is made of; None where its recipe is of another version."""
    try:
        bands = tuple(bands_of(state.recipe))
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
    if tuple(band.name for band in bands) != state.bands:
        return None
    return CubeSpec(state.tile, state.direction, state.geobox, bands, state.chunks, state.recipe)


def _metadata(store: Path, name: str) -> dict[str, Any] | None:
    try:
        content = json.loads((store / name / "zarr.json").read_text(encoding="utf-8"))
        return {key: content.get(key) for key in KEYS}
    except (OSError, ValueError, AttributeError):
        return None


def _differing(store: Path, made: Path, arrays: tuple[str, ...]) -> Iterator[str]:
    """Files that are missing, or say otherwise."""
    for name in (*arrays, *COORDINATES):
        if _metadata(store, name) != _metadata(made, name):
            yield f"{name}/zarr.json"
    for name in COORDINATES:
        for path in sorted((made / name / "c").rglob("*")):
            found = store / path.relative_to(made)
            if path.is_file() and (not found.is_file() or found.read_bytes() != path.read_bytes()):
                yield str(path.relative_to(made))


def _axis_of(store: Path) -> tuple[Month, Month] | None:
    """First and last month by the times; None where these are not the first days of months in order."""
    try:
        (slots,) = (_metadata(store, STATUS) or {})["shape"]
        times = np.frombuffer((store / "time" / "c" / "0").read_bytes(), "<i4").astype(np.int64)[:slots]
    except (OSError, ValueError, TypeError, KeyError):
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
