"""NASA's archive as a source: granules found in the Common Metadata Repository (CMR) and fetched from ASF."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import Any

from s1monthly.granules import AnyGranule, Burst, Granule, GranuleList, StaticGranule, newest_static
from s1monthly.grid.lattice import GeoBox
from s1monthly.model import Month, Polarization, Stack, Tile
from s1monthly.raster.block_span import Window
from s1monthly.sources.asf.cmr import Listed, month_ranges, search_months, search_static
from s1monthly.sources.asf.fetching import Fetcher
from s1monthly.sources.selection import Selection, by_month


class AsfSource:
    """OPERA RTC-S1 granules from ASF.

    Parameters
    ----------
    polarization : Polarization
        Pair of layers that a granule must have.
    only_tracks : collection of int or None
        Granules of other tracks are set aside.
    cmr : str
        Host of CMR.
    with_mask : bool
        Whether the mask layer is used; every granule must then have one.
    search_seconds, fetch_seconds : float
        Time limits for all tries of a query and of a granule.
    window_of : callable or None
        Returns the window that is needed of a granule's grid; whole files are fetched without it.
    fetching
        Further arguments of `s1monthly.sources.asf.fetching.Fetcher`.
    """

    def __init__(
        self,
        polarization: Polarization,
        only_tracks: Collection[int] | None,
        *,
        cmr: str,
        with_mask: bool,
        search_seconds: float,
        fetch_seconds: float,
        window_of: Callable[[GeoBox], Window | None] | None = None,
        **fetching: Any,
    ) -> None:
        self.polarization = polarization
        self.only_tracks = only_tracks
        self._cmr, self._search_seconds = cmr, search_seconds
        self._needed = ("mask",) if with_mask else ()
        self._fetcher = Fetcher(seconds=fetch_seconds, window_of=window_of, **fetching)

    def search(self, tile: Tile, direction: Stack, months: Sequence[Month]) -> dict[Month, GranuleList]:
        """Find the granules over a tile as `Source.search` does, with one query for each range of months.

        Raises
        ------
        SourceError
            If CMR gives no complete answer in the time given.
        """
        listed: dict[str, Listed] = {}
        for first, last in month_ranges(months):
            found = search_months(self._cmr, tile, first, last, self._search_seconds)
            listed |= {each.granule.id: each for each in found}
        granules = [each.granule for each in listed.values()]
        acquired = {name: each.acquired for name, each in listed.items() if each.acquired}
        selection = Selection(direction, self.polarization, self.only_tracks, self._needed)
        return by_month(months, granules, selection.set_aside(granules, acquired))

    def static(self, bursts: Collection[Burst]) -> dict[Burst, StaticGranule]:
        """Find the newest static granule of each burst as `Source.static` does, with one query."""
        return newest_static(search_static(self._cmr, bursts, self._search_seconds)) if bursts else {}

    def prepared(self, granule: AnyGranule) -> AbstractContextManager[AnyGranule]:
        """Fetch the needed layers into memory and check them; see `Source.prepared`."""
        if isinstance(granule, Granule):
            return self._fetcher.in_memory(granule, (*self.polarization.layers, *self._needed))
        return self._fetcher.in_memory(granule, [layer.name for layer in granule.layers])
