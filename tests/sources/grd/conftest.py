"""Real Sentinel-1 products."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from s1monthly.sources.grd.listing import find_products
from s1monthly.sources.grd.product import Product, open_product


@pytest.fixture(scope="session")
def sentinel1(shared_data: Path) -> Path:
    """Folder of real products, orbits, DEMs and a geoid; the test is skipped where it is absent, but never in CI."""
    folder = shared_data / "sentinel1"
    if not folder.is_dir():
        message = f"no real Sentinel-1 products in {folder}"
        (pytest.fail if os.environ.get("S1MONTHLY_REQUIRE_DATA") else pytest.skip)(message)
    return folder


@pytest.fixture(scope="session")
def products(sentinel1: Path) -> dict[str, Product]:
    """Real GRD products by the last four letters of their names; without pixels."""
    found = [open_product(path) for path in find_products(sentinel1 / "grd")]
    assert len(found) == 8
    return {product.name.unique: product for product in found}
