"""List the content of an output tree by name: folders of tiles, files of months, and everything else."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from s1monthly.catalog.table import is_output_tree, owner_of, record_paths
from s1monthly.cube import months as cube
from s1monthly.errors import CubeError, NameFormatError, ProductError
from s1monthly.granule_names import STATIC_LAYERS
from s1monthly.layout import BAND_PATTERN, DERIVED_PATTERN, MONTH_PATTERN, TRACK_PATTERN, Layout, is_cog
from s1monthly.model import CompositeKey, Month, TileDirection
from s1monthly.records.month import read_record

KINDS = ("record", "cog", "preview", "ceos_ard", "item")
"""Files of a month, each named like the property of `Layout` with its path; COGs of one band have the band's name."""

SIDE = ".aux.xml"
"""End of the names of GDAL's side files: of previews, where we write them, or of other rasters, by viewers."""

DEMO_PICTURE = "demo.jpg"
"""Picture that ``make demo`` draws into its output tree."""


@dataclass
class TileFolder:
    """Content of the folder of a tile and direction.

    Attributes
    ----------
    owner : TileDirection
        From the folder's name.
    files : dict
        Kind, as in `KINDS` -> month -> path.
    strays : list of Path
        Files that do not belong there.
    leftovers : list of Path
        Files left by killed runs, and side files of viewers.
    empty : bool
        True if the folder has only hidden files.
    unreadable : list of Path
        Files that this user cannot read.
    hidden : set of Month
        Months with an unreadable file.
    closed : bool
        True if other files than those of months are unreadable: then nothing is known about the folder.
    """

    owner: TileDirection
    path: Path
    layout: Layout
    files: dict[str, dict[Month, Path]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    strays: list[Path] = field(default_factory=list)
    leftovers: list[Path] = field(default_factory=list)
    empty: bool = True
    unreadable: list[Path] = field(default_factory=list)
    hidden: set[Month] = field(default_factory=set)
    closed: bool = False

    @property
    def cube(self) -> Path:
        """Path of the store."""
        return self.place("cube")

    def place(self, kind: str, month: Month | None = None) -> Path:
        """Return the path of a file, whether or not it exists; `kind` is one of `Layout.product`."""
        return Path(self.layout.of(self.owner, month).product(kind))

    def key(self, month: Month) -> CompositeKey:
        """Return the key of a month."""
        return CompositeKey(self.owner.tile, self.owner.direction, month)

    def found(self, month: Month) -> dict[str, Path]:
        """Return the existing files of a month by kind."""
        return {kind: paths[month] for kind, paths in self.files.items() if month in paths}

    def cogs(self, month: Month) -> dict[str, Path]:
        """Return the existing COGs of a month: ``cog`` or the names of bands -> path."""
        return {kind: path for kind, path in self.found(month).items() if is_cog(kind)}


@dataclass
class Tree:
    """Content of an output tree.

    Attributes
    ----------
    folders : list of TileFolder
        By name.
    renamed : dict
        Folder with the products of another tile and direction than its name says -> its right name.
    strays, leftovers, unreadable : list of Path
        As in `TileFolder`, for the root.
    """

    folders: list[TileFolder] = field(default_factory=list)
    renamed: dict[Path, Path] = field(default_factory=dict)
    strays: list[Path] = field(default_factory=list)
    leftovers: list[Path] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)

    @property
    def unknown_folders(self) -> set[str]:
        """Names of folders with unknown content: their rows in the global catalog are kept."""
        there = {folder.path.name for folder in self.folders}
        renamed = {path.name for pair in self.renamed.items() for path in pair} - there
        closed = {folder.path.name for folder in self.folders if folder.closed}
        return renamed | closed | {path.name for path in self.unreadable}


def list_tree(base_dir: Path) -> Tree:
    """List the content of an output tree; skip work folder, mosaics, changes, report, hidden files, cubes' content."""
    tree = Tree()
    layout = Layout(str(base_dir))
    not_tiles = {Path(layout.mosaics), Path(layout.changes), Path(layout.report)}
    known = {DEMO_PICTURE, *(Path(path).name for path in layout.root_files())}
    for path in sorted(base_dir.iterdir()):
        if not path.is_dir():
            if path.name not in known:
                _sort_out(path, tree.strays, tree.leftovers)
            elif not is_readable(path):
                tree.unreadable.append(path)
            continue
        if path.name.startswith(".") or path in not_tiles or path.name == "work":
            continue
        if not is_readable(path):
            tree.unreadable.append(path)
            continue
        if Path(Layout("", str(path)).owner).exists() or is_output_tree(path):  # a work folder of another name
            continue
        owner, owners = _owner_by_name(path), list(_owners_by_content(path))
        if owners and owner not in owners:
            tree.renamed[path] = path.with_name(str(owners[0]))
        elif owner:
            folder = _list_folder(owner, path, layout)
            if not folder.empty:
                tree.folders.append(folder)
        else:
            tree.strays.append(path)
    return tree


