"""A record, or an Item, that was edited by hand is not believed; what cannot be proven is said to be unknown."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

import catalog_rebuild
from s1monthly.audit.month_checks import Depth
from s1monthly.audit.origins import _KINDS, credible_origin
from s1monthly.audit.validation import validate
from s1monthly.catalog import item as stac
from s1monthly.catalog import table as catalog
from s1monthly.cube import months as cube
from s1monthly.errors import ProductError
from s1monthly.files import write_text
from s1monthly.model import CompositeKey, Month
from s1monthly.records.month import read_record
from s1monthly.records.seal import SEAL, seal
from support.small_tree import SmallTree
from support.told_commands import in_short, short

NOVEMBER = CompositeKey.parse("10SGD", "ASCENDING", "2021-11")
DECEMBER = CompositeKey.parse("10SGD", "ASCENDING", "2021-12")
VALID = "valid: 2 months of 1 tile"


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


@pytest.fixture
def listless(tree: SmallTree) -> SmallTree:
    """Without granule lists, as when the work folder was removed."""
    shutil.rmtree(tree.base / "work")
    return tree


def edit(path: Path, change: Callable[[dict], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document, indent=1, sort_keys=path.parent.name == "months") + "\n")


def rebuild(tree: SmallTree) -> int:
    return catalog_rebuild.main(["--output-dir", str(tree.base)])


def row_of_november(tree: SmallTree) -> dict:
    return catalog.read_catalog(tree.layout.catalog)[1]


def raise_count(record: dict) -> None:
    """Another count of passes everywhere, each number in step with the others."""
    record["count"] = {"minimum": 9, "maximum": 9, "mean": 9.0, "histogram": {"9": record["pixels"]["valid"]}}


def sealed_again(record: dict) -> None:
    del record[SEAL]
    record.update(seal(record))


EDITS: dict[str, Callable[[dict], object]] = {
    "count of passes": raise_count,
    "valid pixels": lambda record: record["pixels"].update(valid=record["pixels"]["total"]),
    "footprint": lambda record: record["footprint"]["coordinates"][0][0].__setitem__(0, -120.0),
    "footprint of the whole tile": lambda record: record.update(
        footprint={"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}
    ),
    "a band's mean": lambda record: record["bands"]["RVI"].update(mean=0.5),
    "granule": lambda record: record["granules"][0].update(
        id=record["granules"][0]["id"].replace("T137-292318", "T042-292318")
    ),
    "one more granule": lambda record: record["granules"].append(
        {**record["granules"][0], "id": record["granules"][0]["id"].replace("_S1A_", "_S1B_")}
    ),
    "software": lambda record: record["software"].update(numpy="1.0"),
    "recipe": lambda record: record["recipe"].update(mosaic="first"),
    "digest": lambda record: record.update(digest="0" * 64),
}


@pytest.mark.parametrize("edited", EDITS)
def test_an_edited_record_is_blamed_and_comes_back(
    tree: SmallTree, edited: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Item, COG and granule list tell what it was, so it comes back to the byte."""
    path = tree.path("record", NOVEMBER)
    before = {kind: tree.path(kind, NOVEMBER).read_bytes() for kind in ("record", "item", "tile_catalog", "catalog")}
    edit(path, EDITS[edited])
    assert path.read_bytes() != before["record"]
    (told,) = validate(tree.base).problems
    assert told.place == str(path) and in_short(told.commands) == (
        short(f"python scripts/catalog_rebuild.py --output-dir {tree.base}"),
    ), told
    assert "not the file that the month's Item names" in told.problem and "Changed" in told.problem
    assert rebuild(tree) == 0
    assert f"{NOVEMBER} record: changed: " in capsys.readouterr().out
    assert {kind: tree.path(kind, NOVEMBER).read_bytes() for kind in before} == before
    assert validate(tree.base, Depth(digests=True)).to_text() == VALID


