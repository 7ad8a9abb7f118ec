"""Versions of algorithms and products. Raise a number when its code gives other results."""

from __future__ import annotations

ALGORITHMS = {
    "bands": 1,
    "composing": 1,
    "compositing": 1,
    "despeckling": 1,  # raise it for changes above 1e-4 dB: reordering the same sums changes results by 1e-5 dB
    "masking": 1,
    "polygon_mask": 2,  # polygons of any size; see `recipe.canonical`
    "quality": 1,
    "radiometry": 1,
    "resampling": 1,
    "sources.grd": 1,
    "sources.reading": 1,  # includes the pixel positions of `grid`
    "sources.simulated": 1,
    "spread": 1,
    "texture": 1,
}
"""Version of every algorithm that changes the values of a cube.

The names are keys in the recipes of existing cubes. Never rename one, even when its module is moved or renamed.
"""

LEFT_OUT_AT_1 = frozenset({"composing", "polygon_mask", "sources.simulated"})
"""Algorithms that a recipe names only from version 2 on, because cubes exist from before they had a number."""

PRODUCTS = {
    "cog": 3,
    "previews": 1,
    "stac": 3,
    "static": 1,
    "power": 1,
    "overview": 1,
    "quality": 1,
    "ceos_ard": 1,
}
"""Version of every product. Raising it makes it again: static layers from their granules, others from the cube."""
