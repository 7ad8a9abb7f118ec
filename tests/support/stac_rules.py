"""Offline validation of STAC documents: the core's own schemas, and the rules of each extension.

Core 1.1.0 is checked by pystac with the JSON schemas in its package. Extension schemas are in no wheel (of some the
source archives of pystac-ext-* hold recorded answers); what their published specifications demand is written down here
as schemas of our own, under the same addresses. They are stricter: a field of an extension's prefix must be one that we
write, variables of a cube need their type, a checksum must be a multihash of SHA-256, and what is declared must be
just what is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pystac.stac_object import STACObjectType
from pystac.validation import JsonSchemaSTACValidator, validate_dict

NUMBER, STRING, INTEGER = {"type": "number"}, {"type": "string", "minLength": 1}, {"type": "integer"}
POSITIVE = {"type": "number", "exclusiveMinimum": 0}
NOT_NEGATIVE = {"type": "integer", "minimum": 0}
MOMENT = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}
DATA_TYPES = {"enum": ["uint8", "float32"]}
NODATA = {"anyOf": [NUMBER, {"const": "nan"}]}
POLARIZATIONS = {"enum": ["HH", "HV", "VV", "VH"]}


def numbers(length: int) -> dict[str, Any]:
    return {"type": "array", "items": NUMBER, "minItems": length, "maxItems": length}


DIMENSION = {
    "type": "object",
    "required": ["type"],
    "oneOf": [
        {
            "properties": {
                "type": {"const": "spatial"},
                "axis": {"enum": ["x", "y"]},
                "extent": numbers(2),
                "step": NUMBER,
                "unit": STRING,
                "reference_system": INTEGER,
                "description": STRING,
            },
            "required": ["type", "axis", "extent"],
            "additionalProperties": False,
        },
        {
            "properties": {
                "type": {"const": "temporal"},
                "extent": {"type": "array", "minItems": 2, "maxItems": 2, "items": MOMENT},
                "values": {"type": "array", "minItems": 1, "items": MOMENT},
                "step": {"type": "string", "pattern": "^P"},
            },
            "required": ["type", "extent"],
            "additionalProperties": False,
        },
    ],
}
VARIABLE = {
    "type": "object",
    "required": ["dimensions", "type"],
    "properties": {
        "dimensions": {"type": "array", "items": STRING},
        "type": {"enum": ["data", "auxiliary"]},
        "description": STRING,
        "unit": STRING,
        "nodata": NODATA,
        "data_type": DATA_TYPES,
    },
    "additionalProperties": False,
}

FIELDS: dict[str, dict[str, Any]] = {
    "cube": {
        "cube:dimensions": {"type": "object", "additionalProperties": DIMENSION},
        "cube:variables": {"type": "object", "additionalProperties": VARIABLE},
    },
    "eo": {
        "eo:bands": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "minProperties": 1,
                "properties": {"name": STRING, "description": STRING},
                "additionalProperties": False,
            },
        }
    },
    "file": {
        "file:size": NOT_NEGATIVE,
        "file:checksum": {"type": "string", "pattern": "^1220[0-9a-f]{64}$"},  # multihash of a SHA-256
    },
    "grid": {"grid:code": {"type": "string", "pattern": "^[A-Z0-9]+-[-_.A-Za-z0-9]+$"}},
    "proj": {
        "proj:code": {"type": "string", "pattern": "^[A-Z]+:[A-Za-z0-9]+$"},
        "proj:bbox": numbers(4),
        "proj:shape": {"type": "array", "minItems": 2, "maxItems": 2, "items": INTEGER},
        "proj:transform": numbers(6),
    },
    "processing": {
        "processing:level": STRING,
        "processing:lineage": STRING,
        "processing:software": {"type": "object", "additionalProperties": STRING},
    },
    "raster": {
        "raster:sampling": {"enum": ["area", "point"]},
        "raster:spatial_resolution": POSITIVE,
    },
    "sar": {
        "sar:instrument_mode": STRING,
        "sar:frequency_band": {"enum": ["P", "L", "S", "C", "X", "Ku", "K", "Ka"]},
        "sar:center_frequency": POSITIVE,
        "sar:polarizations": {"type": "array", "minItems": 1, "uniqueItems": True, "items": POLARIZATIONS},
        "sar:product_type": STRING,
        "sar:observation_direction": {"enum": ["left", "right"]},
    },
    "sat": {
        "sat:orbit_state": {"enum": ["ascending", "descending", "geostationary"]},
        "sat:relative_orbit": {"type": "integer", "minimum": 1},
        "sat:platform_international_designator": {"type": "string", "pattern": r"^\d{4}-\d{3}[A-Z]+$"},
    },
}

REQUIRED = {
    "cube": ["cube:dimensions"],
    "grid": ["grid:code"],
    "sar": ["sar:instrument_mode", "sar:frequency_band", "sar:polarizations", "sar:product_type"],
    "sat": ["sat:orbit_state"],
}
"""Fields that an Item's properties must have."""

