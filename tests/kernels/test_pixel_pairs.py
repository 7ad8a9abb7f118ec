"""Offsets of pairs: those of scikit-image, and angles in one form."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from skimage.feature import graycomatrix

from s1monthly.kernels.options import TextureOptions
from s1monthly.kernels.pixel_pairs import canonical_angles, offset
from s1monthly.kernels.texture import textures


@pytest.mark.parametrize("distance", [1, 2, 3, 5, 9])
def test_offsets_are_those_of_scikit_image(distance: int) -> None:
    for angle in range(-180, 365, 5):
        rows, cols = offset(distance, angle)
        image = np.zeros((2 * distance + 1, 2 * distance + 1), np.uint8)
        image[distance, distance] = 1
        image[distance + rows, distance + cols] = 2
        assert graycomatrix(image, [distance], [math.radians(angle)], levels=3)[1, 2, 0, 0] == 1, angle


def test_angles_of_one_mean_are_written_alike_and_give_its_bytes() -> None:
    db = np.random.default_rng(0).normal(-10, 5, (40, 50)).astype(np.float32)
    spellings = [(1, [0], [180]), (1, [0], [20]), (1, [45], [210]), (2, [-30, 90], [331, 270]), (3, [31], [210])]
    for distance, one, other in spellings:
        assert sorted(canonical_angles(distance, one)) == sorted(canonical_angles(distance, other)), (
            distance,
            one,
            other,
        )
        made = [
            [values for _, values in textures(db, -25, 5, TextureOptions(distance=distance, angles=tuple(angles)))]
            for angles in (one, other, canonical_angles(distance, one))
        ]
        np.testing.assert_array_equal(made[0], made[1])
        np.testing.assert_array_equal(made[0], made[2])
    assert [canonical_angles(1, [angle]) for angle in (0, 90, 45, 135, 30)] == [[0], [90], [45], [135], [45]]
    assert canonical_angles(3, [30]) != canonical_angles(3, [210]), "their offsets are rounded differently"
    assert canonical_angles(1, [180, 0, 450]) == [180, 0, 90], "a pair in both directions stays two angles"
    for distance, angle in itertools.product((1, 2, 3, 11, 62), [*range(360), 20.5, 200.25]):
        (row, column), (turned,) = offset(distance, angle), canonical_angles(distance, [angle])
        assert offset(distance, turned) in ((row, column), (-row, -column))
