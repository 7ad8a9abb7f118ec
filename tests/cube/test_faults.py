"""The cube under what goes wrong: kills, a full disk, a folder that cannot be written, stores of others."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr

from s1monthly.cube import months as cube
from s1monthly.cube.axis import prepare
from s1monthly.cube.header import Status, cached_header
from s1monthly.cube.write import write_month
from s1monthly.errors import CubeError
from s1monthly.model import Month
from support.cube_faults import faulty
from support.cube_samples import (
    BANDS,
    BOX,
    CORE,
    TEXTURE_RECIPE,
    TEXTURES,
    core_of,
    months,
    spec_of,
    started,
    statuses,
    textured,
    tree,
    write,
)

TESTS = Path(__file__).resolve().parents[1]
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(cube.__file__).parents[2]), str(TESTS)])}


@pytest.fixture
def held(tmp_path: Path) -> Path:
    return started(tmp_path / "S1_monthly.zarr")


@pytest.fixture
def fast_folder(tmp_path: Path) -> Iterator[Path]:
    """Give a folder in memory where the system has one: what a kill leaves does not depend on the disk."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


# kills


def test_killed_at_every_step_and_at_random(fast_folder: Path) -> None:
    kills = os.environ.get("S1MONTHLY_KILLS", "4")
    command = [sys.executable, str(TESTS / "support" / "kill_cube.py"), str(fast_folder / "kills"), "--random", kills]
    run = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("killed before each of") == 10
    assert f"{kills} random kills" in run.stdout


# a disk that refuses

SLOTS = {"overwrite": 0, "write": 1}
"""Slot that a change writes."""
ONE = spec_of(of=CORE[:1], chunk=64, overviews=(2,))
TWO = spec_of(TEXTURE_RECIPE, of=(CORE[0], TEXTURES[0]), chunk=64, overviews=(2,))
CHANGES: dict[str, Callable[[Path], object]] = {
    "create": lambda path: prepare(path, ONE, *months("2020-01", "2020-04")),
    "write": lambda path: write(path, "2020-02"),
    "overwrite": lambda path: write(path, "2020-01", version=2),
    "lengthen": lambda path: prepare(path, ONE, *months("2020-01", "2021-01")),
    "begin earlier": lambda path: prepare(path, ONE, *months("2019-01", "2020-01")),
    "add a band": lambda path: prepare(path, TWO, *months("2020-01", "2020-04"), covered=[Month(2020, 1)]),
}


@pytest.mark.parametrize(
    ("change", "poor"), [*((change, False) for change in CHANGES), ("overwrite", True), ("begin earlier", True)]
)
def test_an_error_at_every_change_to_the_disk_leaves_the_cube_as_it_was(
    fast_folder: Path, change: str, poor: bool
) -> None:
    work = CHANGES[change]
    begun, whole, trial = (fast_folder / name / "S1.zarr" for name in ("begun", "whole", "trial"))
    begun.parent.mkdir()
    if change != "create":
        prepare(begun, ONE, *months("2020-01", "2020-04"))
        write(begun, "2020-01")
    shutil.copytree(begun.parent, whole.parent)
    with faulty(errno.ENOSPC, poor=poor) as faults:
        work(whole)
    before, wanted = tree(begun), tree(whole)
    assert faults.calls > 20 and before != wanted
    # the calls that put a new store together beside the old one are those of "create", all but the last
    alike = faults.calls - 16 if change in ("lengthen", "begin earlier", "add a band") else 0
    for at in range(alike + 1, faults.calls + 1):
        lasting = at % 2 == 0
        shutil.rmtree(trial.parent, ignore_errors=True)
        shutil.copytree(begun.parent, trial.parent)
        where = f"{change}, call {at} of {faults.calls}"
        refused = None
        with faulty(errno.ENOSPC, at, lasting, poor):
            try:
                work(trial)
            except CubeError as error:
                refused = error
        after = tree(trial)
        if refused:
            assert "No space left" in refused.problem, where
            assert "free some space" in refused.remedy or "nor put back" in refused.problem, where
        else:
            assert after == wanted, f"{where}: nothing was said"  # such as a folder that was there already
        if after not in (before, wanted) and trial.exists():
            assert lasting and change in SLOTS, f"{where}: the cube is neither as before nor as asked for"
            # even putting things back was refused: the status says so, and other slots are unharmed
            assert statuses(trial)[SLOTS[change]] is Status.BEING_WRITTEN, where
            differing = {name for name in after | before if after.get(name) != before.get(name)}
            assert all(f"/c/{SLOTS[change]}" in name for name in differing), where
        else:
            assert trial.exists() or change == "create" or (poor and lasting), where  # else it lies aside, whole
        work(trial)
        assert tree(trial) == wanted
        assert sorted(entry.name for entry in trial.parent.iterdir()) == [".s1monthly", "S1.zarr"]


