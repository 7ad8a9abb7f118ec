"""The months of a cube: writing, reading, digests and status.

A month is written in two steps. First its chunks are written to a staging folder beside the store, without any lock, so
that several months can be written at once. Then, under the cube's lock and within milliseconds, the slot's status
becomes 1 (being written), the chunks are exchanged with the slot's old ones, and the status becomes 2 (complete).

Bad input, a full disk or a kill before the second step leave the cube exactly as it was, and so does an error in the
second step. A kill in the second step leaves status 1; writing the month again repairs it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from s1monthly.cube.axis import prepare
from s1monthly.cube.chunks import ChunkForm, read_slot, write_rows
from s1monthly.cube.digest import canonical, digest_of
from s1monthly.cube.layout import COUNT, DECODING, STATUS, CubeSpec, Header, Status, read_header
from s1monthly.cube.status import how_to_mend, read_status
from s1monthly.cube.transaction import flush, locked, show_slot, show_status, stage_status, staging, told
from s1monthly.errors import CubeError
from s1monthly.grid.lattice import GeoBox
from s1monthly.model import Direction, Month, Tile

__all__ = [
    "CubeSpec",
    "CubeState",
    "Status",
    "complete_again",
    "digest_of_values",
    "month_digest",
    "months_complete",
    "prepare",
    "read_bands",
    "read_checked",
    "read_count",
    "read_month",
    "slot_digest",
    "state",
    "write_month",
]

READ_ATTEMPTS = 5
"""Attempts to read a month that is replaced at the same time."""

_ROWS_HASHED = 1024

T = TypeVar("T")
Values = NDArray[np.float32]
Count = NDArray[np.uint8]


@dataclass(frozen=True)
class CubeState:
    """The content of a cube.

    Attributes
    ----------
    first, last : Month
        First and last month of the axis.
    months : dict of Month to Status
        Every month of the axis, in order.
    bands : tuple of str
        Band names, in order.
    chunks : tuple of int
        Rows and columns of a chunk.
    recipe : dict
        Everything that determined the values.
    """

    tile: Tile
    direction: Direction
    first: Month
    last: Month
    months: dict[Month, Status]
    geobox: GeoBox
    bands: tuple[str, ...]
    chunks: tuple[int, int]
    recipe: dict[str, Any]

    @property
    def complete(self) -> tuple[Month, ...]:
        """Complete months, in order."""
        return tuple(month for month, status in self.months.items() if status is Status.COMPLETE)


def state(path: str | Path) -> CubeState:
    """Return what a cube holds; reads only its root and one byte for each month.

    Raises
    ------
    CubeError
        If there is no cube, or the store belongs to another product.

    Examples
    --------
    cube = state("output/10SEG_ASCENDING/zarr/S1_monthly.zarr")
    print(cube.bands, cube.complete)
    """
    path = Path(path)
    with told(path, "reading the status"):
        header, found = _settled(path, lambda header: [_status(path, slot) for slot in range(header.months)])
    rows, columns = header.description["chunks"]
    return CubeState(
        tile=Tile(header.description["tile"]),
        direction=Direction(header.description["direction"]),
        first=header.first,
        last=header.last,
        months=dict(zip(header.first.until(header.last), found, strict=True)),
        geobox=header.geobox,
        bands=header.bands,
        chunks=(rows, columns),
        recipe=header.description["recipe"],
    )


def months_complete(path: str | Path) -> tuple[Month, ...]:
    """Return the complete months of a cube, in order."""
    return state(path).complete


def _header(path: Path) -> Header:
    header = read_header(path)
    if header is None:
        raise CubeError(f"there is no cube at {path}", "run the workflow again: the rule cube makes it")
    return header


def _slot(path: Path, header: Header, month: Month) -> int:
    slot = header.slot(month)
    if slot is None:
        raise CubeError(
            f"cube {path} has no slot for {month}: its axis is {header.first} to {header.last}",
            "run the workflow again with that month in its time range: the rule cube extends the axis",
        )
    return slot


# writing


def write_month(
    path: str | Path,
    month: Month,
    values: Mapping[str, Values] | Iterable[tuple[str, Values]],
    count: Count,
    recipe: Mapping[str, Any] | None = None,
    threads: int = 1,
) -> str:
    """Write a month into its slot, replace what the slot held, and return its digest as `month_digest` computes it.

    Parameters
    ----------
    path : path
        The store, created by `prepare`.
    month : Month
        Month to write.
    values : mapping, or iterable of (band name, array)
        Every band of the cube once, in any order: float32, (rows, columns), NaN for no data. With an iterable, only two
        arrays are in memory: the one that is written and the next. Do not change an array after handing it over.
    count : array
        Number of passes with a valid value, uint8, (rows, columns).
    recipe : mapping, optional
        How the values were made. The month is refused if the cube was started anew with another recipe in the meantime.
    threads : int
        `threads` + 1 chunks are compressed, hashed or flushed at a time; the bytes do not depend on it.

    Raises
    ------
    CubeError
        If the month has no slot, a band is missing, unknown or repeated, an array has the wrong shape or type, the cube
        was started anew in the meantime, or the disk reports an error. The slot then stays as it was.
    """
    path = Path(path)
    header = _header(path)
    label = f"cube {path}, month {month}"
    if recipe is not None and header.description["recipe"] != recipe:
        raise CubeError(
            f"{label}: the cube has another recipe than these values",
            "another run began it anew: give each configuration its own base_dir, and run again",
        )
    _slot(path, header, month)
    _check_array(label, COUNT, count, header.geobox.shape, np.dtype("uint8"))
    if isinstance(values, Mapping):
        _check_names(label, header, values)
        for name, array in values.items():
            _check_array(label, name, array, header.geobox.shape, np.dtype("float32"))
        values = values.items()
    doing = f"writing {month}"
    staged: dict[str, Future[str]] = {}
    with (
        staging(path, str(month)) as folder,
        ThreadPoolExecutor(threads + 1) as pool,
        ThreadPoolExecutor(1) as stager,
    ):
        flushed = []

        def stage(name: str, array: NDArray[Any]) -> str:
            digest = _stage(path, header, folder, name, array, pool)
            flushed.append(pool.submit(flush, folder / name))
            return digest

        for name, array in values:  # the next band is computed while this one is written
            if name in staged:
                raise CubeError(f"{label}: band {name} was given twice", "give every band once")
            _check_names(label, header, {*header.bands, name})
            _check_array(label, name, array, header.geobox.shape, np.dtype("float32"))
            with told(path, doing):
                for before in staged.values():
                    before.result()
            staged[name] = stager.submit(stage, name, array)
            del array
        _check_names(label, header, staged)
        with told(path, doing):
            staged[COUNT] = stager.submit(stage, COUNT, count)
            stage_status(folder)
            hashes = {name: result.result() for name, result in staged.items()}
            flushed.append(pool.submit(flush, folder / STATUS))
            for result in flushed:
                result.result()
            with locked(path):
                now = _header(path)
                if (now.description, now.decoding) != (header.description, header.decoding):
                    raise CubeError(
                        f"{label}: the cube was begun anew, or given bands, meanwhile", "run the workflow again"
                    )
                show_slot(path, folder, now.data_arrays, _slot(path, now, month))
    return digest_of(header, month, hashes)


def _check_names(label: str, header: Header, names: Iterable[str]) -> None:
    missing = [name for name in header.bands if name not in set(names)]
    unknown = sorted(set(names) - set(header.bands))
    if missing or unknown:
        problems = [f"{what} {', '.join(some)}" for what, some in (("missing", missing), ("unknown", unknown)) if some]
        raise CubeError(f"{label}: bands {' and '.join(problems)}", f"give exactly {', '.join(header.bands)}")


def _check_array(label: str, name: str, array: NDArray[Any], shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
    if array.shape != shape or array.dtype != dtype:
        raise CubeError(
            f"{label}: {name} is {array.dtype} of shape {array.shape}",
            f"give {dtype} of shape {shape}, as the cube has it",
        )


def _metadata(path: Path, name: str, header: Header) -> dict[str, Any]:
    """Read the metadata of an array from its own file; if that is lost, its chunks must not be taken for empty."""
    try:
        found = json.loads((path / name / "zarr.json").read_text("utf-8"))
        other = _otherwise(found, header, name)
        if other:  # the cube may have been replaced meanwhile
            other = _otherwise(found, _header(path), name)
        problem = f"they have another {other[0]} than the root says" if other else ""
    except (FileNotFoundError, NotADirectoryError):
        problem = "they are lost"
    except (ValueError, KeyError, AttributeError) as error:
        problem = f"{type(error).__name__}: {error}"
    if problem:
        raise CubeError(f"cube {path}: the metadata of {name} are damaged ({problem})", how_to_mend(path))
    return dict(found)


def _otherwise(metadata: Mapping[str, Any], header: Header, name: str) -> list[str]:
    """Return the decoding keys whose values in an array's own metadata differ from those in the root."""
    described = header.arrays[name]
    return [key for key in DECODING if (metadata.get(key) or None) != (described.get(key) or None)]


