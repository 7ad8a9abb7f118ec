"""Flattening, masks and resampling under real images: against the processor's tables, formulas and ray tracing."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from pyproj import Transformer

from s1monthly.kernels.grd.calibration import mean_power
from s1monthly.kernels.grd.flattening import flattened, illuminated_area, look_grid, on_lattice, points_at, within
from s1monthly.kernels.grd.geocoding import azimuth_spacing, earth_fixed, locate
from s1monthly.sources.grd.dem import STEP
from s1monthly.sources.grd.image import image_geometry
from s1monthly.sources.grd.product import Product
from s1monthly.sources.grd.radiometry import gain_table, noise_table
from s1monthly.sources.grd.view import TileView, reaching, static_layers, view_tile
from support.grd_scenes import LIGHT_TIME, Scene, Terrain, scene_at

MOST_OFF = {"5371": 0.03, "6FF8": 0.045, "6D00": 0.03}
"""In dB. In IW1 of 6FF8, the tables' incidence angle is 0.2 degrees above that of the grid; in IW2 it is not."""
PLACES = {"5371": (13.0, 41.6, 32633), "6FF8": (2.3, 45.3, 32631), "6D00": (22.8, 38.0, 32634)}


def scene(products: dict[str, Product], unique: str, pixels: int, terrain: Terrain) -> Scene:
    geometry = image_geometry(products[unique].annotation("VV"), tropospheric_delay=False)
    return scene_at(geometry, *PLACES[unique], pixels, terrain)


def assumed_heights(product: Product, layer: str, lines: np.ndarray, slant_range_times: np.ndarray) -> np.ndarray:
    """Return the height of the ground that the processor assumed for its tables: by sub-swath and time."""
    annotation = product.annotation(layer)
    root = ElementTree.fromstring(product.files.read(product.file(layer, "annotation")))
    by_swath: dict[str, list[tuple[float, float, float]]] = {}
    for pattern in root.findall("antennaPattern/antennaPatternList/antennaPattern"):
        swath, time, ranges, height = (
            pattern.findtext(name) or "" for name in ("swath", "azimuthTime", "slantRangeTime", "terrainHeight")
        )
        seconds = (np.datetime64(time) - annotation.first_line) / np.timedelta64(1, "s")
        centre = np.mean([float(value) for value in ranges.split()])
        by_swath.setdefault(swath, []).append((seconds, float(height), float(centre)))
    seconds = lines * annotation.line_interval
    entries = [np.array(values).T for values in by_swath.values()]
    heights = np.array([np.interp(seconds, times, values) for times, values, _ in entries])
    off = np.array([np.abs(slant_range_times - centres[0]) for *_, centres in entries])
    chosen: np.ndarray = heights[off.argmin(axis=0), np.arange(len(lines))]
    return chosen


def projected(view: TileView) -> np.ndarray:
    """Return gamma0 of the squares of an image whose beta0 is 1."""
    area = view.area()
    return flattened(np.ones(area.shape, np.float32), area, view.square)


def db(ratio: np.ndarray) -> np.ndarray:
    return 10 * np.log10(ratio)


@pytest.mark.parametrize("unique", PLACES)
def test_flat_ground_has_the_gamma0_of_the_processor(products: dict[str, Product], unique: str) -> None:
    annotation, calibration = products[unique].annotation("VV"), products[unique].calibration("VV")
    flat = scene(products, unique, 2, lambda x, y: 0 * x)
    middle = flat.located(*(centre[:1, 0] for centre in flat.centres))
    height = assumed_heights(products[unique], "VV", middle.lines, middle.slant_ranges * LIGHT_TIME)
    view = scene(products, unique, 400, lambda x, y: 0 * x + height).view
    grid, gamma = view.grid, projected(view)
    beta, table, sigma = (
        mean_power(np.ones((grid.rows * 3, grid.columns * 3), np.uint16), grid.first_line, grid.first_sample,
                   gain_table(vectors, annotation.samples), None, 3)
        for vectors in (calibration.beta, calibration.gamma, calibration.sigma)
    )  # fmt: skip
    inside = np.s_[120:-120, 120:-120]  # the lattice lies aslant in the image
    off = db(gamma * beta / table)[inside]
    assert abs(off.mean()) < MOST_OFF[unique]
    assert off.std() < 0.01
    even = db(view.on_tile(gamma * beta / table))[20:-20, 20:-20]
    assert np.abs(even - even.mean()).max() < 0.03
    single = illuminated_area(grid, view.knots, STEP, view.tile.heights, *view.places, view.visibility, parts=1)
    assert db(single[inside] / view.area()[inside]).std() > 2 * off.std()
    angle = np.radians(view.incidence())
    for factor, wanted in ((np.tan(angle), table), (np.sin(angle), sigma)):
        assert np.nanmax(np.abs(db(factor * view.on_tile(beta / wanted)))) < MOST_OFF[unique]


