"""``items.parquet``: all Items in one table, of one tile and direction or of all, as stac-geoparquet defines it.

The columns are those of the Items: their own fields, and each property. Links and assets have paths relative to the
table's folder. Source: https://github.com/radiantearth/stac-geoparquet-spec, version 1.0.0.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from shapely import to_wkb
from shapely.errors import ShapelyError
from shapely.geometry import shape

from s1monthly.catalog.document import read_document
from s1monthly.catalog.table import CORNERS, Row, folder_name, geo_metadata
from s1monthly.errors import ProductError
from s1monthly.files import write_bytes

VERSION = "1.0.0"

_MOMENT = pa.timestamp("us", tz="UTC")
_MOMENTS = ("datetime", "start_datetime", "end_datetime")

BASE = pa.schema(
    {
        "type": pa.string(),
        "stac_version": pa.string(),
        "stac_extensions": pa.list_(pa.string()),
        "id": pa.string(),
        "geometry": pa.binary(),
        "bbox": pa.struct(dict.fromkeys(CORNERS, pa.float64())),
        "links": pa.list_(pa.struct(dict.fromkeys(("rel", "href", "type", "title"), pa.string()))),
        "collection": pa.string(),
        **dict.fromkeys(_MOMENTS, _MOMENT),
    }
)
"""Columns of every table, also of one without Items; the Items add their assets and properties."""

_REMEDY = "run catalog_rebuild, which writes wrong Items again"


def item_name(row: Mapping[str, Any]) -> str:
    """Return the id of the Item of a row of the catalog."""
    return f"{folder_name(row)}_{row['month']}"


def names_of(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the ids of the Items that rows of the catalog name."""
    return [item_name(row) for row in rows if row["item_path"]]


