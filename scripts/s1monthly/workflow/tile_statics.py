"""The static layers of a tile and direction: this decides which tracks have them, and which must be made."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from s1monthly.cube.static_header import read_origins
from s1monthly.errors import ProductError
from s1monthly.files import FileState, file_state
from s1monthly.layout import Layout
from s1monthly.records.recipe import digest
from s1monthly.records.search_log import read_static_answer
from s1monthly.records.static_list import StaticAnswer
from s1monthly.versions import PRODUCTS


class StaticStep(StrEnum):
    """What the static layers of a track need next."""

    READ = "read"
    """Read the static granules."""

    PUBLISH = "publish"
    """Write COGs and Item from the store."""

    COMPLETE = "complete"
    """Nothing is left to do."""


@dataclass(frozen=True)
class TrackState:
    """The static layers of a track.

    Attributes
    ----------
    track : int
        Track.
    made_of : str
        Digest of what they must be made of: bursts, granules and their sizes, grid, version.
    """

    track: int
    made_of: str
    step: StaticStep


@dataclass(eq=False)
class TileStatics:
    """The static layers of one tile and direction.

    Attributes
    ----------
    paths : Layout
        Paths of the tile and direction.
    question : mapping or None
        Question to the source, as for its granules.
    polygon : str
        Digest of the polygon to which the run is limited; empty without one.
    grid : mapping
        Grid in the recipe; also the terrain correction, if the layers are computed.
    listing : str or None
        Digest of the static granules in the source's folder; None if the folder was not read or there is none.
    """

    paths: Layout
    question: Mapping[str, Any] | None
    polygon: str
    grid: Mapping[str, Any]
    listing: str | None = None
    _known: tuple[FileState | None, dict[int, TrackState]] | None = field(init=False, repr=False, default=None)

    @property
    def answer(self) -> StaticAnswer | None:
        """The source's answer, if it counts."""
        try:
            answer = read_static_answer(self.paths.search, self.question)
        except ProductError:
            return None
        if answer is None or answer.polygon != self.polygon:
            return None
        return answer if self.listing in (None, answer.listing) else None

    @property
    def tracks(self) -> dict[int, TrackState]:
        """States of all tracks with granules; they stay until the source's answer changes, whatever jobs write."""
        version = file_state(self.paths.search)
        if self._known is None or self._known[0] != version:
            self._known = version, self._judge()
        return self._known[1]

    def forget(self) -> None:
        """Compute the states anew when they are asked for next."""
        self._known = None

    def _judge(self) -> dict[int, TrackState]:
        answer = self.answer
        if answer is None:
            return {}
        origins = read_origins(self.paths.static_store)
        states = {}
        for track, found in answer.tracks.items():
            made_of = digest([found.digest, self.grid, PRODUCTS["static"]])
            if track not in origins or origins[track].made_of != made_of:
                step = StaticStep.READ
            else:
                there = all(map(os.path.exists, self.paths.static_files(track).values()))
                step = StaticStep.COMPLETE if there else StaticStep.PUBLISH
            states[track] = TrackState(track, made_of, step)
        return states

    @property
    def must_ask(self) -> bool:
        """True if the source must be asked: it never was, or the list that is needed is lost."""
        if self.answer is None:
            return True
        reads = any(state.step is StaticStep.READ for state in self.tracks.values())
        return reads and not os.path.exists(self.paths.static_granules)
