"""Decide whether a record is credible: its checksum is in the Item, and it must fit cube and COG.

A record may have been edited, and Item, catalogs and the next COG would repeat what it says. So it is compared, at low
cost, with files that cannot contain the edit. If something does not fit, the month is read as if its record were lost:

- If the restored record is the same, the record is believed, and the Item is wrong.
- If the Item's checksum proves that the record was another, or cube or COG contradict it, the restored record replaces
  it. Facts that only the record contained become unknown.
- If only the Item's checksum contradicts it, it is neither believed nor replaced: what only the record says can be
  neither proven nor disproven. The operator gets a message, and may remove it.

If a run was killed after it made a month again and before it wrote the Item, the record is newer than its products. It
is believed if its values are those of the cube and the granule list contains its granules.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from s1monthly.audit.findings import some
from s1monthly.audit.products import (
    checksum_in,
    differences,
    names_granules,
    names_software,
    property_of,
    read_item,
)
from s1monthly.audit.restoring import Restored, from_list, ids, listed, restore
from s1monthly.audit.survey import TileFolder
from s1monthly.catalog import item as stac
from s1monthly.cube.header import how_to_mend
from s1monthly.cube.months import CubeState
from s1monthly.errors import ProductError
from s1monthly.kernels.statistics import count_statistics
from s1monthly.raster.geotiff import cog_tags
from s1monthly.records.footprint import footprint
from s1monthly.records.month import Record, read_record
from s1monthly.records.recipe import difference, digest
from s1monthly.records.seal import seal_is_whole

MEASURED = (
    "level",
    "polarization",
    "grid",
    "valid",
    "count",
    "bands",
    "footprint",
    "recipe",
    "recipe_digest",
    "digest",
)
"""Attributes of a record that follow from the cube."""

RECIPE = ("level", "polarization", "recipe", "recipe_digest")
"""Those of them that the cube stores in its attributes: no month's digest shows whether these were changed."""


def read_credible(path: Path) -> Record:
    """Read a complete record, whether or not it was altered.

    Raises
    ------
    ProductError
        If `read_record` rejects it, or a value has an unexpected type. The seal is not checked here but in `doubt`.
    """
    record = read_record(path, check_seal=False)
    try:
        with suppress(ProductError):  # of another version: its bands are compared with the cube's
            stac.item(record, {})
        record.to_json()
        difference(dict(record.recipe), {})
        names_software({}, record)
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, shapely.errors.ShapelyError) as error:
        raise ProductError(
            f"{path}: record holds what none of ours does ({type(error).__name__}: {error})",
            how_to_mend(path),
        ) from error
    return record


@dataclass(frozen=True)
class Doubt:
    """Reason not to believe a record.

    Attributes
    ----------
    problem : str
        What does not fit.
    restored : Restored or None
        The record to use instead; None if the cube cannot provide one.
    contradicted : bool
        True if the record is proven wrong; False if only the Item's checksum contradicts it.
    in_short : str
        The problem of a contradicted record in a few words.
    """

    problem: str
    restored: Restored | None = None
    contradicted: bool = False
    in_short: str = ""


def doubt(
    folder: TileFolder,
    record: Record,
    state: CubeState,
    row: Mapping[str, Any] | None,
    count: NDArray[np.uint8] | None,
) -> Doubt | None:
    """Return the reason not to believe a record; None if it is credible. Read the month only if something does not fit.

    Parameters
    ----------
    record : Record
        Record of a month that the cube holds.
    row : mapping or None
        The month's row in the tile's catalog.
    count : array (rows, columns), uint8, or None
        Passes with a valid value; None if the cube's count cannot be read, which another check reports.
    """
    witnesses = _Witnesses.of(folder, record, row)
    found = list(witnesses.suspicions(record, state, count))
    return _examined(folder, record, state, row, witnesses, found) if found else None


def doubt_values(folder: TileFolder, record: Record, state: CubeState, row: Mapping[str, Any] | None) -> Doubt | None:
    """Return the reason not to believe a record that `doubt` accepts, after reading every value."""
    return _examined(folder, record, state, row, _Witnesses.of(folder, record, row), [])


