"""Read and write TIFF headers: the fields of directories, as bytes.

Little-endian, classic or BigTIFF. TIFF 6.0, Adobe (1992), section 2; The BigTIFF File Format, Aware Systems (2007).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

TILE_OFFSETS, TILE_BYTE_COUNTS = 324, 325
LONG, LONG8 = 4, 16
"""Field types: whole numbers of 4 and of 8 bytes; LONG8 exists only in BigTIFF."""

CLASSIC_LIMIT = 2**32
"""Bytes that 4-byte offsets can address: a larger file must be BigTIFF."""

_TYPE_SIZES = {1: 1, 2: 1, 3: 2, LONG: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, LONG8: 8}
_LAST = (TILE_OFFSETS, TILE_BYTE_COUNTS)


@dataclass(frozen=True)
class Field:
    """A field of a directory: its TIFF type and the bytes of its values."""

    type: int
    values: bytes

    @property
    def count(self) -> int:
        """Number of values."""
        return len(self.values) // _TYPE_SIZES[self.type]


Directory = Mapping[int, Field]
"""An image file directory: tag -> field."""


@dataclass(frozen=True)
class _Form:
    """Formats of a header: its start, and the count, entries and offsets of a directory."""

    start: struct.Struct
    count: struct.Struct
    entry: struct.Struct
    offset: struct.Struct

    def size(self, directory: Directory) -> int:
        """Return the bytes of a directory, without values too long for its entries."""
        return self.count.size + len(directory) * self.entry.size + self.offset.size


_CLASSIC = _Form(struct.Struct("<2sHI"), struct.Struct("<H"), struct.Struct("<HHI4s"), struct.Struct("<I"))
_CLASSIC_MARKS = (b"II", 42)
_BIG = _Form(struct.Struct("<2sHHHQ"), struct.Struct("<Q"), struct.Struct("<HHQ8s"), struct.Struct("<Q"))


def long_field(*values: int) -> Field:
    """Return a field of 4-byte whole numbers."""
    return Field(LONG, struct.pack(f"<{len(values)}I", *values))


def offsets_field(values: Sequence[int], big: bool) -> Field:
    """Return a field of file offsets: 4 bytes each, 8 in BigTIFF."""
    return Field(LONG8 if big else LONG, struct.pack(f"<{len(values)}{'Q' if big else 'I'}", *values))


def first_directory(file: IO[bytes], tags: Container[int] | None = None) -> dict[int, Field]:
    """Read the fields of the first directory of a little-endian, classic TIFF.

    Parameters
    ----------
    file : binary file
        Must be seekable.
    tags : container of int, optional
        Tags to read; all by default.

    Raises
    ------
    ValueError, struct.error, KeyError
        If it is not such a TIFF, is truncated, has tags out of order, or a value type that is not known.
    """
    order, version, position = _CLASSIC.start.unpack(file.read(_CLASSIC.start.size))
    if (order, version) != _CLASSIC_MARKS:
        raise ValueError("no little-endian, classic TIFF")
    file.seek(position)
    (number,) = _CLASSIC.count.unpack(file.read(_CLASSIC.count.size))
    entries = file.read(number * _CLASSIC.entry.size)
    if len(entries) < number * _CLASSIC.entry.size:
        raise ValueError("cut short in its directory")
    fields, end, before = {}, file.seek(0, os.SEEK_END), 0
    for tag, kind, count, values in _CLASSIC.entry.iter_unpack(entries):
        if tag <= before:
            raise ValueError("tags out of order")  # readers disagree about which of two equal tags counts
        before = tag
        if tags is not None and tag not in tags:
            continue
        size = count * _TYPE_SIZES[kind]
        if size > len(values):
            (start,) = _CLASSIC.offset.unpack(values)
            if start + size > end:
                raise ValueError(f"cut short in tag {tag}")
            file.seek(start)
            values = file.read(size)
        fields[tag] = Field(kind, values[:size])
    return fields


def header(directories: Sequence[Directory], ghost: bytes, big: bool) -> bytes:
    """Build the header of a TIFF: start, ghost area, then directories, each followed by its values.

    The offsets and sizes of blocks come last, behind all directories, as in GDAL's files: reading the first kilobytes
    is then enough to know the file, no matter how many blocks it has.

    Parameters
    ----------
    directories : sequence of Directory
        In the order in which they are chained.
    ghost : bytes
        Written between the start and the first directory; ordinary TIFF readers skip it.
    big : bool
        Write BigTIFF.

    Returns
    -------
    bytes
        The length depends on the number of values, not on the values.
    """
    form = _BIG if big else _CLASSIC
    starts, places, end = _places(directories, form, form.start.size + len(ghost))
    content = bytearray(end)
    start = (b"II", 43, 8, 0, starts[0]) if big else (*_CLASSIC_MARKS, starts[0])
    content[: form.start.size + len(ghost)] = form.start.pack(*start) + ghost
    for number, (directory, following) in enumerate(zip(directories, [*starts[1:], 0], strict=True)):
        entries = [form.count.pack(len(directory))]
        for tag, field in sorted(directory.items()):
            place = places.get((number, tag))
            if place is not None:
                content[place : place + len(field.values)] = field.values
            value = field.values if place is None else form.offset.pack(place)
            entries.append(form.entry.pack(tag, field.type, field.count, value))
        entries.append(form.offset.pack(following))
        content[starts[number] : starts[number] + form.size(directory)] = b"".join(entries)
    return bytes(content)


def _places(
    directories: Sequence[Directory], form: _Form, end: int
) -> tuple[list[int], dict[tuple[int, int], int], int]:
    """Return offsets of directories, offsets of values too long for an entry (by directory and tag), and the end."""
    starts: list[int] = []
    places: dict[tuple[int, int], int] = {}

    def place_values(number: int, last: bool) -> None:
        nonlocal end
        for tag, field in sorted(directories[number].items()):
            if len(field.values) > form.offset.size and (tag in _LAST) == last:
                places[number, tag] = _even(end)
                end = places[number, tag] + len(field.values)

    for number, directory in enumerate(directories):
        starts.append(_even(end))
        end = starts[-1] + form.size(directory)
        place_values(number, last=False)
    for number in range(len(directories)):
        place_values(number, last=True)
    return starts, places, end


def _even(position: int) -> int:
    """Round an offset up to an even number, as TIFF requires for directories and values."""
    return position + position % 2
