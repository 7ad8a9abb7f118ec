"""STAC 1.1.0: the Item of a month.

An Item is a plain dictionary, built only from the record and the files of a month. Links are relative, so that a tree
can be moved or served from anywhere; there is no ``self`` link, because it would have to be absolute.

Fields of our own have the prefix ``s1monthly:``. Items of product versions up to 2 have ``s1:`` instead, which is the
prefix of the Sentinel-1 extension; `document.item_digest` reads both.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from s1monthly.catalog.assets import AssetFile
from s1monthly.catalog.derived_assets import derived_asset
from s1monthly.catalog.document import JSON_TYPE, STAC_VERSION, declared, link
from s1monthly.catalog.lineage import lineage, output_bands, quantity
from s1monthly.grid.crs import unit_of
from s1monthly.grid.lattice import GeoBox
from s1monthly.grid.outlines import lonlat_bounds
from s1monthly.kernels.bands import Band
from s1monthly.kernels.options import RADIOMETRY, product_type
from s1monthly.kernels.preview import stretches
from s1monthly.kernels.quality import CLASSES
from s1monthly.layout import Layout, is_derived, item_id
from s1monthly.model import COMBINED, Level, Month, Stack
from s1monthly.records.footprint import geojson
from s1monthly.records.month import Record
from s1monthly.records.statics_used import static_granules

T = TypeVar("T")

ROOT_ID = "s1monthly"
COLLECTION_ID = "s1-grits-monthly"
"""Id of the parent Collection, as S1-GRiTS names it; each direction has a Collection below it."""
TITLE = "Sentinel-1 monthly composites"

PLATFORM_DESIGNATORS = {"sentinel-1a": "2014-016A", "sentinel-1b": "2016-025A"}
"""International designators; Items of other platforms have none."""

COG_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"
ZARR_TYPE = "application/vnd.zarr; version=3"


def direction_id(direction: Stack) -> str:
    """Return the id of the Collection of a direction, or of one track of it."""
    return f"{COLLECTION_ID}-{direction.lower().replace('_', '-')}"


def direction_title(direction: Stack) -> str:
    """Return the title of the Collection of a direction, or of one track of it."""
    return f"{TITLE}, {direction.passes}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def month_span(first: Month, last: Month) -> list[str]:
    """Return the first and last second of a span of months: STAC's ``end_datetime`` is inclusive."""
    return [_moment(first.start), _moment(last.end - timedelta(seconds=1))]


def projection(grid: GeoBox) -> dict[str, Any]:
    """Return the fields of the projection extension for a grid."""
    return {
        "proj:code": grid.crs,
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.transform),
        "proj:bbox": list(grid.bounds),
    }


def _cube(record: Record, described: Sequence[Band]) -> dict[str, Any]:
    """Return dimensions and variables of the datacube extension 2.3.0, for this month of the cube."""
    grid, span = record.grid, month_span(record.key.month, record.key.month)
    left, bottom, right, top = grid.bounds

    def axis(name: str, low: float, high: float) -> dict[str, Any]:
        return {
            "type": "spatial",
            "axis": name,
            "description": "outer edges of the pixels; coordinates in the store are pixel centres",
            "extent": [low, high],
            "step": grid.resolution,
            "unit": unit_of(grid.epsg),
            "reference_system": grid.epsg,
        }

    dimensions = {
        "time": {"type": "temporal", "extent": span, "values": [span[0]], "step": "P1M"},
        "y": axis("y", bottom, top),
        "x": axis("x", left, right),
    }
    common: dict[str, Any] = {"type": "data", "dimensions": ["time", "y", "x"]}
    variables = {
        band.name: {
            **common,
            "description": band.description,
            "unit": band.units,
            "data_type": "float32",
            "nodata": "nan",
        }
        for band in described
    }
    variables["count"] = {
        **common,
        "description": "number of passes with a valid value",
        "unit": "1",
        "data_type": "uint8",
        "nodata": 0,
    }
    if record.recipe.get("quality"):
        meaning = "; ".join(f"{number}: {text.replace('_', ' ')}" for number, text in CLASSES.items())
        variables["mask"] = {**variables["count"], "description": f"class of the pixel. {meaning}"}
    return {"cube:dimensions": dimensions, "cube:variables": variables}


def _number(things: Sequence[Any] | None) -> int | None:
    return None if things is None else len(things)


def _only(things: Sequence[T] | None) -> T | None:
    """Return the only element; None if there are several or they are not known."""
    return things[0] if things and len(things) == 1 else None


