"""The map's figure and its controls, as Bokeh models: what they look like, not what they do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.models import (
    BoxSelectTool,
    BoxZoomTool,
    ColumnDataSource,
    CustomJS,
    CustomJSHover,
    HoverTool,
    LinearColorMapper,
    NumeralTickFormatter,
    PanTool,
    PolySelectTool,
    Range1d,
    SaveTool,
    TapTool,
    WheelZoomTool,
)
from bokeh.models.annotations import BoxAnnotation, ColorBar, Label, ScaleBar, Span, Title
from bokeh.models.annotations.dimensional import MetricLength
from bokeh.models.tickers import BasicTicker
from bokeh.models.widgets import Slider
from bokeh.palettes import Cividis256, Greys256, RdBu11, Viridis256
from bokeh.plotting import figure

from s1monthly.explorer.pictures import Picture
from s1monthly.grid.crs import crs_of
from s1monthly.grid.lattice import GeoBox
from s1monthly.grid.outlines import LONLAT, transformer

PALETTES: dict[str, tuple[str, ...]] = {
    "grey": tuple(Greys256),
    "viridis": tuple(Viridis256),
    "cividis": tuple(Cividis256),
}
"""Colour maps that the colour-blind can read."""

CLASS_COLOURS = ("#ffffff", "#bbbbbb", "#332288", "#ddcc77", "#aa4499", "#88ccee", "#cc6677")
"""Of the classes of pixels, in the order of `kernels.quality.CLASSES`: Tol's muted scheme."""

ACCENT = "#0b57a4"
NOTHING = "#eef2f6"
"""Background, hatched, seen where there is no data."""

DEGREE = 4
"""Of the polynomial that gives longitude and latitude on a tile: its error is below a centimetre."""


def diverging() -> list[str]:
    """Return the colours of steps, from blue (down) over white to red (up): ColorBrewer's RdBu, in 256 steps."""
    ends = np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in RdBu11])
    places = np.linspace(0, len(ends) - 1, 256)
    channels = [np.interp(places, np.arange(len(ends)), ends[:, one]).round().astype(int) for one in range(3)]
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in zip(*channels, strict=True)]


def lonlat_terms(box: GeoBox) -> dict[str, Any]:
    """Fit polynomials of x and y that give longitude and latitude on a tile, for the readout in the browser."""
    left, bottom, right, top = box.bounds
    u, v = (grid.ravel() for grid in np.meshgrid(np.linspace(-1, 1, 21), np.linspace(-1, 1, 21)))
    centre, half = ((left + right) / 2, (bottom + top) / 2), ((right - left) / 2, (top - bottom) / 2)
    lon, lat = transformer(box.epsg, LONLAT).transform(centre[0] + u * half[0], centre[1] + v * half[1])
    powers = [(i, j) for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)]
    matrix = np.stack([u**i * v**j for i, j in powers], 1)
    fits = [np.linalg.lstsq(matrix, np.asarray(values), rcond=None)[0].tolist() for values in (lon, lat)]
    return {"centre": list(centre), "half": list(half), "powers": powers, "lon": fits[0], "lat": fits[1]}


_PLACE_DIVIDER_JS = """
const width = x.end - x.start, location = x.start + width * slider.value / 100
if (Math.abs(divider.location - location) > 0.006 * width) { divider.location = location }
"""
_MOVE_SLIDER_JS = """
const percent = Math.round(100 * (divider.location - x.start) / (x.end - x.start))
slider.value = Math.min(100, Math.max(0, percent))
"""
_LONLAT_JS = """
const u = (special_vars.x - terms.centre[0]) / terms.half[0], v = (special_vars.y - terms.centre[1]) / terms.half[1]
const at = (fit) => terms.powers.reduce((sum, [i, j], k) => sum + fit[k] * u ** i * v ** j, 0)
return at(terms.lon).toFixed(5) + ", " + at(terms.lat).toFixed(5)
"""


