"""What tests of validating and rebuilding share: months, commands in short, and an operator who follows commands."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import catalog_rebuild
from s1monthly.audit import rebuilding
from s1monthly.audit.report import Finding
from s1monthly.catalog import table as catalog
from s1monthly.model import CompositeKey
from support.short_commands import short
from support.small_tree import SmallTree

NOVEMBER = CompositeKey.parse("10SGD", "ASCENDING", "2021-11")
DECEMBER = CompositeKey.parse("10SGD", "ASCENDING", "2021-12")
DESCENDING = CompositeKey.parse("10SGD", "DESCENDING", "2021-11")
VALID = "valid: 3 months of 1 tile"
RUN, REBUILD = "snakemake", "catalog_rebuild"

Damage = Callable[[SmallTree], object]


def copy_of(tree: SmallTree, base: Path) -> SmallTree:
    """The same tree elsewhere; its files have been copied there."""
    again = SmallTree(base, tree.overviews)
    again.months = dict(tree.months)
    return again


def rows(tree: SmallTree) -> list[dict]:
    return catalog.read_catalog(tree.layout.catalog)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file that is not hidden."""
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return {str(path): (folder / path).read_bytes() for path in paths if not any(p[0] == "." for p in path.parts)}


def rebuild(tree: SmallTree, *options: str) -> int:
    return catalog_rebuild.main(["--output-dir", str(tree.base), *options])


def edit_json(path: Path, change: Callable[[dict], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def truncate(path: Path, share: float = 0.5) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def flip(path: Path) -> None:
    """Change one byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def kinds(commands: Iterable[str]) -> list[str]:
    """Commands, those of the workflow and of the other tool by one word."""
    return [next((word for word in (RUN, REBUILD) if word in command), short(command)) for command in commands]


def follow(tree: SmallTree, findings: Iterable[Finding]) -> None:
    """Do what an operator does: every command once, in order; then the workflow, then what a rebuild still reports."""
    commands = list(dict.fromkeys(command for finding in findings for command in finding.commands))
    for command in sorted(commands, key=lambda command: (RUN in command) + 2 * (REBUILD in command)):
        if RUN in command:
            tree.run()
        elif REBUILD in command:
            catalog_rebuild.main(shlex.split(command)[2:])
            left = rebuilding.rebuild(tree.base).left
            follow(tree, [finding for finding in left if command not in finding.commands])
        else:
            subprocess.run(command, shell=True, check=True)
