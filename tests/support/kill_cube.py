"""Kill the cube's writers at every step and at random moments, with readers looking on, and look at what they leave.

Run ``python tests/support/kill_cube.py FOLDER --random 200`` for as many random kills as wanted. Every trial starts
from a copy of one cube and kills a process that changes it. What it leaves must open in every way of `cube_readers`,
with right values in every month that is complete. Then the same change runs again, undisturbed, and must give the
bytes that it gives where nothing is killed, with nothing left beside the store. During random kills, and until the
change is done, a reader opens the store again and again.

Workers are forked from this process, which never touches zarr itself and so has no threads to lose.
"""

from __future__ import annotations

import argparse
import errno
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from s1monthly.cube import axis as cube_axis
from s1monthly.cube import transaction as cube_files
from s1monthly.cube.axis import prepare
from s1monthly.model import Month
from support.cube_readers import Known, fingerprint, look, watch
from support.cube_samples import CORE, OTHER_RECIPE, TEXTURES, month_of, spec_of, textured, tree, write

SMALL, LARGE = CORE[:1], (CORE[0], TEXTURES[0])
"""Bands of the cubes to be killed, and of those that are given a texture."""
LEVELS = (2,)
"""Their overviews."""
HELD = [Month(2020, 3), Month(2020, 5)]
VERSIONS = (("2020-03", 1), ("2020-03", 2), ("2020-04", 1), ("2020-05", 1))
"""Months that are ever written, and which values they can have."""


def _prepare(path: Path, first: Month, last: Month, **options: object) -> None:
    prepare(path, options.pop("spec", spec_of(of=SMALL, overviews=LEVELS)), first, last, **options)


def _begin(path: Path) -> None:
    """Make the cube that most changes start from."""
    _prepare(path, Month(2020, 3), Month(2020, 5))
    for month in HELD:
        write(path, str(month))


def _add_texture(path: Path) -> None:
    _prepare(path, *HELD, spec=textured(LARGE, LEVELS), covered=HELD)
    write(path, "2020-03")  # the other month is left as being written


