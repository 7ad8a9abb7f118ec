"""Series of points and polygons against xarray and plain numpy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr

import s1monthly
import timeseries
from s1monthly.cube import series as cube_series
from s1monthly.errors import CubeError, GridError, NameFormatError, ProductError
from s1monthly.grid.lattice import tile_geobox
from s1monthly.grid.outlines import transformer
from s1monthly.model import Month, Tile
from s1monthly.series.features import read_points
from s1monthly.series.placing import find_cubes
from s1monthly.series.table import is_simulated, read_table
from support.small_tree import COARSE, SmallTree

BOX = tile_geobox(Tile("10SGD"), COARSE)
X, Y = BOX.left + 20_150.0, BOX.top - 60_350.0
"""A point near the middle of the tile."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> SmallTree:
    """Months of 10SGD in both directions, of 10SFD west of it in one; December is missing."""
    tree = SmallTree(tmp_path_factory.mktemp("series") / "output")
    for tile, direction in (("10SGD", "ASCENDING"), ("10SGD", "DESCENDING"), ("10SFD", "ASCENDING")):
        for month in ("2021-11", "2022-01", "2022-02"):
            tree.add(month, tile, direction)
    for key in tree.months:
        tree.make(key, "cube")
    return tree


def store(tree: SmallTree, tile: str = "10SGD", direction: str = "ASCENDING") -> Path:
    return tree.base / f"{tile}_{direction}" / "zarr" / "S1_monthly.zarr"


def lonlat(x: float, y: float, epsg: int = 32610) -> tuple[float, float]:
    return transformer(epsg, 4326).transform(x, y)


def test_points_have_the_values_that_xarray_reads(tree: SmallTree) -> None:
    chance = np.random.default_rng(1)
    x, y = BOX.left + chance.uniform(5e3, 105e3, 60), BOX.top - chance.uniform(5e3, 105e3, 60)
    found = s1monthly.read_series(tree.base, [*zip(*lonlat(x, y), strict=True)], bands=["VH_dB", "RVI"])
    for direction in ("ASCENDING", "DESCENDING"):
        cube = xr.open_zarr(store(tree, direction=direction), chunks=None)
        at = {"x": xr.DataArray(x, dims="p"), "y": xr.DataArray(y, dims="p"), "method": "nearest"}
        mine = found[(found.direction == direction) & (found.tile == "10SGD")]
        places = [int(name) - 1 for name in mine.feature.unique()]
        assert len(places) > 40
        for band in ("VH_dB", "RVI"):
            truth = cube[band].sel(**at).values.T[places]
            assert np.isnan(truth).any() and np.isfinite(truth).any()
            np.testing.assert_array_equal(mine[band].to_numpy().reshape(truth.shape), truth)
        passes = cube["count"].sel(**at).values.T[places]
        np.testing.assert_array_equal(mine["count"].to_numpy().reshape(passes.shape), passes)


def test_gaps_are_rows_without_values(tree: SmallTree) -> None:
    found = s1monthly.read_series(tree.base, [(X, Y)], crs=32610, direction="asc")
    assert found.month.astype(str).tolist() == ["2021-11-01", "2021-12-01", "2022-01-01", "2022-02-01"]
    assert found.complete.tolist() == [True, False, True, True]
    assert np.isnan(found.VV_dB).tolist() == [False, True, False, False]
    assert found.attrs["bands"]["VV_dB"][1] == "dB" and list(found.columns[6:8]) == ["VV_dB", "VH_dB"]
    some = s1monthly.read_series(tree.base, [(X, Y)], crs=32610, start="2022-01", end="2022-01")
    assert some.direction.tolist() == ["ASCENDING", "DESCENDING"]


