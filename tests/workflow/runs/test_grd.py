"""Whole runs over GRD products of a made-up place: every product and tool, late slices, damage and other DEMs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from s1monthly.catalog.table import read_catalog
from s1monthly.cube.static import read_static
from s1monthly.granule_names import STATIC_LAYERS
from s1monthly.model import Direction
from s1monthly.sources.grd.simulation.scene import Place
from support.grd_products import zipped
from support.workflow import run_snakemake, snakemake_command

TILE = "33TUG"
PLACE = Place(13.25, 41.95, 1.1)
CONFIG: dict[str, Any] = {
    "roi": {"manual_mgrs_tiles": [TILE], "flight_direction": "DESCENDING"},
    "time": {"start": "2024-05", "end": "2024-07"},
    "source": {"kind": "grd", "path": "products"},
    "grd": {"dem": "dem.tif", "dem_heights": "ellipsoid"},
    "output": {
        "base_dir": "output",
        "disk_warn_gb": 0,
        "formats": {"quality": True, "ceos_ard": True, "power": True, "overview": True},
    },
    "static": {"enabled": True},
    "processing": {"target_resolution": 300, "composite_method": "local_resolution"},
    "memory": {"batch_max_retries": 0},
}
FOLDER = f"output/{TILE}_DESCENDING"
EVERY = ["T022_20240503T051129Z", "T022_20240515T051129Z"]

pytestmark = pytest.mark.xdist_group("grd")  # one run, made once, in one process


def add(folder: Path, day: str, slices: int = 1, lines: int = 400) -> list[Path]:
    moment = np.datetime64(f"2024-{day}T05:11:30")
    return PLACE.write_slices(
        folder / "products", moment, Direction.DESCENDING, 22, slices=slices, lines=lines, samples=450,
        datatake=int(day.replace("-", "")),
    )  # fmt: skip


def record(folder: Path, month: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / FOLDER / "months" / f"{month}.json").read_text())
    return content


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """May with two passes, one of them of two slices; June with one; July without."""
    folder = tmp_path_factory.mktemp("grd")
    PLACE.write_dem(folder / "dem.tif")
    add(folder, "05-03", slices=2)
    add(folder, "05-15")
    zipped(*add(folder, "06-08"))
    run = run_snakemake(folder, CONFIG)
    assert run.months("publish") == ["2024-05", "2024-06"] and run.jobs["heights"] == 1
    return folder


def test_records_say_what_the_month_was_made_of(made: Path) -> None:
    may = record(made, "2024-05")
    assert [one["name"] for one in may["passes"]] == EVERY and [one["bursts"] for one in may["passes"]] == [2, 1]
    assert all(one["id"].endswith("_T022") and one["mask"] for one in may["granules"])
    assert may["recipe"]["data"] == "Sentinel-1 GRD" and set(may["recipe"]["algorithms"]) >= {"sources.grd", "masking"}
    assert set(may["recipe"]["grd"]) == {"border_noise", "dem", "dem_heights", "thermal_noise", "tropospheric_delay"}
    common = may["source"]["common"]
    assert common["source_software"] == "Sentinel-1 IPF 003.90" and common["dem"].startswith("dem.tif (")
    assert may["count"]["maximum"] == 2 and may["pixels"]["valid"] > 300


def test_the_backscatter_is_that_of_the_ground(made: Path) -> None:
    """Fields and woods; water lies in patches smaller than a pixel of 300 m."""
    with rasterio.open(made / FOLDER / "cog" / f"{TILE}_S1_Monthly_DESCENDING_2024-06.tif") as cog:
        assert cog.descriptions[:2] == ("VV_dB", "VH_dB") and cog.tags()["GRANULES"].endswith("_T022")
        vv = cog.read(1)
    low, high = np.nanpercentile(vv, [5, 95])
    assert -11.5 < low < -8 and -8.2 < high < -6.8


def test_catalogs_say_that_it_is_grd(made: Path) -> None:
    item = json.loads((made / FOLDER / f"{TILE}_DESCENDING_2024-05.json").read_text())
    lineage = item["properties"]["processing:lineage"]
    assert lineage.startswith("3 Sentinel-1 GRD granules (gamma0 power); corrected for the terrain by DEM and orbit;")
    assert "overlapping slices of a pass merged" in lineage and item["properties"]["sat:relative_orbit"] == 22
    rows = [row for row in read_catalog(made / "output" / "catalog.parquet") if row["data"]]
    assert {row["data"] for row in rows} == {"Sentinel-1 GRD"} and {tuple(row["tracks"]) for row in rows} == {(22,)}
    collection = json.loads((made / "output" / "collection.json").read_text())
    assert "Sentinel-1 GRD" in collection["description"]
    assert not any("OPERA" in str(one) for one in (item, collection["description"], collection["providers"]))
    ard = json.loads((made / FOLDER / "months" / "2024-05.ceos-ard.json").read_text())
    orbit = next(one for one in ard["requirements"] if one["id"] == "orbit")
    assert orbit["value"]["orbit_files"] == "annotated (Auxiliary)" and orbit["from"].startswith("annotation of")
    assert {one["beam"] for one in ard["acquisitions"]} == {"IW"}


def test_static_layers_are_those_of_the_first_slice(made: Path) -> None:
    """Beside the slices, which are narrow, there is no data; before and after them there is."""
    first = record(made, "2024-05")["granules"][0]["id"]
    item = json.loads((made / FOLDER / "static" / f"{TILE}_S1_Static_DESCENDING_T022.json").read_text())
    assert item["properties"]["s1monthly:static_granules"] == [first]
    for month in ("2024-05", "2024-06"):
        assert record(made, month)["statics"]["tracks"]["T022"]["granules"] == [first]
    store = made / FOLDER / "zarr" / "S1_static.zarr"
    group = json.loads((store / "T022" / "zarr.json").read_text())
    assert group["attributes"]["source"] == "Sentinel-1 GRD, DEM and orbit"
    angle, mask = (read_static(store, 22, name) for name in STATIC_LAYERS[::5])
    known = mask < 255
    assert known.any(axis=1).all() and not known.all(axis=1).any()
    assert 30 < np.nanmin(angle) < np.nanmax(angle) < 46 and np.isfinite(angle[known]).mean() > 0.9


def test_tools_find_nothing_wrong_and_nothing_is_made_again(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    assert not run_snakemake(made, CONFIG).jobs
    shutil.rmtree(made / "output" / "work")
    assert not run_snakemake(made, CONFIG).jobs, "neither heights nor granule lists are needed"
    for tool, options in (
        ("catalog_validate", "--digests"),
        ("tile_inspect", f"--tile {TILE} --configfile config.yaml"),
        ("mosaic_tiles", "--month 2024-05 --direction DESCENDING --format COG"),
    ):
        run = run_snakemake(made, CONFIG, "--jobs", "2", tool, "--config", f"options={options}")
        if tool == "catalog_validate":
            assert "valid: 2 months of 1 tile" in run.output
        if tool == "tile_inspect":
            assert "Completeness:    100.0%" in run.output


def test_a_lost_record_is_rebuilt(made: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made, tmp_path / "copy")
    path = folder / FOLDER / "months" / "2024-05.json"
    before = json.loads(path.read_text())
    path.unlink()
    run_snakemake(folder, CONFIG, "--jobs", "2", "catalog_rebuild")
    after = json.loads(path.read_text())
    assert after["digest"] == before["digest"] and after["recipe"] == before["recipe"] and after["granules"] is None


def test_a_late_slice_makes_its_month_again_and_no_other(made: Path, tmp_path: Path) -> None:
    """It is damaged at first; when it is repaired, it alone is read."""
    folder = shutil.copytree(made, tmp_path / "copy")
    before = record(folder, "2024-05")
    (product,) = add(folder, "06-20")
    (image, *_) = sorted((product / "measurement").glob("*vh*"))
    whole = image.read_bytes()
    image.write_bytes(bytes(len(whole)))
    run = run_snakemake(folder, CONFIG, check=False)
    assert run.failed == {"bursts": 1} and not run.months("composite")
    assert "1 of 2 granules cannot be read" in run.output and image.name in run.output
    image.write_bytes(whole)
    run = run_snakemake(folder, CONFIG)
    assert run.months("composite") == run.months("bursts") == ["2024-06"] and not run.jobs["heights"]
    assert not run.jobs["static"]
    assert (folder / "output/work/logs/bursts" / f"{TILE}_DESCENDING_2024-06.log").read_text().count("earlier try") == 1
    assert len(record(folder, "2024-06")["passes"]) == 2 and record(folder, "2024-05") == before


def test_another_dem_or_source_is_another_recipe(made: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made, tmp_path / "copy")
    for changed, line in (
        ({"grd": {**CONFIG["grd"], "thermal_noise": False}}, "grd.thermal_noise: true -> false"),
        ({"source": {"kind": "simulated"}}, 'data: "Sentinel-1 GRD" -> {"simulated"'),
    ):
        run = run_snakemake(folder, CONFIG | changed, "-n", check=False)
        assert run.returncode and "made with another recipe" in run.output and line in run.output
    other = Place(PLACE.longitude, PLACE.latitude, 1.05)
    other.write_dem(folder / "dem.tif")
    run = run_snakemake(folder, CONFIG, "-n", check=False)
    assert run.returncode and "grd.dem: " in run.output


def write_grid(path: Path, west: float, north: float, step: float, size: int, value: float) -> None:
    """Write a raster of equal values in longitude and latitude; the corner is that of its first node."""
    transform = rasterio.Affine(step, 0, west - step / 2, 0, -step, north + step / 2)
    profile = {"driver": "GTiff", "dtype": "float32", "count": 1, "crs": "EPSG:4326", "transform": transform}
    with rasterio.open(path, "w", height=size, width=size, **profile) as dataset:
        dataset.write(np.full((1, size, size), value, np.float32))


def test_a_forgotten_tile_of_the_dem_is_named_before_granules_are_read(tmp_path: Path) -> None:
    add(tmp_path, "05-03", lines=60)
    (tmp_path / "dem").mkdir()
    write_grid(tmp_path / "dem" / "Copernicus_DSM_COG_10_N41_00_E013_00_DEM.tif", 13, 42, 1 / 1200, 1200, 0)
    write_grid(tmp_path / "geoid.tif", 10, 45, 0.25, 25, 48)
    grd = {"dem": "dem", "geoid": "geoid.tif"}
    run = run_snakemake(tmp_path, CONFIG | {"grd": grd, "time": {"years": [2024], "months": [5]}}, check=False)
    assert run.failed == {"heights": 1} and not run.jobs["bursts"]
    assert "no tile Copernicus_DSM_COG_10_N4" in run.output and "nothing there says that it is ocean" in run.output


def test_killed_while_slices_are_read_and_run_again(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "products", tmp_path / "products")
    shutil.copy(made / "dem.tif", tmp_path)
    config = {**CONFIG, "memory": {"batch_max_retries": 0, "max_download_workers": 1}}
    with (tmp_path / "killed.txt").open("w") as output:
        process = subprocess.Popen(
            snakemake_command(tmp_path, config), cwd=tmp_path, stdout=output, stderr=output, start_new_session=True
        )
        deadline = time.monotonic() + 60
        kept = tmp_path / "output" / "work" / f"{TILE}_DESCENDING" / "kept" / "2024-05"
        while not list(kept.rglob("S1A*.json")) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert list(kept.rglob("S1A*.json")), (tmp_path / "killed.txt").read_text()
    run_snakemake(tmp_path, config, "--unlock")
    assert run_snakemake(tmp_path, config).months("publish") == ["2024-05", "2024-06"]
    for month in ("2024-05", "2024-06"):
        assert record(tmp_path, month)["digest"] == record(made, month)["digest"]
