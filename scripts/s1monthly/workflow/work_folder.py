"""The work folder: it serves one output tree and stores which one."""

from __future__ import annotations

import tempfile
from pathlib import Path

from s1monthly.errors import ConfigError
from s1monthly.files import write_text
from s1monthly.layout import Layout


def refuse_shared_work(layout: Layout) -> None:
    """Raise an error if a work folder serves another output tree: two runs would use each other's temporary files.

    Raises
    ------
    ConfigError
        If the folder serves another tree or cannot be used; the error names both.
    """
    try:
        owner = Path(layout.owner).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigError(
            f"output.work_dir {layout.work_dir}: cannot be used ({error.strerror}: {error.filename})",
            "give output.base_dir and output.work_dir folders, or paths where folders can be made",
        ) from error
    except UnicodeDecodeError:
        owner = ""
    if not owner:
        raise ConfigError(
            f"{layout.owner}: damaged: it should name the output tree that the work folder serves",
            f"delete it if that is {layout.base_dir}, and run again",
        )
    if owner != layout.tree_from_work():
        raise ConfigError(
            f"output.work_dir {layout.work_dir}: it belongs to another output tree, {owner} as seen from it",
            "give each base_dir its own work_dir, or none; where a tree was moved, delete the work folder",
        )


def claim_work(layout: Layout) -> None:
    """Write into the work folder which output tree it serves.

    Raises
    ------
    OSError
        If the work folder is not writable.
    """
    write_text(layout.owner, f"{layout.tree_from_work()}\n", only_if_changed=True)
    Path(
        tempfile.mkdtemp(prefix=".trial.", dir=layout.work_dir)
    ).rmdir()  # the file may exist already, in a read-only folder
