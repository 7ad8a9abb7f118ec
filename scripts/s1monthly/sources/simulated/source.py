"""A simulated world as a source, for trials, benchmarks and tests: real bursts and names, invented pixels."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import shapely
from rasterio.errors import RasterioError

from s1monthly.errors import SourceError
from s1monthly.files import md5_of
from s1monthly.granule_names import STATIC_LAYERS, layer_file
from s1monthly.granules import AnyGranule, Burst, BurstGranule, Granule, GranuleList, Layer, StaticGranule
from s1monthly.grid.orbit import CYCLE, REFERENCE_NODE, bursts_over, coverage, footprint, sensing_start
from s1monthly.grid.tiles import tile_outline
from s1monthly.model import Direction, Month, Polarization, Stack, Tile
from s1monthly.sources.selection import Selection, by_month
from s1monthly.sources.simulated.granules import SPACING, burst_geobox, simulate, tags_of, write_layers
from s1monthly.sources.simulated.scene import Scene
from s1monthly.sources.simulated.static import simulate_static
from s1monthly.versions import ALGORITHMS

FIRST_ACQUISITION = datetime(2014, 10, 3, tzinfo=UTC)
"""Start of the simulated archive."""
SECOND_SATELLITE = datetime(2025, 1, 1, tzinfo=UTC)
"""From the next whole cycle on, S1C flies the odd tracks, half a cycle after S1A; S1A keeps the even ones."""
PROCESSING_DELAY = timedelta(hours=6)
STATIC_DAY = date(2014, 4, 3)
"""Date of static granules, the same as OPERA's."""


