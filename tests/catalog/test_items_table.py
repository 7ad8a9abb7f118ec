"""The tables of Items: what stac-geoparquet reads from them are the Items."""

from __future__ import annotations

import json
import re
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from stac_geoparquet.arrow import stac_table_to_items

from s1monthly.catalog.document import read_document, write_document
from s1monthly.catalog.items_table import items_of, joined, read_items
from s1monthly.catalog.table import read_catalog
from s1monthly.catalog.update import catalog_all, catalog_tile
from s1monthly.errors import ProductError
from s1monthly.granule_names import STATIC_LAYERS
from support.month_samples import ANTIMERIDIAN, lay_down, month_record, write_search

EMPTY = np.zeros((3660, 3660), bool)
TEXTURES = {"metrics": ["contrast"], "levels": 16, "inputs": {"VV_dB": [-25, 5]}}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Months that differ in all that Items can differ in, and a tile without any Item."""
    lay_down(tmp_path, month_record())
    lay_down(tmp_path, month_record(month="2021-12", mask=EMPTY, unknown=True), kinds=())
    lay_down(tmp_path, month_record(direction="DESCENDING", textures=TEXTURES, polarization="HH+HV"))
    lay_down(tmp_path, month_record(ANTIMERIDIAN, mask=~EMPTY))
    write_search(tmp_path / "10SGE_ASCENDING", ["2021-10"])
    static = tmp_path / "10SGD_ASCENDING" / "static" / "10SGD_S1_Static_ASCENDING_T137.json"
    static.parent.mkdir()
    for path in (static, *(static.with_name(f"{static.stem}_{layer}.tif") for layer in STATIC_LAYERS)):
        path.write_text("{}")
    publish(tmp_path)
    return tmp_path


def publish(base: Path) -> None:
    for folder in sorted(base.glob("*_*ING")):
        catalog_tile(folder)
    catalog_all(base)


def items_in(path: Path) -> dict[str, dict]:
    """Items that stac-geoparquet reads, by id; what an Item lacks and another one has is null."""
    return {item["id"]: without_null(item) for item in stac_table_to_items(read_items(path))}


def without_null(value: object) -> object:
    if isinstance(value, dict):
        return {name: without_null(inner) for name, inner in value.items() if inner is not None}
    return [without_null(inner) for inner in value] if isinstance(value, list | tuple) else value


def seen_from(item: dict, base: Path, folder: Path) -> dict:
    """An Item with paths as a table in `base` must have them, and moments as stac-geoparquet writes them."""
    text = re.sub(r'("(?:start_|end_)?datetime": "[^"]*)Z"', r'\1.000000Z"', json.dumps(item))
    item = json.loads(text)
    if base != folder:
        for asset in item["assets"].values():
            asset["href"] = f"{folder.name}/{asset['href']}"
        for link in item["links"]:
            inside = link["rel"] == "static-layers"
            link["href"] = f"{folder.name}/{link['href']}" if inside else link["href"].replace("../", "./")
    return item


def test_stac_geoparquet_reads_every_item_from_the_table_of_all_and_from_that_of_its_tile(base: Path) -> None:
    paths = sorted(base.glob("*/*_20*.json"))
    everything = items_in(base / "items.parquet")
    assert list(everything) == [path.stem for path in paths] and len(paths) == 4
    for path in paths:
        item = read_document(path)
        linked = path.name == "10SGD_ASCENDING_2021-11.json"
        assert ("T137_mask" in item["assets"], "static-layers" in str(item["links"])) == (linked, linked)
        assert everything[path.stem] == seen_from(item, base, path.parent)
        assert items_in(path.parent / "items.parquet")[path.stem] == seen_from(item, path.parent, path.parent)
        for name, asset in everything[path.stem]["assets"].items():
            assert (base / asset["href"]).exists(), name
    assert read_items(base / "10SGE_ASCENDING" / "items.parquet").num_rows == 0


def test_duckdb_finds_items_by_their_properties(base: Path) -> None:
    query = f"select id from '{base}/items.parquet' where \"sat:orbit_state\" = 'descending' and bbox.xmin < -120"
    assert duckdb.sql(query).fetchall() == [("10SGD_DESCENDING_2021-11",)]


def test_the_same_tree_gives_the_same_bytes_and_a_new_item_is_in_step_at_once(base: Path) -> None:
    before = (base / "items.parquet").read_bytes()
    assert catalog_all(base, only_if_changed=True)[1] == []
    folder = lay_down(base, month_record(month="2022-01"))
    catalog_tile(folder)
    catalog_all(base)
    named = [row["item_path"] for row in read_catalog(base / "catalog.parquet") if row["item_path"]]
    assert [Path(path).stem for path in named] == list(items_in(base / "items.parquet"))
    for path in folder.glob("*2022-01*.json"):
        path.unlink()
    (folder / "months" / "2022-01.json").unlink()
    for left in (*folder.glob("cog/*2022-01*"), *folder.glob("preview/*2022-01*")):
        left.unlink()
    publish(base)
    assert (base / "items.parquet").read_bytes() == before


@pytest.mark.parametrize("damage", ["missing", "cut short", "of other Items", "another table"])
def test_a_tile_without_a_good_table_is_read_from_its_items(base: Path, damage: str) -> None:
    """As after a run of a version that knows no such table."""
    path, expected = base / "10SGD_ASCENDING" / "items.parquet", (base / "items.parquet").read_bytes()
    other = base / ("10SGD_DESCENDING" if damage == "of other Items" else "10SGD_ASCENDING")
    content = (other / ("catalog.parquet" if damage == "another table" else "items.parquet")).read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(content[:100] if damage == "cut short" else content)
    catalog_all(base)
    assert (base / "items.parquet").read_bytes() == expected


def test_items_of_the_version_before_stand_beside_new_ones(base: Path) -> None:
    path = base / "10SGD_DESCENDING" / "10SGD_DESCENDING_2021-11.json"
    item = json.loads(path.read_text().replace("s1monthly:", "s1:").replace("collection_DESCENDING", "collection"))
    for band in item["assets"]["cog"]["bands"]:
        band["nodata"] = "nan"
    write_document(path, item)
    publish(base)
    read = items_in(base / "items.parquet")
    assert read["10SGD_DESCENDING_2021-11"]["properties"]["s1:status"] == "complete"
    assert "s1:status" not in read["10SGD_ASCENDING_2021-11"]["properties"]
    rows = {Path(row["item_path"]).stem for row in read_catalog(base / "catalog.parquet") if row["item_path"]}
    assert rows == read.keys()


@pytest.mark.parametrize("change", [{"gsd": "thirty"}, {"cube:dimensions": 3}])
def test_items_that_fit_in_no_table_are_named(base: Path, change: dict) -> None:
    folder = lay_down(base, month_record(month="2022-01"))
    path = folder / "10SGD_ASCENDING_2022-01.json"
    item = read_document(path)
    item["properties"] |= change
    write_document(path, item)
    with pytest.raises(ProductError, match="10SGD_ASCENDING: its Items fit in no table"):
        catalog_tile(folder)
    with pytest.raises(ProductError, match="fit in no table"):
        joined([pa.table({"gsd": ["a"]}), pa.table({"gsd": [1.0]})])


def test_a_damaged_item_is_left_out(base: Path) -> None:
    folder = base / "10SGD_ASCENDING"
    rows = read_catalog(folder / "catalog.parquet")
    (folder / rows[0]["item_path"]).write_text("{")
    assert items_of(rows, folder)["id"].to_pylist() == ["10SGD_ASCENDING_2021-12"]
