"""Mosaics as COGs: power is averaged, tiles meet without seams, and a file is whole or not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio

from s1monthly.errors import ProductError
from s1monthly.grid.lattice import GeoBox, tile_geobox
from s1monthly.grid.outlines import transformer
from s1monthly.model import Tile
from s1monthly.mosaic import cog as mosaic_cog
from s1monthly.mosaic import vrt as mosaic_vrt
from s1monthly.mosaic.cog import write_cog_mosaic
from s1monthly.mosaic.vrt import write_vrt
from support.mosaic_samples import SIZE, Floats, centres, planned, power_of, put, read, speckle


def test_a_cog_on_the_tiles_own_grid_is_a_copy(two_zones: Path) -> None:
    for mosaic in planned(two_zones, epsg=None):
        cog, vrt = (read(write(mosaic, two_zones / "mosaic")) for write in (write_cog_mosaic, write_vrt))
        np.testing.assert_array_equal(cog, vrt)


def blocks(values: Floats, factor: int) -> Floats:
    """Means of whole blocks, by numpy."""
    rows, columns = (side // factor for side in values.shape)
    return values[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor).mean((1, 3))


def test_power_is_averaged_not_db(tmp_path: Path) -> None:
    put(tmp_path, "10SGD", others=True)
    (mosaic,) = planned(tmp_path, epsg=None, resolution=4 * SIZE)
    found = read(write_cog_mosaic(mosaic, tmp_path))
    box, own = mosaic.geobox, tile_geobox(Tile("10SGD"), SIZE)
    rows, columns = (round(n / SIZE) for n in (box.top - own.top, own.left - box.left))
    assert (rows % 4, columns % 4) != (0, 0), "the tile's corner lies inside a pixel of the mosaic"
    power = power_of(own, speckle)[4 - rows % 4 if rows % 4 else 0 :, 4 - columns % 4 if columns % 4 else 0 :]
    co, cross, contrast = (blocks(band, 4) for band in (power, power * (0.1 + 0.3 * power), 7 + 100 * power))
    inner = found[:, bool(rows % 4) :, bool(columns % 4) :][:, : co.shape[0], : co.shape[1]]
    np.testing.assert_allclose(inner[0], 10 * np.log10(co), atol=1e-4)
    np.testing.assert_allclose(inner[1], 10 * np.log10(cross), atol=1e-4)
    np.testing.assert_allclose(inner[2], cross / co, rtol=1e-4)
    np.testing.assert_allclose(inner[3], 4 * cross / (co + cross), rtol=1e-4)
    np.testing.assert_allclose(inner[4], contrast, rtol=1e-4)
    np.testing.assert_allclose(inner[5], 10 * np.log10(2 * co), atol=1e-4)  # VV_dB_max
    np.testing.assert_allclose(inner[6], 5 * co, rtol=1e-4)  # VV_dB_std
    assert np.abs(inner[0] - blocks(10 * np.log10(power), 4)).mean() > 0.5, "the mean of dB is another"


def test_a_coarse_cog_has_no_seam_between_tiles_of_one_zone(two_zones: Path) -> None:
    """Averaged pixels lie across the tiles' edges: they are made of both tiles."""
    mosaic, _ = planned(two_zones, epsg=None, resolution=7 * SIZE)
    found = read(write_cog_mosaic(mosaic, two_zones))[0]
    box = mosaic.geobox
    fine = GeoBox(box.epsg, SIZE, box.left, box.top, 7 * box.width, 7 * box.height)
    truth = 10 * np.log10(blocks(power_of(fine, speckle), 7))
    inner = slice(1, -1), slice(1, -1)
    np.testing.assert_allclose(found[inner], truth[inner], atol=1e-3)


def test_overviews_are_means_of_power(tmp_path: Path) -> None:
    put(tmp_path, "10SGD", size=100.0)
    (mosaic,) = planned(tmp_path, epsg=None)
    path = write_cog_mosaic(mosaic, tmp_path)
    with rasterio.open(path) as dataset:
        assert dataset.overviews(1) == [2, 4]
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    full = (10 ** (read(path)[:2].astype(np.float64) / 10))[:, :1096, :1096]
    for level, factor in enumerate((2, 4)):
        co, cross = (blocks(band, factor) for band in full)
        found = read(path, overview_level=level)[:, : co.shape[0], : co.shape[1]]
        np.testing.assert_allclose(found[0], 10 * np.log10(co), atol=1e-3)
        np.testing.assert_allclose(found[2], cross / co, rtol=1e-3)
        np.testing.assert_allclose(found[3], 4 * cross / (co + cross), rtol=1e-3)


