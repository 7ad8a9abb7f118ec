"""A folder of granules as a source."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial

import shapely

from s1monthly.errors import S1MonthlyError, SourceError
from s1monthly.files import md5_of
from s1monthly.granule_names import parse_burst_id, parse_static_id
from s1monthly.granules import AnyGranule, Burst, BurstGranule, GranuleList, Layer, StaticGranule, newest_static
from s1monthly.grid.lattice import geobox_outline
from s1monthly.grid.orbit import footprint as burst_footprint
from s1monthly.grid.orbit import orbit_direction
from s1monthly.grid.tiles import tile_outline
from s1monthly.model import Month, Polarization, Stack, Tile
from s1monthly.raster.fast_geotiff import open_header
from s1monthly.sources.listing import list_folder
from s1monthly.sources.selection import Selection, by_month

THREADS = 8
"""Headers read at once: on network file systems, opening a file is mostly waiting."""


@dataclass(frozen=True)
class LocalSource:
    """Granules in a folder, at any depth, under their OPERA file names.

    It relies on the names and grids of the files only: not on tags, lists or the folder structure.

    Attributes
    ----------
    folder : path
        Folder of granules; a relative path stays relative.
    polarization : Polarization
        Pair of layers that a granule must have.
    only_tracks : collection of int, optional
        Granules of other tracks are set aside.
    with_mask : bool
        Whether the mask layer is used; every granule must then have one.
    trees, cache
        Folders of runs to skip, see `s1monthly.sources.listing.list_folder`.
    """

    folder: str | os.PathLike[str]
    polarization: Polarization
    only_tracks: Collection[int] | None = None
    with_mask: bool = True
    trees: Collection[str] = ()
    cache: str | None = None

    def search(self, tile: Tile, direction: Stack, months: Sequence[Month]) -> dict[Month, GranuleList]:
        """Find the granules over a tile, as `Source.search` does.

        A granule's footprint is the outline of its raster, with its no-data margins: a listed granule may have no valid
        pixel on the tile.

        Raises
        ------
        SourceError
            As for `list_folder`.
        """
        granules = list(self._granules())
        needed = ("mask",) if self.with_mask else ()
        aside = Selection(direction, self.polarization, self.only_tracks, needed).set_aside(granules)
        wanted = set(months)
        return by_month(months, _meeting(tile, direction, [g for g in granules if g.month in wanted]), aside)

    def static(self, bursts: Collection[Burst]) -> dict[Burst, StaticGranule]:
        """Find the newest static granule of each burst, as `Source.static` does, anywhere in the folder.

        Raises
        ------
        SourceError
            As for `list_folder`.
        """
        static = list_folder(self.folder, self.trees, self.cache).static
        granules = (replace(parse_static_id(name), layers=_layers(files)) for name, files in static.items())
        return newest_static(granule for granule in granules if granule.burst in set(bursts))

    def prepared(self, granule: AnyGranule) -> AbstractContextManager[AnyGranule]:
        """Return the granule with its layers' checksums; the layers are read from their folder.

        Raises
        ------
        SourceError
            If a file cannot be read.
        """
        try:
            layers = tuple(replace(layer, md5=md5_of(layer.url)) for layer in granule.layers)
        except OSError as error:
            raise SourceError(f"granule {granule.id}: {error}", "repair the file, or remove it") from error
        return nullcontext(replace(granule, layers=layers))

    def _granules(self) -> Iterator[BurstGranule]:
        for granule_id, files in list_folder(self.folder, self.trees, self.cache).files.items():
            yield replace(parse_burst_id(granule_id), layers=_layers(files))


def _layers(files: Mapping[str, tuple[str, int]]) -> tuple[Layer, ...]:
    return tuple(Layer(name, url=path, size=size) for name, (path, size) in files.items())


def _meeting(tile: Tile, direction: Stack, granules: Iterable[BurstGranule]) -> Iterator[BurstGranule]:
    """Yield the granules whose footprint meets the tile, with the footprint filled in."""
    outline = tile_outline(tile)
    shapely.prepare(outline)
    ordered = list(granules)
    with ThreadPoolExecutor(THREADS) as pool:
        for granule, footprint in zip(ordered, pool.map(partial(_footprint, direction), ordered), strict=True):
            if outline.intersects(footprint):
                yield replace(granule, footprint=shapely.to_wkt(footprint, rounding_precision=6))


def _footprint(direction: Stack, granule: BurstGranule) -> shapely.Geometry:
    """Return the outline of a granule's raster in longitude and latitude, from the first layer that opens.

    If none opens, return the place of its burst: a damaged granule then stops only its own month when it is read, not
    the whole search. The same place serves the other direction: it is only reported, so no file is opened.
    """
    for layer in granule.layers if orbit_direction(granule.burst) in direction.directions else ():
        with suppress(S1MonthlyError):
            return geobox_outline(open_header(layer.url).geobox)
    return burst_footprint(granule.burst)
