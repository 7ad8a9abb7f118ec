"""The stand-in servers behave as the services they stand in for, as far as other tests do not show it."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from standin import Archive, World, standins
from standin.umm_g import umm_g_item
from support.granules import write_granule

REAL = "OPERA_L2_RTC-S1_T131-279916-IW1_20231202T162856Z_20231202T232622Z_S1A_30_v1.0"
NAME = "OPERA_L2_RTC-S1_T001-000{:03d}-IW1_202401{:02d}T000000Z_20240201T000000Z_S1A_30_v1.0"
SQUARE = "POLYGON ((10 40, 11 40, 11.1 41, 10 41, 10 40))"
ROUND_SQUARE = "9.9,39.9,11.2,39.9,11.2,41.1,9.9,41.1,9.9,39.9"
COLLECTION = {"short_name": "OPERA_L2_RTC-S1_V1"}


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """One granule with files, five by name alone: one a day from 1 January 2024."""
    archive = Archive()
    archive.add(write_granule(tmp_path / "granules"))
    for day in range(1, 6):
        archive.add_name(NAME.format(day, day), SQUARE)
    return archive


@pytest.fixture
def world(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with standins(archive) as world:
        world.enter(monkeypatch)
        yield world


@pytest.fixture
def file(archive: Archive) -> Path:
    """A layer on disk that is in the archive: VV."""
    layers = [layer for entry in archive.entries.values() for layer in entry.granule.layers]
    return next(Path(layer.url) for layer in layers if layer.url and layer.name == "VV")


def ask(world: World, after: str | None = None, **parameters: Any) -> requests.Response:
    """Ask CMR by plain POST."""
    headers = {} if after is None else {"CMR-Search-After": after}
    url = f"https://{world.hosts.cmr}/search/granules.umm_json"
    return requests.post(url, data=COLLECTION | parameters, headers=headers, timeout=5)


def names(answer: requests.Response) -> list[str]:
    return [item["umm"]["GranuleUR"] for item in answer.json()["items"]]


def pages(world: World, **parameters: Any) -> list[list[str]]:
    """Every page that has granules, as CMR's documentation says to ask for them."""
    found, after = [], None
    while (answer := ask(world, after, **parameters)).json()["items"]:
        found.append(names(answer))
        after = answer.headers["CMR-Search-After"]
    assert "CMR-Search-After" not in answer.headers
    return found


def test_a_record_says_what_the_real_one_says(shared_data: Path) -> None:
    real = json.loads((shared_data / "cmr" / "umm_g_examples.json").read_text())[0]
    points = real["umm"]["SpatialExtent"]["HorizontalSpatialDomain"]["Geometry"]["GPolygons"][0]["Boundary"]["Points"]
    footprint = ", ".join(f"{point['Longitude']} {point['Latitude']}" for point in points)
    entry = Archive().add_name(REAL, f"POLYGON (({footprint}))")
    ours, theirs = umm_g_item(entry, "https://datapool.asf.alaska.edu")["umm"], real["umm"]
    for part in ("TemporalExtent", "SpatialExtent", "CollectionReference", "GranuleUR"):
        assert ours[part] == theirs[part]
    assert all(attribute in theirs["AdditionalAttributes"] for attribute in ours["AdditionalAttributes"])
    links = [{"URL": link["URL"], "Type": link["Type"]} for link in theirs["RelatedUrls"]]
    assert all(link in links for link in ours["RelatedUrls"])
    listed = {file["Name"]: file for file in theirs["DataGranule"]["ArchiveAndDistributionInformation"]}
    for file in ours["DataGranule"]["ArchiveAndDistributionInformation"]:
        assert file.keys() == listed[file["Name"]].keys() - {"Format"}


def test_a_record_tells_size_and_md5_of_the_files_on_disk(world: World, file: Path) -> None:
    (item,) = (item for item in ask(world).json()["items"] if item["umm"]["GranuleUR"] == file.name[:-7])
    (listed,) = (
        each for each in item["umm"]["DataGranule"]["ArchiveAndDistributionInformation"] if each["Name"] == file.name
    )
    assert listed["SizeInBytes"] == file.stat().st_size
    assert listed["Checksum"] == {"Value": hashlib.md5(file.read_bytes()).hexdigest(), "Algorithm": "MD5"}
    point = item["umm"]["SpatialExtent"]["HorizontalSpatialDomain"]["Geometry"]["GPolygons"][0]["Boundary"]["Points"][0]
    assert point["Longitude"] == pytest.approx(-118.1, abs=0.1) and point["Latitude"] == pytest.approx(33.4, abs=0.1)