def test_polygons_average_power_over_the_pixels_whose_centre_is_inside(tree: SmallTree) -> None:
    hole = shapely.Point(X, Y).buffer(2_000)
    shapes = [shapely.Point(X, Y).buffer(9_000) - hole, shapely.Point(BOX.left + 9e4, BOX.top - 2e4).buffer(8_000)]
    across = np.arange(183) * COARSE + COARSE / 2
    inside = [shapely.contains_xy(one, *np.meshgrid(BOX.left + across, BOX.top - across)) for one in shapes]
    found = s1monthly.read_series(tree.base, polygons=shapes, crs=32610, bands=["VV_dB", "Ratio"], direction="ASC")
    cube = xr.open_zarr(store(tree), chunks=None)
    for number, mask in enumerate(inside, 1):
        mine = found[found.feature == str(number)]
        assert set(mine.pixels) == {mask.sum()}
        for place, (_, row) in enumerate(mine.iterrows()):
            db, ratio = cube.VV_dB[place].values[mask], cube.Ratio[place].values[mask]
            valid = np.isfinite(db)
            assert row.valid_share == pytest.approx(valid.mean(), abs=1e-6)
            if valid.any():
                power = np.mean(10 ** (db[valid].astype(float) / 10))
                assert row.VV_dB == pytest.approx(10 * np.log10(power), abs=1e-5)
                assert row.Ratio == pytest.approx(ratio[valid].astype(float).mean(), rel=1e-6)
    shares = found[found.complete].groupby("feature").valid_share.first()
    assert shares["1"] == 1 and 0 < shares["2"] < 1


def test_of_two_tiles_the_nearer_centre_has_the_point_and_the_other_is_named(tree: SmallTree) -> None:
    west, east = tile_geobox(Tile("10SFD"), COARSE), BOX
    middle = (east.left + west.bounds[2]) / 2
    points = [(middle - 900, Y), (middle + 900, Y)]
    found = s1monthly.read_series(tree.base, points, crs=32610, other_tiles=True)
    chosen = found[["feature", "tile", "direction", "other_tiles"]].drop_duplicates().values.tolist()
    assert chosen == [
        ["1", "10SFD", "ASCENDING", "10SGD"],
        ["1", "10SGD", "DESCENDING", ""],  # the nearer tile has no such cube
        ["2", "10SGD", "ASCENDING", "10SFD"],
        ["2", "10SGD", "DESCENDING", ""],
    ]
    wide = shapely.box(middle - 30_000, Y, middle + 12_000, Y + 9_000)
    (tile, share), *_ = (
        s1monthly.read_series(tree.base, polygons=[wide], crs=32610, direction="ASC")[["tile", "tile_share"]]
        .drop_duplicates()
        .values.tolist()
    )
    assert tile == "10SFD" and share == pytest.approx((west.bounds[2] - middle + 30_000) / 42_000, abs=1e-5)


def test_a_chunk_is_read_once(tree: SmallTree, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[str, int, str]] = []
    original = cube_series.read_chunk

    def spy(array: Path, form: object, slot: int, key: str) -> object:
        read.append((array.name, slot, key))
        return original(array, form, slot, key)  # type: ignore[arg-type]

    monkeypatch.setattr(cube_series, "read_chunk", spy)
    chance = np.random.default_rng(2)
    points = np.column_stack([BOX.left + chance.uniform(12e3, 1e5, 500), BOX.top - chance.uniform(0, 1e5, 500)])
    s1monthly.read_series(tree.base, points, crs=32610, direction="desc")
    assert len(read) == len(set(read)) == 3 * 3 * 9  # arrays, complete months, chunks


