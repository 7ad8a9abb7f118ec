"""What Items and files say of how a month was made: bands, lineage, tags."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from s1monthly.errors import ProductError
from s1monthly.kernels.bands import Band, bands_of, normalisation, rounding
from s1monthly.kernels.options import RADIOMETRY, RADIOMETRY_LAYERS
from s1monthly.records.month import Record
from s1monthly.records.recipe import GRD
from s1monthly.records.statics_used import static_granules

COMPOSITE_TITLES = {"local_resolution": "mean weighted by local resolution (doi:10.1109/IGARSS.2012.6350465)"}
"""Composite method -> words for it, where its name is not enough."""


def output_bands(record: Record) -> list[Band]:
    """Return the bands of a month, in order.

    Raises
    ------
    ProductError
        If the record's bands differ from those that its recipe gives in this version.
    """
    known = list(bands_of({**record.recipe, "polarization": str(record.polarization)}))
    names = [band.name for band in known]
    if names != list(record.bands):
        raise ProductError(
            f"{record.key}: bands {', '.join(record.bands)}, where its recipe makes {', '.join(names)}",
            "it was made by another version of this software; use that, or remake the months",
        )
    return known


def lineage(record: Record) -> str:
    """Describe in words, from the recipe, how a month was made."""
    recipe, method = record.recipe, record.recipe["composite"]["method"]
    despeckle = record.despeckled or recipe.get("despeckle")
    source, pieces = ("simulated " * record.simulated + record.data), "slices" if record.data == GRD else "bursts"
    granules, passes = ("" if known is None else f"{len(known)} " for known in (record.granules, record.passes))
    steps = [
        f"{granules}{source} granules (gamma0 power)",
        *(["corrected for the terrain by DEM and orbit"] if record.data == GRD else []),
        *_conversion(recipe),
        f"overlapping {pieces} of a pass merged ({recipe['mosaic']})",
        *([normalisation(recipe)] if normalisation(recipe) else []),
        f"{COMPOSITE_TITLES.get(method, method.replace('_', ' '))} of {passes}passes",
    ]
    if despeckle:
        options = ", ".join(f"{name}={_short(value)}" for name, value in sorted(despeckle.items()) if name != "method")
        steps.append(f"despeckled with {despeckle['method']}" + (f" ({options})" if options else ""))
    textures = recipe.get("textures")
    if textures:
        steps.append(f"GLCM {', '.join(textures['metrics'])} of {' and '.join(textures['inputs'])}")
    if recipe.get("spread"):
        steps.append(f"{', '.join(recipe['spread'])} of the passes in dB, before despeckling")
    if rounding(recipe):
        steps.append(rounding(recipe))
    return "; ".join(steps)


def quantity(recipe: Mapping[str, Any]) -> str:
    """Return what titles say of the quantity of backscatter, such as ``, beta0``; empty for the usual gamma0."""
    radiometry = recipe.get("radiometry", RADIOMETRY)
    return "" if radiometry == RADIOMETRY else f", {radiometry.replace('_', ' ')}"


def _conversion(recipe: Mapping[str, Any]) -> list[str]:
    radiometry = recipe.get("radiometry", RADIOMETRY)
    if radiometry == RADIOMETRY:
        return []
    return [f"converted to {radiometry} burst by burst ({', '.join(RADIOMETRY_LAYERS[radiometry])})"]


def _short(value: Any) -> str:
    """Write an option; one value a layer as ``VV 8.4, VH 8.1``."""
    return ", ".join(f"{key} {one}" for key, one in value.items()) if isinstance(value, Mapping) else str(value)


def processing_tags(record: Record) -> dict[str, str]:
    """Return the tags of a month's COG; unknown values are left out."""
    granules, passes = record.granules, record.passes
    software = None if record.software is None else sorted(record.software.items())
    tags = {
        "TITLE": f"Sentinel-1 monthly composite {record.key.tile} {record.key.direction} {record.key.month}"
        + quantity(record.recipe),
        "MONTH": str(record.key.month),
        "DIRECTION": str(record.key.direction.pooled),
        "TRACK": None if record.key.direction.track is None else str(record.key.direction.track),
        "MGRS_TILE": str(record.key.tile),
        "PROCESSING_LEVEL": str(record.level),
        "LINEAGE": lineage(record),
        "GRANULES": None if granules is None else " ".join(granule.id for granule in granules),
        "STATIC_GRANULES": " ".join(static_granules(record.statics)) or None,
        "PASSES": None if passes is None else " ".join(pass_.name for pass_ in passes),
        "RECIPE": json.dumps(record.recipe, sort_keys=True),
        "SOFTWARE": None if software is None else " ".join(f"{name}={number}" for name, number in software),
        "DIGEST": record.digest,
    }
    return {name: text for name, text in tags.items() if text is not None}
