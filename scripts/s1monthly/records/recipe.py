"""The recipe of a cube: the options and algorithm versions that determine its values, and nothing else."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from s1monthly.cube.header import ADDED, adds_only_bands
from s1monthly.errors import CubeError
from s1monthly.files import sample_digest
from s1monthly.kernels.options import INDEX_BANDS, SPREAD_STATISTICS, TEXTURE_METRICS
from s1monthly.kernels.pixel_pairs import canonical_angles
from s1monthly.model import Level, Month, Tile, TileDirection, canonical_tracks
from s1monthly.versions import ALGORITHMS, LEFT_OUT_AT_1

if TYPE_CHECKING:  # building the model of Config takes longer than some jobs that only need a digest
    from s1monthly.config.root import Config


OPERA, GRD = "OPERA RTC-S1", "Sentinel-1 GRD"
"""Data of a recipe."""
COPERNICUS = "Copernicus DEM"


def recipe(config: Config) -> dict[str, Any]:
    """Return everything except the granules that determines the values of a cube, as a mapping of plain JSON."""
    processing = config.processing
    composite: dict[str, Any] = {"method": processing.composite_method}
    if processing.composite_method == "trimmed_mean":
        composite["trim_fraction"] = processing.trim_fraction
    simulation = config.source.simulation.model_dump()
    textures, angle = config.textures, processing.angle_normalisation.recipe()
    roi_mask = config.roi.polygon if processing.use_roi_mask else None
    grd = config.source.kind == "grd"
    used = {
        "resampling": not grd,
        "sources.reading": not grd,
        "sources.grd": grd,
        "polygon_mask": roi_mask,
        "radiometry": config.converts and not grd,
        "sources.simulated": config.source.kind == "simulated",
        "spread": processing.spread,
        "quality": config.output.formats.quality,
        "texture": textures,
    }
    return canonical(
        {
            "algorithms": {
                name: version
                for name, version in ALGORITHMS.items()
                if used.get(name, True) and not (version == 1 and name in LEFT_OUT_AT_1)
            },
            "composite": composite,
            "data": {"simulated": simulation} if config.source.kind == "simulated" else GRD if grd else OPERA,
            "despeckle": processing.despeckle.recipe() if processing.level is Level.HARDCP else None,
            "grid": {"crs": processing.target_crs, "resolution": processing.target_resolution},
            "level": str(processing.level),
            "mask": processing.mask,
            "min_valid_power": processing.min_valid_lin,
            "mosaic": processing.mosaic_strategy,
            "polarization": str(config.roi.polarization),
            "roi_mask": roi_mask,
            "tracks": None if processing.by_track else config.roi.tracks,  # a cube of one track says which
            **({"textures": textures} if textures else {}),
            **({"angle_normalisation": angle} if angle else {}),
            **({"spread": processing.spread} if processing.spread else {}),
            **({"radiometry": processing.radiometry} if config.converts else {}),
            **({"quality": True} if config.output.formats.quality else {}),
            **({"grd": _of_grd(config)} if grd else {}),
            **_of_bands(config),
        }
    )


def _of_grd(config: Config) -> dict[str, Any]:
    """Return the options of the terrain correction; DEM and geoid by digests of their content.

    The tiles of the Copernicus DEM are the same wherever they lie, and a folder may get more of them.
    """
    options = config.grd
    dem, geoid = options.dem or "", options.fetched_geoid or options.geoid
    return {
        "border_noise": options.border_noise,
        "dem": COPERNICUS if options.fetches_dem or os.path.isdir(dem) else sample_digest(dem),
        "dem_heights": options.dem_heights,
        **({"geoid": options.fetched_geoid or sample_digest(geoid)} if geoid else {}),
        **({"ocean": sorted(options.ocean)} if options.ocean else {}),
        "thermal_noise": options.thermal_noise,
        "tropospheric_delay": options.tropospheric_delay,
    }


def static_options(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return what static layers depend on beside the grid, if they are computed: of the DEM, and version."""
    if "grd" not in recipe:
        return {}
    options = {name: value for name, value in recipe["grd"].items() if not name.endswith("_noise")}
    return {"grd": options, "version": recipe["algorithms"]["sources.grd"]}


def _of_bands(config: Config) -> dict[str, Any]:
    """Return the options of bands that are not at their default: cubes from before these options have none."""
    kept = [name for name in INDEX_BANDS if name in config.output.bands]
    options = {"bands": kept} if kept != list(INDEX_BANDS) else {}
    return options | ({"keep_bits": config.output.keep_bits} if config.output.keep_bits else {})


