"""The table of coverage: a cell for every month of the axis, which says what the catalog says."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from s1monthly.catalog.coverage import coverage_page


def row(month: str, status: str = "complete", coverage: float = 0.0, direction: str = "ASCENDING") -> dict[str, Any]:
    made = status in ("complete", "empty")
    pooled, _, track = direction.partition("_T")
    of = {"mgrs_tile_id": "10SGD", "flight_direction": pooled, "track": int(track) if track else None}
    of |= {"month": month, "status": status}
    return {**of, "coverage": coverage, "granules": 36 if made else 0, "passes": 3 if made else 0}


def table(*rows: dict[str, Any]) -> list[list[ElementTree.Element]]:
    body = re.search(r"<tbody>.*</tbody>", coverage_page(rows), re.DOTALL)
    assert body
    return [list(line) for line in ElementTree.fromstring(body[0])]


def test_every_month_of_the_axis_has_a_cell_in_every_row() -> None:
    rows = [row("2023-11", coverage=0.998), row("2024-01"), row("2024-01", direction="ASCENDING_T137")]
    found = table(*rows, row("2023-12", direction="DESCENDING"))
    assert [[cell.text for cell in cells] for cells in found] == [
        ["10SGD ascending", "100", None, "0"],
        ["10SGD ascending T137", None, None, "0"],
        ["10SGD descending", None, "0", None],
    ]
    assert found[0][1].get("title") == "2023-11: complete; granules: 36, passes: 3; 99.8 % of the tile"
    page = coverage_page([row("2023-11"), row("2024-01")])
    assert '<th colspan="2">2023</th><th colspan="1">2024</th>' in page and "<th>11</th><th>12</th><th>01</th>" in page


@pytest.mark.parametrize(
    ("status", "coverage", "mark"),
    [("complete", 0.001, "<1"), ("empty", 0.0, "0"), ("no data", 0.0, "·"), ("unusable", 0.0, "!")],
)
def test_each_status_has_its_mark(status: str, coverage: float, mark: str) -> None:
    [[_, cell]] = table(row("2024-05", status, coverage))
    assert cell.text == mark and str(cell.get("title")).startswith(f"2024-05: {status}")
    assert cell.get("class") == status.split()[0]


def test_a_tree_without_months_has_a_page() -> None:
    assert "<table>" not in coverage_page([]) and coverage_page([]).endswith("</body></html>\n")
