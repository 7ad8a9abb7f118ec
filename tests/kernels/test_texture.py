"""Textures against a plain loop over windows with scikit-image, and what symmetry and arithmetic demand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import rasterio
from scipy.ndimage import gaussian_filter
from skimage.feature import graycomatrix, graycoprops

from s1monthly.errors import S1MonthlyError
from s1monthly.kernels import _texture as texture_kernels
from s1monthly.kernels import texture
from s1monthly.kernels.options import TEXTURE_METRICS, TextureOptions
from s1monthly.kernels.pixel_pairs import offset
from s1monthly.kernels.texture import texture_names, textures, valid_range
from s1monthly.versions import ALGORITHMS

nan = np.nan
FOUR = (0.0, 45.0, 90.0, 135.0)
LOW, HIGH = -25.0, 5.0

GOLDEN = {
    1: {
        "contrast": [12.958333, 8.9, 7.762821, 6.654167, 7.725],
        "homogeneity": [0.478744, 0.259991, 0.290746, 0.344376, 0.252262],
        "entropy": [1.473502, 2.14995, 1.973037, 2.134574, 1.988867],
        "correlation": [0.305813, -0.080926, -0.21097, -0.093657, -0.254824],
    }
}
"""Metrics of ``_golden_field`` at some pixels, by algorithm version; version 1 by ``_truth``."""


def _golden_field() -> np.ndarray:
    r, c = np.mgrid[:24, :24]
    db = (((r * 7919 + c * 104729 + r * c * 31) % 997) / 997 * 12 - 18 + (r // 8) * 3).astype(np.float32)
    db[10:14, 5:18] = nan
    return db


def _field(shape, seed=0, spread=5.0):
    """Rough fields of a few dB, some of it below and above the range."""
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.normal(size=shape), 1.5) * 3 * spread
    return (smooth + rng.normal(-10, spread / 3, shape)).astype(np.float32)


def _with_holes(shape, seed=0):
    """Single missing pixels, blobs, and a missing corner."""
    db = _field(shape, seed)
    rng = np.random.default_rng(seed + 1)
    db[gaussian_filter(rng.normal(size=shape), 2) > 0.09] = nan
    db[rng.random(shape) < 0.08] = nan
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    db[rows + cols < max(shape) // 4] = nan
    return db


def _levels(db, low, high, number):
    """Levels by comparison with the inner edges of the bins; no data is minus one."""
    edges = [low + (high - low) * k / number for k in range(1, number)]
    return np.where(np.isfinite(db), np.digitize(db.astype(np.float64), edges), -1)


def _count_pairs(window, down, along, number):
    """Count pairs of valid levels in plain numpy."""
    rows, cols = window.shape
    counts = np.zeros((number, number), np.int64)
    for r, c in np.ndindex(rows, cols):
        s, d = r + down, c + along
        if 0 <= s < rows and 0 <= d < cols and window[r, c] >= 0 and window[s, d] >= 0:
            counts[window[r, c], window[s, d]] += 1
    return counts


def _matrices(window, options):
    """Co-occurrence matrices of a window: (level, level, 1, angle)."""
    radians = [math.radians(angle) for angle in options.angles]
    if (window >= 0).all():
        return graycomatrix(window.astype(np.uint8), [options.distance], radians, options.levels, normed=True)
    counts = [_count_pairs(window, *offset(options.distance, angle), options.levels) for angle in options.angles]
    matrices = np.stack(counts, axis=-1)[:, :, None, :].astype(np.float64)
    return matrices / np.maximum(matrices.sum(axis=(0, 1)), 1)


def _metric(matrices, metric):
    """One metric of each angle; NaN where there is no pair."""
    if metric == "entropy":
        logs = np.log(matrices, out=np.zeros_like(matrices), where=matrices > 0)
        values = -(matrices * logs).sum(axis=(0, 1))[0]
    else:
        values = graycoprops(matrices, metric)[0]
    if metric == "correlation":
        # scikit-image asks whether a standard deviation is below 1e-15, which rounding can miss.
        flat = ((matrices.sum(axis=1) > 0).sum(axis=0) == 1) | ((matrices.sum(axis=0) > 0).sum(axis=0) == 1)
        values = np.where(flat[0], 1.0, values)
    return np.where(matrices.any(axis=(0, 1))[0], values, nan)


def _truth(db, options, low=LOW, high=HIGH, pixels=None):
    """Textures by name, float64, pixel by pixel; NaN at pixels that are not asked for."""
    levels = _levels(db, low, high, options.levels)
    half = options.window_size // 2
    found = {name: np.full(db.shape, nan) for name in options.suffixes}
    for r, c in np.ndindex(*db.shape) if pixels is None else pixels:
        if levels[r, c] < 0:
            continue
        window = levels[max(0, r - half) : r + half + 1, max(0, c - half) : c + half + 1]
        matrices = _matrices(window, options)
        for metric in options.metrics:
            values = _metric(matrices, metric)
            if not options.average_angles:
                for angle, value in zip(options.angles, values, strict=True):
                    found[f"{metric}_{angle:g}"][r, c] = value
            elif not np.isnan(values).all():
                found[metric][r, c] = np.nanmean(values)
    return found


def _made(db, options, low=LOW, high=HIGH, threads=1):
    return dict(textures(db, low, high, options, threads))


def _assert_true(db, options, low=LOW, high=HIGH, pixels=None):
    made = _made(db, options, low, high, threads=2)
    assert tuple(made) == options.suffixes
    where = tuple(np.array(list(np.ndindex(*db.shape)) if pixels is None else pixels).T)
    for name, expected in _truth(db, options, low, high, pixels).items():
        values, expected = made[name][where], expected[where]
        assert values.dtype == np.float32
        if name.startswith("contrast"):
            np.testing.assert_array_equal(values, expected.astype(np.float32), name)
        else:
            np.testing.assert_allclose(values, expected, rtol=0, atol=1e-6, err_msg=name)


# Against scikit-image


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        TextureOptions(),
        TextureOptions(levels=32, angles=FOUR),
        TextureOptions(levels=2, angles=(45.0,), window_size=3),
        TextureOptions(levels=64, angles=(0.0, 135.0), window_size=7, average_angles=False),
        TextureOptions(levels=8, angles=(30.0, 120.0, 200.0, -60.0), distance=3, average_angles=False),
        TextureOptions(levels=5, angles=FOUR, distance=4),
        TextureOptions(levels=16, angles=(90.0, 315.0), distance=2, window_size=11),
    ],
    ids=lambda options: f"{options.levels}-{options.window_size}-{options.distance}-{len(options.angles)}",
)
def test_equals_scikit_image_edges_included(options, holes):
    _assert_true((_with_holes if holes else _field)((19, 23), seed=options.levels), options)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (3, 40), (5, 4)])
def test_windows_larger_than_the_array(shape):
    for db in (_field(shape), _with_holes(shape)):
        _assert_true(db, TextureOptions(window_size=9, angles=FOUR, levels=6))


def test_the_largest_window_and_number_of_levels():
    """Sums at their largest, where exactness is tightest: all pixels at either end of the range."""
    rng = np.random.default_rng(0)
    options = TextureOptions(window_size=63, levels=64, angles=(0.0, 45.0))
    pixels = [(0, 0), (35, 33), (36, 40), (69, 75)]
    for share in (0.0, 0.02, 0.5):
        db = np.where(rng.random((70, 76)) < share, LOW - 1, HIGH + 1).astype(np.float32)
        _assert_true(db, options, pixels=pixels)
    _assert_true(_with_holes((70, 76)), options, pixels=[*pixels, (20, 35), (50, 3)])


def test_across_blocks_of_rows_and_strips_of_columns():
    rows, cols = texture.BLOCK_ROWS + 5, texture_kernels.STRIP + 70
    db = _with_holes((rows, cols), seed=3)
    around = [texture_kernels.STRIP + k for k in range(-4, 5)]
    pixels = [*itertools.product(range(texture.BLOCK_ROWS - 4, rows), around), *itertools.product((0, 30), around)]
    _assert_true(db, TextureOptions(levels=32, angles=FOUR), pixels=pixels)
    _assert_true(db, TextureOptions(window_size=21), pixels=pixels[::9])


def test_real_crops(shared_data):
    crops = sorted((shared_data / "opera-rtc-s1" / "10SGD_T137").glob("*/*_V?.tif"))[::101]
    assert len(crops) >= 5
    for path in crops:
        with rasterio.open(path) as raster:
            db = (10 * np.log10(raster.read(1))).astype(np.float32)
        low, high = (LOW, HIGH) if path.stem.endswith("VV") else (-32.0, -5.0)
        inner = list(itertools.product(range(48, 54), range(60, 72)))
        edge = [(0, 0), (0, 99), (99, 0), (99, 99), (1, 50), (50, 98)]
        _assert_true(db, TextureOptions(levels=32, angles=FOUR), low, high, inner + edge)


def test_golden_values():
    options = TextureOptions(levels=16, angles=FOUR)
    made = _made(_golden_field(), options)
    for metric, expected in GOLDEN[ALGORITHMS["texture"]].items():
        np.testing.assert_allclose(made[metric][[0, 9, 12, 15, 23], [0, 12, 3, 12, 20]], expected, atol=1e-5)
    assert set(GOLDEN[ALGORITHMS["texture"]]) == set(TEXTURE_METRICS)


def test_the_plain_count_is_that_of_scikit_image():
    window = _levels(_field((9, 8)), LOW, HIGH, 7)
    for distance, angle in itertools.product((1, 3), range(0, 360, 45)):
        expected = graycomatrix(window.astype(np.uint8), [distance], [math.radians(angle)], 7)[:, :, 0, 0]
        np.testing.assert_array_equal(_count_pairs(window, *offset(distance, angle), 7), expected)


# Levels, offsets, flat windows, no data


def test_a_level_has_its_lower_edge_and_the_last_one_both():
    db = np.array([[-9, 0, 0.999, 1, 1.5, 2, 3, 3.999, 4, 9, nan, np.inf, -np.inf]], np.float32)
    levels = np.full((1, db.size), 99, np.uint8)
    texture_kernels.quantise(0, 1, db, 0.0, 4.0, 4, 0, levels)
    nothing = texture_kernels.NOTHING
    np.testing.assert_array_equal(levels[0], [0, 0, 0, 1, 1, 2, 3, 3, 3, 3, nothing, nothing, nothing])


def test_edges_of_decimal_bins_are_met():
    """30 dB in 30 levels: every whole dB is the lower edge of a level, and belongs to it."""
    db = np.arange(-25, 5, dtype=np.float32)[None]
    levels = np.zeros(db.shape, np.uint8)
    texture_kernels.quantise(0, 1, db, -25.0, 5.0, 30, 0, levels)
    np.testing.assert_array_equal(levels[0], np.arange(30))


@pytest.mark.parametrize("value", [-40.0, -25.0, -10.3, 4.99, 5.0, 40.0])
def test_a_constant_is_smooth_whatever_is_missing(value):
    db = np.where(np.isfinite(_with_holes((40, 50))), np.float32(value), np.float32(nan))
    for options in (TextureOptions(), TextureOptions(window_size=15, levels=64, angles=(0.0, 45.0, 90.0))):
        made = _made(db, options)
        valid = np.isfinite(made["contrast"])
        assert valid.mean() > 0.4
        for metric, expected in {"contrast": 0, "homogeneity": 1, "entropy": 0, "correlation": 1}.items():
            np.testing.assert_array_equal(made[metric][valid], expected)


def test_correlation_of_a_flat_side_is_one():
    """First pixels of one level and second ones of several: rounding can make the zero deviation more than 1e-15."""
    scikit_image = []
    for window, level in itertools.product((3, 5, 7, 11), range(64)):
        row = np.arange(window)[:, None]
        db = np.where(np.arange(window) == window - 1, (row * 37 + level) % 64, level).astype(np.float32)
        for angle in (0.0, 180.0):
            options = TextureOptions(("correlation",), window, distance=window - 1, angles=(angle,), levels=64)
            assert _made(db, options, 0.0, 64.0)["correlation"][window // 2, window // 2] == 1
            scikit_image.append(graycoprops(_matrices(db.astype(np.uint8), options), "correlation").item())
    assert min(scikit_image) < 0.9  # which is why whole numbers decide here


def test_no_data_is_where_the_centre_is_missing_or_has_no_pair():
    db = np.full((30, 40), nan, np.float32)
    db[4, 5] = -10  # alone
    db[10, 10:12] = -10  # a pair along the row
    db[20:22, 20] = np.inf  # no data either
    db[20:22, 21] = -12, -8  # a pair down the column
    made = _made(db, TextureOptions(angles=(0.0, 90.0), average_angles=False, window_size=5))
    for metric in TEXTURE_METRICS:
        for angle, valid in (("0", {(10, 10), (10, 11)}), ("90", {(20, 21), (21, 21)})):
            assert set(zip(*np.nonzero(np.isfinite(made[f"{metric}_{angle}"])), strict=True)) == valid
    mean = _made(db, TextureOptions(angles=(0.0, 90.0)))
    for metric in TEXTURE_METRICS:
        np.testing.assert_array_equal(mean[metric][10], made[f"{metric}_0"][10])
        np.testing.assert_array_equal(mean[metric][20:22], made[f"{metric}_90"][20:22])


def test_no_data_at_all_and_no_pixels_at_all():
    for shape in ((70, 80), (0, 5), (5, 0)):
        for values in _made(np.full(shape, nan, np.float32), TextureOptions()).values():
            assert values.shape == shape
            assert np.isnan(values).all()


# Ranges


@pytest.mark.parametrize("levels", [2, 3, 16, 64])
@pytest.mark.parametrize("window", [3, 9])
def test_values_lie_in_their_ranges(levels, window):
    chess = np.where(np.indices((30, 30)).sum(axis=0) % 2, LOW, HIGH).astype(np.float32)
    seen: dict[str, list[float]] = {metric: [] for metric in TEXTURE_METRICS}
    for db in (_with_holes((60, 60)), _field((60, 60), spread=30.0), np.full((5, 5), -10.0, np.float32), chess):
        for angles in (FOUR, (0.0,)):
            made = _made(db, TextureOptions(levels=levels, window_size=window, angles=angles))
            for metric, values in made.items():
                low, high = valid_range(metric, levels)
                assert np.nanmin(values) >= low
                assert np.nanmax(values) <= high
                seen[metric] += [np.nanmin(values), np.nanmax(values)]
    assert max(seen["contrast"]) == (levels - 1) ** 2
    assert min(seen["homogeneity"]) == np.float32(1 / (1 + (levels - 1) ** 2))
    assert min(seen["correlation"]) == -1
    assert (min(seen["contrast"]), max(seen["homogeneity"]), min(seen["entropy"]), max(seen["correlation"])) == (
        0,
        1,
        0,
        1,
    )


# What must not matter


@pytest.mark.parametrize("window", [5, 21])
def test_threads_and_blocks_change_nothing(monkeypatch, window):
    db = _with_holes((150, 130), seed=2)
    options = TextureOptions(window_size=window, levels=32, angles=FOUR)
    expected = _made(db, options)
    for rows, threads in ((texture.BLOCK_ROWS, 2), (1, 1), (7, 3), (16, 2), (1000, 1)):
        monkeypatch.setattr(texture, "BLOCK_ROWS", rows)
        for name, values in _made(db, options, threads=threads).items():
            assert values.tobytes() == expected[name].tobytes()


def test_a_part_cut_out_has_the_same_textures():
    db = _with_holes((140, 150), seed=8)
    options = TextureOptions(levels=32, angles=FOUR, window_size=7)
    whole, part = _made(db, options), _made(db[11:131, 13:], options)
    for name in options.suffixes:
        np.testing.assert_array_equal(part[name][3:-3, 3:], whole[name][14:128, 16:])


def test_metrics_do_not_depend_on_which_others_are_asked_for():
    db = _with_holes((40, 50))
    expected = _made(db, TextureOptions(angles=FOUR))
    for number in (1, 2, 3, 4):
        for metrics in itertools.permutations(TEXTURE_METRICS, number):
            made = _made(db, TextureOptions(metrics=metrics, angles=FOUR))
            assert tuple(made) == metrics
            for metric in metrics:
                np.testing.assert_array_equal(made[metric], expected[metric])


def test_angles_apart_are_those_of_each_angle_alone():
    db = _with_holes((40, 50))
    apart = _made(db, TextureOptions(angles=FOUR, average_angles=False))
    for angle in FOUR:
        for metric, values in _made(db, TextureOptions(angles=(angle,))).items():
            np.testing.assert_array_equal(apart[f"{metric}_{angle:g}"], values)


def test_input_may_lie_anyhow_and_stays_as_it_is():
    db = _with_holes((40, 50))
    before = db.copy()
    expected = _made(db, TextureOptions())
    for same in (np.asfortranarray(db), db.astype(np.float64), np.repeat(db, 2, axis=1)[:, ::2]):
        for name, values in _made(same, TextureOptions()).items():
            np.testing.assert_array_equal(values, expected[name])
    np.testing.assert_array_equal(db, before)


# Names and refusals


def test_names():
    mean = TextureOptions(metrics=("entropy", "contrast"))
    assert texture_names("VV_dB", mean) == ("VV_glcm_entropy", "VV_glcm_contrast")
    apart = TextureOptions(
        metrics=("entropy", "contrast"), angles=(0, 45.0, 67.5, -90), distance=2, average_angles=False
    )
    assert texture_names("HV_dB", apart) == (
        *("HV_glcm_entropy_0", "HV_glcm_contrast_0", "HV_glcm_entropy_45", "HV_glcm_contrast_45"),
        *("HV_glcm_entropy_67.5", "HV_glcm_contrast_67.5", "HV_glcm_entropy_-90", "HV_glcm_contrast_-90"),
    )
    assert tuple(_made(_field((5, 6)), apart)) == apart.suffixes
    with pytest.raises(S1MonthlyError, match="RVI"):
        texture_names("RVI", mean)


def test_bad_arguments_are_refused_before_the_first_texture_is_asked_for():
    db = _field((5, 5))
    for low, high in ((5.0, 5.0), (5.0, -25.0), (nan, 5.0), (-25.0, np.inf)):
        with pytest.raises(S1MonthlyError, match="levels from"):
            textures(db, low, high, TextureOptions())
    with pytest.raises(S1MonthlyError, match="3 dimensions"):
        textures(db[None], LOW, HIGH, TextureOptions())
    with pytest.raises(S1MonthlyError, match="0 threads"):
        textures(db, LOW, HIGH, TextureOptions(), 0)
