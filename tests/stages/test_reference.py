"""The temporal mean of a reference period: its values, and the granules that it was made without."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from s1monthly.errors import ProductError
from s1monthly.granule_names import layer_file
from s1monthly.granules import GranuleList, SetAside
from s1monthly.grid.lattice import GeoBox
from s1monthly.layout import Layout
from s1monthly.model import CompositeKey
from s1monthly.raster.writing import write_raster
from s1monthly.records.account import Account, write_account
from s1monthly.records.granule_list import list_digest, write_granule_list
from s1monthly.records.recipe import digest
from s1monthly.records.reference import read_reference, write_reference
from s1monthly.stages.despeckle import despeckle_month
from s1monthly.stages.reference import Mean, digest_of, mean_of_months
from support.month_samples import month_record

BOX = GeoBox(epsg=32610, resolution=30.0, left=499980.0, top=4200000.0, width=50, height=40)
ID = "OPERA_L2_RTC-S1_T137-292318-IW1_{month}{day}T015854Z_20250830T120333Z_S1A_30_v1.0"
MONTHS = ("2021-11", "2021-12")
PAIR = ("VV", "VH")
RECIPE = {
    **month_record().recipe,
    "polarization": "VV+VH",
    "despeckle": {"method": "rabasar", "reference": "2021-11 ... 2021-12", "window_size": 7, "looks": "auto"},
}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A month of one granule, and one whose other granules could not be read or have lost a layer."""
    paths = Layout(str(tmp_path / "output"), str(tmp_path / "work"))
    for number, month in enumerate(MONTHS):
        of = paths.of(CompositeKey.parse("10SGD", "ASCENDING", month))
        read, unread, lost = (ID.format(month=month.replace("-", ""), day=day) for day in ("05", "17", "29"))
        power = np.full(BOX.shape, 0.1 + 0.2 * number, np.float32)
        power[number] = np.nan
        Path(of.bursts).mkdir(parents=True)
        for layer in PAIR:
            write_raster(Path(of.bursts) / layer_file(read, layer), [power], BOX, [layer])
        aside = SetAside(lost, "no layer VH", lost=True) if number else SetAside(lost, "older version")
        listed = GranuleList(set_aside=(aside,))
        Path(of.granules).parent.mkdir(parents=True, exist_ok=True)
        write_granule_list(of.granules, listed)
        failed = {unread: "cut short"} if number else {}
        write_account(of.account, Account(failed, {}, list_digest(listed), digest(RECIPE), [read], {}))
    return paths


def keys() -> list[CompositeKey]:
    return [CompositeKey.parse("10SGD", "ASCENDING", month) for month in MONTHS]


def test_the_facts_of_a_reference_name_the_granules_that_it_lacks(layout: Layout, tmp_path: Path) -> None:
    power, facts = mean_of_months(layout, keys(), RECIPE, BOX)
    np.testing.assert_allclose(power[:, 2:], 0.2, rtol=1e-6)
    np.testing.assert_allclose(power[:, :2], np.broadcast_to([[[0.3], [0.1]]], (2, 2, 50)), rtol=1e-6)
    assert list(facts.months) == list(MONTHS) and facts.digest == digest_of(power)
    unread, lost = (ID.format(month="202112", day=day) for day in ("17", "29"))
    assert facts.missing == {"2021-12": {unread: "cut short", lost: "no layer VH"}} and facts.number_missing == 2
    write_reference(tmp_path / "reference.json", facts)
    assert read_reference(tmp_path / "reference.json", digest(RECIPE)) == facts
    with pytest.raises(ProductError, match="another recipe"):
        mean_of_months(layout, keys(), {**RECIPE, "mosaic": "last"}, BOX)


def test_records_of_months_tell_that_their_reference_lacks_granules() -> None:
    mean = np.full((1, 40, 50), 0.2, np.float32)
    for missing in (0, 2):
        told = despeckle_month([mean[0].copy()], ("VV",), RECIPE["despeckle"], 1, Mean(mean, "digest", missing))
        assert told is not None and told["reference_digest"] == "digest"
        assert told.get("reference_missing", 0) == missing
        warnings = replace(month_record(), despeckled=told).warnings
        assert any("reference was made without granules" in text for text in warnings) == bool(missing)
