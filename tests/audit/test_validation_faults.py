"""Faults that nobody would make on purpose: they are told with what mends them, and never end in a traceback."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import catalog_rebuild
from s1monthly.audit.findings import Finding
from s1monthly.audit.month_checks import Depth
from s1monthly.audit.validation import validate
from s1monthly.catalog import table as catalog
from s1monthly.model import CompositeKey
from support.small_tree import SmallTree
from support.told_commands import short

NOVEMBER = CompositeKey.parse("10SGD", "ASCENDING", "2021-11")
DECEMBER = CompositeKey.parse("10SGD", "ASCENDING", "2021-12")
DESCENDING = CompositeKey.parse("10SGD", "DESCENDING", "2021-11")
VALID = "valid: 3 months of 1 tile"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> SmallTree:
    tree = SmallTree(tmp_path_factory.mktemp("trees") / "output")
    for key in (NOVEMBER, DECEMBER, DESCENDING):
        tree.make(tree.add(str(key.month), direction=str(key.direction)))
    return tree


@pytest.fixture
def tree(whole: SmallTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallTree:
    """A copy, called ``output`` in the working directory."""
    shutil.copytree(whole.base, tmp_path / "output")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    again = SmallTree(Path("output"))
    again.months = dict(whole.months)
    return again


def edit(path: Path, change: Callable[[dict], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def do(tree: SmallTree, found: list[Finding]) -> None:
    """Do what is told, in that order; the workflow and the rebuilding after all moves and removals."""
    commands = list(dict.fromkeys(command for finding in found for command in finding.commands))
    for command in sorted(commands, key=lambda command: ("snakemake" in command) + 2 * ("catalog_rebuild" in command)):
        if "snakemake" in command:
            tree.run()
        elif "catalog_rebuild" in command:
            catalog_rebuild.main(shlex.split(command)[2:])
        else:
            subprocess.run(command, shell=True, check=True)


def facts(tree: SmallTree) -> list[dict]:
    return catalog.read_catalog(tree.layout.catalog)


def into_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def swap_directions(tree: SmallTree) -> None:
    one, other, aside = (tree.base / name for name in ("10SGD_ASCENDING", "10SGD_DESCENDING", "aside"))
    for source, target in ((one, aside), (other, one), (aside, other)):
        source.rename(target)


def nonsense_rows(tree: SmallTree) -> None:
    path = tree.path("tile_catalog", NOVEMBER)
    rows = catalog.read_catalog(path)
    rows[0]["mgrs_tile_id"], rows[1]["month"] = "??", "soon"
    catalog.write_catalog(path, rows)


def cube_root(change: Callable[[dict], object]) -> Callable[[SmallTree], object]:
    return lambda tree: edit(tree.path("cube", NOVEMBER) / "zarr.json", change)


def record(change: Callable[[dict], object]) -> Callable[[SmallTree], object]:
    return lambda tree: edit(tree.path("record", NOVEMBER), change)


def in_cube(name: str) -> Callable[[SmallTree], Path]:
    return lambda tree: tree.path("cube", NOVEMBER) / name


FOLDER, CUBE = "output/10SGD_ASCENDING", "output/10SGD_ASCENDING/zarr/S1_monthly.zarr"
RECORD, MONTH = f"{FOLDER}/months/2021-11.json", "10SGD_ASCENDING_2021-11"
DAMAGED = "metadata or coordinates are not what they should be: "

FAULTS: dict[str, tuple[Callable[[SmallTree], object], str, str, str]] = {
    "times lost": (lambda t: in_cube("time/c/0")(t).unlink(), CUBE, f"{DAMAGED}time/c/0", "catalog_rebuild"),
    "coordinates cut": (lambda t: in_cube("x/c/0")(t).write_bytes(b"1"), CUBE, f"{DAMAGED}x/c/0", "catalog_rebuild"),
    "grid mapping lost": (
        lambda t: shutil.rmtree(in_cube("spatial_ref")(t)),
        CUBE,
        f"{DAMAGED}spatial_ref/zarr.json",
        "catalog_rebuild",
    ),
    "fill value edited": (
        lambda t: edit(in_cube("VV_dB/zarr.json")(t), lambda array: array.update(fill_value=0.0)),
        CUBE,
        f"{DAMAGED}VV_dB/zarr.json",
        "catalog_rebuild",
    ),
    "metadata of a band lost": (
        lambda t: in_cube("VV_dB/zarr.json")(t).unlink(),
        CUBE,
        "the metadata of its arrays are lost: VV_dB/zarr.json",
        "catalog_rebuild",
    ),
    "axis edited": (
        cube_root(lambda root: root["attributes"]["s1monthly"].update(first="2021-10", last="2021-11")),
        CUBE,
        "its attributes say 2021-10 to 2021-11, its times are others",
        "catalog_rebuild",
    ),
    "fill value of the root edited": (
        cube_root(lambda root: root["consolidated_metadata"]["metadata"]["RVI"].update(fill_value=0.0)),
        CUBE,
        "its zarr.json describes RVI otherwise",
        "catalog_rebuild",
    ),
    "root cut short": (
        lambda t: in_cube("zarr.json")(t).write_text("{"),
        CUBE,
        "zarr.json is damaged",
        "catalog_rebuild",
    ),
    "directions swapped": (
        swap_directions,
        FOLDER,
        "and the other way round",
        f"mv {FOLDER} {FOLDER}.aside",
    ),
    "record a folder": (lambda t: into_a_folder(t.path("record", NOVEMBER)), RECORD, "a folder", f"mv {RECORD}"),
    "Item a folder": (
        lambda t: into_a_folder(t.path("item", NOVEMBER)),
        f"{FOLDER}/{MONTH}.json",
        "a folder",
        f"mv {FOLDER}/{MONTH}.json",
    ),
    "catalog a folder": (
        lambda t: into_a_folder(t.path("tile_catalog", NOVEMBER)),
        f"{FOLDER}/catalog.parquet",
        "a folder",
        f"mv {FOLDER}/catalog.parquet",
    ),
    "global catalog a folder": (
        lambda t: into_a_folder(Path(t.layout.catalog)),
        "output/catalog.parquet",
        "a folder",
        "mv output/catalog.parquet",
    ),
    "record with nonsense for software": (
        record(lambda content: content.update(software="none")),
        RECORD,
        "holds what none of ours does",
        f"rm {RECORD}",
    ),
    "record without a recipe": (
        record(lambda content: content.update(recipe=None)),
        RECORD,
        "holds what none of ours does",
        f"rm {RECORD}",
    ),
    "record with nonsense for a footprint": (
        record(lambda content: content.update(footprint={"type": "Point"})),
        RECORD,
        "holds what none of ours does",
        f"rm {RECORD}",
    ),
    "nonsense in a catalog": (
        nonsense_rows,
        f"{FOLDER}/catalog.parquet",
        "10SGD_ASCENDING_soon is there, and nothing lies there of it",
        "catalog_rebuild",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_strange_fault_is_told_and_mended(tree: SmallTree, fault: str) -> None:
    damage, place, problem, command = FAULTS[fault]
    before = facts(tree)
    damage(tree)
    found = validate(tree.base).problems
    told = [finding for finding in found if finding.place == place and problem in finding.problem]
    assert len(told) == 1, found
    assert command in short(told[0].commands[0])
    catalog_rebuild.main(["--output-dir", "output"])  # which may be run at any time, and must not make it worse
    for _round in range(2):
        do(tree, validate(tree.base).problems)
    assert validate(tree.base, Depth(digests=True)).to_text() == VALID
    assert facts(tree) == before


def test_search_a_folder(tree: SmallTree) -> None:
    before = facts(tree)
    into_a_folder(tree.path("search", NOVEMBER))
    assert "a folder" in validate(tree.base).problems[0].problem + validate(tree.base).problems[1].problem
    assert catalog_rebuild.main(["--output-dir", "output"]) == 1
    assert facts(tree) == before


def test_an_empty_folder_of_a_tile_says_nothing(tree: SmallTree) -> None:
    (tree.base / "11SLT_ASCENDING").mkdir()
    assert validate(tree.base).to_text() == VALID
    shutil.rmtree(tree.base / "10SGD_DESCENDING")
    (tree.base / "10SGD_DESCENDING").mkdir()
    assert {finding.place for finding in validate(tree.base).problems} == {
        "output/catalog.parquet",
        "output/collection.json",
    }
    assert catalog_rebuild.main(["--output-dir", "output"]) == 0
    assert validate(tree.base).to_text() == "valid: 2 months of 1 tile"


def test_a_damaged_cube_is_mended_without_touching_its_months(tree: SmallTree) -> None:
    cube = tree.path("cube", NOVEMBER)
    before = {path.relative_to(cube): path.read_bytes() for path in cube.rglob("*") if path.is_file()}
    (cube / "time" / "c" / "0").unlink()
    edit(cube / "VH_dB" / "zarr.json", lambda array: array.update(shape=[1, 10, 10]))
    assert catalog_rebuild.main(["--output-dir", "output"]) == 0
    assert {path.relative_to(cube): path.read_bytes() for path in cube.rglob("*") if path.is_file()} == before
