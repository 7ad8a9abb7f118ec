"""Trees whose months have a COG for each band: validated, rebuilt, catalogued, and mixed with others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate

from s1monthly.audit.products import derived_difference
from s1monthly.audit.validation import validate
from s1monthly.catalog import item as stac
from s1monthly.catalog.assets import asset_file, preview_file
from s1monthly.catalog.document import write_document
from s1monthly.catalog.lineage import processing_tags
from s1monthly.catalog.update import catalog_all, catalog_tile
from s1monthly.cube import months as cube
from s1monthly.layout import Layout
from s1monthly.model import CompositeKey, Month
from s1monthly.mosaic.cog import write_cog_mosaic
from s1monthly.mosaic.plan import find_cogs, plan_mosaics
from s1monthly.mosaic.vrt import write_vrt
from s1monthly.raster.byte_cog import write_byte_cog
from s1monthly.records.month import read_record
from s1monthly.stages.publish import remove_stale, write_pictures
from support.audited_tree import DECEMBER, DESCENDING, NOVEMBER, VALID, contents, flip, rebuild, rows, truncate
from support.small_tree import SmallTree

BANDS = ("VV_dB", "VH_dB", "Ratio", "RVI")


def place_of(tree: SmallTree, key: CompositeKey) -> Layout:
    return tree.layout.of(key)


def split(tree: SmallTree, *keys: CompositeKey) -> None:
    """Publish months again, with a COG for each band, as rule publish does."""
    for key in keys:
        place, record = place_of(tree, key), read_record(tree.path("record", key))
        pictures = {kind: place.product(kind) for kind in (*BANDS, "preview")}
        assert remove_stale(record, place, pictures) == [Path(place.cog)]
        checksums = write_pictures(record, place.cube, pictures, 128)
        files = {name: asset_file(pictures[name], place.folder, checksums[name]) for name in BANDS}
        files |= {"zarr": asset_file(place.cube, place.folder), "record": asset_file(place.record, place.folder)}
        files["preview"] = preview_file(place.preview, place.folder, record.grid)
        write_document(place.item, stac.item(record, files))
        catalog_tile(place.folder)
    catalog_all(tree.base)


@pytest.fixture
def mixed(tree: SmallTree) -> SmallTree:
    """Two months with a COG for each band, one with a COG of all bands."""
    split(tree, NOVEMBER, DESCENDING)
    return tree


def problems(tree: SmallTree, *, digests: bool = False) -> list[str]:
    from s1monthly.audit.month_validation import Depth

    return [f"{Path(one.place).name}: {one.problem}" for one in validate(tree.base, Depth(digests=digests)).problems]


def test_a_mixed_tree_is_valid_and_a_rebuild_leaves_it(mixed: SmallTree) -> None:
    assert problems(mixed, digests=True) == [] and validate(mixed.base).to_text() == VALID
    before = contents(mixed.base)
    assert rebuild(mixed) == 0 and contents(mixed.base) == before


def test_items_and_catalogs_name_each_file(mixed: SmallTree) -> None:
    item = json.loads(mixed.path("item", NOVEMBER).read_text())
    assert list(item["assets"]) == ["zarr", "preview", "record", *BANDS]
    for name in BANDS:
        asset = item["assets"][name]
        assert asset["href"] == f"./cog/10SGD_S1_Monthly_ASCENDING_2021-11_{name}.tif".removeprefix("./")
        assert [band["name"] for band in asset["bands"]] == [name] and asset["roles"] == ["data"]
    assert item["properties"]["renders"]["preview"]["assets"] == ["VV_dB", "VH_dB", "Ratio"]
    assert "bidx" not in item["properties"]["renders"]["preview"]
    paths = {(row["flight_direction"], row["month"]): row["cog_path"] for row in rows(mixed) if row["cog_path"]}
    start = "10SGD_ASCENDING/cog/10SGD_S1_Monthly_ASCENDING"
    assert paths["ASCENDING", "2021-11"] == f"{start}_2021-11_VV_dB.tif"
    assert paths["ASCENDING", "2021-12"] == f"{start}_2021-12.tif"
    collection = {
        direction: json.loads((mixed.base / f"collection_{direction}.json").read_text())["item_assets"]
        for direction in ("ASCENDING", "DESCENDING")
    }
    assert {*BANDS, "cog"} < {*collection["ASCENDING"]}
    assert {*BANDS} < {*collection["DESCENDING"]} and "cog" not in collection["DESCENDING"]


def test_damage_of_one_band_is_named_and_nothing_else(mixed: SmallTree) -> None:
    place = place_of(mixed, NOVEMBER)
    flip(Path(place.band_cog("Ratio")))
    Path(place.band_cog("RVI")).unlink()
    truncate(Path(place.band_cog("VH_dB")), 0.9)
    name = "10SGD_S1_Monthly_ASCENDING_2021-11"
    found = problems(mixed)
    assert [line.split(":")[0] for line in found] == [f"{name}_RVI.tif", f"{name}_VH_dB.tif"]
    assert found[0].endswith("no COG, though the month's Item names it")
    assert rebuild(mixed) == 1, "runs make COGs again, not a rebuild"


def test_a_changed_value_of_a_band_is_found(mixed: SmallTree) -> None:
    path = Path(place_of(mixed, NOVEMBER).band_cog("VV_dB"))
    with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        values = dataset.read(1)
        values[10, 10] += 1
        dataset.write(values, 1)
    assert any("VV_dB.tif" in line for line in problems(mixed, digests=True))


def test_lost_items_are_written_again_with_the_cogs_that_are_there(mixed: SmallTree) -> None:
    before = {key: mixed.path("item", key).read_bytes() for key in (NOVEMBER, DECEMBER, DESCENDING)}
    for key in before:
        mixed.path("item", key).unlink()
    assert rebuild(mixed) == 0
    assert {key: mixed.path("item", key).read_bytes() for key in before} == before


def test_lost_values_come_back_from_the_cogs_of_all_bands(mixed: SmallTree) -> None:
    store = mixed.path("cube", NOVEMBER)
    expected, _ = mixed.values(NOVEMBER)
    slot = "0"
    for name in ("VV_dB", "RVI"):
        for chunk in (store / name / "c" / slot).rglob("*"):
            if chunk.is_file():
                chunk.unlink()
    assert problems(mixed) and rebuild(mixed) == 0
    for name, values in cube.read_bands(store, Month(2021, 11)):
        np.testing.assert_array_equal(values, expected[name])
    assert problems(mixed, digests=True) == []


def test_mosaics_of_single_bands_are_those_of_whole_cogs(tree: SmallTree, tmp_path: Path) -> None:
    def mosaics(folder: Path, epsg: int | None) -> list[np.ndarray]:
        cogs, lacking = find_cogs(tree.layout, Month(2021, 11), "ALL")
        assert len(cogs) == 2 and not lacking
        (mosaic,) = plan_mosaics(cogs, "ALL", epsg)
        assert tuple(label.name for label in mosaic.labels) == BANDS
        found = []
        for path in (write_vrt(mosaic, folder), write_cog_mosaic(mosaic, folder)):
            with rasterio.open(path) as dataset:
                assert dataset.descriptions == BANDS
                found.append(dataset.read())
        return found

    for epsg in (None, 4326):
        whole = mosaics(tmp_path / f"whole{epsg}", epsg)
        if epsg is None:
            split(tree, NOVEMBER)
        for one, other in zip(whole, mosaics(tmp_path / f"bands{epsg}", epsg), strict=True):
            np.testing.assert_array_equal(one, other)
    flip_digest = Path(place_of(tree, NOVEMBER).band_cog("RVI"))
    content = flip_digest.read_bytes()
    digest = read_record(tree.path("record", NOVEMBER)).digest.encode()
    flip_digest.write_bytes(content.replace(digest, b"0" * 64))
    _, lacking = find_cogs(tree.layout, Month(2021, 11), "ALL")
    assert len(lacking) == 1 and "of other values than its record" in lacking[0]


# further COGs

FURTHER = ("power", "overview-vv", "overview-vh", "overview-dual")


def with_further(tree: SmallTree, key: CompositeKey, *kinds: str) -> dict[str, Path]:
    """Publish a month with further COGs, as rule publish does."""
    place, record = place_of(tree, key), read_record(tree.path("record", key))
    pictures = {kind: Path(place.product(kind)) for kind in ("cog", *kinds, "preview")}
    checksums = write_pictures(record, place.cube, pictures, 128)
    assert [*checksums] == ["cog", *kinds]
    files = {kind: asset_file(pictures[kind], place.folder, checksums[kind]) for kind in checksums}
    files |= {"zarr": asset_file(place.cube, place.folder), "record": asset_file(place.record, place.folder)}
    files["preview"] = preview_file(place.preview, place.folder, record.grid)
    write_document(place.item, stac.item(record, files))
    catalog_tile(place.folder)
    catalog_all(tree.base)
    return pictures


def test_further_cogs_follow_from_the_bands(tree: SmallTree) -> None:
    paths = with_further(tree, NOVEMBER, *FURTHER)
    values, _ = tree.values(NOVEMBER)
    empty = np.isnan(values["VV_dB"])
    with rasterio.open(paths["power"]) as dataset:
        assert dataset.descriptions == ("VV", "VH") and dataset.units == ("1", "1") and dataset.dtypes[0] == "float32"
        for number, name in enumerate(("VV_dB", "VH_dB"), 1):
            power = 10 ** (values[name].astype(np.float64) / 10)
            np.testing.assert_allclose(dataset.read(number), power, 1e-6, equal_nan=True)
    for kind, names in (
        *(("overview-vv", ["VV_dB"]), ("overview-vh", ["VH_dB"])),
        ("overview-dual", ["VV_dB", "VH_dB", "Ratio"]),
    ):
        assert cog_validate(paths[kind], strict=True) == (True, [], [])
        with rasterio.open(paths[kind]) as dataset:
            assert dataset.descriptions == tuple(names) and set(dataset.nodatavals) == {0} and dataset.overviews(1)
            for number, name in enumerate(names, 1):
                low, high = {"VV_dB": (-20, 0), "VH_dB": (-27, -7), "Ratio": (0, 0.5)}[name]
                share = np.clip((values[name].astype(np.float64) - low) / (high - low), 0, 1)
                expected = np.where(empty, 0, np.rint(1 + 254 * np.where(empty, 0, share)))
                assert np.abs(dataset.read(number) - expected).max() <= 1
                np.testing.assert_array_equal(dataset.read_masks(number) == 0, empty)
    item = json.loads(tree.path("item", NOVEMBER).read_text())
    assert [*item["assets"]][-4:] == sorted(FURTHER, key=FURTHER.index)
    assert item["assets"]["power"]["roles"] == ["data"] and "visual" in item["assets"]["overview-vv"]["roles"]
    assert problems(tree, digests=True) == []


def test_further_cogs_are_checked_and_leave_when_they_are_stale(tree: SmallTree) -> None:
    paths = with_further(tree, NOVEMBER, *FURTHER)
    with rasterio.open(paths["overview-vv"], "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        dataset.write(np.full((1, *dataset.shape), 7, np.uint8))
    truncate(paths["overview-dual"], 0.9)
    paths["power"].unlink()
    found = [line.split("2021-11_")[1] for line in problems(tree)]
    assert [line.split(".tif: ")[0] for line in found] == ["overview-dual", "overview-vv", "power"]
    assert found[2].endswith("no power COG, though the month's Item names it")
    with_further(tree, NOVEMBER, *FURTHER)
    record, place = read_record(tree.path("record", NOVEMBER)), place_of(tree, NOVEMBER)
    write_byte_cog(
        *(paths["overview-vv"], {"VV_dB": np.full(record.grid.shape, 7, np.uint8)}, record.grid, ["x"]),
        processing_tags(record),
        averaged=True,
    )
    fault = derived_difference(paths["overview-vv"], record, "overview-vv", tree.values(NOVEMBER)[0])
    assert fault == "band VV_dB: not what follows from the cube"
    assert any("overview-vv.tif: not the file that the month's Item names" in line for line in problems(tree))
    assert remove_stale(record, place, ("cog", "preview")) == [], "of the record's values"
    other = replace(record, digest="0" * 64)
    assert remove_stale(other, place, ("cog", "preview")) == [paths[kind] for kind in sorted(FURTHER)]
