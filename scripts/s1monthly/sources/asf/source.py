"""NASA's archive as a source: granules found in the Common Metadata Repository (CMR) and fetched from ASF."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from s1monthly.model import Direction, Granule, GranuleList, Month, Polarization, SetAside, Tile
from s1monthly.sources.asf.cmr import Listed, ask, spans
from s1monthly.sources.asf.fetching import Fetcher
from s1monthly.sources.selection import Selection, by_month


@dataclass
class AsfSource:
    """OPERA RTC-S1 granules from ASF.

    Attributes
    ----------
    polarization : Polarization
        Pair of layers that a granule must have.
    only_tracks : collection of int or None
        Granules of other tracks are set aside.
    cmr, login : str
        Hosts of CMR and of Earthdata Login.
    s3_credentials, s3_endpoint, trusted, access, cache_dir, cache_max_bytes, keys_dir
        See `s1monthly.sources.asf.fetching.Fetcher`.
    with_mask : bool
        Whether the mask layer is used; every granule must then have one.
    search_seconds, fetch_seconds : float
        Time limits for all tries of a query and of a granule.
    """

    polarization: Polarization
    only_tracks: Collection[int] | None
    cmr: str
    login: str
    s3_credentials: str
    s3_endpoint: str | None
    trusted: Collection[str]
    access: str
    cache_dir: str | None
    cache_max_bytes: int
    keys_dir: str
    with_mask: bool
    search_seconds: float
    fetch_seconds: float

    def __post_init__(self) -> None:
        self._fetcher = Fetcher(
            login=self.login,
            s3_credentials=self.s3_credentials,
            s3_endpoint=self.s3_endpoint,
            trusted=self.trusted,
            access=self.access,
            cache_dir=self.cache_dir,
            cache_max_bytes=self.cache_max_bytes,
            keys_dir=self.keys_dir,
            seconds=self.fetch_seconds,
        )

    @property
    def _others(self) -> tuple[str, ...]:
        return ("mask",) if self.with_mask else ()

    def search(self, tile: Tile, direction: Direction, months: Sequence[Month]) -> dict[Month, GranuleList]:
        """Find the granules over a tile as `s1monthly.sources.Source.search` does, with one query per span of months.

        Raises
        ------
        SourceError
            If CMR gives no complete answer in the time given.
        """
        listed: dict[str, Listed] = {}
        for first, last in spans(months):
            listed |= {found.granule.id: found for found in ask(self.cmr, tile, first, last, self.search_seconds)}
        granules = [found.granule for found in listed.values()]
        acquired = {name: found.acquired for name, found in listed.items() if found.acquired}
        selection = Selection(direction, self.polarization, self.only_tracks, self._others)
        aside: dict[str, SetAside] = selection.set_aside(granules, acquired)
        return by_month(months, granules, aside)

    @contextmanager
    def prepared(self, granule: Granule) -> Iterator[Granule]:
        """Fetch the needed layers into memory and check them; see `s1monthly.sources.Source.prepared`."""
        with self._fetcher.in_memory(granule, (*self.polarization.layers, *self._others)) as ready:
            yield ready
