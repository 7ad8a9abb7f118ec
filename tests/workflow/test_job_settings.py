"""What jobs know of the configuration: the values of the model, carried over as plain JSON."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from s1monthly.config.root import load_config
from s1monthly.records.recipe import recipe
from s1monthly.workflow.asking import question_of
from s1monthly.workflow.job_settings import JobSettings
from s1monthly.workflow.plan import Plan
from s1monthly.workflow.wanted import layout_of

TODAY = date(2024, 3, 5)

SECTIONS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "HH+HV": {"roi": {"polarization": "HH+HV", "tracks": [7]}},
    "ARDC": {"processing": {"post_processing": False}},
    "another CRS": {"processing": {"target_crs": 3035, "target_resolution": 60}},
    "archive": {"source": {"kind": "asf"}, "download": {"max_workers": 7}},
    "simulated": {"source": {"kind": "simulated"}, "memory": {"max_failed_ratio": 0.2}},
    "all": {"time": {"full": 2023}, "output": {"overwrite": True}},
}


def plan_of(folder: Path, sections: dict[str, dict[str, Any]]) -> Plan:
    base = {
        "roi": {"manual_mgrs_tiles": ["10SGD"], "flight_direction": "ASCENDING"},
        "time": {"years": [2023], "months": [2, 3]},
        "source": {"kind": "local", "path": str(folder)},
        "output": {"base_dir": str(folder / "output")},
    }
    if "full" in sections.get("time", {}):
        base["time"] = {}
    if "source" in sections:
        base["source"] = {}
    merged = {key: {**base.get(key, {}), **sections.get(key, {})} for key in {*base, *sections}}
    return Plan.make(load_config(merged), TODAY, list, deciding=False)


@pytest.mark.parametrize("sections", SECTIONS.values(), ids=SECTIONS)
def test_they_are_those_of_the_model(tmp_path: Path, sections: dict[str, dict[str, Any]]) -> None:
    plan = plan_of(tmp_path, sections)
    config = plan.config
    job = JobSettings.read(plan.job_settings.write(tmp_path / "jobs"))
    assert job.layout == layout_of(config)
    assert job.recipe == recipe(config) and job.question == question_of(config)
    assert (job.polarization, job.level) == (config.roi.polarization, config.processing.level)
    assert (job.resolution, job.epsg) == (config.processing.target_resolution, config.processing.epsg)
    options = {**job.source_options, "polarization": job.polarization}
    assert (job.source_kind, options) == (config.source.kind, config.source_options)
    assert tuple(job.chunks) == config.processing.chunks
    assert job.month_list == list(plan.tiles[0].months) == config.time.wanted(TODAY)[0]
    assert (job.overwrite, job.from_earliest) == (config.output.overwrite, config.time.full is not None)
    assert (job.read_workers, job.max_failed_ratio) == (config.read_workers, config.memory.max_failed_ratio)
    assert job.logging == {
        "file_level": config.logging.file_level,
        "suppress_third_party": config.logging.suppress_third_party,
    }


def test_no_secret_is_among_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHDATA_TOKEN", "very-secret")
    written = Path(plan_of(tmp_path, SECTIONS["archive"]).job_settings.write(tmp_path / "jobs"))
    assert "very-secret" not in written.read_text()


def test_a_file_holds_the_settings_of_one_run_or_of_runs_alike(tmp_path: Path) -> None:
    settings = [plan_of(tmp_path, SECTIONS[name]).job_settings for name in ("ARDC", "ARDC", "HH+HV")]
    first, again, other = (Path(one.write(tmp_path / "jobs")) for one in settings)
    assert first == again != other and sorted((tmp_path / "jobs").iterdir()) == sorted([first, other])
    assert JobSettings.read(first).recipe != JobSettings.read(other).recipe
