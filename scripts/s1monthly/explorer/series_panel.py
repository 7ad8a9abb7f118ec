"""The series of a place: a figure for each band, a table in words, and what can be saved."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.layouts import column, row
from bokeh.models import ColumnDataSource, CustomJS, DataRange1d, HoverTool
from bokeh.models.annotations import Label, Span, Title
from bokeh.models.layouts import Column, Spacer
from bokeh.models.ui import UIElement
from bokeh.models.widgets import Button, Div
from bokeh.plotting import figure
from numpy.typing import NDArray

from s1monthly.cube.header import COUNT, Header
from s1monthly.explorer.acting import Actor
from s1monthly.explorer.controls import button, select
from s1monthly.explorer.map_models import ACCENT, tooltip
from s1monthly.explorer.place_series import (
    CHANGED,
    Change,
    csv_bytes,
    figure_bytes,
    find_changes,
    read_series,
)
from s1monthly.explorer.style import WIDGETS
from s1monthly.series.features import Features
from s1monthly.series.figure import source_line
from s1monthly.series.table import columns_of, is_simulated, labels_of

if TYPE_CHECKING:
    import pyarrow as pa

METHODS = {"cusum": "one, by cumulative sums", "pelt": "several, by a penalised search", "none": "none"}
TYPES = {".csv": "text/csv", ".png": "image/png", ".pdf": "application/pdf"}
HINT = (
    "<p>Click the map, or write lon,lat: the series of all bands of a pixel. Draw a box or a field with the tools above"
    " the map: the mean of its pixels, of decibels as power.</p>"
)
_SAVE = """
const [name, type, content] = cb_obj.tags
const bytes = Uint8Array.from(atob(content), (one) => one.charCodeAt(0))
const link = document.createElement("a")
link.href = URL.createObjectURL(new Blob([bytes], {type}))
link.download = name
link.click()
setTimeout(() => URL.revokeObjectURL(link.href), 1000)
"""


class SeriesPanel:
    """Figures and table of one place."""

    def __init__(self, actor: Actor) -> None:
        self.actor, self.say = actor, actor.say
        self.heading = Div(text=HINT, stylesheets=[WIDGETS], sizing_mode="stretch_width", name="series_heading")
        self.method = select("Change points", "method", METHODS.items(), "cusum")
        actor.on(self.method, "value", self._judge)
        self.words = Div(text="", stylesheets=[WIDGETS], sizing_mode="stretch_width", name="series_words")
        self.figures = column(Spacer(height=0), sizing_mode="stretch_width")
        self.source = ColumnDataSource({"month": []}, name="series_values")
        self.saved = Div(visible=False, name="saved")
        self.saved.js_on_change("tags", CustomJS(code=_SAVE))
        self.buttons = [self._save_button(suffix, words) for suffix, words in _SAVES.items()]
        self.table: pa.Table | None = None
        self.changes: dict[str, list[Change]] = {}
        self._enable(False)

    def layout(self) -> Column:
        """Return the panel."""
        parts = (
            self.heading,
            row(*self.buttons, sizing_mode="stretch_width"),
            self.method,
            self.figures,
            self.words,
            self.saved,
        )
        return column(*parts, sizing_mode="stretch_width", name="series")

    def _save_button(self, suffix: str, words: str) -> Button:
        made = button(words, f"save_{suffix[1:]}")
        made.on_click(lambda: self.actor.do(lambda: self._save(suffix)))
        return made

    def _enable(self, there: bool) -> None:
        for one in (*self.buttons, self.method):
            one.disabled = not there

    def of_cube(self, header: Header) -> None:
        """Forget the series of another cube, also one that is still being read."""
        if (str(header.tile), str(header.direction)) != self._cube:
            self.actor.forget("series")
            self.table = None
            self._show()

    _cube = ("", "")

    def read(self, place: Features, header: Header) -> None:
        """Read the series of a place beside other work, and show it."""
        method = self.method.value
        self.table, self.changes, self._cube = None, {}, (str(header.tile), str(header.direction))
        self._show()
        self.say("Reading the series ...")

        def work() -> tuple[pa.Table, dict[str, list[Change]]]:
            table = read_series(place, header)
            return table, _changes(table, method)

        def show(found: tuple[pa.Table, dict[str, list[Change]]]) -> None:
            self.table, self.changes = found
            self.say("")
            self._show()

        self.actor.beside("series", work, show)

    def _judge(self) -> None:
        if self.table is not None:
            self.changes = _changes(self.table, self.method.value)
            self._show()

    def _save(self, suffix: str) -> None:
        if self.table is None:
            return
        content = csv_bytes(self.table) if suffix == ".csv" else figure_bytes(self.table, suffix, self.changes)
        name = "_".join(["series", *self._cube]) + suffix
        text = base64.b64encode(content).decode()
        self.saved.tags = [name, TYPES[suffix], text]

    def _show(self) -> None:
        self._enable(self.table is not None)
        if self.table is None:
            self.heading.text, self.words.text, self.figures.children = HINT, "", [Spacer(height=0)]
            self.source.data = {"month": []}
            return
        columns, labels = columns_of(self.table), labels_of(self.table)
        self.heading.text = _heading(columns, self._cube)
        self.source.data = {name: columns[name] for name in ("month", "complete", *labels, COUNT, "valid_share")}
        self.figures.children = self._draw(columns, labels)
        source = source_line(columns["month"], is_simulated(self.table))
        self.words.text = _words(columns, labels, self.changes, source)

    def _draw(self, columns: Mapping[str, Any], labels: Mapping[str, tuple[str, str]]) -> list[UIElement]:
        gaps, months = columns["month"][columns["valid_share"] == 0], DataRange1d()
        empty = ColumnDataSource({"x0": gaps - _HALF_MONTH, "x1": gaps + _HALF_MONTH})
        return [
            self._draw_one(
                name, *labels.get(name, ("Passes: mean of the valid pixels", "")), months, empty, number == 0
            )
            for number, name in enumerate((*labels, COUNT))
        ]

    def _draw_one(
        self, name: str, title: str, units: str, months: DataRange1d, empty: ColumnDataSource, first: bool
    ) -> figure:
        plot = figure(
            height=180 if first else 150,
            sizing_mode="stretch_width",
            x_axis_type="datetime",
            x_range=months,
            tools="xpan,xbox_zoom,reset,save",
            toolbar_location="above" if first else None,
            title=Title(text=title.split(";")[0], text_font_style="normal"),
            name=f"series_{name}",
        )
        plot.vstrip(x0="x0", x1="x1", source=empty, fill_color="#dfe3e7", line_color=None)
        if name == COUNT:
            plot.vbar(x="month", top=COUNT, width=_BAR, source=self.source, color="#5b6b7a", bottom=0)
        else:
            plot.line("month", name, source=self.source, color=ACCENT, line_width=1.5)
            plot.scatter("month", name, source=self.source, color=ACCENT, size=4)
        for change in self.changes.get(name, []):
            _mark(plot, change, units, np.asarray(self.source.data["month"]))
        plot.yaxis.axis_label = f"{name.removesuffix('_dB')} ({units})" if units == "dB" else name
        plot.axis.axis_label_text_font_style = "normal"
        plot.toolbar.logo = None
        tips = [("month", "@month{%Y-%m}"), (name, f"@{name}{{0.000}}"), ("passes", f"@{COUNT}{{0.0}}")]
        plot.add_tools(
            HoverTool(tooltips=tooltip(tips), formatters={"@month": "datetime"}, mode="vline", line_policy="none")
        )
        return plot


_HALF_MONTH = np.timedelta64(15, "D")
_BAR = 20 * 86_400_000
"""Width of a bar in milliseconds."""
_SAVES = {".csv": "Table (CSV)", ".png": "Figure (PNG)", ".pdf": "Figure (PDF)"}


def _changes(table: pa.Table, method: str) -> dict[str, list[Change]]:
    return {} if method not in METHODS or method == "none" else find_changes(table, method)


def _mark(plot: figure, change: Change, units: str, months: NDArray[Any]) -> None:
    moment = np.datetime64(f"{change.month}-01").astype("datetime64[ms]").astype(float)
    plot.add_layout(Span(location=moment, dimension="height", line_color=CHANGED, line_dash="dashed", line_width=2))
    text = f"{change.month}  {change.step:+.2f}{' dB' if units == 'dB' else ''}  ({change.confidence:.3g})"
    late = np.datetime64(str(change.month)) > months[len(months) // 2]  # else its words end outside
    side: dict[str, Any] = {"text_align": "right", "x_offset": -4} if late else {"x_offset": 4}
    label = Label(x=moment, y=4, y_units="screen", text=text, text_color=CHANGED, text_font_size="12px", **side)
    plot.add_layout(label)
    plot.y_range = DataRange1d(range_padding=0.4)  # room for the words below the values


def _heading(columns: Mapping[str, Any], cube: tuple[str, str]) -> str:
    pixels = int(columns["pixels"][0])
    what = "mean of " + f"{pixels:,} pixels" if pixels > 1 else "one pixel"
    return f"<p><strong>{escape(str(columns['feature'][0]))}</strong>: {what}, {escape(' '.join(cube))}</p>"


def _words(
    columns: Mapping[str, Any],
    labels: Mapping[str, tuple[str, str]],
    changes: Mapping[str, list[Change]],
    source: str,
) -> str:
    """Describe the series in a table: what the figures show, for those who cannot see them."""
    rows = []
    for name, (_, units) in labels.items():
        values = np.asarray(columns[name], float)
        there = values[np.isfinite(values)]
        mean = f"{there.mean():.2f}" if there.size else "-"
        found = changes.get(name)
        steps = "; ".join(f"{one.month}: {one.step:+.2f} ({one.confidence:.3g})" for one in found or []) or "none"
        unit = f" ({escape(units)})" if units != "1" else ""
        rows.append(
            f"<tr><th scope='row'>{escape(name)}{unit}</th><td class='number'>{there.size} of {len(values)}</td>"
            f"<td class='number'>{mean}</td><td>{'-' if found is None else steps}</td></tr>"
        )
    first, last = (str(columns["month"][end])[:7] for end in (0, -1))
    head = (
        "<tr><th>band</th><th class='number'>months</th><th class='number'>mean</th><th>changes (confidence)</th></tr>"
    )
    note = "Grey: no value. A change needs 24 complete months; its season is removed."
    return f"<table><caption>{first} to {last}. {note}</caption>{head}{''.join(rows)}</table><p>{source}</p>"
