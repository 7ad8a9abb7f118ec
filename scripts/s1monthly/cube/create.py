"""Write a new, empty cube: its metadata and coordinates, as zarr writes them, without loading zarr."""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.cube.attributes import description_attributes
from s1monthly.cube.header import ATTRIBUTE, COUNT, MASK, OVERVIEWS, QUALITY, STATUS, Status, level_path
from s1monthly.cube.layout import AXIS_LIMIT, COORDINATES, GRID_MAPPING, LEVEL_COORDINATES, CubeSpec, description
from s1monthly.cube.overviews import LARGEST, multiscales, shapes, transform
from s1monthly.grid.crs import crs_of
from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.bands import NODATA, Band, rounding
from s1monthly.kernels.quality import CLASSES
from s1monthly.model import Month

Codec = dict[str, Any]


def blosc(cname: str, clevel: int, typesize: int) -> Codec:
    """Describe a compression by Blosc, of values of `typesize` bytes, as array metadata name it."""
    options = {"typesize": typesize, "cname": cname, "clevel": clevel, "shuffle": "bitshuffle", "blocksize": 0}
    return {"name": "blosc", "configuration": options}


CODEC = blosc("lz4", 5, 4)
"""Compression of the bands of a new cube. Compared with zstd 3 (``tests/benchmarks/README.md``), a month is written in
about half the time and is 3.5 % larger; reading the series of a point takes two thirds of the CPU time."""

CELL_METHODS = {
    "median": "time: median (of the power of the passes)",
    "mean": "time: mean (of the power of the passes)",
    "trimmed_mean": "time: mean (trimmed, of the power of the passes)",
    "local_resolution": "time: mean (weighted by local resolution, of the power of the passes)",
}
"""Composite method of a recipe -> CF ``cell_methods``."""

COUNT_ATTRIBUTES = {
    "standard_name": "number_of_observations",
    "long_name": "number of passes with a valid value",
    "coverage_content_type": "qualityInformation",
    "units": "1",
    "grid_mapping": GRID_MAPPING,
    "coordinates": GRID_MAPPING,
}
MASK_ATTRIBUTES = {
    "standard_name": "quality_flag",
    "long_name": "class of the pixel: valid, or why it has no value",
    "flag_values": [*CLASSES],
    "flag_meanings": " ".join(CLASSES.values()),
    "grid_mapping": GRID_MAPPING,
    "coordinates": GRID_MAPPING,
}
STATUS_ATTRIBUTES = {
    "standard_name": "status_flag",
    "long_name": "what the month's slot holds",
    "coverage_content_type": "qualityInformation",
    "flag_values": [int(status) for status in Status],
    "flag_meanings": " ".join(status.name.lower() for status in Status),
}

CONVENTIONS = {
    "proj": ("f17cb550-5864-4468-aeb7-f3180cfb622f", "Coordinate reference system information for geospatial data"),
    "spatial": ("689b58e2-cf7b-45e0-9fff-9cfc0883d6b4", "Spatial coordinate information"),
    "multiscales": ("d35379db-88df-4056-af3a-620245f8e347", "Multiscale layout of zarr datasets"),
}
"""GeoZarr conventions that a cube follows: name -> UUID and description, as the conventions give them."""

_BYTES: Codec = {"name": "bytes", "configuration": {"endian": "little"}}


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
    data: dict[str, Any] = {
        "shape": (months, *spec.geobox.shape),
        "chunks": (1, *described["chunks"]),
        "dimension_names": ("time", "y", "x"),
    }
    for band in spec.bands:
        attributes = _band_attributes(band, spec.recipe)
        create_array(folder / band.name, "float32", NODATA, attributes, CODEC, **data)
    counts = blosc("zstd", 3, 1)
    create_array(folder / COUNT, "uint8", 0, COUNT_ATTRIBUTES, counts, **data)
    if spec.recipe.get(QUALITY):
        create_array(folder / MASK, "uint8", 0, MASK_ATTRIBUTES, counts, **data)
    statuses: dict[str, Any] = {"shape": (months,), "chunks": (1,), "dimension_names": ("time",)}
    # not compressed: `cube.header` reads the one byte of a chunk without zarr
    create_array(folder / STATUS, "uint8", int(Status.EMPTY), STATUS_ATTRIBUTES, None, **statuses)
    _create_time(folder, first, months, with_bounds=True)
    create_space(folder, spec.geobox)
    for factor, shape in zip(spec.overviews, shapes(spec.geobox.shape, spec.overviews), strict=True):
        level = folder / level_path(factor)
        for band in spec.bands:
            _create_overview(level / band.name, (months, *shape), _overview_attributes(band, spec.recipe))
        _create_time(level, first, months, with_bounds=False)
        create_space(level, spec.geobox, shape)
    for name, existing in (codecs or {}).items():
        file = folder / name / "zarr.json"
        metadata = json.loads(file.read_text("utf-8"))
        if metadata["codecs"] != existing:
            file.write_text(json.dumps(metadata | {"codecs": existing}, indent=2), "utf-8")
    _write_groups(folder, spec, described, first, last)


