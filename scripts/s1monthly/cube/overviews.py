"""Overviews of each month in the cube: names, grids and attributes by GeoZarr's convention ``multiscales``.

The root is the finest level. Each coarser one is a group ``overviews/2``, ``overviews/4`` ...: a small cube of the same
bands on the same axis of time, with coordinates and grid mapping. Each level halves the one before, as the overviews of
a COG do (`kernels.halving`). They are written, and become visible, together with the month.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.cube.header import level_path
from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels import bands
from s1monthly.kernels.halving import level_shapes

LARGEST = 256
"""Most rows and columns of the coarsest level, and of a chunk of any level: a level in one chunk is 0.2 MB."""

KEEP_BITS = 9
"""Bits of the mantissa that overviews keep."""

BASE = "."
"""The root as a level of its own layout."""


def overview_factors(shape: tuple[int, int]) -> tuple[int, ...]:
    """Return the factors of a new cube's overviews: 2, 4 ..., until the coarsest has at most `LARGEST` pixels a side.

    Examples
    --------
    >>> overview_factors((3660, 3660))
    (2, 4, 8, 16)
    """
    return tuple(2 ** (number + 1) for number in range(len(level_shapes(shape, LARGEST)) - 1))


def shapes(shape: tuple[int, int], factors: Sequence[int]) -> list[tuple[int, int]]:
    """Return rows and columns of the levels with these factors: 2, 4, 8 ..., each half of the one before."""
    return level_shapes(shape, 1)[1 : len(factors) + 1]


def rounded(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round an overview to `KEEP_BITS` bits of the mantissa: it is stored in 40 % of the space.

    Decibels beyond 16 change by 0.016 dB at most, nearer to zero by less. NaN stay.
    """
    return bands.rounded(values, KEEP_BITS)


def transform(geobox: GeoBox, shape: tuple[int, int]) -> list[float]:
    """Return the affine coefficients of a level of a cube: a to f, as `GeoBox.transform`.

    Parameters
    ----------
    geobox : GeoBox
        Grid of the cube; all levels have its bounds.
    shape : tuple of int
        Rows and columns of the level.
    """
    if shape == geobox.shape:
        return [float(value) for value in geobox.transform]
    left, bottom, right, top = geobox.bounds
    return [(right - left) / shape[1], 0.0, left, 0.0, (bottom - top) / shape[0], top]


def multiscales(geobox: GeoBox, factors: Sequence[int], root: bool) -> dict[str, Any]:
    """Describe the levels by the convention ``multiscales``, version 0.1, with each level's place by ``spatial``.

    Parameters
    ----------
    geobox : GeoBox
        Grid of the cube.
    factors : sequence of int
        Factors of the overviews.
    root : bool
        True for the root, with all levels; False for the group `OVERVIEWS`, with the coarser ones.

    Notes
    -----
    https://github.com/zarr-conventions/multiscales/blob/v0.1/README.md
    """
    names = [BASE, *(level_path(factor) if root else str(factor) for factor in factors)]
    sizes = [geobox.shape, *shapes(geobox.shape, factors)]
    layout: list[dict[str, Any]] = []
    for level, (name, size) in enumerate(zip(names, sizes, strict=True)):
        derived = level > (0 if root else 1)
        finer = sizes[level - 1] if derived else size
        layout.append(
            {
                "asset": name,
                **({"derived_from": names[level - 1]} if derived else {}),
                "transform": {
                    "scale": [finer[axis] / size[axis] for axis in (0, 1)],
                    "translation": [0.0, 0.0],
                },
                **({"resampling_method": "average"} if level else {}),
                "spatial:shape": list(size),
                "spatial:transform": transform(geobox, size),
            }
        )
    return {"layout": layout if root else layout[1:], "resampling_method": "average"}