@pytest.mark.parametrize("edited", [name for name in EDITS if name not in ("a band's mean",)])
@pytest.mark.parametrize("without", ["item", "work"])
def test_cube_and_cog_contradict_an_edited_record(tree: SmallTree, edited: str, without: str) -> None:
    """Nothing has its checksum or, of the granule list, what it named: what cannot be known becomes null."""
    made = read_record(tree.path("record", NOVEMBER))
    if without == "item":
        tree.path("item", NOVEMBER).unlink()
    shutil.rmtree(tree.base / "work")
    edit(tree.path("record", NOVEMBER), EDITS[edited])
    problems = validate(tree.base).problems
    assert str(tree.path("record", NOVEMBER)) in {finding.place for finding in problems}
    assert rebuild(tree) == 0
    found = read_record(tree.path("record", NOVEMBER))
    for name in ("digest", "bands", "count", "valid", "footprint", "recipe", "granules", "software"):
        assert getattr(found, name) == getattr(made, name), name
    assert found.unknown == ["set_aside", "unread", "granules_digest", "layers"]
    assert row_of_november(tree)["granules"] == 1 and row_of_november(tree)["tracks"] == [137]
    assert validate(tree.base, Depth(digests=True)).problems == []


def test_statistics_that_only_reading_all_values_disproves(listless: SmallTree) -> None:
    """Record and Item were edited together, and sealed: nothing is suspicious until the values are read."""
    tree = listless
    edit(tree.path("record", NOVEMBER), EDITS["a band's mean"])
    edit(tree.path("record", NOVEMBER), sealed_again)
    tree.make(NOVEMBER, "item", "tile_catalog", "catalog", "collection")
    assert validate(tree.base).problems == []
    (told,) = validate(tree.base, Depth(digests=True)).problems
    path = tree.path("record", NOVEMBER)
    assert told.place == str(path) and "Changed, by the cube: bands" in told.problem
    assert in_short(told.commands) == (
        short(f"rm {path}"),
        short(f"python scripts/catalog_rebuild.py --output-dir {tree.base}"),
    )
    path.unlink()
    assert rebuild(tree) == 0
    assert validate(tree.base, Depth(digests=True)).problems == []


UNPROVEN: dict[str, Callable[[dict], object]] = {
    "nothing was set aside": lambda record: record.update(
        set_aside=[{"id": record["granules"][0]["id"], "reason": "made up", "lost": True}]
    ),
    "another list": lambda record: record.update(granules_digest="0" * 16),
    "layers": lambda record: record["granules"][0]["layers"]["VV"].update(size=1),
}


