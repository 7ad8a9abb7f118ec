"""A folder of GRD products as a source."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from s1monthly.errors import NameFormatError, SourceError
from s1monthly.granule_names import parse_product_name, slice_of
from s1monthly.granules import PASS_GAP, AnyGranule, Burst, GranuleList, Layer, SetAside, Slice, StaticGranule
from s1monthly.grid.regions import split_at_antimeridian
from s1monthly.grid.tiles import tile_outline
from s1monthly.model import Month, Polarization, Stack, Tile
from s1monthly.sources.grd.listing import list_products
from s1monthly.sources.grd.manifest import Manifest
from s1monthly.sources.grd.orbit_fetching import fetch_orbit_file
from s1monthly.sources.grd.orbit_file import best_orbit_file, list_orbit_files
from s1monthly.sources.grd.product import Product, open_product
from s1monthly.sources.selection import by_month, set_aside

LOGGER = logging.getLogger("s1monthly")

ORBIT = "orbit"
"""Layer of a slice that is its orbit file."""


@dataclass(frozen=True)
class GrdSource:
    """GRD products in a folder, at any depth: SAFE folders, and zips that are read without unpacking.

    A granule is one product (a slice of a datatake). Its layers are the polarizations, each with the product's path,
    and the orbit file that it is read with, if there is one.

    Attributes
    ----------
    folder : path
        Folder of products.
    polarization : Polarization
        Pair of layers that a product must have.
    only_tracks : collection of int, optional
        Products of other tracks are set aside.
    orbits : path, optional
        Folder of orbit files; None for the orbits that are annotated.
    orbit_host : str, optional
        Host from which orbit files are fetched into that folder; None fetches none.
    seconds : float
        Time limit for each request to it.
    """

    folder: str | os.PathLike[str]
    polarization: Polarization
    only_tracks: Collection[int] | None = None
    orbits: str | None = None
    orbit_host: str | None = None
    seconds: float = 0

    def search(self, tile: Tile, direction: Stack, months: Sequence[Month]) -> dict[Month, GranuleList]:
        """Find the products over a tile, as `Source.search` does, by the footprints in their manifests.

        Nobody knows where a product lies whose manifest cannot be read. It is set aside over every tile, and counts as
        lost if others of its datatake lie there.

        Raises
        ------
        SourceError
            As for `list_products` and `list_orbit_files`, or if orbit files cannot be fetched.
        """
        opened, unknown = self._products(months)
        outline = tile_outline(tile)
        shapely.prepare(outline)
        there = {name for name, (one, _) in opened.items() if outline.intersects(shapely.from_wkt(one.footprint))}
        for name in sorted(there):
            granule, product = opened[name]
            if not self._unwanted(product, direction):
                opened[name] = self._with_orbit(granule, product.manifest), product
        scenes = {opened[name][0].scene for name in there}
        near = [one for one, _ in opened.values() if one.scene in scenes]
        aside = set_aside(
            near,
            lambda one: self._unwanted(opened[one.id][1], direction) or self._unplaced(one, opened[one.id][1]),
            lambda one: opened[one.id][1].damage(self.polarization) or "",
        )
        used = [one for one in near if one.id in there]
        for one, problem in unknown:
            lost = one.scene in scenes and one.shown_by(used) is None
            aside[one.id] = SetAside(one.id, problem, lost)
        return by_month(months, [*used, *(one for one, _ in unknown)], aside)

    def static(self, bursts: Collection[Burst]) -> dict[Burst, StaticGranule]:
        """Return nothing: slices have no static granules."""
        return {}

    def static_slices(self, candidates: Iterable[Slice]) -> dict[int, Slice]:
        """Return, for each track, the first of some slices whose product is in the folder, with its layers.

        Raises
        ------
        SourceError
            As for `list_products` and `list_orbit_files`, or if orbit files cannot be fetched.
        """
        paths = {os.path.basename(path).partition(".")[0]: path for path in list_products(self.folder)}
        found: dict[int, Slice] = {}
        for one in candidates:
            path = paths.get(one.product)
            if path is None or one.track in found:
                continue
            try:
                product = open_product(path)
            except SourceError:
                continue
            found[one.track] = self._with_orbit(self._slice(path, product), product.manifest)
        return found

    def prepared(self, granule: AnyGranule) -> AbstractContextManager[AnyGranule]:
        """Return the granule as it is: its product is read from its folder."""
        return nullcontext(granule)

    def _products(
        self, months: Sequence[Month]
    ) -> tuple[dict[str, tuple[Slice, Product]], Collection[tuple[Slice, str]]]:
        """Return the products that may begin in some months, by id, and those whose manifest cannot be read."""
        opened: dict[str, tuple[Slice, Product]] = {}
        unknown: dict[str, tuple[Slice, str]] = {}
        for path in list_products(self.folder):
            try:
                name = parse_product_name(os.path.basename(path))
                if not {Month.of(name.start - PASS_GAP), Month.of(name.start + PASS_GAP)} & {*months}:
                    continue
                product = open_product(path)
            except NameFormatError as error:
                LOGGER.warning("%s", error)
                continue
            except SourceError as error:
                unknown[name.id] = slice_of(name), error.problem
                continue
            found = self._slice(path, product)
            # the same product as folder and as zip: the whole one counts
            if found.id not in opened or opened[found.id][1].damage(self.polarization):
                opened[found.id] = found, product
        for one, _ in opened.values():
            unknown.pop(one.product, None)
        return opened, unknown.values()

    def _slice(self, path: str, product: Product) -> Slice:
        manifest = product.manifest
        layers = [
            Layer(name, path, product.size(name), product.md5(name))
            for name in self.polarization.layers
            if name in product.layers
        ]
        return replace(
            slice_of(product.name, manifest.track),
            ipf=manifest.ipf,
            processed=_moment(manifest.processed),
            layers=tuple(layers),
            footprint=shapely.to_wkt(outline_of(manifest.footprint), rounding_precision=6),
        )

    def _with_orbit(self, granule: Slice, manifest: Manifest) -> Slice:
        """Return a granule with the orbit file that its product is read with, if there is one."""
        if self.orbits is None:
            return granule
        covered = manifest.mission, manifest.start, manifest.stop
        if self.orbit_host:
            orbit = fetch_orbit_file(self.orbits, *covered, self.orbit_host, self.seconds)
        else:
            orbit = best_orbit_file(list_orbit_files(self.orbits), *covered)
        if orbit is None:
            LOGGER.warning("%s: there is no orbit file for it; the orbit in the product is used", granule.id)
            return granule
        layer = Layer(ORBIT, orbit.path, os.stat(orbit.path).st_size)
        return replace(granule, layers=(*granule.layers, layer))

    def _unwanted(self, product: Product, direction: Stack) -> str:
        """Return why a product does not fit the search; empty if it does."""
        manifest = product.manifest
        if manifest.direction not in direction.directions:
            return f"direction {manifest.direction}, not {direction}"
        if self.only_tracks is not None and manifest.track not in self.only_tracks:
            return f"track {manifest.track} is not among roi.tracks"
        return product.unfit(self.polarization) or ""

    def _unplaced(self, granule: Slice, product: Product) -> str:
        """Return why no orbit is good enough to place a product; empty if one is, or its annotation cannot be read."""
        if granule.layer(ORBIT) is None:
            with suppress(SourceError):
                if product.annotation(self.polarization.co).orbit_from_satellite:
                    return "made in near real time with the orbit of its satellite, and there is no orbit file for it"
        return ""


def _moment(time: np.datetime64) -> datetime:
    moment: Any = time.astype("datetime64[s]").astype(datetime)
    return moment.replace(tzinfo=UTC)


def outline_of(corners: Sequence[tuple[float, float]]) -> BaseGeometry:
    """Return the outline of a product in longitude and latitude, split at the antimeridian, from its corners."""
    first = corners[0][0]
    whole = shapely.MultiPoint([(first + (lon - first + 180) % 360 - 180, lat) for lon, lat in corners]).convex_hull
    return shapely.union_all(split_at_antimeridian(whole))
