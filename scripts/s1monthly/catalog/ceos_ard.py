"""A month against every requirement of CEOS-ARD Composite Backscatter (CB) 1.1.0: met, partly, not met; and the values.

It is a self-assessment, no certification. The level says whether the specification asks for it (threshold) or wishes it
(goal).

CEOS-ARD Product Family Specification, Synthetic Aperture Radar, Composite Backscatter, version 1.1.0 (2026-07-20):
https://github.com/ceos-org/ceos-ard, pfs/CB.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from s1monthly.catalog.lineage import lineage
from s1monthly.kernels.options import COMPOSITE_DOI, DESPECKLE_DOI, RADIOMETRY
from s1monthly.records.month import Record
from s1monthly.records.recipe import GRD
from s1monthly.records.source_facts import values_of

MET, PARTLY, NOT_MET = "met", "partly", "not met"

PFS = "https://github.com/ceos-org/ceos-ard/blob/main/pfs/CB/document.yaml"
TAGS_GONE = "the granules' files have lost OPERA's tags"
RECORD, TAGS, SPEC = "record of the month", "tags of OPERA's GeoTIFFs, in the record of the month", "this document"
ANNOTATION = "annotation of the GRD products and options of their correction, in the record of the month"

Entry = dict[str, Any]


def ceos_ard(record: Record, products: Collection[str]) -> dict[str, Any]:
    """Return the assessment of a month as plain JSON.

    Parameters
    ----------
    record : Record
        Record of the month.
    products : collection of str
        Products of the month that its Item names, as `Layout.product`: ``power`` and ``quality`` decide about linear
        power and the mask.
    """
    entries = [
        *_general(record),
        *_source(record),
        *_product(record),
        *_per_pixel(products),
        *_measurements(record, products),
        *_geometry(record),
    ]
    return {
        "title": f"Assessment by CEOS-ARD CB 1.1.0: {record.key.tile} {record.key.direction} {record.key.month}",
        "statement": "Made by the software that made the data. No certification by CEOS.",
        "product_type": "Composite Backscatter (CB)",
        "specification": PFS,
        "specification_version": "1.1.0",
        "digest": record.digest,
        "summary": dict(sorted(Counter(entry["status"] for entry in entries).items())),
        "acquisitions": acquisitions(record),
        "requirements": entries,
    }


def acquisitions(record: Record) -> list[dict[str, Any]] | None:
    """Return the granules, numbered from 1 in the order of acquisition; None if they are unknown."""
    if record.granules is None:
        return None
    ordered = sorted(record.granules, key=lambda granule: (granule.acquired, granule.id))
    own = (record.source or {}).get("granules", {})
    return [
        {
            "number": number,
            "granule": granule.id,
            "acquired": granule.acquired.isoformat().replace("+00:00", "Z"),
            "platform": granule.platform,
            "beam": granule.beam,
            **({"source": own[granule.id]} if granule.id in own else {}),
        }
        for number, granule in enumerate(ordered, 1)
    ]


def _entry(
    name: str, title: str, status: str, value: Any = None, where: str = RECORD, note: str = "", level: str = "threshold"
) -> Entry:
    known = {"value": value, "from": where} if value not in (None, {}, [], "") else {}
    entry = {"id": name, "title": title, "level": level, "status": status, **known}
    return {**entry, **({"note": note} if note else {})}


def _wish(name: str, title: str, note: str = "") -> Entry:
    """Return a goal that is not met."""
    return _entry(name, title, NOT_MET, note=note, level="goal")


def _of_tags(
    record: Record,
    name: str,
    title: str,
    facts: Sequence[str],
    known: Mapping[str, Any] | None = None,
    lacking: Sequence[str] = (),
    level: str = "threshold",
) -> Entry:
    """Return a requirement that asks for facts of the source's files, and others that are known or never there.

    Parameters
    ----------
    facts : sequence of str
        Names of `source_facts.TAGS`.
    known : mapping, optional
        What is known without tags.
    lacking : sequence of str
        What neither the tags nor the record tell.
    """
    found = {fact: values_of(record.source, fact) for fact in facts}
    values = {fact: several[0] if len(several) == 1 else several for fact, several in found.items() if several}
    missing = [*(fact for fact in facts if fact not in values), *lacking]
    whole = {**(known or {}), **values}
    status = MET if not missing else PARTLY if whole else NOT_MET
    gone = f" ({TAGS_GONE})" if not record.source else ""
    note = f"not known: {', '.join(missing)}{gone}" if missing else ""
    return _entry(
        name, title, status, whole, (ANNOTATION if record.data == GRD else TAGS) if values else RECORD, note, level
    )


def _general(record: Record) -> list[Entry]:
    first, last = record.acquired
    times = None
    if record.granules is not None and first is not None and last is not None:
        times = {"number": len(record.granules), "first_and_last": [first.isoformat(), last.isoformat()]}
    return [
        _wish("traceability-sar", "Traceability"),
        _entry("machine-readability-sar", "Metadata machine readability", MET, "STAC 1.1, JSON, tags of COGs", "Item"),
        _entry("product-type", "Product type", MET, "Composite Backscatter (CB)", SPEC),
        _entry("pfs-url", "Document identifier", MET, PFS, SPEC),
        _entry("time-sar", "Data collection time", MET if times else NOT_MET, times, note=_unknown(record)),
    ]


def _unknown(record: Record) -> str:
    return "the granules are unknown: the record was rebuilt from the cube" if record.granules is None else ""


def _source(record: Record) -> list[Entry]:
    unknown = _unknown(record)
    if_known = NOT_MET if unknown else MET
    listed = None if unknown else "numbered, under acquisitions"
    instrument = None if unknown else {"instrument": "C-SAR", "platforms": record.platforms}
    radar = {
        "band": "C",
        "centre_frequency_GHz": 5.405,
        "mode": "IW",
        "polarizations": list(record.polarization.layers),
        "look": "right",
        **({} if unknown else {"beams": "under acquisitions"}),
    }
    processing = ("source_facility", "source_processed", "source_software", "source_level", "slc")
    image = (*(f"{axis}_{what}" for axis, what in (("azimuth", "spacing_s"), ("range", "spacing_m"))),
             "azimuth_resolution_m", "range_resolution_m", "near_angle", "far_angle")  # fmt: skip
    geometry = {"geometry": "ground range" if record.data == GRD else "slant range"}
    return [
        _entry("acquisition-id", "Acquisition ID", if_known, listed, SPEC, unknown),
        _of_tags(record, "data-access-source", "Source data access", ("source_access",)),
        _entry("instrument-sar", "Instrument", if_known, instrument, note=unknown),
        _entry("time-source", "Source data acquisition time", if_known, listed, SPEC, unknown),
        _entry(
            "acquisition-parameters-sar",
            "Source data acquisition parameters",
            PARTLY if unknown else MET,
            radar,
            note=unknown,
        ),
        _of_tags(record, "orbit", "Source data orbit", ("orbit_files",), {"pass": str(record.key.direction)}),
        _of_tags(
            record,
            "processing-parameters",
            "Source data processing parameters",
            processing,
            lacking=("azimuth and range number of looks",),
        ),
        _of_tags(record, "image-attributes-sar", "Source data image attributes", image, geometry),
        _of_tags(record, "performance-indicators", "Performance indicators", ("nesz_db",)),
        _wish("polarimetric-calibration-matrices", "Polarimetric calibration matrices"),
        _wish("ionosphere-indicator", "Ionosphere indicator"),
    ]


def _product(record: Record) -> list[Entry]:
    grid, software = record.grid, record.software
    return [
        _entry(
            "data-access-product",
            "Product data access",
            NOT_MET if software is None else PARTLY,
            None if software is None else {"software": dict(sorted(software.items()))},
            note="not known: processing facility and date, address of the product",
        ),
        _of_tags(record, "auxiliary-data-sar", "Auxiliary data", ("dem", "orbit_files"), level="goal"),
        _entry(
            "sample-spacing",
            "Sample spacing",
            MET,
            {"columns": grid.resolution, "rows": grid.resolution, "units_of": grid.crs},
        ),
        _wish("enl", "Equivalent number of looks"),
        _wish("resolution", "Product resolution"),
        _filtering(record),
        _entry("geo-bbox", "Bounding box", MET, {"bounds": list(grid.bounds), "crs": grid.crs}),
        _entry("geo-area-sar", "Geographical extent", MET, record.footprint or "none: no pixel has a value"),
        _entry("image-size", "Image size", MET, {"lines": grid.height, "pixels": grid.width}),
        _entry("pixel-coordinate-convention", "Pixel coordinate convention", MET, "upper left corner", "COG"),
        _entry("crs-sar", "Coordinate reference system", MET, grid.crs),
        _compositing(record),
    ]


def _filtering(record: Record) -> Entry:
    despeckle = record.recipe.get("despeckle")
    if not despeckle:
        return _entry("filtering-speckle", "Product filtering", MET, {"applied": False})
    doi = DESPECKLE_DOI.get(despeckle["method"], "")
    value = {"applied": True, **despeckle, **({"doi": doi} if doi else {})}
    note = "" if doi else "the method has no paper of its own"
    return _entry("filtering-speckle", "Product filtering", MET if doi else PARTLY, value, note=note)


def _compositing(record: Record) -> Entry:
    composite = record.recipe["composite"]
    doi = COMPOSITE_DOI.get(composite["method"], "")
    value = {"parameters": composite, "lineage": lineage(record), **({"doi": doi} if doi else {})}
    note = "" if doi else "the method is a statistic of the passes, and has no paper of its own"
    return _entry("processing-cb", "CB processing", MET if doi else PARTLY, value, note=note)


def _per_pixel(products: Collection[str]) -> list[Entry]:
    count = "array count of the cube (Zarr): uint8, number of passes with a value in both polarizations"
    mask: dict[str, str] = {"no data": "NaN in every band", "valid": "count above 0, in the cube"}
    classes = {"file": "COG quality, band mask: uint8; no data, valid, shadow, layover, beyond the polygon, too weak"}
    masked = "quality" in products
    return [
        _entry("machine-readability-sar", "Metadata machine readability", MET, "Zarr 3, tags of COGs", "Item"),
        _entry("data-mask", "Data mask image", MET, classes, "Item")
        if masked
        else _entry("data-mask", "Data mask image", PARTLY, mask, "cube", "no classes (output.formats.quality)"),
        _wish("noise-power", "Noise power image"),
        _wish("acquisition-id-composite", "Acquisition ID image"),
        _wish("dem", "Per-pixel DEM"),
        _entry(
            "contributing-observations",
            "Contributing observations image",
            PARTLY,
            count,
            "cube",
            "one image for both polarizations",
            "goal",
        ),
        _wish("composite-quality-map", "Composite quality map"),
    ]


def _measurements(record: Record, products: Collection[str]) -> list[Entry]:
    quantity, linear = record.recipe.get("radiometry", RADIOMETRY), "power" in products
    value = {
        "quantity": quantity,
        "expression": ["linear power", "decibels"] if linear else "decibels",
        "polarizations": list(record.polarization.layers),
        "format": "COG (asset power); COG and Zarr in dB" if linear else "COG and Zarr in dB",
        "type": "float32, 32 bits, little-endian",
    }
    notes = [] if linear else ["the specification asks for linear power (output.formats.power)"]
    notes += ["the quantity is not gamma0 of the terrain"] if quantity != RADIOMETRY else []
    status = NOT_MET if quantity != RADIOMETRY else MET if linear else PARTLY
    rtc = ("rtc_algorithm", "rtc_reference")
    return [
        _entry("backscatter-cb", "Backscatter measurements (CB)", status, value, note="; ".join(notes)),
        _entry("scaling-conversion", "Scaling conversion", MET, "dB = 10 log10(power); power = 10^(dB / 10)", SPEC),
        _of_tags(record, "noise-removal", "Noise removal", ("noise_removed", "noise_reference")),
        _of_tags(record, "radiometric-terrain-algorithm-applied", "Radiometric terrain correction algorithm", rtc),
        _wish("radiometric-accuracy-sar", "Radiometric accuracy"),
    ]


def _geometry(record: Record) -> list[Entry]:
    accuracy = tuple(f"accuracy_{what}_{axis}_m" for what in ("bias", "std") for axis in "xy")
    algorithm, origin = ("geocoding_algorithm", "geocoding_reference"), [record.grid.left, record.grid.top]
    return [
        _of_tags(record, "geometric-correction-algorithm", "Geometric correction algorithm", algorithm, level="goal"),
        _of_tags(record, "dem", "Digital elevation model", ("dem", "geoid")),
        _of_tags(record, "geometric-accuracy-sar", "Geometric accuracy", accuracy),
        _wish("geometric-refined-accuracy", "Geometric refined accuracy"),
        _entry("gridding-convention", "Gridding convention", MET, {"origin": origin, "tile": str(record.key.tile)}),
    ]
