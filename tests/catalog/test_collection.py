"""Root Catalog and Collections: valid offline, complete, readable by pystac and its client."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pystac
import pystac_client
import pytest
import shapely

from s1monthly.audit.tree_files import list_tree
from s1monthly.catalog import table as catalog
from s1monthly.catalog.collection import stac_documents
from s1monthly.catalog.document import EXTENSIONS, read_document
from s1monthly.catalog.update import catalog_all, catalog_maps, catalog_tile
from s1monthly.grid.lattice import tile_geobox
from s1monthly.model import Tile
from support import stac_rules
from support.month_samples import ANTIMERIDIAN, granule, lay_down, month_record, publish, write_search

EMPTY = np.zeros((3660, 3660), bool)
DAY = datetime(2021, 11, 3, 2, tzinfo=UTC)
TWO_PLATFORMS = [granule(DAY), granule(DAY + timedelta(5), platform="S1B", track=35)]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Three tiles, one of them at the antimeridian; an empty month; months without data; one product without COG."""
    base = tmp_path_factory.mktemp("output")
    lay_down(base, month_record())
    lay_down(base, month_record(month="2021-12", mask=EMPTY))
    lay_down(base, month_record(direction="DESCENDING", month="2022-01", granules=TWO_PLATFORMS))
    lay_down(base, month_record("10SGE", month="2022-02", level="ARDC"), kinds=())
    lay_down(base, month_record(ANTIMERIDIAN, mask=~EMPTY, month="2021-01"))
    write_search(base / "10SGD_ASCENDING", ["2021-10", "2022-03"])
    publish(base)
    return base


DOCUMENTS = ("catalog.json", "collection.json", "collection_ASCENDING.json", "collection_DESCENDING.json")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_document_at_the_root_is_valid(tree, name):
    stac_rules.validate(read_document(tree / name))


def hrefs(document, rel):
    return [link["href"] for link in document["links"] if link["rel"] == rel]


def test_each_direction_has_a_collection_below_that_of_all_months(tree):
    catalog, document, ascending, descending = (read_document(tree / name) for name in DOCUMENTS)
    assert hrefs(catalog, "child") == ["./collection.json"]
    assert hrefs(document, "child") == ["./collection_ASCENDING.json", "./collection_DESCENDING.json"]
    assert hrefs(document, "item") == []
    assert hrefs(ascending, "item") == [
        "./01KAB_ASCENDING/01KAB_ASCENDING_2021-01.json",
        "./10SGD_ASCENDING/10SGD_ASCENDING_2021-11.json",
        "./10SGD_ASCENDING/10SGD_ASCENDING_2021-12.json",
        "./10SGE_ASCENDING/10SGE_ASCENDING_2022-02.json",
    ]
    assert hrefs(descending, "item") == ["./10SGD_DESCENDING/10SGD_DESCENDING_2022-01.json"]
    assert [each["id"] for each in (ascending, descending)] == [
        "s1-grits-monthly-ascending",
        "s1-grits-monthly-descending",
    ]
    assert ascending["summaries"]["sat:orbit_state"] == ["ascending"]
    assert descending["extent"]["temporal"]["interval"] == [["2022-01-01T00:00:00Z", "2022-01-31T23:59:59Z"]]
    assert ascending["renders"]["preview"]["rescale"] == [[-20.0, 0.0], [-27.0, -7.0], [0.0, 0.5]]


def test_tracks_and_both_directions_have_collections_which_go_with_their_months(tmp_path):
    stacks = ("ASCENDING", "ASCENDING_T137", "COMBINED", "DESCENDING_T071")
    for stack in stacks:
        grid = tile_geobox(Tile("10SGD"), 3660)
        lay_down(tmp_path, month_record(direction=stack, grid=grid, mask=np.ones(grid.shape, bool)))
        catalog_tile(tmp_path / f"10SGD_{stack}")
    rows, written = catalog_all(tmp_path)
    assert [catalog.stack_of(row) for row in rows] == list(stacks)
    names = [f"collection_{stack}.json" for stack in stacks]
    assert {path.name for path in written} >= {*names}
    for name in (*names, "collection.json"):
        stac_rules.validate(read_document(tmp_path / name))
    parent, _, track, combined, _ = (read_document(tmp_path / name) for name in ("collection.json", *names))
    assert hrefs(parent, "child") == [f"./{name}" for name in names]
    assert parent["summaries"]["sat:orbit_state"] == ["ascending", "descending"]
    assert (track["id"], track["title"].partition(", ")[2]) == (
        "s1-grits-monthly-ascending-t137",
        "ascending passes of track 137",
    )
    assert hrefs(track, "item") == ["./10SGD_ASCENDING_T137/10SGD_ASCENDING_T137_2021-11.json"]
    assert "sat:orbit_state" not in combined["summaries"]
    shutil.rmtree(tmp_path / "10SGD_ASCENDING_T137")
    catalog_all(tmp_path)
    assert not (tmp_path / names[1]).exists() and all((tmp_path / name).exists() for name in (names[0], *names[2:]))


