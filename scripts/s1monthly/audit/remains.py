"""Catalog rows of months that lost both record and values in the cube, from their COG and Item."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from s1monthly.audit.products import NAMES, property_of, read_item
from s1monthly.audit.restoring import granules_named, software_named
from s1monthly.audit.survey import TileFolder
from s1monthly.catalog import table as catalog
from s1monthly.catalog.table import Row
from s1monthly.errors import S1MonthlyError
from s1monthly.kernels.statistics import BandStatistics, CountStatistics
from s1monthly.model import Level, Month, Polarization
from s1monthly.raster.fast_geotiff import open_header
from s1monthly.raster.geotiff import cog_tags, open_dataset
from s1monthly.records.footprint import footprint
from s1monthly.records.month import Record
from s1monthly.records.recipe import digest


def left_of(kinds: Collection[str]) -> str:
    """Return the existing files of a month as text: ``COG, Item``."""
    named = {**NAMES, "item": "Item", "record": "record"}
    return ", ".join(named[kind] for kind in named if kind in kinds)


def row_of_remains(folder: TileFolder, month: Month) -> Row | None:
    """Return the row of a month from its COG, completed from its Item; unknown values are null.

    None if the COG is missing or damaged: then only an older catalog knows the month, see `update.rows_to_keep`.
    """
    record = told_by_cog(folder, month)
    try:
        row = catalog.record_row(record, folder.layout) if record else None
    except (S1MonthlyError, KeyError, ValueError, TypeError):
        return None
    if record is None or row is None:
        return None
    item = read_item(Path(folder.fill(folder.layout.item, month)))
    return {**row, **_counts(item if property_of(item, "s1:digest") == record.digest else None)}


def told_by_cog(folder: TileFolder, month: Month) -> Record | None:
    """Read a temporary record from a month's COG; return None if there is no COG of that month."""
    path = Path(folder.fill(folder.layout.cog, month))
    tags = cog_tags(path)
    key = folder.key(month)
    named = tuple(tags.get(name) for name in ("MGRS_TILE", "DIRECTION", "MONTH"))
    if named != (str(key.tile), str(key.direction), str(month)):
        return None
    try:
        return _record_of(path, tags, folder, month)
    except (S1MonthlyError, KeyError, ValueError, TypeError):
        return None


def _record_of(path: Path, tags: Mapping[str, str], folder: TileFolder, month: Month) -> Record:
    """Return a temporary record from a COG. It has no count of passes, which only the cube holds."""
    grid, recipe = open_header(path).geobox, json.loads(tags["RECIPE"])
    with open_dataset(path) as dataset:
        names, valid = dataset.descriptions, np.isfinite(dataset.read(1))
    pixels = int(np.count_nonzero(valid))
    return Record(
        key=folder.key(month),
        level=Level(recipe["level"]),
        polarization=Polarization(recipe["polarization"]),
        grid=grid,
        granules=granules_named(tags),
        set_aside=None,
        valid=pixels,
        count=CountStatistics(None, None, None, {}),
        bands={name: BandStatistics(None, None, None, None, pixels) for name in names},
        footprint=footprint(valid, grid),
        unread=None,
        granules_digest=None,
        recipe=recipe,
        recipe_digest=digest(recipe),
        software=software_named(tags),
        digest=tags["DIGEST"],
    )


def _counts(item: Mapping[str, Any] | None) -> Row:
    """Return the columns that an Item fills: statistics of the count, and that no granule is missing."""
    found: Row = {}
    for column, name in (("count_min", "minimum"), ("count_max", "maximum"), ("count_mean", "mean")):
        value = property_of(item, f"s1:count_{name}")
        whole = column != "count_mean"
        if type(value) is int or (type(value) is float and math.isfinite(value) and not whole):
            found[column] = value if whole else float(value)
    if property_of(item, "s1:missing_granules") == 0:
        found["missing_granules"] = []
    return found
