"""Bursts, granules and passes. Immutable; standard library only."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from s1monthly.errors import NameFormatError
from s1monthly.model import Month

PASS_GAP = timedelta(minutes=10)
"""Acquisitions of one track further apart than this belong to different passes.

Bursts and slices of a pass follow each other within seconds; the same track returns after days.
"""

UNKNOWN_TRACK = 0
"""Track of a GRD slice whose manifest cannot be read."""

SAME_LINES = timedelta(seconds=2)
"""Lines that newer products of a datatake may lack of an older one, which they replace: names have whole seconds."""


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


@dataclass(frozen=True, kw_only=True)
class Granule(ABC):
    """One product of a satellite's overflight, with its layers: an OPERA burst, or a GRD slice.

    Attributes
    ----------
    acquired : datetime
        Start of acquisition, UTC, whole seconds.
    platform : str
        S1A, S1B, S1C or S1D.
    layers : tuple of Layer
        Files of the granule; empty if unknown.
    footprint : str
        WKT polygon in longitude and latitude; empty if unknown.
    """

    acquired: datetime
    platform: str
    layers: tuple[Layer, ...] = field(default=(), compare=False)
    footprint: str = field(default="", compare=False)

    @property
    @abstractmethod
    def id(self) -> str:
        """The granule's name, from which `granule_names.parse_granule_id` makes it again."""

    @property
    @abstractmethod
    def track(self) -> int:
        """Relative orbit; `UNKNOWN_TRACK` if it is not known."""

    @property
    @abstractmethod
    def beam(self) -> str:
        """Sub-swath or mode, such as IW2 or IW."""

    @property
    @abstractmethod
    def scene(self) -> str:
        """What other granules of the same acquisition share: the burst's id, or the datatake."""

    @property
    @abstractmethod
    def recency(self) -> tuple[tuple[int, ...], datetime]:
        """Sort key, largest for the newest: version of product or processor, then processing time."""

    @abstractmethod
    def shown_by(self, others: Sequence[Granule]) -> Granule | None:
        """Return the first of other granules that shows some of this one, if together they show all; else None."""

    @property
    def month(self) -> Month:
        """UTC month of the acquisition's start."""
        return Month.of(self.acquired)

    @property
    def masked(self) -> bool:
        """True if layover and shadow are known."""
        return self.layer("mask") is not None

    @property
    def in_short(self) -> str:
        """Scene, time and platform, for reports."""
        return f"{self.scene} {self.acquired:%Y-%m-%d %H:%M:%S} {self.platform}"

    def layer(self, name: str) -> Layer | None:
        """Return the layer called `name`, or None."""
        return next((layer for layer in self.layers if layer.name == name), None)


@dataclass(frozen=True, kw_only=True)
class BurstGranule(Granule):
    """One OPERA RTC-S1 product: one burst at one time.

    Attributes
    ----------
    burst : Burst
        Burst that was acquired.
    processed : datetime
        Time of processing, UTC, whole seconds.
    spacing : int
        Pixel spacing in metres, as in the name.
    version : str
        Product version as in the name, for example ``1.0``.
    """

    burst: Burst
    processed: datetime
    spacing: int
    version: str

    @property
    def id(self) -> str:
        """The granule's name, for example ``OPERA_L2_RTC-S1_T137-..._S1A_30_v1.0``."""
        acquired, processed = (f"{t:%Y%m%dT%H%M%SZ}" for t in (self.acquired, self.processed))
        return f"OPERA_L2_RTC-S1_{self.burst}_{acquired}_{processed}_{self.platform}_{self.spacing}_v{self.version}"

    @property
    def track(self) -> int:
        """Relative orbit."""
        return self.burst.track

    @property
    def beam(self) -> str:
        """Sub-swath."""
        return self.burst.subswath

    @property
    def scene(self) -> str:
        """The burst's id."""
        return str(self.burst)

    @property
    def recency(self) -> tuple[tuple[int, ...], datetime]:
        """Sort key, largest for the newest: product version, then processing time."""
        return tuple(int(part) for part in self.version.split(".")), self.processed

    def shown_by(self, others: Sequence[Granule]) -> Granule | None:
        """Return the first granule of the same burst and pass, or None.

        A pass sees a burst once. So granules of one burst within `PASS_GAP` show the same acquisition, even if
        reprocessing shifted the start in the name by a second.
        """
        same = (one for one in others if one.scene == self.scene and abs(one.acquired - self.acquired) <= PASS_GAP)
        return next(same, None)


