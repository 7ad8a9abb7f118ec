"""Runs of the whole workflow over small granules: a configuration, granules to add, and where products lie."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from support.granules import write_granule

TILE = "11SLT"


FOLDER = f"{TILE}_ASCENDING"


CONFIG: dict[str, Any] = {
    "roi": {"manual_mgrs_tiles": [TILE], "flight_direction": "ASCENDING"},
    "time": {"start": "2021-11", "end": "2022-02"},
    "source": {"kind": "local", "path": "granules"},
    "output": {"base_dir": "output", "disk_warn_gb": 0},
    "processing": {"target_resolution": 300},
    "memory": {"batch_max_retries": 0},
}


CATALOGS = {"tile_catalog": 1, "catalog": 1}


def config(**sections: Mapping[str, Any]) -> dict[str, Any]:
    values = copy.deepcopy(CONFIG)
    for name, section in sections.items():
        values[name] = {**values.get(name, {}), **section}
    return values


def add(folder: Path, month: str, day: int = 10, power: float = 0.1, burst: str = "T137-292318-IW1") -> Path:
    """Add a granule of 40 x 40 pixels, VV as given and VH a fifth of it; return its VV file."""
    layers = {"VV": np.full((40, 40), power, np.float32), "VH": np.full((40, 40), power / 5, np.float32)}
    layers = {**layers, "mask": np.zeros((40, 40), np.uint8)}
    acquired = f"{month.replace('-', '')}{day:02d}T015854Z"
    return Path(write_granule(folder / "granules", layers, burst=burst, acquired=acquired).layers[0].url)


def product(folder: Path, name: str, month: str) -> Path:
    long = f"{TILE}_S1_Monthly_ASCENDING_{month}"
    places = {
        "record": f"months/{month}.json",
        "cog": f"cog/{long}.tif",
        "preview": f"preview/{long}.png",
        "item": f"{FOLDER}_{month}.json",
    }
    return folder / "output" / FOLDER / places[name]


def store(folder: Path) -> Path:
    return folder / "output" / FOLDER / "zarr" / "S1_monthly.zarr"
