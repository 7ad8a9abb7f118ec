"""The record of a month that was lost: made again from the cube, and from what COG, Item and granule list still say.

What came out of a month is measured again. What it was made of cannot be seen in the values; it is taken from those
witnesses that are proven to be of these very values, and is otherwise not known, which the record then says.
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
from s1monthly.cube.months import CubeState
from s1monthly.cube.status import STATUS
from s1monthly.errors import CubeError, NameFormatError, ProductError
from s1monthly.files import replacing
from s1monthly.layout import parse_granule_id
from s1monthly.model import Granule, Level, Month, Polarization
from s1monthly.raster.writing import cog_tags
from s1monthly.records.granule_list import GranuleList, read_granule_list
from s1monthly.records.month import Origin, Record
from s1monthly.records.recipe import digest as digest_of
from s1monthly.records.search_log import read_answers

_REMEDY = "run the workflow: it makes the month again"


@dataclass(frozen=True)
class Restored:
    """A record made again.

    Attributes
    ----------
    record : Record
    proven : bool
        True where it is the lost one to the byte, by the checksum in the month's Item.
    """

    record: Record
    proven: bool

    @property
    def told(self) -> str:
        """How it was made, and how much of it is not known, in a few words."""
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
    """Make a record again, as if it were lost; nothing is written.

    Parameters
    ----------
    folder : TileFolder
        Its layout says where granule lists lie.
    month : Month
        One that the cube holds.
    state : CubeState
    row : mapping or None
        The month's row in the tile's catalog, as it was.
    record : Record, optional
        One that is there and is doubted: one more witness of the values, and of nothing else.

    Raises
    ------
    ProductError
        If COG, Item, catalog and record are all of other values than the cube holds: they were damaged, or a run that
        replaced them was killed. Or if the cube cannot be read, or is not what this version writes.
    """
    from s1monthly.records.measuring import measure  # here, since it loads compiled kernels, and most tools need none

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
    """Status of a month that the cube calls complete, and of which nothing else knows: no file, row, search or value.

    Parameters
    ----------
    folder : TileFolder
    month : Month
        One that the cube holds, without a record.
    row : mapping or None
        The month's row in the tile's catalog, as it was.

    Returns
    -------
    Path or None
        The byte that says so; None where there is a witness, or a valid pixel.
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
    """Whether a COG is the one that an Item names; also where the Item does not say."""
    told = checksum_in(item, "cog")
    return told is None or asset_file(cog, cog.parent).sha256 == told


def _with_origin(
    record: Record, tags: Mapping[str, str], item: Mapping[str, Any] | None, found: GranuleList | None
) -> Restored:
    """Add what is known of the month's origin.

    The granule list alone proves nothing: it may have been renewed since. It is believed where it makes the record
    that the Item's checksum is of, or where it names the very granules that the COG names.
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
    """Record of a month that was made from all granules of a list."""
    return replace(record, granules=found.granules, set_aside=found.set_aside, unread=(), granules_digest=found.digest)


def ids(granules: Iterable[Granule]) -> list[str]:
    """Names of granules, sorted."""
    return sorted(granule.id for granule in granules)


def granules_named(tags: Mapping[str, str]) -> tuple[Granule, ...] | None:
    """Granules that a COG names, without layers."""
    if "GRANULES" not in tags:
        return None
    try:
        return tuple(parse_granule_id(name) for name in tags["GRANULES"].split())
    except NameFormatError:
        return None


def software_named(tags: Mapping[str, str]) -> dict[str, str] | None:
    """Package -> version, as a COG says; None where it does not."""
    if "SOFTWARE" not in tags:
        return None
    return dict(pair.split("=", 1) for pair in tags["SOFTWARE"].split() if "=" in pair)


def _software_of(item: Mapping[str, Any] | None, month: Month) -> dict[str, str] | None:
    properties = item.get("properties") if item else None
    return credible_origin(properties, month).get("processing:software") if isinstance(properties, Mapping) else None


def listed(folder: TileFolder, month: Month) -> GranuleList | None:
    """The month's granule list; None where there is none that can be read."""
    try:
        return read_granule_list(folder.fill(folder.layout.granules, month))
    except ProductError:
        return None


def write_restored(path: Path, restored: Restored, products: Iterable[Path], instead_of: bytes | None) -> bool:
    """Write a record that was made again.

    It gets a time before that of the products that were made from the lost one: the workflow shall not take them for
    outdated. (A month whose granules are not known it makes again anyway.)

    Parameters
    ----------
    path : Path
    restored : Restored
    products : iterable of Path
        Files of the month; those that are gone, and `path`, do not count.
    instead_of : bytes or None
        What was found in the record's place. What a running workflow has written since is left alone.

    Returns
    -------
    bool
        True where it was written.
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
    """Somebody else wrote the record meanwhile."""


def content_of(path: Path) -> bytes | None:
    """Content of a file; None where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