def is_readable(path: Path) -> bool:
    """Return True if this user can read a file, or list a folder and read its files."""
    return os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0), effective_ids=True)


def _owner_by_name(folder: Path) -> TileDirection | None:
    try:
        return owner_of(folder)
    except ProductError:
        return None


def _owners_by_content(folder: Path) -> Iterator[TileDirection]:
    """Yield tile and direction from the cube and from a record.

    If they disagree and one fits the folder's name, the other is damaged.
    """
    layout = Layout(str(folder.parent))
    with suppress(CubeError):
        state = cube.state(folder / Path(layout.cube).relative_to(layout.folder))
        yield TileDirection(state.tile, state.direction)
    for path in record_paths(folder):
        with suppress(ProductError):
            key = read_record(path).key
            yield TileDirection(key.tile, key.direction)
            return


def _list_folder(owner: TileDirection, path: Path, layout: Layout) -> TileFolder:
    folder = TileFolder(owner, path, layout)
    patterns = {kind: _month_pattern(folder, kind) for kind in KINDS}
    patterns |= {"band": _month_pattern(folder, "VV_band", f"{BAND_PATTERN}|{DERIVED_PATTERN}")}
    store = folder.cube
    readable = {folder.place("tile_catalog"), folder.place("tile_items"), folder.place("search"), store}
    readable.add(folder.place("reference").parent)
    static_store, static = folder.place("static_store"), _static_pattern(folder)
    opened = {folder.place(kind).parent for kind in KINDS} | {store.parent, folder.place("static_item").parent}
    for entry in _entries(path, opened, folder):
        if entry in readable:
            folder.empty = False
            unreadable = _unreadable(entry)
            folder.unreadable += unreadable
            folder.closed |= bool(unreadable) and entry != folder.place("search")
            continue
        folder.empty &= entry.name.startswith(".")
        for kind, pattern in patterns.items():
            match = pattern.fullmatch(str(entry))
            month = _month(match["month"]) if match else None
            if match and month and entry.is_file():
                if is_readable(entry):
                    folder.files.setdefault(match.groupdict().get("band", kind), {})[month] = entry
                else:
                    folder.unreadable.append(entry)
                    folder.hidden.add(month)
                break
        else:
            if patterns["preview"].fullmatch(str(entry).removesuffix(SIDE)) and Path(str(entry)[: -len(SIDE)]).exists():
                continue
            if entry == static_store or static.fullmatch(str(entry)):
                continue
            if entry.name.startswith((f"{store.name}.", f"{static_store.name}.")):  # staging folders and the lock
                folder.leftovers += [] if entry.suffix == ".lock" else [entry]
            else:
                _sort_out(entry, folder.strays, folder.leftovers)
    return folder


def _static_pattern(folder: TileFolder) -> re.Pattern[str]:
    """Return a pattern of the paths of Items and COGs of static layers."""
    paths = "|".join(re.escape(str(folder.place(kind))) for kind in ("static_item", "static_cog"))
    names = {"track": TRACK_PATTERN, "layer": f"(?:{'|'.join(STATIC_LAYERS)})"}
    for name, pattern in names.items():
        paths = paths.replace(re.escape(f"{{{name}}}"), pattern)
    return re.compile(paths)


def _month_pattern(folder: TileFolder, kind: str, band: str = "") -> re.Pattern[str]:
    """Return the pattern of the paths of a kind of file; with `band`, a pattern in the place of the kind's name."""
    template = Month(2000, 1)
    before, after = map(re.escape, str(folder.place(kind, template)).rsplit(str(template), 1))
    if band:
        after = after.replace(kind, f"(?P<band>{band})")
    return re.compile(f"{before}(?P<month>{MONTH_PATTERN}){after}")


def _month(text: str) -> Month | None:
    try:
        return Month.parse(text)
    except NameFormatError:
        return None


def _unreadable(entry: Path) -> list[Path]:
    """Return unreadable files: the entry itself, or a cube's metadata and folders of months; chunks are not checked."""
    inside = ("*", "*/zarr.json", "*/c", "*/c/*")
    paths = [entry, *(path for pattern in inside for path in sorted(entry.glob(pattern)))]
    return [path for path in paths if not is_readable(path)]


def _entries(path: Path, opened: set[Path], folder: TileFolder) -> Iterator[Path]:
    """Yield files and folders; replace those in `opened` by their content."""
    if not is_readable(path):
        folder.unreadable.append(path)
        folder.closed, folder.empty = True, False
        return
    for entry in sorted(path.iterdir()):
        if entry in opened and entry.is_dir():
            yield from _entries(entry, opened, folder)
        else:
            yield entry


def _sort_out(path: Path, strays: list[Path], leftovers: list[Path]) -> None:
    if (path.name.startswith(".") and ".part" in path.suffixes) or path.name.endswith(SIDE):
        leftovers.append(path)
    elif not path.name.startswith("."):
        strays.append(path)
