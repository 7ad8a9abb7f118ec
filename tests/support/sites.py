"""A folder as runs leave it: questions answered, months made, a cube's axis; without arrays and without Snakemake."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import search
from s1monthly.config.root import Config, load_config
from s1monthly.cube.header import COMPLETE, cached_header
from s1monthly.granule_names import layer_file, parse_granule_id
from s1monthly.granules import Burst, Granule, GranuleList, Layer
from s1monthly.model import Direction, Month, Tile
from s1monthly.records.seal import seal
from s1monthly.sources.listing import list_folder
from s1monthly.workflow import logs, report
from s1monthly.workflow.plan import Plan
from s1monthly.workflow.tile_months import TileMonths, months_to_ask

TODAY = date(2025, 3, 15)


def granule(
    acquired: str | datetime,
    burst: str = "T137-292318-IW1",
    *,
    processed: str = "20250830T120000Z",
    platform: str = "S1A",
    version: str = "1.0",
) -> Granule:
    """Make a granule with both layers; `acquired` as in its name, ``20211119T015854Z``, or a datetime."""
    if isinstance(acquired, datetime):
        acquired = f"{acquired:%Y%m%dT%H%M%SZ}"
    bare = parse_granule_id(f"OPERA_L2_RTC-S1_{burst}_{acquired}_{processed}_{platform}_30_v{version}")
    layers = tuple(Layer(name, f"/granules/{layer_file(bare.id, name)}", 100) for name in ("VH", "VV"))
    return replace(bare, layers=layers)


def granules_of(months: str, burst: str = "T137-292318-IW1") -> list[Granule]:
    """One granule for each of the months, ``2021-11 2021-12``: on its fifth day."""
    return [granule(Month.parse(month).start + timedelta(days=4), burst) for month in months.split()]


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Configuration with changes laid over it, section by section."""
    result = dict(values)
    for key, change in changes.items():
        held = result.get(key)
        result[key] = merged(held, change) if isinstance(held, Mapping) and isinstance(change, Mapping) else change
    return result


def put_layers(folder: Path, *granules: Granule, size: int = 100) -> None:
    """Write files with the names of the granules' layers, for a listing."""
    folder.mkdir(parents=True, exist_ok=True)
    for each in granules:
        for layer in each.layers:
            (folder / layer_file(each.id, layer.name)).write_bytes(b"x" * size)


def write_store(
    path: str | Path, first: Month, last: Month, recipe: Mapping[str, Any], statuses: Mapping[Month, int]
) -> Path:
    """Write what a cube shows to plain file access: the root's attributes and the status of each month."""
    store = Path(path)
    chunks = store / "status" / "c"
    chunks.mkdir(parents=True, exist_ok=True)
    grid = {"epsg": 32610, "resolution": 30.0, "left": 6e5, "top": 42e5, "width": 3660, "height": 3660}
    ours = {"tile": "10SGD", "direction": "ASCENDING", "grid": grid, "bands": ["VV_dB"], "chunks": [1024, 512]}
    ours |= {"first": str(first), "last": str(last), "recipe": dict(recipe)}
    root = {"zarr_format": 3, "node_type": "group", "attributes": {"s1monthly": ours}}
    root["consolidated_metadata"] = {"metadata": {}}
    (store / "zarr.json").write_text(json.dumps(root))
    for month, status in statuses.items():
        (chunks / str(month.ordinal - first.ordinal)).write_bytes(bytes([status]))
    return store