def test_the_collection_of_all_months_is_complete(tree):
    document = read_document(tree / "collection.json")
    assert document["id"] == "s1-grits-monthly" and document["license"] == "other"
    assert document["extent"]["temporal"]["interval"] == [["2021-01-01T00:00:00Z", "2022-02-28T23:59:59Z"]]
    whole, *tiles = document["extent"]["spatial"]["bbox"]
    assert len(tiles) == 3
    assert whole[0] > 179 and -120 < whole[2] < -119  # from Fiji eastward to California
    assert tiles[0][0] > 179 and tiles[0][2] < -179
    summaries = document["summaries"]
    assert summaries["platform"] == ["sentinel-1a", "sentinel-1b"]
    assert summaries["sat:orbit_state"] == ["ascending", "descending"]
    assert summaries["s1monthly:processing_level"] == ["ARDC", "hARDCp"]
    assert summaries["s1monthly:status"] == ["complete", "empty", "no data"]
    assert [band["name"] for band in document["item_assets"]["cog"]["bands"]] == ["VV_dB", "VH_dB", "Ratio", "RVI"]


COLLECTION_FAULTS = {
    "scalar platform": lambda c: c["summaries"].update(platform="sentinel-1"),
    "scalar gsd": lambda c: c["summaries"].update(gsd=30.0),
    "no licence": lambda c: c.pop("license"),
    "two boxes": lambda c: c["extent"]["spatial"].update(bbox=c["extent"]["spatial"]["bbox"][:2]),
    "datacube declared and not used": lambda c: c["stac_extensions"].append(EXTENSIONS["cube"]),
    "an asset definition with a place": lambda c: c["item_assets"]["cog"].update(href="x"),
}


@pytest.mark.parametrize("fault", COLLECTION_FAULTS)
def test_control_a_faulty_collection_fails(tree, fault):
    document = read_document(tree / "collection.json")
    COLLECTION_FAULTS[fault](document)
    with pytest.raises(stac_rules.FAILURES):
        stac_rules.validate(document)


def test_the_same_rows_in_any_order_give_the_same_documents(tree):
    rows = catalog.global_rows(tree)
    assert json.dumps(stac_documents(rows[::-1])) == json.dumps(stac_documents(rows))
    for name, document in stac_documents(rows).items():
        assert json.dumps(document, indent=1) + "\n" == (tree / name).read_text()


def test_a_collection_of_one_tile_has_one_box():
    record = month_record(polarization="HH+HV")
    row = {
        **dict.fromkeys(catalog.SCHEMA.names),
        "mgrs_tile_id": "10SGD",
        "flight_direction": "ASCENDING",
        "month": "2021-11",
        "item_path": "10SGD_ASCENDING/10SGD_ASCENDING_2021-11.json",
        "polarization": "HH+HV",
        "bands": list(record.bands),
        "geometry": shapely.to_wkb(record.geometry),
    }
    documents = stac_documents([row])
    assert list(documents) == ["catalog.json", "collection.json", "collection_ASCENDING.json"]
    document = documents["collection_ASCENDING.json"]
    stac_rules.validate(document)
    assert len(document["extent"]["spatial"]["bbox"]) == 1
    assert document["summaries"]["sar:polarizations"] == ["HH", "HV"]


def test_a_collection_of_nothing_or_of_months_without_data_is_valid(tmp_path):
    for document in stac_documents([]).values():
        stac_rules.validate(document)
    write_search(tmp_path / "10SGD_ASCENDING", ["2021-10"])
    document = publish(tmp_path)
    stac_rules.validate(document)
    assert document["extent"]["temporal"]["interval"] == [["2021-10-01T00:00:00Z", "2021-10-31T23:59:59Z"]]
    assert not [link for link in document["links"] if link["rel"] == "item"]


def test_pystac_walks_the_tree(tree):
    root = pystac.Catalog.from_file(str(tree / "catalog.json"))
    read = root.get_child("s1-grits-monthly")
    items = list(root.get_items(recursive=True))
    assert len(items) == 5
    for entry in items:
        direction = f"s1-grits-monthly-{entry.properties['sat:orbit_state']}"
        assert entry.collection_id == entry.get_collection().id == entry.get_parent().id == direction
        assert entry.get_parent().get_parent().id == read.id
        assert entry.get_root().id == root.id
        for asset in entry.assets.values():
            assert Path(asset.get_absolute_href()).exists()
    assert read.extent.temporal.intervals[0][0] == datetime(2021, 1, 1, tzinfo=UTC)
    assert pystac.Item.from_file(items[1].self_href).ext.proj.epsg == 32610
    assert items[1].ext.grid.code == "MGRS-10SGD"
    assert items[1].ext.sat.relative_orbit == 137


