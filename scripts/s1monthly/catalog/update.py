"""Catalogs and the Collection replaced: what they are made from is read, and they are written, under one lock.

Without it a writer that had read the tree before another finished a month, and wrote after it, would drop that month.
The lock is a hidden file beside the catalog, see `files.locked`.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from s1monthly.catalog.assets import relative
from s1monthly.catalog.collection import collection
from s1monthly.catalog.item import read_document, write_document
from s1monthly.catalog.table import (
    NO_DATA,
    PATHS,
    UNUSABLE,
    Row,
    fill,
    global_rows,
    is_tree,
    key_of,
    owner_of,
    read_catalog,
    tile_rows,
    write_catalog,
)
from s1monthly.errors import NameFormatError, ProductError
from s1monthly.files import flock
from s1monthly.layout import Layout
from s1monthly.model import CompositeKey, TileDirection

PRODUCTS = ("cog_path", "preview_path", "item_path")
"""Columns of the files that keep a month in the catalog whose record is lost."""

PREVIEW_COLUMNS = ("preview_crs", "preview_width", "preview_height", "preview_bounds")


@contextmanager
def alone(path: str | Path) -> Iterator[None]:
    """Let every other writer of a catalog wait; say once where this one must wait, and for whom.

    The file says who has the lock: user, process and machine.

    Raises
    ------
    ProductError
        If its folder cannot be written to.
    """
    lock = Path(path).with_name(f".{Path(path).name}.lock")
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise ProductError(
            f"{path}: cannot be written ({error})", "make its folder writable, then run again"
        ) from error
    try:
        if flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB) is False:
            who = os.pread(handle, 200, 0).decode(errors="replace").strip() or "another program"
            sys.stderr.write(f"waiting for {path}: {who} is writing it\n")
            sys.stderr.flush()
            flock(handle, fcntl.LOCK_EX)
        os.ftruncate(handle, 0)
        with suppress(OSError):  # on a full disk: who waits is not told for whom
            os.pwrite(handle, f"user {os.geteuid()}, process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def catalog_tile(folder: str | Path) -> list[Row]:
    """Write the catalog of a tile and direction from all that lies in its folder.

    Parameters
    ----------
    folder : path
        ``{base_dir}/{tile}_{direction}``.

    Returns
    -------
    list of dict
        Its rows: those of `catalog.tile_rows`, and what `kept_rows` adds.

    Raises
    ------
    ProductError
        As `catalog.tile_rows`.
    """
    owner = owner_of(Path(folder))
    layout = Layout(str(Path(folder).parent), "")
    return replace_rows(owner, layout, lambda before: tile_rows(folder))[0]


def replace_rows(
    owner: TileDirection, layout: Layout, rows_of: Callable[[list[Row]], list[Row]], *, only_if_changed: bool = False
) -> tuple[list[Row], bool]:
    """Write the catalog of a tile and direction.

    Parameters
    ----------
    owner : TileDirection
    layout : Layout
    rows_of : callable
        Reads the folder: from the rows that were catalogued before to those that there should be. `kept_rows` is added.
    only_if_changed : bool
        Leave a catalog of these very rows untouched.

    Returns
    -------
    rows : list of dict
        By month.
    written : bool
    """
    path = layout.tile_catalog.format(tile=owner.tile, direction=owner.direction)
    with alone(path):
        before = rows_before(owner, layout)
        rows = rows_of(before)
        rows = sorted([*rows, *kept_rows(before, rows, layout)], key=lambda row: row["month"])
        return rows, write_catalog(path, rows, only_if_changed=only_if_changed)


def rows_before(owner: TileDirection, layout: Layout) -> list[Row]:
    """Rows that a tile and direction has in its catalog or, where that cannot be read, in the global one."""
    catalog = layout.tile_catalog.format(tile=owner.tile, direction=owner.direction)
    for path, above in ((catalog, ""), (layout.catalog, f"{Path(catalog).parent.name}/")):
        try:
            rows = read_catalog(path)
        except ProductError:
            continue
        mine = (str(owner.tile), str(owner.direction))
        rows = [row for row in rows if (row["mgrs_tile_id"], row["flight_direction"]) == mine]
        return [
            {**row, **{name: row[name].removeprefix(above) for name in PATHS if row[name] is not None}} for row in rows
        ]
    return []


def kept_rows(before: Iterable[Row], rows: Iterable[Row], layout: Layout) -> list[Row]:
    """Rows of an older catalog that tell of what the tree itself no longer tells.

    A month whose record is lost, and of which a COG, preview or Item still lies there: its paths are those of what
    there is now. A month without data, where the account of the search is lost.

    Parameters
    ----------
    before : iterable of dict
        The older catalog of a tile and direction.
    rows : iterable of dict
        What the tree tells; of its months nothing is kept.
    layout : Layout
    """
    taken, kept = {row["month"] for row in rows}, {}
    for row in before:
        try:
            key = CompositeKey.parse(row["mgrs_tile_id"], row["flight_direction"], row["month"])
        except NameFormatError:  # somebody edited the catalog
            continue
        if row["month"] in taken:
            continue
        if row["status"] in (NO_DATA, UNUSABLE):
            if not Path(fill(layout.search, key)).exists():
                kept[row["month"]] = row
        else:
            found = {**row, **paths_there(key, layout)}
            if not found["preview_path"]:
                found |= dict.fromkeys(PREVIEW_COLUMNS)
            if any(found[name] for name in PRODUCTS):
                kept[row["month"]] = found
    return list(kept.values())


def paths_there(key: CompositeKey, layout: Layout) -> dict[str, str | None]:
    """Paths of what lies there of a month, relative to the tile's folder; None for what does not."""
    patterns = (layout.cog, layout.cube, layout.preview, layout.record, layout.item)
    folder = fill(layout.folder, key)
    paths = {name: fill(pattern, key) for name, pattern in zip(PATHS, patterns, strict=True)}
    return {name: relative(path, folder) if Path(path).exists() else None for name, path in paths.items()}


