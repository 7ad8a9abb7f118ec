"""The store of static layers: a group a track on the cube's grid, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from s1monthly.cube.axis import prepare
from s1monthly.cube.static import StaticOrigin, new_group, read_origins, read_static
from s1monthly.errors import CubeError
from s1monthly.kernels.static_layers import LAYERS
from s1monthly.model import Month
from support.cube_samples import BOX, spec_of

ORIGIN = StaticOrigin("10SGD", "ASCENDING", 137, ("one", "two"), "0123", without=("T137-292318-IW1",))


def values_of(seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    layers = {name: random.uniform(0, 90, BOX.shape).astype(np.float32) for name in LAYERS if name != "mask"}
    for values in layers.values():
        values[:5] = np.nan
    return {**layers, "mask": random.choice(np.array([0, 1, 2, 3, 255], np.uint8), BOX.shape)}


def write(path: Path, origin: StaticOrigin, values: dict[str, np.ndarray]) -> None:
    with new_group(path, origin, BOX, (16, 16)) as group:
        for name, layer in values.items():
            group.write(name, layer, {"units": LAYERS[name].units})


def test_layers_and_origin_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "zarr" / "S1_static.zarr"
    first, second = values_of(1), values_of(2)
    write(path, ORIGIN, first)
    other = StaticOrigin("10SGD", "ASCENDING", 64, (), "4567", simulated=True)
    write(path, other, second)
    assert read_origins(path) == {137: ORIGIN, 64: other}
    assert read_origins(tmp_path / "other.zarr") == {}
    for track, values in ((137, first), (64, second)):
        for name, layer in values.items():
            np.testing.assert_array_equal(read_static(path, track, name), layer)
            found = read_static(path, track, name, slice(3, 20))
            np.testing.assert_array_equal(found, layer[3:20])
            assert found.dtype == LAYERS[name].dtype


def test_group_opens_beside_the_cube_on_one_grid(tmp_path: Path) -> None:
    prepare(tmp_path / "cube.zarr", spec_of(), Month(2024, 5), Month(2024, 6))
    write(tmp_path / "S1_static.zarr", ORIGIN, values_of(1))
    cube = xr.open_zarr(tmp_path / "cube.zarr")
    static = xr.open_zarr(tmp_path / "S1_static.zarr", group="T137")
    assert cube.spatial_ref.attrs == static.spatial_ref.attrs
    xr.testing.assert_identical(cube.x.reset_coords(drop=True), static.x.reset_coords(drop=True))
    xr.testing.assert_identical(cube.y.reset_coords(drop=True), static.y.reset_coords(drop=True))
    joined = xr.merge([cube, static], join="exact", compat="no_conflicts")
    assert {*LAYERS} <= {*joined.data_vars}
    assert static.mask.dtype == np.uint8
    assert static.attrs["spatial:transform"] == cube.attrs["spatial:transform"]


def test_a_failed_write_leaves_the_older_group(tmp_path: Path) -> None:
    path, values = tmp_path / "S1_static.zarr", values_of(1)
    write(path, ORIGIN, values)
    with pytest.raises(ZeroDivisionError), new_group(path, ORIGIN, BOX, (16, 16)) as group:
        group.write("mask", values["mask"], {})
        raise ZeroDivisionError
    np.testing.assert_array_equal(read_static(path, 137, "incidence_angle"), values["incidence_angle"])
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.endswith(".part")] == []


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "S1_static.zarr"
    write(path, ORIGIN, values_of(1))
    with pytest.raises(CubeError, match=r"T064.*incidence_angle cannot be read"):
        read_static(path, 64, "incidence_angle")
    with pytest.raises(CubeError, match="static layer slope: there is none"):
        read_static(path, 137, "slope")
    (path / "zarr.json").write_text("{}")
    assert read_origins(path) == {}
