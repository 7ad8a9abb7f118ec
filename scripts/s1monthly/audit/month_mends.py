"""Mend months of a cube without granules: a lost status, or chunks that a COG still holds.

Values are used only if the month's digest proves them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from s1monthly.audit.doubts import read_credible
from s1monthly.audit.products import property_of, read_item
from s1monthly.audit.survey import TileFolder, is_readable
from s1monthly.cube import months as cube
from s1monthly.cube.header import Status
from s1monthly.cube.months import CubeState
from s1monthly.errors import CubeError, ProductError
from s1monthly.model import Month
from s1monthly.raster.geotiff import cog_tags, open_dataset
from s1monthly.records.month import Record


def digests_told(folder: TileFolder, month: Month, row: Mapping[str, Any] | None) -> set[str]:
    """Return the digests of a month in record, COG, Item and catalog."""
    try:
        told: list[Any] = [read_credible(Path(folder.fill(folder.layout.record, month))).digest]
    except ProductError:
        told = []
    told += [
        cog_tags(Path(folder.fill(folder.layout.cog, month))).get("DIGEST"),
        property_of(read_item(Path(folder.fill(folder.layout.item, month))), "s1:digest"),
        row["digest"] if row else None,
    ]
    return {digest for digest in told if isinstance(digest, str)}


def lost_status_alone(folder: TileFolder, month: Month, state: CubeState, row: Mapping[str, Any] | None) -> set[str]:
    """Return the digest of a month that lost only its status, and whose values are intact; else an empty set.

    Parameters
    ----------
    row : mapping or None
        The month's row in the tile's catalog.
    """
    if state.months.get(month, Status.COMPLETE) is Status.COMPLETE:
        return set()
    slot = str(month.ordinal - state.first.ordinal)
    if not any((folder.cube / name / "c" / slot).is_dir() for name in state.bands):
        return set()
    try:
        return {cube.slot_digest(folder.cube, month)} & digests_told(folder, month, row)
    except CubeError:
        return set()


def denied_chunks(folder: TileFolder, month: Month, state: CubeState) -> list[Path]:
    """Return the folders of a month in the cube with chunks that this user may not read."""
    slots = sorted(folder.cube.glob(f"*/c/{month.ordinal - state.first.ordinal}"))
    return [slot for slot in slots if any(not is_readable(path) for path in slot.rglob("*"))]


def values_in_cog(folder: TileFolder, record: Record) -> dict[str, NDArray[Any]] | None:
    """Read the bands of a month from its COG, in order to write them into the cube again.

    Return None unless they have the record's digest, together with the count of passes, which only the cube holds.
    """
    path = Path(folder.fill(folder.layout.cog, record.key.month))
    if cog_tags(path).get("DIGEST") != record.digest:
        return None
    try:
        with open_dataset(path) as dataset:
            values = {name: dataset.read(band) for band, name in enumerate(record.bands, 1)}
        count = cube.read_count(folder.cube, record.key.month)
        found = cube.digest_of_values(folder.cube, record.key.month, values, count)
    except (ProductError, CubeError, IndexError):
        return None
    return values if found == record.digest else None
