"""The interface of every source of granules."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from s1monthly.model import Direction, Granule, GranuleList, Month, Tile


class Source(Protocol):
    """A source of granules, opened for one polarization pair and, optionally, for some tracks only."""

    def search(self, tile: Tile, direction: Direction, months: Sequence[Month]) -> dict[Month, GranuleList]:
        """Find the granules over a tile.

        Parameters
        ----------
        direction : Direction
            Only granules acquired in this direction are used.
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

    def prepared(self, granule: Granule) -> AbstractContextManager[Granule]:
        """Return a context in which the granule's layers can be read; leaving it frees their memory.

        Raises
        ------
        SourceError
            On entering, if a layer cannot be fetched.
        CredentialsError
            On entering, if the archive denies access to this user.
        """
