"""Configuration files of S1-GRiTS run unchanged; what is spelled otherwise here, or not needed, is said."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from s1monthly.config.messages import every_key
from s1monthly.config.root import Config, load_config
from s1monthly.config.s1grits import NOT_NEEDED, RENAMED
from s1monthly.errors import ConfigError
from s1monthly.model import Level, Month, Polarization
from s1monthly.records.recipe import recipe

WKT = "POLYGON((113.587 30.0001,114.8881 30.0001,114.8881 30.9441,113.587 30.9441,113.587 30.0001))"
ROI: dict[str, Any] = {"manual_mgrs_tiles": ["50RKV"], "flight_direction": "ASCENDING", "polarization": "VV+VH"}
PLAIN: dict[str, Any] = {"roi": ROI, "time": {"years": [2024]}}

DOCUMENTED = f"""
roi: {{wkt: "{WKT}", flight_direction: ASCENDING, polarization: VV+VH}}
time: {{years: [2024], months: [1, 2, 3]}}
output: {{base_dir: ./output, overwrite: false, disk_warn_gb: 50, formats: {{cog: true, preview: true}}}}
parallel: {{enabled: true, max_workers: 4}}
memory: {{max_memory_gb: auto, batch_strategy: auto, max_download_workers: 2, scene_retry_timeout_seconds: 600,
         batch_max_retries: 2, max_failed_ratio: 0.0, clear_cache_per_batch: true}}
processing:
  post_processing: true
  target_crs: null
  target_resolution: 30.0
  use_roi_mask: false
  mosaic_strategy: mean
  group_mode: minute
  trim_fraction: 0.15
  on_time_conflict: skip
  min_valid_lin: 1.0e-6
  eps_lin: 1.0e-7
  zarr_chunks: {{time: 1, y: 1024, x: 1024}}
  cog_block_size: 256
  despeckle: {{monthly_despeckle: true, method: tv_bregman, kwargs: {{reg_param: 5.0}}}}
  texture_features: {{enabled: false, inputs: [VV_dB, VH_dB], metrics: [contrast, homogeneity, entropy, correlation],
    window_size: 5, distance: 1, angles: [0, 90], average_angles: true, levels: 16, vv_db_range: [-25, 5],
    vh_db_range: [-32, -5]}}
  zarr_time_fix: {{enabled: true, create_backup: true, backup_dir: null}}
