"""Every path of an output tree and its work folder: this module alone forms and parses them. Standard library only."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from s1monthly.errors import NameFormatError
from s1monthly.granule_names import STATIC_LAYERS
from s1monthly.model import CompositeKey, Direction, Month, Tile, TileDirection

BAND_PATTERN = r"(?:VV|VH|HH|HV)_\w+|Ratio|RVI"
"""Names of bands."""
DERIVED_PATTERN = r"power|quality|overview-(?:vv|vh|hh|hv|dual)"
"""Kinds of further COGs of a month, which follow from its bands."""

WORK_MARKER = "base_dir.txt"
"""Name of the file that marks a work folder."""
HIDDEN = ".s1monthly"
"""Name of the folder with locks at the root of an output tree; whoever publishes the tree leaves it out."""
SIMULATED = "simulated"
"""Name of the work folder's subfolder for simulated granules."""

CACHE = "cache"
"""Name of its subfolder for fetched granules that several tiles of a run need."""

TILE_PATTERN = r"\d{2}[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V]"
DIRECTION_PATTERN = r"(?:ASCENDING|DESCENDING)(?:_T(?:0(?:0[1-9]|[1-9]\d)|1(?:[0-6]\d|7[0-5])))?|COMBINED"
"""Text of a `Stack`: a direction, one track of it, or both directions."""
MONTH_PATTERN = r"\d{4}-\d{2}"
DIGEST_PATTERN = "[0-9a-f]{16}"
PASSES_PATTERN = "ASCENDING|DESCENDING|COMBINED"
TRACK_PATTERN = r"T\d{3}"
SLOTS_PATTERN = rf"{MONTH_PATTERN}_{MONTH_PATTERN}_{DIGEST_PATTERN}"

_TILE_FOLDER = re.compile(rf"(?P<tile>{TILE_PATTERN})_(?P<direction>{DIRECTION_PATTERN})")
_COLLECTION = re.compile(rf"collection_(?P<direction>{DIRECTION_PATTERN})\.json")
_ANY_TILE_FOLDER = rf"{TILE_PATTERN}_(?:{DIRECTION_PATTERN})"
CUBE_FOLDER = re.compile(rf"/{_ANY_TILE_FOLDER}/zarr/S1_(?:monthly|static)\.zarr$")
"""End of the path of a cube, or of a store of static layers."""
FOLDER_LIKE_GRANULES = re.compile(
    rf"/(?:{_ANY_TILE_FOLDER}/(?:kept/{MONTH_PATTERN}/{DIGEST_PATTERN}|{MONTH_PATTERN}/bursts)"
    rf"|{CACHE}/{TRACK_PATTERN}|(?P<simulated>{SIMULATED})/version-\d+_seed-\d+)$"
)
"""End of the path, from the work folder, of a folder in which runs write files with the names of granules."""


_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_WINDOWS = re.compile(r"[A-Za-z]:[/\\]|\\\\")
_VARIABLE = re.compile(r"(?:^|/)\$(?:\w|\{\w+\})")


def folder_path(text: str) -> str:
    """Check a folder path given by the user and return it in a form that every library reads as a path.

    ``~`` is expanded. A relative path that contains a colon becomes absolute, because rasterio, GDAL and pyarrow would
    read it as a URI.

    Parameters
    ----------
    text : str
        Path as the user wrote it.

    Raises
    ------
    NameFormatError
        If the path is empty, a URL, a Windows path or a GDAL virtual file system, begins or ends with a blank, or
        contains an unknown ``~user``, an unprintable character or a part that begins with an environment variable.

    Examples
    --------
    >>> folder_path("./output")
    './output'
    """
    where = f"folder {text!r}"
    for wrong, problem, remedy in (
        (not text or text != text.strip(), "empty, or with a blank at an end", "give the path of a folder without it"),
        (not text.isprintable(), "has a line break or another character that cannot be printed", "rename it"),
        (_URL.match(text), "a URL", "give the path of a local or mounted folder"),
        (_WINDOWS.match(text), "a path of Windows", "give the path as Linux has it, such as /mnt/c/data"),
        (_VARIABLE.search(text), "environment variables are not expanded", "write the path out"),
        (re.match("/+vsi", text), "GDAL takes it for a virtual file system", "give another folder"),
    ):
        if wrong:
            raise NameFormatError(f"{where}: {problem}", remedy)
    try:
        path = str(Path(text).expanduser()) if text.startswith("~") else re.sub("^/+", "/", text)
    except RuntimeError as error:
        raise NameFormatError(f"{where}: there is no such user", f"write the path out, or give ./{text}") from error
    return os.path.abspath(path) if ":" in path else path


