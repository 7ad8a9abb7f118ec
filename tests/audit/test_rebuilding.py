"""What an output tree has lost is made again from the tree; what cannot be made is reported, never invented."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from s1monthly.audit.month_validation import Depth
from s1monthly.audit.validation import validate
from s1monthly.catalog import update as cataloguing
from s1monthly.catalog.document import read_document
from s1monthly.catalog.lineage import output_bands, processing_tags
from s1monthly.cube import months as cube
from s1monthly.cube.write import write_month
from s1monthly.granules import GranuleList
from s1monthly.model import TileDirection
from s1monthly.raster.cog import write_cog
from s1monthly.records.month import read_record
from s1monthly.records.search_log import Answer, write_answers
from s1monthly.workflow.run_lock import hold
from support.audited_tree import (
    DECEMBER,
    DESCENDING,
    NOVEMBER,
    VALID,
    Damage,
    contents,
    edit_json,
    rebuild,
    rows,
    truncate,
)
from support.short_commands import short
from support.small_tree import SmallTree

MONTHS = ["2021-10", "2021-10", "2021-11", "2021-11", "2021-12"]
"""Months in the catalog of the tree, of both directions."""


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    """Everything printed, on one line."""
    return " ".join(capsys.readouterr().out.split())


def months(tree: SmallTree) -> list[str]:
    return sorted(row["month"] for row in rows(tree))


def test_a_valid_tree_stays_as_it_is(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    def times() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in tree.base.rglob("[!.]*") if ".s1monthly" not in path.parts}

    before = times()
    assert rebuild(tree) == 0 and times() == before
    assert capsys.readouterr().out == "catalogued: 3 months of 2 folders, 2 without data\n"


def test_catalogs_and_collection_come_back_as_they_were(tree: SmallTree) -> None:
    """S1-GRiTS's rebuild drops previews and levels."""
    before = contents(tree.base)
    for path in (*tree.base.rglob("catalog.parquet"), tree.base / "collection.json"):
        path.unlink()
    assert rebuild(tree) == 0
    assert contents(tree.base) == before
    assert [row["processing_level"] for row in rows(tree)] == [None, "hARDCp", "hARDCp", None, "hARDCp"]
    assert [bool(row["preview_path"]) for row in rows(tree)] == [False, True, True, False, True]


def test_catalogs_of_a_tree_that_was_emptied_are_emptied(tree: SmallTree) -> None:
    for name in ("10SGD_ASCENDING", "10SGD_DESCENDING", "work"):
        shutil.rmtree(tree.base / name)
    assert len(validate(tree.base).problems) == 5  # catalog, Items, and three Collections
    assert rebuild(tree) == 0
    assert rows(tree) == []
    assert validate(tree.base).to_text() == "valid: 0 months of 0 tiles"


