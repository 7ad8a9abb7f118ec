"""Grids, pixels and a full disk for tests of what is written to files."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.bands import bands
from support.granules import ORIGIN

BOX = GeoBox(32611, 30.0, *ORIGIN, 300, 200)
BIG = GeoBox(32611, 30.0, *ORIGIN, 700, 600)
LABELS = bands("VV", "VH")


def pixels(box: GeoBox, count: int = 1, seed: int = 0) -> NDArray[np.float32]:
    values = np.random.default_rng(seed).normal(-10, 3, (count, *box.shape)).astype(np.float32)
    values[:, :37, :53] = np.nan
    values[:, 100, 100] = np.nan
    return values


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """Let no file grow beyond some bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
