"""Read, write and check a cube's chunk files as zarr makes them, without loading zarr, which takes 0.2 s of every job.

Arrays are those that `cube.create` makes: chunks of one slot under Zarr's default keys, little-endian, compressed by
Blosc. Overviews have one shard for each slot, that is, one file with all its chunks and an index of them at the end.
Zarr v3 core specification, sections "regular chunk grid", "default chunk key encoding", "bytes", "blosc" and
"sharding_indexed" codec.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numcodecs import Blosc
from numpy.typing import NDArray

from s1monthly.cube.header import Header, existing_header, how_to_mend
from s1monthly.errors import CubeError
from s1monthly.kernels.bands import fills_count
from s1monthly.kernels.statistics import BandStatistics

_SHUFFLES = {"noshuffle": Blosc.NOSHUFFLE, "shuffle": Blosc.SHUFFLE, "bitshuffle": Blosc.BITSHUFFLE}
_FILLS: dict[str, tuple[Any, np.generic]] = {"float32": ("NaN", np.float32(np.nan)), "uint8": (0, np.uint8(0))}
_INDEX = [{"name": "bytes", "configuration": {"endian": "little"}}]
"""Codecs of a shard's index: start and length of each chunk, or twice `_ABSENT`."""
_ABSENT = 2**64 - 1
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
    sharded : bool
        True if all chunks of a slot are in one file.
    """

    shape: tuple[int, int]
    chunk: tuple[int, int]
    fill: np.generic
    codec: Blosc
    sharded: bool = False

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> ChunkForm:
        """Read the form from an array's ``zarr.json``.

        Raises
        ------
        ValueError, KeyError or TypeError
            If they are not the metadata of an array as `cube.create` makes it.
        """
        (_, rows, columns), chunk_grid = metadata["shape"], metadata["chunk_grid"]
        slots, *chunk = chunk_grid["configuration"]["chunk_shape"]
        fill_value, fill = _FILLS[metadata["data_type"]]
        codecs = metadata["codecs"]
        sharded = [codec["name"] for codec in codecs] == ["sharding_indexed"]
        if sharded:
            shard, sharding = chunk, codecs[0]["configuration"]
            _, *chunk = sharding["chunk_shape"]
            codecs = sharding["codecs"]
            one_shard = [-(-size // side) * side for size, side in zip((rows, columns), chunk, strict=True)]
            if (shard, sharding["index_codecs"], sharding.get("index_location", "end")) != (one_shard, _INDEX, "end"):
                raise ValueError("its shards are not those of a cube's array")
        to_bytes, blosc = codecs
        options = blosc["configuration"]
        known = (
            (chunk_grid["name"], slots, metadata["fill_value"], blosc["name"]) == ("regular", 1, fill_value, "blosc")
            and metadata["chunk_key_encoding"] == {"name": "default", "configuration": {"separator": "/"}}
            and to_bytes in ({"name": "bytes"}, {"name": "bytes", "configuration": {"endian": "little"}})
            and not metadata.get("storage_transformers")
        )
        if not known:
            raise ValueError("they are not those of a cube's array")
        names = ("cname", "clevel", "blocksize", "typesize")
        codec = Blosc(shuffle=_SHUFFLES[options["shuffle"]], **{name: options[name] for name in names})
        return cls((rows, columns), (chunk[0], chunk[1]), fill, codec, sharded)

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


def chunk_form(header: Header, name: str) -> ChunkForm:
    """Read the form of an array's chunks from its own metadata, which must agree with those in the root.

    Raises
    ------
    CubeError
        If the metadata are lost or damaged: the chunks must not be taken for empty then.
    """
    try:
        metadata = json.loads((header.path / name / "zarr.json").read_text("utf-8"))
        form = ChunkForm.of(metadata)
        other = header.differing_keys(name, metadata)
        if other:  # the cube may have been replaced in between
            other = existing_header(header.path).differing_keys(name, metadata)
        problem = f"they have another {other[0]} than the root says" if other else ""
    except (FileNotFoundError, NotADirectoryError):
        problem = "they are lost"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"{type(error).__name__}: {error}"
    if problem:
        raise CubeError(f"cube {header.path}: the metadata of {name} are damaged ({problem})", how_to_mend(header.path))
    return form


def read_slot(
    array: Path, form: ChunkForm, slot: int, pool: Executor, window: tuple[slice, slice] | None = None
) -> NDArray[Any]:
    """Read a slot of an array, or a window of it, as (rows, columns).

    Parameters
    ----------
    array : Path
        The array's folder.
    slot : int
        Position on the time axis.
    pool : Executor
        Decodes several chunks at a time.
    window : tuple of slice, optional
        Rows and columns inside the array; only chunks in it are decoded.

    Raises
    ------
    ValueError, RuntimeError
        If a chunk is damaged or truncated.
    OSError
        If a file cannot be read.
    """
    window = rows, columns = window or (slice(0, form.shape[0]), slice(0, form.shape[1]))
    values = np.empty((rows.stop - rows.start, columns.stop - columns.start), form.dtype)
    shard = _read_shard(array / "c" / str(slot) / "0/0", form) if form.sharded else None

    def read(key: str, place: tuple[slice, slice]) -> None:
        common = [(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(place, window, strict=True)]
        target = tuple(slice(a - part.start, b - part.start) for (a, b), part in zip(common, window, strict=True))
        inside = tuple(slice(a - part.start, b - part.start) for (a, b), part in zip(common, place, strict=True))
        try:
            encoded = (array / "c" / str(slot) / key).read_bytes() if shard is None else shard[key]
        except (FileNotFoundError, KeyError):
            values[target] = form.fill
            return
        values[target] = _decoded(encoded, form, key)[inside]

    whole = slice(rows.start // form.chunk[0] * form.chunk[0], rows.stop)
    meets = [
        (key, place)
        for key, place in form.places(whole)
        if place[1].start < columns.stop and columns.start < place[1].stop
    ]
    for read_one in [pool.submit(read, *one) for one in meets]:
        read_one.result()
    return values


def read_chunk(array: Path, form: ChunkForm, slot: int, key: str) -> NDArray[Any] | None:
    """Read one chunk of an array without shards, with its padding; None if there is no file: it holds only `fill`.

    Errors are those of `read_slot`.
    """
    try:
        encoded = (array / "c" / str(slot) / key).read_bytes()
    except FileNotFoundError:
        return None
    return _decoded(encoded, form, key)


def _decoded(encoded: bytes, form: ChunkForm, key: str) -> NDArray[Any]:
    chunk = np.empty(form.chunk, form.dtype)
    lengths = [int.from_bytes(encoded[at : at + 4], "little") for at in (4, 12)]
    if len(encoded) < _HEADER or lengths != [chunk.nbytes, len(encoded)]:
        raise ValueError(f"chunk {key} is cut short or of another length")
    form.codec.decode(encoded, out=chunk)
    return chunk


def _read_shard(path: Path, form: ChunkForm) -> dict[str, bytes]:
    """Return the encoded chunks of a shard by their key; none if there is no file."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    keys = [key for key, _ in form.places(slice(0, form.shape[0]))]
    index = np.frombuffer(content[-16 * len(keys) :], "<u8")
    if index.size != 2 * len(keys):
        raise ValueError("its shard is cut short")
    places = list(zip(keys, index.reshape(-1, 2).tolist(), strict=True))
    end = max((start + length for _, (start, length) in places if start != _ABSENT), default=0)
    if end + index.nbytes != len(content):
        raise ValueError("its shard is cut short or of another length")
    return {key: content[start : start + length] for key, (start, length) in places if start != _ABSENT}


