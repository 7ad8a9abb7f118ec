"""Publishing a tree: what lies there, in which order it was put, and what a reader finds at any moment."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from s1monthly.catalog.table import read_catalog
from s1monthly.cube import months as cube
from s1monthly.model import CompositeKey, Direction, Month, Tile, TileDirection
from s1monthly.upload import transfer
from s1monthly.upload.publishing import Options, Published, publish_tree
from s1monthly.upload.storage import Storage, open_storage
from s1monthly.upload.storage_errors import UploadError
from s1monthly.workflow.run_lock import hold
from support.month_samples import CALIFORNIA
from support.shelf import KilledError, Shelf, files_of, missing_names
from support.small_tree import SIDE, SmallTree

NAME = f"{CALIFORNIA}_ASCENDING"
CUBE = f"{NAME}/zarr/S1_monthly.zarr"
ONE = Options(workers=1)


class Tree(SmallTree):
    """A tree whose months lose a chunk, which becomes empty, when they are made again."""

    def values(self, key: CompositeKey) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Bands and count of a month."""
        bands, count = super().values(key)
        if self.months[key]:
            for pixels in bands.values():
                pixels[:SIDE, :SIDE] = np.nan
            count[:SIDE, :SIDE] = 0
        return bands, count


def publish(base: Path, storage: Storage, options: Options = ONE) -> Published:
    said: list[str] = []
    return publish_tree(base, storage, options, said.append)