def test_static_layers_of_flat_ground(products: dict[str, Product]) -> None:
    """The formulas of OPERA's layers, under a part of the image and beyond its last line."""
    whole = scene(products, "5371", 100, lambda x, y: 0 * x + 40)
    line = round(float(np.mean(whole.view.lines)))
    ends = replace(whole, geometry=replace(whole.geometry, lines=line))
    half = static_layers(ends.view)
    layers = static_layers(replace(ends, geometry=reaching(ends.geometry, ends.view.tile)).view)
    assert 0.4 < (half["mask"] == 255).mean() < 0.6
    assert all(np.isnan(values[half["mask"] == 255]).all() for name, values in half.items() if name != "mask")
    assert not layers["mask"].any()
    theta = np.radians(layers["incidence_angle"])
    assert 36 < layers["incidence_angle"].mean() < 44
    np.testing.assert_allclose(layers["local_incidence_angle"], layers["incidence_angle"], atol=0.01)
    np.testing.assert_allclose(layers["rtc_anf_gamma0_to_beta0"], 1 / np.tan(theta), rtol=0.007)
    np.testing.assert_allclose(layers["rtc_anf_gamma0_to_sigma0"], np.cos(theta), rtol=0.003)
    spacing = azimuth_spacing(whole.geometry, *at_middle(whole))
    np.testing.assert_allclose(layers["number_of_looks"], 900 / (10 * spacing[0]), rtol=0.005)
    for name, values in half.items():  # the squares begin elsewhere
        seen = half["mask"] == 0
        np.testing.assert_allclose(values[seen], layers[name][seen], rtol=0.007, err_msg=name)


def test_a_longer_image_has_the_same_places(products: dict[str, Product]) -> None:
    """Lines are counted from an earlier one, and samples from 50 before; nothing else changes."""
    whole = scene(products, "5371", 100, lambda x, y: 0 * x + 40)
    cut = replace(whole.geometry, lines=round(float(np.mean(whole.view.lines))))
    first = 2000  # the image begins behind the tile
    cut = replace(
        cut,
        orbit=replace(cut.orbit, centre=cut.orbit.centre - (cut.lines + first) * cut.line_interval),
        set_times=cut.set_times - (cut.lines + first) * cut.line_interval,
    )
    longer = reaching(cut, whole.view.tile)
    lon, lat = (values.ravel()[::50] for values in whole.lonlat(*whole.centres))
    before, after = (locate(geometry, lon, lat, np.full(lon.size, 40.0)) for geometry in (cut, longer))
    moved = after.lines - before.lines
    assert moved[0] > first and moved[0] == pytest.approx(round(moved[0]), abs=1e-5) and np.ptp(moved) < 1e-5
    assert 0 <= after.lines.min() < after.lines.max() < longer.lines
    np.testing.assert_allclose(after.samples, before.samples + 50, atol=1e-3)


def test_every_place_at_the_joint_of_two_images_lies_in_one(products: dict[str, Product]) -> None:
    """Real slices lie up to 0.0003 lines apart."""
    first = replace(image_geometry(products["5371"].annotation("VV")), lines=600)  # so few that nothing is rounded
    places = np.linspace(first.lines - 0.51, first.lines - 0.49, 999)
    samples = np.full(999, 100, np.float32)
    in_one, in_other = (
        within(first, lines.astype(np.float32), samples) for lines in (places, places - first.lines - 0.0003)
    )
    assert (in_one | in_other).all() and (in_one & in_other).mean() < 0.25
    assert not in_one.all() and not in_other.all()


