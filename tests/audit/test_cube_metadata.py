"""A damaged cube is never given up: what a copy, a record or a COG still tells is brought back, to the byte."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr

from s1monthly.audit import cube_metadata
from s1monthly.audit.month_validation import Depth
from s1monthly.audit.repair_commands import RepairCommands
from s1monthly.audit.tree_files import list_tree
from s1monthly.audit.validation import validate
from s1monthly.cube import months as cube
from s1monthly.cube.axis import prepare
from s1monthly.cube.header import cached_header
from s1monthly.cube.write import write_month
from s1monthly.errors import CubeError
from s1monthly.model import Month
from support.audited_tree import (
    DECEMBER,
    DESCENDING,
    NOVEMBER,
    VALID,
    contents,
    edit_json,
    follow,
    kinds,
    rebuild,
    rows,
)
from support.small_tree import SmallTree

ROOT = "zarr.json"
STORE = "10SGD_ASCENDING/zarr/S1_monthly.zarr"

Damage = Callable[[Path], object]


def gone(*names: str) -> Damage:
    def damage(store: Path) -> None:
        for name in names:
            shutil.rmtree(store / name) if (store / name).is_dir() else (store / name).unlink()

    return damage


def text(name: str, content: str) -> Damage:
    return lambda store: (store / name).write_text(content)


def edited(name: str, **changes: object) -> Damage:
    return lambda store: edit_json(store / name, lambda found: found.update(changes))


def root(change: Callable[[dict], object]) -> Damage:
    return lambda store: edit_json(store / ROOT, change)


def described(**changes: object) -> Damage:
    return root(lambda found: found["attributes"]["s1monthly"].update(changes))


def copy_of(name: str, **changes: object) -> Damage:
    return root(lambda found: found["consolidated_metadata"]["metadata"][name].update(changes))


def several(*damages: Damage) -> Damage:
    return lambda store: [damage(store) for damage in damages]


def cut(name: str, length: int) -> Damage:
    return lambda store: (store / name).write_bytes((store / name).read_bytes()[:length])


METADATA: dict[str, Damage] = {
    "a band's metadata lost": gone("VV_dB/zarr.json"),
    "a band's metadata empty": text("VV_dB/zarr.json", ""),
    "a band's metadata a list": text("RVI/zarr.json", "[]"),
    "a band's type edited": edited("VV_dB/zarr.json", data_type="float64"),
    "a band's shape edited": edited("VH_dB/zarr.json", shape=[1, 10, 10]),
    "a band's codecs edited": edited("VV_dB/zarr.json", codecs=[]),
    "the count's lost": gone("count/zarr.json"),
    "the status's lost": gone("status/zarr.json"),
    "times lost": gone("time"),
    "bounds of times cut": text("time_bnds/c/0/0", "1"),
    "the grid mapping lost": gone("spatial_ref"),
    "every array's lost": lambda store: [path.unlink() for path in store.glob("*/zarr.json")],
    "the root's copy edited": copy_of("count", fill_value=7),
    "one copy of each of two arrays lost": several(gone("VH_dB/zarr.json"), copy_of("VV_dB", shape=[1, 2, 3])),
    "both copies of one array lost": several(gone("VV_dB/zarr.json"), copy_of("VV_dB", data_type="int8")),
    "root lost": gone(ROOT),
    "root empty": text(ROOT, ""),
    "root cut": cut(ROOT, 500),
    "root a list": text(ROOT, "[]"),
    "root without copies": root(lambda found: found.pop("consolidated_metadata")),
    "root without our attributes": root(lambda found: found.update(attributes={})),
    "root without a grid": root(lambda found: found["attributes"]["s1monthly"].pop("grid")),
    "root with nonsense for a tile": described(tile=7),
    "root with nonsense for chunks": described(chunks=[0, 128]),
    "root and a band's metadata lost": gone(ROOT, "VV_dB/zarr.json"),
    "root and a coordinate lost": gone(ROOT, "x"),
    "recipe edited": root(lambda found: found["attributes"]["s1monthly"]["recipe"].update(mosaic="first")),
    "tile edited": described(tile="11SLT"),
    "grid edited": root(lambda found: found["attributes"]["s1monthly"]["grid"].update(left=300.0)),
    "bands edited": described(bands=["VV_dB", "VH_dB"]),
    "last month edited": described(last="2022-03"),
    "first month edited": described(first="2021-12"),
    "axis moved": described(first="2021-10", last="2021-11"),
}
STATUS: dict[str, Damage] = {
    "every status lost": gone("status/c"),
    "statuses and their metadata lost": gone("status"),
    "one status lost": gone("status/c/1"),
    "one status empty": text("status/c/1", ""),
    "one status of a killed run": text("status/c/1", "\x01"),
}
CHUNKS: dict[str, Damage] = {
    "a chunk lost": gone("VV_dB/c/0/1/1"),
    "a chunk empty": text("VV_dB/c/0/1/1", ""),
    "a chunk cut": cut("RVI/c/0/1/1", -1),
    "a chunk without its header": cut("VH_dB/c/0/1/1", 10),
    "chunks of a month lost": gone("RVI/c/1"),
    "a band lost": gone("VV_dB"),
}
DAMAGES = METADATA | STATUS | CHUNKS
OVERVIEW_METADATA: dict[str, Damage] = {
    "an overview's metadata lost": gone("overviews/2/VH_dB/zarr.json"),
    "an overview's coordinate lost": gone("overviews/4/time"),
    "a level's group lost": gone("overviews/4/zarr.json"),
    "the overviews' group empty": text("overviews/zarr.json", ""),
}
OVERVIEWS: dict[str, Damage] = OVERVIEW_METADATA | {
    "an overview lost": gone("overviews/2/VV_dB/c/0"),
    "an overview cut": cut("overviews/4/RVI/c/0/0/0", -1),
    "an overview empty": text("overviews/4/RVI/c/1/0/0", ""),
    "a level lost": gone("overviews/4"),
    "all levels lost": gone("overviews"),
}


def store_of(tree: SmallTree) -> Path:
    return tree.path("cube", NOVEMBER)


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_cube_comes_back_to_the_byte(tree: SmallTree, name: str) -> None:
    check_that_it_comes_back(tree, DAMAGES[name])


@pytest.mark.parametrize("name", OVERVIEWS)
def test_damaged_overviews_come_back_to_the_byte(tree_with_overviews: SmallTree, name: str) -> None:
    check_that_it_comes_back(tree_with_overviews, OVERVIEWS[name])


def check_that_it_comes_back(tree: SmallTree, damage: Damage) -> None:
    before = contents(tree.base)
    damage(store_of(tree))
    problems = validate(tree.base).problems
    assert problems and {finding.commands for finding in problems} == {(RepairCommands(tree.base).rebuild,)}
    assert rebuild(tree) == 0
    after = contents(tree.base)
    assert {path for path in before if after.get(path) != before[path]} == set()
    assert validate(tree.base).to_text() == VALID


@pytest.mark.parametrize("lost", ["record", "cog"])
def test_a_lost_root_is_made_from_records_or_cogs(tree: SmallTree, lost: str) -> None:
    before = contents(store_of(tree))
    shutil.rmtree(tree.path(lost, NOVEMBER).parent)
    (store_of(tree) / ROOT).unlink()
    rebuild(tree)
    assert contents(store_of(tree)) == before


def test_a_record_of_other_values_does_not_describe_a_cube_without_root(tree: SmallTree) -> None:
    """Its chunks must have the digest: nothing is guessed."""
    store = store_of(tree)
    shutil.rmtree(store / "VV_dB" / "c")
    (store / ROOT).unlink()
    before = contents(store)
    (found,) = (finding for finding in validate(tree.base).problems if finding.place == str(store))
    assert "zarr.json is lost; no record or COG that fits its chunks" in found.problem
    assert rebuild(tree) == 1 and contents(store) == before


@pytest.mark.parametrize("name", [*METADATA, "every status lost"])
def test_no_rule_takes_a_damaged_cube_for_none(tree: SmallTree, name: str) -> None:
    check_that_no_rule_takes_it_for_none(tree, DAMAGES[name])


@pytest.mark.parametrize("name", OVERVIEW_METADATA)
def test_no_rule_takes_a_cube_of_damaged_overviews_for_none(tree_with_overviews: SmallTree, name: str) -> None:
    check_that_no_rule_takes_it_for_none(tree_with_overviews, OVERVIEWS[name])


def check_that_no_rule_takes_it_for_none(tree: SmallTree, damage: Damage) -> None:
    """What a run reads before its first job, or what its jobs do, stops or goes on as before; the months stay."""
    store, spec = store_of(tree), tree.spec(NOVEMBER)
    damage(store)
    chunks = [path for path in store.glob("*/c/*/*/*") if path.parts[-5] in (*(b.name for b in spec.bands), "count")]
    for rule in (
        lambda: (cached_header(store) or pytest.fail("taken for none")).refuse_damage(),
        lambda: prepare(store, spec, NOVEMBER.month, Month(2022, 3), replace=True, covered=[]),
        lambda: write_month(store, NOVEMBER.month, *tree.values(NOVEMBER)),
        lambda: cube.month_digest(store, NOVEMBER.month),
    ):
        try:
            rule()
        except CubeError as error:
            assert "delete" not in error.remedy and "move" not in error.remedy, error
    assert chunks and all(path.exists() for path in chunks)


def test_a_plan_stops_before_a_cube_with_lost_metadata(tree: SmallTree) -> None:
    store = store_of(tree)
    header = cached_header(store)
    assert header
    header.refuse_damage()
    (store / "VV_dB" / ROOT).unlink()
    shutil.rmtree(store / "status" / "c")
    with pytest.raises(CubeError, match=r"lost or damaged: VV_dB/zarr\.json, status/c") as refusal:
        header.refuse_damage()
    assert f"catalog_rebuild.py --output-dir {tree.base}" in refusal.value.remedy


def test_an_axis_that_grows_while_a_cube_is_mended_stays(tree: SmallTree, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run makes the axis longer between the look and the lock: what is written is read under the lock."""
    store, original = store_of(tree), cube_metadata.locked
    copy_of("RVI", fill_value=0.0)(store)
    folder = list_tree(tree.base).folders[0]

    def locked_late(path: Path) -> object:
        monkeypatch.setattr(cube_metadata, "locked", original)
        copy_of("RVI", fill_value="NaN")(store)
        prepare(store, tree.spec(NOVEMBER), NOVEMBER.month, Month(2022, 6))
        copy_of("VV_dB", fill_value=0.0)(store)
        return original(path)

    monkeypatch.setattr(cube_metadata, "locked", locked_late)
    state = cube_metadata.mend_cube(folder).state
    assert state and state.last == Month(2022, 6) and len(state.complete) == 2
    assert cube.state(store) == state
    assert np.isfinite(cube.read_month(store, NOVEMBER.month, "VV_dB")).any()


