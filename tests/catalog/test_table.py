"""Catalogs: made from what lies there, one row a month, read by the field's tools."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from s1monthly.catalog.table import ADDED, COLUMNS, PATHS, SCHEMA, global_rows, read_catalog, tile_rows, write_catalog
from s1monthly.catalog.update import catalog_lock
from s1monthly.errors import ProductError
from s1monthly.files import flock
from s1monthly.granules import GranuleList, SetAside
from s1monthly.grid.tiles import tile_outline
from s1monthly.layout import lock_file
from s1monthly.model import Month, Tile
from s1monthly.records.search_log import Answer, write_answers
from support.month_samples import ANTIMERIDIAN, granule, lay_down, month_record, publish, write_search

EMPTY = np.zeros((3660, 3660), bool)
PEER_COLUMNS = [
    *("mgrs_tile_id", "flight_direction", "month", "datetime", "cog_path", "zarr_path", "preview_path", "crs", "width"),
    *("height", "transform", "processing_level", "preview_crs", "preview_width", "preview_height", "preview_bounds"),
]
LACKING = granule(datetime(2021, 11, 5, tzinfo=UTC), 292400)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Two tiles: one complete, one empty month, two without data; one month without COG and preview."""
    base = tmp_path_factory.mktemp("output")
    lay_down(base, month_record(set_aside=[SetAside(LACKING.id, "no VH layer", lost=True)]))
    lay_down(base, month_record(month="2021-12", mask=EMPTY))
    lay_down(base, month_record(ANTIMERIDIAN, "DESCENDING", "2022-01", mask=~EMPTY), kinds=())
    write_search(base / "10SGD_ASCENDING", ["2021-10", "2022-03"])
    publish(base)
    return base


def test_the_peers_columns_come_first():
    assert SCHEMA.names[:16] == PEER_COLUMNS
    assert len(set(SCHEMA.names)) == len(COLUMNS)
    assert all(column.description for column in COLUMNS)


@pytest.mark.parametrize("name", ["run:1", "s3:bucket", "~", "a b#%20?*[x]"])
def test_a_catalog_is_read_from_a_folder_of_any_name(name, tree, tmp_path, monkeypatch):
    """Pyarrow takes text for a URI, and expands ``~``."""
    monkeypatch.chdir(tmp_path)
    path = Path(name, "10SGD_ASCENDING", "catalog.parquet")
    path.parent.mkdir(parents=True)
    shutil.copy(tree / path.relative_to(name), path)
    assert read_catalog(path) == read_catalog(str(path)) == read_catalog(tree / path.relative_to(name))


def test_a_row_says_what_its_month_is(tree):
    row = read_catalog(tree / "10SGD_ASCENDING" / "catalog.parquet")[1]
    record = month_record()
    shown = {name: row[name] for name in SCHEMA.names if name not in ("geometry", "bbox", "count_mean", "coverage")}
    assert shown == {
        "mgrs_tile_id": "10SGD",
        "flight_direction": "ASCENDING",
        "track": None,
        "month": "2021-11",
        "datetime": datetime(2021, 11, 1, tzinfo=UTC),
        "cog_path": "cog/10SGD_S1_Monthly_ASCENDING_2021-11.tif",
        "zarr_path": "zarr/S1_monthly.zarr",
        "preview_path": "preview/10SGD_S1_Monthly_ASCENDING_2021-11.png",
        "crs": "EPSG:32610",
        "width": 3660,
        "height": 3660,
        "transform": [30.0, 0.0, 699960.0, 0.0, -30.0, 3900000.0],
        "processing_level": "hARDCp",
        "preview_crs": "EPSG:32610",
        "preview_width": 366,
        "preview_height": 366,
        "preview_bounds": [699960.0, 3790200.0, 809760.0, 3900000.0],
        "status": "complete",
        "data": "OPERA RTC-S1",
        "polarization": "VV+VH",
        "radiometry": "gamma0_terrain",
        "bands": ["VV_dB", "VH_dB", "Ratio", "RVI"],
        "platforms": ["sentinel-1a"],
        "tracks": [137],
        "granules": 12,
        "passes": 3,
        "first_acquisition": datetime(2021, 11, 3, 2, tzinfo=UTC),
        "last_acquisition": datetime(2021, 11, 15, 2, 0, 9, tzinfo=UTC),
        "missing_granules": [LACKING.id],
        "valid_pixels": record.valid,
        "count_min": 1,
        "count_max": 3,
        "digest": record.digest,
        "record_path": "months/2021-11.json",
        "item_path": "10SGD_ASCENDING_2021-11.json",
        "asked": None,
    }
    assert row["coverage"] == record.valid / 3660**2
    assert row["count_mean"] == pytest.approx(2.0, abs=1e-6)
    assert shapely.from_wkb(row["geometry"]).equals(record.geometry)


