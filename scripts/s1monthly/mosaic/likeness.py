"""What of a recipe makes the values of two COGs comparable, as texts for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from s1monthly.kernels.bands import normalisation
from s1monthly.kernels.options import RADIOMETRY


def recipe_of(tags: Mapping[str, str]) -> dict[str, Any]:
    """Return the recipe in the tags of a COG; empty if it has none that can be read, as COGs of other makers."""
    try:
        recipe = json.loads(tags.get("RECIPE", "{}"))
    except ValueError:
        return {}
    return recipe if isinstance(recipe, dict) else {}


def radiometry_of(recipe: Mapping[str, Any]) -> str:
    """Return the quantity of backscatter of a recipe."""
    return str(recipe.get("radiometry", RADIOMETRY))


def likeness(recipe: Mapping[str, Any]) -> dict[str, str]:
    """Return what must be equal in COGs of one mosaic, each by its name; empty for an unknown recipe.

    Examples
    --------
    >>> likeness({"composite": {"method": "median"}, "despeckle": None})
    {'quantity': 'gamma0_terrain', 'composite': 'method median', 'despeckling': 'none', 'angle normalisation': 'none'}
    """
    if not recipe:
        return {}
    return {
        "quantity": radiometry_of(recipe),
        "composite": _words(recipe.get("composite")),
        "despeckling": _words(recipe.get("despeckle")),
        "angle normalisation": normalisation(recipe) or "none",
    }


def _words(options: Any) -> str:
    """Write options as ``method lee, window_size 7``, those of a name in any order alike."""
    if not isinstance(options, Mapping) or not options:
        return "none"
    names = sorted(options, key=lambda name: (name != "method", name))
    return ", ".join(f"{name} {options[name]}" for name in names)