class Map:
    """The figure and what is drawn in it.

    Attributes
    ----------
    figure : bokeh figure
    values, colours, change, field, point : ColumnDataSource
        Values with a colour map; finished colours; the layer of changes; the field and the point that were chosen.
    mapper, change_mapper : LinearColorMapper
    divider : Span
        Line between both months.
    """

    def __init__(self) -> None:
        self.x, self.y = Range1d(start=0, end=1), Range1d(start=0, end=1)
        self.figure = figure(
            x_range=self.x,
            y_range=self.y,
            sizing_mode="stretch_both",
            min_height=380,
            tools=[],
            toolbar_location="above",
            background_fill_color=NOTHING,
            name="map",
        )
        ground = BoxAnnotation(level="underlay", fill_alpha=0, line_alpha=0, hatch_pattern="/")
        ground.update(hatch_color="#b4c2d0", hatch_scale=8)
        self.figure.add_layout(ground)
        self.figure.grid.visible = False
        empty: dict[str, Sequence[Any]] = {"image": [], "x": [], "y": [], "dw": [], "dh": []}
        self.values, self.colours, self.change = (ColumnDataSource(dict(empty), name=name) for name in _LAYERS)
        self.point = ColumnDataSource({"x": [], "y": []})
        self.field = ColumnDataSource({"x": [], "y": []})
        clear = "rgba(0, 0, 0, 0)"
        self.mapper = LinearColorMapper(palette=PALETTES["grey"], nan_color=clear, name="mapper")
        self.change_mapper = LinearColorMapper(palette=diverging(), nan_color=clear)
        place: dict[str, Any] = {"image": "image", "x": "x", "y": "y", "dw": "dw", "dh": "dh"}
        place |= {"origin": "top_left", "anchor": "top_left"}
        drawing: Any = self.figure  # the types that Bokeh states leave out color_mapper
        image = drawing.image(source=self.values, color_mapper=self.mapper, **place)
        rgba = drawing.image_rgba(source=self.colours, **place)
        self.change_image = drawing.image(source=self.change, color_mapper=self.change_mapper, **place)
        for width, colour in ((4, "white"), (2, ACCENT)):  # seen on dark and light ground
            self.figure.patches("x", "y", source=self.field, fill_alpha=0, line_color=colour, line_width=width)
            self.figure.scatter(
                "x", "y", source=self.point, marker="cross", size=18, line_color=colour, line_width=width
            )
        self.bar = ColorBar(color_mapper=self.mapper, height=12, padding=4, title_text_font_style="normal")
        self.change_bar = ColorBar(color_mapper=self.change_mapper, height=12, padding=4, visible=False)
        self.change_bar.title_text_font_style = "normal"
        for bar in (self.bar, self.change_bar):
            self.figure.add_layout(bar, "below")
        self.divider = Span(dimension="height", line_color=ACCENT, line_width=3, editable=True, visible=False)
        self.figure.add_layout(self.divider)
        self.labels = [_label(side) for side in ("left", "right")]
        for label in self.labels:
            self.figure.add_layout(label)
        self.source = Title(text_font_size="11px", text_font_style="normal", align="right")
        self.figure.add_layout(self.source, "below")
        self.scale_bar = _scale_bar(self.x)
        self.figure.add_layout(self.scale_bar)
        self._lonlat = CustomJSHover(code=_LONLAT_JS, args={"terms": {}})
        self._add_tools([image], [rgba], [self.change_image])
        self.figure.axis.formatter = NumeralTickFormatter(format="0,0")
        self.figure.xaxis.ticker = BasicTicker(desired_num_ticks=5)
        self.figure.yaxis.ticker = BasicTicker(desired_num_ticks=3)
        self.figure.axis.axis_label_text_font_style = "normal"
        self.figure.yaxis.major_label_orientation = "vertical"

    def _add_tools(self, *renderers: list[Any]) -> None:
        where = [("x, y", "$x{0,0}, $y{0,0}"), ("lon, lat", "$sx{custom}")]
        custom: dict[str, Any] = {"$sx": self._lonlat}
        tips = ([("value", "@image{0.000}"), *where], where, [("change", "@image{0.00}")])
        hovers = [
            HoverTool(
                renderers=some,
                tooltips=tooltip(tip),
                formatters=custom,
                attachment="above" if number == 2 else "below",
                description="Values under the pointer",
                visible=number == 0,
            )
            for number, (some, tip) in enumerate(zip(renderers, tips, strict=True))
        ]
        wheel, tap = WheelZoomTool(zoom_on_axis=False), TapTool(renderers=[], description="Series of a point: click")
        pan, save = PanTool(), SaveTool(filename="map", description="Save the map as PNG")
        zoom = BoxZoomTool(match_aspect=True, description="Zoom into a box: drag")
        box = BoxSelectTool(renderers=[], description="Series of a box: drag")
        field = PolySelectTool(
            renderers=[], description="Series of a field: click its corners, then press Enter, or hold the button down"
        )
        self.figure.add_tools(pan, wheel, zoom, tap, box, field, save, *hovers)
        self.figure.toolbar.active_scroll = wheel
        self.figure.toolbar.active_drag = pan
        self.figure.toolbar.active_tap = tap
        self.figure.toolbar.logo = None

    def tie_divider(self, slider: Slider) -> None:
        """Let divider and slider follow each other, in the browser: a server would lag behind the pointer."""
        args = {"slider": slider, "divider": self.divider, "x": self.x}
        place = CustomJS(args=args, code=_PLACE_DIVIDER_JS)
        slider.js_on_change("value", place)
        self.divider.js_on_change("visible", place)
        for end in ("start", "end"):
            self.x.js_on_change(end, place)
        self.divider.js_on_change("location", CustomJS(args=args, code=_MOVE_SLIDER_JS))

    def lie_on(self, box: GeoBox) -> None:
        """Give the axes the names and units of a grid, and the readout its longitudes and latitudes."""
        crs = crs_of(box.epsg)
        names = [f"{axis.name} ({_UNITS.get(axis.unit_name, axis.unit_name)})" for axis in crs.axis_info]
        self.figure.xaxis.axis_label = f"{names[0]}, {crs.name}"
        self.figure.yaxis.axis_label = names[1]
        self.scale_bar.visible = crs.axis_info[0].unit_name == "metre"
        self._lonlat.args = {"terms": lonlat_terms(box)}

    def mark(self, place: tuple[list[float], list[float]] | None) -> None:
        """Mark a point, or the outline of a field, or nothing."""
        x, y = place or ([], [])
        point = len(x) < 2
        self.point.data = {"x": x, "y": y} if point else {"x": [], "y": []}
        self.field.data = {"x": [], "y": []} if point else {"x": [x], "y": [y]}