def create_array(
    path: Path,
    dtype: str,
    fill_value: float,
    attributes: Mapping[str, Any],
    codec: Codec | None,
    *,
    shape: Sequence[int],
    chunks: Sequence[int],
    dimension_names: Sequence[str],
    serializer: Codec | None = None,
) -> None:
    """Write the metadata of an array, ``zarr.json``, with the bytes of ``zarr.create_array``.

    Parameters
    ----------
    dtype : str
        Such as ``float32``.
    codec : dict or None
        Compression; None for none.
    serializer : dict, optional
        What turns values into bytes, if not their own bytes, little-endian.
    """
    plain = _BYTES if np.dtype(dtype).itemsize > 1 else {"name": "bytes"}
    document = {
        "shape": shape,
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": "NaN" if math.isnan(fill_value) else fill_value,
        "codecs": [serializer or plain, *([codec] if codec else [])],
        "attributes": dict(attributes),
        **({"dimension_names": dimension_names} if dimension_names else {}),
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }
    path.mkdir(parents=True)
    (path / "zarr.json").write_text(json.dumps(document, indent=2, allow_nan=False), "utf-8")


def _create_overview(path: Path, shape: tuple[int, int, int], attributes: Mapping[str, Any]) -> None:
    """Create the array of an overview, with one shard for each slot: few files, and chunks of the size of a view."""
    chunk = [min(size, LARGEST) for size in shape[1:]]
    shard = [-(-size // side) * side for size, side in zip(shape[1:], chunk, strict=True)]
    sharding = {"chunk_shape": [1, *chunk], "codecs": [_BYTES, CODEC], "index_codecs": [_BYTES]}
    serializer = {"name": "sharding_indexed", "configuration": sharding | {"index_location": "end"}}
    layout: dict[str, Any] = {"shape": shape, "chunks": [1, *shard], "dimension_names": ("time", "y", "x")}
    create_array(path, "float32", NODATA, attributes, None, serializer=serializer, **layout)


def _create_coordinate(
    folder: Path,
    name: str,
    values: NDArray[Any],
    dimensions: tuple[str, ...],
    attributes: Mapping[str, Any],
    fill_value: float = 0,
    visible: int | None = None,
) -> None:
    """Write an array of one chunk; of its values, only the first `visible` ones can be seen, all by default."""
    shape = (visible or len(values), *values.shape[1:])
    layout: dict[str, Any] = {"shape": shape, "chunks": values.shape, "dimension_names": dimensions}
    create_array(folder / name, values.dtype.name, fill_value, attributes, None, **layout)
    chunk = folder.joinpath(name, "c", *("0" for _ in shape))
    chunk.parent.mkdir(parents=True)
    chunk.write_bytes(values.astype(values.dtype.newbyteorder("<")).tobytes())


def _band_attributes(band: Band, recipe: Mapping[str, Any]) -> dict[str, Any]:
    low, high = band.valid_range
    limits = {name: value for name, value in (("valid_min", low), ("valid_max", high)) if math.isfinite(value)}
    method = recipe.get("composite", {}).get("method")
    return {
        "long_name": band.description,
        "units": band.units,
        "coverage_content_type": "physicalMeasurement",
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


def _overview_attributes(band: Band, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a band's overviews, which have no count or status beside them."""
    attributes = _band_attributes(band, recipe)
    del attributes["ancillary_variables"]
    return attributes | {"cell_methods": f"{attributes.get('cell_methods', '')} area: mean".lstrip()}


def _create_time(folder: Path, first: Month, months: int, with_bounds: bool) -> None:
    starts = np.datetime64(str(first), "M") + np.arange(AXIS_LIMIT + 1)
    days = starts.astype("datetime64[D]").astype("int32")
    units = {"units": "days since 1970-01-01", "calendar": "proleptic_gregorian"}
    attributes = {"standard_name": "time", "long_name": "first day of the month", "axis": "T"}
    attributes |= {"bounds": "time_bnds"} if with_bounds else {}
    attributes |= units | {"units_metadata": "leap_seconds: none"}
    # the chunk holds all values, the shape limits what is visible
    _create_coordinate(folder, "time", days[:-1], ("time",), attributes, visible=months)
    if with_bounds:
        bounds = np.stack([days[:-1], days[1:]], axis=1)
        _create_coordinate(folder, "time_bnds", bounds, ("time", "bnds"), units, visible=months)


def create_space(folder: Path, geobox: GeoBox, shape: tuple[int, int] | None = None) -> None:
    """Write the coordinates x and y of a grid, and its CRS (``spatial_ref``), beside the arrays of a group.

    Parameters
    ----------
    shape : tuple of int, optional
        Rows and columns of an overview.
    """
    crs = crs_of(geobox.epsg)
    shape = shape or geobox.shape
    a, _, left, _, e, top = transform(geobox, shape)
    centres = {
        "x": left + a * (np.arange(shape[1]) + 0.5),
        "y": top + e * (np.arange(shape[0]) + 0.5),
    }
    axes = {attributes["axis"].lower(): attributes for attributes in crs.cs_to_cf()}
    for name, values in centres.items():
        _create_coordinate(folder, name, values, (name,), dict(sorted(axes[name].items())), NODATA)
    mapping = crs.to_cf()
    geotransform = " ".join(repr(float(value)) for value in (left, a, 0.0, top, 0.0, e))
    attributes = {"long_name": "coordinate reference system", **mapping}
    attributes |= {"spatial_ref": mapping["crs_wkt"], "GeoTransform": geotransform}
    create_array(folder / GRID_MAPPING, "int32", 0, attributes, None, shape=(), chunks=(), dimension_names=())


def _write_groups(folder: Path, spec: CubeSpec, described: Mapping[str, Any], first: Month, last: Month) -> None:
    """Write the ``zarr.json`` of the groups: the overviews', then the root's."""
    grid = spec.geobox
    names = [band.name for band in spec.bands]
    levels = dict(zip(spec.overviews, shapes(grid.shape, spec.overviews), strict=True))
    for factor, shape in levels.items():
        attributes = {"title": f"Overviews, {factor} times coarser", **geozarr_attributes(grid, shape)}
        write_group(folder / level_path(factor), attributes, [*names, *LEVEL_COORDINATES])
    below: list[str] = []
    coarser: dict[str, Any] = {}
    if levels:
        below = [
            f"{factor}{name}" for factor in levels for name in ("", *(f"/{n}" for n in (*names, *LEVEL_COORDINATES)))
        ]
        layout = multiscales(grid, spec.overviews, root=False)
        attributes = geozarr_attributes(grid, levels[spec.overviews[0]], layout)
        write_group(folder / OVERVIEWS, {"title": "Overviews", **attributes}, below)
        below = [OVERVIEWS, *(f"{OVERVIEWS}/{name}" for name in below)]
        coarser = multiscales(grid, spec.overviews, root=True)
    attributes = {
        **description_attributes(spec, first, last),
        **geozarr_attributes(grid, levels=coarser),
        ATTRIBUTE: {**described, "first": str(first), "last": str(last)},
    }
    mask = [MASK] if spec.recipe.get(QUALITY) else []
    write_group(folder, attributes, [*names, COUNT, *mask, STATUS, *COORDINATES, *below])


def write_group(folder: Path, attributes: Mapping[str, Any], members: Iterable[str]) -> None:
    """Write the ``zarr.json`` of a group; see `group_document`."""
    (folder / "zarr.json").write_text(group_document(folder, attributes, members), "utf-8")


def group_document(folder: Path, attributes: Mapping[str, Any], names: Iterable[str]) -> str:
    """Return the ``zarr.json`` of a group with the metadata of all that is below it (consolidated).

    It is not written by zarr, whose order of members depends on the folder: equal groups must have equal bytes.

    Parameters
    ----------
    folder : Path
        The group.
    names : iterable of str
        Paths of the arrays and groups below it, in order.
    """
    group = {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": dict(attributes),
        "consolidated_metadata": {
            "kind": "inline",
            "must_understand": False,
            "metadata": {name: _member(folder / name) for name in names},
        },
    }
    return json.dumps(group, indent=2, ensure_ascii=False, allow_nan=False)


def _member(path: Path) -> dict[str, Any]:
    """Return the metadata of an array or group as its parents hold them: a group's members are theirs already."""
    metadata: dict[str, Any] = json.loads((path / "zarr.json").read_text("utf-8"))
    if metadata["node_type"] == "group":
        metadata["consolidated_metadata"] = metadata["consolidated_metadata"] | {"metadata": {}}
    return metadata


def geozarr_attributes(
    geobox: GeoBox, shape: tuple[int, int] | None = None, levels: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Describe a grid by GeoZarr's conventions, version 0.1; they apply to all arrays of the group.

    Parameters
    ----------
    geobox : GeoBox
        Grid of the cube.
    shape : tuple of int, optional
        Rows and columns of an overview.
    levels : mapping, optional
        Result of `multiscales`, for a group that has levels.
    """
    shape = shape or geobox.shape
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
            if levels or name != "multiscales"
        ],
        **({"multiscales": dict(levels)} if levels else {}),
        "proj:code": f"EPSG:{geobox.epsg}",
        "proj:wkt2": crs_of(geobox.epsg).to_wkt(),
        "spatial:dimensions": ["y", "x"],
        "spatial:shape": list(shape),
        "spatial:transform": transform(geobox, shape),
        "spatial:bbox": [float(bound) for bound in geobox.bounds],
        "spatial:registration": "pixel",
    }
