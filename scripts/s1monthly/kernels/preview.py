"""Colours of a composite's preview picture."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from s1monthly.kernels.bands import db
from s1monthly.kernels.resampling import block_mean

CO_DB_RANGE = (-20.0, 0.0)
"""Co-polarized dB (VV or HH) shown from black to full red: from calm water and dry sand to cities."""
CROSS_DB_RANGE = (-27.0, -7.0)
"""Cross-polarized dB (VH or HV) shown from black to full green: as wide as `CO_DB_RANGE`, 7 dB lower."""
RATIO_RANGE = (0.0, 0.5)
"""Ratio cross / co shown from black to full blue: 0.05 to 0.1 is bare or built-up land, 0.25 or more dense canopy."""

ROWS = 32
"""Rows of the picture computed at a time, to bound memory."""

Values = NDArray[np.float32]


def shown_bands(layers: Iterable[str]) -> tuple[str, ...]:
    """Return the names of a preview's bands for a pair of layers, in the order of `preview_rgba`.

    A product may lack the last one, `Ratio`.
    """
    return (*(f"{layer}_dB" for layer in layers), "Ratio")


def stretches(names: Iterable[str]) -> dict[str, tuple[float, float]]:
    """Return the range that a preview shows of each band: co-polarized dB, cross-polarized dB, ratio.

    Parameters
    ----------
    names : iterable of str
        Names of bands; textures and the vegetation index have no range.
    """
    ranges = {"VV_dB": CO_DB_RANGE, "HH_dB": CO_DB_RANGE, "VH_dB": CROSS_DB_RANGE, "HV_dB": CROSS_DB_RANGE}
    ranges["Ratio"] = RATIO_RANGE
    there = set(names)
    return {name: shown for name, shown in ranges.items() if name in there}


def preview_rgba(co_db: Values, cross_db: Values, ratio: Values | None, factor: int) -> NDArray[np.uint8]:
    """Reduce and colour a composite: red co-polarized dB, green cross-polarized dB, blue Ratio.

    Blocks of factor x factor pixels are averaged (`block_mean`), dB as power. Each channel is then stretched linearly
    over its fixed range (`CO_DB_RANGE`, `CROSS_DB_RANGE`, `RATIO_RANGE`) and clipped. The ranges do not depend on the
    data, so pictures of different months and tiles are comparable.

    Parameters
    ----------
    co_db, cross_db : array
        Backscatter in dB, (rows, columns); NaN for no data.
    ratio : array or None
        Cross- over co-polarized power, (rows, columns); NaN for no data. None to compute it from both bands in dB.
    factor : int
        Side of a block in pixels. Incomplete blocks at the lower and right edge repeat the last row or column.

    Returns
    -------
    array
        (4, rows, columns), uint8: red, green, blue, alpha. Alpha is 255 where all three bands have data in at least
        half of the block, else 0.
    """
    rows, cols = (-(-size // factor) for size in co_db.shape)
    picture = np.zeros((4, rows, cols), dtype=np.uint8)
    for start in range(0, rows, ROWS):
        part = slice(start * factor, (start + ROWS) * factor)
        blue = _power(cross_db[part] - co_db[part]) if ratio is None else ratio[part]
        channels = (
            (db(_reduced(_power(co_db[part]), factor)), CO_DB_RANGE),
            (db(_reduced(_power(cross_db[part]), factor)), CROSS_DB_RANGE),
            (_reduced(blue, factor), RATIO_RANGE),
        )
        valid = np.logical_and.reduce([np.isfinite(values) for values, _ in channels])
        for index, (values, (low, high)) in enumerate(channels):
            level = np.clip((values[valid] - low) / (high - low), 0.0, 1.0)
            picture[index, start : start + ROWS][valid] = np.rint(255 * level).astype(np.uint8)
        picture[3, start : start + ROWS][valid] = 255
    return picture


def _power(decibels: Values) -> Values:
    return np.exp(decibels * np.float32(np.log(10) / 10))


def _reduced(values: Values, factor: int) -> Values:
    """Average blocks; pad incomplete ones first, so that half of their pixels can be valid."""
    missing = [(0, -size % factor) for size in values.shape]
    if any(after for _, after in missing):
        values = np.pad(values, missing, mode="edge")
    return block_mean(values, factor)
