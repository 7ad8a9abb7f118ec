"""Restore the lost record of a month from the cube, and from COG, Item and granule list.

The results of a month are measured again. Its origin does not show in the values: it is taken from files that are
proven to belong to exactly these values. What remains unknown is null in the record.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from s1monthly.audit.findings import counted
from s1monthly.audit.origins import credible_origin
from s1monthly.audit.products import checksum_in, property_of, read_item
from s1monthly.audit.survey import TileFolder
from s1monthly.catalog.assets import asset_file
from s1monthly.cube import months as cube
from s1monthly.cube.header import STATUS
from s1monthly.cube.months import CubeState
from s1monthly.errors import CubeError, NameFormatError, ProductError
from s1monthly.files import replacing
from s1monthly.layout import parse_granule_id
from s1monthly.model import Granule, GranuleList, Level, Month, Polarization
from s1monthly.raster.geotiff import cog_tags
from s1monthly.records.granule_list import list_digest, read_granule_list
from s1monthly.records.month import Origin, Record
from s1monthly.records.recipe import digest as digest_of
from s1monthly.records.search_log import read_answers

_REMEDY = "run the workflow: it makes the month again"


@dataclass(frozen=True)
class Restored:
    """A restored record.

    Attributes
    ----------
    record : Record
    proven : bool
        True if it equals the lost one byte for byte, by the checksum in the month's Item.
    """

    record: Record
    proven: bool

    @property
    def told(self) -> str:
        """How it was made and how much is unknown, in a few words."""
        if self.proven:
            return "the same to the byte again"
        sources = "cube" if self.record.granules is None else "cube, COG"
        if self.record.granules_digest is not None:
            sources = "cube, COG, granule list"
        unknown = len(self.record.unknown)
        return f"from {sources}" + (f"; {counted(unknown, 'fact')} null" if unknown else "")


def restore(
    folder: TileFolder, month: Month, state: CubeState, row: Mapping[str, Any] | None, record: Record | None = None
) -> Restored:
    """Restore a record as if it were lost; write nothing.

    Parameters
    ----------
    folder : TileFolder
        Files of the tile and direction; its layout gives the paths of granule lists.
    month : Month
        A month that the cube holds.
    row : mapping or None
        The month's row in the existing catalog of the tile.
    record : Record, optional
        An existing, doubted record: only its digest is used, as one more witness of the values.

    Raises
    ------
    ProductError
        If none of COG, Item, catalog and record has the digest of the cube's values: these were damaged, or a run that
        replaced them was killed. Also if the cube cannot be read or is of another version.
    """
    from s1monthly.records.measuring import measure  # loads compiled kernels, which most tools do not need

    key = folder.key(month)
    item = read_item(Path(folder.fill(folder.layout.item, month)))
    cog = Path(folder.fill(folder.layout.cog, month))
    tags = cog_tags(cog)
    try:
        digest = cube.month_digest(folder.cube, month)
        witnesses = {
            "COG": tags.get("DIGEST"),
            "Item": property_of(item, "s1:digest"),
            "catalog": row["digest"] if row else None,
            "record": record.digest if record else None,
        }
        disagreeing = [name for name, value in witnesses.items() if value and value != digest]
        if disagreeing and digest not in witnesses.values():
            raise ProductError(
                f"the values in the cube are not those of its {', '.join(disagreeing)}: they were damaged, or a run was"
                " killed as it replaced them",
                _REMEDY,
            )
        measured = measure(
            key,
            Level(state.recipe["level"]),
            Polarization(state.recipe["polarization"]),
            state.geobox,
            cube.read_bands(folder.cube, month),
            cube.read_count(folder.cube, month),
            Origin(None, None, None, None, state.recipe, digest_of(state.recipe), None),
            digest,
        )
    except CubeError as error:
        raise ProductError(error.problem, _REMEDY) from error
    except (KeyError, ValueError) as error:
        raise ProductError("the recipe of the cube is of another version", _REMEDY) from error
    item = item if property_of(item, "s1:digest") == digest else None
    proven = tags.get("DIGEST") == digest and _is_file_of(item, cog)
    return _with_origin(measured, tags if proven else {}, item, listed(folder, month))


def invented_by(folder: TileFolder, month: Month, row: Mapping[str, Any] | None) -> Path | None:
    """Find the status of a month that the cube calls complete but no file, row, search or value knows.

    Parameters
    ----------
    month : Month
        A month that the cube holds, without a record.
    row : mapping or None
        The month's row in the existing catalog of the tile.

    Returns
    -------
    Path or None
        File of the status; None if there is a witness or a valid pixel.
    """
    if row is not None or any(month in files for files in folder.files.values()) or listed(folder, month):
        return None
    try:
        answer = read_answers(folder.fill(folder.layout.search))[1].get(month)
        if (answer and answer.granules) or np.any(cube.read_count(folder.cube, month)):
            return None
        if any(np.isfinite(values).any() for _, values in cube.read_bands(folder.cube, month)):
            return None
        slot = month.ordinal - cube.state(folder.cube).first.ordinal
    except (CubeError, ProductError):
        return None
    return folder.cube / STATUS / "c" / str(slot)


INVENTED = "the cube calls {month} complete: no value, file, row or search knows of the month; a stray byte"


def _is_file_of(item: Mapping[str, Any] | None, cog: Path) -> bool:
    """Return True if an Item names exactly this COG, or does not give its checksum."""
    told = checksum_in(item, "cog")
    return told is None or asset_file(cog, cog.parent).sha256 == told


def _with_origin(
    record: Record, tags: Mapping[str, str], item: Mapping[str, Any] | None, found: GranuleList | None
) -> Restored:
    """Add the known origin of the month.

    The granule list alone proves nothing: it may be newer than the month. It is used if the record made with it has the
    checksum in the Item, or if it lists exactly the granules that the COG names.
    """
    named, software = granules_named(tags), software_named(tags) or _software_of(item, record.key.month)
    record = replace(record, software=software)
    whole = from_list(record, found) if found else None
    less = replace(record, granules=named)
    told = checksum_in(item, "record")
    for candidate in (whole, less, record):
        if candidate and hashlib.sha256(candidate.to_json().encode()).hexdigest() == told:
            return Restored(candidate, proven=True)
    confirmed = whole is not None and named is not None and ids(named) == ids(whole.granules or ())
    return Restored(whole if whole and confirmed else less, proven=False)


def from_list(record: Record, found: GranuleList) -> Record:
    """Return the record of a month made from all granules of a list."""
    known = list_digest(found)
    return replace(record, granules=found.granules, set_aside=found.set_aside, unread=(), granules_digest=known)


def ids(granules: Iterable[Granule]) -> list[str]:
    """Return the sorted ids of granules."""
    return sorted(granule.id for granule in granules)


def granules_named(tags: Mapping[str, str]) -> tuple[Granule, ...] | None:
    """Return the granules that a COG names, without layers; None if it names none."""
    if "GRANULES" not in tags:
        return None
    try:
        return tuple(parse_granule_id(name) for name in tags["GRANULES"].split())
    except NameFormatError:
        return None


def software_named(tags: Mapping[str, str]) -> dict[str, str] | None:
    """Return package -> version as named by a COG; None if it names none."""
    if "SOFTWARE" not in tags:
        return None
    return dict(pair.split("=", 1) for pair in tags["SOFTWARE"].split() if "=" in pair)


def _software_of(item: Mapping[str, Any] | None, month: Month) -> dict[str, str] | None:
    properties = item.get("properties") if item else None
    return credible_origin(properties, month).get("processing:software") if isinstance(properties, Mapping) else None


def listed(folder: TileFolder, month: Month) -> GranuleList | None:
    """Read the month's granule list; return None if it is missing or cannot be read."""
    try:
        return read_granule_list(folder.fill(folder.layout.granules, month))
    except ProductError:
        return None


def write_restored(path: Path, restored: Restored, products: Iterable[Path], instead_of: bytes | None) -> bool:
    """Write a restored record; return True if it was written.

    Its time is set before that of the products made from the lost record, so that the workflow does not take them for
    outdated. (The workflow makes a month with unknown granules again anyway.)

    Parameters
    ----------
    products : iterable of Path
        Files of the month; missing files, and `path`, are ignored.
    instead_of : bytes or None
        Previous content of the file. If a running workflow has changed it since, it is left alone.
    """
    times = [product.stat().st_mtime_ns for product in products if product != path and product.exists()]
    with suppress(_WrittenSinceError), replacing(path) as temporary:
        temporary.write_text(restored.record.to_json(), encoding="utf-8")
        if times:
            os.utime(temporary, ns=(min(times), min(times)))
        if content_of(path) != instead_of:
            raise _WrittenSinceError
        return True
    return False


class _WrittenSinceError(Exception):
    """Another process has written the record meanwhile."""


def content_of(path: Path) -> bytes | None:
    """Return the content of a file; None if it does not exist."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
