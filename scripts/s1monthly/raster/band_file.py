"""Bands that wait in an unnamed temporary file, so that memory does not grow with their number."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
from numpy.typing import NDArray

from s1monthly.errors import FileError

Values = NDArray[np.float32]


class BandFile:
    """Uncompressed bands of one grid in a file that vanishes with the process. Several threads may use it at once.

    Parameters
    ----------
    folder : path
        Folder of the file.
    shape : tuple of int
        Rows and columns of a band.
    """

    def __init__(self, folder: str | Path, shape: tuple[int, int]) -> None:
        self.shape = shape
        self._what = f"temporary file in {folder}"
        with self._errors():
            self._file = TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  it lives as long as this object

    def write(self, band: int, row: int, values: Values) -> None:
        """Write whole rows of a band, counted from 0, from `row` on: float32, (rows, columns).

        Raises
        ------
        FileError
            If the file cannot be written, for example because the disk is full.
        """
        left = np.ascontiguousarray(values).data.cast("B")
        place = self._place(band, row)
        with self._errors():
            while left:
                written = os.pwrite(self._file.fileno(), left, place)
                left, place = left[written:], place + written

    def read(self, band: int, rows: slice | None = None) -> Values:
        """Return rows of a band, by default all; each must have been written.

        Raises
        ------
        FileError
            If the file cannot be read.
        """
        first, last, _ = (rows or slice(None)).indices(self.shape[0])
        values = np.empty((last - first, self.shape[1]), np.float32)
        left = values.data.cast("B")
        place = self._place(band, first)
        with self._errors():
            while left:
                count = os.preadv(self._file.fileno(), [left], place)
                if not count:
                    raise OSError(f"band {band} was not written")
                left, place = left[count:], place + count
        return values

    def _place(self, band: int, row: int) -> int:
        return (band * self.shape[0] + row) * self.shape[1] * 4

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FileError.of(error, self._what) from error
