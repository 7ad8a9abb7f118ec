"""Every fault of an output tree is reported with the commands that mend it; then nothing is wrong, and nothing lost."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio

import catalog_validate
from s1monthly.audit.month_validation import Depth
from s1monthly.audit.validation import validate
from s1monthly.catalog import items_table
from s1monthly.catalog import table as catalog
from s1monthly.catalog.document import declared
from s1monthly.cube import months as cube
from s1monthly.records.seal import SEAL, seal
from support.audited_tree import (
    DECEMBER,
    DESCENDING,
    NOVEMBER,
    REBUILD,
    RUN,
    VALID,
    Damage,
    edit_json,
    flip,
    follow,
    kinds,
    rebuild,
    rows,
    truncate,
)
from support.short_commands import in_short
from support.small_tree import SmallTree

FOLDER = "output/10SGD_ASCENDING"
COG, PREVIEW = (f"{FOLDER}/{name}/10SGD_S1_Monthly_ASCENDING_2021-11" for name in ("cog", "preview"))
ITEM, RECORD = f"{FOLDER}/10SGD_ASCENDING_2021-11.json", f"{FOLDER}/months/2021-11.json"
CUBE, CATALOG = f"{FOLDER}/zarr/S1_monthly.zarr", f"{FOLDER}/catalog.parquet"


def facts(tree: SmallTree) -> dict[tuple[str, str, str], tuple[object, ...]]:
    """What an operator would miss: every month with its status and values, and which files it has."""
    names = ("status", "digest", "granules", "processing_level", *catalog.PATHS)
    return {catalog.row_key(row): tuple(row[name] for name in names) for row in rows(tree)}


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
    for kind in ("tile_catalog", "catalog"):
        table = pq.read_table(tree.path(kind, NOVEMBER))
        pq.write_table(pa.concat_tables([table, table.slice(1, 1)]), tree.path(kind, NOVEMBER))


def another_value(path: Path, month: str = "", direction: str = "") -> None:
    """Let all rows, or those of a month and direction, have another number of granules."""
    changed = catalog.read_catalog(path)
    for row in changed:
        if month in row["month"] and row["flight_direction"].startswith(direction):
            row["granules"] = 99
    catalog.write_catalog(path, changed)


def reversed_rows(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.take(list(range(len(table)))[::-1]), path)


def nonsense_rows(path: Path) -> None:
    changed = catalog.read_catalog(path)
    changed[0]["mgrs_tile_id"], changed[1]["month"] = "??", "soon"
    catalog.write_catalog(path, changed)


def other_metadata(path: Path) -> None:
    pq.write_table(pq.read_table(path).replace_schema_metadata({"geo": json.dumps({"version": "1.0.0"})}), path)


ASCENDING = Path("output/collection_ASCENDING.json")


def other_items(path: Path) -> None:
    table = items_table.read_items(path)
    values = pa.array([0.5] * len(table))
    items_table.write_items(path, table.set_column(table.schema.get_field_index("gsd"), "gsd", values))


def fewer_items(path: Path) -> None:
    items_table.write_items(path, items_table.read_items(path).slice(1))


def like_s1_grits(item: dict) -> None:
    """No collection, x and y without extent."""
    del item["collection"]
    for axis in ("x", "y"):
        del item["properties"]["cube:dimensions"][axis]["extent"]


def sealed_of_another_recipe(tree: SmallTree) -> None:
    """A record from another tree: its seal fits."""

    def change(record: dict) -> None:
        del record[SEAL]
        record["recipe"]["mosaic"] = "first"
        record.update(seal(record))

    edit_json(tree.path("record", NOVEMBER), change)


def of(kind: str, damage: object, *options: object) -> Damage:
    """Damage a file of November."""
    return lambda tree: damage(tree.path(kind, NOVEMBER), *options)  # type: ignore[operator]


def copied(kind: str) -> Damage:
    """Put December's file in the place of November's."""
    return lambda tree: shutil.copy(tree.path(kind, DECEMBER), tree.path(kind, NOVEMBER))


def edited(kind: str, change: object) -> Damage:
    return of(kind, edit_json, change)


def properties(**values: object) -> Damage:
    changes = {name.replace("__", ":"): value for name, value in values.items()}
    return edited("item", lambda item: item["properties"].update(changes))


AGAIN = {"cog": [f"rm {COG}.tif", RUN], "preview": [f"rm {PREVIEW}.png", RUN]}
FAULTS: dict[str, tuple[Damage, str, str, list[str]]] = {
    "COG cut short": (of("cog", truncate, 0.9), f"{COG}.tif", "cut short.*block 0, 1 of band 4", AGAIN["cog"]),
    "COG longer": (
        lambda tree: tree.path("cog", NOVEMBER).open("ab").write(b"more"),
        f"{COG}.tif",
        r"names: \d+ bytes, where the Item says \d+",
        AGAIN["cog"],
    ),
    "COG cut to its header": (of("cog", truncate, 0.001), f"{COG}.tif", "cannot be opened", AGAIN["cog"]),
    "COG with a flipped byte": (of("cog", flip), f"{COG}.tif", "another checksum", AGAIN["cog"]),
    "COG deleted": (of("cog", Path.unlink), f"{COG}.tif", "no COG", [RUN]),
    "COG of another grid": (other_grid, f"{COG}.tif", "not laid out as a COG.*transform", AGAIN["cog"]),
    "COG that is none": (plain_tiff, f"{COG}.tif", "not laid out.*not tiled.*and 2 more", AGAIN["cog"]),
    "COG of another month": (copied("cog"), f"{COG}.tif", "tag DIGEST", AGAIN["cog"]),
    "preview deleted": (of("preview", Path.unlink), f"{PREVIEW}.png", "no preview", [RUN]),
    "preview cut short": (of("preview", truncate), f"{PREVIEW}.png", "cut short", AGAIN["preview"]),
    "preview that is no picture": (
        of("preview", Path.write_text, "hello"),
        f"{PREVIEW}.png",
        "cannot be read|not a PNG",
        AGAIN["preview"],
    ),
    "preview of another month": (copied("preview"), f"{PREVIEW}.png", "not the file that the", AGAIN["preview"]),
    "Item edited": (properties(s1monthly__count_mean=1.0001), ITEM, "s1monthly:count_mean: 1.0001, not 1.0", [REBUILD]),
    "digest edited in an Item": (
        properties(s1monthly__digest="0" * 64),
        ITEM,
        "properties.s1monthly:digest",
        [REBUILD],
    ),
    "Item with a foreign field": (
        edited("item", lambda item: item.update(mine=1)),
        ITEM,
        "mine: does not belong there",
        [REBUILD],
    ),
    "Item like S1-GRiTS's": (
        edited("item", like_s1_grits),
        ITEM,
        "dimensions.y.extent: missing; .*dimensions.x.extent: missing; collection: missing",
        [REBUILD],
    ),
    "Item without checksum": (
        edited("item", lambda item: item["assets"]["cog"].pop("file:checksum")),
        ITEM,
        "assets.cog.file:checksum: missing",
        [REBUILD],
    ),
    "Item that is no JSON": (of("item", truncate), ITEM, "cannot be read", [REBUILD]),
    "Item without assets": (edited("item", lambda item: item.update(assets=3)), ITEM, "assets: 3, not", [REBUILD]),
    "Item deleted": (of("item", Path.unlink), ITEM, "no Item", [RUN]),
    "record deleted": (of("record", Path.unlink), RECORD, "no record, though the cube", [REBUILD]),
    "record cut short": (of("record", truncate), RECORD, "record cannot be read", [REBUILD]),
    "record edited": (
        edited("record", lambda record: record.update(level="ARDC")),
        RECORD,
        "altered since it was written: its seal",
        [REBUILD],
    ),
    "record of another month": (
        copied("record"),
        RECORD,
        "this record is of 10SGD_ASCENDING_2021-12",
        [f"mv {RECORD} elsewhere/", REBUILD],
    ),
    "record of another version": (
        edited("record", lambda record: record.update(schema=2)),
        RECORD,
        "schema 2, not 1",
        [f"mv {RECORD} elsewhere/", REBUILD],
    ),
    "month doubled in the catalogs": (doubled, CATALOG, "2021-11 is there twice", [REBUILD]),
    "catalog in another order": (of("tile_catalog", reversed_rows), CATALOG, "its rows are not in order", [REBUILD]),
    "catalog truncated": (of("tile_catalog", truncate), CATALOG, "cannot be read", [REBUILD]),
    "nonsense in a catalog": (of("tile_catalog", nonsense_rows), CATALOG, "ASCENDING_soon is there, and", [REBUILD]),
    "catalog with another value": (
        of("tile_catalog", another_value),
        CATALOG,
        "out of step: 10SGD_ASCENDING_2021-10: granules; .*2021-12: granules$",
        [REBUILD],
    ),
    "global catalog truncated": (of("catalog", truncate), "output/catalog.parquet", "cannot be read", [REBUILD]),
    "global catalog deleted": (of("catalog", Path.unlink), "output/catalog.parquet", "cannot be read", [REBUILD]),
    "global catalog with another value": (
        of("catalog", another_value),
        "output/catalog.parquet",
        "out of step: 10SGD_ASCENDING_2021-10: granules; .*and 2 more",
        [REBUILD],
    ),
    "global catalog with other metadata": (
        of("catalog", other_metadata),
        "output/catalog.parquet",
        "GeoParquet metadata do not describe",
        [REBUILD],
    ),
    "Collection edited": (
        edited("collection", lambda document: document["summaries"].update(platform="sentinel-1a", gsd=300.0)),
        "output/collection.json",
        "summaries.platform: 'sentinel-1a', not",
        [REBUILD],
    ),
    "Collection deleted": (of("collection", Path.unlink), "output/collection.json", "cannot be read", [REBUILD]),
    "Collection of a direction edited": (
        lambda tree: edit_json(ASCENDING, lambda document: document["links"].pop()),
        str(ASCENDING),
        "links: [0-9]+ entries, not",
        [REBUILD],
    ),
    "root catalog of STAC deleted": (of("stac_root", Path.unlink), "output/catalog.json", "cannot be read", [REBUILD]),
    "table of Items deleted": (
        of("tile_items", Path.unlink),
        f"{FOLDER}/items.parquet",
        "Items cannot be read",
        [REBUILD],
    ),
    "table of Items truncated": (of("items", truncate), "output/items.parquet", "Items cannot be read", [REBUILD]),
    "table of Items with another value": (
        of("items", other_items),
        "output/items.parquet",
        "out of step: 10SGD_ASCENDING_2021-11 is not its Item; .*2021-12 is not",
        [REBUILD],
    ),
    "table of too few Items": (
        of("tile_items", fewer_items),
        f"{FOLDER}/items.parquet",
        "out of step: 10SGD_ASCENDING_2021-11 is missing",
        [REBUILD],
    ),
    "search log damaged": (
        of("search", Path.write_text, "{"),
        f"{FOLDER}/search.json",
        "damaged",
        [f"rm {FOLDER}/search.json", RUN],
    ),
    "month lost in the cube": (
        lambda tree: (tree.path("cube", NOVEMBER) / "status/c/0").unlink(),
        CUBE,
        "2021-11 is empty",
        [REBUILD],
    ),
    "month being written": (
        lambda tree: (tree.path("cube", NOVEMBER) / "status/c/0").write_bytes(b"\1"),
        CUBE,
        "2021-11 was being",
        [REBUILD],
    ),
    "count of passes lost": (
        lambda tree: shutil.rmtree(tree.path("cube", NOVEMBER) / "count/c/0"),
        CUBE,
        r"2021-11: the counts of passes are not those of its record \(0 pixels",
        [REBUILD],
    ),
    "record of another cube": (
        sealed_of_another_recipe,
        CUBE,
        r'2021-11: made otherwise than its record says .*mosaic: "first" -> "mean"',
        [REBUILD],
    ),
    "cube deleted": (of("cube", shutil.rmtree), CUBE, "there is no cube", [RUN]),
    "stray file": (
        lambda tree: (tree.base / "10SGD_ASCENDING/cog/notes.txt").write_text("mine"),
        f"{FOLDER}/cog/notes.txt",
        "does not belong",
        [f"mv {FOLDER}/cog/notes.txt elsewhere/"],
    ),
    "stray folder": (
        lambda tree: (tree.base / "results of June").mkdir(),
        "output/results of June",
        "does not belong",
        ["mv 'output/results of June' elsewhere/"],
    ),
    "COG of an impossible month": (
        lambda tree: shutil.copy(tree.path("cog", NOVEMBER), f"{COG[:-2]}13.tif"),
        f"{COG[:-2]}13.tif",
        "does not belong",
        [f"mv {COG[:-2]}13.tif elsewhere/"],
    ),
    "tile folder renamed to another tile": (
        lambda tree: (tree.base / "10SGD_ASCENDING").rename(tree.base / "10SGE_ASCENDING"),
        "output/10SGE_ASCENDING",
        "holds 10SGD_ASCENDING",
        ["mv output/10SGE_ASCENDING output/10SGD_ASCENDING", REBUILD],
    ),
    "tile folder renamed to anything": (
        lambda tree: (tree.base / "10SGD_ASCENDING").rename(tree.base / "old"),
        "output/old",
        "holds 10SGD_ASCENDING",
        ["mv output/old output/10SGD_ASCENDING", REBUILD],
    ),
}
ALSO = {"month doubled in the catalogs": ["output/catalog.parquet"]}
"""What else is reported."""


@pytest.mark.filterwarnings("error")
def test_a_valid_tree_is_reported_in_one_line(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in tree.base.rglob("*")}
    for options in ([], ["--digests"], ["--no-checksums"], ["--output-dir", "output"]):
        assert catalog_validate.main(options) == 0
        assert capsys.readouterr().out == f"{VALID}\n"
    assert {path: path.stat().st_mtime_ns for path in tree.base.rglob("*")} == before


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_reported_with_what_mends_it(tree: SmallTree, fault: str) -> None:
    damage, place, problem, commands = FAULTS[fault]
    before = facts(tree)
    damage(tree)
    report = validate(tree.base)
    found, *others = sorted(report.problems, key=lambda finding: finding.place != place)
    assert found.place == place and re.search(problem, found.problem), report.to_text()
    assert kinds(found.commands) == commands
    assert [finding.place for finding in others] == ALSO.get(fault, []), report.to_text()
    follow(tree, report.problems)
    assert validate(tree.base).problems == []
    tree.run()  # a month whose record was rebuilt is made again
    assert validate(tree.base, Depth(digests=True)).to_text() == VALID
    assert facts(tree) == before


def test_a_month_in_trouble_is_reported_once(tree: SmallTree) -> None:
    """What mends it writes the catalogs again, so they are not reported too, whatever state they are in."""
    tree.path("cog", NOVEMBER).unlink()
    truncate(tree.path("tile_catalog", NOVEMBER))
    another_value(Path(tree.layout.catalog), month="2021-11", direction="ASCENDING")
    assert [finding.place for finding in validate(tree.base).problems] == [f"{COG}.tif", CATALOG]


def test_a_month_is_checked_without_reading_bands(tree: SmallTree, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check must stay cheap: it reads the count once and no band."""
    opened: list[str] = []
    original = cube.read_slot

    def watched(array: Path, *options: object) -> object:
        opened.append(array.name)
        return original(array, *options)  # type: ignore[arg-type]

    monkeypatch.setattr(cube, "read_slot", watched)
    assert validate(tree.base).problems == []
    assert opened == ["count"] * 3
    assert rebuild(tree) == 0
    assert opened == ["count"] * 6


