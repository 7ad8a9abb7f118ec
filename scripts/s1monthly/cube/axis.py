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

from s1monthly.cube.create import create
from s1monthly.cube.header import (
    MASK,
    QUALITY,
    STATUS,
    Header,
    Status,
    adds_only_bands,
    how_to_mend,
    read_header,
    read_status,
)
from s1monthly.cube.layout import AXIS_LIMIT, CubeSpec, description
from s1monthly.cube.transaction import (
    changed,
    cube_errors,
    flush,
    link_tree,
    links_and_exchanges,
    locked,
    recover,
    replace_files,
    replace_store,
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
        anew. None: the caller takes that responsibility. Bands (textures and a spread, all else equal) are added if
        `covered` includes every complete month. Such a month counts as being written until it is written again: its
        core bands stay, but nobody takes the empty new bands for no data.

    Raises
    ------
    CubeError
        If the store belongs to another product, or to another tile, direction, recipe, band set, grid or layout (the
        message names the differences); if bands would be added to months that the run does not write; if the axis would
        exceed `AXIS_LIMIT` months; if the folder cannot be written.
    """
    path = Path(path)
    if last < first:
        raise CubeError(f"cube {path}: {first} to {last} ends before it begins", "give the earlier month first")
    wanted = description(spec)
    with cube_errors(path, "preparing the axis"):
        read_header(path)  # refuses a store of another product before any file is created beside it
        path.parent.mkdir(parents=True, exist_ok=True)
        with staging(path, "axis", sweep_all=True) as folder, locked(path):
            recover(path, folder)
            existing = read_header(path)
            if existing:
                first, last = min(first, existing.first), max(last, existing.last)
            if last.ordinal - first.ordinal >= AXIS_LIMIT:
                raise CubeError(f"cube {path}: {first} to {last} is too long", f"ask for at most {AXIS_LIMIT} months")
            if existing:
                not_covered = _complete_months(existing, except_for=covered or ())
                if _months_stay(existing, wanted, replace, not_covered):
                    # an existing cube keeps its codecs, even if new cubes use others
                    codecs = {name: how["codecs"] for name, how in existing.decoding.items() if "codecs" in how}
                    store = folder / "changed"
                    create(store, spec, first, last, codecs)
                    changes = _layout_changes(existing, store)
                    if not changes:
                        flush(store)
                        _change(existing, store, wanted, first)
                        return first, last
                    if not replace or covered is not None:  # most likely damage, for which no run starts a cube anew
                        raise CubeError(f"cube {path} was made otherwise: {'; '.join(changes)}", how_to_mend(path))
                if covered is not None and not_covered:
                    raise CubeError(
                        f"cube {path}: started anew it would lose {', '.join(map(str, not_covered))},"
                        " which this run does not make",
                        "give a time range that covers them, or another base_dir; where the source no longer has their"
                        " granules, only another base_dir keeps them",
                    )
            store = folder / "new"
            create(store, spec, first, last)
            flush(store)
            replace_store(store, path)
    return first, last


def _complete_months(cube: Header, except_for: Collection[Month]) -> list[Month]:
    months = enumerate(cube.first.until(cube.last))
    return [m for slot, m in months if m not in except_for and read_status(cube.path, slot) == Status.COMPLETE]


def _months_stay(existing: Header, wanted: Mapping[str, Any], replace: bool, not_covered: list[Month]) -> bool:
    """Return True if the existing months stay, False if the cube is started anew; raise if neither is allowed."""
    path, description = existing.path, existing.description
    changes = differences(description, wanted)
    if any(description[key] != wanted[key] for key in ("tile", "direction")):
        raise CubeError(
            f"cube {path} belongs elsewhere: {'; '.join(changes)}",
            "give its folder the name it was made with, or give another base_dir; catalog_validate says which name",
        )
    if not changes:
        return True
    axis = f"{existing.first} to {existing.last}"
    if _adds_bands(description, wanted):
        if not not_covered:
            return True
        if not replace:
            mask = [MASK] if wanted["recipe"].get(QUALITY) else []
            new = ", ".join(name for name in [*wanted["bands"], *mask] if name not in existing.data_arrays)
            raise CubeError(
                f"cube {path}: the bands {new} can be added by a run alone that makes all its months again;"
                f" not covered: {', '.join(map(str, not_covered))}",
                f"give a time range that covers {axis}, or another base_dir",
            )
    if not replace:
        raise CubeError(
            f"cube {path} was made otherwise: {'; '.join(changes)}",
            f"give another base_dir, or set overwrite: true with a time range that covers {axis}",
        )
    return False


def _adds_bands(existing: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return True if the wanted cube has all bands of the existing one, made alike, and more, or classes of pixels."""
    return (
        all(existing.get(key) == wanted.get(key) for key in {*existing, *wanted} - {"bands", "recipe"})
        and set(existing["bands"]) <= set(wanted["bands"])
        and adds_only_bands(existing["recipe"], wanted["recipe"])
    )


def differences(existing: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Return one line for each key that differs between two descriptions: ``recipe.level: "ARDC" in the cube, ...``."""
    before, after = _leaves(existing), _leaves(wanted)
    missing = object()

    def text(leaves: Mapping[str, Any], key: str) -> str:
        return json.dumps(leaves[key]) if key in leaves else "nothing"

    return [
        f"{key}: {text(before, key)} in the cube, {text(after, key)} asked for"
        for key in sorted(before.keys() | after.keys())
        if before.get(key, missing) != after.get(key, missing)
    ]


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten a tree: ``{"a": {"b": 1}}`` becomes ``{"a.b": 1}``."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves |= _leaves(value, f"{prefix}{key}.") if isinstance(value, Mapping) and value else {prefix + key: value}
    return leaves


def _layout_changes(existing: Header, store: Path) -> list[str]:
    """Name the arrays whose chunks cannot be read with the metadata of a new store."""
    changes = []
    for name in (*existing.slot_arrays, STATUS):
        if not (existing.path / name / "zarr.json").exists():
            raise CubeError(f"cube {existing.path}: array {name}: missing in the cube", how_to_mend(existing.path))
        new = json.loads((store / name / "zarr.json").read_text("utf-8"))
        changes += [f"array {name}: another {key}" for key in existing.differing_keys(name, new)]
    return changes


def _change(existing: Header, store: Path, wanted: Mapping[str, Any], first: Month) -> None:
    """Link the existing chunks into the new store and exchange the stores, if anything differs."""
    path = existing.path
    differing = changed(store, path)
    if not differing:
        return
    shift = existing.first.ordinal - first.ordinal
    adds_bands = existing.description["recipe"] != wanted["recipe"]
    if not shift and not adds_bands and not links_and_exchanges(store.parent):
        # arrays grow one after the other, but readers of the root's metadata still see one step
        replace_files(store, path, differing)
        return
    for name in (*existing.slot_arrays, STATUS):
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
    replace_store(store, path)
