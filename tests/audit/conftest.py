"""A valid output tree for every test of validating and rebuilding."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.audited_tree import DECEMBER, DESCENDING, NOVEMBER, copy_of
from support.small_tree import SmallTree

NOBODY = 65534


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> SmallTree:
    """Two months of one direction, one of the other; a month without data before each."""
    tree = SmallTree(tmp_path_factory.mktemp("trees") / "output")
    for key in (NOVEMBER, DECEMBER, DESCENDING):
        tree.make(tree.add(str(key.month), direction=str(key.direction)))
    return tree


@pytest.fixture
def tree(whole: SmallTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallTree:
    """A copy, called ``output`` in the working directory."""
    shutil.copytree(whole.base, tmp_path / "output")
    monkeypatch.chdir(tmp_path)
    return copy_of(whole, Path("output"))


@pytest.fixture
def unprivileged(tree: SmallTree) -> Iterator[None]:
    """Be a user who may not read everything: whoever runs the tests, root or not."""
    if os.geteuid() != 0:
        yield
        return
    for path in (Path.cwd(), tree.base, *tree.base.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