def test_months_without_data_are_rows_too(tree):
    rows = read_catalog(tree / "10SGD_ASCENDING" / "catalog.parquet")
    assert [(row["month"], row["status"]) for row in rows] == [
        ("2021-10", "no data"),
        ("2021-11", "complete"),
        ("2021-12", "empty"),
        ("2022-03", "no data"),
    ]
    assert rows[0]["asked"] == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert rows[0]["granules"] == 0 and rows[0]["coverage"] == 0.0
    assert [rows[0][name] for name in PATHS] == [None] * len(PATHS)
    outline = shapely.from_wkb(rows[0]["geometry"])
    assert outline.symmetric_difference(tile_outline(Tile("10SGD"))).area < 1e-4
    always = {column.name for column in COLUMNS if column.always}
    known = {"asked", "granules", "passes", "platforms", "tracks", "missing_granules"}
    assert {name for name, value in rows[0].items() if value is not None} == always | known


def test_a_month_that_was_made_is_not_called_without_data(tmp_path):
    folder = lay_down(tmp_path, month_record(month="2021-10"))
    write_search(folder, ["2021-10"])
    assert [(row["month"], row["status"]) for row in tile_rows(folder)] == [("2021-10", "complete")]


def test_products_that_are_switched_off_are_null(tree):
    (row,) = tile_rows(tree / "01KAB_DESCENDING")
    assert row["cog_path"] is row["preview_path"] is row["preview_bounds"] is None
    assert row["item_path"] == "01KAB_DESCENDING_2022-01.json"


@pytest.mark.parametrize("item", ["whole", "lost", "damaged", "of other values"])
@pytest.mark.parametrize("cog", ["of the month", "of other values", "deleted"])
def test_what_may_be_of_older_values_is_not_named(tmp_path, item, cog):
    """A COG says of what values it is; a preview does not, so an Item must name it."""
    record = month_record()
    folder = lay_down(tmp_path, record)
    path = next(folder.glob("*_2021-11.json"))
    if cog == "of other values":
        next((folder / "cog").iterdir()).write_text("0" * 64)
    elif cog == "deleted":
        next((folder / "cog").iterdir()).unlink()
    if item == "lost":
        path.unlink()
    elif item != "whole":
        path.write_text("{" if item == "damaged" else path.read_text().replace(record.digest, "0" * 64))
    (row,) = tile_rows(folder)
    assert (row["cog_path"] is not None) == (cog == "of the month")
    assert (row["preview_path"] is not None) == (row["item_path"] is not None) == (item == "whole")


def test_paths_resolve_from_the_catalogs_folder(tree):
    for path in (tree / "catalog.parquet", *tree.glob("*/catalog.parquet")):
        found = [row[name] for row in read_catalog(path) for name in PATHS if row[name]]
        assert len(found) >= 3
        assert all((path.parent / place).exists() and not os.path.isabs(place) for place in found)


def test_the_global_catalog_holds_every_row_once_and_sorted(tree):
    rows = read_catalog(tree / "catalog.parquet")
    keys = [(row["mgrs_tile_id"], row["flight_direction"], row["month"]) for row in rows]
    assert keys == sorted(set(keys)) and len(keys) == 5
    assert rows == global_rows(tree)


def test_geopandas_reads_it(tree):
    frame = geopandas.read_parquet(tree / "catalog.parquet")
    assert frame.crs.to_epsg() == 4326 or frame.crs.to_authority() == ("OGC", "CRS84")
    assert len(frame) == 5 and frame.geometry.is_valid.all()
    assert frame.set_index("month").loc["2021-11"].geometry.contains(shapely.Point(-120.5, 34.8))
    assert str(frame["datetime"].dt.tz) == "UTC"


@pytest.mark.parametrize(
    ("area", "tiles"),
    [
        ((-121, 34, -120, 35), {"10SGD"}),
        ((0, 0, 10, 10), set()),
        ((-179.9, -17, -179.8, -16.5), {"01KAB"}),
        ((179.5, -17, 179.9, -16.5), {"01KAB"}),
    ],
)
def test_the_rows_of_an_area_are_found_by_the_covering(tree, area, tiles):
    """Of a tile at the antimeridian on both sides of it."""
    assert set(geopandas.read_parquet(tree / "catalog.parquet", bbox=area).mgrs_tile_id) >= tiles
    frame = geopandas.read_parquet(tree / "catalog.parquet", bbox=area)
    assert set(frame[frame.intersects(shapely.box(*area))].mgrs_tile_id) == tiles


