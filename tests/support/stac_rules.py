"""Offline validation of STAC documents against the published schemas, which lie in the folder of shared test data."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, FormatChecker, ValidationError
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("S1MONTHLY_SHARED_DATA", ROOT.parent / "shared" / "data")) / "stac-schemas"
CORE = {
    "Feature": "item-spec/json-schema/item.json",
    "Collection": "collection-spec/json-schema/collection.json",
    "Catalog": "catalog-spec/json-schema/catalog.json",
}
OURS = "s1monthly"
"""Prefix of our own fields, which have no schema."""


def _schema(uri: str) -> dict[str, Any]:
    path = DATA / uri.split("#")[0].removeprefix("https://").removeprefix("http://")
    return json.loads(path.read_text(encoding="utf-8"))


@cache
def _validator(uri: str) -> Draft7Validator:
    registry = Registry(retrieve=lambda found: Resource.from_contents(_schema(found), DRAFT7))
    return Draft7Validator(_schema(uri), registry=registry, format_checker=FormatChecker())


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)


def _declared(uri: str) -> str:
    """Prefix of the fields of an extension, by its address."""
    name = uri.split("/")[3]
    return {"datacube": "cube", "projection": "proj", "render": "renders"}.get(name, name)


def validate(document: dict[str, Any]) -> None:
    """Validate an Item, a Collection or a Catalog.

    Raises
    ------
    jsonschema.ValidationError
        If the schema of the core or of a declared extension is violated.
    AssertionError
        If what is declared is not what is used, or something is wrong that no JSON schema can tell.
    """
    if not DATA.exists():
        message = f"STAC schemas not found in {DATA} (set S1MONTHLY_SHARED_DATA)"
        (pytest.fail if os.environ.get("S1MONTHLY_REQUIRE_DATA") else pytest.skip)(message)
    extensions = document.get("stac_extensions", [])
    for uri in (f"https://schemas.stacspec.org/v1.1.0/{CORE[document['type']]}", *extensions):
        _validator(uri).validate(document)
    used = {key.split(":")[0] for key in _keys(document) if re.match("[a-z0-9]+:", key) or key == "renders"} - {OURS}
    declared = [_declared(uri) for uri in extensions]
    assert sorted(declared) == sorted(used), f"declared {declared}, used {sorted(used)}"
    for link in document["links"]:
        assert link.get("title") and link.get("type"), f"a link without title or type: {link}"
    assert {link["rel"] for link in document["links"]} >= {"root"} | (
        set() if document["type"] == "Catalog" else {"parent"}
    )
    for band in (band for asset in document.get("assets", {}).values() for band in asset.get("bands", ())):
        assert not isinstance(band.get("nodata"), str), "a text as nodata, which rustac and STAC Browser refuse"
    for summary in document.get("summaries", {}).values():
        assert isinstance(summary, list) and summary, "a summary that is no array"
    if document["type"] == "Feature":
        _validate_item(document)


def _validate_item(document: dict[str, Any]) -> None:
    assert document.get("collection"), "an Item without collection"
    properties = document["properties"]
    if "cube:dimensions" in properties:
        names = set(properties["cube:dimensions"])
        variables = properties["cube:variables"].values()
        assert not names & set(properties["cube:variables"]), "a name is both a dimension and a variable"
        assert all(set(variable["dimensions"]) <= names and variable["type"] for variable in variables)
    for asset in document["assets"].values():
        checksum = asset.get("file:checksum", "1220" + "0" * 64)
        assert re.fullmatch("1220[0-9a-f]{64}", checksum), "no multihash of SHA-256"
    west, south, east, north = document["bbox"]
    assert -180 <= west <= 180 and -180 <= east <= 180 and -90 <= south < north <= 90


FAILURES = (ValidationError, AssertionError, KeyError)
"""What `validate` raises for a faulty document."""
