"""A real browser for tests of web pages: the Chromium of this machine, without a window."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

HOSTILE = "</script><img src=x onerror=\"document.title='taken'\"> & <b>why</b>"
"""A text of somebody who means harm, to put where a tree holds free text."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium; skip the test where there is none, but never where one is required."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        if os.environ.get("S1MONTHLY_REQUIRE_BROWSER"):
            pytest.fail("a browser is required, and there is no chromium on the PATH")
        pytest.skip("no chromium on the PATH (Debian: apt-get install chromium)")
    with sync_playwright() as driver:
        # its sandbox does not work for root or in containers; the pages are our own
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
