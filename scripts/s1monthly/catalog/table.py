"""Catalogs: Parquet tables with one row per month, for one tile and direction or for all of them.

GeoParquet 1.1 (https://geoparquet.org/releases/v1.1.0): the geometry is WKB in longitude and latitude (OGC:CRS84), and
``bbox`` is its covering, with which readers find the rows of an area without decoding geometries.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from shapely.geometry.base import BaseGeometry

from s1monthly.catalog.assets import preview_grid, relative
from s1monthly.catalog.document import item_digest, read_document
from s1monthly.errors import NameFormatError, ProductError
from s1monthly.files import write_bytes
from s1monthly.grid.outlines import lonlat_bounds
from s1monthly.grid.tiles import tile_outline
from s1monthly.kernels.options import RADIOMETRY
from s1monthly.layout import MONTH_PATTERN, Layout
from s1monthly.model import CompositeKey, Month, Stack, Tile, TileDirection
from s1monthly.records.footprint import tidy
from s1monthly.records.month import Record, read_record
from s1monthly.records.search_log import Answer, no_data_months, read_answers

NO_DATA, UNUSABLE = "no data", "unusable"
"""Status of a month without granules in the source, and of one without usable granules."""

_HEADER = 2**20
"""Number of bytes at the start of a COG that contain its tags."""

GEOPARQUET_VERSION = "1.1.0"

Row = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """A column of the catalogs. Unless `always`, it may be null for months without data or with a rebuilt record."""

    name: str
    type: pa.DataType
    description: str
    always: bool = False


_MOMENT = pa.timestamp("us", tz="UTC")
CORNERS = ("xmin", "ymin", "xmax", "ymax")

COLUMNS = (
    Column("mgrs_tile_id", pa.string(), "Sentinel-2 tile", always=True),
    Column("flight_direction", pa.string(), "ASCENDING, DESCENDING, or COMBINED for both", always=True),
    Column("month", pa.string(), "YYYY-MM, in UTC", always=True),
    Column("datetime", _MOMENT, "first instant of the month", always=True),
    Column(
        "cog_path",
        pa.string(),
        "COG (of several, that of co-polarized dB), relative to the catalog's folder; null where there is none",
    ),
    Column("zarr_path", pa.string(), "cube, relative to the catalog's folder"),
    Column("preview_path", pa.string(), "preview, relative to the catalog's folder; null where there is none"),
    Column("crs", pa.string(), "CRS of the grid, EPSG:code"),
    Column("width", pa.int32(), "columns of the grid"),
    Column("height", pa.int32(), "rows of the grid"),
    Column("transform", pa.list_(pa.float64()), "a, b, c, d, e, f: x = a col + b row + c, y = d col + e row + f"),
    Column("processing_level", pa.string(), "hARDCp (despeckled) or ARDC"),
    Column("preview_crs", pa.string(), "CRS of the preview"),
    Column("preview_width", pa.int32(), "columns of the preview"),
    Column("preview_height", pa.int32(), "rows of the preview"),
    Column("preview_bounds", pa.list_(pa.float64()), "left, bottom, right, top of the preview in its CRS"),
    Column(
        "status",
        pa.string(),
        "complete; empty: made, without a valid pixel; no data: no granule; unusable: none that can be used",
        always=True,
    ),
    Column("data", pa.string(), "OPERA RTC-S1, Sentinel-1 GRD, or simulated: made up, for trials"),
    Column("polarization", pa.string(), "VV+VH or HH+HV"),
    Column("radiometry", pa.string(), "quantity of backscatter, such as gamma0_terrain"),
    Column("bands", pa.list_(pa.string()), "bands of the product, in order"),
    Column("platforms", pa.list_(pa.string()), "sentinel-1a, ..., sorted; null where not known"),
    Column("tracks", pa.list_(pa.int32()), "relative orbits, ascending; null where not known"),
    Column(
        "track", pa.int32(), "relative orbit of a cube of one track (processing.by_track); null where all are pooled"
    ),
    Column("granules", pa.int32(), "granules used; null where not known"),
    Column("passes", pa.int32(), "passes used; null where not known"),
    Column("first_acquisition", _MOMENT, "start of the first granule"),
    Column("last_acquisition", _MOMENT, "start of the last granule"),
    Column(
        "missing_granules",
        pa.list_(pa.string()),
        "granules found that could not be used, by id; null where not known",
    ),
    Column("coverage", pa.float64(), "fraction of the grid's pixels with a value, 0 to 1", always=True),
    Column("valid_pixels", pa.int64(), "pixels with a value", always=True),
    Column("count_min", pa.int32(), "fewest passes of a valid pixel"),
    Column("count_mean", pa.float64(), "mean count of passes of the valid pixels"),
    Column("count_max", pa.int32(), "most passes of a valid pixel"),
    Column("digest", pa.string(), "SHA-256 of the values in the cube"),
    Column("record_path", pa.string(), "record, relative to the catalog's folder"),
    Column("item_path", pa.string(), "STAC Item, relative to the catalog's folder; null where there is none"),
    Column("asked", _MOMENT, "of a month without data: when the source was last asked"),
    Column("geometry", pa.binary(), "footprint of the valid data, of the tile where there is none; WKB, lon/lat", True),
    Column(
        "bbox",
        pa.struct([pa.field(corner, pa.float64(), nullable=False) for corner in CORNERS]),
        "bounds of the geometry's coordinates; from -180 to 180 where it is split at the antimeridian",
        always=True,
    ),
)
"""Every column, in order; the first sixteen are those of S1-GRiTS."""

ADDED = ("track", "radiometry")
"""Columns that catalogs of older versions lack. Their cubes pool all tracks, and hold gamma0 of the terrain."""

SCHEMA = pa.schema([pa.field(column.name, column.type, nullable=not column.always) for column in COLUMNS])

PATHS = {
    "cog_path": "cog",
    "zarr_path": "cube",
    "preview_path": "preview",
    "record_path": "record",
    "item_path": "item",
}
"""Column with the path of a file -> property of `Layout`."""

_REMEDY = "delete it; the next run, or catalog_rebuild, writes it again"


def row_key(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the key that identifies and sorts rows: tile, direction (with its track, if it has one), month."""
    return row["mgrs_tile_id"], stack_of(row), row["month"]


