"""Read a region of interest from a file of polygons: GeoJSON, GeoPackage, Shapefile, KML, GeoParquet and others."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from s1monthly.errors import GridError
from s1monthly.files import FileState, file_state
from s1monthly.grid.crs import crs_of
from s1monthly.grid.outlines import LONLAT, to_lonlat
from s1monthly.grid.regions import check_region

PARQUET = (".parquet", ".geoparquet", ".pq")

CRS84 = "OGC:CRS84"
"""CRS of GeoParquet that names none: longitude and latitude."""

Geometries = NDArray[np.object_]


def read_region_file(path: str, layer: str | None = None, where: str | None = None) -> str:
    """Read the polygons of a file, in any CRS, and return them as one region of interest.

    It is read once, and again if the file changed.

    Polygons that touch or overlap are merged. Points and lines are passed over; polygons that are not valid are
    repaired.

    Parameters
    ----------
    path : str
        A file that GDAL's vector drivers can read (also a zipped Shapefile), or GeoParquet with WKB.
    layer : str, optional
        Layer to read; needed if several layers hold polygons.
    where : str, optional
        Only features of which this SQL expression is true, as in QGIS and ``ogr2ogr -where``: ``NAME = 'Fiji'``.

    Returns
    -------
    str
        POLYGON or MULTIPOLYGON in longitude and latitude (WGS 84), longitudes in [-180, 180], in full precision.

    Raises
    ------
    GridError
        If the file, layer or expression cannot be read, if there is no CRS, or if no polygon is left.

    Examples
    --------
    >>> read_region_file("countries.gpkg", layer="countries", where="NAME = 'Fiji'")
    """
    state = file_state(path)
    if state is None:
        raise GridError(f"file {path}: there is none", "give an existing file, relative to where snakemake runs")
    return _read(path, layer, where, state)


@lru_cache(maxsize=4)
def _read(path: str, layer: str | None, where: str | None, _state: FileState) -> str:
    if Path(path).suffix.lower() in PARQUET:
        geometries, crs = _read_parquet(path, layer, where)
    else:
        geometries, crs = _read_layer(path, layer or _polygon_layer(path), where)
    pieces = [piece for polygon in _polygons(geometries) for piece in _in_lonlat(polygon, crs, path)]
    if not pieces:
        kinds = ", ".join(sorted({one.geom_type for one in geometries if one is not None}))
        which = f"features with {where}" if where else "features"
        raise GridError(
            f"file {path}: no polygon among its {len(geometries)} {which}{kinds and f' ({kinds})'}",
            "give a file, layer and filter with polygons",
        )
    region = shapely.union_all(pieces)
    if any(part.bounds[2] - part.bounds[0] > 180 for part in shapely.get_parts(region)):
        region = MultiPolygon(pieces)  # merged, it would be wider than a region may be
    check_region(region)
    return str(shapely.to_wkt(region, rounding_precision=-1))


def _polygon_layer(path: str) -> str | None:
    """Return the only layer that may hold polygons; None if the driver names no layers."""
    import pyogrio  # here and below: only a configuration with a file needs this library

    try:
        layers = pyogrio.list_layers(path)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise _unreadable(path, error) from error
    without = ("Point", "LineString")
    names = [str(name) for name, kind in layers if kind is not None and not any(word in kind for word in without)]
    if len(names) > 1:
        raise GridError(f"file {path}: has several layers: {', '.join(names)}", "name one of them in roi.layer")
    return names[0] if names else None


def _read_layer(
    path: str, layer: str | None, where: str | None, content: io.BytesIO | None = None
) -> tuple[Geometries, str]:
    """Return the geometries of a layer and the CRS; `content` is read instead of the file, if given."""
    import pyogrio

    data, fields = content or path, ""
    try:
        fields = ", ".join(map(str, pyogrio.read_info(data, layer=layer)["fields"]))
        meta, _, wkb, _ = pyogrio.raw.read(data, layer=layer, where=where, force_2d=True)
    except pyogrio.errors.DataSourceError as error:
        raise _unreadable(path, error) from error
    except (pyogrio.errors.DataLayerError, ValueError) as error:
        names = [str(name) for name, _ in pyogrio.list_layers(data)]
        if layer and layer not in names:
            raise GridError(f"file {path}: has no layer {layer}", f"name one of: {', '.join(names)}") from error
        if where:
            remedy = f"write it as in QGIS, such as NAME = 'Fiji'; fields: {fields or 'none'}"
            raise GridError(f"file {path}: roi.filter {where!r} cannot be used", remedy) from error
        raise _unreadable(path, error) from error
    if wkb is None:
        return np.empty(0, object), ""
    if not meta["crs"]:
        raise GridError(f"file {path}: names no CRS", "add it, for example as a .prj file beside a Shapefile")
    return shapely.from_wkb(wkb, on_invalid="fix"), str(meta["crs"])


def _read_parquet(path: str, layer: str | None, where: str | None) -> tuple[Geometries, str]:
    import pyarrow as pa
    from pyarrow import parquet

    if layer:
        raise GridError(f"file {path}: a Parquet file has no layers", "leave roi.layer out")
    try:
        geo = json.loads((parquet.read_schema(path).metadata or {})[b"geo"])
        name = geo["primary_column"]
        told = geo["columns"][name]
        table = parquet.read_table(path, columns=None if where else [name])
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        reason = "it has no geometry column" if isinstance(error, KeyError) else str(error)
        raise GridError(f"file {path}: is no GeoParquet ({reason})", "write it with geopandas, QGIS or GDAL") from error
    if told.get("encoding") != "WKB":
        raise GridError(f"file {path}: geometry is encoded as {told.get('encoding')}", "write it with WKB")
    crs = told.get("crs", CRS84)
    if crs is None:
        raise GridError(f"file {path}: names no CRS", "write it with one")
    crs = crs if isinstance(crs, str) else json.dumps(crs)
    if where:
        return _read_layer(path, None, where, _without_nested(table, name))[0], crs
    return shapely.from_wkb(table[name].to_numpy(zero_copy_only=False), on_invalid="fix"), crs


def _without_nested(table: Any, geometry: str) -> io.BytesIO:
    """Return a table as FlatGeobuf in memory: GDAL evaluates the filter, so that all files have one language."""
    import pyarrow as pa
    import pyogrio

    table = table.filter(table[geometry].is_valid())  # FlatGeobuf holds no feature without a geometry
    flat = [column.name for column in table.schema if column.name == geometry or not pa.types.is_nested(column.type)]
    memory = io.BytesIO()
    pyogrio.write_arrow(
        table.select(flat),
        memory,
        driver="FlatGeobuf",
        geometry_name=geometry,
        geometry_type="Unknown",
        crs="EPSG:4326",
    )
    return io.BytesIO(memory.getvalue())


def _polygons(geometries: Geometries) -> Iterator[Polygon]:
    """Yield the valid polygons of geometries and of the collections among them."""
    parts = shapely.force_2d(geometries)
    parts = np.where(shapely.is_valid(parts), parts, shapely.make_valid(parts))
    while any(one is not None and one.geom_type.startswith(("Multi", "Geometry")) for one in parts):
        parts = shapely.get_parts(parts)
    yield from (one for one in parts if isinstance(one, Polygon) and one.area > 0)


def _in_lonlat(polygon: Polygon, crs: str, path: str) -> list[BaseGeometry]:
    """Return the parts of a polygon in longitude and latitude."""
    try:
        code = _epsg(crs)
        if code == LONLAT:
            check_region(polygon)
        outline = to_lonlat(polygon, crs if code is None else code)
    except GridError as error:
        raise GridError(f"file {path}: {error.problem}", error.remedy) from error
    return list(_polygons(shapely.get_parts(outline)))


@lru_cache(maxsize=8)
def _epsg(crs: str) -> int | None:
    code: int | None = LONLAT if crs == CRS84 else crs_of(crs).to_epsg()
    return code


def _unreadable(path: str, error: Exception) -> GridError:
    return GridError(f"file {path}: cannot be read ({error})", "give GeoJSON, GeoPackage, Shapefile, KML or GeoParquet")
