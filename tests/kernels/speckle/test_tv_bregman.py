"""Despeckling against scikit-image, OPERA's reference results, plain Python, and the functional it minimizes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import rasterio
from skimage.restoration import denoise_tv_bregman

from s1monthly.errors import S1MonthlyError
from s1monthly.kernels.speckle import tv_bregman as bregman
from s1monthly.kernels.speckle.despeckling import despeckle
from s1monthly.versions import ALGORITHMS
from support.speckle import db, field, with_holes

nan = np.nan

GOLDEN = {1: [-20.03443, -13.68935, -13.97455, -18.27273, -12.30005]}
"""Decibels of some pixels of the despeckled ``_golden_field``, by algorithm version; version 1 by ``_plain``."""


def tv_bregman(power, **options):
    return despeckle(power, "tv_bregman", **options)


def _golden_field() -> np.ndarray:
    r, c = np.mgrid[:40, :40]
    power = (((r * 7919 + c * 104729 + r * c * 31) % 997) / 997 * 0.09 + 0.001).astype(np.float32)
    power[10:14, 5:30] = nan
    return power


def _graph(shape, valid):
    """Yield every valid pixel and its four neighbours, in the array or its frame: (is it there, is it fixed, index)."""
    rows, cols = shape

    def cell(r, c):
        source = (
            min(1, rows - 1) if r < 0 else rows - 1 if r == rows else r,
            min(1, cols - 1) if c < 0 else cols - 1 if c == cols else c,
        )
        return bool(valid[source]), source != (r, c), source

    for r, c in np.ndindex(*shape):
        if valid[r, c]:
            yield (r, c), cell(r, c + 1), cell(r + 1, c), cell(r, c - 1), cell(r - 1, c)


def _plain(power, reg_param=5.0, iterations=10):
    """Split Bregman on the graph of the valid pixels, in plain Python and double precision; the changes as well."""
    f = db(power)
    valid = np.isfinite(f)
    weight, lam = 1 / reg_param, 2 / reg_param
    u = {p: f[p] for p in zip(*np.nonzero(valid), strict=True)}
    zero = (0.0, 0.0)
    b, d = {}, {}
    graph = list(_graph(f.shape, valid))
    changes = []
    for _ in range(iterations):
        total = 0.0
        for p, east, south, west, north in graph:
            around = [f[q] if fixed else u[q] for there, fixed, q in (east, south, west, north) if there]
            u_east = f[east[2]] if east[1] else u.get(east[2], 0)
            u_south = f[south[2]] if south[1] else u.get(south[2], 0)
            old = u[p]
            be, bs = b.get(p, zero)
            de, ds = d.get(p, zero)
            bw, dw = (b.get(west[2], zero)[0], d.get(west[2], zero)[0]) if west[0] and not west[1] else zero
            bn, dn = (b.get(north[2], zero)[1], d.get(north[2], zero)[1]) if north[0] and not north[1] else zero
            pull = sum(around) + (dw - de) + (dn - ds) - (bw - be) - (bn - bs)
            u[p] = (lam * pull + weight * f[p]) / (weight + lam * len(around))
            total += (u[p] - old) ** 2
            te = u_east - old + be if east[0] else 0.0
            ts = u_south - old + bs if south[0] else 0.0
            shrink = lam * math.hypot(te, ts) / (lam * math.hypot(te, ts) + 1)
            d[p] = (shrink * te, shrink * ts)
            b[p] = (te - d[p][0], ts - d[p][1])
        changes.append(math.sqrt(total / len(graph)))
    result = np.full(f.shape, nan)
    for p, value in u.items():
        result[p] = value
    return result, changes


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "shape",
    [
        (2, 2),
        (3, 200),
        (200, 3),
        (40, 125),
        (41, 126),
        (64, 127),
        (65, 128),
        (130, 129),
        (70, 254),
        (70, 255),
        (90, 383),
    ],
)
def test_equals_scikit_image_without_no_data(shape, threads):
    power = field(shape)
    decibel = np.float32(10) * np.log10(power)
    expected = denoise_tv_bregman(decibel, weight=1 / 5, isotropic=True, eps=1e-3)
    assert np.abs(db(tv_bregman(power, threads=threads)) - expected).max() < 1e-4


@pytest.mark.parametrize("options", [{"reg_param": 1.0}, {"reg_param": 20.0}, {"eps": 0.02}, {"max_num_iter": 3}])
def test_options_mean_what_they_mean_in_scikit_image(options):
    power = field((100, 150))
    named = dict(options)
    weight = 1 / named.pop("reg_param", 5.0)
    expected = denoise_tv_bregman(np.float32(10) * np.log10(power), weight=weight, **({"eps": 1e-3} | named))
    assert np.abs(db(tv_bregman(power, **options)) - expected).max() < 1e-4


@pytest.mark.parametrize("looks", [1, 100])
def test_equals_scikit_image_on_a_large_field(looks):
    power = field((1200, 1300), looks=looks)
    expected = denoise_tv_bregman(np.float32(10) * np.log10(power), weight=1 / 5, isotropic=True, eps=1e-3)
    assert np.abs(db(tv_bregman(power, threads=2)) - expected).max() < 1e-3


def test_reproduces_the_reference_on_real_crops(shared_data):
    references = sorted((shared_data / "reference" / "tv_bregman").glob("*/*_tv.tif"))
    whole = 0
    for path in references:
        with rasterio.open(path) as raster:
            expected = db(raster.read(1))
        name = path.name.replace("_tv", "")
        with rasterio.open(shared_data / "opera-rtc-s1" / "10SGD_T137" / path.parent.name / name) as raster:
            power = raster.read(1)
        clipped = np.clip(power, 1e-7, 1)
        assert np.abs(db(tv_bregman(clipped)) - expected).max() < 1e-3, name
        if np.array_equal(clipped, power):
            whole += 1
        else:  # the reference cuts cities off at 0 dB
            assert np.abs(db(tv_bregman(power)) - expected).max() > 0.3, name
    assert len(references) > 40
    assert 20 < whole < len(references)


@pytest.mark.parametrize("shape", [(24, 24), (17, 140), (30, 9)])
def test_equals_plain_python_with_no_data(shape):
    power = with_holes(shape)
    assert 0.2 < np.isnan(power).mean() < 0.9
    expected, changes = _plain(power, iterations=14)
    made = db(tv_bregman(power, eps=0.0, max_num_iter=14))
    np.testing.assert_allclose(made, expected, atol=1e-4)
    eps = math.sqrt(changes[9] * changes[10])  # between two changes: stops after the eleventh
    np.testing.assert_allclose(db(tv_bregman(power, eps=eps)), _plain(power, iterations=11)[0], atol=1e-4)


@pytest.mark.parametrize("rows", [520, 511, 255])
@pytest.mark.parametrize("slope", [-2, -1, -0.5, 0, 0.5, 1, 2])
def test_equals_plain_python_where_data_end_beside_a_border_of_chunks(rows, slope):
    """A strip along the border of two chunks of rows, or along the frame, that ends at a slanting edge."""
    border = min(bregman.LANES * (rows // bregman.LANES), rows) or rows
    r, c = np.mgrid[:rows, :60]
    beside = np.abs(r - border) < 8
    for valid in (c - 30 > slope * (r - border), c - 30 < slope * (r - border)):
        power = np.where(beside & valid, field((rows, 60)), nan).astype(np.float32)
        made = db(tv_bregman(power, eps=0.0, max_num_iter=12))
        np.testing.assert_allclose(made, _plain(power, iterations=12)[0], atol=1e-4)


def test_converges_to_the_minimum_of_its_functional():
    """At the minimum of sum phi(|grad u|) + weight / 2 |u - f|^2 over the links between valid pixels the slope is zero.

    The relaxed shrinkage d = lam s / (lam s + 1) t makes phi'(g) = sigma / (1 + sigma), lam g = sigma^2 / (1 + sigma).
    """
    power = with_holes((30, 34), seed=4)
    weight, lam = 0.2, 0.4
    f = db(power)
    u = db(tv_bregman(power, eps=0.0, max_num_iter=3000))
    valid = np.isfinite(f)
    slope = weight * (u - f)
    for p, east, south, west, north in _graph(f.shape, valid):
        for there, fixed, q in (west, north):  # links from the fixed frame above and left: plain springs
            if there and fixed:
                slope[p] += lam * (u[p] - f[q])
        ge, gs = ((f[q] if fixed else u[q]) - u[p] if there else 0.0 for there, fixed, q in (east, south))
        g = lam * math.hypot(ge, gs)
        if g > 0:
            sigma = (g + math.sqrt(g * g + 4 * g)) / 2
            force = sigma / (1 + sigma) * lam / g
            slope[p] -= force * (ge + gs)
            for (there, fixed, q), difference in ((east, ge), (south, gs)):
                if there and not fixed:
                    slope[q] += force * difference
    assert np.nanmax(np.abs(slope)) < 2e-4
    assert np.nanmax(np.abs(weight * (u - f))) > 0.5  # the terms that cancel are not small


def test_islands_do_not_know_of_each_other():
    """Two areas divided by one missing row: whatever the one holds, the other comes out the same."""
    power = with_holes((60, 150), seed=2)
    power[30] = nan
    other = power.copy()
    other[31:] = np.where(np.isfinite(power[31:]), 50 * power[31:][::-1, ::-1], nan)
    fixed = {"eps": 0.0, "max_num_iter": 25}
    np.testing.assert_array_equal(tv_bregman(power, **fixed)[:30], tv_bregman(other, **fixed)[:30])


def test_what_lies_under_no_data_does_not_matter():
    """A crop that ends at the border of the valid area gives the same as the field with no data beyond it."""
    power = field((80, 150), seed=7)
    cut = power.copy()
    cut[:, 100:] = nan
    cut[50:] = nan
    fixed = {"eps": 0.0, "max_num_iter": 25}
    small = np.full((51, 101), nan, np.float32)
    small[:50, :100] = power[:50, :100]
    np.testing.assert_array_equal(tv_bregman(cut, **fixed)[:50, :100], tv_bregman(small, **fixed)[:50, :100])


def test_single_pixels_keep_their_value():
    power = np.full((50, 300), nan, np.float32)
    rng = np.random.default_rng(1)
    rows, cols = rng.integers(2, 24, 60) * 2, rng.integers(2, 149, 60) * 2
    power[rows, cols] = rng.gamma(1.0, 0.1, 60)
    np.testing.assert_allclose(tv_bregman(power), power, rtol=2e-6)


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (1, 300), (300, 1), (2, 127), (127, 2)])
def test_narrow_arrays(shape):
    power = field(shape)
    np.testing.assert_allclose(
        db(tv_bregman(power, eps=0.0, max_num_iter=6)), _plain(power, iterations=6)[0], atol=1e-4
    )


@pytest.mark.parametrize("shape", [(700, 390), (63, 64), (129, 700), (5, 5)])
def test_threads_change_nothing(shape):
    for power in (field(shape), with_holes(shape)):
        one = tv_bregman(power)
        for threads in (2, 3, 8):
            np.testing.assert_array_equal(tv_bregman(power, threads=threads), one)


@pytest.mark.parametrize("forecast", [1, 2, 3, 5, 40])
def test_result_does_not_depend_on_the_forecast_of_the_stop(monkeypatch, forecast):
    """Rounds that fall short of the stop, reach it, pass it by one or by many iterations: the same result."""
    power = with_holes((100, 150))
    expected = tv_bregman(power)
    monkeypatch.setattr(bregman, "_forecast", lambda rms, eps: forecast)
    np.testing.assert_array_equal(tv_bregman(power), expected)
    monkeypatch.setattr(bregman, "FIRST_ROUND", forecast)
    np.testing.assert_array_equal(tv_bregman(power, threads=2), expected)


def test_values_without_decibels_are_refused():
    for value in (0.0, -1.0, np.inf):
        power = field((20, 20))
        power[3, 4:6] = value
        with pytest.raises(S1MonthlyError, match="2 power values"):
            tv_bregman(power)


@pytest.mark.parametrize(
    "options", [{"reg_param": 0.0}, {"reg_param": nan}, {"eps": -1.0}, {"max_num_iter": 0}, {"threads": 0}]
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(S1MonthlyError, match="cannot run"):
        tv_bregman(field((5, 5)), **options)


def test_golden_values():
    made = db(tv_bregman(_golden_field()))
    np.testing.assert_allclose(
        made[[0, 9, 15, 30, 39], [0, 20, 33, 12, 39]], GOLDEN[ALGORITHMS["despeckling"]], atol=2e-4
    )
