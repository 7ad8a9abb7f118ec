"""The report in a real browser: what it shows, how it is used, and that it asks for nothing outside the tree."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote
from xml.etree import ElementTree

import numpy as np
import pytest

import catalog_inspect
from s1monthly.reading import open_cube
from s1monthly.report.build import build
from support.browser import HOSTILE
from support.small_tree import SmallTree

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CUBE = "10SGD_ASCENDING"


@pytest.fixture(scope="module")
def shown(whole: SmallTree) -> SmallTree:
    build(whole.layout)
    return whole


@contextmanager
def opened(browser: Browser, tree: SmallTree, place: str = "", width: int = 1400) -> Iterator[Page]:
    """Open the report as a file; at the end, nothing outside the tree was asked for and no script failed."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("requestfailed", lambda request: wrong.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text))
    address = f"file://{quote(str(tree.base))}"
    page.goto(f"{address}/report/index.html{place}")
    page.wait_for_selector("#provenance > *")
    page.wait_for_selector("#charts > *")
    yield page
    assert wrong == []
    assert len(asked) > 5 and [url for url in asked if not url.startswith((f"{address}/", "data:,"))] == []
    page.close()


def source(page: Page, figure: str) -> str:
    """File that a picture shows, once it has loaded."""
    image = page.locator(f"#{figure} img")
    page.wait_for_function("image => image.complete && image.naturalWidth === 183", arg=image.element_handle())
    return Path(unquote(str(image.get_attribute("src")))).name


def preview(month: str, name: str = CUBE) -> str:
    tile, direction = name.split("_")
    return f"{tile}_S1_Monthly_{direction}_{month}.png"


def test_cells_say_what_the_inspection_says(
    browser: Browser, shown: SmallTree, capsys: pytest.CaptureFixture[str]
) -> None:
    catalog_inspect.main(["--output-dir", str(shown.base), "--json"])
    expected = {}
    for tile in json.loads(capsys.readouterr().out):
        name = f"{tile['tile']}_{tile['direction']}"
        expected |= {(name, month["month"]): month["state"] for month in tile["months"]}
    with opened(browser, shown) as page:
        cells = page.evaluate(
            """[...document.querySelectorAll("#calendar td[data-state]")].map((cell) =>
            [cell.parentNode.dataset.cube, cell.ariaLabel.match(/\\d{4}-\\d{2}/)[0], cell.dataset.state])"""
        )
        assert {(cube, month): state for cube, month, state in cells} == expected and len(set(expected.values())) == 5
        assert page.locator("#figures dd").all_text_contents()[-2:] == ["5 of 8", "62.5 %"]


def test_points_of_figures_lie_where_the_cube_says(browser: Browser, shown: SmallTree) -> None:
    cube = open_cube(shown.base, *CUBE.split("_"))
    with opened(browser, shown, f"#{CUBE}/2021-12") as page:
        figures: list[dict[str, Any]] = page.evaluate(
            """[...document.querySelectorAll("#charts svg")].map((figure) => {
                const found = (kind, values) => [...figure.querySelectorAll(kind)].map(values);
                return {
                    band: figure.dataset.band,
                    ticks: found("text.y", (one) => [Number(one.getAttribute("y")), one.textContent]),
                    points: found("circle", (one) => [one.dataset.month, Number(one.getAttribute("cy"))]),
                };
            })"""
        )
    assert [figure["band"] for figure in figures] == ["VV_dB", "VH_dB", "Ratio", "RVI"]
    for figure in figures:
        heights, texts = zip(*figure["ticks"], strict=True)
        ticks = [float(text.replace("\N{MINUS SIGN}", "-")) for text in texts]
        slope, offset = np.polyfit(heights, ticks, 1)
        expected = {str(time)[:7]: float(cube[figure["band"]].sel(time=time).mean()) for time in cube.time.values}
        drawn = {month: slope * (height + 4) + offset for month, height in figure["points"]}
        assert drawn.keys() == expected.keys() and len(drawn) == 3
        for month, value in expected.items():
            assert drawn[month] == pytest.approx(value, abs=0.02 * abs(slope)), (figure["band"], month)


