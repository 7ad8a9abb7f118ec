"""Build the report of an output tree: pages that are copied, and data of each tile, written again if it changed.

The data are scripts that call a function, since a page opened as a file may load scripts but not fetch data. They come
from JSON alone, and the pages set them as text: nothing in a tree can become part of a page.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from s1monthly import VERSION
from s1monthly.audit.inspection import inspect, tiles_there
from s1monthly.errors import ProductError
from s1monthly.files import locked, replacing
from s1monthly.kernels.preview import CO_DB_RANGE, CROSS_DB_RANGE, RATIO_RANGE
from s1monthly.layout import Layout, lock_file, parse_folder
from s1monthly.model import TileDirection
from s1monthly.report.files import Stat, entries, logs_by_tile, tile_files, tree_links
from s1monthly.report.tile import KINDS, describe_tile

FORMAT = 1
"""Version of the data; raised if they change, so that all are written again."""

PAGES = Path(__file__).with_name("page")
"""Folder of the pages that are copied as they are."""

STRETCHES = (("VV or HH", *CO_DB_RANGE, "dB"), ("VH or HV", *CROSS_DB_RANGE, "dB"), ("Ratio", *RATIO_RANGE, ""))
"""What red, green and blue of a preview show: band, ends of the range, unit."""


@dataclass(frozen=True)
class Built:
    """What a build did.

    Attributes
    ----------
    page : str
        Path of the page to open.
    tiles, written, removed : int
        Tiles and directions in the report, those whose data were written again, and those that are gone.
    """

    page: str
    tiles: int
    written: int
    removed: int


def build(layout: Layout) -> Built:
    """Build the report in ``{base_dir}/report``, or bring it up to date; a second build waits for the first.

    The data of a tile are written again if any file changed on which they depend. Each file is replaced in one step,
    the page last.

    Parameters
    ----------
    layout : Layout
        Output tree and work folder. Logs in the work folder tell why a month failed; the folder may be missing.

    Raises
    ------
    ProductError
        If there is no such output tree.
    """
    if not Path(layout.base_dir).is_dir():
        raise ProductError(f"{layout.base_dir}: no such folder", "give the --output-dir of a run (output.base_dir)")
    with locked(lock_file(layout.report)):
        keys, data = _keys(layout), Path(layout.report, "data")
        logs, changes = logs_by_tile(layout), entries(layout.changes)
        written, summaries = 0, []
        for key in keys:
            summary, is_new = _update(key, layout, data / f"{key}.js", logs.get(str(key.tile), ()), changes)
            summaries.append(summary)
            written += is_new
        removed = _remove_others(data, {f"{key}.js" for key in keys})
        for page in sorted(PAGES.iterdir()):
            if page.name != Path(layout.report_page).name:
                _write(Path(layout.report, page.name), page.read_text(encoding="utf-8"), only_if_changed=True)
        _write(Path(layout.report_index), _index(layout, summaries))
        _write(Path(layout.report_page), (PAGES / Path(layout.report_page).name).read_text(encoding="utf-8"))
    return Built(layout.report_page, len(keys), written, removed)


def _keys(layout: Layout) -> list[TileDirection]:
    names = os.listdir(layout.base_dir)
    return tiles_there(layout) if any(map(parse_folder, names)) else []


def _update(
    key: TileDirection, layout: Layout, path: Path, logs: Sequence[Stat], changes: Sequence[Stat]
) -> tuple[dict[str, Any], bool]:
    """Bring the data of a tile up to date; return its summary, and whether the file was written."""
    files = tile_files(key, layout, logs, changes)
    made_of = f"// {_digest([FORMAT, VERSION, files.stats])}"
    summary = _read_summary(path, made_of)
    if summary is not None:
        return summary, False
    report = describe_tile(inspect(key, layout), layout, files)
    lines = [made_of, f"s1monthly.tile({_json(report.summary)},", f"{_json(report.details)});", ""]
    _write(path, "\n".join(lines))
    return report.summary, True


def _read_summary(path: Path, made_of: str) -> dict[str, Any] | None:
    """Read the summary from the data of a tile; None if they are made of other files."""
    try:
        with open(path, encoding="utf-8") as stream:
            if stream.readline().rstrip() != made_of:
                return None
            found: dict[str, Any] = json.loads(stream.readline().rstrip().removeprefix("s1monthly.tile(")[:-1])
            return found
    except (OSError, ValueError):
        return None


def _index(layout: Layout, summaries: Sequence[Mapping[str, Any]]) -> str:
    index = {
        "tree": Path(os.path.abspath(layout.base_dir)).name,
        "built": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "version": VERSION,
        "kinds": [str(kind) for kind in KINDS],
        "stretches": STRETCHES,
        "links": [[link.title, link.href, link.size] for link in tree_links(layout)],
        "tiles": summaries,
    }
    return f"s1monthly.index({_json(index)});\n"


def _remove_others(folder: Path, names: set[str]) -> int:
    """Remove the data of tiles that are gone; return their number."""
    gone = [path for path in folder.glob("*.js") if parse_folder(path.stem) and path.name not in names]
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _json(content: object) -> str:
    """Return JSON that is a script too, in whatever encoding and place."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _write(path: Path, text: str, *, only_if_changed: bool = False) -> None:
    if only_if_changed and path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    with replacing(path, durable=False) as temporary:
        temporary.write_text(text, encoding="utf-8")
