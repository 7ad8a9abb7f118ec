"""Virtual mosaics: every pixel is that of a tile, found independently; whole wherever the tree lies."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio

from s1monthly.grid.lattice import GeoBox
from s1monthly.grid.outlines import transformer
from s1monthly.mosaic.cog import write_cog_mosaic
from s1monthly.mosaic.vrt import write_vrt
from support.mosaic_samples import Floats, centres, planned, power_of, put, read, speckle, waves


def nearest(paths: list[Path], box: GeoBox, shift: tuple[float, float] = (0, 0)) -> Floats:
    """First band on a grid by the nearest pixel of the first raster that has one: with pyproj and numpy alone."""
    x, y = centres(box)
    found = np.full(box.shape, np.nan, np.float32)
    for path in paths:
        with rasterio.open(path) as dataset:
            values, inverse, epsg = dataset.read(1), ~dataset.transform, dataset.crs.to_epsg()
        columns, rows = inverse @ transformer(box.epsg, epsg).transform(x + shift[0], y + shift[1])
        columns, rows = np.floor(columns).astype(int), np.floor(rows).astype(int)
        inside = (columns >= 0) & (rows >= 0) & (columns < values.shape[1]) & (rows < values.shape[0])
        take = inside & np.isnan(found)
        found[take] = values[rows[take], columns[take]]
    return found


def test_a_vrt_of_one_zone_holds_the_tiles_pixels(two_zones: Path) -> None:
    paths = [write_vrt(mosaic, two_zones / "mosaic") for mosaic in planned(two_zones, epsg=None)]
    assert [path.name for path in paths] == [
        "10SFD-10SGD-2024-05-ASCENDING.vrt",
        "11SKU-11SKU-2024-05-ASCENDING.vrt",
    ]
    ten = planned(two_zones, epsg=None)[0].geobox
    truth = 10 * np.log10(power_of(ten, speckle))
    found = read(paths[0])
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[0], truth, atol=1e-4)
    np.testing.assert_array_equal(read(paths[1]), read(next(two_zones.glob("11SKU_ASCENDING/cog/*.tif"))))


@pytest.mark.parametrize("epsg", [4326, 3857, 32611])
def test_a_vrt_across_zones_holds_the_nearest_pixels_and_no_seam(two_zones: Path, epsg: int) -> None:
    (mosaic,) = planned(two_zones, epsg=epsg)
    found = read(write_vrt(mosaic, two_zones / "mosaic"))
    paths = [cog.path for cog in mosaic.cogs]
    reach = 0.13 * mosaic.geobox.resolution  # a warp of GDAL approximates positions to an eighth of a pixel
    near = [nearest(paths, mosaic.geobox, (x, y)) for x in (-reach, 0, reach) for y in (-reach, 0, reach)]
    assert np.mean(found[0] == near[4]) > 0.6, "most are the very pixel, the others one as near"
    np.testing.assert_array_equal(np.any([found[0] == one for one in near], axis=0), np.isfinite(found[0]))
    everywhere = np.all(np.isfinite(near), axis=0)
    assert np.isfinite(found[:, everywhere]).all(), "no hole where tiles meet"
    ratio = 10 ** ((found[1] - found[0]) / 10)
    np.testing.assert_allclose(found[2], ratio, rtol=1e-4, err_msg="the bands of a pixel are from one pixel")


def test_a_mosaic_has_names_units_no_data_and_tags(two_zones: Path) -> None:
    (mosaic,) = planned(two_zones)
    for path in (write_vrt(mosaic, two_zones / "m"), write_cog_mosaic(mosaic, two_zones / "m")):
        with rasterio.open(path) as dataset:
            assert dataset.descriptions == ("VV_dB", "VH_dB", "Ratio", "RVI")
            assert dataset.units == ("dB", "dB", "1", "1")
            assert np.isnan(dataset.nodata) and set(dataset.dtypes) == {"float32"}
            assert dataset.crs.to_epsg() == 4326
            assert dataset.tags(1)["long_name"] == "gamma0 backscatter, VV"
            tags = dataset.tags()
        assert (tags["MONTH"], tags["DIRECTION"], tags["MGRS_TILE"], tags["PROCESSING_LEVEL"]) == (
            "2024-05",
            "ASCENDING",
            "10SFD 10SGD 11SKU",
            "hARDCp",
        )


def test_a_vrt_stays_whole_when_the_tree_is_moved(two_zones: Path, tmp_path: Path) -> None:
    (mosaic,) = planned(two_zones)
    path = write_vrt(mosaic, two_zones / "mosaic")
    before = read(path)
    moved = tmp_path / "elsewhere" / "tree"
    moved.parent.mkdir()
    shutil.move(two_zones, moved)
    assert not two_zones.exists()
    np.testing.assert_array_equal(read(moved / "mosaic" / path.name), before)
    assert str(tmp_path) not in "".join(file.read_text() for file in (moved / "mosaic").rglob("*.vrt"))


def test_a_vrt_is_whole_behind_a_symbolic_link(two_zones: Path, tmp_path: Path) -> None:
    far = tmp_path / "disk" / "a" / "b" / "mosaics"
    far.mkdir(parents=True)
    (two_zones / "mosaic").symlink_to(far)
    (mosaic,) = planned(two_zones)
    assert np.isfinite(read(write_vrt(mosaic, two_zones / "mosaic"))).mean() > 0.8


def test_a_vrt_has_overviews_that_it_takes_from_the_tiles(tmp_path: Path) -> None:
    for tile in ("10SGD", "11SKU"):
        put(tmp_path, tile, field=waves, size=100.0)
    (mosaic,) = planned(tmp_path)
    path = write_vrt(mosaic, tmp_path / "mosaic")
    with rasterio.open(path) as dataset:
        assert dataset.overviews(1)[:2] == [2, 4]
    coarse = read(path, overview_level=1)[0]
    for cog in mosaic.cogs:
        cog.path.write_bytes(b"")
    with pytest.raises(rasterio.errors.RasterioIOError):
        read(path, overview_level=1)
    assert np.isfinite(coarse).mean() > 0.8


def test_earlier_tiles_and_ascending_passes_lie_on_top(two_zones: Path) -> None:
    hole = slice(30, 60), slice(20, 90)
    put(two_zones, "10SGD", empty=hole)
    for tile in ("10SFD", "10SGD", "11SKU"):
        put(two_zones, tile, "DESCENDING", factor=0.5)
    (both,) = planned(two_zones, "ALL")
    (ascending,) = planned(two_zones, "ASCENDING")
    paths = [cog.path for cog in both.cogs]
    assert [path.parent.parent.name.split("_")[1][0] for path in paths] == ["A", "A", "A", "D", "D", "D"]
    for write in (write_vrt, write_cog_mosaic):
        filled, alone = (read(write(mosaic, two_zones / "mosaic"))[0] for mosaic in (both, ascending))
        there = np.isfinite(alone)
        np.testing.assert_array_equal(filled[there], alone[there])
        assert 0.01 < np.mean(np.isfinite(filled) & ~there) < 0.2
    truth = nearest(paths, both.geobox)
    assert np.mean(read(two_zones / "mosaic" / f"{both.name}.vrt")[0] == truth) > 0.6
    (descending,) = planned(two_zones, "DESCENDING")
    other = read(write_cog_mosaic(descending, two_zones / "mosaic"))[0]
    np.testing.assert_array_equal(filled[~there], other[~there])
