"""What is printed can be read at 80 columns, by machines as JSON, and its commands can be pasted in any folder."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml

import catalog_rebuild
import catalog_validate
from s1monthly.audit import report
from s1monthly.audit.repair_commands import RUN
from s1monthly.audit.report import Finding, Report
from s1monthly.audit.validation import validate
from support.audited_tree import DECEMBER, DESCENDING, NOVEMBER, edit_json
from support.granules import write_granule
from support.short_commands import short
from support.small_tree import SmallTree


def test_json_holds_the_same_as_the_text(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.path("cog", NOVEMBER).unlink()
    assert catalog_validate.main(["--json"]) == 1
    content = json.loads(capsys.readouterr().out)
    content["problems"][0]["commands"] = [short(command) for command in content["problems"][0]["commands"]]
    assert content == {
        "valid": False,
        "base_dir": "output",
        "months": 3,
        "tiles": 1,
        "problems": [
            {
                "place": str(tree.path("cog", NOVEMBER)),
                "problem": "no COG, though the month's Item names it",
                "commands": ["snakemake --cores 4 --configfile my.yaml"],
            }
        ],
        "notes": [],
    }


def test_text_is_readable_at_80_columns(tree: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.path("record", NOVEMBER).unlink()
    tree.path("cog", DESCENDING).unlink()
    edit_json(
        tree.path("item", DECEMBER), lambda item: item["properties"].update({"s1monthly:coverage": 2, "gsd": 1, "x": 1})
    )
    assert catalog_validate.main([]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= report.COLUMNS for line in lines if not line.startswith("  $ "))
    assert lines[-1] == "NOT VALID: 3 problems in 2 months of 1 tile"
    commands = [short(line) for line in lines if line.startswith("  $ ")]
    assert commands == ["  $ python scripts/catalog_rebuild.py --output-dir output"] * 2 + [
        "  $ snakemake --cores 4 --configfile my.yaml"
    ], "repairs without a run first"


def test_numbers_and_long_lines() -> None:
    text = Report("output", 1, 1, [Finding("a", "b " * 60, ("c",))]).to_text()
    assert text.splitlines()[-1] == "NOT VALID: 1 problem in 1 month of 1 tile"
    assert report.first_of(["a", "b", "c", "d", "e"]) == "a; b; c; and 2 more"
    assert report.wrap("  see " + "x" * 100) == ["  see", "  " + "x" * 100]  # a path stays whole


def test_progress_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(report, "QUIET_SECONDS", 0.0)
    progress = report.Progress("months checked", 2)
    progress.step()
    progress.step()
    assert capsys.readouterr().err == "months checked: 1 of 2\nmonths checked: 2 of 2\n"


@pytest.mark.parametrize("tool", [catalog_rebuild, catalog_validate])
def test_usage_shows_the_call(tool: object, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        tool.main(["--help"])  # type: ignore[attr-defined]
    assert capsys.readouterr().out.startswith(f"usage: python scripts/{tool.__name__}.py [-h]")  # type: ignore[attr-defined]


def test_commands_can_be_pasted_in_any_folder(tree: SmallTree, tmp_path: Path) -> None:
    tree.path("record", NOVEMBER).unlink()
    (tree.base / "results of June").mkdir()
    away = tmp_path / "somewhere else"
    away.mkdir()
    for finding in validate(tree.base).problems:
        for command in finding.commands:
            subprocess.run(command, shell=True, check=True, cwd=away, env={"PATH": "/usr/bin:/bin"})
    assert validate(tree.base).problems == []
    assert (tmp_path / "output.aside" / "results of June").is_dir()


def test_the_workflow_can_be_pasted_in_any_folder(tmp_path: Path) -> None:
    layers = dict.fromkeys(("VV", "VH"), np.full((40, 40), 0.1, np.float32))
    write_granule(tmp_path / "granules", layers, acquired="20211110T015854Z")
    config = {
        "roi": {"manual_mgrs_tiles": ["10SGD"], "flight_direction": "ASCENDING"},
        "time": {"start": "2021-11", "end": "2021-11"},
        "source": {"kind": "local", "path": str(tmp_path / "granules")},
        "output": {"base_dir": str(tmp_path / "output"), "disk_warn_gb": 0},
    }
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(config))
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(f"{RUN} --dry-run", shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "search" in done.stdout + done.stderr, done.stderr
