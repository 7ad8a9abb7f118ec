"""Assets of a month's further COGs: linear power, and 8-bit overviews."""

from __future__ import annotations

from typing import Any

from s1monthly.kernels.bands import Band
from s1monthly.kernels.options import RADIOMETRY, RADIOMETRY_TITLES
from s1monthly.kernels.preview import stretches
from s1monthly.kernels.quality import CLASSES
from s1monthly.model import Polarization

QUALITY_BANDS = {
    "count": "number of passes with a valid value",
    "mask": "; ".join(f"{number}: {meaning.replace('_', ' ')}" for number, meaning in CLASSES.items()),
}
"""Band of the quality COG -> what it is."""

_COG = {"type": "image/tiff; application=geotiff; profile=cloud-optimized"}
_INF = float("inf")


def power_bands(polarization: Polarization, radiometry: str = RADIOMETRY) -> tuple[Band, ...]:
    """Return the bands of the COG of linear power: named like the layers."""
    title = RADIOMETRY_TITLES[radiometry]
    return tuple(
        Band(layer, "1", f"{title}, {layer}, linear power", (0.0, _INF), "power", None) for layer in polarization.layers
    )


def overview_stretches(polarization: Polarization, kind: str) -> dict[str, tuple[float, float]]:
    """Return band -> ends of its stretch of an overview, in order.

    Parameters
    ----------
    kind : str
        ``overview-dual``: both bands in dB and their ratio, in the colours of the preview; ``overview-vv`` and the
        like: one band in dB.
    """
    pair = [f"{layer}_dB" for layer in polarization.layers]
    names = [*pair, "Ratio"] if kind == "overview-dual" else [name for name in pair if kind.endswith(name[:2].lower())]
    ranges = stretches(names)
    return {name: ranges[name] for name in names}


def derived_bands(kind: str, polarization: Polarization) -> tuple[str, tuple[str, ...]]:
    """Return type and names of the bands of a further COG."""
    if kind == "quality":
        return "uint8", tuple(QUALITY_BANDS)
    if kind == "power":
        return "float32", tuple(band.name for band in power_bands(polarization))
    return "uint8", tuple(overview_stretches(polarization, kind))


def derived_asset(kind: str, polarization: Polarization, radiometry: str = RADIOMETRY) -> dict[str, Any]:
    """Return the fields of the asset of a further COG that do not depend on the month."""
    if kind == "power":
        return {
            "title": "Linear power",
            "description": "Cloud-optimised GeoTIFF of linear power, no data NaN; the bands in dB are 10 log10 of it.",
            **_COG,
            "roles": ["data"],
            "bands": [
                {"name": band.name, "description": band.description, "unit": band.units, "data_type": "float32"}
                for band in power_bands(polarization, radiometry)
            ],
        }
    if kind == "quality":
        return {
            "title": "Quality",
            "description": "8-bit cloud-optimised GeoTIFF: count of passes, and class of each pixel.",
            **_COG,
            "roles": ["data-mask", "quality"],
            "bands": [
                {"name": name, "description": text, "data_type": "uint8", "nodata": 0}
                for name, text in QUALITY_BANDS.items()
            ],
        }
    shown = overview_stretches(polarization, kind)
    ends = ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in shown.items())
    return {
        "title": "Overview, " + (" and ".join(polarization.layers) if len(shown) > 1 else next(iter(shown))[:2]),
        "description": f"8-bit cloud-optimised GeoTIFF at full resolution: {ends}, stretched to 1 to 255; 0: no data.",
        **_COG,
        "roles": ["overview", "visual"],
        "bands": [{"name": name, "data_type": "uint8", "nodata": 0} for name in shown],
    }
