"""Read headers and rows of GeoTIFFs without GDAL if they have the usual form; leave others to GDAL.

Loading GDAL takes 0.1 s of a job, and opening a file with it 2 ms. `search` reads the header of every granule in a
folder, `composite` header and rows of every burst.

The usual form is that of OPERA's layers and of our own bursts: little-endian, not BigTIFF, on a north-up grid of square
pixels in a UTM zone of WGS 84, float32 with NaN as no data, or uint8.

TIFF 6.0, Adobe (1992); OGC GeoTIFF Standard, 19-008r4; GDAL's tag 42113 for no data.
"""

from __future__ import annotations

import math
import os
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.errors import ProductError
from s1monthly.grid.lattice import GeoBox
from s1monthly.raster.header import REMEDY, RasterHeader, RasterInput, is_possible
from s1monthly.raster.tiff_header import Field, first_directory

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _PLANAR, _SAMPLE_FORMAT = 256, 257, 258, 259, 277, 284, 339
_FILL_ORDER, _STRIP_OFFSETS, _STRIP_ROWS, _STRIP_SIZES = 266, 273, 278, 279
_PIXEL_SCALE, _TIE_POINT, _TRANSFORMATION, _GEO_KEYS, _GEO_NAMES, _NODATA = 33550, 33922, 34264, 34735, 34737, 42113
_TAGS = {
    *(_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _PLANAR, _SAMPLE_FORMAT),
    *(_FILL_ORDER, _STRIP_OFFSETS, _STRIP_ROWS, _STRIP_SIZES),
    *(_PIXEL_SCALE, _TIE_POINT, _TRANSFORMATION, _GEO_KEYS, _GEO_NAMES, _NODATA),
}
_STRIPS = (_STRIP_ROWS, _STRIP_OFFSETS, _STRIP_SIZES)
_WHOLE, _REAL = {3: "H", 4: "I"}, {12: "d"}
"""TIFF types of the whole and real numbers that are read -> their `struct` formats."""

_DTYPES = {(1, 8): "uint8", (3, 32): "float32"}
"""Sample format and bits -> pixel type; only those of granule layers and bursts."""

_NODATA_TEXTS = {"uint8": {str(value): float(value) for value in range(256)}, "float32": {"nan": float("nan")}}

_PROJECTED = 3072
_KEYS = {1024: {1}, 1025: {1}, 1026: None, 2049: None, 2054: {9102}, _PROJECTED: None, 3076: {9001}}
"""Allowed GeoKeys -> allowed values, None for any.

Projected CRS, pixels as areas, citations of the file and of the CRS, degrees, EPSG code, metres.
"""
_UTM = {*range(32601, 32661), *range(32701, 32761)}


def open_header(raster: RasterInput) -> RasterHeader:
    """Read the header of a GeoTIFF; raises as `geotiff.open_raster`, but ignores damage in tags that are not needed."""
    usual = read_usual(raster)
    return usual[0] if usual else _header_by_gdal(raster)


@dataclass(frozen=True)
class RowReader:
    """Reader of the rows of a file.

    Created by `row_reader`. Holds no open file and may be shared between threads.

    Attributes
    ----------
    start : int or None
        Offset of the first row; see `read_usual`.
    """

    path: str
    header: RasterHeader
    start: int | None

    def read(self, rows: slice) -> NDArray[Any]:
        """Read whole rows: (rows, columns), of the raster's type; raises as `open_raster` and `Raster.read`."""
        width = self.header.geobox.width
        if self.start is None or not 0 <= rows.start < rows.stop <= self.header.geobox.height:
            from s1monthly.raster.geotiff import open_raster  # here, since it loads GDAL

            with open_raster(self.path) as raster:
                return raster.read(rows, slice(0, width))
        pixels = np.empty((rows.stop - rows.start, width), self.header.dtype)
        try:
            with open(self.path, "rb") as file:
                file.seek(self.start + rows.start * width * pixels.itemsize)
                found = file.readinto(pixels.data.cast("B"))
        except OSError as error:
            raise ProductError(f"raster {self.path}: cannot be read ({error})", REMEDY) from error
        if found != pixels.nbytes:
            raise ProductError(f"raster {self.path}: cut short", REMEDY)
        return pixels


def row_reader(path: str | os.PathLike[str]) -> RowReader:
    """Return a reader for the rows of a GeoTIFF; raises as `open_header`."""
    name = os.fspath(path)
    return RowReader(name, *(read_usual(name) or (_header_by_gdal(name), None)))