def _stage(path: Path, header: Header, folder: Path, name: str, array: NDArray[Any], pool: Executor) -> str:
    """Write the chunks of one array into the staging folder; return the hash of its values."""
    metadata = _metadata(path, name, header)
    (folder / name / "c").mkdir(parents=True)
    form = ChunkForm.of(metadata)
    step, write = (form.chunk[0], None) if form else _zarr_writer(folder / name, metadata)
    digest = hashlib.sha256()
    under_way: list[Future[None]] = []
    for row in range(0, array.shape[0], step):
        block = canonical(array[row : row + step])
        for one in under_way:
            one.result()
        under_way = [pool.submit(digest.update, block.data)]
        if form:
            under_way += write_rows(folder / name, form, 0, row, block, pool)
        elif write:
            write(row, block)
    for one in under_way:
        one.result()
    return digest.hexdigest()


def _zarr_writer(folder: Path, metadata: Mapping[str, Any]) -> tuple[int, Callable[[int, NDArray[Any]], None]]:
    """Return the rows of a chunk and a function that writes rows with zarr, for cubes with older codecs."""
    import zarr  # here, since only older cubes need it

    one_slot = {**metadata, "shape": [1, *metadata["shape"][1:]]}
    (folder / "zarr.json").write_text(json.dumps(one_slot), "utf-8")
    target = zarr.open_array(folder, mode="r+", config={"write_empty_chunks": False})

    def write(row: int, block: NDArray[Any]) -> None:
        target[0, row : row + block.shape[0]] = block

    return int(target.chunks[1]), write


