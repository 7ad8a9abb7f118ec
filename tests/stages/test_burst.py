"""A burst on a tile: cut, warped, averaged, masked; and what stops it."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT

from s1monthly.errors import SourceError
from s1monthly.granule_names import parse_granule_id
from s1monthly.granules import Granule, Layer, StaticGranule
from s1monthly.grid.lattice import GeoBox, geobox_outline, tile_geobox
from s1monthly.kernels.options import RADIOMETRY_LAYERS
from s1monthly.model import Tile
from s1monthly.raster.fast_geotiff import open_header
from s1monthly.raster.geotiff import crop
from s1monthly.stages.burst import BurstWindow, NoPixels, read_burst
from s1monthly.versions import ALGORITHMS
from support.granules import ORIGIN, static_layers, write_granule, write_static, write_tiff

VV_VH = ("VV", "VH")
SHAPE = (120, 150)
BOX = GeoBox(32611, 30.0, ORIGIN[0] - 3000, ORIGIN[1] + 3000, 400, 360)
"""A grid that holds all of a granule at `ORIGIN`, 100 pixels inside."""


def path_of(granule: Granule, layer: str) -> Path:
    return Path(next(each.url for each in granule.layers if each.name == layer))


def written(folder: Path, mask: NDArray[Any] | None = None, **layers: NDArray[Any]) -> Granule:
    """Write a granule with noise in both layers, a mask of valid pixels if it is None, and other layers where given."""
    mask = np.zeros(SHAPE, np.uint8) if mask is None else mask
    return write_granule(folder, {"VV": noise(1), "VH": noise(2), "mask": mask, **layers})


def refusal(granule: Granule, box: GeoBox | None = None) -> str:
    """Read a granule in vain; the message names it."""
    with pytest.raises(SourceError) as caught:
        read_burst(granule, VV_VH, box or BOX, 1e-6)
    assert f"granule {granule.id}: " in str(caught.value)
    return str(caught.value)


def noise(seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).gamma(4.0, 0.02, SHAPE).astype(np.float32) + np.float32(1e-3)


def read(granule: Granule, box: GeoBox = BOX, mask: str = "shadow") -> BurstWindow:
    window = read_burst(granule, VV_VH, box, 1e-6, mask)
    assert isinstance(window, BurstWindow)
    assert window.geobox == crop(
        box,
        slice(window.row, window.row + window.geobox.height),
        slice(window.col, window.col + window.geobox.width),
    )
    for power in window.power.values():
        assert power.shape == window.geobox.shape and power.dtype == np.float32
        np.testing.assert_array_equal(np.isnan(power), np.isnan(window.power["VV"]))
    return window


def centres(window: BurstWindow, epsg: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centres of a window's pixels in a CRS."""
    box = window.geobox
    x, y = np.meshgrid(
        box.left + (np.arange(box.width) + 0.5) * box.resolution,
        box.top - (np.arange(box.height) + 0.5) * box.resolution,
    )
    return pyproj.Transformer.from_crs(box.epsg, epsg, always_xy=True).transform(x, y)


def real_granules(shared_data: Path) -> list[Granule]:
    """Return the granules of one date, with VV and VH."""
    files = sorted((shared_data / "opera-rtc-s1" / "10SGD_T137" / "2023-12-03").glob("*_VV.tif"))
    return [
        replace(
            parse_granule_id(path.name[:-7]),
            layers=(Layer("VV", str(path)), Layer("VH", str(path).replace("_VV.tif", "_VH.tif"))),
        )
        for path in files
    ]


# same zone


def test_real_bursts_of_the_tiles_zone_are_cut_pixel_by_pixel(shared_data: Path) -> None:
    box = tile_geobox(Tile("11SKU"))
    left, bottom, right, top = box.bounds
    shown = 0
    for granule in real_granules(shared_data):
        window = read_burst(granule, VV_VH, box, 1e-6)
        for name in VV_VH:
            layer = granule.layer(name)
            assert layer is not None
            with rasterio.open(layer.url) as dataset:
                bounds, values = dataset.bounds, dataset.read(1)
            inside = bounds.left >= left and bounds.right <= right and bounds.bottom >= bottom and bounds.top <= top
            if bounds.right <= left or bounds.left >= right or bounds.top <= bottom or bounds.bottom >= top:
                assert window == NoPixels("it lies beside the tile")
            elif inside and (values > 1e-6).all():
                assert isinstance(window, BurstWindow)
                np.testing.assert_array_equal(window.power[name], values)
                assert (window.row, window.col) == ((top - bounds.top) / 30, (bounds.left - left) / 30)
                shown += 1
    assert shown >= 8