def _header_by_gdal(raster: RasterInput) -> RasterHeader:
    """Read the header of any GeoTIFF with GDAL; raises as `geotiff.open_raster`."""
    from s1monthly.raster.geotiff import open_raster  # here, since it loads GDAL

    with open_raster(raster) as opened:
        return opened.header


def read_usual(raster: RasterInput) -> tuple[RasterHeader, int | None] | None:
    """Read the header of a GeoTIFF of the usual form; return None if GDAL must read it or explain what is wrong.

    Returns
    -------
    header : RasterHeader
        Header of the file.
    start : int or None
        Bytes before the first row of the first band if its rows are uncompressed and contiguous; else None.
    """
    try:
        with BytesIO(raster) if isinstance(raster, bytes) else open(raster, "rb") as file:
            return _usual(file)
    except (OSError, ValueError, LookupError, struct.error):
        return None


def _usual(file: IO[bytes]) -> tuple[RasterHeader, int | None] | None:
    fields = first_directory(file, _TAGS)
    numbers = {tag: _numbers(field, _WHOLE) for tag, field in fields.items() if field.type in _WHOLE}
    (width,), (height,), (count,) = numbers[_WIDTH], numbers[_HEIGHT], numbers.get(_SAMPLES, (1,))
    bits = numbers[_BITS]
    formats = numbers.get(_SAMPLE_FORMAT, (1,) * len(bits))
    grid = _grid(fields, numbers[_GEO_KEYS], width, height)
    if grid is None or len(bits) != count or len({*zip(formats, bits, strict=True)}) != 1:
        return None
    dtype = _DTYPES[formats[0], bits[0]]
    if min(width, height, count) < 1 or numbers.get(_FILL_ORDER, (1,)) != (1,):
        return None
    header = RasterHeader(grid, dtype, count, _nodata(fields.get(_NODATA), dtype))
    one_by_one = count == 1 or numbers.get(_PLANAR) == (2,)
    plain = _STRIP_OFFSETS in numbers and numbers.get(_COMPRESSION, (1,)) == (1,) and one_by_one
    return header, _start(header, *(numbers[tag] for tag in _STRIPS)) if plain else None


def _numbers(field: Field, types: Mapping[int, str]) -> tuple[Any, ...]:
    kind = types[field.type]
    return struct.unpack(f"<{len(field.values) // struct.calcsize(kind)}{kind}", field.values)


def _grid(fields: Mapping[int, Field], keys: tuple[int, ...], width: int, height: int) -> GeoBox | None:
    """Return the grid, or None if it is not a usual one."""
    entries = {keys[at]: (keys[at + 1], keys[at + 3]) for at in range(4, len(keys), 4)}
    if any(keys[at + 1] == 0 and keys[at + 2] != 1 for at in range(4, len(keys), 4)):
        return None
    if keys[:3] != (1, 1, 0) or len(entries) != keys[3] or not {1024, 1025, _PROJECTED} <= set(entries):
        return None
    for key, (place, value) in entries.items():
        allowed = _KEYS[key]
        if allowed is not None and (place != 0 or value not in allowed):
            return None
    place, epsg = entries[_PROJECTED]
    scale, tie = _numbers(fields[_PIXEL_SCALE], _REAL), _numbers(fields[_TIE_POINT], _REAL)
    usual = place == 0 and epsg in _UTM and _TRANSFORMATION not in fields
    if not usual or scale[0] != scale[1] or scale[0] <= 0 or len(tie) != 6 or tie[:3] != (0, 0, 0):
        return None
    box = GeoBox(epsg, scale[0], tie[3], tie[4], width, height)
    return box if is_possible(box) else None


def _nodata(field: Field | None, dtype: str) -> float | None:
    if field is None:
        return None
    return _NODATA_TEXTS[dtype][field.values.rstrip(b"\0").decode("ascii")]


def _start(header: RasterHeader, rows: tuple[int, ...], offsets: tuple[int, ...], sizes: tuple[int, ...]) -> int | None:
    """Return the offset of the first band's first row if its strips are complete and contiguous, else None."""
    height, row = header.geobox.height, header.geobox.width * np.dtype(header.dtype).itemsize
    strips = math.ceil(height / max(1, rows[0]))
    if strips * header.count != len(offsets) or len(sizes) != len(offsets):
        return None
    expected = [(first * row, min(rows[0], height - first) * row) for first in range(0, height, rows[0])]
    found = [(offset - offsets[0], size) for offset, size in zip(offsets, sizes, strict=True)]
    return offsets[0] if offsets[0] and found[:strips] == expected and sys.byteorder == "little" else None