def test_the_covering_is_the_bounds_of_each_geometry(tree):
    for row in read_catalog(tree / "catalog.parquet"):
        assert tuple(row["bbox"].values()) == shapely.from_wkb(row["geometry"]).bounds
        assert list(row["bbox"]) == ["xmin", "ymin", "xmax", "ymax"]


def test_a_month_whose_record_was_rebuilt_has_null_where_nothing_is_known(tmp_path):
    unknown = dict.fromkeys(("granules", "set_aside", "unread", "granules_digest", "software"))
    folder = lay_down(tmp_path, replace(month_record(), **unknown))
    (row,) = tile_rows(folder)
    write_catalog(tmp_path / "catalog.parquet", [row])
    (read,) = read_catalog(tmp_path / "catalog.parquet")
    columns = ("granules", "passes", "platforms", "tracks", "first_acquisition", "last_acquisition", "missing_granules")
    assert {name: read[name] for name in columns} == dict.fromkeys(columns)
    assert read["digest"] == month_record().digest and read["status"] == "complete"


def test_duckdb_reads_it(tree):
    found = duckdb.sql(
        f"select mgrs_tile_id, sum(valid_pixels), max(len(tracks)), count(asked) from '{tree / 'catalog.parquet'}' "
        "group by mgrs_tile_id order by all"
    ).fetchall()
    assert found == [("01KAB", 3660**2, 1, 0), ("10SGD", month_record().valid, 1, 2)]


def test_the_geometry_column_is_described(tree):
    for path in (tree / "catalog.parquet", tree / "10SGD_ASCENDING" / "catalog.parquet"):
        geo = json.loads(pq.read_schema(path).metadata[b"geo"])
        assert geo["version"] == "1.1.0" and geo["primary_column"] == "geometry"
        column = geo["columns"]["geometry"]
        assert column["encoding"] == "WKB" and column["orientation"] == "counterclockwise"
        assert column["covering"] == {"bbox": {name: ["bbox", name] for name in ("xmin", "ymin", "xmax", "ymax")}}
        assert geo.keys() == {"version", "primary_column", "columns"} and geo["columns"].keys() == {"geometry"}
        assert column.keys() == {"encoding", "geometry_types", "orientation", "covering", "bbox"}  # no crs: OGC:CRS84
        shapes = [shapely.from_wkb(row["geometry"]) for row in read_catalog(path)]
        assert set(column["geometry_types"]) == {shape.geom_type for shape in shapes}
        assert all(part.exterior.is_ccw for shape in shapes for part in shapely.get_parts(shape))
    whole = json.loads(pq.read_schema(tree / "catalog.parquet").metadata[b"geo"])["columns"]["geometry"]["bbox"]
    assert whole[0] > 179 and -120 < whole[2] < -119  # crosses the antimeridian


def test_the_same_rows_give_the_same_bytes(tree, tmp_path):
    rows = global_rows(tree)
    write_catalog(tmp_path / "a.parquet", rows)
    write_catalog(tmp_path / "b.parquet", rows[::-1])
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert (tmp_path / "a.parquet").read_bytes() == (tree / "catalog.parquet").read_bytes()


def test_a_catalog_without_rows_is_a_table_too(tmp_path):
    write_catalog(tmp_path / "catalog.parquet", [])
    assert read_catalog(tmp_path / "catalog.parquet") == []
    assert len(geopandas.read_parquet(tmp_path / "catalog.parquet")) == 0
    assert global_rows(tmp_path) == []


def test_a_month_that_is_there_twice_is_refused(tree, tmp_path):
    rows = tile_rows(tree / "10SGD_ASCENDING")
    with pytest.raises(ProductError, match="10SGD_ASCENDING_2021-11 is there twice"):
        write_catalog(tmp_path / "catalog.parquet", [*rows, rows[1]])
    assert os.listdir(tmp_path) == []


