"""A rebuild that is killed, between any two writes or at any moment, is completed by the next one."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import catalog_rebuild
from s1monthly.audit.month_validation import Depth
from s1monthly.audit.validation import validate
from s1monthly.catalog import table as catalog
from s1monthly.catalog.document import read_document, write_document
from s1monthly.model import CompositeKey
from support.audited_tree import contents
from support.small_tree import SmallTree

KEYS = ASCENDING, DESCENDING = [
    CompositeKey.parse("10SGD", direction, "2021-11") for direction in ("ASCENDING", "DESCENDING")
]
RANDOM_KILLS = 4
WRITES = 15
"""A record lost, one edited; the Items of both; every catalog and document above them."""


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> SmallTree:
    """Two months of which everything is lost or wrong that can be made again without the workflow."""
    tree = SmallTree(tmp_path_factory.mktemp("trees") / "output")
    for key in KEYS:
        tree.make(tree.add(str(key.month), direction=str(key.direction)))
    shutil.rmtree(tree.base / "work")
    tree.path("record", ASCENDING).unlink()
    edited = tree.path("record", DESCENDING)
    edited.write_text(edited.read_text().replace('"mean": 1.0', '"mean": 2.0'))
    item = read_document(tree.path("item", DESCENDING))
    item["properties"]["gsd"] = 7
    write_document(tree.path("item", DESCENDING), item)
    for kind in ("tile_catalog", "tile_items", "catalog", "items", "stac_root", "collection", "direction_collection"):
        tree.path(kind, ASCENDING).unlink()
    rows = catalog.read_catalog(tree.path("tile_catalog", DESCENDING))
    catalog.write_catalog(tree.path("tile_catalog", DESCENDING), rows[:-1])
    assert validate(tree.base).problems
    return tree


@pytest.fixture(scope="module")
def expected(damaged: SmallTree, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a rebuild makes that is not killed."""
    base = copied(damaged, tmp_path_factory.mktemp("whole"))
    rebuild(base)
    return contents(base)


def copied(tree: SmallTree, folder: Path) -> Path:
    shutil.copytree(tree.base, folder / "output")
    return folder / "output"


def rebuild(base: Path) -> int:
    return catalog_rebuild.main(["--output-dir", str(base)])


def check_completed(base: Path, expected: dict[str, bytes]) -> None:
    """Rebuild once more: nothing is wrong, nothing lost."""
    assert rebuild(base) == 0
    assert validate(base, Depth(digests=True)).problems == []
    assert contents(base) == expected


def started(base: Path, number: int = 0) -> subprocess.Popen[str]:
    """Start a rebuild that kills itself before it shows the file of this number; return when it has loaded all."""
    search = os.pathsep.join([*sys.path, os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(Path(__file__).parents[1] / "support" / "kill_rebuild.py"), str(base), str(number)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": search})
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


@pytest.fixture
def base(damaged: SmallTree, tmp_path: Path) -> Path:
    return copied(damaged, tmp_path)


@pytest.mark.parametrize("number", range(1, WRITES + 1))
def test_killed_before_any_write(base: Path, expected: dict[str, bytes], number: int) -> None:
    process = started(base, number)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, f"there are fewer than {number} writes"
    check_completed(base, expected)


def test_there_are_no_more_writes(base: Path, expected: dict[str, bytes]) -> None:
    process = started(base, WRITES + 1)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert contents(base) == expected


def test_killed_at_random_moments(damaged: SmallTree, tmp_path: Path, expected: dict[str, bytes]) -> None:
    first = copied(damaged, tmp_path / "timed")
    process, begin = started(first), time.monotonic()
    process.communicate(timeout=60)
    duration, moments, killed = time.monotonic() - begin, random.Random(20), 0
    for number in range(RANDOM_KILLS):
        base = copied(damaged, tmp_path / str(number))
        process = started(base)
        time.sleep(moments.uniform(0.05, 0.9) * duration)
        process.kill()
        process.communicate(timeout=60)
        killed += process.returncode == -signal.SIGKILL
        check_completed(base, expected)
        shutil.rmtree(base)
    assert killed >= RANDOM_KILLS // 2, "most had ended before they were to be killed"
