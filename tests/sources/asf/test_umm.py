"""CMR's records read into granules: names, layers, sizes, footprints; and which footprints meet a tile."""

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

from s1monthly.errors import SourceError
from s1monthly.grid.orbit import footprint as model
from s1monthly.grid.tiles import tile_origin
from s1monthly.model import Burst, Layer, Tile
from s1monthly.sources.asf.footprints import FOOTPRINT_MARGIN, Footprint, query_outline
from s1monthly.sources.asf.umm import read_record, record_key

NAME = "OPERA_L2_RTC-S1_T131-279916-IW1_20231202T162856Z_20231202T232622Z_S1A_30_v1.0"
HTTPS, DIRECT = "GET DATA", "GET DATA VIA DIRECT ACCESS"
HOST, BUCKET = "https://datapool.asf.alaska.edu/RTC/OPERA-S1", "s3://asf-cumulus-prod-opera-products/OPERA_L2_RTC-S1"


def link(file: str, kind: str = HTTPS, host: str = HOST) -> dict[str, str]:
    return {"URL": f"{host}/{file}", "Type": kind}


def listed(file: str, **more: Any) -> dict[str, Any]:
    return {"Name": file, "SizeInBytes": 70, "Checksum": {"Value": "0A" * 16, "Algorithm": "MD5"}} | more