@dataclass(frozen=True)
class _Witnesses:
    """Other files about a month, to compare its record with."""

    path: Path
    text: bytes
    item: Mapping[str, Any] | None
    tags: Mapping[str, str]
    row: Mapping[str, Any] | None

    @classmethod
    def of(cls, folder: TileFolder, record: Record, row: Mapping[str, Any] | None) -> _Witnesses:
        month, layout = record.key.month, folder.layout
        path = Path(folder.fill(layout.record, month))
        item = read_item(Path(folder.fill(layout.item, month)))
        return cls(path, path.read_bytes(), item, cog_tags(Path(folder.fill(layout.cog, month))), row)

    @property
    def checksum(self) -> str | None:
        """Checksum of the record according to the Item."""
        return checksum_in(self.item, "record")

    @property
    def is_sealed(self) -> bool:
        """True if the record is unchanged since it was written."""
        return seal_is_whole(json.loads(self.text))

    @property
    def item_has_it(self) -> bool:
        return self.checksum == hashlib.sha256(self.text).hexdigest()

    def suspicions(self, record: Record, state: CubeState, count: NDArray[np.uint8] | None) -> Iterator[str]:
        """Yield what does not fit, judged by the count of passes and a few headers."""
        if self.checksum and not self.item_has_it:
            yield "not the file that the month's Item names (checksum)"
        if not self.checksum and self.text.decode(errors="replace") != record.to_json():
            yield "not written by this software as it stands"
        recipe = [*difference(dict(record.recipe), state.recipe), *_recipe_faults(record)]
        if recipe:
            yield f"made otherwise than the cube (recipe): {some(recipe)}"
        if (record.grid, tuple(record.bands)) != (state.geobox, state.bands):
            yield "grid or bands are not those of the cube"
        elif count is not None:
            yield from _count_faults(record, count)
        catalogued = self.row["digest"] if self.row else None
        told = {"COG": self.tags.get("DIGEST"), "Item": property_of(self.item, "s1:digest"), "catalog": catalogued}
        others = [name for name, value in told.items() if value and value != record.digest]
        if others:
            yield f"of other values than {', '.join(others)} (digest)"
        of_it = self.tags.get("DIGEST") == record.digest
        if of_it and not (names_granules(self.tags, record) and names_software(self.tags, record)):
            yield "granules or software are not those that the COG names"
        if not self.is_sealed:
            yield "altered since it was written (seal)"


def _recipe_faults(record: Record) -> Iterator[str]:
    """Yield statements of a record that its recipe contradicts."""
    told = {"level": str(record.level), "polarization": str(record.polarization), "digest": record.recipe_digest}
    is_so = {**record.recipe, "digest": digest(record.recipe)}
    for name, value in told.items():
        if is_so.get(name, value) != value:
            yield f"{name} of the record: {value}, its recipe: {is_so[name]}"


def _count_faults(record: Record, count: NDArray[np.uint8]) -> Iterator[str]:
    statistics = count_statistics(count)
    pixels = sum(statistics.histogram.values())
    if statistics != record.count:
        yield f"the counts of passes are not the record's ({pixels} pixels have one)"
    elif pixels != record.valid:
        yield f"{record.valid} valid pixels, the cube has {pixels}"
    elif any(True for _ in differences(record.footprint, footprint(count > 0, record.grid))):
        yield "the footprint is not that of the valid pixels"


def _examined(
    folder: TileFolder,
    record: Record,
    state: CubeState,
    row: Mapping[str, Any] | None,
    witnesses: _Witnesses,
    found: list[str],
) -> Doubt | None:
    """Read the month as if its record were lost, and judge the suspicions."""
    month = record.key.month
    try:
        restored = restore(folder, month, state, row, record)
    except ProductError as error:
        return Doubt("; ".join([*found, error.problem]))
    other = restored.record
    if witnesses.item_has_it and witnesses.is_sealed:
        # the Item was written from this record: a COG that differs is older
        wrong = [name for name in MEASURED if _differ(name, record, other)]
        if wrong and not set(wrong) - set(RECIPE):
            return Doubt(f"{some(found)}; but Item and record agree: the cube's attributes were changed")
        return _contradiction(found, wrong, "the cube", restored) if wrong else None
    if other.to_json().encode() == witnesses.text:
        return None
    if restored.proven:
        wrong = [name for name in Record.__dataclass_fields__ if _differ(name, record, other)]
        return _contradiction(found, wrong or ["its form"], "the Item's checksum", restored)
    if witnesses.checksum == hashlib.sha256(record.to_json().encode()).hexdigest():
        return _contradiction(found, ["its form"], "the Item's checksum", Restored(record, proven=True))
    wrong = [name for name in MEASURED if _differ(name, record, other)]
    origin = [name for name in ("granules", "software") if _differ(name, record, other)]
    listing = listed(folder, month)
    newer = witnesses.is_sealed and not wrong and "granules" in origin
    if newer and listing and from_list(record, listing) == record:
        return None  # newer than COG and Item, which have the same values by chance
    if wrong or origin:
        return _contradiction(found, [*wrong, *origin], "cube and COG", restored)
    item_knows = witnesses.checksum and property_of(witnesses.item, "s1:digest") == record.digest
    if witnesses.is_sealed and not item_knows:
        return None  # the files that do not fit are older
    unproven = [name for name in other.unknown if name not in record.unknown]
    return Doubt(
        f"{some(found)}; nothing else tells whether it is true ({', '.join(unproven) or 'its form'})", restored
    )


def _contradiction(found: list[str], wrong: list[str], by: str, restored: Restored) -> Doubt:
    problem = f"{some(found or ['damaged'])}. Changed, by {by}: {some(wrong, 4)}"
    return Doubt(problem, restored, contradicted=True, in_short=f"changed: {', '.join(wrong)}")


def _differ(name: str, record: Record, other: Record) -> bool:
    """Return True if two records contradict each other; an unknown value contradicts nothing."""
    mine, its = getattr(record, name), getattr(other, name)
    if mine is None or its is None:
        return name == "footprint" and mine is not its
    if name == "granules":
        return ids(mine) != ids(its)
    if name == "footprint":
        return any(True for _ in differences(mine, its))
    return bool(mine != its)
