"""The explorer's page in a browser: it is whole without a network, and shows what is in the cube."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import xarray as xr
from playwright.sync_api import Browser, Page, expect

from s1monthly.grid.lattice import GeoBox
from support.explored_tree import FIRST, MISSING, explored_tree
from support.explorer_page import served

SUPPORT = Path(__file__).resolve().parents[1] / "support"
MODEL = "(name) => Bokeh.documents[0].get_model_by_name(name)"
DATA = "(name) => Object.fromEntries(Object.entries(Bokeh.documents[0].get_model_by_name(name).data)"
DATA += ".map(([key, values]) => [key, [...values].map((one) => one?.length ? [...one] : one)]))"
PLACE = """([x, y]) => {
  const map = Bokeh.index.get_by_id(Bokeh.documents[0].get_model_by_name("map").id)
  const {left, top} = map.canvas_view.el.getBoundingClientRect()
  return [left + map.frame.x_scale.compute(x), top + map.frame.y_scale.compute(y)]
}"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, GeoBox]:
    base = tmp_path_factory.mktemp("tree")
    return base, explored_tree(base)


class Visit:
    """A visit of the page, and what it asked for."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.requests, self.errors = page, list[str](), list[str]()
        page.on("request", lambda one: self.requests.append(one.url))
        page.on("websocket", lambda one: self.requests.append(one.url))
        page.on("pageerror", lambda one: self.errors.append(str(one)))
        page.on("console", lambda one: self.errors.append(one.text) if one.type == "error" else None)
        page.goto(address)
        page.wait_for_function("() => globalThis.Bokeh?.documents[0]?.get_model_by_name('values')?.data.image?.length")

    def data(self, name: str) -> dict[str, Any]:
        """Return the data of a source."""
        found: dict[str, Any] = self.page.evaluate(DATA, name)
        return found

    def picture(self) -> list[float]:
        """Return the values of the map, row by row."""
        image: list[float] = self.data("values")["image"][0]
        return image

    def wait_for(self, condition: str) -> None:
        """Wait until a condition holds; `of(name)` is a model."""
        self.page.wait_for_function(f"() => {{ const of = {MODEL}; return {condition} }}")


@pytest.fixture(scope="module")
def visit(browser: Browser, tree: tuple[Path, GeoBox]) -> Iterator[Visit]:
    with served(tree[0]) as address:
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        yield Visit(page, address)
        page.close()


def test_the_page_needs_nothing_from_elsewhere(visit: Visit) -> None:
    hosts = {urlsplit(url).netloc for url in visit.requests if not url.startswith(("data:", "blob:"))}
    assert hosts == {urlsplit(visit.page.url).netloc} and len(visit.requests) > 5
    assert visit.errors == []
    expect(visit.page.get_by_role("status")).to_contain_text(f"no composite of {MISSING}")


def test_a_click_gives_the_series_that_xarray_gives(visit: Visit, tree: tuple[Path, GeoBox]) -> None:
    base, box = tree
    x, y = visit.page.evaluate(PLACE, [box.left + 100.5 * 600, box.top - 30.5 * 600])
    visit.page.mouse.click(x, y)
    visit.wait_for("of('series_values')?.data.VV_dB?.length == 30")
    shown = visit.data("series_values")
    pixel = xr.open_zarr(base / "10SGD_ASCENDING/zarr/S1_monthly.zarr").isel(y=30, x=100)
    for name in ("VV_dB", "VH_dB", "Ratio", "RVI", "count"):
        np.testing.assert_array_equal(np.array(shown[name], "float32"), pixel[name].values.astype("float32"))
    assert np.isnan(shown["VV_dB"][MISSING.ordinal - FIRST.ordinal])
    expect(visit.page.get_by_role("table")).to_contain_text("2022-04: +4")
    with visit.page.expect_download() as download:
        visit.page.get_by_role("button", name="Table (CSV)").click()
    assert Path(download.value.path()).read_text().startswith('"feature","tile",')


ACTIVATE = """(type) => {
  for (const one of Bokeh.documents[0]._all_models.values()) if (one.type == type) one.active = true
}"""


@pytest.mark.parametrize("end", ["Enter", "held"])
def test_a_field_is_drawn_corner_by_corner(end: str, visit: Visit, tree: tuple[Path, GeoBox]) -> None:
    base, box = tree
    page, rows, columns = visit.page, slice(20, 45), slice(60, 80) if end == "Enter" else slice(90, 110)
    page.evaluate(ACTIVATE, "PolySelectTool")
    sides = [
        (columns.start, rows.start),
        (columns.stop, rows.start),
        (columns.stop, rows.stop),
        (columns.start, rows.stop),
    ]
    for column, row in sides:
        x, y = page.evaluate(PLACE, [box.left + column * 600, box.top - row * 600])
        page.mouse.click(x, y)
        page.wait_for_timeout(350)  # two clicks in 300 ms are a double click
    if end == "Enter":
        page.keyboard.press("Enter")
    else:
        page.mouse.down()
        page.wait_for_timeout(700)
        page.mouse.up()
    pixels = (rows.stop - rows.start) * (columns.stop - columns.start)
    expect(page.get_by_text(f"mean of {pixels} pixels")).to_be_visible()
    page.evaluate(ACTIVATE, "TapTool")
    inside = xr.open_zarr(base / "10SGD_ASCENDING/zarr/S1_monthly.zarr").VV_dB[:, rows, columns].values
    power = np.where(np.isfinite(inside), 10 ** (inside.astype(float) / 10), 0).sum(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = 10 * np.log10(power / np.isfinite(inside).sum(axis=(1, 2)))
    np.testing.assert_allclose(np.array(visit.data("series_values")["VV_dB"], float), expected, atol=1e-3)


def test_the_keyboard_does_what_the_pointer_does(visit: Visit) -> None:
    page = visit.page
    entry = page.get_by_label("Point: lon,lat")
    clicked = visit.data("series_values")["VV_dB"]
    there = entry.input_value()
    entry.fill("0,0")
    entry.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("outside")
    entry.fill(there)
    entry.press("Enter")
    visit.wait_for("of('series_values')?.data.VV_dB?.length == 30")
    assert visit.data("series_values")["VV_dB"] == pytest.approx(clicked, nan_ok=True)
    month = page.locator("#controls").get_by_role("slider").first
    month.focus()
    for _ in range(22):
        month.press("ArrowLeft")
    visit.wait_for(f"of('month_left').text == '{MISSING}: no composite' && of('values').data.image.length == 0")
    month.press("ArrowLeft")
    visit.wait_for("of('values').data.image.length == 1")
    run = page.get_by_role("tab", name="Map")
    run.focus()
    run.press("ArrowRight")
    expect(page.get_by_role("tab", name="Run")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#tab_map")).to_be_hidden()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#tab_map")).to_be_visible()


def test_the_divider_parts_two_months(visit: Visit) -> None:
    page = visit.page
    before = visit.picture()
    page.get_by_role("button", name="Swipe with another month").press("Enter")
    visit.wait_for("of('month_right').text == '2021-01'")
    visit.wait_for(f"of('values').data.image[0].at(-1) != {before[-1]!r}")
    joined = visit.picture()
    changed = np.flatnonzero(np.nan_to_num(before) != np.nan_to_num(joined)) % round(len(before) ** 0.5)
    assert len(changed) and 85 < changed.min() < 97  # of 183 columns, the divider in the middle
    divider = page.locator("#controls").get_by_role("slider").nth(2)
    divider.focus()
    divider.press("Home")
    visit.wait_for("of('divider').value == 0")
    visit.wait_for(f"of('values').data.image[0][10] != {joined[10]!r}".replace("nan", "NaN"))
    page.get_by_role("button", name="Swipe with another month").press("Enter")
    visit.wait_for("of('divider').visible == false && of('month_right').text == ''")


def test_a_box_is_drawn_and_the_divider_dragged_with_the_pointer(visit: Visit, tree: tuple[Path, GeoBox]) -> None:
    page, box = visit.page, tree[1]
    corners = [(box.left + 600 * column, box.top - 600 * row) for column, row in ((60, 20), (70, 28))]
    (x0, y0), (x1, y1) = (page.evaluate(PLACE, corner) for corner in corners)
    page.get_by_title("Series of a box: drag").click()
    drag(page, (x0, y0), (x1, y1))
    expect(page.locator("#series")).to_contain_text("field: mean of")
    visit.wait_for("of('series_values')?.data.VV_dB?.length == 30")
    page.get_by_title("Pan", exact=True).click()
    page.get_by_role("button", name="Swipe with another month").click()
    visit.wait_for("of('month_right').text == '2021-01'")
    x, y = page.evaluate(PLACE, [box.left, box.top - 50_000])
    page.locator("#controls").get_by_role("slider").nth(2).press("End")
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    visit.wait_for("of('divider').value == 80")
    x = page.evaluate("() => { const map = Bokeh.documents[0].get_model_by_name('map'); return map.inner_width }")
    left = page.evaluate(PLACE, [page.evaluate(f"() => ({MODEL})('map').x_range.start"), box.top])[0]
    drag(page, (left + 0.8 * x, y), (left + 0.4 * x, y))
    visit.wait_for("Math.abs(of('divider').value - 40) < 3")
    page.get_by_role("button", name="Swipe with another month").click()
    visit.wait_for("of('divider').visible == false && of('month_right').text == ''")


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag the pointer from one place of the window to another."""
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    page.mouse.move(*end, steps=3)
    page.mouse.up()


