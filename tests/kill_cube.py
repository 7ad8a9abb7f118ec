"""Kill the cube's writers at every step and at random moments, and look at what they leave.

Run ``python tests/kill_cube.py FOLDER --random 200`` for as many random kills as wanted. Every trial starts from a copy
of one cube, kills a process that changes it, checks what a reader finds, runs the same change again undisturbed, and
demands the bytes that an undisturbed change gives, with nothing left beside the store.

Workers are forked from this process, which never touches zarr itself and so has no threads to lose.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import zarr

from s1monthly import cube, cube_files
from s1monthly.bands import bands
from s1monthly.grid import GeoBox
from s1monthly.vocabulary import Direction, Month, Tile

BOX = GeoBox(32610, 30.0, 600000.0, 4200000.0, 48, 64)
RECIPE = {"level": "hARDCp", "polarization": "VV+VH", "despeckle": {"method": "tv_bregman", "reg_param": 5.0}}
OTHER_RECIPE = RECIPE | {"level": "ARDC"}


def spec_of(recipe: dict[str, object] | None = None, box: GeoBox = BOX, chunk: int = 32) -> cube.CubeSpec:
    """Return a small cube's specification: 4 bands, 2 x 2 chunks."""
    return cube.CubeSpec(
        Tile("10SGD"), Direction.ASCENDING, box, bands("VV", "VH"), (chunk, chunk), dict(recipe or RECIPE)
    )


def month_of(text: str, version: int = 1) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Make values and count of a month: noise, some NaN, some exact zeros, one chunk without data in half the bands."""
    rng = np.random.default_rng([Month.parse(text).ordinal, version])
    values = {}
    for place, band in enumerate(bands("VV", "VH")):
        array = rng.normal(-12, 3, BOX.shape).astype("float32")
        array[rng.random(BOX.shape) < 0.1] = np.nan
        array[rng.random(BOX.shape) < 0.1] = 0.0
        if (place + version) % 2:
            array[:32, :32] = np.nan
        values[band.name] = array
    return values, rng.integers(0, 5, BOX.shape, dtype="uint8")


def write(path: Path, text: str, version: int = 1) -> str:
    """Write the made-up month into the cube; return its digest."""
    values, count = month_of(text, version)
    return cube.write_month(path, Month.parse(text), {name: values[name] for name in cube.state(path).bands}, count)


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, by its relative path."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def small(recipe: dict[str, object] | None = None) -> cube.CubeSpec:
    """Return the specification of the cubes to be killed: 2 bands."""
    return replace(spec_of(recipe), bands=bands("VV", "VH")[:2])


def started(path: Path) -> None:
    """Make the cube that most changes start from."""
    cube.prepare(path, small(), Month(2020, 3), Month(2020, 5))
    write(path, "2020-03")
    write(path, "2020-05")


def renaming(path: Path) -> None:
    """Re-key where folders cannot be exchanged in one step and files cannot be linked."""

    def no_links(source: Path, target: Path) -> None:
        raise OSError(cube_files.errno.EPERM, "no hard links here")

    cube_files._exchanged = lambda one, other: False
    os.link = no_links
    cube.prepare(path, small(), Month(2019, 11), Month(2020, 5))


CHANGES: dict[str, Callable[[Path], object]] = {
    "create": lambda path: cube.prepare(path, small(), Month(2020, 3), Month(2020, 5)),
    "lengthen": lambda path: cube.prepare(path, small(), Month(2020, 3), Month(2020, 9)),
    "re-key": lambda path: cube.prepare(path, small(), Month(2019, 11), Month(2020, 5)),
    "re-key by renames": renaming,
    "write": lambda path: write(path, "2020-04"),
    "overwrite": lambda path: write(path, "2020-03", version=2),
    "begin anew": lambda path: cube.prepare(path, small(OTHER_RECIPE), Month(2020, 3), Month(2020, 5), replace=True),
}


def fork(work: Callable[[], object]) -> int:
    """Do the work in a process of its own; return its id."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def done(child: int) -> bool:
    """Wait for a process: True where it ended well, False where it was killed.

    Raises
    ------
    AssertionError
        If it ended with an error.
    """
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), f"a worker ended with {code}"
    return code == 0