def make(tree: SmallTree, *months: str) -> None:
    """Add months, or make them again with other values."""
    keys = [tree.add(month) for month in months]
    for key in keys:
        tree.make(key)


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A tree of two months; then with a month more and one made again; then with an axis that begins earlier."""
    folder = tmp_path_factory.mktemp("stages")
    tree = Tree(folder / "0" / "output", overviews=(2,))
    steps = [("2021-11", "2022-01"), ("2021-11", "2022-02"), ("2021-09",)]
    for number, months in enumerate(steps):
        make(tree, *months)
        if number < len(steps) - 1:
            shutil.copytree(folder / str(number), folder / str(number + 1))
            moved = Tree(folder / str(number + 1) / "output", overviews=(2,))
            moved.months = dict(tree.months)
            tree = moved
    return [folder / str(number) / "output" for number in range(len(steps))]


def manifest(storage: Shelf, name: str = NAME) -> dict[str, list[object]]:
    return json.loads(storage.objects[f"_manifests/{name}.json"])["files"]


def test_a_published_folder_is_the_tree_and_its_manifest_is_true(stages: list[Path], tmp_path: Path) -> None:
    place = open_storage(str(tmp_path / "published"))
    done = publish(stages[0], place, Options())
    there = files_of(tmp_path / "published")
    wanted = files_of(stages[0])
    assert {path: there[path] for path in there if not path.startswith("_manifests")} == wanted
    assert (done.months, done.folders, done.files) == (2, 1, len(wanted)) and not (done.left_out or done.passed_over)
    told = {}
    for name in (NAME, "root"):
        content = json.loads(there[f"_manifests/{name}.json"])
        assert content["doubtful"] == []
        told |= {path: entry[:2] for path, entry in content["files"].items()}
    assert told == {path: [len(data), hashlib.sha256(data).hexdigest()] for path, data in wanted.items()}
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "published").rglob("*")}
    assert publish(stages[0], place).files == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "published").rglob("*")} == before


ORDER = (
    r"/(cog|preview|months)/|/c/\d+/\d+/\d+$",
    r"zarr/[^/]+/.+/(zarr.json|c/0|c/0/0)$",
    r"zarr/[^/]+/zarr.json$",
    rf"^{NAME}/{NAME}_\d{{4}}-\d\d.json$",
    r"parquet$|html$",
    r"^collection_",
    r"^collection.json$",
    r"^catalog.json$",
)
"""Kinds of objects, in the order in which they are put."""


class Reader:
    """Looks at a place after every change, as a reader may."""

    def __init__(self, place: Shelf, *trees: Path) -> None:
        self.place, self.looks = place, 0
        self._versions = [slots_of(files_of(tree)) for tree in trees]
        place.watch[:] = [self.look]

    def look(self) -> None:
        """Fail if a name leads nowhere, or a complete month is of two versions."""
        self.looks += 1
        if self.looks % 3 == 0 or self.place.log[-1].endswith(("json", "parquet")):
            assert missing_names(self.place.objects) == [], f"after {self.place.log[-1]}"
        mine = slots_of(self.place.objects)
        for slot, chunks in mine.items():
            if self.place.objects.get(f"{CUBE}/status/c/{slot}") == b"\2":
                versions = [version.get(slot, {}) for version in self._versions]
                assert any(
                    all(chunks.get(path) == data for path, data in version.items())
                    and all(path in version or is_empty(chunks[path]) for path in chunks)
                    for version in versions
                ), f"slot {slot} counts as complete, and is of two versions, after {self.place.log[-1]}"


def slots_of(objects: dict[str, bytes]) -> dict[str, dict[str, bytes]]:
    """Chunks of the months by slot."""
    slots: dict[str, dict[str, bytes]] = {}
    for path, data in objects.items():
        match = re.fullmatch(rf"{CUBE}/(?P<array>.+)/c/(?P<slot>\d+)/\d+/\d+", path)
        if match and not match["array"].endswith("time_bnds"):
            slots.setdefault(match["slot"], {})[path] = data
    return slots


def is_empty(chunk: bytes) -> bool:
    """A chunk of fill values alone is short, whatever its codec."""
    return len(chunk) < 500


def test_at_no_moment_a_reader_is_led_to_what_is_not_there(stages: list[Path]) -> None:
    place = Shelf.of()
    for number, tree in enumerate(stages):
        reader = Reader(place, *stages[max(0, number - 1) : number + 1])
        place.log.clear()
        publish(tree, place)
        assert reader.looks > 30
        kinds = [
            next((kind for kind, pattern in enumerate(ORDER) if re.search(pattern, path)), len(ORDER))
            for path in place.puts
            if "status/c" not in path
        ]
        assert kinds == sorted(kinds) and {0, 1, 2, 3, 4, 5, 6} <= {*kinds}
        assert files_of(tree).items() <= place.data.items()


def test_a_month_made_again_and_slots_that_moved_read_as_in_the_tree(stages: list[Path], tmp_path: Path) -> None:
    """Chunks that became empty have no file any more, and nothing is deleted."""
    place = open_storage(str(tmp_path / "published"))
    for tree in stages:
        publish(tree, place)
        ours, theirs = (folder / CUBE for folder in (tree, tmp_path / "published"))
        assert cube.state(ours).months == cube.state(theirs).months
        for month in cube.state(ours).complete:
            assert cube.month_digest(ours, month) == cube.month_digest(theirs, month)
    assert cube.state(theirs).first == Month(2021, 9)


def kills() -> Iterator[int]:
    yield from (0, 1, 2, 3, 40, 75, 76, 77, 78)
    yield from range(79, 135, 4)


def test_a_killed_publisher_is_continued(stages: list[Path]) -> None:
    """At every kind of change; from an older state; the second run ends with the same objects and the same manifest."""
    before = Shelf.of()
    publish(stages[0], before)
    whole = Shelf.of(before.objects)
    publish(stages[2], whole)
    total = len(whole.log)
    killed = 0
    for puts in [number for number in kills() if number < total]:
        place = Shelf.of(before.objects)
        place.kill_after(puts)
        with pytest.raises(KilledError):
            publish(stages[2], place)
        killed += 1
        place.watch.clear()
        assert missing_names(place.objects) == []
        publish(stages[2], place)
        assert place.data == whole.data, f"killed after {puts}"
        assert all(manifest(place, name).items() == manifest(whole, name).items() for name in (NAME, "root"))
    assert killed > 15


@pytest.mark.parametrize("puts", [5, 30, 60])
def test_a_manifest_claims_nothing_that_a_killed_publisher_wrote_over(stages: list[Path], puts: int) -> None:
    """The older tree is published again: its files are as old as they were, and what lies there is newer."""
    place = Shelf.of()
    publish(stages[0], place)
    place.kill_after(puts)
    with pytest.raises(KilledError):
        publish(stages[1], place)
    place.watch.clear()
    publish(stages[0], place)
    assert files_of(stages[0]).items() <= place.data.items()


def test_a_publisher_that_was_overtaken_puts_again_what_it_put_late(
    stages: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It puts status 1 of months that the other has finished, then sees the other's manifest, in which all is well."""
    monkeypatch.setattr(transfer, "BATCH_FILES", 5)
    copy = Path(shutil.copytree(stages[1], tmp_path / "output"))
    place = Shelf.of()
    publish(stages[0], place)

    overtaking = [lambda: publish(copy, place)]

    class Slow(Shelf):
        def put(self, path: str, content: bytes | IO[bytes], media_type: str) -> None:
            if "/status/c/" in path and overtaking:
                overtaking.pop()()
            super().put(path, content, media_type)

    publish(stages[1], Slow(place.url, place.store, None, place.objects))
    assert not overtaking
    assert files_of(stages[1]).items() <= place.data.items()


