"""The mask of a lattice, from that of the walk."""

from __future__ import annotations

import numpy as np

from s1monthly.kernels.grd._visibility import fill_nearest


def test_a_mask_is_taken_from_the_nearest_place() -> None:
    rows, columns = np.mgrid[0:33:16, 0:33:16].astype(float)
    source = np.random.default_rng(1).integers(0, 4, (40, 40), np.uint8)
    mask = np.empty((32, 32), np.uint8)
    fill_nearest(0, 32, np.stack([rows + 0.6, columns + 0.4]), 16, source, np.zeros(mask.shape, np.float32), mask)
    np.testing.assert_array_equal(mask, source[1:33, :32])