def test_a_footprint_across_the_antimeridian_is_written_in_parts_or_with_a_jump() -> None:
    split = "MULTIPOLYGON (((179 65, 180 65, 180 66, 179 66, 179 65)), ((-180 65, -179 65, -179 66, -180 66, -180 65)))"
    archive, longitudes = Archive(), []
    for number, jump in enumerate((False, True), start=1):
        item = umm_g_item(archive.add_name(NAME.format(number, 1), split, jump=jump), "")
        polygons = item["umm"]["SpatialExtent"]["HorizontalSpatialDomain"]["Geometry"]["GPolygons"]
        longitudes.append([{p["Longitude"] for p in polygon["Boundary"]["Points"]} for polygon in polygons])
    parts, whole = longitudes
    assert sorted(map(sorted, parts)) == [[-180, -179], [179, 180]]
    assert len(whole) == 1 and {179, -179} <= whole[0]


# searches


@pytest.mark.parametrize(
    ("temporal", "days"),
    [
        ("2024-01-02T00:00:03Z,2024-01-03T00:00:00Z", [2, 3]),  # both ends belong to it; a granule lasts 3 s
        ("2024-01-02T00:00:03.001Z,2024-01-02T23:59:59.999Z", []),
        ("2024-01-02T01:00:00+01:00,2024-01-02", [2]),
    ],
)
def test_times_are_matched_with_both_ends(world: World, temporal: str, days: list[int]) -> None:
    found = names(ask(world, **{"temporal[]": temporal}))
    assert sorted(int(name.split("_")[4][6:8]) for name in found) == days


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"short_name": "OPERA_L2_RTC-S1-STATIC_V1"}, 0),
        ({"short_name": ["OPERA_L2_RTC-S1-STATIC_V1", "opera_l2_rtc-s1_v1"]}, 6),
        ({"provider": "LPCLOUD"}, 0),
        ({"polygon[]": ROUND_SQUARE}, 5),
        ({"polygon": "178,65.2,-179,65.2,-178.9,65.8,178,65.8,178,65.2"}, 0),
    ],
)
def test_parameters_choose_granules(world: World, parameters: dict[str, Any], found: int) -> None:
    answer = ask(world, **parameters)
    assert len(names(answer)) == answer.json()["hits"] == int(answer.headers["CMR-Hits"]) == found


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"shape": "x"}, "Parameter [shape] was not recognized."),
        ({"short_name": None}, "The CMR does not allow querying across granules in all collections."),
        ({"polygon": "0,0,1,0,0,0"}, "is not a valid URL encoded polygon"),
        ({"polygon": "0,0,1,0,1,x,0,0"}, "is not a valid URL encoded polygon"),
        ({"polygon": "0,0,1,0,1,1,0,1"}, "Polygon boundary was not closed."),
        ({"polygon": "179,0,-179,1,-179,0,179,0"}, "counter-clockwise"),
        ({"polygon": "0,0,1,1,1,0,0,1,0,0"}, "intersected itself"),
        ({"polygon": "179,0,181,0,181,1,179,0"}, "Point longitude must be within -180.0 and 180.0"),
        ({"temporal": "yesterday,2024-01-01"}, "[yesterday] is not a valid datetime"),
        ({"temporal": "2024-01-02,2024-01-01"}, "must be before end_date"),
        ({"page_size": 2001}, "page_size must be a number between 0 and 2000"),
        ({"sort_key": "size"}, "The sort key [size] is not a valid field for sorting granules."),
        ({"options[polygon][and]": "true"}, "Option [and] is not supported for param [polygon]"),
    ],
)
def test_what_cmr_refuses_is_refused(world: World, parameters: dict[str, Any], error: str) -> None:
    answer = ask(world, **parameters)
    assert answer.status_code == 400 and error in answer.json()["errors"][0]


