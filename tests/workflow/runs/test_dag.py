"""What runs when: the real Snakefile over small granules. Only what is new, late, changed or deleted is made again."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from s1monthly.audit.validation import validate
from s1monthly.catalog.table import read_catalog
from s1monthly.cube import months as cube
from s1monthly.kernels import texture
from s1monthly.kernels.options import TextureOptions
from s1monthly.model import Month
from s1monthly.records.month import read_record
from support.granules import write_granule
from support.runs import CATALOGS, CONFIG, FOLDER, TILE, add, config, product, store
from support.workflow import ROOT, Run, run_snakemake

MONTH_JOBS = dict.fromkeys(("bursts", "composite", "publish"), 1)

pytestmark = pytest.mark.xdist_group("dag")  # the first run is made once, in one process


def times(folder: Path, month: str) -> list[int]:
    return [product(folder, name, month).stat().st_mtime_ns for name in ("record", "cog", "preview", "item")]


def status_of_months(folder: Path) -> dict[str, str]:
    return {row["month"]: row["status"] for row in read_catalog(folder / "output" / "catalog.parquet")}


def settled(folder: Path, values: Mapping[str, Any] = CONFIG) -> bool:
    run = run_snakemake(folder, values, "-n")
    return "Nothing to be done" in run.output and not run.jobs


def copy_workflow(folder: Path) -> None:
    """Copy the workflow itself into the folder, for ``-s Snakefile``."""
    for name in ("Snakefile", "rules", "scripts", "profiles", "envs"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, folder / name)


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run, Run]:
    """Two months with granules among four, previewed and made."""
    folder = tmp_path_factory.mktemp("dag") / "first"
    folder.mkdir()
    add(folder, "2021-11", day=10, power=0.1)
    add(folder, "2021-11", day=22, power=0.3)
    add(folder, "2022-01", power=0.2)
    preview = run_snakemake(folder, CONFIG, "-n")
    assert not (folder / "output").exists()
    return folder, preview, run_snakemake(folder, CONFIG)


@pytest.fixture
def made(first_run: tuple[Path, Run, Run], tmp_path: Path) -> Path:
    """A copy of the finished tree, Snakemake's memory and all times included."""
    folder = tmp_path / "copy"
    shutil.copytree(first_run[0], folder)
    return folder


def test_preview_before_any_search_names_the_months_and_needs_no_source(first_run: tuple[Path, Run, Run]) -> None:
    _, preview, _ = first_run
    assert f"{TILE} ASCENDING: 4 not searched yet: 2021-11 ... 2022-02" in preview.output
    assert preview.output.index("not searched yet") < preview.output.index("Building DAG")
    assert preview.jobs == {"search": 1, **CATALOGS}


def test_first_run_makes_just_the_months_with_granules(first_run: tuple[Path, Run, Run]) -> None:
    folder, _, run = first_run
    assert run.jobs == {**dict.fromkeys(MONTH_JOBS, 2), **CATALOGS, "search": 1, "cube": 1}
    assert status_of_months(folder) == {
        "2021-11": "complete",
        "2021-12": "no data",
        "2022-01": "complete",
        "2022-02": "no data",
    }
    leftover = [p for p in (folder / "output" / "work").rglob("*") if p.is_file() and p.suffix in (".tif", ".json")]
    assert leftover == []
    place = folder / "output" / "work" / "logs"
    logs = {path.parent.name for path in place.glob("*/*.log")}
    assert logs >= {*run.jobs}


def test_values_go_through_unharmed(first_run: tuple[Path, Run, Run]) -> None:
    folder, _, _ = first_run
    vv = cube.read_month(store(folder), Month(2021, 11), "VV_dB")
    assert np.nanmedian(vv) == pytest.approx(10 * np.log10(0.2), abs=1e-3)  # median of 0.1 and 0.3
    assert np.nanmax(cube.read_count(store(folder), Month(2021, 11))) == 2
    ratio = cube.read_month(store(folder), Month(2022, 1), "Ratio")
    assert np.nanmedian(ratio) == pytest.approx(0.2, rel=1e-4)


CHAIN = {
    *[("search", "bursts"), ("search", "cube"), ("bursts", "composite"), ("cube", "composite")],
    *[("composite", "publish"), ("publish", "tile_catalog"), ("tile_catalog", "catalog"), ("catalog", "all")],
}


