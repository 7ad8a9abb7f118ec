"""A granule's record in the form in which CMR answers it (UMM-G 1.6.5)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import shapely
from shapely.affinity import translate
from shapely.geometry import MultiPolygon, Polygon

from s1monthly.grid.lattice import orbit_direction
from standin.archive import Entry

BUCKET = "asf-cumulus-prod-opera-products"
BROWSE_BUCKET = "asf-cumulus-prod-opera-browse"
PREFIX = "OPERA_L2_RTC-S1"
COLLECTION = "C2777436413-ASF"
SHORT_NAME = "OPERA_L2_RTC-S1_V1"
PROVIDER = "ASF"
FORMATS = {"tif": "GeoTIFF", "h5": "HDF5", "xml": "XML", "png": "PNG", "md5": "Text File"}


def _orbit(entry: Entry) -> int:
    """An orbit of Sentinel-1A on the granule's track."""
    return 50_822 + entry.granule.burst.track


def moment(when: datetime) -> str:
    """A time as records have it."""
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def inserted(entry: Entry) -> datetime:
    """When the granule came into CMR."""
    return entry.granule.processed + timedelta(minutes=45)


def attributes(entry: Entry) -> dict[str, list[str]]:
    """Additional attributes of a granule, by name in order."""
    granule = entry.granule
    pair = "DH" if "HH" in entry.polarizations else "DV"
    return {
        "ASCENDING_DESCENDING": [str(orbit_direction(granule.burst))],
        "BEAM_MODE": ["IW"],
        "BISTATIC_DELAY_CORRECTION": ["TRUE"],
        "GROUP_ID": [f"{granule.platform}_IW{pair}_0372_0379_{_orbit(entry):06d}_{granule.burst.track:03d}"],
        "LOOK_DIRECTION": ["RIGHT"],
        "NOISE_CORRECTION": ["TRUE"],
        "OPERA_BURST_ID": [str(granule.burst).replace("-", "_")],
        "PATH_NUMBER": [str(granule.burst.track)],
        "POLARIZATION": entry.polarizations,
        "POST_PROCESSING_FILTER": ["FALSE"],
        "PROCESSING_TYPE": ["RTC"],
        "PRODUCT_VERSION": [granule.version],
        "RADIOMETRIC_TERRAIN_CORRECTION": ["TRUE"],
        "STATIC_TROPO_CORRECTION": ["TRUE"],
        "SUBSWATH_NAME": [granule.burst.subswath],
        "WET_TROPO_CORRECTION": ["FALSE"],
    }


def platform(entry: Entry) -> str:
    """Name of the satellite: Sentinel-1A for S1A."""
    return f"Sentinel-{entry.granule.platform[1:]}"


def _polygons(entry: Entry) -> list[dict[str, Any]]:
    """Boundaries of the footprint, counter-clockwise and closed."""
    parts = list(entry.footprint.geoms) if isinstance(entry.footprint, MultiPolygon) else [entry.footprint]
    if entry.jump:
        whole = shapely.union_all([translate(part, 360.0) if part.centroid.x < 0 else part for part in parts])
        if not isinstance(whole, Polygon):
            raise ValueError(f"{entry.id}: the parts of the footprint do not meet at the antimeridian")
        parts = [whole]
    rings = [shapely.get_coordinates(shapely.orient_polygons(part).exterior) for part in parts]
    return [
        {"Boundary": {"Points": [{"Latitude": float(y), "Longitude": float(_wrapped(x))} for x, y in ring]}}
        for ring in rings
    ]


def _wrapped(longitude: float) -> float:
    return longitude - 360 if longitude > 180 else longitude


def _urls(entry: Entry, data_url: str, credentials_url: str) -> list[dict[str, str]]:
    """Links to every file, over HTTPS and in the bucket."""
    name = entry.id
    layers = [file.name for file in entry.files if file.name.endswith(".tif")]
    pictures = [f"{name}_BROWSE{size}.png" for size in ("", "_low-res", "_thumbnail")]
    metadata = [f"{name}.iso.xml", *(f"{of}.md5" for of in (f"{name}.h5", f"{name}.iso.xml", *layers, *pictures))]
    links: list[dict[str, str]] = []
    for kind, files in (
        ("GET RELATED VISUALIZATION", pictures),
        ("GET DATA", [*layers, f"{name}.h5"]),
        ("EXTENDED METADATA", metadata),
    ):
        for file in files:
            browse = "_BROWSE" in file
            direct = "GET DATA VIA DIRECT ACCESS" if kind == "GET DATA" else kind
            https = f"{data_url}/{'BROWSE' if browse else 'RTC'}/OPERA-S1/{file}"
            s3 = f"s3://{BROWSE_BUCKET if browse else BUCKET}/{PREFIX}/{name}/{file}"
            for url, type_, told in (
                (https, kind, f"Download {file}"),
                (s3, direct, f"This link provides direct download access via S3 to {file}"),
            ):
                links.append({"URL": url, "Type": type_, "Description": told, "Format": _format(file)})
    about = {"Type": "VIEW RELATED INFORMATION", "Description": "S3 Credentials Endpoint"}
    return [*links, {"URL": credentials_url, **about}]