class Site:
    """A folder with its source: plans are made in it, their questions answered by ``scripts/search.py``, months made.

    Attributes
    ----------
    folder : Path
    granules : list of Granule
        What the source holds; for ``source.kind: local`` the files in `granule_folder` instead.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.granules: list[Granule] = []
        self.granule_folder = folder / "granules"
        monkeypatch.setattr(
            "s1monthly.stages.search.open_source", lambda kind, **_: SimpleNamespace(search=self._found)
        )
        monkeypatch.setattr(logs, "start", lambda *_, **__: logging.getLogger("s1monthly"))

    def values(self, **sections: Any) -> dict[str, Any]:
        """Configuration: tile 10SGD, ASCENDING, 2021-11 to 2022-02; sections given are laid over it."""
        base = {
            "roi": {"manual_mgrs_tiles": ["10SGD"], "flight_direction": "ASCENDING"},
            "time": {"start": "2021-11", "end": "2022-02"},
            "source": {"kind": "simulated"},
            "output": {"base_dir": str(self.folder / "out"), "work_dir": str(self.folder / "work"), "disk_warn_gb": 0},
        }
        time = sections.pop("time", None)
        return merged(base, sections) | ({"time": time} if time else {})

    @property
    def local(self) -> dict[str, Any]:
        """Section ``source`` for the files in `granule_folder`."""
        return {"kind": "local", "path": str(self.granule_folder)}

    def config(self, **sections: Any) -> Config:
        """Return the checked configuration."""
        return load_config(self.values(**sections))

    def plan(
        self,
        today: date = TODAY,
        deciding: bool = True,
        notes: str | None = None,
        software: Any = None,
        **sections: Any,
    ) -> Plan:
        """Make the plan of a run."""
        config = self.config(**sections)
        return Plan.make(config, today, lambda wkt, cover: [Tile("10SGD")], deciding, notes=notes, software=software)

    def tile(self, **sections: Any) -> TileMonths:
        """Months of the only tile and direction."""
        (tile,) = self.plan(**sections).tiles
        return tile

    def report(self, today: date = TODAY, **sections: Any) -> list[str]:
        """Lines that a run tells the user before its first job."""
        return list(report.before_run(self.plan(today, **sections)))

    def search(self, today: date = TODAY, **sections: Any) -> list[str]:
        """Make the plan of a run and answer its open questions; return the months asked."""
        plan, asked = self.plan(today, **sections), []
        for tile in plan.tiles:
            stamp = plan.open_question(tile)
            if stamp:
                tracks = plan.asked_together(str(tile.key.tile), str(tile.key.direction.pooled))
                months = [str(month) for month in months_to_ask(tracks)]
                Path(stamp).parent.mkdir(parents=True, exist_ok=True)
                listings = {str(month): listing for month, listing in (tile.listings or {}).items()}
                place = ["--tile", str(tile.key.tile), "--direction", str(tile.key.direction.pooled)]
                place += [
                    "--tracks",
                    ",".join(str(one.key.direction.track) for one in tracks if one.key.direction.track),
                ]
                asking = ["--months", ",".join(months), "--listings", json.dumps(listings), "--stamp", stamp]
                settings = plan.job_settings.write(self.folder / "jobs")
                search.main(["--settings", settings, "--log", "", *place, *asking])
                asked += months
                assert plan.open_question(tile) is None
        return asked

    def make(self, *months: str, plan: Plan | None = None, **sections: Any) -> None:
        """Write records, in step, complete slots, and the other products of the months (all that have granules)."""
        plan = plan or self.plan(**sections)
        for tile in plan.tiles:
            wanted = [Month.parse(month) for month in months] or tile.with_granules
            for month in wanted:
                self.write_record(tile, month, tile.answers[month].digest, tile.recipe_digest)
                for name in tile.products:
                    path = Path(getattr(tile.paths(month), name))
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.touch()
            held = cached_header(tile.paths().cube)
            complete = [*(held.complete_months() if held else ()), *wanted]
            write_store(
                tile.paths().cube,
                min(complete),
                max(complete),
                plan.recipe,
                dict.fromkeys(complete, COMPLETE),
            )

    @staticmethod
    def write_record(tile: TileMonths, month: Month, granules_digest: str, recipe_digest: str) -> Path:
        """Write as much of a record as a plan reads."""
        path = Path(tile.paths(month).record)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"granules_digest": granules_digest, "recipe_digest": recipe_digest, "unread": []}
        path.write_text(json.dumps(seal(content)))
        return path

    def _found(self, tile: Tile, direction: Direction, months: list[Month]) -> dict[Month, GranuleList]:
        held = self.granules
        if self.granule_folder.exists():
            held = [
                replace(
                    parse_granule_id(name),
                    layers=tuple(Layer(layer, path, size) for layer, (path, size) in files.items()),
                )
                for name, files in list_folder(self.granule_folder).files.items()
            ]
        return {month: GranuleList(tuple(g for g in held if g.month == month)) for month in months}


def set_time(path: str | Path, seconds: float) -> None:
    """Set a file's time of modification to so many seconds after 2024-01-01."""
    moment = datetime(2024, 1, 1, tzinfo=UTC).timestamp() + seconds
    os.utime(path, (moment, moment))


def burst_of(number: int, subswath: str = "IW1", track: int = 137) -> str:
    """Id of a burst."""
    return str(Burst(track, number, subswath))
