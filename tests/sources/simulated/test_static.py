"""Simulated static layers: the geometry of the orbit over the relief that the granules show."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
from numpy.typing import NDArray

from s1monthly.granule_names import STATIC_LAYERS, parse_static_file, parse_static_id
from s1monthly.granules import Burst, BurstGranule
from s1monthly.grid.orbit import incidence_angle, utm_epsg
from s1monthly.model import Polarization
from s1monthly.sources import open_source
from s1monthly.sources.simulated.granules import burst_geobox, simulate
from s1monthly.sources.simulated.scene import Scene
from s1monthly.sources.simulated.static import simulate_static

HILLS = Burst.parse("T137-292320-IW2")
VV_VH = Polarization.VV_VH
BURSTS = {"hills": HILLS, "plain": Burst.parse("T064-135524-IW1")}


@pytest.fixture(scope="module", params=list(BURSTS))
def burst(request: pytest.FixtureRequest) -> Burst:
    return BURSTS[request.param]


@pytest.fixture(scope="module")
def layers(burst: Burst) -> dict[str, NDArray[np.generic]]:
    return simulate_static(Scene(1), burst)


def test_flat_ground_has_the_closed_forms(layers: dict[str, NDArray[np.generic]]) -> None:
    incidence, local = layers["incidence_angle"], layers["local_incidence_angle"]
    flat = incidence == local
    assert flat.sum() > 100_000
    theta = np.radians(incidence[flat].astype(np.float64))
    np.testing.assert_allclose(layers["rtc_anf_gamma0_to_beta0"][flat], 1 / np.tan(theta), rtol=1e-6)
    np.testing.assert_allclose(layers["rtc_anf_gamma0_to_sigma0"][flat], np.cos(theta), rtol=1e-6)


def test_relief_is_that_of_the_granules(burst: Burst, layers: dict[str, NDArray[np.generic]]) -> None:
    """Slopes that face the radar are bright and have a small local angle; shadow and layover are the granule's."""
    moment = datetime(2024, 5, 7, tzinfo=UTC)
    granule = simulate(
        Scene(1),
        BurstGranule(burst=burst, acquired=moment, processed=moment, platform="S1A", spacing=30, version="1.0"),
        VV_VH,
    )
    inside = granule["mask"] != 255
    np.testing.assert_array_equal(layers["mask"][inside], granule["mask"][inside])
    seen = layers["mask"] != 255
    assert seen.sum() > 1.05 * inside.sum() and (seen | ~inside).all(), "valid beyond the burst"
    factor = layers["rtc_anf_gamma0_to_beta0"]
    np.testing.assert_array_equal(np.isnan(factor), ~seen | (layers["mask"] % 2 == 1))
    tilt = layers["incidence_angle"] - layers["local_incidence_angle"]
    if burst == HILLS:
        bright, dark = (inside & (layers["mask"] == 0) & side for side in (tilt > 15, tilt < -15))
        assert np.mean(granule["VV"][bright]) > 2 * np.mean(granule["VV"][dark])
        np.testing.assert_array_less(layers["rtc_anf_gamma0_to_beta0"][dark], 1.0)


def test_incidence_is_the_angle_between_normal_and_line_of_sight(burst: Burst) -> None:
    """Against the range of the satellite's height alone: on the ellipsoid, sin(incidence) = (1 + h / R) sin(look)."""
    box = burst_geobox(burst)
    angles = incidence_angle(burst, box)
    to_lonlat = pyproj.Transformer.from_crs(utm_epsg(burst), 4326, always_xy=True)
    x, y = box.left + 15 + 30 * np.array([0, box.width - 1]), box.top - 15 - 30 * (box.height // 2)
    (west, east), _ = to_lonlat.transform(x, np.full(2, y))
    middle = angles[box.height // 2]
    assert (np.diff(middle) > 0).all(), "an ascending, right-looking radar sees the east flatter"
    look = np.arcsin(np.sin(np.radians(middle)) / (1 + 697_000 / 6_370_000))
    ground = np.radians(middle) - look  # angle at the Earth's centre from nadir
    across = (east - west) * np.cos(np.radians(to_lonlat.transform(x[0], y)[1])) * np.cos(np.radians(12))
    assert np.degrees(ground[-1] - ground[0]) == pytest.approx(across, rel=0.02)
    assert 29 < middle[0] < middle[-1] < 47


def test_granules_are_made_once_under_operas_names(tmp_path: Path) -> None:
    source = open_source("simulated", folder=tmp_path, seed=1, polarization=VV_VH, tracks=2)
    found = source.static([HILLS, BURSTS["plain"]])
    assert {*found} == {*BURSTS.values()}
    granule = found[HILLS]
    assert granule.valid_from == date(2014, 4, 3) and parse_static_id(granule.id) == granule
    with source.prepared(granule) as ready:
        assert tuple(layer.name for layer in ready.layers) == STATIC_LAYERS
        for layer in ready.layers:
            assert parse_static_file(Path(layer.url).name) == (granule.id, layer.name) and layer.md5
            with rasterio.open(layer.url) as dataset:
                assert dataset.dtypes == ("uint8" if layer.name == "mask" else "float32",)
                assert dataset.shape == burst_geobox(HILLS).shape
        stamps = [Path(layer.url).stat().st_mtime_ns for layer in ready.layers]
    with source.prepared(granule) as ready:
        assert [Path(layer.url).stat().st_mtime_ns for layer in ready.layers] == stamps
