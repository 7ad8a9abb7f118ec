"""List the files of an output tree that the report links to or depends on; each folder is listed once."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from s1monthly.layout import BAND_PATTERN, MONTH_PATTERN, TILE_PATTERN, Layout, is_band
from s1monthly.model import TileDirection

Stat = tuple[str, int, int, int]
"""Path relative to the folder listed, size, time of change of content and of the entry itself (nanoseconds)."""

_OF_MONTH = re.compile(rf"(?P<month>{MONTH_PATTERN})(?:_(?P<kind>[\w-]+))?\.(?P<suffix>tif|png)")
_LOG = re.compile(rf"(?P<tile>{TILE_PATTERN})_.*\.log")

TITLES = {"cog": "COG", "power": "COG of linear power", "quality": "quality COG", "preview": "preview"}
"""Kind of a file of a month -> its title; others are titled by their kind."""


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


def entries(folder: str) -> list[Stat]:
    """List the visible files of a folder, sorted; empty if it does not exist or may not be read."""
    try:
        with os.scandir(folder) as found:
            files = [(one.name, one.stat()) for one in found if one.name[0] != "." and one.is_file()]
    except OSError:
        return []
    return sorted((name, status.st_size, status.st_mtime_ns, status.st_ctime_ns) for name, status in files)


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
    paths = layout.of(key)
    files = TileFiles()
    folder = Path(paths.folder)
    of_month = Path(paths.item).stem.replace("{month}", "")

    def listed(path: str | Path) -> Iterator[tuple[Stat, Link]]:
        start = href(path, layout)
        for stat in entries(str(path)):
            files.stats.append((f"{Path(path).name}/{stat[0]}", *stat[1:]))
            yield stat, Link(stat[0], f"{start}/{quote(stat[0])}", stat[1])

    for stat, link in listed(folder):
        month = stat[0].removeprefix(of_month).removesuffix(".json")
        if re.fullmatch(MONTH_PATTERN, month):
            files.months[month]["item"] = Link("STAC Item", link.href, link.size)
        elif stat[0] in _TABLES:
            files.links.append(Link(_TABLES[stat[0]], link.href, link.size))
    for stat, link in listed(Path(paths.record).parent):
        kind = "ceos_ard" if stat[0].endswith(".ceos-ard.json") else "record"
        title = "assessment by CEOS-ARD" if kind == "ceos_ard" else "record"
        files.months[stat[0][:7]][kind] = Link(title, link.href, link.size)
    product = Path(paths.preview).stem.replace("{month}", "")
    for place in (paths.cog, paths.preview):
        for stat, link in listed(Path(place).parent):
            match = _OF_MONTH.fullmatch(stat[0].removeprefix(product))
            if match:
                kind = "preview" if match["suffix"] == "png" else match["kind"] or "cog"
                title = TITLES.get(kind) or (f"COG of {kind}" if is_band(kind) else kind.replace("-", " "))
                files.months[match["month"]][kind] = Link(title, link.href, link.size)
    files.links += [Link("cube (Zarr)", href(paths.cube, layout))] * os.path.isdir(paths.cube)
    files.links += [Link("static layers (Zarr)", href(paths.static_store, layout))] * os.path.isdir(paths.static_store)
    of_static = Path(paths.static_item).name.partition("{track}")[0]
    for stat, link in listed(Path(paths.static_item).parent):
        name, _, suffix = stat[0].removeprefix(of_static).rpartition(".")
        if suffix in ("tif", "json"):
            title = f"static layer {name.replace('_', ' ')}" if suffix == "tif" else f"static layers {name}, STAC Item"
            files.links.append(Link(title, link.href, link.size))
    files.links += [link for _, link in listed(Path(paths.reference).parent)]
    for store in (paths.cube, paths.static_store):
        files.stats += [(f"{Path(store).name}/{stat[0]}", *stat[1:]) for stat in entries(store)]
    status = f"{paths.cube}/status"
    for place in (status, f"{status}/c"):
        files.stats += entries(place)
    files.stats += [stat for of in (paths.granules, paths.static_granules) for stat in entries(str(Path(of).parent))]
    files.stats += logs
    for stat in changes:
        if re.fullmatch(rf"{key}_(?:{BAND_PATTERN})_change\.(?:tif|json)", stat[0]):
            files.stats.append(stat)
            files.links.append(_link(stat[0], f"{layout.changes}/{stat[0]}", layout, stat[1]))
    return files


_TABLES = {"catalog.parquet": "table of months", "items.parquet": "table of Items", "search.json": "search log"}


def tree_links(layout: Layout) -> list[Link]:
    """Return the files of the whole tree: catalogs, STAC documents, coverage table, mosaics."""
    titles = {layout.catalog: "table of months", layout.items: "table of Items", layout.geopackage: "GeoPackage"}
    titles |= {layout.stac_root: "STAC Catalog", layout.coverage: "table of coverage"}
    links = [
        _link(titles.get(str(path), "STAC Collection"), path, layout, path.stat().st_size)
        for path in map(Path, [*layout.root_files(), layout.coverage])
        if path.is_file()
    ]
    mosaics = [stat for stat in entries(layout.mosaics) if stat[0].endswith((".vrt", ".tif"))]
    return links + [_link(f"mosaic {name}", f"{layout.mosaics}/{name}", layout, size) for name, size, *_ in mosaics]


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


def _link(title: str, path: str | Path, layout: Layout, size: int) -> Link:
    return Link(title, href(path, layout), size)