def catalog_all(
    base_dir: str | Path,
    passed_over: Collection[Path] = (),
    kept: Collection[str] = (),
    *,
    only_if_changed: bool = False,
) -> tuple[list[Row], list[Path]]:
    """Write the global catalog and the Collection from the catalogs of all tiles.

    Parameters
    ----------
    base_dir : path
        Root of the output tree.
    passed_over : collection of Path
        Folders in it that may not be read, or are not to be. Those without the name of a tile and direction are
        passed over too; where a tile is there under such a name alone, its rows stay as they were.
    kept : collection of str
        Names of tiles' folders that are not there to be read, or not by these names: their rows stay as they were.
    only_if_changed : bool
        Leave files that say this already untouched.

    Returns
    -------
    rows : list of dict
        Of the global catalog.
    written : list of Path
        Which files.

    Raises
    ------
    ProductError
        As `catalog.global_rows`.
    """
    layout = Layout(str(base_dir), "")
    with alone(layout.catalog):
        misnamed, owners = _misnamed(Path(base_dir), passed_over)
        kept = {*kept, *owners}
        rows = global_rows(base_dir, {*passed_over, *misnamed})
        if kept and Path(layout.catalog).exists():
            before = read_catalog(layout.catalog)
            rows += [row for row in before if f"{row['mgrs_tile_id']}_{row['flight_direction']}" in kept]
            rows.sort(key=key_of)
        written = []
        if write_catalog(layout.catalog, rows, only_if_changed=only_if_changed):
            written.append(Path(layout.catalog))
        document = collection(rows)
        if not (only_if_changed and _says(layout.collection, document)):
            write_document(layout.collection, document)
            written.append(Path(layout.collection))
    return rows, written


def _misnamed(base_dir: Path, passed_over: Collection[Path]) -> tuple[set[Path], set[str]]:
    """Find folders with a catalog under another name than a tile's, a copy that somebody keeps, or a renamed folder.

    Returns
    -------
    folders : set of Path
    kept : set of str
        Names of the tiles' folders that are there under such a name alone.
    """
    folders: set[Path] = set()
    kept: set[str] = set()
    for path in base_dir.glob("*/catalog.parquet"):
        folder = path.parent
        if folder in passed_over or folder.name.startswith(".") or is_tree(folder):
            continue
        try:
            owner_of(folder)
        except ProductError:
            folders.add(folder)
            with suppress(ProductError):
                kept |= {f"{row['mgrs_tile_id']}_{row['flight_direction']}" for row in read_catalog(path)}
    return folders, {name for name in kept if not (base_dir / name).exists()}


def _says(path: str, document: dict[str, object]) -> bool:
    try:
        return read_document(path) == document
    except ProductError:
        return False
