"""The interface of every source of granules."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from s1monthly.granules import AnyGranule, Burst, GranuleList, StaticGranule
from s1monthly.model import Month, Stack, Tile


class Source(Protocol):
    """A source of granules, opened for one polarization pair and, optionally, for some tracks only."""

    def search(self, tile: Tile, direction: Stack, months: Sequence[Month]) -> dict[Month, GranuleList]:
        """Find the granules over a tile.

        Parameters
        ----------
        direction : Stack
            Only granules acquired in this direction are used; COMBINED takes both.
        months : sequence of Month
            Whole UTC months; the start of the acquisition decides.

        Returns
        -------
        dict of Month to GranuleList
            An entry for every month. Granules whose footprint misses the tile are not listed. These are set aside, with
            the reason: granules of another direction, track or polarization, granules that lack a layer, and older
            versions of one that is used.

        Raises
        ------
        SourceError
            If the search as a whole fails: a missing answer is never treated as an empty one.
        """

    def static(self, bursts: Collection[Burst]) -> dict[Burst, StaticGranule]:
        """Find the newest static granule of each burst; a burst without one has no entry.

        Dates do not count: a static granule is dated before the mission began, and valid for every acquisition.

        Raises
        ------
        SourceError
            If the search as a whole fails.
        """

    def prepared(self, granule: AnyGranule) -> AbstractContextManager[AnyGranule]:
        """Return a context in which the granule's layers can be read; leaving it frees their memory.

        Of a static granule, all its layers are made readable.

        Raises
        ------
        SourceError
            On entering, if a layer cannot be fetched.
        CredentialsError
            On entering, if the archive denies access to this user.
        """
