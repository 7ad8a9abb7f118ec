"""Read some pixels of a cube through all its months; every chunk that holds one of them is read once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from s1monthly.cube.chunks import ChunkForm, chunk_form, read_chunk
from s1monthly.cube.header import Header, Status, existing_header, how_to_mend
from s1monthly.cube.months import READ_ATTEMPTS, status_file
from s1monthly.cube.transaction import cube_errors
from s1monthly.errors import CubeError
from s1monthly.model import Month

T = TypeVar("T")
Integers = NDArray[np.intp]
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class _Part:
    """Pixels in one chunk: their positions in the flat chunk and among all pixels that were asked for."""

    key: str
    inside: Integers
    place: Integers


def read_pixels(
    path: str | Path,
    names: Sequence[str],
    rows: Integers,
    columns: Integers,
    reduce: Callable[[Arrays], T],
    months: Sequence[Month],
    threads: int = 1,
) -> list[T | None]:
    """Read pixels of some months.

    Parameters
    ----------
    path : path
        The cube.
    names : sequence of str
        Arrays to read: bands, ``count``.
    rows, columns : array of int (pixels,)
        Pixels in the cube's grid, in any order.
    reduce : callable
        Called for each complete month with its pixels: name -> array (pixels,) in the order of `rows`. What it returns
        is kept, so that not all months need be in memory. Threads call it.
    months : sequence of Month
        Months to read.
    threads : int
        Months that are read at a time.

    Returns
    -------
    list
        For each month what `reduce` returned; None if the month is not complete.

    Raises
    ------
    CubeError
        If there is no cube, it has no such array, a chunk is damaged, or a running workflow keeps replacing months.
    """
    path = Path(path)
    with cube_errors(path, "reading a series"), ThreadPoolExecutor(threads) as pool:
        for _ in range(READ_ATTEMPTS):
            header = existing_header(path)
            read = partial(_Reader(header, names, rows, columns).month, reduce=reduce)
            found = list(pool.map(read, months))
            if existing_header(path) == header:  # else the axis has grown, and slots have other numbers
                return found
    raise CubeError(f"cube {path}: was changed each time it was read", "wait for the running workflow")


class _Reader:
    """Reads the same pixels of many months of a cube."""

    def __init__(self, header: Header, names: Sequence[str], rows: Integers, columns: Integers) -> None:
        for name in names:
            if name not in header.data_arrays:
                raise CubeError(f"cube {header.path} has no band {name}", f"its bands are {', '.join(header.bands)}")
        self._header, self._size = header, len(rows)
        self._forms = {name: chunk_form(header, name) for name in names}
        self._parts = {form.chunk: list(_parts(form, rows, columns)) for form in self._forms.values()}

    def month(self, month: Month, reduce: Callable[[Arrays], T]) -> T | None:
        header = self._header
        if not header.first <= month <= header.last:
            return None
        for _ in range(READ_ATTEMPTS):
            before = status, _ = status_file(header, month)
            if status is not Status.COMPLETE:
                return None
            values = {name: self._values(name, header.slot(month)) for name in self._forms}
            if status_file(header, month) == before:
                return reduce(values)
        raise CubeError(f"cube {header.path}: {month} was replaced each time it was read", "wait for the running run")

    def _values(self, name: str, slot: int) -> NDArray[Any]:
        form, array = self._forms[name], self._header.path / name
        values = np.full(self._size, form.fill, form.dtype)
        for part in self._parts[form.chunk]:
            try:
                chunk = read_chunk(array, form, slot, part.key)
            except (RuntimeError, ValueError) as error:  # raised by codecs for damaged bytes
                raise CubeError(
                    f"cube {self._header.path}: slot {slot} of {name} is damaged: {error}",
                    how_to_mend(self._header.path),
                ) from error
            if chunk is not None:
                values[part.place] = chunk.ravel()[part.inside]
        return values


def _parts(form: ChunkForm, rows: Integers, columns: Integers) -> Iterator[_Part]:
    """Yield the pixels chunk by chunk."""
    height, width = form.chunk
    across = -(-form.shape[1] // width)
    number = rows // height * across + columns // width
    order = np.argsort(number, kind="stable")
    for place in np.split(order, np.flatnonzero(np.diff(number[order])) + 1) if len(order) else []:
        down, right = divmod(int(number[place[0]]), across)
        yield _Part(f"{down}/{right}", rows[place] % height * width + columns[place] % width, place)
