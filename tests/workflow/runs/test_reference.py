"""Despeckling by a reference: made once, before all months; nothing that comes later changes what is made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from s1monthly.audit.validation import validate
from s1monthly.cube import months as cube
from s1monthly.model import Month
from s1monthly.records.month import read_record
from support.runs import CATALOGS, FOLDER, add, config, product, store
from support.workflow import run_snakemake

RABASAR: dict[str, Any] = {
    "target_resolution": 300,
    "despeckle": {"method": "rabasar", "kwargs": {"reference": "2021-11 ... 2021-12"}},
}


def settings(start: str = "2021-11", end: str = "2022-02") -> dict[str, Any]:
    return config(processing=RABASAR, time={"start": start, "end": end})


def digests(folder: Path, *months: str) -> Mapping[str, str]:
    found = {month: read_record(product(folder, "record", month)).digest for month in months}
    assert found == {month: cube.month_digest(store(folder), Month.parse(month)) for month in months}
    return found


def power(folder: Path, month: str) -> float:
    return float(10 ** (np.nanmean(cube.read_month(store(folder), Month.parse(month), "VV_dB")) / 10))


def test_a_reference_is_made_once_and_later_granules_change_no_other_month(tmp_path: Path) -> None:
    reference = tmp_path / "output" / FOLDER / "reference"
    for month, value in (("2021-11", 0.1), ("2021-12", 0.3), ("2022-01", 0.8)):
        add(tmp_path, month, power=value)
    early = run_snakemake(tmp_path, settings("2022-01"), check=False)
    assert early.returncode and "its reference (processing.despeckle.kwargs.reference) is not made yet" in early.output
    first = run_snakemake(tmp_path, settings())
    assert first.jobs == {"search": 1, "bursts": 3, "cube": 1, "reference": 1, "composite": 3, "publish": 3, **CATALOGS}
    order = [job.rule for job in first.done]
    assert order.index("reference") < order.index("composite")
    with rasterio.open(reference / "mean_power.tif") as mean:
        assert np.nanmean(mean.read(1)) == pytest.approx(0.2) and mean.descriptions == ("VV", "VH")
    for month, value in (("2021-11", 0.1), ("2021-12", 0.3), ("2022-01", 0.8)):
        assert power(tmp_path, month) == pytest.approx(value, rel=1e-4), "a month keeps its own power"
    facts = json.loads((reference / "reference.json").read_text())
    told = read_record(product(tmp_path, "record", "2022-01")).despeckled
    assert told["reference_digest"] == facts["digest"] and list(facts["months"]) == ["2021-11", "2021-12"]
    assert told["doi"] == "10.1109/TGRS.2018.2885683" and set(told["looks"]) == {"VV", "VH"}
    assert not list((tmp_path / "output" / "work").rglob("*_VV.tif")), "bursts are removed once used"
    assert not validate(tmp_path / "output").problems
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in reference.iterdir()}
    made = digests(tmp_path, "2021-11", "2022-01")

    add(tmp_path, "2022-02", power=0.5)
    add(tmp_path, "2021-12", day=22, power=0.9)
    late = run_snakemake(tmp_path, settings())
    assert late.months("composite") == ["2021-12", "2022-02"] and not late.jobs["reference"]
    assert digests(tmp_path, "2021-11", "2022-01") == made
    assert before == {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in reference.iterdir()}

    shutil.rmtree(reference)
    assert [found.place for found in validate(tmp_path / "output").problems] == [str(reference)]
    short = run_snakemake(tmp_path, settings("2022-02"), check=False)
    assert short.returncode and "widen the time range to the whole reference period" in short.output
    again = run_snakemake(tmp_path, settings())
    assert again.jobs["reference"] == 1 and len(again.months("composite")) == 4
    assert "the reference of its period is gone" in again.output
    assert "Nothing to be done" in run_snakemake(tmp_path, settings(), "-n").output