logging: {{file_level: INFO, console_level: INFO, suppress_third_party: true, log_file: null}}
"""
"""Every key that the documentation of version 1.0 names, with its default."""


def with_(key: str, value: Any, plain: dict[str, Any] = PLAIN) -> dict[str, Any]:
    """Valid values and one more."""
    first, _, rest = key.partition(".")
    inner = with_(rest, value, plain.get(first) or {}) if rest else value
    return {**plain, first: inner}


def test_the_template_of_version_1_runs_unchanged(shared_data: Path) -> None:
    template = shared_data.parent / "reference" / "s1grits_1.0.6_template.yaml"
    runs_unchanged(template.read_text(encoding="utf-8"))


def test_a_file_with_every_documented_key_runs_unchanged() -> None:
    runs_unchanged(DOCUMENTED)


def runs_unchanged(text: str) -> None:
    config = load_config(yaml.safe_load(text))
    assert config.processing.level is Level.HARDCP
    assert (config.processing.chunks, config.processing.cog_block_size) == ((1024, 1024), 256)
    assert config.roi.polarization is Polarization.VV_VH
    notes = "\n".join(config.notes())
    for key in ("parallel.max_workers", "memory.batch_strategy", "processing.group_mode"):
        assert f"{key}: no effect here" in notes


SAME = {
    "processing.target_crs": ("auto", {"processing": {"target_crs": None}}),
    "roi.manual_mgrs_tiles": ([], {"roi": {**ROI, "manual_mgrs_tiles": None, "wkt": WKT}}),
    "roi.track_numbers": ([137], {"roi": {**ROI, "tracks": [137]}}),
    "roi.flight_direction": ("ascending", {}),
    "output.existing_store": ("rebuild-incompatible", {"output": {"overwrite": True}}),
    "preflight.disk.min_free_gb": (7, {"output": {"disk_warn_gb": 7}}),
    "memory.burst_cache_dir": ("cache", {"download": {"cache_dir": "cache"}}),
    "processing.spatial_despeckle": (False, {"processing": {"despeckle": {"monthly_despeckle": False}}}),
    "processing.features_glcm": (True, {"processing": {"texture_features": {"enabled": True}}}),
    "processing.monthly.composite_method": ("nanmean", {"processing": {"composite_method": "mean"}}),
    "processing.monthly.trim_fraction": (0.2, {"processing": {"trim_fraction": 0.2}}),
    "processing.monthly.generate_cog": (False, {"output": {"formats": {"cog": False}}}),
    "processing.monthly.generate_preview": (False, {"output": {"formats": {"preview": False}}}),
}
"""Key of S1-GRiTS, a value, and the same in our own spelling."""


@pytest.mark.parametrize("key", SAME)
def test_a_key_that_is_spelled_otherwise_means_the_same(key: str) -> None:
    value, ours = SAME[key]
    plain = {**PLAIN, "roi": {**ROI, "wkt": WKT}} if value == [] else PLAIN
    read, expected = load_config(with_(key, value, plain)), load_config({**PLAIN, **ours})
    assert read.model_dump() == expected.model_dump()
    assert recipe(read) == recipe(expected)


def test_every_renamed_key_is_tried_or_a_form_of_time() -> None:
    assert {key for key in RENAMED if not key.startswith("time")} <= set(SAME)
    ours = {key for key, _ in every_key(Config)}
    assert set(RENAMED.values()) <= ours
    assert not ours & (RENAMED.keys() | NOT_NEEDED.keys())


@pytest.mark.parametrize("key", [key for key in NOT_NEEDED if key != "workflow"])
def test_a_key_that_is_not_needed_is_accepted_and_named(key: str) -> None:
    read = load_config(with_(key, {"a": 1} if key in ("runtime", "metadata", "static_layers") else 1))
    assert read.model_dump() == load_config(PLAIN).model_dump()
    assert read.notes() == [f"{key}: no effect here, {NOT_NEEDED[key]}"]


@pytest.mark.parametrize(
    ("time", "months", "note"),
    [
        ({"time_range": {"mode": "full", "full_mode": {"end_year": 2015}}}, ("2014-04", "2015-12"), ""),
        ({"time_range": {"mode": "years", "years": [2015], "months": [2, 3]}}, ("2015-02", "2015-03"), ""),
        ({"time_range": {"mode": "years", "years_mode": {"years": [2015]}}}, ("2015-01", "2015-12"), ""),
        ({"time": {"years": [2016], "full": 2020}}, ("2016-01", "2016-12"), "time.full: no effect beside time.years"),
        (
            {"time_range": {"mode": "full", "years": [2016], "months": [1], "full_mode": {"end_year": 2015}}},
            ("2014-04", "2015-12"),
            "time.years: no effect beside time.full",
        ),
        ({"time": {"years": [2016]}, "time_range": {"years": [1]}}, ("2016-01", "2016-12"), "time_range: no effect"),
    ],
)
def test_one_mode_of_time_counts(time: dict[str, Any], months: tuple[str, str], note: str) -> None:
    config = load_config({"roi": ROI, **time})
    wanted, _ = config.time.wanted(date(2025, 3, 15))
    assert (wanted[0], wanted[-1]) == tuple(map(Month.parse, months))
    assert note in "\n".join(config.notes())


def test_tiles_count_beside_a_polygon_with_a_warning() -> None:
    config = load_config({**PLAIN, "roi": {**ROI, "wkt": WKT}})
    assert config.roi.manual_mgrs_tiles == ["50RKV"]
    assert any("WARNING roi: the polygon has no effect beside manual_mgrs_tiles" in line for line in config.notes())


@pytest.mark.parametrize("workflow", ["static", "scenes"])
def test_other_products_are_refused(workflow: str) -> None:
    with pytest.raises(ConfigError, match=f"workflow: {workflow}: only monthly composites"):
        load_config({**PLAIN, "workflow": workflow})


def test_scenes_with_monthly_composites_are_accepted() -> None:
    scenes = {**PLAIN, "workflow": "scenes", "processing": {"monthly": {"enabled": True, "only": True}}}
    assert load_config(scenes).model_dump() == load_config(PLAIN).model_dump()


def test_the_given_mapping_stays_as_it_is() -> None:
    given = {"roi": dict(ROI), "time_range": {"years": [2016], "mode": "years"}, "workflow": "monthly"}
    load_config(given)
    assert list(given) == ["roi", "time_range", "workflow"]


def test_a_misspelled_key_is_still_refused() -> None:
    with pytest.raises(ConfigError, match=r"reg_parm: unknown key; did you mean 'reg_param'"):
        load_config(with_("processing.despeckle.kwargs.reg_parm", 5))
