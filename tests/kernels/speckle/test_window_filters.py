"""The filters of moving windows against plain double loops, OTB, and what their papers say of single pixels."""

from __future__ import annotations

import math
import shutil
import subprocess

import numpy as np
import pytest
import rasterio
from scipy.integrate import quad
from scipy.stats import gamma

from s1monthly.errors import S1MonthlyError
from s1monthly.kernels.speckle.despeckling import despeckle
from s1monthly.kernels.speckle.lee_sigma import sigma_range
from support.speckle import field, with_holes

nan = np.nan
LOOKS = 5.0
GOLDEN_SHAPE = (140, 70)
"""More rows than two blocks of a filter."""


# the same filters, pixel by pixel


def valid_of(power, row, col, half):
    """Valid pixels of a window, cut at the array's edge, and their distances from its centre."""
    rows, cols = slice(max(row - half, 0), row + half + 1), slice(max(col - half, 0), col + half + 1)
    window = power[rows, cols].astype(np.float64)
    y, x = np.mgrid[rows.start : rows.start + window.shape[0], cols.start : cols.start + window.shape[1]]
    there = ~np.isnan(window)
    return window[there], np.hypot(y - row, x - col)[there]


def moments(values):
    return values.mean(), (values.var(ddof=1) if values.size > 1 else 0.0)


def mmse(x, mean, variance, eta2):
    """Lee's estimate in the form of Lee and Pottier."""
    signal = (variance - mean**2 * eta2) / (1 + eta2)
    return mean + (max(signal / variance, 0.0) if variance > 0 else 0.0) * (x - mean)


def plain_boxcar(power, row, col, half):
    return valid_of(power, row, col, half)[0].mean()


def plain_lee(power, row, col, half):
    return mmse(power[row, col], *moments(valid_of(power, row, col, half)[0]), 1 / LOOKS)


def plain_frost(power, row, col, half):
    values, distances = valid_of(power, row, col, half)
    mean, variance = moments(values)
    weights = np.exp(-2.0 * variance / mean**2 * distances)
    return (weights * values).sum() / weights.sum()


def plain_gamma_map(power, row, col, half):
    x = float(power[row, col])
    mean, variance = moments(valid_of(power, row, col, half)[0])
    ci, cu = math.sqrt(variance) / mean, 1 / math.sqrt(LOOKS)
    if ci <= cu:
        return mean
    if ci >= math.sqrt(2) * cu:
        return x
    a = (1 + cu**2) / (ci**2 - cu**2)
    b = a - LOOKS - 1
    return (mean * b + math.sqrt(mean**2 * b**2 + 4 * a * LOOKS * mean * x)) / (2 * a)


def plain_lee_sigma(power, row, col, half):
    x = float(power[row, col])
    bright = np.percentile(power[~np.isnan(power)], 98)

    def clustered(r, c):
        near = power[max(r - 1, 0) : r + 2, max(c - 1, 0) : c + 2]
        inside = 0 <= r < power.shape[0] and 0 <= c < power.shape[1]
        return inside and power[r, c] >= bright and (near >= bright).sum() >= 5

    if x >= bright and any(clustered(row + i, col + j) for i in (-1, 0, 1) for j in (-1, 0, 1)):
        return x
    prior = mmse(x, *moments(valid_of(power, row, col, 1)[0]), 1 / LOOKS)
    low, high, spread = sigma_range(LOOKS, 0.9)
    values = valid_of(power, row, col, half)[0]
    values = values[(values >= low * prior) & (values <= high * prior)]
    return mmse(x, *moments(values), spread) if values.size else x


def plain_refined_lee(power, row, col, _):
    padded = np.pad(power.astype(np.float64), 3, constant_values=nan)[row : row + 7, col : col + 7]
    parts = [padded[r : r + 3, c : c + 3] for r in (0, 2, 4) for c in (0, 2, 4)]
    parts = [part[~np.isnan(part)] for part in parts]
    m = np.array([part.mean() if part.size else parts[4].mean() for part in parts]).reshape(3, 3)
    least = sorted(moments(part)[1] / moments(part)[0] ** 2 for part in parts if part.size >= 5)[:5]
    y, x = np.mgrid[-3:4, -3:4]
    masks = {(1, 0): x <= 0, (1, 2): x >= 0, (0, 0): x + y <= 0, (2, 2): x + y >= 0}
    masks |= {(0, 1): y <= 0, (2, 1): y >= 0, (0, 2): x >= y, (2, 0): x <= y}
    gradients = [
        (abs(m[:, 0].sum() - m[:, 2].sum()), (1, 0), (1, 2)),
        (abs(m[0, 0] + m[0, 1] + m[1, 0] - m[1, 2] - m[2, 1] - m[2, 2]), (0, 0), (2, 2)),
        (abs(m[0].sum() - m[2].sum()), (0, 1), (2, 1)),
        (abs(m[0, 1] + m[0, 2] + m[1, 2] - m[1, 0] - m[2, 0] - m[2, 1]), (0, 2), (2, 0)),
    ]
    _, one, other = max(gradients, key=lambda g: g[0])
    side = one if abs(m[one] - m[1, 1]) <= abs(m[other] - m[1, 1]) else other
    values = padded[masks[side] & ~np.isnan(padded)]
    mean, variance = moments(values)
    return mmse(padded[3, 3], mean, variance, sum(least) / len(least)) if least else mean


