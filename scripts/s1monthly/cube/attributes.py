"""Descriptive attributes of a cube: CF conventions 1.11, and ACDD 1.3 for catalogs of data sets.

They describe; nothing depends on them. Those of an existing cube are written again when its axis changes.

CF Conventions 1.11, section 2.6; Attribute Convention for Data Discovery 1.3 (ESIP).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from s1monthly.cube.header import ATTRIBUTE
from s1monthly.cube.layout import CubeSpec
from s1monthly.errors import GridError
from s1monthly.grid.crs import unit_of
from s1monthly.grid.lattice import geobox_outline
from s1monthly.grid.outlines import lonlat_bounds
from s1monthly.kernels.bands import normalisation
from s1monthly.kernels.options import RADIOMETRY, RADIOMETRY_TITLES, product_type
from s1monthly.model import Month

if TYPE_CHECKING:
    import xarray as xr

LICENSE = (
    "Legal notice on the use of Copernicus Sentinel Data and Service Information:"
    " https://sentinel.esa.int/documents/247904/690755/Sentinel_Data_Legal_Notice"
)
"""Terms of the data that a cube is made of, unless the configuration says otherwise."""

CREDITS = (
    *(f"creator_{what}" for what in ("name", "type", "email", "url")),
    *("institution", "project", "publisher_name", "publisher_url", "license"),
)
"""Attributes that the configuration may give (``output.credits``)."""

KEYWORDS = "Sentinel-1, SAR, C-band, backscatter, {product}, monthly composite, MGRS"
DECIMALS = 6
"""Decimals of longitudes and latitudes: 0.1 m."""


def description_attributes(spec: CubeSpec, first: Month, last: Month) -> dict[str, Any]:
    """Return title, summary, source, coverage and credits of a cube; texts and numbers only, as NetCDF holds them."""
    data = spec.recipe.get("data", "OPERA RTC-S1")
    made_up = not isinstance(data, str)
    source = f"made up, for trials ({json.dumps(data, sort_keys=True)})" if made_up else data
    level = spec.recipe.get("level", "")
    radiometry = spec.recipe.get("radiometry", RADIOMETRY)
    shown = "radar backscatter" if radiometry == RADIOMETRY else RADIOMETRY_TITLES[radiometry]
    normalised = normalisation(spec.recipe)
    shown += f", {normalised}," if normalised else ""
    pixel = f"{spec.geobox.resolution:g} {unit_of(spec.geobox.epsg)}"
    return {
        "Conventions": "CF-1.11, ACDD-1.3",
        "title": f"Sentinel-1 monthly composites of tile {spec.tile}, {spec.direction.passes}"
        + (f", {radiometry.replace('_', ' ')}" if radiometry != RADIOMETRY else ""),
        "summary": f"Monthly composites of {shown} on the grid of a Sentinel-2 tile, one slot for every"
        f" calendar month: {', '.join(band.name for band in spec.bands)}, and the number of passes. Pixels of {pixel}.",
        "keywords": KEYWORDS.format(product=product_type(radiometry)),
        "id": f"{spec.tile}_{spec.direction}",
        "source": f"{source}: {_quantity(spec.recipe)} of Copernicus Sentinel-1",
        "platform": "Sentinel-1",
        "instrument": "C-SAR",
        "processing_level": f"L3, {level}" if level else "L3",
        "comment": "One slot for every calendar month; a slot is to be used where status is 2 (complete).",
        "history": "The records, ../../months/YYYY-MM.json, tell month by month what was written and of what.",
        "cdm_data_type": "Grid",
        "standard_name_vocabulary": "CF Standard Name Table",
        **({} if made_up else {"acknowledgement": "Contains modified Copernicus Sentinel data", "license": LICENSE}),
        **spec.credits,
        **_place(spec),
        "time_coverage_start": f"{first}-01T00:00:00Z",
        "time_coverage_end": f"{last.shift(1).start - timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}",
        "time_coverage_duration": f"P{last.ordinal - first.ordinal + 1}M",
        "time_coverage_resolution": "P1M",
    }


def _quantity(recipe: Mapping[str, Any]) -> str:
    """Return the quantity of the backscatter in words."""
    radiometry = recipe.get("radiometry", RADIOMETRY)
    if radiometry == RADIOMETRY:
        return "radiometric terrain corrected gamma0 backscatter"
    return f"{RADIOMETRY_TITLES[radiometry]}, converted from gamma0 by static layers,"


def _place(spec: CubeSpec) -> dict[str, Any]:
    """Return the bounds of the grid; across the antimeridian, the western longitude is the larger one.

    Round a pole, where there are none in longitude and latitude, only those in the CRS of the grid.
    """
    left, bottom, right, top = spec.geobox.bounds
    corners = [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]
    in_crs = {
        "geospatial_bounds": f"POLYGON (({', '.join(f'{x!r} {y!r}' for x, y in corners)}))",
        "geospatial_bounds_crs": f"EPSG:{spec.geobox.epsg}",
    }
    try:
        bounds = lonlat_bounds([geobox_outline(spec.geobox)])
    except GridError:
        bounds = None
    if bounds is None:
        return in_crs
    west, south, east, north = bounds
    return {
        **in_crs,
        "geospatial_lat_min": round(south, DECIMALS),
        "geospatial_lat_max": round(north, DECIMALS),
        "geospatial_lat_units": "degrees_north",
        "geospatial_lon_min": round(west, DECIMALS),
        "geospatial_lon_max": round(east, DECIMALS),
        "geospatial_lon_units": "degrees_east",
    }


def with_plain_attributes(cube: xr.Dataset) -> xr.Dataset:
    """Return a cube with attributes that NetCDF can hold, by CF: without nested ones, limits in the type of the data.

    Left out are those of GeoZarr, which describe the store. What determined the values stays as a JSON text.
    """
    attributes = {name: value for name, value in cube.attrs.items() if isinstance(value, str | float | int)}
    attributes = {name: value for name, value in attributes.items() if ":" not in name}
    plain = cube.drop_attrs(deep=False).assign_attrs(attributes, s1monthly=json.dumps(cube.attrs[ATTRIBUTE]))
    for array in plain.variables.values():
        for name in {"flag_values", "valid_min", "valid_max"} & set(array.attrs):
            array.attrs[name] = np.array(array.attrs[name], array.dtype)
    for axis in ("x", "y"):
        plain[axis].encoding["_FillValue"] = None  # else xarray would write one
    return plain
