"""Points and polygons that are asked for: from a file, a text or a program, in any CRS."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from s1monthly.errors import GridError
from s1monthly.grid.crs import crs_name, crs_of
from s1monthly.grid.outlines import LONLAT

NAMES = ("name", "id", "feature", "fid")
"""Columns that may name features, the first one that is there."""

_LONLAT_COLUMNS = (("lon", "lat"), ("longitude", "latitude"))
_XY_COLUMNS = (("x", "y"), ("easting", "northing"))
_PAIR = re.compile(r"\s*([-+]?[\d.]+)\s*,\s*([-+]?[\d.]+)\s*")


@dataclass(frozen=True)
class Features:
    """Points or polygons in one CRS.

    Attributes
    ----------
    names : tuple of str
        Name of each.
    geometries : array (features,) of shapely geometries
        Points, or valid polygons and multipolygons; x or longitude first.
    crs : int or str
        EPSG code, or a text that PROJ reads.
    """

    names: tuple[str, ...]
    geometries: NDArray[np.object_]
    crs: int | str = LONLAT


def read_points(given: str | Path | Sequence[Any], crs: int | str | None = None) -> Features:
    """Read points.

    Parameters
    ----------
    given : str, path or sequence
        One point as ``lon,lat``; a CSV file with columns lon and lat, or x and y, and optionally a name; a vector file;
        or a sequence of pairs or of shapely points.
    crs : int or str, optional
        CRS of a pair, a CSV file or a sequence; by default longitude and latitude (WGS 84). A vector file has its own.

    Raises
    ------
    GridError
        If the file cannot be read, or something in it is no point.
    """
    if not isinstance(given, (str, Path)):
        pairs = [one if isinstance(one, BaseGeometry) else shapely.Point(one[0], one[1]) for one in given]
        return _checked("points", pairs, None, crs or LONLAT, ("Point",))
    pair = _PAIR.fullmatch(str(given))
    if pair:
        text = str(given).replace(" ", "")
        return _checked(text, [shapely.Point(float(pair[1]), float(pair[2]))], [text], crs or LONLAT, ("Point",))
    if Path(given).suffix.lower() in (".csv", ".txt"):
        return _read_csv(Path(given), crs)
    return _read_vector(Path(given), crs, ("Point",))


def read_polygons(given: str | Path | Sequence[BaseGeometry], crs: int | str | None = None) -> Features:
    """Read polygons from a vector file (GeoJSON, GeoPackage, Shapefile ...) or a sequence of shapely geometries.

    Parameters
    ----------
    given : str, path or sequence
        The polygons.
    crs : int or str, optional
        CRS of a sequence; by default longitude and latitude (WGS 84). A file has its own.

    Raises
    ------
    GridError
        If the file cannot be read, or a feature is no polygon or has no area.
    """
    kinds = ("Polygon", "MultiPolygon")
    if isinstance(given, (str, Path)):
        return _read_vector(Path(given), crs, kinds)
    return _checked("polygons", list(given), None, crs or LONLAT, kinds)


def _read_csv(path: Path, crs: int | str | None) -> Features:
    import pyarrow as pa
    from pyarrow import csv

    try:
        table = csv.read_csv(path)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error
    columns = {name.strip().lower(): name for name in table.column_names}
    pair = next((pair for pair in (*_LONLAT_COLUMNS, *_XY_COLUMNS) if {*pair} <= {*columns}), None)
    if pair is None:
        found = ", ".join(table.column_names)
        raise GridError(f"file {path}: no coordinates among its columns {found}", "name two of them lon and lat")
    if pair in _XY_COLUMNS and crs is None:
        raise GridError(f"file {path}: in which CRS are {pair[0]} and {pair[1]}?", "give --crs, such as EPSG:32633")
    try:
        x, y = (table[columns[name]].cast(pa.float64()).to_numpy() for name in pair)
    except pa.ArrowException as error:
        raise GridError(f"file {path}: {' or '.join(pair)} holds something else than numbers", str(error)) from error
    named = next((columns[name] for name in NAMES if name in columns), None)
    names = None if named is None else [str(one) for one in table[named].to_pylist()]
    return _checked(str(path), shapely.points(x, y), names, crs or LONLAT, ("Point",))


def _read_vector(path: Path, crs: int | str | None, kinds: Sequence[str]) -> Features:
    import pyogrio

    if not path.exists():
        raise GridError(f"file {path}: there is none", "give an existing file, or for a single point lon,lat")
    try:
        fields = {str(name).lower(): str(name) for name in pyogrio.read_info(path)["fields"]}
        named = next((fields[name] for name in NAMES if name in fields), None)
        meta, _, wkb, values = pyogrio.raw.read(path, columns=[named] if named else [], force_2d=True)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, ValueError) as error:
        raise _unreadable(path, error) from error
    found = crs or meta["crs"]
    if not found:
        raise GridError(f"file {path}: names no CRS", "give --crs, such as EPSG:32633")
    geometries = [] if wkb is None else shapely.from_wkb(wkb, on_invalid="fix")
    names = [str(one) for one in values[0]] if named else None
    return _checked(str(path), geometries, names, found, kinds)


def _checked(
    what: str, given: Sequence[Any] | NDArray[Any], names: Sequence[str] | None, crs: int | str, kinds: Sequence[str]
) -> Features:
    """Return features whose kind, coordinates and area are right; they are numbered from 1 if they have no names."""
    if len(given) == 0:
        raise GridError(f"{what}: holds nothing", f"give at least one {kinds[0].lower()}")
    named = tuple(names or map(str, range(1, len(given) + 1)))
    geometries = np.asarray(given, object)
    crs_of(crs)
    for name, one in zip(named, geometries, strict=True):
        if one is None or one.geom_type not in kinds:
            kind = "nothing" if one is None else f"a {one.geom_type}"
            raise GridError(f"{what}: feature {name} is {kind}", f"give a {' or '.join(kinds)}")
    geometries = np.where(shapely.is_valid(geometries), geometries, shapely.make_valid(geometries))
    bounds = shapely.bounds(geometries)
    beyond = np.abs(bounds[:, 1::2]).max(1) > 90 if crs == LONLAT or crs_of(crs).is_geographic else False
    for wrong, problem, remedy in (
        (~np.isfinite(bounds).all(1), "is empty", "leave it out, or give it coordinates"),
        (beyond, f"lies beyond the poles of {crs_name(crs)}", "give longitude before latitude, or name another --crs"),
        ((shapely.area(geometries) == 0) & (kinds[0] == "Polygon"), "has no area", "leave it out, or give a point"),
    ):
        places = np.flatnonzero(wrong)
        if len(places):
            more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
            raise GridError(f"{what}: feature {named[places[0]]} {problem}{more}", remedy)
    return Features(named, geometries, crs)


def _unreadable(path: Path, error: Exception) -> GridError:
    return GridError(f"file {path}: cannot be read ({error})", "give a CSV file, GeoJSON, GeoPackage or Shapefile")
