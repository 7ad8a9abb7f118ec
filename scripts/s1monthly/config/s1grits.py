"""Configuration files of S1-GRiTS 1.0 to 3.0: keys that are spelled otherwise here, or are not needed."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from s1monthly.errors import ConfigError

RENAMED: dict[str, str] = {
    "time_range": "time",
    "time.full_mode.end_year": "time.full",
    "time.years_mode.years": "time.years",
    "time.years_mode.months": "time.months",
    "roi.track_numbers": "roi.tracks",
    "output.existing_store": "output.overwrite",
    "preflight.disk.min_free_gb": "output.disk_warn_gb",
    "memory.burst_cache_dir": "download.cache_dir",
    "processing.spatial_despeckle": "processing.despeckle.monthly_despeckle",
    "processing.features_glcm": "processing.texture_features.enabled",
    "processing.monthly.composite_method": "processing.composite_method",
    "processing.monthly.trim_fraction": "processing.trim_fraction",
    "processing.monthly.generate_cog": "output.formats.cog",
    "processing.monthly.generate_preview": "output.formats.preview",
}
"""Key of S1-GRiTS -> key here. If both are given, the one here counts."""

VALUES: dict[str, dict[Any, Any]] = {
    "output.existing_store": {"resume": False, "rebuild-incompatible": True},
    "processing.monthly.composite_method": {"nanmedian": "median", "nanmean": "mean"},
    "processing.target_crs": {"auto": None},
    "roi.manual_mgrs_tiles": {"": None},
    "roi.wkt": {"": None},
}
"""Key of S1-GRiTS -> its values that are spelled otherwise here."""

_ARCHIVE = "search.retry_timeout_seconds limits all tries of a query"
_AGAIN = "a month is made again when its granules change; snakemake --forcerun bursts makes all again"
_RESOURCES = "every rule declares its memory and threads; limit all with --cores and --resources mem_mb=N"
_GAPS = "a granule that cannot be read fails its month; memory.max_failed_ratio allows some to be missing"
_BREGMAN = "the method takes reg_param alone"

NOT_NEEDED: dict[str, str] = {
    "workflow": "monthly composites are what is made",
    "metadata": "bands and collection are built in",
    "roi.min_tile_coverage_frac": "every track that meets the tile is used; roi.tracks chooses some",
    "query.cmr_timeout_seconds": _ARCHIVE,
    "query.max_retries": _ARCHIVE,
    "query.retry_backoff_seconds": _ARCHIVE,
    "query.max_workers": "snakemake --cores N decides how many tiles are searched at once",
    "query.footprint_lookback_months": "every month stands alone",
    "query.footprint_cache_ttl_days": "search.json keeps the answers; search.settle_days says for how long",
    "output.overwrite_cog": "a COG is made again when its month changes, or after it was deleted",
    "output.existing_month": _AGAIN,
    "output.on_time_conflict": _AGAIN,
    "output.layout_mode": "there is one layout",
    "output.formats.zarr": "the cube is always written",
    "preflight.disk.mode": "low space is always a warning; output.disk_warn_gb: 0 for none",
    "memory.scene_max_retries": "memory.scene_retry_timeout_seconds limits all tries of a granule",
    "memory.download_prefetch": "other months are read while one is composed",
    "memory.batch_spill": "memory does not grow with the number of granules",
    "memory.spill_dir": "output.work_dir holds temporary files",
    "memory.windowed_burst_reads": "only the part of a burst on the tile is kept",
    "runtime": _RESOURCES,
    "processing.features_ratio": "output.bands: [RVI] leaves Ratio out",
    "processing.features_rvi": "output.bands: [Ratio] leaves RVI out",
    "processing.tile_clip": "products always end with the tile",
    "processing.incomplete_acquisition": _GAPS,
    "processing.interior_hole_max_frac": _GAPS,
    "processing.require_complete_bursts": _GAPS,
    "processing.scenes_blockwise": "composites are always made in blocks of rows",
    "processing.monthly.enabled": "monthly composites are what is made",
    "processing.monthly.only": "monthly composites are what is made",
    "processing.monthly.blockwise_threads": _RESOURCES,
    "processing.despeckle.kwargs.noise_floor_db": "power at or below min_valid_lin is no data",
    "processing.despeckle.kwargs.preserve_nans": "no data always stays no data",
    "processing.despeckle.kwargs.interp_method": "no data is never filled",
    "processing.despeckle.kwargs.weight": f"{_BREGMAN}, which is 1 / weight",
    "processing.despeckle.kwargs.max_num_iter": _BREGMAN,
    "processing.despeckle.kwargs.eps": _BREGMAN,
    "processing.despeckle.kwargs.isotropic": _BREGMAN,
    "processing.despeckle.kwargs.n_jobs": _RESOURCES,
    "static_layers": "static.enabled: true makes static layers",
}
"""Key or section of S1-GRiTS without a counterpart -> why, or what to use here."""

WORKFLOWS = ("monthly", "scenes")


def translate(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Spell the keys of an S1-GRiTS file as they are spelled here.

    Parameters
    ----------
    given : mapping
        As read from YAML; stays as it is.

    Returns
    -------
    values : dict
        The same configuration for `root.Config`. Keys that are unknown to both stay.
    notes : list of str
        One line for each key that has no effect, and for each choice between two keys that contradict each other.

    Raises
    ------
    ConfigError
        If the file asks for products that are not made here.
    """
    values: dict[str, Any] = copy.deepcopy(dict(given))
    notes: list[str] = []
    _refuse_other_products(values)
    for key, spellings in VALUES.items():
        value = _get(values, key)
        if isinstance(value, str) and value.strip().lower() in spellings:
            _put(values, key, spellings[value.strip().lower()])
    if _get(values, "roi.manual_mgrs_tiles") == []:
        _put(values, "roi.manual_mgrs_tiles", None)
    direction = _get(values, "roi.flight_direction")
    if isinstance(direction, str):
        _put(values, "roi.flight_direction", direction.upper())
    for key, ours in RENAMED.items():
        value = _take(values, key)
        if value is not None and _get(values, ours) is not None:
            notes.append(f"{key}: no effect beside {ours}")
        elif value is not None:
            _put(values, ours, value)
    for key, why in NOT_NEEDED.items():
        if _take(values, key) is not None:
            notes.append(f"{key}: no effect here, {why}")
    notes += _one_mode_of_time(values)
    return values, notes


