"""The despeckling methods by name, and the checks that they share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from s1monthly.errors import S1MonthlyError
from s1monthly.kernels.speckle.tv_bregman import tv_bregman

Power = NDArray[np.float32]

METHODS: dict[str, Callable[..., None]] = {"tv_bregman": tv_bregman}
"""Despeckling methods: name -> function(power, out, *, threads, **options), in a module of its own.

A method reads linear power, (rows, columns) of float32, C-contiguous, NaN for no data, and writes the result to `out`,
which may be `power` itself. It keeps no data, and its result does not depend on the number of threads.
"""


def despeckle(power: Power, method: str, threads: int = 1, out: Power | None = None, **options: float) -> Power:
    """Despeckle the power of one polarization.

    Parameters
    ----------
    power : array (rows, columns) of float32
        Linear power, positive; NaN for no data.
    method : str
        Name in METHODS.
    threads : int
        Number of threads. The result does not depend on it.
    out : array (rows, columns) of float32, optional
        Array for the result; may be `power`.
    **options : float
        Options of the method.

    Returns
    -------
    array (rows, columns) of float32
        Linear power, NaN exactly where `power` is NaN.

    Raises
    ------
    S1MonthlyError
        For an unknown method, an array that is not two-dimensional, or power or options that the method refuses.

    Examples
    --------
    >>> smooth = despeckle(vv_power, "tv_bregman", threads=4, reg_param=5.0)
    """
    if method not in METHODS:
        raise S1MonthlyError(f"despeckling method {method!r} is unknown", f"use one of: {', '.join(sorted(METHODS))}")
    power = np.ascontiguousarray(power, dtype=np.float32)
    if power.ndim != 2:
        raise S1MonthlyError(f"despeckling got an array of {power.ndim} dimensions", "pass one band (rows, columns)")
    result = np.empty_like(power) if out is None else out
    METHODS[method](power, result, threads=threads, **options)
    return result
