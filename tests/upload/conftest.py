"""Fixtures of publishing: a small tree, and a bucket on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from s1monthly.upload import storage
from standin.web import WebServer
from support import bucket
from support.small_tree import SmallTree


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree of two months."""
    tree = SmallTree(tmp_path_factory.mktemp("made") / "output", overviews=(2,))
    for key in [tree.add("2021-11"), tree.add("2022-01")]:
        tree.make(key)
    return tree.base


@pytest.fixture
def base(made: Path, tmp_path: Path) -> Path:
    """A copy of the tree of two months."""
    return Path(shutil.copytree(made, tmp_path / "output"))


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """Address of moto's server."""
    with bucket.moto() as address:
        yield address


@pytest.fixture
def s3(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    """A server before an empty bucket, with keys for it in the environment, and quick retries."""
    for name, value in bucket.KEYS.items():
        monkeypatch.setenv(name, value)
    quick = {"init_backoff": timedelta(milliseconds=1), "max_backoff": timedelta(milliseconds=5), "base": 2}
    monkeypatch.setattr(storage, "RETRIES", {**storage.RETRIES, "backoff": quick})
    bucket.new_bucket(moto)
    server = bucket.front(moto)
    yield server
    server.close()
    assert server.errors == []