@dataclass(frozen=True, kw_only=True)
class Slice(Granule):
    """One GRD product: some lines of a datatake.

    Attributes
    ----------
    product : str
        Name of the product, without ``.SAFE``.
    end : datetime
        Time of the last line, UTC, whole seconds.
    mode : str
        Such as IW.
    datatake : str
        Hexadecimal number of the datatake.
    track : int
        Relative orbit, which the name of the product does not tell.
    ipf : tuple of int
        Version of the processor; empty if unknown.
    processed : datetime or None
        Time of processing, UTC; None if unknown.
    """

    product: str
    end: datetime
    mode: str
    datatake: str
    track: int = UNKNOWN_TRACK
    ipf: tuple[int, ...] = field(default=(), compare=False)
    processed: datetime | None = field(default=None, compare=False)

    @property
    def id(self) -> str:
        """Name of the product and track, such as ``S1A_IW_GRDH_1SDV_..._6FF8_T059``."""
        return f"{self.product}_T{self.track:03d}" if self.track else self.product

    @property
    def beam(self) -> str:
        """Mode."""
        return self.mode

    @property
    def scene(self) -> str:
        """Satellite and datatake."""
        return f"{self.platform} datatake {self.datatake}"

    @property
    def in_short(self) -> str:
        """Track, time, satellite and datatake, for reports."""
        track = f"T{self.track:03d} " if self.track else ""
        return f"{track}{self.acquired:%Y-%m-%d %H:%M:%S} {self.scene}"

    @property
    def masked(self) -> bool:
        """True: they follow from the DEM."""
        return True

    @property
    def recency(self) -> tuple[tuple[int, ...], datetime]:
        """Sort key, largest for the newest: version of the processor, then processing time."""
        return self.ipf, self.processed or self.acquired

    def shown_by(self, others: Sequence[Granule]) -> Granule | None:
        """Return the first slice of the datatake with some of these lines, if all have all but `SAME_LINES`; or None.

        Processing again may have cut the datatake at other lines.
        """
        same = [one for one in others if isinstance(one, Slice) and one.scene == self.scene]
        same = [one for one in same if one.acquired < self.end and one.end > self.acquired]
        missing, shown = timedelta(), self.acquired
        for one in sorted(same, key=lambda one: one.acquired):
            missing += max(one.acquired - shown, timedelta())
            shown = max(shown, one.end)
        missing += max(self.end - shown, timedelta())
        return same[0] if same and missing <= SAME_LINES else None


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
    """Group granules of equal keys that follow each other within `PASS_GAP`; each group by time, then scene."""
    groups: list[list[Granule]] = []
    for granule in sorted(granules, key=lambda g: (key(g), g.acquired, g.scene, g.id)):
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
        Sorted by start, then track. Granules of a pass are sorted by time, then scene.
    """
    passes = [Pass(group[0].track, tuple(group)) for group in _group(granules, lambda g: g.track)]
    return sorted(passes, key=lambda p: (p.start, p.track))


def newest_versions(granules: Iterable[Granule]) -> tuple[list[Granule], list[SetAside]]:
    """Find the granules that are not shown by newer ones of the same acquisition, see `Granule.shown_by`.

    Returns
    -------
    newest : list of Granule
        Newest granules, sorted by id.
    older : list of SetAside
        All others, sorted by id; each names the newest granule that replaces it.
    """
    newest: list[Granule] = []
    older: list[SetAside] = []
    for versions in _group(set(granules), lambda g: g.scene):
        used: list[Granule] = []
        for granule in sorted(versions, key=lambda g: (g.recency, g.id), reverse=True):
            best = granule.shown_by(used)
            if best:
                older.append(SetAside(granule.id, f"older version of {best.id}"))
            else:
                used.append(granule)
        newest += used
    return sorted(newest, key=lambda g: g.id), sorted(older, key=lambda s: s.granule_id)


def newest_static(granules: Iterable[StaticGranule]) -> dict[Burst, StaticGranule]:
    """Return the newest static granule of each burst, by burst."""
    newest: dict[Burst, StaticGranule] = {}
    for granule in sorted(granules, key=lambda each: (each.burst, each.recency)):
        newest[granule.burst] = granule
    return newest