def stack_of(row: Mapping[str, Any]) -> Stack:
    """Return direction and track of a row."""
    return Stack.of(row["flight_direction"], row["track"])


def folder_name(row: Mapping[str, Any]) -> str:
    """Return the name of the folder that a row's tile and direction have."""
    return f"{row['mgrs_tile_id']}_{stack_of(row)}"


def tile_rows(folder: str | Path) -> list[Row]:
    """Return the rows of a tile and direction from the files in its folder: records, their files, the search log.

    Parameters
    ----------
    folder : path
        ``{base_dir}/{tile}_{direction}``.

    Returns
    -------
    list of dict
        One row per month, by month, with every column of `COLUMNS`; paths are relative to `folder`. A month with a
        record is `complete` or `empty`. A month without a record is `no data` or `unusable` if the source has no usable
        granule.

    Raises
    ------
    ProductError
        If the folder's name is not that of a tile and direction, or a record or ``search.json`` is damaged or belongs
        to another tile, direction or month.
    """
    folder = Path(folder)
    owner = owner_of(folder)
    layout = Layout(str(folder.parent))
    rows = {}
    for path in record_paths(folder):
        record = read_record(path)
        if Path(layout.of(record.key).record) != path:
            raise ProductError(
                f"{path}: this record is of {record.key}",
                "give file and folder the names they were made with, or move a copy out of the tree",
            )
        rows[record.key.month] = record_row(record, layout)
    rows = search_rows(owner, layout) | rows
    return [rows[month] for month in sorted(rows)]


def is_output_tree(folder: Path) -> bool:
    """Return True if a folder is an output tree of its own (it has a Collection), like the demo's in ``output/``."""
    return (folder / Path(Layout("").collection).name).exists()


def owner_of(folder: Path) -> TileDirection:
    """Return the tile and direction of a folder, from its name.

    Raises
    ------
    ProductError
        If the folder has another kind of name.
    """
    try:
        tile, _, direction = folder.name.partition("_")
        return TileDirection(Tile(tile), Stack.parse(direction))
    except NameFormatError as error:
        raise ProductError(
            f"{folder}: not a folder of a tile and direction ({error})",
            "rename it to {tile}_{direction}, or move it out of the output tree",
        ) from error


def record_paths(folder: Path) -> list[Path]:
    """Return the records in the folder of a tile and direction, by month; ignore all other files."""
    return sorted(path for path in (folder / "months").glob("*.json") if re.fullmatch(MONTH_PATTERN, path.stem))


def search_rows(owner: TileDirection, layout: Layout) -> dict[Month, Row]:
    """Return the rows of the months without a usable granule, from the search log; none for a track never acquired.

    Raises
    ------
    ProductError
        If the search log is damaged.
    """
    _, answers = read_answers(layout.of(owner).search)
    if owner.direction.track and not any(answer.granules or answer.lost for answer in answers.values()):
        return {}
    keys = (CompositeKey(owner.tile, owner.direction, month) for month in no_data_months(answers))
    return {key.month: _no_data_row(key, answers[key.month]) for key in keys}


