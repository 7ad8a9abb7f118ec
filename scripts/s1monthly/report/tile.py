"""Describe a tile and direction for the report: what every month is, why it is missing, what it was made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from s1monthly.audit.inspection import InspectedMonth, InspectedTile, Kind
from s1monthly.grid.crs import unit_of
from s1monthly.grid.lattice import GeoBox, tile_geobox
from s1monthly.grid.outlines import LONLAT, transformer
from s1monthly.kernels.bands import bands_of
from s1monthly.layout import Layout
from s1monthly.records.seal import read_summary
from s1monthly.report.files import Link, TileFiles, href

KINDS = tuple(Kind)
"""States of a month; the data of the report name them by their place."""

DIGITS = 6
"""Significant digits of statistics; float32 has about seven."""

EDGE = 4
"""Segments into which an edge of a tile's outline is divided."""
DECIMALS = 4
"""Decimals of the outline: 10 m."""

Plain = dict[str, Any]


@dataclass
class TileReport:
    """What the report shows of a tile and direction.

    Attributes
    ----------
    summary : dict
        For the first view: map and calendar.
    details : dict
        For the view of the tile: every month, the statistics of its bands, files.
    """

    summary: Plain
    details: Plain


def describe_tile(state: InspectedTile, layout: Layout, files: TileFiles) -> TileReport:
    """Describe a tile and direction.

    Parameters
    ----------
    state : InspectedTile
        States of all months; the report shows no other.
    files : TileFiles
        Its files.
    """
    key, facts = state.key, _Facts()
    months = [
        facts.month(one, _read(layout.of(key, one.month).record), files.months.get(str(one.month), {}))
        for one in state.months
    ]
    summary = {
        "name": str(key),
        "tile": str(key.tile),
        "direction": str(key.direction.pooled),
        "track": key.direction.track,
        "present": state.present,
        "expected": len(state.expected),
        "first": str(state.months[0].month) if state.months else None,
        "kinds": "".join(str(KINDS.index(one.kind)) for one in state.months),
        "coverage": [_share(one) for one in months],
        "fewer": _places(state.months, lambda one: bool(one.missing_granules)),
        "remarks": _places(state.months, lambda one: bool(one.remarks)),
        "preview": href(layout.of(key).preview, layout),
        "previews": "".join("01"["preview" in one["files"]] for one in months),
        "reasons": _reasons(state.months),
        **place_on_earth(facts.grid or tile_geobox(key.tile)),
    }
    details = {
        "months": months,
        "recipes": facts.recipes,
        "software": facts.software,
        "bands": _bands(facts),
        "links": [_plain(link) for link in files.links],
        "simulated": not all(isinstance(recipe.get("data"), str) for recipe in facts.recipes),
        "troubles": list(state.troubles),
    }
    return TileReport(summary, details)


@dataclass
class _Facts:
    """What the records of a tile have in common.

    Attributes
    ----------
    grid : GeoBox or None
        Grid of the newest record.
    bands : dict
        Band -> its place in the product.
    recipes, software : list
        Those of all records, each once.
    """

    grid: GeoBox | None = None
    bands: dict[str, int] = field(default_factory=dict)
    recipes: list[Plain] = field(default_factory=list)
    software: list[Plain] = field(default_factory=list)

    def month(self, state: InspectedMonth, record: Plain | None, links: Mapping[str, Link]) -> Plain:
        """Return what the report shows of a month; of one without a record, why it is missing."""
        shown: Plain = {
            "reason": state.reason,
            "remarks": list(state.remarks),
            "missing": dict(state.missing_granules),
            "files": {kind: _plain(links[kind]) for kind in sorted(links, key=_file_order)},
        }
        if record is None:
            return shown
        self.grid = GeoBox(**record["grid"])
        self.bands |= {name: band["index"] for name, band in record["bands"].items()}
        count, granules, software = record["count"], record["granules"], record["software"]
        return {
            **shown,
            "status": record["status"],
            "level": record["level"],
            "pixels": [record["pixels"]["valid"], record["pixels"]["total"]],
            "count": [count["minimum"], _rounded(count["mean"]), count["maximum"]],
            "bands": {
                name: [*(_rounded(band[what]) for what in ("mean", "std", "minimum", "maximum")), band["valid"]]
                for name, band in record["bands"].items()
            },
            "granules": None if granules is None else len(granules),
            "passes": [
                [one["track"], one["platforms"], one["start"], one["end"], one["bursts"]]
                for one in record["passes"] or ()
            ],
            "aside": [[one["id"], one["reason"], one["lost"]] for one in record["set_aside"] or ()],
            "warnings": record.get("warnings", []),
            "digest": record["digest"],
            "recipe": _place(self.recipes, record["recipe"]),
            "software": None if software is None else _place(self.software, software),
        }


def _read(path: str) -> Plain | None:
    """Read a record; None if there is none, or if it is damaged or was altered: then the inspection says so."""
    if read_summary(path) is None:
        return None
    content: Plain = json.loads(Path(path).read_bytes())
    return content


def _share(month: Plain) -> float | None:
    """Return the share of a tile with a value; None for a month that was not made."""
    if "pixels" not in month:
        return None
    valid, total = month["pixels"]
    return _rounded(valid / total)


def _bands(facts: _Facts) -> list[Plain]:
    """Return name, unit and description of all bands, in order."""
    described = {band.name: band for recipe in facts.recipes for band in bands_of(recipe)}
    names = sorted(facts.bands, key=facts.bands.__getitem__)
    found = ((name, described.get(name)) for name in names)
    return [
        {"name": name, "units": band.units if band else "", "text": band.description if band else name}
        for name, band in found
    ]


def _file_order(kind: str) -> tuple[bool, bool, str]:
    """Order links: COGs first, then the preview, then documents."""
    return kind in ("record", "item", "ceos_ard"), kind == "preview", kind


def place_on_earth(grid: GeoBox) -> Plain:
    """Return CRS, pixel size and outline of a grid: `EDGE` points a side from the upper left, clockwise; lon and lat.

    Longitudes continue beyond 180 degrees instead of jumping. The ring is not closed.
    """
    left, bottom, right, top = grid.bounds
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    share = np.arange(EDGE)[:, None] / EDGE
    ring = np.concatenate([a + share * (b - a) for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)])
    lon, lat = transformer(grid.epsg, LONLAT).transform(*ring.T)
    points = zip(np.unwrap(lon, period=360), lat, strict=True)
    return {
        "crs": grid.crs,
        "pixel": f"{grid.resolution:g} {unit_of(grid.epsg)}",
        "outline": [[round(float(x), DECIMALS), round(float(y), DECIMALS)] for x, y in points],
    }


def _reasons(months: Sequence[InspectedMonth]) -> dict[str, list[int]]:
    """Return the reasons of missing months, each with the places of its months."""
    found: dict[str, list[int]] = {}
    for place, one in enumerate(months):
        if one.reason:
            found.setdefault(one.reason, []).append(place)
    return found


def _places(months: Sequence[InspectedMonth], test: Callable[[InspectedMonth], bool]) -> list[int]:
    return [place for place, one in enumerate(months) if test(one)]


def _place(known: list[Plain], value: Plain) -> int:
    if value not in known:
        known.append(value)
    return known.index(value)


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")


def _plain(link: Link) -> list[Any]:
    return [link.title, link.href, link.size]
