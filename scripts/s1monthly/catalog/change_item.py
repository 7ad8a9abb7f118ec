"""STAC 1.1.0: the Item of a map of changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from s1monthly.catalog.assets import AssetFile
from s1monthly.catalog.document import STAC_VERSION, declared, link
from s1monthly.catalog.item import COG_TYPE, TITLE, ZARR_TYPE, direction_id, direction_title, month_span, projection
from s1monthly.cube.header import Header
from s1monthly.grid.lattice import geobox_outline
from s1monthly.grid.outlines import lonlat_bounds
from s1monthly.kernels.bands import Band
from s1monthly.layout import Layout
from s1monthly.model import COMBINED, Month, TileDirection
from s1monthly.records.footprint import geojson, tidy


def change_item(
    header: Header,
    of: Band,
    months: Sequence[Month],
    method: str,
    options: Mapping[str, Any],
    bands: Sequence[Band],
    cog: AssetFile,
) -> dict[str, Any]:
    """Build the Item of a map of changes.

    Parameters
    ----------
    header : Header
        The cube.
    of : Band
        The band whose changes are shown.
    months : sequence of Month
        Months that were used, in order.
    method, options
        How changes were found.
    bands : sequence of Band
        Bands of the COG.
    """
    grid, tile, stack = header.geobox, header.tile, header.direction
    above = Layout("..").of(TileDirection(tile, stack))
    start, end = month_span(months[0], months[-1])
    properties = {
        "title": f"Changes of {of.description}, {tile} {stack}, {months[0]} to {months[-1]}",
        "datetime": None,
        "start_datetime": start,
        "end_datetime": end,
        "constellation": "sentinel-1",
        "gsd": grid.metres_a_pixel,
        **({} if stack == COMBINED else {"sat:orbit_state": stack.pooled.lower()}),
        **({} if stack.track is None else {"sat:relative_orbit": stack.track}),
        **projection(grid),
        "grid:code": f"MGRS-{tile}",
        "s1monthly:mgrs_tile_id": str(tile),
        "s1monthly:orbit_direction": stack.pooled.lower(),
        "s1monthly:band": of.name,
        "s1monthly:method": method,
        "s1monthly:options": dict(options),
        "s1monthly:months": [str(month) for month in months],
    }
    outline = tidy(geobox_outline(grid))
    document = {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [],
        "id": f"{tile}_{stack}_{of.name}_change",
        "geometry": geojson(outline),
        "bbox": lonlat_bounds([outline]),
        "properties": properties,
        "links": [
            link("root", above.stac_root, TITLE),
            *(link(rel, above.direction_collection, direction_title(stack)) for rel in ("parent", "collection")),
            link("derived_from", above.cube, "The cube", ZARR_TYPE),
        ],
        "assets": {
            "change": {
                "href": cog.href,
                "title": f"Changes of {of.name}",
                "type": COG_TYPE,
                "roles": ["data"],
                "raster:spatial_resolution": grid.metres_a_pixel,
                "bands": [
                    {"name": band.name, "description": band.description, "unit": band.units, "data_type": "float32"}
                    for band in bands
                ],
                "file:size": cog.size,
                "file:checksum": f"1220{cog.sha256}",
            }
        },
        "collection": direction_id(stack),
    }
    return {**document, "stac_extensions": declared(document)}
