"""Whether a record is to be believed: its Item has its checksum, cube and COG must fit it.

A record may have been edited by hand, and Item, catalogs and the next COG would be made from what it says. So it is
compared, cheaply, with what cannot have followed the edit. Where something does not fit, the month is read as if its
record were lost, and then

- a record that comes out the same is believed, and the Item is at fault;
- one that the Item's checksum proves to have been another, or that cube or COG contradict, is replaced by what is left
  without it: what nobody else knows is then not known;
- one against which the Item's checksum alone speaks is not believed and not replaced: what it alone says cannot be
  proven or disproven. The operator is told, and may remove it.

A month that was made again by a run that was killed before the Item was written has a record newer than its products.
It is believed where the values are those of the cube, and where the granule list names its granules.
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
from s1monthly.cube.months import CubeState
from s1monthly.errors import ProductError
from s1monthly.kernels.statistics import count_statistics
from s1monthly.raster.writing import cog_tags
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
"""Those of them that it says in its attributes, where no digest of a month tells whether they were changed."""


def read_credible(path: Path) -> Record:
    """Read a record, altered or not, from which everything can be made that is made from records.

    Raises
    ------
    ProductError
        As `read_record`, but not for its seal, which `doubt` looks at; also where a value is of a kind that none of
        ours has.
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
            "delete it; the next run makes it again",
        ) from error
    return record


@dataclass(frozen=True)
class Doubt:
    """Why a record is not believed.

    Attributes
    ----------
    problem : str
    restored : Restored or None
        What takes its place, or would; None where the cube cannot tell.
    contradicted : bool
        True where the record is proven wrong; False where the Item's checksum alone speaks against it.
    in_short : str
        The same in a few words, of one that is contradicted.
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
    """Say why a record is not believed; None where it is. The month is read only where something does not fit.

    Parameters
    ----------
    folder : TileFolder
    record : Record
        Of a month that the cube holds.
    state : CubeState
    row : mapping or None
        The month's row in the tile's catalog.
    count : array (rows, columns), uint8, or None
        Passes with a valid value; None where the cube's cannot be read, which another check tells.
    """
    witnesses = _Witnesses.of(folder, record, row)
    found = list(witnesses.suspicions(record, state, count))
    return _examined(folder, record, state, row, witnesses, found) if found else None


def doubt_values(folder: TileFolder, record: Record, state: CubeState, row: Mapping[str, Any] | None) -> Doubt | None:
    """Say why a record is not believed that `doubt` believes: every value is read."""
    return _examined(folder, record, state, row, _Witnesses.of(folder, record, row), [])


@dataclass(frozen=True)
class _Witnesses:
    """What there is of a month beside its record."""

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
        """Checksum of the record, as the Item says it."""
        return checksum_in(self.item, "record")

    @property
    def is_sealed(self) -> bool:
        """Whether the record is as it was written."""
        return seal_is_whole(json.loads(self.text))

    @property
    def item_has_it(self) -> bool:
        return self.checksum == hashlib.sha256(self.text).hexdigest()

    def suspicions(self, record: Record, state: CubeState, count: NDArray[np.uint8] | None) -> Iterator[str]:
        """What does not fit, by the count of passes and a few headers."""
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
    """What a record says of its own recipe, and the recipe does not."""
    told = {"level": str(record.level), "polarization": str(record.polarization), "digest": record.recipe_digest}
    is_so = {**record.recipe, "digest": digest(record.recipe)}
    for name, value in told.items():
        if is_so.get(name, value) != value:
            yield f"{name} of the record: {value}, its recipe: {is_so[name]}"


def _count_faults(record: Record, count: NDArray[np.uint8]) -> Iterator[str]:
    """In what the count of passes is not the record's."""
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
    """Read the month as if its record were lost, and say what comes of the suspicions."""
    month = record.key.month
    try:
        restored = restore(folder, month, state, row, record)
    except ProductError as error:
        return Doubt("; ".join([*found, error.problem]))
    other = restored.record
    if witnesses.item_has_it and witnesses.is_sealed:
        # whoever wrote the Item had this record: where the COG says otherwise the COG is older
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
        return None  # newer than COG and Item, which happen to be of the same values
    if wrong or origin:
        return _contradiction(found, [*wrong, *origin], "cube and COG", restored)
    item_knows = witnesses.checksum and property_of(witnesses.item, "s1:digest") == record.digest
    if witnesses.is_sealed and not item_knows:
        return None  # what does not fit is older
    unproven = [name for name in other.unknown if name not in record.unknown]
    return Doubt(
        f"{some(found)}; nothing else tells whether it is true ({', '.join(unproven) or 'its form'})", restored
    )


def _contradiction(found: list[str], wrong: list[str], by: str, restored: Restored) -> Doubt:
    problem = f"{some(found or ['damaged'])}. Changed, by {by}: {some(wrong, 4)}"
    return Doubt(problem, restored, contradicted=True, in_short=f"changed: {', '.join(wrong)}")


def _differ(name: str, record: Record, other: Record) -> bool:
    """Whether two records say otherwise; not where one of them does not know."""
    mine, its = getattr(record, name), getattr(other, name)
    if mine is None or its is None:
        return name == "footprint" and mine is not its
    if name == "granules":
        return ids(mine) != ids(its)
    if name == "footprint":
        return any(True for _ in differences(mine, its))
    return bool(mine != its)
