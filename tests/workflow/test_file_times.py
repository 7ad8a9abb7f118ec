"""Files from the future: brought back in their order, others left alone."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from s1monthly.layout import Layout
from s1monthly.model import Direction, Tile, TileDirection
from s1monthly.workflow.file_times import correct_future_times, files_of

DAY = 86400 * 10**9


def test_they_are_brought_back_in_their_order(tmp_path: Path) -> None:
    now = time.time_ns()
    ages = {"old": -DAY, "record": DAY, "cog": DAY + 5000, "item": DAY + 5000, "catalog": 400 * DAY}
    for name, age in ages.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, ns=(now + age, now + age))
    told = correct_future_times([*(str(tmp_path / name) for name in ages), str(tmp_path / "gone")])
    assert told is not None and told.startswith(f"files from the future: 4, such as {tmp_path / 'catalog'} of 20")
    made = {name: (tmp_path / name).stat().st_mtime for name in ages}  # as Snakemake compares them
    assert made["old"] < made["record"] < made["cog"] == made["item"] < made["catalog"] <= time.time()
    assert (tmp_path / "old").stat().st_mtime_ns == now - DAY and made["record"] > now / 1e9 - 1
    assert correct_future_times(str(tmp_path / name) for name in ages) is None


def test_those_of_another_user_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, **_: object) -> None:
        raise PermissionError(1, "Operation not permitted", path)

    path = tmp_path / "record"
    path.touch()
    os.utime(path, ns=(time.time_ns() + DAY,) * 2)
    monkeypatch.setattr(os, "utime", refuse)
    assert "another user's: 1 -> set the clock right" in (correct_future_times([str(path)]) or "")


def test_what_snakemake_compares_is_looked_at(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path / "[out]"), str(tmp_path / "work"))
    keys = [TileDirection(Tile("10SGD"), Direction.ASCENDING)]
    place = {"tile": "10SGD", "direction": "ASCENDING", "month": "2021-11", "question": "0" * 16, "slots": "a"}
    kinds = ("catalog", "collection", "search", "record", "slots", "cog", "preview", "item", "tile_catalog")
    kinds += ("granules", "asked", "account")
    wanted = {str(getattr(layout, kind)).format(**place) for kind in kinds}
    others = {layout.cube.format(**place) + "/VV_dB/c/0", layout.resume_folder.format(**place) + "/a/b.tif"}
    others |= {f"{layout.base_dir}/11SGD_ASCENDING/months/2021-11.json"}
    for path in map(Path, wanted | others):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert sorted(files_of(layout, keys)) == sorted(wanted)
