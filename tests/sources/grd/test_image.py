"""Geometry against what the processor annotated, for every real product; orbits against orbit files."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from s1monthly.errors import S1MonthlyError, SourceError
from s1monthly.kernels.grd.geocoding import locate
from s1monthly.kernels.grd.orbit import fit_orbit
from s1monthly.sources.grd.annotation import StateVectors
from s1monthly.sources.grd.image import image_geometry
from s1monthly.sources.grd.orbit_file import best_orbit_file, list_orbit_files, parse_orbit_name, read_orbit_file
from s1monthly.sources.grd.product import Product
from support.grd_scenes import LIGHT_TIME

MICROSECOND = 1e-6
LARGEST = {
    # last letters: residual of the azimuth time in microseconds, and of the sample in pixels
    "BB15": (3, 0.001),
    "6D00": (85, 0.001),
    "FEC3": (450, 1.2),
    "CEAB": (270, 2.4),
    "3768": (440, 1.4),
    "6FF8": (90, 0.001),
    "5371": (3, 0.001),
    "4B8B": (3, 0.001),
}


def test_every_point_of_every_geolocation_grid(products: dict[str, Product]) -> None:
    for unique, (most_late, most_off) in LARGEST.items():
        for layer in products[unique].layers:
            annotation = products[unique].annotation(layer)
            grid = annotation.grid
            geometry = image_geometry(annotation, nearest_set=True, tropospheric_delay=False)
            places = locate(geometry, grid.longitudes, grid.latitudes, grid.heights)
            azimuth = (grid.azimuth_times - annotation.first_line) / np.timedelta64(1, "s")
            assert np.abs(places.times - azimuth).max() < most_late * MICROSECOND, unique
            assert np.abs(places.samples - grid.pixels).max() < most_off, unique
            assert np.abs(places.slant_ranges * LIGHT_TIME - grid.slant_range_times).max() < 3e-12, unique
            # the time is within 1.5 us of the line's, with the bistatic shift
            most_lines = (most_late + 1.5) * MICROSECOND / annotation.line_interval
            assert np.abs(places.lines - grid.lines).max() < most_lines, unique
            if most_late == 3:
                assert most_lines < 0.01


def test_sets_are_interpolated_unless_the_nearest_is_asked_for(products: dict[str, Product]) -> None:
    annotation = products["4B8B"].annotation("HH")
    grid = annotation.grid
    nearest, linear = (
        locate(image_geometry(annotation, nearest_set=choice), grid.longitudes, grid.latitudes, grid.heights).samples
        for choice in (True, False)
    )
    assert 1 < np.abs(nearest - linear).max() < 2
    geometry = image_geometry(annotation, tropospheric_delay=False)
    # blend the polynomials themselves and follow them back from the sample that was found
    places = locate(geometry, grid.longitudes, grid.latitudes, grid.heights)
    for time, slant, sample in list(zip(places.times, places.slant_ranges, places.samples, strict=True))[::7]:
        blended = [np.interp(time, geometry.set_times, column) for column in geometry.set_coefficients.T]
        assert abs(np.polyval(blended[::-1], sample * annotation.sample_spacing) - slant) < 0.005


def test_the_troposphere_shifts_points_away_from_the_satellite(products: dict[str, Product]) -> None:
    annotation = products["5371"].annotation("VV")
    grid = annotation.grid
    angle = np.radians(grid.incidences)
    for height, least, most in ((0, 4.5, 5.5), (3000, 2.7, 3.4)):
        heights = np.full(angle.shape, float(height))
        places = [
            locate(image_geometry(annotation, tropospheric_delay=delay), grid.longitudes, grid.latitudes, heights)
            for delay in (True, False)
        ]
        shift = (places[0].samples - places[1].samples) * annotation.sample_spacing
        known = np.isfinite(shift)  # high ground of the near edge is seen nearer
        np.testing.assert_allclose(shift[known], (2.3 * np.exp(-height / 6000) / np.cos(angle) / np.sin(angle))[known],
                                   rtol=0.02)  # fmt: skip
        assert known.mean() > 0.9 and least < shift[known].min() < shift[known].max() < most


def test_points_far_from_the_swath_are_nowhere(products: dict[str, Product]) -> None:
    geometry = image_geometry(products["5371"].annotation("VV"))
    places = locate(geometry, np.array([12.4, 160.0, -168.0, 12.4]), np.array([42.0, 42.0, -42.0, 60.0]), np.zeros(4))
    assert np.isfinite(places.samples).tolist() == [True, False, False, False]
    assert np.isnan(locate(geometry, np.array([12.4]), np.array([42.0]), np.array([np.nan])).samples).all()


def lagrange(vectors: StateVectors, times: np.ndarray, since: np.datetime64) -> np.ndarray:
    """Interpolate positions through the ten vectors nearest to each time."""
    at = (vectors.times - since) / np.timedelta64(1, "s")
    found = []
    for time in times:
        near = np.sort(np.argsort(np.abs(at - time))[:10])
        weights = [np.prod([(time - at[j]) / (at[i] - at[j]) for j in near if j != i]) for i in near]
        found.append(np.array(weights) @ vectors.positions[near])
    return np.array(found)


def test_orbit_files(sentinel1: Path) -> None:
    files = list_orbit_files(sentinel1 / "orbit")
    assert [file.kind for file in files] == ["POEORB", "RESORB", "RESORB"]
    assert parse_orbit_name(files[0].path) == files[0] and parse_orbit_name(files[0].path.replace("POE", "PRE")) is None
    start = np.datetime64("2018-04-20T10:00:00", "us")
    stop = start + np.timedelta64(25, "s")
    assert best_orbit_file(files, "S1A", start, stop) == files[0]
    assert best_orbit_file(files, "S1B", start, stop) is None
    assert best_orbit_file(files, "S1A", start, np.datetime64("2018-04-21T00:59:40", "us")) is None
    vectors = read_orbit_file(files[0].path, "S1A", start, stop)
    assert 15 <= len(vectors.times) <= 17
    times = np.linspace(-2, 27, 30)
    orbit = fit_orbit((vectors.times - start) / np.timedelta64(1, "s"), vectors.positions, vectors.velocities, "x")
    assert np.abs(orbit.position(times) - lagrange(vectors, times, start)).max() < 2e-4
    step = 1e-3
    slope = (orbit.position(times + step) - orbit.position(times - step)) / (2 * step)
    assert np.abs(orbit.velocity(times) - slope).max() < 1e-5
    slope = (orbit.velocity(times + step) - orbit.velocity(times - step)) / (2 * step)
    assert np.abs(orbit.acceleration(times) - slope).max() < 1e-8


def test_wrong_orbit_files_are_refused(sentinel1: Path, tmp_path: Path) -> None:
    file = list_orbit_files(sentinel1 / "orbit")[1]
    start = np.datetime64("2022-09-18T07:49:21", "us")
    stop = start + np.timedelta64(25, "s")
    text = Path(file.path).read_text()
    with pytest.raises(SourceError, match="Mission is 'Sentinel-1A', not one of Sentinel-1B"):
        read_orbit_file(file.path, "S1B", start, stop)
    with pytest.raises(SourceError, match="has 0 state vectors near 2022-09-19"):
        read_orbit_file(file.path, "S1A", start + np.timedelta64(1, "D"), stop + np.timedelta64(1, "D"))
    for number, (before, after, message) in enumerate(
        [
            ('<X unit="m">', '<X unit="km">', "X is in 'km', not in m"),
            (">EARTH_FIXED<", ">MEAN_OF_DATE<", "Ref_Frame is 'MEAN_OF_DATE'"),
            ('count="1186"', 'count="1187"', "says count='1187', but has 1186"),
            ("TAI=2022-09-18T07:50", "TAI=2022-09-18T07:51", "leap second"),
        ]
    ):
        wrong = tmp_path / f"{number}.EOF"
        wrong.write_text(text.replace(before, after))
        with pytest.raises(SourceError, match=message):
            read_orbit_file(wrong, "S1A", start, stop)
    with pytest.raises(SourceError, match=r"lost\.EOF: no such file -> put it back, or set search\.refresh: true"):
        read_orbit_file(tmp_path / "lost.EOF", "S1A", start, stop)
    packed = tmp_path / f"{Path(file.path).name}.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(file.path, Path(file.path).name)
    unpacked = read_orbit_file(file.path, "S1A", start, stop)
    assert (read_orbit_file(packed, "S1A", start, stop).positions == unpacked.positions).all()


def test_vectors_of_no_orbit_are_refused(products: dict[str, Product]) -> None:
    vectors = products["5371"].annotation("VV").orbit
    times = (vectors.times - vectors.times[0]) / np.timedelta64(1, "s")
    moved = vectors.positions.copy()
    moved[5, 0] += 100
    with pytest.raises(S1MonthlyError, match="lie on no orbit: positions are off by"):
        fit_orbit(times, moved, vectors.velocities, "x")
    with pytest.raises(S1MonthlyError, match="velocities by"):
        fit_orbit(times, vectors.positions, vectors.velocities * 1.001, "x")
    with pytest.raises(S1MonthlyError, match="from the Earth's centre"):
        fit_orbit(times, vectors.positions / 1000, vectors.velocities, "x")