def record_row(record: Record, layout: Layout, with_preview: bool = True) -> Row:
    """Return the row of a month with a record; paths are those of existing files, relative to the tile's folder.

    Files may hold older values of the month. So an Item is listed only if its digest is the record's, a preview only if
    that Item names it, and a COG only if its own header contains the record's digest.

    Parameters
    ----------
    with_preview : bool
        False to leave out a damaged preview.

    Raises
    ------
    ProductError
        If the preview is not a picture on the month's grid.
    """
    place, key, grid, passes = layout.of(record.key), record.key, record.grid, record.passes
    paths = existing_paths(place, {"cube", "record"} | _current_products(record, place))
    if not with_preview:
        paths["preview_path"] = None
    preview = preview_grid(place.preview, grid) if paths["preview_path"] else None
    return {
        **_key_columns(key),
        **paths,
        "crs": grid.crs,
        "width": grid.width,
        "height": grid.height,
        "transform": list(grid.transform),
        "processing_level": str(record.level),
        "data": "simulated" if record.simulated else record.data,
        "preview_crs": preview.crs if preview else None,
        "preview_width": preview.width if preview else None,
        "preview_height": preview.height if preview else None,
        "preview_bounds": list(preview.bounds) if preview else None,
        "status": record.status,
        "polarization": str(record.polarization),
        "radiometry": record.recipe.get("radiometry", RADIOMETRY),
        "bands": list(record.bands),
        "platforms": record.platforms,
        "tracks": record.tracks,
        "granules": None if record.granules is None else len(record.granules),
        "passes": None if passes is None else len(passes),
        "first_acquisition": record.acquired[0],
        "last_acquisition": record.acquired[1],
        "missing_granules": record.missing_granules,
        "coverage": record.coverage,
        "valid_pixels": record.valid,
        "count_min": record.count.minimum,
        "count_mean": record.count.mean,
        "count_max": record.count.maximum,
        "digest": record.digest,
        "asked": None,
        **_geometry_columns(record.geometry),
    }


def existing_paths(place: Layout, kinds: Collection[str] = frozenset(PATHS.values())) -> dict[str, str | None]:
    """Return the paths of a month's existing files of some kinds, relative to the tile's folder; None for the others.

    Parameters
    ----------
    place : Layout
        Layout of the month, see `Layout.of`.
    kinds : collection of str
        Values of `PATHS`.
    """
    paths = {column: Path(getattr(place, kind)) for column, kind in PATHS.items() if kind in kinds}
    if "cog_path" in paths:
        cogs = place.existing_cogs()
        paths["cog_path"] = next((cogs[kind] for kind in ("cog", "VV_dB", "HH_dB") if kind in cogs), paths["cog_path"])
    existing = {column: relative(path, place.folder) for column, path in paths.items() if path.exists()}
    return dict.fromkeys(PATHS) | existing


def _current_products(record: Record, place: Layout) -> set[str]:
    """Return the products that hold the record's values, the Item included."""
    current = set()
    with suppress(ProductError, KeyError, TypeError):
        item = read_document(place.item)
        if item_digest(item) == record.digest:
            current = {"item", *item["assets"]} - {"cog"}
    cogs = place.existing_cogs().values()
    if cogs and all(_holds(path, record.digest) for path in cogs):
        current.add("cog")
    return current


