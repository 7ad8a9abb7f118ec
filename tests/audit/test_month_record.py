"""The seal of a record decides: one that is lost, damaged or edited is measured in the cube, its granules unknown."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from s1monthly.audit.month_validation import Depth
from s1monthly.audit.validation import validate
from s1monthly.catalog.document import read_document
from s1monthly.catalog.lineage import lineage, processing_tags
from s1monthly.records.month import Record, read_record, write_record
from support import stac_rules
from support.audited_tree import DECEMBER, DESCENDING, NOVEMBER, VALID, edit_json, rebuild, rows, truncate
from support.month_samples import ITEM_ORIGIN
from support.small_tree import SmallTree

ORIGIN = ["granules", "set_aside", "unread", "granules_digest", "software"]


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    """Everything printed, on one line."""
    return " ".join(capsys.readouterr().out.split())


EDITS: dict[str, Callable[[dict], object]] = {
    "a granule": lambda record: record["granules"][0].update(
        id=record["granules"][0]["id"].replace("T137-292318", "T042-292318")
    ),
    "no recipe": lambda record: record.update(recipe=None),
    "digest": lambda record: record.update(digest="0" * 64),
}
LOSSES: dict[str, Callable[[Path], object]] = {
    "lost": Path.unlink,
    "cut": truncate,
    "a list": lambda path: path.write_text("[]"),
    **{name: lambda path, change=change: edit_json(path, change) for name, change in EDITS.items()},  # type: ignore[misc]
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_record_that_is_not_believed_is_measured_in_the_cube(
    tree: SmallTree, loss: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tree.path("record", NOVEMBER)
    made, others = read_record(path), {kind: tree.path(kind, NOVEMBER).read_bytes() for kind in ("cog", "preview")}
    LOSSES[loss](path)
    (found,) = validate(tree.base).problems
    assert found.place == str(path)
    assert rebuild(tree) == 0
    assert "2021-11 record: " in printed(capsys)
    assert read_record(path) == replace(made, **dict.fromkeys(ORIGIN))
    assert path.stat().st_mtime_ns <= tree.path("cog", NOVEMBER).stat().st_mtime_ns, "a run would make it again"
    assert rows(tree)[1]["granules"] is rows(tree)[1]["tracks"] is rows(tree)[1]["missing_granules"] is None
    item = read_document(tree.path("item", NOVEMBER))
    stac_rules.validate(item)
    assert not set(ITEM_ORIGIN) & set(item["properties"])
    report = validate(tree.base)
    assert report.problems == []
    (note,) = report.notes
    assert f"{', '.join(ORIGIN)} not known" in note.problem and "reads its granules again" in note.problem
    assert {kind: tree.path(kind, NOVEMBER).read_bytes() for kind in others} == others
    tree.run()
    assert read_record(path) == made
    assert validate(tree.base, Depth(digests=True)).to_text() == VALID


@pytest.mark.parametrize("lost", ["cube", "months"])
def test_an_edited_record_is_never_catalogued(tree: SmallTree, lost: str) -> None:
    """Without the cube's values nothing can be measured; the row of before stays."""
    before, path = rows(tree)[1], tree.path("record", NOVEMBER)
    edit_json(path, EDITS["a granule"])
    edited, store = path.read_bytes(), tree.path("cube", NOVEMBER)
    if lost == "months":
        (store / "status/c/0").unlink()
    for folder in [store] if lost == "cube" else [store / name / "c/0" for name in ("VV_dB", "VH_dB", "Ratio", "RVI")]:
        shutil.rmtree(folder)
    found = next(finding for finding in validate(tree.base).problems if finding.place == str(path))
    assert "altered since it was written" in found.problem
    assert rebuild(tree) == 1
    assert path.read_bytes() == edited
    gone = ("zarr_path", "record_path")
    assert [(name, value) for name, value in rows(tree)[1].items() if name not in gone] == [
        (name, value) for name, value in before.items() if name not in gone
    ]


def test_a_record_in_another_form_is_believed(tree: SmallTree) -> None:
    """An editor that indents otherwise has changed nothing; the Item gets its new checksum."""
    path = tree.path("record", NOVEMBER)
    path.write_text(json.dumps(json.loads(path.read_text()), indent=4))
    (found,) = validate(tree.base).problems
    assert found.place == str(tree.path("item", NOVEMBER))
    assert rebuild(tree) == 0
    assert read_record(path).unknown == []
    assert validate(tree.base, Depth(digests=True)).to_text() == VALID


