"""UTM without PROJ, against PROJ."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyproj
import pytest
import shapely

from s1monthly.grid import outlines
from s1monthly.grid.crs import utm_zone
from s1monthly.grid.utm import from_utm, near_meridian
from support.workflow import ROOT


@pytest.mark.parametrize("side", [-1, 1])
def test_longitude_and_latitude_are_those_of_proj(side: int) -> None:
    easting, northing = np.meshgrid(np.linspace(-100e3, 1.1e6, 61), side * np.linspace(0, 9.5e6, 401))
    longitude, latitude = pyproj.Transformer.from_crs(32631, 4326, always_xy=True).transform(easting, northing)
    assert np.abs(latitude).max() > 85
    found = from_utm(easting, northing)
    np.testing.assert_allclose(found[0], longitude - 3, rtol=0, atol=1e-11)
    np.testing.assert_allclose(found[1], latitude, rtol=0, atol=1e-11)


def test_the_equator_and_the_meridian_are_exact() -> None:
    longitude, latitude = from_utm(np.array([500_000.0, 500_000.0, 600_000.0]), np.array([0.0, 4e6, 0.0]))
    assert longitude[:2].tolist() == [0, 0] and latitude[[0, 2]].tolist() == [0, 0]


def test_a_tile_is_found_without_loading_proj() -> None:
    code = (
        "import sys; from s1monthly.grid.lattice import tile_geobox; from s1monthly.model import Tile\n"
        "assert tile_geobox(Tile('32VKL')).left == 199980 and 'pyproj' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "scripts")}, check=True)


@pytest.mark.parametrize("epsg", [32601, 32660, 32719, 32733])
def test_outlines_in_utm_are_those_of_proj(epsg: int, monkeypatch: pytest.MonkeyPatch) -> None:
    square = shapely.box(199_980, 4_090_200, 309_780, 4_200_000)
    found = outlines.to_lonlat(square, epsg)
    monkeypatch.setattr(outlines, "near_meridian", lambda *_: False)
    by_proj = outlines.to_lonlat(square, epsg)
    assert found.geom_type == by_proj.geom_type
    assert shapely.equals_exact(found, by_proj, 1e-10)


def test_zones_are_told_from_codes() -> None:
    assert [utm_zone(code) for code in (32601, 32660, 32701, 32760)] == [1, 60, -1, -60]
    assert [utm_zone(code) for code in (32600, 32661, 32700, 32761, 4326, 3857, 32801)] == [None] * 7


def test_points_far_from_the_meridian_are_left_to_proj() -> None:
    assert near_meridian(np.array([0.0, 1e6]), np.array([0.0, 9e6]))
    assert not near_meridian(np.array([5e5, 2.1e6]), np.zeros(2))
    assert not near_meridian(np.full(2, 5e5), np.array([0.0, -1.1e7]))
