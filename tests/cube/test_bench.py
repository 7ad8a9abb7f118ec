"""The cube's benchmarks: every layout holds the same values, and the tables fit the terminal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import cube_growth, cube_layouts
from benchmarks.cube_growth import Growth
from benchmarks.cube_layouts import LAYOUTS, Cost, Layout
from support.cube_samples import core_of


def test_every_layout_holds_the_same_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values, count = core_of("2020-01")
    for name, smaller in (("PIXEL", (40, 30)), ("MONTHS", 14)):
        monkeypatch.setattr(cube_layouts, name, smaller)
    layouts = [Layout(16, codec) for codec in cube_layouts.CODECS] + [Layout(16, "lz4 5 bit", 64)]
    for number, layout in enumerate(layouts):
        store = tmp_path / f"{number}.zarr"
        cube_layouts.create(store, layout, values)
        cube_layouts.write(store, values)
        cube_layouts.repeat_month(store)
        for series in (cube_layouts.series(store), cube_layouts.series_dask(store)):
            np.testing.assert_array_equal(series, np.full(14, values["VV_dB"][40, 30]))
        np.testing.assert_array_equal(cube_layouts.one_map(store), values["VV_dB"])
    assert {layout.codec for layout in LAYOUTS} == set(cube_layouts.CODECS)
    monkeypatch.setattr(cube_layouts, "realistic_month", lambda: (values, count))
    found = cube_layouts.compare(tmp_path, 1, lambda text: None, layouts[-2:])
    assert [cost.files for cost in found.values()] == [5 * 12 - 2 * 4, 5]  # two bands lack data in 2 x 2 chunks


def test_tables_fit_the_terminal_whatever_the_figures() -> None:
    cost = Cost(99.99, 999.0, 9999, *[99.99] * 5)
    assert cube_layouts.layout_table({Layout(1024, codec, 3840): cost for codec in cube_layouts.CODECS})
    assert cube_growth.growth_table([Growth(120, *[99.999] * 4, 99999.0, 99.999)])
