"""Mosaics and composites against plain numpy and scipy."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from scipy import stats

from s1monthly.errors import S1MonthlyError
from s1monthly.kernels import compositing
from s1monthly.kernels.compositing import BLOCK_PIXELS, PassMosaic, composite, disagreeing, row_blocks
from s1monthly.kernels.masking import valid_power
from s1monthly.versions import ALGORITHMS

nan = np.nan

GOLDEN = {
    1: {
        "median": [0.39, 0.459, 0.31],
        "mean": [0.32977778, 0.39877778, 0.35666667],
        "trimmed_mean": [0.298, 0.367, 0.34028571],
        "local_resolution": [0.28139543, 0.35039543, 0.30156684],
        "mosaic mean": [0.2, 0.3, 0.5],
        "mosaic first": [0.2, 0.2, 0.5],
        "mosaic last": [0.2, 0.4, 0.5],
    }
}
"""Results for the passes of ``_golden_passes`` and the bursts [.2, .2, -], [-, .4, .5], by algorithm version."""


def _golden_passes() -> np.ndarray:
    n, c = np.mgrid[:9, :3]
    return (((n * 379 + c * 69 + 31 * n * n) % 1000) / 1000).astype(np.float32)[:, None, :]


def _stack(number: int, holes: float, shape: tuple[int, int] = (70, 133), seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed + number)
    stack = rng.gamma(3.0, 0.05, (number, *shape)).astype(np.float32)
    stack[rng.random(stack.shape) < holes] = nan
    return stack


def _numpy(function, stack):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return function(stack)


@pytest.mark.parametrize("holes", [0.0, 0.4, 0.95, 1.0])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 8, 13, 36])
def test_median_is_numpys(number, holes):
    stack = _stack(number, holes)
    power, count = composite(stack)
    expected = _numpy(lambda s: np.nanmedian(s, axis=0), stack)
    valid = np.isfinite(stack).sum(axis=0)
    np.testing.assert_array_equal(count, valid)
    np.testing.assert_array_equal(np.isnan(power), valid == 0)
    odd = valid % 2 == 1
    np.testing.assert_array_equal(power[odd], expected[odd])
    np.testing.assert_allclose(power, expected, rtol=2e-7)


@pytest.mark.parametrize("holes", [0.0, 0.4, 0.95])
@pytest.mark.parametrize("number", [1, 3, 36])
def test_mean_is_numpys(number, holes):
    stack = _stack(number, holes)
    power, count = composite(stack, "mean")
    expected = _numpy(lambda s: np.nanmean(s, axis=0, dtype=np.float64), stack)
    np.testing.assert_allclose(power, expected, rtol=1e-7)
    np.testing.assert_array_equal(count, np.isfinite(stack).sum(axis=0))


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.15, 0.25, 0.49])
@pytest.mark.parametrize("number", [1, 2, 3, 7, 20, 29])
def test_trimmed_mean_is_scipys(number, fraction):
    stack = _stack(number, 0.0)
    power, _ = composite(stack, "trimmed_mean", fraction)
    np.testing.assert_allclose(power, stats.trim_mean(stack.astype(float), fraction, axis=0), rtol=1e-7)


def test_trimmed_mean_counts_the_valid_passes_of_each_pixel():
    stack = _stack(12, 0.5, (5, 7))
    power, count = composite(stack, "trimmed_mean", 0.2)
    for r, c in np.ndindex(5, 7):
        values = stack[:, r, c][np.isfinite(stack[:, r, c])]
        assert count[r, c] == len(values)
        if len(values):
            assert power[r, c] == pytest.approx(stats.trim_mean(values.astype(float), 0.2), rel=1e-6)


@pytest.mark.parametrize("number", [1, 2, 5, 40])
def test_local_resolution_weights_by_the_inverse_of_the_area(number):
    stack = _stack(number, 0.3)
    areas = np.random.default_rng(number).uniform(0.2, 6.0, stack.shape).astype(np.float32)
    areas[:, :5, :9] = np.array([nan, np.inf, 0.0, -1.0, nan, np.inf, 0.0, 1.0, 2.0])  # no measurement, but in two
    before = stack.copy(), areas.copy()
    power, count = composite(stack, "local_resolution", areas=areas)
    there = np.isfinite(stack) & np.isfinite(areas) & (areas > 0)
    weights = np.where(there, 1 / np.where(there, areas, 1).astype(float), 0)
    with np.errstate(invalid="ignore"):
        expected = (weights * np.where(there, stack, 0)).sum(axis=0) / weights.sum(axis=0)
    np.testing.assert_allclose(power, expected, rtol=1e-6)
    np.testing.assert_array_equal(count, there.sum(axis=0))
    assert power.dtype == np.float32 and not count[:5, :7].any() and count[:5, 7:9].any()
    np.testing.assert_array_equal(np.array([stack, areas]), np.array(before))
    again = composite(list(np.asfortranarray(stack)[::-1]), "local_resolution", areas=list(areas[::-1]), threads=2)
    np.testing.assert_allclose(again[0], power, rtol=1e-6)


def test_local_resolution_with_equal_areas_is_the_mean():
    stack = _stack(7, 0.4)
    areas = np.broadcast_to(np.random.default_rng(0).uniform(0.2, 6.0, stack.shape[1:]).astype(np.float32), stack.shape)
    power, count = composite(stack, "local_resolution", areas=areas)
    mean, counted = composite(stack, "mean")
    np.testing.assert_allclose(power, mean, rtol=2e-7)
    np.testing.assert_array_equal(count, counted)


def test_a_slope_that_is_seen_in_detail_counts_more():
    """By hand: areas 4 and 1 weigh 1 to 4."""
    power, count = composite(np.float32([[[0.5]], [[0.1]]]), "local_resolution", areas=np.float32([[[4]], [[1]]]))
    assert power[0, 0] == pytest.approx((0.5 / 4 + 0.1) / 1.25) and count[0, 0] == 2


@pytest.mark.parametrize("areas", [None, [], [np.ones((2, 3), np.float32)], [np.ones((3, 2), np.float32)] * 2])
def test_passes_and_areas_that_do_not_belong_together_are_refused(areas):
    with pytest.raises(S1MonthlyError, match="of 2 passes needs as many areas"):
        composite([np.ones((2, 3), np.float32)] * 2, "local_resolution", areas=areas)


def test_mean_of_many_passes_is_accurate():
    stack = np.full((300, 1, 1), 0.1, np.float32)
    stack[0] = 1e6
    assert composite(stack, "mean")[0][0, 0] == np.float32(stack.astype(np.float64).mean())


@pytest.mark.parametrize("method", compositing.COMPOSITE_METHODS)
def test_never_warns_and_knows_no_data(method):
    stack = np.full((4, 3, 200), nan, np.float32)
    stack[1, 1, 5] = 0.25
    stack[2, 2, 150] = np.inf
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        power, count = composite(stack, method, areas=np.ones_like(stack))
    assert power.dtype == np.float32
    assert count.dtype == np.uint8
    assert power[1, 5] == 0.25
    assert count.sum() == 1
    assert np.isnan(power).sum() == power.size - 1


@pytest.mark.parametrize("method", compositing.COMPOSITE_METHODS)
def test_threads_sequences_views_and_blocks_change_nothing(method):
    stack = _stack(6, 0.3, (150, 131))
    areas = _stack(6, 0.0, stack.shape[1:], seed=1)
    before = stack.copy()
    power, count = composite(stack, method, areas=areas)
    for other in (
        composite(stack, method, threads=2, areas=areas),
        composite(list(stack), method, threads=2, areas=list(areas)),
        composite(np.asfortranarray(stack), method, areas=np.asfortranarray(areas)),
        composite(stack[::-1], method, areas=areas[::-1]),
    ):
        np.testing.assert_allclose(other[0], power, rtol=1e-7)
        np.testing.assert_array_equal(other[1], count)
    for rows in (slice(0, 40), slice(40, 150)):
        np.testing.assert_array_equal(composite(stack[:, rows], method, areas=areas[:, rows])[0], power[rows])
    np.testing.assert_array_equal(stack, before)


def test_count_saturates():
    stack = np.ones((300, 1, 2), np.float32)
    stack[10:, 0, 1] = nan
    np.testing.assert_array_equal(composite(stack)[1], [[255, 10]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones((2, 3, 3), np.float32), "mode"), "median, mean, trimmed_mean, local_resolution"),
        ((np.ones((2, 3, 3), np.float32), "trimmed_mean", 0.5), "trim fraction 0.5"),
        ((np.ones((2, 3, 3), np.float32), "trimmed_mean", -0.1), "trim fraction -0.1"),
        (([],), "0 passes"),
        (([np.ones((2, 2), np.float32), np.ones((2, 3), np.float32)],), "one shape"),
        ((np.ones((3, 3), np.float32),), "one shape"),
    ],
)
def test_composite_refuses(arguments, message):
    with pytest.raises(S1MonthlyError, match=message):
        composite(*arguments)


def test_an_unknown_strategy_is_refused():
    with pytest.raises(S1MonthlyError, match="mean, first, last"):
        PassMosaic((2, 2), "average")


def _bursts(seed: int = 3) -> list[tuple[np.ndarray, int, int]]:
    rng = np.random.default_rng(seed)
    made = []
    for row, col, rows, cols in ((0, 0, 30, 40), (20, 10, 30, 30), (25, 0, 15, 50), (0, 0, 50, 50), (49, 49, 1, 1)):
        window = rng.gamma(2.0, 0.1, (rows, cols)).astype(np.float32)
        window[rng.random(window.shape) < 0.3] = nan
        window[rng.random(window.shape) < 0.05] = np.inf
        made.append((window, row, col))
    return made


def _layers() -> np.ndarray:
    layers = np.full((5, 60, 55), nan)
    for layer, (window, row, col) in zip(layers, _bursts(), strict=True):
        layer[row : row + window.shape[0], col : col + window.shape[1]] = np.where(np.isfinite(window), window, nan)
    return layers


def _mosaic(strategy: str, order=range(5)) -> np.ndarray:
    bursts = _bursts()
    mosaic = PassMosaic((60, 55), strategy)
    for n in order:
        mosaic.add(*bursts[n])
    return mosaic.result()


def test_mosaic_mean_is_numpys_whatever_the_order():
    expected = _numpy(lambda s: np.nanmean(s, axis=0), _layers()).astype(np.float32)
    for order in itertools.islice(itertools.permutations(range(5)), 0, None, 17):
        np.testing.assert_array_equal(_mosaic("mean", order), expected)


def test_mosaic_first_and_last_take_the_first_and_last_valid():
    layers = _layers()
    for strategy, ordered in (("first", layers), ("last", layers[::-1])):
        expected = np.full(layers.shape[1:], nan)
        for r, c in np.ndindex(*expected.shape):
            values = ordered[:, r, c][np.isfinite(ordered[:, r, c])]
            if len(values):
                expected[r, c] = values[0]
        np.testing.assert_array_equal(_mosaic(strategy), expected.astype(np.float32))


def test_mosaic_result_is_a_snapshot():
    for strategy in compositing.MOSAIC_STRATEGIES:
        mosaic = PassMosaic((1, 2), strategy)
        empty = mosaic.result()
        mosaic.add(np.array([[1.0]], np.float32), 0, 1)
        once = mosaic.result()
        assert np.isnan(empty).all()
        np.testing.assert_array_equal(once, [[nan, 1]])
        assert once.dtype == np.float32


@pytest.mark.parametrize(("row", "col"), [(-1, 0), (0, -1), (9, 0), (0, 8)])
def test_window_outside_the_tile_is_refused(row, col):
    with pytest.raises(S1MonthlyError, match="not inside the tile"):
        PassMosaic((10, 10)).add(np.ones((2, 3), np.float32), row, col)


def test_low_values_neither_block_nor_count():
    """A burst's invalid border lies over a neighbour's good pixels: only these may count, in both polarizations."""
    bad = np.full((1, 3), 1e-7, np.float32)
    good_co, good_cross = np.full((1, 3), 0.2, np.float32), np.full((1, 3), 0.05, np.float32)
    for strategy in compositing.MOSAIC_STRATEGIES:
        mosaics = PassMosaic((1, 3), strategy), PassMosaic((1, 3), strategy)
        for pair in ((bad, good_cross), (good_co, good_cross), (good_co, bad)):
            for mosaic, window in zip(mosaics, valid_power(*pair, 1e-6), strict=True):
                mosaic.add(window, 0, 0)
        np.testing.assert_array_equal(mosaics[0].result(), good_co)
        np.testing.assert_array_equal(mosaics[1].result(), good_cross)


def test_golden_values():
    expected, passes = GOLDEN[ALGORITHMS["compositing"]], _golden_passes()
    areas = np.broadcast_to(np.arange(1, 10, dtype=np.float32)[:, None, None], passes.shape)
    for method in compositing.COMPOSITE_METHODS:
        np.testing.assert_allclose(composite(passes, method, areas=areas)[0][0], expected[method], rtol=1e-6)
    for strategy in compositing.MOSAIC_STRATEGIES:
        mosaic = PassMosaic((1, 3), strategy)
        mosaic.add(np.array([[0.2, 0.2]], np.float32), 0, 0)
        mosaic.add(np.array([[0.4, 0.5]], np.float32), 0, 1)
        np.testing.assert_allclose(mosaic.result()[0], expected[f"mosaic {strategy}"], rtol=1e-6)


@pytest.mark.parametrize(("shape", "passes"), [((3660, 3660), 3), ((3660, 3660), 400), ((5, 7), 1), ((10, 10), 10**6)])
def test_row_blocks_cover_the_grid_once_and_bound_the_pixels(shape, passes):
    blocks = row_blocks(shape, passes)
    assert [row for block in blocks for row in range(block.start, block.stop)] == list(range(shape[0]))
    assert all((b.stop - b.start) * shape[1] * passes <= BLOCK_PIXELS or b.stop - b.start == 1 for b in blocks)
    assert row_blocks(shape, 0) == []


@pytest.mark.parametrize("exact", [True, False])
def test_where_a_band_and_the_count_disagree_is_counted(exact: bool) -> None:
    rng = np.random.default_rng(5)
    values = np.where(rng.random((37, 203)) < 0.4, np.nan, rng.normal(0, 9, (37, 203))).astype(np.float32)
    count = rng.integers(0, 3, values.shape, dtype=np.uint8)
    there, seen = ~np.isnan(values), count > 0
    expected = np.count_nonzero(there & ~seen) + exact * np.count_nonzero(seen & ~there)
    assert disagreeing(values, count, exact) == expected > 0
    assert disagreeing(np.where(seen, np.float32(np.inf), np.float32(np.nan)), count, exact) == 0
    assert disagreeing(np.full((70000, 2), 1, np.float32), np.zeros((70000, 2), np.uint8), exact) == 140000
    with pytest.raises(S1MonthlyError, match=r"\(38, 203\).*\(37, 203\)"):
        disagreeing(np.zeros((38, 203), np.float32), count, exact)