def test_pages_follow_each_other_by_the_header(world: World) -> None:
    newest_first: dict[str, Any] = {"sort_key[]": ["-end_date", "granule_ur"], "page_size": 3}
    found = pages(world, **newest_first)
    assert [len(page) for page in found] == [3, 3] and len(world.cmr.log) == 3
    acquired = [name.split("_")[4] for page in found for name in page]
    assert acquired == sorted(acquired, reverse=True) and len(set(acquired)) == 6
    first = ask(world, **newest_first)
    world.archive.add_name(NAME.format(6, 6), SQUARE)  # a granule that comes in between moves none
    second = ask(world, first.headers["CMR-Search-After"], **newest_first)
    assert [names(first), names(second)] == found and second.json()["hits"] == 7


def test_pages_can_be_wrong_in_every_way(world: World) -> None:
    cmr, right = world.cmr, pages(world, page_size=2)
    for faults, wanted in (
        ([cmr.cut_short(1)], [right[0][:1], *right[1:]]),
        ([None, cmr.first_again()], [right[0], right[0], right[2]]),
        ([None, cmr.first_again(goes_on=False)], [right[0], right[0], right[1], right[2]]),
    ):
        cmr.faults = faults
        assert pages(world, page_size=2) == wanted
    all_right = [name for page in right for name in page]
    cmr.faults = cmr.mixed(seed=1, doubled=2)
    mixed = [name for page in pages(world, page_size=3) for name in page]
    assert mixed[:6] != all_right and sorted(mixed) == sorted(all_right + right[0])
    cmr.faults = [cmr.more_hits(-3), cmr.without("items"), cmr.without("hits"), cmr.cut_short(2, header=False)]
    answers = [ask(world) for _ in range(4)]
    assert [answer.json().get("hits") for answer in answers] == [3, 6, None, 6]
    assert [len(answer.json().get("items", "none")) for answer in answers] == [6, 4, 6, 2]
    assert ["CMR-Search-After" in answer.headers for answer in answers] == [True, True, True, False]


def fetch(world: World, file: Path, **more: Any) -> requests.Response:
    """Download with the token, by a client that keeps it from the signed host."""
    headers = {"Authorization": f"Bearer {world.token}"}
    url = f"{world.earthdata.data.url}/RTC/OPERA-S1/{file.name}"
    return requests.get(url, headers=headers, **{"timeout": 5} | more)


# login and download


def test_a_token_opens_the_files_and_whoever_shows_it_to_the_signed_host_leaks(world: World, file: Path) -> None:
    earthdata = world.earthdata
    answer = fetch(world, file)
    assert answer.content == file.read_bytes() and [step.status_code for step in answer.history] == [303]
    assert answer.url.startswith(f"https://{world.hosts.signed}/asf-cumulus-prod-opera-products/OPERA_L2_RTC-S1/OPERA_")
    assert earthdata.served == {file.name: 1} and earthdata.leaks == []
    refused = requests.get(answer.url, headers={"Authorization": f"Bearer {world.token}"}, timeout=5)
    assert refused.status_code == 400 and "<Code>InvalidArgument</Code>" in refused.text
    assert earthdata.leaks == [earthdata.signed.log[-1]]
    requests.get(f"{earthdata.data.url}/x", auth=(world.account.user, world.account.password), timeout=5)
    assert earthdata.leaks == [earthdata.data.log[-1], earthdata.signed.log[-1]]
    requests.get(answer.url, cookies={"asf-urs": "mine"}, timeout=5)
    assert earthdata.leaks[-1] is earthdata.signed.log[-1] and len(earthdata.leaks) == 3
    forged = answer.url.replace("Signature=", "Signature=9")
    assert "SignatureDoesNotMatch" in requests.get(forged, timeout=5).text
    for name in ("unknown_VV.tif", NAME.format(1, 1) + "_VV.tif", file.name.replace("_VV", "_HH")):
        assert fetch(world, Path(name)).status_code == 404


def test_nothing_is_left_when_the_servers_stop(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(threading.enumerate())
    with requests.Session() as session:
        with standins(archive) as world:
            world.enter(monkeypatch)
            url = f"https://{world.hosts.cmr}/search/granules.umm_json"
            assert session.post(url, data=COLLECTION, timeout=5).ok  # its connection stays open
            assert set(threading.enumerate()) > before
        assert set(threading.enumerate()) == before and not world.folder.exists()
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=5, verify=False)


def test_a_failure_inside_a_server_fails_the_test(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError, match="a polygon with a pole in it"), standins(archive) as world:
        world.enter(monkeypatch)
        assert ask(world, polygon="0,80,120,80,-120,80,0,80").status_code == 500
