"""What every source of granules promises."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from s1monthly.model import Direction, Granule, Month, SetAside, Tile


@dataclass(frozen=True)
class Found:
    """What a source holds of one month: the granules to use, and those set aside.

    Attributes
    ----------
    granules : tuple of Granule
        Sorted by id.
    set_aside : tuple of SetAside
        Sorted by id.
    """

    granules: tuple[Granule, ...] = ()
    set_aside: tuple[SetAside, ...] = ()


class Source(Protocol):
    """Where granules come from.

    A source is made for one polarization pair and, where asked, for some tracks alone.
    """

    def search(self, tile: Tile, direction: Direction, months: Sequence[Month]) -> dict[Month, Found]:
        """Find the granules over a tile.

        Parameters
        ----------
        tile : Tile
        direction : Direction
            Only granules acquired in this flight direction are used.
        months : sequence of Month
            Whole UTC months; the start of the acquisition decides.

        Returns
        -------
        dict of Month to Found
            An entry for every month asked. Granules whose footprint does not meet the tile are not listed. Of the rest
            are set aside, with the reason: those of another direction, track or polarization, those that lack a layer,
            and older versions of one that is used.

        Raises
        ------
        SourceError
            If the source cannot be searched as a whole: no answer is never taken for an empty one.
        """

    def prepared(self, granule: Granule) -> AbstractContextManager[Granule]:
        """Return a context in which the granule's layers can be read; what they take of memory is free behind it.

        Raises
        ------
        SourceError
            On entering, if a layer cannot be had.
        CredentialsError
            On entering, if the archive does not let this user in.
        """
