"""Configurations to make recipes of, by the full keys of their options."""

from __future__ import annotations

from typing import Any

from support.sites import merged

WKT = "POLYGON((-122 38, -121 38, -121 39, -122 38))"
SIMULATED = {"source.kind": "simulated"}
TEXTURED = {"processing.texture_features.enabled": True}
MASKED = {"processing.use_roi_mask": True, "roi.wkt": WKT}
FIJI = ("POLYGON((179 -18, 181 -18, 181 -16, 179 -16, 179 -18))", "((179 -18, 180 -18, 180 -16, 179 -16, 179 -18))")


def values(*layers: dict[str, Any]) -> dict[str, Any]:
    """A configuration with options given by their full keys."""
    result: dict[str, Any] = {
        "roi": {"manual_mgrs_tiles": ["10SGD"], "flight_direction": "ASCENDING"},
        "time": {"years": [2024]},
        "source": {"kind": "local", "path": ".."},
    }
    for key, value in (item for layer in layers for item in layer.items()):
        *sections, last = key.split(".")
        change: dict[str, Any] = {last: value}
        for section in reversed(sections):
            change = {section: change}
        result = merged(result, change)
    return result
