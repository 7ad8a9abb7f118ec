"""What `import s1monthly` gives to a notebook, over a small output tree."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import s1monthly
from s1monthly.cube.months import read_month
from s1monthly.errors import ConfigError, CubeError, NameFormatError, ProductError
from s1monthly.model import Month
from support.month_samples import CALIFORNIA
from support.small_tree import SmallTree


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> SmallTree:
    tree = SmallTree(tmp_path_factory.mktemp("reading") / "output")
    for month in ("2021-11", "2022-01"):
        tree.make(tree.add(month))
    return tree


def test_a_cube_has_its_complete_months_and_their_values(tree: SmallTree) -> None:
    cube = s1monthly.open_cube(tree.base, CALIFORNIA.lower(), "asc", chunks=None)
    assert [str(time)[:7] for time in cube.time.values] == ["2021-11", "2022-01"]
    store = tree.base / f"{CALIFORNIA}_ASCENDING" / "zarr" / "S1_monthly.zarr"
    np.testing.assert_array_equal(cube.VH_dB[1].values, read_month(store, Month.parse("2022-01"), "VH_dB"))
    every = s1monthly.open_cube(tree.base, CALIFORNIA, "ASCENDING", complete=False, chunks=None)
    assert every.status.values.tolist() == [2, 0, 2]


def test_a_cube_goes_to_netcdf_as_it_is(tree: SmallTree, tmp_path: Path) -> None:
    xr = pytest.importorskip("xarray")
    cube = s1monthly.open_cube(tree.base, CALIFORNIA, "ASCENDING", chunks=None)
    cube.sel(time="2022-01-01").to_netcdf(tmp_path / "january.nc", engine="netcdf4")
    with xr.open_dataset(tmp_path / "january.nc", engine="netcdf4") as found:
        np.testing.assert_array_equal(found.VV_dB.values, cube.VV_dB.sel(time="2022-01-01").values)
        assert found.attrs == cube.attrs and "Sentinel-1" in found.attrs["title"]
        assert json.loads(found.attrs["s1monthly"])["recipe"] == tree.recipe


def test_a_cube_that_is_not_there_names_those_that_are(tree: SmallTree) -> None:
    with pytest.raises(CubeError, match=f"{CALIFORNIA} DESCENDING: .* -> there are cubes of {CALIFORNIA} ASCENDING"):
        s1monthly.open_cube(tree.base, CALIFORNIA, "DESC")
    with pytest.raises(CubeError, match=r"output\.base_dir"):
        s1monthly.open_cube(tree.base / "elsewhere", CALIFORNIA, "DESC")
    with pytest.raises(NameFormatError, match="ASCENDING, DESCENDING or COMBINED"):
        s1monthly.open_cube(tree.base, CALIFORNIA, "up")


def test_months_are_found_by_tile_time_and_place_and_their_files_open(tree: SmallTree) -> None:
    months = s1monthly.find_months(tree.base)
    assert months.month.tolist() == ["2021-11", "2022-01"]
    assert all(Path(path).is_file() for name in ("cog_path", "item_path", "record_path") for path in months[name])
    of = {"start": "2021-12", "direction": "Ascending", "tile": CALIFORNIA}
    assert s1monthly.find_months(tree.base, **of).month.tolist() == ["2022-01"]
    assert s1monthly.find_months(tree.base, end="2021-12").month.tolist() == ["2021-11"]
    inside = months.geometry[0].representative_point()
    assert len(s1monthly.find_months(tree.base, point=(inside.x, inside.y))) == 2
    with pytest.raises(NameFormatError, match="give longitude and latitude in degrees, in this order"):
        s1monthly.find_months(tree.base, point=(inside.y, inside.x))
    for nothing in ({"point": (inside.x + 9, inside.y)}, {"direction": "desc"}, {"status": "unusable"}):
        empty = s1monthly.find_months(tree.base, **nothing)
        assert empty.empty and list(empty.columns) == list(months.columns)


def test_a_tree_without_a_catalog_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProductError, match=r"catalog\.parquet: there is no catalog -> .*output\.base_dir"):
        s1monthly.find_months(tmp_path)


def test_a_configuration_is_read_from_a_file_or_a_mapping(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("roi: {manual_mgrs_tiles: [10SGD], flight_direction: ASCENDING}\ntime: {years: [2024]}\n")
    config = s1monthly.load_config(file)
    assert config.processing.composite_method == "median" and config.time.years == [2024]
    with pytest.raises(ConfigError, match="yaers"):
        s1monthly.load_config({"time": {"yaers": [2024]}})
    with pytest.raises(ConfigError, match="give an existing file"):
        s1monthly.load_config(tmp_path / "no.yaml")


def test_the_import_is_light_and_lists_what_there_is() -> None:
    names = "{'find_months', 'load_config', 'open_cube'} <= {*dir(s1monthly)}"
    heavy = "{'numpy', 'pandas', 'xarray', 'pydantic', 'zarr'} & {*sys.modules}"
    code = f"import sys, s1monthly; assert {names}; assert not {heavy}; s1monthly.open_cube"
    subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(Path(s1monthly.__file__).parents[1])}, check=True
    )
    with pytest.raises(AttributeError, match="opencube"):
        s1monthly.opencube  # noqa: B018
