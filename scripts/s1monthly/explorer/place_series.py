"""Series of a point or field of a cube: as `scripts/timeseries.py` reads them, with changes as `scripts/change.py`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from shapely.geometry import Polygon

from s1monthly.cube.header import Header
from s1monthly.errors import GridError
from s1monthly.grid.outlines import LONLAT, transformer
from s1monthly.kernels.change.detection import DEFAULTS, METHODS
from s1monthly.model import Month
from s1monthly.series.features import Features, read_points, read_polygons
from s1monthly.series.figure import draw_series, write_figure
from s1monthly.series.table import columns_of, is_simulated, labels_of, read_table, write_table
from s1monthly.stages.change import FEWEST

if TYPE_CHECKING:
    import pyarrow as pa

DIGITS = 7
"""Decimals of longitude and latitude: a centimetre."""
CHANGED = "#b5400a"
"""Colour of the marks of changes."""
_NUMBER = r"[-+]?\d+(?:\.\d*)?"
_PAIR = re.compile(rf"({_NUMBER})\s*,\s*({_NUMBER})")


@dataclass(frozen=True)
class Change:
    """A change of a series: its first month, the step in units of the band, and the confidence, 0 to 1."""

    month: Month
    step: float
    confidence: float


def lonlat_text(x: Sequence[float], y: Sequence[float], epsg: int) -> str:
    """Write points of a grid as ``lon,lat``, separated by blanks."""
    lon, lat = transformer(epsg, LONLAT).transform(np.asarray(x, float), np.asarray(y, float))
    return " ".join(f"{one:.{DIGITS}f},{other:.{DIGITS}f}" for one, other in zip(lon, lat, strict=True))


def read_place(text: str) -> Features:
    """Read a point, written ``lon,lat``, or the corners of a field, separated by blanks.

    Raises
    ------
    GridError
        If it is neither.
    """
    pairs = [(float(lon), float(lat)) for lon, lat in _PAIR.findall(text)]
    rest = _PAIR.sub("", text).strip(" ;\t")
    if rest or len(pairs) in (0, 2):
        raise GridError(
            f"{text.strip() or 'nothing'}: neither a point nor a field",
            "give lon,lat in degrees; for a field three corners or more, separated by blanks",
        )
    if len(pairs) == 1:
        return read_points(f"{pairs[0][0]:.{DIGITS}f},{pairs[0][1]:.{DIGITS}f}")
    found = read_polygons([Polygon(pairs)])
    return Features(("field",), found.geometries, found.crs)


def outline(place: Features, epsg: int) -> tuple[list[float], list[float]]:
    """Return x and y of a point, or of the outer ring of a field's first part, in a grid's CRS."""
    geometry = place.geometries[0]
    part = geometry.geoms[0] if geometry.geom_type == "MultiPolygon" else geometry
    ring = part if part.geom_type == "Point" else part.exterior
    x, y = transformer(place.crs, epsg).transform(*np.asarray(ring.coords).T)
    return [float(one) for one in x], [float(one) for one in y]


def read_series(place: Features, header: Header) -> pa.Table:
    """Read all bands of a cube through all its months; see `series.table.read_table`."""
    return read_table(place, [header], header.bands)


def find_changes(table: pa.Table, method: str) -> dict[str, list[Change]]:
    """Find the changes of each band of a series, by the options at their defaults; empty for too few months.

    Parameters
    ----------
    table : pyarrow.Table
        Series of one place.
    method : {'cusum', 'pelt'}
        See `kernels.change`.
    """
    columns = columns_of(table)
    complete = columns["complete"]
    months = [Month.parse(str(one)[:7]) for one in columns["month"][complete]]
    if len(months) < FEWEST:
        return {}
    calendar = np.array([month.month - 1 for month in months])
    names = list(labels_of(table))
    series = np.stack([np.asarray(columns[name][complete], np.float32) for name in names], 1)
    judged = METHODS[method](series, calendar, **DEFAULTS[method])
    found: dict[str, list[Change]] = {name: [] for name in names}
    for which, pixel in zip(*np.nonzero(judged.place >= 0), strict=True):
        step, confidence = (float(values[which, pixel]) for values in (judged.magnitude, judged.confidence))
        found[names[pixel]].append(Change(months[judged.place[which, pixel]], step, confidence))
    return found


def csv_bytes(table: pa.Table) -> bytes:
    """Return a table as the CSV file that `scripts/timeseries.py` writes."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "series.csv"
        write_table(table, path)
        return path.read_bytes()


def figure_bytes(table: pa.Table, suffix: str, changes: Mapping[str, Sequence[Change]] | None = None) -> bytes:
    """Return the figure that `scripts/timeseries.py` draws, with marks of changes: ``.png``, ``.pdf`` or ``.svg``."""
    labels = labels_of(table)
    figure = draw_series(columns_of(table), labels, is_simulated(table))
    for axis, name in zip(figure.axes, labels, strict=True):
        for change in (changes or {}).get(name, ()):
            moment: Any = np.datetime64(str(change.month))
            axis.axvline(moment, ls="--", lw=1.2, color=CHANGED)
            text = f" {change.month}: {change.step:+.2f}\n confidence {change.confidence:.3g}"
            axis.annotate(text, (moment, 0.04), xycoords=("data", "axes fraction"), fontsize=7, color=CHANGED)
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"series{suffix}"
        write_figure(figure, path)
        return path.read_bytes()