def canonical(recipe: Mapping[str, Any], tile: Tile | None = None) -> dict[str, Any]:
    """Return the canonical form of a run's or a cube's recipe, which is the same for all equivalent spellings.

    It unifies numbers, lists whose order has no meaning, all tracks and the polygon. With a tile, the tile's own CRS
    becomes None, whether named or not.
    """
    plain: dict[str, Any] = _plain_numbers(recipe)
    if "tracks" in plain:
        plain["tracks"] = canonical_tracks(plain["tracks"])
    grid = plain.get("grid", {})
    if tile and grid.get("crs") == f"EPSG:{tile.epsg}":
        grid["crs"] = None
    textures = plain.get("textures")
    if textures:
        textures["metrics"] = [metric for metric in TEXTURE_METRICS if metric in textures["metrics"]]
        if textures["average_angles"]:  # else they are names of bands
            textures["angles"] = canonical_angles(textures["distance"], textures["angles"])
        textures["angles"].sort()
    if plain.get("spread"):
        plain["spread"] = [statistic for statistic in SPREAD_STATISTICS if statistic in plain["spread"]]
    if plain.get("roi_mask"):
        from s1monthly.grid.regions import canonical_wkt, projects_whole  # here, since few recipes have a mask

        if tile and "polygon_mask" not in plain["algorithms"]:  # version 1, equal to 2 if the polygon projects whole
            epsg = int(grid["crs"].removeprefix("EPSG:")) if grid["crs"] else tile.epsg
            if projects_whole(plain["roi_mask"], epsg):
                plain["algorithms"]["polygon_mask"] = 2
        plain["roi_mask"] = canonical_wkt(plain["roi_mask"])
    return plain


def _plain_numbers(value: Any) -> Any:
    """Copy a JSON value, with 0.0 for -0.0."""
    if isinstance(value, Mapping):
        return {key: _plain_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_numbers(inner) for inner in value]
    return 0.0 if isinstance(value, float) and value == 0 else value


def match_spelling(cube_recipe: Mapping[str, Any] | None, wanted: Mapping[str, Any], tile: Tile) -> dict[str, Any]:
    """Return the wanted recipe in the spelling of the cube's; in canonical form if they differ or there is no cube.

    Digests of a recipe in records and file names thus do not depend on the spelling of the configuration.

    Parameters
    ----------
    cube_recipe : mapping or None
        Recipe of the tile's cube, if it exists.
    wanted : mapping
        Recipe of the run, as from `recipe`.
    """
    new = canonical(wanted, tile)
    if cube_recipe is None:
        return new
    old = canonical(cube_recipe, tile)
    if old == new:
        return _ordered_like(new, cube_recipe)
    if adds_only_bands(old, new):
        added = {key: name for key, name in ADDED.items() if new.get(key) and not old.get(key)}
        versions = {name: new["algorithms"][name] for name in added.values()}
        algorithms = {**cube_recipe["algorithms"], **versions}
        return _ordered_like(new, {**cube_recipe, "algorithms": algorithms, **{key: new[key] for key in added}})
    return new


def _ordered_like(model: Any, value: Any) -> Any:
    """Copy a JSON-able value, with the keys of its mappings in the order of a model's, and others behind them."""
    if not (isinstance(model, Mapping) and isinstance(value, Mapping)):
        return value
    keys = [key for key in model if key in value] + [key for key in value if key not in model]
    return {key: _ordered_like(model.get(key), value[key]) for key in keys}


def digest(content: Any) -> str:
    """Return a short digest of a JSON value: the first 16 hexadecimal digits of its SHA-256."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def polygon_digest(recipe: Mapping[str, Any]) -> str:
    """Return a digest of the polygon that limits a run, the same for all spellings; empty without one."""
    polygon = canonical(recipe).get("roi_mask")
    return digest(polygon) if polygon else ""


_ABSENT = object()


def difference(old: Any, new: Any, place: str = "") -> Iterator[str]:
    """Yield one line for each value in which two recipes differ: ``key: old -> new``."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            inner = f"{place}.{key}" if place else str(key)
            yield from difference(old.get(key, _ABSENT), new.get(key, _ABSENT), inner)
    elif old != new:
        before, after = ("nothing" if value is _ABSENT else json.dumps(value) for value in (old, new))
        yield f"{place}: {before} -> {after}"


def refuse_mixture(
    key: TileDirection,
    cube_recipe: Mapping[str, Any],
    wanted: Mapping[str, Any],
    unwanted_months: list[Month],
    overwrite: bool,
) -> None:
    """Raise an error if a run would mix two recipes in one cube.

    Parameters
    ----------
    cube_recipe, wanted : mapping
        Recipe of the cube and of this run.
    unwanted_months : list of Month
        Months that the cube holds and this run would not make again.
    overwrite : bool
        True if the configuration allows months to be made again.

    Raises
    ------
    CubeError
        Names the difference and the ways out, unless the recipes agree or every month held is made again. Textures
        and a spread may be added without `overwrite`, as this leaves the cube's values unchanged.
    """
    if cube_recipe == wanted or (not unwanted_months and (overwrite or adds_only_bands(cube_recipe, wanted))):
        return
    lines, months = "; ".join(difference(cube_recipe, wanted)), ", ".join(map(str, unwanted_months))
    if adds_only_bands(cube_recipe, wanted):
        raise CubeError(
            f"cube {key}: bands can be added to all its months together only ({lines})",
            f"widen the time range to {months}, leave these bands out, or give another output.base_dir",
        )
    raise CubeError(
        f"cube {key}: made with another recipe ({lines})",
        f"widen the time range to these months too, or give another output.base_dir (not covered: {months})"
        if overwrite
        else "keep these options as the cube has them, give another output.base_dir, or set output.overwrite: true"
        " with a time range that covers every month held",
    )