PLAIN = {
    "boxcar": (plain_boxcar, {}),
    "lee": (plain_lee, {"looks": LOOKS}),
    "kuan": (plain_lee, {"looks": LOOKS}),
    "frost": (plain_frost, {"damping": 2.0}),
    "gamma_map": (plain_gamma_map, {"looks": LOOKS}),
    "lee_sigma": (plain_lee_sigma, {"looks": LOOKS}),
    "refined_lee": (plain_refined_lee, {}),
}
CASES = [(name, size) for name in PLAIN for size in ((7,) if name == "refined_lee" else (3, 7, 11))]


@pytest.mark.parametrize(("method", "size"), CASES)
def test_filters_are_those_of_a_plain_double_loop(method, size):
    plain, options = PLAIN[method]
    for power in (field(GOLDEN_SHAPE, looks=LOOKS), with_holes(GOLDEN_SHAPE)):
        power[60:80, 30:34] *= 1000  # targets within the range of one filter block and the next
        if method != "refined_lee":
            options = options | {"window_size": size}
        made = despeckle(power, method, threads=2, **options)
        rows, cols = np.nonzero(~np.isnan(power))
        some = np.random.default_rng(0).choice(rows.size, 1500, replace=False)
        expected = [plain(power, rows[i], cols[i], size // 2) for i in some]
        np.testing.assert_allclose(made[rows[some], cols[some]], expected, rtol=1e-5)


@pytest.mark.parametrize("method", PLAIN)
def test_nothing_reaches_beyond_its_window(method):
    """What lies more than a window away, no data or a bright target, changes no bit of a pixel."""
    power = field((150, 60))
    made = despeckle(power, method, **PLAIN[method][1])
    power[:70] = nan
    power[69, 10] = 1e6
    again = despeckle(power, method, **PLAIN[method][1])
    np.testing.assert_array_equal(again[80:], made[80:])


OTB = shutil.which("otbcli_Despeckle")


@pytest.mark.skipif(not OTB, reason="OTB is not installed (Debian: apt-get install otb-bin)")
@pytest.mark.parametrize("half", [1, 3])
@pytest.mark.parametrize("method", ["kuan", "frost", "gamma_map"])
def test_filters_are_those_of_otb(method, half, tmp_path):
    """OTB's filter named lee has another weight: 1 - Cu^2 / Ci^2, without the division by 1 + Cu^2."""
    power = field((90, 110), looks=4)
    source, result, name = tmp_path / "in.tif", tmp_path / "out.tif", method.replace("_", "")
    grid = {"crs": "EPSG:32610", "transform": rasterio.Affine(30, 0, 600000, 0, -30, 4000000)}
    with rasterio.open(source, "w", "GTiff", 110, 90, 1, dtype="float32", **grid) as file:
        file.write(power, 1)
    options = {"rad": half} | ({"deramp": 1.5} if method == "frost" else {"nblooks": 4})
    given = [text for key, value in options.items() for text in (f"-filter.{name}.{key}", str(value))]
    command = [str(OTB), "-in", str(source), "-out", str(result), "float", "-filter", name, *given]
    subprocess.run(command, check=True, capture_output=True)
    with rasterio.open(result) as file:
        theirs = file.read(1)
    ours = despeckle(
        power, method, window_size=2 * half + 1, **({"damping": 1.5} if method == "frost" else {"looks": 4})
    )
    inside = (slice(half, -half), slice(half, -half))  # OTB repeats the outermost pixels at the borders
    np.testing.assert_allclose(ours[inside], theirs[inside], rtol=1e-6)


def test_a_single_bright_pixel_is_kept_as_the_papers_say():
    """On a constant of 0.1 a target of 1000."""
    power = np.full((31, 31), 0.1, np.float32)
    power[15, 15] = 1000.0
    made = {name: despeckle(power, name, **options) for name, (_, options) in PLAIN.items()}
    away = np.ones((31, 31), bool)
    away[12:19, 12:19] = False
    for values in made.values():
        np.testing.assert_allclose(values[away], 0.1, rtol=1e-6)
    mean = (1000 + 48 * 0.1) / 49
    np.testing.assert_allclose(made["boxcar"][12:19, 12:19], mean, rtol=1e-5)
    # heterogeneous: the variance of the window is nearly all signal
    weight = (1 - 1 / LOOKS / 49) / (1 + 1 / LOOKS)
    assert made["lee"][15, 15] == pytest.approx(mean + weight * (1000 - mean), rel=1e-3)
    np.testing.assert_array_equal(made["kuan"], made["lee"])
    # a point: the pixel itself, and its neighbours
    np.testing.assert_array_equal(made["gamma_map"], power)
    # Ci^2 is 49: the weight of the nearest neighbour is exp(-98)
    np.testing.assert_allclose(made["frost"], power, rtol=1e-6)
    # the noise of the surroundings is zero; and no other pixel is like it
    assert made["refined_lee"][15, 15] == pytest.approx(1000, rel=1e-6)
    assert made["lee_sigma"][15, 15] == pytest.approx(1000, rel=1e-6)


def test_clusters_of_bright_pixels_are_kept_and_speckle_is_not():
    """Lee et al. 2009: at least five bright pixels of nine are a target."""
    power = (0.1 * np.random.default_rng(0).gamma(4, 1 / 4, (200, 200))).astype(np.float32)
    power[100:103, 100:103] = [[9, 5, 8], [7, 6, 0.1], [0.1, 0.1, 0.1]]
    made = despeckle(power, "lee_sigma", looks=4)
    target = power[100:102, 100:103] > 1
    np.testing.assert_array_equal(made[100:102, 100:103][target], power[100:102, 100:103][target])
    assert np.std(made[:90]) < 0.4 * np.std(power[:90])


@pytest.mark.parametrize("method", PLAIN)
def test_filters_keep_the_mean_power_of_homogeneous_areas(method):
    """To 0.05 dB, but for Gamma-MAP, which takes the most probable value: a little below the mean."""
    power = (0.03 * np.random.default_rng(5).gamma(8, 1 / 8, (600, 600))).astype(np.float32)
    made = despeckle(power, method, **({"looks": 8} if "looks" in PLAIN[method][1] else {}))
    loss = 10 * math.log10(made.astype(np.float64).mean() / power.astype(np.float64).mean())
    assert abs(loss) < (0.06 if method == "gamma_map" else 0.05)


# the range of the sigma filter


@pytest.mark.parametrize("looks", [1.0, 1.7, 4.0, 9.3, 120.0])
@pytest.mark.parametrize("sigma", [0.5, 0.9, 0.95])
def test_the_sigma_range_holds_its_share_with_the_mean_of_the_speckle(looks, sigma):
    low, high, spread = sigma_range(looks, sigma)
    speckle = gamma(looks, scale=1 / looks)
    assert speckle.cdf(high) - speckle.cdf(low) == pytest.approx(sigma, abs=1e-6)
    assert quad(lambda z: z * speckle.pdf(z), low, high)[0] / sigma == pytest.approx(1, abs=1e-5)
    assert quad(lambda z: (z - 1) ** 2 * speckle.pdf(z), low, high)[0] / sigma == pytest.approx(spread, rel=1e-4)


def test_the_sigma_range_is_that_of_the_paper():
    """Table I of Lee et al. 2009, intensity; its figures were found numerically."""
    for looks, sigma, low, high, spread in (
        (1, 0.5, 0.436, 1.920, 0.4057),
        (1, 0.9, 0.084, 3.941, 0.8191),
        (4, 0.9, 0.378, 2.094, 0.3991),
    ):
        found = sigma_range(looks, sigma)
        assert found[:2] == pytest.approx((low, high), abs=0.01)
        assert math.sqrt(found[2]) == pytest.approx(spread, abs=0.001)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("boxcar", {"window_size": 4}, "window of 4 pixels"),
        ("lee", {"window_size": 65, "looks": 4}, "odd number from 3 to 63"),
        ("lee", {}, "lee needs looks"),
        ("lee", {"looks": 0}, "0 looks"),
        ("gamma_map", {"looks": math.inf}, "inf looks"),
        ("frost", {"damping": -1}, "damping=-1"),
        ("lee_sigma", {"sigma": 1.0, "looks": 4}, "sigma=1.0"),
    ],
)
def test_options_out_of_range_are_refused(method, options, message):
    with pytest.raises(S1MonthlyError, match=message):
        despeckle(field((20, 20)), method, **options)
