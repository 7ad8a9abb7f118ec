"""A tree of tiles in two zones."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.mosaic_samples import put


@pytest.fixture
def two_zones(tmp_path: Path) -> Path:
    """Tiles of zones 10 and 11 that overlap, ascending."""
    base = tmp_path / "output"
    for tile in ("10SGD", "10SFD", "11SKU"):
        put(base, tile)
    return base