def write_shard(array: Path, form: ChunkForm, slot: int, values: NDArray[Any], pool: Executor) -> None:
    """Write the chunks of a slot into one file; no file if all hold only the fill value.

    Parameters
    ----------
    array : Path
        The array's folder; the slot has no file there yet.
    slot : int
        Position on the time axis.
    values : array (rows, columns)
        In the array's type.
    pool : Executor
        Encodes several chunks at a time.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    places = form.places(slice(0, form.shape[0]))
    chunks = list(pool.map(lambda place: _encoded(form, values[place[1]]), places))
    if not any(chunks):
        return
    lengths = np.array([len(chunk) for chunk in chunks], "<u8")
    index = np.stack([np.cumsum(lengths) - lengths, lengths], 1)
    index[lengths == 0] = _ABSENT
    path = array / "c" / str(slot) / "0/0"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join([*chunks, index.tobytes()]))


def _encoded(form: ChunkForm, part: NDArray[Any]) -> bytes:
    """Encode a chunk; return nothing if it holds only the fill value."""
    if np.isnan(part).all() if np.isnan(form.fill) else not part.any():
        return b""
    if part.shape != form.chunk:
        whole = np.full(form.chunk, form.fill, form.dtype)
        whole[: part.shape[0], : part.shape[1]] = part
        part = whole
    return bytes(form.codec.encode(np.ascontiguousarray(part)))


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
    """

    def write(key: str, part: NDArray[Any]) -> None:
        encoded = _encoded(form, part)
        if encoded:
            path = array / "c" / str(slot) / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded)

    return [
        pool.submit(write, key, values[rows.start - row : rows.stop - row, columns])
        for key, (rows, columns) in form.places(slice(row, row + values.shape[0]))
    ]


