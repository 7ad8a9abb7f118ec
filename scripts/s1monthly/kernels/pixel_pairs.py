"""The pairs of pixels that textures count: how far apart the two lie."""

from __future__ import annotations

import math
from collections.abc import Sequence


def offset(distance: int, angle: float) -> tuple[int, int]:
    """Rows and columns from the first pixel of a pair to the second.

    Sine and cosine of the angle, times the distance, are rounded as scikit-image does it: one half is added to the size
    and what follows the point is cut off. In floating point the 0.49999999999999994 of 30 degrees becomes 1 by that.

    Parameters
    ----------
    distance : int
        In pixels.
    angle : float
        In degrees.
    """

    def rounded(x: float) -> int:
        return int(x + 0.5 if x > 0 else x - 0.5)

    return rounded(math.sin(math.radians(angle)) * distance), rounded(math.cos(math.radians(angle)) * distance)


def out_of_reach(window: int, distance: int, angles: Sequence[float]) -> float | None:
    """Find an angle, in degrees, at which no two pixels of a window lie so far apart.

    Parameters
    ----------
    window : int
        Side of the window in pixels.
    distance : int
    angles : sequence of float

    Returns
    -------
    float, or None
        The first such angle; None if all pairs fit into the window.
    """
    return next((angle for angle in angles if max(map(abs, offset(distance, angle))) >= window), None)


def same_pair(distance: int, angles: Sequence[float]) -> tuple[float, float] | None:
    """Find two angles, in degrees, that are the same pair of pixels; the offsets are rounded, so 0 and 20 may be.

    Returns
    -------
    tuple of float, or None
        The first two such angles, as given; None if all differ.
    """
    known: dict[tuple[int, int], float] = {}
    for angle in angles:
        place = offset(distance, angle)
        if place in known:
            return known[place], angle
        known[place] = angle
    return None
