"""Table of the output bands. Cube, COG, Item, catalog and validation iterate over it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.kernels.options import (
    DESPECKLE_DOI,
    DESPECKLE_METHOD,
    INDEX_BANDS,
    RADIOMETRY,
    RADIOMETRY_TITLES,
    TextureOptions,
)
from s1monthly.kernels.texture import TEXTURE_MARK, texture_names, textures, valid_range

NODATA = float("nan")
"""No-data value of every band and product."""

BLOCK_ROWS = 32

SPREAD_TITLES: dict[str, str] = {
    "min": "minimum",
    "max": "maximum",
    "std": "standard deviation",
    "p10": "10th percentile",
    "p90": "90th percentile",
}
"""Statistic of the spread -> words for it."""

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
        Description in one line.
    valid_range : tuple of float
        Smallest and largest possible value, both included; infinite if open.
    role : str
        ``backscatter``, ``index``, ``texture`` or ``spread``.
    formula : callable or None
        (co power, cross power) -> values, float32, NaN for no data. None for a texture, which needs a whole band, and
        for the spread, which needs the passes.
    """

    name: str
    units: str
    description: str
    valid_range: tuple[float, float]
    role: str
    formula: Callable[[Power, Power], Power] | None


def db(power: Power) -> Power:
    """Convert linear power, positive or NaN, to decibels: 10 log10(power); float32; NaN stays NaN."""
    return (np.float32(10.0) * np.log10(power)).astype(np.float32, copy=False)


def ratio(co: Power, cross: Power) -> Power:
    """Return the cross-polarization ratio, cross / co, of linear power: at least 0; NaN stays NaN."""
    return (cross / co).astype(np.float32, copy=False)


def rvi(co: Power, cross: Power) -> Power:
    """Return the dual-polarization radar vegetation index, 4 cross / (co + cross), of linear power: 0 to 4 or NaN.

    References
    ----------
    Nasirzadehdizaji et al. (2019), Applied Sciences 9(4), 655, doi:10.3390/app9040655: the dual-polarization form of
    the index of Kim and van Zyl (2009), doi:10.1109/TGRS.2009.2014944.
    """
    return (np.float32(4.0) * cross / (co + cross)).astype(np.float32, copy=False)


def bands(co: str, cross: str, radiometry: str = RADIOMETRY) -> tuple[Band, ...]:
    """Return the core bands of a pair of layers, such as ``VV`` and ``VH``, in order.

    `radiometry` is a key of `RADIOMETRY_TITLES`: the quantity that descriptions name.
    """
    inf, title = float("inf"), RADIOMETRY_TITLES[radiometry]
    return (
        Band(f"{co}_dB", "dB", f"{title}, {co}", (-inf, inf), "backscatter", lambda a, b: db(a)),
        Band(f"{cross}_dB", "dB", f"{title}, {cross}", (-inf, inf), "backscatter", lambda a, b: db(b)),
        Band("Ratio", "1", f"cross-polarization ratio {cross}/{co} of power", (0.0, inf), "index", ratio),
        Band("RVI", "1", f"radar vegetation index 4 {cross}/({co}+{cross}) of power", (0.0, 4.0), "index", rvi),
    )


def core_bands_of(recipe: Mapping[str, Any]) -> tuple[Band, ...]:
    """Return the core bands of a recipe, in order: both in dB, and those indices that it keeps (`bands_of`)."""
    kept = recipe.get("bands", INDEX_BANDS)
    co, cross = recipe["polarization"].split("+")
    core = bands(co, cross, recipe.get("radiometry", RADIOMETRY))
    return tuple(band for band in core if band.role == "backscatter" or band.name in kept)


