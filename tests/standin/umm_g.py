"""A granule's record in the form in which CMR answers it (UMM-G 1.6.5), as far as anybody reads it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import shapely
from shapely.affinity import translate
from shapely.geometry import MultiPolygon

from s1monthly.granule_names import layer_file
from s1monthly.grid.orbit import orbit_direction
from standin.archive import Entry

BUCKET = "asf-cumulus-prod-opera-products"
PREFIX = "OPERA_L2_RTC-S1"
SHORT_NAME = "OPERA_L2_RTC-S1_V1"
STATIC_SHORT_NAME = "OPERA_L2_RTC-S1-STATIC_V1"
PROVIDER = "ASF"


def short_name(entry: Entry) -> str:
    """Name of the collection that a granule belongs to."""
    return STATIC_SHORT_NAME if entry.is_static else SHORT_NAME


def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def _polygons(entry: Entry) -> list[dict[str, Any]]:
    """Boundaries of the footprint, counter-clockwise and closed."""
    parts = list(entry.footprint.geoms) if isinstance(entry.footprint, MultiPolygon) else [entry.footprint]
    if entry.jump:
        parts = [shapely.union_all([translate(part, 360.0) if part.centroid.x < 0 else part for part in parts])]
    rings = [shapely.get_coordinates(shapely.orient_polygons(part).exterior) for part in parts]
    return [
        {"Boundary": {"Points": [{"Latitude": float(y), "Longitude": float(x - 360 * (x > 180))} for x, y in ring]}}
        for ring in rings
    ]


def _links(entry: Entry, data_url: str) -> list[dict[str, str]]:
    """Links to every file, over HTTPS and in the bucket, and to a picture, which is no layer."""
    links = []
    for layer in entry.granule.layers:
        file = layer_file(entry.id, layer.name)
        kind = "RTC-STATIC" if entry.is_static else "RTC"
        https, s3 = f"{data_url}/{kind}/OPERA-S1/{file}", f"s3://{BUCKET}/{PREFIX}/{entry.id}/{file}"
        links += [{"URL": https, "Type": "GET DATA"}, {"URL": s3, "Type": "GET DATA VIA DIRECT ACCESS"}]
    browse = f"{data_url}/BROWSE/OPERA-S1/{entry.id}_BROWSE.png"
    return [*links, {"URL": browse, "Type": "GET RELATED VISUALIZATION"}]


def umm_g_item(entry: Entry, data_url: str) -> dict[str, Any]:
    """Write a granule's record, ``meta`` and ``umm``; `data_url` is scheme and host of the files."""
    attributes = {
        "ASCENDING_DESCENDING": [str(orbit_direction(entry.granule.burst))],
        "POLARIZATION": entry.polarizations,
        "OPERA_BURST_ID": [str(entry.granule.burst).replace("-", "_")],
    }
    files = [
        {
            "Name": layer_file(entry.id, layer.name),
            "SizeInBytes": layer.size,
            "Checksum": {"Value": layer.md5, "Algorithm": "MD5"},
        }
        for layer in entry.granule.layers
    ]
    span = {"RangeDateTime": {"BeginningDateTime": _moment(entry.begin), "EndingDateTime": _moment(entry.end)}}
    umm = {
        "TemporalExtent": {"SingleDateTime": _moment(entry.begin)} if entry.is_static else span,
        "GranuleUR": entry.id,
        "AdditionalAttributes": [{"Name": name, "Values": values} for name, values in attributes.items()],
        "SpatialExtent": {"HorizontalSpatialDomain": {"Geometry": {"GPolygons": _polygons(entry)}}},
        "CollectionReference": {"ShortName": short_name(entry), "Version": "1"},
        "RelatedUrls": _links(entry, data_url),
        "DataGranule": {"ArchiveAndDistributionInformation": files},
    }
    return {"meta": {"concept-id": f"G{entry.number}-{PROVIDER}", "provider-id": PROVIDER}, "umm": umm}