def record(*links: dict[str, str], files: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    """A record with links and files."""
    return {
        "GranuleUR": NAME,
        "RelatedUrls": list(links),
        "DataGranule": {"ArchiveAndDistributionInformation": files or []},
    } | more


def layers(umm: dict[str, Any]) -> tuple[Layer, ...]:
    return read_record(umm)[0].layers


@pytest.fixture
def examples(shared_data: Path) -> list[dict[str, Any]]:
    """Two real records: RTC, RTC-STATIC."""
    loaded: list[dict[str, Any]] = json.loads((shared_data / "cmr" / "umm_g_examples.json").read_text())
    return loaded


# layers and polarizations


def test_a_real_record_is_read(examples: list[dict[str, Any]]) -> None:
    granule, acquired = read_record(examples[0]["umm"])
    assert record_key(examples[0]) == ("G2810724460-ASF", NAME)
    assert granule.id == NAME and acquired == ("VV", "VH") and granule.footprint == ""
    assert {(layer.name, layer.size, layer.md5) for layer in granule.layers} == {
        ("VH", 6872077, "e9065264b4a15314b45a6c9721c8b074"),
        ("VV", 6822497, "02c8980e21be53810524ca961404a20b"),
        ("mask", 52978, "aec40e988f655cf93b8e61c2093aac37"),
    }
    for layer in granule.layers:
        assert layer.url == f"{HOST}/{NAME}_{layer.name}.tif"
        assert layer.s3_url == f"{BUCKET}/{NAME}/{NAME}_{layer.name}.tif"


def test_layers_come_by_name_as_a_folder_lists_them() -> None:
    names = ("mask", "VV", "HV", "VH", "HH")
    read = layers(record(*(link(f"{NAME}_{name}.tif") for name in names)))
    assert [layer.name for layer in read] == ["HH", "HV", "VH", "VV", "mask"] == sorted(names)


@pytest.mark.parametrize(
    "other",
    [
        link(f"{NAME}_VV.tif", host="http://datapool.asf.alaska.edu"),
        link(f"{NAME}_VV.tif", host="ftp://datapool.asf.alaska.edu"),
        link(f"{NAME}_VV.tif", DIRECT, BUCKET),
        link(f"{NAME}_VV.tif", DIRECT),
        link(f"{NAME}_VV.tif", HTTPS, BUCKET),
        link(f"{NAME}_VV.tif", "EXTENDED METADATA"),
        link(f"{NAME}_VV.tif.md5"),
        link(f"{NAME}.h5"),
        link(f"{NAME}_BROWSE.png"),
        link(f"{NAME}_VV.tif".replace("IW1", "IW2")),
    ],
)
def test_what_is_no_layer_by_https_is_passed_over(other: dict[str, str]) -> None:
    read = layers(record(other, link(f"{NAME}_VH.tif")))
    assert read == (Layer("VH", f"{HOST}/{NAME}_VH.tif"),)


def test_the_first_link_to_a_layer_counts() -> None:
    first, second = link(f"{NAME}_VH.tif"), link(f"{NAME}_VH.tif", host="https://elsewhere.asf.alaska.edu")
    assert layers(record(first, second))[0].url == first["URL"]


@pytest.mark.parametrize(
    ("file", "size", "md5"),
    [
        (listed(f"{NAME}_VH.tif"), 70, "0a" * 16),
        (listed(f"{NAME}_VV.tif"), -1, ""),
        ({"Name": f"{NAME}_VH.tif"}, -1, ""),
        ({"Name": f"{NAME}_VH.tif", "Size": 6.5, "SizeUnit": "MB"}, -1, ""),
        (listed(f"{NAME}_VH.tif", SizeInBytes=None, Checksum=None), -1, ""),
        (listed(f"{NAME}_VH.tif", SizeInBytes=0), -1, "0a" * 16),
        (listed(f"{NAME}_VH.tif", Checksum={"Value": "0a" * 16, "Algorithm": "Other"}), 70, ""),
        (listed(f"{NAME}_VH.tif", Checksum={"Value": "0a" * 32, "Algorithm": "MD5"}), 70, ""),
        (listed(f"{NAME}_VH.tif", Checksum={"Algorithm": "MD5"}), 70, ""),
    ],
)
def test_size_and_md5_are_those_declared_for_the_file(file: dict[str, Any], size: int, md5: str) -> None:
    (layer,) = layers(record(link(f"{NAME}_VH.tif"), files=[file]))
    assert (layer.size, layer.md5) == (size, md5)


@pytest.mark.parametrize("missing", ["RelatedUrls", "DataGranule", "AdditionalAttributes"])
@pytest.mark.parametrize("null", [True, False])
def test_what_umm_g_does_not_ask_for_may_be_missing(missing: str, null: bool) -> None:
    umm = record(link(f"{NAME}_VH.tif"), AdditionalAttributes=[{"Name": "POLARIZATION", "Values": ["VV"]}])
    if null:
        umm[missing] = None
    else:
        del umm[missing]
    granule, acquired = read_record(umm)
    assert granule.id == NAME
    assert len(granule.layers) == (missing != "RelatedUrls") and bool(acquired) == (missing != "AdditionalAttributes")


@pytest.mark.parametrize(
    ("declared", "read"),
    [
        (["VV", "VH"], ("VV", "VH")),
        (["HH"], ("HH",)),
        (["HH+HV"], ("HH", "HV")),
        ([], ()),
        (["Unknown"], ()),
        (["mask"], ()),
    ],
)
def test_polarizations_are_those_declared(declared: list[str], read: tuple[str, ...]) -> None:
    attributes = [{"Name": "BEAM_MODE", "Values": ["IW"]}, {"Name": "POLARIZATION", "Values": declared}]
    assert read_record(record(AdditionalAttributes=attributes))[1] == read


@pytest.mark.parametrize(
    "change",
    [
        {"GranuleUR": "OPERA_L2_RTC-S1-STATIC_T161-344054-IW2_20140403_S1B_30_v1.0"},
        {"GranuleUR": NAME.replace("S1A", "S1E")},
        {"GranuleUR": NAME.replace("20231202T162856Z", "20231302T162856Z")},
        {"RelatedUrls": "none"},
        {"RelatedUrls": [{"Type": HTTPS}]},
        {"DataGranule": {"ArchiveAndDistributionInformation": [{"SizeInBytes": 3}]}},
        {"DataGranule": 3},
        {"AdditionalAttributes": [{"Name": "POLARIZATION", "Values": [3]}]},
    ],
)
def test_a_record_that_cannot_be_understood_is_an_error_that_names_it(change: dict[str, Any]) -> None:
    umm = record(link(f"{NAME}_VH.tif")) | change
    with pytest.raises(SourceError) as raised:
        read_record(umm)
    assert umm["GranuleUR"] in raised.value.problem and "newer version" in raised.value.remedy


@pytest.mark.parametrize("item", [None, {}, {"meta": {}}, {"meta": {"concept-id": "G1"}, "umm": {"GranuleUR": 3}}, []])
def test_a_record_without_a_name_is_an_error(item: Any) -> None:
    with pytest.raises(SourceError, match=r"without meta\.concept-id or umm\.GranuleUR"):
        record_key(item)


# footprints

CORNERS = [(-147.09, 64.92), (-148.95, 65.11), (-149.03, 64.94), (-147.18, 64.76), (-147.09, 64.92)]


def outlined(*rings: list[tuple[float, float]]) -> dict[str, Any]:
    """A record's part with these polygons."""
    polygons = [{"Boundary": {"Points": [{"Longitude": x, "Latitude": y} for x, y in ring]}} for ring in rings]
    return {"SpatialExtent": {"HorizontalSpatialDomain": {"Geometry": {"GPolygons": polygons}}}}


def declared(*rings: list[tuple[float, float]]) -> Footprint:
    footprint = Footprint.declared(outlined(*rings))
    assert footprint is not None
    return footprint


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
def test_an_outline_that_is_none_is_told_from_one(change: Callable[[dict[str, Any]], object]) -> None:
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
    assert not footprint.meets(Tile("01KBV")) and not footprint.meets(Tile("30NZF"))


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
    for burst, outline in real.items():
        if declared(list(outline.exterior.coords)).meets(Tile(name)):
            assert Footprint.modelled(Burst.parse(burst)).meets(Tile(name))


@pytest.mark.parametrize("longitude", [-33.5, -33.0, 0.0, 57.0, 60.0, 179.9])
def test_a_footprint_far_away_meets_no_tile(longitude: float) -> None:
    here = [(longitude, 0.0), (longitude + 0.8, 0.0), (longitude + 0.8, 0.2), (longitude, 0.2)]
    assert not declared(here).meets(Tile("10SGD"))


def test_a_modelled_footprint_has_a_wide_margin() -> None:
    beside = Footprint.modelled(Burst.parse("T046-097074-IW2"))  # 2 km off the tile, by its records
    assert beside.meets(Tile("22WFD")) and not Footprint(beside.rings, margin=500).meets(Tile("22WFD"))


def test_a_modelled_footprint_is_the_bursts_place() -> None:
    burst = Burst.parse("T137-292318-IW1")
    here, there = shapely.from_wkt(Footprint.modelled(burst).wkt), model(burst)
    assert here.symmetric_difference(there).area < 1e-4 * there.area
