"""Reader and writer of a cube's chunk files as zarr makes them, without loading zarr, which takes 0.2 s of every job.

Only for arrays as `cube.create` makes them: chunks of one slot under Zarr's default keys, little-endian, compressed by
Blosc. For any other array `ChunkForm.of` returns None, and zarr must be used. Zarr v3 core specification, sections
"regular chunk grid", "default chunk key encoding", "bytes" and "blosc" codec.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numcodecs import Blosc
from numpy.typing import NDArray

_SHUFFLES = {"noshuffle": Blosc.NOSHUFFLE, "shuffle": Blosc.SHUFFLE, "bitshuffle": Blosc.BITSHUFFLE}
_FILLS: dict[str, tuple[Any, np.generic]] = {"float32": ("NaN", np.float32(np.nan)), "uint8": (0, np.uint8(0))}
_HEADER = 16
"""Bytes of Blosc's header; length of the values at byte 4, of the chunk at 12, little-endian (README_CHUNK_FORMAT)."""


@dataclass(frozen=True)
class ChunkForm:
    """Shape, fill value and codec of an array's chunks.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns of a slot.
    chunk : tuple of int
        Rows and columns of a chunk; chunks at the edges are padded.
    fill : scalar
        Value of missing chunks and of padding, in the array's type.
    """

    shape: tuple[int, int]
    chunk: tuple[int, int]
    fill: np.generic
    codec: Blosc

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> ChunkForm | None:
        """Read the form from an array's ``zarr.json``; return None if this module cannot read such an array."""
        try:
            (_, *shape), (slots, *chunk) = metadata["shape"], metadata["chunk_grid"]["configuration"]["chunk_shape"]
            written, fill = _FILLS[metadata["data_type"]]
            to_bytes, blosc = metadata["codecs"]
            how = blosc["configuration"]
            as_made = (
                (metadata["chunk_grid"]["name"], slots, len(shape), metadata["fill_value"])
                == ("regular", 1, 2, written)
                and metadata["chunk_key_encoding"] == {"name": "default", "configuration": {"separator": "/"}}
                and to_bytes in ({"name": "bytes"}, {"name": "bytes", "configuration": {"endian": "little"}})
                and blosc["name"] == "blosc"
                and not metadata.get("storage_transformers")
            )
            shuffle, names = _SHUFFLES[how["shuffle"]], ("cname", "clevel", "blocksize", "typesize")
            codec = Blosc(shuffle=shuffle, **{name: how[name] for name in names})
        except (KeyError, TypeError, ValueError):
            return None
        return cls((shape[0], shape[1]), (chunk[0], chunk[1]), fill, codec) if as_made else None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self.fill.dtype.newbyteorder("<")

    def places(self, rows: slice) -> Iterator[tuple[str, tuple[slice, slice]]]:
        """Yield key, rows and columns of each chunk in these rows, which must start and end at chunk boundaries."""
        height, width = self.chunk
        for top in range(rows.start, rows.stop, height):
            for left in range(0, self.shape[1], width):
                bottom, right = min(top + height, self.shape[0]), min(left + width, self.shape[1])
                yield f"{top // height}/{left // width}", (slice(top, bottom), slice(left, right))


def read_slot(array: Path, form: ChunkForm, slot: int, pool: Executor) -> NDArray[Any]:
    """Read a slot of an array as (rows, columns).

    Parameters
    ----------
    array : Path
        The array's folder.
    slot : int
        Position on the time axis.
    pool : Executor
        Decodes several chunks at a time.

    Raises
    ------
    ValueError, RuntimeError
        If a chunk is damaged or truncated.
    OSError
        If a file cannot be read.
    """
    values = np.empty(form.shape, form.dtype)

    def read(key: str, place: tuple[slice, slice]) -> None:
        try:
            encoded = (array / "c" / str(slot) / key).read_bytes()
        except FileNotFoundError:
            values[place] = form.fill
            return
        rows, columns = (part.stop - part.start for part in place)
        values[place] = _decoded(encoded, form, key)[:rows, :columns]

    for read_one in [pool.submit(read, *one) for one in form.places(slice(0, form.shape[0]))]:
        read_one.result()
    return values


def _decoded(encoded: bytes, form: ChunkForm, key: str) -> NDArray[Any]:
    chunk = np.empty(form.chunk, form.dtype)
    lengths = [int.from_bytes(encoded[at : at + 4], "little") for at in (4, 12)]
    if len(encoded) < _HEADER or lengths != [chunk.nbytes, len(encoded)]:
        raise ValueError(f"chunk {key} is cut short or of another length")
    form.codec.decode(encoded, out=chunk)
    return chunk


def write_rows(
    array: Path, form: ChunkForm, slot: int, row: int, values: NDArray[Any], pool: Executor
) -> list[Future[None]]:
    """Start to write the chunks of some rows of a slot; chunks that hold only the fill value get no file.

    Parameters
    ----------
    array : Path
        The array's folder; the slot has no chunks there yet.
    slot : int
        Position on the time axis.
    row : int
        First row, at a chunk boundary.
    values : array (rows, columns)
        In the array's type, up to a chunk boundary; must not be changed until the futures are done.
    pool : Executor
        Encodes several chunks at a time.

    Returns
    -------
    list of Future
        One for each chunk; raises OSError if its file cannot be written.

    Raises
    ------
    ValueError
        If no chunk starts at that row.
    """
    if row % form.chunk[0]:
        raise ValueError(f"no chunk begins at row {row}: they have {form.chunk[0]} rows")
    empty: Callable[[NDArray[Any]], bool]
    empty = (lambda part: bool(np.isnan(part).all())) if np.isnan(form.fill) else (lambda part: not part.any())

    def write(key: str, part: NDArray[Any]) -> None:
        if empty(part):
            return
        if part.shape != form.chunk:
            whole = np.full(form.chunk, form.fill, form.dtype)
            whole[: part.shape[0], : part.shape[1]] = part
            part = whole
        path = array / "c" / str(slot) / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(form.codec.encode(np.ascontiguousarray(part)))

    return [
        pool.submit(write, key, values[rows.start - row : rows.stop - row, columns])
        for key, (rows, columns) in form.places(slice(row, row + values.shape[0]))
    ]
