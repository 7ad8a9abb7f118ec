"""The OPERA tile table."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def table(shared_data: Path) -> dict[str, tuple[int, float, float]]:
    """EPSG, left and top of every Sentinel-2 land tile, by name."""
    with gzip.open(shared_data / "mgrs" / "s2_land_tiles.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 19_002
    return {row["tile"]: (int(row["epsg"]), float(row["left"]), float(row["top"])) for row in rows}
