"""The record of a month that was lost: made again from the cube, and from what COG, Item and granule list still say.

What came out of a month is measured again. What it was made of cannot be seen in the values; it is taken from those
witnesses that are proven to be of these very values, and is otherwise not known, which the record then says.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from s1monthly import cube
from s1monthly.cube import CubeState
from s1monthly.errors import CubeError, NameFormatError, ProductError
from s1monthly.ledger import GranuleList, read_granule_list
from s1monthly.naming import parse_granule_id
from s1monthly.products import checksum_in, cog_tags, property_of, read_item
from s1monthly.recipe import digest as digest_of
from s1monthly.records import Origin, Record, measure, write_record
from s1monthly.survey import TileFolder
from s1monthly.vocabulary import Granule, Level, Month, Polarization

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
        """How it was made, and what is not known, for people."""
        if self.proven:
            return "record rebuilt from cube and granule list, identical by the Item's checksum"
        sources = "cube" if self.record.granules is None else "cube and COG"
        if self.record.granules_digest is not None:
            sources = "cube, COG and granule list"
        unknown = self.record.unknown
        return f"record rebuilt from {sources}" + (f"; not known: {', '.join(unknown)}" if unknown else "")


def restore(folder: TileFolder, month: Month, state: CubeState, row: Mapping[str, Any] | None) -> Restored:
    """Make a lost record again; nothing is written.

    Parameters
    ----------
    folder : TileFolder
        Its layout says where granule lists lie.
    month : Month
        One that the cube holds.
    state : CubeState
    row : mapping or None
        The month's row in the tile's catalog, as it was.

    Raises
    ------
    ProductError
        If COG, Item and catalog are all of other values than the cube holds: they were damaged, or a run that replaced
        them was killed. Or if the cube cannot be read, or is not what this version writes.
    """
    key = folder.key(month)
    item = read_item(Path(folder.fill(folder.layout.item, month)))
    tags = cog_tags(Path(folder.fill(folder.layout.cog, month)))
    try:
        digest = cube.month_digest(folder.cube, month)
        catalogued = row["digest"] if row else None
        witnesses = {"COG": tags.get("DIGEST"), "Item": property_of(item, "s1:digest"), "catalog": catalogued}
        disagreeing = [name for name, value in witnesses.items() if value and value != digest]
        if disagreeing and digest not in witnesses.values():
            raise ProductError(
                f"the values in the cube are not those of its {', '.join(disagreeing)}: they were damaged, or a run was"
                " killed as it replaced them",
                _REMEDY,
            )
        record = measure(
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
    return _with_origin(
        record,
        tags if tags.get("DIGEST") == digest else {},
        item if property_of(item, "s1:digest") == digest else None,
        _listed(folder, month),
    )


def _with_origin(
    record: Record, tags: Mapping[str, str], item: Mapping[str, Any] | None, listed: GranuleList | None
) -> Restored:
    """Add what is known of the month's origin.

    The granule list alone proves nothing: it may have been renewed since. It is believed where it makes the record
    that the Item's checksum is of, or where it names the very granules that the COG names.
    """
    named, software = _granules(tags), _software(tags, item)
    record = replace(record, software=software)
    if listed:
        whole = replace(
            record,
            granules=listed.granules,
            set_aside=listed.set_aside,
            unread=(),
            granules_digest=listed.digest,
        )
        if checksum_in(item, "record") == hashlib.sha256(whole.to_json().encode()).hexdigest():
            return Restored(whole, proven=True)
        if named is not None and _ids(named) == _ids(listed.granules):
            return Restored(whole, proven=False)
    return Restored(replace(record, granules=named), proven=False)


def _ids(granules: Iterable[Granule]) -> list[str]:
    return sorted(granule.id for granule in granules)


def _granules(tags: Mapping[str, str]) -> tuple[Granule, ...] | None:
    """Granules that a COG names, without layers."""
    if "GRANULES" not in tags:
        return None
    try:
        return tuple(parse_granule_id(name) for name in tags["GRANULES"].split())
    except NameFormatError:
        return None


def _software(tags: Mapping[str, str], item: Mapping[str, Any] | None) -> dict[str, str] | None:
    told = property_of(item, "processing:software")
    if "SOFTWARE" in tags:
        told = dict(pair.split("=", 1) for pair in tags["SOFTWARE"].split() if "=" in pair)
    return dict(told) if isinstance(told, Mapping) else None


def _listed(folder: TileFolder, month: Month) -> GranuleList | None:
    try:
        return read_granule_list(folder.fill(folder.layout.granules, month))
    except ProductError:
        return None


def write_restored(path: Path, restored: Restored, products: Iterable[Path]) -> None:
    """Write a record that was made again.

    It gets a time before that of the products that were made from the lost one: the workflow shall not take them for
    outdated. (A month whose granules are not known it makes again anyway.)
    """
    times = [product.stat().st_mtime_ns for product in products if product != path]
    write_record(path, restored.record)
    if times:
        os.utime(path, ns=(min(times), min(times)))