ADDRESSES = {
    "cube": "datacube/v2.3.0",
    "eo": "eo/v1.1.0",
    "file": "file/v2.1.0",
    "grid": "grid/v1.1.0",
    "proj": "projection/v2.0.0",
    "processing": "processing/v1.1.0",
    "raster": "raster/v2.0.0",
    "sar": "sar/v1.0.0",
    "sat": "sat/v1.0.0",
}


def extension(prefix: str) -> dict[str, Any]:
    """Schema of an extension for Items and Collections."""
    address = f"https://stac-extensions.github.io/{ADDRESSES[prefix]}/schema.json"
    fields = {
        "type": "object",
        "properties": FIELDS[prefix],
        "patternProperties": {f"^(?!{prefix}:)": {}},
        "additionalProperties": False,
    }
    asset = {"allOf": [fields, {"properties": {"bands": {"type": "array", "items": fields}}}]}
    assets = {"type": "object", "additionalProperties": asset}
    types = ["Feature"] if prefix == "grid" else ["Feature", "Collection"]
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": address,
        "type": "object",
        "required": ["type", "stac_extensions"],
        "properties": {
            "type": {"enum": types},
            "stac_extensions": {"contains": {"const": address}},
            "assets": assets,
            "item_assets": assets,
            "providers": {"items": fields},
        },
        "if": {"properties": {"type": {"const": "Feature"}}},
        "then": {"properties": {"properties": {"allOf": [fields, {"required": REQUIRED.get(prefix, [])}]}}},
        "else": fields,
    }


SCHEMAS = {extension(prefix)["$id"]: extension(prefix) for prefix in FIELDS}


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)


def validate(document: dict[str, Any]) -> None:
    """Validate an Item or Collection.

    Raises
    ------
    pystac.STACValidationError
        If the core or a declared extension is violated.
    AssertionError
        If what is declared is not what is used, or something contradicts itself that no JSON schema can tell.
    """
    validator = JsonSchemaSTACValidator()
    validator.schema_cache.update(SCHEMAS)
    kind = {"Feature": STACObjectType.ITEM, "Collection": STACObjectType.COLLECTION}[document["type"]]
    checked = validate_dict(
        document, kind, document["stac_version"], document.get("stac_extensions", []), validator=validator
    )
    assert len(checked) == 1 + len(document["stac_extensions"]), "not every schema was applied"
    used = {key.split(":")[0] for key in _keys(document) if re.match("[a-z0-9]+:", key)} - {"s1", "mgrs"}
    declared = {prefix for prefix, name in ADDRESSES.items() if any(name in uri for uri in document["stac_extensions"])}
    assert declared == used, f"declared {sorted(declared)}, used {sorted(used)}"
    if kind == STACObjectType.COLLECTION:
        for name, summary in document["summaries"].items():
            assert isinstance(summary, list) and summary, f"summary {name} is no array"
        return
    assert document.get("collection"), "an Item without collection"
    properties = document["properties"]
    if "cube:dimensions" in properties:
        names = set(properties["cube:dimensions"])
        assert not names & set(properties["cube:variables"]), "a name is both a dimension and a variable"
        assert all(set(variable["dimensions"]) <= names for variable in properties["cube:variables"].values())
    west, south, east, north = document["bbox"]
    assert -180 <= west <= 180 and -180 <= east <= 180 and -90 <= south < north <= 90