def bands_of(recipe: Mapping[str, Any]) -> tuple[Band, ...]:
    """Return the bands of a recipe, in order: the core bands, the textures of each input, the spread of each layer.

    Parameters
    ----------
    recipe : mapping
        ``polarization``, such as ``VV+VH``, and optionally

        - ``textures``: the options of `s1monthly.kernels.options.TextureOptions`, and ``inputs``, which maps each dB
          band to its range;
        - ``spread``: names of statistics;
        - ``radiometry``: a key of `RADIOMETRY_TITLES`;
        - ``angle_normalisation``: the options of `s1monthly.kernels.angle_normalisation.angle_factors`;
        - ``bands``: the kept indices of `INDEX_BANDS`, by default all.
    """
    despeckled = _despeckled(recipe.get("despeckle") or {})
    normalised = f"; {normalisation(recipe)}" if normalisation(recipe) else ""
    core = (
        replace(band, description=band.description + normalised * (band.role == "backscatter") + despeckled)
        for band in core_bands_of(recipe)
    )
    made = (band for of in _inputs(recipe) for band in _texture_bands(*of, _options(recipe)))
    radiometry = recipe.get("radiometry", RADIOMETRY)
    spread = spread_bands(recipe["polarization"].split("+"), recipe.get("spread", ()), radiometry)
    return (*core, *made, *(replace(band, description=band.description + normalised) for band in spread))


def spread_bands(layers: Sequence[str], statistics: Sequence[str], radiometry: str = RADIOMETRY) -> tuple[Band, ...]:
    """Return the bands of the spread of the passes: ``VV_dB_min`` ..., layer by layer; see `bands`."""
    of = "" if radiometry == RADIOMETRY else f"; {RADIOMETRY_TITLES[radiometry]}"
    return tuple(
        Band(
            f"{layer}_dB_{statistic}",
            "dB",
            f"{SPREAD_TITLES[statistic]} of {layer}_dB over the passes, before despeckling{of}",
            (0.0 if statistic == "std" else -float("inf"), float("inf")),
            "spread",
            None,
        )
        for layer in layers
        for statistic in statistics
    )


def fills_count(name: str) -> bool:
    """Return True if a band has a value wherever a pass has one: all bands but textures, which need neighbours."""
    return TEXTURE_MARK not in name


def normalisation(recipe: Mapping[str, Any]) -> str:
    """Say in words how a recipe normalises to an incidence angle; empty if it does not."""
    options = recipe.get("angle_normalisation")
    return (
        f"normalised to an incidence angle of {options['reference']:g} degrees (cosine, exponent"
        f" {options['exponent']:g})"
        if options
        else ""
    )


def _despeckled(how: Mapping[str, Any]) -> str:
    """Return what the descriptions of bands say of despeckling: nothing of tv_bregman, as in older cubes."""
    method = how.get("method", DESPECKLE_METHOD)
    if method == DESPECKLE_METHOD and "bias_correction" not in how:
        return ""
    options = [f"{name} {value}" for name, value in how.items() if name != "method"]
    doi = [f"doi:{DESPECKLE_DOI[method]}"] if DESPECKLE_DOI.get(method) else []
    return f"; despeckled: {', '.join([method, *options, *doi])}"


def compute(
    recipe: Mapping[str, Any], co: Power, cross: Power, threads: int = 1, spread: Iterable[tuple[str, Power]] = ()
) -> Iterator[tuple[str, Power]]:
    """Compute the bands of a recipe from power, one at a time, in the order of `bands_of`.

    Parameters
    ----------
    recipe : mapping
        As for `bands_of`, and optionally ``keep_bits``, see `rounded`.
    co, cross : array (rows, columns) of float32
        Linear power, despeckled if the recipe says so; NaN for no data, at the same pixels in both.
    threads : int
        Number of threads. The result does not depend on it.
    spread : iterable of (band name, array)
        Bands of the spread, which come from the passes.

    Yields
    ------
    name : str
        Name of the band.
    values : array (rows, columns) of float32
        Its values; NaN for no data.
    """
    bits = recipe.get("keep_bits")
    for name, values in chain(_compute(recipe, co, cross, threads), spread):
        yield name, rounded(values, bits) if bits else values


