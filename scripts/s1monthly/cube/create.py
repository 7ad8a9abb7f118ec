"""Write a new, empty cube: its metadata and coordinates, with zarr."""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

from s1monthly.cube.header import ATTRIBUTE, COUNT, STATUS, Status
from s1monthly.cube.layout import AXIS_LIMIT, COORDINATES, GRID_MAPPING, CubeSpec, description
from s1monthly.grid.crs import crs_of
from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.bands import NODATA, Band, rounding
from s1monthly.model import Month

CODEC = BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle", typesize=4)
"""Compression of the bands of a new cube. Compared with zstd 3 (``tests/benchmarks/README.md``), a month is written in
about half the time and is 3.5 % larger; reading the series of a point takes two thirds of the CPU time."""

CELL_METHODS = {
    "median": "time: median (of the power of the passes)",
    "mean": "time: mean (of the power of the passes)",
    "trimmed_mean": "time: mean (trimmed, of the power of the passes)",
}
"""Composite method of a recipe -> CF ``cell_methods``."""

COUNT_ATTRIBUTES = {
    "standard_name": "number_of_observations",
    "long_name": "number of passes with a valid value",
    "units": "1",
    "grid_mapping": GRID_MAPPING,
    "coordinates": GRID_MAPPING,
}
STATUS_ATTRIBUTES = {
    "standard_name": "status_flag",
    "long_name": "what the month's slot holds",
    "flag_values": [int(status) for status in Status],
    "flag_meanings": " ".join(status.name.lower() for status in Status),
}

CONVENTIONS = {
    "proj": ("f17cb550-5864-4468-aeb7-f3180cfb622f", "Coordinate reference system information for geospatial data"),
    "spatial": ("689b58e2-cf7b-45e0-9fff-9cfc0883d6b4", "Spatial coordinate information"),
}
"""GeoZarr conventions that a cube follows: name -> UUID and description, as the conventions give them."""


def create(folder: Path, spec: CubeSpec, first: Month, last: Month, codecs: Mapping[str, Any] | None = None) -> None:
    """Write an empty cube: metadata and coordinates, no chunks of any slot.

    The same arguments give the same bytes.

    Parameters
    ----------
    folder : Path
        Root of the new store; must not exist.
    first, last : Month
        First and last month of the axis, at most `AXIS_LIMIT` months.
    codecs : mapping of str to list, optional
        Array -> its codecs as in the metadata, to keep those of an existing cube.
    """
    described = description(spec)
    months = last.ordinal - first.ordinal + 1
    data = {
        "shape": (months, *spec.geobox.shape),
        "chunks": (1, *described["chunks"]),
        "dimension_names": ("time", "y", "x"),
    }
    for band in spec.bands:
        attributes = _band_attributes(band, spec.recipe)
        create_array(folder / band.name, "float32", NODATA, attributes, CODEC, **data)
    counts = BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle", typesize=1)
    create_array(folder / COUNT, "uint8", 0, COUNT_ATTRIBUTES, counts, **data)
    statuses = {"shape": (months,), "chunks": (1,), "dimension_names": ("time",)}
    # not compressed: `cube.header` reads the one byte of a chunk without zarr
    create_array(folder / STATUS, "uint8", int(Status.EMPTY), STATUS_ATTRIBUTES, None, **statuses)
    _create_time(folder, first, months)
    create_space(folder, spec.geobox)
    for name, existing in (codecs or {}).items():
        file = folder / name / "zarr.json"
        metadata = json.loads(file.read_text("utf-8"))
        if metadata["codecs"] != existing:
            file.write_text(json.dumps(metadata | {"codecs": existing}, indent=2), "utf-8")
    _write_root(folder, spec, described, first, last)


def create_array(
    path: Path, dtype: str, fill_value: float, attributes: Mapping[str, Any], codec: BloscCodec | None, **layout: Any
) -> zarr.Array[Any]:
    """Create an array as a store of its own: in a group, zarr needs hard links, which some file systems lack."""
    return zarr.create_array(
        path, dtype=dtype, fill_value=fill_value, compressors=codec, attributes=dict(attributes), **layout
    )


def _create_coordinate(
    folder: Path,
    name: str,
    values: NDArray[Any],
    dimensions: tuple[str, ...],
    attributes: Mapping[str, Any],
    fill_value: float = 0,
) -> zarr.Array[Any]:
    layout = {"shape": values.shape, "chunks": values.shape, "dimension_names": dimensions}
    array = create_array(folder / name, values.dtype.name, fill_value, attributes, None, **layout)
    array[...] = values
    return array


def _band_attributes(band: Band, recipe: Mapping[str, Any]) -> dict[str, Any]:
    low, high = band.valid_range
    limits = {name: value for name, value in (("valid_min", low), ("valid_max", high)) if math.isfinite(value)}
    method = recipe.get("composite", {}).get("method")
    return {
        "long_name": band.description,
        "units": band.units,
        **limits,
        **({"cell_methods": CELL_METHODS[method]} if method in CELL_METHODS else {}),
        **({"comment": rounding(recipe)} if rounding(recipe) else {}),
        "ancillary_variables": f"{COUNT} {STATUS}",
        "grid_mapping": GRID_MAPPING,
        # makes xarray attach the grid mapping to each band, where rioxarray looks for it
        "coordinates": GRID_MAPPING,
        # xarray's form of a float _FillValue in Zarr v3: base64 of the little-endian double
        "_FillValue": base64.b64encode(struct.pack("<d", NODATA)).decode(),
    }


