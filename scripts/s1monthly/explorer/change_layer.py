"""The layer of changes above the map: month, step or confidence, each with its own colours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from s1monthly.errors import ProductError
from s1monthly.explorer.map_models import PALETTES, Map, diverging, image_data
from s1monthly.explorer.pictures import Bounds, Picture, Values, read_change_picture, stretch
from s1monthly.explorer.tree import refuse_outside
from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.bands import bands_of
from s1monthly.kernels.change.detection import change_bands

NONE = "none"
KINDS = {"magnitude": "step", "month": "month", "confidence": "confidence"}
"""Bands of a map of changes that are offered, and words for them."""
NUMBERS = {"month": 1, "magnitude": 2, "confidence": 3}
"""Place of each in every map."""
COLOURS = {"month": "viridis", "confidence": "cividis"}


class ChangeLayer:
    """Reads and draws one band of a map of changes."""

    def __init__(self, of: Map, base_dir: str) -> None:
        self.map, self.base_dir = of, base_dir

    @staticmethod
    def choices(changes: Mapping[str, Path]) -> list[tuple[str, str]]:
        """Return the values and words to choose from."""
        made = [(f"{band} {kind}", f"{band}: {words}") for band in changes for kind, words in KINDS.items()]
        return [(NONE, "none"), *made]

    def hide(self) -> None:
        """Draw nothing."""
        self.map.change.data, self.map.change_bar.visible = image_data(None), False

    def draw(self, path: Path, kind: str, view: Bounds, scale: float) -> None:
        """Draw the visible part of a layer.

        Raises
        ------
        ProductError, FileError
            If the map is gone, damaged, or leads out of the tree.
        """
        if kind not in NUMBERS:
            raise ProductError(f"{path.name}: no layer {kind!r}", f"choose one of {', '.join(NUMBERS)}")
        self.map.change.data = image_data(None)  # if it cannot be read, no other one is shown
        self.map.change.data = image_data(self._read(path, kind, view, scale))

    def colour(self, path: Path, kind: str, box: GeoBox, recipe: Mapping[str, object], band: str) -> None:
        """Give a layer the colours that suit its values all over the tile; arguments and errors as `draw`."""
        whole = self._read(path, kind, box.bounds, box.resolution * max(box.shape))
        values: Values = np.zeros(0, np.float32) if whole is None else whole.values
        mapper = self.map.change_mapper
        if kind == "magnitude":
            there = values[np.isfinite(values)]
            most = float(np.percentile(np.abs(there), 98)) if there.size else 1.0
            mapper.update(palette=diverging(), low=-most, high=most)
        else:
            low, high = (0.0, 1.0) if kind == "confidence" else stretch(values)
            mapper.update(palette=list(PALETTES[COLOURS[kind]]), low=low, high=high)
        known = next(one for one in bands_of(recipe) if one.name == band)
        label = next(one for one in change_bands("cusum", known) if one.name == kind)
        words = {"month": "year of the change", "confidence": label.description}
        text = words.get(kind) or f"step ({label.units}), {label.description}"
        self.map.change_bar.update(title=f"Change of {band.removesuffix('_dB')}: {text}", visible=True)

    def _read(self, path: Path, kind: str, view: Bounds, scale: float) -> Picture | None:
        refuse_outside(self.base_dir, path)
        picture = read_change_picture(path, NUMBERS[kind], view, scale)
        if picture is None or kind != "month":
            return picture
        return Picture(years(picture.values), picture.bounds, picture.factor)


def years(months: Values) -> Values:
    """Return months, written as year x 100 + month, as years with a fraction: that of their first day."""
    whole = np.floor(months / 100)
    return (whole + (months - whole * 100 - 1) / 12).astype(np.float32)
