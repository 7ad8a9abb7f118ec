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


def duplicate_angles(distance: int, angles: Sequence[float]) -> tuple[float, float] | None:
    """Return the first two angles, in degrees, that have the same offset after rounding (0 and 20 may), or None."""
    known: dict[tuple[int, int], float] = {}
    for angle in angles:
        place = offset(distance, angle)
        if place in known:
            return known[place], angle
        known[place] = angle
    return None


def canonical_angles(distance: int, angles: Sequence[float]) -> list[float]:
    """Return angles, in degrees, in a form that is the same for all angles that give the same mean.

    Offsets are rounded, and a reversed pair is the same pair: at distance 1 the angles 0, 20 and 180 are one. Each
    angle becomes the whole degree nearest to the direction of its offset, or is only reduced to below 180 if no whole
    degree has that offset. If two angles would become equal, all are only reduced to below 360.
    """
    whole = [_whole_degree(distance, angle) for angle in angles]
    return whole if len(set(whole)) == len(whole) else [angle % 360 for angle in angles]


def _whole_degree(distance: int, angle: float) -> float:
    rows, columns = offset(distance, angle)
    direction = math.degrees(math.atan2(rows, columns)) % 180
    same = (whole for whole in range(360) if offset(distance, whole) in ((rows, columns), (-rows, -columns)))
    return min(same, key=lambda whole: abs(whole % 180 - direction), default=angle % 180)
