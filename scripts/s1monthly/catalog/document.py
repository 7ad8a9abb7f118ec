"""STAC documents: links, the extensions that they use, and how they are written and read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from s1monthly.errors import ProductError
from s1monthly.files import write_text

STAC_VERSION = "1.1.0"

EXTENSIONS = {
    prefix: f"https://stac-extensions.github.io/{name}/schema.json"
    for prefix, name in {
        "cube": "datacube/v2.3.0",
        "eo": "eo/v1.1.0",
        "file": "file/v2.1.0",
        "grid": "grid/v1.1.0",
        "mgrs": "mgrs/v1.0.0",
        "proj": "projection/v2.0.0",
        "processing": "processing/v1.2.0",
        "raster": "raster/v2.0.0",
        "renders": "render/v2.0.0",
        "sar": "sar/v1.3.0",
        "sat": "sat/v1.2.0",
        "zarr": "zarr/v1.1.0",
    }.items()
}
"""Prefix, or name of a field without one -> schema.

EO is at 1.1.0: odc-stac (0.5) finds bands by name only in ``eo:bands``, which EO 2.0.0 forbids.
"""

ITEM_TYPE = "application/geo+json"
JSON_TYPE = "application/json"


def link(rel: str, href: str, title: str, media_type: str = JSON_TYPE) -> dict[str, str]:
    """Return a link; `href` is relative to the document."""
    return {"rel": rel, "href": href, "type": media_type, "title": title}


def _prefixes(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield key.split(":")[0] if ":" in key or key == "renders" else ""
            yield from _prefixes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _prefixes(inner)


def declared(document: Mapping[str, Any]) -> list[str]:
    """Return the schemas of exactly those extensions that a document uses."""
    used = set(_prefixes(document))
    return [uri for prefix, uri in EXTENSIONS.items() if prefix in used]


def write_document(path: str | Path, document: Mapping[str, Any], *, only_if_changed: bool = False) -> bool:
    """Write an Item, a Collection or the root catalog atomically, with its keys in the order of the specification.

    Parameters and result are those of `files.write_text`.
    """
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    return write_text(path, text, only_if_changed=only_if_changed)


def item_digest(item: Mapping[str, Any] | None) -> Any:
    """Return the digest of the values that an Item, also one of an older version, describes; None without one."""
    properties = item.get("properties") if item else None
    known = properties if isinstance(properties, Mapping) else {}
    return known.get("s1monthly:digest", known.get("s1:digest"))


def read_document(path: str | Path) -> dict[str, Any]:
    """Read an Item, a Collection or the root catalog.

    Raises
    ------
    ProductError
        If the file is missing or holds no JSON object.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise ValueError("not a JSON object")
    except (OSError, ValueError) as error:
        raise ProductError(f"{path}: cannot be read ({error})", "delete it; the next run makes it again") from error
    return document
