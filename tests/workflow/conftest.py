"""Fixtures of several tests: a folder in which plans are made."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.sites import Site, granules_of


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site without granules."""
    return Site(tmp_path, monkeypatch)


@pytest.fixture
def made(site: Site) -> Site:
    """A site with granules and finished months in 2021-11, 2021-12 and 2022-02; none in 2022-01."""
    site.granules = granules_of("2021-11 2021-12 2022-02")
    site.search()
    site.make()
    return site