def _properties(record: Record, described: Sequence[Band]) -> dict[str, Any]:
    """Return the properties of an Item; unknown values, and those with no single value, are left out."""
    key, platforms, (first, last) = record.key, record.platforms, record.acquired
    start, end = month_span(key.month, key.month)
    platform = _only(platforms)
    properties = {
        "title": f"Sentinel-1 monthly composite {key.tile} {key.direction} {key.month}{quantity(record.recipe)}",
        "datetime": start,
        "start_datetime": start,
        "end_datetime": end,
        # This field holds one name: for several platforms the constellation's; s1monthly:platforms has them all.
        "platform": None if platforms is None else platform or "sentinel-1",
        "constellation": "sentinel-1",
        "instruments": ["c-sar"],
        "gsd": record.grid.metres_a_pixel,
        "sar:instrument_mode": "IW",
        "sar:frequency_band": "C",
        "sar:center_frequency": 5.405,
        "sar:polarizations": list(record.polarization.layers),
        "sar:product_type": product_type(record.recipe.get("radiometry", RADIOMETRY)),
        "sar:observation_direction": "right",
        "sat:orbit_state": None if key.direction == COMBINED else key.direction.pooled.lower(),
        **projection(record.grid),
        **_cube(record, described),
        "processing:level": "L3",
        "processing:lineage": lineage(record),
        "processing:software": None if record.software is None else dict(sorted(record.software.items())),
        "grid:code": f"MGRS-{key.tile}",
        "mgrs:utm_zone": key.tile.zone,
        "mgrs:latitude_band": key.tile.band,
        "mgrs:grid_square": key.tile.column + key.tile.row,
        "s1monthly:mgrs_tile_id": str(key.tile),
        "s1monthly:orbit_direction": key.direction.pooled.lower(),
        "s1monthly:processing_level": str(record.level),
        "s1monthly:radiometry": record.recipe.get("radiometry"),
        "s1monthly:monthly_composite": record.recipe["composite"]["method"],
        "s1monthly:despeckle": record.level is Level.HARDCP,
        "s1monthly:keep_bits": record.recipe.get("keep_bits"),
        "s1monthly:status": record.status,
        "s1monthly:platforms": platforms,
        "s1monthly:tracks": record.tracks,
        "s1monthly:granules": _number(record.granules),
        "s1monthly:passes": _number(record.passes),
        "s1monthly:static_granules": static_granules(record.statics) or None,
        "s1monthly:missing_granules": _number(record.missing_granules),
        "s1monthly:coverage": record.coverage,
        "s1monthly:valid_pixels": record.valid,
        "s1monthly:digest": record.digest,
        "s1monthly:recipe_digest": record.recipe_digest,
        "s1monthly:first_acquisition": first and _moment(first),
        "s1monthly:last_acquisition": last and _moment(last),
        "s1monthly:count_minimum": record.count.minimum,
        "s1monthly:count_mean": record.count.mean,
        "s1monthly:count_maximum": record.count.maximum,
        "sat:relative_orbit": key.direction.track or _only(record.tracks),
        "sat:platform_international_designator": PLATFORM_DESIGNATORS.get(platform or ""),
    }
    return {name: value for name, value in properties.items() if value is not None}


def band_facts(band: Band) -> dict[str, Any]:
    """Describe a band with STAC 1.1's common metadata, the same in every month.

    There is no ``nodata``: in JSON, NaN is a text, which rustac and STAC Browser refuse. The COG itself declares it.
    """
    return {"name": band.name, "description": band.description, "unit": band.units, "data_type": "float32"}


def _band(record: Record, band: Band) -> dict[str, Any]:
    numbers = record.bands[band.name]
    statistics = {
        "minimum": numbers.minimum,
        "maximum": numbers.maximum,
        "mean": numbers.mean,
        "stddev": numbers.std,
        "valid_percent": 100 * numbers.valid / record.total,
    }
    known = {name: value for name, value in statistics.items() if value is not None}
    return {**band_facts(band), "statistics": known}


ASSETS: dict[str, dict[str, Any]] = {
    "cog": {
        "title": "Bands of the month",
        "description": "Cloud-optimised GeoTIFF, no data NaN.",
        "type": COG_TYPE,
        "roles": ["data"],
        "raster:sampling": "area",
    },
    "zarr": {
        "title": "Cube of the tile and direction",
        "description": "Zarr version 3: every month of the tile and direction, and the count of passes; the Item's "
        "month is at its datetime.",
        "type": ZARR_TYPE,
        "roles": ["data"],
        "zarr:node_type": "group",
        "zarr:zarr_format": 3,
        "zarr:consolidated": True,
    },
    "preview": {
        "title": "Preview",
        "description": "Red: co-polarized backscatter, green: cross-polarized backscatter, blue: their ratio; "
        "fixed stretch, transparent where empty.",
        "type": "image/png",
        "roles": ["overview"],
    },
    "ceos_ard": {
        "title": "Assessment by CEOS-ARD",
        "description": "Every requirement of CEOS-ARD Composite Backscatter 1.1: met, partly, not met. No certificate.",
        "type": JSON_TYPE,
        "roles": ["metadata"],
    },
    "record": {
        "title": "Record",
        "description": "What the month was made of: granules, passes, recipe, statistics.",
        "type": JSON_TYPE,
        "roles": ["metadata"],
    },
}
"""Fields that all assets of a kind share, in Items and in the Collection's item_assets."""


