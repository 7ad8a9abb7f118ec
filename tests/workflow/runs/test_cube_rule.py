"""The cube that whole workflows leave: the same bytes, whatever the order in which months came."""

from __future__ import annotations

from pathlib import Path

from s1monthly.cube import months as cube
from s1monthly.model import Month
from support.cube_samples import tree
from support.runs import add, config, store
from support.workflow import run_snakemake

FEW = {"formats": {"cog": False, "preview": False}, "base_dir": "output", "disk_warn_gb": 0}


def test_runs_in_another_order_leave_the_same_store(tmp_path: Path) -> None:
    at_once, backwards = tmp_path / "at_once", tmp_path / "backwards"
    for folder in (at_once, backwards):
        add(folder, "2021-11", power=0.1)
        add(folder, "2022-01", power=0.2)
    run_snakemake(at_once, config(output=FEW))
    run_snakemake(backwards, config(output=FEW, time={"start": "2022-01", "end": "2022-02"}))
    run = run_snakemake(backwards, config(output=FEW))
    assert run.jobs["cube"] == 1 and run.months("composite") == ["2021-11"], "the axis began earlier under a month held"
    wanted = tree(store(at_once))
    assert tree(store(backwards)) == wanted, "every file of the store, Snakemake's stamp included"
    assert [name for name in wanted if "slots_" in name] and wanted["status/c/2"] == b"\x02"
    assert cube.state(store(at_once)).complete == (Month(2021, 11), Month(2022, 1))
