"""GRD slices on the tile: where they lie, what is masked, and what errors name."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyproj import Transformer

from s1monthly.errors import ProductError, SourceError
from s1monthly.granule_names import STATIC_LAYERS
from s1monthly.granules import Granule
from s1monthly.grid.lattice import GeoBox, tile_geobox
from s1monthly.kernels.grd.geocoding import locate
from s1monthly.kernels.options import RADIOMETRY, RADIOMETRY_LAYERS
from s1monthly.kernels.quality import IN_LAYOVER, MEASURED
from s1monthly.kernels.radiometry import conversion_factor
from s1monthly.model import Direction, Month, Polarization, Tile
from s1monthly.sources import open_source
from s1monthly.sources.grd.dem import TileHeights, knots_lonlat
from s1monthly.sources.grd.image import image_geometry
from s1monthly.sources.grd.product import open_product
from s1monthly.sources.grd.simulation.scene import Place
from s1monthly.sources.grd.simulation.walk import Field
from s1monthly.stages.burst import BurstWindow, NoPixels
from s1monthly.stages.heights import make_heights, read_heights
from s1monthly.stages.slices import part_near, read_slice, static_of_slice
from s1monthly.versions import ALGORITHMS

TILE, LAYERS = Tile("33TUG"), ("VV", "VH")
PLACE = Place(13.25, 41.95, 1.1)
OPTIONS: dict[str, Any] = {"thermal_noise": True, "border_noise": "auto", "tropospheric_delay": True}
LEAST = 1e-6


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a DEM, one product, and heights on the grid of 30 m."""
    folder = tmp_path_factory.mktemp("slices")
    dem = PLACE.write_dem(folder / "dem.tif")
    PLACE.write_slices(
        folder / "products", np.datetime64("2024-06-08T05:11:30"), Direction.DESCENDING, 22, lines=400, samples=450
    )
    given = {"path": str(dem), "above": "ellipsoid", "geoid": None, "ocean": []}
    (folder / "heights").mkdir()
    (folder / "heights" / "33TUG_old.tif").touch()
    (folder / "heights" / "33TUF_old.tif").touch()
    make_heights(given, tile_geobox(TILE, 60), folder / "heights" / "33TUG_new.tif")
    return folder


@pytest.fixture(scope="module")
def granule(scene: Path) -> Granule:
    source = open_source("grd", folder=scene / "products", polarization=Polarization.VV_VH)
    (one,) = source.search(TILE, Direction.DESCENDING, [Month(2024, 6)])[Month(2024, 6)].granules
    return one


@pytest.fixture(scope="module")
def heights(scene: Path) -> TileHeights:
    return read_heights(scene / "heights" / "33TUG_new.tif", tile_geobox(TILE, 30))


def read(granule: Granule, heights: TileHeights, resolution: float = 30, **options: Any) -> BurstWindow:
    mask = options.pop("mask", "shadow")
    box = tile_geobox(TILE, resolution)
    found = read_slice(granule, LAYERS, box, heights, LEAST, mask, OPTIONS | options, "dem", with_seen=True)
    assert isinstance(found, BurstWindow)
    return found


@pytest.fixture(scope="module")
def window(granule: Granule, heights: TileHeights) -> BurstWindow:
    return read(granule, heights)


def truth(box: GeoBox, field: Field) -> np.ndarray:
    """Values of a field at the pixel centres of a grid."""
    x = box.left + (np.arange(box.width) + 0.5) * box.resolution
    y = box.top - (np.arange(box.height) + 0.5) * box.resolution
    lon, lat = Transformer.from_crs(box.epsg, 4326, always_xy=True).transform(*np.meshgrid(x, y))
    rows = np.rint((field.north - lat) / field.step_y).astype(int)
    return field.values[rows, np.rint((lon - field.west) / field.step_x).astype(int)]


def test_the_power_is_that_of_the_ground(window: BurstWindow) -> None:
    assert (window.geobox.left - 300000) % 30 == 0 and window.masked
    for layer in LAYERS:
        power, true = window.power[layer], truth(window.geobox, PLACE.gamma0(layer, 6))
        valid = np.isfinite(power)
        assert 10_000 < valid.sum() < 22_000  # 4 x 4.5 km
        for level in np.unique(true[valid])[-2:]:
            there = valid & (true == level)
            assert abs(10 * np.log10(power[there].mean() / level)) < 0.25
    assert (np.isfinite(window.power["VV"]) == np.isfinite(window.power["VH"])).all()


GOLDEN = {1: (-8.781, -15.201)}
"""Version -> mean power in decibels of the scene, VV and VH."""


