"""Draw series: a panel for each band, a line for each feature and direction, gaps where a month has no data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.errors import ProductError
from s1monthly.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_LINES = 12
"""Lines that can be told apart."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Colours that the colour-blind can tell apart: Okabe and Ito (2008), Color Universal Design."""
STYLES = {"ASCENDING": ("-", "o"), "DESCENDING": ("--", "s"), "COMBINED": (":", "^")}
SUFFIXES = (".png", ".pdf", ".svg")


def draw_series(
    columns: Mapping[str, NDArray[Any]], labels: Mapping[str, tuple[str, str]], simulated: bool = False
) -> Figure:
    """Draw series.

    Parameters
    ----------
    columns : mapping of str to array
        Columns of `table.read_table`: feature, tile, direction, track, month and the bands.
    labels : mapping of str to (str, str)
        Long name and units of each band to draw.
    simulated : bool
        True to name simulated data as the source.

    Raises
    ------
    ProductError
        If there are more lines than can be told apart.
    """
    from matplotlib.figure import Figure

    lines: dict[tuple[str, str, str, str], None] = {}
    track = np.array(["" if one is None or one != one else f" T{int(one):03d}" for one in columns["track"]])
    keys = list(zip(*(map(str, columns[name]) for name in ("feature", "direction")), track, strict=True))
    keys = [(*key, str(tile)) for key, tile in zip(keys, columns["tile"], strict=True)]
    lines = dict.fromkeys(keys)
    if len(lines) > MOST_LINES:
        raise ProductError(
            f"a figure of {len(lines)} lines cannot be read", f"choose features, --direction, up to {MOST_LINES} lines"
        )
    features = list(dict.fromkeys(key[0] for key in lines))
    figure = Figure(figsize=(8, 0.9 + 2.3 * len(labels)), layout="constrained")
    axes = figure.subplots(len(labels), 1, sharex=True, squeeze=False)[:, 0]
    member = {line: np.array([key == line for key in keys]) for line in lines}
    for axis, (band, (long_name, units)) in zip(axes, labels.items(), strict=True):
        for (feature, direction, number, tile), mine in member.items():
            style, marker = STYLES[direction]
            colour = COLOURS[features.index(feature) % len(COLOURS)]
            label = f"{feature}, {direction.lower()}{number} ({tile})"
            month, values = columns["month"][mine], np.asarray(columns[band], float)[mine]
            axis.plot(month, values, style, marker=marker, ms=3, lw=1.2, color=colour, label=label)
        name = long_name.split(",")[0]
        axis.set_ylabel(f"{band.removesuffix('_dB')} ({units})" if units != "1" else band)
        axis.set_title(name, fontsize=9, loc="left")
        axis.grid(alpha=0.3)
    axes[-1].set_xlabel("month")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize=8, frameon=False)
    figure.supxlabel(source_line(columns["month"], simulated), fontsize=7, x=0.99, ha="right")
    return figure


def source_line(months: Iterable[object], simulated: bool) -> str:
    """Return the words that name the source of a figure, as Copernicus asks for, with the years of its months."""
    years = sorted({str(month)[:4] for month in months})
    span = "-".join(dict.fromkeys([years[0], years[-1]]))
    source = "Simulated data" if simulated else "Contains modified Copernicus Sentinel data"
    return f"{source} {span}; monthly composites by s1monthly"


def write_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG (200 dots an inch), PDF or SVG, completely or not at all.

    Raises
    ------
    ProductError
        If the suffix is another, or the file cannot be written.
    """
    if Path(path).suffix not in SUFFIXES:
        raise ProductError(f"{path}: not a figure that can be written", f"end its name in {', '.join(SUFFIXES)}")
    try:
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=200)
    except OSError as error:
        raise ProductError(f"{path}: cannot be written ({error})", "check its folder and the free space") from error
