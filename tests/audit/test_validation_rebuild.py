"""What an output tree has lost is made again from what lies there; what cannot be known is said, never invented."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

import catalog_rebuild
from s1monthly.audit.month_checks import Depth
from s1monthly.audit.validation import validate
from s1monthly.catalog import item as stac
from s1monthly.catalog import table as catalog
from s1monthly.model import CompositeKey, GranuleList, SetAside
from s1monthly.records.granule_list import read_granule_list, write_granule_list
from s1monthly.records.month import Record, read_record, write_record
from s1monthly.records.search_log import Answer, write_answers
from support import stac_rules
from support.small_tree import SmallTree

NOVEMBER = CompositeKey.parse("10SGD", "ASCENDING", "2021-11")
DECEMBER = CompositeKey.parse("10SGD", "ASCENDING", "2021-12")
REASON = SetAside("OPERA_L2_RTC-S1_T137-292319-IW1_20211103T020003Z_20250830T000000Z_S1A_30_v1.0", "no VH layer", True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> SmallTree:
    """Two months; a granule of the first was set aside."""
    tree = SmallTree(tmp_path_factory.mktemp("trees") / "output")
    for month in ("2021-11", "2021-12"):
        key = tree.add(month)
        if key == NOVEMBER:
            write_granule_list(tree.path("granules", key), GranuleList(tree.granules(key), (REASON,)))
        tree.make(key)
    return tree


@pytest.fixture
def tree(whole: SmallTree, tmp_path: Path) -> SmallTree:
    shutil.copytree(whole.base, tmp_path / "output")
    again = SmallTree(tmp_path / "output")
    again.months = dict(whole.months)
    return again


def rebuild(tree: SmallTree, *options: str) -> int:
    return catalog_rebuild.main(["--output-dir", str(tree.base), *options])


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    """Everything printed, on one line."""
    return " ".join(capsys.readouterr().out.split())


def contents(tree: SmallTree) -> dict[str, bytes]:
    """Every file outside the cube that is not hidden, by name."""
    paths = [path for path in tree.base.rglob("[!.]*") if path.is_file() and not {"zarr", ".runs"} & {*path.parts}]
    return {str(path.relative_to(tree.base)): path.read_bytes() for path in paths}


def times(tree: SmallTree) -> dict[str, int]:
    return {kind: tree.path(kind, NOVEMBER).stat().st_mtime_ns for kind in ("cog", "preview", "item")}


def test_a_whole_tree_stays_as_it_is(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(tree)
    files = {path: path.stat().st_mtime_ns for path in tree.base.rglob("[!.]*") if ".runs" not in path.parts}
    assert rebuild(tree) == 0
    assert contents(tree) == before
    assert {path: path.stat().st_mtime_ns for path in tree.base.rglob("[!.]*") if path in files} == files
    assert capsys.readouterr().out == "catalogued: 2 months of 1 folder, 1 without data\n"


def test_catalogs_and_collection_come_back_as_they_were(tree: SmallTree) -> None:
    """S1-GRiTS's rebuild drops previews and levels."""
    before = contents(tree)
    for path in (*tree.base.rglob("catalog.parquet"), tree.base / "collection.json"):
        path.unlink()
    assert rebuild(tree) == 0
    assert contents(tree) == before
    rows = catalog.read_catalog(tree.base / "catalog.parquet")
    assert [row["processing_level"] for row in rows] == [None, "hARDCp", "hARDCp"]
    assert [bool(row["preview_path"]) for row in rows] == [False, True, True]


def test_a_lost_record_comes_back_to_the_byte(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    before, made = contents(tree), times(tree)
    tree.path("record", NOVEMBER).unlink()
    assert rebuild(tree) == 0
    assert "10SGD_ASCENDING_2021-11 record: lost; the same to the byte" in printed(capsys)
    assert contents(tree) == before
    assert tree.path("record", NOVEMBER).stat().st_mtime_ns <= min(made.values())
    tree.run()
    assert times(tree) == made, "the workflow took products for outdated"


def test_a_cut_record_is_a_lost_one(tree: SmallTree) -> None:
    before = contents(tree)
    tree.path("record", NOVEMBER).write_bytes(b'{"schema": 1, ')
    assert rebuild(tree) == 0
    assert contents(tree) == before


def test_a_record_of_another_version_is_not_written_over(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    path = tree.path("record", NOVEMBER)
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 2}))
    before = path.read_bytes()
    assert rebuild(tree) == 1
    assert "schema 2, not 1" in printed(capsys)
    assert path.read_bytes() == before


