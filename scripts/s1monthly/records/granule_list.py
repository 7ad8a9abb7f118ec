"""A month's granule list in the work folder, as CSV.

It holds the granules with layers, URLs, sizes, checksums and footprints, and those set aside with the reason.
"""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

from s1monthly.errors import NameFormatError, ProductError
from s1monthly.files import write_text
from s1monthly.granule_names import parse_granule_id
from s1monthly.granules import Granule, GranuleList, Layer, SetAside
from s1monthly.records.recipe import digest

COLUMNS = ("granule", "layer", "url", "s3_url", "size", "md5", "footprint", "set_aside", "lost")


def _identity(granule: Granule) -> list[Any]:
    return [granule.id, *([layer.name, layer.size] for layer in granule.layers)]


def granule_digest(granule: Granule) -> str:
    """Return a digest that changes if the granule or the size of a layer changes, but not if its URLs do."""
    return digest(_identity(granule))


def list_digest(listed: GranuleList) -> str:
    """Return a digest that changes if a granule comes, goes or is replaced, also by files of another size.

    Neither URLs nor granules set aside change it.
    """
    return digest([_identity(granule) for granule in listed.granules])


def _csv(listed: GranuleList) -> str:
    """Return the list as CSV: one row for each layer and each granule set aside."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for granule in listed.granules:
        for layer in granule.layers:
            places = layer.url, layer.s3_url
            writer.writerow((granule.id, layer.name, *places, layer.size, layer.md5, granule.footprint, "", ""))
    for left_out in listed.set_aside:
        lost = "lost" if left_out.lost else ""
        writer.writerow((left_out.granule_id, *[""] * 6, left_out.reason, lost))
    return text.getvalue()


def write_granule_list(path: str | Path, found: GranuleList) -> GranuleList:
    """Write a month's granule list, sorted, if its content changed; an empty list gives no file.

    Returns
    -------
    GranuleList
        The sorted list.

    Raises
    ------
    OSError
        If the file cannot be written; an older list then stays intact.
    """
    content = GranuleList(
        tuple(sorted(found.granules, key=lambda granule: granule.id)),
        tuple(sorted(found.set_aside, key=lambda unused: (unused.granule_id, unused.reason))),
    )
    if content.granules or content.set_aside:
        write_text(path, _csv(content), only_if_changed=True)
    else:
        Path(path).unlink(missing_ok=True)
    return content


def read_granule_list(path: str | Path, expected: str | None = None) -> GranuleList:
    """Read a month's granule list.

    Parameters
    ----------
    expected : str, optional
        Digest that the list must have: that of the source's answer.

    Raises
    ------
    ProductError
        If the file is missing, damaged, or not the expected list.
    """
    layers: dict[str, list[Layer]] = {}
    footprints: dict[str, str] = {}
    set_aside: list[SetAside] = []
    remedy = "delete the work folder; the next run asks the source again"
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise ValueError("its columns are not those of this version")
            for row in reader:
                if None in row or None in row.values():
                    raise ValueError(f"line {reader.line_num} is not whole")
                if row["set_aside"]:
                    set_aside.append(SetAside(row["granule"], row["set_aside"], row["lost"] == "lost"))
                    continue
                layer = Layer(row["layer"], row["url"], int(row["size"]), row["md5"], row["s3_url"])
                layers.setdefault(row["granule"], []).append(layer)
                footprints[row["granule"]] = row["footprint"]
        granules = tuple(
            replace(parse_granule_id(name), layers=tuple(parts), footprint=footprints[name])
            for name, parts in layers.items()
        )
    except (OSError, ValueError, csv.Error, NameFormatError) as error:
        raise ProductError(f"{path}: granule list cannot be read ({error})", remedy) from error
    content = GranuleList(granules, tuple(set_aside))
    if expected is not None and list_digest(content) != expected:
        raise ProductError(f"{path}: not the granule list that the source gave", remedy)
    return content
