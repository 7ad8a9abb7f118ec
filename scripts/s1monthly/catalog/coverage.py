"""The coverage table: a web page with every month of every tile and direction, for browsers and Snakemake's report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Any

from s1monthly.catalog.table import folder_name
from s1monthly.model import Month

_STYLE = """
body { font: 14px/1.4 sans-serif; margin: 1.5em; color: #222 }
table { border-collapse: collapse }
th { font-weight: normal; text-align: left; padding: 2px 6px; white-space: nowrap }
thead th { border-left: 1px solid #ccc }
td { width: 24px; height: 20px; text-align: center; font-size: 11px; border: 1px solid #fff; background: #f2f2f2 }
td.complete { color: #fff } td.empty { background: #f6c744 } td.unusable { background: #d9534f; color: #fff }
"""

_LEGEND = (
    "A number is the share of the tile with a value, in %; 0: made, without a value. ·: no granules. !: granules, and"
    " none can be used. Blank: not made. Point at a month for its granules and passes."
)


def coverage_page(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the page, in HTML without any other file; the same rows give the same text.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of the global catalog, sorted by tile, direction and month.
    """
    head = ["<!DOCTYPE html>", '<html lang="en"><head><meta charset="utf-8"><title>Coverage</title>']
    head += [f"<style>{_STYLE}</style></head><body>", "<h1>Coverage</h1>", f"<p>{escape(_LEGEND)}</p>"]
    return "\n".join([*head, *_table(rows), "</body></html>", ""])


def _table(rows: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    months = [Month.parse(row["month"]) for row in rows]
    if not months:
        return
    axis = list(min(months).until(max(months)))
    years = [(year, len(list(found))) for year, found in groupby(axis, lambda month: month.start.year)]
    yield "<table><thead>"
    yield "<tr><th></th>" + "".join(f'<th colspan="{number}">{year}</th>' for year, number in years) + "</tr>"
    yield "<tr><th></th>" + "".join(f"<th>{month.start.month:02}</th>" for month in axis) + "</tr></thead><tbody>"
    for name, found in groupby(rows, folder_name):
        by_month = {row["month"]: row for row in found}
        cells = "".join(_cell(by_month.get(str(month))) for month in axis)
        tile, direction, *track = name.split("_")
        yield f"<tr><th>{escape(' '.join([tile, direction.lower(), *track]))}</th>{cells}</tr>"
    yield "</tbody></table>"


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "<td></td>"
    status, share = row["status"], row["coverage"]
    told = f"{row['month']}: {status}"
    if row["granules"]:
        told += f"; granules: {row['granules']}, passes: {row['passes']}; {100 * share:.1f} % of the tile"
    number = "<1" if 0 < share < 0.005 else f"{100 * share:.0f}"
    mark = {"no data": "·", "unusable": "!"}.get(status, escape(number))
    colour = f' style="background: hsl(152 45% {72 - 40 * share:.0f}%)"' if status == "complete" else ""
    return f'<td class="{status.split()[0]}" title="{escape(told)}"{colour}>{mark}</td>'
