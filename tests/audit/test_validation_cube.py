"""A damaged cube is never given up: whatever a copy, a record or a COG still tells is brought back, to the byte."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import catalog_rebuild
from s1monthly.audit import cube_checks
from s1monthly.audit.findings import Commands
from s1monthly.audit.month_checks import Depth
from s1monthly.audit.survey import survey
from s1monthly.audit.validation import validate
from s1monthly.cube import months as cube
from s1monthly.cube.axis import prepare
from s1monthly.cube.header import cached_header
from s1monthly.cube.layout import CubeSpec
from s1monthly.cube.write import write_month
from s1monthly.errors import CubeError
from s1monthly.files import write_text
from s1monthly.model import CompositeKey, Month, TileDirection
from s1monthly.workflow.run_lock import hold
from support.small_tree import SmallTree

NOVEMBER = CompositeKey.parse("10SGD", "ASCENDING", "2021-11")
OWNER = TileDirection(NOVEMBER.tile, NOVEMBER.direction)
ROOT = "zarr.json"
VALID = "valid: 2 months of 1 tile"

Damage = Callable[[Path], object]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> SmallTree:
    tree = SmallTree(tmp_path_factory.mktemp("trees") / "output")
    for month in ("2021-11", "2021-12"):
        tree.make(tree.add(month))
    return tree


@pytest.fixture
def tree(whole: SmallTree, tmp_path: Path) -> SmallTree:
    shutil.copytree(whole.base, tmp_path / "output")
    again = SmallTree(tmp_path / "output")
    again.months = dict(whole.months)
    return again


def store_of(tree: SmallTree) -> Path:
    return tree.path("cube", NOVEMBER)


def content(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def edit(path: Path, change: Callable[[dict], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def rebuild(tree: SmallTree) -> int:
    return catalog_rebuild.main(["--output-dir", str(tree.base)])


def gone(*names: str) -> Damage:
    def damage(store: Path) -> None:
        for name in names:
            shutil.rmtree(store / name) if (store / name).is_dir() else (store / name).unlink()

    return damage


def text(name: str, said: str) -> Damage:
    return lambda store: (store / name).write_text(said)


def root(change: Callable[[dict], object]) -> Damage:
    return lambda store: edit(store / ROOT, change)


def described(**changes: object) -> Damage:
    return root(lambda found: found["attributes"]["s1monthly"].update(changes))


def copy_of(name: str, **changes: object) -> Damage:
    return root(lambda found: found["consolidated_metadata"]["metadata"][name].update(changes))


def several(*damages: Damage) -> Damage:
    return lambda store: [damage(store) for damage in damages]


def every_file_of_an_array(store: Path) -> None:
    for path in store.glob("*/zarr.json"):
        path.unlink()


METADATA: dict[str, Damage] = {
    "a band's metadata lost": gone("VV_dB/zarr.json"),
    "a band's metadata empty": text("VV_dB/zarr.json", ""),
    "a band's metadata a list": text("RVI/zarr.json", "[]"),
    "a band's type edited": lambda store: edit(store / "VV_dB" / ROOT, lambda found: found.update(data_type="float64")),
    "a band's codecs edited": lambda store: edit(store / "VV_dB" / ROOT, lambda found: found.update(codecs=[])),
    "the count's lost": gone("count/zarr.json"),
    "the status's lost": gone("status/zarr.json"),
    "times lost": gone("time"),
    "bounds of times cut": text("time_bnds/c/0/0", "1"),
    "the grid mapping lost": gone("spatial_ref"),
    "every array's lost": every_file_of_an_array,
    "the root's copy edited": copy_of("count", fill_value=7),
    "one copy of each of two arrays lost": several(gone("VH_dB/zarr.json"), copy_of("VV_dB", shape=[1, 2, 3])),
    "both copies of one array lost": several(gone("VV_dB/zarr.json"), copy_of("VV_dB", data_type="int8")),
    "root lost": gone(ROOT),
    "root empty": text(ROOT, ""),
    "root cut": lambda store: (store / ROOT).write_bytes((store / ROOT).read_bytes()[:500]),
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
    "chunks of a month lost": gone("RVI/c/1"),
    "a chunk cut": lambda store: (store / "VH_dB/c/0/1/1").write_bytes((store / "VH_dB/c/0/1/1").read_bytes()[:99]),
    "a band lost": gone("VV_dB"),
}
DAMAGES = METADATA | STATUS | CHUNKS


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_cube_comes_back_to_the_byte(tree: SmallTree, name: str) -> None:
    store, before = store_of(tree), content(tree.base)
    DAMAGES[name](store)
    problems = validate(tree.base).problems
    assert problems and {finding.commands for finding in problems} == {(Commands(tree.base).rebuild,)}
    assert rebuild(tree) == 0
    after = content(tree.base)
    assert {path for path in before if after.get(path) != before[path]} == set()
    assert validate(tree.base).to_text() == VALID


def test_values_that_were_changed_come_back_from_the_cog(tree: SmallTree) -> None:
    store = store_of(tree)
    before = content(store)
    shutil.copy(store / "VV_dB/c/1/1/1", store / "VV_dB/c/0/1/1")
    (told,) = validate(tree.base, Depth(digests=True)).problems
    assert told.commands == (f"rm {tree.path('item', NOVEMBER)}", Commands(tree.base).rebuild)
    tree.path("item", NOVEMBER).unlink()
    assert rebuild(tree) == 0
    assert content(store) == before and validate(tree.base, Depth(digests=True)).to_text() == VALID


@pytest.mark.parametrize("lost", ["record", "cog"])
def test_a_lost_root_is_made_from_whatever_of_them_is_left(tree: SmallTree, lost: str) -> None:
    store, before = store_of(tree), content(store_of(tree))
    shutil.rmtree(tree.path(lost, NOVEMBER).parent)
    (store / ROOT).unlink()
    rebuild(tree)
    assert content(store) == before


def test_a_record_of_other_values_does_not_describe_a_cube_without_root(tree: SmallTree) -> None:
    """Its chunks must have the digest: nothing is guessed."""
    store = store_of(tree)
    for month in ("2021-11", "2021-12"):
        key = CompositeKey.parse("10SGD", "ASCENDING", month)
        shutil.rmtree(store / "VV_dB" / "c" / str(key.month.ordinal - NOVEMBER.month.ordinal))
    (store / ROOT).unlink()
    before = content(store)
    (told,) = (finding for finding in validate(tree.base).problems if finding.place == str(store))
    assert "zarr.json is lost; no record or COG that fits its chunks" in told.problem
    assert rebuild(tree) == 1 and content(store) == before


@pytest.mark.parametrize("name", [*METADATA, "every status lost"])
def test_no_rule_takes_a_damaged_cube_for_none(tree: SmallTree, name: str) -> None:
    """What a run reads before its first job, or what its jobs do, stops or goes on as before; the months stay."""
    store = store_of(tree)
    DAMAGES[name](store)
    before, spec = content(store), spec_of(tree)
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
    chunks = [path for path in before if "c" in path.parts and path.parts[0] in (*spec_names(spec), "count")]
    after = content(store)
    assert [path for path in chunks if path not in after] == []


def spec_of(tree: SmallTree) -> CubeSpec:
    from s1monthly.grid.lattice import tile_geobox
    from s1monthly.kernels.bands import bands

    grid = tile_geobox(NOVEMBER.tile, 300.0)
    return CubeSpec(NOVEMBER.tile, NOVEMBER.direction, grid, bands("VV", "VH"), (128, 128), tree.recipe)


def spec_names(spec: CubeSpec) -> list[str]:
    return [band.name for band in spec.bands]


def test_a_plan_stops_before_a_cube_with_lost_metadata(tree: SmallTree) -> None:
    store = store_of(tree)
    held = cached_header(store)
    assert held
    held.refuse_damage()
    (store / "VV_dB" / ROOT).unlink()
    shutil.rmtree(store / "status" / "c")
    with pytest.raises(CubeError, match=r"lost or damaged: VV_dB/zarr\.json, status/c") as refusal:
        held.refuse_damage()
    assert f"catalog_rebuild.py --output-dir {tree.base}" in refusal.value.remedy


def test_an_axis_that_grows_while_a_cube_is_mended_stays(tree: SmallTree, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run makes the axis longer between the look and the lock: what is written is read under the lock."""
    store, original = store_of(tree), cube_checks.locked
    edit(store / ROOT, lambda found: found["consolidated_metadata"]["metadata"]["RVI"].update(fill_value=0.0))
    (folder,) = survey(tree.base, tree.base / "work").folders

    def locked_late(path: Path) -> object:
        monkeypatch.setattr(cube_checks, "locked", original)
        edit(store / ROOT, lambda found: found["consolidated_metadata"]["metadata"]["RVI"].update(fill_value="NaN"))
        prepare(store, spec_of(tree), NOVEMBER.month, Month(2022, 6))
        edit(store / ROOT, lambda found: found["consolidated_metadata"]["metadata"]["VV_dB"].update(fill_value=0.0))
        return original(path)

    monkeypatch.setattr(cube_checks, "locked", locked_late)
    state = cube_checks.mend_cube(folder).state
    assert state and state.last == Month(2022, 6) and len(state.complete) == 2
    assert cube.state(store) == state
    assert np.isfinite(cube.read_month(store, NOVEMBER.month, "VV_dB")).any()


