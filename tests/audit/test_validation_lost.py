"""Chunks, overviews, the account of the search, cube and record together: whatever is lost is told, nothing dropped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil

import catalog_rebuild
import catalog_validate
from s1monthly.audit.findings import Commands
from s1monthly.audit.month_checks import Depth
from s1monthly.audit.overviews import unlike
from s1monthly.audit.validation import validate
from s1monthly.catalog import item as stac
from s1monthly.catalog import table as catalog
from s1monthly.catalog import update as cataloguing
from s1monthly.cube import months as cube
from s1monthly.cube.write import write_month
from s1monthly.model import CompositeKey
from s1monthly.records.month import read_record
from support.small_tree import SmallTree
from support.told_commands import in_short, short

NOVEMBER = CompositeKey.parse("10SGD", "ASCENDING", "2021-11")
DECEMBER = CompositeKey.parse("10SGD", "ASCENDING", "2021-12")
RUN = "snakemake --cores 4 --configfile my.yaml"
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


def rebuild(tree: SmallTree, *options: str) -> int:
    return catalog_rebuild.main(["--output-dir", str(tree.base), *options])


def rows(tree: SmallTree) -> list[dict]:
    return catalog.read_catalog(tree.layout.catalog)


# chunks


def chunk(tree: SmallTree, band: str) -> Path:
    return tree.path("cube", NOVEMBER) / band / "c" / "0" / "1" / "1"


CHUNK_FAULTS: dict[str, Callable[[Path], object]] = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "cut to less than a header": lambda path: path.write_bytes(path.read_bytes()[:10]),
}


@pytest.mark.parametrize("fault", CHUNK_FAULTS)
@pytest.mark.parametrize("band", ["VV_dB", "RVI"])
def test_chunks_of_a_band_are_missed_without_reading_them(tree: SmallTree, fault: str, band: str) -> None:
    CHUNK_FAULTS[fault](chunk(tree, band))
    problems = validate(tree.base).problems
    told = next(finding for finding in problems if "2021-11" in finding.problem)
    assert told.place == str(tree.path("cube", NOVEMBER))
    assert f"2021-11: {band}: " in told.problem
    assert told.commands == (Commands(tree.base).rebuild,), "its COG holds the values"
    tree.path("cog", NOVEMBER).write_bytes(b"")
    problems = validate(tree.base).problems
    told = next(finding for finding in problems if "2021-11" in finding.problem)
    assert told.commands == (Commands(tree.base).rebuild,), "the record is kept: it alone tells the true digest"


@pytest.mark.parametrize("also_lost", ["cog", "preview", "item"])
@pytest.mark.parametrize("damage", ["chunk", "values", "count"])
def test_what_no_run_would_publish_is_taken_from_the_cog_or_told_as_lost(
    tree: SmallTree, damage: str, also_lost: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run refuses to show such values and tells to rebuild, so a rebuild must not tell to run, without more."""
    store, record = tree.path("cube", NOVEMBER), tree.path("record", NOVEMBER)
    before, witness = read_record(record), record.read_bytes()
    if damage == "chunk":
        chunk(tree, "VV_dB").unlink()
    elif damage == "count":
        chunk(tree, "count").write_bytes(b"no chunk")
    else:
        values, count = tree.values(NOVEMBER)
        values["VV_dB"] = values["VV_dB"] + 1
        write_month(store, NOVEMBER.month, values, count)
    tree.path(also_lost, NOVEMBER).unlink()
    mended = damage != "count" and also_lost != "cog"
    done = rebuild(tree)
    out = short(capsys.readouterr().out)
    assert record.read_bytes() == witness
    if mended:
        assert cube.month_digest(store, NOVEMBER.month) == before.digest
        assert done == (also_lost == "preview")
    else:
        assert done == 1 and "only its granules can make it again" in " ".join(out.split())
        assert f"mv {short(str(record))} elsewhere/" in out and "rm " not in out
    assert [row["month"] for row in rows(tree)] == ["2021-10", "2021-11", "2021-12"]


