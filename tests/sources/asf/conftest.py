"""The archive of one granule that the tests of fetching share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.archive_scene import Scene, archive_scene


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """Servers with one granule; the environment holds a good token. No login may leak."""
    with archive_scene(tmp_path, monkeypatch) as made:
        monkeypatch.setenv("EARTHDATA_TOKEN", made.world.token)
        yield made
        assert made.world.earthdata.leaks == []
