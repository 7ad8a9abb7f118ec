"""Records: what is written is what is read; damage is named; footprints cover the data."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import rasterio.transform
import shapely
from pyproj import Transformer
from shapely.geometry import shape

from s1monthly.cube.header import how_to_mend
from s1monthly.errors import ProductError
from s1monthly.granules import Granule, SetAside
from s1monthly.grid.lattice import GeoBox, tile_geobox
from s1monthly.grid.outlines import lonlat_bounds
from s1monthly.kernels.statistics import band_statistics
from s1monthly.model import Tile
from s1monthly.records.footprint import footprint
from s1monthly.records.month import (
    read_record,
    software_versions,
    verified,
    write_record,
)
from support.month_samples import ANTIMERIDIAN, granule, month_record

EMPTY = np.zeros((3660, 3660), bool)
DAY = datetime(2021, 11, 3, 2, tzinfo=UTC)


def test_a_record_comes_back_as_it_was(tmp_path):
    record = month_record(set_aside=[SetAside("OPERA_L2_x", "no VH layer")])
    write_record(tmp_path / "months" / "2021-11.json", record)
    read = read_record(tmp_path / "months" / "2021-11.json")
    assert read == record
    assert list(read.bands) == ["VV_dB", "VH_dB", "Ratio", "RVI"]
    assert list(read.count.histogram) == [1, 3]
    assert [(x.name, x.size, x.md5) for x in read.granules[0].layers] == [
        (x.name, x.size, x.md5) for x in sorted(record.granules[0].layers, key=lambda x: x.name)
    ]
    assert read.to_json() == record.to_json()


def test_the_file_says_what_a_month_was_made_of():
    text = month_record().to_json()
    content = json.loads(text)
    assert text == json.dumps(content, indent=1, sort_keys=True) + "\n"
    assert {k: content[k] for k in ("schema", "tile", "direction", "month", "status", "level", "polarization")} == {
        "schema": 1,
        "tile": "10SGD",
        "direction": "ASCENDING",
        "month": "2021-11",
        "status": "complete",
        "level": "hARDCp",
        "polarization": "VV+VH",
    }
    assert content["granules"][0] == {
        "id": "OPERA_L2_RTC-S1_T137-292318-IW1_20211103T020000Z_20250830T000000Z_S1A_30_v1.0",
        "layers": {name: {"size": 7_000_018, "md5": "0" * 32} for name in ("VV", "VH", "mask")},
        "mask": True,
    }
    assert content["passes"][0] == {
        "name": "T137_20211103T020000Z",
        "track": 137,
        "platforms": ["S1A"],
        "start": "2021-11-03T02:00:00Z",
        "end": "2021-11-03T02:00:09Z",
        "bursts": 4,
    }
    assert len(content["passes"]) == 3 and len(content["granules"]) == 12
    assert content["grid"] == {
        "epsg": 32610,
        "resolution": 30.0,
        "left": 699960.0,
        "top": 3900000.0,
        "width": 3660,
        "height": 3660,
    }
    assert content["pixels"]["total"] == 3660**2
    assert sum(content["count"]["histogram"].values()) == content["pixels"]["valid"]
    assert content["bands"]["Ratio"]["index"] == 3


def test_passes_are_counted_by_track_where_there_are_several():
    days = [(DAY, 137), (DAY + timedelta(3), 64), (DAY + timedelta(12), 137)]
    pooled = month_record(
        granules=[granule(day + timedelta(seconds=3 * n), 7 + n, t) for day, t in days for n in (0, 1)]
    )
    content = json.loads(pooled.to_json())
    assert content["passes_by_track"] == {"64": 1, "137": 2} and pooled.passes_by_track == {64: 1, 137: 2}
    assert list(pooled.passes_by_track) == [64, 137]
    assert "passes_by_track" not in json.loads(month_record().to_json()), "records from before stay as they are"
    assert month_record().passes_by_track == {137: 3} and month_record(unknown=True).passes_by_track is None


@pytest.mark.parametrize(
    ("platforms", "mixed"),
    [
        (["S1A", "S1C", "S1A"], "2 of S1A and 1 of S1C"),
        (["S1D", "S1C", "S1A"], "1 of S1A and 1 of S1C and 1 of S1D"),
        (["S1A", "S1B"], ""),
        (["S1C", "S1D"], ""),
        (["S1A"], ""),
    ],
)
def test_a_mixture_of_satellites_is_a_warning(tmp_path, platforms, mixed):
    days = [DAY + timedelta(6 * n) for n in range(len(platforms))]
    record = month_record(granules=[granule(d, platform=p) for d, p in zip(days, platforms, strict=True)])
    write_record(tmp_path / "r.json", record)
    content = json.loads((tmp_path / "r.json").read_text())
    expected = [f"passes of satellites that may be calibrated differently are mixed: {mixed}"] if mixed else []
    assert content.get("warnings", []) == record.warnings == read_record(tmp_path / "r.json").warnings == expected
    assert ("warnings" in content) == bool(mixed) and month_record(unknown=True).warnings == []


def test_a_single_pass_that_quegan_yu_leaves_as_it_is_is_a_warning():
    granules = [granule(DAY), granule(DAY + timedelta(12)), granule(DAY + timedelta(3), 7, 64)]

    def warned(granules: list[Granule], method: str) -> list[str]:
        return replace(month_record(granules=granules), despeckled={"method": method}).warnings

    told = "not despeckled, since quegan_yu needs two passes of a track: track 64"
    assert warned(granules, "quegan_yu") == [told]
    assert warned(granules[:2], "quegan_yu") == []
    assert warned(granules, "boxcar") == []


def test_granules_left_out_after_reading_are_lost_not_used():
    first, second = granule(DAY), granule(DAY + timedelta(6))
    record = month_record(granules=[first, second], set_aside=[SetAside("OPERA_L2_x", "no VH layer")])
    without = record.without({second.id: "its burst has no static granule"})
    assert without.granules == (first,) and without.missing_granules == [second.id]
    assert without.set_aside == (*record.set_aside, SetAside(second.id, "its burst has no static granule", lost=True))
    assert without.unread == () and record.without({}) == record, "no later run tries them again"


def test_a_granule_without_a_mask_layer_says_so():
    content = json.loads(month_record(granules=[granule(DAY, layers="VV VH")]).to_json())
    assert content["granules"][0]["mask"] is False


def test_a_month_without_a_valid_pixel_is_empty(tmp_path):
    record = month_record(mask=EMPTY)
    write_record(tmp_path / "r.json", record)
    read = read_record(tmp_path / "r.json")
    assert (read.status, read.coverage, read.footprint) == ("empty", 0.0, None)
    assert json.loads(record.to_json())["bands"]["VV_dB"]["mean"] is None
    tile = tile_geobox(record.key.tile)
    centre = Transformer.from_crs(32610, 4326, always_xy=True).transform(tile.left + 54900, tile.top - 54900)
    assert read.geometry.contains(shapely.Point(centre))  # the outline of the grid


def test_writing_again_renews_the_time_of_modification(tmp_path):
    path = tmp_path / "r.json"
    write_record(path, month_record())
    before = path.read_bytes()
    os.utime(path, (1, 1))
    write_record(path, month_record())
    assert path.read_bytes() == before
    assert path.stat().st_mtime > 1
    assert os.listdir(tmp_path) == ["r.json"]


def test_a_number_that_json_cannot_hold_is_refused():
    record = month_record()
    with pytest.raises(ValueError):
        replace(record, recipe={**record.recipe, "x": float("nan")}).to_json()


DAMAGE = {
    "cut short": lambda text: text[:-20],
    "a list": lambda text: "[]",
    "another schema": lambda text: text.replace('"schema": 1', '"schema": 2'),
    "a field missing": lambda text: text.replace('"digest"', '"digset"'),
    "an altered value": lambda text: text.replace('"complete"', '"empty"'),
    "no seal": lambda text: text.replace('"seal"', '"seel"'),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_record_is_named_with_the_remedy(tmp_path, damage):
    path = tmp_path / "2021-11.json"
    text = month_record().to_json()
    damaged = DAMAGE[damage](text)
    assert damaged != text
    path.write_text(damaged, encoding="utf-8")
    with pytest.raises(ProductError) as caught:
        read_record(path)
    assert caught.value.remedy == how_to_mend(path), "it may be the last witness of a month"
    assert str(path) in caught.value.problem


def test_platforms_tracks_and_passes_come_from_the_granules():
    granules = [
        granule(DAY, platform="S1A"),
        granule(DAY + timedelta(seconds=3), 292319, platform="S1A"),
        granule(DAY + timedelta(days=6), platform="S1B", track=35),
    ]
    record = month_record(granules=granules)
    assert record.platforms == ["sentinel-1a", "sentinel-1b"]
    assert record.tracks == [35, 137]
    assert [len(pass_.granules) for pass_ in record.passes] == [2, 1]


def test_missing_granules_are_those_whose_acquisition_no_other_granule_covers():
    used, lacking, older = granule(DAY), granule(DAY, 292319), granule(DAY + timedelta(seconds=1))
    record = month_record(
        granules=[used],
        set_aside=[
            SetAside(older.id.replace("_v1.0", "_v0.9"), "cut short", lost=True),
            SetAside(lacking.id, "no VH layer", lost=True),
            SetAside("a_stray_file.tif", "not a granule", lost=True),
            SetAside(granule(DAY, 292320).id, "left out by choice"),
        ],
    )
    assert record.missing_granules == [lacking.id]


def test_software_versions_are_those_installed():
    found = software_versions(s1monthly="1.2.3")
    assert found["numpy"] == np.__version__
    assert found["rasterio"] == rasterio.__version__
    assert found["s1monthly"] == "1.2.3"


def lonlat_of(mask, grid, every=97):
    rows, columns = (axis[::every] for axis in np.nonzero(mask))
    x, y = rasterio.transform.xy(rasterio.Affine(*grid.transform), rows, columns)
    return np.column_stack(Transformer.from_crs(grid.epsg, 4326, always_xy=True).transform(x, y))


@pytest.mark.parametrize("tile", ["10SGD", "33VVE", "23KKQ", ANTIMERIDIAN])
def test_a_footprint_covers_the_data_and_little_more(tile):
    grid = tile_geobox(Tile(tile))
    row, column = np.mgrid[: grid.height, : grid.width]
    mask = column + 0.2 * row < 3000
    outline = shape(footprint(mask, grid))
    assert outline.is_valid and all(part.exterior.is_ccw for part in shapely.get_parts(outline))
    inside = shapely.contains_xy(outline, lonlat_of(mask, grid, 9973))
    outside = shapely.contains_xy(outline, lonlat_of(column + 0.2 * row > 3000 + 60, grid, 9973))
    assert inside.all()
    assert not outside.any()


def test_a_footprint_at_the_antimeridian_is_split_there():
    record = month_record(ANTIMERIDIAN, mask=np.ones((3660, 3660), bool))
    west, south, east, north = record.geometry.bounds
    assert record.footprint["type"] == "MultiPolygon"
    assert (west, east) == (-180.0, 180.0)
    assert all(part.bounds[2] - part.bounds[0] < 5 for part in record.geometry.geoms)
    box = lonlat_bounds([record.geometry])
    assert 175 < box[0] < 180 and -180 < box[2] < -175 and box[1::2] == [south, north]


def test_a_footprint_of_nothing_is_none():
    assert footprint(np.zeros((10, 10), bool), GeoBox(32610, 30.0, 0.0, 0.0, 10, 10)) is None


BOX = shapely.box
BOUNDS = {
    "one": ([BOX(1, 2, 3, 4)], [1, 2, 3, 4]),
    "apart, none split": ([BOX(-150, 0, -149, 1), BOX(140, 5, 141, 6)], [-150, 0, 141, 6]),
    "split": ([shapely.MultiPolygon([BOX(179, 0, 180, 1), BOX(-180, 0, -179, 1)])], [179, 0, -179, 1]),
    "split, and one to the east": (
        [shapely.MultiPolygon([BOX(179, 0, 180, 1), BOX(-180, 0, -179, 1)]), BOX(-150, -3, -149, 1)],
        [179, -3, -149, 1],
    ),
    "split, and one to the west": (
        [BOX(100, -3, 120, 1), shapely.MultiPolygon([BOX(-180, 0, -179, 1), BOX(179, 0, 180, 1)])],
        [100, -3, -179, 1],
    ),
    "nothing": ([], None),
}


@pytest.mark.parametrize("case", BOUNDS)
def test_bounds_follow_the_rule_of_geojson(case):
    geometries, expected = BOUNDS[case]
    assert lonlat_bounds(geometries) == expected


def test_an_altered_record_is_not_read(tmp_path):
    whole = month_record()
    write_record(tmp_path / "r.json", whole)
    content = json.loads((tmp_path / "r.json").read_text())
    (tmp_path / "r.json").write_text(json.dumps(content, indent=7))
    assert read_record(tmp_path / "r.json") == whole, "spaces say nothing"
    for altered in (
        {**content, "granules": content["granules"][:1]},
        {k: v for k, v in content.items() if k != "seal"},
    ):
        (tmp_path / "r.json").write_text(json.dumps(altered))
        with pytest.raises(ProductError, match=r"r\.json: .*altered since it was written.*catalog_rebuild"):
            read_record(tmp_path / "r.json")


def test_what_is_read_back_must_be_what_the_record_says():
    values = np.array([[1, 2], [np.nan, 4]], np.float32)
    record = replace(month_record(), bands={"VV_dB": band_statistics(values)})
    ((name, passed),) = verified(record, [("VV_dB", values)])
    assert name == "VV_dB" and passed is values
    lost = values.copy()
    lost[0, 0] = np.nan
    for name, wrong in (("VV_dB", lost), ("VV_dB", values + 1), ("VH_dB", values)):
        with pytest.raises(ProductError, match=rf"band {name}.*keep cube and record"):
            list(verified(record, [(name, wrong)]))


def test_what_is_not_known_of_a_month_is_null_and_comes_back_so(tmp_path):
    record = month_record(unknown=True)
    write_record(tmp_path / "r.json", record)
    content = json.loads((tmp_path / "r.json").read_text())
    origin = ("granules", "set_aside", "unread", "granules_digest", "software")
    assert {name: content[name] for name in (*origin, "passes")} == dict.fromkeys((*origin, "passes"))
    read = read_record(tmp_path / "r.json")
    assert read == record and read.unknown == list(origin)
    assert read.passes is read.tracks is read.platforms is read.missing_granules is None
    assert month_record().unknown == []


def test_granules_of_which_the_ids_alone_are_known_claim_no_layers(tmp_path):
    bare = replace(granule(DAY), layers=())
    record = replace(month_record(), granules=(bare,), set_aside=None)
    write_record(tmp_path / "r.json", record)
    content = json.loads((tmp_path / "r.json").read_text())
    assert content["granules"] == [{"id": bare.id, "layers": None, "mask": None}]
    read = read_record(tmp_path / "r.json")
    assert read == record and read.unknown == ["set_aside", "layers"]
    assert read.tracks == [137] and read.missing_granules is None
