"""Classes of pixels: by hand."""

from __future__ import annotations

import numpy as np

from s1monthly.kernels.quality import IN_LAYOVER, IN_SHADOW, MEASURED, TOO_LOW, classes_of, seen
from s1monthly.versions import ALGORITHMS

GOLDEN = {1: ([0, 0, 2, 3, 4, 6, 2, 4], [1, 1, 1, 3, 3, 1, 1, 1])}
"""Classes of combinations of bits, without and with a value, by algorithm version."""


def test_what_a_burst_saw_of_a_pixel() -> None:
    co = np.float32([[0.1, 0.1, 0.1, 0.1, 0.1, np.nan, 1e-7, np.inf, np.nan]])
    cross = np.float32([[0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, np.nan]])
    mask = np.uint8([[0, 1, 2, 3, 255, 0, 0, 0, 2]])
    found = seen(co, cross, 1e-6, mask)
    assert found.tolist() == [
        [MEASURED, IN_SHADOW, IN_LAYOVER, IN_LAYOVER | IN_SHADOW, MEASURED, 0, TOO_LOW, 0, IN_LAYOVER]
    ]
    assert seen(co, cross, 1e-6, None).tolist() == [[MEASURED] * 5 + [0, TOO_LOW, 0, 0]]


def test_classes_with_and_without_a_value() -> None:
    bits = np.uint8([[0, MEASURED, IN_SHADOW, IN_LAYOVER, IN_LAYOVER | IN_SHADOW, TOO_LOW, TOO_LOW | IN_SHADOW, 15]])
    none, some = np.zeros_like(bits), np.ones_like(bits)
    without, with_value = GOLDEN[ALGORITHMS["quality"]]
    assert classes_of(bits, none).tolist() == [without] and classes_of(bits, some).tolist() == [with_value]
    assert classes_of(bits, some, np.ones(bits.shape, bool)).tolist() == [[5] * 8]
