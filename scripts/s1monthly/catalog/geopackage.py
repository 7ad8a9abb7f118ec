"""``catalog.gpkg``: the table of months as a GeoPackage, for programs that read no Parquet, such as QGIS of Debian.

A row a month, as in ``catalog.parquet``; lists are texts with commas. Source: OGC GeoPackage 1.4, 12-128r19.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import shapely

from s1monthly.catalog.table import COLUMNS, row_key
from s1monthly.errors import ProductError
from s1monthly.files import write_bytes

LAYER = "months"
_GEOMETRY = "geometry"
_FIELDS = [column for column in COLUMNS if column.name not in ("bbox", _GEOMETRY)]


def geopackage_table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Return rows of the global catalog as the fields of a GeoPackage; the geometry is a MultiPolygon in WKB."""
    rows = sorted(rows, key=row_key)
    columns: dict[str, pa.Array] = {}
    for column in _FIELDS:
        values, kind = [row[column.name] for row in rows], column.type
        if pa.types.is_list(kind):
            values = [None if value is None else ", ".join(map(str, value)) for value in values]
            kind = pa.string()
        columns[column.name] = pa.array(values, kind)
    shapes = [shapely.from_wkb(row[_GEOMETRY]) for row in rows]
    whole = [shape if shape.geom_type == "MultiPolygon" else shapely.multipolygons([shape]) for shape in shapes]
    return pa.table({**columns, _GEOMETRY: pa.array([shapely.to_wkb(shape) for shape in whole], pa.binary())})


def write_geopackage(path: str | Path, rows: Iterable[Mapping[str, Any]], *, only_if_changed: bool = False) -> bool:
    """Write the rows of the global catalog as a GeoPackage, atomically; the same rows give the same bytes.

    `only_if_changed` and the result are those of `files.write_bytes`.

    Raises
    ------
    ProductError
        If the file cannot be written.
    """
    import pyogrio  # loads GDAL, which most catalogs do not need

    options = {"layer": LAYER, "driver": "GPKG", "geometry_name": _GEOMETRY, "geometry_type": "MultiPolygon"}
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, Path(path).name)
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "1970-01-01T00:00:00.000Z"})  # else the time of writing
        try:
            pyogrio.write_arrow(geopackage_table(rows), made, crs="OGC:CRS84", **options)
            content = made.read_bytes()
        except _errors() as error:
            raise ProductError(f"{path}: cannot be written ({error})", "check space and permissions") from error
        finally:
            pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})
    return write_bytes(path, content, only_if_changed=only_if_changed)


def read_geopackage(path: str | Path) -> pa.Table:
    """Read a GeoPackage as `geopackage_table` returns it.

    Raises
    ------
    ProductError
        If the file is missing or damaged, or has other fields.
    """
    import pyogrio

    schema = geopackage_table(()).schema
    try:
        metadata, table = pyogrio.read_arrow(path, layer=LAYER)
        names = [_GEOMETRY if name == metadata["geometry_name"] else name for name in table.column_names]
        return table.rename_columns(names).select(schema.names).cast(schema)
    except _errors() as error:
        remedy = "delete it; the next run, or catalog_rebuild, writes it again"
        raise ProductError(f"{path}: cannot be read ({error})", remedy) from error


def _errors() -> tuple[type[Exception], ...]:
    from pyogrio import errors

    own = errors.DataSourceError, errors.DataLayerError, errors.FeatureError, errors.FieldError
    return *own, OSError, KeyError, pa.ArrowException