def test_chunks_without_a_valid_pixel_need_not_be_there(tree: SmallTree) -> None:
    """The swath ends inside the tile: of nine chunks one was never written."""
    files = [path for path in (tree.path("cube", NOVEMBER) / "VV_dB" / "c" / "0").rglob("*") if path.is_file()]
    assert len(files) == 8
    assert validate(tree.base).problems == []


# overviews


def spoil_overview(path: Path) -> None:
    """Let an overview of the third band show something else; every pixel at full resolution stays."""
    with rasterio.open(path, "r+", overview_level=1, IGNORE_COG_LAYOUT_BREAK="YES") as overview:
        values = overview.read(3)
        values[5, 5] += 1
        overview.write(values, 3)


def restored_layout(path: Path) -> None:
    """Write the changed COG as a COG again, with the overviews that it has."""
    again = path.with_suffix(".again.tif")
    rasterio.shutil.copy(
        path,
        again,
        driver="COG",
        compress="ZSTD",
        blocksize=128,
        overviews="FORCE_USE_EXISTING",
        copy_src_overviews=True,
    )
    again.replace(path)


@pytest.fixture
def spoiled(tree: SmallTree) -> SmallTree:
    path = tree.path("cog", NOVEMBER)
    with rasterio.open(path) as dataset:
        before = dataset.read()
    spoil_overview(path)
    restored_layout(path)
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(), before)
    return tree


def test_an_overview_that_shows_something_else_gets_no_item(
    spoiled: SmallTree, capsys: pytest.CaptureFixture[str]
) -> None:
    """The Item's checksum would make it look whole."""
    tree = spoiled
    tree.path("item", NOVEMBER).unlink()
    assert rebuild(tree) == 1
    assert "band Ratio: overview 1:4 is not the average of its pixels" in " ".join(capsys.readouterr().out.split())
    assert not tree.path("item", NOVEMBER).exists()


def test_digests_find_an_overview_that_its_item_calls_whole(spoiled: SmallTree) -> None:
    tree, path = spoiled, spoiled.path("cog", NOVEMBER)
    tree.make(NOVEMBER, "item", "tile_catalog", "catalog", "collection")
    assert validate(tree.base).problems == []
    (told,) = validate(tree.base, Depth(digests=True)).problems
    assert told.place == str(path) and told.problem == "band Ratio: overview 1:4 is not the average of its pixels"
    assert in_short(told.commands) == in_short((f"rm {path}", RUN))
    path.unlink()
    tree.run()
    assert validate(tree.base, Depth(digests=True)).to_text() == VALID


def test_overviews_of_every_band_are_averages(tree: SmallTree) -> None:
    record = read_record(tree.path("record", NOVEMBER))
    values, _ = tree.values(NOVEMBER)
    for number, name in enumerate(record.bands, start=1):
        assert unlike(tree.path("cog", NOVEMBER), number, values[name], record.grid) is None
    shifted = values["RVI"] + np.float32(1)
    assert unlike(tree.path("cog", NOVEMBER), 4, shifted, record.grid) == "not what the cube holds"


# cube and record both lost


def lose(tree: SmallTree) -> None:
    """The cube, and the record of one month."""
    shutil.rmtree(tree.path("cube", NOVEMBER))
    tree.path("record", NOVEMBER).unlink()


def without(row: dict, *names: str) -> dict:
    return {name: value for name, value in row.items() if name not in names}


def check_told_and_kept(tree: SmallTree, out: str) -> None:
    lost = f"{tree.path('record', NOVEMBER)}\n  record and values in the cube are lost; left: COG, preview, Item"
    assert lost in out and f"  $ {RUN}" in short(out)
    assert [row["month"] for row in rows(tree)] == ["2021-10", "2021-11", "2021-12"]
    row = rows(tree)[1]
    assert row["record_path"] is row["zarr_path"] is None
    assert all(row[name] for name in ("cog_path", "preview_path", "item_path"))
    links = stac.read_document(tree.layout.collection)["links"]
    assert len([link for link in links if link["rel"] == "item"]) == 2


