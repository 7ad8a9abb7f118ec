"""What a run leaves that was killed between any two writes is reported, and can be mended."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import rasterio

from s1monthly.audit.month_validation import Depth
from s1monthly.audit.validation import validate
from s1monthly.model import CompositeKey
from s1monthly.records.month import read_record
from support.audited_tree import copy_of, follow, rebuild, rows
from support.small_tree import STEPS, SmallTree


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> SmallTree:
    """One month, made and catalogued."""
    tree = SmallTree(tmp_path_factory.mktemp("trees") / "output")
    tree.make(tree.add("2021-11"))
    return tree


def copied(tree: SmallTree, folder: Path) -> SmallTree:
    shutil.copytree(tree.base, folder)
    return copy_of(tree, folder)


@pytest.fixture(scope="module")
def expected(first: SmallTree, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict]]:
    """Rows of the catalog where no run was killed: with a second month; with the first month of other granules."""
    folder = tmp_path_factory.mktemp("expected")
    found = {}
    for name, month in (("new", "2021-12"), ("replaced", "2021-11")):
        tree = copied(first, folder / name)
        tree.make(tree.add(month))
        found[name] = rows(tree)
    return found


def killed(first: SmallTree, folder: Path, kind: str, steps: int) -> tuple[SmallTree, CompositeKey]:
    """A tree after so many steps of a new month, or of one that is made again."""
    tree = copied(first, folder)
    key = tree.add("2021-12" if kind == "new" else "2021-11")
    if steps and kind == "replaced":
        tree.path("record", key).unlink()  # Snakemake removes a rule's output before it runs the rule again
    tree.make(key, *STEPS[:steps])
    return tree, key


@pytest.mark.parametrize("kind", ["new", "replaced"])
@pytest.mark.parametrize("steps", range(1, len(STEPS)), ids=lambda n: f"after {STEPS[n - 1]}")
def test_what_a_killed_run_left_is_reported_and_mended(
    first: SmallTree, expected: dict[str, list[dict]], tmp_path: Path, kind: str, steps: int
) -> None:
    tree, _ = killed(first, tmp_path / "output", kind, steps)
    for _round in range(2):
        report = validate(tree.base)
        silent = (kind, steps) == ("replaced", STEPS.index("collection"))  # the Collection says nothing of values
        assert report.problems or _round or silent, "nothing is reported"
        assert all(finding.commands for finding in report.problems)
        follow(tree, report.problems)
    assert validate(tree.base).to_text().startswith("valid: ")
    made = [row["status"] for row in rows(tree) if row["record_path"]]
    assert made == ["complete"] * (2 if kind == "new" else 1)
    tree.run()  # what catalogs could be made without it is made whole by the next run
    assert validate(tree.base, Depth(digests=True)).problems == []
    assert rows(tree) == expected[kind]


@pytest.mark.parametrize("kind", ["new", "replaced"])
@pytest.mark.parametrize("step", ["cube", "record", "cog", "preview"])
def test_rebuilding_in_between_spoils_nothing(
    first: SmallTree, expected: dict[str, list[dict]], tmp_path: Path, kind: str, step: str
) -> None:
    """As after a failed run, which catalogs what is finished."""
    tree, _ = killed(first, tmp_path / "output", kind, STEPS.index(step) + 1)
    kept = rows(tree)[:1]
    assert rebuild(tree) == (step != "preview")
    assert rows(tree)[:1] == kept
    tree.run()
    assert validate(tree.base, Depth(digests=True)).problems == []
    assert rows(tree) == expected[kind]


def test_a_month_that_only_the_cube_knows_is_catalogued_with_what_is_not_known(
    first: SmallTree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree, key = killed(first, tmp_path / "output", "new", 1)
    assert rebuild(tree) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "10SGD_ASCENDING_2021-12 record: no record; measured in the cube, its granules" in out
    for kind in ("COG", "preview"):
        assert f"no {kind}" in out
    record = json.loads(tree.path("record", key).read_text())
    names = ("granules", "set_aside", "unread", "granules_digest", "software", "passes")
    assert {name: record[name] for name in names} == dict.fromkeys(names)
    row = rows(tree)[-1]
    names = ("granules", "passes", "platforms", "tracks", "missing_granules", "first_acquisition")
    assert {name: row[name] for name in names} == dict.fromkeys(names)
    whole, _ = killed(first, tmp_path / "whole", "new", len(STEPS))
    made = read_record(whole.path("record", key))
    rebuilt = read_record(tree.path("record", key))
    for name in ("digest", "bands", "count", "valid", "footprint", "grid", "recipe", "recipe_digest", "level"):
        assert getattr(rebuilt, name) == getattr(made, name), name
    (note,) = validate(tree.base).notes
    assert "granules, set_aside, unread, granules_digest, software not known" in note.problem


def test_values_that_were_being_replaced_are_not_taken_for_the_months(
    first: SmallTree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree, key = killed(first, tmp_path / "output", "replaced", 1)
    assert rebuild(tree) == 1
    assert not tree.path("record", key).exists()
    assert "are not those of its COG, Item, catalog" in " ".join(capsys.readouterr().out.split())
    # its COG is there, and whole: the month stays in the catalog with the values of that, and without a record
    assert [(row["month"], row["record_path"]) for row in rows(tree)] == [("2021-10", None), ("2021-11", None)]
    with rasterio.open(tree.path("cog", key)) as dataset:
        assert rows(tree)[1]["digest"] == dataset.tags()["DIGEST"]
