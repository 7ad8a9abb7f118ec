"""The static granules of a tile and direction: the source's answer in ``search.json``, and the list in the work folder.

The answer names the bursts of each track and a digest of their static granules. It stays if the work folder with the
list, which has layers, URLs and sizes, is deleted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from s1monthly.errors import NameFormatError, ProductError
from s1monthly.files import write_text
from s1monthly.granule_names import parse_static_id
from s1monthly.granules import Burst, Layer, StaticGranule
from s1monthly.layout import track_name
from s1monthly.records.recipe import digest


@dataclass(frozen=True)
class StaticTrack:
    """The source's static granules of a track.

    Attributes
    ----------
    bursts : tuple of str
        Bursts of the tile's granules, in order.
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
        by_track: dict[int, list[Burst]] = {}
        for burst in sorted(set(bursts)):
            by_track.setdefault(burst.track, []).append(burst)
        tracks = {track: _track(mine, found) for track, mine in by_track.items()}
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


def _track(bursts: list[Burst], found: Mapping[Burst, StaticGranule]) -> StaticTrack:
    granules = [found[burst] for burst in bursts if burst in found]
    content = [[granule.id, *([x.name, x.size] for x in granule.layers)] for granule in granules]
    names = tuple(map(str, bursts))
    without = tuple(str(burst) for burst in bursts if burst not in found)
    return StaticTrack(names, without, digest([names, content]))


def write_static_list(path: str | Path, found: Mapping[Burst, StaticGranule]) -> None:
    """Write the static granules of a tile and direction, with their layers, in burst order."""
    granules = [
        {"granule": found[b].id, "footprint": found[b].footprint, "layers": [asdict(x) for x in found[b].layers]}
        for b in sorted(found)
    ]
    write_text(path, json.dumps(granules, indent=1) + "\n", only_if_changed=True)


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
    remedy = "delete the work folder; the next run asks the source again"
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        granules = [_granule(entry) for entry in content]
    except (OSError, ValueError, KeyError, TypeError, NameFormatError) as error:
        raise ProductError(f"{path}: list of static granules cannot be read ({error})", remedy) from error
    if track is None:
        return granules
    mine = [granule for granule in granules if str(granule.burst) in track.bursts]
    bursts = [Burst.parse(name) for name in track.bursts]
    if _track(bursts, {granule.burst: granule for granule in mine}).digest != track.digest:
        raise ProductError(f"{path}: not the static granules that the source gave", remedy)
    return mine


def _granule(entry: Mapping[str, Any]) -> StaticGranule:
    layers = tuple(Layer(**layer) for layer in entry["layers"])
    return replace(parse_static_id(entry["granule"]), layers=layers, footprint=str(entry["footprint"]))
