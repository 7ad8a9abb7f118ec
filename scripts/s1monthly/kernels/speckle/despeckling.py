"""The despeckling methods by name, and the checks that they share."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.errors import S1MonthlyError
from s1monthly.kernels.options import AUTO, BIAS_CORRECTION, DESPECKLE_OPTIONS, BiasCorrection
from s1monthly.kernels.speckle.boxcar import boxcar
from s1monthly.kernels.speckle.frost import frost
from s1monthly.kernels.speckle.gamma_map import gamma_map
from s1monthly.kernels.speckle.kuan import kuan
from s1monthly.kernels.speckle.lee import lee
from s1monthly.kernels.speckle.lee_sigma import lee_sigma
from s1monthly.kernels.speckle.mean_power import keep_mean_power
from s1monthly.kernels.speckle.refined_lee import refined_lee
from s1monthly.kernels.speckle.tv_bregman import tv_bregman

Power = NDArray[np.float32]

METHODS: dict[str, Callable[..., None]] = {
    "tv_bregman": tv_bregman,
    "boxcar": boxcar,
    "lee": lee,
    "refined_lee": refined_lee,
    "lee_sigma": lee_sigma,
    "frost": frost,
    "kuan": kuan,
    "gamma_map": gamma_map,
}
"""Despeckling methods: name -> function(power, out, *, threads, **options), in a module of its own.

A method reads linear power, (rows, columns) of float32, C-contiguous, NaN for no data, and writes the result to `out`,
which may be `power` itself. It keeps no data, and its result does not depend on the number of threads.
"""


def despeckle(
    power: Power,
    method: str,
    threads: int = 1,
    out: Power | None = None,
    bias_correction: BiasCorrection = BIAS_CORRECTION,
    **options: Any,
) -> Power:
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
    bias_correction : {"none", "mean_power"}
        With mean_power the result has the local mean power of the input.
    **options
        Options of the method, see `options.DESPECKLE_OPTIONS`; `looks` must be a number, see
        `looks.estimate_looks`.

    Returns
    -------
    array (rows, columns) of float32
        Linear power, NaN exactly where `power` is NaN.

    Raises
    ------
    S1MonthlyError
        For an unknown method or option, an array that is not two-dimensional, or power or options that the method
        refuses.

    Examples
    --------
    >>> smooth = despeckle(vv_power, "refined_lee", threads=4)
    >>> smooth = despeckle(vv_power, "lee", threads=4, window_size=5, looks=estimate_looks(vv_power).looks)
    """
    if method not in METHODS:
        raise S1MonthlyError(f"despeckling method {method!r} is unknown", f"use one of: {', '.join(sorted(METHODS))}")
    power = np.ascontiguousarray(power, dtype=np.float32)
    if power.ndim != 2:
        raise S1MonthlyError(f"despeckling got an array of {power.ndim} dimensions", "pass one band (rows, columns)")
    known = [name for name in signature(METHODS[method]).parameters if name not in ("power", "out", "threads")]
    if unknown := sorted(set(options) - set(known)):
        raise S1MonthlyError(
            f"{', '.join(unknown)}: no option of despeckling method {method}",
            f"it takes {', '.join(known)}" if known else "it takes none",
        )
    given = {**DESPECKLE_OPTIONS[method], **options}  # type: ignore[index]
    if given.get("looks") == AUTO:
        raise S1MonthlyError(
            f"despeckling method {method} needs looks", "give a number, such as estimate_looks(power).looks"
        )
    result = np.empty_like(power) if out is None else out
    before = power.copy() if bias_correction != "none" and np.may_share_memory(power, result) else power
    METHODS[method](power, result, threads=threads, **given)
    if bias_correction == "mean_power":
        keep_mean_power(before, result, threads)
    return result
