"""Table of the static layers: type, unit and meaning of each, in the order of OPERA's names."""

from __future__ import annotations

from dataclasses import dataclass

from s1monthly.granule_names import STATIC_LAYERS
from s1monthly.kernels.masking import NO_DATA


@dataclass(frozen=True)
class StaticLayer:
    """A static layer.

    Attributes
    ----------
    name : str
        OPERA's name of the layer.
    units : str
        UDUNITS string.
    description : str
        Description in one line.
    dtype : str
        ``float32``, with NaN for no data, or ``uint8``, with 255 for no data.
    valid_range : tuple of float
        Smallest and largest possible value; infinite if open.
    """

    name: str
    units: str
    description: str
    dtype: str
    valid_range: tuple[float, float]

    @property
    def nodata(self) -> float:
        """Value of pixels without data."""
        return NO_DATA if self.dtype == "uint8" else float("nan")


_INF = float("inf")
_FACTS = {
    "incidence_angle": ("degree", "incidence angle on the ellipsoid", (0.0, 90.0)),
    "local_incidence_angle": ("degree", "local incidence angle on the terrain", (0.0, 180.0)),
    "number_of_looks": ("1", "number of radar samples averaged in a pixel", (0.0, _INF)),
    "rtc_anf_gamma0_to_beta0": ("1", "area factor by which gamma0 is multiplied to give beta0", (0.0, _INF)),
    "rtc_anf_gamma0_to_sigma0": (
        "1",
        "area factor by which gamma0 is multiplied to give sigma0 of the terrain",
        (0.0, _INF),
    ),
    "mask": ("1", "0 valid, 1 shadow, 2 layover, 3 layover and shadow, 255 no data", (0.0, 3.0)),
}

LAYERS: dict[str, StaticLayer] = {
    name: StaticLayer(name, units, description, "uint8" if name == "mask" else "float32", limits)
    for name, (units, description, limits) in ((name, _FACTS[name]) for name in STATIC_LAYERS)
}
"""Every static layer by name."""
