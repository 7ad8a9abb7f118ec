"""Bursts, granules and passes. Immutable; standard library only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from s1monthly.errors import NameFormatError
from s1monthly.model import Month

PASS_GAP = timedelta(minutes=10)
"""Acquisitions of one track further apart than this belong to different passes.

Bursts of a pass follow each other within seconds; the same track returns after days.
"""


@dataclass(frozen=True, order=True)
class Burst:
    """A Sentinel-1 burst, a fixed footprint: track (relative orbit), number in the cycle, sub-swath."""

    track: int
    number: int
    subswath: str

    @classmethod
    def parse(cls, text: str) -> Burst:
        """Read a burst id such as ``T137-292318-IW1``, or with underscores as CMR writes it.

        Raises
        ------
        NameFormatError
            If the text is not a burst id.
        """
        match = re.fullmatch(r"T(\d{3})[-_](\d{6})[-_](IW[123])", text)
        if not match:
            raise NameFormatError(f"not a burst id: {text!r}", "expected the form T137-292318-IW1")
        return cls(int(match[1]), int(match[2]), match[3])

    def __str__(self) -> str:
        return f"T{self.track:03d}-{self.number:06d}-{self.subswath}"


@dataclass(frozen=True)
class Layer:
    """One file of a granule.

    Attributes
    ----------
    name : str
        VV, VH, HH, HV or mask.
    url : str
        Path or URL to read the file from.
    s3_url : str
        Direct S3 address of the file, ``s3://bucket/key``; empty if unknown.
    size : int
        Bytes; -1 if unknown.
    md5 : str
        Hexadecimal MD5; empty if unknown.
    """

    name: str
    url: str
    size: int = -1
    md5: str = ""
    s3_url: str = ""


@dataclass(frozen=True)
class Granule:
    """One OPERA RTC-S1 product: one burst at one time, with its layers.

    Attributes
    ----------
    burst : Burst
        Burst that was acquired.
    acquired, processed : datetime
        Start of acquisition and time of processing, UTC, whole seconds.
    platform : str
        S1A, S1B, S1C or S1D.
    spacing : int
        Pixel spacing in metres, as in the name.
    version : str
        Product version as in the name, for example ``1.0``.
    layers : tuple of Layer
        Files of the granule; empty if unknown.
    footprint : str
        WKT polygon in longitude and latitude; empty if unknown.
    """

    burst: Burst
    acquired: datetime
    processed: datetime
    platform: str
    spacing: int
    version: str
    layers: tuple[Layer, ...] = field(default=(), compare=False)
    footprint: str = field(default="", compare=False)

    @property
    def id(self) -> str:
        """The granule's name, for example ``OPERA_L2_RTC-S1_T137-..._S1A_30_v1.0``."""
        acquired, processed = (f"{t:%Y%m%dT%H%M%SZ}" for t in (self.acquired, self.processed))
        return f"OPERA_L2_RTC-S1_{self.burst}_{acquired}_{processed}_{self.platform}_{self.spacing}_v{self.version}"

    @property
    def month(self) -> Month:
        """UTC month of the acquisition's start."""
        return Month.of(self.acquired)

    @property
    def recency(self) -> tuple[tuple[int, ...], datetime]:
        """Sort key, largest for the newest: product version, then processing time."""
        return tuple(int(part) for part in self.version.split(".")), self.processed

    def layer(self, name: str) -> Layer | None:
        """Return the layer called `name`, or None."""
        return next((layer for layer in self.layers if layer.name == name), None)


@dataclass(frozen=True)
class StaticGranule:
    """One OPERA RTC-S1-STATIC product: the viewing geometry of one burst, valid for every acquisition.

    Attributes
    ----------
    burst : Burst
        Burst that it describes.
    valid_from : date
        First day of its validity, as in the name.
    platform : str
        S1A, S1B, S1C or S1D.
    spacing : int
        Pixel spacing in metres, as in the name.
    version : str
        Product version as in the name, for example ``1.0``.
    layers : tuple of Layer
        Files of the granule; empty if unknown.
    footprint : str
        WKT polygon in longitude and latitude, that of a granule of the burst; empty if unknown.
    """

    burst: Burst
    valid_from: date
    platform: str
    spacing: int
    version: str
    layers: tuple[Layer, ...] = field(default=(), compare=False)
    footprint: str = field(default="", compare=False)

    @property
    def id(self) -> str:
        """The granule's name, for example ``OPERA_L2_RTC-S1-STATIC_T137-292318-IW1_20140403_S1A_30_v1.0``."""
        place = f"{self.burst}_{self.valid_from:%Y%m%d}_{self.platform}_{self.spacing}"
        return f"OPERA_L2_RTC-S1-STATIC_{place}_v{self.version}"

    @property
    def recency(self) -> tuple[tuple[int, ...], date, str]:
        """Sort key, largest for the newest: product version, then first day of validity."""
        return tuple(int(part) for part in self.version.split(".")), self.valid_from, self.id

    def layer(self, name: str) -> Layer | None:
        """Return the layer called `name`, or None."""
        return next((layer for layer in self.layers if layer.name == name), None)


