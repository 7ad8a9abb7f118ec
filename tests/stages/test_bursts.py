"""The script of rule bursts: what it leaves when it fails, and what the next try makes of that."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rasterio

import bursts
from s1monthly.config.root import load_config
from s1monthly.errors import ProductError, SourceError
from s1monthly.granules import Granule, GranuleList
from s1monthly.raster import writing as rasters
from s1monthly.records.account import read_account
from s1monthly.records.granule_list import list_digest, write_granule_list
from s1monthly.stages import cutting
from s1monthly.workflow import logs
from s1monthly.workflow.plan import Plan
from support.granules import write_granule

DAYS = ("04", "10", "16", "22")

PLACE = "11SLT_ASCENDING"


class Month:
    """A month of four granules in a folder, and the script that reads them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.fetched: list[str] = []
        self.refused: dict[str, Exception] = {}
        self.granules = [self._granule(day) for day in DAYS]
        path = folder / "output/work" / PLACE / "granules/2021-11.csv"
        self.listed = write_granule_list(path, GranuleList(tuple(self.granules)))
        source = SimpleNamespace(prepared=self._prepared)
        monkeypatch.setattr(bursts, "open_source", lambda kind, **options: source)
        monkeypatch.setattr(logs, "start", lambda *_, **__: logging.getLogger("s1monthly"))

    def _granule(self, day: str, power: float = 0.1) -> Granule:
        layers = {name: np.full((20, 20), power * int(day), np.float32) for name in ("VV", "VH")}
        return write_granule(self.folder / "granules", layers, acquired=f"202111{day}T015854Z")

    @contextmanager
    def _prepared(self, granule: Granule) -> Iterator[Granule]:
        if granule.id in self.refused:
            raise self.refused[granule.id]
        self.fetched.append(granule.id)
        yield granule

    def read(self, ratio: float = 0.0, recipe: str = "recipe") -> Path:
        """Run the script once; return its output."""
        output = self.folder / "bursts"
        config = {
            "roi": {"manual_mgrs_tiles": ["11SLT"], "flight_direction": "ASCENDING"},
            "time": {"years": [2021]},
            "source": {"kind": "local", "path": str(self.folder)},
            "output": {"base_dir": str(self.folder / "output")},
            "memory": {"max_failed_ratio": ratio, "max_download_workers": 1},
        }
        plan = Plan.make(load_config(config), date(2022, 1, 1), list, deciding=False)
        settings = plan.job_settings.write(self.folder / "jobs")
        place = ["--tile", "11SLT", "--direction", "ASCENDING", "--month", "2021-11"]
        made_from = ["--granules-digest", list_digest(self.listed), "--recipe", recipe]
        made = ["--bursts", str(output), "--account", str(self.folder / "account.json")]
        bursts.main(["--settings", settings, "--log", "", *place, *made_from, *made])
        return output


@pytest.fixture
def month(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Month:
    return Month(tmp_path, monkeypatch)


def contents(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(output.iterdir())}


def test_every_granule_is_cut_and_nothing_is_kept(month: Month) -> None:
    output = month.read()
    assert len(contents(output)) == 8 and not (month.folder / "output/work" / PLACE / "kept/2021-11").exists()
    values = {rasterio.open(path).read().max() for path in output.glob("*_VV.tif")}
    assert values == {np.float32(0.1 * int(day)) for day in DAYS}


def test_the_account_says_why_granules_show_nothing_of_the_tile(month: Month) -> None:
    for granule, power in zip(month.granules, (1e-9, 1e-9, 0.1, np.nan), strict=True):
        for layer in granule.layers:
            with rasterio.open(layer.url, "r+") as dataset:
                dataset.write(np.full((20, 20), power, np.float32), 1)
    assert len(contents(month.read())) == 2
    account, nothing = read_account(month.folder / "account.json"), "VV has no power above 1e-06 on the tile"
    assert account.off_tile == {granule.id: nothing for granule in month.granules if granule.id not in account.on_tile}
    assert account.why_empty == "their measurements lie outside the polygon of use_roi_mask (1 granule)"
    empty = replace(account, on_tile=(), unread={"a": "gone"})
    assert empty.why_empty == f"{nothing} (3 granules); it cannot be read (1 granule)"


def test_a_failure_keeps_what_was_read_for_the_next_try(month: Month) -> None:
    last = month.granules[-1].id
    month.refused[last] = SourceError(f"granule {last}: gone", "wait")
    with pytest.raises(SourceError, match=f"1 of 4 granules.*\n.*{last}"):
        month.read()
    assert len(month.fetched) == 3 and not (month.folder / "bursts").exists()
    month.refused.clear()
    expected = contents(month.read())
    assert month.fetched.count(last) == 1 and len(month.fetched) == 4, "each once"
    assert len(expected) == 8


def test_with_some_allowed_to_be_missing_the_others_stay_for_the_next_run(month: Month) -> None:
    last = month.granules[-1].id
    month.refused[last] = SourceError(f"granule {last}: gone", "wait")
    output = month.read(ratio=0.5)
    assert len(contents(output)) == 6
    assert list(read_account(month.folder / "account.json").unread) == [last]
    month.refused.clear()
    for path in output.iterdir():
        path.unlink()  # Snakemake removes the output of a job that runs again
    assert len(contents(month.read(ratio=0.5))) == 8
    assert len(month.fetched) == 4 and not (month.folder / "output/work" / PLACE / "kept/2021-11").exists()


def test_another_recipe_reads_again(month: Month) -> None:
    month.refused[month.granules[-1].id] = SourceError("gone", "wait")
    with pytest.raises(SourceError):
        month.read()
    with pytest.raises(SourceError):
        month.read(recipe="another")
    assert len(month.fetched) == 6


def test_a_full_disk_ends_the_job_and_the_next_try_goes_on(month: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fourth file meets a full disk: no half file, no granule that counts as read, nothing read twice."""
    write, written = rasters.write_raster, []

    def until_full(path: Path, *args: Any) -> None:
        if len(written) == 3:
            raise ProductError(f"{path}: {OSError(errno.ENOSPC, 'No space left on device')}", "free some space")
        write(path, *args)
        written.append(path)

    monkeypatch.setattr(cutting, "write_raster", until_full)
    with pytest.raises(ProductError, match="No space left"):
        month.read(ratio=1.0)
    assert not (month.folder / "bursts").exists(), "a full disk is no unreadable granule: nothing is delivered"
    monkeypatch.setattr(cutting, "write_raster", write)
    assert len(contents(month.read())) == 8
    assert month.fetched.count(month.granules[0].id) == 1, "the one that was finished is not read again"
    assert not list(month.folder.rglob("*.part*"))
