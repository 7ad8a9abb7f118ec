"""Pictures of the explorer against xarray and plain numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from rasterio.transform import from_origin

from s1monthly.cube.header import COUNT, existing_header
from s1monthly.errors import CubeError, ProductError
from s1monthly.explorer.change_layer import years
from s1monthly.explorer.pictures import (
    Picture,
    choose_factor,
    read_change_picture,
    read_colours,
    read_picture,
    stretch,
    stretch_scale,
    swiped,
)
from s1monthly.grid.lattice import GeoBox
from support.explored_tree import FIRST, MISSING, explored_tree

STORE = "10SGD_ASCENDING/zarr/S1_monthly.zarr"
SIZE = 200.0
"""Pixel size: 549 pixels a side, which is odd, and overviews of 2 and 4."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("tree")
    explored_tree(base, 9, SIZE)
    return base


@pytest.fixture(scope="module")
def box(tree: Path) -> GeoBox:
    return existing_header(tree / STORE).geobox


def test_full_resolution_is_what_xarray_reads(tree: Path, box: GeoBox) -> None:
    cube = xr.open_zarr(tree / STORE)
    left, _, _, top = box.bounds
    view = left + 100.5 * SIZE, top - 140.5 * SIZE, left + 300.5 * SIZE, top - 20.5 * SIZE
    picture = read_picture(existing_header(tree / STORE), FIRST, "VV_dB", view, SIZE / 3)
    assert picture is not None and picture.factor == 1
    west, south, east, north = picture.bounds
    assert (west, south, east, north) == pytest.approx(
        (left + 100 * SIZE, top - 141 * SIZE, left + 301 * SIZE, top - 20 * SIZE)
    )
    expected = cube.VV_dB.sel(time="2021-01-01", x=slice(west, east), y=slice(north, south))
    np.testing.assert_array_equal(picture.values, expected.values)


def test_coarser_pictures_are_the_overviews(tree: Path, box: GeoBox) -> None:
    header = existing_header(tree / STORE)
    for factor in (2, 4):
        level = xr.open_zarr(tree / STORE, group=f"overviews/{factor}")
        picture = read_picture(header, FIRST, "VH_dB", box.bounds, SIZE * factor * 2)
        assert picture is not None and picture.factor == factor and picture.bounds == pytest.approx(box.bounds)
        np.testing.assert_array_equal(picture.values, level.VH_dB.isel(time=0).values)


def test_a_cube_without_overviews_is_averaged(tmp_path: Path) -> None:
    box = explored_tree(tmp_path, 1, 300.0, overviews=False)
    header = existing_header(tmp_path / STORE)
    whole = xr.open_zarr(tmp_path / STORE).VV_dB.isel(time=0).values
    picture = read_picture(header, FIRST, "VV_dB", box.bounds, 1200.0)
    assert picture is not None and picture.values.shape == (183, 183)
    pairs = whole.reshape(183, 2, 183, 2)
    valid = np.isfinite(pairs).sum((1, 3))
    mean = np.where(valid > 0, np.nansum(pairs.astype(float), (1, 3)), np.nan) / np.maximum(valid, 1)
    np.testing.assert_allclose(picture.values, mean, rtol=1e-6)


def test_counts_are_not_averaged_and_none_is_no_data(tree: Path, box: GeoBox) -> None:
    header = existing_header(tree / STORE)
    count = xr.open_zarr(tree / STORE)["count"].isel(time=2).values[::2, ::2].astype("float32")
    picture = read_picture(header, FIRST.shift(2), COUNT, box.bounds, SIZE * 4)
    assert picture is not None
    np.testing.assert_array_equal(picture.values, np.where(count == 0, np.nan, count))


