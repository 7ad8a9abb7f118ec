"""Statistics of bands and counts, and the outline of valid data, against plain numpy and shapely."""

from __future__ import annotations

import tracemalloc
from math import inf, nan

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from s1monthly.kernels.statistics import ROWS, band_statistics, count_statistics, valid_outline


def test_band_statistics_agree_with_numpy():
    rng = np.random.default_rng(1)
    values = rng.normal(-12, 4, (3 * ROWS + 7, 211)).astype(np.float32)
    values[rng.random(values.shape) < 0.3] = nan
    values[:ROWS] = nan  # a whole block without data
    exact = values.astype(np.float64)
    found = band_statistics(values)
    assert found.minimum == np.nanmin(exact)
    assert found.maximum == np.nanmax(exact)
    assert found.mean == pytest.approx(np.nanmean(exact), rel=1e-13)
    assert found.std == pytest.approx(np.nanstd(exact), rel=1e-12)
    assert found.valid == np.isfinite(exact).sum()


def test_a_large_offset_does_not_spoil_the_standard_deviation():
    values = 1e8 + np.tile([0.0, 1.0], (4 * ROWS, 50))
    assert band_statistics(values).std == pytest.approx(0.5, rel=1e-9)


def test_infinite_values_are_not_counted_as_valid():
    found = band_statistics(np.array([[inf, 2.0], [-inf, 4.0]], np.float32))
    assert (found.minimum, found.maximum, found.mean, found.std, found.valid) == (2.0, 4.0, 3.0, 1.0, 2)


def test_a_band_without_data_has_no_numbers():
    found = band_statistics(np.full((5, 5), nan, np.float32))
    assert (found.minimum, found.maximum, found.mean, found.std, found.valid) == (None, None, None, None, 0)


def test_temporaries_stay_small():
    values = np.ones((4000, 1000), np.float32)
    count = np.ones((4000, 1000), np.uint8)
    tracemalloc.start()
    band_statistics(values)
    count_statistics(count)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * ROWS * 1000 * 8 < values.nbytes


def test_count_statistics_agree_with_numpy():
    rng = np.random.default_rng(2)
    count = rng.integers(0, 9, (2 * ROWS + 5, 90)).astype(np.uint8)
    count[:ROWS] %= 3  # blocks with different maxima, in both orders
    count[-5:] = 0
    found = count_statistics(count)
    passes, pixels = np.unique(count[count > 0], return_counts=True)
    assert found.histogram == dict(zip(passes.tolist(), pixels.tolist(), strict=True))
    assert list(found.histogram) == sorted(found.histogram)
    assert (found.minimum, found.maximum) == (1, 8)
    assert found.mean == pytest.approx(count[count > 0].mean(), rel=1e-12)


def test_a_count_of_zero_everywhere_has_no_numbers():
    found = count_statistics(np.zeros((4, 4), np.uint8))
    assert (found.minimum, found.maximum, found.mean, found.histogram) == (None, None, None, {})


ROW, COLUMN = np.mgrid[:700, :650]
RADIUS = np.hypot(ROW - 350, COLUMN - 320)
SCENES = {
    "full": ROW >= 0,
    "swath": COLUMN + 0.2 * ROW < 500,
    "two swaths": (COLUMN + 0.2 * ROW < 250) | (COLUMN - 0.3 * ROW > 300),
    "crossing": (np.abs(COLUMN - 0.5 * ROW - 100) < 60) | (np.abs(COLUMN + 0.5 * ROW - 550) < 60),
    "disc": RADIUS < 250,
    "open ring": (RADIUS < 250) & (RADIUS > 200) & (COLUMN > 120),
    "closed ring with an island": ((RADIUS < 250) & (RADIUS > 200)) | (RADIUS < 20),
    "speckled swath": (COLUMN + 0.2 * ROW < 500) & (np.random.default_rng(3).random(ROW.shape) < 0.4),
    "single pixels": np.random.default_rng(4).random(ROW.shape) < 1e-4,
    "last pixel": (ROW == 699) & (COLUMN == 649),
    "touching corners": (ROW // 64 + COLUMN // 64) % 2 == 0,
}


def assert_outlines(mask, rings):
    polygons = [shapely.Polygon(ring) for ring in rings]
    assert all(polygon.is_valid and polygon.exterior.is_ccw for polygon in polygons)
    merged = shapely.union_all(polygons)
    assert merged.area == pytest.approx(sum(polygon.area for polygon in polygons))  # disjoint
    rows, columns = np.nonzero(mask)
    shapely.prepare(merged)
    assert shapely.covers(merged, shapely.box(columns, rows, columns + 1, rows + 1)).all()
    assert merged.is_empty or shapely.box(0, 0, mask.shape[1], mask.shape[0]).covers(merged)
    return merged


@pytest.mark.parametrize("scene", SCENES)
def test_an_outline_covers_every_valid_pixel(scene):
    rings = valid_outline(SCENES[scene])
    assert_outlines(SCENES[scene], rings)
    assert sum(len(ring) - 1 for ring in rings) <= 256
    assert all((ring[0] == ring[-1]).all() for ring in rings)


def test_an_outline_is_close_and_has_few_vertices():
    merged = assert_outlines(SCENES["swath"], rings := valid_outline(SCENES["swath"], block=4))
    assert len(rings) == 1 and len(rings[0]) <= 13
    assert merged.area < 1.03 * SCENES["swath"].sum()
    true = shapely.Polygon([(0, 0), (500, 0), (360, 700), (0, 700)])
    assert true.buffer(3 * 4 * 2**0.5).covers(merged)  # a block, and two of straightening


def test_a_full_tile_has_four_corners():
    (ring,) = valid_outline(np.ones((366, 365), bool))
    assert {tuple(vertex) for vertex in ring} == {(0, 0), (365, 0), (365, 366), (0, 366)}


def test_nothing_valid_has_no_outline():
    assert valid_outline(np.zeros((50, 50), bool)) == []


def test_too_many_vertices_are_answered_with_larger_blocks():
    mask = SCENES["touching corners"]
    rings = valid_outline(mask, block=4, max_vertices=12)
    assert sum(len(ring) - 1 for ring in rings) <= 12
    assert_outlines(mask, rings)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.001, 0.6), st.integers(1, 9))
def test_any_mask_is_covered(seed, density, size):
    rng = np.random.default_rng(seed)
    mask = np.kron(rng.random((11, 13)) < density, np.ones((size, size), bool))
    assert_outlines(mask, valid_outline(mask, block=3, max_vertices=200))