def _create_time(folder: Path, first: Month, months: int) -> None:
    starts = np.datetime64(str(first), "M") + np.arange(AXIS_LIMIT + 1)
    days = starts.astype("datetime64[D]").astype("int32")
    units = {"units": "days since 1970-01-01", "calendar": "proleptic_gregorian"}
    attributes = {"standard_name": "time", "long_name": "first day of the month", "axis": "T", "bounds": "time_bnds"}
    attributes |= units | {"units_metadata": "leap_seconds: none"}
    bounds = np.stack([days[:-1], days[1:]], axis=1)
    for array in (
        _create_coordinate(folder, "time", days[:-1], ("time",), attributes),
        _create_coordinate(folder, "time_bnds", bounds, ("time", "bnds"), units),
    ):
        array.resize((months, *array.shape[1:]))  # the chunk keeps all values; the shape limits what is visible


def create_space(folder: Path, geobox: GeoBox) -> None:
    """Write the coordinates x and y of a grid, and its CRS (``spatial_ref``), beside the arrays of a group."""
    crs = crs_of(geobox.epsg)
    a, _, left, _, e, top = geobox.transform
    centres = {
        "x": left + a * (np.arange(geobox.width) + 0.5),
        "y": top + e * (np.arange(geobox.height) + 0.5),
    }
    axes = {attributes["axis"].lower(): attributes for attributes in crs.cs_to_cf()}
    for name, values in centres.items():
        _create_coordinate(folder, name, values, (name,), dict(sorted(axes[name].items())), NODATA)
    mapping = crs.to_cf()
    geotransform = " ".join(repr(float(value)) for value in (left, a, 0.0, top, 0.0, e))
    attributes = {"long_name": "coordinate reference system", **mapping}
    attributes |= {"spatial_ref": mapping["crs_wkt"], "GeoTransform": geotransform}
    create_array(folder / GRID_MAPPING, "int32", 0, attributes, None, shape=(), dimension_names=())


def _write_root(folder: Path, spec: CubeSpec, described: dict[str, Any], first: Month, last: Month) -> None:
    data = spec.recipe.get("data", "OPERA RTC-S1")
    source = data if isinstance(data, str) else f"made up, for trials ({json.dumps(data, sort_keys=True)})"
    attributes = {
        "Conventions": "CF-1.11",
        "title": f"Sentinel-1 monthly composites of tile {spec.tile}, {str(spec.direction).lower()} passes",
        "source": f"{source}: radiometric terrain corrected gamma0 backscatter of Copernicus Sentinel-1",
        "comment": "One slot for every calendar month; a slot is to be used where status is 2 (complete).",
        "history": "The records, ../../months/YYYY-MM.json, tell month by month what was written and of what.",
        **geozarr_attributes(spec.geobox),
        ATTRIBUTE: described | {"first": str(first), "last": str(last)},
    }
    names = [band.name for band in spec.bands] + [COUNT, STATUS, *COORDINATES]
    (folder / "zarr.json").write_text(group_document(folder, attributes, names), "utf-8")


def group_document(folder: Path, attributes: Mapping[str, Any], names: Iterable[str]) -> str:
    """Return the ``zarr.json`` of a group with the metadata of its arrays (consolidated), which are in `folder`.

    It is not written by zarr, whose order of members depends on the folder: equal groups must have equal bytes.
    """
    group = {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": dict(attributes),
        "consolidated_metadata": {
            "kind": "inline",
            "must_understand": False,
            "metadata": {name: json.loads((folder / name / "zarr.json").read_text("utf-8")) for name in names},
        },
    }
    return json.dumps(group, indent=2, ensure_ascii=False, allow_nan=False)


def geozarr_attributes(geobox: GeoBox) -> dict[str, Any]:
    """Describe the grid by GeoZarr's conventions, version 0.1; they apply to all arrays below."""
    return {
        "zarr_conventions": [
            {
                "schema_url": f"https://raw.githubusercontent.com/zarr-conventions/{name}/refs/tags/v0.1/schema.json",
                "spec_url": f"https://github.com/zarr-conventions/{name}/blob/v0.1/README.md",
                "uuid": uuid,
                "name": name,
                "description": described,
            }
            for name, (uuid, described) in CONVENTIONS.items()
        ],
        "proj:code": f"EPSG:{geobox.epsg}",
        "proj:wkt2": crs_of(geobox.epsg).to_wkt(),
        "spatial:dimensions": ["y", "x"],
        "spatial:shape": list(geobox.shape),
        "spatial:transform": [float(value) for value in geobox.transform],
        "spatial:bbox": [float(bound) for bound in geobox.bounds],
        "spatial:registration": "pixel",
    }
