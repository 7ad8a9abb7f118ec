"""Static layers on a tile: cut, warped, first valid pixel in burst order; and what stops a track."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from s1monthly.cube.static import StaticOrigin, read_origins, read_static
from s1monthly.errors import SourceError
from s1monthly.granules import StaticGranule
from s1monthly.grid.lattice import GeoBox, geobox_outline
from s1monthly.kernels.static_layers import LAYERS
from s1monthly.raster.geotiff import open_raster
from s1monthly.stages.static import compose_static, refuse_incomplete, write_group, write_static_cogs
from support.granules import ORIGIN, static_layers, write_static

SHAPE = (90, 120)
BOX = GeoBox(32611, 30.0, ORIGIN[0] - 600, ORIGIN[1] + 600, 200, 160)
ORIGIN_OF = StaticOrigin("11SLT", "ASCENDING", 137, (), "0123")


def written(folder: Path, number: int = 292318, seed: int = 0, **name: Any) -> StaticGranule:
    return write_static(folder, static_layers(SHAPE, seed), burst=f"T137-{number}-IW1", **name)


def composed(granules: list[StaticGranule], layer: str, box: GeoBox = BOX, workers: int = 1) -> NDArray[Any]:
    return compose_static(granules, layer, box, nullcontext, workers)[0]


def path_of(granule: StaticGranule, layer: str) -> str:
    found = granule.layer(layer)
    assert found
    return found.url


@pytest.mark.parametrize("layer", list(LAYERS))
def test_whole_pixels_in_burst_order(tmp_path: Path, layer: str) -> None:
    """Against plain rasterio: the first burst's valid pixels, then the second's."""
    first = written(tmp_path, 292318, seed=1)
    second = written(tmp_path, 292319, seed=2, left=ORIGIN[0] + 1200, top=ORIGIN[1] - 300)
    expected = np.full(BOX.shape, LAYERS[layer].nodata, LAYERS[layer].dtype)
    for granule in (second, first):  # what comes first covers what comes later
        with rasterio.open(path_of(granule, layer)) as dataset:
            values = dataset.read(1)
            row, col = rasterio.transform.rowcol(rasterio.Affine(*BOX.transform), *(dataset.transform * (0.5, 0.5)))
        valid = values != 255 if layer == "mask" else ~np.isnan(values)
        window = expected[row : row + SHAPE[0], col : col + SHAPE[1]]
        window[valid] = values[valid]
    for workers in (1, 3):
        np.testing.assert_array_equal(composed([first, second], layer, workers=workers), expected)


@pytest.mark.parametrize("layer", ["incidence_angle", "rtc_anf_gamma0_to_beta0", "mask"])
def test_from_another_zone(tmp_path: Path, layer: str) -> None:
    """Against exact positions of every pixel: bilinear values, and the class of the nearest pixel."""
    granule = written(tmp_path)
    x, y = pyproj.Transformer.from_crs(32611, 32610, always_xy=True).transform(*ORIGIN)
    box = GeoBox(32610, 30.0, float(x // 30 * 30), float(y // 30 * 30), 150, 110)
    found = composed([granule], layer, box)
    columns, rows = np.meshgrid(np.arange(box.width), np.arange(box.height))
    to_source = pyproj.Transformer.from_crs(32610, 32611, always_xy=True)
    x, y = to_source.transform(box.left + 30 * (columns + 0.5), box.top - 30 * (rows + 0.5))
    places = np.array([(ORIGIN[1] - y) / 30 - 0.5, (x - ORIGIN[0]) / 30 - 0.5])
    with rasterio.open(path_of(granule, layer)) as dataset:
        values = dataset.read(1)
    if layer == "mask":
        near = np.abs(places - np.rint(places)).max(axis=0) < 0.49  # elsewhere rounding decides
        expected = map_coordinates(values, np.rint(places), order=0, cval=255)
        np.testing.assert_array_equal(found[near], expected[near])
        assert {*np.unique(found)} == {0, 1, 2, 3, 255}
    else:
        expected = map_coordinates(values.astype(np.float64), places, order=1, cval=np.nan)
        inside = ~np.isnan(expected)
        assert inside.sum() > 8000
        np.testing.assert_allclose(found[inside], expected[inside], rtol=2e-4)


def test_coarser_pixels_average_values_and_take_the_middle_class(tmp_path: Path) -> None:
    granule = written(tmp_path)
    box = GeoBox(32611, 90.0, ORIGIN[0], ORIGIN[1], 40, 30)
    with rasterio.open(path_of(granule, "local_incidence_angle")) as dataset:
        values = dataset.read(1).astype(np.float64)
    blocks = values.reshape(30, 3, 40, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(composed([granule], "local_incidence_angle", box), blocks, rtol=1e-6)
    with rasterio.open(path_of(granule, "mask")) as dataset:
        np.testing.assert_array_equal(composed([granule], "mask", box), dataset.read(1)[1::3, 1::3])


def test_store_and_cogs_hold_the_same_values(tmp_path: Path) -> None:
    granules = [
        written(tmp_path / "granules", 292318, seed=1),
        written(tmp_path / "granules", 292320, seed=2, top=3697980),
    ]
    store, origin = tmp_path / "zarr" / "S1_static.zarr", replace(ORIGIN_OF, granules=tuple(g.id for g in granules))
    write_group(store, origin, BOX, (64, 64), granules, nullcontext, 2)
    assert read_origins(store) == {137: origin}
    seen = write_static_cogs(store, origin, BOX, {layer: str(tmp_path / f"{layer}.tif") for layer in LAYERS})
    np.testing.assert_array_equal(seen, read_static(store, 137, "mask") != 255)
    for layer, facts in LAYERS.items():
        expected = composed(granules, layer)
        np.testing.assert_array_equal(read_static(store, 137, layer), expected)
        with rasterio.open(tmp_path / f"{layer}.tif") as dataset:
            np.testing.assert_array_equal(dataset.read(1), expected)
            assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG" and dataset.dtypes == (facts.dtype,)
            assert dataset.descriptions == (layer,) and dataset.tags()["GRANULES"] == " ".join(origin.granules)


def replaced(granule: StaticGranule, folder: Path, layer: str, values: NDArray[Any], **grid: Any) -> StaticGranule:
    """Return the granule with another file for a layer."""
    other = write_static(folder, {layer: values}, burst=str(granule.burst), **grid)
    layers = [other.layers[0] if each.name == layer else each for each in granule.layers]
    return replace(granule, layers=tuple(layers))


def refusal(tmp_path: Path, granule: StaticGranule) -> str:
    store = tmp_path / "S1_static.zarr"
    with pytest.raises(SourceError) as caught:
        write_group(store, ORIGIN_OF, BOX, (64, 64), [granule], nullcontext, 1)
    assert read_origins(store) == {} and granule.id in str(caught.value)
    return str(caught.value)


def test_what_stops_a_track(tmp_path: Path) -> None:
    granule, layers = written(tmp_path / "good"), static_layers(SHAPE)
    angles = layers["incidence_angle"]
    lacking = replace(granule, layers=granule.layers[:-2])
    with pytest.raises(SourceError, match=f"{granule.id}: no layer rtc_anf_gamma0_to_sigma0 and mask"):
        refuse_incomplete([granule, lacking])
    as_double = replaced(granule, tmp_path / "double", "incidence_angle", angles.astype(np.float64))
    assert "pixels are float64, not float32" in refusal(tmp_path, as_double)
    off_lattice = replaced(granule, tmp_path / "off", "incidence_angle", angles, left=ORIGIN[0] + 7)
    assert "its burst's grid has 30 m" in refusal(tmp_path, off_lattice)
    finer = replaced(granule, tmp_path / "finer", "mask", layers["mask"], resolution=10.0)
    assert "_mask.tif: pixels of 10 from" in refusal(tmp_path, finer)
    shifted = replaced(granule, tmp_path / "shifted", "mask", layers["mask"], left=ORIGIN[0] + 30)
    assert "layers on different grids" in refusal(tmp_path, shifted)
    place = geobox_outline(GeoBox(32611, 30.0, *ORIGIN, SHAPE[1], SHAPE[0])).wkt
    far = replaced(replace(granule, footprint=place), tmp_path / "far", "incidence_angle", angles, epsg=32633)
    assert "its footprint at longitude -118" in refusal(tmp_path, far)
    sentinel = replaced(granule, tmp_path / "sentinel", "incidence_angle", np.where(angles < 31, -9999, angles))
    assert "a value of -9999, which the layer incidence_angle cannot have" in refusal(tmp_path, sentinel)
    with open_raster(path_of(granule, "mask")) as raster:
        assert raster.header.geobox.shape == SHAPE
