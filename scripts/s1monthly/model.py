"""Basic types: month, tile, burst, granule, pass, composite key. Immutable; standard library only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import ReprEnum, StrEnum
from typing import Literal

from s1monthly.errors import NameFormatError

TILE_SIDE = 109_800
"""Side of a Sentinel-2 tile in metres (ESA, Sentinel-2 Products Specification Document)."""

COG_BLOCK_SIZE = 512
"""Side of the blocks of a COG in pixels, unless the configuration gives another."""

CogLayout = Literal["multiband", "per_band"]
CogCompression = Literal["deflate", "zstd"]
COG_COMPRESSION: CogCompression = "deflate"
"""Compression of COGs, unless the configuration gives another; every program reads it, browsers included."""

TRACKS = 175
"""Number of Sentinel-1 tracks (relative orbits), numbered from 1."""


class Stack(str):
    """The passes that share a cube: those of one direction, of one track in it, or of both directions.

    It is a text, as in the names of folders and files: ``ASCENDING``, ``ASCENDING_T137`` or ``COMBINED``.

    Examples
    --------
    >>> stack = Stack.parse("ASCENDING_T137")
    >>> stack.track, str(stack.pooled), stack.passes
    (137, 'ASCENDING', 'ascending passes of track 137')
    """

    @classmethod
    def parse(cls, text: str) -> Stack:
        """Read a stack's text.

        Raises
        ------
        NameFormatError
            If the text is not that of a stack.
        """
        match = re.fullmatch(rf"(?:{'|'.join(Direction)})(?:_T(\d{{3}}))?|{COMBINED}", text)
        if not match or not 1 <= int(match[1] or 1) <= TRACKS:
            raise NameFormatError(
                f"not a direction: {text!r}",
                "give ASCENDING, DESCENDING or COMBINED; of a track, for example ASCENDING_T137",
            )
        return Direction(text) if text in list(Direction) else cls(text)

    @classmethod
    def of(cls, direction: str, track: int | None = None) -> Stack:
        """Return the stack of a direction or ``COMBINED``, or of one track."""
        return cls.parse(direction if track is None else f"{direction}_T{track:03d}")

    @property
    def pooled(self) -> Stack:
        """The stack of all tracks: without the track's number."""
        return self if self.track is None else self.directions[0]

    @property
    def track(self) -> int | None:
        """The only track; None if the passes of all tracks are pooled."""
        number = self.partition("_")[2]
        return int(number[1:]) if number else None

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Flight directions of its passes."""
        return tuple(Direction) if self == COMBINED else (Direction(self.partition("_")[0]),)

    @property
    def passes(self) -> str:
        """Its passes in words, such as ``ascending passes of track 137``."""
        if self == COMBINED:
            return "passes of both directions"
        return f"{self.pooled.lower()} passes" + ("" if self.track is None else f" of track {self.track}")


class Direction(Stack, ReprEnum):
    """Flight direction of the satellite; also the stack of all its passes."""

    ASCENDING = "ASCENDING"
    DESCENDING = "DESCENDING"


COMBINED = Stack("COMBINED")
"""The stack of the passes of both directions."""


class Polarization(StrEnum):
    """A polarization pair, co-polarized layer first."""

    VV_VH = "VV+VH"
    HH_HV = "HH+HV"

    @property
    def co(self) -> str:
        """Name of the co-polarized layer: VV or HH."""
        return self.value.split("+")[0]

    @property
    def cross(self) -> str:
        """Name of the cross-polarized layer: VH or HV."""
        return self.value.split("+")[1]

    @property
    def layers(self) -> tuple[str, str]:
        """Both layer names, co-polarized first."""
        return self.co, self.cross


class Level(StrEnum):
    """Processing level: ARDC is the plain composite, hARDCp is despeckled."""

    ARDC = "ARDC"
    HARDCP = "hARDCp"


@dataclass(frozen=True, order=True)
class Month:
    """A calendar month, in UTC."""

    year: int
    month: int

    def __post_init__(self) -> None:
        if not (1900 <= self.year <= 9999 and 1 <= self.month <= 12):
            raise NameFormatError(f"no such month: {self.year}-{self.month}", "give YYYY-MM, the month from 01 to 12")

    @classmethod
    def parse(cls, text: str) -> Month:
        """Read ``YYYY-MM``.

        Raises
        ------
        NameFormatError
            If the text is not a month.
        """
        match = re.fullmatch(r"(\d{4})-(\d{2})", text)
        if not match:
            raise NameFormatError(f"not a month: {text!r}", "give YYYY-MM, for example 2024-06")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, moment: date) -> Month:
        """Return the month of a date or of a datetime in UTC."""
        return cls(moment.year, moment.month)

    @classmethod
    def from_ordinal(cls, ordinal: int) -> Month:
        """Return the month with this `ordinal`."""
        year, month = divmod(ordinal, 12)
        return cls(year, month + 1)

    @property
    def ordinal(self) -> int:
        """Months since the start of year 0. Subtract two ordinals to get the distance in months."""
        return self.year * 12 + self.month - 1

    @property
    def start(self) -> datetime:
        """First instant, UTC."""
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """First instant of the next month, UTC (exclusive end)."""
        return self.shift(1).start

    def shift(self, months: int) -> Month:
        """Return the month `months` later; earlier if negative."""
        return Month.from_ordinal(self.ordinal + months)

    def until(self, last: Month) -> Iterator[Month]:
        """Iterate over the months from this one to `last`, both included."""
        return (Month.from_ordinal(o) for o in range(self.ordinal, last.ordinal + 1))

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"


def month_ranges(months: Sequence[Month]) -> str:
    """Format months as text and join consecutive ones: ``2021-11 ... 2022-02, 2022-05``."""
    runs: list[list[Month]] = []
    for month in months:
        if runs and month.ordinal == runs[-1][-1].ordinal + 1:
            runs[-1].append(month)
        else:
            runs.append([month])
    return ", ".join(
        str(run[0]) if len(run) == 1 else f"{run[0]}{' ... ' if len(run) > 2 else ', '}{run[-1]}" for run in runs
    )


COLUMN_LETTERS = ("ABCDEFGH", "JKLMNPQR", "STUVWXYZ")
ROW_LETTERS = "ABCDEFGHJKLMNPQRSTUV"
BAND_LETTERS = "CDEFGHJKLMNPQRSTUVWX"


@dataclass(frozen=True, order=True)
class Tile:
    """A Sentinel-2/MGRS tile such as ``10SGD``: zone, latitude band, column letter and row letter."""

    name: str

    def __post_init__(self) -> None:
        match = re.fullmatch(r"(\d{1,2})([A-Z])([A-Z])([A-Z])", self.name)
        remedy = "give a Sentinel-2 tile name such as 10SGD: zone 01 to 60, latitude band, column letter, row letter"
        if not match or len(self.name) != 5:
            raise NameFormatError(f"not a tile name: {self.name!r}", remedy)
        zone, band, column, row = int(match[1]), match[2], match[3], match[4]
        if not 1 <= zone <= 60:
            raise NameFormatError(f"tile {self.name}: there is no zone {zone}", remedy)
        if band not in BAND_LETTERS:
            raise NameFormatError(
                f"tile {self.name}: there is no latitude band {band}", f"{remedy} (bands {BAND_LETTERS})"
            )
        letters = COLUMN_LETTERS[(zone - 1) % 3]
        if column not in letters:
            raise NameFormatError(f"tile {self.name}: zone {zone} has no column {column}", f"its columns are {letters}")
        if row not in ROW_LETTERS:
            raise NameFormatError(f"tile {self.name}: there is no row {row}", f"rows are {ROW_LETTERS}")

    @property
    def zone(self) -> int:
        """UTM zone, 1 to 60."""
        return int(self.name[:2])

    @property
    def band(self) -> str:
        """Latitude band letter, C to X."""
        return self.name[2]

    @property
    def column(self) -> str:
        """Column letter of the 100 km square."""
        return self.name[3]

    @property
    def row(self) -> str:
        """Row letter of the 100 km square."""
        return self.name[4]

    @property
    def north(self) -> bool:
        """True north of the equator."""
        return self.band >= "N"

    @property
    def epsg(self) -> int:
        """EPSG code of the tile's UTM zone: 326zz north, 327zz south."""
        return (32600 if self.north else 32700) + self.zone

    def __str__(self) -> str:
        return self.name


def canonical_tracks(tracks: Sequence[int] | None) -> list[int] | None:
    """Return the tracks sorted, or None if all tracks are meant."""
    return None if tracks is None or len(tracks) == TRACKS else sorted(tracks)


@dataclass(frozen=True, order=True)
class TileDirection:
    """A tile and a direction (or one track of it, or both directions): the unit of a cube."""

    tile: Tile
    direction: Stack

    @property
    def pooled(self) -> TileDirection:
        """The tile and all tracks of the direction: the unit of a search."""
        return TileDirection(self.tile, self.direction.pooled)

    def __str__(self) -> str:
        return f"{self.tile}_{self.direction}"


@dataclass(frozen=True, order=True)
class CompositeKey:
    """Identity of a composite: tile, direction (or one track of it, or both directions) and month."""

    tile: Tile
    direction: Stack
    month: Month

    @classmethod
    def parse(cls, tile: str, direction: str, month: str) -> CompositeKey:
        """Make a key from the names of tile, direction and month.

        Raises
        ------
        NameFormatError
            If the tile, direction or month is malformed.
        """
        return cls(Tile(tile), Stack.parse(direction), Month.parse(month))

    def __str__(self) -> str:
        return f"{self.tile}_{self.direction}_{self.month}"
