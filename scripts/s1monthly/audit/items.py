"""Compare a month's STAC Item, and other documents, with what they should say."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from s1monthly.audit.tree_files import TileFolder
from s1monthly.catalog import item as stac
from s1monthly.catalog.assets import asset_file, preview_file
from s1monthly.catalog.ceos_ard import ceos_ard
from s1monthly.catalog.document import read_document
from s1monthly.catalog.static_item import with_static_layers
from s1monthly.errors import ProductError
from s1monthly.layout import is_cog, is_derived
from s1monthly.records.month import Record

TOLERANCE = 2e-6
"""Tolerance in degrees for outlines computed by another version of PROJ: twice the rounding."""

Item = Mapping[str, Any] | None


def read_item(path: Path) -> dict[str, Any] | None:
    """Read an Item; return None if it is missing or cannot be read."""
    try:
        return read_document(path)
    except ProductError:
        return None


def products(kinds: Iterable[str]) -> list[str]:
    """Return the products that the configuration can switch off, in order: COGs, preview, assessment, further COGs."""
    there = set(kinds)
    return [
        *sorted(filter(is_cog, there)),
        *({"preview"} & there),
        *({"ceos_ard"} & there),
        *sorted(filter(is_derived, there)),
    ]


def named_products(item: Item, default: Iterable[str]) -> set[str]:
    """Return the `products` that an Item names; without an Item that tells, those in `default`."""
    assets = item.get("assets") if item else None
    return set(products(assets if isinstance(assets, Mapping) else default))


def assessment_fault(path: Path, record: Record, named: Iterable[str]) -> str | None:
    """Return what is wrong with a month's assessment by CEOS-ARD; None if it is what record and products give."""
    found = read_item(path)
    if found is None:
        return "cannot be read as JSON"
    wrong = next(differences(found, ceos_ard(record, set(named))), None)
    return f"not what the record says: {wrong}" if wrong else None


def expected_item(
    folder: TileFolder, record: Record, kinds: Iterable[str], found: Item, checksums: bool
) -> dict[str, Any]:
    """Build the Item that a month should have.

    Parameters
    ----------
    kinds : iterable of str
        Products that the Item names.
    found : mapping or None
        The existing Item.
    checksums : bool
        False to take the COG's checksum from `found` instead of reading the COG.

    Raises
    ------
    ProductError
        If a product is missing, or the preview is not a picture of the month's grid.
    """
    month = record.key.month
    files = {"zarr": asset_file(folder.cube, folder.path)}
    files["record"] = asset_file(folder.place("record", month), folder.path)
    for kind in (kind for kind in products(kinds) if kind != "preview"):
        stated = re.fullmatch("1220([0-9a-f]{64})", str(_asset(found, kind).get("file:checksum")))
        known = stated[1] if stated and not checksums else None
        files[kind] = asset_file(folder.place(kind, month), folder.path, known)
    if "preview" in kinds:
        files["preview"] = preview_file(folder.place("preview", month), folder.path, record.grid)
    return with_static_layers(stac.item(record, files), folder.layout.of(folder.owner))


def _asset(item: Item, kind: str) -> Mapping[str, Any]:
    """Return an asset of an Item; empty if it does not have it."""
    assets = item.get("assets") if item else None
    asset = assets.get(kind) if isinstance(assets, Mapping) else None
    return asset if isinstance(asset, Mapping) else {}


def differences(found: Any, expected: Any, place: str = "") -> Iterator[str]:
    """Yield a line for each wrong value of a document: ``place: found, not expected``."""
    if isinstance(found, Mapping) and isinstance(expected, Mapping):
        for key in [*expected, *(key for key in found if key not in expected)]:
            inner = f"{place}.{key}" if place else str(key)
            if key not in found:
                yield f"{inner}: missing"
            elif key not in expected:
                yield f"{inner}: does not belong there"
            else:
                yield from differences(found[key], expected[key], inner)
    elif isinstance(found, list) and isinstance(expected, list):
        if len(found) != len(expected):
            yield f"{place}: {len(found)} entries, not {len(expected)}"
            return
        for index, (one, other) in enumerate(zip(found, expected, strict=True)):
            yield from differences(one, other, f"{place}[{index}]")
    elif not _same(found, expected):
        yield f"{place}: {_short(found)}, not {_short(expected)}"


def _same(found: Any, expected: Any) -> bool:
    if isinstance(found, float | int) and isinstance(expected, float) and not isinstance(found, bool):
        return math.isclose(found, expected, rel_tol=1e-9, abs_tol=TOLERANCE)
    return bool(type(found) is type(expected) and found == expected)


def _short(value: Any, most: int = 40) -> str:
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def other_file(item: Mapping[str, Any], expected: Mapping[str, Any], kind: str) -> str:
    """Return how size or checksum of a product differ from those in the Item; empty if they do not."""
    stated, actual = _asset(item, kind), _asset(expected, kind)
    for fact in ("file:size", "file:checksum"):
        if fact in stated and stated[fact] != actual[fact]:
            size = f"{actual[fact]} bytes, where the Item says {stated[fact]}"
            return f"not the file that the month's Item names: {size if fact == 'file:size' else 'another checksum'}"
    return ""
