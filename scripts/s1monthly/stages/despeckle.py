"""The despeckling of a month's composite, and what the record tells of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.kernels.options import AUTO, DESPECKLE_DOI, DESPECKLE_METHOD, OF_SERIES
from s1monthly.kernels.speckle.despeckling import despeckle
from s1monthly.kernels.speckle.looks import estimate_looks
from s1monthly.kernels.speckle.rabasar import rabasar
from s1monthly.stages.reference import Mean

Power = NDArray[np.float32]


def despeckle_month(
    planes: Sequence[Power],
    layers: Sequence[str],
    how: Mapping[str, Any],
    threads: int = 1,
    reference: Mean | None = None,
) -> dict[str, Any] | None:
    """Despeckle the layers of a composite in place; leave one whose passes were despeckled as it is.

    Parameters
    ----------
    planes : sequence of array (rows, columns) of float32
        Linear power of each layer; NaN for no data.
    layers : sequence of str
        Names of the layers.
    how : mapping
        Method and options, as in recipes.
    reference : Mean, optional
        The temporal mean; for rabasar alone, which needs it.

    Returns
    -------
    dict or None
        For the month's record: method and options, ``looks`` of each layer as used, ``doi`` of the method's paper,
        ``reference_digest`` of the reference.
        None for tv_bregman without more, whose recipe says all.
    """
    looks: dict[str, float] = {}
    if reference is not None:
        for layer, power, mean in zip(layers, planes, reference.power, strict=True):
            looks[layer] = rabasar(power, mean, threads=threads, window_size=how["window_size"], looks=how["looks"])
        return {**(description(how, looks) or {}), "reference_digest": reference.digest}
    for layer, power in zip(layers, planes, strict=True) if how["method"] not in OF_SERIES else ():
        options = dict(how)
        if "looks" in options:
            options["looks"] = estimate_looks(power, threads) if options["looks"] == AUTO else options["looks"]
            looks[layer] = options["looks"]
        despeckle(power, threads=threads, out=power, **options)
    return description(how, looks)


def description(how: Mapping[str, Any], looks: Mapping[str, float]) -> dict[str, Any] | None:
    """Return what the record tells of the despeckling, see `despeckle_month`."""
    if how["method"] == DESPECKLE_METHOD and "bias_correction" not in how:
        return None
    doi = DESPECKLE_DOI[how["method"]]
    return {**how, **({"looks": dict(looks)} if looks else {}), **({"doi": doi} if doi else {})}