def _status(path: Path, slot: int) -> Status:
    return Status(read_status(path, slot))


# digest


def month_digest(path: str | Path, month: Month) -> str:
    """Compute the digest of a complete month from the store.

    SHA-256, hexadecimal, of a JSON text (keys sorted, no spaces) with tile, direction, grid, month and, for each band
    and the count, the SHA-256 of its values: row by row, little-endian float32 (uint8 for the count), every NaN
    0x7FC00000. It depends only on the values, not on chunks, compression or position on the axis.

    Raises
    ------
    CubeError
        If the month is not complete or cannot be read.
    """
    path = Path(path)

    return _read_complete(path, month, lambda header, slot: _digest_of_slot(path, header, month, slot))


def slot_digest(path: str | Path, month: Month) -> str:
    """Compute the digest of the values in a month's slot, whatever its status; see `month_digest`.

    Raises
    ------
    CubeError
        If the month has no slot or cannot be read.
    """
    path = Path(path)
    header = _header(path)
    with told(path, f"reading {month}"):
        return _digest_of_slot(path, header, month, _slot(path, header, month))


def digest_of_values(path: str | Path, month: Month, values: Mapping[str, Values], count: Count) -> str:
    """Compute the digest that a month with these values would have; see `month_digest`.

    Raises
    ------
    CubeError
        If they are not the bands of the cube.
    """
    header = _header(Path(path))
    _check_names(f"cube {path}, month {month}", header, values)
    return digest_of(header, month, {name: _hash(array) for name, array in values.items()} | {COUNT: _hash(count)})


def _digest_of_slot(path: Path, header: Header, month: Month, slot: int) -> str:
    return digest_of(header, month, {name: _hash(_read_slot(path, header, name, slot)) for name in header.data_arrays})