def killed_at(step: int, work: Callable[[], object]) -> None:
    """Do the work and die before the step-th change to anything but the inside of a staging folder."""
    left = step

    def guarded(original: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            nonlocal left
            if not all(".part/" in str(arg) for arg in args if isinstance(arg, str | os.PathLike)):
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1
            return original(*args, **kwargs)

        return call

    for module, name in ((os, "rename"), (os, "replace"), (cube_files, "_exchanged"), (cube_files, "flush_folder")):
        setattr(module, name, guarded(getattr(module, name)))
    work()


def look(path: Path, change: str, known: dict[str, set[str]]) -> None:
    """Check what a reader finds after a kill."""
    if not path.exists():
        assert change in ("create", "re-key by renames"), f"{change}: the store is gone"
        return
    found = cube.state(path)
    for month in found.complete:
        assert cube.month_digest(path, month) in known[str(month)], f"{change}: {month} is complete and wrong"
    sure = {"2020-03", "2020-05"} - ({"2020-03"} if change == "overwrite" else set())
    if found.recipe == RECIPE and change != "create":
        assert sure <= {str(month) for month in found.complete}, f"{change}: a complete month was lost"
    if found.recipe == OTHER_RECIPE:
        assert not found.complete, f"{change}: old months are complete under the new recipe"
    group = zarr.open_group(path, mode="r", use_consolidated=True)
    lengths = {array.shape[0] for _, array in group.arrays() if (array.metadata.dimension_names or ("",))[0] == "time"}
    assert lengths == {len(found.months)}, f"{change}: arrays of different lengths"


def trial(folder: Path, change: str, start: Path, wanted: dict[str, bytes], known: dict[str, set[str]],
          kill: Callable[[Callable[[], object]], bool]) -> bool:  # fmt: skip
    """Start, kill, look, run again, compare; True where the process ended before it could be killed."""
    shutil.rmtree(folder / "trial", ignore_errors=True)
    shutil.copytree(start, folder / "trial")
    path = folder / "trial" / "S1.zarr"
    ended = kill(lambda: CHANGES[change](path))
    assert done(fork(lambda: (look(path, change, known), CHANGES[change](path)))), "the second run was killed"
    got = tree(path)
    assert got == wanted, f"{change}: other bytes in {sorted(k for k in got | wanted if got.get(k) != wanted.get(k))}"
    beside = sorted(entry.name for entry in path.parent.iterdir())
    assert beside == ["S1.zarr", "S1.zarr.lock"], f"{change}: left behind {beside}"
    return ended


def main(folder: Path, kills: int, seed: int) -> None:
    """Try every change: a kill before each of its steps, then random ones."""
    chance = random.Random(seed)
    nothing, begun = folder / "nothing", folder / "begun"
    nothing.mkdir(parents=True)
    begun.mkdir()
    assert done(fork(lambda: started(begun / "S1.zarr")))
    known: dict[str, set[str]] = {}
    for text, version in (("2020-03", 1), ("2020-03", 2), ("2020-04", 1), ("2020-05", 1)):
        scratch = folder / "digests" / f"{text}.{version}.zarr"
        file = scratch.with_suffix(".txt")

        def make(scratch: Path = scratch, file: Path = file, text: str = text, version: int = version) -> None:
            cube.prepare(scratch, small(), Month.parse(text), Month.parse(text))
            file.write_text(write(scratch, text, version))

        assert done(fork(make))
        known.setdefault(text, set()).add(file.read_text())

    undisturbed: dict[str, tuple[Path, dict[str, bytes], float]] = {}
    for change in CHANGES:
        start = nothing if change == "create" else begun
        whole = folder / "undisturbed" / change
        shutil.copytree(start, whole)
        clock = time.perf_counter()
        assert done(fork(lambda change=change, whole=whole: CHANGES[change](whole / "S1.zarr")))
        undisturbed[change] = start, tree(whole / "S1.zarr"), time.perf_counter() - clock

    for change, (start, wanted, _) in undisturbed.items():
        step = 0
        while not trial(folder, change, start, wanted, known,
                        lambda work, step=step: done(fork(lambda: killed_at(step, work)))):  # fmt: skip
            step += 1
        assert step, f"{change}: nothing to kill"
        print(f"{change}: killed before each of {step} steps")
    missed = 0
    for _ in range(kills):
        change = chance.choice(list(CHANGES))
        start, wanted, lasts = undisturbed[change]

        def kill(work: Callable[[], object], lasts: float = lasts) -> bool:
            child = fork(work)
            time.sleep(chance.uniform(0, lasts))
            os.kill(child, signal.SIGKILL)
            return done(child)

        missed += trial(folder, change, start, wanted, known, kill)
    print(f"{kills - missed} random kills, {missed} came too late")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--random", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    main(options.folder, options.random, options.seed)