@dataclass(frozen=True, kw_only=True)
class SimulatedSource:
    """Granules over any tile on Earth, made on request.

    The model of the real burst frame (`s1monthly.grid.orbit`) gives bursts and times: every track is flown once in 12
    days, on Sentinel-1A's real days, from October 2014 on without end. The pixels show
    `s1monthly.sources.simulated.scene.Scene`, over sea and land alike. The same seed gives the same granules.

    Attributes
    ----------
    folder : path
        Where granules are made: one folder each, inside a folder for the seed. An existing granule is not made again.
    seed : int
        Seed of the scene and its speckle.
    polarization : Polarization
        Pair of layers to make.
    tracks : int
        Largest number of tracks over a tile in a direction; those that see most of it are used.
    passes_per_track : int, optional
        Number of passes of a track in a month, counted from the first; default all, that is two or three.
    only_tracks : collection of int, optional
        Granules of other tracks are set aside.
    """

    folder: str | os.PathLike[str]
    seed: int
    polarization: Polarization
    tracks: int
    passes_per_track: int | None = None
    only_tracks: Collection[int] | None = None

    @property
    def _folder(self) -> Path:
        return Path(self.folder) / f"version-{ALGORITHMS['sources.simulated']}_seed-{self.seed}"

    def search(self, tile: Tile, direction: Stack, months: Sequence[Month]) -> dict[Month, GranuleList]:
        """Find the granules over a tile, as `s1monthly.sources.Source.search` does, without writing anything.

        Each has a footprint, and layers with the paths that `make` will write, of unknown size.
        """
        granules = [granule for each in direction.directions for granule in self._flown(tile, each, months)]
        selection = Selection(direction, self.polarization, self.only_tracks)
        return by_month(months, granules, selection.set_aside(granules))

    def _flown(self, tile: Tile, direction: Direction, months: Sequence[Month]) -> Iterator[BurstGranule]:
        """Yield the granules of all tracks of a direction."""
        outline = tile_outline(tile)
        bursts = bursts_over(outline, direction)
        seen = {track: round(share, 4) for track, share in coverage(bursts, outline).items()}
        for track in sorted(seen, key=lambda track: (-seen[track], track))[: self.tracks]:
            footprints = {b: shapely.to_wkt(footprint(b), rounding_precision=5) for b in bursts if b.track == track}
            for month in months:
                for overflight in self._passes(footprints, month)[: self.passes_per_track]:
                    yield from (replace(granule, layers=self._layers(granule)) for granule in overflight)

    def static(self, bursts: Collection[Burst]) -> dict[Burst, StaticGranule]:
        """Return the static granule of each burst, as `Source.static` does: every burst has one."""
        granules = (StaticGranule(burst, STATIC_DAY, "S1A", SPACING, "1.0") for burst in bursts)
        return {granule.burst: replace(granule, layers=self._layers(granule)) for granule in granules}

    def prepared(self, granule: AnyGranule) -> AbstractContextManager[AnyGranule]:
        """Make the granule if it is missing (see `make`), and return it with its layers' checksums."""
        made = self.make(granule)
        return nullcontext(replace(made, layers=tuple(replace(layer, md5=md5_of(layer.url)) for layer in made.layers)))

    def make(self, granule: AnyGranule) -> AnyGranule:
        """Make the granule's missing files, and return the granule with their paths.

        Files are written atomically; several processes that make the same granule at once make the same bytes.

        Raises
        ------
        SourceError
            If the files cannot be written.
        """
        layers = self._layers(granule)
        try:
            if not all(os.path.exists(layer.url) for layer in layers):
                of_burst = cast(BurstGranule | StaticGranule, granule)  # it has no others
                made = self._simulated(of_burst)
                files = {layer_file(granule.id, name): values for name, values in made.items()}
                write_layers(self._folder / granule.id, burst_geobox(of_burst.burst), files, tags_of(granule))
            sized = tuple(replace(layer, size=Path(layer.url).stat().st_size) for layer in layers)
            return replace(granule, layers=sized)
        except (OSError, RasterioError) as error:
            raise SourceError(
                f"granule {granule.id}: cannot be made in {self._folder}: {error}",
                "free disk space there, or give a writable folder as source.path",
            ) from error

    def _simulated(self, granule: BurstGranule | StaticGranule) -> dict[str, npt.NDArray[np.generic]]:
        scene = Scene(self.seed)
        if isinstance(granule, StaticGranule):
            return simulate_static(scene, granule.burst)
        return simulate(scene, granule, self.polarization)

    def _layers(self, granule: Granule | StaticGranule) -> tuple[Layer, ...]:
        names = STATIC_LAYERS if isinstance(granule, StaticGranule) else (*self.polarization.layers, "mask")
        return tuple(Layer(name, str(self._folder / granule.id / layer_file(granule.id, name))) for name in names)

    @staticmethod
    def _passes(footprints: dict[Burst, str], month: Month) -> list[list[BurstGranule]]:
        """Return a track's granules that start within a month, by pass; a pass may begin or end outside the month."""
        passes = []
        for day, platform in _overflights(next(iter(footprints)).track, month):
            granules = []
            for burst, outline in footprints.items():
                acquired = (day + sensing_start(burst)).replace(microsecond=0)
                if Month.of(acquired) == month and acquired >= FIRST_ACQUISITION:
                    processed = acquired + PROCESSING_DELAY
                    of_burst = BurstGranule(
                        burst=burst,
                        acquired=acquired,
                        processed=processed,
                        platform=platform,
                        spacing=SPACING,
                        version="1.0",
                        footprint=outline,
                    )
                    granules.append(of_burst)
            if granules:
                passes.append(granules)
        return passes


def _overflights(track: int, month: Month) -> Iterator[tuple[datetime, str]]:
    """Yield the starts of cycles that may reach into a month, on the days of the track's satellite, and its name."""
    first = math.floor((month.start - REFERENCE_NODE) / CYCLE) - 1
    last = math.floor((month.end - REFERENCE_NODE) / CYCLE)
    for cycle in range(first, last + 1):
        start = REFERENCE_NODE + cycle * CYCLE
        if track % 2 and start >= SECOND_SATELLITE:
            yield start + CYCLE / 2, "S1C"
        else:
            yield start, "S1A"