def test_colours_are_those_of_the_formula(tree: Path, box: GeoBox) -> None:
    left, _, _, top = box.bounds
    view = left, top - 50 * SIZE, left + 60 * SIZE, top
    picture = read_colours(existing_header(tree / STORE), FIRST, view, SIZE)
    assert picture is not None and picture.values.dtype == np.uint32
    rgba = picture.values.view(np.uint8).reshape(*picture.values.shape, 4)
    part = xr.open_zarr(tree / STORE).isel(time=0, y=slice(0, 50), x=slice(0, 60))
    for channel, name, low, high in ((0, "VV_dB", -20, 0), (1, "VH_dB", -27, -7), (2, "Ratio", 0, 0.5)):
        level = np.clip((part[name].values.astype(float) - low) / (high - low), 0, 1) * 255
        np.testing.assert_allclose(rgba[..., channel], level, atol=0.51)
    assert (rgba[..., 3] == 255).all()


def test_what_cannot_be_seen_is_none_and_a_missing_month_is_an_error(tree: Path, box: GeoBox) -> None:
    header = existing_header(tree / STORE)
    _, bottom, right, top = box.bounds
    assert read_picture(header, FIRST, "VV_dB", (right + 1, bottom, right + 99, top), SIZE) is None
    with pytest.raises(CubeError, match="not complete"):
        read_picture(header, MISSING, "VV_dB", box.bounds, SIZE)


def test_the_picture_has_about_as_many_pixels_as_the_screen() -> None:
    box = GeoBox(32610, 30.0, 0.0, 0.0, 3660, 3660)
    assert [choose_factor(box, size) for size in (1, 30, 60, 61, 157, 10_000)] == [1, 1, 1, 2, 4, 16]
    for size in range(31, 960):
        assert 1 < size / (30 * choose_factor(box, size)) <= 2


def test_the_divider_joins_two_months() -> None:
    left, right = (Picture(np.full((2, 10), value, np.float32), (0, 0, 100, 20), 1) for value in (1, 2))
    joined = swiped(left, right, 30)
    assert joined is not None and joined.values.tolist() == [[1] * 3 + [2] * 7] * 2
    gone = swiped(left, None, 70)
    assert gone is not None and np.isnan(gone.values[:, 7:]).all() and (gone.values[:, :7] == 1).all()
    assert swiped(None, None, 1) is None


def test_a_stretch_leaves_out_what_is_rare() -> None:
    values = np.linspace(-20, 0, 1001, dtype=np.float32)
    values[0], values[5] = -60, np.nan
    assert stretch(values) == pytest.approx(tuple(np.nanpercentile(values, [2, 98])))
    scale = stretch_scale(values)
    assert (scale.first, scale.last, scale.step, scale.decimals) == (-60, 0, 0.1, 1)
    assert scale.shown == pytest.approx((-19.6, -0.4))
    assert stretch(np.full(3, np.nan, np.float32)) == (0, 1)
    assert stretch_scale(np.full(3, 7, np.float32)).shown == (6.5, 7.5)


def test_changes_are_shown_by_the_nearest_pixel(tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(201901, 201913, (1, 600, 500)).astype("float32")
    path, transform = tmp_path / "change.tif", from_origin(0, 60_000, 100, 100)
    shape = {"width": 500, "height": 600, "count": 1, "dtype": "float32", "crs": "EPSG:32610"}
    with rasterio.open(path, "w", driver="GTiff", transform=transform, **shape) as made:
        made.write(values)
    full = read_change_picture(path, 1, (1000, 50_000, 2000, 51_000), 50)
    assert full is not None
    np.testing.assert_array_equal(full.values, values[0, 90:100, 10:20])
    coarse = read_change_picture(path, 1, (0, 0, 50_000, 60_000), 400)
    assert coarse is not None and coarse.values.shape == (300, 250)
    assert np.isin(coarse.values, values).all()
    with pytest.raises(ProductError, match="no band 2"):
        read_change_picture(path, 2, (0, 0, 50_000, 60_000), 400)


def test_months_of_changes_become_years() -> None:
    found = years(np.array([202101, 202107, np.nan], np.float32))
    assert found[:2].tolist() == [2021.0, 2021.5] and np.isnan(found[2])