def at_middle(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Return time and Earth-fixed position of the middle of a scene."""
    x, y = (values[50:51, 50] for values in scene.centres)
    return scene.located(x, y).times, earth_fixed(*scene.lonlat(x, y), scene.terrain(x, y))[0]


def test_static_layers_of_slopes(products: dict[str, Product]) -> None:
    """Areas by the derivatives of line and sample along the ground, against facets that were added up."""
    hills = scene(products, "5371", 400, lambda x, y: 500 + 150 * np.sin(x / 700) * np.cos(y / 900) + 0.1 * x)
    layers = static_layers(hills.view)
    assert not layers["mask"].any()
    rng = np.random.default_rng(1)
    rows, columns = rng.integers(60, 340, (2, 400))
    found = {name: values[rows - hills.margin, columns - hills.margin] for name, values in layers.items()}
    x, y = hills.centres[0][rows, columns], hills.centres[1][rows, columns]
    step = 5.0
    moved = [(x + dx, y + dy) for dx, dy in ((step, 0), (-step, 0), (0, step), (0, -step))]
    ahead = [hills.located(*place) for place in moved]
    points = [earth_fixed(*hills.lonlat(*place), hills.terrain(*place))[0] for place in moved]
    here = hills.located(x, y)
    at, up = earth_fixed(*hills.lonlat(x, y), hills.terrain(x, y))
    to_satellite = hills.geometry.orbit.position(here.times) - at
    to_satellite /= np.linalg.norm(to_satellite, axis=1, keepdims=True)
    facet = np.cross(points[0] - points[1], points[2] - points[3])
    surface = np.linalg.norm(facet, axis=1)
    seen = np.einsum("pk,pk->p", facet, to_satellite)
    in_time = (ahead[0].times - ahead[1].times, ahead[2].times - ahead[3].times)
    in_range = (ahead[0].slant_ranges - ahead[1].slant_ranges, ahead[2].slant_ranges - ahead[3].slant_ranges)
    spacing = azimuth_spacing(hills.geometry, here.times, at) / hills.geometry.line_interval
    in_image = np.abs(in_time[0] * in_range[1] - in_time[1] * in_range[0]) * spacing
    in_pixels = np.abs((ahead[0].lines - ahead[1].lines) * (ahead[2].samples - ahead[3].samples)
                       - (ahead[2].lines - ahead[3].lines) * (ahead[0].samples - ahead[1].samples))  # fmt: skip
    for name, wanted, most in (
        ("rtc_anf_gamma0_to_beta0", seen / in_image, 0.06),
        ("rtc_anf_gamma0_to_sigma0", seen / surface, 0.03),
        ("number_of_looks", in_pixels * (15 / step) ** 2, 0.06),
    ):
        off = db(found[name] / wanted)
        assert abs(off.mean()) < 0.02, name
        assert off.std() < most, name
        assert np.abs(off).max() < 0.3, name
    cosine = np.einsum("pk,pk->p", up, to_satellite)
    np.testing.assert_allclose(found["incidence_angle"], np.degrees(np.arccos(cosine)), atol=1e-3)
    np.testing.assert_allclose(found["local_incidence_angle"], np.degrees(np.arccos(seen / surface)), atol=0.1)
    assert np.ptp(found["local_incidence_angle"]) > 20


def steep(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Hills steep enough for layover, shadow and both."""
    return (
        200
        + 1500 * np.exp(-((x + 1500) ** 2 + (y - 1500) ** 2) / (2 * 500**2))
        + 900 * np.exp(-((x - 1500) ** 2 + (y + 1500) ** 2) / (2 * 300**2))
        + 500 * np.exp(-((x - 2500) ** 2) / (2 * 150**2)) * (np.abs(y - 1500) < 1000)
    )


@pytest.mark.parametrize("unique", ["5371", "6FF8"])
def test_layover_and_shadow_are_those_of_ray_tracing(products: dict[str, Product], unique: str) -> None:
    hills = scene(products, unique, 360, steep)
    mask = hills.view.visibility
    assert {1, 2, 3} <= set(np.unique(mask).tolist())
    rng = np.random.default_rng(2)
    rows, columns = rng.integers(60, 300, (2, 900))
    x, y = hills.centres[0][rows, columns], hills.centres[1][rows, columns]
    here = hills.located(x, y)
    at, _ = earth_fixed(*hills.lonlat(x, y), hills.terrain(x, y))
    satellite = hills.geometry.orbit.position(here.times)

    to_lonlat = Transformer.from_crs(4978, 4979, always_xy=True)
    to_box = Transformer.from_crs(4326, hills.box.epsg, always_xy=True)
    shadow = np.zeros(len(x), bool)
    layover = np.zeros(len(x), bool)
    for number in range(len(x)):
        sight = satellite[number] - at[number]
        sight /= np.linalg.norm(sight)
        lon, lat, height = to_lonlat.transform(*(at[number][:, None] + sight[:, None] * np.arange(20, 3000, 10.0)))
        ray_x, ray_y = to_box.transform(lon, lat)
        shadow[number] = (hills.terrain(np.asarray(ray_x), np.asarray(ray_y)) > height).any()
        # along the ground, in the plane of zero Doppler: other ground at the same slant range
        direction = np.array([ray_x[-1] - ray_x[0], ray_y[-1] - ray_y[0]])
        direction /= np.linalg.norm(direction)
        away = np.arange(-3000, 3000, 5.0)
        line_x, line_y = x[number] + away * direction[0], y[number] + away * direction[1]
        ground, _ = earth_fixed(*hills.lonlat(line_x, line_y), hills.terrain(line_x, line_y))
        nearer = np.linalg.norm(ground - satellite[number], axis=1) < here.slant_ranges[number]
        layover[number] = (np.diff(nearer[np.abs(away) > 4].astype(int)) != 0).sum() > 1
    found = mask[rows, columns]
    expected = shadow * 1 + layover * 2
    neighbours = np.stack([mask[rows + i, columns + j] for i in range(-2, 3) for j in range(-2, 3)])
    sure = (neighbours == found).all(axis=0)
    assert (found == expected).mean() > 0.97
    assert (found == expected)[sure].mean() > 0.995
    assert ((found & 1) > 0).mean() > 0.01 and ((found & 2) > 0).mean() > 0.05


def test_ground_in_shadow_is_no_data_and_layover_is_added_up(products: dict[str, Product]) -> None:
    hills = scene(products, "5371", 360, steep)
    view = hills.view
    found = view.on_tile(projected(view))
    seen = view.mask == 0
    inside = np.s_[60:300, 60:300]
    assert np.isfinite(found[inside][seen[inside]]).mean() > 0.99
    assert np.isnan(found[view.mask & 1 > 0]).all()
    layover = (view.mask == 2)[inside]
    assert db(np.nanmedian(found[inside][layover]) / np.nanmedian(found[inside][seen[inside]])) < -5


def test_the_window_is_that_of_the_image(products: dict[str, Product]) -> None:
    flat = scene(products, "5371", 100, lambda x, y: 0 * x)
    lines, samples, grid = flat.view.lines, flat.view.samples, flat.view.grid
    rows, columns = grid.window
    assert rows.start % 3 == columns.start % 3 == 0
    assert rows.start <= lines.min() - 2 and rows.stop >= lines.max() + 2
    assert columns.start <= samples.min() - 2 and columns.stop >= samples.max() + 2
    far = replace(flat.geometry, orbit=replace(flat.geometry.orbit, centre=flat.geometry.orbit.centre - 30))
    assert view_tile(far, flat.view.tile) is None
    assert look_grid(flat.geometry, lines * np.nan, samples) is None
    cut = look_grid(flat.geometry, lines - lines.mean(), samples)  # half of it before the first line
    assert cut is not None and cut.first_line == 0
    # values that are linear in the image are found again, exactly
    y, x = np.mgrid[0 : grid.rows, 0 : grid.columns] * 3.0 + 1
    linear = (grid.first_line + y + 10 * (grid.first_sample + x)).astype(np.float32)
    np.testing.assert_allclose(on_lattice(linear, grid, lines, samples), lines + 10 * samples, rtol=1e-6)


@pytest.mark.parametrize("unique", ["5371", "6FF8"])
def test_a_lattice_is_found_where_its_points_are(products: dict[str, Product], unique: str) -> None:
    """Time is linear in height, and places between knots: both err by less than 0.003 pixels."""
    hills = scene(products, unique, 60, lambda x, y: 2500 + 2.5 * x)
    places = hills.located(*(centre.ravel() for centre in hills.centres))
    assert np.ptp(hills.heights) > 4000
    for found, wanted in zip(hills.view.places, (places.lines, places.samples), strict=True):
        np.testing.assert_allclose(found.ravel(), wanted, rtol=0, atol=0.003)


def test_points_of_the_image_lie_where_they_are_found(products: dict[str, Product]) -> None:
    geometry = image_geometry(products["6FF8"].annotation("VV"), tropospheric_delay=False)
    times, ranges = np.array([1.0, 12.0, 24.0]), np.array([8.1e5, 8.8e5, 9.5e5])
    points = points_at(geometry, times, ranges, np.full(3, 6_367_000.0))
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 6_367_000, atol=1e-3)
    lon, lat, height = Transformer.from_crs(4978, 4979, always_xy=True).transform(*points.T)
    found = locate(geometry, lon, lat, height)
    np.testing.assert_allclose(found.times, times, atol=1e-8)
    np.testing.assert_allclose(found.slant_ranges, ranges, atol=1e-4)