def test_a_month_that_is_not_complete_is_left_out_or_stays_as_it_was(base: Path) -> None:
    cog = next((base / NAME / "cog").glob("*2022-01.tif"))
    kept = cog.read_bytes()
    cog.unlink()
    place = Shelf.of()
    done = publish(base, place)
    assert done.left_out == {NAME: {"2022-01": f"{cog.name} is missing"}} and done.months == 1
    assert not [path for path in place.data if "2022-01" in path] and not missing_names(place.objects)
    assert f"{CUBE}/status/c/0" in place.data and f"{CUBE}/status/c/2" not in place.data
    assert json.loads(place.objects["collection_ASCENDING.json"])["extent"]["temporal"]["interval"] == [
        ["2021-11-01T00:00:00Z", "2021-11-30T23:59:59Z"]
    ]
    place.log.clear()
    assert publish(base, place).left_out == done.left_out and place.log == [], "said again, though nothing is new"
    cog.write_bytes(kept)
    publish(base, place)
    assert place.data == files_of(base)
    tree = SmallTree(base, overviews=(2,))
    tree.months = {CompositeKey.parse(CALIFORNIA, "ASCENDING", month): 0 for month in ("2021-11", "2022-01")}
    key = tree.add("2022-01")
    tree.make(key, "cube", "record")  # made again, and COG, preview and Item are not yet
    done = publish(base, place)
    assert "stays as it was published" in done.left_out[NAME]["2022-01"] and done.months == 2
    assert place.data == {path: place.data[path] for path in files_of(base)} and not missing_names(place.objects)
    assert place.data[f"{NAME}/cog/{cog.name}"] == kept
    tree.make(key)
    assert publish(base, place).left_out == {} and place.data == files_of(base)


def test_lost_chunks_of_a_published_month_are_not_published_as_empty(base: Path) -> None:
    place = Shelf.of()
    publish(base, place)
    before = place.data
    (base / CUBE / "VV_dB/c/0/0/2").unlink()
    done = publish(base, place, replace(ONE, verify=True))
    assert "chunks that were published are lost: 1" in done.left_out[NAME]["2021-11"]
    assert {path for path in before if before[path] != place.data[path]} <= {f"{NAME}/items.parquet", "items.parquet"}


