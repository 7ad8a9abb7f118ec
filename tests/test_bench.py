"""The benchmark's own arithmetic: tables, time without jobs, medians, accuracy."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import accuracy, cube_growth, kernels, recipes, report, slopes, texture, yardstick
from benchmarks.pipeline import BURSTS, MONTH, PROBE, TILE, planned_granules
from benchmarks.report import Job, Run
from s1monthly.granules import passes_of
from s1monthly.grid.lattice import tile_geobox
from s1monthly.kernels.texture import textures
from s1monthly.sources.simulated.scene import LandCover

nan = np.nan


def test_tables_are_aligned_and_as_wide_as_the_terminal_at_most() -> None:
    made = report.table(("rule", "jobs", "wall s"), [("search", 1, 0.5), (), ("all", 12, None)])
    assert made.splitlines() == [
        "rule    jobs  wall s",
        "--------------------",
        "search     1    0.50",
        "--------------------",
        "all       12       -",
    ]
    with pytest.raises(ValueError, match="80 columns"):
        report.table(("x",), [("y" * 81,)])


def test_all_tables_fit_the_terminal_whatever_the_figures() -> None:
    rules = ["search", "bursts", "cube", "composite", "publish", "tile_catalog"]
    jobs = tuple(Job(rule, 1000.0 * n, 999.99, 99.99, 9999.99, 99999.0) for n, rule in enumerate(rules))
    assert report.summary_table(report.summary([Run(99999.0, 99999.0, jobs, 999.0, 999.0, 999.0, 9999.0)]))
    timing = kernels.Timing(999.99, 9999.99)
    assert kernels.comparison_table([kernels.Comparison("cube: 4 bands, count", 2, timing, timing)])
    assert cube_growth.growth_table([cube_growth.Growth(120, *[99.999] * 4, 99999.0, 99.999)])
    scores = {name: {"rmse": 9.99, "bias": -9.99, "pixels": 1440000} for name in accuracy.ESTIMATORS}
    fields = {name: {"looks": 9999.9, "power_bias": -9.99, "border_rmse": None} for name in accuracy.ESTIMATORS}
    kinds = ["all", *(kind.name.lower() for kind in LandCover), "coast"]
    places = {place: dict.fromkeys(kinds, scores) for place in ("near", "elsewhere")}
    laid_out = accuracy.accuracy_tables({"VV": {**places, "fields": fields, "recovered": 2.9}})
    assert re.search(r"^rabasar +9\.99", laid_out, re.MULTILINE) and re.search(
        r"^rabasar +-9\.99", laid_out, re.MULTILINE
    )


# what the probe writes


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ([(12, 14), (15, 18)], (2, 1, 2)),
        ([(15, 18), (12, 16)], (2, 0, 2)),
        ([(12, 19), (13, 14), (19.5, 21)], (2, 0.5, 0)),
        ([], (0, 0, 10)),
    ],
)
def test_time_without_jobs(intervals: list[tuple[float, float]], expected: tuple[float, float, float]) -> None:
    assert report.uncovered(intervals, 10, 20) == expected


def test_a_run_is_made_of_its_processes() -> None:
    used = {"cpu": 1.5, "children_cpu": 0.25, "peak_bytes": 64 * 2**20}
    probes = [
        {"program": "snakemake/__main__.py", "started": 100.0, "ended": 108.0, **used},
        {"program": "scripts/composite.py", "started": 101.0, "ended": 103.5, "logged": 101.75, **used},
        {"program": "/workflow/scripts/cog.py", "started": 104.0, "ended": 107.0, **used},
    ]
    run = report.run_of(100.0, 8.0, 6.0, probes)
    assert run.jobs == (Job("composite", 101.0, 2.5, 0.75, 1.75, 64.0), Job("cog", 104.0, 3.0, None, 1.75, 64.0))
    assert (run.before, run.between, run.after, run.main_peak) == (1.0, 0.5, 1.0, 64.0)


def test_summary_takes_medians_and_the_largest_peak() -> None:
    def run(wall: float, cpu: float, peak: float) -> Run:
        jobs = (Job("cog", 0.0, wall / 2, 0.5, cpu / 2, peak), Job("cog", 0.0, wall / 4, 0.25, cpu / 4, 1.0))
        return Run(wall, cpu, jobs, 1.0, wall / 8, wall / 8, 50.0)

    found = report.summary([run(8.0, 40.0, 300.0), run(24.0, 20.0, 700.0), run(16.0, 80.0, 500.0)])
    assert (found["wall"], found["cpu"], found["peak"]) == (16.0, 40.0, 700.0)
    assert found["rules"]["cog"] == {"jobs": 2, "wall": 12.0, "start": 0.75, "cpu": 30.0, "peak": 700.0}
    assert found["snakemake"] == {"before": 1, "between": 2, "after": 2, "wall": 5, "cpu": 10, "peak": 50}


WORK = """
import os, time
time.sleep(0.3)
open(os.path.abspath("work/logs/work.log"), "w").close()
memory = bytearray(90 * 2**20)
until = time.process_time() + 0.3
while time.process_time() < until:
    pass
