"""Overviews in the cube: GDAL's averages, in step with their month, found by GeoZarr's convention."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

from s1monthly.cube import months as cube
from s1monthly.cube.axis import prepare
from s1monthly.cube.layout import CubeSpec
from s1monthly.cube.overviews import KEEP_BITS, overview_factors
from s1monthly.cube.write import write_month
from s1monthly.errors import CubeError
from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.bands import bands
from s1monthly.model import Direction, Month, Tile
from support.cube_readers import check_overviews
from support.cube_samples import core_of, months, spec_of, started, statuses, textured, tree, write
from support.gdal_overviews import by_gdal

xr = pytest.importorskip("xarray")

MARCH = Month(2020, 3)


@pytest.fixture
def held(tmp_path: Path) -> Path:
    return started(tmp_path / "S1_monthly.zarr")


def test_a_full_tile_has_four_and_a_small_grid_none() -> None:
    assert overview_factors((3660, 3660)) == (2, 4, 8, 16)
    assert overview_factors((10980, 10980)) == (2, 4, 8, 16, 32, 64)
    assert overview_factors((257, 20)) == (2,) and overview_factors((256, 256)) == ()


def test_levels_of_odd_size_in_many_chunks_are_gdals_averages_rounded(tmp_path: Path) -> None:
    """1100 x 1030 pixels: the first level has 3 x 3 chunks, one of them empty; the second an odd number of rows."""
    path, box = tmp_path / "S1_monthly.zarr", GeoBox(32610, 30.0, 600000.0, 4200000.0, 1030, 1100)
    chance = np.random.default_rng(1)
    values = {band.name: chance.normal(-12, 5, box.shape).astype(np.float32) for band in bands("VV", "VH")}
    for array in values.values():
        array[chance.random(box.shape) < 0.3] = np.nan
        array[512:1024, 512:1024] = np.nan
    spec = CubeSpec(
        Tile("10SGD"), Direction.ASCENDING, box, bands("VV", "VH"), (512, 512), {}, overview_factors(box.shape)
    )
    assert spec.overviews == (2, 4, 8)
    prepare(path, spec, MARCH, MARCH)
    digest = write_month(path, MARCH, values, np.ones(box.shape, np.uint8))
    for name, array in values.items():
        for factor, expected in zip(spec.overviews, by_gdal(array, levels=3), strict=True):
            found = cube.read_overview(path, MARCH, name, factor)
            np.testing.assert_allclose(found, expected, rtol=2.0 ** -(KEEP_BITS + 1), atol=0)
            assert not np.any(found[~np.isnan(found)].view(np.uint32) % 2 ** (23 - KEEP_BITS)), "bits beyond are zero"
            by_zarr = zarr.open_array(path / f"overviews/{factor}/{name}", mode="r")[0]
            np.testing.assert_array_equal(by_zarr, found)
            assert [p.name for p in (path / f"overviews/{factor}/{name}/c/0").rglob("*") if p.is_file()] == ["0"]
    plain = tmp_path / "plain.zarr"
    prepare(plain, spec_of(box=box, overviews=()), MARCH, MARCH)
    assert digest == write_month(plain, MARCH, values, np.ones(box.shape, np.uint8)), "no part of the digest"


def test_the_root_is_what_it_is_without_overviews(held: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain.zarr"
    prepare(plain, spec_of(overviews=()), *months("2020-01", "2020-04"))
    for text in ("2020-01", "2020-03"):
        write(plain, text)
    with xr.open_zarr(held) as one, xr.open_zarr(plain) as other:
        xr.testing.assert_identical(one.drop_attrs(deep=False), other.drop_attrs(deep=False))
    with_overviews, without = tree(held), tree(plain)
    assert {name for name in without if with_overviews[name] != without[name]} == {"zarr.json"}
    assert {name for name in with_overviews.keys() - without.keys() if not name.startswith("overviews/")} == set()
    assert "multiscales" not in json.loads(without["zarr.json"])["attributes"]


def test_every_level_opens_by_itself_with_its_grid(held: Path) -> None:
    pytest.importorskip("rioxarray")
    with xr.open_zarr(held, group="overviews/4") as level:
        assert level.VV_dB.dims == ("time", "y", "x") and dict(level.sizes) == {"time": 4, "y": 16, "x": 12}
        assert level.VV_dB.rio.crs.to_epsg() == 32610 and level.VV_dB.rio.transform()[:6] == (
            120,
            0,
            6e5,
            0,
            -120,
            42e5,
        )
        march = level.VV_dB.sel(time="2020-03-01").values
        np.testing.assert_array_equal(march, cube.read_overview(held, MARCH, "VV_dB", 4))
        assert level.VV_dB.attrs["units"] == "dB" and "area: mean" in level.VV_dB.attrs["cell_methods"]
    assert zarr.open_group(held, mode="r")["overviews/2/RVI"].shape == (4, 32, 24)


@pytest.mark.parametrize("group", ["", "overviews"])
def test_the_layout_follows_the_convention(held: Path, group: str) -> None:
    """Fields and patterns of the schema of zarr-conventions/multiscales, version 0.1; places by `spatial`."""
    root = json.loads((held / group / "zarr.json").read_text())
    layout = root["attributes"]["multiscales"]["layout"]
    assert [level["asset"] for level in layout] == ([".", "overviews/2", "overviews/4"] if not group else ["2", "4"])
    assert "multiscales" in [entry["name"] for entry in root["attributes"]["zarr_conventions"]]
    members = root["consolidated_metadata"]["metadata"]
    for number, level in enumerate(layout):
        rows, columns = level["spatial:shape"]
        a, _, left, _, e, top = level["spatial:transform"]
        assert [left, top + rows * e, left + columns * a, top] == root["attributes"]["spatial:bbox"]
        array = members[f"{level['asset']}/VV_dB".removeprefix("./")]
        assert array["shape"] == [4, rows, columns] and array["dimension_names"] == ["time", "y", "x"]
        assert array == json.loads((held / group / level["asset"] / "VV_dB" / "zarr.json").read_text())
        if number:
            assert level["derived_from"] == layout[number - 1]["asset"] and level["resampling_method"] == "average"
            assert level["transform"] == {"scale": [2.0, 2.0], "translation": [0.0, 0.0]}
        else:
            assert "derived_from" not in level and level["transform"]["scale"] == [1.0, 1.0]


def test_they_move_with_their_month(held: Path) -> None:
    write(held, "2020-03", version=2)
    prepare(held, spec_of(), *months("2019-06", "2021-06"))
    write(held, "2019-07")
    check_overviews(held)
    with xr.open_zarr(held, group="overviews/2") as level:
        assert level.sizes["time"] == 25 and np.isfinite(level.VH_dB.sel(time="2020-03-01").values).any()
        assert np.isnan(level.VH_dB.sel(time="2020-02-01").values).all()


def test_added_bands_get_theirs(held: Path) -> None:
    prepare(held, textured(), *months("2020-01", "2020-04"), covered=[Month(2020, 1), MARCH])
    assert [int(status) for status in statuses(held)] == [1, 0, 1, 0]
    for text in ("2020-01", "2020-03"):
        write(held, text)
    check_overviews(held)
    assert cube.read_overview(held, MARCH, "VH_glcm_contrast", 4).shape == (16, 12)


def test_a_cube_is_not_given_overviews_later(held: Path, tmp_path: Path) -> None:
    """The rule asks for what the cube has; a caller who does not is told."""
    with pytest.raises(CubeError, match="overviews"):
        prepare(held, spec_of(overviews=()), *months("2020-01", "2020-04"))
    plain = tmp_path / "plain.zarr"
    prepare(plain, spec_of(overviews=()), *months("2020-01", "2020-01"))
    with pytest.raises(CubeError, match="overviews: nothing in the cube"):
        prepare(plain, spec_of(), *months("2020-01", "2020-01"))
    write_month(plain, Month(2020, 1), *core_of("2020-01"))
    with pytest.raises(CubeError, match="has no overview 2 of VV_dB"):
        cube.read_overview(plain, Month(2020, 1), "VV_dB", 2)


def test_a_damaged_overview_is_an_error_of_its_own(held: Path) -> None:
    file = held / "overviews/2/VV_dB/c/2/0/0"
    content = file.read_bytes()
    for damaged in (content[:-1], content[:20], b"", content[:40] + b"\xff" * 8 + content[48:]):
        file.write_bytes(damaged)
        with pytest.raises(CubeError, match="slot 2 of overviews/2/VV_dB is damaged"):
            cube.read_overview(held, MARCH, "VV_dB", 2)
    assert np.isfinite(cube.read_month(held, MARCH, "VV_dB")).any()
    shutil.rmtree(held / "overviews" / "4" / "VV_dB" / "c" / "2")
    assert np.isnan(cube.read_overview(held, MARCH, "VV_dB", 4)).all(), "validation finds what is lost"
