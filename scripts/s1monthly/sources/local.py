"""Granules in a folder."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import shapely

from s1monthly.errors import S1MonthlyError
from s1monthly.geotiff import open_header
from s1monthly.grid import geobox_outline, orbit_direction, tile_outline
from s1monthly.listing import find_layer_files
from s1monthly.naming import parse_granule_id
from s1monthly.orbit import footprint as burst_footprint
from s1monthly.sources import Found
from s1monthly.vocabulary import Direction, Granule, Layer, Month, Polarization, SetAside, Tile, newest_versions

THREADS = 8
"""Headers read at a time: on network file systems an opening is mostly waiting."""


class LocalSource:
    """Granules that lie in a folder, at any depth, under their OPERA file names.

    Nothing but names and the grids of the files is relied on: no tags, no list, no folder structure.

    Parameters
    ----------
    folder : path
        Where they lie; relative stays relative.
    polarization : Polarization
        Both its layers must be there.
    only_tracks : collection of int, optional
        Granules of other tracks are set aside.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        polarization: Polarization,
        only_tracks: Collection[int] | None = None,
    ) -> None:
        self.folder = os.fspath(folder)
        self.polarization = polarization
        self.only_tracks = None if only_tracks is None else frozenset(only_tracks)

    def search(self, tile: Tile, direction: Direction, months: Sequence[Month]) -> dict[Month, Found]:
        """Find the granules over a tile, as `Source.search`.

        A granule's footprint is the outline of its raster, no-data margins included: a granule may be listed that has
        no valid pixel on the tile.

        Raises
        ------
        SourceError
            As `find_layer_files`.
        """
        granules = [g for g in self._granules() if orbit_direction(g.burst) == direction]
        aside = {granule.id: left_out for granule in granules if (left_out := self._left_out(granule))}
        # Versions are compared before months are told apart: reprocessing can move a start across the end of a month.
        _, older = newest_versions(g for g in granules if g.id not in aside)
        aside |= {replaced.granule_id: replaced for replaced in older}

        found: dict[Month, Found] = {month: Found() for month in months}
        of_months = [g for g in granules if g.month in found]
        for granule in _meeting(tile, of_months):
            held = found[granule.month]
            if granule.id in aside:
                found[granule.month] = replace(held, set_aside=(*held.set_aside, aside[granule.id]))
            else:
                found[granule.month] = replace(held, granules=(*held.granules, granule))
        return found

    def prepare(self, granule: Granule) -> Granule:
        """Return the granule unchanged: its layers can be read where they lie."""
        return granule

    def _granules(self) -> Iterator[Granule]:
        for granule_id, files in find_layer_files(self.folder).items():
            layers = tuple(Layer(name, url=path, size=size) for name, (path, size) in files.items())
            yield replace(parse_granule_id(granule_id), layers=layers)

    def _left_out(self, granule: Granule) -> SetAside | None:
        if self.only_tracks is not None and granule.burst.track not in self.only_tracks:
            return SetAside(granule.id, f"track {granule.burst.track} is not among roi.tracks")
        missing = [name for name in self.polarization.layers if granule.layer(name) is None]
        return SetAside(granule.id, f"no layer {' and '.join(missing)}", lost=True) if missing else None


def _meeting(tile: Tile, granules: Iterable[Granule]) -> Iterator[Granule]:
    """Granules whose footprint meets the tile, with the footprint filled in, sorted by id."""
    outline = tile_outline(tile)
    shapely.prepare(outline)
    ordered = sorted(granules, key=lambda granule: granule.id)
    with ThreadPoolExecutor(THREADS) as pool:
        for granule, footprint in zip(ordered, pool.map(_footprint, ordered), strict=True):
            if outline.intersects(footprint):
                yield replace(granule, footprint=shapely.to_wkt(footprint, rounding_precision=6))


def _footprint(granule: Granule) -> shapely.Geometry:
    """Outline of a granule's raster in longitude and latitude, from the first layer that opens.

    Where none does, the place of its burst decides: a damaged granule is listed, and reading it stops its own month,
    not the search of all.
    """
    for layer in granule.layers:
        with suppress(S1MonthlyError):
            return geobox_outline(open_header(layer.url).geobox)
    return burst_footprint(granule.burst)