def test_a_tile_that_a_run_works_on_is_passed_over(base: Path) -> None:
    place = Shelf.of()
    held = hold(base, [TileDirection(Tile(CALIFORNIA), Direction.ASCENDING)])
    assert held is not None
    try:
        done = publish(base, place)
        assert "another run works on it" in done.passed_over[NAME] and done.months == 0
        assert not [path for path in place.data if path.startswith(NAME)]
        assert publish(base, place, replace(ONE, held=[NAME])).months == 2, "unless it is the run that publishes"
    finally:
        held.release()


def test_prune_removes_what_was_published_and_is_gone_and_nothing_else(base: Path) -> None:
    place = Shelf.of({"mine.txt": b"foreign", f"{NAME}/notes.txt": b"foreign"})
    publish(base, place)
    gone = [path for path in (base / NAME).rglob("*2021-11*") if path.is_file()]
    for path in gone:
        path.unlink()
    chunks = [path for path in (base / CUBE).glob("*/c/0/*/*") if "time" not in path.parts[-5]]
    for path in [*chunks, *(base / CUBE).glob("overviews/2/*_dB/c/0/0/0"), base / CUBE / "status/c/0"]:
        path.unlink()
    tree = SmallTree(base)
    key = CompositeKey.parse(CALIFORNIA, "ASCENDING", "2022-01")
    tree.make(key, "tile_catalog", "catalog", "collection")
    done = publish(base, place)
    assert done.removed == [] and done.months == 2, "without --prune all stays, and is named"
    place.watch[:] = [lambda: missing_names(place.objects) and pytest.fail(f"{missing_names(place.objects)}")]
    done = publish(base, place, replace(ONE, prune=[]))
    assert {path.relative_to(base).as_posix() for path in gone} <= {*done.removed} and done.months == 1
    assert not [path for path in place.data if "2021-11" in path or f"{CUBE}/VV_dB/c/0" in path]
    assert place.data["mine.txt"] == place.data[f"{NAME}/notes.txt"] == b"foreign"
    shutil.rmtree(base / NAME)
    tree.make(key, "collection")
    assert publish(base, place, replace(ONE, prune=[])).removed == [], "a whole folder only if it is named"
    publish(base, place, replace(ONE, prune=[NAME]))
    assert [path for path in place.objects if path.startswith(NAME)] == [f"{NAME}/notes.txt"]
    with pytest.raises(UploadError, match="no folder 99XXX was published"):
        publish(base, place, replace(ONE, prune=["99XXX"]))


def test_a_lost_cube_stays_published(base: Path) -> None:
    place = Shelf.of()
    publish(base, place)
    before = {path: content for path, content in place.data.items() if path.startswith(f"{CUBE}/")}
    shutil.rmtree(base / CUBE)
    done = publish(base, place, replace(ONE, prune=[]))
    assert done.removed == [] and "stays as it was published" in done.left_out[NAME]["2022-01"]
    assert before.items() <= place.data.items()


@pytest.mark.parametrize("months", [["2023-05"], ["2021-11"], ["2021-11", "2022-02"]])
def test_the_cube_of_another_tree_is_not_replaced(base: Path, tmp_path: Path, months: list[str]) -> None:
    """One of other months, one whose axis ends before, and one of another recipe."""
    place = Shelf.of()
    publish(base, place)
    before = {path: content for path, content in place.objects.items() if path.startswith(NAME)}
    other = SmallTree(tmp_path / "other" / "output", overviews=(2,))
    other.recipe |= {"composite_method": "mean"} if len(months) > 1 else {}
    make(other, *months)
    done = publish(other.base, place)
    assert "are of another cube" in done.passed_over[NAME] and done.months == 2
    assert {path: content for path, content in place.objects.items() if path.startswith(NAME)} == before
    publish(other.base, place, replace(ONE, prune=[]))
    assert files_of(other.base).items() <= place.data.items(), "unless the other months are given up"


