"""The recipe of a cube: every option and algorithm version that makes its values differ, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from s1monthly.errors import CubeError
from s1monthly.slots import adds_bands_alone
from s1monthly.versions import ALGORITHMS, LEFT_OUT_AT_1
from s1monthly.vocabulary import Level, Month, TileDirection

if TYPE_CHECKING:  # its model takes longer to build than many a job that only needs a digest
    from s1monthly.config import Config


def recipe(config: Config) -> dict[str, Any]:
    """Everything that decides the values of a cube, apart from its granules: a plain, JSON-able mapping."""
    processing = config.processing
    despeckle: dict[str, Any] | None = None
    if processing.level is Level.HARDCP:
        despeckle = {"method": processing.despeckle.method, **processing.despeckle.kwargs.model_dump()}
    composite: dict[str, Any] = {"method": processing.composite_method}
    if processing.composite_method == "trimmed_mean":
        composite["trim_fraction"] = processing.trim_fraction
    simulation = config.source.simulation.model_dump()
    textures = config.textures
    roi_mask = config.roi.wkt if processing.use_roi_mask else None
    used = {"polygon_mask": roi_mask, "sources.simulated": config.source.kind == "simulated", "texture": textures}
    return {
        "algorithms": {
            name: version
            for name, version in ALGORITHMS.items()
            if used.get(name, True) and not (version == 1 and name in LEFT_OUT_AT_1)
        },
        "composite": composite,
        "data": {"simulated": simulation} if config.source.kind == "simulated" else "OPERA RTC-S1",
        "despeckle": despeckle,
        "grid": {"crs": processing.target_crs, "resolution": processing.target_resolution},
        "level": str(processing.level),
        "mask": processing.mask,
        "min_valid_power": processing.min_valid_lin,
        "mosaic": processing.mosaic_strategy,
        "polarization": str(config.roi.polarization),
        "roi_mask": roi_mask,
        "tracks": sorted(config.roi.tracks) if config.roi.tracks else None,
        **({"textures": textures} if textures else {}),
    }


def digest(content: Any) -> str:
    """Short digest of a JSON-able value: 16 hexadecimal digits of its SHA-256."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


_ABSENT = object()


def difference(held: Any, wanted: Any, place: str = "") -> Iterator[str]:
    """One line for each value in which two recipes differ: ``key: held -> wanted``."""
    if isinstance(held, Mapping) and isinstance(wanted, Mapping):
        for key in sorted({*held, *wanted}):
            inner = f"{place}.{key}" if place else str(key)
            yield from difference(held.get(key, _ABSENT), wanted.get(key, _ABSENT), inner)
    elif held != wanted:
        before, after = ("nothing" if value is _ABSENT else json.dumps(value) for value in (held, wanted))
        yield f"{place}: {before} -> {after}"


def refuse_mixture(
    key: TileDirection,
    held: Mapping[str, Any],
    wanted: Mapping[str, Any],
    unwanted_months: list[Month],
    overwrite: bool,
) -> None:
    """Refuse to mix two recipes in one cube.

    Parameters
    ----------
    key : TileDirection
        Whose cube it is.
    held, wanted : mapping
        Recipe of the cube and of this run.
    unwanted_months : list of Month
        Months that the cube holds and this run would not remake.
    overwrite : bool
        True where the configuration allows months to be remade.

    Raises
    ------
    CubeError
        Naming the difference and the ways out, unless the recipes agree or every month held will be remade. Textures
        may be added without `overwrite`: what the cube holds stays as it is.
    """
    if held == wanted or (not unwanted_months and (overwrite or adds_bands_alone(held, wanted))):
        return
    lines = "; ".join(difference(held, wanted))
    if adds_bands_alone(held, wanted):
        months = ", ".join(map(str, unwanted_months))
        raise CubeError(
            f"cube {key}: textures can be added to all its months together only ({lines})",
            f"widen the time range to {months}, switch textures off, or give another output.base_dir",
        )
    ways = (
        "either give another output.base_dir, or set output.overwrite: true"
        " with a time range that covers every month held"
    )
    if overwrite:
        months = ", ".join(map(str, unwanted_months))
        ways = f"widen the time range to these months too, or give another output.base_dir (not covered: {months})"
    raise CubeError(f"cube {key}: made with another recipe ({lines})", ways)
