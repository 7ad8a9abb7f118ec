"""Months of a cube that are mended without a granule: a status that was lost, chunks that a COG still holds.

Nothing is believed that the month's digest does not prove.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError

from s1monthly.audit.doubts import read_credible
from s1monthly.audit.products import property_of, read_item
from s1monthly.audit.survey import TileFolder
from s1monthly.cube import months as cube
from s1monthly.cube.months import CubeState, Status
from s1monthly.errors import CubeError, ProductError
from s1monthly.model import Month
from s1monthly.raster.geotiff import GDAL_OPTIONS
from s1monthly.raster.writing import cog_tags
from s1monthly.records.month import Record


def digests_told(folder: TileFolder, month: Month, row: Mapping[str, Any] | None) -> set[str]:
    """Return the digests that record, COG, Item and catalog tell of a month."""
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
    """Return the digest of a month whose values are whole in the cube, though its status says otherwise; else nothing.

    Parameters
    ----------
    folder : TileFolder
    month : Month
    state : CubeState
        Of the folder's cube.
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


def values_in_cog(folder: TileFolder, record: Record) -> dict[str, NDArray[Any]] | None:
    """Read the bands of a month from its COG, to be written into the cube again.

    None where they, with the count of passes that the cube alone holds, have not the record's digest.
    """
    path = Path(folder.fill(folder.layout.cog, record.key.month))
    if cog_tags(path).get("DIGEST") != record.digest:
        return None
    try:
        with rasterio.Env(**GDAL_OPTIONS), rasterio.open(path) as dataset:
            values = {name: dataset.read(band) for band, name in enumerate(record.bands, 1)}
        count = cube.read_count(folder.cube, record.key.month)
        found = cube.digest_of_values(folder.cube, record.key.month, values, count)
    except (RasterioError, CubeError, IndexError):
        return None
    return values if found == record.digest else None
