"""Summary of a composite: statistics of bands and counts, and the outline of valid data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

ROWS = 128
"""Rows processed at a time; bounds temporaries to this many rows of float64."""


@dataclass(frozen=True)
class BandStatistics:
    """Statistics of a band over its valid pixels.

    Attributes
    ----------
    minimum, maximum, mean, std : float or None
        Statistics in units of the band; None without a valid pixel. `std` is that of the population (divided by n).
    valid : int
        Number of finite pixels.
    """

    minimum: float | None
    maximum: float | None
    mean: float | None
    std: float | None
    valid: int


@dataclass(frozen=True)
class CountStatistics:
    """Statistics of the count of passes over pixels with at least one pass.

    Attributes
    ----------
    minimum, maximum : int or None
        Smallest and largest count; None without such a pixel.
    mean : float or None
        Mean count; None without such a pixel.
    histogram : dict
        Count of passes -> number of pixels; ascending, without zero.
    """

    minimum: int | None
    maximum: int | None
    mean: float | None
    histogram: dict[int, int]


def _blocks(array: NDArray[np.generic]) -> Iterator[NDArray[np.generic]]:
    return (np.asarray(array[start : start + ROWS]) for start in range(0, array.shape[0], ROWS))


def band_statistics(values: NDArray[np.floating]) -> BandStatistics:
    """Compute minimum, maximum, mean and standard deviation of the finite values, accumulated in float64.

    Parameters
    ----------
    values : array (rows, columns)
        A band; NaN for no data. Any object that can be sliced by rows; it is read once, `ROWS` rows at a time.

    Notes
    -----
    Means and sums of squared deviations of blocks are combined by the pairwise update of Chan, Golub and LeVeque
    (1983), The American Statistician 37(3), doi:10.1080/00031305.1983.10483115, which avoids cancellation.
    """
    count, mean, squares = 0, 0.0, 0.0
    minimum, maximum = np.inf, -np.inf
    for block in _blocks(values):
        there = np.isfinite(block)
        values_there = block if there.all() else block[there]
        if not values_there.size:
            continue
        minimum, maximum = min(minimum, float(values_there.min())), max(maximum, float(values_there.max()))
        finite = values_there.astype(np.float64).ravel()
        block_mean = float(finite.mean())
        finite -= block_mean
        shift, total = block_mean - mean, count + finite.size
        squares += float(np.square(finite, out=finite).sum()) + shift * shift * count * finite.size / total
        mean += shift * finite.size / total
        count = total
    if not count:
        return BandStatistics(None, None, None, None, 0)
    return BandStatistics(minimum, maximum, mean, float(np.sqrt(squares / count)), count)


def count_statistics(count: NDArray[np.unsignedinteger]) -> CountStatistics:
    """Compute minimum, maximum, mean and histogram of the count of passes where it is above zero (0 is no data)."""
    frequency = np.zeros(1, np.int64)
    for block in _blocks(count):
        found = np.bincount(block.ravel())
        longer, shorter = (found, frequency) if found.size > frequency.size else (frequency, found)
        longer[: shorter.size] += shorter
        frequency = longer
    seen = {int(passes): int(frequency[passes]) for passes in np.flatnonzero(frequency) if passes}
    if not seen:
        return CountStatistics(None, None, None, {})
    mean = sum(passes * pixels for passes, pixels in seen.items()) / sum(seen.values())
    return CountStatistics(min(seen), max(seen), mean, seen)


def valid_outline(mask: NDArray[np.bool_], block: int = 16, max_vertices: int = 256) -> list[NDArray[np.float64]]:
    """Return simple polygons that together cover all valid pixels.

    The mask is reduced to blocks (valid if any pixel is), blocks are merged, and the steps of slanting edges are
    straightened outward by at most two blocks. Holes are filled. If the outline has more than `max_vertices`, it is
    made again with blocks of twice the size.

    Parameters
    ----------
    mask : array (rows, columns), bool
        True for valid pixels.
    block : int
        Side of a block in pixels.
    max_vertices : int
        Largest number of vertices of all rings together (at least 4).

    Returns
    -------
    list of array (vertices + 1, 2)
        Disjoint closed rings of (column, row) at pixel edges, counter-clockwise if rows run upward; empty without a
        valid pixel.
    """
    rows, columns = mask.shape
    while True:
        merged = [shapely.Polygon(_straighten(ring, 2.0 * block)) for ring in _block_rings(mask, block)]
        for _ in range(2):  # straightened parts can overlap, and their union can enclose another part in a hole
            merged = [shapely.Polygon(part.exterior) for part in shapely.get_parts(shapely.union_all(merged))]
        rings = [np.asarray(shapely.orient_polygons(part).exterior.coords) for part in merged]
        if sum(len(ring) - 1 for ring in rings) <= max_vertices or block >= max(rows, columns):
            return rings
        block *= 2


def _block_rings(mask: NDArray[np.bool_], block: int) -> list[NDArray[np.float64]]:
    """Return the exterior rings, open and counter-clockwise, of the merged blocks with a valid pixel."""
    rows, columns = mask.shape
    tops, lefts = np.arange(0, rows, block), np.arange(0, columns, block)
    held = np.logical_or.reduceat(np.logical_or.reduceat(mask, tops, axis=0), lefts, axis=1)
    change = np.diff(np.pad(held, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, first = np.nonzero(change == 1)
    _, after = np.nonzero(change == -1)  # both in row-major order: run by run
    runs = shapely.box(
        first * block, row * block, np.minimum(after * block, columns), np.minimum((row + 1) * block, rows)
    )
    parts = shapely.orient_polygons(shapely.get_parts(shapely.union_all(runs)))
    rings = [np.asarray(part.exterior.coords)[:-1] for part in parts]
    return [ring[_turns(ring) != 0] for ring in rings]


def _turns(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cross product of the edges at each corner: positive left, negative right (reflex), zero straight."""
    before, after = np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0)
    return _cross(ring - before, after - ring)