def test_incidence_over_the_ellipsoid_is_that_of_the_tables(products: dict[str, Product]) -> None:
    """The processor's gamma0 over its beta0 is the tangent of the incidence angle, over ground of its mean height."""
    for unique in ("6D00", "3768", "6FF8", "BB15", "4B8B"):
        product = products[unique]
        layer = next(iter(product.layers))
        annotation, calibration = product.annotation(layer), product.calibration(layer)
        geometry = image_geometry(annotation, nearest_set=True, tropospheric_delay=False)
        grid = annotation.grid
        lines = np.unique(grid.lines)
        middle = grid.lines == lines[len(lines) // 2]
        heights = assumed_heights(product, layer, grid.lines[middle], grid.slant_range_times[middle])
        points, ups = earth_fixed(grid.longitudes[middle], grid.latitudes[middle], heights)
        places = locate(geometry, grid.longitudes[middle], grid.latitudes[middle], heights)
        sight = geometry.orbit.position(places.times) - points
        cosine = np.einsum("pk,pk->p", sight, ups) / np.linalg.norm(sight, axis=1)
        samples = np.clip(np.rint(places.samples).astype(int), 0, annotation.samples - 1)
        beta, gamma = (gain_table(vectors, annotation.samples) for vectors in (calibration.beta, calibration.gamma))
        row = int(np.argmin(np.abs(beta.lines - grid.lines[middle][0])))
        ratio = gamma.values[row, samples] / beta.values[row, samples]
        off = db(ratio / (np.sqrt(1 - cosine**2) / cosine))
        assert np.abs(off).max() < MOST_OFF.get(unique, 0.03), unique


def test_noise_tables_hold_the_written_values(products: dict[str, Product]) -> None:
    for unique, layer in (("6FF8", "VH"), ("BB15", "HV"), ("6D00", "VV"), ("4B8B", "HH")):
        annotation, noise = products[unique].annotation(layer), products[unique].noise(layer)
        table = noise_table(noise, annotation.samples)
        vectors = noise.range_vectors
        for number in (0, len(vectors.lines) // 2):
            pixels = vectors.pixels[number].astype(int)
            inside = pixels < annotation.samples
            np.testing.assert_allclose(table.values[number, pixels[inside]], vectors.values[number][inside], 1e-6)
        for number, block in enumerate(noise.blocks):
            line = int(block.lines[len(block.lines) // 2])
            value = table.factors[table.starts[number] + line - block.first_line]
            assert value == pytest.approx(block.values[len(block.lines) // 2], rel=1e-6)
        covered = np.zeros((annotation.lines // 8, annotation.samples // 8), int)
        for first_line, last_line, first_sample, last_sample in table.bounds:
            covered[-(-first_line // 8) : last_line // 8 + 1, -(-first_sample // 8) : last_sample // 8 + 1] += 1
        assert covered.max(initial=0) <= 1
        if len(noise.blocks):
            assert (covered == 1).mean() > 0.98
