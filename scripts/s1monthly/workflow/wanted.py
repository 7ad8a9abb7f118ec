"""What a configuration wants: the files of its products, and the options and versions that make them again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from s1monthly.config.root import Config
from s1monthly.grid.crs import metres_a_unit
from s1monthly.layout import Layout
from s1monthly.records.recipe import recipe
from s1monthly.versions import PRODUCTS


def layout_of(config: Config) -> Layout:
    """Return the paths of a configuration's files."""
    return Layout(os.path.normpath(config.output.base_dir), os.path.normpath(config.work_dir))


def products_of(config: Config) -> tuple[str, ...]:
    """Return the products that are made from the cube: COGs and preview if wanted, and Item; as `Layout.product`."""
    formats = config.output.formats
    power, layers = ["power"] * formats.power + ["quality"] * formats.quality, config.roi.polarization.layers
    overviews = [f"overview-{name}" for name in (*map(str.lower, layers), "dual")] if formats.overview else []
    documents = [*["ceos_ard"] * formats.ceos_ard, "item"]
    return (*(_cogs_of(config) if formats.cog else ()), *power, *overviews, *["preview"] * formats.preview, *documents)


def _cogs_of(config: Config) -> tuple[str, ...]:
    if config.output.cog_layout == "multiband":
        return ("cog",)
    from s1monthly.kernels.bands import bands_of  # loads numpy, which the rules seldom need

    return tuple(band.name for band in bands_of(recipe(config)))


def product_options(config: Config) -> dict[str, Any]:
    """Return the options of a month's products: the formats that are always named, and what is not at its default.

    Options at their default are left out, so that neither a new option nor a changed default makes the products of
    existing months again.
    """
    chosen = config.output.model_dump(include={"cog_compression", "cog_layout"}, exclude_defaults=True)
    formats = config.output.formats
    names = ("ceos_ard", "overview", "power", "quality")
    further = {name: PRODUCTS[name] for name in names if getattr(formats, name)}
    return {**formats.model_dump(include={"cog", "preview"}), **further, **chosen}


def product_versions(config: Config) -> list[int]:
    """Return the versions of a month's products."""
    versions = [PRODUCTS[name] for name in ("cog", "previews", "stac")]
    epsg = config.processing.epsg
    # Earlier versions took every CRS unit for a metre; products that were right remain valid.
    return versions if epsg is None or metres_a_unit(epsg) == 1 else [*versions, 1]


def settings_of_products(config: Config, how: Mapping[str, Any]) -> dict[str, Any]:
    """Return recipe and all options that can change the products of a month; not the lists of months and tiles."""
    options = config.model_dump(
        mode="json",
        include={"roi": {"polarization", "tracks"}, "source": True, "processing": True},
    )
    return {"recipe": how, **options, "output": {"formats": product_options(config)}}
