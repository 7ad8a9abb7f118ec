"""The cube's axis: made, lengthened at its end, re-keyed to an earlier first month, begun anew under another recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from s1monthly.cube_files import flush, link_tree, locked, publish, recover, replace_changed, staging, told
from s1monthly.cube_layout import AXIS_LIMIT, STATUS, CubeSpec, Header, create, description, differences, read_header
from s1monthly.errors import CubeError
from s1monthly.vocabulary import Month


def prepare(path: str | Path, spec: CubeSpec, first: Month, last: Month, replace: bool = False) -> tuple[Month, Month]:
    """Make the cube, or extend its axis, so that it has a slot for every month from `first` to `last`.

    The axis never shrinks. One that grows at its end gets new shapes, the root's last; one that begins earlier is put
    together beside the store from hard links to the chunks under their new keys, and takes the store's place in one
    step: no value is read or written. Calling it again changes nothing. Killed at any moment, the cube holds what it
    held, and the next call completes the work.

    Parameters
    ----------
    path : path
        The store.
    spec : CubeSpec
    first, last : Month
        Months that must have a slot, both ends included.
    replace : bool
        Where the cube was made with another recipe, band set, grid or chunks: begin it anew, with the same months and
        every slot empty, instead of refusing.

    Returns
    -------
    tuple of Month
        First and last month of the axis.

    Raises
    ------
    CubeError
        If a cube of another tile, direction, recipe, band set, grid or layout lies there (naming the differences), or a
        store that is not ours; if the axis would exceed `AXIS_LIMIT` months; if the folder cannot be written.
    """
    path = Path(path)
    if last < first:
        raise CubeError(f"cube {path}: {first} to {last} ends before it begins", "give the earlier month first")
    asked = description(spec)
    with told(path, "preparing the axis"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with staging(path, "axis", sweep_all=True) as folder, locked(path):
            recover(path, folder)
            held = read_header(path)
            if held:
                first, last = min(first, held.first), max(last, held.last)
            if last.ordinal - first.ordinal >= AXIS_LIMIT:
                raise CubeError(f"cube {path}: {first} to {last} is too long", f"ask for at most {AXIS_LIMIT} months")
            store = folder / "store"
            if held is None:
                create(store, spec, first, last)
                flush(store)
                publish(store, path)
                return first, last
            recipe_changes = differences(held.description, asked)
            _refuse_other(path, held, asked, recipe_changes, replace)
            create(store, spec, first, last)
            layout_changes = _layout_changes(path, held, store)
            if layout_changes and not recipe_changes:
                _refuse_other(path, held, asked, layout_changes, replace)
            flush(store)
            if recipe_changes or layout_changes:
                publish(store, path)
            elif first < held.first:
                _link_slots(path, store, held, held.first.ordinal - first.ordinal)
                publish(store, path)
            else:
                replace_changed(store, path)
    return first, last


def _refuse_other(path: Path, held: Header, asked: dict[str, Any], changes: list[str], replace: bool) -> None:
    """Raise unless there is nothing that differs, or it may be replaced."""
    if any(held.description[key] != asked[key] for key in ("tile", "direction")):
        raise CubeError(f"cube {path} belongs elsewhere: {'; '.join(changes)}", "move it away or give another base_dir")
    if changes and not replace:
        raise CubeError(
            f"cube {path} was made otherwise: {'; '.join(changes)}",
            f"give another base_dir, or set overwrite: true with a time range that covers {held.first} to {held.last}",
        )


def _layout_changes(path: Path, held: Header, store: Path) -> list[str]:
    """Name the arrays whose chunks could not be read under the metadata of a store made today."""
    changes = []
    for name in (*held.data_arrays, STATUS):
        today = json.loads((store / name / "zarr.json").read_text("utf-8"))
        found = held.arrays.get(name, {})
        if not (path / name / "zarr.json").exists():
            changes.append(f"array {name}: missing in the cube")
            continue
        keys = sorted((today.keys() | found.keys()) - {"shape", "attributes"})
        changes += [f"array {name}: another {key}" for key in keys if today.get(key) != found.get(key)]
    return changes


def _link_slots(path: Path, store: Path, held: Header, shift: int) -> None:
    for name in (*held.data_arrays, STATUS):
        chunks = path / name / "c"
        if chunks.exists():
            (store / name / "c").mkdir()
            for slot in chunks.iterdir():
                link_tree(slot, store / name / "c" / str(int(slot.name) + shift))
