"""Output bands: values by hand, no data, and the order in which products show them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from s1monthly.kernels import bands
from s1monthly.kernels.options import TextureOptions
from s1monthly.kernels.texture import textures
from s1monthly.versions import ALGORITHMS

GOLDEN = {1: {"VV_dB": -6.9897003, "VH_dB": -13.0103, "Ratio": 0.25, "RVI": 0.8}}
"""Values of every band for VV 0.2 and VH 0.05, by algorithm version."""


def _pair(co: float, cross: float) -> tuple[np.ndarray, np.ndarray]:
    return np.array([[co]], np.float32), np.array([[cross]], np.float32)


@pytest.mark.parametrize(
    ("co", "cross", "expected"),
    [
        (1.0, 1.0, (0.0, 0.0, 1.0, 2.0)),
        (10.0, 0.1, (10.0, -10.0, 0.01, 0.4 / 10.1)),
        (0.5, 0.125, (10 * math.log10(0.5), 10 * math.log10(0.125), 0.25, 0.8)),
        (0.001, 1.0, (-30.0, 0.0, 1000.0, 4 / 1.001)),
    ],
)
def test_values_by_hand(co, cross, expected):
    a, b = _pair(co, cross)
    for band, value in zip(bands.bands("VV", "VH"), expected, strict=True):
        made = band.formula(a, b)
        assert made.dtype == np.float32
        assert made.shape == a.shape
        assert made[0, 0] == pytest.approx(value, rel=1e-6, abs=1e-6)
        assert band.valid_range[0] <= made[0, 0] <= band.valid_range[1]


@pytest.mark.parametrize(
    ("kept", "names"),
    [(None, ["VV_dB", "VH_dB", "Ratio", "RVI"]), (["RVI"], ["VV_dB", "VH_dB", "RVI"]), ([], ["VV_dB", "VH_dB"])],
)
def test_indices_may_be_left_out(kept, names):
    recipe = {"polarization": "VV+VH"} | ({} if kept is None else {"bands": kept})
    co, cross = _pair(0.2, 0.05)
    assert [band.name for band in bands.bands_of(recipe)] == names
    made = {name: float(values[0, 0]) for name, values in bands.compute(recipe, co, cross)}
    assert made == pytest.approx({name: GOLDEN[ALGORITHMS["bands"]][name] for name in names})


def _nearest(value, bits):
    """The nearest number with so many bits of the mantissa, the even one of two: in whole numbers of its last bit."""
    mantissa, exponent = math.frexp(value)
    return math.ldexp(round(mantissa * 2 ** (bits + 1)), exponent - bits - 1)  # round() takes the even one


@pytest.mark.parametrize("bits", [10, 12, 22])
def test_values_are_rounded_to_the_nearest_and_ties_to_even(bits):
    rng = np.random.default_rng(bits)
    values = rng.uniform(-40, 10, 5000).astype(np.float32)
    ties = np.float32([1 + 2.0 ** -(bits + 1), 1 + 3 * 2.0 ** -(bits + 1), -3 * (1 + 2.0 ** -(bits + 1)), 0.0, 16.0])
    values = np.concatenate([values, ties])
    before = values.copy()
    found = bands.rounded(values, bits)
    assert found.dtype == np.float32 and found.tolist() == [_nearest(float(value), bits) for value in values]
    np.testing.assert_array_equal(values, before)
    np.testing.assert_array_equal(bands.rounded(found, bits), found, "rounding again changes nothing")


def test_rounding_keeps_no_data_and_infinities():
    values = np.array([0x7FC00000, 0xFFC00000, 0x7FFFFFFF, 0xFFFFFFFF, 0x7F800000, 0xFF800000], np.uint32)
    found = bands.rounded(values.view(np.float32).reshape(2, 3), 12)
    assert found.shape == (2, 3) and np.isnan(found).ravel().tolist() == [True] * 4 + [False] * 2
    assert found.ravel()[4:].tolist() == [math.inf, -math.inf]


def test_twelve_bits_err_by_the_decibels_that_the_docs_promise():
    for low, high, most in ((-16, 16, 0.0010), (-32, 32, 0.0020)):
        values = np.random.default_rng(0).uniform(low, high, 10**6).astype(np.float32)
        error = np.abs(bands.rounded(values, 12).astype(np.float64) - values).max()
        assert 0.9 * most < error <= most


def test_a_recipe_rounds_all_its_bands():
    recipe = {"polarization": "VV+VH", "keep_bits": 12}
    plain = dict(bands.compute({"polarization": "VV+VH"}, *_pair(0.213, 0.0517)))
    for name, values in bands.compute(recipe, *_pair(0.213, 0.0517)):
        assert values[0, 0] == np.float32(_nearest(float(plain[name][0, 0]), 12)) != plain[name][0, 0]
    assert bands.rounding(recipe).startswith("rounded to 12 bits") and not bands.rounding({"polarization": "VV+VH"})


def test_no_data_stays_no_data_and_nothing_else_becomes_it():
    co = np.array([[0.1, np.nan, np.nan, 0.3]], np.float32)
    cross = np.array([[0.02, np.nan, np.nan, 0.01]], np.float32)
    before = co.copy(), cross.copy()
    with np.errstate(all="raise"):
        for band in bands.bands("VV", "VH"):
            assert np.array_equal(np.isnan(band.formula(co, cross)), np.isnan(co)), band.name
    np.testing.assert_array_equal(co, before[0])
    np.testing.assert_array_equal(cross, before[1])


@pytest.mark.parametrize(("co", "cross"), [("VV", "VH"), ("HH", "HV")])
def test_names_units_and_roles(co, cross):
    made = bands.bands(co, cross)
    assert [band.name for band in made] == [f"{co}_dB", f"{cross}_dB", "Ratio", "RVI"]
    assert [band.units for band in made] == ["dB", "dB", "1", "1"]
    assert [band.role for band in made] == ["backscatter", "backscatter", "index", "index"]
    assert co in made[0].description
    assert cross in made[1].description


def test_decibels_and_power_are_inverse():
    power = np.geomspace(1e-6, 1e3, 500).astype(np.float32)
    np.testing.assert_allclose(10 ** (bands.db(power).astype(float) / 10), power, rtol=2e-6)


def test_golden_values():
    a, b = _pair(0.2, 0.05)
    for band in bands.bands("VV", "VH"):
        assert band.formula(a, b)[0, 0] == pytest.approx(GOLDEN[ALGORITHMS["bands"]][band.name], rel=1e-6)


TEXTURES = {
    "inputs": {"VH_dB": [-32.0, -5.0], "VV_dB": [-25.0, 5.0]},
    "metrics": ["contrast", "entropy"],
    "window_size": 3,
    "distance": 1,
    "angles": [0.0, 90.0],
    "average_angles": True,
    "levels": 8,
}
RECIPE = {"polarization": "VV+VH", "textures": TEXTURES}


def test_textures_stand_behind_the_core_bands_in_one_order():
    """A recipe that comes back from JSON has its keys in another order."""
    names = ["VV_glcm_contrast", "VV_glcm_entropy", "VH_glcm_contrast", "VH_glcm_entropy"]
    for inputs in (TEXTURES["inputs"], dict(reversed(TEXTURES["inputs"].items()))):
        made = bands.bands_of({**RECIPE, "textures": {**TEXTURES, "inputs": inputs}})
        assert [band.name for band in made[4:]] == names
    assert [band.name for band in made[:4]] == ["VV_dB", "VH_dB", "Ratio", "RVI"]
    assert [(band.role, band.units) for band in made[4:]] == [("texture", "1")] * 4
    assert made[4].valid_range == (0.0, 49.0)
    single = bands.bands_of({"polarization": "HH+HV", "textures": {**TEXTURES, "inputs": {"HV_dB": [-32.0, -5.0]}}})
    assert [band.name for band in single[4:]] == ["HV_glcm_contrast", "HV_glcm_entropy"]
    parted = bands.bands_of({**RECIPE, "textures": {**TEXTURES, "average_angles": False}})
    assert [band.name for band in parted[4:8]] == [
        "VV_glcm_contrast_0", "VV_glcm_entropy_0", "VV_glcm_contrast_90", "VV_glcm_entropy_90",
    ]  # fmt: skip


def test_the_spread_stands_behind_all_other_bands():
    made = bands.bands_of({**RECIPE, "spread": ["min", "std"]})
    assert [band.name for band in made[:8]] == [band.name for band in bands.bands_of(RECIPE)]
    assert [band.name for band in made[8:]] == ["VV_dB_min", "VV_dB_std", "VH_dB_min", "VH_dB_std"]
    assert {(band.role, band.units) for band in made[8:]} == {("spread", "dB")}
    assert made[8].description == "minimum of VV_dB over the passes, before despeckling"
    assert made[9].valid_range == (0.0, np.inf) and made[8].valid_range == (-np.inf, np.inf)
    assert [bands.fills_count(band.name) for band in made] == [True] * 4 + [False] * 4 + [True] * 4
    given = [("VV_dB_min", np.full((1, 1), -12.3456, np.float32))]
    for recipe, value in (({}, np.float32(-12.3456)), ({"keep_bits": 12}, np.float32(-12.345703))):
        *_, (name, values) = bands.compute({"polarization": "VV+VH"} | recipe, *_pair(0.2, 0.05), spread=given)
        assert (name, values[0, 0]) == ("VV_dB_min", value)


def test_every_band_is_computed_of_its_own_input_and_range():
    rng = np.random.default_rng(5)
    co, cross = (rng.gamma(4, 0.02, (30, 40)).astype(np.float32) for _ in range(2))
    co[3, 4] = cross[3, 4] = np.nan
    made = dict(bands.compute(RECIPE, co, cross))
    assert list(made) == [band.name for band in bands.bands_of(RECIPE)]
    options = TextureOptions(("contrast", "entropy"), 3, 1, (0.0, 90.0), True, 8)
    for layer, power, (low, high) in (("VV", co, (-25.0, 5.0)), ("VH", cross, (-32.0, -5.0))):
        for name, values in textures(bands.db(power), low, high, options):
            np.testing.assert_array_equal(made[f"{layer}_glcm_{name}"], values)
    for band in bands.bands_of(RECIPE):
        values = made[band.name]
        assert values.dtype == np.float32 and np.isnan(values[3, 4])
        assert np.nanmin(values) >= band.valid_range[0] and np.nanmax(values) <= band.valid_range[1]
    plain = dict(bands.compute({"polarization": "VV+VH"}, co, cross))
    for name, values in plain.items():
        np.testing.assert_array_equal(made[name], values)
