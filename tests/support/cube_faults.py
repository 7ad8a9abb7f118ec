"""Let a cube's writer fail: an error at the n-th change to the disk; as a program, writing until the disk refuses."""

from __future__ import annotations

import io
import itertools
import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from s1monthly.cube import months as cube
from s1monthly.cube import transaction as cube_files
from s1monthly.cube.axis import prepare
from s1monthly.errors import CubeError
from support.cube_samples import months, spec_of, tree, write


class Faults:
    """Calls that change the disk, of which one, or all from one on, raise an error.

    Parameters
    ----------
    code : int
        The error, as in `errno`.
    at : int
        The call that fails, from 1 on; none where 0.
    lasting : bool
        Whether all later ones fail too.

    Attributes
    ----------
    calls : int
        How many there were.
    """

    def __init__(self, code: int, at: int = 0, lasting: bool = False) -> None:
        self.code, self.at, self.lasting = code, at or sys.maxsize, lasting
        self.calls = 0
        self._numbers = itertools.count(1)  # zarr writes from several threads

    def guard(self, call: Callable[..., Any], changes: Callable[..., bool] = lambda *args: True) -> Callable[..., Any]:
        """Wrap a function so that it may fail where its arguments say that it changes something."""

        def guarded(*args: Any, **kwargs: Any) -> Any:
            if changes(*args, *kwargs.values()):
                number = next(self._numbers)
                self.calls = max(self.calls, number)
                if number == self.at or (self.lasting and number > self.at):
                    raise OSError(self.code, os.strerror(self.code), str(args[0]))
            return call(*args, **kwargs)

        return guarded


def _creates(path: object, flags: int, *rest: object) -> bool:
    return bool(flags & os.O_CREAT)


def _writes(file: object, mode: str = "r", *rest: object) -> bool:
    return not set(mode).isdisjoint("wax+")


@contextmanager
def faulty(code: int, at: int = 0, lasting: bool = False, poor: bool = False) -> Iterator[Faults]:
    """Let the n-th change to the disk fail: a file opened for writing, a flush, a link, a folder, a rename.

    Removing is never refused, as it is not on a full disk. `poor` stands for a file system that exchanges no folders.
    """
    faults = Faults(code, at, lasting)
    places: list[tuple[Any, str, Callable[..., Any]]] = [
        (os, name, faults.guard(getattr(os, name))) for name in ("rename", "replace", "link", "mkdir", "fsync")
    ]
    places += [(os, "open", faults.guard(os.open, _creates)), (io, "open", faults.guard(io.open, _writes))]
    exchanged = (lambda one, other: False) if poor else faults.guard(cube_files.exchanged)
    places.append((cube_files, "exchanged", exchanged))
    with ExitStack() as stack:
        for place, name, guarded in places:
            stack.enter_context(mock.patch.object(place, name, guarded))
        yield faults


def fill(path: Path, limit: int) -> None:
    """Write months, and give the axis more, until the disk refuses; after each refusal the cube must be as before.

    Prints what the first refusal said, and how many months were complete in the end.

    Parameters
    ----------
    path : Path
        The store to be made.
    limit : int
        Largest file in bytes.
    """
    spec = spec_of(chunk=64)
    prepare(path, spec, *months("2020-01", "2021-12"))
    write(path, "2020-01")
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    changes: list[Callable[[], object]] = [
        lambda text=str(month): write(path, text, version=2) for month in cube.state(path).months
    ]
    changes += [lambda year=year: prepare(path, spec, *months(f"{year}-01", "2021-12")) for year in (2019, 1990)]
    said = []
    for change in changes:
        before = tree(path)
        try:
            change()
        except CubeError as error:
            said.append(str(error))
            assert tree(path) == before, "the cube is another one after a refusal"
    assert said, "the disk refused nothing"
    for month in cube.state(path).complete:
        cube.month_digest(path, month)
    print(f"{said[0]}; complete: {len(cube.state(path).complete)}")


if __name__ == "__main__":
    fill(Path(sys.argv[1]), int(sys.argv[2]))
