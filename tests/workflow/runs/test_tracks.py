"""A cube for each track, and one of both directions: the real Snakefile over small granules of four tracks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import s1monthly
from s1monthly.audit.inspection import inspect, tiles_there
from s1monthly.audit.rebuilding import rebuild
from s1monthly.audit.validation import validate
from s1monthly.catalog.table import read_catalog
from s1monthly.layout import Layout
from s1monthly.model import Month
from s1monthly.mosaic.plan import find_cogs, plan_mosaics
from s1monthly.workflow.commands import DIRECTIONS
from support.granules import ORIGIN, write_granule
from support.runs import TILE, config
from support.workflow import Run, run_snakemake

MEAN = {"composite_method": "mean", "post_processing": False}
PASSES = {
    "T137-292311-IW3": [("20211110T015854Z", 0), ("20211122T015854Z", 20)],
    "T064-135515-IW1": [("20211105T015030Z", 10)],
    "T071-151226-IW2": [("20211106T135854Z", 30)],
    "T035-073228-IW3": [("20211103T020700Z", 0)],
}
"""Burst -> start, and the pixels of 300 m by which a granule of 40 x 40 of them lies to the east of the first."""

Power = NDArray[np.float64]

pytestmark = pytest.mark.xdist_group("tracks")  # two runs, made once, in one process


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run, Run]:
    """Both directions by track, then ascending passes and both directions pooled, in one output tree."""
    folder, rng = tmp_path_factory.mktemp("tracks"), np.random.default_rng(17)
    for burst, passes in PASSES.items():
        for acquired, east in passes:
            power = rng.gamma(4, 0.02, (400, 400)).astype(np.float32)
            power[:50, :50] = np.nan
            if burst.startswith("T035"):  # as real ones: only the margin of the raster meets the tile
                power[:] = np.nan
            layers = {"VV": power, "VH": power / 4, "mask": np.zeros(power.shape, np.uint8)}
            write_granule(folder / "granules", layers, burst=burst, acquired=acquired, left=ORIGIN[0] + 300 * east)
    both = {"flight_direction": ["ASCENDING", "DESCENDING"]}
    november = {"start": "2021-11", "end": "2021-12"}
    by_track = config(roi=both, time=november, processing={**MEAN, "by_track": True})
    pooled = config(roi={"flight_direction": ["ASCENDING", "COMBINED"]}, time=november, processing=MEAN)
    return folder, run_snakemake(folder, by_track), run_snakemake(folder, pooled)


def power_of(folder: Path, direction: str, track: int | None = None) -> tuple[Power, Power]:
    """Power and count of the month that has granules."""
    cube = s1monthly.open_cube(folder / "output", TILE, direction, track, chunks=None)
    assert cube.time.size == 1
    return 10 ** (cube.VV_dB[0].values.astype(np.float64) / 10), cube["count"][0].values.astype(np.float64)


def weighted_mean(*parts: tuple[Power, Power]) -> tuple[Power, Power]:
    count = np.sum([number for _, number in parts], axis=0)
    total = np.sum([np.where(number > 0, power * number, 0) for power, number in parts], axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan), count


def test_every_track_has_a_cube_and_one_search_asks_for_all_of_a_direction(runs: tuple[Path, Run, Run]) -> None:
    folder, run, _ = runs
    assert sorted(job.wildcards["direction"] for job in run.done if job.rule == "search") == ["ASCENDING", "DESCENDING"]
    made = sorted(job.wildcards["direction"] for job in run.done if job.rule == "publish")
    assert made == ["ASCENDING_T064", "ASCENDING_T137", "DESCENDING_T071"]
    rows = {
        (row["flight_direction"], row["track"], row["month"]): row
        for row in read_catalog(folder / "output/catalog.parquet")
    }
    assert {(track, row["status"], row["passes"]) for (_, track, month), row in rows.items() if month == "2021-11"} == {
        *(
            (64, "complete", 1),
            (137, "complete", 2),
            (71, "complete", 1),
        ),  # and no row of track 144, which was never acquired
        *((None, "complete", 4), (None, "complete", 5)),  # with the pass of track 35
    }
    row = rows["ASCENDING", 137, "2021-11"]
    assert row["cog_path"] == f"{TILE}_ASCENDING_T137/cog/{TILE}_S1_Monthly_ASCENDING_T137_2021-11.tif"
    assert (row["tracks"], row["count_max"]) == ([137], 2)


def test_the_pooled_mean_is_the_mean_of_the_tracks_weighted_by_their_counts(runs: tuple[Path, Run, Run]) -> None:
    folder = runs[0]
    parts = [power_of(folder, "ASCENDING", 137), power_of(folder, "ASCENDING", 64), power_of(folder, "DESC", 71)]
    assert [int(count.max()) for _, count in parts] == [2, 1, 1]
    for direction, number in (("ASCENDING", 2), ("COMBINED", 3)):
        power, count = power_of(folder, direction)
        expected, passes = weighted_mean(*parts[:number])
        np.testing.assert_array_equal(count, passes)
        assert set(np.unique(count)) == set(range(number + 2))
        np.testing.assert_allclose(power, expected, rtol=2e-6)


def test_what_is_not_of_a_track_is_set_aside_with_the_reason(runs: tuple[Path, Run, Run]) -> None:
    folder = runs[0]

    def aside(name: str) -> dict[str, str]:
        record = json.loads((folder / "output" / f"{TILE}_{name}" / "months" / "2021-11.json").read_text())
        assert record["direction"] == name
        return {one["id"][16:20]: one["reason"] for one in record["set_aside"] if not one["lost"]}

    descending, beside = "direction DESCENDING, not ASCENDING", "track 35 does not reach the tile"
    assert aside("ASCENDING_T137") == {"T035": beside, "T064": "track 64, not 137", "T071": descending}
    assert aside("ASCENDING") == {"T071": descending} and aside("COMBINED") == {}


def test_tools_mosaics_and_stac_know_tracks(runs: tuple[Path, Run, Run], tmp_path: Path) -> None:
    base = shutil.copytree(runs[0] / "output", tmp_path / "output")
    assert validate(base).problems == []
    item = json.loads((base / f"{TILE}_ASCENDING_T137" / f"{TILE}_ASCENDING_T137_2021-11.json").read_text())
    assert (item["properties"]["sat:relative_orbit"], item["collection"]) == (137, "s1-grits-monthly-ascending-t137")
    layout = Layout(str(base), str(base / "work"))
    (key,) = tiles_there(layout, directions=DIRECTIONS["ASCENDING"], tracks=[137])
    inspected = inspect(key, layout).to_json()
    assert {name: inspected[name] for name in ("direction", "track", "present", "missing")} == {
        "direction": "ASCENDING",
        "track": 137,
        "present": 1,
        "missing": 0,
    }
    cogs, _ = find_cogs(layout, Month(2021, 11), "ALL", tracks=[64, 137, 71])
    order = ["ASCENDING_T064", "ASCENDING_T137", "DESCENDING_T071"]
    assert [str(cog.key.direction) for cog in cogs] == order
    (mosaic,) = plan_mosaics(cogs, "ALL", None, tracks=[64, 137, 71])
    assert mosaic.name == f"{TILE}-{TILE}-2021-11-ALL_T064_T137_T071" and mosaic.tags["TRACK"] == "64 71 137"
    cogs, _ = find_cogs(layout, Month(2021, 11), "ALL")
    assert [str(cog.key.direction) for cog in cogs] == ["ASCENDING", "COMBINED"]
    (base / f"{TILE}_ASCENDING_T137" / "months" / "2021-11.json").unlink()
    (base / "collection_ASCENDING_T137.json").unlink()
    shutil.rmtree(base / f"{TILE}_DESCENDING_T144")
    done = rebuild(base)
    assert (done.months, done.left) == (5, []) and validate(base).problems == []
    assert (base / "collection_ASCENDING_T137.json").exists() and not (
        base / "collection_DESCENDING_T144.json"
    ).exists()


def test_a_second_run_has_nothing_to_do_and_a_late_granule_makes_its_track_again(
    runs: tuple[Path, Run, Run], tmp_path: Path
) -> None:
    folder = shutil.copytree(runs[0], tmp_path / "copy")
    by_track: dict[str, Any] = config(
        roi={"flight_direction": ["ASCENDING", "DESCENDING"]},
        time={"start": "2021-11", "end": "2021-12"},
        processing={**MEAN, "by_track": True},
    )
    assert "Nothing to be done" in run_snakemake(folder, by_track, "-n").output
    layers = {"VV": np.full((20, 20), 0.1, np.float32), "VH": np.full((20, 20), 0.02, np.float32)}
    layers = {**layers, "mask": np.zeros((20, 20), np.uint8)}
    write_granule(folder / "granules", layers, burst="T064-135515-IW1", acquired="20211117T015030Z")
    run = run_snakemake(folder, by_track)
    assert {job.wildcards["direction"] for job in run.done if job.rule == "composite"} == {"ASCENDING_T064"}
    assert f"{TILE} ASCENDING_T064: 1 made again" in run.output
