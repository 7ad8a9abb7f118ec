"""Bands in a temporary file: what several threads write in parts comes back, and a full disk is named."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from s1monthly.errors import FileError
from s1monthly.raster.band_file import BandFile


def test_bands_come_back_whatever_order_their_rows_were_written_in(tmp_path: Path) -> None:
    bands = np.random.default_rng(0).random((3, 40, 17), np.float32)
    file = BandFile(tmp_path, bands.shape[1:])
    assert os.listdir(tmp_path) == [], "nothing is left if the process is killed"
    parts = [(band, row) for band in range(3) for row in range(0, 40, 7)]
    np.random.default_rng(1).shuffle(parts)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda part: file.write(*part, bands[part[0], part[1] : part[1] + 7]), parts))
    for number, band in enumerate(bands):
        np.testing.assert_array_equal(file.read(number), band)
        np.testing.assert_array_equal(file.read(number, slice(13, 22)), band[13:22])


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = BandFile(tmp_path, (4, 5))
    written = []

    def pwrite(descriptor: int, data: memoryview, place: int) -> int:
        """Write a part, as on a disk that fills up; then nothing."""
        written.append(place)
        if len(written) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return 8

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(FileError, match=f"temporary file in {tmp_path}: No space left") as found:
        file.write(1, 2, np.ones((2, 5), np.float32))
    assert written == [(4 + 2) * 5 * 4, (4 + 2) * 5 * 4 + 8] and "free some space" in str(found.value)
    with pytest.raises(FileError, match="band 1 was not written"):
        file.read(1)
    with pytest.raises(FileError, match=str(tmp_path / "absent")):
        BandFile(tmp_path / "absent", (4, 5))
