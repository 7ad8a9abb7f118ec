"""Names of granules and of their files: read and written again, or refused."""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s1monthly.errors import NameFormatError
from s1monthly.granule_names import (
    LAYER_NAMES,
    layer_file,
    parse_granule_id,
    parse_layer_file,
    parse_like_granule,
)
from s1monthly.granules import Burst, BurstGranule, Slice

REAL = "OPERA_L2_RTC-S1_T137-292318-IW1_20211119T015854Z_20250830T120333Z_S1A_30_v1.0"
MOMENTS = st.datetimes(datetime(2014, 4, 3), datetime(2099, 12, 31), timezones=st.just(UTC))


@pytest.mark.parametrize("name", ["granules_19HBD.csv.gz", "granules_22WFD.csv.gz"])
def test_real_granule_names_are_read_and_written_again(shared_data: Path, name: str) -> None:
    with gzip.open(shared_data / "cmr" / name, "rt") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) > 400
    for row in rows:
        found = parse_granule_id(row["granule"])
        assert found.id == row["granule"]
        assert str(found.burst) == row["burst"] and found.burst.track == int(row["track"])
        assert f"{found.acquired:%Y-%m-%dT%H:%M:%SZ}" == row["acquired"] and found.acquired.tzinfo is UTC
        assert str(found.month) == row["acquired"][:7]


@given(
    st.builds(
        BurstGranule,
        burst=st.builds(Burst, st.integers(1, 175), st.integers(1, 375887), st.sampled_from(["IW1", "IW2", "IW3"])),
        acquired=MOMENTS.map(lambda moment: moment.replace(microsecond=0)),
        processed=MOMENTS.map(lambda moment: moment.replace(microsecond=0)),
        platform=st.sampled_from(["S1A", "S1B", "S1C", "S1D"]),
        spacing=st.sampled_from([10, 30, 100]),
        version=st.lists(st.integers(0, 99), min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts))),
    ),
    st.sampled_from(LAYER_NAMES),
)
def test_any_granule_is_what_its_name_says(one: BurstGranule, layer: str) -> None:
    assert parse_granule_id(one.id) == one
    assert parse_layer_file(layer_file(one.id, layer)) == (one.id, layer)


NO_GRANULES = [
    *(REAL + end for end in ("_VV.tif", "_VV", " ", "\n")),
    *(REAL.replace(part, "") for part in ("_30", "v")),
    *(
        REAL.replace(*change.split(">"))
        for change in ["L2>L3", "T137->T37-", "IW1>IW4", "IW1>EW1", "S1A>S2A", "v1.0>v1."]
    ),
    *(REAL.replace(*change.split(">")) for change in ["015854Z>015854", "20211119T>2021-11-19T"]),
    *(REAL.lower(), "path/" + REAL, ""),
]


@pytest.mark.parametrize("name", NO_GRANULES)
def test_no_granule_name(name: str) -> None:
    with pytest.raises(NameFormatError) as refusal:
        parse_granule_id(name)
    assert repr(name) in refusal.value.problem


@pytest.mark.parametrize("moment", ["20210230T015854Z", "20211319T015854Z", "20211119T245854Z", "20211119T016154Z"])
@pytest.mark.parametrize("replaced", ["20211119T015854Z", "20250830T120333Z"], ids=["acquired", "processed"])
def test_a_name_with_an_impossible_time_is_refused_by_name(moment: str, replaced: str) -> None:
    name = REAL.replace(replaced, moment)
    with pytest.raises(NameFormatError) as refusal:
        parse_granule_id(name)
    assert name in refusal.value.problem


NO_LAYERS = [
    *(REAL + end for end in [".tif", ".h5", "_BROWSE.png", "_VV.tif.aux.xml", "_RH.tif", "__VV.tif", "_VV.tif.part"]),
    *(REAL + end for end in ("_VV (1).tif", "_layover_shadow.tif")),
    *(f".{REAL}_VV.tif", "VV.tif", "OPERA_L2_RTC-S1-STATIC_T137-292318-IW1_20140403_S1A_30_v1.0_mask.tif"),
]


@pytest.mark.parametrize("name", NO_LAYERS)
def test_other_files_are_no_layers(name: str) -> None:
    assert parse_layer_file(name) is None


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        (f"{REAL}_VV.TIF", "VV"),
        (f"{REAL}_VV.tiff", "VV"),
        (f"{REAL}_vh.Tiff", "VH"),
        (f"{REAL}_VV.tif".lower(), "VV"),
        (f"{REAL}_hv.tif".upper(), "HV"),
        (f"{REAL}_MASK.TIF", "mask"),
        (f"{REAL}_layover_shadow_mask.tif", "mask"),
        (f"{REAL}_layover_shadow_mask.tif".upper(), "mask"),
    ],
)
def test_case_ending_and_the_masks_older_name_do_not_matter(name: str, layer: str) -> None:
    assert parse_layer_file(name) == (REAL, layer)


@pytest.mark.parametrize(
    ("name", "granule"),
    [
        (f"{REAL}.zip", REAL),
        (f"{REAL}.h5".lower(), REAL),
        (f"{REAL}_VV.tif.part", REAL),
        (f"Copy of {REAL}_VV.tif", REAL),
        (REAL.replace("S1A", "S1E") + "_VV.tif", ""),
        ("OPERA_L2_RTC-S1_T137.tar.gz", ""),
        (f"{REAL}_BROWSE.png", None),
        (f"{REAL}.iso.xml", None),
        (f"{REAL}_VV.tif.aux.xml", None),
        ("OPERA_L2_RTC-S1-STATIC_T137-292318-IW1_20140403_S1A_30_v1.0_mask.tif", None),
        ("10SGD_S1_Monthly_ASCENDING_2021-11.tif", None),
    ],
)
def test_what_looks_like_a_granule_is_known(name: str, granule: str | None) -> None:
    assert parse_like_granule(name) == granule


SLICE = "S1A_IW_GRDH_1SDV_20210809T173953_20210809T174018_039156_049F13_6FF8"


def test_a_slice_is_what_its_name_says() -> None:
    granule = parse_granule_id(f"{SLICE}_T059")
    assert isinstance(granule, Slice)
    assert (granule.id, granule.product, granule.track, granule.beam) == (f"{SLICE}_T059", SLICE, 59, "IW")
    assert granule.acquired == datetime(2021, 8, 9, 17, 39, 53, tzinfo=UTC)
    assert granule.end == datetime(2021, 8, 9, 17, 40, 18, tzinfo=UTC)
    assert granule.in_short == "T059 2021-08-09 17:39:53 S1A datatake 049F13" and str(granule.month) == "2021-08"
    assert parse_granule_id(SLICE).track == 0, "a product whose manifest cannot be read"
    assert parse_granule_id(f"{SLICE}_COG_T059").id == f"{SLICE}_COG_T059"
    assert parse_granule_id(layer_file(granule.id, "VV").removesuffix("_VV.tif")) == granule
    for wrong in (f"{SLICE}_T59", f"{SLICE}_", SLICE.replace("IW", "XX"), SLICE[:-1]):
        with pytest.raises(NameFormatError):
            parse_granule_id(wrong)
