"""Conversion of gamma0 of the terrain into other quantities of backscatter, by OPERA's static layers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from s1monthly.kernels.options import RADIOMETRY_LAYERS, Radiometry

Values = NDArray[np.float32]

_BETA, _SIGMA, _ANGLE = "rtc_anf_gamma0_to_beta0", "rtc_anf_gamma0_to_sigma0", "incidence_angle"


def conversion_factor(radiometry: Radiometry, layers: Mapping[str, Values]) -> Values:
    """Return the factor by which gamma0 of the terrain is multiplied.

    With OPERA's area factors ``anf`` and the incidence angle on the ellipsoid, theta:

    - ``beta0`` = gamma0 anf_beta
    - ``sigma0_terrain`` = gamma0 anf_sigma
    - ``sigma0_ellipsoid`` = beta0 sin(theta)
    - ``gamma0_ellipsoid`` = beta0 tan(theta)

    Parameters
    ----------
    radiometry : str
        Quantity to convert to.
    layers : mapping of str to array
        The layers that `RADIOMETRY_LAYERS` names, (rows, columns); angles in degrees; NaN for no data.

    Returns
    -------
    array (rows, columns) of float32
        Positive; NaN where a layer has no value that can be used.

    References
    ----------
    Small (2011), IEEE TGRS 49(8), doi:10.1109/TGRS.2011.2120616; area factors: ISCE3, `rtc`.

    Examples
    --------
    >>> flat = {"rtc_anf_gamma0_to_beta0": np.float32([1.0]), "incidence_angle": np.float32([45.0])}
    >>> conversion_factor("gamma0_ellipsoid", flat).round(6)
    array([1.], dtype=float32)
    """
    needed = {name: layers[name] for name in RADIOMETRY_LAYERS[radiometry]}
    factor = needed[_SIGMA if radiometry == "sigma0_terrain" else _BETA].astype(np.float64)
    with np.errstate(invalid="ignore"):
        if _ANGLE in needed:
            theta = np.radians(needed[_ANGLE], dtype=np.float64)
            factor *= np.sin(theta) if radiometry == "sigma0_ellipsoid" else np.tan(theta)
        factor[~((factor > 0) & (factor < np.inf))] = np.nan
    return factor.astype(np.float32)
