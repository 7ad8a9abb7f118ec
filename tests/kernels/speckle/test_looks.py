"""The estimated number of looks against that of simulated speckle: on many grounds, with holes, and resampled."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from s1monthly.kernels.speckle.looks import Looks, estimate_looks

nan = np.nan
SHAPE = (400, 500)
MANY = [1, 4, 8, 40, 400]


def speckle(looks, shape=SHAPE, seed=0):
    return np.random.default_rng(seed).gamma(looks, 1 / looks, shape).astype(np.float32)


def parcels(side):
    """Square parcels that differ by 3 dB (standard deviation)."""
    rows, cols = SHAPE
    db = np.random.default_rng(1).normal(-10, 3, (rows // side + 1, cols // side + 1))
    return 10 ** (np.kron(db, np.ones((side, side)))[:rows, :cols] / 10)


def ground(name):
    random = np.random.default_rng(2)
    texture = gaussian_filter(random.normal(size=SHAPE), 1.0)
    return {
        "constant": lambda: np.full(SHAPE, 0.05),
        "smooth": lambda: 10 ** (gaussian_filter(random.normal(size=SHAPE), 20) * 6),
        "parcels of 10": lambda: parcels(10),
        "parcels of 5": lambda: parcels(5),
        "a fifth is homogeneous": lambda: np.where(np.arange(SHAPE[1]) < SHAPE[1] / 5, 1, 10**texture),
        "bright targets": lambda: np.where(random.random(SHAPE) < 0.002, 100, 1),
    }[name]()


@pytest.mark.parametrize("looks", MANY)
@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("constant", 0.95, 1.1),
        ("smooth", 0.95, 1.1),
        ("parcels of 10", 0.9, 1.1),
        ("parcels of 5", 0.8, 1.1),
        ("bright targets", 0.9, 1.1),
        ("a fifth is homogeneous", 0.9, 1.6),
    ],
)
def test_looks_on_many_grounds(name, low, high, looks):
    """Where texture prevails they may be too many: this smooths too little."""
    power = (ground(name) * speckle(looks)).astype(np.float32)
    found = estimate_looks(power)
    assert found == estimate_looks(power, threads=2)
    assert low * looks <= found.looks <= high * looks
    assert found.sure or name.startswith("a fifth")


@pytest.mark.parametrize("looks", MANY)
@pytest.mark.parametrize("rows, cols", [((0, 3), (0, 0)), ((0, 3), (0, 3)), ((1, 2), (0, 0))])
def test_no_data_in_rows_and_columns_changes_nothing(looks, rows, cols):
    """Every third row, every third row and column, and every second row are no data."""
    power = speckle(looks)
    for axis, (first, every) in enumerate((rows, cols)):
        if every:
            power[(slice(None),) * axis + (slice(first, None, every),)] = nan
    assert estimate_looks(power) == Looks(pytest.approx(looks, rel=0.1), True)


@pytest.mark.parametrize("looks", MANY)
def test_resampled_speckle_has_the_looks_of_its_values(looks):
    """Half a pixel to the south-east: neighbours share half of their values."""
    power = speckle(looks)
    moved = (power[:-1, :-1] + power[1:, :-1] + power[:-1, 1:] + power[1:, 1:]) / 4
    assert estimate_looks(moved) == Looks(pytest.approx(moved.mean() ** 2 / moved.var(), rel=0.1), True)


def test_ground_without_homogeneous_areas_is_told_and_has_too_many_looks_rather_than_too_few():
    """Slanted parcels of about the size of a pixel, differently rough from place to place."""
    random = np.random.default_rng(3)
    rough = np.kron(random.uniform(0, 6, (20, 25)), np.ones((20, 20)))
    power = (10 ** (rough * random.normal(size=SHAPE) / 10) * speckle(8)).astype(np.float32)
    found = estimate_looks(power)
    assert not found.sure and 4 < found.looks < 12


@pytest.mark.parametrize("power", [np.full((50, 50), nan), np.full((50, 50), 0.1), speckle(4, (10, 100))])
def test_without_anything_to_judge_by_nothing_is_smoothed(power):
    assert estimate_looks(power.astype(np.float32)) == Looks(1000.0, False)