def test_a_tile_that_a_run_works_on_is_passed_over(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    for key in (NOVEMBER, DESCENDING):
        tree.path("record", key).unlink()
    held = hold(tree.base, [TileDirection(NOVEMBER.tile, NOVEMBER.direction)])
    before = contents(tree.path("folder", NOVEMBER))
    assert rebuild(tree) == 1
    assert contents(tree.path("folder", NOVEMBER)) == before
    assert tree.path("record", DESCENDING).exists()
    assert "another run works on it" in printed(capsys)
    assert held
    held.release()
    assert rebuild(tree) == 0


# values in the cube


def chunk_lost(tree: SmallTree) -> None:
    (tree.path("cube", NOVEMBER) / "VV_dB/c/0/1/1").unlink()


def count_damaged(tree: SmallTree) -> None:
    (tree.path("cube", NOVEMBER) / "count/c/0/1/1").write_bytes(b"no chunk")


def other_values(tree: SmallTree) -> None:
    values, count = tree.values(NOVEMBER)
    write_month(tree.path("cube", NOVEMBER), NOVEMBER.month, {**values, "VV_dB": values["VV_dB"] + 1}, count)


@pytest.mark.parametrize("also_lost", ["cog", "preview", "item"])
@pytest.mark.parametrize("damage", [chunk_lost, other_values, count_damaged])
def test_values_come_back_from_the_cog_or_are_reported_as_lost(
    tree: SmallTree, damage: Damage, also_lost: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run refuses to show such values and advises to rebuild, so a rebuild must not just advise to run."""
    record = tree.path("record", NOVEMBER)
    digest, witness = read_record(record).digest, record.read_bytes()
    damage(tree)
    tree.path(also_lost, NOVEMBER).unlink()
    left = rebuild(tree)
    out = short(capsys.readouterr().out)
    assert record.read_bytes() == witness
    if damage is not count_damaged and also_lost != "cog":
        assert cube.month_digest(tree.path("cube", NOVEMBER), NOVEMBER.month) == digest
        assert left == (also_lost == "preview")
    else:
        assert left == 1 and "only its granules can make it again" in " ".join(out.split())
        assert f"mv {record} elsewhere/" in out and "rm " not in out
    assert months(tree) == MONTHS


def test_a_status_without_values_is_not_restored(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    store = tree.path("cube", NOVEMBER)
    (store / "status/c/0").unlink()
    (store / "VV_dB/c/0/1/1").unlink()
    assert rebuild(tree) == 1
    assert "there is a record, the cube lacks the month" in printed(capsys)
    assert cube.state(store).complete == (DECEMBER.month,)


# Items

ITEM_FAULTS: dict[str, Damage] = {
    "deleted": lambda tree: tree.path("item", NOVEMBER).unlink(),
    "no JSON": lambda tree: tree.path("item", NOVEMBER).write_text("{"),
    "a list": lambda tree: tree.path("item", NOVEMBER).write_text("[]"),
    "edited": lambda tree: edit_json(tree.path("item", NOVEMBER), lambda item: item.update(geometry=None)),
    "digest edited": lambda tree: edit_json(
        tree.path("item", NOVEMBER), lambda item: item["properties"].update({"s1monthly:digest": "0" * 64})
    ),
    "without assets": lambda tree: edit_json(tree.path("item", NOVEMBER), lambda item: item.update(assets=3)),
}


@pytest.mark.parametrize("fault", ITEM_FAULTS)
def test_an_item_is_written_again(tree: SmallTree, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(tree.base)
    ITEM_FAULTS[fault](tree)
    assert rebuild(tree) == 0
    assert "10SGD_ASCENDING_2021-11 Item: " in printed(capsys)
    assert contents(tree.base) == before


def pixels_changed(tree: SmallTree) -> None:
    with rasterio.open(tree.path("cog", NOVEMBER), "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        # compresses to fewer bytes than what was there, and is put in its place: the layout stays that of a COG
        dataset.write(np.full((64, 64), -9, np.float32), 1, window=Window(0, 0, 64, 64))


def one_pixel_off(tree: SmallTree) -> None:
    """A whole COG, in every header right, of which one pixel is not the cube's."""
    record = read_record(tree.path("record", NOVEMBER))
    values, _ = tree.values(NOVEMBER)
    values["RVI"][10, 10] += 1
    tags = processing_tags(record)
    write_cog(tree.path("cog", NOVEMBER), values.values(), record.grid, output_bands(record), tags, 128)


UNSOUND: dict[str, tuple[Damage, str]] = {
    "COG changed": (pixels_changed, "band VV_dB: not what the cube holds"),
    "COG of other values": (one_pixel_off, "band RVI: not what the cube holds"),
    "COG cut short": (lambda tree: truncate(tree.path("cog", NOVEMBER), 0.9), "cut short"),
    "COG deleted": (lambda tree: tree.path("cog", NOVEMBER).unlink(), "no COG"),
    "preview of another month": (
        lambda tree: shutil.copy(tree.path("preview", DECEMBER), tree.path("preview", NOVEMBER)),
        "it does not show what the cube holds",
    ),
    "preview cut short": (lambda tree: truncate(tree.path("preview", NOVEMBER)), "cut short"),
    "preview deleted": (lambda tree: tree.path("preview", NOVEMBER).unlink(), "no preview"),
    "values damaged in cube and COG": (lambda tree: (pixels_changed(tree), chunk_lost(tree)), "No COG mends that"),
}


@pytest.mark.parametrize("fault", UNSOUND)
def test_an_item_of_unsound_products_is_not_written(
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
    assert months(tree) == MONTHS
    for line in out.splitlines():
        if line.startswith(("  $ rm ", "  $ mkdir ")):
            subprocess.run(line.removeprefix("  $ "), shell=True, check=True)
    tree.run()
    assert validate(tree.base, Depth(digests=True)).to_text() == VALID


# rows that stay


def test_a_damaged_preview_costs_no_row(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.path("preview", NOVEMBER).write_text("hello")
    assert rebuild(tree) == 1
    assert f"$ rm {tree.path('preview', NOVEMBER)}" in short(capsys.readouterr().out)
    row = rows(tree)[1]
    assert row["cog_path"] and row["preview_path"] is row["preview_bounds"] is None


@pytest.mark.parametrize(
    "wrong", [None, {"asked": "yesterday"}, {"asked": None}, {"asked": "+00:00"}, {"granules": "2"}]
)
def test_a_damaged_search_log_costs_no_row(
    tree: SmallTree, wrong: dict | None, capsys: pytest.CaptureFixture[str]
) -> None:
    before, path = rows(tree), tree.path("search", NOVEMBER)
    if wrong is None:
        path.write_text("{")
    else:
        edit_json(path, lambda log: log["months"]["2021-10"].update(wrong))
    (found,) = validate(tree.base).problems
    assert found.place == str(path) and "damaged" in found.problem
    assert rebuild(tree) == 1 and rows(tree) == before
    assert f"$ rm {path}" in short(capsys.readouterr().out)


@pytest.mark.parametrize("also", ["", "tile_catalog"])
def test_without_the_search_log_months_without_data_stay(
    tree: SmallTree, also: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before, search = rows(tree), tree.path("search", NOVEMBER)
    search.unlink()
    if also:
        tree.path(also, NOVEMBER).unlink()
    found = {finding.place: finding.problem for finding in validate(tree.base).problems}
    assert found[str(search)].startswith("lost")
    assert set(found) == {str(search)} | ({str(tree.path(also, NOVEMBER))} if also else set())
    assert rebuild(tree) == 1
    assert "lost: months without data are known from the old catalog alone" in printed(capsys)
    assert rows(tree) == before and rows(tree)[0]["asked"]
    cataloguing.catalog_tile(tree.path("folder", NOVEMBER))
    cataloguing.catalog_all(tree.base)
    assert rows(tree) == before
    tree.run()
    assert validate(tree.base).to_text() == VALID
    assert rows(tree) == before


def test_a_month_that_was_made_is_not_without_data(tree: SmallTree) -> None:
    """Its granules have gone from the source since."""
    answer = Answer.of(GranuleList((), ()), datetime(2024, 1, 2, tzinfo=UTC), "")
    write_answers(tree.path("search", NOVEMBER), {"tracks": None}, {NOVEMBER.month: answer})
    assert rebuild(tree) == 0
    found = [row["status"] for row in rows(tree) if row["flight_direction"] == "ASCENDING"]
    assert found == ["no data", "complete", "complete"]
    assert validate(tree.base).to_text() == VALID


def lose_cube_and_record(tree: SmallTree) -> None:
    shutil.rmtree(tree.path("cube", NOVEMBER))
    tree.path("record", NOVEMBER).unlink()


def without(row: dict, *names: str) -> dict:
    return {name: value for name, value in row.items() if name not in names}


def cog_of_december(tree: SmallTree) -> None:
    shutil.copy(tree.path("cog", DECEMBER), tree.path("cog", NOVEMBER))


@pytest.mark.parametrize(
    "damage", [lambda _: None, cog_of_december, lambda tree: truncate(tree.path("cog", NOVEMBER), 0.1)]
)
def test_a_month_without_cube_and_record_stays_in_the_catalog(
    tree: SmallTree, damage: Damage, capsys: pytest.CaptureFixture[str]
) -> None:
    before, record = rows(tree)[1], tree.path("record", NOVEMBER)
    lose_cube_and_record(tree)
    damage(tree)
    problem = f"{record}\n  record and values in the cube are lost; left: COG, preview, Item. It must be"
    assert rebuild(tree) == 1
    assert problem in capsys.readouterr().out
    gone = ("zarr_path", "record_path")
    assert without(rows(tree)[1], *gone) == without(before, *gone)
    assert rows(tree)[1]["zarr_path"] is rows(tree)[1]["record_path"] is None
    links = read_document(tree.path("direction_collection", NOVEMBER))["links"]
    assert len([link for link in links if link["rel"] == "item"]) == 2
    report = validate(tree.base)
    assert {finding.place for finding in report.problems} == {str(record), str(tree.path("cube", NOVEMBER))}
    assert problem in report.to_text()
    tree.run()
    assert rows(tree)[1] == before


def test_a_month_without_cube_record_and_catalogs_is_reported(
    tree: SmallTree, capsys: pytest.CaptureFixture[str]
) -> None:
    lose_cube_and_record(tree)
    for kind in ("tile_catalog", "catalog", "item"):
        tree.path(kind, NOVEMBER).unlink()
    assert rebuild(tree) == 1
    assert "left: COG, preview. It must be made again" in printed(capsys)
    assert any("left: COG, preview. It" in finding.problem for finding in validate(tree.base).problems)


def test_the_workflow_keeps_the_row_of_a_month_without_cube_and_record(tree: SmallTree) -> None:
    """A run over other months catalogs the tile again."""
    lose_cube_and_record(tree)
    cataloguing.catalog_tile(tree.path("folder", NOVEMBER))
    cataloguing.catalog_all(tree.base)
    assert months(tree) == MONTHS
    for kind in ("cog", "preview", "item"):
        tree.path(kind, NOVEMBER).unlink()
    cataloguing.catalog_tile(tree.path("folder", NOVEMBER))
    cataloguing.catalog_all(tree.base)
    assert months(tree).count("2021-11") == 1, "no file of the month is left"


# what is printed


def test_what_was_written_is_printed_in_a_line_each(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.path("record", NOVEMBER).unlink()
    edit_json(
        tree.path("item", DECEMBER),
        lambda item: item["properties"].update({"s1monthly:coverage": 2, "gsd": 1.5, "x": 1}),
    )
    assert rebuild(tree) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert lines[0].startswith("10SGD_ASCENDING_2021-11 record: no record; measured in the cube, its granules")
    assert lines[1].startswith("10SGD_ASCENDING_2021-11 Item: wrong in ")
    assert lines[2].startswith("10SGD_ASCENDING_2021-12 Item: wrong in gsd; s1monthly:coverage; x")
    assert lines[3] == "10SGD_ASCENDING catalog: 1 row changed"
    assert lines[-1] == "catalogued: 3 months of 2 folders, 2 without data"
    assert rebuild(tree) == 0
    assert capsys.readouterr().out.splitlines() == lines[-1:]


def test_json_of_a_rebuild(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.path("tile_catalog", NOVEMBER).unlink()
    tree.path("preview", DECEMBER).unlink()
    assert rebuild(tree, "--json", "--work-dir", "elsewhere") == 1
    content = json.loads(capsys.readouterr().out)
    assert (content["whole"], content["months"], content["without_data"], content["folders"]) == (False, 3, 2, 2)
    assert content["made"][0] == {"place": "10SGD_ASCENDING", "what": "catalog", "why": "1 row changed"}
    (left,) = content["left"]
    left["commands"] = [short(command) for command in left["commands"]]
    run = "snakemake --cores 4 --configfile my.yaml"
    assert left == {"place": str(tree.path("preview", DECEMBER)), "problem": "no preview", "commands": [run]}