def test_a_row_that_lacks_what_it_must_have_leaves_the_old_catalog_alone(tree, tmp_path):
    path = tmp_path / "catalog.parquet"
    rows = tile_rows(tree / "10SGD_ASCENDING")
    write_catalog(path, rows)
    before = path.read_bytes()
    with pytest.raises((pa.ArrowException, ValueError)):
        write_catalog(path, [{**rows[0], "granules": "many"}])
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["catalog.parquet"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("10SGD_ASCENDING", "10SGE_ASCENDING"),
        ("10SGD_ASCENDING/months/2021-11.json", "10SGD_ASCENDING/months/2021-12.json"),
    ],
)
def test_a_record_of_another_folder_or_month_is_refused(tmp_path, old, new):
    lay_down(tmp_path, month_record())
    (tmp_path / old).rename(tmp_path / new)
    with pytest.raises(ProductError, match=r"\.json: this record is of 10SGD_ASCENDING_2021-11"):
        tile_rows(tmp_path / new.split("/")[0])


@pytest.mark.parametrize("name", ["10SGD", "10SGD_UP", "copy of 10SGD_ASCENDING"])
def test_a_folder_that_is_none_of_a_tile_is_refused(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(ProductError, match="not a folder of a tile and direction"):
        tile_rows(tmp_path / name)


def test_what_is_no_record_is_passed_over(tmp_path):
    folder = lay_down(tmp_path, month_record())
    for name in (".2021-12.4711.part.json", "2021-12.json.bak", "notes.json"):
        (folder / "months" / name).write_text("{")
    assert [row["month"] for row in tile_rows(folder)] == ["2021-11"]


@pytest.mark.parametrize("name", ["months/2021-11.json", "search.json"])
def test_a_damaged_document_is_named(tmp_path, name):
    folder = lay_down(tmp_path, month_record())
    (folder / name).write_text("{")
    with pytest.raises(ProductError, match=re.escape(name)):
        tile_rows(folder)


def test_a_tile_catalog_of_another_tile_is_refused(tmp_path, tree):
    folder = tmp_path / "10SGE_ASCENDING"
    folder.mkdir()
    write_catalog(folder / "catalog.parquet", tile_rows(tree / "10SGD_ASCENDING"))
    with pytest.raises(ProductError, match=r"10SGE_ASCENDING/catalog\.parquet: holds a row of 10SGD_ASCENDING_2021-10"):
        global_rows(tmp_path)


def test_a_table_with_other_columns_is_named(tmp_path, tree):
    folder = tmp_path / "10SGD_ASCENDING"
    folder.mkdir()
    table = pq.ParquetFile(tree / "10SGD_ASCENDING" / "catalog.parquet").read()
    pq.write_table(table.drop_columns(["digest"]), folder / "catalog.parquet")
    with pytest.raises(ProductError, match=r"columns: digest\).*delete it"):
        global_rows(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PAR1 and nothing more", None])
def test_a_table_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "catalog.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ProductError, match=r"catalog\.parquet: catalog cannot be read"):
        read_catalog(path)


def test_a_month_whose_granules_cannot_be_used_is_not_one_without(tmp_path):
    folder = tmp_path / "10SGD_ASCENDING"
    folder.mkdir()
    lost = GranuleList((), (SetAside(LACKING.id, "no layer VH", lost=True),))
    left_out = GranuleList((), (SetAside(LACKING.id, "track 137 is not among roi.tracks"),))
    asked = datetime(2026, 1, 2, tzinfo=UTC)
    answers = {Month(2021, 11): Answer.of(lost, asked, ""), Month(2021, 12): Answer.of(left_out, asked, "")}
    write_answers(folder / "search.json", {}, answers)
    found = [(row["month"], row["status"], row["missing_granules"]) for row in tile_rows(folder)]
    assert found == [("2021-11", "unusable", [LACKING.id]), ("2021-12", "no data", [])]


def test_a_lock_on_a_full_disk_is_held_all_the_same(tmp_path, monkeypatch):
    """A waiting writer then does not learn who holds it, which is no reason to fail."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with catalog_lock(tmp_path / "catalog.parquet"), open(lock_file(tmp_path / "catalog.parquet")) as lock:
        assert flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB) is False


def test_a_catalog_of_an_older_version_gives_the_rows_of_today(tree, tmp_path):
    path, today = tmp_path / "catalog.parquet", tree / "10SGD_ASCENDING" / "catalog.parquet"
    table = pq.ParquetFile(today).read()
    pq.write_table(table.drop_columns([*ADDED]), path)
    rows = read_catalog(path)
    assert rows == read_catalog(today)
    assert {row["radiometry"] for row in rows} == {"gamma0_terrain", None}, "a month, and one without granules"
    pq.write_table(table.drop_columns(["radiometry", "digest"]), path)
    with pytest.raises(ProductError, match="not a catalog of this version"):
        read_catalog(path)
