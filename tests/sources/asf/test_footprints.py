"""Footprints of CMR's records and of the orbit model, and which of them meet a tile."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from s1monthly.granules import Burst
from s1monthly.grid.orbit import footprint as model
from s1monthly.grid.tiles import tile_origin
from s1monthly.model import Tile
from s1monthly.sources.asf.footprints import FOOTPRINT_MARGIN, Footprint, query_outline

CORNERS = [(-147.09, 64.92), (-148.95, 65.11), (-149.03, 64.94), (-147.18, 64.76), (-147.09, 64.92)]


def outlined(*rings: list[tuple[float, float]]) -> dict[str, Any]:
    """A record's part with these polygons."""
    polygons = [{"Boundary": {"Points": [{"Longitude": x, "Latitude": y} for x, y in ring]}} for ring in rings]
    return {"SpatialExtent": {"HorizontalSpatialDomain": {"Geometry": {"GPolygons": polygons}}}}


def declared(*rings: list[tuple[float, float]]) -> Footprint:
    footprint = Footprint.declared(outlined(*rings))
    assert footprint is not None
    return footprint


@pytest.fixture
def examples(shared_data: Path) -> list[dict[str, Any]]:
    """Two real records: RTC, RTC-STATIC."""
    loaded: list[dict[str, Any]] = json.loads((shared_data / "cmr" / "umm_g_examples.json").read_text())
    return loaded


def test_a_real_footprint_is_kept_corner_by_corner(examples: list[dict[str, Any]]) -> None:
    footprint = Footprint.declared(examples[0]["umm"])
    assert footprint and footprint.margin == FOOTPRINT_MARGIN
    assert footprint.wkt == (
        "POLYGON ((-147.09242 64.92475, -148.94741 65.10709, -149.02983 64.94369, -147.18102 64.76151,"
        " -147.09242 64.92475))"
    )


def test_a_real_outline_that_goes_round_the_globe_is_no_footprint(examples: list[dict[str, Any]]) -> None:
    umm = examples[1]["umm"]
    assert len(umm["SpatialExtent"]["HorizontalSpatialDomain"]["Geometry"]["GPolygons"]) == 2
    assert Footprint.declared(umm) is None
    place = shapely.from_wkt(Footprint.modelled(Burst.parse("T161-344054-IW2")).wkt)
    assert place.bounds[0] < 0 < place.bounds[2] and place.bounds[2] - place.bounds[0] < 3


def test_an_open_ring_is_closed() -> None:
    assert declared(CORNERS[:-1]).wkt == declared(CORNERS).wkt


@pytest.mark.parametrize(
    "change",
    [
        lambda geometry: geometry.pop("GPolygons"),
        lambda geometry: geometry.update(GPolygons=[]),
        lambda geometry: geometry.update(GPolygons=None),
        lambda geometry: geometry.update(GPolygons=[{}]),
        lambda geometry: geometry["GPolygons"][0]["Boundary"].update(Points=[]),
        lambda geometry: geometry["GPolygons"][0]["Boundary"]["Points"].pop(0),
        lambda geometry: geometry["GPolygons"][0]["Boundary"]["Points"][1].update(Latitude=91.0),
        lambda geometry: geometry["GPolygons"][0]["Boundary"]["Points"][1].update(Latitude=float("nan")),
        lambda geometry: geometry["GPolygons"][0]["Boundary"]["Points"][1].update(Longitude="east"),
        lambda geometry: geometry["GPolygons"][0]["Boundary"]["Points"][1].pop("Longitude"),
        lambda geometry: geometry["GPolygons"][0]["Boundary"]["Points"][1].update(Longitude=-140.0),
    ],
)
def test_an_unusable_outline_is_no_footprint(change: Callable[[dict[str, Any]], object]) -> None:
    umm = deepcopy(outlined([(0, 0), (0.5, 0), (0, 0.5)]))
    assert Footprint.declared(umm)
    change(umm["SpatialExtent"]["HorizontalSpatialDomain"]["Geometry"])
    assert Footprint.declared(umm) is None
    assert Footprint.declared({}) is None
    assert Footprint.declared(outlined([(0, 0), (1, 1), (0, 0)])) is None


WEST = [(178.9, -17.0), (180.0, -17.0), (180.0, -16.5), (178.9, -16.5)]
EAST = [(-180.0, -17.0), (-179.5, -17.0), (-179.5, -16.5), (-180.0, -16.5)]


