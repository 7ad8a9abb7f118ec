"""Read the months of a cube: values, counts, status and digests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from s1monthly.cube.chunks import chunk_form, read_slot
from s1monthly.cube.digest import digest_of, hash_values
from s1monthly.cube.header import (
    COUNT,
    MASK,
    STATUS,
    Header,
    Status,
    existing_header,
    how_to_mend,
    level_path,
    read_status,
)
from s1monthly.cube.transaction import cube_errors
from s1monthly.errors import CubeError
from s1monthly.model import Month

READ_ATTEMPTS = 5
"""Attempts to read a month that is replaced at the same time."""

T = TypeVar("T")
Values = NDArray[np.float32]
Count = NDArray[np.uint8]


@dataclass(frozen=True)
class CubeState(Header):
    """What a cube holds: its root, and the status of every month of its axis, in order."""

    months: dict[Month, Status]

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
    >>> cube = state("output/10SEG_ASCENDING/zarr/S1_monthly.zarr")
    >>> print(cube.bands, cube.complete)
    """
    path = Path(path)
    with cube_errors(path, "reading the status"):
        header, statuses = _settled(path, lambda header: [read_status(path, slot) for slot in range(header.slots)])
    months = dict(zip(header.first.until(header.last), statuses, strict=True))
    return CubeState(**vars(header), months=months)


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
    return _read_complete(Path(path), month, lambda header, _: _slot_digest(header, month))


def slot_digest(path: str | Path, month: Month) -> str:
    """Compute the digest of the values in a month's slot, whatever its status; see `month_digest`.

    Raises
    ------
    CubeError
        If the month has no slot or cannot be read.
    """
    path = Path(path)
    with cube_errors(path, f"reading {month}"):
        return _slot_digest(existing_header(path), month)


def _slot_digest(header: Header, month: Month) -> str:
    slot = header.slot(month)
    return digest_of(header, month, {name: hash_values(_read_slot(header, name, slot)) for name in header.data_arrays})


def digest_of_values(
    path: str | Path, month: Month, values: Mapping[str, Values], count: Count, mask: Count | None = None
) -> str:
    """Compute the digest that a month with these values would have; see `month_digest`.

    Raises
    ------
    CubeError
        If they are not the bands of the cube.
    """
    header = existing_header(Path(path))
    header.check_bands(values, month)
    hashes = {name: hash_values(array) for name, array in values.items()}
    hashes |= {COUNT: hash_values(count)} | ({} if mask is None else {MASK: hash_values(mask)})
    return digest_of(header, month, hashes)


def read_month(path: str | Path, month: Month, band: str, threads: int = 1) -> Values:
    """Read a band of a complete month: float32, (rows, columns), NaN for no data; decodes `threads` chunks at a time.

    Raises
    ------
    CubeError
        If the month is not complete, the cube has no such band, or its chunks are damaged.

    Examples
    --------
    >>> store = "output/10SEG_ASCENDING/zarr/S1_monthly.zarr"
    >>> vv_db = read_month(store, Month.parse("2024-06"), "VV_dB")
    """

    def read(header: Header, slot: int) -> Values:
        if band not in header.bands:
            raise CubeError(f"cube {path} has no band {band}", f"its bands are {', '.join(header.bands)}")
        return _read_slot(header, band, slot, threads)

    return _read_complete(Path(path), month, read)


def read_overview(path: str | Path, month: Month, band: str, factor: int) -> Values:
    """Read an overview of a complete month, `factor` times coarser than the cube: float32, (rows, columns), NaN.

    Raises
    ------
    CubeError
        If the month is not complete, the cube has no such overview, or its chunks are damaged.

    Examples
    --------
    >>> store = "output/10SEG_ASCENDING/zarr/S1_monthly.zarr"
    >>> vv_db = read_overview(store, Month.parse("2024-06"), "VV_dB", 8)
    """

    def read(header: Header, slot: int) -> Values:
        if band not in header.bands or factor not in header.overviews:
            levels = ", ".join(map(str, header.overviews)) or "none"
            raise CubeError(
                f"cube {path} has no overview {factor} of {band}", f"the factors of its overviews: {levels}"
            )
        return _read_slot(header, level_path(factor, band), slot)

    return _read_complete(Path(path), month, read)


