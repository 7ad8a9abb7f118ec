"""Decide which granules over a tile are used, and why the others are set aside."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from s1monthly.granule_names import layer_file, parse_granule_id
from s1monthly.granules import UNKNOWN_TRACK, BurstGranule, Granule, GranuleList, SetAside, newest_versions
from s1monthly.grid.orbit import orbit_direction
from s1monthly.model import Month, Polarization, Stack

OneGranule = TypeVar("OneGranule", bound=Granule)


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
        self, granules: Iterable[BurstGranule], acquired: Mapping[str, Collection[str]] | None = None
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
        return set_aside(granules, lambda one: self._unwanted(one, (acquired or {}).get(one.id)), self._lacking)

    def _lacking(self, granule: BurstGranule) -> str:
        """Return which layers a granule lacks; empty if none."""
        missing = [name for name in (*self.polarization.layers, *self.needed) if granule.layer(name) is None]
        reason = f"no layer {' and '.join(missing)}" if missing else ""
        if missing == ["mask"]:
            beside = layer_file(granule.id, self.polarization.layers[0])
            reason += f" beside {beside} (processing.mask: none does without it)"
        return reason

    def _unwanted(self, granule: BurstGranule, acquired: Collection[str] | None) -> str:
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


def set_aside(
    granules: Iterable[OneGranule], unwanted: Callable[[OneGranule], str], unusable: Callable[[OneGranule], str]
) -> dict[str, SetAside]:
    """Return the granules that are not used, with the reasons: by granule id.

    Those that cannot be used are lost, unless others show the same.

    Parameters
    ----------
    granules : iterable of Granule
        All known granules.
    unwanted, unusable : callable
        Return why a granule does not fit the search, and why it cannot be used; empty if it does and can.
    """
    aside: dict[str, SetAside] = {}
    broken: list[tuple[OneGranule, str]] = []
    whole: list[Granule] = []
    for granule in granules:
        if reason := unwanted(granule):
            aside[granule.id] = SetAside(granule.id, reason)
        elif reason := unusable(granule):
            broken.append((granule, reason))
        else:
            whole.append(granule)
    newest, older = newest_versions(whole)
    aside |= {replaced.granule_id: replaced for replaced in older}
    by_scene: dict[str, list[Granule]] = {}
    for used in newest:
        by_scene.setdefault(used.scene, []).append(used)
    for granule, reason in broken:
        same = granule.shown_by(by_scene.get(granule.scene, []))
        what = f"{reason}; {same.id} is used instead" if same else reason
        aside[granule.id] = SetAside(granule.id, what, lost=same is None)
    return aside


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
        number = granule.track
        why = f"track {number}, not {track}" if number in tracks else f"track {number} does not reach the tile"
        return SetAside(granule.id, why)

    unused = [
        aside(granule) if one.lost and granule.track not in (track, UNKNOWN_TRACK) else one
        for one in listed.set_aside
        for granule in [parse_granule_id(one.granule_id)]
    ]
    unused += [aside(granule) for granule in listed.granules if granule.track != track]
    used = tuple(granule for granule in listed.granules if granule.track == track)
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