def test_a_check_of_a_cube_whose_axis_grows_meanwhile_finds_nothing(
    tree: SmallTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, original = store_of(tree), cube_metadata.read_header
    folder = list_tree(tree.base).folders[0]

    def read_early(path: Path) -> object:
        monkeypatch.setattr(cube_metadata, "read_header", original)
        header = original(path)
        prepare(store, tree.spec(NOVEMBER), NOVEMBER.month, Month(2022, 6))
        return header

    monkeypatch.setattr(cube_metadata, "read_header", read_early)
    assert cube_metadata.check_cube(folder).problem == ""


@pytest.mark.parametrize("in_root", [False, True])
def test_an_array_that_does_not_belong_to_the_cube_is_reported(tree: SmallTree, in_root: bool) -> None:
    store, before = store_of(tree), rows(tree)
    content = contents(store)
    zarr.create_array(store / "VV_copy", shape=(2, 4, 4), dtype="float32")
    if in_root:
        root(lambda found: found["consolidated_metadata"]["metadata"].update(VV_copy={"node_type": "array"}))(store)
    (found,) = validate(tree.base).problems
    assert found.place == str(store) and "VV_copy" in found.problem
    for _round in range(2):
        for command in (command for finding in validate(tree.base).problems for command in finding.commands):
            subprocess.run(command, shell=True, check=False)
    assert validate(tree.base).to_text() == VALID
    assert contents(store) == content and rows(tree) == before
    assert cube.state(store).complete == (NOVEMBER.month, DECEMBER.month)


def test_texts_of_another_version_stay(tree: SmallTree) -> None:
    store = store_of(tree)
    attributes = {"long_name": "as an older version called it", "units": "dB"}
    several(copy_of("VV_dB", attributes=attributes), edited("VV_dB/zarr.json", attributes=attributes))(store)
    before = contents(tree.base)
    assert validate(tree.base).to_text() == VALID
    shutil.rmtree(store / "time")
    assert rebuild(tree) == 0 and contents(tree.base) == before


def a_file(tree: SmallTree) -> None:
    shutil.rmtree(store_of(tree))
    store_of(tree).write_text("hello")


def a_foreign_store(tree: SmallTree) -> None:
    shutil.rmtree(store_of(tree))
    zarr.create_group(store_of(tree)).create_array("VV_dB", shape=(2, 4, 4), dtype="float32")


def the_other_directions(tree: SmallTree) -> None:
    """With other values: the same ones would prove that its root was edited."""
    tree.make(tree.add("2021-11", direction="DESCENDING"))
    shutil.rmtree(store_of(tree))
    shutil.copytree(tree.path("cube", DESCENDING), store_of(tree))


@pytest.mark.parametrize("replacement", [a_file, a_foreign_store, the_other_directions])
def test_what_is_not_the_cube_is_moved_out_and_made_again(
    tree: SmallTree, replacement: Callable[[SmallTree], None]
) -> None:
    replacement(tree)
    found = {finding.place: finding for finding in validate(tree.base).problems}[str(store_of(tree))]
    assert kinds(found.commands) == [f"mv {store_of(tree)} elsewhere/", "snakemake"]
    assert rebuild(tree) == 1
    follow(tree, [found])
    assert validate(tree.base).to_text() == VALID


def test_an_overview_of_other_values_is_found_by_digests_and_made_again(tree_with_overviews: SmallTree) -> None:
    """Whole files that hold the average of another month: only all values tell."""
    tree = tree_with_overviews
    before, store = contents(tree.base), store_of(tree)
    for factor in (2, 4):
        level = store / f"overviews/{factor}/VH_dB/c"
        shutil.copyfile(level / "0/0/0", level / "1/0/0")
    assert validate(tree.base).to_text() == VALID
    (found,) = validate(tree.base, Depth(digests=True)).problems
    assert "2021-12: overview 2 of VH_dB in the cube is not the average of its pixels" in found.problem
    follow(tree, [found])
    assert validate(tree.base, Depth(digests=True)).to_text() == VALID
    after = contents(store)
    assert {name for name in after if after[name] != before[f"10SGD_ASCENDING/zarr/S1_monthly.zarr/{name}"]} == set()
