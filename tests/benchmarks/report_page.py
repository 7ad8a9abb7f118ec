"""The report of many tiles and months: how long it is built, anew and after a change, and until a browser paints it.

The output trees are those of `scale`, with catalogs, and previews of full size.
"""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import yaml

from benchmarks.pipeline import Progress
from benchmarks.report import table
from benchmarks.scale import Case, lay_down
from s1monthly.catalog.table import PATHS, tile_rows, write_catalog
from s1monthly.config.root import load_config
from s1monthly.layout import Layout
from s1monthly.report.build import build
from support.browser import chromium

CASES = (Case(1, 12, made=True), Case(10, 120, made=True), Case(100, 120, made=True))
PREVIEW = 366
"""Rows and columns of a preview of a full tile."""


@dataclass(frozen=True)
class Measured:
    """Seconds to build the report, to do so with nothing and with one month changed; until the browser has painted."""

    case: Case
    build: float
    unchanged: float
    one_month: float
    first_paint: float
    loaded: float


def measure(folder: Path, progress: Progress) -> list[Measured]:
    """Measure all cases."""
    found = []
    for case in CASES:
        place = folder / "report"
        shutil.rmtree(place, ignore_errors=True)
        layout = _tree(place, case)
        build_time, unchanged = (_timed(layout) for _ in range(2))
        os.utime(next(Path(layout.base_dir).glob("*/months/*.json")))
        one = Measured(case, build_time, unchanged, _timed(layout), *_painted(layout))
        found.append(one)
        progress(f"report of {case}: {one.build:.1f} s, first paint {one.first_paint:.2f} s")
        shutil.rmtree(place)
    return found


def _tree(folder: Path, case: Case) -> Layout:
    lay_down(folder, case)
    config = load_config(yaml.safe_load((folder / "config.yaml").read_text()))
    layout = Layout(str(folder / "output"), str(folder / "output" / "work"))
    imageio.imwrite(folder / "preview.png", np.full((PREVIEW, PREVIEW, 4), 120, np.uint8))
    for path in Path(layout.base_dir).glob("*/preview/*.png"):
        path.unlink()
        path.hardlink_to(folder / "preview.png")
    first, *others = (str(tile) for tile in config.roi.manual_mgrs_tiles or ())
    rows = tile_rows(Path(layout.base_dir, f"{first}_ASCENDING"))
    for tile in (first, *others):
        paths = [{name: row[name] and row[name].replace(first, tile) for name in PATHS} for row in rows]
        mine = [{**row, "mgrs_tile_id": tile, **own} for row, own in zip(rows, paths, strict=True)]
        write_catalog(Path(layout.base_dir, f"{tile}_ASCENDING", "catalog.parquet"), mine)
    return layout


def _timed(layout: Layout) -> float:
    began = time.perf_counter()
    build(layout)
    return time.perf_counter() - began


def _painted(layout: Layout) -> tuple[float, float]:
    """Return seconds from opening the page to its first content, and until it has loaded."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(f"file://{layout.report_page}")
        page.wait_for_selector("#charts svg")
        times = page.evaluate(
            """[performance.getEntriesByName("first-contentful-paint")[0].startTime,
            performance.timing.loadEventEnd - performance.timing.navigationStart]"""
        )
        return times[0] / 1000, times[1] / 1000


def report_table(found: list[Measured]) -> str:
    """Lay out what was measured, in seconds."""
    heads = ("tiles x months", "anew", "unchanged", "one month", "first paint", "loaded")
    rows = [
        (
            f"{one.case.tiles} x {one.case.months}",
            *(one.build, one.unchanged, one.one_month, one.first_paint, one.loaded),
        )
        for one in found
    ]
    return table(heads, rows)
