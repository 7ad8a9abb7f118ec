"""The operator's tools as targets of the real Snakefile, and the preview's estimate."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from s1monthly.catalog.table import read_catalog
from support.granules import write_granule
from support.workflow import Run, run_snakemake

TILE = "11SLT"
CONFIG: dict[str, Any] = {
    "roi": {"manual_mgrs_tiles": [TILE], "flight_direction": "ASCENDING"},
    "time": {"start": "2021-11", "end": "2022-01"},
    "source": {"kind": "local", "path": "granules"},
    "output": {"base_dir": "output", "disk_warn_gb": 0, "formats": {"report": True}},
    "processing": {"target_resolution": 300},
    "memory": {"batch_max_retries": 0},
}
ARCHIVE = {**CONFIG, "source": {"kind": "asf"}}
"""With this the source was never asked, and a login would be needed to make anything."""


def add(folder: Path, month: str) -> Path:
    layers = {"VV": np.full((40, 40), 0.1, np.float32), "VH": np.full((40, 40), 0.02, np.float32)}
    layers = {**layers, "mask": np.zeros((40, 40), np.uint8)}
    acquired = f"{month.replace('-', '')}10T015854Z"
    return Path(write_granule(folder / "granules", layers, acquired=acquired).layers[0].url)


pytestmark = pytest.mark.xdist_group("tools")  # one run, made once, in one process


def tool(folder: Path, name: str, options: str = "", check: bool = True, config: dict[str, Any] = CONFIG) -> Run:
    """Run a tool as a target, without any login."""
    given = ["--config", f"options={options}"] if options else []
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EARTHDATA")} | {"NETRC": "none"}
    target = ["--jobs", "2", name]  # behind an option that takes one value, since those before it take more
    return run_snakemake(folder, config, *target, *given, check=check, environment=environment)


def printed(run: Run, first: str, last: str) -> str:
    """What a tool printed, from a line to another."""
    lines = run.output.splitlines()
    return "\n".join(lines[lines.index(first) : lines.index(last) + 1])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run, Run]:
    """A month that is made, one without data, and one whose granule is damaged; the preview before, and the run."""
    folder = tmp_path_factory.mktemp("tools")
    add(folder, "2021-11")
    damaged = add(folder, "2022-01")
    damaged.write_bytes(damaged.read_bytes()[:300])
    preview = run_snakemake(folder, CONFIG, "-n")
    run = run_snakemake(folder, CONFIG, check=False)
    assert run.returncode == 1 and run.failed == {"bursts": 1}
    return folder, preview, run


def test_a_failed_run_tells_at_its_end_what_failed_why_and_where_to_look(made: tuple[Path, Run, Run]) -> None:
    folder, _, run = made
    end = run.output[run.output.index("Exiting because a job execution failed") :]
    assert run.output.count("FAILED") == end.count("FAILED bursts 11SLT ASCENDING 2022-01: ") == 1
    message, log = end[end.index("FAILED") :].split("\n  log: ")
    assert "1 of 1 granules cannot be read" in message and "_VV.tif" in message
    assert (folder / log.splitlines()[0]).read_text().count("1 of 1 granules cannot be read") == 1
    assert "catalogued: 1 month of 1 folder, 1 without data" in end and "out of step" not in end
    assert f"{TILE} ASCENDING: 1 missing: 2022-01; 1 made; 1 without granules" in end
    assert "1 of 1 granules cannot be read" in (folder / "output" / "report" / "data" / "index.js").read_text()


def test_a_failed_run_catalogues_what_it_finished_and_leaves_all_else_alone(
    made: tuple[Path, Run, Run], tmp_path: Path
) -> None:
    """A copy that somebody keeps, and a tile of which much is lost, which another run may be working on."""
    shutil.copytree(made[0], tmp_path, dirs_exist_ok=True)
    base = tmp_path / "output"
    shutil.copytree(base / f"{TILE}_ASCENDING", base / "kept_by_me")
    shutil.copytree(base / f"{TILE}_ASCENDING" / "months", base / "10SGD_ASCENDING" / "months")
    (base / "10SGD_ASCENDING" / "months" / "2021-11.json").write_text("{")
    before = bytes_of(base / "kept_by_me") | bytes_of(base / "10SGD_ASCENDING")
    add(tmp_path, "2021-12")
    run = run_snakemake(tmp_path, CONFIG, check=False)
    assert run.failed == {"bursts": 1} and run.months("publish") == ["2021-12"]
    rows = {row["month"]: row["status"] for row in read_catalog(base / "catalog.parquet")}
    assert rows == {"2021-11": "complete", "2021-12": "complete"} and "catalogued: 2 months of 1 folder" in run.output
    assert bytes_of(base / "kept_by_me") | bytes_of(base / "10SGD_ASCENDING") == before
    idle = run_snakemake(tmp_path, CONFIG, check=False)
    assert idle.failed == {"bursts": 1} and "catalogued" not in idle.output


def bytes_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_preview_tells_what_the_run_will_cost(made: tuple[Path, Run, Run]) -> None:
    folder, preview, _ = made
    line = (
        "to make in all: at most 3 months, all still to be searched, about 108 granules, 36 for each month not searched"
    )
    assert line in preview.output
    assert (
        preview.output.index("3 not searched yet") < preview.output.index(line) < preview.output.index("Building DAG")
    )
    again = run_snakemake(folder, CONFIG, "-n")
    assert "to make in all: 1 month, 1 granule; CPU time about 5 s; disk about 3.7 MB, and 8.0 MB for" in again.output


def test_catalog_inspect_and_tile_inspect(made: tuple[Path, Run, Run]) -> None:
    folder, _, _ = made
    run = tool(folder, "catalog_inspect", config=ARCHIVE)
    header = "Tile    Direction       Months  Expected  Missing  Complete  Range"
    assert printed(run, header, f"  {TILE} ASCENDING: no source data: 2021-12") == (
        f"{header}\n"
        f"{TILE}   ASCENDING            1         2        1    50.0%   2021-11 ~ 2022-01\n\n"
        f"Missing\n  {TILE} ASCENDING: failed: 2022-01\n\n"
        f"Not expected\n  {TILE} ASCENDING: no source data: 2021-12"
    )
    assert run.jobs == {"catalog_inspect": 1}
    assert (folder / "output/work/logs/tools/catalog_inspect.log").read_text().startswith(header)
    run = tool(folder, "tile_inspect", f"--tile {TILE} --direction asc --json")
    (state,) = json.loads(printed(run, "[", "]"))
    assert {month["month"]: month["state"] for month in state["months"]} == {
        "2021-11": "present",
        "2021-12": "no source data",
        "2022-01": "failed",
    }
    assert "failed in bursts" in state["months"][2]["reason"] and "T137" in state["months"][2]["reason"]


def test_report_runs_whenever_it_is_asked_for(made: tuple[Path, Run, Run]) -> None:
    for _ in range(2):
        run = tool(made[0], "report", config=ARCHIVE)
        assert run.jobs == {"report": 1} and "output/report/index.html: 1 tiles and directions, 0 of them" in run.output


def test_mosaic_tiles_runs_whenever_it_is_asked_for(made: tuple[Path, Run, Run]) -> None:
    folder, _, _ = made
    for _ in range(2):
        run = tool(
            folder, "mosaic_tiles", "--month 2021-11 --direction all --format cog --crs EPSG:3857", config=ARCHIVE
        )
        assert run.jobs == {"mosaic_tiles": 1}
    path = f"output/mosaic/{TILE}-{TILE}-2021-11-ALL-3857.tif"
    assert path in run.output
    with rasterio.open(folder / path) as mosaic:
        vv = mosaic.read(1)
    assert np.nanmedian(vv) == pytest.approx(-10, abs=1e-3)


def test_timeseries_and_change_run_as_targets(made: tuple[Path, Run, Run]) -> None:
    folder, _, _ = made
    with rasterio.open(next((folder / "output").glob("*/cog/*.tif"))) as cog:
        rows, columns = np.nonzero(np.isfinite(cog.read(1)))
        x, y = cog.xy(rows[0], columns[0])
        crs = cog.crs.to_string()
    run = tool(folder, "timeseries", f"--points={x},{y} --crs {crs} --output series.csv --figure series.png")
    assert run.jobs == {"timeseries": 1} and "series.csv: 3 rows of 1 features" in run.output
    values = next(csv.DictReader((folder / "series.csv").open()))
    assert values["month"][:7] == "2021-11" and float(values["VV_dB"]) == pytest.approx(-10, abs=1e-3)
    assert (folder / "series.png").read_bytes()[1:4] == b"PNG"
    run = tool(folder, "change", f"--tile {TILE} --direction asc", check=False)
    assert run.failed == {"change": 1} and "Traceback" not in run.output
    assert "1 complete months -> changes are sought in 24 months or more" in run.output


def test_upload_publishes_what_is_complete_after_a_failed_run(made: tuple[Path, Run, Run]) -> None:
    folder, _, _ = made
    run = tool(folder, "upload", config={**ARCHIVE, "publish": {"url": "published"}})
    assert run.jobs == {"upload": 1} and "published: 1 month of 1 folder at published" in run.output
    assert (folder / "published" / f"{TILE}_ASCENDING" / f"{TILE}_ASCENDING_2021-11.json").exists()


def test_a_failing_tool_says_why_and_touches_nothing(made: tuple[Path, Run], tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(made[0], folder)
    (folder / "output" / "catalog.parquet").unlink()
    run = tool(folder, "mosaic_tiles", "--month 2021-12 --direction ALL", check=False)
    assert run.returncode == 1 and run.failed == {"mosaic_tiles": 1}
    assert (
        "output: no COG of 2021-12 ALL (1 without source data) -> give one of the months that have COGs" in run.output
    )
    assert "Traceback" not in run.output
    assert not (folder / "output" / "catalog.parquet").exists(), (
        "the catalogs are rebuilt after failures of a run alone"
    )
    tool(folder, "catalog_rebuild")
    assert (folder / "output" / "catalog.parquet").exists()


@pytest.mark.parametrize(
    ("lost", "says"), [("zarr.json", "zarr.json is lost"), ("VV_dB/zarr.json", "lost or damaged: VV_dB/zarr.json")]
)
def test_a_damaged_cube_is_mended_by_the_target_and_stops_runs_before_any_work(
    made: tuple[Path, Run, Run], tmp_path: Path, lost: str, says: str
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(made[0], folder)
    path = folder / "output" / f"{TILE}_ASCENDING" / "zarr" / "S1_monthly.zarr" / lost
    whole = path.read_bytes()
    path.unlink()
    for targets in ([], ["catalog_rebuild", "catalog"]):
        run = run_snakemake(folder, CONFIG, "--jobs", "2", *targets, check=False)
        assert run.returncode == 1 and not (run.jobs or run.failed)
        assert says in " ".join(run.output.split()) and not path.exists()
        assert targets or "Traceback" not in run.output
    tool(folder, "catalog_rebuild")
    assert json.loads(path.read_bytes()) == json.loads(whole)


def test_options_without_a_tool_are_refused(made: tuple[Path, Run, Run]) -> None:
    run = run_snakemake(made[0], CONFIG, "-n", "--config", "options=--month 2021-11", check=False)
    assert run.returncode == 1 and "options: for a tool; name it" in run.output