def test_every_control_has_a_name_and_every_text_contrast(visit: Visit) -> None:
    low = visit.page.evaluate((SUPPORT / "contrast.js").read_text(), ":disabled, .bk-tool-overflow")
    assert low == []
    for slider in visit.page.locator("#controls").get_by_role("slider").all():
        assert slider.get_attribute("aria-label")


def test_a_message_replaces_what_cannot_be_shown(visit: Visit, tree: tuple[Path, GeoBox]) -> None:
    """A browser that asks for another name, and a cube that is gone, leave the server running."""
    page, cube = visit.page, tree[0] / "10SGD_ASCENDING"
    page.evaluate(f"() => {{ ({MODEL})('passes').value = '../../etc' }}")
    expect(page.get_by_role("status")).to_contain_text("not in this tree")
    page.evaluate(f"() => {{ ({MODEL})('passes').value = 'ASCENDING' }}")
    expect(page.get_by_role("status")).to_contain_text("complete months")
    cube.rename(cube.with_name("away"))
    page.get_by_role("button", name="Zoom in").click()
    expect(page.get_by_role("status")).to_contain_text("there is no cube")
    cube.with_name("away").rename(cube)
    page.get_by_role("button", name="Read the tree again").click()
    expect(page.get_by_role("status")).to_contain_text("complete months")
