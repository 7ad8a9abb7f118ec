"""Normalisation of backscatter to one incidence angle, so that tracks that see the ground at other angles compare."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def angle_factors(incidence: NDArray[np.float32], reference: float, exponent: float) -> NDArray[np.float32]:
    """Return the factors by which power is multiplied: cos^n(reference) / cos^n(incidence).

    Parameters
    ----------
    incidence : array of float32
        Incidence angle on the ellipsoid, degrees, 0 to less than 90; NaN for no data.
    reference : float
        Incidence angle to normalise to, degrees.
    exponent : float
        The exponent n: how fast backscatter falls with the angle. It depends on the land cover and the polarization.

    Returns
    -------
    array of float32
        In the shape of `incidence`; NaN where that is NaN.

    References
    ----------
    Mladenova, Jackson, Bindlish and Hensley (2013), Incidence angle normalization of radar backscatter data, IEEE
    Transactions on Geoscience and Remote Sensing 51(3), 1791-1804, doi:10.1109/TGRS.2012.2205264: the cosine method.

    Examples
    --------
    >>> normalised = gamma0 * angle_factors(incidence, reference=38, exponent=2)
    """
    cosine = np.cos(np.radians(incidence, dtype=np.float32))
    return np.power(np.float32(math.cos(math.radians(reference))) / cosine, np.float32(exponent))
