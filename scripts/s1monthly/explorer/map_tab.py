"""The map: what is chosen is read for what is visible, and drawn."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from bokeh.document import Document
from bokeh.events import Event, RangesUpdate, SelectionGeometry
from bokeh.models import FixedTicker
from bokeh.models.annotations import Label
from bokeh.models.tickers import BasicTicker
from bokeh.models.widgets import Div

from s1monthly.cube.header import COUNT, MASK, Status
from s1monthly.errors import CubeError
from s1monthly.explorer import pictures
from s1monthly.explorer.acting import Actor
from s1monthly.explorer.change_layer import NONE, ChangeLayer
from s1monthly.explorer.controls import MOVES, Controls
from s1monthly.explorer.map_models import CLASS_COLOURS, PALETTES, Map, image_data
from s1monthly.explorer.pictures import Picture
from s1monthly.explorer.place_series import lonlat_text, outline, read_place
from s1monthly.explorer.series_panel import SeriesPanel
from s1monthly.explorer.tree import Shown, contents, refuse_outside, shown
from s1monthly.explorer.view import View
from s1monthly.kernels.bands import bands_of
from s1monthly.kernels.quality import CLASSES
from s1monthly.model import Month, TileDirection, month_ranges
from s1monthly.series.figure import source_line

RGB = "RGB"
DELAY = 120
"""Milliseconds without a further move before the map is read again."""
ROLES = {"backscatter": "Backscatter", "index": "Indices", "texture": "Textures", "spread": "Spread of the passes"}
WORDS = {COUNT: "number of passes", MASK: "classes of pixels"}
STATUS = {Status.EMPTY: "no composite", Status.BEING_WRITTEN: "is being written"}


class MapTab:
    """Map, controls and series of a visit."""

    def __init__(self, document: Document, base_dir: str) -> None:
        self.base_dir, self.actor = base_dir, Actor(document, self.say)
        self.status = Div(text="", render_as_text=True, name="status", sizing_mode="stretch_width")
        self.controls, self.map, self.series = Controls(), Map(), SeriesPanel(self.actor)
        self.view = View(self.map.figure, self.map.x, self.map.y, partial(self.soon, "draw"))
        self.changes = ChangeLayer(self.map, base_dir)
        self.cubes: dict[str, dict[str, TileDirection]] = {}
        self.shown: Shown | None = None
        self.summary, self.left_out = "", list[str]()
        self.halves: list[Picture | None] = []
        self._failed = False
        self._connect()
        self.actor.do(self.read_tree)

    def _connect(self) -> None:
        controls, on = self.controls, self.actor.on
        for widget, work in (
            (controls.tile, "choose_tile"),
            (controls.passes, "choose_cube"),
            (controls.band, "choose_band"),
            (controls.month, "draw"),
            (controls.other, "draw"),
            (controls.divider, "join"),
            (controls.change, "choose_change"),
            (controls.place, "enter_place"),
        ):
            on(widget, "value", partial(self.soon, work))
        on(controls.compare, "active", self.compare)
        on(controls.stretch, "value", self.colour)
        on(controls.palette, "value", self.colour)
        on(controls.opacity, "value", self.choose_opacity)
        self.map.tie_divider(controls.divider)
        controls.stretch_again.on_click(partial(self.actor.do, self.stretch_to_view))
        controls.again.on_click(partial(self.actor.do, self.read_tree))
        for label, _, *move in MOVES:
            controls.moves[label].on_click(partial(self.actor.do, partial(self.view.move, *move)))
        self.map.figure.on_event(RangesUpdate, self._moved)
        self.map.figure.on_event(SelectionGeometry, lambda event: self.actor.do(partial(self.pick, event)))

    def _moved(self, event: Event) -> None:
        self.view.moved()
        self.soon("draw", DELAY)

    def soon(self, name: str, delay: int = 0) -> None:
        """Call the method of that name soon, and once for many calls."""
        self.actor.soon(name, getattr(self, name), delay)

    def say(self, text: str) -> None:
        """Show a message; an empty one says what is shown."""
        self.status.text = text or self.summary

    # what is chosen

    def read_tree(self) -> None:
        """Read which cubes there are, and keep what was chosen if it is still there."""
        found, tile = contents(self.base_dir), self.controls.tile
        self.cubes = {}
        for key in found.keys:
            self.cubes.setdefault(str(key.tile), {})[str(key.direction)] = key
        tiles = list(self.cubes)
        tile.update(options=tiles, value=tile.value if tile.value in tiles else tiles[0])
        self.left_out = found.left_out
        self.soon("choose_tile")

    def choose_tile(self) -> None:
        """Offer the directions and tracks of a tile."""
        stacks, passes = _known(self.cubes, self.controls.tile.value, "tile"), self.controls.passes
        options = [(stack, key.direction.passes) for stack, key in stacks.items()]
        passes.update(options=options, value=passes.value if passes.value in stacks else options[0][0])
        self.soon("choose_cube")

    def choose_cube(self) -> None:
        """Offer months, bands and changes of a cube; show the whole tile if it is another one."""
        stacks = _known(self.cubes, self.controls.tile.value, "tile")
        key = _known(stacks, self.controls.passes.value, "direction")
        before, self.shown = self.shown, shown(self.base_dir, key)
        self._offer(self.shown)
        self.series.of_cube(self.shown.header)
        box = self.shown.header.geobox
        if before is None or before.header.geobox != box:
            self.map.lie_on(box)
            self.map.mark(None)
            self.view.show_whole(box)
        self.soon("choose_band")
        self.soon("choose_change")

    def _read_again(self) -> Shown:
        """Read the root of the cube again: a run may have added months to it, or somebody moved it."""
        before = self._cube()
        key = TileDirection(before.header.tile, before.header.direction)
        self.shown = shown(self.base_dir, key)
        if self.shown != before:
            self._offer(self.shown)
        return self.shown

    def _offer(self, cube: Shown) -> None:
        self.summary = "; ".join([_summary(cube), *(f"left out: {one}" for one in self.left_out)])
        self.say("")
        controls, header = self.controls, cube.header
        months = [str(month) for month in cube.months]
        complete = [str(month) for month in cube.complete] or months
        two = months if len(months) > 1 else [*months, str(header.last.shift(1))]  # a slider has two ends
        for slider, wanted in ((controls.month, complete[-1]), (controls.other, complete[0])):
            slider.update(categories=two, value=slider.value if slider.value in months else wanted)
        co, cross = header.recipe["polarization"].split("+")
        groups: dict[str, Any] = {"Colours of the preview": [(RGB, f"{RGB}: {co}, {cross}, {cross}/{co}")]}
        for band in bands_of(header.recipe):
            if band.name in header.bands:
                groups.setdefault(ROLES[band.role], []).append((band.name, band.name))
        groups["Quality"] = [(name, WORDS[name]) for name in cube.names if name in WORDS]
        band = controls.band.value
        controls.band.update(options=groups, value=band if band in (RGB, *cube.names) else cube.names[0])
        layers, layer = self.changes.choices(cube.changes), controls.change.value
        controls.change.update(options=layers, value=layer if layer in dict(layers) else NONE)

    def _cube(self) -> Shown:
        if self.shown is None:
            raise CubeError(f"{self.base_dir}: no cube is chosen", "choose a tile")
        refuse_outside(self.base_dir, self.shown.header.path)
        return self.shown

    def _band(self) -> str:
        names = (RGB, *self._cube().names)
        name: str = _known(dict(zip(names, names, strict=True)), self.controls.band.value, "band")
        return name

    # colours

    def choose_band(self) -> None:
        """Give a band its colours, stretched over the coarsest copy of the month, and draw it."""
        name, cube = self._band(), self._cube()
        plain = name not in (RGB, MASK)
        for widget in (self.controls.stretch, self.controls.palette, self.controls.stretch_again):
            widget.visible = plain
        if plain and cube.complete:
            month = Month.parse(self.controls.month.value)
            month = month if month in cube.complete else cube.complete[-1]
            box = cube.header.geobox
            coarse = pictures.read_picture(cube.header, month, name, box.bounds, box.resolution * max(box.shape))
            self._stretch(coarse.values if coarse else np.zeros(0, np.float32))
        self.colour()
        self.soon("draw")

    def _stretch(self, values: pictures.Values) -> None:
        scale = pictures.stretch_scale(values)
        form = f"0.{'0' * scale.decimals}" if scale.decimals else "0"
        self.controls.stretch.update(start=scale.first, end=scale.last, step=scale.step, value=scale.shown, format=form)

    def stretch_to_view(self) -> None:
        """Stretch the colours over what is visible."""
        there = [one.values.ravel() for one in self.halves if one is not None]
        if there and self._band() not in (RGB, MASK):
            self._stretch(np.concatenate(there))

    def colour(self) -> None:
        """Give the map its colours and the bar its words."""
        name, mapper, bar = self._band(), self.map.mapper, self.map.bar
        bar.visible = name != RGB
        if name == MASK:
            mapper.update(palette=list(CLASS_COLOURS), low=-0.5, high=len(CLASSES) - 0.5)
            words = {number: text.replace("_", " ") for number, text in CLASSES.items()}
            bar.update(title="Class", ticker=FixedTicker(ticks=list(CLASSES)), major_label_overrides=words)
            return
        low, high = self.controls.stretch.value
        palette = _known(PALETTES, self.controls.palette.value, "colour map")
        mapper.update(palette=list(palette), low=low, high=high)
        known = {band.name: band for band in bands_of(self._cube().header.recipe)}
        title = "Number of passes"
        if name in known:
            unit = " (dB)" if known[name].units == "dB" else ""
            title = f"{name.removesuffix('_dB')}{unit}: {known[name].description}"
        bar.update(title=title, ticker=BasicTicker(), major_label_overrides={})

    # what is drawn

    def draw(self) -> None:
        """Read and draw what is visible."""
        failed_before, self._failed = self._failed, True
        cube, controls = self._read_again(), self.controls
        months = [controls.month.value, *([controls.other.value] if controls.compare.active else [])]
        self.map.labels[1].text = ""
        self.halves = [None] * len(months)
        try:
            labelled = zip(months, self.map.labels, strict=False)
            self.halves = [self._half(cube, Month.parse(month), label) for month, label in labelled]
        finally:  # never a picture of another month than the label says
            self.join()
        self.map.source.text = source_line(months, cube.header.simulated)
        self.draw_change()
        self._failed = False
        if failed_before:
            self.say("")

    def _half(self, cube: Shown, month: Month, label: Label) -> Picture | None:
        status = cube.header.status(month)
        if status is not Status.COMPLETE:
            label.text = f"{month}: {STATUS[status]}"
            return None
        label.text = str(month)
        name = self._band()
        where = self.view.bounds, self.view.scale
        if name == RGB:
            return pictures.read_colours(cube.header, month, *where)
        return pictures.read_picture(cube.header, month, name, *where)

    def compare(self) -> None:
        """Show one month or two."""
        for one in (self.controls.other, self.controls.divider, self.map.divider):
            one.visible = self.controls.compare.active
        self.soon("draw")

    def join(self) -> None:
        """Draw the month, or two, each on its side of the divider."""
        left, _, right, _ = self.view.bounds
        divider = left + (right - left) * self.controls.divider.value / 100
        picture = self.halves[0] if len(self.halves) == 1 else pictures.swiped(self.halves[0], self.halves[1], divider)
        self.map.labels[1].x = self.view.size["inner_width"] - 8
        sources = [self.map.values, self.map.colours]
        drawn, empty = reversed(sources) if self._band() == RGB else sources
        empty.data, drawn.data = image_data(None), image_data(picture)

    def choose_change(self) -> None:
        """Give the layer of changes its colours, and draw it."""
        cube, (band, _, kind) = self._cube(), self.controls.change.value.rpartition(" ")
        self.controls.opacity.visible = bool(band)
        if band:
            path = _known(cube.changes, band, "map of changes of")
            self.changes.colour(path, kind, cube.header.geobox, cube.header.recipe, band)
        self.draw_change()

    def choose_opacity(self) -> None:
        """Make the layer of changes more or less opaque."""
        self.map.change_image.glyph.global_alpha = self.controls.opacity.value / 100

    def draw_change(self) -> None:
        """Read and draw the visible part of the layer of changes."""
        band, _, kind = self.controls.change.value.rpartition(" ")
        if not band:
            self.changes.hide()
            return
        path = _known(self._cube().changes, band, "map of changes of")
        self.changes.draw(path, kind, self.view.bounds, self.view.scale)

    # series

    def pick(self, event: Event) -> None:
        """Read the series of a point that was clicked, of a box or of a field that was drawn."""
        if not isinstance(event, SelectionGeometry) or not event.final:
            return
        geometry: Any = event.geometry
        if geometry["type"] == "rect":
            west, east, south, north = (geometry[name] for name in ("x0", "x1", "y0", "y1"))
            x, y = [west, east, east, west], [south, south, north, north]
        else:
            x, y = np.atleast_1d(geometry["x"]).tolist(), np.atleast_1d(geometry["y"]).tolist()
        self.controls.place.value = lonlat_text(x, y, self._cube().header.geobox.epsg)
        self.soon("enter_place")

    def enter_place(self) -> None:
        """Mark the place that is written, bring it into view, and read its series."""
        place, header = read_place(self.controls.place.value), self._cube().header
        x, y = outline(place, header.geobox.epsg)
        self.map.mark((x, y))
        middle, (left, bottom, right, top) = (float(np.mean(x)), float(np.mean(y))), header.geobox.bounds
        if left < middle[0] < right and bottom < middle[1] < top and not self.view.contains(*middle):
            self.view.look_at(*middle, self.view.scale)
        self.series.read(place, header)


def _known(found: Any, name: str, what: str) -> Any:
    """Return what is known by a name; the browser may send any name."""
    if name not in found:
        raise CubeError(f"{what} {name!r}: not in this tree", f"choose one of {', '.join(found) or 'those offered'}")
    return found[name]


def _summary(cube: Shown) -> str:
    header, missing = cube.header, [month for month in cube.months if month not in cube.complete]
    lacking = f"; no composite of {month_ranges(missing)}" if missing else ""
    return (
        f"{header.tile}, {header.direction.passes}, pixels of {header.geobox.metres_a_pixel:g} m:"
        f" {len(cube.complete)} complete months from {header.first} to {header.last}{lacking}. Hatched: no data."
    )
