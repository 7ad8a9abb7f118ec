"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real OPERA crops and reference values; the test is skipped where it is absent, but never in CI."""
    folder = Path(os.environ.get("S1MONTHLY_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "README.md").exists():
        if os.environ.get("S1MONTHLY_REQUIRE_DATA"):
            pytest.fail(f"real test data required and not found in {folder}")
        pytest.skip(f"real test data not found in {folder} (set S1MONTHLY_SHARED_DATA)")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window; each test opens pages of its own."""
    from support.browser import chromium

    with chromium() as started:
        yield started
