"""What the map offers and draws, without a browser: tracks, both directions, classes, maps of changes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bokeh.document import Document
from pyproj import Transformer

from s1monthly.cube.axis import prepare
from s1monthly.cube.layout import CubeSpec
from s1monthly.cube.write import write_month
from s1monthly.explorer.map_models import lonlat_terms
from s1monthly.explorer.map_tab import MapTab
from s1monthly.kernels.bands import bands
from s1monthly.kernels.change.detection import change_bands
from s1monthly.model import Stack
from s1monthly.raster.block_cog import block_cog
from support.explored_tree import FIRST, RECIPE, TILE, explored_tree, power

STORE = "zarr/S1_monthly.zarr"


def opened(tree: Path) -> MapTab:
    """Return the map of a visit in which all that waits was done."""
    tab = MapTab(Document(), str(tree))
    for work in (tab.choose_tile, tab.choose_cube, tab.choose_band, tab.choose_change, tab.draw):
        tab.actor.do(work)
    return tab


def image(source: Any) -> np.ndarray[Any, Any]:
    """Return the only image of a source."""
    (found,) = source.data["image"]
    return np.asarray(found)


def test_tracks_both_directions_and_classes_can_be_chosen(tmp_path: Path) -> None:
    box = explored_tree(tmp_path, 2)
    of, recipe = bands("VV", "VH"), RECIPE | {"quality": True}
    classes = np.random.default_rng(0).integers(0, 7, box.shape, dtype=np.uint8)
    for stack in ("COMBINED", "DESCENDING_T144"):
        path = tmp_path / f"{TILE}_{stack}" / STORE
        prepare(path, CubeSpec(TILE, Stack.parse(stack), box, of, (128, 128), recipe, ()), FIRST, FIRST)
        co = power(0, box.shape)
        values = {band.name: band.formula(co, co / 5) for band in of if band.formula}
        write_month(path, FIRST, values, np.isfinite(co).astype(np.uint8), mask=classes)
    tab = opened(tmp_path)
    words = ["ascending passes", "passes of both directions", "descending passes of track 144"]
    assert [text for _, text in tab.controls.passes.options] == words
    tab.controls.passes.value = "DESCENDING_T144"
    tab.choose_cube()
    assert [name for name, _ in tab.controls.band.options["Quality"]] == ["count", "mask"]
    tab.controls.band.value = "mask"
    tab.choose_band()
    tab.draw()
    np.testing.assert_array_equal(image(tab.map.values), classes)
    assert tab.map.bar.major_label_overrides[3] == "layover"
    tab.controls.band.value = "RGB"
    tab.choose_band()
    tab.draw()
    assert image(tab.map.colours).dtype == np.uint32 and tab.map.values.data["image"] == []


def test_a_map_of_changes_is_drawn_as_it_was_made(tmp_path: Path) -> None:
    box = explored_tree(tmp_path, 2)
    band = bands("VV", "VH")[0]
    labels = change_bands("cusum", band)
    made = np.full((len(labels), *box.shape), np.nan, np.float32)
    made[:3, 20:40, 30:70] = np.array([202107, -3.5, 0.99], np.float32)[:, None, None]
    with block_cog(tmp_path / f"change/{TILE}_ASCENDING_VV_dB_change.tif", box, labels, {}) as write:
        write(slice(0, box.height), slice(0, box.width), made)
    tab = opened(tmp_path)
    assert [value for value, _ in tab.controls.change.options] == [
        "none",
        "VV_dB magnitude",
        "VV_dB month",
        "VV_dB confidence",
    ]
    for kind, expected, ends in (
        ("magnitude", made[1], (-3.5, 3.5)),
        ("month", np.where(made[0] > 0, np.float32(2021.5), np.nan), (2021, 2022)),
        ("confidence", made[2], (0, 1)),
    ):
        tab.controls.change.value = f"VV_dB {kind}"
        tab.choose_change()
        np.testing.assert_array_equal(image(tab.map.change), expected)
        assert (tab.map.change_mapper.low, tab.map.change_mapper.high) == ends
    tab.controls.change.value = "none"
    tab.choose_change()
    assert tab.map.change.data["image"] == [] and not tab.map.change_bar.visible


def test_a_map_of_changes_that_leads_out_of_the_tree_is_refused(tmp_path: Path) -> None:
    explored_tree(tmp_path / "output", 2)
    (tmp_path / "secret.tif").write_bytes(b"secret")
    (tmp_path / "output/change").mkdir()
    (tmp_path / "output/change" / f"{TILE}_ASCENDING_VV_dB_change.tif").symlink_to(tmp_path / "secret.tif")
    tab = opened(tmp_path / "output")
    tab.controls.change.value = "VV_dB magnitude"
    tab.actor.do(tab.choose_change)
    assert "leads out of the output tree" in tab.status.text and tab.map.change.data["image"] == []


def test_months_that_a_run_adds_are_offered(tmp_path: Path) -> None:
    explored_tree(tmp_path / "output", 2)
    tab = opened(tmp_path / "output")
    assert tab.controls.month.categories == ["2021-01", "2021-02"]
    explored_tree(tmp_path / "later", 4)
    shutil.rmtree(tmp_path / "output")
    (tmp_path / "later").rename(tmp_path / "output")
    tab.draw()
    assert tab.controls.month.categories == ["2021-01", "2021-02", "2021-03", "2021-04"]
    assert tab.controls.month.value == "2021-02"
    assert "4 complete months" in tab.status.text


def test_a_month_that_cannot_be_read_is_said_and_not_drawn(tmp_path: Path) -> None:
    explored_tree(tmp_path, 2)
    tab = opened(tmp_path)
    assert len(tab.map.values.data["image"]) == 1
    chunk = tmp_path / f"{TILE}_ASCENDING" / STORE / "VV_dB/c/0/0/0"
    whole = chunk.read_bytes()
    chunk.write_bytes(whole[:-1])
    tab.controls.month.value = "2021-01"
    tab.actor.do(tab.draw)
    assert "damaged" in tab.status.text and tab.map.values.data["image"] == []
    chunk.write_bytes(whole)
    tab.actor.do(tab.draw)
    assert "complete months" in tab.status.text and len(tab.map.values.data["image"]) == 1


def test_the_scale_is_the_same_along_both_axes_whatever_the_size(tmp_path: Path) -> None:
    box = explored_tree(tmp_path, 1)
    tab = opened(tmp_path)
    view, plot = tab.view, tab.map.figure
    for width, height in ((900, 500), (300, 800)):
        for name, size in (("inner_width", width), ("inner_height", height)):
            plot.set_from_json(name, size)
        left, bottom, right, top = view.bounds
        assert (right - left) / width == pytest.approx((top - bottom) / height)
        west, south, east, north = box.bounds
        assert left <= west and bottom <= south and right >= east and top >= north
    view.move(0, 0, 0.5)
    view.move(0.25, 0, 1)
    scale, middle = view.scale, view.middle
    plot.set_from_json("inner_width", 450)
    assert view.scale == pytest.approx(scale) and view.middle == pytest.approx(middle)


def test_the_readout_gives_longitude_and_latitude(tmp_path: Path) -> None:
    """The polynomial that the browser evaluates, against PROJ."""
    box = explored_tree(tmp_path, 1)
    terms = lonlat_terms(box)
    random = np.random.default_rng(2)
    x, y = random.uniform(box.left, box.bounds[2], 200), random.uniform(box.bounds[1], box.top, 200)
    u, v = (x - terms["centre"][0]) / terms["half"][0], (y - terms["centre"][1]) / terms["half"][1]
    lon, lat = Transformer.from_crs(box.epsg, 4326, always_xy=True).transform(x, y)
    for fit, true in ((terms["lon"], lon), (terms["lat"], lat)):
        found = sum(term * u**i * v**j for term, (i, j) in zip(fit, terms["powers"], strict=True))
        np.testing.assert_allclose(found, true, atol=1e-6)