_UNITS = {"metre": "m"}
_LAYERS = ("values", "colours", "change")


def _scale_bar(x: Range1d) -> ScaleBar:
    bar = ScaleBar(range=x, unit="m", dimensional=MetricLength(), location="top_left", bar_length=0.2, padding=6)
    bar.update(background_fill_color="white", background_fill_alpha=0.88, border_line_color=None, bar_line_width=3)
    return bar


def _label(side: str) -> Label:
    left = side == "left"
    label = Label(
        x=8,
        y=8,
        x_units="screen",
        y_units="screen",
        text_align="left" if left else "right",
        text="",
        text_font_size="15px",
        text_color="#111111",
        background_fill_color="white",
        background_fill_alpha=0.88,
        name=f"month_{side}",
    )
    label.update(padding=4)
    return label


def tooltip(rows: Sequence[tuple[str, str]]) -> str:
    """Return a tooltip's HTML; Bokeh's own has too little contrast."""
    return "".join(f'<div style="color: #1b1b1b">{name}: <strong>{value}</strong></div>' for name, value in rows)


def image_data(picture: Picture | None) -> dict[str, list[Any]]:
    """Return the data of a source of images: one picture, or none."""
    if picture is None:
        return {"image": [], "x": [], "y": [], "dw": [], "dh": []}
    left, bottom, right, top = picture.bounds
    return {"image": [picture.values], "x": [left], "y": [top], "dw": [right - left], "dh": [top - bottom]}
