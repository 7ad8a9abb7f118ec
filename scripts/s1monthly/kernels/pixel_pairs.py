"""Offsets between the two pixels of a texture's pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence


def offset(distance: int, angle: float) -> tuple[int, int]:
    """Return rows and columns from the first pixel of a pair to the second.

    Sine and cosine of the angle times the distance are rounded as in scikit-image: add one half to the absolute value
    and truncate. This makes 1 of the floating-point 0.49999999999999994 at 30 degrees.

    Parameters
    ----------
    distance : int
        Distance in pixels.
    angle : float
        Direction in degrees.
    """

    def rounded(x: float) -> int:
        return int(x + 0.5 if x > 0 else x - 0.5)

    return rounded(math.sin(math.radians(angle)) * distance), rounded(math.cos(math.radians(angle)) * distance)


def out_of_reach(window: int, distance: int, angles: Sequence[float]) -> float | None:
    """Return the first angle, in degrees, at which a pair does not fit into a window of `window` pixels, or None."""
    return next((angle for angle in angles if max(map(abs, offset(distance, angle))) >= window), None)


def same_pair(distance: int, angles: Sequence[float]) -> tuple[float, float] | None:
    """Return the first two angles, in degrees, that have the same offset after rounding (0 and 20 may), or None."""
    known: dict[tuple[int, int], float] = {}
    for angle in angles:
        place = offset(distance, angle)
        if place in known:
            return known[place], angle
        known[place] = angle
    return None


def alike(distance: int, angles: Sequence[float]) -> list[float]:
    """Return angles, in degrees, in the one form that all spellings share which have the same mean over them.

    Offsets are rounded, and a pair the other way round is the same pair: 0, 20 and 180 are one at distance 1. Each
    becomes the whole degree that lies nearest to the direction of its offset; an angle whose offset no whole degree has
    is only turned to below 180. A pair that is there both ways stays two angles: no list may hold one twice.
    """
    ones = [_whole(distance, angle) for angle in angles]
    return ones if len(set(ones)) == len(ones) else [angle % 360 for angle in angles]


def _whole(distance: int, angle: float) -> float:
    rows, columns = offset(distance, angle)
    direction = math.degrees(math.atan2(rows, columns)) % 180
    same = (whole for whole in range(360) if offset(distance, whole) in ((rows, columns), (-rows, -columns)))
    return min(same, key=lambda whole: abs(whole % 180 - direction), default=angle % 180)