@pytest.mark.parametrize(("down", "right"), [(-100, -40), (330, 20), (10, 370), (-1, -149)])
def test_a_burst_across_the_edge_is_cut_there(tmp_path: Path, down: int, right: int) -> None:
    layers = {"VV": noise(1), "VH": noise(2)}
    granule = write_granule(tmp_path, layers, left=BOX.left + 30 * right, top=BOX.top - 30 * down)
    window = read(granule)
    expected = np.full((2, 360 + 240, 400 + 300), np.nan, np.float32)
    for index, name in enumerate(VV_VH):
        expected[index, 120 + down : 240 + down, 150 + right : 300 + right] = layers[name]
    expected = expected[:, 120:480, 150:550]
    placed = np.full_like(expected, np.nan)
    rows, cols = window.geobox.shape
    for index, name in enumerate(VV_VH):
        placed[index, window.row : window.row + rows, window.col : window.col + cols] = window.power[name]
    np.testing.assert_array_equal(placed, expected)


def test_windows_are_no_larger_than_their_valid_pixels(tmp_path: Path) -> None:
    co = noise()
    co[:7], co[:, 140:] = np.nan, 0.0
    window = read(write_granule(tmp_path, {"VV": co, "VH": noise()}))
    assert (window.row, window.col, window.geobox.shape) == (107, 100, (113, 140))


# masks


@pytest.mark.parametrize(
    ("choice", "used"),
    [("shadow", {0, 2}), ("layover", {0, 1}), ("both", {0}), ("none", {0, 1, 2, 3, 255})],
)
def test_the_mask_layer_is_applied(tmp_path: Path, choice: str, used: set[int]) -> None:
    mask = np.random.default_rng(3).choice(np.array([0, 1, 2, 3, 255], np.uint8), SHAPE)
    window = read(written(tmp_path, mask), mask=choice)
    assert set(mask[np.isfinite(window.power["VV"])].tolist()) == used
    assert np.isfinite(window.power["VV"]).sum() == np.isin(mask, list(used)).sum()
    assert window.masked == (choice != "none")
    assert read(write_granule(tmp_path / "none", {"VV": noise(), "VH": noise()})).masked is False


@pytest.mark.parametrize(
    "box", [tile_geobox(Tile("11SLT"), 60.0), tile_geobox(Tile("11SLT"), 30.0, 32610), tile_geobox(Tile("11SLT"), 10.0)]
)
def test_masked_pixels_are_gone_before_anything_is_resampled(tmp_path: Path, box: GeoBox) -> None:
    mask = np.random.default_rng(3).choice(np.array([0, 1], np.uint8), SHAPE, p=(0.8, 0.2))
    power = np.where(mask == 1, np.float32(1e6), np.float32(0.1)).astype(np.float32)
    window = read(write_granule(tmp_path, {"VV": power, "VH": power, "mask": mask}), box)
    np.testing.assert_allclose(window.power["VV"][np.isfinite(window.power["VV"])], 0.1, rtol=1e-6)


# other grids


