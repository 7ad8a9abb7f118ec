"""Decide which granules over a tile are used, and why the others are set aside."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from s1monthly.granule_names import layer_file, parse_granule_id
from s1monthly.granules import PASS_GAP, Burst, Granule, GranuleList, SetAside, newest_versions
from s1monthly.grid.orbit import orbit_direction
from s1monthly.model import Month, Polarization, Stack


@dataclass(frozen=True)
class Selection:
    """The conditions that granules must meet to be used.

    Attributes
    ----------
    direction : Stack
        Flight direction to use; COMBINED takes both.
    polarization : Polarization
        Pair of layers that must be present.
    only_tracks : collection of int or None
        Tracks to use; None for all.
    needed : tuple of str
        Other layers that must be present.
    """

    direction: Stack
    polarization: Polarization
    only_tracks: Collection[int] | None = None
    needed: tuple[str, ...] = ()

    def set_aside(
        self, granules: Iterable[Granule], acquired: Mapping[str, Collection[str]] | None = None
    ) -> dict[str, SetAside]:
        """Return the granules that are not used, with the reasons.

        Parameters
        ----------
        granules : iterable of Granule
            All known granules with their layers, of any month: versions are compared before months are separated,
            because reprocessing can move a start across the end of a month.
        acquired : mapping, optional
            Granule id -> polarizations in which it was acquired, if the source says so: a layer that was never acquired
            is not lost.

        Returns
        -------
        dict of str to SetAside
            By granule id.
        """
        granules = list(granules)
        aside: dict[str, SetAside] = {}
        incomplete: list[tuple[Granule, list[str]]] = []
        complete: list[Granule] = []
        for granule in granules:
            missing = [name for name in (*self.polarization.layers, *self.needed) if granule.layer(name) is None]
            if reason := self._unwanted(granule, (acquired or {}).get(granule.id)):
                aside[granule.id] = SetAside(granule.id, reason)
            elif missing:
                incomplete.append((granule, missing))
            else:
                complete.append(granule)
        newest, older = newest_versions(complete)
        aside |= {replaced.granule_id: replaced for replaced in older}
        by_burst: dict[Burst, list[Granule]] = {}
        for granule in newest:
            by_burst.setdefault(granule.burst, []).append(granule)
        for granule, missing in incomplete:
            reason = f"no layer {' and '.join(missing)}"
            if missing == ["mask"]:
                beside = layer_file(granule.id, self.polarization.layers[0])
                reason += f" beside {beside} (processing.mask: none does without it)"
            same = [g for g in by_burst.get(granule.burst, []) if abs(g.acquired - granule.acquired) <= PASS_GAP]
            if same:
                aside[granule.id] = SetAside(granule.id, f"{reason}; {same[0].id} is used instead")
            else:
                aside[granule.id] = SetAside(granule.id, reason, lost=True)
        return aside

    def _unwanted(self, granule: Granule, acquired: Collection[str] | None) -> str:
        """Return why a granule does not fit the search; empty if it does."""
        direction = orbit_direction(granule.burst)
        if direction not in self.direction.directions:
            return f"direction {direction}, not {self.direction}"
        if self.only_tracks is not None and granule.burst.track not in self.only_tracks:
            return f"track {granule.burst.track} is not among roi.tracks"
        wanted = set(self.polarization.layers)
        existing = {layer.name for layer in granule.layers} & _POLARIZATIONS
        if acquired is None:
            # a folder shows only its files: layers of the other pair and none of this one mean another acquisition
            acquired = wanted if existing & wanted or not existing else existing
        acquired = existing.union(acquired)  # a layer that exists was acquired, whatever is declared
        if not wanted <= acquired:
            return f"polarization {'+'.join(sorted(acquired, key=_co_first))}, not {self.polarization}"
        return ""


def of_track(listed: GranuleList, track: int | None, tracks: Collection[int]) -> GranuleList:
    """Return the granules of one track, or all of them if it is None; those of other tracks are set aside.

    Parameters
    ----------
    listed : GranuleList
        Granules of all tracks of a direction.
    track : int or None
        Track to keep.
    tracks : collection of int
        All tracks that reach the tile by the orbit model: each has a cube of its own.
    """
    if track is None:
        return listed

    def aside(granule: Granule) -> SetAside:
        number = granule.burst.track
        why = f"track {number}, not {track}" if number in tracks else f"track {number} does not reach the tile"
        return SetAside(granule.id, why)

    unused = [
        aside(granule) if one.lost and granule.burst.track != track else one
        for one in listed.set_aside
        for granule in [parse_granule_id(one.granule_id)]
    ]
    unused += [aside(granule) for granule in listed.granules if granule.burst.track != track]
    used = tuple(granule for granule in listed.granules if granule.burst.track == track)
    return GranuleList(used, tuple(sorted(unused, key=lambda one: one.granule_id)))


_POLARIZATIONS = {name for pair in Polarization for name in pair.layers}


def _co_first(name: str) -> tuple[bool, str]:
    return name[:1] != name[1:], name


def by_month(
    months: Sequence[Month], granules: Iterable[Granule], set_aside: Mapping[str, SetAside]
) -> dict[Month, GranuleList]:
    """Sort granules over a tile into `months`; skip other months. `set_aside` is from `Selection.set_aside`."""
    used: dict[Month, list[Granule]] = {month: [] for month in months}
    unused: dict[Month, list[SetAside]] = {month: [] for month in months}
    for granule in sorted(granules, key=lambda granule: granule.id):
        if granule.month in used:
            if granule.id in set_aside:
                unused[granule.month].append(set_aside[granule.id])
            else:
                used[granule.month].append(granule)
    return {month: GranuleList(tuple(used[month]), tuple(unused[month])) for month in months}
