"""Published STAC documents and tables: with absolute links where asked, and only of months that are published."""

from __future__ import annotations

import json
import posixpath
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from s1monthly.catalog.document import ITEM_TYPE, JSON_TYPE, link, read_document
from s1monthly.catalog.items_table import map_hrefs

T = TypeVar("T")

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def absolute(document: Mapping[str, Any], path: str, base_url: str) -> dict[str, Any]:
    """Return a STAC document with absolute links, and one to itself.

    Parameters
    ----------
    document : mapping
        Catalog, Collection or Item.
    path : str
        Its path in the output tree.
    base_url : str
        Address of the published tree.

    Examples
    --------
    >>> item = {"type": "Feature", "links": [], "assets": {"cog": {"href": "cog/a.tif"}}}
    >>> absolute(item, "10SGD_ASCENDING/a.json", "https://data.org")["assets"]
    {'cog': {'href': 'https://data.org/10SGD_ASCENDING/cog/a.tif'}}
    """

    def moved(one: Mapping[str, Any]) -> dict[str, Any]:
        return {**one, "href": address(one["href"], posixpath.dirname(path), base_url)}

    kind = ITEM_TYPE if document["type"] == "Feature" else JSON_TYPE
    title = document.get("title") or document.get("properties", {}).get("title") or document.get("id", "")
    own = link("self", f"{base_url}/{path}", title, kind)
    links = [own, *(moved(one) for one in document["links"] if one["rel"] != "self")]
    assets = {name: moved(asset) for name, asset in document.get("assets", {}).items()}
    return {**document, "links": links} | ({"assets": assets} if "assets" in document else {})


def address(href: str, folder: str, base_url: str) -> str:
    """Return the address of what a document in a folder of the output tree links to; absolute ones stay."""
    if _ABSOLUTE.match(href):
        return href
    return f"{base_url}/{posixpath.normpath(posixpath.join(folder, href))}"


def document_text(document: Mapping[str, Any]) -> bytes:
    """Return a STAC document as it is written."""
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()


def absolute_file(file: str, path: str, base_url: str) -> bytes:
    """Return the local STAC document `file` with absolute links, for `path` in the published tree."""
    return document_text(absolute(read_document(file), path, base_url))


def absolute_items(table: pa.Table, base_url: str) -> pa.Table:
    """Return a table of Items, with paths relative to the root of the tree, with absolute links and assets."""

    def moved(hrefs: pa.Array) -> pa.Array:
        texts = [None if href is None else address(href, "", base_url) for href in hrefs.to_pylist()]
        return pa.array(texts, pa.string())

    return map_hrefs(table, moved, moved)


def in_file(content: bytes, read: Callable[[Path], T]) -> T:
    """Return what a function reads from a file with some content."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "read")
        path.write_bytes(content)
        return read(path)


def written(write: Callable[[Path], object], suffix: str) -> bytes:
    """Return the bytes that a function writes to a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"made{suffix}")
        write(path)
        return path.read_bytes()
