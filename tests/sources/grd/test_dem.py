"""Heights on a lattice: real tiles and geoids against scipy, drawn tiles across every seam, and what is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from pyproj import Transformer
from scipy.interpolate import RegularGridInterpolator

from s1monthly.errors import ConfigError, GridError
from s1monthly.grid.lattice import GeoBox
from s1monthly.sources.grd.copernicus import open_tiles, tile_name
from s1monthly.sources.grd.dem import Dem, HeightsAbove, ellipsoid_heights, open_dem, tile_heights
from s1monthly.sources.grd.geoid import open_geoid
from support.dem_samples import write, write_list, write_tile


def lonlat(box: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    """Return longitude and latitude of every pixel centre, without knots."""
    x = box.left + (np.arange(box.width) + 0.5) * box.resolution
    y = box.top - (np.arange(box.height) + 0.5) * box.resolution
    longitude, latitude = Transformer.from_crs(box.epsg, 4326, always_xy=True).transform(*np.meshgrid(x, y))
    return np.asarray(longitude), np.asarray(latitude)


def box_around(longitude: float, latitude: float, epsg: int, pixels: int = 200, resolution: float = 30.0) -> GeoBox:
    x, y = Transformer.from_crs(4326, epsg, always_xy=True).transform(longitude, latitude)
    half = pixels // 2 * resolution
    return GeoBox(epsg, resolution, round(x / 30) * 30 - half, round(y / 30) * 30 + half, pixels, pixels)


def sampled(path: Path, longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """Interpolate a raster bilinearly with scipy."""
    with rasterio.open(path) as dataset:
        values, transform = dataset.read(1).astype(float), dataset.transform
    y = transform.f + (np.arange(values.shape[0]) + 0.5) * transform.e
    x = transform.c + (np.arange(values.shape[1]) + 0.5) * transform.a
    found = RegularGridInterpolator((y[::-1], x), values[::-1], bounds_error=False)(np.stack([latitude, longitude], -1))
    return np.asarray(found)


@pytest.fixture(scope="module")
def egm96(sentinel1: Path) -> Path:
    return sentinel1 / "geoid" / "egm96_15.gtx"


def test_a_real_tile_and_the_ocean_beside_it(sentinel1: Path, egm96: Path, tmp_path: Path) -> None:
    name = "Copernicus_DSM_COG_10_S70_00_E161_00_DEM.tif"
    shutil.copy(sentinel1 / "dem" / name, tmp_path / name)
    write_list(tmp_path, {(-70, 162)})
    dem = open_dem(tmp_path, HeightsAbove.EGM2008, egm96)
    land = box_around(161.5, -69.5, 32758, 400)
    longitude, latitude = lonlat(land)
    geoid = sampled(egm96, longitude, latitude)
    expected = sampled(tmp_path / name, longitude, latitude) + geoid
    assert np.abs(ellipsoid_heights(dem, land) - expected).max() < 0.02
    # east of 162 there is no tile, as the list says: the height is the geoid's, and continuous at the seam
    shore = box_around(162.0, -69.5, 32758, 200)
    longitude, latitude = lonlat(shore)
    found = ellipsoid_heights(dem, shore) - sampled(egm96, longitude, latitude)
    assert np.abs(found[longitude > 162]).max() < 0.01
    inside = longitude < 162 - 1 / 1800
    assert np.abs(found - sampled(tmp_path / name, longitude, latitude))[inside].max() < 0.02


def flat(longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    return longitude * 0 + 100


def test_a_forgotten_tile_is_no_ocean(egm96: Path, tmp_path: Path) -> None:
    write_tile(tmp_path, (42, 12), 120, 120, flat)
    dem = open_dem(tmp_path, HeightsAbove.EGM2008, egm96)
    ellipsoid_heights(dem, box_around(12.5, 42.5, 32633))
    # the tile's own last column lies at 13 - 1/120 degrees: beyond it the next tile is needed
    boxes = {"N42_00_E013": box_around(12.999, 42.5, 32633, 10), "N41_00_E012": box_around(12.5, 42.001, 32633, 10)}
    for missing, box in boxes.items():
        with pytest.raises(GridError, match=f"no tile Copernicus_DSM_COG_10_{missing}_00_DEM, and nothing") as error:
            ellipsoid_heights(dem, box)
        assert f"{missing}_00_DEM.tif; or, if it is ocean, put tileList.txt" in error.value.remedy
        assert error.value.remedy.endswith("or name the tile as ocean")
    # a list that names the one and not the other
    write_list(tmp_path, {(41, 12)})
    dem = open_dem(tmp_path, HeightsAbove.EGM2008, egm96)
    with pytest.raises(GridError, match=r"no tile \S*N42_00_E013_00_DEM, which \S*tileList\.txt lists"):
        ellipsoid_heights(dem, boxes["N42_00_E013"])
    shore = boxes["N41_00_E012"]
    longitude, latitude = lonlat(shore)
    found = ellipsoid_heights(dem, shore) - sampled(egm96, longitude, latitude)
    assert np.abs(found[latitude < 42]).max() < 0.01
    assert found.max() > 1  # 100 m at the tile's last row, 1/120 degree from here


def test_ocean_may_be_named(egm96: Path, tmp_path: Path) -> None:
    write_tile(tmp_path, (42, 12), 120, 120, flat)
    box = box_around(12.999, 42.5, 32633, 10)
    east = "Copernicus_DSM_COG_10_N42_00_E013_00_DEM"
    named = open_dem(tmp_path, HeightsAbove.EGM2008, egm96, ocean=[east])
    write_list(tmp_path, {(42, 13)})
    listed = open_dem(tmp_path, HeightsAbove.EGM2008, egm96)
    np.testing.assert_array_equal(ellipsoid_heights(named, box), ellipsoid_heights(listed, box))
    with pytest.raises(ConfigError, match="E013 is no name of a tile"):
        open_tiles(tmp_path, ["E013"])
    with pytest.raises(ConfigError, match=r"N42_00_E012_00_DEM has heights in .*\.tif"):
        open_tiles(tmp_path, [tile_name((42, 12))])
    with pytest.raises(ConfigError, match="is no folder of tiles"):
        open_dem(tmp_path / f"{tile_name((42, 12))}.tif", HeightsAbove.EGM2008, egm96, ocean=[east])


def test_land_that_only_glo_90_covers_is_no_ocean(egm96: Path, tmp_path: Path) -> None:
    write_tile(tmp_path, (40, 42), 120, 120, flat)
    box = box_around(42.999, 40.5, 32638, 10)
    write_list(tmp_path, {(40, 43)}, seconds=10)
    with pytest.raises(GridError, match="N40_00_E043") as error:
        ellipsoid_heights(open_dem(tmp_path, HeightsAbove.EGM2008, egm96), box)
    assert "or Copernicus_DSM_COG_30_N40_00_E043_00_DEM from copernicus-dem-90m" in error.value.remedy
    assert "tileList.txt of the bucket copernicus-dem-90m" in error.value.remedy
    write_list(tmp_path, {(40, 43)}, seconds=30)
    ellipsoid_heights(open_dem(tmp_path, HeightsAbove.EGM2008, egm96), box)


def test_lists_that_are_not_whole_are_refused(tmp_path: Path) -> None:
    write_tile(tmp_path, (42, 12), 120, 120, flat)
    names = [tile_name((latitude, longitude)) for latitude in range(-90, 0) for longitude in range(-180, 180)]
    for wrong, problem in (
        ("\n".join(names[:26_399]), "26,399 tiles, not all of"),
        ("\n".join(names)[:-3], "is no name of a tile"),
        ("<html>\n" + "\n".join(names), "'<html>' is no name of a tile"),
        ("\n".join([*names, tile_name((1, 1), 30)]), "not all of GLO-30 or of GLO-90"),
        ("", "0 tiles"),
    ):
        (tmp_path / "tileList.txt").write_text(wrong)
        with pytest.raises(GridError, match=problem):
            open_tiles(tmp_path)


@pytest.mark.parametrize(
    ("longitude", "latitude", "epsg"),
    [
        (12.0, 50.0, 32633),
        (180.0, 50.0, 32601),
        (-60.0, 0.0, 32621),
        (15.0, 83.0, 32633),
        (180.0, -79.0, 32760),
    ],
)
def test_surfaces_have_no_seams(longitude: float, latitude: float, epsg: int, egm96: Path, tmp_path: Path) -> None:
    """A plane stays a plane across four tiles, which have no common nodes and differ in spacing."""

    def plane(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        return 3000 + 2000 * (np.mod(lon - longitude + 180, 360) - 180) + 1000 * (lat - latitude)

    for south, columns, seconds in ((int(latitude), 120, 10), (int(latitude) - 1, 180, 30)):
        for west in (int(longitude) - 1, int(longitude)):
            west = (west + 180) % 360 - 180
            write_tile(tmp_path, (south, west), 240 if seconds == 10 else 80, columns, plane, seconds)
    box = box_around(longitude, latitude, epsg, 300)
    dem = open_dem(tmp_path, HeightsAbove.EGM2008, egm96)
    found = ellipsoid_heights(dem, box)
    lon, lat = lonlat(box)
    geoid = dem.geoid.height(lon, lat) if dem.geoid else 0
    assert np.abs(found - geoid - plane(lon, lat)).max() < 0.05
    assert np.ptp(found) > 80


@pytest.mark.parametrize(
    ("place", "lon", "lat", "epsg"), [("fairbanks", -147.7, 64.8, 32606), ("los_angeles", -118.0, 34.0, 32611)]
)
def test_geoid_heights_become_ellipsoid_heights(
    sentinel1: Path, egm96: Path, place: str, lon: float, lat: float, epsg: int
) -> None:
    folder = sentinel1 / "dem"
    box = box_around(lon, lat, epsg, 100)
    truth = ellipsoid_heights(open_dem(folder / f"{place}_dem_ellipsoid.tif", HeightsAbove.ELLIPSOID, None), box)
    above_geoid = folder / f"{place}_dem_geoid.tif"
    egm2008 = ellipsoid_heights(open_dem(above_geoid, HeightsAbove.EGM2008, folder / f"egm_08_{place}.tif"), box)
    assert np.abs(egm2008 - truth).max() < 0.05
    other = ellipsoid_heights(open_dem(above_geoid, HeightsAbove.EGM2008, egm96), box)
    assert 0.1 < np.abs(other - truth).max() < 1
    unchanged = ellipsoid_heights(open_dem(above_geoid, HeightsAbove.ELLIPSOID, None), box)
    assert np.abs(unchanged - truth).min() > 8


def test_geoids_are_never_silently_ignored(sentinel1: Path, egm96: Path, tmp_path: Path) -> None:
    rome = sentinel1 / "dem" / "Rome-30m-DEM.tif"
    with pytest.raises(ConfigError, match=r"grd\.geoid: heights above egm96 need a grid of the geoid"):
        open_dem(rome, HeightsAbove.EGM96, None)
    with pytest.raises(ConfigError, match="need no geoid"):
        open_dem(rome, HeightsAbove.ELLIPSOID, egm96)
    with pytest.raises(ConfigError, match=r"grd\.dem_heights: egm2008, but .* above egm96"):
        open_dem(rome, HeightsAbove.EGM2008, egm96)
    with pytest.raises(GridError, match="no heights of the geoid"):
        open_geoid(sentinel1 / "dem" / "fairbanks_dem_ellipsoid.tif")
    with pytest.raises(GridError, match="lies outside of it"):
        open_geoid(sentinel1 / "dem" / "egm_08_fairbanks.tif").height(np.array([10.0]), np.array([64.8]))
    (tmp_path / "no.tif").write_text("no raster")
    with pytest.raises(GridError, match=r"no\.tif"):
        open_geoid(tmp_path / "no.tif")
    with pytest.raises(GridError, match="no tile of the Copernicus DEM in it"):
        open_tiles(tmp_path)
    heights = ellipsoid_heights(open_dem(rome, HeightsAbove.EGM96, egm96), box_around(12.5, 42.0, 32633, 100))
    assert 48 < heights.min() < 100  # Rome lies 48 m above the ellipsoid


def test_global_geoids_close_around_the_earth(egm96: Path, tmp_path: Path) -> None:
    geoid = open_geoid(egm96)
    east, west = (geoid.height(np.array([lon]), np.array([-17.3])) for lon in (179.999, -179.999))
    assert abs(east - west) < 0.01
    assert geoid.height(np.array([0.0]), np.array([90.0]))[0] == pytest.approx(13.6, abs=0.2)
    with rasterio.open(egm96) as dataset:
        values = dataset.read(1)
    write(tmp_path / "turned.tif", np.roll(values, -720, axis=1), 0.0, 90.0, 0.25, 0.25)  # from 0 to 360 degrees
    turned = open_geoid(tmp_path / "turned.tif")
    lon, lat = np.random.default_rng(1).uniform([-180, -90], [180, 90], (500, 2)).T
    np.testing.assert_allclose(turned.height(lon, lat), geoid.height(lon, lat), atol=1e-3)


def test_rasters_that_end_or_have_holes_are_refused(sentinel1: Path, tmp_path: Path) -> None:
    dem = open_dem(sentinel1 / "dem" / "fairbanks_dem_ellipsoid.tif", HeightsAbove.ELLIPSOID, None)
    with pytest.raises(GridError, match=r"no heights on \d+\.\d+% of the grid"):
        ellipsoid_heights(dem, box_around(-147.65, 64.8, 32606, 100))
    with pytest.raises(GridError, match="no heights on 100"):
        ellipsoid_heights(dem, box_around(-140.0, 64.8, 32606, 100))
    values = np.full((400, 400), 100, np.float32)
    values[200:204, 200:204] = np.nan
    write(tmp_path / "hole.tif", values, 500_000, 5_000_000, 30, 30, 32633)
    box = GeoBox(32633, 30, 503_000, 4_997_000, 200, 200)
    with pytest.raises(GridError, match="has no holes"):
        ellipsoid_heights(open_dem(tmp_path / "hole.tif", HeightsAbove.ELLIPSOID, None), box)
    write(tmp_path / "feet.tif", values * 1000, 500_000, 5_000_000, 30, 30, 32633)
    with pytest.raises(GridError, match="are no heights in metres"):
        ellipsoid_heights(open_dem(tmp_path / "feet.tif", HeightsAbove.ELLIPSOID, None),
                          GeoBox(32633, 30, 501_000, 4_999_000, 50, 50))  # fmt: skip


def test_rasters_across_180_degrees(tmp_path: Path) -> None:
    box = box_around(180.0, -72.0, 32760, 300)
    longitude = 178.5 + np.arange(300) / 100
    write(tmp_path / "to_360.tif", np.tile(longitude, (100, 1)).astype(np.float32), 178.5, -71.5, 0.01, 0.01)
    found = ellipsoid_heights(open_dem(tmp_path / "to_360.tif", HeightsAbove.ELLIPSOID, None), box)
    assert np.abs(found - lonlat(box)[0] % 360).max() < 1e-3
    # a raster from -180 to 180 ends in the middle of the box: that is no hole to be filled from its other end
    whole = -180 + np.arange(3600) / 10
    write(tmp_path / "to_180.tif", np.tile(whole, (100, 1)).astype(np.float32), -180, -65, 0.1, 0.1)
    with pytest.raises(GridError, match=r"no heights on .* longitudes up to 360"):
        ellipsoid_heights(open_dem(tmp_path / "to_180.tif", HeightsAbove.ELLIPSOID, None), box)


def test_fine_dems_are_averaged(tmp_path: Path) -> None:
    y, x = np.mgrid[0:1200, 0:1200]
    # a plane that is steep, so that no place is off by a part of a pixel, and 10 m from pixel to pixel
    values = (500 + 3 * x + 2 * y + 10 * ((x + y) % 2)).astype(np.float32)
    write(tmp_path / "fine.tif", values, 500_005, 4_999_995, 10, 10, 32633)
    box = GeoBox(32633, 30, 503_000, 4_997_000, 200, 200)
    found = ellipsoid_heights(open_dem(tmp_path / "fine.tif", HeightsAbove.ELLIPSOID, None), box)
    column = (box.left + (np.arange(200) + 0.5) * 30 - 500_005) / 10
    row = (4_999_995 - box.top + (np.arange(200) + 0.5) * 30) / 10
    expected = 505 + 3 * column[None, :] + 2 * row[:, None]
    assert np.abs(found - expected).max() < 0.7  # nine pixels hold four or five of each height


def test_margins_grow_with_the_relief(tmp_path: Path) -> None:
    y, x = np.mgrid[0:2000, 0:2000] * 30.0
    summit = np.hypot(x - 42_000, y - 30_000)  # 7 km east of the tile
    write(tmp_path / "dem.tif", np.maximum(4000 - summit, 0).astype(np.float32), 500_015, 4_999_985, 30, 30, 32633)
    dem = open_dem(tmp_path / "dem.tif", HeightsAbove.ELLIPSOID, None)
    box = GeoBox(32633, 30, 525_000, 4_975_000, 330, 330)
    found = tile_heights(dem, box)
    # the summit would be moved 7.5 km, onto the tile; what lies 300 m or more behind it would not
    assert found.heights.max() == pytest.approx(4000, abs=30)
    assert 7100 < found.margin * 30 < 7100 + 600
    assert found.box.shape == found.heights.shape
    assert (found.box.left, found.box.top) == (box.left - found.margin * 30, box.top + found.margin * 30)
    np.testing.assert_array_equal(found.heights, ellipsoid_heights(dem, found.box))
    flat = GeoBox(32633, 30, 510_000, 4_995_000, 100, 100)
    assert tile_heights(Dem(dem.source, dem.above, None), flat).margin == 10