def items_of(rows: Iterable[Row], folder: str | Path) -> pa.Table:
    """Read the Items of a tile and direction into a table.

    Parameters
    ----------
    rows : iterable of dict
        Rows of the tile's catalog. Items that they do not name, and damaged ones, are left out.
    folder : path
        Folder of the tile and direction.

    Raises
    ------
    ProductError
        If an Item has been changed so that it fits in no table.
    """
    items = []
    for row in rows:
        if row["item_path"]:
            with suppress(ProductError):
                items.append(read_document(Path(folder) / row["item_path"]))
    try:
        return _conform(pa.Table.from_struct_array(pa.array([_flat(item) for item in items])) if items else None)
    except (pa.ArrowException, ShapelyError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProductError(f"{folder}: its Items fit in no table ({error})", _REMEDY) from error


def _flat(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an Item as a row: with its properties as columns, its geometry as WKB, its box as corners."""
    own = {name: value for name, value in item.items() if name != "properties"}
    own["geometry"] = to_wkb(shape(item["geometry"]))
    own["bbox"] = dict(zip(CORNERS, map(float, item["bbox"]), strict=True))
    return own | {name: value for name, value in item["properties"].items() if name not in own}


def _conform(table: pa.Table | None) -> pa.Table:
    """Return a table with the columns of `BASE` first, and moments as timestamps."""
    if table is None:
        return BASE.empty_table()
    for name in _MOMENTS:
        if name in table.schema.names and table[name].type != _MOMENT:
            place = table.schema.get_field_index(name)
            table = table.set_column(place, name, pa.array(table[name].to_pylist(), pa.string()).cast(_MOMENT))
    return pa.concat_tables([BASE.empty_table(), table], promote_options="permissive").combine_chunks()


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Return one table of all Items; a column that a table lacks is null there.

    Raises
    ------
    ProductError
        If a field has different kinds of values in two tables.
    """
    try:
        return pa.concat_tables([BASE.empty_table(), *tables], promote_options="permissive").combine_chunks()
    except pa.ArrowException as error:
        raise ProductError(f"Items of two tiles fit in no table ({error})", _REMEDY) from error


def for_root(table: pa.Table, folder: str) -> pa.Table:
    """Return the table of a tile and direction with paths relative to the root of the output tree.

    Parameters
    ----------
    folder : str
        Name of the folder of the tile and direction.
    """

    def of_links(hrefs: pa.Array) -> pa.Array:
        hrefs = pc.replace_substring_regex(hrefs, r"^([^.:][^:]*)$", rf"{folder}/\1")  # of the folder itself
        return pc.replace_substring_regex(hrefs, r"^\.\./", "./")

    def of_assets(hrefs: pa.Array) -> pa.Array:
        return pc.replace_substring_regex(hrefs, r"^([^:]+)$", rf"{folder}/\1")

    return map_hrefs(table, of_links, of_assets)


def map_hrefs(
    table: pa.Table, of_links: Callable[[pa.Array], pa.Array], of_assets: Callable[[pa.Array], pa.Array]
) -> pa.Table:
    """Return a table of Items with other links and assets: each function is given all hrefs, and returns the new ones.

    The columns, and all else in them, stay.
    """
    if "assets" in table.schema.names:
        assets = table["assets"].combine_chunks()
        within = [assets.field(number) for number in range(assets.type.num_fields)]
        within = [_with_field(asset, "href", of_assets(asset.field("href"))) for asset in within]
        moved = pa.StructArray.from_arrays(within, fields=list(assets.type), mask=assets.is_null())
        table = table.set_column(table.schema.get_field_index("assets"), "assets", moved)
    links = table["links"].combine_chunks()
    flat = links.flatten()
    flat = _with_field(flat, "href", of_links(flat.field("href")))
    moved = pa.ListArray.from_arrays(_offsets(links), flat, mask=links.is_null())
    return table.set_column(table.schema.get_field_index("links"), "links", moved)


def _offsets(links: pa.ListArray) -> pa.Array:
    first = links.offsets[0].as_py() if len(links.offsets) else 0
    return pc.subtract(links.offsets, pa.scalar(first, links.offsets.type))


def _with_field(values: pa.StructArray, name: str, field: pa.Array) -> pa.StructArray:
    fields = list(values.type)
    arrays = [field if each.name == name else values.field(each.name) for each in fields]
    return pa.StructArray.from_arrays(arrays, fields=fields, mask=values.is_null())


def selected(table: pa.Table, names: Iterable[str]) -> pa.Table:
    """Return the rows of some Items."""
    return table.filter(pc.is_in(table["id"], value_set=pa.array(list(names), pa.string())))


def items_metadata(table: pa.Table) -> dict[str, Any]:
    """Return the metadata of a table of Items, for the keys ``geo`` and ``stac-geoparquet``."""
    shapes = [{"geometry": geometry} for geometry in table["geometry"].to_pylist()]
    return {"geo": geo_metadata(shapes), "stac-geoparquet": {"version": VERSION}}


def write_items(path: str | Path, table: pa.Table, *, only_if_changed: bool = False) -> bool:
    """Write a table of Items atomically; parameters and result are those of `files.write_bytes`."""
    metadata = {key: json.dumps(value, sort_keys=True) for key, value in items_metadata(table).items()}
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(metadata), sink, compression="zstd", version="2.6")
    return write_bytes(path, sink.getvalue().to_pybytes(), only_if_changed=only_if_changed)


def as_read(table: pa.Table) -> pa.Table:
    """Return a table as it comes back from its file, where the elements of lists have another name."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return pq.ParquetFile(pa.BufferReader(sink.getvalue())).read(use_threads=False)


def read_items(path: str | Path) -> pa.Table:
    """Read a table of Items.

    Raises
    ------
    ProductError
        If the file is missing, damaged, or no table of Items.
    """
    remedy = "delete it; the next run, or catalog_rebuild, writes it again"
    try:
        table = pq.ParquetFile(pa.BufferReader(Path(path).read_bytes())).read(use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise ProductError(f"{path}: Items cannot be read ({error})", remedy) from error
    lacking = [field.name for field in BASE if field.name not in table.schema.names]
    if lacking:
        raise ProductError(f"{path}: no table of Items (lacks {', '.join(lacking)})", remedy)
    return table
