"""Single-look images through the same solver: their annotation, and the only real pixels at hand."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from pyproj import Transformer
from scipy.ndimage import uniform_filter

from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.grd.calibration import Table, mean_power
from s1monthly.kernels.grd.flattening import flattened
from s1monthly.kernels.grd.geocoding import ImageGeometry, locate
from s1monthly.kernels.grd.orbit import fit_orbit
from s1monthly.sources.grd.annotation import StateVectors, _state_vectors
from s1monthly.sources.grd.dem import TileHeights
from s1monthly.sources.grd.elements import Element, parse_xml
from s1monthly.sources.grd.geoid import open_geoid
from s1monthly.sources.grd.orbit_file import read_orbit_file
from s1monthly.sources.grd.view import view_tile
from support.grd_scenes import LIGHT_TIME

MICROSECOND = 1e-6
SCENE = "real_pixels_20220918"
LINES, SAMPLES = 601, 1401
FIRST_LINE, FIRST_SAMPLE = 9799, 10_999
"""Place of the pixels in the annotated image, from 0."""
MONTE_BRASIL = -(27 + 13 / 60 + 33 / 3600), 38 + 38 / 60 + 36 / 3600
"""A peninsula that is seen from all sides: longitude and latitude as encyclopaedias give them."""


def slc_geometry(root: Element, since: np.datetime64, orbit: StateVectors | None = None) -> ImageGeometry:
    """Return the geometry of a burst whose line 0 has the given time: columns are slant ranges."""
    information = root.child("imageAnnotation").child("imageInformation")
    vectors = orbit or _state_vectors(root.child("generalAnnotation"))
    seconds = (vectors.times - since) / np.timedelta64(1, "s")
    rate = root.child("generalAnnotation").child("productInformation").number("rangeSamplingRate", 1e7, 1e8)
    near = information.number("slantRangeTime", 1e-3, 1e-2) / LIGHT_TIME
    return ImageGeometry(
        orbit=fit_orbit(seconds, vectors.positions, vectors.velocities, "slc"),
        lines=1600, samples=30_000, line_interval=information.number("azimuthTimeInterval", 1e-4, 1e-2),
        sample_spacing=1 / rate / LIGHT_TIME, set_times=np.zeros(1), set_origins=np.zeros(1),
        set_coefficients=np.array([[near, 1.0]]), bistatic_reference=np.nan, tropospheric_delay=False,
    )  # fmt: skip


def burst_times(root: Element) -> tuple[np.ndarray, int]:
    """Return the times of the first lines of all bursts, and the lines of each."""
    timing = root.child("swathTiming")
    times = [burst.time("azimuthTime") for burst in timing.counted("burstList", "burst")]
    return np.array(times), int(timing.number("linesPerBurst", 1, 1e5))


def test_annotated_points_are_found(sentinel1: Path) -> None:
    contents = []
    for path in sorted((sentinel1 / "slc").glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if "annotation/s1" in name and name.endswith(".xml")]
            contents += [archive.read(name) for name in names]
    scene = next((sentinel1 / "slc" / SCENE).glob("*.xml")).read_bytes()
    assert len(contents) >= 7
    start = np.datetime64("2022-09-18T07:49:21", "us")
    restituted = next((sentinel1 / "orbit").glob("*20220918T093241*"))
    precise = read_orbit_file(restituted, "S1A", start, start + np.timedelta64(25, "s"))
    for content, orbit, most in [
        *((content, None, 3.0) for content in contents),
        (scene, None, 3.0),
        (scene, precise, 6.0),
    ]:
        root = parse_xml(content, "slc", "product")
        points = root.child("geolocationGrid").counted("geolocationGridPointList", "geolocationGridPoint")
        since = points[0].time("azimuthTime")
        longitudes, latitudes, heights, ranges, lines, pixels = (
            np.array([point.number(name, -1e9, 1e9) for point in points])
            for name in ("longitude", "latitude", "height", "slantRangeTime", "line", "pixel")
        )
        geometry = slc_geometry(root, since, orbit)
        places = locate(geometry, longitudes, latitudes, heights)
        times = (np.array([point.time("azimuthTime") for point in points]) - since) / np.timedelta64(1, "s")
        assert np.abs(places.times - times).max() < most * MICROSECOND
        assert np.abs(places.slant_ranges * LIGHT_TIME - ranges).max() < (3e-12 if orbit is None else 3e-10)
        assert np.abs(places.samples - pixels).max() < (0.003 if orbit is None else 0.02)
        # the grid's lines are the first of bursts, and the last of all; the bistatic shift is that of GRD
        starts, count = burst_times(root)
        burst = np.minimum(lines // count, len(starts) - 1).astype(int)
        expected = (starts[burst] - since) / np.timedelta64(1, "s") + (lines - burst * count) * geometry.line_interval
        reference = np.median(ranges - 2 * (times - expected))
        shifted = locate(replace(geometry, bistatic_reference=reference), longitudes, latitudes, heights)
        assert np.abs(shifted.lines - expected / geometry.line_interval).max() < 0.01


def test_real_pixels_lie_where_they_belong(sentinel1: Path) -> None:
    folder = sentinel1 / "slc" / SCENE
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning), rasterio.open(next(folder.glob("*.tiff"))) as dataset:
        amplitude = np.abs(dataset.read(1))
    assert amplitude.shape == (LINES, SAMPLES)
    root = parse_xml(next(folder.glob("*.xml")).read_bytes(), "slc", "product")
    starts, count = burst_times(root)
    whole = slc_geometry(root, starts[FIRST_LINE // count])
    later = FIRST_LINE % count * whole.line_interval
    geometry = replace(
        whole, lines=LINES, samples=SAMPLES, tropospheric_delay=True,
        orbit=replace(whole.orbit, centre=whole.orbit.centre - later),
        set_coefficients=whole.set_coefficients + [[FIRST_SAMPLE * whole.sample_spacing, 0]],
    )  # fmt: skip
    lon, lat = np.array([MONTE_BRASIL[0]]), np.array([MONTE_BRASIL[1]])
    sea = float(open_geoid(sentinel1 / "geoid" / "egm96_15.gtx").height(lon, lat)[0])
    x, y = (
        round(float(value), -1) for value in Transformer.from_crs(4326, 32626, always_xy=True).transform(*MONTE_BRASIL)
    )
    size, margin, step = 340, 10, 10.0
    half = size / 2 * step
    tile = TileHeights(
        GeoBox(32626, step, x - half, y + half, size, size), margin, np.full((size, size), sea, np.float32)
    )
    view = view_tile(geometry, tile)
    assert view is not None
    lines, samples = view.grid.window
    counts = np.rint(amplitude).astype(np.uint16)[lines, samples]
    ones = Table(np.zeros(1), np.ones((1, SAMPLES), np.float32))
    power = mean_power(counts, lines.start, samples.start, ones, None, 3)
    found = view.on_tile(power)
    assert np.isfinite(found).all()
    land = uniform_filter(found, 5) > 1000
    assert np.median(found[land]) > 20 * np.median(found[~land])
    assert not land[-40:].any()  # the open sea to its south
    middle = size / 2 - margin - 0.5
    row, column = (float(np.mean(at)) - middle for at in np.nonzero(land[110:]))
    assert np.hypot(row + 110, column) * step < 150
    # on the flat sea, gamma0 is beta0 times the tangent of the incidence angle
    gamma = view.on_tile(flattened(np.ones_like(power), view.area(), view.square))
    off = 10 * np.log10(gamma / np.tan(np.radians(view.incidence())))
    assert abs(off.mean()) < 0.001
    assert np.abs(off).max() < 0.03