def test_a_month_of_which_cube_and_record_are_lost_stays_catalogued(
    tree: SmallTree, capsys: pytest.CaptureFixture[str]
) -> None:
    before = rows(tree)[1]
    lose(tree)
    assert rebuild(tree) == 1
    check_told_and_kept(tree, capsys.readouterr().out)
    gone = ("zarr_path", "record_path")
    assert without(rows(tree)[1], *gone) == without(before, *gone)
    # validate says the same of the month, and of nothing more
    assert catalog_validate.main(["--output-dir", str(tree.base)]) == 1
    out = capsys.readouterr().out
    assert (
        f"{tree.path('record', NOVEMBER)}\n  record and values in the cube are lost; left: COG, preview, Item." in out
    )
    assert {Path(finding.place).name for finding in validate(tree.base).problems} == {"S1_monthly.zarr", "2021-11.json"}
    tree.run()
    assert validate(tree.base, Depth(digests=True)).to_text() == VALID
    assert rows(tree)[1] == before


def test_with_the_catalogs_lost_too_cog_and_item_tell_the_row(
    tree: SmallTree, capsys: pytest.CaptureFixture[str]
) -> None:
    before = rows(tree)[1]
    lose(tree)
    for path in (tree.path("tile_catalog", NOVEMBER), Path(tree.layout.catalog)):
        path.unlink()
    assert rebuild(tree) == 1
    check_told_and_kept(tree, capsys.readouterr().out)
    gone = ("zarr_path", "record_path")
    assert without(rows(tree)[1], *gone) == without(before, *gone)