def test_figure_and_values_are_saved_as_files(browser: Browser, shown: SmallTree) -> None:
    with opened(browser, shown, f"#{CUBE}/2021-12") as page:
        saved = []
        for button in ("#save-table", "#save-figure"):
            with page.expect_download() as download:
                page.click(button)
            saved.append((download.value.suggested_filename, Path(download.value.path()).read_text()))
    (table, text), (figure, picture) = saved
    assert (table, figure) == (f"{CUBE}_bands.csv", f"{CUBE}_bands.svg")
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == 12 and [row["month"] for row in rows[:3]] == ["2021-11", "2021-12", "2022-02"]
    held = open_cube(shown.base, *CUBE.split("_"))["VV_dB"].sel(time="2022-02-01")
    assert (rows[2]["band"], rows[2]["units"], int(rows[2]["valid_pixels"])) == ("VV_dB", "dB", int(held.count()))
    assert float(rows[2]["mean"]) == pytest.approx(float(held.mean()), rel=1e-5)
    texts = [element.text for element in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert {"VV (dB)", "VH (dB)", "Ratio", "month"} <= {*texts}
    assert "10SGD ascending, EPSG:32610, 600 m; Contains modified Copernicus Sentinel data" in str(texts[-2])


def test_the_slider_and_play_move_through_the_months_by_keyboard(browser: Browser, shown: SmallTree) -> None:
    with opened(browser, shown, f"#{CUBE}/2022-02") as page:
        assert source(page, "left") == preview("2022-02")
        page.focus("#slider")
        page.keyboard.press("ArrowLeft")
        assert page.text_content("#month") == "2022-01" and page.url.endswith(f"#{CUBE}/2022-01")
        assert page.text_content("#left .blank strong") == "not searched yet"
        page.keyboard.press("ArrowLeft")
        assert page.text_content("#left .blank strong") == "no preview was written"
        page.keyboard.press("ArrowLeft")
        assert source(page, "left") == preview("2021-11")
        page.focus("#play")
        page.keyboard.press("Enter")
        page.wait_for_function("document.getElementById('month').textContent === '2022-02'")  # the next with a preview
        page.wait_for_function("document.getElementById('month').textContent === '2021-11'")  # and from the beginning
        page.keyboard.press("Space")
        assert page.get_attribute("#play", "aria-pressed") == "false"
        page.click("text=VH or HV")
        assert page.evaluate("getComputedStyle(document.querySelector('#left img')).filter") == 'url("#channel-1")'


def test_two_months_are_compared_beside_each_other(browser: Browser, shown: SmallTree) -> None:
    with opened(browser, shown, f"#{CUBE}/2022-02") as page:
        page.focus("#compare")
        page.keyboard.press("Space")
        page.select_option("#other-month", label="2021-11")
        assert (source(page, "left"), source(page, "right")) == (preview("2022-02"), preview("2021-11"))
        page.select_option("#other-cube", "11SKU_ASCENDING")
        page.select_option("#other-month", label="as on the left")
        page.click("#before")
        page.click("#before")
        assert source(page, "right") == preview("2021-12", "11SKU_ASCENDING")
        page.wait_for_selector("#charts circle[data-cube='11SKU_ASCENDING']")
        with page.expect_download() as download:
            page.click("#save-figure")
        assert "dashed: 11SKU ascending." in Path(download.value.path()).read_text()
        left, right = (page.locator(one).bounding_box() for one in ("#left", "#right"))
        assert left and right and left["x"] + left["width"] <= right["x"]


def test_the_calendar_is_read_by_keyboard_and_shows_texts_as_texts(browser: Browser, shown: SmallTree) -> None:
    with opened(browser, shown, f"#{CUBE}/2022-02") as page:
        page.focus("#calendar td[aria-selected]")
        page.keyboard.press("ArrowRight")
        readout = str(page.text_content("#readout"))
        assert readout.startswith("10SGD ascending, 2022-03: no usable granule") and "no granule can be used" in readout
        page.keyboard.press("ArrowRight")
        assert "no route to <b>host</b>" in str(page.text_content("#readout"))
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("Enter")
        page.wait_for_selector("#provenance td")
        assert HOSTILE in page.locator("#provenance td").all_text_contents()
        assert page.evaluate("document.querySelector('#provenance').querySelectorAll('img, b, script').length") == 0
        assert "taken" not in page.title()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Home")
        assert page.evaluate("document.activeElement.ariaLabel") == "10SGD descending, 2021-10: outside its months"


def test_links_lead_to_files_of_the_tree(browser: Browser, shown: SmallTree) -> None:
    with opened(browser, shown, f"#{CUBE}/2022-02") as page:
        addresses = page.evaluate("[...document.querySelectorAll('main a')].map((link) => link.href)")
    paths = [Path(unquote(address.removeprefix("file://"))) for address in addresses]
    assert all(path.exists() and path.is_relative_to(shown.base) for path in paths)
    assert {"catalog.parquet", "S1_monthly.zarr", "2022-02.json", "10SGD_S1_Monthly_ASCENDING_2022-02.tif"} <= {
        path.name for path in paths
    }


def rgb_to_lightness(*rgb: int) -> float:
    """CIE lightness, 0 to 100."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in np.array(rgb) / 255]
    return 116 * float(np.dot(linear, [0.2126, 0.7152, 0.0722])) ** (1 / 3) - 16


def test_texts_have_contrast_and_shares_can_be_told_without_colours(browser: Browser, shown: SmallTree) -> None:
    with opened(browser, shown, f"#{CUBE}/2022-03") as page:
        contrast = (Path(__file__).parents[1] / "support" / "contrast.js").read_text()
        assert page.evaluate(contrast, ".map .labels, title, noscript, option") == []
        shades = page.evaluate(
            """[1, 2, 3, 4, 5].map((step) => document.querySelector(`.legend .share${step}`)).map((one) =>
            getComputedStyle(one).backgroundColor.match(/\\d+/g).map(Number))"""
        )
        light = [rgb_to_lightness(*shade) for shade in shades]
        assert all(a - b > 8 for a, b in pairwise(light)), "each step is darker than the one before"
        unnamed = page.evaluate(
            """[...document.querySelectorAll("button, input, select, img, [role=img]")].filter((one) =>
            !(one.ariaLabel || one.alt || one.labels?.length || one.textContent.trim())).map((one) => one.outerHTML)"""
        )
        assert unnamed == []


def test_a_phone_scrolls_in_one_direction(browser: Browser, shown: SmallTree) -> None:
    with opened(browser, shown, f"#{CUBE}/2022-03", width=390) as page:
        page.check("#compare")
        page.click("text=previews of the month")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert page.locator("#maps figure").count() == 2


def test_an_empty_tree_says_so(browser: Browser, tmp_path: Path) -> None:
    tree = SmallTree(tmp_path)
    build(tree.layout)
    page = browser.new_page()
    page.goto(f"file://{tree.layout.report_page}")
    assert page.text_content("#nothing") == "There is no tile in this output tree yet." and page.is_hidden("main")
    item = tmp_path / "10SGD_ASCENDING" / "static" / "10SGD_S1_Static_ASCENDING_T137.json"
    item.parent.mkdir(parents=True)
    item.write_text("{}")
    build(tree.layout)
    with opened(browser, tree) as page:
        assert page.locator(".notice:visible").count() == 3 and page.is_visible("text=static layers T137, STAC Item")
