"""Files that are whole or not there: written under a temporary name in the same folder, then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path; rename it to `path` when the block ends well, remove it when it fails.

    Parameters
    ----------
    path : str or Path
        Final name. Its folder is made where missing.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.with_name(f".{final.stem}.{os.getpid()}.part{final.suffix}")
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, final)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise


def write_text(path: str | Path, text: str, *, only_if_changed: bool = False) -> bool:
    """Write a text file atomically.

    Parameters
    ----------
    path : str or Path
    text : str
    only_if_changed : bool
        Leave a file that holds this very text untouched, its time of modification included.

    Returns
    -------
    bool
        True where the file was written.
    """
    if only_if_changed and Path(path).is_file() and Path(path).read_text(encoding="utf-8") == text:
        return False
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return True
