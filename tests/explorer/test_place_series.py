"""Series of the explorer: the bytes of `timeseries.py`, xarray's values, and a step that is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import timeseries
from s1monthly.cube.header import existing_header
from s1monthly.errors import GridError
from s1monthly.explorer.place_series import (
    csv_bytes,
    figure_bytes,
    find_changes,
    lonlat_text,
    outline,
    read_place,
    read_series,
)
from support.explored_tree import STEP, explored_tree

STORE = "10SGD_ASCENDING/zarr/S1_monthly.zarr"
BANDS = ["VV_dB", "VH_dB", "Ratio", "RVI"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("tree")
    explored_tree(base)
    return base


def test_a_click_gives_the_table_that_the_tool_writes(tree: Path, tmp_path: Path) -> None:
    header = existing_header(tree / STORE)
    left, _, _, top = header.geobox.bounds
    text = lonlat_text([left + 40.2 * 600], [top - 30.7 * 600], header.geobox.epsg)
    table = read_series(read_place(text), header)
    out = tmp_path / "series.csv"
    options = [f"--points={text}", "--bands", *BANDS, "--output-dir", str(tree), "--output", str(out)]
    timeseries.main(options)
    assert csv_bytes(table) == out.read_bytes()
    pixel = xr.open_zarr(tree / STORE).isel(y=30, x=40)
    for name in (*BANDS, "count"):
        np.testing.assert_array_equal(table[name].to_numpy(), pixel[name].values.astype("float32"))


def test_a_field_gives_the_mean_of_power_and_the_tools_table(tree: Path, tmp_path: Path) -> None:
    header = existing_header(tree / STORE)
    left, _, _, top = header.geobox.bounds
    x, y = left + 600 * np.array([60, 70, 70, 60]), top - 600 * np.array([20, 20, 28, 28])
    text = lonlat_text(x, y, header.geobox.epsg)
    table = read_series(read_place(text), header)
    block = xr.open_zarr(tree / STORE).VV_dB.isel(y=slice(20, 28), x=slice(60, 70)).values.astype(float)
    there = np.isfinite(block).any((1, 2))
    mean = 10 * np.log10((10 ** (block[there] / 10)).mean((1, 2)))
    np.testing.assert_allclose(table["VV_dB"].to_numpy()[there], mean, rtol=1e-5)
    assert np.isnan(table["VV_dB"].to_numpy()[~there]).all() and set(table["pixels"].to_pylist()) == {80}
    ring = [[float(one) for one in pair.split(",")] for pair in text.split()]
    shape = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    feature = {"type": "Feature", "properties": {"name": "field"}, "geometry": shape}
    (tmp_path / "field.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    out = tmp_path / "series.csv"
    given = ["--polygons", str(tmp_path / "field.geojson"), "--bands", *BANDS, "--output-dir", str(tree)]
    timeseries.main([*given, "--output", str(out)])
    assert csv_bytes(table) == out.read_bytes()
    np.testing.assert_allclose(outline(read_place(text), header.geobox.epsg)[0][:4], x, atol=0.02)


@pytest.mark.parametrize("method", ["cusum", "pelt"])
def test_the_step_is_found_where_it_is_and_nowhere_else(tree: Path, method: str) -> None:
    header = existing_header(tree / STORE)
    left, _, _, top = header.geobox.bounds
    north, south = (read_place(lonlat_text([left + 60_000], [top - y], header.geobox.epsg)) for y in (20_000, 90_000))
    found = find_changes(read_series(north, header), method)
    assert [[change.month for change in found[name]] for name in BANDS[:2]] == [[STEP], [STEP]]
    assert found["VV_dB"][0].step == pytest.approx(4, abs=0.4) and found["VV_dB"][0].confidence > 0.9
    assert find_changes(read_series(south, header), method)["VV_dB"] == []


def test_too_few_months_are_not_judged(tmp_path: Path) -> None:
    explored_tree(tmp_path, 23)
    header = existing_header(tmp_path / STORE)
    place = read_place(lonlat_text([header.geobox.left + 9000], [header.geobox.top - 9000], header.geobox.epsg))
    assert find_changes(read_series(place, header), "cusum") == {}


def test_a_figure_can_be_saved(tree: Path) -> None:
    header = existing_header(tree / STORE)
    place = read_place(lonlat_text([header.geobox.left + 9000], [header.geobox.top - 9000], header.geobox.epsg))
    assert figure_bytes(read_series(place, header), ".pdf").startswith(b"%PDF-")


@pytest.mark.parametrize("text", ["", "here", "1,2 3,4", "1,2 ../etc", "1,2;3", "181,95"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(GridError):
        read_place(text)
