"""List the files of an output tree that the report links to or depends on; each folder is listed once."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from s1monthly.layout import BAND_PATTERN, MONTH_PATTERN, TILE_PATTERN, Layout, is_band
from s1monthly.model import TileDirection

Stat = tuple[str, int, int, int]
"""Name, size, time of change of content and of the entry itself (nanoseconds)."""

_OF_MONTH = re.compile(rf"(?P<month>{MONTH_PATTERN})(?:_(?P<kind>[\w-]+))?\.(?P<suffix>tif|png)")
_LOG = re.compile(rf"(?P<tile>{TILE_PATTERN})_.*\.log")

TITLES = {"cog": "COG", "power": "COG of linear power", "quality": "quality COG", "preview": "preview"}
TITLES |= {"record": "record", "ceos_ard": "assessment by CEOS-ARD"}
"""Kind of a file of a month -> its title; others are titled by their kind."""

TABLES = {"catalog.parquet": "table of months", "items.parquet": "table of Items", "search.json": "search log"}
TABLES |= {"catalog.gpkg": "GeoPackage", "catalog.json": "STAC Catalog", "coverage.html": "table of coverage"}
"""Name of a file of a tile or a tree -> its title."""


@dataclass(frozen=True)
class Link:
    """A file that the report links to.

    Attributes
    ----------
    title : str
        What it is.
    href : str
        Address relative to the folder of the report, quoted.
    size : int or None
        Bytes; None for a folder.
    """

    title: str
    href: str
    size: int | None = None


@dataclass
class TileFiles:
    """Files of a tile and direction.

    Attributes
    ----------
    months : dict
        Month -> kind -> link. Kinds are ``cog``, names of bands, ``quality`` ..., ``preview``, ``item``, ``record`` and
        ``ceos_ard``.
    links : list of Link
        Files of no month: cube, tables, static layers, maps of changes.
    stats : list of Stat
        All files on which the state of a month depends, sorted.
    """

    months: dict[str, dict[str, Link]] = field(default_factory=lambda: defaultdict(dict))
    links: list[Link] = field(default_factory=list)
    stats: list[Stat] = field(default_factory=list)


def entries(folder: str | Path) -> list[Stat]:
    """List the visible files of a folder, sorted; empty if it does not exist or may not be read."""
    found = []
    with suppress(OSError), os.scandir(folder) as listed:
        for one in listed:
            with suppress(OSError):  # a run may work on the tree
                if one.is_file() and not one.name.startswith("."):
                    status = one.stat()
                    found.append((one.name, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    return sorted(found)


def tile_files(
    key: TileDirection, layout: Layout, logs: Iterable[Stat] = (), changes: Iterable[Stat] = ()
) -> TileFiles:
    """List the files of a tile and direction.

    Parameters
    ----------
    logs : iterable of Stat
        Logs of the tile in the work folder, which say why a month failed.
    changes : iterable of Stat
        Files in the folder of maps of changes.
    """
    paths, files = layout.of(key), TileFiles()
    for title, link in _listed(paths.folder, layout, files):
        month = title.removeprefix(Path(paths.item).stem.replace("{month}", "")).removesuffix(".json")
        if re.fullmatch(MONTH_PATTERN, month):
            files.months[month]["item"] = replace(link, title="STAC Item")
        elif title in TABLES:
            files.links.append(replace(link, title=TABLES[title]))
    _list_products(paths, layout, files)
    for store, title in ((paths.cube, "cube (Zarr)"), (paths.static_store, "static layers (Zarr)")):
        if os.path.isdir(store):
            files.links.append(Link(title, href(store, layout)))
    of_static = Path(paths.static_item).name.partition("{track}")[0]
    for title, link in _listed(Path(paths.static_item).parent, layout, files):
        name, _, suffix = title.removeprefix(of_static).rpartition(".")
        if suffix in ("tif", "json"):
            words = f"static layer {name.replace('_', ' ')}" if suffix == "tif" else f"static layers {name}, STAC Item"
            files.links.append(replace(link, title=words))
    files.links += [link for _, link in _listed(Path(paths.reference).parent, layout, files)]
    for stat in changes:
        if re.fullmatch(rf"{key}_(?:{BAND_PATTERN})_change\.(?:tif|json)", stat[0]):
            files.stats.append(stat)
            files.links.append(Link(stat[0], href(f"{layout.changes}/{stat[0]}", layout), stat[1]))
    stores = [paths.cube, paths.static_store, f"{paths.cube}/status", f"{paths.cube}/status/c"]
    for folder in [*stores, *(os.path.dirname(path) for path in (paths.granules, paths.static_granules))]:
        files.stats += entries(folder)
    files.stats += logs
    return files


def _listed(folder: str | Path, layout: Layout, files: TileFiles) -> Iterator[tuple[str, Link]]:
    """Yield name and link of the files in a folder, which is noted as one that the tile depends on."""
    start = href(folder, layout)
    for stat in entries(folder):
        files.stats.append(stat)
        yield stat[0], Link(stat[0], f"{start}/{quote(stat[0])}", stat[1])


def _list_products(paths: Layout, layout: Layout, files: TileFiles) -> None:
    """List records, COGs and previews of all months."""
    for name, link in _listed(Path(paths.record).parent, layout, files):
        kind = "ceos_ard" if name.endswith(".ceos-ard.json") else "record"
        files.months[name[:7]][kind] = replace(link, title=TITLES[kind])
    start = Path(paths.preview).stem.replace("{month}", "")
    for folder in (Path(paths.cog).parent, Path(paths.preview).parent):
        for name, link in _listed(folder, layout, files):
            match = _OF_MONTH.fullmatch(name.removeprefix(start))
            if match:
                kind = "preview" if match["suffix"] == "png" else match["kind"] or "cog"
                title = TITLES.get(kind) or (f"COG of {kind}" if is_band(kind) else kind.replace("-", " "))
                files.months[match["month"]][kind] = replace(link, title=title)


def tree_links(layout: Layout) -> list[Link]:
    """Return the files of the whole tree: catalogs, STAC documents, coverage table, mosaics."""
    links = []
    for path in map(Path, [*layout.root_files(), layout.coverage]):
        if path.is_file():
            title = TABLES.get(path.name) or f"STAC {path.stem.replace('_', ' ').capitalize()}"
            links.append(Link(title, href(path, layout), path.stat().st_size))
    mosaics = [stat for stat in entries(layout.mosaics) if stat[0].endswith((".vrt", ".tif"))]
    links += [Link(f"mosaic {name}", href(f"{layout.mosaics}/{name}", layout), size) for name, size, *_ in mosaics]
    return links


def logs_by_tile(layout: Layout) -> dict[str, list[Stat]]:
    """Return the logs in the work folder by name of the tile."""
    found: dict[str, list[Stat]] = defaultdict(list)
    folder = Path(layout.logs)
    rules = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    for rule in rules:
        for stat in entries(f"{folder}/{rule}"):
            match = _LOG.fullmatch(stat[0])
            if match:
                found[match["tile"]].append((f"{rule}/{stat[0]}", *stat[1:]))
    return found


def href(path: str | Path, layout: Layout) -> str:
    """Return the address of a file relative to the report; a pattern keeps its braces."""
    return quote(Path(os.path.relpath(path, layout.report)).as_posix(), safe="/{}")
