"""STAC 1.1.0: the Collection of all months, built from the rows of the global catalog."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import shapely

from s1monthly.catalog.item import (
    ASSETS,
    COLLECTION_ID,
    ITEM_TYPE,
    STAC_VERSION,
    band_facts,
    declared,
    month_span,
    named_bands,
)
from s1monthly.errors import ProductError
from s1monthly.grid.crs import metres_a_unit
from s1monthly.kernels.bands import Band, bands
from s1monthly.model import Month, Polarization
from s1monthly.records.footprint import lonlat_bounds

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
        "sar:product_type": ["RTC"],
        "sar:observation_direction": ["right"],
        "sat:orbit_state": [direction.lower() for direction in values("flight_direction")],
        "proj:code": values("crs"),
        "processing:level": ["L3"],
        "mgrs:tile_id": values("mgrs_tile_id"),
        "s1:orbit_direction": [direction.lower() for direction in values("flight_direction")],
        "s1:processing_level": values("processing_level"),
        "s1:status": values("status"),
        "s1:tracks": members("tracks"),
    }
    return {name: found for name, found in summaries.items() if found}


def _metres_a_pixel(row: Mapping[str, Any]) -> float:
    return float(row["transform"][0]) * metres_a_unit(int(row["crs"].removeprefix("EPSG:")))


def _band(polarization: Polarization, name: str) -> Band:
    """Describe a band by its name. A texture's options are left out, because they may differ between tiles."""
    core = {band.name: band for band in bands(*polarization.layers)}
    of, is_texture, metric = name.partition("_glcm_")
    if name not in core and not is_texture:
        raise ProductError(
            f"band {name!r} is none of {', '.join(core)} ({polarization}), and no texture",
            "it was made by another version of this software; use that, or remake the months",
        )
    description = f"GLCM {metric.replace('_', ' at ')} of {of}_dB"
    return core.get(name) or Band(name, "1", description, (-math.inf, math.inf), "texture", None)


def _item_assets(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    described: dict[str, Band] = {}
    for row in rows:
        for name in row["bands"] or ():
            described[name] = _band(Polarization(row["polarization"]), name)
    assets = {kind: dict(facts) for kind, facts in ASSETS.items()}
    if described:
        assets["cog"]["bands"] = [band_facts(band) for band in described.values()]
        assets["cog"] |= named_bands(described.values())
    return assets


def collection(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Build the Collection from the rows of the global catalog (`catalog.global_rows`).

    Months without data count in the summaries of tiles and directions but have no Item. The extent is that of the
    months with a product or, if there are none, of all rows.

    Returns
    -------
    dict
        A STAC 1.1.0 Collection; the same rows give the same document.
    """
    rows = sorted(rows, key=lambda row: (row["mgrs_tile_id"], row["flight_direction"], row["month"]))
    made = [row for row in rows if row["item_path"]]
    made_up = any(row["data"] == "simulated" for row in made)
    real = any(row["data"] != "simulated" for row in made)
    document = {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "stac_extensions": [],
        "id": COLLECTION_ID,
        "title": "Sentinel-1 monthly composites",
        "description": "Monthly composites of Sentinel-1 backscatter (gamma0, radiometrically terrain-corrected, from "
        "OPERA RTC-S1) on the Sentinel-2 tile grid, one Item a tile, direction and month. Backscatter in dB, their "
        "ratio and a radar vegetation index; level hARDCp is despeckled, ARDC is the composite alone. "
        + ("Contains modified Copernicus Sentinel data." if real else "")
        + (" Some months are simulated, for trials: column data of the catalog says which." if made_up else ""),
        "keywords": ["Sentinel-1", "SAR", "C-band", "backscatter", "gamma0", "RTC", "monthly composite", "MGRS"],
        "license": "other",
        "providers": [dict(provider) for provider in PROVIDERS],
        "extent": _extent(made or rows),
        "summaries": _summaries(rows),
        "item_assets": _item_assets(made),
        "assets": {
            "catalog": {
                "href": "./catalog.parquet",
                "title": "Catalog",
                "description": "GeoParquet table, one row a month, months without data included.",
                "type": PARQUET_TYPE,
                "roles": ["metadata"],
            }
        },
        "links": [
            {"rel": "root", "href": "./collection.json", "type": "application/json"},
            {
                "rel": "license",
                "href": LEGAL_NOTICE,
                "type": "application/pdf",
                "title": "Legal notice on the use of Copernicus Sentinel Data and Service Information",
            },
            *(
                {"rel": "item", "href": f"./{path}", "type": ITEM_TYPE, "title": Path(path).stem}
                for path in (row["item_path"] for row in made)
            ),
        ],
    }
    return {**document, "stac_extensions": declared(document)}
