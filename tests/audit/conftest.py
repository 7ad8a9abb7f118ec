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
    return made(SmallTree(tmp_path_factory.mktemp("trees") / "output"))


@pytest.fixture(scope="session")
def whole_with_overviews(tmp_path_factory: pytest.TempPathFactory) -> SmallTree:
    """The same months in cubes that have overviews."""
    return made(SmallTree(tmp_path_factory.mktemp("trees") / "output", overviews=(2, 4)))


def made(tree: SmallTree) -> SmallTree:
    for key in (NOVEMBER, DECEMBER, DESCENDING):
        tree.make(tree.add(str(key.month), direction=str(key.direction)))
    return tree


@pytest.fixture
def tree(whole: SmallTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallTree:
    """A copy, called ``output`` in the working directory."""
    return copied(whole, tmp_path, monkeypatch)


@pytest.fixture
def tree_with_overviews(whole_with_overviews: SmallTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallTree:
    """As `tree`, of cubes that have overviews."""
    return copied(whole_with_overviews, tmp_path, monkeypatch)


def copied(whole: SmallTree, folder: Path, monkeypatch: pytest.MonkeyPatch) -> SmallTree:
    shutil.copytree(whole.base, folder / "output")
    monkeypatch.chdir(folder)
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