def another_months_chunk(tree: SmallTree) -> None:
    """It decodes, and is wrong."""
    chunks = tree.path("cube", NOVEMBER) / "VH_dB" / "c"
    shutil.copy(chunks / "1/0/0", chunks / "0/0/0")


@pytest.mark.parametrize(
    "damage", [another_months_chunk, lambda tree: flip(tree.path("cube", NOVEMBER) / "VV_dB/c/0/0/0")]
)
def test_damaged_values_are_found_by_digests_and_mended_from_the_cog(tree: SmallTree, damage: Damage) -> None:
    before, digest = facts(tree), cube.month_digest(tree.path("cube", NOVEMBER), NOVEMBER.month)
    damage(tree)
    assert validate(tree.base).problems == []
    (found,) = validate(tree.base, Depth(digests=True)).problems
    assert found.place == CUBE and found.problem.startswith("2021-11: the values in the cube are not those")
    assert kinds(found.commands) == [f"rm {ITEM}", REBUILD]
    follow(tree, [found])
    assert cube.month_digest(tree.path("cube", NOVEMBER), NOVEMBER.month) == digest
    assert validate(tree.base, Depth(digests=True)).to_text() == VALID
    assert facts(tree) == before


def test_sizes_alone_where_checksums_are_not_wanted(tree: SmallTree) -> None:
    flip(tree.path("cog", NOVEMBER))
    assert validate(tree.base, Depth(checksums=False)).problems == []
    truncate(tree.path("cog", NOVEMBER), 0.9)
    assert len(validate(tree.base, Depth(checksums=False)).problems) == 1