@pytest.mark.parametrize("change", [{"schema": 2}, {"month": "2021-12"}])
def test_a_valid_record_of_something_else_is_not_overwritten(
    tree: SmallTree, change: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tree.path("record", NOVEMBER)
    if "schema" in change:
        edit_json(path, lambda record: record.update(change))
    else:
        shutil.copy(tree.path("record", DECEMBER), path)
    before = path.read_bytes()
    assert rebuild(tree) == 1
    assert "schema 2, not 1" in (out := printed(capsys)) or "this record is of 10SGD_ASCENDING_2021-12" in out
    assert f"mv {path.absolute()} " in out
    assert path.read_bytes() == before


@pytest.mark.parametrize("witness", ["cog", "item", "tile_catalog", "catalog"])
def test_damaged_values_make_no_record(tree: SmallTree, witness: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A single file that states another digest is enough to see it."""
    chunks = tree.path("cube", NOVEMBER) / "VH_dB" / "c"
    shutil.copy(chunks / "1" / "0" / "0", chunks / "0" / "0" / "0")
    for kind in {"record", "cog", "item", "tile_catalog", "catalog"} - {witness}:
        tree.path(kind, NOVEMBER).unlink()
    assert rebuild(tree) == 1
    assert not tree.path("record", NOVEMBER).exists()
    assert "the values in the cube are not those of its " in printed(capsys)


def test_lost_chunks_make_no_record_even_without_witness(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(tree.path("cube", NOVEMBER) / "VH_dB" / "c" / "0")
    for kind in ("record", "cog", "item", "tile_catalog", "catalog"):
        tree.path(kind, NOVEMBER).unlink()
    assert rebuild(tree) == 1
    assert "band VH_dB and the count of passes disagree" in printed(capsys)
    assert not tree.path("record", NOVEMBER).exists()


def test_a_file_that_agrees_outweighs_those_that_are_older(tree: SmallTree) -> None:
    """A run that made the month again was killed after the catalog; then the record was lost, too."""
    tree.add("2021-11")
    tree.make(NOVEMBER, "cube", "record", "tile_catalog")
    digest = read_record(tree.path("record", NOVEMBER)).digest
    tree.path("record", NOVEMBER).unlink()
    assert rebuild(tree) == 1, "the COG is older"
    assert read_record(tree.path("record", NOVEMBER)).digest == digest
    cog, record = (tree.path(kind, NOVEMBER).stat().st_mtime_ns for kind in ("cog", "record"))
    assert cog < record, "a run makes the COG again"


@pytest.mark.parametrize("name", ["level", "polarization"])
def test_a_recipe_of_another_version_is_reported(
    tree: SmallTree, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tree.path("cube", DESCENDING)
    edit_json(store / "zarr.json", lambda root: root["attributes"]["s1monthly"]["recipe"].pop(name))
    for witness in ("record", "cog"):  # otherwise they tell what the root lacks
        shutil.rmtree(tree.path(witness, DESCENDING).parent)
    assert rebuild(tree) == 1
    assert "the recipe of the cube is of another version" in printed(capsys)


def test_a_record_that_knows_nothing_is_read_as_it_was_written(tree: SmallTree, tmp_path: Path) -> None:
    known = read_record(tree.path("record", NOVEMBER))
    record: Record = replace(known, **dict.fromkeys(ORIGIN))
    write_record(tmp_path / "r.json", record)
    assert read_record(tmp_path / "r.json") == record
    assert (record.unknown, known.unknown) == (ORIGIN, [])
    assert record.passes is record.tracks is record.platforms is record.missing_granules is None
    tags, fewer = processing_tags(known), processing_tags(record)
    assert tags.keys() - fewer.keys() == {"GRANULES", "PASSES", "SOFTWARE"}
    assert lineage(record).startswith("OPERA RTC-S1 granules (gamma0 power); ")
    assert "median of passes" in lineage(record)
    assert record.count.histogram == {1: record.valid} and np.isfinite(record.bands["RVI"].mean)
