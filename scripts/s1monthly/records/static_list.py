"""The static granules of a tile and direction: the source's answer in ``search.json``, and the list in the work folder.

The answer names the bursts of each track and a digest of their static granules. It stays if the work folder with the
list, which has layers, URLs and sizes, is deleted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from s1monthly.errors import NameFormatError, ProductError
from s1monthly.files import write_text
from s1monthly.granule_names import parse_static_source
from s1monthly.granules import Burst, Layer, Slice, StaticGranule
from s1monthly.layout import track_name
from s1monthly.records.recipe import digest


@dataclass(frozen=True)
class StaticTrack:
    """The source's static granules of a track.

    Attributes
    ----------
    bursts : tuple of str
        Bursts of the tile's granules, in order. Of GRD products: the slice whose geometry the layers are made of.
    without : tuple of str
        Those of them without a static granule.
    digest : str
        Changes with a burst, a granule, or the size of a layer.
    """

    bursts: tuple[str, ...]
    without: tuple[str, ...]
    digest: str


@dataclass(frozen=True)
class StaticAnswer:
    """The source's answer about static granules.

    Attributes
    ----------
    asked : str
        Time of the question, ISO 8601, UTC.
    listing : str
        Digest of the static granules in the source's folder; empty for a source without a folder.
    polygon : str
        Digest of the polygon that the bursts meet; empty if they are all of the tile.
    tracks : dict of int to StaticTrack
        By track.
    """

    asked: str
    listing: str
    polygon: str
    tracks: dict[int, StaticTrack]

    @classmethod
    def of(
        cls, bursts: Iterable[Burst], found: Mapping[Burst, StaticGranule], asked: str, listing: str, polygon: str
    ) -> StaticAnswer:
        """Summarise what was found for the bursts of a tile."""
        by_track: dict[int, list[str]] = {}
        for burst in sorted(set(bursts)):
            by_track.setdefault(burst.track, []).append(str(burst))
        named = {str(burst): granule for burst, granule in found.items()}
        tracks = {track: _track(mine, named) for track, mine in by_track.items()}
        return cls(asked, listing, polygon, tracks)

    @classmethod
    def of_slices(cls, slices: Iterable[Slice], asked: str, listing: str, polygon: str) -> StaticAnswer:
        """Summarise the slices whose geometry the layers are made of, one of each track."""
        tracks = {one.track: _track([one.id], {one.id: one}) for one in slices}
        return cls(asked, listing, polygon, tracks)

    @classmethod
    def read(cls, content: Any) -> StaticAnswer | None:
        """Read an answer as `plain` gives it; return None for anything else."""
        try:
            tracks = {
                int(name.removeprefix("T")): StaticTrack(tuple(t["bursts"]), tuple(t["without"]), str(t["digest"]))
                for name, t in content["tracks"].items()
            }
            return cls(str(content["asked"]), str(content["listing"]), str(content["polygon"]), tracks)
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    def plain(self) -> dict[str, Any]:
        """Return the answer as plain JSON."""
        tracks = {track_name(track): asdict(self.tracks[track]) for track in sorted(self.tracks)}
        return {**asdict(self), "tracks": tracks}


def _track(names: Sequence[str], found: Mapping[str, StaticGranule | Slice]) -> StaticTrack:
    granules = [found[name] for name in names if name in found]
    content = [[granule.id, *([x.name, x.size] for x in granule.layers)] for granule in granules]
    without = tuple(name for name in names if name not in found)
    return StaticTrack(tuple(names), without, digest([names, content]))


def write_static_list(path: str | Path, found: Iterable[StaticGranule | Slice]) -> None:
    """Write the static granules of a tile and direction, with their layers, in burst order; or slices."""
    granules = [
        {"granule": one.id, "footprint": one.footprint, "layers": [asdict(x) for x in one.layers]}
        for one in sorted(found, key=_name)
    ]
    write_text(path, json.dumps(granules, indent=1) + "\n", only_if_changed=True)


def _name(granule: StaticGranule | Slice) -> str:
    """Return the burst of a static granule, or the name of a slice."""
    return granule.id if isinstance(granule, Slice) else str(granule.burst)


def read_static_list(path: str | Path, track: StaticTrack | None = None) -> list[StaticGranule]:
    """Read static granules, in burst order.

    Parameters
    ----------
    track : StaticTrack, optional
        Only those of its bursts; they must have its digest.

    Raises
    ------
    ProductError
        If the file is missing or damaged, or its granules are not those of `track`.
    """
    return [one for one in _read(path, track) if isinstance(one, StaticGranule)]


def read_static_slice(path: str | Path, track: StaticTrack) -> Slice:
    """Read the slice whose geometry the static layers of a track are made of.

    Raises
    ------
    ProductError
        As for `read_static_list`.
    """
    (one,) = (one for one in _read(path, track) if isinstance(one, Slice))
    return one


def _read(path: str | Path, track: StaticTrack | None) -> list[StaticGranule | Slice]:
    remedy = "delete the work folder; the next run asks the source again"
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        granules = [_granule(entry) for entry in content]
    except (OSError, ValueError, KeyError, TypeError, NameFormatError) as error:
        raise ProductError(f"{path}: list of static granules cannot be read ({error})", remedy) from error
    if track is None:
        return granules
    mine = [granule for granule in granules if _name(granule) in track.bursts]
    if _track(track.bursts, {_name(granule): granule for granule in mine}).digest != track.digest:
        raise ProductError(f"{path}: not the static granules that the source gave", remedy)
    return mine


def _granule(entry: Mapping[str, Any]) -> StaticGranule | Slice:
    granule = parse_static_source(entry["granule"])
    layers = tuple(Layer(**layer) for layer in entry["layers"])
    return replace(granule, layers=layers, footprint=str(entry["footprint"]))
