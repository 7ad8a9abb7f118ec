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
from s1monthly.cube_layout import COORDINATES, COUNT, DECODING, STATUS, create, read_header
from s1monthly.errors import CubeError
from s1monthly.findings import Commands, some

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
        What `cube.prepare` needs to make its metadata and coordinates again, where that mends it.
    """

    state: CubeState | None
    problem: str = ""
    spec: CubeSpec | None = None


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
        made = Path(folder) / "store"
        create(made, spec, state.first, state.last)
        if _is_other_axis(store, made):
            return CubeCheck(None, f"its attributes say {state.first} to {state.last}, its times are others")
        consolidated = {name: {key: array.get(key) for key in KEYS} for name, array in header.arrays.items()}
        other = [name for name in arrays if consolidated.get(name) != _metadata(made, name)]
        if other:
            return CubeCheck(None, f"its zarr.json describes {', '.join(other)} otherwise than this software makes it")
        differing = list(_differing(store, made, arrays))
    if differing:
        return CubeCheck(state, f"metadata or coordinates are not what they should be: {some(differing)}", spec)
    return CubeCheck(state)


def commands_for(check: CubeCheck, store: Path, mend: Commands) -> tuple[str, ...]:
    """What mends a cube with a problem."""
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


def _is_other_axis(store: Path, made: Path) -> bool:
    """Whether the times are months in order, but not those of the attributes: one of the two was changed."""
    times, expected = (_days(path / "time" / "c" / "0") for path in (store, made))
    if times is None or expected is None or times.size != expected.size or np.array_equal(times, expected):
        return False
    days = times.astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    return bool(np.all(np.diff(months.astype(np.int64)) == 1) and np.array_equal(months.astype("datetime64[D]"), days))


def _days(path: Path) -> np.ndarray[Any, np.dtype[np.int64]] | None:
    try:
        return np.frombuffer(path.read_bytes(), "<i4").astype(np.int64)
    except (OSError, ValueError):
        return None