AnyGranule = TypeVar("AnyGranule", Granule, StaticGranule)


@dataclass(frozen=True)
class SetAside:
    """A granule that was found but is not used.

    Attributes
    ----------
    granule_id : str
        Name of the granule.
    reason : str
        Why it is not used.
    lost : bool
        True if it is unusable (a layer is missing, a file is damaged); False if it was left out by choice or replaced.
    """

    granule_id: str
    reason: str
    lost: bool = False


@dataclass(frozen=True)
class GranuleList:
    """The granules of a month: those to use, and those set aside; both sorted by id."""

    granules: tuple[Granule, ...] = ()
    set_aside: tuple[SetAside, ...] = ()


@dataclass(frozen=True)
class Pass:
    """The granules of one track over one tile in one overflight, ordered by acquisition."""

    track: int
    granules: tuple[Granule, ...]

    @property
    def start(self) -> datetime:
        """Acquisition start of the first granule, UTC."""
        return self.granules[0].acquired

    @property
    def end(self) -> datetime:
        """Acquisition start of the last granule, UTC."""
        return self.granules[-1].acquired

    @property
    def name(self) -> str:
        """Track and start, for example ``T137_20211119T015854Z``."""
        return f"T{self.track:03d}_{self.start:%Y%m%dT%H%M%SZ}"


def _group(granules: Iterable[Granule], key: Callable[[Granule], Any]) -> list[list[Granule]]:
    """Group granules of equal keys that follow each other within `PASS_GAP`; each group by time, then burst."""
    groups: list[list[Granule]] = []
    for granule in sorted(granules, key=lambda g: (key(g), g.acquired, g.burst, g.id)):
        last = groups[-1][-1] if groups else None
        if last and key(last) == key(granule) and granule.acquired - last.acquired <= PASS_GAP:
            groups[-1].append(granule)
        else:
            groups.append([granule])
    return groups


def passes_of(granules: Iterable[Granule]) -> list[Pass]:
    """Group granules, in any order, into passes: one track, no gap in time longer than `PASS_GAP`.

    A pass may cross midnight or the end of a month.

    Returns
    -------
    list of Pass
        Sorted by start, then track. Granules of a pass are sorted by time, then burst.
    """
    passes = [Pass(group[0].burst.track, tuple(group)) for group in _group(granules, lambda g: g.burst.track)]
    return sorted(passes, key=lambda p: (p.start, p.track))


def newest_versions(granules: Iterable[Granule]) -> tuple[list[Granule], list[SetAside]]:
    """Find the newest granule of each burst and acquisition (by version, then processing time).

    A pass sees a burst once. So granules of one burst within `PASS_GAP` show the same acquisition, even if
    reprocessing shifted the start in the name by a second.

    Returns
    -------
    newest : list of Granule
        Newest granules, sorted by id.
    older : list of SetAside
        All others, sorted by id; each names the granule that replaces it.
    """
    newest, older = [], []
    for versions in _group(set(granules), lambda g: g.burst):
        best = max(versions, key=lambda g: (g.recency, g.id))
        newest.append(best)
        older += [SetAside(g.id, f"older version of {best.id}") for g in versions if g != best]
    return sorted(newest, key=lambda g: g.id), sorted(older, key=lambda s: s.granule_id)


def newest_static(granules: Iterable[StaticGranule]) -> dict[Burst, StaticGranule]:
    """Return the newest static granule of each burst, by burst."""
    newest: dict[Burst, StaticGranule] = {}
    for granule in sorted(granules, key=lambda each: (each.burst, each.recency)):
        newest[granule.burst] = granule
    return newest
