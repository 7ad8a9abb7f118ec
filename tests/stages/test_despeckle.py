"""What record, Item and bands tell of the despeckling of a month."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from s1monthly.catalog.lineage import lineage
from s1monthly.kernels.bands import bands_of
from s1monthly.kernels.options import DESPECKLE_DOI
from s1monthly.kernels.speckle.despeckling import despeckle
from s1monthly.records.month import Record
from s1monthly.stages.despeckle import despeckle_month
from support.month_samples import month_record
from support.speckle import field

LEE = {"method": "lee", "window_size": 5, "looks": "auto"}


def record(how, despeckled):
    plain = month_record()
    return replace(plain, recipe={**plain.recipe, "despeckle": how}, despeckled=despeckled)


def test_looks_are_estimated_for_each_layer_and_recorded() -> None:
    planes = np.stack([field((300, 300), looks=looks) for looks in (5, 12)])
    before = planes.copy()
    told = despeckle_month(planes, ("VV", "VH"), LEE, threads=2)
    assert told == {**LEE, "looks": told["looks"], "doi": "10.1109/TPAMI.1980.4766994"}
    assert told["looks"] == {"VV": pytest.approx(5, rel=0.1), "VH": pytest.approx(12, rel=0.1)}
    for made, power, looks in zip(planes, before, told["looks"].values(), strict=True):
        np.testing.assert_array_equal(made, despeckle(power, "lee", window_size=5, looks=looks))
    month = record(LEE, told)
    assert Record.from_json(month.to_json()) == month
    assert lineage(month).endswith(
        f"despeckled with lee (doi=10.1109/TPAMI.1980.4766994, looks=VV {told['looks']['VV']},"
        f" VH {told['looks']['VH']}, window_size=5)"
    )
    descriptions = [band.description for band in bands_of(month.recipe)]
    assert descriptions[0] == (
        "gamma0 backscatter, VV; despeckled: lee, window_size 5, looks auto, doi:10.1109/TPAMI.1980.4766994"
    )
    assert all("despeckled: lee" in text for text in descriptions)


def test_a_month_without_homogeneous_areas_warns() -> None:
    told = despeckle_month([np.full((40, 40), 0.1, np.float32)], ("VH",), LEE)
    assert told is not None and told["looks"] == {"VH": 1000.0} and told["looks_unsure"] == "VH"
    month = record(LEE, told)
    assert Record.from_json(month.to_json()) == month and "looks_unsure=VH" in lineage(month)
    assert "no homogeneous area to estimate looks from in VH: " in month.warnings[0]


def test_a_month_of_tv_bregman_is_described_as_before() -> None:
    """So records, cubes and Items of existing trees keep their bytes."""
    how = {"method": "tv_bregman", "reg_param": 5.0}
    assert despeckle_month([field((40, 40))], ("VV",), how) is None
    month = record(how, None)
    assert "despeckled" not in month.to_json()
    assert bands_of(month.recipe)[0].description == "gamma0 backscatter, VV"
    corrected = how | {"bias_correction": "mean_power"}
    assert despeckle_month([field((40, 40))], ("VV",), corrected) == corrected | {"doi": DESPECKLE_DOI["tv_bregman"]}
    assert "bias_correction mean_power" in bands_of({**month.recipe, "despeckle": corrected})[0].description
