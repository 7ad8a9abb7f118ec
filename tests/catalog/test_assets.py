"""Files of a month as an Item names them: size, checksum, and the grid of a preview."""

from __future__ import annotations

import hashlib

import imageio.v3 as imageio
import numpy as np
import pytest

from s1monthly.catalog.assets import AssetFile, asset_file, preview_grid
from s1monthly.errors import ProductError
from s1monthly.grid.lattice import GeoBox, tile_geobox
from s1monthly.model import Tile
from s1monthly.raster.writing import preview_geobox


@pytest.mark.parametrize("resolution, side", [(30.0, 3660), (20.0, 5490), (60.0, 1830), (90.0, 1220), (900.0, 122)])
def test_the_grid_of_a_preview_is_the_one_it_was_written_on(tmp_path, resolution, side):
    grid = GeoBox(32610, resolution, 699960.0, 3900000.0, side, side)
    expected = preview_geobox(grid)
    path = tmp_path / "p.png"
    imageio.imwrite(path, np.zeros((*expected.shape, 4), np.uint8))
    assert preview_grid(path, grid) == expected


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n", b"GIF89a" + bytes(40), None])
def test_a_preview_that_is_no_picture_is_named(tmp_path, content):
    path = tmp_path / "p.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ProductError, match=r"p\.png.*delete it"):
        preview_grid(path, tile_geobox(Tile("10SGD")))


def test_a_file_is_measured_and_not_read_if_its_checksum_is_known(tmp_path):
    with pytest.raises(ProductError, match=r"no\.tif"):
        asset_file(tmp_path / "no.tif", tmp_path, "ab" * 32)
    path = tmp_path / "cog" / "a.tif"
    path.parent.mkdir()
    path.write_bytes(b"six by")
    assert asset_file(path, tmp_path, "ab" * 32) == AssetFile("cog/a.tif", 6, "ab" * 32)
    assert asset_file(path, tmp_path) == AssetFile("cog/a.tif", 6, hashlib.sha256(b"six by").hexdigest())
