"""Check the values of a month in the cube, and mend them without granules.

A lost status, and values that a COG still holds, are written again only if a digest of the month proves them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from s1monthly.audit.month_record import known_digests
from s1monthly.audit.report import first_of
from s1monthly.audit.tree_files import TileFolder
from s1monthly.cube import months as cube
from s1monthly.cube.chunks import lost_chunks, lost_overviews
from s1monthly.cube.header import Status
from s1monthly.cube.months import CubeState
from s1monthly.cube.write import complete_again, write_month
from s1monthly.errors import CubeError, ProductError
from s1monthly.kernels.statistics import count_statistics
from s1monthly.model import Month
from s1monthly.raster.geotiff import cog_tags, open_dataset
from s1monthly.records.month import Record
from s1monthly.records.recipe import difference


def values_fault(folder: TileFolder, record: Record, state: CubeState) -> str:
    """Return how a complete month in the cube contradicts its record; empty if it does not.

    Reads the count of passes, and the names and lengths of chunks; `products.compare_with_cube` reads all values.
    """
    recipe = list(difference(dict(record.recipe), state.recipe))
    if recipe:
        return f"made otherwise than its record says (recipe, record -> cube): {first_of(recipe)}"
    if (record.grid, tuple(record.bands)) != (state.geobox, state.bands):
        return "its grid or bands are not those of its record"
    try:
        count = cube.read_count(folder.cube, record.key.month)
    except CubeError as error:
        return error.problem
    statistics = count_statistics(count)
    if statistics != record.count:
        pixels = sum(statistics.histogram.values())
        return f"the counts of passes are not those of its record ({pixels} pixels have one)"
    slot = record.key.month.ordinal - state.first.ordinal
    lost = lost_chunks(folder.cube, slot, state.bands, count)
    lost += [] if lost else lost_overviews(state, slot, record.bands)
    return first_of(lost)


def has_chunks(folder: TileFolder, month: Month, state: CubeState) -> bool:
    """Return True if the cube has chunks of a month, whatever its status."""
    slot = str(month.ordinal - state.first.ordinal)
    return any((folder.cube / name / "c" / slot).is_dir() for name in state.bands)


def restore_status(folder: TileFolder, month: Month, state: CubeState, row: Mapping[str, Any] | None) -> bool:
    """Mark a month as complete again if only its status was lost; return True if that was so.

    Parameters
    ----------
    row : mapping or None
        The month's row in the tile's catalog.
    """
    if state.months[month] is Status.COMPLETE or not has_chunks(folder, month, state):
        return False
    digests = set(known_digests(folder, month, row).values())
    try:
        return complete_again(folder.cube, month, digests)
    except CubeError:
        return False


def restore_overviews(folder: TileFolder, record: Record) -> bool:
    """Write a month again from the values that the cube holds, if these are the record's; return True if they are."""
    month, state = record.key.month, cube.state(folder.cube)
    if not state.overviews:
        return False
    try:
        values = dict(cube.read_checked(folder.cube, month, record.digest))
    except CubeError:
        return False
    write_month(folder.cube, month, values, cube.read_count(folder.cube, month))
    return True


def restore_values(folder: TileFolder, record: Record) -> bool:
    """Write a month into the cube again from its COGs; return True if they hold the values of the record.

    The count of passes is only in the cube; bands and count together must have the record's digest.
    """
    month, cogs = record.key.month, folder.cogs(record.key.month)
    if not cogs or any(cog_tags(path).get("DIGEST") != record.digest for path in cogs.values()):
        return False
    try:
        values = {}
        for number, name in enumerate(record.bands, 1):
            with open_dataset(cogs.get("cog") or folder.place(name, month)) as dataset:
                values[name] = dataset.read(number if "cog" in cogs else 1)
        count, mask = cube.read_count(folder.cube, month), cube.read_mask(folder.cube, month)
        if cube.digest_of_values(folder.cube, month, values, count, mask) != record.digest:
            return False
    except (ProductError, CubeError, IndexError):
        return False
    write_month(folder.cube, month, values, count, mask=mask)
    return True
