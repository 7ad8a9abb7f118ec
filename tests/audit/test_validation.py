"""Every fault of an output tree is told with the commands that mend it; then nothing is wrong, and nothing lost."""

from __future__ import annotations

import copy
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio

import catalog_rebuild
import catalog_validate
from s1monthly.audit import findings
from s1monthly.audit.findings import Finding, Report
from s1monthly.audit.month_checks import Depth
from s1monthly.audit.rebuilding import rebuild
from s1monthly.audit.validation import validate
from s1monthly.catalog import item as stac
from s1monthly.catalog import table as catalog
from s1monthly.cube import months as cube
from s1monthly.model import CompositeKey
from s1monthly.records.month import read_record
from support.small_tree import SmallTree
from support.told_commands import in_short, short

NOVEMBER = CompositeKey.parse("10SGD", "ASCENDING", "2021-11")
DECEMBER = CompositeKey.parse("10SGD", "ASCENDING", "2021-12")
DESCENDING = CompositeKey.parse("10SGD", "DESCENDING", "2021-11")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> SmallTree:
    """Two months of one direction, one of the other; a month without data before each."""
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


def facts(tree: SmallTree) -> dict[tuple[str, str, str], tuple[object, ...]]:
    """What an operator would miss: every month with its status and values, and what lies there of it."""
    rows = catalog.read_catalog(tree.layout.catalog)
    names = ("status", "digest", "granules", "processing_level", *catalog.PATHS)
    return {catalog.row_key(row): tuple(row[name] for name in names) for row in rows}


def mend(tree: SmallTree, found: list[Finding]) -> None:
    """Do what an operator does: every command once, in order; then the workflow, then what a rebuild still tells."""
    Path("elsewhere").mkdir(exist_ok=True)
    commands = list(dict.fromkeys(command for finding in found for command in finding.commands))
    for command in sorted(commands, key=lambda command: ("snakemake" in command) + 2 * ("catalog_rebuild" in command)):
        if "snakemake" in command:
            tree.run()
        elif "catalog_rebuild" in command:
            catalog_rebuild.main(shlex.split(command)[2:])
            mend(tree, [finding for finding in rebuild(tree.base).left if command not in finding.commands])
        else:
            subprocess.run(command, shell=True, check=True)


