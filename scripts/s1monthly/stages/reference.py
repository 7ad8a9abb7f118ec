"""The reference stage: the temporal mean of the plain composites of a period, for despeckling by ratios (rabasar)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.errors import ProductError
from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.bands import Band
from s1monthly.kernels.options import RADIOMETRY, RADIOMETRY_TITLES
from s1monthly.layout import Layout
from s1monthly.model import CompositeKey
from s1monthly.records.account import read_account
from s1monthly.records.granule_list import read_granule_list
from s1monthly.records.recipe import digest
from s1monthly.records.reference import Reference, read_reference
from s1monthly.stages.composite import Merging, compose
from s1monthly.stages.viewing import left_out_without_static

Power = NDArray[np.float32]


@dataclass(frozen=True)
class Mean:
    """The reference of a tile and direction.

    Attributes
    ----------
    power : array (layer, rows, columns) of float32
        Temporal mean of linear power; NaN where no month is valid.
    digest : str
        SHA-256 of the values.
    missing : int
        Number of granules that it was made without.
    """

    power: Power
    digest: str
    missing: int = 0


def mean_of_months(
    layout: Layout,
    keys: Sequence[CompositeKey],
    recipe: Mapping[str, Any],
    geobox: GeoBox,
    outside: NDArray[np.bool_] | None = None,
    threads: int = 1,
    max_failed_ratio: float = 0.0,
) -> tuple[Power, Reference]:
    """Compose the months of a period without despeckling, and take their mean.

    Parameters
    ----------
    layout : Layout
        Paths of the products, with the cut bursts of all months.
    keys : sequence of CompositeKey
        The months, of one tile and direction.
    recipe : mapping
        Recipe of the cube.
    geobox : GeoBox
        Grid of the cube.
    outside : array (rows, columns) of bool, optional
        True for pixels to leave empty.
    threads : int
        Number of threads.
    max_failed_ratio : float
        Share of a month's granules that may lack static layers, or be lost.

    Returns
    -------
    array (layer, rows, columns) of float32
        Mean of linear power; NaN where no month is valid.
    Reference
        Its facts: the months, and the granules that are missing.

    Raises
    ------
    ProductError
        If the bursts are those of another recipe.
    SourceError
        If too many granules of a month are missing.
    """
    how, layers, recipe_digest = (
        replace(Merging.of(recipe), spread=()),
        recipe["polarization"].split("+"),
        digest(recipe),
    )
    mean, used, missing = TemporalMean((len(layers), *geobox.shape)), {}, {}
    for key in keys:
        paths, month = layout.of(key), str(key.month)
        account = read_account(paths.account)
        account.check(account.granules_digest, recipe_digest)
        listed, statics = read_granule_list(paths.granules, account.granules_digest), paths.static_store
        left_out = left_out_without_static(key, listed, account, statics, max_failed_ratio) if how.needs_statics else {}
        seen = account.without(left_out).on_tile
        mean.add(compose(paths.bursts, seen, geobox, layers, how, outside, threads, statics).power)
        used[month] = account.granules_digest
        lost = {one.granule_id: one.reason for one in listed.set_aside if one.lost}
        if lacking := {**lost, **account.unread, **left_out}:
            missing[month] = lacking
    values = mean.result()
    return values, Reference(recipe_digest, used, digest_of(values), missing)


class TemporalMean:
    """Mean power of months, added one by one; each pixel's is that of the months in which it is valid.

    Parameters
    ----------
    shape : tuple of int
        Layers, rows and columns.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self._total = np.zeros(shape, np.float64)
        self._number = np.zeros(shape[1:], np.uint16)

    def add(self, power: Power) -> None:
        """Add a month: linear power (layer, rows, columns), NaN for no data, at the same pixels in all layers."""
        self._number += ~np.isnan(power[0])
        for total, plane in zip(self._total, power, strict=True):
            total += np.nan_to_num(plane, nan=0.0)

    def result(self) -> Power:
        """Return the mean: (layer, rows, columns) of float32, NaN where no month is valid."""
        made = np.empty(self._total.shape, np.float32)
        with np.errstate(invalid="ignore"):
            for plane, total in zip(made, self._total, strict=True):
                plane[:] = total / self._number
        return made


def digest_of(power: Power) -> str:
    """Return the SHA-256 of the values of a reference, with one NaN for all."""
    digest = hashlib.sha256()
    for plane in power:
        digest.update(np.where(np.isnan(plane), np.float32(np.nan), plane).view(np.uint8).data)
    return digest.hexdigest()


def write_mean(path: str | Path, mean: Power, geobox: GeoBox, recipe: Mapping[str, Any], threads: int) -> None:
    """Write a reference as a cloud-optimised GeoTIFF of linear power, one band a layer.

    Raises
    ------
    ProductError
        If it cannot be written.
    """
    from s1monthly.raster.cog import write_cog  # here: rasterio loads slowly, and most composites need no reference

    title, months = RADIOMETRY_TITLES[recipe.get("radiometry", RADIOMETRY)], recipe["despeckle"]["reference"]
    described = [
        Band(layer, "1", f"{title}, {layer}: mean power of the composites of {months}", (0, math.inf), "power", None)
        for layer in recipe["polarization"].split("+")
    ]
    write_cog(path, iter(mean), geobox, described, {"TITLE": f"Reference, {months}"}, threads=threads)


def read_mean(paths: Layout, geobox: GeoBox, recipe_digest: str) -> Mean:
    """Read the reference of a tile and direction.

    Parameters
    ----------
    paths : Layout
        Paths of the tile and direction.
    geobox : GeoBox
        Grid of the cube.
    recipe_digest : str
        Digest of the cube's recipe.

    Raises
    ------
    ProductError
        If it is missing, of another recipe, or its values are not those that its facts name.
    """
    from s1monthly.raster.geotiff import open_raster

    facts = read_reference(paths.reference_facts, recipe_digest)
    again = f"delete {Path(paths.reference).parent} and run again: all months of the cube are made again"
    if facts is None:
        raise ProductError(f"{paths.reference_facts}: missing, altered, or of another recipe", again)
    with open_raster(paths.reference) as raster:
        whole = slice(0, geobox.height), slice(0, geobox.width)
        power = np.stack([raster.read(*whole, band=band) for band in (1, 2)])
    if digest_of(power) != facts.digest:
        raise ProductError(f"{paths.reference}: its values are not those that {paths.reference_facts} names", again)
    return Mean(power, facts.digest, facts.number_missing)