def test_a_month_that_is_replaced_while_it_is_read_is_read_again(
    tree: SmallTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, left = cube_series.status_file, [3]

    def restless(header: cube_series.Header, month: Month) -> object:
        status, identity = original(header, month)
        left[0] -= 1
        return status, (*identity, max(left[0], 0))

    monkeypatch.setattr(cube_series, "status_file", restless)
    pixel, months = np.array([90]), [Month(2022, 1)]
    seen: list[int] = []
    cube_series.read_pixels(store(tree), ["count"], pixel, pixel, lambda values: seen.append(1), months)
    assert seen == [1] and left[0] < 0
    left[0] = 10**6
    with pytest.raises(CubeError, match="replaced each time"):
        cube_series.read_pixels(store(tree), ["count"], pixel, pixel, seen.append, months)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            {"points": [(0.0, 0.0), (1.0, 0.0)]},
            GridError,
            "point 1 and 1 more: outside all tiles of the tree: 10SFD, 10SGD",
        ),
        ({"points": [(34.6, -120.2)]}, GridError, "beyond the poles.*longitude before latitude"),
        ({"points": []}, GridError, "holds nothing"),
        ({"points": "none.gpkg"}, GridError, "none.gpkg: there is none"),
        ({"points": [(X, Y)], "crs": 32610, "bands": ["XX"]}, CubeError, "no cube has a band XX -> .*VV_dB"),
        ({"points": [(X, Y)], "crs": 32610, "track": 3}, ProductError, "there are cubes of ASCENDING, DESCENDING"),
        ({"polygons": [shapely.Polygon()]}, GridError, "feature 1 is empty"),
        ({"polygons": [shapely.box(X, Y, X + 3, Y + 3)], "crs": 32610}, GridError, "polygon 1: holds no centre"),
        ({"polygons": [shapely.Point(X, Y)], "crs": 32610}, GridError, "feature 1 is a Point"),
        ({}, NameFormatError, "either points or polygons"),
    ],
)
def test_errors_name_what_is_wrong(
    tree: SmallTree, given: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        s1monthly.read_series(tree.base, **given)  # type: ignore[arg-type]


def test_the_script_reads_files_in_any_crs_and_writes_tables_and_a_figure(
    tree: SmallTree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    utm, geojson, out = tmp_path / "utm.csv", tmp_path / "fields.geojson", tmp_path / "out.csv"
    utm.write_text(f"Name,x,y\nwell,{X},{Y}\n")
    base = ["--output-dir", str(tree.base)]
    figure = ["--figure", str(tmp_path / "series.png")]
    timeseries.main([*base, "--points", str(utm), "--crs", "EPSG:32610", "--output", str(out), *figure])
    one = pd.read_csv(out)
    assert one.feature.unique().tolist() == ["well"] and one.VV_dB.isna().tolist() == [False, True, False, False] * 2
    assert (tmp_path / "series.png").read_bytes()[:4] == b"\x89PNG"
    table = str(tmp_path / "one.parquet")
    timeseries.main([*base, "--points={:.9f},{:.9f}".format(*lonlat(X, Y)), "--output", table])
    other = pd.read_parquet(table)
    np.testing.assert_allclose(other.VV_dB, one.VV_dB, rtol=1e-6)
    corner = [lonlat(X + dx, Y + dy) for dx, dy in ((0, 0), (5e3, 0), (5e3, 5e3))]
    ring = ", ".join(f"[{lon}, {lat}]" for lon, lat in [*corner, corner[0]])
    geometry = f'{{"type": "Polygon", "coordinates": [[{ring}]]}}'
    geojson.write_text(
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"id": "a"}, '
        f'"geometry": {geometry}}}]}}'
    )
    timeseries.main([*base, "--polygons", str(geojson), "--output", str(out), "--direction", "desc"])
    assert pd.read_csv(out).feature.tolist() == ["a"] * 4
    for wrong, message in (
        (["--points", str(utm), "--output", str(out)], "in which CRS are x and y"),
        (["--points", "1,2", "--output", str(out)], "point 1,2: outside all"),
        (["--points", str(utm), "--crs", "32610", "--output", "series.xls"], "csv or .parquet"),
    ):
        with pytest.raises(SystemExit, match=message):
            timeseries.main([*base, *wrong])
    with pytest.raises(SystemExit, match="no cube -> give the --output-dir"):
        timeseries.main(["--output-dir", str(tmp_path), "--points", "1,2", "--output", str(out)])
    with pytest.raises(SystemExit):
        timeseries.main([*base, "--points", "1,2"])
    assert "give --output, --figure or both" in capsys.readouterr().err


def test_a_figure_has_axes_units_gaps_and_a_source(tree: SmallTree) -> None:
    found = s1monthly.read_series(tree.base, [(X, Y)], crs=32610, bands=["VV_dB", "RVI"])
    figure = s1monthly.plot_series(found)
    first, second = figure.axes
    assert (first.get_ylabel(), second.get_ylabel(), second.get_xlabel()) == ("VV (dB)", "RVI", "month")
    assert len(first.lines) == 2
    np.testing.assert_array_equal(first.lines[0].get_ydata(), found.VV_dB[found.direction == "ASCENDING"])
    assert "Copernicus Sentinel data 2021-2022" in figure.get_supxlabel()
    cubes = find_cubes(tree.base, ["ASCENDING"])
    how = {**cubes[0].recipe, "data": {"simulated": {"seed": 1}}}
    invented = [replace(cube, description={**cube.description, "recipe": how}) for cube in cubes]
    for headers, simulated in ((cubes, False), (invented, True)):
        assert is_simulated(read_table(read_points([(X, Y)], 32610), headers)) is simulated
    found.attrs["simulated"] = True
    assert s1monthly.plot_series(found).get_supxlabel().startswith("Simulated data 2021-2022")
    many = pd.concat([found.assign(feature=str(number)) for number in range(7)])
    many.attrs = found.attrs
    with pytest.raises(ProductError, match="14 lines"):
        s1monthly.plot_series(many)