@pytest.mark.parametrize(("factor", "shift"), [(2, 0), (2, 1), (3, 2), (4, 3)])
def test_coarser_grids_get_the_mean_of_whole_pixels(tmp_path: Path, factor: int, shift: int) -> None:
    co, cross = noise(1), noise(2)
    co[40:60, 30:37] = np.nan
    granule = write_granule(tmp_path, {"VV": co, "VH": cross}, left=BOX.left + 30 * (24 + shift), top=BOX.top - 720)
    box = GeoBox(BOX.epsg, 30.0 * factor, BOX.left, BOX.top, 396 // factor, 360 // factor)
    window = read(granule, box)
    fine = np.full((360, 396), np.nan)
    fine[24:144, 24 + shift : 174 + shift] = np.where(np.isnan(co), np.nan, cross)
    blocks = fine.reshape(360 // factor, factor, 396 // factor, factor)
    parts = blocks.transpose(0, 2, 1, 3).reshape(*box.shape, factor**2)
    number = np.isfinite(parts).sum(axis=-1)
    means = np.nansum(parts, axis=-1) / np.maximum(number, 1)
    expected = np.where(2 * number >= factor**2, means, np.nan)
    rows, cols = np.flatnonzero(np.isfinite(expected).any(1)), np.flatnonzero(np.isfinite(expected).any(0))
    assert (window.row, window.col) == (rows[0], cols[0])
    expected = expected[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    np.testing.assert_allclose(window.power["VH"], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("resolution", "epsg"),
    [(10.0, None), (45.0, None), (100.0, None), (30.0, 32610), (60.0, 32610), (40.0, 3857), (3e-4, 4326), (1e-3, 4326)],
)
def test_any_other_grid_keeps_a_slope_where_it_is(tmp_path: Path, resolution: float, epsg: int | None) -> None:
    """A plane survives bilinear interpolation and averaging unchanged: every pixel shows its own centre."""
    left, top = ORIGIN

    def plane(x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
        return 0.2 + (x - left) * 1e-5 + (top - y) * 2e-5

    cols, rows = np.meshgrid(left + 30 * (np.arange(150) + 0.5), top - 30 * (np.arange(120) + 0.5))
    power = plane(cols, rows).astype(np.float32)
    window = read(write_granule(tmp_path, {"VV": power, "VH": power}), tile_geobox(Tile("11SLT"), resolution, epsg))
    x, y = centres(window, 32611)
    inside = np.isfinite(window.power["VV"])
    margin = 30 if window.geobox.resolution <= 30 and epsg != 4326 else 150  # at the rim a mean lacks a side
    inner = inside & (x > left + margin) & (x < left + 4500 - margin) & (y < top - margin) & (y > top - 3600 + margin)
    assert inner.sum() > 500
    np.testing.assert_allclose(window.power["VV"][inner], plane(x, y)[inner], atol=3e-7 if epsg is None else 2e-6)
    # and covers all of the burst, nothing else
    assert (inside == inside & (x > left - 30) & (x < left + 4530) & (y < top + 30) & (y > top - 3630)).all()
    deep = (x > left + margin) & (x < left + 4500 - margin) & (y < top - margin) & (y > top - 3600 + margin)
    assert inside[deep].all()


@pytest.mark.parametrize(("resolution", "sigma"), [(100.0, 0.36), (45.0, 0.75)])
def test_every_measurement_counts_at_coarse_resolutions(tmp_path: Path, resolution: float, sigma: float) -> None:
    """Independent noise shrinks nearly as it would by averaging all pixels that a larger pixel holds."""
    power = noise()
    window = read(write_granule(tmp_path, {"VV": power, "VH": power}), tile_geobox(Tile("11SLT"), resolution))
    values = window.power["VV"][2:-2, 2:-2]
    assert values.mean() == pytest.approx(power.mean(), rel=0.02)
    assert values.std() < sigma * power.std()


def test_real_bursts_of_another_zone_are_warped_as_gdal_does(shared_data: Path, tmp_path: Path) -> None:
    box = tile_geobox(Tile("10SGD"))
    shown = 0
    for granule in real_granules(shared_data):
        window = read_burst(granule, VV_VH, box, 1e-6)
        if isinstance(window, NoPixels):
            continue
        co, cross = (layer.url for layer in granule.layers)
        with rasterio.open(co) as other, rasterio.open(cross) as dataset:
            bounds, values = dataset.bounds, dataset.read(1)
            measured = np.where((other.read(1) > 1e-6) & (values > 1e-6), values, np.float32(np.nan))
        path = write_tiff(tmp_path / "measured.tif", measured, bounds.left, bounds.top)
        # By default GDAL approximates coordinates, here off by up to 1.4 % of the value; and where the target shows
        # a part of the source alone it takes it for a reduction and smooths, so it is given room for all of it.
        rows, cols = (slice(-20, side + 20) for side in window.geobox.shape)
        room = crop(window.geobox, rows, cols)
        grid = {
            "crs": room.crs,
            "transform": rasterio.Affine(*room.transform),
            "height": room.height,
            "width": room.width,
        }
        with (
            rasterio.open(path) as source,
            WarpedVRT(source, **grid, resampling=Resampling.bilinear, tolerance=1e-5) as warped,
        ):
            expected = warped.read(1)[20:-20, 20:-20]
        x, y = centres(window, 32611)
        inner = (x > bounds.left + 30) & (x < bounds.right - 30) & (y < bounds.top - 30) & (y > bounds.bottom + 30)
        both = inner & np.isfinite(expected) & np.isfinite(window.power["VH"])
        assert both.sum() > 0.995 * inner.sum()
        np.testing.assert_allclose(window.power["VH"][both], expected[both], rtol=3e-4)
        shown += int(both.sum() > 5000)
    assert shown >= 8


@pytest.mark.parametrize("rows", [1, 2, 17])
def test_a_window_of_few_rows_is_the_same_as_in_the_whole(tmp_path: Path, rows: int) -> None:
    granule = write_granule(tmp_path, {"VV": noise(1), "VH": noise(2)})
    box = tile_geobox(Tile("11SLT"), 30.0, 32610)
    whole = read(granule, box)
    start = whole.row + 50
    few = read(granule, crop(box, slice(start, start + rows), slice(0, box.width)))
    expected = whole.power["VH"][50 : 50 + rows, few.col - whole.col : few.col - whole.col + few.geobox.width]
    np.testing.assert_allclose(few.power["VH"], expected, rtol=1e-4)


# ways to read, and what stops it


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut short": (lambda path: path.write_bytes(path.read_bytes()[:-500]), ""),
    "removed": (lambda path: path.unlink(), ""),
    "moved": (lambda path: set_to(path, transform=rasterio.Affine(30, 0, ORIGIN[0] + 30, 0, -30, ORIGIN[1])), "grids"),
    "beyond its CRS": (lambda path: set_to(path, transform=rasterio.Affine(30, 0, 3e7, 0, -30, ORIGIN[1])), ""),
}


@pytest.mark.parametrize("layer", ["VV", "VH", "mask"])
@pytest.mark.parametrize(("damage", "problem"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_layer_stops_by_granule_and_file(
    tmp_path: Path, layer: str, damage: Callable[[Path], object], problem: str
) -> None:
    granule = written(tmp_path)
    damage(path_of(granule, layer))
    message = refusal(granule)
    assert path_of(granule, layer).name in message and problem in message


def test_a_granule_off_the_lattice_or_without_a_layer_stops(tmp_path: Path) -> None:
    assert "not whole pixels" in refusal(write_granule(tmp_path, left=ORIGIN[0] + 10))
    for layers in (["VV"], ["VH"], ["HH", "HV"]):
        assert "no layer V" in refusal(write_granule(tmp_path, {name: noise() for name in layers}))


def test_layers_in_memory_and_threads_give_the_same(tmp_path: Path) -> None:
    granule = written(tmp_path)
    box = tile_geobox(Tile("11SLT"), 30.0, 32610)
    expected = read(granule, box)
    files = {layer.name: MemoryFile(Path(layer.url).read_bytes()) for layer in granule.layers}
    streamed = replace(granule, layers=tuple(Layer(name, file.name) for name, file in files.items()))
    with ThreadPoolExecutor(4) as pool:
        windows = list(pool.map(lambda g: read(g, box), [granule, streamed] * 10))
    for file in files.values():
        file.close()
    for window in windows:
        assert (window.row, window.col, window.masked) == (expected.row, expected.col, True)
        for name in VV_VH:
            np.testing.assert_array_equal(window.power[name], expected.power[name])


@pytest.mark.parametrize("epsg", [32611, 32610])
@pytest.mark.parametrize("layer", ["VH", "mask"])
def test_where_the_first_layer_is_empty_the_others_are_not_decoded(tmp_path: Path, layer: str, epsg: int) -> None:
    """Their pixels could not count; where it is not empty, a damaged one stops."""
    x, y = pyproj.Transformer.from_crs(BOX.epsg, epsg, always_xy=True).transform(*ORIGIN)
    box = GeoBox(epsg, 30.0, x // 30 * 30 - 6000, y // 30 * 30 + 6000, 600, 600)
    layers = {"VH": noise(2), "mask": np.zeros(SHAPE, np.uint8)}
    empty = np.full(SHAPE, np.nan, np.float32)
    for co, stops in ((empty, False), (noise(1), True)):
        granule = write_granule(tmp_path / str(stops), {"VV": co, **layers})
        assert isinstance(read_burst(granule, VV_VH, box, 1e-6), BurstWindow) == stops
        path = path_of(granule, layer)
        with rasterio.open(path) as raster:
            tags = (f"BLOCK_{what}_0_0" for what in ("OFFSET", "SIZE"))
            offset, size = (int(raster.get_tag_item(tag, "TIFF", bidx=1)) for tag in tags)
        data = bytearray(path.read_bytes())
        data[offset : offset + size] = b"\xff" * size
        path.write_bytes(data)
        if stops:
            assert refusal(granule, box)
        else:
            assert read_burst(granule, VV_VH, box, 1e-6) == NoPixels("VV has no power above 1e-06 on the tile")


GOLDEN = {
    1: {
        ("10SGD", 30): (379, 1697, (21, 21), [0.1401258, 0.1843516, 0.2506902]),
        ("11SKU", 60): (167, 67, (11, 10), [0.2165, 0.3005, 0.4265]),
    }
}
"""Place, shape and three values of a ramp on two tiles, by version.

That they are right is for the tests above to show; the pair (11SKU, 60) is also plain: means of four pixels.
"""


def test_golden_values(tmp_path: Path) -> None:
    ramp = (np.arange(400, dtype=np.float32).reshape(20, 20) + 100) / 1000
    granule = write_granule(tmp_path, {"VV": ramp, "VH": ramp / 5}, left=204000, top=3889950)
    for (tile, resolution), (row, col, shape, values) in GOLDEN[ALGORITHMS["sources.reading"]].items():
        window = read(granule, tile_geobox(Tile(tile), resolution))
        assert (window.row, window.col, window.geobox.shape) == (row, col, shape)
        np.testing.assert_allclose(window.power["VV"][[3, 5, 8], [3, 5, 8]], values, rtol=1e-5)


def test_a_raster_elsewhere_than_its_footprint_is_refused(tmp_path: Path) -> None:
    """Through a wrong zone, say: it would show no pixel of the tile, and be taken for one without data there."""
    granule = write_granule(tmp_path, {"VV": noise(), "VH": noise(1)})
    outline = geobox_outline(open_header(granule.layers[0].url).geobox)
    right = replace(granule, footprint=shapely.to_wkt(shapely.box(*outline.bounds)))
    np.testing.assert_array_equal(read(right).power["VV"], read(granule).power["VV"])
    beyond = replace(write_granule(tmp_path / "beyond", left=3e7), footprint=right.footprint)
    assert re.search(r"raster \S*_VV\.tif: .* reaches beyond", refusal(beyond))
    for shift in (outline.bounds[2] - outline.bounds[0], 6.0):
        elsewhere = shapely.transform(outline, lambda xy, shift=shift: xy + (shift, 0.0))
        with pytest.raises(SourceError, match=f"{granule.id}: .*_VV.tif lies at longitude .* its footprint at"):
            read(replace(granule, footprint=shapely.to_wkt(elsewhere)))


# values that are no power, and no values

HALF = SHAPE[0] // 2


def set_to(path: Path, **values: Any) -> None:
    with rasterio.open(path, "r+") as dataset:
        for name, value in values.items():
            setattr(dataset, name, value)


def holed(value: float, dtype: str = "float32", fill: float = 0.1) -> NDArray[Any]:
    values = np.full(SHAPE, fill, dtype)
    values[:HALF] = value
    return values


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (holed(9, "int16", 9), "are int16, not float32"),
        (holed(-10), "decibels"),
        (holed(0.1, fill=1e30), "power of 1e\\+30, which no radar measures"),
        (holed(0.1, "float64", 1e300), "power of inf, which no radar measures"),
    ],
)
@pytest.mark.parametrize("layer", ["VV", "VH"])
def test_what_is_no_power_is_refused_by_name(tmp_path: Path, values: NDArray[Any], problem: str, layer: str) -> None:
    granule = written(tmp_path)
    with rasterio.open(path_of(granule, layer)) as dataset:
        profile = {**dataset.profile, "dtype": values.dtype, "nodata": None, "predictor": 1}
    with rasterio.open(path_of(granule, layer), "w", **profile) as dataset:
        dataset.write(values, 1)
    assert re.search(rf"raster \S*_{layer}\.tif: .*{problem}", refusal(granule))


@pytest.mark.parametrize("epsg", [32611, 32610])
def test_pixels_too_fine_for_the_grid_are_refused(tmp_path: Path, epsg: int) -> None:
    granule = written(tmp_path)
    for layer in granule.layers:
        set_to(Path(layer.url), transform=rasterio.Affine(1e-3, 0, ORIGIN[0], 0, -1e-3, ORIGIN[1]))
    assert "too fine a pixel" in refusal(granule, BOX if epsg == 32611 else tile_geobox(Tile("11SLT"), 30.0, epsg))


def test_power_that_noise_was_subtracted_from_is_no_decibels(tmp_path: Path) -> None:
    """Over calm water more than half of it lies below zero, though hardly; and masked pixels may hold anything."""
    calm = np.random.default_rng(5).exponential(0.004, SHAPE).astype(np.float32) - np.float32(0.004)
    window = read(write_granule(tmp_path, {"VV": calm, "VH": calm}))
    assert np.isfinite(window.power["VV"]).sum() == (calm > 1e-6).sum() < calm.size / 2
    assert read(written(tmp_path, holed(1, "uint8", 0), VV=holed(1e30))).row == 100 + HALF


def test_a_granule_without_a_valid_pixel_tells_why(tmp_path: Path) -> None:
    def reason(mask: int = 0, box: GeoBox = BOX, least: float = 1e-6, **layers: NDArray[Any]) -> str:
        power = {"VV": noise(1), "VH": noise(2), "mask": np.full(SHAPE, mask, np.uint8), **layers}
        found = read_burst(write_granule(tmp_path, power), VV_VH, box, least, "shadow")
        assert isinstance(found, NoPixels)
        return found.reason

    assert reason(box=replace(BOX, left=BOX.left + 90_000)) == "it lies beside the tile"
    assert reason(box=replace(BOX, left=BOX.left + 90_000, epsg=32610)) == "it lies beside the tile"
    assert reason(least=0.9) == "VV has no power above 0.9 on the tile"
    assert reason(mask=1) == "the mask excludes all measurements on the tile"
    assert reason(VV=holed(np.nan), VH=holed(0.1, fill=0)) == "VV and VH have no measurement in common on the tile"
    single = np.full(SHAPE, np.nan, np.float32)
    single[50, 50] = 0.1
    coarse = replace(BOX, resolution=300.0, width=40, height=36)
    assert reason(box=coarse, VV=single) == "its few measurements on the tile fill no pixel of its grid"


# other quantities of backscatter


def statics(folder: Path, **grid: Any) -> tuple[StaticGranule, dict[str, NDArray[Any]]]:
    """Write a static granule on the grid of `written`, and return its layers too."""
    layers = static_layers(SHAPE, seed=3)
    return write_static(folder / "static", layers, **grid), layers


@pytest.mark.parametrize("radiometry", [name for name in RADIOMETRY_LAYERS if name != "gamma0_terrain"])
def test_power_is_converted_on_the_bursts_own_grid(tmp_path: Path, radiometry: Any) -> None:
    granule, (static, layers) = written(tmp_path), statics(tmp_path)
    beta, sigma, theta = (
        layers[name].astype(np.float64)
        for name in ("rtc_anf_gamma0_to_beta0", "rtc_anf_gamma0_to_sigma0", "incidence_angle")
    )
    factor = {
        "sigma0_terrain": sigma,
        "beta0": beta,
        "sigma0_ellipsoid": beta * np.sin(np.deg2rad(theta)),
        "gamma0_ellipsoid": beta * np.tan(np.deg2rad(theta)),
    }[radiometry]
    window = read_burst(granule, VV_VH, BOX, 1e-6, "shadow", radiometry, static)
    assert isinstance(window, BurstWindow) and (window.row, window.col) == (100, 103), "three columns have no factor"
    for seed, layer in ((1, "VV"), (2, "VH")):
        np.testing.assert_allclose(window.power[layer], (noise(seed) * factor)[:, 3:], rtol=1e-6)
    x, y = pyproj.Transformer.from_crs(32611, 32610, always_xy=True).transform(*ORIGIN)
    other = GeoBox(32610, 30.0, x // 30 * 30, y // 30 * 30, 150, 110)  # the neighbouring zone: converted, then warped
    warped = read_burst(granule, VV_VH, other, 1e-6, "shadow", radiometry, static)
    factored = {"VV": (noise(1) * factor).astype(np.float32), "VH": (noise(2) * factor).astype(np.float32)}
    expected = read_burst(written(tmp_path / "converted", **factored), VV_VH, other, 0.0)
    assert isinstance(warped, BurstWindow) and isinstance(expected, BurstWindow)
    for layer in VV_VH:
        np.testing.assert_allclose(warped.power[layer], expected.power[layer], rtol=1e-5)


def test_a_smaller_static_granule_limits_the_burst(tmp_path: Path) -> None:
    """It may lie on another part of the burst's lattice."""
    granule, layers = written(tmp_path), static_layers((60, 60), seed=3)
    static = write_static(tmp_path / "static", layers, left=ORIGIN[0] + 30 * 20, top=ORIGIN[1] - 30 * 10)
    window = read_burst(granule, VV_VH, BOX, 1e-6, "shadow", "beta0", static)
    assert isinstance(window, BurstWindow) and (window.row, window.col) == (110, 123)
    expected = noise(1)[10:70, 23:80] * layers["rtc_anf_gamma0_to_beta0"][:, 3:]
    np.testing.assert_allclose(window.power["VV"], expected, rtol=1e-6)


def test_what_cannot_be_converted(tmp_path: Path) -> None:
    granule = written(tmp_path)

    def convert(static: StaticGranule | None) -> BurstWindow | NoPixels:
        return read_burst(granule, VV_VH, BOX, 1e-6, "shadow", "beta0", static)

    with pytest.raises(SourceError, match=f"{granule.id}: the source has no static granule .* radiometry beta0"):
        convert(None)
    off, _ = statics(tmp_path / "off", left=ORIGIN[0] + 7)
    with pytest.raises(SourceError, match=rf"{granule.id}: static granule {off.id}, .*on another grid than its burst"):
        convert(off)
    lacking = replace(off, layers=())
    with pytest.raises(SourceError, match="no layer rtc_anf_gamma0_to_beta0"):
        convert(lacking)
    beside, _ = statics(tmp_path / "beside", left=ORIGIN[0] + 30_000)
    nothing = convert(beside)
    assert isinstance(nothing, NoPixels) and "no measurement has area factors" in nothing.reason


def test_what_a_file_says_of_its_making_is_read(tmp_path: Path) -> None:
    granule = written(tmp_path, VV=noise(1), VH=noise(2))
    assert read(granule).facts == {}, "a crop has lost the tags"
    with rasterio.open(path_of(granule, "VV"), "r+") as file:
        file.update_tags(
            INPUTS_ORBIT_FILES="S1A_OPER_AUX_POEORB.EOF", BEAM_ID="IW2", SOURCE_DATA_ACCESS="(NOT PROVIDED)"
        )
    assert read(granule).facts == {"orbit_files": "S1A_OPER_AUX_POEORB.EOF", "beam": "IW2"}