def read_part(
    path: str | Path, month: Month, name: str, rows: slice, columns: slice, factor: int = 1, threads: int = 1
) -> NDArray[Any]:
    """Read a window of a complete month: (rows, columns), in the array's type; only the chunks in it are decoded.

    Parameters
    ----------
    name : str
        A band, ``count``, or ``mask`` where there is one.
    rows, columns : slice
        Start and stop, inside the array or the overview.
    factor : int
        1 for full resolution, or the factor of an overview, which only bands have.

    Raises
    ------
    CubeError
        If the month is not complete, there is no such array, overview or window, or its chunks are damaged.

    Examples
    --------
    >>> store = "output/10SEG_ASCENDING/zarr/S1_monthly.zarr"
    >>> vv_db = read_part(store, Month.parse("2024-06"), "VV_dB", slice(0, 512), slice(1024, 1536))
    """

    def read(header: Header, slot: int) -> NDArray[Any]:
        array = name if factor == 1 else level_path(factor, name)
        if array not in header.slot_arrays:
            raise CubeError(f"cube {path} has no {array}", f"it has {', '.join(header.data_arrays)}")
        return _read_slot(header, array, slot, threads, (rows, columns))

    return _read_complete(Path(path), month, read)


def read_count(path: str | Path, month: Month) -> Count:
    """Read the count of passes of a complete month: uint8, (rows, columns).

    Raises
    ------
    CubeError
        If the month is not complete or its chunks are damaged.
    """
    return _read_complete(Path(path), month, lambda header, slot: _read_slot(header, COUNT, slot))


def read_mask(path: str | Path, month: Month) -> Count | None:
    """Read the classes of a complete month's pixels: uint8, (rows, columns); None if the cube has none.

    Raises
    ------
    CubeError
        If the month is not complete or its chunks are damaged.
    """
    return _read_complete(
        Path(path), month, lambda header, slot: _read_slot(header, MASK, slot) if header.has_mask else None
    )


def read_bands(path: str | Path, month: Month, threads: int = 1) -> Iterator[tuple[str, Values]]:
    """Yield name and values of every band of a complete month, in order, one in memory at a time.

    Raises
    ------
    CubeError
        If the month is not complete or its chunks are damaged.

    Examples
    --------
    >>> for name, values in read_bands("output/10SEG_ASCENDING/zarr/S1_monthly.zarr", Month.parse("2024-06")):
    ...     print(name, np.nanmean(values))
    """
    for name in existing_header(Path(path)).bands:
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
    hashes = {}
    with ThreadPoolExecutor(1) as hasher:
        for name, values in read_bands(path, month, threads):
            hashing = hasher.submit(hash_values, values)
            yield name, values
            hashes[name] = hashing.result()
    hashes[COUNT] = hash_values(read_count(path, month))
    mask = read_mask(path, month)
    if mask is not None:
        hashes[MASK] = hash_values(mask)
    if digest_of(existing_header(Path(path)), month, hashes) != digest:
        raise CubeError(f"cube {path}: {month} holds other values than its record says (digest)", how_to_mend(path))


def _read_slot(
    header: Header, name: str, slot: int, threads: int = 1, window: tuple[slice, slice] | None = None
) -> NDArray[Any]:
    form = chunk_form(header, name)
    if window and not all(0 <= part.start < part.stop <= size for part, size in zip(window, form.shape, strict=True)):
        raise CubeError(
            f"cube {header.path}: {name} has {form.shape[0]} rows and {form.shape[1]} columns, which do not hold"
            f" rows {window[0].start}:{window[0].stop}, columns {window[1].start}:{window[1].stop}",
            "give a window inside",
        )
    try:
        with ThreadPoolExecutor(threads) as pool:
            return read_slot(header.path / name, form, slot, pool, window)
    except (RuntimeError, ValueError) as error:  # raised by codecs for damaged bytes
        raise CubeError(
            f"cube {header.path}: slot {slot} of {name} is damaged: {error}", how_to_mend(header.path)
        ) from error


def _settled(path: Path, read: Callable[[Header], T]) -> tuple[Header, T]:
    """Return header and result of a read; read again if the root was replaced in between."""
    header = existing_header(path)
    while True:
        result = read(header)
        again = existing_header(path)
        if again == header:
            return header, result
        header = again


def status_file(header: Header, month: Month) -> tuple[Status, tuple[int, int]]:
    """Return a month's status and the identity of its file: a new status is always a new file."""
    slot = header.slot(month)
    try:
        identity = (header.path / STATUS / "c" / str(slot)).stat()
    except FileNotFoundError:
        return Status.EMPTY, (0, 0)
    return read_status(header.path, slot), (identity.st_ino, identity.st_mtime_ns)


def _read_complete(path: Path, month: Month, read: Callable[[Header, int], T]) -> T:
    """Call `read` for a complete month; try again if the month is replaced in between."""
    with cube_errors(path, f"reading {month}"):
        for _ in range(READ_ATTEMPTS):
            before = header, (status, _) = _settled(path, lambda header: status_file(header, month))
            if status is not Status.COMPLETE:
                raise CubeError(
                    f"cube {path}: {month} is {status.name.lower().replace('_', ' ')}, not complete",
                    "run the workflow again for that month",
                )
            result = read(header, header.slot(month))
            if _settled(path, lambda header: status_file(header, month)) == before:
                return result
    raise CubeError(f"cube {path}: {month} was replaced each time it was read", "wait for the running workflow")