def test_a_month_that_was_being_written_is_a_note(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    key = tree.add("2022-01")
    tree.make(key, "cube")
    (tree.path("cube", key) / "status" / "c" / "2").write_bytes(b"\1")
    assert catalog_validate.main([]) == 0
    out = capsys.readouterr().out
    assert f"note: {CUBE} 2022-01\n  a month was being written" in out
    assert out.endswith(f"{VALID}\n")


def test_products_that_are_switched_off_are_no_fault(tree: SmallTree) -> None:
    """The Items no longer name COGs; the files are left where they are."""
    for key in tree.months:

        def change(item: dict) -> None:
            del item["assets"]["cog"], item["properties"]["renders"]
            item["stac_extensions"] = declared({**item, "stac_extensions": []})

        edit_json(tree.path("item", key), change)
    tree.make(NOVEMBER, "tile_catalog", "collection")
    tree.make(DESCENDING, "tile_catalog", "collection")
    report = validate(tree.base)
    assert report.problems == []
    assert [note.problem for note in report.notes] == ["the month's Item does not name it (output.formats)"] * 3
    found = catalog.tile_rows(tree.path("folder", NOVEMBER))
    assert all(row["cog_path"] for row in found if row["status"] == "complete")
    shutil.copy(tree.path("cog", DECEMBER), tree.path("cog", NOVEMBER))
    paths = {row["month"]: row["cog_path"] for row in catalog.tile_rows(tree.path("folder", NOVEMBER))}
    assert paths["2021-11"] is None and paths["2021-12"], "of other values: not in the catalog"
    (problem,) = validate(tree.base).problems
    assert "of other values, and no Item names it" in problem.problem
    assert in_short(problem.commands) == (f"rm {COG}.tif",)