def _format(file: str) -> str:
    return FORMATS[file.rsplit(".", 1)[-1]]


def umm_g_item(entry: Entry, data_url: str, credentials_url: str) -> dict[str, Any]:
    """Write a granule's record.

    Parameters
    ----------
    entry : Entry
    data_url : str
        Scheme and host of the files, such as ``https://datapool.asf.alaska.edu``.
    credentials_url : str
        Where keys to the bucket are handed out.

    Returns
    -------
    dict
        ``meta`` and ``umm``.
    """
    granule = entry.granule
    scene = "1SDH" if "HH" in entry.polarizations else "1SDV"
    start, stop = (f"{t:%Y%m%dT%H%M%S}" for t in (entry.begin, entry.end))
    listed = [
        {
            "Name": file.name,
            "SizeInBytes": file.size,
            "Format": _format(file.name),
            "Checksum": {"Value": file.md5, "Algorithm": "MD5"},
        }
        for file in entry.files
    ]
    software = {"ISCE3Version": "0.15.0", "S1ReaderVersion": "0.2.2", "SASVersionId": "1.0.1"}
    others = [{"Identifier": v, "IdentifierType": "Other", "IdentifierName": n} for n, v in software.items()]
    umm = {
        "TemporalExtent": {
            "RangeDateTime": {"BeginningDateTime": moment(entry.begin), "EndingDateTime": moment(entry.end)}
        },
        "OrbitCalculatedSpatialDomains": [{"OrbitNumber": _orbit(entry)}],
        "GranuleUR": entry.id,
        "AdditionalAttributes": [{"Name": name, "Values": values} for name, values in attributes(entry).items()],
        "SpatialExtent": {"HorizontalSpatialDomain": {"Geometry": {"GPolygons": _polygons(entry)}}},
        "ProviderDates": [{"Type": kind, "Date": moment(inserted(entry))} for kind in ("Insert", "Update")],
        "CollectionReference": {"ShortName": SHORT_NAME, "Version": "1"},
        "PGEVersionClass": {"PGEName": "RTC_S1_PGE", "PGEVersion": "2.1.0"},
        "RelatedUrls": _urls(entry, data_url, credentials_url),
        "InputGranules": [f"{granule.platform}_IW_SLC__{scene}_{start}_{stop}_{_orbit(entry):06d}_063699_8552"],
        "Projects": [{"ShortName": "SNWG/OPERA"}],
        "DataGranule": {
            "ArchiveAndDistributionInformation": listed,
            "DayNightFlag": "Unspecified",
            "Identifiers": [{"Identifier": entry.id, "IdentifierType": "ProducerGranuleId"}, *others],
            "ProductionDateTime": moment(granule.processed),
        },
        "Platforms": [
            {
                "ShortName": platform(entry),
                "Instruments": [
                    {
                        "ShortName": "C-SAR",
                        "Characteristics": [{"Name": "LookDirection", "Value": "RIGHT"}],
                        "OperationalModes": ["IW"],
                    }
                ],
            }
        ],
        "MetadataSpecification": {
            "Name": "UMM-G",
            "URL": "https://cdn.earthdata.nasa.gov/umm/granule/v1.6.5",
            "Version": "1.6.5",
        },
    }
    meta = {
        "concept-type": "granule",
        "concept-id": f"G{entry.number}-{PROVIDER}",
        "revision-id": 1,
        "native-id": entry.id,
        "collection-concept-id": COLLECTION,
        "provider-id": PROVIDER,
        "format": "application/vnd.nasa.cmr.umm+json",
        "revision-date": f"{inserted(entry):%Y-%m-%dT%H:%M:%S}.576Z",
    }
    return {"meta": meta, "umm": umm}
