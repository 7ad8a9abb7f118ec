"""Find the bytes of a tiled GeoTIFF that hold a window, from its beginning: a COG has all its headers there.

TIFF 6.0, Adobe (1992), section 15; GDAL's COG driver for what may stand around a block.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from io import BytesIO

from s1monthly.grid.lattice import GeoBox
from s1monthly.raster.fast_geotiff import read_usual
from s1monthly.raster.tiff_header import LONG, TILE_BYTE_COUNTS, TILE_OFFSETS, Field, first_directory

_TILE_WIDTH, _TILE_LENGTH = 322, 323
_FORMATS = {3: "H", LONG: "I"}

AROUND = 4
"""Bytes before and after a block that repeat its size and its end, in files of GDAL's COG driver."""

Window = tuple[slice, slice]
"""Rows and columns."""


def block_span(head: bytes, window_of: Callable[[GeoBox], Window | None]) -> tuple[int, int] | None:
    """Return where the blocks of the full picture begin and end that a window touches; None if it touches none.

    Parameters
    ----------
    head : bytes
        Beginning of the file.
    window_of : callable
        Returns the window that is needed of a grid; None for none.

    Raises
    ------
    ValueError
        If the file must be read as a whole: its headers do not all lie in this beginning, or have an unusual form.
    """
    try:
        _refuse_other_directories(head)
        fields = first_directory(BytesIO(head), {_TILE_WIDTH, _TILE_LENGTH, TILE_OFFSETS, TILE_BYTE_COUNTS})
        (width,), (length,) = _numbers(fields[_TILE_WIDTH]), _numbers(fields[_TILE_LENGTH])
        offsets, sizes = _numbers(fields[TILE_OFFSETS]), _numbers(fields[TILE_BYTE_COUNTS])
    except (LookupError, struct.error) as error:
        raise ValueError(f"not understood: {error}") from None
    usual = read_usual(head)
    if usual is None:
        raise ValueError("no usual GeoTIFF")
    box = usual[0].geobox
    window = window_of(box)
    if window is None:
        return None
    across, down = -(-box.width // width), -(-box.height // length)
    if not len(offsets) == len(sizes) == across * down:
        raise ValueError("other blocks than its size tells")
    (top, bottom), (left, right) = ((part.start, part.stop) for part in window)
    needed = [
        (offsets[number], offsets[number] + sizes[number])
        for row in range(top // length, -(-bottom // length))
        for number in range(row * across + left // width, row * across - (-right // width))
        if sizes[number]
    ]
    if not needed:
        return None
    return min(start for start, _ in needed) - AROUND, max(end for _, end in needed) + AROUND


def _refuse_other_directories(head: bytes) -> None:
    """Raise ValueError if a directory, such as that of an overview, lies behind the beginning."""
    (place,) = struct.unpack_from("<I", head, 4)
    seen = set()
    while place:
        if place in seen:
            raise ValueError("directories in a circle")
        seen.add(place)
        (number,) = struct.unpack_from("<H", head, place)
        (place,) = struct.unpack_from("<I", head, place + 2 + 12 * number)


def _numbers(field: Field) -> tuple[int, ...]:
    kind = _FORMATS[field.type]
    return struct.unpack(f"<{len(field.values) // struct.calcsize(kind)}{kind}", field.values)