def edit_json(path: Path, change: Callable[[dict], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def truncate(path: Path, share: float = 0.5) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def flip(path: Path) -> None:
    """Change one byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def drop_chunks(tree: SmallTree, band: str = "VV_dB") -> None:
    shutil.rmtree(tree.path("cube", NOVEMBER) / band / "c" / "0")


def damage_chunk(tree: SmallTree) -> None:
    """Let one chunk hold another month's: it decodes, and is wrong."""
    chunks = tree.path("cube", NOVEMBER) / "VH_dB" / "c"
    shutil.copy(chunks / "1" / "0" / "0", chunks / "0" / "0" / "0")


def other_grid(tree: SmallTree) -> None:
    with rasterio.open(tree.path("cog", NOVEMBER), "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        dataset.transform = rasterio.Affine(300, 0, 0, 0, -300, 0)


def plain_tiff(tree: SmallTree) -> None:
    path = tree.path("cog", NOVEMBER)
    with rasterio.open(path) as dataset:
        profile, bands = {**dataset.profile, "tiled": False, "nodata": 0}, dataset.read()
    for name in ("blockxsize", "blockysize"):
        del profile[name]
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(bands)


def doubled(tree: SmallTree) -> None:
    for path in (tree.path("tile_catalog", NOVEMBER), tree.path("catalog", NOVEMBER)):
        table = pq.read_table(path)
        pq.write_table(pa.concat_tables([table, table.slice(1, 1)]), path)


def another_value(path: str | Path, month: str = "", direction: str = "") -> None:
    """Let all rows, or those of a month and direction, have another number of granules."""
    rows = catalog.read_catalog(path)
    for row in rows:
        if month in row["month"] and row["flight_direction"].startswith(direction):
            row["granules"] = 99
    catalog.write_catalog(path, rows)


def reversed_rows(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.take(list(range(len(table)))[::-1]), path)


def other_level(tree: SmallTree) -> None:
    edit_json(tree.path("record", NOVEMBER), lambda record: record.update(level="ARDC"))


def other_recipe(tree: SmallTree) -> None:
    def change(record: dict) -> None:
        record["recipe"]["mosaic"] = "first"

    edit_json(tree.path("record", NOVEMBER), change)


def like_the_peers(tree: SmallTree) -> None:
    """An Item with the faults of S1-GRiTS's: no collection, x and y without extent."""

    def change(item: dict) -> None:
        del item["collection"]
        for axis in ("x", "y"):
            del item["properties"]["cube:dimensions"][axis]["extent"]

    edit_json(tree.path("item", NOVEMBER), change)


def scalar_summaries(tree: SmallTree) -> None:
    edit_json(Path(tree.layout.collection), lambda c: c["summaries"].update(platform="sentinel-1a", gsd=300.0))


RUN, REBUILD = "snakemake", "catalog_rebuild"
COG, PREVIEW = (f"output/10SGD_ASCENDING/{name}/10SGD_S1_Monthly_ASCENDING_2021-11" for name in ("cog", "preview"))
ITEM = "output/10SGD_ASCENDING/10SGD_ASCENDING_2021-11.json"
RECORD = "output/10SGD_ASCENDING/months/2021-11.json"
CUBE = "output/10SGD_ASCENDING/zarr/S1_monthly.zarr"

FAULTS: dict[str, tuple[Callable[[SmallTree], object], str, str, list[str]]] = {
    "COG cut short": (
        lambda t: truncate(t.path("cog", NOVEMBER), 0.9),
        f"{COG}.tif",
        r"cut short.*block 0, 2 of band 4",
        [f"rm {COG}.tif", RUN],
    ),
    "COG longer than it was": (
        lambda t: t.path("cog", NOVEMBER).open("ab").write(b"more"),
        f"{COG}.tif",
        r"names: \d+ bytes, where the Item says \d+",
        [f"rm {COG}.tif", RUN],
    ),
    "COG cut to its header": (
        lambda t: truncate(t.path("cog", NOVEMBER), 0.001),
        f"{COG}.tif",
        "cannot be opened",
        [f"rm {COG}.tif", RUN],
    ),
    "COG with a flipped byte": (
        lambda t: flip(t.path("cog", NOVEMBER)),
        f"{COG}.tif",
        "another checksum",
        [f"rm {COG}.tif", RUN],
    ),
    "COG deleted": (lambda t: t.path("cog", NOVEMBER).unlink(), f"{COG}.tif", "no COG", [RUN]),
    "COG of another grid": (other_grid, f"{COG}.tif", "not laid out as a COG.*transform", [f"rm {COG}.tif", RUN]),
    "COG that is none": (plain_tiff, f"{COG}.tif", "not laid out.*not tiled.*and 2 more", [f"rm {COG}.tif", RUN]),
    "COG of another month": (
        lambda t: shutil.copy(t.path("cog", DECEMBER), t.path("cog", NOVEMBER)),
        f"{COG}.tif",
        "tag DIGEST",
        [f"rm {COG}.tif", RUN],
    ),
    "previews deleted": (lambda t: t.path("preview", NOVEMBER).unlink(), f"{PREVIEW}.png", "no preview", [RUN]),
    "preview cut short": (
        lambda t: truncate(t.path("preview", NOVEMBER)),
        f"{PREVIEW}.png",
        "cut short",
        [f"rm {PREVIEW}.png", RUN],
    ),
    "preview that is no picture": (
        lambda t: t.path("preview", NOVEMBER).write_text("hello"),
        f"{PREVIEW}.png",
        "cannot be read|not a PNG",
        [f"rm {PREVIEW}.png", RUN],
    ),
    "preview of another month": (
        lambda t: shutil.copy(t.path("preview", DECEMBER), t.path("preview", NOVEMBER)),
        f"{PREVIEW}.png",
        "not the file that the month's Item names",
        [f"rm {PREVIEW}.png", RUN],
    ),
    "Item edited by hand": (
        lambda t: edit_json(
            t.path("item", NOVEMBER), lambda item: item["properties"].update({"s1:count_mean": 1.0001})
        ),
        ITEM,
        "s1:count_mean: 1.0001, not 1.0",
        [REBUILD],
    ),
    "Item with a foreign field": (
        lambda t: edit_json(t.path("item", NOVEMBER), lambda item: item.update(mine=1)),
        ITEM,
        "mine: does not belong there",
        [REBUILD],
    ),
    "Item like S1-GRiTS's": (
        like_the_peers,
        ITEM,
        "dimensions.y.extent: missing; .*dimensions.x.extent: missing; collection: missing",
        [REBUILD],
    ),
    "Item without checksum": (
        lambda t: edit_json(t.path("item", NOVEMBER), lambda item: item["assets"]["cog"].pop("file:checksum")),
        ITEM,
        "assets.cog.file:checksum: missing",
        [REBUILD],
    ),
    "Item that is no JSON": (lambda t: truncate(t.path("item", NOVEMBER)), ITEM, "cannot be read", [REBUILD]),
    "Item deleted": (lambda t: t.path("item", NOVEMBER).unlink(), ITEM, "no Item", [RUN]),
    "digest edited in an Item": (
        lambda t: edit_json(t.path("item", NOVEMBER), lambda item: item["properties"].update({"s1:digest": "0" * 64})),
        ITEM,
        "properties.s1:digest",
        [REBUILD],
    ),
    "record deleted": (lambda t: t.path("record", NOVEMBER).unlink(), RECORD, "no record, though the cube", [REBUILD]),
    "record cut short": (
        lambda t: truncate(t.path("record", NOVEMBER)),
        RECORD,
        "record cannot be read",
        [f"rm {RECORD}", REBUILD],
    ),
    "record of another level": (
        other_level,
        RECORD,
        "level of the record: ARDC, its recipe: hARDCp.*Changed",
        [REBUILD],
    ),
    "record of another recipe": (other_recipe, RECORD, r'mosaic: "first" -> "mean"', [REBUILD]),
    "record of another grid": (
        lambda t: edit_json(t.path("record", NOVEMBER), lambda record: record["grid"].update(left=0.0)),
        RECORD,
        "grid or bands are not those of the cube",
        [REBUILD],
    ),
    "record of another month": (
        lambda t: shutil.copy(t.path("record", DECEMBER), t.path("record", NOVEMBER)),
        RECORD,
        "this record is of 10SGD_ASCENDING_2021-12",
        [f"rm {RECORD}", REBUILD],
    ),
    "month doubled in the catalogs": (
        doubled,
        "output/10SGD_ASCENDING/catalog.parquet",
        "2021-11 is there twice",
        [REBUILD],
    ),
    "catalog in another order": (
        lambda t: reversed_rows(t.path("tile_catalog", NOVEMBER)),
        "output/10SGD_ASCENDING/catalog.parquet",
        "its rows are not in order",
        [REBUILD],
    ),
    "catalog truncated": (
        lambda t: truncate(t.path("tile_catalog", NOVEMBER)),
        "output/10SGD_ASCENDING/catalog.parquet",
        "cannot be read",
        [REBUILD],
    ),
    "global catalog truncated": (
        lambda t: truncate(Path(t.layout.catalog)),
        "output/catalog.parquet",
        "cannot be read",
        [REBUILD],
    ),
    "global catalog deleted": (
        lambda t: Path(t.layout.catalog).unlink(),
        "output/catalog.parquet",
        "cannot be read",
        [REBUILD],
    ),
    "catalog with another value": (
        lambda t: another_value(t.path("tile_catalog", NOVEMBER)),
        "output/10SGD_ASCENDING/catalog.parquet",
        "out of step: 10SGD_ASCENDING_2021-10: granules; .*2021-12: granules$",
        [REBUILD],
    ),
    "global catalog with another value": (
        lambda t: another_value(t.layout.catalog),
        "output/catalog.parquet",
        "out of step: 10SGD_ASCENDING_2021-10: granules; .*and 2 more",
        [REBUILD],
    ),
    "Collection edited": (
        scalar_summaries,
        "output/collection.json",
        "summaries.platform: 'sentinel-1a', not",
        [REBUILD],
    ),
    "Collection deleted": (
        lambda t: Path(t.layout.collection).unlink(),
        "output/collection.json",
        "cannot be read",
        [REBUILD],
    ),
    "account of the search damaged": (
        lambda t: t.path("search", NOVEMBER).write_text("{"),
        "output/10SGD_ASCENDING/search.json",
        "damaged",
        ["rm output/10SGD_ASCENDING/search.json", RUN],
    ),
    "chunks of the count lost": (
        lambda t: drop_chunks(t, "count"),
        CUBE,
        r"2021-11: the counts of passes are not the record\'s \(0 pixels",
        [REBUILD],
    ),
    "chunks of a band lost": (
        drop_chunks,
        CUBE,
        "2021-11: VV_dB: 8 of 8 chunks missing or cut short",
        [REBUILD],
    ),
    "month lost in the cube": (
        lambda t: (t.path("cube", NOVEMBER) / "status" / "c" / "0").unlink(),
        CUBE,
        "2021-11 is empty",
        [REBUILD],
    ),
    "month being written": (
        lambda t: (t.path("cube", NOVEMBER) / "status" / "c" / "0").write_bytes(b"\1"),
        CUBE,
        "2021-11 was being",
        [REBUILD],
    ),
    "cube deleted": (lambda t: shutil.rmtree(t.path("cube", NOVEMBER)), CUBE, "there is no cube", [RUN]),
    "stray file": (
        lambda t: (t.base / "10SGD_ASCENDING" / "cog" / "notes.txt").write_text("mine"),
        "output/10SGD_ASCENDING/cog/notes.txt",
        "does not belong",
        ["mv output/10SGD_ASCENDING/cog/notes.txt elsewhere/"],
    ),
    "stray folder": (
        lambda t: (t.base / "results of June").mkdir(),
        "output/results of June",
        "does not belong",
        ["mv 'output/results of June' elsewhere/"],
    ),
    "COG of a month that is none": (
        lambda t: shutil.copy(t.path("cog", NOVEMBER), f"{COG[:-2]}13.tif"),
        f"{COG[:-2]}13.tif",
        "does not belong",
        [f"mv {COG[:-2]}13.tif elsewhere/"],
    ),
    "tile folder renamed to another tile": (
        lambda t: (t.base / "10SGD_ASCENDING").rename(t.base / "10SGE_ASCENDING"),
        "output/10SGE_ASCENDING",
        "holds 10SGD_ASCENDING",
        ["mv output/10SGE_ASCENDING output/10SGD_ASCENDING", REBUILD],
    ),
    "tile folder renamed to anything": (
        lambda t: (t.base / "10SGD_ASCENDING").rename(t.base / "old"),
        "output/old",
        "holds 10SGD_ASCENDING",
        ["mv output/old output/10SGD_ASCENDING", REBUILD],
    ),
}
ALSO = {"month doubled in the catalogs": ["output/catalog.parquet"]}
"""What else is told."""

DEEP: dict[str, tuple[Callable[[SmallTree], object], str]] = {
    "chunk of another month": (damage_chunk, "the values in the cube are not those of"),
    "chunk that cannot be decoded": (
        lambda t: flip(t.path("cube", NOVEMBER) / "VV_dB" / "c" / "0" / "0" / "0"),
        "damaged|values in the cube are not those",
    ),
}
"""Seen with ``--digests`` alone."""


def kinds(commands: tuple[str, ...]) -> list[str]:
    """Commands, those of the workflow and of the other tool by one word."""
    return [next((word for word in (RUN, REBUILD) if word in command), short(command)) for command in commands]


@pytest.mark.filterwarnings("error")
def test_a_tree_in_order_is_told_in_one_line(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in tree.base.rglob("*")}
    for options in ([], ["--digests"], ["--no-checksums"], ["--output-dir", "output"]):
        assert catalog_validate.main(options) == 0
        assert capsys.readouterr().out == "valid: 3 months of 1 tile\n"
    assert {path: path.stat().st_mtime_ns for path in tree.base.rglob("*")} == before


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_with_what_mends_it(tree: SmallTree, fault: str) -> None:
    damage, place, problem, commands = FAULTS[fault]
    before = facts(tree)
    damage(tree)
    report = validate(tree.base)
    told, *others = sorted(report.problems, key=lambda finding: finding.place != place)
    assert told.place == place and re.search(problem, told.problem), report.to_text()
    assert kinds(told.commands) == commands
    assert [finding.place for finding in others] == ALSO.get(fault, []), report.to_text()
    mend(tree, report.problems)
    after = validate(tree.base, Depth(digests=True))
    assert after.to_text() == "valid: 3 months of 1 tile"
    assert facts(tree) == before


def test_a_month_in_trouble_is_told_once(tree: SmallTree) -> None:
    """What mends it writes the catalogs again, so they are not told too, whatever state they are in."""
    tree.path("cog", NOVEMBER).unlink()
    truncate(tree.path("tile_catalog", NOVEMBER))
    another_value(tree.layout.catalog, month="2021-11", direction="ASCENDING")
    places = [finding.place for finding in validate(tree.base).problems]
    assert places == [f"{COG}.tif", "output/10SGD_ASCENDING/catalog.parquet"]


@pytest.mark.parametrize("fault", DEEP)
def test_damaged_values_are_told_where_they_are_read(tree: SmallTree, fault: str) -> None:
    damage, problem = DEEP[fault]
    before = facts(tree)
    damage(tree)
    (told,) = validate(tree.base, Depth(digests=True)).problems
    assert told.place == CUBE and re.search(f"2021-11: .*({problem})", told.problem)
    assert kinds(told.commands) == [f"rm {ITEM}", REBUILD]
    mend(tree, [told])
    assert validate(tree.base, Depth(digests=True)).problems == []
    assert facts(tree) == before


def test_a_control_for_each_check_of_a_cog(tree: SmallTree, tmp_path: Path) -> None:
    """Each property that is checked, wrong in turn."""
    from s1monthly.audit.products import cog_faults

    record = read_record(tree.path("record", NOVEMBER))
    path = tree.path("cog", NOVEMBER)
    assert cog_faults(path, record) == []
    with rasterio.open(path) as dataset:
        bands, profile, tags = dataset.read(), dataset.profile, dataset.tags()
        names = dataset.descriptions
    made = tmp_path / "made.tif"

    def write(**changes: object) -> list[str]:
        options = {**profile, "driver": "COG", "blocksize": 128, **changes}
        for name in ("blockxsize", "blockysize", "tiled"):
            del options[name]
        values = changes.pop("bands", bands)
        with rasterio.open(
            made, "w", **{k: v for k, v in options.items() if k not in ("bands", "names", "tags")}
        ) as out:
            out.write(values)
            out.update_tags(**changes.get("tags", tags))
            for index, name in enumerate(changes.get("names", names), start=1):
                out.set_band_description(index, name)
        return cog_faults(made, record)

    assert write() == []
    assert write(overviews="NONE") == ["overviews are missing: there are none"]
    assert write(crs="EPSG:32611") == ["in EPSG:32611, not EPSG:32610"]
    assert write(transform=rasterio.Affine(300, 0, 0, 0, -300, 0)) == [
        "on another grid: its transform is not the record's"
    ]
    assert write(nodata=-9999) == ["no data is not declared as NaN"]
    assert write(names=("VH_dB", "VV_dB", "Ratio", "RVI")) == [
        "bands VH_dB, VV_dB, Ratio, RVI, not VV_dB, VH_dB, Ratio, RVI"
    ]
    assert write(dtype="float64", bands=bands.astype("float64"), predictor=1) == ["of type float64, not float32"]
    assert write(tags={}) == ["made of other values than the record's (tag DIGEST)"]
    assert write(bands=bands[:, :300], height=300) == ["300 x 366 pixels, not 366 x 366"]
    assert write(bands=bands[:3], count=3, names=names[:3]) == [
        "bands VV_dB, VH_dB, Ratio, not VV_dB, VH_dB, Ratio, RVI"
    ]


def test_sizes_alone_where_checksums_are_not_wanted(tree: SmallTree) -> None:
    flip(tree.path("cog", NOVEMBER))
    assert validate(tree.base, Depth(checksums=False)).problems == []
    truncate(tree.path("cog", NOVEMBER), 0.9)
    assert len(validate(tree.base, Depth(checksums=False)).problems) == 1


def test_leftovers_are_notes(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tree.base / "10SGD_ASCENDING"
    for name in (
        *("cog/.10SGD_S1_Monthly_ASCENDING_2021-11.0123.part.tif", "months/.2021-11.0123.part.json"),
        *(".catalog.0123.part.parquet", "cog/10SGD_S1_Monthly_ASCENDING_2021-11.tif.aux.xml"),
    ):
        (folder / name).touch()
    (folder / "zarr" / "S1_monthly.zarr.2021-11.x.part").mkdir()
    (tree.base / ".collection.0123.part.json").touch()
    (tree.base / ".DS_Store").touch()
    assert catalog_validate.main([]) == 0
    out = capsys.readouterr().out
    assert out.count("note: ") == 2 and out.count("left by a viewer") == 1
    assert "note: output/.collection.0123.part.json and 4 more\n" in out
    assert out.splitlines()[-1] == "valid: 3 months of 1 tile"


def test_a_month_that_was_being_written_is_a_note(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    key = tree.add("2022-01")
    tree.make(key, "cube")
    (tree.path("cube", key) / "status" / "c" / "2").write_bytes(b"\1")
    assert catalog_validate.main([]) == 0
    out = capsys.readouterr().out
    assert f"note: {CUBE} 2022-01\n  a month was being written" in out
    assert out.endswith("valid: 3 months of 1 tile\n")


def test_work_and_mosaics_are_no_strays(tree: SmallTree) -> None:
    (tree.base / "work").rename(tree.base / "jobs")
    (tree.base / "jobs" / "base_dir.txt").write_text("..\n")
    (tree.base / "mosaic").mkdir()
    (tree.base / "demo.jpg").touch()
    assert validate(tree.base).to_text() == "valid: 3 months of 1 tile"


def test_a_folder_that_lies_there_twice_is_told(tree: SmallTree) -> None:
    shutil.copytree(tree.base / "10SGD_ASCENDING", tree.base / "10SGD_ASCENDING copy")
    (told,) = validate(tree.base).problems
    assert replace(told, commands=in_short(told.commands)) == Finding(
        "output/10SGD_ASCENDING copy",
        "holds 10SGD_ASCENDING: the catalogs show older rows of its months until it has that name;"
        " there is one already",
        ("mv 'output/10SGD_ASCENDING copy' elsewhere/",),
    )


def test_formats_that_are_switched_off_are_no_fault(tree: SmallTree) -> None:
    """The Items no longer name COGs; the files are left where they are."""
    for key in tree.months:

        def change(item: dict) -> None:
            del item["assets"]["cog"]
            item["stac_extensions"] = stac.declared({**item, "stac_extensions": []})

        edit_json(tree.path("item", key), change)
    report = validate(tree.base)
    assert report.problems == []
    assert [note.problem for note in report.notes] == ["the month's Item does not name it (output.formats)"] * 3
    rows = catalog.tile_rows(tree.path("folder", NOVEMBER))
    assert all(row["cog_path"] for row in rows if row["status"] == "complete")
    shutil.copy(tree.path("cog", DECEMBER), tree.path("cog", NOVEMBER))
    rows = {row["month"]: row["cog_path"] for row in catalog.tile_rows(tree.path("folder", NOVEMBER))}
    assert rows["2021-11"] is None and rows["2021-12"], "of other values: not in the catalog"
    (told,) = validate(tree.base).problems
    assert "of other values, and no Item names it" in told.problem and in_short(told.commands) == (f"rm {COG}.tif",)


def test_metadata_of_geoparquet_are_checked(tree: SmallTree) -> None:
    path = Path(tree.layout.catalog)
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps({"version": "1.0.0"})}), path)
    (told,) = validate(tree.base).problems
    assert "GeoParquet metadata do not describe" in told.problem


def test_json_says_the_same(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.path("cog", NOVEMBER).unlink()
    assert catalog_validate.main(["--json"]) == 1
    content = json.loads(capsys.readouterr().out)
    content["problems"][0]["commands"] = [short(command) for command in content["problems"][0]["commands"]]
    assert content == {
        "valid": False,
        "base_dir": "output",
        "months": 3,
        "tiles": 1,
        "problems": [
            {
                "place": f"{COG}.tif",
                "problem": "no COG, though the month's Item names it",
                "commands": ["snakemake --cores 4 --configfile my.yaml"],
            }
        ],
        "notes": [],
    }


def test_text_is_readable_at_80_columns(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.path("record", NOVEMBER).unlink()
    tree.path("cog", DESCENDING).unlink()
    like_the_peers(tree)
    edit_json(
        tree.path("item", DECEMBER), lambda item: item["properties"].update({"s1:coverage": 2, "gsd": 1.5, "x": 1})
    )
    assert catalog_validate.main([]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= findings.COLUMNS for line in lines if not line.startswith("  $ "))
    assert lines[-1] == "NOT VALID: 3 problems in 2 months of 1 tile"
    assert "  $ python scripts/catalog_rebuild.py --output-dir output" in map(short, lines)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for tool in (catalog_validate, catalog_rebuild):
        assert tool.main(["--output-dir", str(tmp_path / "nowhere")]) == 1
        out = capsys.readouterr().out
        assert "no such folder: give the one that output.base_dir names" in out and "$" not in out
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_without_output_is_told_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody's folder, or one that was mistyped: nothing is to be run or moved there."""
    (tmp_path / "letters").mkdir()
    (tmp_path / "notes.txt").touch()
    assert catalog_rebuild.main(["--output-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "no months to catalog\n"
    assert catalog_validate.main(["--output-dir", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "a folder without any output of this workflow" in " ".join(out.split())
    assert "output.base_dir" in out and "$" not in out
    assert {path.name for path in tmp_path.iterdir()} == {"letters", "notes.txt"}


def test_a_report_tells_how_many_of_each() -> None:
    report = Report("output", 1, 1, [Finding("a", "b " * 60, ("c",))])
    assert report.to_text().splitlines()[-1] == "NOT VALID: 1 problem in 1 month of 1 tile"
    assert findings.some(["a", "b", "c", "d", "e"]) == "a; b; c; and 2 more"
    assert findings.wrapped("  see " + "x" * 100) == ["  see", "  " + "x" * 100]  # a path stays whole


def test_progress_is_told_while_it_lasts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(findings, "QUIET_SECONDS", 0.0)
    progress = findings.Progress("months checked", 2)
    progress.step()
    progress.step()
    assert capsys.readouterr().err == "months checked: 1 of 2\nmonths checked: 2 of 2\n"


def test_the_samples_are_what_the_cube_holds(tree: SmallTree) -> None:
    values, count = tree.values(NOVEMBER)
    assert cube.state(tree.path("cube", NOVEMBER)).complete == (NOVEMBER.month, DECEMBER.month)
    with rasterio.open(tree.path("cog", NOVEMBER)) as dataset:
        np.testing.assert_array_equal(dataset.read(1), values["VV_dB"])
    assert 0.5 < (count > 0).mean() < 0.9 and copy.copy(tree.months) == tree.months