def test_without_its_granule_list_a_record_knows_what_the_cog_says(
    tree: SmallTree, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = read_record(tree.path("record", NOVEMBER))
    shutil.rmtree(tree.base / "work")
    tree.path("record", NOVEMBER).unlink()
    assert rebuild(tree) == 0
    out = printed(capsys)
    assert "record: lost; from cube, COG; 4 facts null" in out
    found = read_record(tree.path("record", NOVEMBER))
    assert [granule.id for granule in found.granules] == [granule.id for granule in lost.granules]
    assert (found.tracks, found.platforms, found.software) == (lost.tracks, lost.platforms, lost.software)
    content = json.loads(tree.path("record", NOVEMBER).read_text())
    assert content["granules"][0] == {"id": lost.granules[0].id, "layers": None, "mask": None}
    unknown = {"set_aside": None, "unread": None, "granules_digest": None}
    assert {name: content[name] for name in unknown} == unknown
    row = catalog.read_catalog(tree.base / "catalog.parquet")[1]
    assert (row["granules"], row["tracks"], row["missing_granules"]) == (1, [137], None)
    # the Item was written again, as the record is another file; what it alone knew is kept
    item = stac.read_document(tree.path("item", NOVEMBER))
    assert item["properties"]["s1:missing_granules"] == 1
    stac_rules.validate(item)
    report = validate(tree.base, Depth(digests=True))
    assert report.problems == [] and len(report.notes) == 1


def test_a_granule_list_without_proof_is_not_believed(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    """It may name late granules that the month was not made of: here neither Item nor COG speaks for it."""
    for kind in ("record", "cog", "item"):
        tree.path(kind, NOVEMBER).unlink()
    assert rebuild(tree) == 1
    assert "record: lost; from cube; 5 facts null" in printed(capsys)
    assert read_record(tree.path("record", NOVEMBER)).granules is None


def test_a_granule_list_that_was_renewed_since_is_not_believed(tree: SmallTree) -> None:
    lost = read_record(tree.path("record", NOVEMBER))
    tree.months[NOVEMBER] += 1
    tree.search(NOVEMBER)
    assert len(read_granule_list(tree.path("granules", NOVEMBER)).granules) == 2
    tree.path("record", NOVEMBER).unlink()
    rebuild(tree)
    found = read_record(tree.path("record", NOVEMBER))
    assert [granule.id for granule in found.granules] == [granule.id for granule in lost.granules]
    assert found.granules_digest is None
    tree.run()
    assert len(read_record(tree.path("record", NOVEMBER)).granules) == 2
    assert validate(tree.base, Depth(digests=True)).to_text() == "valid: 2 months of 1 tile"


def test_a_granule_list_that_the_cog_confirms_is_believed(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree.path("record", NOVEMBER).read_bytes()
    for kind in ("record", "item"):
        tree.path(kind, NOVEMBER).unlink()
    assert rebuild(tree) == 0
    assert "record: lost; from cube, COG, granule list" in printed(capsys)
    assert tree.path("record", NOVEMBER).read_bytes() == before


def test_with_cogs_switched_off_the_item_proves_the_granule_list(tree: SmallTree) -> None:
    before = tree.path("record", NOVEMBER).read_bytes()
    for kind in ("record", "cog"):
        tree.path(kind, NOVEMBER).unlink()
    rebuild(tree)
    assert tree.path("record", NOVEMBER).read_bytes() == before


def test_without_cog_and_list_the_item_keeps_what_it_alone_knows(tree: SmallTree) -> None:
    shutil.rmtree(tree.base / "work")
    for key in (NOVEMBER, DECEMBER):
        tree.path("cog", key).unlink()
        item = stac.read_document(tree.path("item", key))
        del item["assets"]["cog"]
        stac.write_document(tree.path("item", key), {**item, "stac_extensions": stac.declared(item)})
    before = stac.read_document(tree.path("item", NOVEMBER))
    tree.path("record", NOVEMBER).unlink()
    assert rebuild(tree) == 0
    after = stac.read_document(tree.path("item", NOVEMBER))
    stac_rules.validate(after)
    assert {name: after["properties"].get(name) for name in stac.ORIGIN} == {
        name: before["properties"].get(name) for name in stac.ORIGIN
    }
    assert read_record(tree.path("record", NOVEMBER)).unknown == ["granules", "set_aside", "unread", "granules_digest"]
    assert validate(tree.base, Depth(digests=True)).problems == []
    assert rebuild(tree) == 0
    assert stac.read_document(tree.path("item", NOVEMBER)) == after


@pytest.mark.parametrize("witness", ["cog", "item", "tile_catalog", "catalog"])
def test_a_damaged_cube_makes_no_record(
    tree: SmallTree, witness: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A single witness is enough to see it."""
    chunks = tree.path("cube", NOVEMBER) / "VH_dB" / "c"
    shutil.copy(chunks / "1" / "0" / "0", chunks / "0" / "0" / "0")
    for kind in {"record", "cog", "item", "tile_catalog", "catalog"} - {witness}:
        tree.path(kind, NOVEMBER).unlink()
    assert rebuild(tree) == 1
    assert not tree.path("record", NOVEMBER).exists()
    assert "the values in the cube are not those of its " in printed(capsys)


def test_a_witness_that_agrees_outweighs_those_that_are_older(tree: SmallTree) -> None:
    """A run that made the month again was killed after the COG; then the record was lost, too."""
    tree.add("2021-11")
    tree.make(NOVEMBER, "cube", "record", "cog")
    before = read_record(tree.path("record", NOVEMBER))
    tree.path("record", NOVEMBER).unlink()
    rebuild(tree)
    assert read_record(tree.path("record", NOVEMBER)) == before


def test_what_is_of_older_values_says_nothing_of_the_origin(tree: SmallTree) -> None:
    """The catalog agrees with the cube; COG and Item are of the granules that the month had before."""
    tree.add("2021-11")
    tree.make(NOVEMBER, "cube", "record", "tile_catalog")
    tree.path("record", NOVEMBER).unlink()
    rebuild(tree)
    found = read_record(tree.path("record", NOVEMBER))
    assert found.unknown == ["granules", "set_aside", "unread", "granules_digest", "software"]


def test_lost_chunks_make_no_record_even_without_witness(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(tree.path("cube", NOVEMBER) / "VH_dB" / "c" / "0")
    for kind in ("record", "cog", "item", "tile_catalog", "catalog"):
        tree.path(kind, NOVEMBER).unlink()
    assert rebuild(tree) == 1
    assert "band VH_dB and the count of passes disagree" in printed(capsys)
    assert not tree.path("record", NOVEMBER).exists()


ITEM_FAULTS: dict[str, Callable[[SmallTree], object]] = {
    "deleted": lambda t: t.path("item", NOVEMBER).unlink(),
    "no JSON": lambda t: t.path("item", NOVEMBER).write_text("{"),
    "a list": lambda t: t.path("item", NOVEMBER).write_text("[]"),
    "edited": lambda t: t.path("item", NOVEMBER).write_text(
        t.path("item", NOVEMBER).read_text().replace("ascending", "descending")
    ),
    "a checksum edited": lambda t: t.path("item", NOVEMBER).write_text(
        t.path("item", NOVEMBER).read_text().replace('"file:checksum": "1220', '"file:checksum": "1221')
    ),
    "without assets": lambda t: t.path("item", NOVEMBER).write_text(
        json.dumps({**stac.read_document(t.path("item", NOVEMBER)), "assets": 3})
    ),
}


@pytest.mark.parametrize("fault", ITEM_FAULTS)
def test_an_item_is_written_again(tree: SmallTree, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(tree)
    ITEM_FAULTS[fault](tree)
    assert rebuild(tree) == 0
    assert "10SGD_ASCENDING_2021-11 Item: " in printed(capsys)
    assert contents(tree) == before


def damaged_cog(tree: SmallTree) -> None:
    with rasterio.open(tree.path("cog", NOVEMBER), "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        # compresses to fewer bytes than what was there, and is put in its place: the layout stays that of a COG
        dataset.write(np.full((40, 40), -9, np.float32), 1, window=Window(0, 0, 40, 40))


def one_pixel_off(tree: SmallTree) -> None:
    """A whole COG, in every header right, of which one pixel is not the cube's."""
    from s1monthly.raster.cog import write_cog

    record = read_record(tree.path("record", NOVEMBER))
    values, _ = tree.values(NOVEMBER)
    values["RVI"] = values["RVI"].copy()
    values["RVI"][10, 10] += 1
    labels = stac.output_bands(record)
    tags = stac.processing_tags(record)
    write_cog(tree.path("cog", NOVEMBER), values.values(), record.grid, labels, tags=tags, block_size=128)


UNSOUND: dict[str, tuple[Callable[[SmallTree], object], str]] = {
    "COG changed": (damaged_cog, "band VV_dB: not what the cube holds"),
    "COG of other values": (one_pixel_off, "band RVI: not what the cube holds"),
    "COG cut short": (
        lambda t: t.path("cog", NOVEMBER).write_bytes(t.path("cog", NOVEMBER).read_bytes()[:-2000]),
        "cut short",
    ),
    "COG deleted": (lambda t: t.path("cog", NOVEMBER).unlink(), "no COG"),
    "preview of another month": (
        lambda t: shutil.copy(t.path("preview", DECEMBER), t.path("preview", NOVEMBER)),
        "it does not show what the cube holds",
    ),
    "preview cut short": (
        lambda t: t.path("preview", NOVEMBER).write_bytes(t.path("preview", NOVEMBER).read_bytes()[:-100]),
        "cut short",
    ),
    "preview deleted": (lambda t: t.path("preview", NOVEMBER).unlink(), "no preview"),
    "month lost in the cube": (
        lambda t: (
            [shutil.rmtree(path) for path in t.path("cube", NOVEMBER).glob("[!s]*/c/0") if path.is_dir()]
            and (t.path("cube", NOVEMBER) / "status" / "c" / "0").unlink()
        ),
        "there is a record, the cube lacks the month",
    ),
    "values damaged in the cube": (
        lambda t: (damaged_cog(t), shutil.rmtree(t.path("cube", NOVEMBER) / "VV_dB" / "c" / "0")),
        "No COG holds its values",
    ),
}


@pytest.mark.parametrize("fault", UNSOUND)
def test_an_item_of_products_that_are_not_sound_is_not_written(
    tree: SmallTree, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its checksums would make a damaged file look whole."""
    damage, problem = UNSOUND[fault]
    tree.path("item", NOVEMBER).unlink()
    damage(tree)
    assert rebuild(tree) == 1
    assert not tree.path("item", NOVEMBER).exists()
    out = capsys.readouterr().out
    assert problem in " ".join(out.split())
    assert [row["month"] for row in catalog.read_catalog(tree.base / "catalog.parquet")] == [
        "2021-10",
        "2021-11",
        "2021-12",
    ]
    for line in out.splitlines():
        if line.startswith(("  $ rm ", "  $ mkdir ")):
            subprocess.run(line.removeprefix("  $ "), shell=True, check=True)
    tree.run()
    assert validate(tree.base, Depth(digests=True)).to_text() == "valid: 2 months of 1 tile"


def test_a_damaged_preview_costs_no_row(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.path("preview", NOVEMBER).write_text("hello")
    assert rebuild(tree) == 1
    assert f"$ rm {tree.path('preview', NOVEMBER)}" in capsys.readouterr().out
    row = catalog.read_catalog(tree.base / "catalog.parquet")[1]
    assert row["cog_path"] and row["preview_path"] is row["preview_bounds"] is None


def test_a_damaged_account_of_the_search_costs_no_row(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    before = catalog.read_catalog(tree.base / "catalog.parquet")
    tree.path("search", NOVEMBER).write_text("{")
    assert rebuild(tree) == 1
    assert f"$ rm {tree.path('search', NOVEMBER)}" in capsys.readouterr().out
    assert catalog.read_catalog(tree.base / "catalog.parquet") == before


def test_a_folder_by_another_name_is_told_and_the_others_are_catalogued(
    tree: SmallTree, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.make(tree.add("2021-11", direction="DESCENDING"))
    (tree.base / "10SGD_ASCENDING").rename(tree.base / "backup")
    (tree.base / "backup" / "cog" / "10SGD_S1_Monthly_DESCENDING_2021-11.tif").touch()  # so it is not put back
    before = catalog.read_catalog(tree.base / "catalog.parquet")
    assert rebuild(tree) == 1
    assert f"$ mv {tree.base}/backup {tree.base}/10SGD_ASCENDING" in capsys.readouterr().out
    rows = catalog.read_catalog(tree.base / "catalog.parquet")
    assert {row["flight_direction"] for row in rows} == {"ASCENDING", "DESCENDING"} and rows == before


def test_catalogs_of_a_tree_that_was_emptied_are_emptied(tree: SmallTree) -> None:
    for path in (tree.base / "10SGD_ASCENDING", tree.base / "work"):
        shutil.rmtree(path)
    assert len(validate(tree.base).problems) == 2  # catalog and Collection
    assert rebuild(tree) == 0
    assert catalog.read_catalog(tree.base / "catalog.parquet") == []
    assert validate(tree.base).to_text() == "valid: 0 months of 0 tiles"


def test_a_month_that_was_made_is_not_without_data(tree: SmallTree) -> None:
    """Its granules have gone from the source since."""
    asked = datetime(2024, 1, 2, tzinfo=UTC)
    write_answers(
        tree.path("search", NOVEMBER), {"tracks": None}, {NOVEMBER.month: Answer.of(GranuleList((), ()), asked, "")}
    )
    assert rebuild(tree) == 0
    rows = catalog.read_catalog(tree.base / "catalog.parquet")
    assert [row["status"] for row in rows] == ["no data", "complete", "complete"]
    assert validate(tree.base).to_text() == "valid: 2 months of 1 tile"


@pytest.mark.parametrize("change", [{"level": "ARDC"}, {"polarization": "HH+HV"}])
def test_a_recipe_without_what_a_record_needs_is_told(
    tree: SmallTree, change: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tree.path("cube", NOVEMBER) / "zarr.json"
    root = json.loads(path.read_text())
    for name in change:
        del root["attributes"]["s1monthly"]["recipe"][name]
    path.write_text(json.dumps(root))
    for witness in ("record", "cog"):  # else they tell what the root lacks
        shutil.rmtree(tree.path(witness, NOVEMBER).parent)
    assert rebuild(tree) == 1
    assert "the recipe of the cube is of another version" in printed(capsys)


def test_granule_lists_may_lie_elsewhere(tree: SmallTree, tmp_path: Path) -> None:
    before = tree.path("record", NOVEMBER).read_bytes()
    (tree.base / "work").rename(tmp_path / "elsewhere")
    tree.path("record", NOVEMBER).unlink()
    assert rebuild(tree, "--work-dir", str(tmp_path / "elsewhere")) == 0
    assert tree.path("record", NOVEMBER).read_bytes() == before


def test_a_record_that_knows_nothing_comes_back_as_it_was(tree: SmallTree, tmp_path: Path) -> None:
    known = read_record(tree.path("record", NOVEMBER))
    origin = dict.fromkeys(("granules", "set_aside", "unread", "granules_digest", "software"))
    record: Record = replace(known, **origin)
    write_record(tmp_path / "r.json", record)
    assert read_record(tmp_path / "r.json") == record
    assert record.unknown == list(origin)
    assert record.passes is record.tracks is record.platforms is record.missing_granules is None
    assert known.unknown == []
    assert {"GRANULES", "PASSES", "SOFTWARE"} == stac.processing_tags(known).keys() - stac.processing_tags(
        record
    ).keys()
    assert stac.lineage(record).startswith("OPERA RTC-S1 granules (gamma0 power); ")
    assert "median of passes" in stac.lineage(record)