def _holds(path: str | Path, digest: str) -> bool:
    """Return True if a COG's header contains a digest; reads bytes, because GDAL takes long to load."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(_HEADER // 16)  # mostly enough
            return digest.encode() in head or digest.encode() in head + stream.read(_HEADER - len(head))
    except OSError:
        return False


def _no_data_row(key: CompositeKey, answer: Answer) -> Row:
    return {
        **dict.fromkeys(SCHEMA.names),
        **_key_columns(key),
        "status": UNUSABLE if answer.lost else NO_DATA,
        "platforms": [],
        "tracks": [],
        "granules": 0,
        "passes": 0,
        "missing_granules": sorted(answer.lost),
        "coverage": 0.0,
        "valid_pixels": 0,
        "asked": datetime.strptime(answer.asked, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC),
        **_geometry_columns(tidy(tile_outline(key.tile))),
    }


def _key_columns(key: CompositeKey) -> Row:
    return {
        "mgrs_tile_id": str(key.tile),
        "flight_direction": str(key.direction.pooled),
        "track": key.direction.track,
        "month": str(key.month),
        "datetime": key.month.start,
    }


def _geometry_columns(geometry: BaseGeometry) -> Row:
    return {"geometry": shapely.to_wkb(geometry), "bbox": dict(zip(CORNERS, geometry.bounds, strict=True))}


def global_rows(base_dir: str | Path, skipped: Collection[Path] = ()) -> list[Row]:
    """Return the rows of every tile's catalog under `base_dir`, sorted, with paths relative to `base_dir`.

    Parameters
    ----------
    base_dir : path
        Root of the output tree.
    skipped : collection of Path
        Folders to leave out, in addition to hidden ones.

    Raises
    ------
    ProductError
        If a tile's catalog cannot be read, has other columns, or holds rows of another tile or direction.
    """
    rows = []
    for path in sorted(Path(base_dir).glob("*/catalog.parquet")):
        if path.parent.name.startswith(".") or path.parent in skipped or is_output_tree(path.parent):
            continue
        owner = owner_of(path.parent)
        found = read_catalog(path)
        for row in found:
            if folder_name(row) != str(owner):
                raise ProductError(f"{path}: holds a row of {'_'.join(row_key(row))}", _REMEDY)
        rows += with_global_paths(found, path.parent.name)
    return sorted(rows, key=row_key)


def with_global_paths(rows: Iterable[Row], folder: str) -> list[Row]:
    """Return rows of a tile's catalog for the global one: with paths relative to the parent folder."""
    return [{**row, **{name: f"{folder}/{row[name]}" for name in PATHS if row[name] is not None}} for row in rows]


def read_catalog(path: str | Path) -> list[Row]:
    """Read a catalog.

    Raises
    ------
    ProductError
        If the file is missing or damaged, or has other columns than `SCHEMA`.
    """
    try:
        buffer = pa.BufferReader(Path(path).read_bytes())  # pyarrow reads a path in text as a URI
        table = pq.ParquetFile(buffer).read(use_threads=False)  # threads of Arrow can abort a process that ends at once
    except (OSError, pa.ArrowException) as error:
        raise ProductError(f"{path}: catalog cannot be read ({error})", _REMEDY) from error
    known = set(table.schema.names)
    for place, field in enumerate(SCHEMA):
        if field.name in ADDED and field.name not in known:
            table = table.add_column(place, field, pa.nulls(len(table), field.type))
    if not table.schema.equals(SCHEMA):
        found, expected = ({field.name: field for field in schema} for schema in (table.schema, SCHEMA))
        other = {name for name in found.keys() & expected.keys() if not found[name].equals(expected[name])}
        differing = sorted(other | found.keys() ^ expected.keys())
        raise ProductError(
            f"{path}: not a catalog of this version (columns: {', '.join(differing) or 'in another order'})", _REMEDY
        )
    rows: list[Row] = table.to_pylist()
    for row in rows if "radiometry" not in known else ():
        row["radiometry"] = RADIOMETRY if row["bands"] else None
    return rows


def write_catalog(path: str | Path, rows: Iterable[Mapping[str, Any]], *, only_if_changed: bool = False) -> bool:
    """Write a catalog atomically, sorted by `row_key`; the same rows give the same bytes.

    `only_if_changed` and the result are those of `files.write_bytes`.

    Raises
    ------
    ProductError
        If a month occurs twice.
    """
    rows = sorted(rows, key=row_key)
    for before, row in pairwise(rows):
        if row_key(before) == row_key(row):
            raise ProductError(f"{path}: {'_'.join(row_key(row))} is there twice", "remove one of the two records")
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=SCHEMA)
    table = table.replace_schema_metadata({"geo": json.dumps(geo_metadata(rows), sort_keys=True)})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", compression_level=3, version="2.6", store_schema=True)
    return write_bytes(path, sink.getvalue().to_pybytes(), only_if_changed=only_if_changed)


def geo_metadata(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return GeoParquet 1.1 metadata for the key ``geo``; without a CRS the geometry is in OGC:CRS84."""
    shapes = [shapely.from_wkb(row["geometry"]) for row in rows]
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": sorted({shape.geom_type for shape in shapes}),
        "orientation": "counterclockwise",
        "covering": {"bbox": {corner: ["bbox", corner] for corner in CORNERS}},
    }
    bounds = lonlat_bounds(shapes)
    if bounds:
        column["bbox"] = bounds
    return {"version": GEOPARQUET_VERSION, "primary_column": "geometry", "columns": {"geometry": column}}
