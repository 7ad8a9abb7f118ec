"""What enters the graph of jobs: months that are not finished; and the benchmark that measures it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks import scale
from benchmarks.scale import Case, Measured, lay_down
from support.workflow import Run, run_snakemake


def looked_at(folder: Path, *arguments: str, config: dict[str, Any] | None = None) -> tuple[Run, int]:
    """Preview a tree; return what was told, and of how many months the first job was looked at."""
    values = config or yaml.safe_load((folder / "config.yaml").read_text())
    run = run_snakemake(folder, values, "-n", "--debug-dag", *arguments)
    return run, len(set(re.findall(r"^candidate job bursts\n +wildcards: (.+)$", run.output, re.MULTILINE)))


@pytest.fixture(scope="module")
def laid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scale") / "tree"
    lay_down(folder, Case(2, 3, made=True))
    return folder


@pytest.fixture
def made(laid: Path, tmp_path: Path) -> Path:
    """Two tiles of three months, all made."""
    return Path(shutil.copytree(laid, tmp_path / "tree"))


def test_finished_months_do_not_enter_the_graph(made: Path) -> None:
    run, months = looked_at(made)
    assert months == 0 and "Nothing to be done" in run.output


def test_without_notes_all_months_are_looked_at(made: Path) -> None:
    (made / scale.NOTES).unlink()
    run, months = looked_at(made)
    assert months == 6 and "Nothing to be done" in run.output


def test_a_deleted_product_brings_its_month_alone_into_the_graph(made: Path) -> None:
    next(made.glob("output/*/cog/*2015-02.tif")).unlink()
    run, months = looked_at(made)
    assert months == 1
    assert run.jobs == {"publish": 1, "tile_catalog": 1, "catalog": 1}
    assert "3 made; 1 COG to be written: 2015-02" in run.output


def test_other_params_bring_all_months_back(made: Path) -> None:
    values = yaml.safe_load((made / "config.yaml").read_text()) | {"processing": {"cog_block_size": 256}}
    run, months = looked_at(made, config=values)
    assert months == 6 and run.jobs["publish"] == 6


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [(("-R", "publish"), "publish"), (("--forceall",), "bursts"), (("--rerun-triggers", "code"), "")],
)
def test_what_is_forced_is_planned_for_finished_months_too(made: Path, arguments: tuple[str, ...], rule: str) -> None:
    run, months = looked_at(made, *arguments)
    assert months == 6
    assert not rule or run.jobs[rule] == 6


def test_a_run_notes_what_it_found_up_to_date(made: Path) -> None:
    (made / scale.NOTES).unlink()
    for path in (made / "output" / "catalog.parquet", made / "output" / "collection.json"):
        path.unlink()
    values = yaml.safe_load((made / "config.yaml").read_text())
    run_snakemake(made, values, "--touch")
    assert len(json.loads((made / scale.NOTES).read_text())) == 6
    assert looked_at(made)[1] == 0


def test_a_preview_of_very_many_months_tells_them_in_words(tmp_path: Path) -> None:
    lay_down(tmp_path / "tree", Case(9, 120))
    values = yaml.safe_load((tmp_path / "tree" / "config.yaml").read_text())
    run = run_snakemake(tmp_path / "tree", values, "-n", "--quiet", "rules", "host")
    assert "Jobs of the 1080 months to make are left out of this preview; --quiet host" in run.output
    assert "120 missing: 2015-01 ... 2024-12" in run.output
    assert not [line for line in run.output.splitlines() if line.startswith("publish ")]


def test_a_small_preview_counts_its_jobs(tmp_path: Path) -> None:
    lay_down(tmp_path / "tree", Case(1, 2))
    values = yaml.safe_load((tmp_path / "tree" / "config.yaml").read_text())
    run = run_snakemake(tmp_path / "tree", values, "-n", "--quiet", "rules", "host")
    assert next(line.split() for line in run.output.splitlines() if line.startswith("publish ")) == ["publish", "2"]


def test_the_benchmark_measures_every_command(tmp_path: Path) -> None:
    found = scale.measure(tmp_path, lambda _: None, [Case(1, 1), Case(1, 2, 2, made=True)])
    assert [(one.case.made, one.command) for one in found] == [
        (False, "preview"),
        (False, "every job"),
        (True, "preview"),
        (True, "run"),
    ]
    assert all(one.wall > 0.1 and one.cpu > 0.1 and one.peak > 50 for one in found)
    assert not (tmp_path / "scale").exists()


def test_the_benchmark_refuses_a_tree_that_is_not_what_it_should_be(tmp_path: Path) -> None:
    lay_down(tmp_path / "tree", Case(1, 2))
    with pytest.raises(RuntimeError, match="2 months told, not 3"):
        scale.run(tmp_path / "tree", Case(1, 3), "preview")


def test_the_table_fits_the_terminal_and_groups_the_commands() -> None:
    cases = scale.cases()
    assert len(cases) == 20 and {case.made for case in cases} == {True, False}
    kinds = [(case, command) for case in cases for command in ("preview", "run" if case.made else "every job")]
    lines = scale.scale_table([Measured(case, command, 999.9, 999.9, 9999.0) for case, command in kinds]).splitlines()
    assert [line.split("  ")[0] for line in lines if line.startswith(("preview", "run", "every"))] == [
        "every job, nothing made",
        "preview, nothing made",
        "preview, all made",
        "run, all made",
    ]