def test_verify_puts_again_what_was_lost_there(base: Path) -> None:
    place = Shelf.of()
    publish(base, place)
    before = place.data
    place.objects.pop(f"{CUBE}/VV_dB/c/0/0/1")
    place.objects["catalog.json"] = b"cut"
    assert publish(base, place).files == 0, "no run lists all objects"
    done = publish(base, place, replace(ONE, verify=True))
    assert done.files == 3 and place.data == before, "with the status of the month"


def test_a_damaged_published_table_is_named_with_what_mends_it(base: Path) -> None:
    place = Shelf.of()
    publish(base, place)
    before = place.data
    place.objects[f"{NAME}/items.parquet"] = b"cut"
    shutil.rmtree(base / ".s1monthly" / "published")  # with the notes there, an idle call reads no table
    with pytest.raises(UploadError, match=rf"shelf:///{NAME}.*damaged -> delete both there and _manifests/{NAME}.json"):
        publish(base, place)
    for path in (f"{NAME}/items.parquet", f"{NAME}/catalog.parquet", f"_manifests/{NAME}.json"):
        del place.objects[path]
    publish(base, place)
    assert place.data == before


def test_two_publishers_side_by_side(stages: list[Path], tmp_path: Path) -> None:
    """Of two copies of a tree, one of them older; and of another tile at the same place."""
    other = SmallTree(tmp_path / "other" / "output", overviews=(2,))
    other.make(other.add("2021-11", tile="50RKV"))
    shutil.copytree(stages[2], tmp_path / "copy" / "output")
    trees = [stages[2], tmp_path / "copy" / "output", other.base]
    place = Shelf.of(seconds=0.0005)
    publish(stages[1], place)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda tree: publish(tree, place, Options(workers=3)), trees))
    of_tiles = {**files_of(stages[2]), **files_of(other.base)}
    of_tiles = {path: data for path, data in of_tiles.items() if path.startswith((CALIFORNIA, "50RKV"))}
    assert of_tiles.items() <= place.data.items() and missing_names(place.objects) == []
    (tmp_path / "catalog.parquet").write_bytes(place.objects["catalog.parquet"])
    rows = read_catalog(tmp_path / "catalog.parquet")
    named = [(row["mgrs_tile_id"], row["month"]) for row in rows if row["item_path"]]
    months = ("2021-09", "2021-11", "2022-01", "2022-02")
    assert named == [*((CALIFORNIA, month) for month in months), ("50RKV", "2021-11")]
    assert all(publish(tree, place).files == 0 for tree in trees), "and nothing is left to do"


def test_links_are_absolute_where_asked(base: Path, tmp_path: Path) -> None:
    place, url = Shelf.of(), "https://data.example.org/s1"
    publish(base, place, replace(ONE, base_url=url))
    item = json.loads(place.objects[f"{NAME}/{NAME}_2021-11.json"])
    assert item["assets"]["cog"]["href"] == f"{url}/{NAME}/cog/{CALIFORNIA}_S1_Monthly_ASCENDING_2021-11.tif"
    assert item["assets"]["zarr"]["href"] == f"{url}/{CUBE}"
    links = {link["rel"]: link["href"] for link in item["links"]}
    assert links == {
        "self": f"{url}/{NAME}/{NAME}_2021-11.json",
        "root": f"{url}/catalog.json",
        "parent": f"{url}/collection_ASCENDING.json",
        "collection": f"{url}/collection_ASCENDING.json",
    }
    absolute = {path: data.replace(f"{url}/".encode(), b"") for path, data in place.data.items()}
    assert missing_names({path: data for path, data in absolute.items() if path.endswith(".json")}) != []
    assert publish(base, place, replace(ONE, base_url=url)).files == 0
    changed = publish(base, place)
    assert place.data == files_of(base) and changed.files == 2 + 2 + 3, "Items, their tables, documents"


def test_the_catalog_of_something_else_is_not_written_over(base: Path) -> None:
    place = Shelf.of({"catalog.json": b'{"id": "landsat"}'})
    with pytest.raises(UploadError, match="the catalog of something else -> give another prefix"):
        publish(base, place)
    assert place.log == []