def _refuse_other_products(values: Mapping[str, Any]) -> None:
    workflow = values.get("workflow", "monthly")
    composites = _get(values, "processing.monthly.enabled") or workflow == "monthly"
    if workflow not in WORKFLOWS or not composites:
        raise ConfigError(
            f"workflow: {workflow}: only monthly composites are made here",
            "write workflow: monthly; or scenes with processing.monthly.enabled: true, whose scenes are not kept",
        )


def _one_mode_of_time(values: dict[str, Any]) -> Iterator[str]:
    """Keep one of years and full: the older ``mode`` decides, else years, as in S1-GRiTS."""
    time = values.get("time")
    if not isinstance(time, dict) or not (time.get("years") and time.get("full")):
        return
    used, unused = ("full", "years") if time.get("mode") == "full" else ("years", "full")
    for key in (unused, *(["months"] if unused == "years" else [])):
        time.pop(key, None)
    yield f"time.{unused}: no effect beside time.{used}"


def _get(values: Any, key: str) -> Any:
    """Return the value at a full key; None if it or a section before it is missing."""
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values


def _put(values: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        if not isinstance(values.get(section), dict):
            values[section] = {}
        values = values[section]
    values[last] = value


def _take(values: dict[str, Any], key: str) -> Any:
    """Remove a key, and the sections that are empty without it; return its value, None if there was none."""
    first, _, rest = key.partition(".")
    if not rest:
        return values.pop(first, None)
    inner = values.get(first)
    if not isinstance(inner, dict):
        return None
    value = _take(inner, rest)
    if not inner and value is not None:
        del values[first]
    return value


def table() -> str:
    """Return a Markdown table of the keys of S1-GRiTS that have another name here, or no effect."""
    rows = ["| key of S1-GRiTS | here |", "|---|---|"]
    for key, ours in RENAMED.items():
        spellings = ", ".join(f"`{theirs}`: `{str(own).lower()}`" for theirs, own in VALUES.get(key, {}).items())
        rows.append(f"| `{key}` | `{ours}`{spellings and f' ({spellings})'} |")
    together: dict[str, list[str]] = {}
    for key, why in NOT_NEEDED.items():
        together.setdefault(why, []).append(f"`{key}`")
    rows += [f"| {', '.join(keys)} | no effect: {why} |" for why, keys in together.items()]
    return "\n".join(rows)
