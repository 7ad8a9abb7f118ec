"""Resampling against scipy, GDAL and values by hand."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.warp import calculate_default_transform
from scipy.ndimage import map_coordinates

from s1monthly.errors import S1MonthlyError
from s1monthly.kernels.resampling import bilinear, block_mean
from s1monthly.versions import ALGORITHMS

nan = np.nan

GOLDEN = {1: {"bilinear": [2.3, 2.96, 3.66, 3.24 / 0.84], "block_mean": [2.0, 4.0]}}
"""Results of ``test_golden_values``, by hand, by algorithm version."""


def _knots(function, shape, step):
    rows, cols = np.meshgrid(*(np.arange(-(-(n - 1) // step) + 1, dtype=float) * step for n in shape), indexing="ij")
    return function(rows, cols)


def _at(values, row, col):
    """Resample one pixel at one position."""
    return bilinear(np.asarray(values, np.float32), np.array([[row]]), np.array([[col]]), 1, (1, 1))[0, 0]


def _turned(rows, cols):
    return 3.3127 + 0.997 * rows + 0.06 * cols, 9.1331 - 0.06 * rows + 0.997 * cols


@pytest.mark.parametrize("step", [1, 7, 16, 100])
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (64, 65), (60, 81)])
def test_bilinear_is_scipys(shape, step):
    values = np.random.default_rng(0).gamma(2.0, 0.1, (90, 110)).astype(np.float32)
    made = bilinear(values, *_knots(_turned, shape, step), step, shape)
    positions = _turned(*np.mgrid[: shape[0], : shape[1]].astype(float))
    expected = map_coordinates(values.astype(float), positions, order=1, cval=nan)
    inside = np.isfinite(expected)
    assert inside.sum() > 0.9 * inside.size
    np.testing.assert_allclose(made[inside], expected[inside], rtol=2e-6)
    assert made.dtype == np.float32


def test_positions_between_knots_are_bilinear():
    def curved(rows, cols):
        return 2 + rows + 1e-3 * rows * cols, 5 + cols - 2e-3 * rows * cols

    values = np.add.outer(np.arange(60.0) * 10, np.arange(60.0)).astype(np.float32)
    knots = _knots(curved, (30, 30), 10)
    y, x = curved(*np.mgrid[:30, :30].astype(float))  # bilinear itself, so knots lose nothing
    np.testing.assert_allclose(bilinear(values, *knots, 10, (30, 30)), 10 * y + x, rtol=1e-6)


def test_bilinear_is_gdals_from_zone_11_to_zone_10(shared_data):
    path = next((shared_data / "opera-rtc-s1" / "10SGD_T137" / "2023-11-09").glob("*292322-IW1*_VV.tif"))
    with rasterio.open(path) as source:
        values, crs, transform, bounds = source.read(1), source.crs, source.transform, source.bounds
    assert crs.to_epsg() == 32611
    fitted, width, height = calculate_default_transform(crs, "EPSG:32610", *values.shape[::-1], *bounds, resolution=30)
    target = Affine(30, 0, np.round(fitted.c / 30) * 30, 0, -30, np.round(fitted.f / 30) * 30)
    with (
        rasterio.open(path) as source,
        WarpedVRT(
            source,
            crs="EPSG:32610",
            transform=target,
            width=width,
            height=height,
            resampling=Resampling.bilinear,
            src_nodata=nan,
            nodata=nan,
            tolerance=1e-6,  # without it GDAL itself interpolates positions, and is off by up to 0.0006 pixel
        ) as warped,
    ):
        expected = warped.read(1)
    back = Transformer.from_crs(32610, crs, always_xy=True)

    def positions(rows, cols):
        x, y = back.transform(target.c + 30 * (cols + 0.5), target.f - 30 * (rows + 0.5))
        return (transform.f - y) / 30 - 0.5, (x - transform.c) / 30 - 0.5

    y, x = positions(*np.mgrid[:height, :width].astype(float))
    interior = (y > 1) & (y < values.shape[0] - 2) & (x > 1) & (x < values.shape[1] - 2)
    assert interior.sum() > 9000
    assert np.isfinite(expected[interior]).all()
    for step, tolerance in ((1, 1e-6), (16, 1e-4)):
        made = bilinear(values, *_knots(positions, (height, width), step), step, (height, width))
        np.testing.assert_allclose(made[interior], expected[interior], rtol=tolerance)


@pytest.mark.parametrize(
    ("values", "row", "col", "expected"),
    [
        ([[1, 2], [2, 3]], 0.25, 0.5, 1.75),
        ([[1, 2], [3, nan]], 0.5, 0.5, 2.0),  # three of four: their mean
        ([[1, nan], [3, nan]], 0.5, 0.4, 2.0),  # two, weight 0.6
        ([[1, nan], [3, nan]], 0.5, 0.5, 2.0),  # two, weight 0.5: just enough
        ([[1, nan], [3, nan]], 0.5, 0.6, nan),  # two, weight 0.4
        ([[1, nan], [3, nan]], 0.75, 0.0, 2.5),  # the missing ones have no weight
        ([[1, nan], [nan, nan]], 0.1, 0.1, nan),  # one alone, weight 0.81
        ([[1, nan], [nan, nan]], 0.0, 0.3, nan),  # one alone of two
        ([[1, nan], [nan, nan]], 0.0, 0.0, 1.0),  # hit
        ([[1, nan], [nan, nan]], 1e-11, 0.0, 1.0),  # hit, to rounding
        ([[1, nan], [nan, nan]], 1e-6, 0.0, nan),
        ([[nan, nan], [nan, 7]], 1.0, 1.0, 7.0),  # hit in the last row and column
        ([[nan, 5], [nan, 7]], 0.5, 1.4, 6.0),  # beyond the last column is no data too
        ([[nan, 5], [nan, 7]], 0.5, 1.6, nan),
        ([[5, 7], [5, 7]], -0.4, 0.5, 6.0),
        ([[5, 7], [5, 7]], -1.0, 0.5, nan),
        ([[5, 7], [5, 7]], 40.0, 0.5, nan),
        ([[5, 7], [5, 7]], nan, 0.5, nan),
        ([[5, np.inf], [5, 7]], 0.5, 0.5, 17 / 3),
    ],
)
def test_rule_of_no_data(values, row, col, expected):
    np.testing.assert_allclose(_at(values, row, col), expected, rtol=1e-6)


def test_valid_beside_no_data_never_leaves_the_range_of_its_neighbours():
    rng = np.random.default_rng(5)
    values = rng.gamma(2.0, 0.1, (80, 80)).astype(np.float32)
    values[rng.random(values.shape) < 0.3] = nan
    made = bilinear(values, *_knots(_turned, (60, 60), 16), 16, (60, 60))
    y, x = _turned(*np.mgrid[:60, :60].astype(float))
    for i, j in np.argwhere(np.isfinite(made)):
        r, c = int(y[i, j]), int(x[i, j])
        around = values[r : r + 2, c : c + 2]
        assert np.isfinite(around).sum() >= 2
        assert np.nanmin(around) * (1 - 1e-6) <= made[i, j] <= np.nanmax(around) * (1 + 1e-6)


def test_constant_stays_constant():
    made = bilinear(np.full((90, 90), 0.3, np.float32), *_knots(_turned, (60, 60), 16), 16, (60, 60))
    np.testing.assert_allclose(made, np.float32(0.3), rtol=1e-7)


@pytest.mark.parametrize(
    ("knots", "step", "shape"), [((2, 2), 16, (17, 18)), ((3, 3), 16, (17, 17)), ((2, 2), 0, (2, 2))]
)
def test_knots_that_do_not_fit_are_refused(knots, step, shape):
    with pytest.raises(S1MonthlyError, match="knots"):
        bilinear(np.zeros((5, 5), np.float32), np.zeros(knots), np.zeros(knots), step, shape)


def test_block_mean_is_numpys():
    values = np.random.default_rng(2).gamma(2.0, 0.1, (30, 42)).astype(np.float32)
    expected = values.astype(float).reshape(10, 3, 14, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(block_mean(values, 3), expected, rtol=1e-7)
    np.testing.assert_array_equal(block_mean(values, 1), values)


def test_block_mean_needs_half_a_block():
    values = np.array([[1, nan, nan, nan], [3, nan, nan, 8], [np.inf, 2, 4, 4], [2, 2, 4, 4]], np.float32)
    np.testing.assert_array_equal(block_mean(values, 2), [[2, nan], [2, 4]])


def test_block_mean_refuses_broken_blocks():
    with pytest.raises(S1MonthlyError, match="whole blocks"):
        block_mean(np.ones((4, 5), np.float32), 2)


def test_golden_values():
    expected = GOLDEN[ALGORITHMS["resampling"]]
    values = np.array([[1, 2, 3, 4], [2, 3, 5, nan]], np.float32)
    rows, cols = np.array([[0.4, 0.4]]), np.array([[0.9, 2.4]])
    np.testing.assert_allclose(bilinear(values, rows, cols, 3, (1, 4))[0], expected["bilinear"], rtol=1e-6)
    np.testing.assert_allclose(block_mean(values, 2)[0], expected["block_mean"], rtol=1e-6)
