"""The output bands: one entry a band; cube, COG, Item, catalog and validation iterate over them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ALGORITHM_VERSION = 1
"""Raised whenever the values of any band change."""

NODATA = float("nan")
"""No data in every band of every product."""

Power = NDArray[np.float32]


@dataclass(frozen=True)
class Band:
    """One output band.

    Attributes
    ----------
    name : str
        Name in every product.
    units : str
        UDUNITS string: ``dB`` or ``1``.
    description : str
        One line for people.
    valid_range : tuple of float
        Values that can occur, both ends included; infinite where open.
    role : str
        ``backscatter``, ``index`` or ``texture``.
    formula : callable
        (co power, cross power) -> values, float32, NaN where no data.
    """

    name: str
    units: str
    description: str
    valid_range: tuple[float, float]
    role: str
    formula: Callable[[Power, Power], Power]


def db(power: Power) -> Power:
    """Convert linear power to decibels, 10 log10(power); float32; NaN stays NaN.

    Parameters
    ----------
    power : array
        Positive, or NaN for no data.
    """
    return (np.float32(10.0) * np.log10(power)).astype(np.float32, copy=False)


def ratio(co: Power, cross: Power) -> Power:
    """Cross-polarization ratio, cross / co, of linear power; at least 0; NaN stays NaN."""
    return (cross / co).astype(np.float32, copy=False)


def rvi(co: Power, cross: Power) -> Power:
    """Radar vegetation index for dual polarization, 4 cross / (co + cross), of linear power; 0 to 4; NaN stays NaN.

    References
    ----------
    Nasirzadehdizaji et al. (2019), Applied Sciences 9(4), 655, doi:10.3390/app9040655: the dual-polarization form of
    the index of Kim and van Zyl (2009), doi:10.1109/TGRS.2009.2014944.
    """
    return (np.float32(4.0) * cross / (co + cross)).astype(np.float32, copy=False)


def bands(co: str, cross: str) -> tuple[Band, ...]:
    """Return the output bands, in order, of a polarization pair.

    Parameters
    ----------
    co, cross : str
        Layer names, for example ``VV`` and ``VH``.
    """
    inf = float("inf")
    return (
        Band(f"{co}_dB", "dB", f"gamma0 backscatter, {co}", (-inf, inf), "backscatter", lambda a, b: db(a)),
        Band(f"{cross}_dB", "dB", f"gamma0 backscatter, {cross}", (-inf, inf), "backscatter", lambda a, b: db(b)),
        Band("Ratio", "1", f"cross-polarization ratio {cross}/{co} of power", (0.0, inf), "index", ratio),
        Band("RVI", "1", f"radar vegetation index 4 {cross}/({co}+{cross}) of power", (0.0, 4.0), "index", rvi),
    )
