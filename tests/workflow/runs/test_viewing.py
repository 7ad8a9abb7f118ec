"""Composites by static layers: these are made first, and a granule whose burst has none is left out and listed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from s1monthly.audit.validation import validate
from s1monthly.catalog.document import read_document
from s1monthly.catalog.table import read_catalog
from s1monthly.cube import months as cube
from s1monthly.granule_names import parse_static_id
from s1monthly.model import Month
from s1monthly.records.month import read_record
from s1monthly.records.statics_used import static_granules
from support.granules import static_layers, write_granule, write_static
from support.runs import CATALOGS, TILE, add, config
from support.workflow import run_snakemake

NOVEMBER = Month(2021, 11)
COMBINED = f"{TILE}_COMBINED"
VIEWING = config(
    roi={"flight_direction": "COMBINED"},
    time={"start": "2021-11", "end": "2021-11"},
    memory={"max_failed_ratio": 0.5},
    processing={
        "post_processing": False,
        "composite_method": "local_resolution",
        "angle_normalisation": {"reference": 38, "exponent": 2},
        "spread": ["max"],
    },
)


def add_static(folder: Path, burst: str, area: float, angle: float) -> None:
    """Add a static granule with one area factor and one incidence angle."""
    values = {"rtc_anf_gamma0_to_beta0": area, "incidence_angle": angle}
    made = {name: np.full((40, 40), value, np.float32) for name, value in values.items()}
    write_static(folder / "granules", {**static_layers((40, 40)), **made}, burst=burst)


def test_both_directions_are_weighted_and_normalised_by_their_static_layers(tmp_path: Path) -> None:
    steep, flat, without = "T137-292312-IW3", "T071-151232-IW2", "T064-135516-IW1"
    for burst, day, power in ((steep, 10, 0.1), (without, 20, 0.9)):
        add(tmp_path, "2021-11", day=day, power=power, burst=burst)
    layers = {name: np.full((40, 40), power, np.float32) for name, power in (("VV", 0.4), ("VH", 0.08))}
    layers |= {"mask": np.zeros((40, 40), np.uint8)}
    write_granule(tmp_path / "granules", layers, burst=flat, acquired="20211114T015854Z", platform="S1C")
    add_static(tmp_path, steep, 4.0, 38.0)
    add_static(tmp_path, flat, 1.0, 60.0)
    run = run_snakemake(tmp_path, VIEWING)
    assert run.jobs == {"search": 1, "bursts": 1, "cube": 1, "static": 3, "composite": 1, "publish": 1, **CATALOGS}
    order = [job.rule for job in run.done]
    assert order.index("composite") > max(place for place, rule in enumerate(order) if rule == "static")

    folder = tmp_path / "output" / COMBINED
    store = folder / "zarr" / "S1_monthly.zarr"
    second = 0.4 * (np.cos(np.radians(38)) / np.cos(np.radians(60))) ** 2
    found, high = (cube.read_month(store, NOVEMBER, name) for name in ("VV_dB", "VV_dB_max"))
    assert np.nanmedian(found) == pytest.approx(10 * np.log10((0.1 / 4 + second) / (1 / 4 + 1)), abs=1e-4)
    assert np.nanmedian(high) == pytest.approx(10 * np.log10(second), abs=1e-4)
    assert cube.read_count(store, NOVEMBER).max() == 2

    record = read_record(folder / "months" / "2021-11.json")
    assert record.passes_by_track == {71: 1, 137: 1}
    (mixed,) = record.warnings
    log = (tmp_path / "output" / "work" / "logs" / "composite" / f"{COMBINED}_2021-11.log").read_text()
    assert mixed.endswith("are mixed: 1 of S1A and 1 of S1C") and f"WARNING {COMBINED}_2021-11: {mixed}" in log
    (lost,) = record.missing_granules
    assert without in lost and [(one.granule_id, one.reason) for one in record.set_aside] == [
        (lost, "its burst has no static granule")
    ]
    assert set(record.statics) == {"tracks"} and set(record.statics["tracks"]) == {"T071", "T137"}
    assert [parse_static_id(name).burst.track for name in static_granules(record.statics)] == [71, 137]
    document = read_document(folder / f"{COMBINED}_2021-11.json")
    assert document["properties"]["s1monthly:static_granules"] == static_granules(record.statics)
    (row,) = read_catalog(folder / "catalog.parquet")
    assert row["missing_granules"] == [lost]
    assert validate(tmp_path / "output").to_text().startswith("valid")
    assert "Nothing to be done" in run_snakemake(tmp_path, VIEWING, "-n").output
