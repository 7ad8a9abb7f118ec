"""Creation and change of a cube: a longer or earlier axis, more bands, or a new start with another recipe.

A changed cube is built beside the old one: new metadata, and hard links to the chunks under their new keys. Then the
two are exchanged in one step. No pixel is read or written. Readers see either the old or the new store, even if the
process is killed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from s1monthly.cube.layout import AXIS_LIMIT, DECODING, CubeSpec, Header, description, read_header
from s1monthly.cube.status import STATUS, Status, adds_only_textures, how_to_mend, read_status
from s1monthly.cube.transaction import (
    changed,
    cube_errors,
    flush,
    link_tree,
    links_and_exchanges,
    locked,
    publish,
    recover,
    replace_files,
    staging,
)
from s1monthly.errors import CubeError
from s1monthly.model import Month


def prepare(
    path: str | Path,
    spec: CubeSpec,
    first: Month,
    last: Month,
    replace: bool = False,
    covered: Collection[Month] | None = None,
) -> tuple[Month, Month]:
    """Create or change the cube so that it has every band and a slot for every month from `first` to `last`.

    The axis never shrinks, and bands are never removed. A second call changes nothing. If the process is killed, the
    cube is either unchanged or as requested. Returns the first and last month of the axis.

    Parameters
    ----------
    path : path
        The store.
    spec : CubeSpec
        Tile, direction, grid, bands, chunks and recipe.
    first, last : Month
        First and last month that need a slot.
    replace : bool
        If the existing cube has another recipe, band set, grid or chunks: start it anew with the same months and empty
        slots instead of raising an error.
    covered : collection of Month or None
        Months that the run writes, even if the cube holds them. A cube with any other complete month is never started
        anew. None: the caller takes that responsibility. Bands (textures, all else equal) are added if `covered`
        includes every complete month. Such a month counts as being written until it is written again: its core bands
        stay, but nobody takes the empty new bands for no data.

    Raises
    ------
    CubeError
        If the store belongs to another product, or to another tile, direction, recipe, band set, grid or layout (the
        message names the differences); if bands would be added to months that the run does not write; if the axis would
        exceed `AXIS_LIMIT` months; if the folder cannot be written.
    """
    from s1monthly.cube.create import create  # here: loads zarr, which reading and writing a month do not need

    path = Path(path)
    if last < first:
        raise CubeError(f"cube {path}: {first} to {last} ends before it begins", "give the earlier month first")
    asked = description(spec)
    with cube_errors(path, "preparing the axis"):
        read_header(path)  # refuses a store of another product before any file is created beside it
        path.parent.mkdir(parents=True, exist_ok=True)
        with staging(path, "axis", sweep_all=True) as folder, locked(path):
            recover(path, folder)
            held = read_header(path)
            if held:
                first, last = min(first, held.first), max(last, held.last)
            if last.ordinal - first.ordinal >= AXIS_LIMIT:
                raise CubeError(f"cube {path}: {first} to {last} is too long", f"ask for at most {AXIS_LIMIT} months")
            left = _complete_besides(path, held, covered or ()) if held else []
            keep = held is not None and _may_be_kept(path, held, asked, replace, left)
            store = folder / "store"
            # an existing cube keeps its codecs, even if new cubes use others
            codecs = {name: how["codecs"] for name, how in held.decoding.items() if "codecs" in how} if held else {}
            create(store, spec, first, last, codecs if keep else {})
            if held and keep:
                layout_changes = _layout_changes(path, held, store)
                if not layout_changes:
                    flush(store)
                    _change(path, store, held, asked, first)
                    return first, last
                if not replace or covered is not None:  # most likely damage, for which no run starts a cube anew
                    raise CubeError(f"cube {path} was made otherwise: {'; '.join(layout_changes)}", how_to_mend(path))
                store = folder / "anew"
                create(store, spec, first, last)
            if held and covered is not None and left:
                raise CubeError(
                    f"cube {path}: begun anew it would lose {', '.join(map(str, left))}, which this run does not make",
                    "give a time range that covers them, or another base_dir; where the source no longer has their"
                    " granules, only another base_dir keeps them",
                )
            flush(store)
            publish(store, path)
    return first, last


def _complete_besides(path: Path, held: Header, covered: Collection[Month]) -> list[Month]:
    months = enumerate(held.first.until(held.last))
    return [m for slot, m in months if m not in covered and read_status(path, slot) == Status.COMPLETE]


def _may_be_kept(path: Path, held: Header, asked: Mapping[str, Any], replace: bool, left: list[Month]) -> bool:
    """Return True if the existing months stay, False if the cube is started anew; raise if neither is allowed."""
    changes = differences(held.description, asked)
    if any(held.description[key] != asked[key] for key in ("tile", "direction")):
        raise CubeError(
            f"cube {path} belongs elsewhere: {'; '.join(changes)}",
            "give its folder the name it was made with, or give another base_dir; catalog_validate says which name",
        )
    if not changes:
        return True
    if _adds_bands(held.description, asked):
        if not left:
            return True
        if not replace:
            new = ", ".join(name for name in asked["bands"] if name not in held.bands)
            raise CubeError(
                f"cube {path}: the bands {new} can be added by a run alone that makes all its months again;"
                f" not covered: {', '.join(map(str, left))}",
                f"give a time range that covers {held.first} to {held.last}, or another base_dir",
            )
    if not replace:
        raise _made_otherwise(path, held, changes)
    return False


def _adds_bands(held: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """Return True if the requested cube has all bands of the existing one, made alike, and more."""
    equal = all(held[key] == asked[key] for key in asked if key not in ("bands", "recipe"))
    return equal and set(held["bands"]) < set(asked["bands"]) and adds_only_textures(held["recipe"], asked["recipe"])


def _made_otherwise(path: Path, held: Header, changes: list[str]) -> CubeError:
    return CubeError(
        f"cube {path} was made otherwise: {'; '.join(changes)}",
        f"give another base_dir, or set overwrite: true with a time range that covers {held.first} to {held.last}",
    )


def differences(held: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """Return one line for each key that differs between two descriptions: ``recipe.level: "ARDC" in the cube, ...``."""
    before, after = _flat(held), _flat(asked)
    shown = {True: lambda value: json.dumps(value), False: lambda value: "nothing"}
    return [
        f"{key}: {shown[key in before](before.get(key))} in the cube, {shown[key in after](after.get(key))} asked for"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key) or (key in before) != (key in after)
    ]


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            leaves |= _flat(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = value
    return leaves


def _layout_changes(path: Path, held: Header, store: Path) -> list[str]:
    """Name the arrays whose chunks cannot be read with the metadata of a new store."""
    changes = []
    for name in (*held.data_arrays, STATUS):
        today = json.loads((store / name / "zarr.json").read_text("utf-8"))
        found = held.arrays.get(name, {})
        if not (path / name / "zarr.json").exists():
            raise CubeError(f"cube {path}: array {name}: missing in the cube", how_to_mend(path))
        differing = (key for key in DECODING if (today.get(key) or None) != (found.get(key) or None))
        changes += [f"array {name}: another {key}" for key in differing]
    return changes


def _change(path: Path, store: Path, held: Header, asked: Mapping[str, Any], first: Month) -> None:
    """Link the existing chunks into the new store and exchange the stores, if anything differs."""
    differing = changed(store, path)
    if not differing:
        return
    shift = held.first.ordinal - first.ordinal
    adds_bands = list(held.bands) != asked["bands"]
    if not shift and not adds_bands and not links_and_exchanges(store.parent):
        # arrays grow one after the other, but readers of the root's metadata still see one step
        replace_files(store, path, differing)
        return
    for name in (*held.data_arrays, STATUS):
        chunks = path / name / "c"
        if chunks.exists():
            (store / name / "c").mkdir()
            for slot in chunks.iterdir():
                target = store / name / "c" / str(int(slot.name) + shift)
                if adds_bands and name == STATUS:
                    target.write_bytes(bytes([Status.BEING_WRITTEN]))
                else:
                    link_tree(slot, target)
    flush(store / STATUS)
    publish(store, path)