def bilinear(path: Path, box: GeoBox) -> Floats:
    """Power of the first band at the centres of a grid, bilinear, NaN beside no data: by pyproj and numpy."""
    with rasterio.open(path) as dataset:
        power = 10 ** (dataset.read(1).astype(np.float64) / 10)
        columns, rows = ~dataset.transform @ transformer(box.epsg, dataset.crs.to_epsg()).transform(*centres(box))
    power = np.pad(power, 2, constant_values=np.nan)
    columns, rows = np.clip(columns + 1.5, 0, power.shape[1] - 2), np.clip(rows + 1.5, 0, power.shape[0] - 2)
    left, top = np.floor(columns).astype(int), np.floor(rows).astype(int)
    right, down = columns - left, rows - top
    upper, lower = ((1 - right) * power[top + n, left] + right * power[top + n, left + 1] for n in (0, 1))
    return (1 - down) * upper + down * lower


@pytest.mark.parametrize("epsg", [4326, 3857])
def test_a_cog_in_another_crs_is_bilinear_in_power(two_zones: Path, epsg: int) -> None:
    (mosaic,) = planned(two_zones, epsg=epsg)
    found = read(write_cog_mosaic(mosaic, two_zones))
    assert np.isfinite(found).mean() > 0.8
    each = [bilinear(cog.path, mosaic.geobox) for cog in mosaic.cogs]
    truth = 10 * np.log10(np.where(np.isfinite(each[0]), each[0], np.where(np.isfinite(each[1]), each[1], each[2])))
    sure = np.isfinite(truth)
    assert np.isfinite(found[0][sure]).all(), "no hole where tiles meet"
    close = np.abs(found[0][sure] - truth[sure]) < 0.1
    assert np.mean(close) > 0.99, "all but those on the edge of a tile, which have less than four neighbours there"
    assert np.mean(np.isfinite(found[0]) & ~sure) < 0.02


def test_blocks_leave_no_trace(two_zones: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(two_zones, "11SKU", empty=(slice(0, 122), slice(30, 60)))
    plans = [*planned(two_zones), *planned(two_zones, resolution=0.05)]
    whole = [read(write_cog_mosaic(mosaic, two_zones)) for mosaic in plans]
    monkeypatch.setattr(mosaic_cog, "WORKED", 64)
    for mosaic, expected in zip(plans, whole, strict=True):
        found = read(write_cog_mosaic(mosaic, two_zones))
        np.testing.assert_allclose(found, expected, rtol=2e-3)


def test_no_more_than_a_block_is_read_at_a_time(two_zones: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    gathered = mosaic_cog._gathered

    def counting(cogs: list, box: GeoBox, places: list[int]) -> list:
        sizes.append(max(box.shape))
        return gathered(cogs, box, places)

    monkeypatch.setattr(mosaic_cog, "WORKED", 64)
    monkeypatch.setattr(mosaic_cog, "_gathered", counting)
    for resolution in (None, 4 * 30 / 3600):
        (mosaic,) = planned(two_zones, resolution=resolution)
        write_cog_mosaic(mosaic, two_zones)
    assert len(sizes) > 20 and max(sizes) < 130


# whole or not at all


@pytest.mark.parametrize("write", [write_vrt, write_cog_mosaic])
def test_an_older_mosaic_survives_a_failure(
    two_zones: Path, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (mosaic,) = planned(two_zones)
    path = write(mosaic, two_zones / "mosaic")
    before = {file: file.read_bytes() for file in (two_zones / "mosaic").rglob("*.*") if file.is_file()}
    put(two_zones, "11SKU", factor=2)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mosaic_cog, "refuse_unwritten", full)
    monkeypatch.setattr(mosaic_vrt, "write_text", full)
    with pytest.raises(ProductError, match=f"{mosaic.name}.*No space left"):
        write(mosaic, two_zones / "mosaic")
    assert path in before
    assert {f: f.read_bytes() for f in (two_zones / "mosaic").rglob("*.*") if f.is_file()} == before


def test_a_block_lost_on_a_full_disk_is_noticed(two_zones: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (mosaic,) = planned(two_zones)
    refuse = mosaic_cog._refuse_lost
    monkeypatch.setattr(mosaic_cog, "_refuse_lost", lambda path, written: refuse(path, {*written, (7, 7)}))
    with pytest.raises(ProductError, match="block 7, 7 of band 1 was not written"):
        write_cog_mosaic(mosaic, two_zones / "mosaic")
    assert list((two_zones / "mosaic").iterdir()) == []