@pytest.mark.parametrize("edited", UNPROVEN)
def test_what_only_a_changed_record_tells_is_not_believed(
    listless: SmallTree, edited: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """All that can be measured fits. It is neither believed nor written over; removed, it is rebuilt with nulls."""
    tree, path = listless, listless.path("record", NOVEMBER)
    item, row = tree.path("item", NOVEMBER).read_bytes(), row_of_november(tree)
    edit(path, UNPROVEN[edited])
    edited_bytes = path.read_bytes()
    (told,) = validate(tree.base).problems
    assert told.place == str(path) and "nothing else tells whether it is true" in told.problem
    assert in_short(told.commands) == (
        short(f"rm {path}"),
        short(f"python scripts/catalog_rebuild.py --output-dir {tree.base}"),
    )
    assert rebuild(tree) == 1
    assert "nothing else tells" in " ".join(capsys.readouterr().out.split())
    assert (path.read_bytes(), tree.path("item", NOVEMBER).read_bytes()) == (edited_bytes, item)
    assert row_of_november(tree) == row
    path.unlink()
    assert rebuild(tree) == 0
    assert read_record(path).unknown == ["set_aside", "unread", "granules_digest", "layers"]
    assert validate(tree.base, Depth(digests=True)).problems == []


@pytest.mark.parametrize("edited", ["one more granule", "digest", "another list"])
@pytest.mark.parametrize("lost", ["Item", "cube", "witnesses"])
def test_an_altered_record_is_never_catalogued(listless: SmallTree, edited: str, lost: str) -> None:
    """Its seal tells, also where every witness is gone."""
    tree, path = listless, listless.path("record", NOVEMBER)
    made = read_record(path)
    edit(path, {**EDITS, **UNPROVEN}[edited])
    altered = path.read_bytes()
    if lost in ("Item", "witnesses"):
        tree.path("item", NOVEMBER).unlink()
    if lost == "cube":
        shutil.rmtree(tree.path("cube", NOVEMBER))
    if lost == "witnesses":
        for kind in ("cog", "preview", "tile_catalog", "catalog"):
            tree.path(kind, NOVEMBER).unlink()
    for read in (lambda: read_record(path), lambda: catalog.tile_rows(tree.path("folder", NOVEMBER))):
        with pytest.raises(ProductError, match="altered since it was written"):
            read()
    assert lost == "cube" or any("altered" in finding.problem for finding in validate(tree.base).problems)
    rebuild(tree)
    rows = [row for row in catalog.read_catalog(tree.layout.catalog) if row["month"] == "2021-11"]
    if path.read_bytes() != altered:
        assert read_record(path).unknown, "what only the altered record told is not known"
    elif rows:  # that of before
        assert (rows[0]["granules"], rows[0]["digest"]) == (1, made.digest)


def test_a_record_in_another_form_gets_its_own_back(listless: SmallTree) -> None:
    """An editor that indents otherwise has changed nothing."""
    path = listless.path("record", NOVEMBER)
    before = path.read_bytes()
    path.write_text(json.dumps(json.loads(before), indent=4))
    (told,) = validate(listless.base).problems
    assert told.place == str(path) and "Changed, by the Item's checksum: its form" in told.problem
    assert rebuild(listless) == 0
    assert path.read_bytes() == before
    assert validate(listless.base).to_text() == VALID


def test_an_item_with_a_false_checksum_is_to_blame_itself(tree: SmallTree) -> None:
    """The granule list makes the very record that is there."""
    before = tree.path("item", NOVEMBER).read_bytes(), tree.path("record", NOVEMBER).read_bytes()
    edit(
        tree.path("item", NOVEMBER), lambda item: item["assets"]["record"].update({"file:checksum": f"1220{'0' * 64}"})
    )
    (told,) = validate(tree.base).problems
    assert told.place == str(tree.path("item", NOVEMBER))
    assert rebuild(tree) == 0
    assert (tree.path("item", NOVEMBER).read_bytes(), tree.path("record", NOVEMBER).read_bytes()) == before


def test_a_record_newer_than_its_products_is_believed(tree: SmallTree) -> None:
    """Made again of other granules with the same values; the run was killed before COG and Item were written again."""
    values = tree.values
    tree.months[NOVEMBER] += 1
    tree.search(NOVEMBER)
    tree.values = lambda key: SmallTree.values(_as_before(tree), key)  # type: ignore[method-assign]
    tree.make(NOVEMBER, "record")
    tree.values = values  # type: ignore[method-assign]
    record = tree.path("record", NOVEMBER).read_bytes()
    assert len(read_record(tree.path("record", NOVEMBER)).granules) == 2
    assert {finding.place for finding in validate(tree.base).problems} == {str(tree.path("cog", NOVEMBER))}
    rebuild(tree)
    assert tree.path("record", NOVEMBER).read_bytes() == record


def _as_before(tree: SmallTree) -> SmallTree:
    """The tree as it was before its months changed: for the values."""
    before = SmallTree(tree.base)
    before.months = dict.fromkeys(tree.months, 0)
    return before


def test_attributes_of_a_cube_that_were_changed_are_not_written_into_records(
    tree: SmallTree, capsys: pytest.CaptureFixture[str]
) -> None:
    """No digest of a month covers them; record, Item and COG agree against the cube, which gets back its own."""
    root = tree.path("cube", NOVEMBER) / "zarr.json"
    before = {path: path.read_bytes() for path in tree.base.rglob("*.json")}
    edit(root, lambda content: content["attributes"]["s1monthly"]["recipe"].update(mosaic="first"))
    (told,) = validate(tree.base).problems
    assert "made otherwise than records and chunks prove" in told.problem
    assert rebuild(tree) == 0
    assert "10SGD_ASCENDING cube: its zarr.json says that it was made otherwise" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in before} == before


