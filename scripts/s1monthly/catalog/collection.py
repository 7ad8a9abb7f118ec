"""STAC 1.1.0: root Catalog and Collections, built from the rows of the global catalog.

The root Catalog has one child, the Collection of all months, which S1-GRiTS also has. Below it is a Collection for each
direction (and track), with the Items: both directions of a month have the same ``datetime``, and clients such as
odc-stac would show only one of them.

Items of static layers and of maps of changes are in a Catalog beside that Collection, because a client loads the Items
of a direction as months.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import shapely

from s1monthly.catalog.document import ITEM_TYPE, STAC_VERSION, declared, link
from s1monthly.catalog.item import (
    ASSETS,
    COLLECTION_ID,
    ROOT_ID,
    TITLE,
    band_asset,
    band_facts,
    direction_id,
    direction_title,
    month_span,
    named_bands,
    renders,
)
from s1monthly.catalog.table import row_key, stack_of
from s1monthly.errors import ProductError
from s1monthly.grid.crs import metres_a_unit
from s1monthly.grid.outlines import lonlat_bounds
from s1monthly.kernels.bands import Band, bands, spread_bands
from s1monthly.kernels.options import RADIOMETRY, RADIOMETRY_TITLES, SPREAD_STATISTICS, product_type
from s1monthly.kernels.texture import TEXTURE_MARK
from s1monthly.layout import Layout, cog_of_band
from s1monthly.model import COMBINED, Month, Polarization, Stack
from s1monthly.records.recipe import GRD, OPERA

MAPS_TITLE = "Static layers and maps of changes"

PARQUET_TYPE = "application/vnd.apache.parquet"

PROVIDERS: tuple[dict[str, Any], ...] = (
    {
        "name": "European Union, Copernicus programme; ESA",
        "description": "Sentinel-1 data. Contains modified Copernicus Sentinel data.",
        "roles": ["producer", "licensor"],
        "url": "https://sentinels.copernicus.eu/copernicus/sentinel-1",
    },
    {
        "name": "NASA/JPL, OPERA project",
        "description": "Radiometrically terrain-corrected backscatter, OPERA RTC-S1, distributed by ASF DAAC.",
        "roles": ["producer", "processor"],
        "url": "https://www.jpl.nasa.gov/go/opera/products/rtc-product/",
    },
    {
        "name": "s1monthly",
        "description": "Monthly composites; made by whoever runs the workflow.",
        "roles": ["processor"],
        "processing:level": "L3",
    },
)

TABLES = {
    "catalog": {
        "href": "./catalog.parquet",
        "title": "Catalog",
        "description": "GeoParquet table of both directions, one row a month, months without data included.",
        "type": PARQUET_TYPE,
        "roles": ["metadata"],
    },
    "items": {
        "href": "./items.parquet",
        "title": "Items",
        "description": "The Items of both directions in one table (stac-geoparquet).",
        "type": PARQUET_TYPE,
        "roles": ["collection-mirror"],
    },
}
"""Assets of every Collection."""

LEGAL_NOTICE = "https://sentinel.esa.int/documents/247904/690755/Sentinel_Data_Legal_Notice"


def _extent(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the extent in space and time. With several tiles each has a box too (STAC forbids exactly two)."""
    shapes: dict[str, list[shapely.Geometry]] = {}
    for row in rows:
        if row["geometry"] is not None:
            shapes.setdefault(row["mgrs_tile_id"], []).append(shapely.from_wkb(row["geometry"]))
    whole = lonlat_bounds(shape for group in shapes.values() for shape in group) or [-180.0, -90.0, 180.0, 90.0]
    boxes = [lonlat_bounds(shapes[tile]) for tile in sorted(shapes)]
    months = sorted(Month.parse(row["month"]) for row in rows)
    return {
        "spatial": {"bbox": [whole, *boxes] if len(boxes) > 1 else [whole]},
        "temporal": {"interval": [month_span(months[0], months[-1]) if months else [None, None]]},
    }


