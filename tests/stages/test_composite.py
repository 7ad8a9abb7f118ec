"""A month composed from burst files in blocks of rows: the same as plain NumPy on whole mosaics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from s1monthly.errors import GridError, ProductError
from s1monthly.granule_names import layer_file
from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels import compositing
from s1monthly.kernels.spread import spread
from s1monthly.raster.geotiff import crop
from s1monthly.raster.writing import write_raster
from s1monthly.stages.composite import Merging, compose
from s1monthly.versions import ALGORITHMS

BOX = GeoBox(epsg=32610, resolution=30.0, left=499980.0, top=4200000.0, width=130, height=200)
LAYERS = ("VV", "VH")
ID = "OPERA_L2_RTC-S1_T137-{burst}-IW1_{acquired}_20250830T120333Z_S1A_30_v1.0"
PASSES = ("20211107T0158{:02d}Z", "20211119T0158{:02d}Z", "20211119T1426{:02d}Z")
WINDOWS = {  # of bursts: they overlap, one lies within another, one ends at the corner of the tile
    292317: (slice(0, 90), slice(0, 110)),
    292318: (slice(60, 150), slice(20, 130)),
    292319: (slice(100, 110), slice(30, 60)),
    292320: (slice(140, 200), slice(90, 130)),
}

Power = NDArray[np.float32]
nan = np.nan


def whole(values: Power, rows: slice, cols: slice) -> Power:
    grid = np.full((len(LAYERS), *BOX.shape), np.nan, np.float32)
    grid[:, rows, cols] = values
    return grid


@pytest.fixture
def month(tmp_path: Path) -> tuple[Path, list[list[Power]]]:
    """Burst files of three passes, and the bursts of each on the whole grid, in the order of time."""
    random = np.random.default_rng(7)
    passes = []
    for number, acquired in enumerate(PASSES):
        bursts = []
        for place, (burst, (rows, cols)) in enumerate(WINDOWS.items()):
            shape = (len(LAYERS), rows.stop - rows.start, cols.stop - cols.start)
            power = random.gamma(4.0, 0.05, shape).astype(np.float32)
            power[:, random.random(shape[1:]) < 0.2] = np.nan
            name = ID.format(burst=burst, acquired=acquired.format(3 * place))
            if number == 2 and burst == 292320:
                continue
            for layer, plane in zip(LAYERS, power, strict=True):
                write_raster(tmp_path / layer_file(name, layer), [plane], crop(BOX, rows, cols), [layer])
            bursts.append(whole(power, rows, cols))
        passes.append(bursts)
    return tmp_path, passes


def granules(folder: Path) -> list[str]:
    return sorted(file.name.removesuffix("_VV.tif") for file in folder.glob("*_VV.tif"))


def first_valid(bursts: list[Power]) -> Power:
    merged = bursts[0].copy()
    for burst in bursts[1:]:
        merged = np.where(np.isnan(merged), burst, merged)
    return merged


MERGED = {
    "mean": lambda bursts: np.nanmean(np.array(bursts, np.float64), axis=0).astype(np.float32),
    "first": first_valid,
    "last": lambda bursts: first_valid(bursts[::-1]),
}


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:All-NaN slice")
@pytest.mark.parametrize("rows", [1, 7, 64, 200])
@pytest.mark.parametrize("strategy", list(MERGED))
def test_blocks_of_rows_give_what_whole_mosaics_give(
    month: tuple[Path, list[list[Power]]], monkeypatch: pytest.MonkeyPatch, strategy: str, rows: int
) -> None:
    folder, passes = month
    monkeypatch.setattr(compositing, "BLOCK_PIXELS", rows * BOX.width * len(passes))
    mosaics = np.array([MERGED[strategy](bursts) for bursts in passes])
    found = compose(folder, granules(folder), BOX, LAYERS, Merging(strategy), threads=3)
    np.testing.assert_allclose(found.power, np.nanmedian(mosaics, axis=0), rtol=2e-7)
    np.testing.assert_array_equal(found.count, np.isfinite(mosaics[:, 0]).sum(axis=0))
    assert found.power.dtype == np.float32 and found.count.max() == 3 and found.count.min() == 0
    assert [len(overflight.granules) for overflight in found.passes] == [4, 4, 3]


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_options_of_the_composite_arrive(month: tuple[Path, list[list[Power]]]) -> None:
    folder, passes = month
    mosaics = np.array([MERGED["mean"](bursts) for bursts in passes], np.float64)
    here = np.isfinite(mosaics).all(axis=0)
    found = compose(folder, granules(folder), BOX, LAYERS, Merging(method="mean")).power
    np.testing.assert_allclose(found[here], mosaics.mean(axis=0)[here], rtol=2e-7)
    trimmed = compose(folder, granules(folder), BOX, LAYERS, Merging(method="trimmed_mean", trim_fraction=0.34)).power
    np.testing.assert_allclose(trimmed[here], np.median(mosaics, axis=0)[here], rtol=2e-7)


@pytest.mark.parametrize("rows", [7, 200])
def test_spread_bands_are_those_of_whole_mosaics(
    month: tuple[Path, list[list[Power]]], monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    folder, passes = month
    monkeypatch.setattr(compositing, "BLOCK_PIXELS", rows * BOX.width * len(passes))
    mosaics = np.array([MERGED["first"](bursts) for bursts in passes])
    outside = np.zeros(BOX.shape, bool)
    outside[50:120, 40:70] = True
    large, place = crop(BOX, slice(-9, 230), slice(-5, 140)), (slice(9, 209), slice(5, 135))
    edge = np.pad(outside, ((9, 30), (5, 10)))
    found = compose(folder, granules(folder), large, LAYERS, Merging("first", spread=["std", "p90"]), edge, threads=3)
    made = dict(found.spread)
    assert list(made) == ["VV_dB_std", "VV_dB_p90", "VH_dB_std", "VH_dB_p90"]
    for number, layer in enumerate(LAYERS):
        for statistic, expected in zip(("std", "p90"), spread(mosaics[:, number], ["std", "p90"]), strict=True):
            band = made[f"{layer}_dB_{statistic}"]
            np.testing.assert_array_equal(band[place], np.where(outside, nan, expected))
            np.testing.assert_array_equal(np.isnan(band), found.count == 0)


def test_pixels_outside_are_left_empty(month: tuple[Path, list[list[Power]]]) -> None:
    outside = np.zeros(BOX.shape, bool)
    outside[50:120, 40:70] = True
    whole_month, cut = (compose(month[0], granules(month[0]), BOX, LAYERS, Merging(), out) for out in (None, outside))
    assert np.isnan(cut.power[:, outside]).all() and not cut.count[outside].any()
    np.testing.assert_array_equal(cut.power[:, ~outside], whole_month.power[:, ~outside])
    np.testing.assert_array_equal(cut.count[~outside], whole_month.count[~outside])


@pytest.mark.parametrize(
    ("rows", "cols"),
    [(slice(30, 120), slice(25, 100)), (slice(0, 55), slice(112, 130)), (slice(-20, 240), slice(-9, 140))],
)
def test_bursts_count_where_they_reach_into_the_tile(
    month: tuple[Path, list[list[Power]]], rows: slice, cols: slice
) -> None:
    """Some begin above or left of the tile, some lie beside it, and some tiles lie beside all of them."""
    folder, names = month[0], granules(month[0])
    large = crop(BOX, slice(-50, 300), slice(-50, 200))
    expected, found = (compose(folder, names, box, LAYERS, Merging()) for box in (large, crop(BOX, rows, cols)))
    there = slice(rows.start + 50, rows.stop + 50), slice(cols.start + 50, cols.stop + 50)
    np.testing.assert_array_equal(found.power, expected.power[(slice(None), *there)])
    np.testing.assert_array_equal(found.count, expected.count[there])
    inside = compose(folder, names, BOX, LAYERS, Merging())
    np.testing.assert_array_equal(expected.power[:, 50:250, 50:180], inside.power)
    assert np.isnan(expected.power).sum() - np.isnan(inside.power).sum() == 2 * (350 * 250 - 200 * 130)


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:All-NaN slice")
@pytest.mark.parametrize("pixels", [2**20, 130 * 3 * 7])
def test_passes_are_despeckled_by_those_of_their_track(
    month: tuple[Path, list[list[Power]]], monkeypatch: pytest.MonkeyPatch, pixels: int
) -> None:
    """Quegan and Yu's filter on whole mosaics; blocks of rows have margins, and pixels outside do not count."""
    monkeypatch.setattr(compositing, "BLOCK_PIXELS", pixels)
    folder, passes = month
    outside = np.zeros(BOX.shape, bool)
    outside[70:100, 40:60] = True
    how = Merging(method="mean", quegan_yu=5)
    made = compose(folder, granules(folder), BOX, LAYERS, how, outside, threads=2)
    assert len({each.track for each in made.passes}) == 1
    mosaics = np.stack([MERGED["mean"](bursts) for bursts in passes]).astype(np.float64)
    mosaics[:, :, outside] = nan
    padded = np.pad(mosaics, ((0, 0), (0, 0), (2, 2), (2, 2)), constant_values=nan)
    means = np.nanmean(np.lib.stride_tricks.sliding_window_view(padded, (5, 5), (2, 3)), (-2, -1))
    smooth = np.where(np.isnan(mosaics), nan, means * np.nanmean(mosaics / means, 0))
    np.testing.assert_allclose(made.power, np.nanmean(smooth, 0), rtol=1e-5)
    np.testing.assert_array_equal(made.count, (~np.isnan(mosaics[:, 0])).sum(0))
    plain = compose(folder, granules(folder), BOX, LAYERS, Merging(method="mean"), outside)
    np.testing.assert_array_equal(made.count, plain.count)


