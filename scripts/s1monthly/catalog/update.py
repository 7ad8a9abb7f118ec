"""Update the catalogs and Collections: read the sources and write the files under one lock.

Without the lock, a writer could read the tree before another writer finishes a month, write after it, and so drop that
month. The lock is a hidden file, see `layout.lock_file`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa

from s1monthly.catalog.collection import stac_documents
from s1monthly.catalog.coverage import coverage_page
from s1monthly.catalog.document import read_document, write_document
from s1monthly.catalog.geopackage import write_geopackage
from s1monthly.catalog.items_table import (
    as_read,
    for_root,
    items_of,
    joined,
    names_of,
    read_items,
    selected,
    write_items,
)
from s1monthly.catalog.static_item import with_static_layers
from s1monthly.catalog.table import (
    NO_DATA,
    PATHS,
    UNUSABLE,
    Row,
    existing_paths,
    folder_name,
    global_rows,
    is_output_tree,
    owner_of,
    read_catalog,
    row_key,
    tile_rows,
    write_catalog,
)
from s1monthly.errors import NameFormatError, ProductError
from s1monthly.files import locked, write_text
from s1monthly.layout import Layout, lock_file, parse_folder
from s1monthly.model import CompositeKey, Stack, TileDirection

PRODUCTS = ("cog_path", "preview_path", "item_path")
"""Columns of the files that keep a month in the catalog if its record is lost."""

PREVIEW_COLUMNS = ("preview_crs", "preview_width", "preview_height", "preview_bounds")


@contextmanager
def catalog_lock(path: str | Path) -> Iterator[None]:
    """Lock a catalog against other writers; if it is locked already, report once by whom, and wait.

    Raises
    ------
    ProductError
        If the lock cannot be written.
    """

    def report(holder: str) -> None:
        sys.stderr.write(f"waiting for {path}: {holder} is writing it\n")
        sys.stderr.flush()

    with ExitStack() as stack:
        try:
            stack.enter_context(locked(lock_file(path), report))
        except OSError as error:
            raise ProductError(
                f"{path}: cannot be written ({error})", "make its folder writable, then run again"
            ) from error
        yield


def catalog_tile(folder: str | Path) -> list[Row]:
    """Write the catalog of a tile and direction from all files in its folder ``{base_dir}/{tile}_{direction}``.

    Returns its rows: those of `table.tile_rows`, which names the errors, and those that `rows_to_keep` adds.
    """
    owner = owner_of(Path(folder))
    layout = Layout(str(Path(folder).parent))
    link_static_layers(layout.of(owner))
    return replace_rows(owner, layout, lambda: tile_rows(folder))[0]


def link_static_layers(paths: Layout) -> None:
    """Let the Items of a tile and direction name the static layers that exist, see `static_item.with_static_layers`.

    Items that are damaged, or name them already, are not touched.
    """
    if not Path(paths.static_item).parent.is_dir():
        return
    for path in sorted(Path(paths.folder).glob(f"{Path(paths.folder).name}_*.json")):
        try:
            linked = with_static_layers(read_document(path), paths)
        except (ProductError, LookupError, TypeError):
            continue
        write_document(path, linked, only_if_changed=True)


def replace_rows(
    owner: TileDirection, layout: Layout, rows_of: Callable[[], list[Row]], *, only_if_changed: bool = False
) -> tuple[list[Row], bool]:
    """Write the catalog of a tile and direction, and the table of its Items.

    Parameters
    ----------
    rows_of : callable
        Reads the folder and returns its rows; those of `rows_to_keep` are added.
    only_if_changed : bool
        Do not touch files that already have these rows.

    Returns
    -------
    rows : list of dict
        By month.
    written : bool
        Whether a file was written.
    """
    path = layout.of(owner).tile_catalog
    with catalog_lock(path):
        before = previous_rows(owner, layout)
        rows = rows_of()
        rows = sorted([*rows, *rows_to_keep(before, rows, layout)], key=lambda row: row["month"])
        table = items_of(rows, layout.of(owner).folder)
        written = write_items(layout.of(owner).tile_items, table, only_if_changed=only_if_changed)
        return rows, write_catalog(path, rows, only_if_changed=only_if_changed) or written


def previous_rows(owner: TileDirection, layout: Layout) -> list[Row]:
    """Return the previous rows of a tile and direction from its catalog or, if that is unreadable, the global one."""
    for path, above in ((layout.of(owner).tile_catalog, ""), (layout.catalog, str(owner))):
        try:
            rows = read_catalog(path)
        except ProductError:
            continue
        return without_global_paths([row for row in rows if folder_name(row) == str(owner)], above)
    return []


def without_global_paths(rows: Iterable[Row], folder: str) -> list[Row]:
    """Return rows of a tile and direction with paths relative to its folder; the inverse of `with_global_paths`."""
    above = f"{folder}/"
    return [{**row, **{name: row[name] and row[name].removeprefix(above) for name in PATHS}} for row in rows]


def rows_to_keep(before: Iterable[Row], rows: Iterable[Row], layout: Layout) -> list[Row]:
    """Return the rows of an older catalog that the tree itself can no longer give.

    These are months whose record is lost but whose COG, preview or Item still exists, with the paths that exist now;
    and months without data whose search log is lost.

    Parameters
    ----------
    before, rows : iterable of dict
        The older catalog of a tile and direction, and the rows from the tree, which replace those of the same months.
    """
    in_tree, keep = {row["month"] for row in rows}, {}
    for row in before:
        try:
            place = layout.of(CompositeKey.parse(*row_key(row)))
        except NameFormatError:  # somebody edited the catalog
            continue
        if row["month"] in in_tree:
            continue
        if row["status"] in (NO_DATA, UNUSABLE):
            if not Path(place.search).exists():
                keep[row["month"]] = row
            continue
        row = {**row, **existing_paths(place)}
        if not row["preview_path"]:
            row |= dict.fromkeys(PREVIEW_COLUMNS)
        if any(row[name] for name in PRODUCTS):
            keep[row["month"]] = row
    return list(keep.values())


def catalog_all(
    base_dir: str | Path,
    skipped: Collection[Path] = (),
    unchanged: Collection[str] = (),
    *,
    only_if_changed: bool = False,
    public_url: str | None = None,
    geopackage: bool = False,
) -> tuple[list[Row], list[Path]]:
    """Write the global catalog, the root STAC Catalog, all Collections and the coverage table from the tiles' catalogs.

    Parameters
    ----------
    base_dir : path
        Root of the output tree.
    skipped : collection of Path
        Folders that must or can not be read. Folders not named after a tile and direction are skipped too; if a tile
        exists only under such a name, its rows stay unchanged.
    unchanged : collection of str
        Names of tile folders that are missing or renamed: their rows stay unchanged.
    only_if_changed : bool
        Do not touch files that already have this content.
    public_url : str, optional
        Address of the published tree, for the root Catalog; empty for none. Not given: that of the existing Catalog.
    geopackage : bool
        Whether to write the catalog as a GeoPackage too. An existing one is always kept in step.

    Returns
    -------
    rows : list of dict
        Rows of the global catalog.
    written : list of Path
        Files that were written.

    Raises
    ------
    ProductError
        As for `catalog.global_rows`.
    """
    layout = Layout(str(base_dir))
    with catalog_lock(layout.catalog):
        misnamed, renamed = _misnamed(Path(base_dir), skipped)
        unchanged = {*unchanged, *renamed}
        rows = global_rows(base_dir, {*skipped, *misnamed})
        if unchanged and Path(layout.catalog).exists():
            rows += [row for row in read_catalog(layout.catalog) if folder_name(row) in unchanged]
            rows.sort(key=row_key)
        written = []
        if write_items(layout.items, all_items(layout, rows, unchanged), only_if_changed=only_if_changed):
            written.append(Path(layout.items))
        if write_catalog(layout.catalog, rows, only_if_changed=only_if_changed):
            written.append(Path(layout.catalog))
        with_geopackage = geopackage or Path(layout.geopackage).exists()
        if with_geopackage and write_geopackage(layout.geopackage, rows, only_if_changed=only_if_changed):
            written.append(Path(layout.geopackage))
        for path, document in documents_of(layout, rows, public_url).items():
            if document is None:
                path.unlink(missing_ok=True)
            elif write_document(path, document, only_if_changed=only_if_changed):
                written.append(path)
        if write_text(layout.coverage, coverage_page(rows), only_if_changed=only_if_changed):
            written.append(Path(layout.coverage))
    return rows, written


def all_items(layout: Layout, rows: Sequence[Row], unchanged: Collection[str] = ()) -> pa.Table:
    """Return the Items of all tiles and directions, from the tables of their folders.

    A table that is missing, or does not have the Items that the rows name, is made from the Items themselves.

    Parameters
    ----------
    rows : sequence of dict
        Rows of the global catalog.
    unchanged : collection of str
        Names of tile folders whose Items are taken from the existing table of all Items.

    Raises
    ------
    ProductError
        If Items fit in no table.
    """
    tables = []
    for name, group in groupby(rows, key=folder_name):
        mine = list(group)
        names = names_of(mine)
        if name in unchanged:
            with suppress(ProductError):
                tables.append(selected(read_items(layout.items), names))
        elif names:
            tables.append(for_root(_tile_items(layout, name, mine), name))
    return joined(tables)


def _tile_items(layout: Layout, name: str, rows: Sequence[Row]) -> pa.Table:
    folder = Path(layout.base_dir, name)
    with suppress(ProductError):
        table = read_items(folder / Path(layout.tile_items).name)
        if table["id"].to_pylist() == names_of(rows):
            return table
    return as_read(items_of(without_global_paths(rows, name), folder))


def documents_of(
    layout: Layout, rows: Sequence[Mapping[str, Any]], public_url: str | None = None
) -> dict[Path, dict[str, Any] | None]:
    """Return the STAC documents at the root of an output tree by path; None for one that is no longer needed.

    Every direction or track with a row or a folder has a Collection. `public_url` is that of `catalog_all`.
    """
    folders = [found for path in Path(layout.base_dir).iterdir() if (found := parse_folder(path.name))]
    stacks = {Stack.parse(direction) for _, direction in folders}
    url = published_at(layout) if public_url is None else public_url
    documents = stac_documents(rows, url, stacks, _maps(layout, folders))
    new = (f"{layout.base_dir}/{name}" for name in documents)
    return {Path(path): documents.get(Path(path).name) for path in dict.fromkeys([*layout.stac_documents(), *new])}


def _maps(layout: Layout, folders: Iterable[tuple[str, str]]) -> list[str]:
    """Return the Items of static layers and of maps of changes, as paths relative to the root of the tree."""
    here = Layout(".")
    patterns = [replace(here, tile=tile, direction=direction).static_item for tile, direction in folders]
    patterns += [replace(here, tile="*", direction="*").change("*", "json")]
    found = (path for pattern in patterns for path in Path(layout.base_dir).glob(pattern.replace("{track}", "T*")))
    return sorted(f"./{path.relative_to(layout.base_dir)}" for path in found if not path.name.startswith("."))


def catalog_maps(base_dir: str | Path) -> None:
    """Write the STAC documents of a tree again, so that they name new maps; nothing happens without a catalog.

    Raises
    ------
    ProductError
        If the catalog cannot be read, or a document cannot be written.
    """
    layout = Layout(str(base_dir))
    if not Path(layout.catalog).exists():
        return
    with catalog_lock(layout.catalog):
        for path, document in documents_of(layout, read_catalog(layout.catalog)).items():
            if document is not None:
                write_document(path, document, only_if_changed=True)


def _misnamed(base_dir: Path, skipped: Collection[Path]) -> tuple[set[Path], set[str]]:
    """Find folders with a catalog that are not named after a tile and direction: copies and renamed folders.

    Also return the proper folder names of tiles that exist only under such a name.
    """
    folders: set[Path] = set()
    tiles: set[str] = set()
    for path in base_dir.glob("*/catalog.parquet"):
        folder = path.parent
        if folder in skipped or folder.name.startswith(".") or is_output_tree(folder):
            continue
        try:
            owner_of(folder)
        except ProductError:
            folders.add(folder)
            with suppress(ProductError):
                tiles |= {folder_name(row) for row in read_catalog(path)}
    return folders, {name for name in tiles if not (base_dir / name).exists()}


def published_at(layout: Layout) -> str:
    """Return the address of the published tree from the existing root Catalog; empty if it has none."""
    try:
        links = read_document(layout.stac_root)["links"]
        return next(link["href"].rpartition("/")[0] for link in links if link["rel"] == "self")
    except (ProductError, LookupError, TypeError, AttributeError, StopIteration):
        return ""
