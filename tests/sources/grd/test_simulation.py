"""Simulated products, geocoded again: power, places, shadow and noise are those of the known scene."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from scipy.ndimage import map_coordinates, uniform_filter

from s1monthly.errors import SourceError
from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.grd.geocoding import ImageGeometry, locate
from s1monthly.kernels.options import RADIOMETRY_LAYERS
from s1monthly.kernels.radiometry import conversion_factor
from s1monthly.model import Polarization
from s1monthly.sources.grd.dem import TileHeights
from s1monthly.sources.grd.image import bistatic_reference, image_geometry
from s1monthly.sources.grd.product import Product, open_product
from s1monthly.sources.grd.simulation.walk import Field, beta0
from s1monthly.sources.grd.simulation.write import (
    cropped,
    digital_numbers,
    noise_image,
    tables_for,
    write_measurement,
    write_product,
)
from s1monthly.sources.grd.terrain_correction import terrain_corrected
from s1monthly.sources.grd.view import static_layers
from support.grd_scenes import scene_at

LON, LAT, EPSG = 12.5, 42.0, 32633
PIXELS = 220
LINES, SAMPLES = 560, 640
CUT = 287
"""Line at which the second slice begins: two lines of the first one lie beyond its last square."""
CALIBRATION, NOISE = 474.0, 1500.0
RealDem = Callable[[str, float], Field]
Grid = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Simulated:
    """A simulated product and the tile beneath it.

    `slices` are the products into which it was cut; `beta` is the power of the image, by polarization.
    """

    folder: Path
    tile: TileHeights
    box: GeoBox
    slices: tuple[Path, ...]
    geometry: ImageGeometry
    beta: dict[str, np.ndarray]


def sampled(function: Grid, step: float = 1 / 7200, half: float = 0.16) -> Field:
    """Return a field of values given by longitude and latitude."""
    lon = np.arange(LON - half, LON + half, step)
    lat = np.arange(LAT + half, LAT - half, -step)
    return Field(lon[0], lat[0], step, step, np.ascontiguousarray(function(lon[None, :], lat[:, None]), np.float32))


def constant(value: float) -> Field:
    return sampled(lambda lon, lat: value + 0 * lon + 0 * lat, step=0.01)


def bilinear(field: Field, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    x, y = (lon - field.west) / field.step_x, (field.north - lat) / field.step_y
    c, r = x.astype(int), y.astype(int)
    u, v = x - c, y - r
    values = field.values
    upper = values[r, c] * (1 - u) + values[r, c + 1] * u
    return upper * (1 - v) + (values[r + 1, c] * (1 - u) + values[r + 1, c + 1] * u) * v


def simulated(
    original: Product,
    folder: Path,
    dem: Field,
    gamma: dict[str, Field],
    *,
    noise: float = 0,
    looks: float | None = None,
    cut: int | None = None,
) -> Simulated:
    """Write a product that shows a scene, from the annotation of a real one; once more in two parts with `cut`."""
    whole = original.annotation("VV")
    centre = locate(image_geometry(whole), np.array([LON]), np.array([LAT]), np.array([200.0]))
    first = round(centre.lines[0]) - LINES // 2, round(centre.samples[0]) - SAMPLES // 2
    part = cropped(whole, first[0], LINES, first[1], SAMPLES)
    power = beta0(part, dem, gamma, reference=bistatic_reference(whole), relief=float(np.ptp(dem.values)))
    rng = np.random.default_rng(1)
    annotations = {layer: replace(part, polarization=layer) for layer in gamma}
    tables = {layer: tables_for(annotations[layer], CALIBRATION, noise) for layer in gamma}
    images = {}
    for layer, beta in power.items():
        level = noise_image(tables[layer][1], LINES, SAMPLES)
        images[layer] = digital_numbers(beta, CALIBRATION, level, looks, rng)

    def written(where: Path, first: int, last: int) -> Path:
        parts = {layer: cropped(value, first, last - first, 0, SAMPLES) for layer, value in annotations.items()}
        start = parts[layer].first_line
        manifest = replace(original.manifest, polarizations=tuple(gamma), start=start)
        return write_product(
            where, f"{original.name.id}.SAFE", manifest, parts,
            {layer: tables[layer][0] for layer in gamma}, {layer: tables[layer][1] for layer in gamma},
            {layer: image[first:last] for layer, image in images.items()},
        )  # fmt: skip

    path = written(folder, 0, LINES)
    bounds = ((0, cut), (cut, LINES)) if cut else ()
    slices = tuple(written(folder / str(first), first, last) for first, last in bounds)
    scene = scene_at(image_geometry(whole), LON, LAT, EPSG, PIXELS, lambda x, y: 0 * x)
    heights = bilinear(dem, *scene.lonlat(*scene.centres)).astype(np.float32)
    margin = 60
    inner = replace(
        scene.box, left=scene.box.left + margin * 30, top=scene.box.top - margin * 30, width=PIXELS - 2 * margin,
        height=PIXELS - 2 * margin,
    )  # fmt: skip
    tile = TileHeights(scene.box, margin, heights)
    return Simulated(path, tile, inner, slices, image_geometry(part), power)


def pixel_lonlat(box: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    scene = scene_at(None, LON, LAT, EPSG, PIXELS, lambda x, y: 0 * x)  # type: ignore[arg-type]
    x = box.left + (np.arange(box.width) + 0.5) * 30
    y = box.top - (np.arange(box.height) + 0.5) * 30
    return scene.lonlat(*np.meshgrid(x, y))


def db(ratio: np.ndarray) -> np.ndarray:
    return 10 * np.log10(ratio)


@pytest.fixture(scope="module")
def real_dem(sentinel1: Path) -> RealDem:
    """Real heights, put under the image; relief can be increased."""

    def field(name: str, factor: float) -> Field:
        with rasterio.open(sentinel1 / "dem" / name) as dataset:
            values = dataset.read(1).astype(float)[:360, -360:]
        values = np.pad(values * factor, 300, mode="reflect")
        return Field(LON - 480 / 3600, LAT + 480 / 3600, 1 / 3600, 1 / 3600, values.astype(np.float32))

    return field


def test_flat_ground_in_a_folder_and_in_a_zip(products: dict[str, Product], tmp_path: Path) -> None:
    gamma = {"VV": 0.1, "VH": 0.02}
    fields = {layer: constant(value) for layer, value in gamma.items()}
    made = simulated(products["5371"], tmp_path, constant(50.0), fields)
    product = open_product(made.folder)
    assert product.unfit(Polarization.VV_VH) is product.damage(Polarization.VV_VH) is None
    packed = tmp_path / f"{made.folder.stem}.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(made.folder.rglob("*")):
            archive.write(path, path.relative_to(tmp_path))
    results = [terrain_corrected(one, ["VV", "VH"], made.tile, threads=2) for one in (product, open_product(packed))]
    assert results[0] is not None and results[1] is not None
    power, view = results[0]
    assert not view.mask.any()
    for layer, expected in gamma.items():
        off = db(power[layer] / expected)
        assert abs(off.mean()) < 0.03
        assert off.std() < 0.05
        np.testing.assert_array_equal(power[layer], results[1][0][layer])


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("Rome-30m-DEM.tif", 1.0),
        ("los_angeles_dem_ellipsoid.tif", 1.0),
        ("los_angeles_dem_ellipsoid.tif", 3.0),
    ],
)
def test_real_terrain_is_flattened(
    products: dict[str, Product], real_dem: RealDem, tmp_path: Path, name: str, factor: float
) -> None:
    dem = real_dem(name, factor)
    made = simulated(products["5371"], tmp_path, dem, {"VV": constant(0.1)})
    result = terrain_corrected(open_product(made.folder), ["VV"], made.tile)
    assert result is not None
    power, view = result
    off = db(power["VV"] / 0.1)
    angle = view.incidence(local=True)
    seen = (view.mask == 0) & (angle < 70)
    assert np.isfinite(off[seen]).mean() > 0.999
    steep = (view.mask > 0).mean() > 0.1
    assert steep == (factor == 3)
    assert abs(np.nanmean(off[seen])) < 0.03
    groups = 0
    for low, high in ((0, 20), (20, 30), (30, 45), (45, 55), (55, 70)):
        group = seen & (angle > low) & (angle < high)
        if group.sum() > 100:
            groups += 1
            assert abs(np.nanmean(off[group])) < 0.25, (low, high)
    assert groups >= 2
    assert np.nanstd(off[seen]) < np.std(db(1 / np.tan(np.radians(angle[seen])))) / 2.5
    # ground in shadow is never given a value
    assert np.isnan(off[view.mask & 1 > 0]).all()


def test_every_quantity_of_backscatter(products: dict[str, Product], real_dem: RealDem, tmp_path: Path) -> None:
    made = simulated(products["5371"], tmp_path, real_dem("fairbanks_dem_ellipsoid.tif", 4.0), {"VV": constant(0.1)})
    found = {}
    for name in RADIOMETRY_LAYERS:
        result = terrain_corrected(open_product(made.folder), ["VV"], made.tile, radiometry=name)
        assert result is not None
        found[name], view = result[0]["VV"], result[1]
    seen = (view.mask == 0) & np.isfinite(found["gamma0_terrain"])
    assert seen.mean() > 0.95
    angle = np.radians(view.incidence())
    beta = map_coordinates(uniform_filter(made.beta["VV"], 3), [view.lines, view.samples], order=1)
    for name, expected, most in (
        ("beta0", beta, 0.2),
        ("sigma0_ellipsoid", beta * np.sin(angle), 0.2),
        ("gamma0_ellipsoid", beta * np.tan(angle), 0.2),
        ("sigma0_terrain", 0.1 * np.cos(np.radians(view.incidence(local=True))), 0.3),
    ):
        off = db(found[name][seen] / expected[seen])
        assert abs(off.mean()) < 0.05, name
        assert off.std() < most, name
    # the static layers turn one into another, as they do with OPERA's
    layers = static_layers(view)
    for name in RADIOMETRY_LAYERS:
        if name != "gamma0_terrain":
            off = db(found["gamma0_terrain"] * conversion_factor(name, layers) / found[name])[seen]
            assert abs(np.nanmean(off)) < 0.01, name
            assert np.nanstd(off) < 0.2, name


def test_slices_meet_without_a_gap(products: dict[str, Product], real_dem: RealDem, tmp_path: Path) -> None:
    """Two slices of a datatake, cut within a square: each pixel lies in one, and has the value of the whole."""
    dem = real_dem("los_angeles_dem_ellipsoid.tif", 1.0)
    made = simulated(products["5371"], tmp_path, dem, {"VV": constant(0.1)}, cut=CUT)
    results = [terrain_corrected(open_product(path), ["VV"], made.tile) for path in (made.folder, *made.slices)]
    (whole, view), first, second = (result for result in results if result is not None)
    parts = np.stack([first[0]["VV"], second[0]["VV"]])
    number = np.isfinite(parts).sum(axis=0)
    np.testing.assert_array_equal(number, np.isfinite(whole["VV"]))
    assert np.isfinite(parts).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(np.fmin(first[1].mask, second[1].mask), view.mask)
    joint = (np.abs(view.lines - CUT) < 6) & (view.mask == 0)
    off = db(np.nansum(parts, axis=0) / whole["VV"])[joint]
    assert joint.sum() > 300
    assert abs(off.mean()) < 0.03
    assert off.std() < 0.2


def test_places_are_found_again(products: dict[str, Product], real_dem: RealDem, tmp_path: Path) -> None:
    """Bright hills of gamma0 lie within 3 m of their places; forgetting a correction moves them."""
    east, north = np.meshgrid(np.arange(-1000, 1001, 500.0), np.arange(-1000, 1001, 500.0))
    jitter = np.random.default_rng(4).uniform(-40, 40, (2, 25))
    dem = real_dem("Rome-30m-DEM.tif", 1.0)
    cos = np.cos(np.radians(LAT))
    places = LON + (east.ravel() + jitter[0]) / (cos * 111_320), LAT + (north.ravel() + jitter[1]) / 111_130

    def bright(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        found = np.full(np.broadcast_shapes(lon.shape, lat.shape), 0.001)
        for at_lon, at_lat in zip(*places, strict=True):
            squared = ((lon - at_lon) * cos * 111_320) ** 2 + ((lat - at_lat) * 111_130) ** 2
            found += np.exp(-squared / (2 * 50**2))
        return found

    made = simulated(products["5371"], tmp_path, dem, {"VV": sampled(bright, 1 / 14400, 0.05)})
    lon, lat = pixel_lonlat(made.box)
    product = open_product(made.folder)

    def offsets(**options: bool) -> np.ndarray:
        result = terrain_corrected(product, ["VV"], made.tile, **options)
        assert result is not None
        power = np.nan_to_num(result[0]["VV"])
        found = []
        for at_lon, at_lat in zip(*places, strict=True):
            east, north = (lon - at_lon) * cos * 111_320, (lat - at_lat) * 111_130
            near = np.hypot(east, north) < 220
            weight = power[near] - 0.001
            found.append([(east[near] * weight).sum() / weight.sum(), (north[near] * weight).sum() / weight.sum()])
        return np.array(found)

    off = offsets()
    assert np.hypot(*off.mean(axis=0)) < 0.3
    assert np.hypot(*off.T).max() < 2
    forgotten = offsets(tropospheric_delay=False)
    assert np.hypot(*(forgotten - off).mean(axis=0)) == pytest.approx(4.9, abs=1)


def test_dark_scenes_are_unbiased(products: dict[str, Product], tmp_path: Path) -> None:
    """Water 6 dB below the noise: its mean is right if noise is removed before averaging, and its sign is kept."""
    dem = constant(50.0)
    power = NOISE / CALIBRATION**2 / 4 * 0.85  # gamma0 of about a quarter of the noise
    made = simulated(products["5371"], tmp_path, dem, {"VV": constant(power)}, noise=NOISE, looks=4.4)
    product = open_product(made.folder)
    results = [terrain_corrected(product, ["VV"], made.tile, remove_noise=choice) for choice in (True, False)]
    assert results[0] is not None and results[1] is not None
    found = results[0][0]["VV"]
    assert np.isfinite(found).all()
    assert (found < 0).mean() > 0.01
    assert abs(db(found.mean() / power)) < 0.1
    assert abs(db(np.maximum(found, 1e-6).mean() / power)) < 0.1  # as a month keeps it
    assert db(results[1][0]["VV"].mean() / power) > 5
    # noise that the processor has subtracted is not subtracted again
    file = made.folder / product.file("VV", "annotation")
    text, flag = file.read_text(), "thermalNoiseCorrectionPerformed>"
    file.write_text(text.replace(f"<{flag}false", f"<{flag}true"))
    removed = terrain_corrected(open_product(made.folder), ["VV"], made.tile)
    assert removed is not None
    np.testing.assert_array_equal(removed[0]["VV"], results[1][0]["VV"])


def test_border_noise_of_old_products_is_cut(products: dict[str, Product], tmp_path: Path) -> None:
    """Noise before IPF 2.90 lies along the border, neither zero nor an image; it is found in VV, and cut in both."""
    gamma = {"VV": constant(0.05), "VH": constant(0.01)}
    made = simulated(products["5371"], tmp_path, constant(50.0), gamma, noise=NOISE, looks=4.4)
    manifest = made.folder / "manifest.safe"
    text = manifest.read_text()
    file = made.folder / open_product(made.folder).file("VV", "measurement")
    clean = hashlib.md5(file.read_bytes()).hexdigest()
    with rasterio.open(file) as dataset:
        image = dataset.read(1)
    rng = np.random.default_rng(5)
    noisy = np.s_[:, :280]
    image[noisy] = rng.integers(1, 15, image[noisy].shape)
    write_measurement(file, image)
    text = text.replace(clean, hashlib.md5(file.read_bytes()).hexdigest())
    manifest.write_text(text.replace('version="003.40"', 'version="002.90"'))
    first_without = open_product(made.folder)
    manifest.write_text(text.replace('version="003.40"', 'version="002.70"'))
    product = open_product(made.folder)
    corrected = terrain_corrected(product, ["VV", "VH"], made.tile)
    assert corrected is not None
    found, view = corrected
    outside, inside = view.samples < 280, view.samples > 280 + 40
    assert outside.mean() > 0.1
    for power in found.values():
        assert np.isnan(power[outside]).all()
        assert np.isfinite(power[inside]).all()
    for old, choice in ((product, False), (first_without, None)):
        kept = terrain_corrected(old, ["VV"], made.tile, remove_border=choice)
        assert kept is not None and np.isfinite(kept[0]["VV"]).all()
    # where noise is not known, a fixed border of 1000 columns is cut: here it is all
    noise = made.folder / product.file("VV", "noise")
    noise.write_text(re.sub(r"(<noiseRangeLut[^>]*>)[^<]*", lambda match: match[1] + "0 " * 17, noise.read_text()))
    fixed = terrain_corrected(open_product(made.folder), ["VV"], made.tile)
    assert fixed is not None and np.isnan(fixed[0]["VV"]).all()


def test_damaged_pixels_are_named(products: dict[str, Product], tmp_path: Path) -> None:
    made = simulated(products["5371"], tmp_path, constant(50.0), {"VV": constant(0.1)})
    product = open_product(made.folder)
    file = made.folder / product.file("VV", "measurement")
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(SourceError, match=r"measurement/s1b-iw-grd-vv-.*001\.tiff: "):
        terrain_corrected(open_product(made.folder), ["VV"], made.tile)
    file.write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"measurement/s1b-iw-grd-vv-.*001\.tiff: "):
        terrain_corrected(open_product(made.folder), ["VV"], made.tile)
    write_measurement(file, np.ones((100, 640), np.uint16))
    with pytest.raises(SourceError, match="100 x 640 pixels of uint16, not 560 x 640 of uint16"):
        terrain_corrected(open_product(made.folder), ["VV"], made.tile)
    far = replace(made.tile, box=replace(made.tile.box, left=made.tile.box.left - 60_000))
    assert terrain_corrected(open_product(made.folder), ["VV"], far) is None