def test_without_a_burst_all_is_no_data(tmp_path: Path) -> None:
    found = compose(tmp_path, [], BOX, LAYERS, Merging())
    assert np.isnan(found.power).all() and not found.count.any() and found.passes == ()
    assert list(found.spread) == []
    for _, band in compose(tmp_path, [], BOX, LAYERS, Merging(spread=["min"])).spread:
        assert np.isnan(band).all()


def test_a_burst_on_another_lattice_is_refused(month: tuple[Path, list[list[Power]]]) -> None:
    shifted = GeoBox(BOX.epsg, 30.0, BOX.left + 10, BOX.top, BOX.width, BOX.height)
    with pytest.raises(GridError):
        compose(month[0], granules(month[0]), shifted, LAYERS, Merging())


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_only_the_granules_named_count(month: tuple[Path, list[list[Power]]]) -> None:
    folder, passes = month
    first = [name for name in granules(folder) if "_20211107T" in name]
    found = compose(folder, first, BOX, LAYERS, Merging())
    np.testing.assert_allclose(found.power, MERGED["mean"](passes[0]), rtol=2e-7)
    assert found.count.max() == 1 and len(found.passes) == 1


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("missing", [True, False])
def test_a_burst_that_is_missing_or_cut_short_is_named_not_left_out(
    month: tuple[Path, list[list[Power]]], layer: str, missing: bool
) -> None:
    names = granules(month[0])
    file = month[0] / layer_file(names[4], layer)
    file.unlink() if missing else file.write_bytes(file.read_bytes()[:6000])
    with pytest.raises(ProductError, match=file.name):
        compose(month[0], names, BOX, LAYERS, Merging())


