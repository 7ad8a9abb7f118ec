"""What part of a tile is visible: its middle and its scale, which stays the same along both axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bokeh.models import Range1d
from bokeh.plotting import figure

from s1monthly.explorer.pictures import Bounds
from s1monthly.grid.lattice import GeoBox

GUESS = (700, 600)
"""Width and height of the map in pixels of the screen until the browser has said them."""
MARGIN = 1.03
"""Width of a view of the whole tile, in tiles."""
LARGEST_PIXEL = 50
"""Pixels of the screen along a pixel of the tile, at most."""


class View:
    """The visible part of a figure with two ranges.

    Attributes
    ----------
    size : dict
        ``inner_width`` and ``inner_height`` of the figure in pixels of the screen.
    changed : callable
        Called after the view was moved from here.
    """

    def __init__(self, plot: figure, x: Range1d, y: Range1d, changed: Callable[[], None]) -> None:
        self.x, self.y, self.changed = x, y, changed
        self.size = dict(zip(("inner_width", "inner_height"), GUESS, strict=True))
        self.box = GeoBox(4326, 1.0, 0.0, 1.0, 1, 1)
        self._whole, self._scale = True, 1.0
        for name in self.size:
            plot.on_change(name, self._resized)

    @property
    def bounds(self) -> Bounds:
        """Left, bottom, right and top in units of the CRS."""
        ends: list[Any] = [self.x.start, self.y.start, self.x.end, self.y.end]
        left, bottom, right, top = map(float, ends)
        return left, bottom, right, top

    @property
    def scale(self) -> float:
        """Size of a pixel of the screen in units of the CRS."""
        left, _, right, _ = self.bounds
        return (right - left) / self.size["inner_width"]

    @property
    def middle(self) -> tuple[float, float]:
        """x and y of the middle."""
        left, bottom, right, top = self.bounds
        return (left + right) / 2, (bottom + top) / 2

    def contains(self, x: float, y: float) -> bool:
        """Return True if a place is visible."""
        left, bottom, right, top = self.bounds
        return left < x < right and bottom < y < top

    def look_at(self, x: float, y: float, scale: float) -> None:
        """Show a place in the middle, at a scale in units of the CRS for each pixel of the screen."""
        width, height = (scale * size for size in self.size.values())
        self._whole, self._scale = False, scale
        self.x.update(start=x - width / 2, end=x + width / 2)
        self.y.update(start=y - height / 2, end=y + height / 2)
        self.changed()

    def show_whole(self, box: GeoBox | None = None) -> None:
        """Show the whole tile, or a new one; it stays whole if the size of the map changes."""
        self.box = box or self.box
        left, bottom, right, top = self.box.bounds
        sides = zip((right - left, top - bottom), self.size.values(), strict=True)
        self.look_at((left + right) / 2, (bottom + top) / 2, MARGIN * max(side / size for side, size in sides))
        self._whole = True

    def move(self, east: float, north: float, factor: float) -> None:
        """Move by shares of the view, and change the scale by a factor; 0 shows the whole tile."""
        if factor == 0:
            self.show_whole()
            return
        (x, y), (left, bottom, right, top) = self.middle, self.bounds
        scale = max(self.scale * factor, self.box.resolution / LARGEST_PIXEL)
        self.look_at(x + east * (right - left), y + north * (top - bottom), scale)

    def moved(self) -> None:
        """Remember that the view was moved in the browser."""
        self._whole, self._scale = False, self.scale

    def _resized(self, attr: str, old: Any, new: int) -> None:
        if not new:  # hidden
            return
        middle = self.middle
        self.size[attr] = new
        if self._whole:
            self.show_whole()
        else:
            self.look_at(*middle, self._scale)