def test_what_only_the_cog_is_left_to_tell(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    before = rows(tree)[1]
    lose(tree)
    for kind in ("tile_catalog", "catalog", "item", "preview"):
        tree.path(kind, NOVEMBER).unlink()
    assert rebuild(tree) == 1
    assert "left: COG; its row is kept" in " ".join(capsys.readouterr().out.split())
    row = rows(tree)[1]
    unknown = {name for name in before if row[name] != before[name]}
    previews = {name for name in before if name.startswith("preview_")}
    lost = {"zarr_path", "record_path", "item_path", "missing_granules", "count_min", "count_mean", "count_max"}
    assert unknown == lost | previews and all(row[name] is None for name in unknown)


@pytest.mark.parametrize("damage", ["another month's", "cut short", "no COG", "without a recipe"])
def test_a_cog_that_tells_nothing_leaves_the_old_row(tree: SmallTree, damage: str) -> None:
    before = rows(tree)[1]
    lose(tree)
    path = tree.path("cog", NOVEMBER)
    if damage == "another month's":
        shutil.copy(tree.path("cog", DECEMBER), path)
    elif damage == "cut short":
        path.write_bytes(path.read_bytes()[:5000])
    elif damage == "no COG":
        path.write_text("hello")
    else:
        with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
            dataset.update_tags(RECIPE="{")
    assert rebuild(tree) == 1
    gone = ("zarr_path", "record_path")
    assert without(rows(tree)[1], *gone) == without(before, *gone)


def test_the_rule_keeps_such_a_month_too(tree: SmallTree) -> None:
    """A run over other months catalogs the tile again."""
    lose(tree)
    cataloguing.catalog_tile(tree.path("folder", NOVEMBER))
    cataloguing.catalog_all(tree.base)
    assert [row["month"] for row in rows(tree)] == ["2021-10", "2021-11", "2021-12"]
    for kind in ("cog", "preview", "item"):
        tree.path(kind, NOVEMBER).unlink()
    cataloguing.catalog_tile(tree.path("folder", NOVEMBER))
    cataloguing.catalog_all(tree.base)
    assert [row["month"] for row in rows(tree)] == ["2021-10", "2021-12"], "nothing lies there of it any more"


# the account of the search


@pytest.mark.parametrize("also", ["", "tile_catalog"])
def test_without_the_account_of_the_search_months_without_data_stay(
    tree: SmallTree, also: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before, search = rows(tree), tree.path("search", NOVEMBER)
    search.unlink()
    if also:
        tree.path(also, NOVEMBER).unlink()
    told = {finding.place: finding for finding in validate(tree.base).problems}
    assert told[str(search)].problem.startswith("lost") and in_short(told[str(search)].commands) == in_short((RUN,))
    assert set(told) == {str(search)} | ({str(tree.path(also, NOVEMBER))} if also else set())
    assert rebuild(tree) == 1
    assert f"{search}\n  lost: months without data are known from the old catalog alone" in capsys.readouterr().out
    assert rows(tree) == before and rows(tree)[0]["asked"]
    cataloguing.catalog_tile(tree.path("folder", NOVEMBER))
    cataloguing.catalog_all(tree.base)
    assert rows(tree) == before
    tree.run()
    assert validate(tree.base).to_text() == VALID
    assert rows(tree) == before


# what is printed


def test_a_work_folder_elsewhere_is_in_the_commands(tree: SmallTree, tmp_path: Path) -> None:
    lists = tmp_path / "my lists"
    (tree.base / "work").rename(lists)
    tree.path("record", NOVEMBER).unlink()
    (told,) = validate(tree.base, work_dir=lists).problems
    command = f"python scripts/catalog_rebuild.py --output-dir {tree.base} --work-dir '{lists}'"
    assert in_short(told.commands) == in_short((command,))
    assert catalog_validate.main(["--output-dir", str(tree.base), "--work-dir", str(lists)]) == 1
    assert rebuild(tree, "--work-dir", str(lists)) == 0
    assert validate(tree.base).to_text() == VALID


def test_what_was_written_is_told_in_a_line_each(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.path("record", NOVEMBER).unlink()
    path = tree.path("item", DECEMBER)
    document = stac.read_document(path)
    document["properties"] |= {"s1:coverage": 2, "gsd": 1.5, "x": 1, "s1:count_mean": 7, "s1:status": "fine"}
    stac.write_document(path, document)
    Path(tree.layout.collection).unlink()
    shutil.rmtree(tree.base / "work")
    assert rebuild(tree) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert lines[0] == "10SGD_ASCENDING_2021-11 record: lost; from cube, COG; 4 facts null"
    assert lines[1].startswith("10SGD_ASCENDING_2021-11 Item: wrong in assets.record.file:")
    assert lines[2].startswith("10SGD_ASCENDING_2021-12 Item: wrong in ")
    assert lines[3] == "10SGD_ASCENDING catalog: 1 row changed"
    assert lines[-1] == "catalogued: 2 months of 1 folder, 1 without data"
    assert rebuild(tree) == 0
    assert capsys.readouterr().out.splitlines() == lines[-1:]


def test_json_of_a_rebuild(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.path("record", NOVEMBER).unlink()
    tree.path("preview", DECEMBER).unlink()
    assert rebuild(tree, "--json") == 1
    content = json.loads(capsys.readouterr().out)
    assert (content["whole"], content["months"], content["without_data"], content["folders"]) == (False, 2, 1, 1)
    assert content["made"][0] == {
        "place": "10SGD_ASCENDING_2021-11",
        "what": "record",
        "why": "lost; the same to the byte again",
    }
    (left,) = content["left"]
    left["commands"] = [short(command) for command in left["commands"]]
    assert left == {"place": str(tree.path("preview", DECEMBER)), "problem": "no preview", "commands": [RUN]}


@pytest.mark.parametrize("tool", [catalog_rebuild, catalog_validate])
def test_usage_shows_how_it_is_called(tool: object, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        tool.main(["--help"])
    assert capsys.readouterr().out.startswith(f"usage: python scripts/{tool.__name__}.py [-h]")
