"""An independent reader of tiled float32 TIFFs with predictor 3, by struct and plain numpy: no GDAL."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numcodecs.zstd import Zstd
from numpy.typing import NDArray

FORMATS = {2: "s", 3: "H", 4: "I", 12: "d", 16: "Q"}
ZSTD_MAGIC = (0xFD2FB528).to_bytes(4, "little")
GHOST_START = "GDAL_STRUCTURAL_METADATA_SIZE="


@dataclass
class Level:
    """A directory: where it starts, and the values of its tags."""

    start: int
    tags: dict[int, Any]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.tags[257][0], self.tags[256][0]

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """Offset and size of each block."""
        return list(zip(self.tags[324], self.tags[325], strict=True))


@dataclass
class Tiff:
    """A file as it lies on disk."""

    content: bytes
    big: bool
    ghost: dict[str, str]
    levels: list[Level]

    def band(self, level: int, band: int) -> NDArray[np.float32]:
        """Decode a band of a band-interleaved level, blocks beyond the edge included."""
        found = self.levels[level]
        assert found.tags[259][0] in (8, 50000) and found.tags[317] == (3,) and found.tags[284] == (2,)
        (side,), (height, width) = found.tags[322], found.shape
        down, across = -(-height // side), -(-width // side)
        values = np.empty((down * side, across * side), np.float32)
        for number in range(down * across):
            offset, size = found.blocks[band * down * across + number]
            row, col = divmod(number, across)
            block = decoded(self.content[offset : offset + size], side)
            values[row * side : (row + 1) * side, col * side : (col + 1) * side] = block
        return values


def decoded(block: bytes, side: int) -> NDArray[np.float32]:
    content = Zstd().decode(block) if block[:4] == ZSTD_MAGIC else zlib.decompress(block)
    return unpredicted(np.frombuffer(content, np.uint8).reshape(side, 4 * side))


def unpredicted(differences: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Undo TIFF's floating-point predictor."""
    rows, cols = differences.shape[0], differences.shape[1] // 4
    planes = np.cumsum(differences, axis=1, dtype=np.uint8).reshape(rows, 4, cols)
    return np.ascontiguousarray(planes.transpose(0, 2, 1)).view(">f4")[..., 0].astype(np.float32)


def walk(path: Path) -> Tiff:
    content = path.read_bytes()
    assert content[:2] == b"II"
    big = {42: False, 43: True}[struct.unpack_from("<H", content, 2)[0]]
    at = 16 if big else 8
    ghost: dict[str, str] = {}
    if content[at:].startswith(GHOST_START.encode()):
        size = int(content[at + 30 : at + 36])
        assert content[at + 36 : at + 43] == b" bytes\n"
        ghost = dict(line.split("=") for line in content[at + 43 : at + 43 + size].decode().split("\n") if line.strip())
    levels = []
    (position,) = struct.unpack_from("<Q" if big else "<I", content, 8 if big else 4)
    while position:
        level, position = _level(content, position, big)
        levels.append(level)
    return Tiff(content, big, ghost, levels)


def _level(content: bytes, start: int, big: bool) -> tuple[Level, int]:
    count_format, entry_format, offset_format = ("<Q", "<HHQ", "<Q") if big else ("<H", "<HHI", "<I")
    (number,) = struct.unpack_from(count_format, content, start)
    width, tags = struct.calcsize(offset_format), {}
    position = start + struct.calcsize(count_format)
    for _ in range(number):
        tag, kind, count = struct.unpack_from(entry_format, content, position)
        position += struct.calcsize(entry_format)
        form = f"<{count}{FORMATS[kind]}"
        place = position
        if struct.calcsize(form) > width:
            (place,) = struct.unpack_from(offset_format, content, position)
            assert place % 2 == 0
        assert tag > max(tags, default=0)
        tags[tag] = struct.unpack_from(form, content, place)
        position += width
    (following,) = struct.unpack_from(offset_format, content, position)
    assert start % 2 == 0
    return Level(start, tags), following