def test_a_file_that_may_not_grow_ends_in_a_clear_error_and_an_unharmed_cube(tmp_path: Path) -> None:
    command = [sys.executable, str(TESTS / "support" / "cube_faults.py"), str(tmp_path / "S1.zarr"), "4000"]
    run = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "File too large" in run.stdout and run.stdout.strip().endswith("complete: 1")


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_folder_that_cannot_be_written_is_named(held: Path, code: int) -> None:
    before = tree(held)
    for change in (
        lambda: write(held, "2020-02"),
        lambda: prepare(held, spec_of(), *months("2019-01", "2020-01")),
    ):
        with faulty(code, 1, lasting=True), pytest.raises(CubeError, match=f"cube {held}: ") as caught:
            change()
        assert "make the folder writable or give another base_dir" in caught.value.remedy
    with faulty(code, 1, lasting=True):
        assert cube.read_count(held, cube.state(held).complete[0]).shape == BOX.shape, "reading writes nothing"
    assert tree(held) == before


# stores of others


def _peer(path: Path, zarr_format: int) -> None:
    """Write what S1-GRiTS leaves: months in the order of processing, one of them twice, fill value 0, no CF."""
    xr = pytest.importorskip("xarray")
    for month in ("2020-03", "2020-01", "2020-02", "2020-03"):
        values, _ = core_of(month)
        dims, shape = ("time", "y", "x"), BOX.shape
        arrays = {name: (dims, np.nan_to_num(values[name], nan=0.0)[None]) for name in BANDS}
        places = {"time": [np.datetime64(f"{month}-01", "ns")], "y": np.arange(shape[0]), "x": np.arange(shape[1])}
        encoding = {name: {"chunks": (1, 32, 32), "_FillValue": 0.0} for name in BANDS}
        more = {"append_dim": "time"} if path.exists() else {"encoding": encoding}
        dataset = xr.Dataset(arrays, places, {"crs": "EPSG:32610", "despeckle": "tv_bregman"})
        dataset.to_zarr(path, zarr_format=zarr_format, consolidated=True, **more)


def _foreign(path: Path) -> None:
    zarr.open_group(path, mode="w", zarr_format=3).create_array("elevation", shape=(4, 4), dtype="f4")[...] = 1


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "notes.txt").write_text("mine")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: _peer(path, 2), "a Zarr v2 store with the band VV_dB, as S1-GRiTS writes"),
        (lambda path: _peer(path, 3), "a Zarr v3 store with the band VV_dB, as S1-GRiTS writes"),
        (_foreign, "a Zarr v3 store"),
        (_folder, "a folder without zarr.json"),
        (lambda path: path.write_text("mine"), "a file, not a folder"),
    ],
)
def test_a_store_of_others_is_named_and_not_one_byte_changes(tmp_path: Path, make: Callable, says: str) -> None:
    path = tmp_path / "S1_monthly.zarr"
    make(path)
    before = {entry: entry.stat().st_mtime_ns for entry in (tmp_path, *tmp_path.rglob("*"))}, tree(tmp_path)
    for change in (
        lambda: prepare(path, spec_of(), *months("2020-01", "2020-02")),
        lambda: prepare(path, spec_of(), *months("2020-01", "2020-02"), replace=True),
        lambda: prepare(path, textured(), *months("2020-01", "2020-02"), covered=months("2020-01", "2020-03")),
        lambda: write_month(path, Month(2020, 1), *core_of("2020-01")),
        lambda: cube.state(path),
        lambda: cube.month_digest(path, Month(2020, 1)),
        lambda: cached_header(str(path)),
    ):
        with pytest.raises(CubeError, match=f"not a cube of this product: {says}") as caught:
            change()
        assert str(path) in caught.value.problem and "base_dir" in caught.value.remedy
        now = {entry: entry.stat().st_mtime_ns for entry in (tmp_path, *tmp_path.rglob("*"))}, tree(tmp_path)
        assert now == before
