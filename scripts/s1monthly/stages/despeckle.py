"""The despeckling of a month's composite, and what the record tells of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.kernels.options import AUTO, DESPECKLE_DOI, DESPECKLE_METHOD, OF_SERIES
from s1monthly.kernels.speckle.despeckling import despeckle
from s1monthly.kernels.speckle.looks import Looks, estimate_looks
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
        For the month's record: method and options, ``looks`` of each layer as used, ``looks_unsure`` with the layers in
        which no homogeneous area was found, ``doi`` of the method's paper, ``reference_digest`` of the reference,
        ``reference_missing`` with the number of granules that it was made without.
        None for tv_bregman without more, whose recipe says all.
    """
    if how["method"] in OF_SERIES and reference is None:
        return description(how, {})
    looks: dict[str, Looks] = {}
    means = reference.power if reference else [None] * len(planes)
    for layer, power, mean in zip(layers, planes, means, strict=True):
        options = dict(how)
        if "looks" in how:
            seen = power if mean is None else power / mean
            looks[layer] = estimate_looks(seen, threads) if how["looks"] == AUTO else Looks(how["looks"], True)
            options["looks"] = looks[layer].looks
        if mean is None:
            despeckle(power, threads=threads, out=power, **options)
        else:
            rabasar(power, mean, threads=threads, window_size=how["window_size"], looks=options["looks"])
    told = description(how, looks)
    if reference is None:
        return told
    missing = {"reference_missing": reference.missing} if reference.missing else {}
    return {**(told or {}), "reference_digest": reference.digest, **missing}


def description(how: Mapping[str, Any], looks: Mapping[str, Looks]) -> dict[str, Any] | None:
    """Return what the record tells of the despeckling, see `despeckle_month`."""
    if how["method"] == DESPECKLE_METHOD and "bias_correction" not in how:
        return None
    doi, unsure = DESPECKLE_DOI[how["method"]], [layer for layer, found in looks.items() if not found.sure]
    return {
        **how,
        **({"looks": {layer: found.looks for layer, found in looks.items()}} if looks else {}),
        **({"looks_unsure": "+".join(unsure)} if unsure else {}),
        **({"doi": doi} if doi else {}),
    }
