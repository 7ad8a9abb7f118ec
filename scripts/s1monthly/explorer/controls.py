"""The controls beside the map: Bokeh widgets, all of which the keyboard reaches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bokeh.core.enums import ButtonTypeType
from bokeh.layouts import column, row
from bokeh.models.layouts import Column
from bokeh.models.ui import UIElement
from bokeh.models.widgets import (
    Button,
    CategoricalSlider,
    Div,
    RangeSlider,
    Select,
    Slider,
    TextInput,
    Toggle,
)

from s1monthly.explorer.map_models import PALETTES
from s1monthly.explorer.style import WIDGETS

STEP = 0.25
"""Share of the view by which the arrows move it."""


def select(title: str, name: str, options: Iterable[str | tuple[Any, str]] = (), value: str = "") -> Select:
    """Return a list to choose from; of a tuple the value and the words."""
    return Select(
        title=title, name=name, options=list(options), value=value, sizing_mode="stretch_width", stylesheets=[WIDGETS]
    )


def button(label: str, name: str, kind: ButtonTypeType = "default") -> Button:
    """Return a button."""
    return Button(
        label=label, name=name, button_type=kind, sizing_mode="stretch_width", margin=(4, 3), stylesheets=[WIDGETS]
    )


def month_slider(title: str, name: str) -> CategoricalSlider:
    """Return a slider through months; its categories come with a cube."""
    months = ["0000-00", "0000-01"]
    return CategoricalSlider(
        title=title, name=name, categories=months, value=months[0], sizing_mode="stretch_width", stylesheets=[WIDGETS]
    )


def percent_slider(title: str, name: str, value: int, step: int) -> Slider:
    """Return a slider from 0 to 100 %, hidden until there is something to slide."""
    slider = Slider(title=title, name=name, start=0, end=100, value=value, step=step, visible=False)
    slider.update(sizing_mode="stretch_width", stylesheets=[WIDGETS])
    return slider


class Controls:
    """All controls, in groups."""

    def __init__(self) -> None:
        self.tile, self.passes = select("Tile", "tile"), select("Passes", "passes")
        self.band = select("Band", "band")
        self.month = month_slider("Month", "month")
        self.compare = Toggle(
            label="Swipe with another month", name="compare", sizing_mode="stretch_width", stylesheets=[WIDGETS]
        )
        self.other = month_slider("Month on the right", "other")
        self.other.visible = False
        self.divider = percent_slider("Divider, % of the width", "divider", 50, 1)
        self.stretch = RangeSlider(
            title="Colours from ... to",
            start=0,
            end=1,
            value=(0, 1),
            step=0.01,
            name="stretch",
            sizing_mode="stretch_width",
            stylesheets=[WIDGETS],
        )
        self.palette = select("Colour map", "palette", PALETTES, next(iter(PALETTES)))
        self.stretch_again = button("Stretch to what is visible", "stretch_again")
        self.change = select("Layer of changes", "change")
        self.opacity = percent_slider("Opacity of the layer, %", "opacity", 100, 5)
        self.place = TextInput(
            title="Point: lon,lat. Field: three or more",
            placeholder="-120.25,34.60",
            name="place",
            sizing_mode="stretch_width",
            stylesheets=[WIDGETS],
        )
        self.moves = {label: button(label, f"move_{name}") for label, name, *_ in MOVES}
        self.again = button("Read the tree again", "again")

    def layout(self) -> Column:
        """Return the controls, one below the other."""
        moves = list(self.moves.values())
        groups: Sequence[tuple[str, Sequence[UIElement]]] = (
            ("What", [self.tile, self.passes, self.band, self.month, self.compare, self.other, self.divider]),
            ("Where", [_row(moves[:3]), _row(moves[3:]), self.place]),
            ("Colours", [self.palette, self.stretch, self.stretch_again]),
            ("Changes", [self.change, self.opacity]),
            ("", [self.again]),
        )
        parts: list[UIElement] = []
        for title, members in groups:
            if title:
                parts.append(Div(text=f"<h2>{title}</h2>", stylesheets=[WIDGETS], margin=(6, 5, 0, 5)))
            parts += members
        return column(*parts, sizing_mode="stretch_width", name="controls")


MOVES = (
    ("Zoom in", "in", 0.0, 0.0, 0.5),
    ("Zoom out", "out", 0.0, 0.0, 2.0),
    ("Whole tile", "whole", 0.0, 0.0, 0.0),
    ("West", "west", -STEP, 0.0, 1.0),
    ("North", "north", 0.0, STEP, 1.0),
    ("South", "south", 0.0, -STEP, 1.0),
    ("East", "east", STEP, 0.0, 1.0),
)
"""Label, name, share of the view to the east and to the north, factor of the scale (0: the whole tile)."""


def _row(members: Sequence[Button]) -> UIElement:
    return row(*members, sizing_mode="stretch_width", spacing=0)