"""


def test_probe_writes_what_a_process_used(tmp_path: Path) -> None:
    (tmp_path / "work" / "logs").mkdir(parents=True)
    program = tmp_path / "work.py"
    program.write_text(WORK)
    environment = os.environ | {"PYTHONPATH": str(PROBE), "BENCH_PROBE": str(tmp_path)}
    subprocess.run([sys.executable, str(program)], cwd=tmp_path, env=environment, check=True)
    (found,) = report.read_probes(tmp_path)
    assert found["program"] == str(program) and found["cpu"] >= 0.3
    assert 90 < found["peak_bytes"] / 2**20 < 150
    assert min(found["logged"] - found["started"], found["ended"] - found["logged"]) >= 0.3


# what is measured


def test_granules_are_36_in_three_passes_and_the_window_lies_in_the_tile(tmp_path: Path) -> None:
    _, granules = planned_granules(tmp_path)
    assert [len(overflight.granules) for overflight in passes_of(granules)] == [BURSTS] * 3
    assert {granule.month for granule in granules} == {MONTH}
    assert accuracy.LEFT_OUT in {granule.burst for granule in granules}
    assert all(part.stop <= side for part, side in zip(accuracy.WINDOW, tile_geobox(TILE).shape, strict=True))


def test_timed_takes_medians_and_leaves_preparation_out() -> None:
    calls: list[str] = []
    timing = kernels.timed(lambda: calls.append("call"), 3, lambda: calls.append("prepare"))
    assert calls == ["prepare", "call"] * 3 and min(timing.wall, timing.cpu) >= 0


def test_goals_are_given_at_the_speed_of_this_machine() -> None:
    twice = yardstick.middle([yardstick.Yardstick(3.6, 9.0), yardstick.Yardstick(3.6, 90.0), yardstick.Yardstick(0, 9)])
    lines = yardstick.goals_text(twice, dict.fromkeys(yardstick.GOALS, 8.5))
    assert "2.00 times slower" in " ".join(lines[:-3]) and max(map(len, lines)) <= 80
    assert lines[-1] == "empty: 8.5 s; goal 4.0 s, at this speed 8.0 s (1.06 of it)"


# accuracy


def test_score_is_rmse_and_bias_in_decibels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accuracy, "FEWEST", 3)
    truth = np.array([[1, 2, 4, nan, 1, 1]], np.float32)
    estimate = np.array([[10, 2, 0.4, 1, nan, 5]], np.float32)  # +10, 0, -10 dB, two not valid, one outside
    where = np.array([[1, 1, 1, 1, 1, 0]], bool)
    found = accuracy.score(estimate, truth, where)
    assert found is not None and found.pixels == 3
    assert (found.rmse, found.bias) == (pytest.approx(math.sqrt(200 / 3), rel=1e-6), pytest.approx(0, abs=1e-6))
    assert accuracy.score(estimate, truth, where & (truth > 1)) is None


def test_looks_of_gamma_speckle() -> None:
    rng = np.random.default_rng(1)
    truth = rng.uniform(0.01, 1, (500, 500)).astype(np.float32)
    estimate = (truth * 2 * rng.gamma(7, 1 / 7, truth.shape)).astype(np.float32)
    number, bias = accuracy.looks(estimate, truth, truth > 0.1)
    assert (number, bias) == (pytest.approx(7, rel=0.02), pytest.approx(10 * math.log10(2), abs=0.02))
    assert accuracy.looks(estimate, truth, truth > 1) == (None, None)


def test_pixels_near_no_data_and_parts_of_fields() -> None:
    power = np.ones((20, 20), np.float32)
    power[10, 10] = nan
    expected = np.zeros((20, 20), bool)
    expected[7:14, 7:14] = True
    expected[10, 10] = False
    np.testing.assert_array_equal(accuracy.near_no_data(power), expected)
    truth = np.full((40, 60), 0.1, np.float32)
    truth[:, 30:] = 0.2  # a border of 3 dB between columns 29 and 30
    fields = np.ones_like(truth, bool)
    fields[:, 55:] = False
    inner, beside = np.zeros((2, *truth.shape), bool)
    inner[3:-3, 3:27] = inner[3:-3, 33:52] = beside[1:-1, 29:31] = True
    np.testing.assert_array_equal(accuracy.field_parts(fields, truth), (inner, beside))


def test_scikit_image_recipe_clips_and_lets_no_data_bleed() -> None:
    power = np.full((40, 40), 0.1, np.float32)
    power[:, 20:] = nan
    made = recipes.scikit_image_recipe(power)
    np.testing.assert_array_equal(np.isnan(made), np.isnan(power))
    assert made[20, 2] == pytest.approx(0.1, rel=0.02) and made[20, 19] < 0.09
    assert recipes.scikit_image_recipe(np.full((9, 9), 7, np.float32)).max() == pytest.approx(1, rel=1e-4)


def test_local_resolution_is_unbiased_on_slopes_and_nearer_to_the_truth_than_other_composites() -> None:
    found = slopes.measure(lambda text: None)
    best = found["local_resolution"]
    assert abs(best.bias) < 0.02
    assert best.rmse < 0.8 * found["mean"].rmse and best.rmse < 0.6 * found["median"].rmse
    assert "local resolution" in slopes.slopes_table(found)


def test_scikit_image_computes_the_same_textures() -> None:
    db = np.random.default_rng(0).uniform(-30, 8, (12, 15)).astype(np.float32)
    for options in texture.COMPARED:
        made = np.stack([values for _, values in textures(db, -25.0, 5.0, options)])
        np.testing.assert_allclose(texture.scikit_image(db, -25.0, 5.0, options), made, atol=1e-5)
