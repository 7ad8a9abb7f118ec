"""The stand-in servers behave as the services they stand in for, seen by plain clients and by asf_search."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asf_search
import boto3
import pytest
import requests
import tenacity
from asf_search.search.search_generator import get_page
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from s1monthly.grid.lattice import tile_outline
from s1monthly.model import Tile
from standin import (
    Archive,
    Hold,
    World,
    cut,
    drop,
    flip,
    login_page,
    reset,
    slow_down,
    standins,
    status,
    trickle,
    umm_g_item,
)
from support.granules import write_granule

pytestmark = pytest.mark.filterwarnings("ignore:The 'shapely.ops.transform:DeprecationWarning")  # in asf_search

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
    return next(
        file.path for entry in archive.entries.values() for file in entry.files if file.path and "_VV" in file.name
    )


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """asf_search does not wait before it asks again, and reports nothing."""
    monkeypatch.setattr(asf_search, "REPORT_ERRORS", False)
    monkeypatch.setattr(get_page.retry, "wait", tenacity.wait_none())


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


def flat(found: list[list[str]]) -> list[str]:
    return [name for page in found for name in page]


def days(answer: requests.Response) -> list[int]:
    return sorted(int(name.split("_")[4][6:8]) for name in names(answer) if "T001" in name)


# records


def shape(value: Any, path: str = "") -> set[tuple[str, str]]:
    """Every key path of a document with the type at its end; list positions left out."""
    if isinstance(value, dict):
        return set().union(*(shape(content, f"{path}/{key}") for key, content in value.items()))
    if isinstance(value, list):
        return set().union(*(shape(content, f"{path}[]") for content in value))
    return {(path, type(value).__name__)}


def test_a_record_has_the_form_of_the_real_one(shared_data: Path) -> None:
    real = json.loads((shared_data / "cmr" / "umm_g_examples.json").read_text())[0]
    points = real["umm"]["SpatialExtent"]["HorizontalSpatialDomain"]["Geometry"]["GPolygons"][0]["Boundary"]["Points"]
    footprint = ", ".join(f"{point['Longitude']} {point['Latitude']}" for point in points)
    entry = Archive().add_name(REAL, f"POLYGON (({footprint}))")
    ours = umm_g_item(entry, "https://datapool.asf.alaska.edu", "https://cumulus.asf.alaska.edu/s3credentials")
    assert shape(ours) - shape(real) == {("/meta/collection-concept-id", "str")}
    assert shape(real) - shape(ours) == set()
    assert list(ours["umm"]) == list(real["umm"])
    for part in ("RelatedUrls", "AdditionalAttributes"):
        mine, theirs = ({json.dumps(link, sort_keys=True) for link in item["umm"][part]} for item in (ours, real))
        assert all("GROUP_ID" in link for link in mine ^ theirs)
    for part in ("TemporalExtent", "SpatialExtent", "CollectionReference", "Platforms", "GranuleUR"):
        assert ours["umm"][part] == real["umm"][part]


def test_a_record_tells_size_and_md5_of_the_files_on_disk(world: World, file: Path) -> None:
    (item,) = ask(world, granule_ur=file.name[:-7]).json()["items"]
    listed = {f["Name"]: f for f in item["umm"]["DataGranule"]["ArchiveAndDistributionInformation"]}
    told = {"Value": hashlib.md5(file.read_bytes()).hexdigest(), "Algorithm": "MD5"}
    assert listed[file.name]["SizeInBytes"] == file.stat().st_size and listed[file.name]["Checksum"] == told
    assert {name.rsplit("v1.0", 1)[1] for name in listed} == {".h5", "_VV.tif", "_VH.tif", ".iso.xml"}
    point = item["umm"]["SpatialExtent"]["HorizontalSpatialDomain"]["Geometry"]["GPolygons"][0]["Boundary"]["Points"][0]
    assert point["Longitude"] == pytest.approx(-118.1, abs=0.1) and point["Latitude"] == pytest.approx(33.4, abs=0.1)


def test_a_footprint_across_the_antimeridian_is_written_in_parts_or_with_a_jump() -> None:
    split = "MULTIPOLYGON (((179 65, 180 65, 180 66, 179 66, 179 65)), ((-180 65, -179 65, -179 66, -180 66, -180 65)))"
    archive, longitudes = Archive(), []
    for number, jump in enumerate((False, True), start=1):
        item = umm_g_item(archive.add_name(NAME.format(number, 1), split, jump=jump), "", "")
        polygons = item["umm"]["SpatialExtent"]["HorizontalSpatialDomain"]["Geometry"]["GPolygons"]
        longitudes.append([{p["Longitude"] for p in polygon["Boundary"]["Points"]} for polygon in polygons])
    parts, whole = longitudes
    assert sorted(map(sorted, parts)) == [[-180, -179], [179, 180]]
    assert len(whole) == 1 and {179, -179} <= whole[0]


# searches


def test_asf_search_finds_every_granule_of_a_real_tile(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch, patient: None
) -> None:
    table = shared_data / "cmr" / "granules_19HBD.csv.gz"
    with gzip.open(table, "rt") as rows:
        acquired = {row["granule"]: row["acquired"] for row in csv.DictReader(rows)}
    archive = Archive()
    archive.add_list(table)
    archive.add_name(NAME.format(1, 1), SQUARE)  # elsewhere
    with standins(archive) as world:
        world.enter(monkeypatch)
        options: dict[str, Any] = {"host": world.hosts.cmr, "shortName": list(COLLECTION.values())}
        options["intersectsWith"] = tile_outline(Tile("19HBD")).wkt
        found = asf_search.search(opts=asf_search.ASFSearchOptions(**options))
        assert found.searchComplete and len(found) == 666
        assert {product.properties["sceneName"] for product in found} == set(acquired)
        assert [request.headers.get("CMR-Search-After") is None for request in world.cmr.log] == [True, False, False]
        options |= {"start": "2024-02-01", "end": "2024-02-29T23:59:59"}
        february = asf_search.search(opts=asf_search.ASFSearchOptions(**options))
        wanted = {name for name, when in acquired.items() if when.startswith("2024-02")}
        assert {product.properties["sceneName"] for product in february} == wanted and 50 < len(wanted) < 250


def test_a_search_across_the_antimeridian_finds_both_sides_and_nothing_else(world: World, patient: None) -> None:
    sides = {NAME.format(900 + i, 9): f"{x}" for i, x in enumerate((178.5, -179.5, 0, 170, -170))}
    for name, x in sides.items():
        west, east = float(x), float(x) + 0.4
        world.archive.add_name(name, f"POLYGON (({west} 65, {east} 65, {east} 66, {west} 66, {west} 65))")
    near = set(list(sides)[:2])
    polygon = "178,65.2,-179,65.2,-178.9,65.8,178,65.8,178,65.2"
    assert set(names(ask(world, polygon=polygon))) == set(names(ask(world, **{"polygon[]": polygon}))) == near
    assert set(names(ask(world, bounding_box="178,65,-179,66"))) == near
    assert names(ask(world, point="-179.3,65.5")) == [list(sides)[1]]
    options = {"host": world.hosts.cmr, "shortName": list(COLLECTION.values())}
    options["intersectsWith"] = "POLYGON ((178 65.2, 181 65.2, 181.1 65.8, 178 65.8, 178 65.2))"
    found = asf_search.search(opts=asf_search.ASFSearchOptions(**options))
    assert {product.properties["sceneName"] for product in found} == near


@pytest.mark.parametrize(
    ("temporal", "wanted"),
    [
        ("2024-01-02T00:00:00Z,2024-01-03T00:00:00Z", [2, 3]),
        ("2024-01-02T00:00:03Z,2024-01-03T00:00:00Z,", [2, 3]),  # both ends belong to it; a granule lasts 3 s
        ("2024-01-02T00:00:03.001Z,2024-01-02T23:59:59.999Z", []),
        ("2024-01-04T00:00:00.000Z,", [4, 5]),
        (",2024-01-01T00:00:00", [1]),
        ("2024-01-02T01:00:00+01:00,2024-01-02", [2]),
    ],
)
def test_times_are_matched_with_both_ends(world: World, temporal: str, wanted: list[int]) -> None:
    assert days(ask(world, temporal=temporal)) == days(ask(world, **{"temporal[]": temporal})) == wanted


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"short_name": "OPERA_L2_RTC-S1-STATIC_V1"}, 0),
        ({"short_name": ["OPERA_L2_RTC-S1-STATIC_V1", "opera_l2_rtc-s1_v1"]}, 6),
        ({"provider": "ASF", "echo_collection_id[]": "C2777436413-ASF"}, 6),
        ({"provider": "LPCLOUD"}, 0),
        ({"attribute[]": ["string,POLARIZATION,VV", "string,POLARIZATION,VH"]}, 6),
        ({"attribute[]": ["string,POLARIZATION,VV", "string,POLARIZATION,HH"]}, 0),
        ({"attribute[]": ["string,POLARIZATION,VV", "string,POLARIZATION,HH"], "options[attribute][or]": "true"}, 6),
        ({"attribute[]": "string,OPERA_BURST_ID,T137_292318_IW1"}, 1),
        ({"attribute[]": "int,PATH_NUMBER,100,140"}, 1),
        ({"polygon": ROUND_SQUARE}, 5),
        ({"polygon[]": [ROUND_SQUARE, "0,0,1,0,1,1,0,0"]}, 0),
        ({"polygon[]": [ROUND_SQUARE, "0,0,1,0,1,1,0,0"], "options[polygon][or]": "true"}, 5),
        ({"bounding_box": "11.05,40.9,12,42"}, 5),
        ({"bounding_box": "11.2,39,12,42"}, 0),
        ({"point": "10.5,40.5"}, 5),
        ({"platform[]": "SENTINEL-1A", "options[platform][ignore_case]": "true"}, 6),
        ({"readable_granule_name[]": "*T001*", "options[readable_granule_name][pattern]": "true"}, 5),
        ({"updated_since": "2024-02-01T00:45:01Z"}, 1),
    ],
)
def test_parameters_choose_granules(world: World, parameters: dict[str, Any], found: int) -> None:
    answer = ask(world, **parameters)
    assert answer.status_code == 200
    assert len(names(answer)) == answer.json()["hits"] == int(answer.headers["CMR-Hits"]) == found


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"shape": "x"}, "Parameter [shape] was not recognized."),
        ({"short_name": None}, "The CMR does not allow querying across granules in all collections."),
        ({"polygon": "0,0,1,0,0,0"}, "is not a valid URL encoded polygon"),
        ({"polygon": "0,0,1,0,1,x,0,0"}, "is not a valid URL encoded polygon"),
        ({"polygon": "0,0,1,0,1,1,0,1"}, "Polygon boundary was not closed."),
        ({"polygon": "0,0,1,1,1,0,0,0"}, "counter-clockwise"),
        ({"polygon": "179,0,-179,1,-179,0,179,0"}, "counter-clockwise"),
        ({"polygon": "0,0,1,1,1,0,0,1,0,0"}, "intersected itself"),
        ({"polygon": "179,0,181,0,181,1,179,0"}, "Point longitude [181] must be within -180.0 and 180.0"),
        ({"bounding_box": "0,1,1,0"}, "was less than the south value"),
        ({"temporal": "yesterday,2024-01-01"}, "[yesterday] is not a valid datetime"),
        ({"temporal": "2024-01-02,2024-01-01"}, "must be before end_date"),
        ({"attribute": "POLARIZATION"}, "is not a valid attribute"),
        ({"page_size": 2001}, "page_size must be a number between 0 and 2000"),
        ({"sort_key": "size"}, "The sort key [size] is not a valid field for sorting granules."),
        ({"options[polygon][and]": "true"}, "Option [and] is not supported for param [polygon]"),
    ],
)
def test_what_cmr_refuses_is_refused(world: World, parameters: dict[str, Any], error: str) -> None:
    answer = ask(world, **parameters)
    assert answer.status_code == 400 and any(error in told for told in answer.json()["errors"])


def test_pages_follow_each_other_by_the_header(world: World) -> None:
    newest_first: dict[str, Any] = {"sort_key[]": ["-end_date", "granule_ur"]}
    found = pages(world, page_size=2, **newest_first)
    assert [len(page) for page in found] == [2, 2, 2] and len(world.cmr.log) == 4
    acquired = [name.split("_")[4] for page in found for name in page]
    assert acquired == sorted(acquired, reverse=True) and len(set(acquired)) == 6
    url = f"https://{world.hosts.cmr}/search/granules.umm_json"
    assert names(requests.get(url, params=COLLECTION | newest_first, timeout=5)) == flat(found)
    assert [ask(world, token).status_code for token in ("nonsense", "[1]", '{"a": 1}')] == [400, 400, 400]


def test_a_granule_that_comes_in_between_pages_moves_none(world: World) -> None:
    newest_first: dict[str, Any] = {"sort_key[]": "-end_date", "page_size": 3}
    first = ask(world, **newest_first)
    world.archive.add_name(NAME.format(6, 6), SQUARE)
    second = ask(world, first.headers["CMR-Search-After"], **newest_first)
    assert len({*names(first), *names(second)}) == 6 and second.json()["hits"] == 7


def test_pages_can_be_wrong_in_every_way(world: World) -> None:
    cmr, right = world.cmr, pages(world, page_size=2)
    for faults, wanted in (
        ([cmr.cut_short(1)], [right[0][:1], *right[1:]]),
        (
            [cmr.cut_short(1, lost=False)],
            [right[0][:1], [right[0][1], right[1][0]], [right[1][1], right[2][0]], right[2][1:]],
        ),
        ([None, cmr.first_again()], [right[0], right[0], right[2]]),
        ([None, cmr.first_again(goes_on=False)], [right[0], right[0], right[1], right[2]]),
    ):
        cmr.faults = faults
        assert pages(world, page_size=2) == wanted
    cmr.faults = cmr.mixed(seed=1)
    mixed = flat(pages(world, page_size=2))
    assert mixed != flat(right) and sorted(mixed) == sorted(flat(right))
    cmr.faults = cmr.mixed(seed=1, doubled=2)
    assert sorted(flat(pages(world, page_size=3))) == sorted(flat(right) + right[0])
    cmr.faults = [cmr.mixed(seed=1, doubled=2), cmr.more_hits(-3), cmr.without("items"), cmr.without("hits")]
    assert [ask(world).json().get("hits") for _ in range(4)] == [8, 3, 6, None]
    cmr.faults = [
        cmr.without("items"),
        cmr.cut_short(0),
        cmr.cut_short(2, header=False),
        cmr.cut_short(2, timed_out=True),
    ]
    answers = [ask(world) for _ in range(4)]
    assert [len(answer.json().get("items", "none")) for answer in answers] == [4, 0, 2, 2]
    assert ["CMR-Search-After" in answer.headers for answer in answers] == [True, True, False, True]
    assert answers[3].headers["CMR-Timed-Out"] == "true"


def test_the_largest_page_can_be_set_on_either_side(
    world: World, patient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = asf_search.ASFSearchOptions(host=world.hosts.cmr, shortName=list(COLLECTION.values()))
    monkeypatch.setattr("asf_search.CMR.translate.CMR_PAGE_SIZE", 4)
    assert len(asf_search.search(opts=options)) == 6 and len(world.cmr.log) == 2
    world.cmr.page_size = 2
    assert len(asf_search.search(opts=options)) == 6 and len(world.cmr.log) == 5


def test_asf_search_meets_the_faults(world: World, patient: None) -> None:
    def search() -> Any:
        return asf_search.search(
            opts=asf_search.ASFSearchOptions(host=world.hosts.cmr, shortName=["OPERA_L2_RTC-S1_V1"])
        )

    world.cmr.faults = [status(503), status(503)]
    assert search().searchComplete and len(world.cmr.log) == 3
    world.cmr.faults = [world.cmr.cut_short(4, header=False)]
    found = search()
    assert len(found) == 4 and not found.searchComplete
    world.cmr.faults = status(503)
    with pytest.raises(asf_search.ASFSearch5xxError):
        search()


# things that go wrong on any server


def fetch(world: World, file: Path, **more: Any) -> requests.Response:
    """Download with the token, by a client that keeps it from the signed host."""
    headers = {"Authorization": f"Bearer {world.token}"}
    url = f"{world.earthdata.data.url}/RTC/OPERA-S1/{file.name}"
    return requests.get(url, headers=headers, **{"timeout": 5} | more)


def test_bodies_come_damaged(world: World, file: Path) -> None:
    content, signed = file.read_bytes(), world.earthdata.signed
    signed.faults = [cut(0.25, told=True), flip(), login_page(), trickle(0.1), cut(), reset(), drop(), trickle(160)]
    assert fetch(world, file).content == content[: len(content) // 4]
    flipped = fetch(world, file).content
    assert len(flipped) == len(content) and sum(a != b for a, b in zip(flipped, content, strict=True)) == 1
    assert b"Earthdata Login" in fetch(world, file).content
    assert fetch(world, file).content == content
    for _ in range(3):
        with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
            fetch(world, file)
    assert [request.status for request in signed.log[-3:]] == [200, 200, 0]
    slow = fetch(world, file, stream=True, timeout=(5, 0.5))
    assert slow.ok and slow.raw.read(10) == content[:10]
    with pytest.raises(requests.ConnectionError, match="timed out"):
        assert not slow.content
    assert fetch(world, file).content == content


def test_errors_are_answered_as_told(world: World, file: Path) -> None:
    data = world.earthdata.data
    data.faults_at["_VV.tif"] = [status(429, retry_after=7), status(500, html=True)]
    data.faults = status(503)
    told = [fetch(world, file) for _ in range(3)]
    assert [answer.status_code for answer in told] == [429, 500, 503]
    assert told[0].headers["Retry-After"] == "7" and told[0].json()["errors"]
    assert told[1].headers["Content-Type"].startswith("text/html") and told[1].text.startswith("<html>")
    assert [request.status for request in data.log] == [429, 500, 503]
    assert fetch(world, file.with_name(file.name.replace("_VV", "_VH"))).status_code == 503
    data.faults = []
    assert fetch(world, file).ok


def test_an_answer_is_held_until_it_is_released(world: World) -> None:
    held = Hold()
    world.cmr.faults = held
    with pytest.raises(requests.ReadTimeout):
        requests.post(f"https://{world.hosts.cmr}/search/granules.umm_json", data=COLLECTION, timeout=(5, 0.5))
    assert len(world.cmr.log) == 1
    held.release()
    assert len(names(ask(world))) == 6
    world.cmr.faults = Hold(seconds=0.01)
    assert len(names(ask(world))) == 6
    world.cmr.faults = Hold()  # and is let go where the servers stop
    with pytest.raises(requests.ReadTimeout):
        requests.post(f"https://{world.hosts.cmr}/search/granules.umm_json", data=COLLECTION, timeout=(5, 0.5))


# login and download


def test_a_token_opens_the_files_and_does_not_reach_the_signed_host(world: World, file: Path) -> None:
    answer = fetch(world, file)
    assert answer.content == file.read_bytes()
    assert [step.status_code for step in answer.history] == [303]
    assert answer.url.startswith(f"https://{world.hosts.signed}/asf-cumulus-prod-opera-products/OPERA_L2_RTC-S1/OPERA_")
    assert answer.headers["Content-Type"] == "image/tiff" and answer.history[0].cookies["asf-urs"]
    assert answer.headers["ETag"] == f'"{hashlib.md5(answer.content).hexdigest()}"'
    part = requests.get(answer.url, headers={"Range": "bytes=10-19"}, timeout=5)
    assert part.status_code == 206 and part.content == answer.content[10:20]
    head = requests.head(answer.url, timeout=5)
    assert not head.content and int(head.headers["Content-Length"]) == len(answer.content)
    assert world.earthdata.served == {file.name: 2} and world.earthdata.leaks == []


def test_a_client_that_sends_its_token_on_is_refused_and_told_of(world: World, file: Path) -> None:
    headers = {"Authorization": f"Bearer {world.token}"}
    link = fetch(world, file, allow_redirects=False).headers["Location"]
    answer = requests.get(link, headers=headers, timeout=5)
    assert answer.status_code == 400 and "<Code>InvalidArgument</Code>" in answer.text
    assert world.earthdata.leaks == [world.earthdata.signed.log[-1]]
    requests.get(f"{world.earthdata.data.url}/x", auth=(world.user, world.password), timeout=5)
    assert world.earthdata.leaks == [world.earthdata.data.log[-1], world.earthdata.signed.log[-1]]
    requests.get(link, cookies={"asf-urs": "mine"}, timeout=5)
    assert world.earthdata.leaks[-1] is world.earthdata.signed.log[-1] and len(world.earthdata.leaks) == 3


def test_user_and_password_open_a_session(world: World, file: Path) -> None:
    session, url = requests.Session(), f"{world.earthdata.data.url}/RTC/OPERA-S1/{file.name}"
    to_login = session.get(url, allow_redirects=False, timeout=5)
    assert to_login.status_code == 302
    assert to_login.headers["Location"].startswith(f"https://{world.hosts.login}/oauth/authorize?client_id=")
    assert session.get(url, timeout=5).status_code == 401
    back = session.get(
        to_login.headers["Location"], auth=(world.user, world.password), allow_redirects=False, timeout=5
    )
    assert back.status_code == 302
    assert back.headers["Location"].startswith(f"https://{world.hosts.distribution}/login?code=")
    answer = session.get(back.headers["Location"], timeout=5)
    assert answer.content == file.read_bytes() and [step.status_code for step in answer.history] == [302, 303]
    assert session.get(back.headers["Location"], timeout=5).status_code == 400  # a code is good once
    world.earthdata.login.log.clear()
    assert session.get(url, timeout=5).content == file.read_bytes() and not world.earthdata.login.log
    world.account.sessions.clear()
    assert session.get(url, timeout=5).status_code == 401


@pytest.mark.parametrize(("password", "code"), [(None, 200), ("wrong", 401)])
def test_a_netrc_file_logs_in_by_itself(
    world: World, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str | None, code: int
) -> None:
    monkeypatch.setenv("NETRC", str(world.write_netrc(tmp_path / "netrc", password)))
    answer = requests.get(f"{world.earthdata.data.url}/RTC/OPERA-S1/{file.name}", timeout=5)
    assert answer.status_code == code and (answer.content == file.read_bytes()) == (code == 200)
    assert not world.earthdata.signed.log or not world.earthdata.signed.log[-1].authorization[0]


def test_asf_search_logs_in_and_downloads(world: World, file: Path, tmp_path: Path) -> None:
    for name, arguments in {"creds": (world.user, world.password), "token": (world.token,)}.items():
        hosts = {"edl_host": world.hosts.login, "asf_auth_host": world.hosts.distribution}
        session = asf_search.ASFSession(**hosts, auth_domains=list(world.hosts.trusted))
        getattr(session, f"auth_with_{name}")(*arguments)
        url = f"{world.earthdata.data.url}/RTC/OPERA-S1/{file.name}"
        asf_search.download_url(url, path=str(tmp_path), filename=name, session=session)
        assert (tmp_path / name).read_bytes() == file.read_bytes()
    # with a password, asf_search trusts the distribution host as much as the login
    assert [(leak.path, leak.authorization[0]) for leak in world.earthdata.leaks] == [("/login", "basic")]


def test_the_login_refuses_as_the_real_one(world: World, file: Path) -> None:
    earthdata, url = world.earthdata, f"{world.earthdata.data.url}/RTC/OPERA-S1/{file.name}"

    def get(token: str | None = None) -> requests.Response:
        return requests.get(url, headers={"Authorization": f"Bearer {token}"} if token else {}, timeout=5)

    assert "Basic" in get().headers["WWW-Authenticate"]
    login = get().url
    assert requests.get(login, auth=(world.user, "wrong"), timeout=5).status_code == 401
    assert [get(token).status_code for token in (world.expired_token, "nonsense", world.token)] == [401, 401, 200]
    assert get(world.expired_token).json() == {"error": "invalid_token"}
    earthdata.redirects_bad_tokens = earthdata.login_page = True
    for page in (get(), get(world.expired_token)):
        assert page.status_code == 200 and "Earthdata Login" in page.text and "html" in page.headers["Content-Type"]
    earthdata.approved = False
    assert get(world.token).status_code == 403 and "EULA" in get(world.token).text


def test_what_the_archive_has_not_is_not_found(world: World, file: Path) -> None:
    for name in ("unknown_VV.tif", NAME.format(1, 1) + "_VV.tif", file.name.replace("_VV", "_HH")):
        assert fetch(world, Path(name)).status_code == 404


def test_signed_links_expire_and_cannot_be_forged(world: World, file: Path) -> None:
    world.earthdata.link_lifetime = -1
    expired = fetch(world, file)
    assert expired.status_code == 403 and "Request has expired" in expired.text
    forged = expired.url.replace("Expires=", "Expires=9")
    assert "SignatureDoesNotMatch" in requests.get(forged, timeout=5).text


# the bucket


def s3_keys(world: World) -> dict[str, str]:
    """Ask for keys to the bucket, as a client does."""
    told = requests.get(
        world.hosts.s3_credentials, headers={"Authorization": f"Bearer {world.token}"}, timeout=5
    ).json()
    assert datetime.fromisoformat(told.pop("expiration")) - datetime.now(UTC) > timedelta(minutes=59)
    return dict(zip(("access", "secret", "token"), told.values(), strict=True))


def read(world: World, keys: dict[str, str], file: Path, attempts: int = 1) -> bytes:
    """Read an object by boto3."""
    client = boto3.client(
        "s3",
        region_name="us-west-2",
        endpoint_url=world.hosts.s3_endpoint,
        aws_access_key_id=keys["access"],
        aws_secret_access_key=keys["secret"],
        aws_session_token=keys["token"],
        config=Config(retries={"total_max_attempts": attempts, "mode": "standard"}),
    )
    key = f"OPERA_L2_RTC-S1/{file.name[:-7]}/{file.name}"
    content: bytes = client.get_object(Bucket="asf-cumulus-prod-opera-products", Key=key)["Body"].read()
    return content


def test_keys_from_the_login_open_the_bucket(world: World, file: Path) -> None:
    assert requests.get(world.hosts.s3_credentials, timeout=5).status_code == 401
    keys = s3_keys(world)
    assert read(world, keys, file) == file.read_bytes()
    assert s3_keys(world) != keys and len(world.keys.issued) == 2
    file.write_bytes(b"other content")
    assert read(world, keys, file) == b"other content"
    assert world.s3.served == {file.name: 2}


@pytest.mark.parametrize(
    ("case", "code"),
    [
        ("mixed up", "AccessDenied"),
        ("made up", "AccessDenied"),
        ("revoked", "AccessDenied"),
        ("expired", "ExpiredToken"),
        ("outside the region", "AccessDenied"),
        ("unknown object", "NoSuchKey"),
        ("slow down", "SlowDown"),
    ],
)
def test_the_bucket_refuses(world: World, file: Path, case: str, code: str) -> None:
    keys = s3_keys(world)
    if case == "mixed up":
        keys["token"] = s3_keys(world)["token"]
    elif case == "made up":
        keys["access"] = "ASIAMADEUP"
    elif case == "revoked":
        world.keys.revoke()
    elif case == "expired":
        world.keys.issued[0] = replace(world.keys.issued[0], expires=datetime.now(UTC))
    elif case == "outside the region":
        world.s3.deny = True
    elif case == "unknown object":
        file = file.with_name(NAME.format(1, 1) + "_VV.tif")
    else:
        world.s3.web.faults = slow_down()
    with pytest.raises(ClientError) as refused:
        read(world, keys, file)
    assert refused.value.response["Error"]["Code"] == code


def test_a_bucket_that_is_not_well_is_borne_by_boto3(world: World, file: Path) -> None:
    keys = s3_keys(world)
    world.s3.web.faults = [slow_down(), drop()]
    assert read(world, keys, file, attempts=3) == file.read_bytes()
    world.s3.web.faults = [flip(), cut()]
    assert read(world, keys, file) != file.read_bytes()
    with pytest.raises(BotoCoreError):
        read(world, keys, file)


# all together

CLIENT = """
import os, requests
answer = requests.post(os.environ["SEARCH"], data={"provider": "ASF", "sort_key": "-end_date"}, timeout=5)
token = {"Authorization": "Bearer " + os.environ["EARTHDATA_TOKEN"]}
urls = [link["URL"] for link in answer.json()["items"][-1]["umm"]["RelatedUrls"] if link["Type"] == "GET DATA"]
print(len(requests.get(next(url for url in urls if "_VV.tif" in url), headers=token, timeout=5).content))
"""


def test_other_processes_reach_the_servers_by_their_environment(
    world: World, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARTHDATA_PASSWORD", "the user's own")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    search = f"https://{world.hosts.cmr}/search/granules.umm_json"
    environment = world.environment(SEARCH=search, EARTHDATA_TOKEN=world.token)
    assert "EARTHDATA_PASSWORD" not in environment and "https_proxy" not in environment
    command = [sys.executable, "-c", CLIENT]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.stdout, ended.stderr) == (f"{file.stat().st_size}\n", "")
    strange = {name: value for name, value in environment.items() if name != "REQUESTS_CA_BUNDLE"}
    del strange["CURL_CA_BUNDLE"]
    ended = subprocess.run(command, env=strange, capture_output=True, text=True, check=False, timeout=60)
    assert "CERTIFICATE_VERIFY_FAILED" in ended.stderr


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