@pytest.mark.parametrize(
    "rings",
    [
        [[(178.9, -17.0), (-179.5, -17.0), (-179.5, -16.5), (178.9, -16.5)]],
        [[(-179.5, -16.5), (178.9, -16.5), (178.9, -17.0), (-179.5, -17.0)]],
        [[(178.9, -17.0), (180.5, -17.0), (180.5, -16.5), (178.9, -16.5)]],
        [WEST, EAST],
    ],
)
def test_a_footprint_across_the_antimeridian_is_split_there(rings: list[list[tuple[float, float]]]) -> None:
    footprint = declared(*rings)
    parts = shapely.get_parts(shapely.from_wkt(footprint.wkt))
    assert sorted(part.bounds for part in parts) == [(-180, -17, -179.5, -16.5), (178.9, -17, 180, -16.5)]
    assert all(part.exterior.is_ccw for part in parts)
    for near in ("01KAB", "60KYG", "60KXG", "01KBB"):  # on both sides, on the western and on the eastern alone
        assert footprint.meets(Tile(near))
    for away in ("01KBV", "30NZF", "10SGD"):
        assert not footprint.meets(Tile(away))


def square_beside(tile: Tile, gap: float, side: str) -> list[tuple[float, float]]:
    """Corners of a square of 20 km that lies so many metres from a tile."""
    left, top = tile_origin(tile)
    x = {"east": left + 109_800 + gap, "west": left - gap - 20_000}.get(side, left + 40_000)
    y = {"north": top + gap, "south": top - 109_800 - gap - 20_000}.get(side, top - 60_000)
    to_lonlat = pyproj.Transformer.from_crs(tile.epsg, 4326, always_xy=True)
    return [to_lonlat.transform(x + dx, y + dy) for dx, dy in ((0, 0), (20_000, 0), (20_000, 20_000), (0, 20_000))]


@pytest.mark.parametrize("side", ["north", "south", "east", "west"])
@pytest.mark.parametrize("name", ["10SGD", "22WFD", "01UBT", "60KYF", "33XWM", "21CWU"])
def test_footprints_within_the_margin_meet_a_tile(name: str, side: str) -> None:
    tile = Tile(name)
    assert declared(square_beside(tile, -100, side)).meets(tile)
    assert declared(square_beside(tile, FOOTPRINT_MARGIN - 60, side)).meets(tile)
    assert not declared(square_beside(tile, FOOTPRINT_MARGIN + 60, side)).meets(tile)


@settings(deadline=None)
@given(
    offset=st.tuples(st.floats(-3.0, 3.0), st.floats(-1.3, 1.3)),
    angle=st.floats(0, np.pi),
    name=st.sampled_from(["33XWM", "22WFD", "01XDJ", "19HBD"]),
)
def test_edges_are_the_shortest_ways(offset: tuple[float, float], angle: float, name: str) -> None:
    tile = Tile(name)
    middle = query_outline(tile).centroid
    ground = pyproj.Geod(ellps="WGS84")
    east, north = offset[0] / max(np.cos(np.radians(middle.y)), 0.1) / 2, offset[1]
    corners = []
    for along, across in ((-45, -10), (45, -10), (45, 10), (-45, 10), (-45, -10)):  # km: a burst
        x, y = along * np.cos(angle) - across * np.sin(angle), along * np.sin(angle) + across * np.cos(angle)
        far = np.hypot(x, y) * 1000
        corners.append(ground.fwd(middle.x + east, middle.y + north, np.degrees(np.arctan2(x, y)), far)[:2])
    dense = [corners[0]]
    for start, end in itertools.pairwise(corners):
        dense += [*ground.npts(*start, *end, 60), end]
    onto_tile = pyproj.Transformer.from_crs(4326, tile.epsg, always_xy=True)
    left, top = tile_origin(tile)
    square = shapely.box(left, top - 109_800, left + 109_800, top)
    distance = square.distance(shapely.Polygon(np.column_stack(onto_tile.transform(*np.array(dense).T))))
    if abs(distance - FOOTPRINT_MARGIN) > 20:
        assert declared(corners).meets(tile) == (distance < FOOTPRINT_MARGIN)


@pytest.mark.parametrize("name", ["19HBD", "22WFD"])
def test_the_model_of_the_orbit_leaves_out_no_real_burst(shared_data: Path, name: str) -> None:
    with gzip.open(shared_data / "cmr" / f"granules_{name}.csv.gz", "rt", newline="") as rows:
        real = {row["burst"]: shapely.from_wkt(row["footprint_wkt"]) for row in csv.DictReader(rows)}
    assert len(real) > 20
    for name_of_burst, outline in real.items():
        place = Footprint.modelled(Burst.parse(name_of_burst))
        expected = model(Burst.parse(name_of_burst))
        assert shapely.from_wkt(place.wkt).symmetric_difference(expected).area < 1e-4 * expected.area
        if declared(list(outline.exterior.coords)).meets(Tile(name)):
            assert place.meets(Tile(name))