def _summaries(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return every value that occurs, as sorted arrays."""

    def values(column: str) -> list[Any]:
        return sorted({row[column] for row in rows if row[column] is not None})

    def members(column: str) -> list[Any]:
        return sorted({member for row in rows for member in row[column] or ()})

    summaries = {
        "platform": members("platforms"),
        "constellation": ["sentinel-1"],
        "instruments": ["c-sar"],
        "gsd": sorted({_metres_a_pixel(row) for row in rows if row["transform"]}),
        "sar:instrument_mode": ["IW"],
        "sar:frequency_band": ["C"],
        "sar:center_frequency": [5.405],
        "sar:polarizations": sorted({p for text in values("polarization") for p in Polarization(text).layers}),
        "sar:product_type": sorted({product_type(name) for name in values("radiometry") or [RADIOMETRY]}),
        "sar:observation_direction": ["right"],
        "sat:orbit_state": [direction.lower() for direction in values("flight_direction") if direction != COMBINED],
        "proj:code": values("crs"),
        "processing:level": ["L3"],
        "s1monthly:mgrs_tile_id": values("mgrs_tile_id"),
        "s1monthly:orbit_direction": [direction.lower() for direction in values("flight_direction")],
        "s1monthly:processing_level": values("processing_level"),
        "s1monthly:status": values("status"),
        "s1monthly:tracks": members("tracks"),
    }
    if values("radiometry") not in ([], [RADIOMETRY]):
        summaries["s1monthly:radiometry"] = values("radiometry")
    return {name: found for name, found in summaries.items() if found}


def _metres_a_pixel(row: Mapping[str, Any]) -> float:
    return float(row["transform"][0]) * metres_a_unit(int(row["crs"].removeprefix("EPSG:")))


def _band(polarization: Polarization, name: str, radiometry: str) -> Band:
    """Describe a band by its name. A texture's options are left out, because they may differ between tiles."""
    layers = polarization.layers
    core = bands(*layers, radiometry=radiometry)
    known = {band.name: band for band in (*core, *spread_bands(layers, SPREAD_STATISTICS, radiometry))}
    of, is_texture, metric = name.partition(TEXTURE_MARK)
    if name not in known and not is_texture:
        raise ProductError(
            f"band {name!r} is none of {', '.join(known)} ({polarization}), and no texture",
            "it was made by another version of this software; use that, or remake the months",
        )
    description = f"GLCM {metric.replace('_', ' at ')} of {of}_dB"
    return known.get(name) or Band(name, "1", description, (-math.inf, math.inf), "texture", None)


def _item_assets(described: Sequence[Band], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Describe the assets of Items: one COG of all bands or, where the rows name such files, one for each band."""
    assets = {kind: dict(facts) for kind, facts in ASSETS.items() if kind != "ceos_ard"}  # few trees have it
    of_band = {bool(cog_of_band(Path(row["cog_path"]).stem)) for row in rows if row["cog_path"]}
    if True in of_band:
        assets |= {band.name: _with_bands(band_asset(band), [band]) for band in described}
    if of_band == {True}:
        del assets["cog"]
    elif described:
        assets["cog"] = _with_bands(assets["cog"], described)
    return assets


def _with_bands(asset: dict[str, Any], described: Sequence[Band]) -> dict[str, Any]:
    return {**asset, "bands": [band_facts(band) for band in described], **named_bands(described)}


def stac_documents(
    rows: Sequence[Mapping[str, Any]],
    public_url: str = "",
    stacks: Collection[Stack] = (),
    maps: Sequence[str] = (),
) -> dict[str, dict[str, Any]]:
    """Build the root Catalog and all Collections from the rows of the global catalog (`catalog.global_rows`).

    Months without data count in the summaries of tiles and directions but have no Item. The extent is that of the
    months with a product or, if there are none, of all rows.

    Parameters
    ----------
    public_url : str
        Address of the published tree. The root Catalog then has a link ``self``, which must be absolute; all other
        links stay relative (a *relative published catalog* of STAC's best practices).
    stacks : collection of Stack
        Directions and tracks that have a Collection even without a row.
    maps : sequence of str
        Items of static layers and maps of changes, as paths relative to the root of the tree.

    Returns
    -------
    dict of str to dict
        File name -> STAC 1.1.0 document; the same rows give the same documents.
    """
    rows = sorted(rows, key=row_key)
    layout = Layout(".")
    directions = sorted({*map(stack_of, rows), *stacks})
    root = link("root", layout.stac_root, TITLE)
    about = "Monthly composites of Sentinel-1 backscatter on the Sentinel-2 tile grid."
    children = [link("child", layout.collection, TITLE)]
    children += [link("child", layout.maps_catalog, MAPS_TITLE)] if maps else []
    catalog = _catalog(ROOT_ID, TITLE, about, [root, *children])
    if public_url:
        catalog["links"].insert(0, link("self", f"{public_url}/{Path(layout.stac_root).name}", TITLE))
    parent = _collection(COLLECTION_ID, TITLE, rows)
    parent["links"] = [
        root,
        link("parent", layout.stac_root, TITLE),
        *(link("child", _path(layout, direction), direction_title(direction)) for direction in directions),
        *parent["links"],
    ]
    documents = {Path(layout.stac_root).name: catalog, Path(layout.collection).name: _with_extensions(parent)}
    for direction in directions:
        mine = [row for row in rows if stack_of(row) == direction]
        document = _collection(direction_id(direction), direction_title(direction), mine)
        document["links"] = [
            root,
            link("parent", layout.collection, TITLE),
            *document["links"],
            *(link("item", f"./{row['item_path']}", Path(row["item_path"]).stem, ITEM_TYPE) for row in _made(mine)),
        ]
        documents[Path(_path(layout, direction)).name] = _with_extensions(document)
    if maps:
        items = [link("item", path, Path(path).stem, ITEM_TYPE) for path in maps]
        about = "Static layers of tracks over a tile, and maps of the changes through all months."
        links = [root, link("parent", layout.stac_root, TITLE), *items]
        documents[Path(layout.maps_catalog).name] = _catalog(f"{ROOT_ID}-maps", MAPS_TITLE, about, links)
    return documents


def _catalog(name: str, title: str, description: str, links: list[dict[str, str]]) -> dict[str, Any]:
    facts = {"type": "Catalog", "stac_version": STAC_VERSION, "id": name, "title": title, "description": description}
    return {**facts, "links": links}


def _with_extensions(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "stac_extensions": declared(document)}


def _path(layout: Layout, direction: Stack) -> str:
    return replace(layout, direction=str(direction)).direction_collection


def _made(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["item_path"]]


def _collection(name: str, title: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Build a Collection without declared extensions; its only link is the licence."""
    made = _made(rows)
    made_up = any(row["data"] == "simulated" for row in made)
    real = any(row["data"] != "simulated" for row in made)
    sources = [name for name in (OPERA, GRD) if any(row["data"] == name for row in made)] or [OPERA]
    described = _described(made)
    quantities = sorted({row["radiometry"] or RADIOMETRY for row in made}) or [RADIOMETRY]
    assets = _item_assets(described, made)
    return {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "stac_extensions": [],
        "id": name,
        "title": title,
        "description": f"Monthly composites of Sentinel-1 backscatter ({_quantity(quantities)}, from "
        f"{' and '.join(sources)}) on the Sentinel-2 tile grid, one Item a tile, direction and month. "
        "Backscatter in dB, their ratio and a radar vegetation index; level hARDCp is despeckled, ARDC is the "
        "composite alone. "
        + ("Contains modified Copernicus Sentinel data." if real else "")
        + (" Some months are simulated, for trials: column data of the catalog says which." if made_up else ""),
        "keywords": [
            "Sentinel-1",
            "SAR",
            "C-band",
            "backscatter",
            *_names(quantities),
            *sorted({product_type(name) for name in quantities}),
            "monthly composite",
            "MGRS",
        ],
        "license": "other",
        "providers": [dict(one) for one in PROVIDERS if OPERA in sources or OPERA not in one["description"]],
        "extent": _extent(made or rows),
        "summaries": _summaries(rows),
        **(renders(described, assets) if len({tuple(row["bands"]) for row in made}) == 1 else {}),
        "item_assets": assets,
        "assets": {kind: dict(facts) for kind, facts in TABLES.items()},
        "links": [
            link(
                "license",
                LEGAL_NOTICE,
                "Legal notice on the use of Copernicus Sentinel Data and Service Information",
                "application/pdf",
            )
        ],
    }


def _quantity(quantities: Sequence[str]) -> str:
    """Say in words which quantities of backscatter the months have."""
    if quantities == [RADIOMETRY]:
        return "gamma0, radiometrically terrain-corrected"
    return " or ".join(RADIOMETRY_TITLES[name].replace(" backscatter", "") for name in quantities)


def _names(quantities: Sequence[str]) -> list[str]:
    return sorted({name.partition("_")[0] for name in quantities})


def _described(rows: Iterable[Mapping[str, Any]]) -> list[Band]:
    """Describe every band of some rows, in the order of their first occurrence."""
    described: dict[str, Band] = {}
    for row in rows:
        for name in row["bands"] or ():
            pair = Polarization(row["polarization"])
            band = _band(pair, name, row["radiometry"] or RADIOMETRY)
            if described.setdefault(name, band).description != band.description:
                usual, backscatter = _band(pair, name, RADIOMETRY), f"backscatter, {name.partition('_')[0]}"
                described[name] = usual if band.role == "spread" else replace(band, description=backscatter)
    return list(described.values())