def lost_chunks(store: Path, slot: int, names: tuple[str, ...], count: NDArray[np.uint8]) -> list[str]:
    """Return one line for each band of a month with missing or truncated chunks, found without decoding any.

    Every band but a texture has a value wherever the count is above 0, so the chunk must exist. Textures may lack a
    value beside empty pixels; if more than half of a chunk's pixels are valid, some have valid neighbours, so the chunk
    must exist.

    Parameters
    ----------
    slot : int
        Position of the month on the axis.
    count : array (rows, columns), uint8
        Count of passes of the month.
    """
    needed: dict[tuple[tuple[int, int], float], list[str]] = {}
    lines = []
    for name in names:
        try:
            form = ChunkForm.of(json.loads((store / name / "zarr.json").read_text("utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            lines.append(f"{name}: its zarr.json cannot be read ({type(error).__name__})")
            continue
        share = 0.0 if fills_count(name) else 0.5
        if (form.chunk, share) not in needed:
            places = form.places(slice(0, count.shape[0]))
            needed[form.chunk, share] = [
                key for key, place in places if np.count_nonzero(count[place]) > share * count[place].size
            ]
        keys = needed[form.chunk, share]
        lost = [key for key in keys if not _is_whole(f"{store / name}/c/{slot}/{key}")]
        if lost:
            lines.append(f"{name}: {len(lost)} of {len(keys)} chunks missing or cut short ({lost[0]})")
    return lines


def lost_overviews(header: Header, slot: int, statistics: Mapping[str, BandStatistics]) -> list[str]:
    """Return one line for each overview of a month whose file is missing or cut short.

    Parameters
    ----------
    slot : int
        Position of the month on the axis.
    statistics : mapping of str to BandStatistics
        Statistics of each band; the overviews of a band without a value need no file.
    """
    lines = []
    for name in header.slot_arrays[len(header.data_arrays) :]:
        if statistics[name.rpartition("/")[2]].valid:
            try:
                form = chunk_form(header, name)
                whole = bool(_read_shard(header.path / name / "c" / str(slot) / "0/0", form))
            except (CubeError, OSError, ValueError):
                whole = False
            lines += [] if whole else [f"{name}: missing or cut short"]
    return lines


def _is_whole(path: str) -> bool:
    """Return True if a chunk file is as long as its header says."""
    try:
        with open(path, "rb") as stream:
            header = stream.read(_HEADER)
            return len(header) == _HEADER and os.fstat(stream.fileno()).st_size == int.from_bytes(header[12:], "little")
    except OSError:
        return False