def _hash(array: NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for row in range(0, array.shape[0], _ROWS_HASHED):
        digest.update(canonical(array[row : row + _ROWS_HASHED]).data)
    return digest.hexdigest()


def complete_again(path: str | Path, month: Month, digests: Collection[str]) -> bool:
    """Mark a month as complete again if its status was lost but its values are intact.

    Returns False if the slot holds other values, that is, if their digest is not in `digests`: the digests of its
    record or of what was made from it.

    Raises
    ------
    CubeError
        If the slot cannot be read, or the disk reports an error.
    """
    path = Path(path)
    with told(path, f"marking {month} as complete"), staging(path, str(month)) as folder, locked(path):
        if slot_digest(path, month) not in digests:
            return False
        stage_status(folder)
        flush(folder / STATUS)
        show_status(path, folder, _slot(path, _header(path), month))
    return True


# reading


def read_month(path: str | Path, month: Month, band: str, threads: int = 1) -> Values:
    """Read a band of a complete month: float32, (rows, columns), NaN for no data; decodes `threads` chunks at a time.

    Raises
    ------
    CubeError
        If the month is not complete, the cube has no such band, or its chunks are damaged.

    Examples
    --------
    store = "output/10SEG_ASCENDING/zarr/S1_monthly.zarr"
    vv_db = read_month(store, Month.parse("2024-06"), "VV_dB")
    """
    path = Path(path)

    def read(header: Header, slot: int) -> Values:
        if band not in header.bands:
            raise CubeError(f"cube {path} has no band {band}", f"its bands are {', '.join(header.bands)}")
        return _read_slot(path, header, band, slot, threads)

    return _read_complete(path, month, read)


def read_count(path: str | Path, month: Month) -> Count:
    """Read the count of passes of a complete month: uint8, (rows, columns).

    Raises
    ------
    CubeError
        If the month is not complete or its chunks are damaged.
    """
    path = Path(path)
    return _read_complete(path, month, lambda header, slot: _read_slot(path, header, COUNT, slot))


def read_bands(
    path: str | Path, month: Month, names: Iterable[str] | None = None, threads: int = 1
) -> Iterator[tuple[str, Values]]:
    """Yield name and values of the named bands of a complete month (default: all, in order), one in memory at a time.

    Raises
    ------
    CubeError
        If the month is not complete or its chunks are damaged.

    Examples
    --------
    for name, values in read_bands("output/10SEG_ASCENDING/zarr/S1_monthly.zarr", Month.parse("2024-06")):
        print(name, np.nanmean(values))
    """
    for name in names or _header(Path(path)).bands:
        yield name, read_month(path, month, name, threads)


def read_checked(path: str | Path, month: Month, digest: str, threads: int = 1) -> Iterator[tuple[str, Values]]:
    """Yield every band of a complete month as `read_bands` does, then raise an error if the digest does not fit.

    The check comes after the last band, so take all bands. A band is hashed while the caller uses it: do not change it
    before the next one is yielded.

    Raises
    ------
    CubeError
        As `read_bands`; after the last band if bands or count do not match `digest`.
    """
    path = Path(path)
    hashes: dict[str, Future[str]] = {}
    with ThreadPoolExecutor(1) as hasher:
        for name, values in read_bands(path, month, None, threads):
            hashes[name] = hasher.submit(_hash, values)
            yield name, values
            hashes[name].result()
        hashes[COUNT] = hasher.submit(_hash, read_count(path, month))
        found = digest_of(_header(path), month, {name: result.result() for name, result in hashes.items()})
    if found != digest:
        raise CubeError(
            f"cube {path}: {month} holds other values than its record says (digest)",
            how_to_mend(path),
        )


def _read_slot(path: Path, header: Header, name: str, slot: int, threads: int = 1) -> NDArray[Any]:
    form = ChunkForm.of(_metadata(path, name, header))
    try:
        if form:
            with ThreadPoolExecutor(threads) as pool:
                return read_slot(path / name, form, slot, pool)
        import zarr  # here, since only older cubes need it

        return np.asarray(zarr.open_array(path / name, mode="r")[slot])
    except (RuntimeError, ValueError) as error:  # raised by codecs for damaged bytes
        raise CubeError(f"cube {path}: slot {slot} of {name} is damaged: {error}", how_to_mend(path)) from error


def _settled(path: Path, read: Callable[[Header], T]) -> tuple[Header, T]:
    """Return header and result of a read; read again if the root was replaced in between."""
    header = _header(path)
    while True:
        found = read(header)
        again = _header(path)
        if again == header:
            return header, found
        header = again


def _read_complete(path: Path, month: Month, read: Callable[[Header, int], T]) -> T:
    """Call `read` for a complete month; try again if the month is replaced in between."""

    def mark(header: Header) -> tuple[Status, tuple[int, int]]:
        """Return the month's status and the identity of its file: a new status is always a new file."""
        slot = _slot(path, header, month)
        try:
            identity = (path / STATUS / "c" / str(slot)).stat()
        except FileNotFoundError:
            return Status.EMPTY, (0, 0)
        return _status(path, slot), (identity.st_ino, identity.st_mtime_ns)

    with told(path, f"reading {month}"):
        for _ in range(READ_ATTEMPTS):
            before = header, (status, _) = _settled(path, mark)
            if status is not Status.COMPLETE:
                raise CubeError(
                    f"cube {path}: {month} is {status.name.lower().replace('_', ' ')}, not complete",
                    "run the workflow again for that month",
                )
            found = read(header, _slot(path, header, month))
            if _settled(path, mark) == before:
                return found
    raise CubeError(f"cube {path}: {month} was replaced each time it was read", "wait for the running workflow")