def test_the_rulegraph_shows_the_chain_before_and_after_a_run(made: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    add(tmp_path / "new", "2021-11")
    for folder in (tmp_path / "new", made):
        drawn = run_snakemake(folder, CONFIG, "--rulegraph").output
        names = dict(re.findall(r'(\d+)\[label = "(\w+)"', drawn))
        assert {(names[a], names[b]) for a, b in re.findall(r"(\d+) -> (\d+)", drawn)} == CHAIN


def test_rerun_does_nothing_and_preview_says_so(made: Path) -> None:
    run = run_snakemake(made, CONFIG)
    assert run.jobs == {}
    assert "Nothing to be done" in run.output
    assert f"{TILE} ASCENDING: 2 made; 2 without granules" in run.output


def test_touched_code_is_no_reason(made: Path) -> None:
    copy_workflow(made)
    run = run_snakemake(made, CONFIG, "-n", "-s", "Snakefile")
    assert run.jobs == {}


def test_how_a_job_is_told_is_no_reason(made: Path) -> None:
    triggers = ("--rerun-triggers", "code", "mtime", "params", "software-env")
    run = run_snakemake(made, config(logging={"file_level": "DEBUG"}), "-n", *triggers)
    assert run.jobs == {}


def test_a_job_that_cannot_begin_points_to_what_it_said(made: Path) -> None:
    copy_workflow(made)
    script = made / "scripts" / "publish.py"
    script.write_text(f"import no_such_module\n{script.read_text()}")
    product(made, "cog", "2021-11").unlink()
    run = run_snakemake(made, CONFIG, "-s", "Snakefile", check=False)
    assert "No module named 'no_such_module'" in run.output
    assert f"FAILED publish {TILE} ASCENDING 2021-11: it ended before it logged a word" in run.output


def test_scripts_find_the_library_where_python_is_told_not_to_look(made: Path) -> None:
    product(made, "item", "2021-11").unlink()
    run = run_snakemake(made, CONFIG, environment=os.environ | {"PYTHONSAFEPATH": "1"})
    assert run.jobs == {"publish": 1, **CATALOGS}


@pytest.mark.parametrize("deployed", [(), ("--sdm", "env-modules")], ids=["as it is", "modules"])
def test_without_conda_scripts_run_by_the_python_that_runs_snakemake(made: Path, deployed: tuple[str, ...]) -> None:
    run = run_snakemake(made, CONFIG, "-n", "-p", "--forcerun", "publish", *deployed)
    script = shlex.quote(str(ROOT / "scripts" / "publish.py"))
    assert f"Shell command: {shlex.quote(sys.executable)} {script} --settings=" in run.output


def test_odd_names_of_folders_go_through(tmp_path: Path) -> None:
    folder, odd = tmp_path / "a {b} 'c' $HOME", "-out put's $1"
    add(folder, "2021-11")
    (folder / "granules").rename(folder / "-granules it's")
    values = config(source={"path": "-granules it's"}, output={"base_dir": odd})
    assert run_snakemake(folder, values).jobs == {**MONTH_JOBS, **CATALOGS, "search": 1, "cube": 1}
    assert [row["status"] for row in read_catalog(folder / odd / "catalog.parquet")].count("complete") == 1
    damaged = add(folder, "2022-01")
    damaged.write_bytes(damaged.read_bytes()[:300])
    damaged.parent.rename(folder / "-granules it's" / damaged.parent.name)
    failed = run_snakemake(folder, values, check=False)  # which makes the catalogs by another command
    assert failed.returncode and "FAILED bursts" in failed.output
    statuses = {row["month"]: row["status"] for row in read_catalog(folder / odd / "catalog.parquet")}
    assert statuses == {"2021-11": "complete", "2021-12": "no data", "2022-02": "no data"}


def test_a_job_without_its_settings_says_so(made: Path) -> None:
    told = run_snakemake(made, CONFIG, "-n", "-p", "--forcerun", "tile_catalog").output
    command = re.search(r"^Shell command: (.*tile_catalog\.py .*)", told, re.MULTILINE)
    assert command
    (settings,) = (made / ".snakemake" / "s1monthly_jobs").iterdir()
    settings.write_text("{}")
    assert subprocess.run(shlex.split(command[1]), cwd=made, check=False).returncode == 1
    log = made / "output" / "work" / "logs" / "tile_catalog" / f"{FOLDER}.log"
    assert "CRITICAL settings of the run, .snakemake" in log.read_text()
    assert "run Snakemake again" in log.read_text()
    run_snakemake(made, CONFIG, "-n")
    assert subprocess.run(shlex.split(command[1]), cwd=made, check=False).returncode == 0
    assert log.read_text().count(" used ") == 1


def test_one_new_month_is_its_jobs_alone(made: Path) -> None:
    before = times(made, "2021-11") + times(made, "2022-01")
    add(made, "2022-02")
    preview = run_snakemake(made, CONFIG, "-n")
    assert "1 not searched yet: 2022-02; 2 made; 1 without granules" in preview.output
    run = run_snakemake(made, CONFIG)
    assert run.jobs == {**MONTH_JOBS, **CATALOGS, "search": 1, "cube": 1}
    assert run.months("composite") == ["2022-02"]
    assert times(made, "2021-11") + times(made, "2022-01") == before
    assert cube.state(store(made)).complete == (Month(2021, 11), Month(2022, 1), Month(2022, 2))
    assert settled(made)


def test_an_earlier_month_and_a_newer_version_leave_other_months_alone(made: Path) -> None:
    digest = read_record(product(made, "record", "2021-11")).digest
    add(made, "2021-08")
    layers = {"VV": np.full((40, 40), 0.7, np.float32), "VH": np.full((40, 40), 0.07, np.float32)}
    layers = {**layers, "mask": np.zeros((40, 40), np.uint8)}
    write_granule(made / "granules", layers, acquired="20220110T015854Z", version="1.1")
    earlier = config(time={"start": "2021-08", "end": "2022-02"})
    run = run_snakemake(made, earlier)
    assert run.months("composite") == ["2021-08", "2022-01"]
    assert cube.state(store(made)).first == Month(2021, 8)
    assert cube.month_digest(store(made), Month(2021, 11)) == digest
    record = read_record(product(made, "record", "2022-01"))
    assert [granule.version for granule in record.granules] == ["1.1"]
    assert ["older version of" in left_out.reason for left_out in record.set_aside] == [True]
    assert record.missing_granules == []
    assert settled(made, earlier)


def test_a_late_granule_remakes_its_month_alone(made: Path) -> None:
    before, cog = times(made, "2022-01"), product(made, "cog", "2021-11").read_bytes()
    add(made, "2021-11", day=28, power=0.9)
    run = run_snakemake(made, CONFIG)
    assert run.jobs == {**MONTH_JOBS, **CATALOGS, "search": 1}
    assert run.months("composite") == ["2021-11"]
    assert times(made, "2022-01") == before
    assert f"{TILE} ASCENDING: 1 made again, the source has other granules now: 2021-11" in run.output
    assert product(made, "cog", "2021-11").read_bytes() != cog
    assert len(read_record(product(made, "record", "2021-11")).granules) == 3
    assert settled(made)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def alter(path: Path) -> None:
    path.write_text(path.read_text().replace('"lost": false', '"lost": true').replace("S1A", "S1B"))


DAMAGE: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "2021-01": ("cog", Path.unlink, "1 COG to be written: {month}"),
    "2021-02": ("preview", Path.unlink, "1 preview to be written: {month}"),
    "2021-03": ("item", Path.unlink, "1 Item to be written: {month}"),
    "2021-04": ("cog", cut, "whose products are out of date, to be made again: {month}, 2021-05"),
    "2021-05": ("preview", cut, "2 whose products are out of date, to be made again: 2021-04, {month}"),
    "2021-06": ("record", Path.unlink, "1 missing: {month}"),
    "2021-07": ("record", cut, "1 to make again, its record is damaged: {month}"),
    "2021-08": ("record", alter, "1 to make again, its record was altered: {month}"),
    "2021-09": ("slot", lambda path: path.write_bytes(b"\x01"), "the cube does not hold it: {month}, 2021-10"),
    "2021-10": ("slot", Path.unlink, "2 to make again, the cube does not hold it: 2021-09, {month}"),
}
"""Month -> what of it is damaged, how, and what the preview says."""


