"""A rebuild in a process of its own that kills itself: ``python tests/support/kill_rebuild.py FOLDER NUMBER``.

It dies in place of the rename of that number into the output tree, counted from 1; never for 0. It says ``ready`` when
all is loaded. Not forked from the tests: PROJ, once used, can hang in a forked process (it reopens its database).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import catalog_rebuild
import s1monthly.records.record_builder  # noqa: F401  a rebuild loads it when it first needs it, which would count as its time


def killing(base: Path, number: int) -> Callable[..., None]:
    """Return a rename that kills the process in place of the one of this number in the tree."""
    original, calls = os.replace, iter(range(1, 1000))

    def replace(*names: object) -> None:
        if base in Path(str(names[1])).parents and next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        original(*names)

    return replace


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    os.replace = killing(folder, int(sys.argv[2]))
    print("ready", flush=True)
    sys.exit(catalog_rebuild.main(["--output-dir", str(folder)]))
