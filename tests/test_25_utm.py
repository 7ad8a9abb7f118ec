"""UTM without PROJ, against PROJ."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyproj
import pytest

from s1monthly.utm import from_utm
from workflow import ROOT


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
        "import sys; from s1monthly.grid import tile_geobox; from s1monthly.vocabulary import Tile\n"
        "assert tile_geobox(Tile('32VKL')).left == 199980 and 'pyproj' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "scripts")}, check=True)