def test_items_in_the_tree_are_valid_and_measure_their_files(tree):
    paths = sorted(tree.glob("*/*_20*.json"))
    assert len(paths) == 5
    for path in paths:
        document = read_document(path)
        stac_rules.validate(document)
        for asset in document["assets"].values():
            file = path.parent / asset["href"]
            if file.is_file():
                content = file.read_bytes()
                assert asset["file:size"] == len(content)
                assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()


def test_the_client_of_pystac_opens_the_tree_and_finds_its_items(tree):
    client = pystac_client.Client.open(str(tree / "catalog.json"))
    assert [each.id for each in client.get_collection("s1-grits-monthly").get_children()] == [
        "s1-grits-monthly-ascending",
        "s1-grits-monthly-descending",
    ]
    assert len(list(client.get_items(recursive=True))) == 5


def test_static_layers_and_changes_are_found_beside_the_months_and_not_among_them(tree, tmp_path):
    base = tmp_path / "output"
    shutil.copytree(tree, base)
    month = base / "10SGD_ASCENDING" / "10SGD_ASCENDING_2021-11.json"
    items = (
        base / "10SGD_ASCENDING" / "static" / "10SGD_S1_Static_ASCENDING_T137.json",
        base / "change" / "10SGD_ASCENDING_VV_dB_change.json",
    )
    for path in items:
        path.parent.mkdir()
        shutil.copy(month, path)
    before = read_document(base / "collection_ASCENDING.json")
    catalog_maps(base)
    assert read_document(base / "collection_ASCENDING.json") == before
    stac_rules.validate(read_document(base / "catalog_maps.json"))
    root = pystac.Catalog.from_file(str(base / "catalog.json"))
    assert [child.title for child in root.get_children()][1] == "Static layers and maps of changes"
    maps = root.get_child("s1monthly-maps")
    assert {link.get_absolute_href() for link in maps.get_item_links()} == {str(path) for path in items}
    assert not list_tree(base).strays
    shutil.rmtree(base / "change")
    items[0].unlink()
    catalog_all(base)
    assert not (base / "catalog_maps.json").exists() and hrefs(read_document(base / "catalog.json"), "child") == [
        "./collection.json"
    ]


def test_a_published_tree_says_where_it_is_and_tools_keep_it(tree, tmp_path):
    shutil.copytree(tree, tmp_path / "output")
    base, path = tmp_path / "output", tmp_path / "output" / "catalog.json"
    before = path.read_text()
    catalog_all(base, public_url="https://data.example.org/s1")
    assert hrefs(read_document(path), "self") == ["https://data.example.org/s1/catalog.json"]
    stac_rules.validate(read_document(path))
    assert catalog_all(base, only_if_changed=True)[1] == []
    catalog_all(base, public_url="")
    assert path.read_text() == before


def test_other_quantities_of_backscatter_are_named() -> None:
    record = month_record()

    def described(*quantities: str | None) -> tuple[str, str]:
        rows = [
            {
                **dict.fromkeys(catalog.SCHEMA.names),
                "mgrs_tile_id": "10SGD",
                "flight_direction": "ASCENDING",
                "month": f"2021-{month:02d}",
                "item_path": "10SGD_ASCENDING/10SGD_ASCENDING_2021-11.json",
                "polarization": "VV+VH",
                "radiometry": name,
                "bands": [*record.bands, "VV_dB_max"],
                "geometry": shapely.to_wkb(record.geometry),
            }
            for month, name in enumerate(quantities, 1)
        ]
        document = stac_documents(rows)["collection.json"]
        stac_rules.validate(document)
        types.append((document["summaries"]["sar:product_type"], {"RTC", "GTC"} & {*document["keywords"]}))
        spreads.append(document["item_assets"]["cog"]["bands"][-1]["description"])
        return document["description"], document["item_assets"]["cog"]["bands"][0]["description"]

    types: list[tuple[list[str], set[str]]] = []
    spreads: list[str] = []

    assert described(None, "gamma0_terrain") == described("gamma0_terrain", "gamma0_terrain")
    assert "(gamma0, radiometrically terrain-corrected, from" in described(None)[0]
    text, band = described("beta0", "beta0")
    assert "(beta0, from OPERA" in text and band == "beta0 backscatter, VV"
    text, band = described("beta0", "sigma0_ellipsoid")
    assert "(beta0 or sigma0 on the ellipsoid, from OPERA" in text and band == "backscatter, VV"
    described("gamma0_terrain", "beta0")
    assert types[-1] == (["GTC", "RTC"], {"GTC", "RTC"}) and types[-2] == (["GTC"], {"GTC"})
    assert types[0] == (["RTC"], {"RTC"})
    usual = "maximum of VV_dB over the passes, before despeckling"
    assert [spreads[0], spreads[3], spreads[-1]] == [usual, f"{usual}; beta0 backscatter", usual]