def test_what_is_lost_or_damaged_is_told_and_made_from_the_nearest_thing(tmp_path: Path) -> None:
    months = [*DAMAGE, "2021-11"]
    for month in months:
        add(tmp_path, month)
    values = config(time={"start": "2021-01", "end": "2021-11"})
    run_snakemake(tmp_path, values)
    names = ("record", "cog", "preview", "item")
    before = {(name, month): product(tmp_path, name, month).read_bytes() for name in names for month in months}
    for number, (month, (name, damage, _)) in enumerate(DAMAGE.items()):
        slot = store(tmp_path) / "status" / "c" / str(number)
        damage(slot if name == "slot" else product(tmp_path, name, month))
    preview = run_snakemake(tmp_path, values, "-n")
    for month, (_, _, says) in DAMAGE.items():
        assert says.format(month=month) in preview.output
    run = run_snakemake(tmp_path, values)
    assert run.jobs == {"bursts": 5, "composite": 5, "publish": 10, **CATALOGS}
    assert run.months("composite") == months[5:10] and run.months("publish") == months[:10]
    assert before == {(name, month): product(tmp_path, name, month).read_bytes() for name, month in before}
    assert settled(tmp_path, values)


def test_another_work_folder_is_no_reason_to_make_anything_again(made: Path) -> None:
    elsewhere = config(output={"base_dir": "output", "disk_warn_gb": 0, "work_dir": "elsewhere"})
    assert run_snakemake(made, elsewhere).jobs == {}
    (made / ".snakemake" / "s1monthly_finished.json").unlink()
    assert run_snakemake(made, elsewhere).jobs == {}


def test_work_and_memory_may_go_and_the_list_of_a_deleted_record_is_searched(made: Path) -> None:
    shutil.rmtree(made / "output" / "work")
    shutil.rmtree(made / ".snakemake")
    assert settled(made)
    product(made, "record", "2022-01").unlink()
    run = run_snakemake(made, CONFIG)
    assert run.jobs == {**MONTH_JOBS, **CATALOGS, "search": 1}
    assert run.months("composite") == ["2022-01"]
    assert settled(made)


def test_deleted_catalogs_are_made_again(made: Path) -> None:
    output = made / "output"
    for path in (output / "catalog.parquet", output / FOLDER / "catalog.parquet"):
        path.unlink()
    assert run_snakemake(made, CONFIG).jobs == CATALOGS
    roots = [
        output / name for name in ("catalog.json", "collection.json", "collection_ASCENDING.json", "items.parquet")
    ]
    for path in (output / FOLDER / "items.parquet", *roots):
        path.rename(made / "aside")
        jobs = run_snakemake(made, CONFIG, "-n").jobs
        assert jobs == (CATALOGS if path not in roots else {"catalog": 1}), path
        (made / "aside").rename(path)
    for path in roots:
        path.unlink()
    assert run_snakemake(made, CONFIG).jobs == {"catalog": 1}
    assert all(path.exists() for path in roots)


def test_a_run_that_remakes_a_deleted_cube_may_be_killed(made: Path) -> None:
    shutil.rmtree(store(made))
    run_snakemake(made, CONFIG, "--until", "cube")
    assert cube.state(store(made)).complete == ()
    preview = run_snakemake(made, CONFIG, "-n")
    assert "2 to make again, the cube does not hold it: 2021-11, 2022-01" in preview.output
    assert run_snakemake(made, CONFIG).months("composite") == ["2021-11", "2022-01"]
    assert cube.state(store(made)).complete == (Month(2021, 11), Month(2022, 1))
    assert settled(made)