def test_a_look_at_a_cube_whose_axis_grows_meanwhile_finds_nothing(
    tree: SmallTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, original = store_of(tree), cube_checks.read_header
    (folder,) = survey(tree.base, tree.base / "work").folders

    def read_early(path: Path) -> object:
        monkeypatch.setattr(cube_checks, "read_header", original)
        header = original(path)
        prepare(store, spec_of(tree), NOVEMBER.month, Month(2022, 6))
        return header

    monkeypatch.setattr(cube_checks, "read_header", read_early)
    assert cube_checks.check_cube(folder).problem == ""


# tools and runs


def test_a_tile_that_a_run_works_on_is_passed_over(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.path("item", NOVEMBER).unlink()
    tree.path("record", NOVEMBER).unlink()
    held = hold(tree.base, [OWNER])
    before = content(tree.base)
    assert rebuild(tree) == 1
    assert content(tree.base) == before
    assert "another run works on it" in " ".join(capsys.readouterr().out.split())
    assert held
    held.release()
    assert rebuild(tree) == 0


@pytest.mark.parametrize("name", ["kept_by_me", "10SGD_ASCENDING_2020", "11SLT_ASCENDING"])
def test_no_folder_gets_another_name(tree: SmallTree, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody may have given it that name on purpose: what it holds is told, and the command."""
    tree.path("folder", NOVEMBER).rename(tree.base / name)
    write_text(tree.base / name / "note.txt", "mine\n")
    before = content(tree.base)
    assert rebuild(tree) == 1
    assert content(tree.base) == before
    assert f"mv {tree.base / name} {tree.path('folder', NOVEMBER)}" in capsys.readouterr().out