def test_a_month_in_order_is_checked_without_reading_values(tree: SmallTree, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check must stay cheap: it reads the count once and no band."""
    opened: list[str] = []
    original = cube.read_slot

    def watched(array: Path, *options: Any) -> np.ndarray:
        opened.append(array.name)
        return original(array, *options)

    monkeypatch.setattr(cube, "read_slot", watched)
    assert validate(tree.base).problems == []
    assert opened == ["count", "count"]
    opened.clear()
    assert rebuild(tree) == 0
    assert opened == ["count", "count"]


# what an Item alone tells of a rebuilt month


@pytest.fixture
def told_by_item(listless: SmallTree) -> SmallTree:
    """A record that was rebuilt without COG and granule list: its Item alone tells what it was made of."""
    tree = listless
    for key in (NOVEMBER, DECEMBER):
        tree.path("cog", key).unlink()
        edit(tree.path("item", key), lambda item: item["assets"].pop("cog"))
    tree.path("record", NOVEMBER).unlink()
    rebuild(tree)
    assert validate(tree.base).problems == []
    return tree


NONSENSE = {
    "platform": "x",
    "s1:platforms": ["sentinel-2a"],
    "s1:tracks": [999],
    "s1:granules": -1,
    "s1:passes": 1.5,
    "s1:missing_granules": True,
    "s1:first_acquisition": "yesterday",
    "s1:last_acquisition": "2021-12-01T00:00:00Z",
    "processing:software": {"numpy": 2},
    "sat:relative_orbit": 0,
    "sat:platform_international_designator": "2099-001A",
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_in_an_item_is_not_kept(told_by_item: SmallTree, name: str) -> None:
    tree, path = told_by_item, told_by_item.path("item", NOVEMBER)
    assert name in stac.read_document(path)["properties"]
    edit(path, lambda item: item["properties"].update({name: NONSENSE[name]}))
    problems = validate(tree.base).problems
    assert {finding.place for finding in problems} == {str(path)}
    assert rebuild(tree) == 0
    assert stac.read_document(path)["properties"].get(name) != NONSENSE[name]
    assert validate(tree.base).problems == []


@pytest.mark.parametrize("orbit", ["up", 3, None])
def test_the_direction_is_the_folders_not_the_items(told_by_item: SmallTree, orbit: object) -> None:
    path = told_by_item.path("item", NOVEMBER)
    edit(path, lambda item: item["properties"].update({"sat:orbit_state": orbit, "s1:orbit_direction": orbit}))
    assert len(validate(told_by_item.base).problems) == 1
    rebuild(told_by_item)
    assert stac.read_document(path)["properties"]["sat:orbit_state"] == "ascending"


def test_software_of_a_restored_record_is_checked(listless: SmallTree) -> None:
    tree = listless
    tree.path("record", NOVEMBER).unlink()
    tree.path("cog", NOVEMBER).unlink()
    edit(tree.path("item", NOVEMBER), lambda item: item["properties"].update({"processing:software": {"a b": 3}}))
    rebuild(tree)
    assert read_record(tree.path("record", NOVEMBER)).software is None


def test_granules_in_a_cog_that_was_edited_are_not_believed(listless: SmallTree) -> None:
    """Its Item has another checksum of it; nobody else names the granules."""
    tree = listless
    tree.path("record", NOVEMBER).unlink()
    with rasterio.open(tree.path("cog", NOVEMBER), "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        dataset.update_tags(GRANULES=dataset.tags()["GRANULES"].replace("T137", "T042"))
    rebuild(tree)
    assert read_record(tree.path("record", NOVEMBER)).granules is None


def test_properties_must_agree_with_each_other() -> None:
    month = Month.parse("2021-11")
    whole = {
        "platform": "sentinel-1a",
        "s1:platforms": ["sentinel-1a"],
        "s1:tracks": [137],
        "s1:granules": 4,
        "s1:passes": 2,
        "s1:first_acquisition": "2021-11-03T02:00:00Z",
        "s1:last_acquisition": "2021-11-09T02:00:00Z",
        "sat:relative_orbit": 137,
        "sat:platform_international_designator": "2014-016A",
        "s1:digest": "not of the origin",
    }
    known = {name: value for name, value in whole.items() if name != "s1:digest"}
    assert credible_origin(whole, month) == known
    changes: dict[str, tuple[object, set[str]]] = {
        "platform": ("sentinel-1b", {"platform", "s1:platforms"}),
        "sat:relative_orbit": (136, {"s1:tracks", "sat:relative_orbit"}),
        "s1:passes": (5, {"s1:granules", "s1:passes"}),
        "s1:last_acquisition": ("2021-11-02T00:00:00Z", {"s1:first_acquisition", "s1:last_acquisition"}),
    }
    for name, (value, dropped) in changes.items():
        assert known.keys() - credible_origin({**whole, name: value}, month).keys() == dropped, name
    assert credible_origin({"s1:tracks": [137, 12]}, month) == credible_origin({"s1:tracks": [[1], {}]}, month) == {}
    assert set(_KINDS) == set(stac.ORIGIN)


def test_the_samples_are_edited_where_a_measure_must_see_it(tree: SmallTree) -> None:
    record = read_record(tree.path("record", NOVEMBER))
    assert record.count.histogram == {1: record.valid} and 0 < record.valid < record.total
    assert np.isfinite(record.bands["RVI"].mean) and record.bands["RVI"].mean != 0.5
    assert write_text(tree.path("record", NOVEMBER), record.to_json(), only_if_changed=True) is False
