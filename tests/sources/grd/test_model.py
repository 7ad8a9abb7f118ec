"""Images without a real product: the orbit passes where it should, and annotation and geocoder agree."""

from __future__ import annotations

import numpy as np
import pytest

from s1monthly.granule_names import parse_product_name
from s1monthly.kernels.grd.geocoding import locate
from s1monthly.model import Direction
from s1monthly.sources.grd.annotation import parse_annotation
from s1monthly.sources.grd.image import image_geometry
from s1monthly.sources.grd.manifest import parse_manifest
from s1monthly.sources.grd.simulation.model import model_annotation, model_manifest, model_name
from s1monthly.sources.grd.simulation.write import annotation_xml, calibration_xml, manifest_xml, noise_xml, tables_for
from s1monthly.sources.grd.tables import parse_calibration, parse_noise

WHEN = np.datetime64("2024-05-03T05:11:30")


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize(("longitude", "latitude"), [(12.5, 42.0), (-122.0, -37.0), (179.9, 0.5), (30.0, 70.0)])
def test_annotation_and_geocoder_agree(longitude: float, latitude: float, direction: Direction) -> None:
    annotation = parse_annotation(
        annotation_xml(model_annotation(longitude, latitude, WHEN, direction, "VV")).encode(), "x.xml"
    )
    geometry = image_geometry(annotation, nearest_set=True, tropospheric_delay=False)
    grid = annotation.grid
    places = locate(geometry, grid.longitudes, grid.latitudes, grid.heights)
    assert np.abs(places.lines - grid.lines).max() < 0.001
    assert np.abs(places.samples - grid.pixels).max() < 0.001
    middle = locate(geometry, np.array([longitude]), np.array([latitude]), np.zeros(1))
    assert middle.lines[0] == pytest.approx((annotation.lines - 1) / 2, abs=1)
    assert 12_000 < middle.samples[0] < 15_000
    assert 28 < grid.incidences.min() < 32 < 45 < grid.incidences.max() < 47.5  # as IW
    assert 25_000 < annotation.samples < 27_500
    # lines go along the flight, and samples to the right of it
    first, last = grid.lines == 0, grid.lines == annotation.lines - 1
    assert (grid.latitudes[last].mean() > grid.latitudes[first].mean()) == (direction == Direction.ASCENDING)


def test_everything_written_is_read_again() -> None:
    annotation = model_annotation(12.5, 42.0, WHEN, Direction.DESCENDING, "VH", datatake=300)
    read = parse_annotation(annotation_xml(annotation).encode(), "x.xml")
    for name in ("mode", "polarization", "direction", "first_line", "lines", "samples", "datatake", "noise_removed"):
        assert getattr(read, name) == getattr(annotation, name)
    assert (read.orbit.times == annotation.orbit.times).all()
    np.testing.assert_allclose(read.orbit.positions, annotation.orbit.positions, rtol=1e-14, atol=1e-6)
    np.testing.assert_allclose(read.orbit.velocities, annotation.orbit.velocities, rtol=1e-14, atol=1e-9)
    np.testing.assert_allclose(read.ground_range.coefficients, annotation.ground_range.coefficients, rtol=1e-15)
    calibration, noise = tables_for(annotation, 474.0, 1500.0)
    found = parse_calibration(calibration_xml(annotation, calibration).encode(), "x.xml")
    np.testing.assert_allclose(found.gamma.values, calibration.gamma.values, rtol=1e-9)
    for old in (False, True):
        again = parse_noise(noise_xml(annotation, noise, old).encode(), "x.xml")
        np.testing.assert_allclose(again.range_vectors.values, noise.range_vectors.values, rtol=1e-9)
        assert again.known and len(again.blocks) == (0 if old else 1)
    assert not parse_noise(noise_xml(annotation, tables_for(annotation, 474.0, 0.0)[1]).encode(), "x.xml").known
    manifest = model_manifest(annotation, ("VV", "VH"), 22)
    read_manifest = parse_manifest(manifest_xml(manifest, []).encode(), "x.xml")
    assert read_manifest.track == 22 and read_manifest.polarizations == ("VV", "VH")
    np.testing.assert_allclose(read_manifest.footprint, manifest.footprint, atol=1e-6)
    name = parse_product_name(model_name(manifest))
    assert (name.mode, name.polarization, name.absolute_orbit, name.datatake) == ("IW", "DV", 300, "00012C")
    assert abs(np.datetime64(name.start.replace(tzinfo=None)) - manifest.start) < np.timedelta64(1, "s")