def _straighten(ring: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    """Remove reflex corners, shallowest first, as long as removed corners lie at most `tolerance` inside.

    Removing a reflex corner of a counter-clockwise ring only adds area: the triangle outside it. A corner stays if its
    triangle contains another corner of the ring, so the ring stays simple.
    """
    kept = np.arange(len(ring))
    while len(kept) > 4:
        chord = ring[np.roll(kept, -1)] - ring[np.roll(kept, 1)]
        turn = _turns(ring[kept])
        depth = np.where(turn <= 0, -turn / np.hypot(*chord.T), np.inf)
        for corner in np.argsort(depth, kind="stable"):
            if depth[corner] > tolerance:
                return ring[kept]
            if _removable(ring, kept, int(corner), tolerance):
                kept = np.delete(kept, corner)
                break
        else:
            return ring[kept]
    return ring[kept]


def _removable(ring: NDArray[np.float64], kept: NDArray[np.intp], corner: int, tolerance: float) -> bool:
    first, last = kept[corner - 1], kept[(corner + 1) % len(kept)]
    a, b, c = ring[first], ring[kept[corner]], ring[last]
    skipped = ring[np.arange(first + 1, last + (len(ring) if last <= first else 0)) % len(ring)]
    if np.max(_cross(c - a, skipped - a), initial=0.0) > tolerance * np.hypot(*(c - a)):
        return False
    if not _cross(b - a, c - b):
        return True
    others = ring[np.delete(kept, [corner - 1, corner, (corner + 1) % len(kept)])]
    # At a reflex corner the triangle a, c, b runs counter-clockwise.
    inside = (_cross(c - a, others - a) >= 0) & (_cross(b - c, others - c) >= 0) & (_cross(a - b, others - b) >= 0)
    return not bool(inside.any())


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])
