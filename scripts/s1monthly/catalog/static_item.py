"""STAC 1.1.0: the Item of a track's static layers, and how the Items of months name them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import shape

from s1monthly.catalog.assets import AssetFile, relative
from s1monthly.catalog.document import ITEM_TYPE, STAC_VERSION, declared, link
from s1monthly.catalog.item import COG_TYPE, TITLE, ZARR_TYPE, direction_id, direction_title, projection
from s1monthly.cube.static import StaticOrigin
from s1monthly.granule_names import STATIC_LAYERS, parse_static_source
from s1monthly.granules import Slice
from s1monthly.grid.lattice import GeoBox, geobox_outline
from s1monthly.grid.outlines import lonlat_bounds
from s1monthly.kernels.static_layers import LAYERS
from s1monthly.layout import Layout, track_name
from s1monthly.model import COMBINED, Stack, Tile, TileDirection
from s1monthly.records.footprint import footprint, geojson, tidy

REL = "static-layers"
"""Relation of the link from a month's Item to the Item of its track's static layers."""

DAY = "2014-04-03"
"""Date of static layers without a granule: that of all granules of OPERA."""

_ASSET = re.compile(rf"T\d{{3}}_(?:{'|'.join(STATIC_LAYERS)})")


def static_item_id(origin: StaticOrigin) -> str:
    """Return the id of the Item of a track's static layers."""
    name = track_name(origin.track)
    of_cube = f"{origin.tile}_{origin.direction}_static"
    return of_cube if origin.direction.endswith(f"_{name}") else f"{of_cube}_{name}"


def static_item(
    origin: StaticOrigin, grid: GeoBox, seen: NDArray[np.bool_], cogs: Mapping[str, AssetFile], store: AssetFile
) -> dict[str, Any]:
    """Build the Item of a track's static layers.

    Parameters
    ----------
    seen : array (rows, columns) of bool
        Pixels with data, whose outline is the Item's geometry; the whole grid if there are none.
    cogs : mapping of str to AssetFile
        COG of each layer.
    store : AssetFile
        The store with the layers of all tracks.
    """
    outline = footprint(seen, grid)
    geometry = tidy(geobox_outline(grid)) if outline is None else shape(outline)
    days = sorted(map(_first_day, origin.granules)) or [DAY]
    tile, direction = Tile(origin.tile), Stack.parse(origin.direction)
    above = Layout("../..").of(TileDirection(tile, direction))
    properties = {
        "title": f"Sentinel-1 static layers {origin.name}",
        "datetime": f"{days[0]}T00:00:00Z",
        "constellation": "sentinel-1",
        "instruments": ["c-sar"],
        "gsd": grid.metres_a_pixel,
        "sar:instrument_mode": "IW",
        "sar:frequency_band": "C",
        "sar:center_frequency": 5.405,
        "sar:product_type": "RTC-STATIC",
        "sar:observation_direction": "right",
        **({} if direction == COMBINED else {"sat:orbit_state": direction.pooled.lower()}),
        "sat:relative_orbit": origin.track,
        **projection(grid),
        "grid:code": f"MGRS-{tile}",
        "s1monthly:mgrs_tile_id": str(tile),
        "s1monthly:orbit_direction": direction.pooled.lower(),
        "s1monthly:static_granules": list(origin.granules),
        "s1monthly:bursts_without_static": list(origin.without),
        "s1monthly:simulated": origin.simulated,
        "s1monthly:digest": origin.made_of,
    }
    assets: dict[str, Any] = {name: _asset(name, cogs[name], grid) for name in STATIC_LAYERS}
    assets["zarr"] = {
        "href": store.href,
        "title": "Static layers in one store",
        "description": f"Zarr version 3: a group a track, {track_name(origin.track)} here, each layer as (y, x).",
        "type": ZARR_TYPE,
        "roles": ["data", "auxiliary"],
    }
    document = {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [],
        "id": static_item_id(origin),
        "geometry": geojson(geometry),
        "bbox": lonlat_bounds([geometry]),
        "properties": properties,
        "links": [
            link("root", above.stac_root, TITLE),
            *(link(rel, above.direction_collection, direction_title(direction)) for rel in ("parent", "collection")),
        ],
        "assets": assets,
        "collection": direction_id(direction),
    }
    return {**document, "stac_extensions": declared(document)}


def _first_day(name: str) -> str:
    """Return the day from which a static granule is valid, or a slice was acquired."""
    made_of = parse_static_source(name)
    return f"{made_of.acquired.date() if isinstance(made_of, Slice) else made_of.valid_from}"


def _asset(name: str, file: AssetFile, grid: GeoBox) -> dict[str, Any]:
    facts = LAYERS[name]
    band: dict[str, Any] = {
        "name": name,
        "description": facts.description,
        "unit": facts.units,
        "data_type": facts.dtype,
    }
    if facts.dtype == "uint8":
        band["nodata"] = int(facts.nodata)
    return {
        "href": file.href,
        **_shared(name),
        "raster:spatial_resolution": grid.metres_a_pixel,
        "bands": [band],
        "file:size": file.size,
        "file:checksum": f"1220{file.sha256}",
    }


def _shared(name: str) -> dict[str, Any]:
    description = LAYERS[name].description
    return {
        "title": f"{description[0].upper()}{description[1:]}",
        "type": COG_TYPE,
        "roles": ["data", "auxiliary"],
    }


def with_static_layers(item: Mapping[str, Any], paths: Layout) -> dict[str, Any]:
    """Return a month's Item with links to the static layers that exist of its tracks, and their COGs as assets.

    The assets have no size and no checksum, which the linked Items give: static layers that are made again do not
    change the Items of months.

    Parameters
    ----------
    item : mapping
        The Item; links and assets of static layers that it has already are replaced.
    paths : Layout
        Paths of the tile and direction.
    """
    links = [each for each in item["links"] if each["rel"] != REL]
    assets = {name: asset for name, asset in item["assets"].items() if not _ASSET.fullmatch(name)}
    for track in item["properties"].get("s1monthly:tracks") or ():
        files = paths.static_files(track)
        if os.path.exists(files["item"]):
            links.append(link(REL, relative(files["item"], paths.folder), f"Static layers of track {track}", ITEM_TYPE))
            for layer in STATIC_LAYERS:
                href = relative(files[layer], paths.folder)
                assets[f"{track_name(track)}_{layer}"] = {"href": href, **_shared(layer)}
    return {**item, "links": links, "assets": assets}