def test_another_recipe_is_refused_before_any_work(made: Path) -> None:
    other = config(processing={"target_resolution": 300, "despeckle": {"kwargs": {"reg_param": 7}}})
    before = {path: path.stat().st_mtime_ns for path in (made / "output").rglob("*")}
    run = run_snakemake(made, other, check=False)
    assert run.returncode != 0
    assert "despeckle.reg_param: 5.0 -> 7.0" in run.output
    assert "output.base_dir" in run.output and "output.overwrite: true" in run.output
    assert {path: path.stat().st_mtime_ns for path in (made / "output").rglob("*")} == before


def test_another_recipe_with_overwrite_remakes_every_month(made: Path) -> None:
    other = config(processing={"target_resolution": 300, "post_processing": False}, output={"overwrite": True})
    run = run_snakemake(made, other)
    assert run.jobs == {**dict.fromkeys(MONTH_JOBS, 2), **CATALOGS, "cube": 1}
    assert cube.state(store(made)).recipe["level"] == "ARDC"
    assert {row["processing_level"] for row in read_catalog(made / "output" / "catalog.parquet")} == {"ARDC", None}
    assert settled(made, other)


def test_textures_and_a_spread_are_added_to_all_months_of_a_cube_or_to_none(made: Path) -> None:
    textures = {"enabled": True, "levels": 8, "window_size": 3, "metrics": ["contrast", "entropy"]}
    textured = config(processing={"texture_features": textures, "spread": ["std", "max"]})
    refused = run_snakemake(made, textured | {"time": {"start": "2021-12", "end": "2022-02"}}, check=False)
    assert refused.returncode and not refused.jobs and "widen the time range to 2021-11" in refused.output
    before = cube.read_month(store(made), Month(2021, 11), "VV_dB")

    assert run_snakemake(made, textured).jobs["composite"] == 2
    state = cube.state(store(made))
    added = ("VV_glcm_contrast", "VV_glcm_entropy", "VH_glcm_contrast", "VH_glcm_entropy")
    assert state.bands[4:] == (*added, "VV_dB_max", "VV_dB_std", "VH_dB_max", "VH_dB_std")
    assert [str(month) for month in state.complete] == ["2021-11", "2022-01"]
    np.testing.assert_array_equal(cube.read_month(store(made), Month(2021, 11), "VV_dB"), before)
    options = TextureOptions(("contrast", "entropy"), 3, 1, (0.0, 90.0), True, 8)
    for name, expected in texture.textures(before, -25.0, 5.0, options):
        np.testing.assert_array_equal(cube.read_month(store(made), Month(2021, 11), f"VV_glcm_{name}"), expected)
    high, deviation = (cube.read_month(store(made), Month(2021, 11), f"VV_dB_{name}") for name in ("max", "std"))
    np.testing.assert_array_equal(np.isfinite(high) & (deviation >= 0), np.isfinite(before))
    with rasterio.open(product(made, "cog", "2022-01")) as cog:
        assert cog.descriptions == state.bands
        assert cog.units[-4:] == ("dB",) * 4
    assert settled(made, textured)
    taken = run_snakemake(made, CONFIG, check=False)
    assert taken.returncode and not taken.jobs and "made with another recipe" in taken.output


def test_overwrite_that_does_not_cover_the_cube_is_refused(made: Path) -> None:
    other = config(
        processing={"target_resolution": 300, "mosaic_strategy": "first"},
        output={"overwrite": True},
        time={"start": "2022-01", "end": "2022-02"},
    )
    run = run_snakemake(made, other, check=False)
    assert run.returncode != 0
    assert "not covered: 2021-11" in run.output


def test_a_shorter_time_range_loses_nothing(made: Path) -> None:
    shorter = config(time={"start": "2022-01", "end": "2022-01"})
    assert settled(made, shorter)
    product(made, "item", "2022-01").unlink()
    run_snakemake(made, shorter)
    assert status_of_months(made) == {
        "2021-11": "complete",
        "2021-12": "no data",
        "2022-01": "complete",
        "2022-02": "no data",
    }


