"""Conversion factors: the closed forms of flat ground, there and back, and what has no factor."""

from __future__ import annotations

import numpy as np
import pytest

from s1monthly.kernels.options import RADIOMETRY_LAYERS, Radiometry
from s1monthly.kernels.radiometry import conversion_factor
from s1monthly.versions import ALGORITHMS

THETA = np.linspace(29, 46, 500, dtype=np.float32).reshape(20, 25)
FLAT = {
    "incidence_angle": THETA,
    "rtc_anf_gamma0_to_beta0": (1 / np.tan(np.radians(THETA.astype(np.float64)))).astype(np.float32),
    "rtc_anf_gamma0_to_sigma0": np.cos(np.radians(THETA.astype(np.float64))).astype(np.float32),
}


def test_on_flat_ground_terrain_and_ellipsoid_are_the_same() -> None:
    """gamma0 = beta0 tan(theta) = sigma0 / cos(theta), the definitions on the ellipsoid."""
    theta = np.radians(THETA.astype(np.float64))
    expected: dict[Radiometry, np.ndarray] = {
        "beta0": 1 / np.tan(theta),
        "sigma0_terrain": np.cos(theta),
        "sigma0_ellipsoid": np.cos(theta),
        "gamma0_ellipsoid": np.ones_like(theta),
    }
    for radiometry, factor in expected.items():
        np.testing.assert_allclose(conversion_factor(radiometry, FLAT), factor, rtol=1e-6)


@pytest.mark.parametrize("radiometry", [name for name, layers in RADIOMETRY_LAYERS.items() if layers])
def test_there_and_back(radiometry: Radiometry) -> None:
    random = np.random.default_rng(1)
    beta, sigma = random.uniform(0.05, 20, (2, *THETA.shape)).astype(np.float32)
    theta = np.radians(THETA.astype(np.float64))
    layers = {"incidence_angle": THETA, "rtc_anf_gamma0_to_beta0": beta, "rtc_anf_gamma0_to_sigma0": sigma}
    back = {
        "beta0": 1 / beta.astype(np.float64),
        "sigma0_terrain": 1 / sigma.astype(np.float64),
        "sigma0_ellipsoid": 1 / (beta * np.sin(theta)),
        "gamma0_ellipsoid": 1 / (beta * np.tan(theta)),
    }
    power = random.gamma(4, 0.02, THETA.shape).astype(np.float32)
    there = power * conversion_factor(radiometry, layers)
    assert there.dtype == np.float32
    np.testing.assert_allclose(there * back[radiometry], power, rtol=1e-6)


@pytest.mark.parametrize("wrong", [np.nan, 0.0, -1.0, np.inf])
def test_pixels_without_a_factor_are_no_data(wrong: float) -> None:
    for radiometry, names in RADIOMETRY_LAYERS.items():
        for name in names:
            layers = {layer: values.copy() for layer, values in FLAT.items()}
            layers[name][3, 4] = wrong
            factor = conversion_factor(radiometry, layers)
            assert np.isnan(factor[3, 4]) and np.isnan(factor).sum() == 1


GOLDEN = {
    1: {
        "sigma0_terrain": 0.75,
        "beta0": 1.25,
        "sigma0_ellipsoid": 0.716970545,
        "gamma0_ellipsoid": 0.875259423,
    }
}
"""Factors where beta0 has 1.25, sigma0 0.75 and the incidence angle is 35 degrees, by algorithm version."""


def test_golden_values() -> None:
    one = {"incidence_angle": 35.0, "rtc_anf_gamma0_to_beta0": 1.25, "rtc_anf_gamma0_to_sigma0": 0.75}
    layers = {name: np.full((1, 1), value, np.float32) for name, value in one.items()}
    for radiometry, expected in GOLDEN[ALGORITHMS["radiometry"]].items():
        assert conversion_factor(radiometry, layers)[0, 0] == pytest.approx(expected, rel=1e-6)