def track_name(track: int) -> str:
    """Return a track as file names and groups have it, such as ``T137``."""
    return f"T{track:03d}"


def is_band(kind: str) -> bool:
    """Return True if a kind of file is the COG of one band, and so has the band's name."""
    return re.fullmatch(BAND_PATTERN, kind) is not None


def cog_of_band(stem: str, pattern: str = BAND_PATTERN) -> str:
    """Return the band of a COG of one band, from its file name without suffix; empty for a COG of all bands.

    Examples
    --------
    >>> cog_of_band("10SGD_S1_Monthly_ASCENDING_2024-06_VV_dB")
    'VV_dB'
    """
    match = re.fullmatch(rf".*_{MONTH_PATTERN}_(?P<band>{pattern})", stem)
    return match["band"] if match else ""


def is_derived(kind: str) -> bool:
    """Return True if a kind of file is a further COG of a month."""
    return re.fullmatch(DERIVED_PATTERN, kind) is not None


def is_cog(kind: str) -> bool:
    """Return True if a kind of file is the COG of all bands (``cog``) or of one."""
    return kind == "cog" or is_band(kind)


def item_id(key: CompositeKey) -> str:
    """Return the id of a composite's STAC Item."""
    return f"{key.tile}_{key.direction}_{key.month}"


def parse_folder(name: str) -> tuple[str, str] | None:
    """Split an output folder's name into tile and direction; return None for any other folder."""
    match = _TILE_FOLDER.fullmatch(name)
    return (match["tile"], match["direction"]) if match else None


def lock_file(path: str | Path) -> Path:
    """Return the lock file of a catalog or cube: in `HIDDEN` at the root of its output tree.

    Examples
    --------
    >>> str(lock_file("/data/output/10SGD_ASCENDING/zarr/S1_monthly.zarr"))
    '/data/output/.s1monthly/locks/10SGD_ASCENDING_S1_monthly.zarr.lock'
    """
    given = Path(path)
    for place in (
        given,
        Path(os.path.abspath(given)),
    ):  # the absolute one may lie in a folder that this user cannot read
        for folder in place.parents:
            if parse_folder(folder.name):
                return folder.parent / HIDDEN / "locks" / f"{folder.name}_{place.name}.lock"
    return given.parent / HIDDEN / "locks" / f"{given.name}.lock"


def mosaic_name(tiles: Iterable[Tile], month: Month, directions: str, epsg: int | None) -> str:
    """Return the file name of a mosaic, without suffix, as S1-GRiTS writes it.

    Parameters
    ----------
    tiles : iterable of Tile
        Tiles of the mosaic; the name contains the first and last in alphabetical order.
    month : Month
        Month of the mosaic.
    directions : str
        ASCENDING, DESCENDING, COMBINED, or ALL for the first two; with the tracks, if some were chosen.
    epsg : int or None
        EPSG code of the mosaic's CRS; None for the CRS of the tiles.
    """
    names = sorted(tile.name for tile in tiles)
    return f"{names[0]}-{names[-1]}-{month}-{directions}" + ("" if epsg is None else f"-{epsg}")


