"""Which pixels of a burst are measurements."""

from __future__ import annotations

import numpy as np
import pytest

from s1monthly.kernels.masking import EXCLUDED_CLASSES, valid_power
from s1monthly.versions import ALGORITHMS

NAN, INF = np.nan, np.inf


def one(*values: float) -> np.ndarray:
    return np.array([values], dtype=np.float32)


@pytest.mark.parametrize("bad", [NAN, INF, -INF, 0.0, -0.1, 1e-7, 0.25])
def test_a_pixel_invalid_in_one_polarization_is_invalid_in_both(bad: float) -> None:
    for co, cross in ((one(bad, 0.5), one(0.3, 0.6)), (one(0.3, 0.5), one(bad, 0.6))):
        valid_co, valid_cross = valid_power(co, cross, 0.25)
        np.testing.assert_array_equal(valid_co, one(NAN, 0.5))
        np.testing.assert_array_equal(valid_cross, one(NAN, 0.6))


@pytest.mark.parametrize(
    ("choice", "kept"),
    # classes of the product specification: 0 valid, 1 shadow, 2 layover, 3 both, 255 no data
    [("shadow", {0, 2}), ("layover", {0, 1}), ("both", {0}), ("none", {0, 1, 2, 3, 255})],
)
def test_the_mask_layer_excludes_what_is_asked_and_no_data(choice: str, kept: set[int]) -> None:
    mask = np.array([[0, 1, 2, 3, 255]], dtype=np.uint8)
    power = np.full(mask.shape, 0.1, np.float32)
    co, cross = valid_power(power, 2 * power, 1e-6, mask, EXCLUDED_CLASSES[choice])
    assert set(mask[np.isfinite(co)].tolist()) == kept
    np.testing.assert_array_equal(np.isnan(co), np.isnan(cross))


def test_without_a_mask_layer_power_alone_decides() -> None:
    co, _ = valid_power(one(0.1, NAN), one(0.1, 0.1), 1e-6, None, EXCLUDED_CLASSES["both"])
    np.testing.assert_array_equal(co, one(0.1, NAN))


def test_values_pass_unchanged_as_new_float32_arrays() -> None:
    rng = np.random.default_rng(4)
    co, cross = rng.gamma(2.0, 0.1, (2, 50, 40)).astype(np.float32) + np.float32(1e-5)
    valid_co, valid_cross = valid_power(co, cross, 1e-6, np.zeros(co.shape, np.uint8), EXCLUDED_CLASSES["both"])
    for given, kept in ((co, valid_co), (cross, valid_cross)):
        np.testing.assert_array_equal(given, kept)
        assert kept.dtype == np.float32 and not np.shares_memory(given, kept)


GOLDEN = {1: {"shadow": [0, 4], "layover": [0, 1], "both": [0], "none": [0, 1, 4, 5, 6]}}
"""Pixels of ``test_golden_values`` that stay valid, by version and choice."""


def test_golden_values() -> None:
    co = np.array([[0.1, 0.1, 1e-6, np.nan, 0.1, 0.1, 0.1, np.inf]], np.float32)
    mask = np.array([[0, 1, 0, 0, 2, 3, 255, 0]], np.uint8)
    for choice, valid in GOLDEN[ALGORITHMS["masking"]].items():
        kept, _ = valid_power(co, np.full_like(co, 0.5), 1e-6, mask, EXCLUDED_CLASSES[choice])
        assert np.flatnonzero(np.isfinite(kept[0])).tolist() == valid, choice
