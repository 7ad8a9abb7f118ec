"""CMR's records read into granules: names, layers, sizes, polarizations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from s1monthly.errors import SourceError
from s1monthly.granules import Layer
from s1monthly.sources.asf.umm import read_record, record_key

NAME = "OPERA_L2_RTC-S1_T131-279916-IW1_20231202T162856Z_20231202T232622Z_S1A_30_v1.0"
HTTPS, DIRECT = "GET DATA", "GET DATA VIA DIRECT ACCESS"
HOST, BUCKET = "https://datapool.asf.alaska.edu/RTC/OPERA-S1", "s3://asf-cumulus-prod-opera-products/OPERA_L2_RTC-S1"


def link(file: str, kind: str = HTTPS, host: str = HOST) -> dict[str, str]:
    return {"URL": f"{host}/{file}", "Type": kind}


def listed(file: str, **more: Any) -> dict[str, Any]:
    return {"Name": file, "SizeInBytes": 70, "Checksum": {"Value": "0A" * 16, "Algorithm": "MD5"}} | more


def record(*links: dict[str, str], files: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    """A record with links and files."""
    return {
        "GranuleUR": NAME,
        "RelatedUrls": list(links),
        "DataGranule": {"ArchiveAndDistributionInformation": files or []},
    } | more


def layers(umm: dict[str, Any]) -> tuple[Layer, ...]:
    return read_record(umm)[0].layers


@pytest.fixture
def examples(shared_data: Path) -> list[dict[str, Any]]:
    """Two real records: RTC, RTC-STATIC."""
    loaded: list[dict[str, Any]] = json.loads((shared_data / "cmr" / "umm_g_examples.json").read_text())
    return loaded


def test_a_real_record_is_read(examples: list[dict[str, Any]]) -> None:
    granule, acquired = read_record(examples[0]["umm"])
    assert record_key(examples[0]) == ("G2810724460-ASF", NAME)
    assert granule.id == NAME and acquired == ("VV", "VH") and granule.footprint == ""
    assert {(layer.name, layer.size, layer.md5) for layer in granule.layers} == {
        ("VH", 6872077, "e9065264b4a15314b45a6c9721c8b074"),
        ("VV", 6822497, "02c8980e21be53810524ca961404a20b"),
        ("mask", 52978, "aec40e988f655cf93b8e61c2093aac37"),
    }
    for layer in granule.layers:
        assert layer.url == f"{HOST}/{NAME}_{layer.name}.tif"
        assert layer.s3_url == f"{BUCKET}/{NAME}/{NAME}_{layer.name}.tif"


def test_layers_come_by_name_as_a_folder_lists_them() -> None:
    names = ("mask", "VV", "HV", "VH", "HH")
    read = layers(record(*(link(f"{NAME}_{name}.tif") for name in names)))
    assert [layer.name for layer in read] == ["HH", "HV", "VH", "VV", "mask"] == sorted(names)


@pytest.mark.parametrize(
    "other",
    [
        link(f"{NAME}_VV.tif", host="http://datapool.asf.alaska.edu"),
        link(f"{NAME}_VV.tif", DIRECT, BUCKET),
        link(f"{NAME}_VV.tif", DIRECT),
        link(f"{NAME}_VV.tif", HTTPS, BUCKET),
        link(f"{NAME}_VV.tif", "EXTENDED METADATA"),
        link(f"{NAME}_VV.tif.md5"),
        link(f"{NAME}.h5"),
        link(f"{NAME}_BROWSE.png"),
        link(f"{NAME}_VV.tif".replace("IW1", "IW2")),
    ],
)
def test_what_is_no_layer_by_https_is_passed_over(other: dict[str, str]) -> None:
    read = layers(record(other, link(f"{NAME}_VH.tif")))
    assert read == (Layer("VH", f"{HOST}/{NAME}_VH.tif"),)


def test_the_first_link_to_a_layer_counts() -> None:
    first, second = link(f"{NAME}_VH.tif"), link(f"{NAME}_VH.tif", host="https://elsewhere.asf.alaska.edu")
    assert layers(record(first, second))[0].url == first["URL"]


@pytest.mark.parametrize(
    ("file", "size", "md5"),
    [
        (listed(f"{NAME}_VH.tif"), 70, "0a" * 16),
        (listed(f"{NAME}_VV.tif"), -1, ""),
        ({"Name": f"{NAME}_VH.tif"}, -1, ""),
        (listed(f"{NAME}_VH.tif", SizeInBytes=None, Checksum=None), -1, ""),
        (listed(f"{NAME}_VH.tif", SizeInBytes=0), -1, "0a" * 16),
        (listed(f"{NAME}_VH.tif", Checksum={"Value": "0a" * 16, "Algorithm": "Other"}), 70, ""),
        (listed(f"{NAME}_VH.tif", Checksum={"Value": "0a" * 32, "Algorithm": "MD5"}), 70, ""),
        (listed(f"{NAME}_VH.tif", Checksum={"Algorithm": "MD5"}), 70, ""),
    ],
)
def test_size_and_md5_are_those_declared_for_the_file(file: dict[str, Any], size: int, md5: str) -> None:
    (layer,) = layers(record(link(f"{NAME}_VH.tif"), files=[file]))
    assert (layer.size, layer.md5) == (size, md5)


@pytest.mark.parametrize("missing", ["RelatedUrls", "DataGranule", "AdditionalAttributes"])
@pytest.mark.parametrize("null", [True, False])
def test_what_umm_g_does_not_ask_for_may_be_missing(missing: str, null: bool) -> None:
    umm = record(link(f"{NAME}_VH.tif"), AdditionalAttributes=[{"Name": "POLARIZATION", "Values": ["VV"]}])
    if null:
        umm[missing] = None
    else:
        del umm[missing]
    granule, acquired = read_record(umm)
    assert granule.id == NAME
    assert len(granule.layers) == (missing != "RelatedUrls") and bool(acquired) == (missing != "AdditionalAttributes")


@pytest.mark.parametrize(
    ("declared", "read"),
    [
        (["VV", "VH"], ("VV", "VH")),
        (["HH+HV"], ("HH", "HV")),
        ([], ()),
        (["Unknown"], ()),
    ],
)
def test_polarizations_are_those_declared(declared: list[str], read: tuple[str, ...]) -> None:
    attributes = [{"Name": "BEAM_MODE", "Values": ["IW"]}, {"Name": "POLARIZATION", "Values": declared}]
    assert read_record(record(AdditionalAttributes=attributes))[1] == read


@pytest.mark.parametrize(
    "change",
    [
        {"GranuleUR": "OPERA_L2_RTC-S1-STATIC_T161-344054-IW2_20140403_S1B_30_v1.0"},
        {"GranuleUR": NAME.replace("S1A", "S1E")},
        {"RelatedUrls": [{"Type": HTTPS}]},
        {"DataGranule": {"ArchiveAndDistributionInformation": [{"SizeInBytes": 3}]}},
        {"DataGranule": 3},
        {"AdditionalAttributes": [{"Name": "POLARIZATION", "Values": [3]}]},
    ],
)
def test_a_record_that_cannot_be_understood_is_an_error_that_names_it(change: dict[str, Any]) -> None:
    umm = record(link(f"{NAME}_VH.tif")) | change
    with pytest.raises(SourceError) as raised:
        read_record(umm)
    assert umm["GranuleUR"] in raised.value.problem and "newer version" in raised.value.remedy


@pytest.mark.parametrize("item", [None, {}, {"meta": {}}, {"meta": {"concept-id": "G1"}, "umm": {"GranuleUR": 3}}, []])
def test_a_record_without_a_name_is_an_error(item: Any) -> None:
    with pytest.raises(SourceError, match=r"without meta\.concept-id or umm\.GranuleUR"):
        record_key(item)
