"""Two writers of one catalog, truly side by side, lose no row; where there are no locks they write all the same."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest

import catalog_rebuild
from s1monthly import files
from s1monthly.audit.validation import validate
from s1monthly.catalog import table as catalog
from s1monthly.catalog import update as cataloguing
from s1monthly.catalog.document import read_document
from s1monthly.errors import ProductError
from s1monthly.files import flock, locked
from s1monthly.layout import lock_file
from s1monthly.model import CompositeKey
from s1monthly.records.month import read_record
from support.month_samples import lay_down, month_record, write_search
from support.small_tree import SmallTree

OWN = multiprocessing.get_context("spawn")
"""Processes of their own, not forks: PROJ, once used, can hang in a forked process."""
PATIENCE = 0.7
"""Seconds that the first writer, having read the tree, gives the second to overtake it."""

NOVEMBER = CompositeKey.parse("10SGD", "ASCENDING", "2021-11")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """One month of one tile, catalogued."""
    folder = lay_down(tmp_path, month_record(month="2021-11"))
    write_search(folder, ["2021-10"])
    cataloguing.catalog_tile(folder)
    cataloguing.catalog_all(tmp_path)
    return tmp_path


def write_first(base: Path, work: Callable[[], object]) -> None:
    """Write, but stop between reading the tree and writing, until the second has written, or for a while."""
    original = catalog.write_catalog

    def slow(path: Path, rows: list[dict], **options: object) -> bool:
        (base / ".first has read").touch()
        assert waited_until(base / ".second begins", 30)
        waited_until(base / ".second has written", PATIENCE)
        return original(path, rows, **options)

    cataloguing.write_catalog = slow
    work()


def write_second(base: Path, work: Callable[[], object]) -> None:
    (base / ".second begins").touch()
    work()
    (base / ".second has written").touch()


def first_reads_then_waits(base: Path, work: Callable[[], object]) -> SpawnProcess:
    """Start the first writer; return when it has read the tree."""
    return holding(base / ".first has read", write_first, base, work)


def second_writes(base: Path, work: Callable[[], object]) -> None:
    """Run the second writer to its end."""
    process = OWN.Process(target=write_second, args=(base, work))
    process.start()
    ended_well(process)


def holding(sign: Path, work: Callable[..., None], *given: object) -> SpawnProcess:
    """Start work in a process of its own; return when it has made its sign."""
    process = OWN.Process(target=work, args=given)
    process.start()
    assert waited_until(sign, 30)
    return process


def hold(lock: Path, held: Path) -> None:
    with locked(lock):
        held.touch()
        signal.pause()


def hold_catalog(path: Path) -> None:
    with cataloguing.catalog_lock(path):
        (path.parent / ".held").touch()
        assert waited_until(path.parent / ".waited", 30)


def other_run(folder: Path) -> None:
    cataloguing.catalog_tile(folder)
    cataloguing.catalog_all(folder.parent)


def waited_until(path: Path, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.01)
    return path.exists()


def ended_well(process: SpawnProcess) -> None:
    process.join(60)
    assert process.exitcode == 0


def months(path: Path) -> list[str]:
    return [f"{row['mgrs_tile_id']} {row['month']}" for row in catalog.read_catalog(path)]


def test_a_month_that_is_finished_meanwhile_stays_in_its_tiles_catalog(base: Path) -> None:
    folder = base / "10SGD_ASCENDING"
    first = first_reads_then_waits(base, partial(cataloguing.catalog_tile, folder))
    lay_down(base, month_record(month="2021-12"))
    second_writes(base, partial(cataloguing.catalog_tile, folder))
    ended_well(first)
    assert months(folder / "catalog.parquet") == ["10SGD 2021-10", "10SGD 2021-11", "10SGD 2021-12"]


def test_a_tile_that_is_finished_meanwhile_stays_in_catalog_and_collection(base: Path) -> None:
    """Two runs over one tree, each with a tile of its own."""
    first = first_reads_then_waits(base, partial(cataloguing.catalog_all, base))
    folder = lay_down(base, month_record(tile="11SLT", month="2021-11"))
    second_writes(base, partial(other_run, folder))
    ended_well(first)
    assert months(base / "catalog.parquet") == ["10SGD 2021-10", "10SGD 2021-11", "11SLT 2021-11"]
    links = [
        link["title"] for link in read_document(base / "collection_ASCENDING.json")["links"] if link["rel"] == "item"
    ]
    assert links == ["10SGD_ASCENDING_2021-11", "11SLT_ASCENDING_2021-11"]


@pytest.mark.parametrize("rebuilding", ["first", "second"])
def test_rebuilding_beside_a_run_loses_no_month(tmp_path: Path, rebuilding: str) -> None:
    """The run finishes December while the other writer has read the tree already."""
    tree = SmallTree(tmp_path / "output")
    tree.make(tree.add("2021-11"))
    december = tree.add("2021-12")
    tree.make(december, "cube")
    if rebuilding == "second":
        tree.make(december, "record", "cog", "preview", "item")
    tree.path("tile_catalog", NOVEMBER).unlink()  # else there is nothing to rebuild
    rebuild = partial(catalog_rebuild.main, ["--output-dir", str(tree.base)])
    run = partial(tree.make, december, "record", "cog", "preview", "item", "tile_catalog", "catalog", "collection")
    works = [rebuild, run] if rebuilding == "first" else [run, rebuild]
    first = first_reads_then_waits(tree.base, works[0])
    second_writes(tree.base, works[1])
    ended_well(first)
    assert read_record(tree.path("record", december)).unknown == []
    assert validate(tree.base).to_text() == "valid: 2 months of 1 tile"


def test_a_lock_is_freed_when_its_holder_is_killed(tmp_path: Path) -> None:
    lock, held = tmp_path / "lock", tmp_path / "held"
    process = holding(held, hold, lock, held)
    handle = os.open(lock, os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    process.kill()
    process.join()
    with locked(lock):
        pass
    os.close(handle)


def test_a_file_system_without_locks_is_no_hindrance(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(handle: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    lay_down(base, month_record(month="2021-12"))
    assert len(cataloguing.catalog_tile(base / "10SGD_ASCENDING")) == 3
    assert len(cataloguing.catalog_all(base)[0]) == 3


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(ProductError, match=r"catalog\.parquet: cannot be written"),
        cataloguing.catalog_lock(tmp_path / "file" / "catalog.parquet"),
    ):
        pass


def test_a_writer_that_must_wait_says_once_for_whom(
    base: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = base / "catalog.parquet"

    def waits(handle: int, operation: int) -> bool | None:
        if not operation & fcntl.LOCK_NB:
            (base / ".waited").touch()
        return flock(handle, operation)

    monkeypatch.setattr(files, "flock", waits)
    process = holding(base / ".held", hold_catalog, path)
    assert catalog_rebuild.main(["--output-dir", str(base)]) in (0, 1)
    process.join()
    said = capfd.readouterr().err
    assert said.count("waiting for") == 1
    assert f"waiting for {path}: user {os.geteuid()}, process {process.pid} on " in said
    with cataloguing.catalog_lock(path):
        assert str(os.getpid()) in lock_file(path).read_text()
    assert lock_file(path).read_text() == ""
    assert capfd.readouterr().err == ""