def test_golden_values(window: BurstWindow) -> None:
    found = [10 * np.log10(np.nanmean(window.power[layer], dtype=float)) for layer in LAYERS]
    assert found == pytest.approx(GOLDEN[ALGORITHMS["sources.grd"]], abs=0.005)


def test_coarse_pixels_are_means_of_fine_ones(granule: Granule, heights: TileHeights, window: BurstWindow) -> None:
    coarse = read(granule, heights, 60)
    row, col = coarse.row + 30, coarse.col + 30
    first, left = 2 * row - window.row, 2 * col - window.col
    fine = window.power["VV"][first : first + 2, left : left + 2]
    assert coarse.power["VV"][30, 30] == pytest.approx(fine.mean(), rel=1e-5)


def test_negative_power_is_raised_just_above_the_least(
    granule: Granule, heights: TileHeights, window: BurstWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dropped, dark ground would be too bright, and lost in the other polarization too."""
    from s1monthly.stages import slices

    real = slices.terrain_corrected

    def darker(*given: Any, **options: Any) -> Any:
        power, view = real(*given, **options)
        return {"VV": power["VV"], "VH": power["VH"] - 0.05}, view

    monkeypatch.setattr(slices, "terrain_corrected", darker)
    dark = read(granule, heights)
    assert dark.power["VV"].shape == window.power["VV"].shape
    np.testing.assert_array_equal(dark.power["VV"], window.power["VV"])
    low = dark.power["VH"] < 1.1e-6
    assert 0.3 < low.mean() < 1 and (dark.power["VH"][low] > np.float32(LEAST)).all()


def test_seen_and_mask_are_those_of_the_image(granule: Granule, heights: TileHeights, window: BurstWindow) -> None:
    assert window.seen is not None
    box, inner = window.seen.geobox, window.geobox
    row, col = round((box.top - inner.top) / 30), round((inner.left - box.left) / 30)
    seen = window.seen.bits[row : row + inner.height, col : col + inner.width]
    assert (seen[np.isfinite(window.power["VV"])] & (MEASURED | IN_LAYOVER)).all()
    assert (window.seen.bits > 0).sum() < 1.02 * np.isfinite(window.power["VV"]).sum(), "nothing beside the image"
    both = read(granule, heights, mask="both").power["VV"]
    assert np.isfinite(both).sum() == ((seen & MEASURED) > 0).sum()


def test_the_record_gets_the_facts(window: BurstWindow, granule: Granule, heights: TileHeights) -> None:
    from s1monthly.records.source_facts import TAGS

    assert set(window.facts) <= set(TAGS)
    told = {name: window.facts[name] for name in ("source_software", "orbit_files", "noise_removed", "dem")}
    assert told == {
        "source_software": "Sentinel-1 IPF 003.90",
        "orbit_files": "annotated (Auxiliary)",
        "noise_removed": "True",
        "dem": "dem",
    }
    noisy = read(granule, heights, thermal_noise=False)
    assert noisy.facts["noise_removed"] == "False"
    assert np.nanmean(noisy.power["VH"]) > np.nanmean(window.power["VH"]) + 1e-3


def test_static_layers_are_those_of_the_slice(granule: Granule, scene: Path) -> None:
    """They turn one quantity into another, go on before and after the slice, and end beside it."""
    whole = tile_geobox(TILE, 30)
    x, y = Transformer.from_crs(4326, whole.epsg, always_xy=True).transform(PLACE.longitude, PLACE.latitude)
    left, top = (round(value / 30) * 30 for value in (x - 7200, y + 7200))
    box = replace(whole, left=left, top=top, width=480, height=480)
    path = scene / "33TUG_part.tif"
    given = {"path": str(scene / "dem.tif"), "above": "ellipsoid", "geoid": None, "ocean": []}
    heights = make_heights(given, box, path)
    layers = dict(zip(STATIC_LAYERS, static_of_slice(granule, box, path, True), strict=True))
    assert all(values.shape == box.shape for values in layers.values())
    known = layers["mask"] < 255
    assert known.any(axis=0).mean() < 1 < box.height / known.sum(axis=0).max() * 1.3  # as long as the box, but narrow
    np.testing.assert_array_equal(np.isfinite(layers["incidence_angle"]), known)
    power = {}
    for radiometry in RADIOMETRY_LAYERS:
        found = read_slice(granule, LAYERS, box, heights, LEAST, "shadow", OPTIONS, "dem", radiometry)
        assert isinstance(found, BurstWindow)
        rows, columns = (
            slice(found.row, found.row + found.geobox.height),
            slice(found.col, found.col + found.geobox.width),
        )
        power[radiometry] = found.power["VV"]
    for radiometry in RADIOMETRY_LAYERS:
        if radiometry != RADIOMETRY:
            factor = conversion_factor(radiometry, layers)[rows, columns]
            off = 10 * np.log10(power[RADIOMETRY] * factor / power[radiometry])
            assert np.isfinite(off).sum() > 0.95 * np.isfinite(power[RADIOMETRY]).sum()
            assert abs(np.nanmean(off)) < 0.02, radiometry


def test_a_slice_beside_the_tile_has_no_pixels(granule: Granule, heights: TileHeights) -> None:
    far = replace(granule, footprint="POLYGON ((20 40, 21 40, 21 41, 20 40))")
    assert part_near(heights, far.footprint) is None
    found = read_slice(far, LAYERS, tile_geobox(TILE), heights, LEAST, "shadow", OPTIONS)
    assert isinstance(found, NoPixels) and found.reason == "it lies beside the tile"


def test_the_part_of_a_tile_keeps_its_place(granule: Granule, heights: TileHeights) -> None:
    part = part_near(heights, granule.footprint)
    assert part is not None and part.box.width < heights.box.width / 2
    row = round((heights.box.top - part.box.top) / 30)
    col = round((part.box.left - heights.box.left) / 30)
    height, width = part.box.shape
    np.testing.assert_array_equal(part.heights, heights.heights[row : row + height, col : col + width])


def test_high_ground_beyond_the_footprint_is_kept_if_the_image_shows_it(granule: Granule, heights: TileHeights) -> None:
    """Ground of 4500 m is seen 8 km nearer to the satellite than ground at height 0, where the footprint lies."""
    part = part_near(heights, granule.footprint)
    geometry = image_geometry(open_product(granule.layers[0].url).annotation("VV"))
    lon, lat = (values.ravel() for values in knots_lonlat(heights.box))
    there = locate(geometry, lon, lat, np.full(lon.size, 4500.0))
    shown = (np.abs(there.lines - 200) < 200) & (np.abs(there.samples - 225) < 225)
    x, y = Transformer.from_crs(4326, heights.box.epsg, always_xy=True).transform(lon[shown], lat[shown])
    assert part is not None and shown.sum() > 20
    left, top = part.box.left + part.margin * 30, part.box.top - part.margin * 30
    right, bottom = (part.box.left + (part.box.width - part.margin) * 30,
                     part.box.top - (part.box.height - part.margin) * 30)  # fmt: skip
    assert ((x > left) & (x < right) & (y < top) & (y > bottom)).all()


def test_errors_name_granule_and_file(granule: Granule, heights: TileHeights, tmp_path: Path) -> None:
    copy = tmp_path / Path(granule.layers[0].url).name
    shutil.copytree(granule.layers[0].url, copy)
    (measurement, *_) = sorted((copy / "measurement").glob("*vh*"))
    measurement.write_bytes(b"no image")
    moved = replace(granule, layers=tuple(replace(layer, url=str(copy)) for layer in granule.layers))
    with pytest.raises(SourceError, match=rf"granule {granule.id}: .*{measurement.name}"):
        read(moved, heights)


@pytest.mark.parametrize("zipped", [False, True])
def test_pixels_that_differ_from_their_checksum_are_refused(
    granule: Granule, heights: TileHeights, tmp_path: Path, zipped: bool
) -> None:
    whole = Path(granule.layers[0].url)
    copy = Path(shutil.copytree(whole, tmp_path / whole.name))
    (file,) = copy.glob("measurement/*-vh-*.tiff")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255
    file.write_bytes(content)
    if zipped:
        copy = Path(shutil.make_archive(str(tmp_path / whole.name.removesuffix(".SAFE")), "zip", tmp_path, whole.name))
    damaged = replace(granule, layers=tuple(replace(layer, url=str(copy)) for layer in granule.layers))
    with pytest.raises(SourceError, match=rf"granule {granule.id}: .*{file.name}: damaged: its MD5 is") as refusal:
        read_slice(damaged, LAYERS, tile_geobox(TILE, 60), heights, LEAST, "shadow", OPTIONS)
    assert "get the product again" in refusal.value.remedy


def test_heights_of_another_dem_are_removed_and_of_another_grid_refused(scene: Path) -> None:
    assert sorted(path.name for path in (scene / "heights").iterdir()) == ["33TUF_old.tif", "33TUG_new.tif"]
    with pytest.raises(ProductError, match=r"33TUG_new\.tif: heights of another grid"):
        read_heights(scene / "heights" / "33TUG_new.tif", tile_geobox(TILE, 20))
    with pytest.raises(ProductError, match="cannot be opened"):
        read_heights(scene / "heights" / "33TUG_lost.tif", tile_geobox(TILE, 30))
