"""What is told can be done as it is told, costs no more than it must, and loses no row on the way."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
import zarr

import catalog_inspect
import catalog_rebuild
import tile_inspect
from s1monthly.audit.findings import Commands
from s1monthly.audit.month_checks import Depth
from s1monthly.audit.validation import validate
from s1monthly.catalog import table as catalog
from s1monthly.cube import months as cube
from s1monthly.model import CompositeKey, GranuleList
from s1monthly.records.granule_list import list_digest
from s1monthly.records.month import read_record
from support.granules import write_granule
from support.small_tree import SmallTree

NOVEMBER = CompositeKey.parse("10SGD", "ASCENDING", "2021-11")
DECEMBER = CompositeKey.parse("10SGD", "ASCENDING", "2021-12")
DESCENDING = CompositeKey.parse("10SGD", "DESCENDING", "2021-11")
VALID = "valid: 3 months of 1 tile"
NOBODY = 65534


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
    monkeypatch.chdir(tmp_path)
    again = SmallTree(Path("output"))
    again.months = dict(whole.months)
    return again


@pytest.fixture
def unprivileged(tree: SmallTree) -> Iterator[None]:
    """Be a user who may not read everything: whoever runs the tests, root or not."""
    if os.geteuid() != 0:
        yield
        return
    for path in (Path.cwd(), tree.base, *tree.base.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def rows(tree: SmallTree) -> list[dict]:
    return catalog.read_catalog(tree.layout.catalog)


def rebuild() -> int:
    return catalog_rebuild.main(["--output-dir", "output"])


def edit(path: Path, change: Callable[[dict], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


# an account of the search that is damaged


@pytest.mark.parametrize(
    "wrong", [{"asked": "yesterday"}, {"asked": None}, {"asked": "+00:00"}, {"lost": [1]}, {"granules": "2"}]
)
def test_an_account_of_values_that_cannot_be_is_damaged_for_every_tool(
    tree: SmallTree, wrong: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    before, path = rows(tree), tree.path("search", NOVEMBER)
    edit(path, lambda account: account["months"]["2021-10"].update(wrong))
    (told,) = validate(tree.base).problems
    assert told.place == str(path) and "account of the search is damaged" in told.problem
    assert rebuild() == 1 and rows(tree) == before
    catalog_inspect.main(["--output-dir", "output"])
    tile_inspect.main(["--output-dir", "output", "--tile", "10SGD"])
    assert " ".join(capsys.readouterr().out.split()).count("account of the search is damaged") == 3


def test_an_account_of_another_tile_is_told_and_not_catalogued(tree: SmallTree) -> None:
    before, path = rows(tree), tree.path("search", NOVEMBER)
    shutil.copy(tree.path("search", DESCENDING), path)
    edit(path, lambda account: account["months"].update({"2020-05": account["months"]["2021-10"]}))
    (told,) = validate(tree.base).problems
    assert told.place == str(path) and "of another tile" in told.problem
    assert rebuild() == 1 and rows(tree) == before


def test_an_account_with_late_granules_in_every_month_is_believed(tree: SmallTree) -> None:
    tree.add("2021-11", direction="DESCENDING")
    found = list_digest(GranuleList(tree.granules(DESCENDING)))
    assert found != read_record(tree.path("record", DESCENDING)).granules_digest
    assert validate(tree.base).to_text() == VALID


# what may not be read


def closed(tree: SmallTree) -> Path:
    return tree.path("folder", NOVEMBER)


UNREADABLE: dict[str, Callable[[SmallTree], Path]] = {
    "tile folder": closed,
    "folder of records": lambda t: t.path("record", NOVEMBER).parent,
    "record": lambda t: t.path("record", NOVEMBER),
    "COG": lambda t: t.path("cog", NOVEMBER),
    "account of the search": lambda t: t.path("search", NOVEMBER),
    "cube": lambda t: t.path("cube", NOVEMBER),
    "metadata of a band": lambda t: t.path("cube", NOVEMBER) / "VV_dB" / "zarr.json",
    "status of a month": lambda t: t.path("cube", NOVEMBER) / "status" / "c" / "0",
    "chunks of a band": lambda t: t.path("cube", NOVEMBER) / "VV_dB" / "c",
    "catalog of the tile": lambda t: t.path("tile_catalog", NOVEMBER),
    "global catalog": lambda t: Path(t.layout.catalog),
}


@pytest.mark.usefixtures("unprivileged")
@pytest.mark.parametrize("what", UNREADABLE)
def test_what_may_not_be_read_is_told_and_keeps_its_rows_and_the_rest_is_done(
    tree: SmallTree, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before, path = rows(tree), UNREADABLE[what](tree)
    tree.path("item", DESCENDING).unlink()
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        told = {finding.place: finding for finding in validate(tree.base).problems}
        assert set(told) == {str(path), str(tree.path("item", DESCENDING))}
        assert told[str(path)].commands == (Commands(tree.base).allow(path),)
        assert rebuild() == 1
        assert tree.path("item", DESCENDING).exists(), "the rest is mended"
        assert f"{path}\n" in capsys.readouterr().out
        catalog_inspect.main(["--output-dir", "output"])
    finally:
        path.chmod(mode)
    assert rows(tree) == before
    assert validate(tree.base, Depth(digests=True)).to_text() == VALID


@pytest.mark.usefixtures("unprivileged")
@pytest.mark.parametrize("array", ["VV_dB", "count"])
def test_a_chunk_that_may_not_be_read_is_not_made_again(tree: SmallTree, array: str) -> None:
    before, folder = rows(tree), tree.path("cube", NOVEMBER) / array / "c" / "0"
    chunk = next(path for path in sorted(folder.rglob("*")) if path.is_file())
    chunk.chmod(0)
    try:
        (told,) = validate(tree.base).problems
        assert told.place == str(folder) and told.commands == (Commands(tree.base).allow(folder),)
        rebuild()
        assert rows(tree) == before
    finally:
        chunk.chmod(0o644)
    assert validate(tree.base).to_text() == VALID


@pytest.mark.usefixtures("unprivileged")
def test_a_folder_that_may_not_be_written_is_told_and_the_rest_is_done(tree: SmallTree) -> None:
    before = rows(tree)
    tree.path("record", NOVEMBER).unlink()
    tree.path("item", DESCENDING).unlink()
    folder = tree.path("record", NOVEMBER).parent
    folder.chmod(0o500)
    try:
        assert rebuild() == 1
    finally:
        folder.chmod(0o700)
    assert tree.path("item", DESCENDING).exists() and rows(tree) == before


# commands


def test_commands_can_be_pasted_in_any_folder(tree: SmallTree, tmp_path: Path) -> None:
    tree.path("record", NOVEMBER).unlink()
    (tree.base / "results of June").mkdir()
    away = tmp_path / "somewhere else"
    away.mkdir()
    for finding in validate(tree.base).problems:
        for command in finding.commands:
            subprocess.run(command, shell=True, check=True, cwd=away, env={"PATH": "/usr/bin:/bin"})
    assert validate(tree.base).to_text() == VALID
    assert (tmp_path / "output.aside" / "results of June").is_dir()


def test_the_workflow_can_be_pasted_in_any_folder(tmp_path: Path) -> None:
    layers = dict.fromkeys(("VV", "VH"), np.full((40, 40), 0.1, np.float32))
    write_granule(tmp_path / "granules", layers, acquired="20211110T015854Z")
    config = {
        "roi": {"manual_mgrs_tiles": ["10SGD"], "flight_direction": "ASCENDING"},
        "time": {"start": "2021-11", "end": "2021-11"},
        "source": {"kind": "local", "path": str(tmp_path / "granules")},
        "output": {"base_dir": str(tmp_path / "output"), "disk_warn_gb": 0},
    }
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(config))
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    command = f"{Commands(Path('output')).run} --dry-run"
    done = subprocess.run(command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "search" in done.stdout + done.stderr, done.stderr


# folders under other names


@pytest.mark.parametrize("name", ["old", "11SLT_ASCENDING"])
def test_a_renamed_folder_is_named_with_its_command_and_nothing_is_lost(tree: SmallTree, name: str) -> None:
    before = rows(tree)
    tree.path("folder", NOVEMBER).rename(tree.base / name)
    assert rebuild() == 1 and rows(tree) == before
    (told,) = (finding for finding in validate(tree.base).problems if finding.place == f"output/{name}")
    subprocess.run(told.commands[0], shell=True, check=True)
    assert rebuild() == 0
    assert rows(tree) == before and validate(tree.base).to_text() == VALID


def test_folders_that_cannot_be_put_back_keep_their_rows(tree: SmallTree) -> None:
    before = rows(tree)
    one, other, aside = (tree.base / name for name in ("10SGD_ASCENDING", "10SGD_DESCENDING", "aside"))
    for source, target in ((one, aside), (other, one), (aside, other)):
        source.rename(target)
    assert rebuild() == 1 and rows(tree) == before


def test_a_cube_that_names_another_tile_moves_nothing(tree: SmallTree) -> None:
    before = rows(tree)
    root = tree.path("cube", NOVEMBER) / "zarr.json"
    edit(root, lambda content: content["attributes"]["s1monthly"].update(tile="11SLT"))
    rebuild()
    assert tree.path("folder", NOVEMBER).is_dir() and not (tree.base / "11SLT_ASCENDING").exists()
    assert rows(tree) == before


# mends that cost no more than they must


def test_a_digest_edited_in_an_item_costs_no_product(tree: SmallTree) -> None:
    products = [tree.path(kind, NOVEMBER) for kind in ("record", "cog", "preview")]
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in products}
    item = tree.path("item", NOVEMBER).read_bytes()
    digit = read_record(products[0]).digest
    tree.path("item", NOVEMBER).write_bytes(
        item.replace(digit.encode(), f"{digit[:-1]}{'0' if digit[-1] != '0' else '1'}".encode())
    )
    (told,) = validate(tree.base).problems
    assert told.commands == (Commands(tree.base).rebuild,) and "digest" in told.problem
    assert rebuild() == 0 and tree.path("item", NOVEMBER).read_bytes() == item
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in products} == before


def test_a_digest_edited_in_an_item_beside_a_preview_of_another_month_is_not_sealed(tree: SmallTree) -> None:
    edit(tree.path("item", NOVEMBER), lambda item: item["properties"].update({"s1:digest": "0" * 64}))
    shutil.copy(tree.path("preview", DECEMBER), tree.path("preview", NOVEMBER))
    before = tree.path("item", NOVEMBER).read_bytes()
    assert rebuild() == 1
    assert tree.path("item", NOVEMBER).read_bytes() == before


@pytest.mark.parametrize("axis", [{"last": "2022-03"}, {"first": "2021-12"}, {"first": "2021-10", "last": "2021-11"}])
def test_an_axis_edited_in_the_cube_is_mended_from_its_times(tree: SmallTree, axis: dict[str, str]) -> None:
    store = tree.path("cube", NOVEMBER)
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    edit(store / "zarr.json", lambda root: root["attributes"]["s1monthly"].update(axis))
    (told, *_) = (finding for finding in validate(tree.base).problems if finding.place == str(store))
    assert told.commands == (Commands(tree.base).rebuild,)
    assert rebuild() == 0
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before
    assert validate(tree.base, Depth(digests=True)).to_text() == VALID


# what does not belong into a cube


@pytest.mark.parametrize("told_by_root", [False, True])
def test_an_array_that_is_none_of_the_cube_is_told(tree: SmallTree, told_by_root: bool) -> None:
    store = tree.path("cube", NOVEMBER)
    root = json.loads((store / "zarr.json").read_text())
    zarr.create_array(store / "VV_copy", shape=(2, 4, 4), dtype="float32")
    if told_by_root:
        held = root["consolidated_metadata"]["metadata"]
        held["VV_copy"] = json.loads((store / "VV_copy" / "zarr.json").read_text())
        (store / "zarr.json").write_text(json.dumps(root))
    (told,) = validate(tree.base).problems
    assert told.place == str(store) and "VV_copy" in told.problem
    for _round in range(2):
        for command in (command for finding in validate(tree.base).problems for command in finding.commands):
            subprocess.run(command, shell=True, check=False)
    assert validate(tree.base).to_text() == VALID
    assert not (store / "VV_copy").exists() and np.isfinite(cube.read_month(store, NOVEMBER.month, "VV_dB")).any()


def test_a_stray_status_makes_no_month(tree: SmallTree) -> None:
    store, january = tree.path("cube", NOVEMBER), CompositeKey.parse("10SGD", "ASCENDING", "2022-01")
    arrays = (*cube.state(store).bands, "count")
    tree.months[january] = 0
    before = rows(tree)
    tree.make(january, "cube")
    for array in arrays:
        shutil.rmtree(store / array / "c" / "2")
    assert january.month in cube.state(store).complete
    (told,) = validate(tree.base).problems
    assert told.place == str(store / "status" / "c" / "2") and "stray" in told.problem
    assert rebuild() == 1 and rows(tree) == before
    assert not list(tree.path("record", NOVEMBER).parent.glob("2022-01*"))
    (command,) = told.commands
    subprocess.run(command, shell=True, check=True)
    assert validate(tree.base).to_text() == VALID