def named_bands(described: Iterable[Band]) -> dict[str, Any]:
    """Return the bands' names in the form before STAC 1.1: odc-stac (0.5) finds bands by name only there."""
    return {"eo:bands": [{"name": band.name, "description": band.description} for band in described]}


def band_asset(band: Band) -> dict[str, Any]:
    """Return the fields that the COGs of a band share, in Items and in the Collection's item_assets."""
    return {**ASSETS["cog"], "title": band.name, "description": f"Cloud-optimised GeoTIFF of {band.description}."}


def renders(described: Sequence[Band], files: Container[str]) -> dict[str, Any]:
    """Return the field ``renders``: how to show the COGs in the colours of the preview, and each dB band in grey.

    Empty without COGs, and if no band has a stretch. Source: https://github.com/stac-extensions/render, version 2.0.0.
    """
    positions = {band.name: number for number, band in enumerate(described, 1)}
    shown = stretches(name for name in positions if "cog" in files or name in files)

    def bands_of_cog(names: Sequence[str]) -> dict[str, Any]:
        return {"assets": ["cog"], "bidx": [positions[name] for name in names]}

    def picture(title: str, names: Sequence[str]) -> dict[str, Any]:
        return {
            "title": title,
            **(bands_of_cog(names) if "cog" in files else {"assets": list(names)}),
            "rescale": [list(shown[name]) for name in names],
            "resampling": "average",
        }

    pictures = {name: picture(f"{name}, grey", [name]) for name in shown}
    if len(shown) == 3:
        pictures = {"preview": picture(f"red {', green '.join([*shown][:2])}, blue {[*shown][2]}", [*shown])} | pictures
    return {"renders": pictures} if pictures else {}


def _asset(kind: str, file: AssetFile, record: Record, described: Sequence[Band]) -> dict[str, Any]:
    of_band = [band for band in described if band.name == kind]
    described = of_band or described
    asset: dict[str, Any] = {"href": file.href}
    if is_derived(kind):
        asset |= derived_asset(kind, record.polarization, record.recipe.get("radiometry", RADIOMETRY))
        asset["raster:spatial_resolution"] = record.grid.metres_a_pixel
    else:
        asset |= band_asset(of_band[0]) if of_band else ASSETS[kind]
    if kind == "cog" or of_band:
        asset |= {
            "raster:spatial_resolution": record.grid.metres_a_pixel,
            "bands": [_band(record, band) for band in described],
            **named_bands(described),
        }
    if kind == "preview" or (is_derived(kind) and kind != "quality"):
        asset["title"] += quantity(record.recipe)
    if file.grid:
        asset |= projection(file.grid)
    if file.size is not None:
        asset["file:size"] = file.size
    if file.sha256 is not None:
        asset["file:checksum"] = f"1220{file.sha256}"  # multihash: sha2-256, 32 bytes
    return asset


def item(record: Record, files: Mapping[str, AssetFile]) -> dict[str, Any]:
    """Build the Item of a month.

    Parameters
    ----------
    files : mapping of str to AssetFile
        By kind, see `ASSETS`; kinds that are switched off have no entry.

    Returns
    -------
    dict
        A STAC 1.1.0 Item. Its geometry is the footprint of the valid data or, for a month without any
        (``s1monthly:status`` is ``empty``), the outline of the grid.

    Raises
    ------
    ProductError
        If the record names a band that this version does not know.
    """
    described, geometry = output_bands(record), record.geometry
    kinds = [*ASSETS, *(band.name for band in described), *filter(is_derived, files)]
    above, direction = Layout("..").of(record.key), record.key.direction
    document = {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [],
        "id": item_id(record.key),
        "geometry": geojson(geometry),
        "bbox": lonlat_bounds([geometry]),
        "properties": _properties(record, described) | renders(described, files),
        "links": [
            link("root", above.stac_root, TITLE),
            *(link(rel, above.direction_collection, direction_title(direction)) for rel in ("parent", "collection")),
        ],
        "assets": {kind: _asset(kind, files[kind], record, described) for kind in kinds if kind in files},
        "collection": direction_id(direction),
    }
    return {**document, "stac_extensions": declared(document)}