@dataclass(frozen=True)
class Layout:
    """Every path of an output tree and its work folder.

    Before `of` was called, paths are patterns with ``{tile}``, ``{direction}`` and ``{month}``, as rules need them.

    Attributes
    ----------
    base_dir : str
        Root of the output tree.
    work_dir : str
        Root of granule lists and temporary files.

    Examples
    --------
    >>> Layout("output", "work").of(CompositeKey.parse("10SGD", "ASCENDING", "2024-06")).record
    'output/10SGD_ASCENDING/months/2024-06.json'
    """

    base_dir: str
    work_dir: str = ""
    tile: str = "{tile}"
    direction: str = "{direction}"
    month: str = "{month}"

    def of(self, key: CompositeKey | TileDirection, month: Month | None = None) -> Layout:
        """Return the layout of one tile and direction and, if the key has a month or one is given, of that month."""
        named = key.month if isinstance(key, CompositeKey) else month
        return replace(self, tile=str(key.tile), direction=str(key.direction), month=str(named or self.month))

    @property
    def _folder_name(self) -> str:
        return f"{self.tile}_{self.direction}"

    @property
    def _product(self) -> str:
        return f"{self.tile}_S1_Monthly_{self.direction}_{self.month}"

    # the output tree, permanent

    @property
    def folder(self) -> str:
        """Folder of a tile and direction."""
        return f"{self.base_dir}/{self._folder_name}"

    @property
    def search(self) -> str:
        """Search log: questions to the source, with time and number of granules found."""
        return f"{self.folder}/search.json"

    @property
    def record(self) -> str:
        """Record of a month."""
        return f"{self.folder}/months/{self.month}.json"

    @property
    def cube(self) -> str:
        """Zarr store of a tile and direction."""
        return f"{self.folder}/zarr/S1_monthly.zarr"

    @property
    def reference(self) -> str:
        """Temporal mean that the months are compared with (rabasar)."""
        return f"{self.folder}/reference/mean_power.tif"

    @property
    def reference_facts(self) -> str:
        """Facts of `reference`: its recipe, its granules, the digest of its values."""
        return f"{self.folder}/reference/reference.json"

    @property
    def slots(self) -> str:
        """Stamp in the cube that its slots exist; ``{slots}`` is first month, last month and the recipe's digest.

        It lies in an array's folder, because Zarr readers look for no members there.
        """
        return f"{self.cube}/status/slots_{{slots}}"

    @property
    def static_store(self) -> str:
        """Zarr store of the static layers of a tile and direction, with a group for each track."""
        return f"{self.folder}/zarr/S1_static.zarr"

    @property
    def _static_product(self) -> str:
        passes = "{passes}" if self.direction == "{direction}" else self.direction.partition("_")[0]
        return f"{self.folder}/static/{self.tile}_S1_Static_{passes}_{{track}}"  # which names the track, once

    @property
    def static_cog(self) -> str:
        """Cloud-optimised GeoTIFF of a static layer; a pattern with ``{track}``, such as T137, and ``{layer}``."""
        return f"{self._static_product}_{{layer}}.tif"

    @property
    def static_item(self) -> str:
        """STAC Item of a track's static layers; a pattern with ``{track}``, such as T137."""
        return f"{self._static_product}.json"

    def static_files(self, track: int) -> dict[str, str]:
        """Return the paths of a track's static products: ``item``, and each layer's COG by the layer's name."""
        name = track_name(track)
        cogs = {layer: self.static_cog.replace("{layer}", layer) for layer in STATIC_LAYERS}
        return {kind: path.replace("{track}", name) for kind, path in {"item": self.static_item, **cogs}.items()}

    @property
    def cog(self) -> str:
        """Cloud-optimised GeoTIFF of a month."""
        return f"{self.folder}/cog/{self._product}.tif"

    def band_cog(self, band: str) -> str:
        """Return the path of a month's COG of one band (output.cog_layout: per_band), or of a further COG."""
        return f"{self.folder}/cog/{self._product}_{band}.tif"

    def existing_cogs(self, pattern: str = BAND_PATTERN) -> dict[str, Path]:
        """Return the existing COGs of a month: ``cog``, or the name of a band -> path.

        Another `pattern` than that of bands finds further COGs.
        """
        whole = Path(self.cog)
        found = {"cog": whole} if whole.exists() else {}
        for path in sorted(whole.parent.glob(f"{whole.stem}_*{whole.suffix}")):
            kind = cog_of_band(path.stem, pattern)
            if kind:
                found[kind] = path
        return found

    def product(self, kind: str) -> str:
        """Return the path of a file of a month: for a band or a further COG by its name, else the property."""
        return self.band_cog(kind) if is_band(kind) or is_derived(kind) else str(getattr(self, kind))

    @property
    def preview(self) -> str:
        """Preview picture of a month."""
        return f"{self.folder}/preview/{self._product}.png"

    @property
    def ceos_ard(self) -> str:
        """Assessment of a month by CEOS-ARD (output.formats.ceos_ard)."""
        return f"{self.folder}/months/{self.month}.ceos-ard.json"

    @property
    def item(self) -> str:
        """STAC Item of a month."""
        return f"{self.folder}/{self._folder_name}_{self.month}.json"

    @property
    def tile_catalog(self) -> str:
        """Parquet table of a tile and direction."""
        return f"{self.folder}/catalog.parquet"

    @property
    def catalog(self) -> str:
        """Parquet table of the whole output tree."""
        return f"{self.base_dir}/catalog.parquet"

    @property
    def tile_items(self) -> str:
        """Table of the Items of a tile and direction (stac-geoparquet)."""
        return f"{self.folder}/items.parquet"

    @property
    def items(self) -> str:
        """Table of all Items (stac-geoparquet)."""
        return f"{self.base_dir}/items.parquet"

    @property
    def geopackage(self) -> str:
        """Table of the whole output tree as a GeoPackage (output.formats.geopackage)."""
        return f"{self.base_dir}/catalog.gpkg"

    @property
    def stac_root(self) -> str:
        """STAC Catalog at the root, from which clients start."""
        return f"{self.base_dir}/catalog.json"

    @property
    def collection(self) -> str:
        """STAC Collection of all months."""
        return f"{self.base_dir}/collection.json"

    @property
    def report(self) -> str:
        """Folder of the report and of the table of coverage."""
        return f"{self.base_dir}/report"

    @property
    def report_page(self) -> str:
        """Page of the report that is opened (output.formats.report)."""
        return f"{self.report}/index.html"

    @property
    def report_index(self) -> str:
        """Data of the report on all tiles; those of each tile lie beside it."""
        return f"{self.report}/data/index.js"

    @property
    def coverage(self) -> str:
        """Web page with every month of every tile."""
        return f"{self.report}/coverage.html"

    @property
    def direction_collection(self) -> str:
        """STAC Collection of a direction, or of one track of it."""
        return f"{self.base_dir}/collection_{self.direction}.json"

    @property
    def maps_catalog(self) -> str:
        """STAC Catalog of the Items that are no months: static layers and maps of changes."""
        return f"{self.base_dir}/catalog_maps.json"

    def stac_documents(self) -> tuple[str, ...]:
        """Return root Catalog, Collection of all months, those of directions and of tracks that exist, and of maps."""
        names = os.listdir(self.base_dir) if os.path.isdir(self.base_dir) else ()
        found = {match["direction"] for name in names if (match := _COLLECTION.fullmatch(name))}
        stacks = sorted(found.union(map(str, Direction)))
        collections = (replace(self, direction=one).direction_collection for one in stacks)
        return self.stac_root, self.collection, *collections, self.maps_catalog

    def root_files(self) -> tuple[str, ...]:
        """Return catalogs and STAC documents of the whole output tree."""
        return self.catalog, self.items, self.geopackage, *self.stac_documents()

    @property
    def mosaics(self) -> str:
        """Folder of mosaics."""
        return f"{self.base_dir}/mosaic"

    @property
    def changes(self) -> str:
        """Folder of maps of changes."""
        return f"{self.base_dir}/change"

    def change(self, band: str, suffix: str = "tif") -> str:
        """Map of the changes of a band of a tile and direction; with ``json`` its STAC Item."""
        return f"{self.changes}/{self._folder_name}_{band}_change.{suffix}"

    # the work folder

    @property
    def heights(self) -> str:
        """Heights on a tile's grid, for GRD products; a pattern with ``{made_of}``, a digest."""
        return f"{self.work_dir}/heights/{self.tile}_{{made_of}}.tif"

    @property
    def _work(self) -> str:
        """Work folder of a tile and direction."""
        return f"{self.work_dir}/{self._folder_name}"

    @property
    def granules(self) -> str:
        """Granule list of a month."""
        return f"{self._work}/granules/{self.month}.csv"

    @property
    def static_granules(self) -> str:
        """List of the static granules of a tile and direction, as the source last gave it."""
        return f"{self._work}/granules/static.json"

    @property
    def owner(self) -> str:
        """File that names the work folder's output tree."""
        return f"{self.work_dir}/{WORK_MARKER}"

    def tree_from_work(self) -> str:
        """Return the path from work folder to output tree; it stays right if both move together."""
        return os.path.relpath(self.base_dir, self.work_dir)

    @property
    def run_cache(self) -> str:
        """Folder of fetched granules that several tiles of a run need."""
        return f"{self.work_dir}/{CACHE}"

    @property
    def reading_count(self) -> str:
        """File in which a job counts the granules of a month that it has read."""
        return f"{self.work_dir}/progress/{self._folder_name}_{self.month}.json"

    @property
    def logs(self) -> str:
        """Folder of job logs, with one folder per rule."""
        return f"{self.work_dir}/logs"

    @property
    def asked(self) -> str:
        """Stamp of a question that the source answered; ``{question}`` is the question's digest."""
        return f"{self._work}/asked/{{question}}"

    @property
    def bursts(self) -> str:
        """Folder of a month's per-burst GeoTIFFs."""
        return f"{self._work}/{self.month}/bursts"

    @property
    def resume_folder(self) -> str:
        """Folder of granules that a failed attempt at the month had already read."""
        return f"{self._work}/kept/{self.month}"

    @property
    def account(self) -> str:
        """Account of the month's granules: which were read, which lie off the tile, which failed."""
        return f"{self._work}/{self.month}/account.json"