def test_a_month_that_fails_keeps_no_other_from_being_finished(made: Path) -> None:
    add(made, "2021-12")
    damaged = add(made, "2022-02", day=3)
    add(made, "2022-02", day=15)
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[: len(whole) // 2])
    run = run_snakemake(made, CONFIG, check=False)
    assert run.returncode != 0
    assert "1 of 2 granules cannot be read" in run.output and damaged.name in run.output
    assert status_of_months(made)["2021-12"] == "complete"
    assert "2022-02" not in status_of_months(made)
    assert not product(made, "record", "2022-02").exists()
    preview = run_snakemake(made, CONFIG, "-n")
    assert "1 missing: 2022-02" in preview.output

    damaged.write_bytes(whole)
    run = run_snakemake(made, CONFIG)
    assert run.months("composite") == ["2022-02"]
    assert status_of_months(made)["2022-02"] == "complete"


def test_products_are_read_back_of_a_month_whose_granules_are_gone(made: Path) -> None:
    for path in (made / "granules").glob("*_202111*"):
        path.unlink()
    whole = {name: product(made, name, "2021-11").read_bytes() for name in ("cog", "preview", "item", "record")}
    product(made, "cog", "2021-11").unlink()
    run = run_snakemake(made, CONFIG)
    assert run.jobs == {"search": 1, "publish": 1, **CATALOGS} and settled(made)
    shutil.rmtree(made / "granules")
    product(made, "item", "2021-11").unlink()
    product(made, "preview", "2022-01").unlink()
    run = run_snakemake(made, CONFIG)
    assert run.jobs == {"publish": 2, **CATALOGS} and "no such folder: nothing can be made anew" in run.output
    assert whole == {name: product(made, name, "2021-11").read_bytes() for name in whole}
    assert settled(made)
    product(made, "record", "2022-01").unlink()
    stopped = run_snakemake(made, CONFIG, check=False)
    assert stopped.returncode != 0 and "needed for 11SLT ASCENDING 2022-01" in stopped.output and not stopped.jobs
    inspected = run_snakemake(made, CONFIG, "--cores=1", "catalog_inspect")
    assert FOLDER.replace("_", " ") in inspected.output, "tools need no source"


def test_a_late_granule_is_seen_whatever_the_clock_says(made: Path) -> None:
    """The search has listed it; then the tree was copied, which made the records newer than the list."""
    add(made, "2021-11", day=28)
    run_snakemake(made, CONFIG, "--until", "search")
    shutil.rmtree(made / ".snakemake")
    for month in ("2021-11", "2022-01"):
        product(made, "record", month).touch()
    assert run_snakemake(made, CONFIG).months("composite") == ["2021-11"]


def test_files_from_the_future_keep_nothing_from_being_made(made: Path) -> None:
    """As after the clock was set back: a month out of step, an Item deleted, a month to search."""
    record = product(made, "record", "2021-11")
    record.write_bytes(record.read_bytes()[:100])
    product(made, "item", "2022-01").unlink()
    for path in (path for top in ("output", ".snakemake") for path in (made / top).rglob("*") if path.is_file()):
        modified = path.stat().st_mtime_ns + 86400 * 10**9
        os.utime(path, ns=(modified, modified))
    add(made, "2021-12")
    run = run_snakemake(made, CONFIG)
    assert "this computer's clock was set back" in run.output
    assert run.months("composite") == ["2021-11", "2021-12"] and "2022-01" in run.months("publish")
    assert settled(made)


def test_a_cog_is_not_made_of_a_cube_that_lost_chunks(made: Path) -> None:
    whole = {name: product(made, name, "2021-11").read_bytes() for name in ("cog", "preview", "item", "record")}
    product(made, "cog", "2021-11").unlink()
    for chunk in (store(made) / "VV_dB" / "c" / "0").rglob("*"):
        if chunk.is_file():
            chunk.unlink()
    run = run_snakemake(made, CONFIG, check=False)
    assert run.returncode != 0
    assert "2021-11 holds other values than its record says" in run.output and "keep it, and run" in run.output
    assert not product(made, "cog", "2021-11").exists()
    assert product(made, "record", "2021-11").read_bytes() == whole["record"]
    product(made, "record", "2021-11").unlink()
    run_snakemake(made, CONFIG)
    assert whole == {name: product(made, name, "2021-11").read_bytes() for name in whole}
    assert settled(made)


def without_module(folder: Path, name: str) -> dict[str, str]:
    """Environment in which whatever imports a module fails, as if the disk were full."""
    (folder / "broken").mkdir()
    (folder / "broken" / "sitecustomize.py").write_text(
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == 's1monthly.{name}':\n"
        "            raise OSError(28, 'No space left on device')\n"
        "sys.meta_path.insert(0, Refuse())\n"
    )
    return {**os.environ, "PYTHONPATH": str(folder / "broken")}


def test_products_of_a_failed_publish_are_made_by_the_next_run(made: Path) -> None:
    """Older ones, put back as they were, would pass for new."""
    add(made, "2021-11", day=28, power=0.9)
    run = run_snakemake(made, CONFIG, check=False, environment=without_module(made, "stages.publish"))
    assert run.failed == {"publish": 1} and run.months("composite") == ["2021-11"]
    assert run_snakemake(made, CONFIG).months("publish") == ["2021-11"]
    record = read_record(product(made, "record", "2021-11"))
    item = json.loads(product(made, "item", "2021-11").read_text())
    assert len(record.granules) == 3 and item["properties"]["s1monthly:digest"] == record.digest
    with rasterio.open(product(made, "cog", "2021-11")) as cog:
        assert record.granules[-1].id in cog.tags()["GRANULES"]
    assert settled(made)


def test_catalogs_that_could_not_be_written_are_written_by_the_next_run(made: Path) -> None:
    """Neither by their rule, nor by the rebuilding after a failure."""
    add(made, "2021-12")
    catalog = made / "output" / FOLDER / "catalog.parquet"
    run = run_snakemake(made, CONFIG, check=False, environment=without_module(made, "catalog.update"))
    assert run.failed == {"tile_catalog": 1}
    assert [row["status"] for row in read_catalog(catalog) if row["month"] == "2021-12"] == ["no data"]
    run_snakemake(made, CONFIG)
    assert [row["status"] for row in read_catalog(catalog) if row["month"] == "2021-12"] == ["complete"]
    assert settled(made)


def test_a_burst_file_that_is_gone_is_no_burst_less_and_an_older_account_none_at_all(tmp_path: Path) -> None:
    for day in (10, 22):
        add(tmp_path, "2021-11", day=day)
    run_snakemake(tmp_path, CONFIG, "--until", "search")
    run_snakemake(tmp_path, CONFIG, "--until", "bursts", "--notemp")
    work = tmp_path / "output" / "work" / FOLDER / "2021-11"
    gone = [path for path in (work / "bursts").glob("*.tif") if "_20211110T" in path.name]
    assert len(gone) == 2
    for path in gone:  # with both layers no trace of the granule is left in the folder
        path.unlink()
    run = run_snakemake(tmp_path, CONFIG, "--notemp", check=False)
    assert run.failed == {"composite": 1} and "_20211110T" in run.output.rpartition("FAILED composite")[2]
    assert not product(tmp_path, "record", "2021-11").exists()

    path = work / "account.json"
    status, account = path.stat(), json.loads(path.read_text())
    del account["on_tile"]  # as older versions wrote it
    path.write_text(json.dumps(account))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert run_snakemake(tmp_path, CONFIG).jobs["bursts"] == 1
    assert status_of_months(tmp_path)["2021-11"] == "complete"


def test_a_format_switched_off_leaves_the_item(made: Path) -> None:
    without = config(output={"base_dir": "output", "disk_warn_gb": 0, "formats": {"cog": False}})
    assert run_snakemake(made, without).jobs == {"publish": 2, **CATALOGS}
    assert "cog" not in json.loads(product(made, "item", "2021-11").read_text())["assets"]
    assert settled(made, without)


def test_another_layout_of_cogs_replaces_the_files(made: Path) -> None:
    whole = product(made, "cog", "2021-11")
    wanted = {"cog_layout": "per_band", "formats": {"geopackage": True, "report": True}}
    bands = config(output={"base_dir": "output", "disk_warn_gb": 0, **wanted})
    after = {**CATALOGS, "report_after_run": 1}
    assert run_snakemake(made, bands).jobs == {"publish": 2, **after}
    of_bands = sorted(path.name for path in whole.parent.glob("*2021-11*"))
    assert of_bands == sorted(f"{whole.stem}_{name}.tif" for name in ("VV_dB", "VH_dB", "Ratio", "RVI"))
    assert {"VV_dB", "RVI"} < {*json.loads(product(made, "item", "2021-11").read_text())["assets"]}
    assert settled(made, bands)
    (whole.parent / of_bands[0]).unlink()
    again = run_snakemake(made, bands)
    assert again.jobs == {"publish": 1, **after} and "1 COG to be written" in again.output
    assert [path.name for path in sorted(whole.parent.glob("*2021-11*"))] == of_bands
    assert (made / "output" / "catalog.gpkg").exists() and validate(made / "output").problems == []
    (made / "output" / "report" / "index.html").unlink()
    assert run_snakemake(made, bands).jobs == {"report_after_run": 1} and settled(made, bands)
    assert settled(made, config(output={**bands["output"], "formats": {"geopackage": True}})), "makes no month again"


def test_months_without_one_usable_granule_are_not_taken_for_empty_ones(tmp_path: Path) -> None:
    add(tmp_path, "2021-11")
    vh = next((tmp_path / "granules").glob("*_VH.tif"))
    vh.unlink()
    lost = vh.name.removesuffix("_VH.tif")
    run = run_snakemake(tmp_path, CONFIG, check=False)
    assert run.returncode == 1 and run.failed == {"bursts": 1}
    assert f"1 of 1 granules cannot be read:\n  - granule {lost}: no layer VH" in run.output
    assert "1 WITHOUT USABLE granules: 2021-11 (1 set aside: no layer VH)" in run.output
    assert "has no granule" not in run.output
    row = read_catalog(tmp_path / "output" / "catalog.parquet")[0]
    assert (row["status"], row["missing_granules"]) == ("unusable", [lost])
    again = run_snakemake(tmp_path, CONFIG, check=False)
    assert again.returncode == 1 and again.failed == {"bursts": 1}


def test_odd_options_reach_the_products(tmp_path: Path) -> None:
    add(tmp_path, "2021-11")
    add(tmp_path, "2021-11", day=5, power=0.9, burst="T064-135001-IW2")
    add(tmp_path, "2021-11", day=22, power=1e-4)
    odd = {
        "target_crs": 32612,
        "target_resolution": 450,
        "min_valid_lin": 1e-3,
        "zarr_chunks": [64, 32],
        "cog_block_size": 128,
        "despeckle": {"monthly_despeckle": False},
    }
    values = config(roi={"tracks": [137]}, processing=odd, logging={"file_level": "ERROR"})
    run_snakemake(tmp_path, values)
    held = cube.state(store(tmp_path))
    assert (held.chunks, held.geobox.epsg, held.geobox.resolution) == ((64, 32), 32612, 450)
    assert cube.read_count(store(tmp_path), Month(2021, 11)).max() == 1  # of one track, above min_valid_lin
    record = read_record(product(tmp_path, "record", "2021-11"))
    assert (str(record.level), {granule.burst.track for granule in record.granules}) == ("ARDC", {137})
    with rasterio.open(product(tmp_path, "cog", "2021-11")) as cog:
        assert (cog.block_shapes[0], cog.crs.to_epsg()) == ((128, 128), 32612)
    assert next((tmp_path / "output" / "work" / "logs" / "composite").glob("*.log")).read_text() == ""


def test_a_work_folder_serves_one_output_tree(made: Path) -> None:
    other = config(output={"base_dir": "other", "work_dir": "output/work", "disk_warn_gb": 0})
    run = run_snakemake(made, other, check=False)
    assert run.returncode != 0
    assert "output.work_dir output/work: it belongs to another output tree" in run.output


def test_granules_that_cannot_be_used_may_be_allowed_and_are_recorded(made: Path) -> None:
    """One cannot be read, and one has no second layer."""
    damaged, bare = add(made, "2022-02", day=3), add(made, "2022-02", day=27)
    add(made, "2022-02", day=15)
    whole, second = damaged.read_bytes(), bare.with_name(bare.name.replace("_VV", "_VH"))
    damaged.write_bytes(whole[:300])
    second.rename(made / "second layer")
    lenient = config(memory={"max_failed_ratio": 0.7, "batch_max_retries": 0})
    run_snakemake(made, lenient)
    record = read_record(product(made, "record", "2022-02"))
    names = [path.name.removesuffix("_VV.tif") for path in (damaged, bare)]
    assert sorted(record.missing_granules) == names
    assert "no layer VH" in [left_out.reason for left_out in record.set_aside]
    row = next(row for row in read_catalog(made / "output" / "catalog.parquet") if row["month"] == "2022-02")
    assert (sorted(row["missing_granules"]), row["granules"]) == (names, 1)
    # they are tried again by every run, until they can be used
    damaged.write_bytes(whole)
    (made / "second layer").rename(second)
    run_snakemake(made, lenient)
    record = read_record(product(made, "record", "2022-02"))
    assert (record.missing_granules, len(record.granules)) == ([], 3)
    assert settled(made, lenient)


def test_a_month_without_one_valid_pixel_is_told_to_be_empty(made: Path) -> None:
    layers = {name: np.full((40, 40), np.nan, np.float32) for name in ("VV", "VH")}
    layers["mask"] = np.zeros((40, 40), np.uint8)
    write_granule(made / "granules", layers, acquired="20220203T015854Z")
    run_snakemake(made, CONFIG)
    assert status_of_months(made)["2022-02"] == "empty"
    assert read_record(product(made, "record", "2022-02")).valid == 0
    assert settled(made)


def test_hh_hv_both_directions_and_polygon_mask(tmp_path: Path) -> None:
    layers = {"HH": np.full((40, 40), 0.2, np.float32), "HV": np.full((40, 40), 0.02, np.float32)}
    layers = {**layers, "mask": np.zeros((40, 40), np.uint8)}
    write_granule(tmp_path / "granules", layers, acquired="20211110T015854Z")
    write_granule(tmp_path / "granules", layers, acquired="20211112T135854Z", burst="T144-308009-IW2")
    # the western half of the granules' 1200 m: 399960 to 400560 m east, at 33.4 degrees north
    half = "POLYGON((-118.2 33.3, -118.0695 33.3, -118.0695 33.5, -118.2 33.5, -118.2 33.3))"
    values = config(
        roi={"flight_direction": ["ASCENDING", "DESCENDING"], "polarization": "HH+HV", "wkt": half},
        output={"base_dir": "output", "disk_warn_gb": 0, "formats": {"cog": False}},
        processing={"target_resolution": 60, "use_roi_mask": True, "post_processing": False},
    )
    run_snakemake(tmp_path, values)
    rows = [row for row in read_catalog(tmp_path / "output" / "catalog.parquet") if row["status"] == "complete"]
    assert {row["flight_direction"] for row in rows} == {"ASCENDING", "DESCENDING"}
    assert rows[0]["bands"] == ["HH_dB", "HV_dB", "Ratio", "RVI"]
    valid = np.isfinite(cube.read_month(store(tmp_path), Month(2021, 11), "HH_dB"))
    assert 0 < valid.sum() < 20 * 20
    columns = np.flatnonzero(valid.any(axis=0))
    assert (columns.min(), columns.max()) == (1666, 1675)  # of the granule's columns 1666 to 1685


def test_a_polygon_reads_only_granules_that_meet_it_with_the_same_values(tmp_path: Path) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    rng = np.random.default_rng(5)
    for left, burst in ((399960, "T137-292318-IW1"), (360000, "T137-292319-IW1")):
        for day in (5, 17):
            power = rng.gamma(4, 0.05, (2, 40, 40)).astype(np.float32)
            layers = {"VV": power[0], "VH": power[1], "mask": np.zeros((40, 40), np.uint8)}
            write_granule(whole / "granules", layers, left=left, burst=burst, acquired=f"202111{day:02d}T015854Z")
    shutil.copytree(whole / "granules", part / "granules")
    for file in (part / "granules").glob("*T137-292319-IW1*VV.tif"):
        file.write_bytes(file.read_bytes()[:900])  # its header can still be read
    plain = config(
        output={"base_dir": "output", "disk_warn_gb": 0, "formats": {"cog": False, "preview": False}},
        processing={"target_resolution": 60, "post_processing": False},
    )
    masked = {
        **plain,
        "roi": {**plain["roi"], "bbox": [-118.2, 33.3, -118.0695, 33.5]},
        "processing": {**plain["processing"], "use_roi_mask": True},
    }
    run_snakemake(whole, plain)
    preview = run_snakemake(part, masked, "-n")
    usual = re.search(r"about (\d+) granules, (\d+) for each month not searched", preview.output)
    assert int(usual[1]) == 4 * int(usual[2]) < 4 * 20
    run_snakemake(part, masked)
    assert len(read_record(product(part, "record", "2021-11")).granules) == 2
    for band in ("VV_dB", "RVI"):
        inside = cube.read_month(store(part), Month(2021, 11), band)
        valid = np.isfinite(inside)
        assert 200 <= valid.sum() < 20 * 11
        np.testing.assert_array_equal(inside[valid], cube.read_month(store(whole), Month(2021, 11), band)[valid])
    assert settled(part, masked)


def test_merging_follows_the_configuration(tmp_path: Path) -> None:
    """Three passes of two overlapping bursts each: the last burst of each pass, and the trimmed mean of the passes."""
    for day, first, last in ((3, 9.0, 0.1), (15, 9.0, 0.2), (27, 9.0, 0.6)):
        add(tmp_path, "2021-11", day=day, power=first)
        layers = {"VV": np.full((40, 40), last, np.float32), "VH": np.full((40, 40), last / 5, np.float32)}
        layers = {**layers, "mask": np.zeros((40, 40), np.uint8)}
        acquired = f"202111{day:02d}T015857Z"
        write_granule(tmp_path / "granules", layers, acquired=acquired, burst="T137-292319-IW1")
    merging = {"mosaic_strategy": "last", "composite_method": "trimmed_mean", "trim_fraction": 0.34}
    run_snakemake(tmp_path, config(processing={"target_resolution": 300, "post_processing": False, **merging}))
    vv = cube.read_month(store(tmp_path), Month(2021, 11), "VV_dB")
    assert 10 ** (np.nanmean(vv) / 10) == pytest.approx(0.2, rel=1e-5)
    assert cube.read_count(store(tmp_path), Month(2021, 11)).max() == 3


def test_full_starts_at_the_earliest_granule(tmp_path: Path) -> None:
    add(tmp_path, "2016-11")
    add(tmp_path, "2017-01")
    values = config(roi={"flight_direction": ["ASCENDING", "DESCENDING"]}) | {"time": {"full": 2017}}
    run_snakemake(tmp_path, values)
    assert list(status_of_months(tmp_path))[:3] == ["2016-11", "2016-12", "2017-01"]
    assert len(status_of_months(tmp_path)) == 14
    assert settled(tmp_path, values)


def test_polygon_selects_the_tiles(tmp_path: Path) -> None:
    add(tmp_path, "2021-11")
    inside = "POLYGON((-118.6 33.8, -118.5 33.8, -118.5 33.9, -118.6 33.9, -118.6 33.8))"
    run = run_snakemake(tmp_path, {**CONFIG, "roi": {"wkt": inside, "flight_direction": "ASCENDING"}}, "-n")
    assert f"{TILE} ASCENDING: 4 not searched yet" in run.output


def test_a_file_selects_the_tiles_and_the_preview_says_how_many_would_do(tmp_path: Path) -> None:
    box = {"type": "Polygon", "coordinates": [[[-120.3, 34.7], [-120.2, 34.7], [-120.2, 34.8], [-120.3, 34.7]]]}
    (tmp_path / "area.geojson").write_text(json.dumps({"type": "Feature", "properties": {}, "geometry": box}))
    add(tmp_path, "2021-11")
    roi = {"file": "area.geojson", "flight_direction": "ASCENDING"}
    everything = run_snakemake(tmp_path, {**CONFIG, "roi": roi}, "-n")
    tiles = set(re.findall(r"^(\w{5}) ASCENDING: 4 not searched yet", everything.output, re.MULTILINE))
    hint = re.search(r"meets (\d) tiles, and 1 would cover it \((\w{5})\): roi.cover: fewest", everything.output)
    assert len(tiles) == int(hint[1]) > 1 and hint[2] in tiles
    fewest = run_snakemake(tmp_path, {**CONFIG, "roi": {**roi, "cover": "fewest"}}, "-n")
    assert re.findall(r"^(\w{5}) ASCENDING: 4 not", fewest.output, re.MULTILINE) == [hint[2]]
    assert "would cover" not in fewest.output


ACROSS_THE_EDGE = config(
    roi={"manual_mgrs_tiles": ["01CDM"], "wkt": "POLYGON((-180 -81,-170 -81,-170 -79,-180 -79,-180 -81))"},
    processing={"use_roi_mask": True, "target_crs": 5070, "target_resolution": 60},
)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({**CONFIG, "source": {"kind": "local", "path": "nowhere"}}, "source"),
        ({**CONFIG, "tim": {}}, "did you mean 'time'"),
        ({**CONFIG, "output": {"base_dir": "s3://bucket/out"}}, "output.base_dir: folder 's3://bucket/out': a URL"),
        ({**CONFIG, "processing": {"target_resolution": 36600}}, "make a grid of 3 x 3"),
        (ACROSS_THE_EDGE, "reaches beyond what EPSG:5070 covers"),
        ({**CONFIG, "roi": {"manual_mgrs_tiles": ["11CLT"], "flight_direction": "ASCENDING"}}, "11CLT"),
    ],
)
def test_bad_input_stops_before_any_work(tmp_path: Path, values: dict[str, Any], says: str) -> None:
    add(tmp_path, "2021-11")
    run = run_snakemake(tmp_path, values, check=False)
    assert run.returncode != 0 and says in run.output
    assert "Traceback" not in run.output
    assert not (tmp_path / "output").exists() and not (tmp_path / "s3:").exists()


def test_foreign_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    add(tmp_path, "2021-11")
    group = store(tmp_path) / ".zgroup"
    group.parent.mkdir(parents=True)
    group.write_text('{"zarr_format": 2}')
    run = run_snakemake(tmp_path, CONFIG, check=False)
    assert run.returncode != 0
    assert "not a cube of this product" in run.output
    assert [path.name for path in store(tmp_path).iterdir()] == [".zgroup"]