GOLDEN = {
    1: {
        "mean": ([3.0, 4.0, 4.0, 4.0, 10.0, nan, nan, 7.0], [2, 2, 2, 2, 1, 0, 0, 1]),
        "first": ([3.0, 3.0, 3.0, 4.0, 10.0, nan, nan, 7.0], [2, 2, 2, 2, 1, 0, 0, 1]),
        "last": ([3.0, 5.0, 5.0, 4.0, 10.0, nan, nan, 7.0], [2, 2, 2, 2, 1, 0, 0, 1]),
    }
}
"""Power and count of one row of ``test_golden_values``, by hand, by algorithm version and mosaic strategy."""


@pytest.mark.parametrize("strategy", list(MERGED))
def test_golden_values(tmp_path: Path, strategy: str) -> None:
    """Two bursts of one pass overlap across midnight; the same track comes again; a pixel lies outside the polygon."""
    row = GeoBox(BOX.epsg, 30.0, BOX.left, BOX.top, 8, 1)
    bursts = {
        ("20211119T235958Z", 292317): (0, [1, 1, 1]),
        ("20211120T000001Z", 292318): (1, [5, 5, 5, 10]),
        ("20211120T001002Z", 292317): (0, [5, 5, 5, 3]),
        ("20211120T001005Z", 292319): (6, [9, 7]),
    }
    ids = [ID.format(burst=burst, acquired=acquired) for acquired, burst in bursts]
    for name, (column, values) in zip(ids, bursts.values(), strict=True):
        plane = np.array([values], np.float32)
        for layer in LAYERS:
            place = crop(row, slice(0, 1), slice(column, column + len(values)))
            write_raster(tmp_path / layer_file(name, layer), [plane], place, [layer])
    outside = np.arange(8)[np.newaxis] == 6
    found = compose(tmp_path, ids[::-1], row, LAYERS, Merging(strategy), outside)
    power, count = GOLDEN[ALGORITHMS["composing"]][strategy]
    np.testing.assert_array_equal(found.power, [[power], [power]])
    np.testing.assert_array_equal(found.count, [count])
