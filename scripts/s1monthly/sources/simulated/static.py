"""Simulated static granules: the viewing geometry of a burst over the relief that its granules show."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from s1monthly.granules import Burst
from s1monthly.grid.orbit import incidence_angle, orbit_direction, utm_footprint
from s1monthly.sources.simulated.granules import LOOKS, burst_geobox, footprint_spans
from s1monthly.sources.simulated.scene import Scene

MARGIN = 1_500.0
"""Metres by which the valid area reaches beyond the burst's, as far as the grid goes."""

STEEPEST, FLATTEST = 1.0, 89.0
"""Local incidence angles, in degrees, beyond which area factors no longer change: they would be infinite or zero."""


def simulate_static(scene: Scene, burst: Burst) -> dict[str, npt.NDArray[np.generic]]:
    """Return the static layers of a burst on its `burst_geobox`, by OPERA's names.

    The relief is a slope in the plane of incidence. So the local incidence angle is the incidence angle less the slope;
    a facet's area seen by gamma0 is its length times the cosine of that angle, by beta0 times its sine, by sigma0 its
    length. On flat ground the factors are therefore 1 / tan and cos of the incidence angle.

    Returns
    -------
    dict of str to ndarray, (rows, columns)
        float32, NaN outside the valid area, factors also in shadow; ``mask`` uint8, 255 outside. Shadow and layover are
        those of the burst's granules. The number of looks is that of their speckle, the same everywhere.
    """
    geobox = burst_geobox(burst)
    spans = footprint_spans(utm_footprint(burst).buffer(MARGIN, join_style="mitre"), geobox)
    slope, mask = scene.relief(geobox, orbit_direction(burst), spans)
    incidence = np.where(mask == 255, np.nan, incidence_angle(burst, geobox))
    local = np.abs(incidence - np.degrees(np.arctan(slope, dtype=np.float64)))
    seen = np.radians(np.clip(local, STEEPEST, FLATTEST))
    seen[mask % 2 == 1] = np.nan
    layers = {
        "incidence_angle": incidence,
        "local_incidence_angle": local,
        "number_of_looks": np.where(mask == 255, np.nan, LOOKS),
        "rtc_anf_gamma0_to_beta0": 1 / np.tan(seen),
        "rtc_anf_gamma0_to_sigma0": np.cos(seen),
    }
    return {**{name: values.astype(np.float32) for name, values in layers.items()}, "mask": mask}