def _poorly(change: Callable[[Path], object]) -> Callable[[Path], object]:
    """Do the change on a file system without hard links, that cannot exchange folders in one step."""

    def no_links(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    def poor(path: Path) -> None:
        cube_files.exchanged = lambda one, other: False
        cube_axis.links_and_exchanges = lambda folder: False
        os.link = no_links
        change(path)

    return poor


def _lengthen(path: Path) -> None:
    _prepare(path, Month(2020, 3), Month(2020, 9))


def _rekey(path: Path) -> None:
    _prepare(path, Month(2019, 11), Month(2020, 5))


def _overwrite(path: Path) -> None:
    write(path, "2020-03", version=2)


CHANGES: dict[str, Callable[[Path], object]] = {
    "create": lambda path: _prepare(path, Month(2020, 3), Month(2020, 5)),
    "lengthen": _lengthen,
    "lengthen, poorly": _poorly(_lengthen),
    "re-key": _rekey,
    "re-key, poorly": _poorly(_rekey),
    "write": lambda path: write(path, "2020-04"),
    "overwrite": _overwrite,
    "overwrite, poorly": _poorly(_overwrite),
    "add a texture": _add_texture,
    "begin anew": lambda path: _prepare(
        path, *HELD, spec=spec_of(OTHER_RECIPE, of=SMALL, overviews=LEVELS), replace=True
    ),
}
ABSENT = {"create", "re-key, poorly"}
"""Changes while which there can be no store for a moment."""


@dataclass(frozen=True)
class Change:
    """A change that is killed.

    Attributes
    ----------
    name : str
        In `CHANGES`.
    start : Path
        Folder of the cube that it starts from.
    wanted : dict of str to bytes
        All files of the cube after it.
    lasts : float
        Seconds that it takes.
    """

    name: str
    start: Path
    wanted: dict[str, bytes]
    lasts: float


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

    for module, name in ((os, "rename"), (os, "replace"), (cube_files, "exchanged"), (cube_files, "fsync")):
        setattr(module, name, guarded(getattr(module, name)))
    work()


def after_kill(path: Path, change: Change, known: Known) -> None:
    """Check what a reader finds once a writer was killed."""
    if not path.exists():
        assert change.name in ABSENT, f"{change.name}: the store is gone"
        return
    found = look(path, known, unconsolidated=change.name != "lengthen, poorly")
    kept = {str(month) for month in HELD} - ({"2020-03"} if change.name.startswith("overwrite") else set())
    if change.name not in ("create", "add a texture", "begin anew"):
        assert kept <= found, f"{change.name}: a complete month was lost"


def trial(folder: Path, change: Change, known: Known, kill: Callable[[Callable[[], object]], bool],
          watched: bool) -> tuple[bool, int]:  # fmt: skip
    """Start, kill, look, run again, compare; whether the process ended before its kill, and how often was read."""
    shutil.rmtree(folder / "trial", ignore_errors=True)
    shutil.copytree(change.start, folder / "trial")
    path, stop, tally = folder / "trial" / "S1.zarr", folder / "stop", folder / "tally"
    work = CHANGES[change.name]
    stop.unlink(missing_ok=True)
    reader = fork(lambda: watch(path, known, change.name, ABSENT, stop, tally)) if watched else None
    ended = kill(lambda: work(path))
    assert done(fork(lambda: (after_kill(path, change, known), work(path)))), "the second run was killed"
    stop.touch()
    assert reader is None or done(reader), "the reader was killed"
    got, wanted = tree(path), change.wanted
    differing = sorted(name for name in got | wanted if got.get(name) != wanted.get(name))
    assert not differing, f"{change.name}: other bytes in {differing}"
    beside = sorted(entry.name for entry in path.parent.iterdir())
    assert beside == [".s1monthly", "S1.zarr"], f"{change.name}: left behind {beside}"
    return ended, int(tally.read_text()) if watched else 0


def undisturbed(folder: Path) -> list[Change]:
    """Do each change once, without a kill."""
    nothing, begun = folder / "nothing", folder / "begun"
    nothing.mkdir(parents=True)
    begun.mkdir()
    assert done(fork(lambda: _begin(begun / "S1.zarr")))
    changes = []
    for number, (name, work) in enumerate(CHANGES.items()):
        start = nothing if name == "create" else begun
        whole = folder / "undisturbed" / str(number)
        shutil.copytree(start, whole)
        clock = time.perf_counter()
        assert done(fork(lambda work=work, whole=whole: work(whole / "S1.zarr")))
        changes.append(Change(name, start, tree(whole / "S1.zarr"), time.perf_counter() - clock))
    alike = {change.name: change.wanted for change in changes}
    for name in ("lengthen", "re-key", "overwrite"):
        assert alike[name] == alike[f"{name}, poorly"], f"{name}: the file system changes the result"
    return changes


def main(folder: Path, kills: int, seed: int) -> None:
    """Try every change: a kill before each of its steps, then random ones."""
    chance = random.Random(seed)
    known: Known = {}
    for text, version in VERSIONS:
        values, count = month_of(text, version)
        known.setdefault(text, []).append(fingerprint({**values, "count": count}))
    changes = undisturbed(folder)
    for change in changes:
        step = 0
        while not trial(folder, change, known,
                        lambda work, step=step: done(fork(lambda: killed_at(step, work))), False)[0]:  # fmt: skip
            step += 1
        assert step, f"{change.name}: nothing to kill"
        print(f"{change.name}: killed before each of {step} steps")
    killed = missed = looked = 0
    while killed < kills and missed < 9 * kills:
        change = chance.choice(changes)

        def kill(work: Callable[[], object], lasts: float = change.lasts) -> bool:
            child = fork(work)
            time.sleep(chance.uniform(0, lasts))
            os.kill(child, signal.SIGKILL)
            return done(child)

        ended, polls = trial(folder, change, known, kill, True)
        missed += ended
        killed += not ended
        looked += polls
    print(f"{killed} random kills, {missed} came too late; the store was read {looked} times meanwhile")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--random", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    main(options.folder, options.random, options.seed)