def rounded(values: NDArray[np.float32], bits: int) -> NDArray[np.float32]:
    """Round values to `bits` bits of the mantissa, half to even, so that they compress better; NaN stays NaN.

    The relative error is at most 2 ** -(bits + 1). In dB, with 12 bits: at most 0.0010 dB between -16 and 16 dB, 0.0020
    dB between -32 and 32 dB.

    Parameters
    ----------
    values : array of float32
        Any values; infinities stay.
    bits : int
        Bits to keep, 1 to 22.

    Examples
    --------
    >>> rounded(np.float32([-12.3456]), 12)
    array([-12.345703], dtype=float32)

    References
    ----------
    Klöwer et al. (2021), Nature Computational Science 1, 713-724, doi:10.1038/s43588-021-00156-2.
    """
    from numcodecs.bitround import BitRound  # loads what few recipes need

    result: NDArray[np.float32] = np.asarray(BitRound(bits).encode(values)).view(np.float32).reshape(values.shape)
    np.copyto(result, values, where=np.isnan(values))  # those with a payload would become numbers
    return result


def rounding(recipe: Mapping[str, Any]) -> str:
    """Say in words how a recipe rounds values; empty if it does not."""
    bits = recipe.get("keep_bits")
    return f"rounded to {bits} bits of the mantissa, relative error up to 2^-{bits + 1}" if bits else ""


def _compute(recipe: Mapping[str, Any], co: Power, cross: Power, threads: int) -> Iterator[tuple[str, Power]]:
    core = {band.name: band.formula for band in core_bands_of(recipe)}
    for name, formula in core.items():
        if formula:
            yield name, _by_rows(formula, co, cross, threads)
    for name, (low, high) in _inputs(recipe):
        formula = core[name]
        if formula:
            made = textures(_by_rows(formula, co, cross, threads), low, high, _options(recipe), threads)
            yield from zip(texture_names(name, _options(recipe)), (values for _, values in made), strict=True)


def _by_rows(formula: Callable[[Power, Power], Power], co: Power, cross: Power, threads: int) -> Power:
    """Apply a formula in blocks of rows, so that temporaries stay in the cache; skip blocks without data."""
    values = np.empty(co.shape, np.float32)

    def work(first: int) -> None:
        rows = slice(first, first + BLOCK_ROWS)
        values[rows] = NODATA if np.isnan(co[rows]).all() else formula(co[rows], cross[rows])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(0, len(co), BLOCK_ROWS)))
    return values


def _inputs(recipe: Mapping[str, Any]) -> list[tuple[str, tuple[float, float]]]:
    """Return the input bands of the textures with their ranges, in the order of the core bands."""
    found = (recipe.get("textures") or {}).get("inputs") or {}
    names = (band.name for band in bands(*recipe["polarization"].split("+")))
    return [(name, (found[name][0], found[name][1])) for name in names if name in found]


def _options(recipe: Mapping[str, Any]) -> TextureOptions:
    given = {key: value for key, value in recipe["textures"].items() if key != "inputs"}
    options: dict[str, Any] = {key: tuple(x) if isinstance(x, list) else x for key, x in given.items()}
    return TextureOptions(**options)


def _texture_bands(of: str, ends: tuple[float, float], options: TextureOptions) -> Iterator[Band]:
    averaged = ", ".join(f"{angle:g}" for angle in options.angles)
    for name, suffix in zip(texture_names(of, options), options.suffixes, strict=True):
        metric, _, angle = suffix.partition("_")
        description = (
            f"GLCM {metric} of {of} at {angle or averaged} degrees, distance {options.distance},"
            f" window {options.window_size}, {options.levels} levels from {ends[0]:g} to {ends[1]:g} dB"
        )
        yield Band(name, "1", description, valid_range(metric, options.levels), "texture", None)
