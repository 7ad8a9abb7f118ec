"""Searches of CMR: every granule over the tile or an error, whatever goes wrong on the way."""

from __future__ import annotations

import gzip
import itertools
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import asf_search
import numpy as np
import pyproj
import pytest
import requests
import shapely

from s1monthly.errors import SourceError
from s1monthly.granules import Burst
from s1monthly.grid import orbit
from s1monthly.grid.orbit import bursts_over
from s1monthly.grid.tiles import tile_origin, tile_outline
from s1monthly.model import Direction, Month, Tile
from s1monthly.sources import retries
from s1monthly.sources.asf import cmr
from s1monthly.sources.asf.cmr import month_ranges, search_months
from s1monthly.sources.asf.footprints import QUERY_MARGIN
from standin import Archive, Hold, Reply, World, cut, drop, standins, status, trickle

pytestmark = pytest.mark.filterwarnings("ignore:The 'shapely.ops.transform:DeprecationWarning")  # in asf_search

TILE = Tile("10SGD")
NOVEMBER = Month(2021, 11)
BURSTS = bursts_over(tile_outline(TILE), Direction.ASCENDING)[:10]
PAGE = 4
"""Granules on a page of the stand-in, so that ten take three pages."""


footprint = cache(orbit.footprint)


def put(archive: Archive, burst: Burst, acquired: str = "20211119T015854Z", **more: Any) -> str:
    name = f"OPERA_L2_RTC-S1_{burst}_{acquired}_20250830T120333Z_S1A_30_v1.0"
    return archive.add_name(name, footprint(burst).wkt, **more).id


@pytest.fixture(scope="module")
def servers() -> Iterator[World]:
    with standins(Archive()) as world:
        yield world


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds waited between tries, which pass at once."""
    waited: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: sum(waited), sleep=waited.append)
    monkeypatch.setattr(retries, "time", clock)
    return waited


@pytest.fixture
def world(servers: World, waits: list[float], monkeypatch: pytest.MonkeyPatch) -> World:
    """Servers over ten granules of November 2021 over the tile."""
    servers.enter(monkeypatch)
    servers.archive.entries.clear()
    for burst in BURSTS:
        put(servers.archive, burst)
    servers.cmr.page_size, servers.cmr.faults = PAGE, []
    servers.cmr.log.clear()
    return servers


@pytest.fixture
def names(world: World) -> list[str]:
    return sorted(world.archive.entries)


def search(
    world: World, first: Month = NOVEMBER, last: Month | None = None, tile: Tile = TILE, seconds: float = 60
) -> list[str]:
    return [one.granule.id for one in search_months(world.hosts.cmr, tile, first, last or first, seconds)]


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[Any], Reply]:
    """A fault: the body of the right answer, changed."""

    def fault(exchange: Any) -> Reply:
        reply = exchange.answer()
        content = json.loads(reply.body)
        change(content)
        return replace(reply, body=json.dumps(content).encode())

    return fault


# the months asked for


def test_neighbouring_months_are_asked_together() -> None:
    months = [Month(2022, 1), Month(2021, 11), Month(2021, 12), Month(2023, 1), Month(2021, 12), Month(2022, 12)]
    assert month_ranges(months) == [(NOVEMBER, Month(2022, 1)), (Month(2022, 12), Month(2023, 1))]
    assert month_ranges([Month(2022, 1), NOVEMBER]) == [(NOVEMBER, NOVEMBER), (Month(2022, 1), Month(2022, 1))]
    assert month_ranges([]) == []


def test_a_month_is_asked_to_its_last_millisecond(world: World) -> None:
    assert search(world, Month(2024, 2)) == []
    assert world.cmr.log[0].values("temporal[]") == ["2024-02-01T00:00:00.000Z,2024-02-29T23:59:59.999Z"]


def test_what_began_outside_the_months_is_left_out_though_cmr_lists_it(world: World) -> None:
    moments = ["20211031T235958Z", "20211101T000000Z", "20211130T235959Z", "20211201T000000Z"]
    names = [put(world.archive, BURSTS[0], moment) for moment in moments]
    found = search(world)
    assert set(found) & set(names) == set(names[1:3])
    world.cmr.log.clear()
    assert set(search(world, Month(2021, 10), Month(2021, 12))) >= set(names)
    assert search(world, Month(2021, 12)) == names[3:]


# the query


def test_a_query_asks_for_time_and_place_alone(world: World, names: list[str]) -> None:
    assert search(world) == names
    first, *others = world.cmr.log
    assert [request.headers.get("CMR-Search-After") is None for request in world.cmr.log] == [True, False, False]
    assert all(request.parameters == first.parameters for request in others)
    assert {(request.method, request.path) for request in world.cmr.log} == {("POST", "/search/granules.umm_json")}
    constant = {"page_size", "options[temporal][and]", "options[platform][ignore_case]", "sort_key[]"}
    assert {name for name, _ in first.parameters} - constant == {"shortName", "polygon", "temporal[]", "provider"}
    assert first.values("shortName") == ["OPERA_L2_RTC-S1_V1"]


@pytest.mark.parametrize("entry", ["default", "machine localhost"])
def test_no_login_is_sent(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"{entry} login someone password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("EARTHDATA_TOKEN", "secret")
    assert requests.get(world.cmr.web.url, timeout=10).status_code == 404
    assert world.cmr.log.pop().authorization[0] == "basic"  # so it is sent where nothing is done against it
    search(world)
    for request in world.cmr.log:
        assert not {"authorization", "cookie", "echo-token"} & {name.lower() for name in request.headers}


def test_nothing_is_sent_to_any_other_host(world: World, names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    hosts, send = set(), requests.adapters.HTTPAdapter.send

    def noted(self: Any, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        hosts.add(urlsplit(request.url).netloc)
        return send(self, request, **options)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", noted)
    elsewhere = Reply(302, headers=(("Location", f"https://{world.hosts.login}/search/granules.umm_json"),))
    world.cmr.faults = [None, world.cmr.cut_short(1), status(503), lambda exchange: elsewhere]
    assert search(world) == names
    assert hosts == {world.hosts.cmr}


@pytest.mark.parametrize("name", ["10SGD", "01UBT", "60UYC", "01KAB", "60KYF", "31XEK", "33XWM", "01XDJ", "31NAA"])
def test_the_outline_sent_is_the_tile_with_a_margin(world: World, name: str) -> None:
    tile = Tile(name)
    search(world, tile=tile)
    (sent,) = world.cmr.log[0].values("polygon")
    points = np.array(sent.split(","), dtype=float).reshape(-1, 2)
    assert (np.abs(points) <= (180, 90)).all() and (points[0] == points[-1]).all()
    points[:, 0] -= 360 * np.round((points[:, 0] - points[0, 0]) / 360)
    outline = shapely.Polygon(points)
    assert outline.is_valid and outline.exterior.is_ccw and np.ptp(points[:, 0]) < 12
    # as CMR sees it: edges on the shortest way
    shortest, onto_tile = pyproj.Geod(ellps="WGS84"), pyproj.Transformer.from_crs(4326, tile.epsg, always_xy=True)
    edges = [[start, *shortest.npts(*start, *end, 50)] for start, end in itertools.pairwise(points)]
    seen = shapely.Polygon(np.column_stack(onto_tile.transform(*np.concatenate(edges).T)))
    left, top = tile_origin(tile)
    square = shapely.box(left, top - 109_800, left + 109_800, top)
    assert seen.contains(square.buffer(QUERY_MARGIN - 30, join_style="mitre"))
    assert square.buffer(QUERY_MARGIN + 30, join_style="mitre").contains(seen)


# faults that pass


def _one_for_another(world: World) -> Callable[[Any], Reply]:
    return world.cmr.changed(lambda page: replace(page, entries=(page.matches[0], *page.entries[1:])))


def _part_told_by_a_header_alone(world: World) -> Callable[[Any], Reply]:
    return world.cmr.changed(lambda page: replace(page, entries=page.entries[:2], hits=2, timed_out=True))


def _as_documented(world: World) -> Callable[[Any], Reply]:
    def fault(exchange: Any) -> Reply:
        reply = _part_told_by_a_header_alone(world)(exchange)
        return replace(reply, headers=tuple((n.replace("Timed-Out", "Time-Out"), v) for n, v in reply.headers))

    return fault


def _redirection(world: World) -> Callable[[Any], Reply]:
    return lambda exchange: Reply(302, headers=(("Location", f"{world.cmr.web.url}/search/granules.umm_json"),))


PASSING: dict[str, Callable[[World], Sequence[Any]]] = {
    "503 for a while": lambda world: [status(503)] * 3,
    "503 as a page of HTML": lambda world: [status(503, html=True)],
    "page cut short": lambda world: [None, world.cmr.cut_short(2)],
    "page cut short, no header": lambda world: [None, world.cmr.cut_short(2, header=False)],
    "page missing, no header": lambda world: [world.cmr.cut_short(0, header=False)],
    "page repeated": lambda world: [None, world.cmr.first_again()],
    "page repeated, and the next is the second": lambda world: [None, world.cmr.first_again(goes_on=False)],
    "one granule in place of another": lambda world: [None, _one_for_another(world)],
    "part of a search": lambda world: [_part_told_by_a_header_alone(world)],
    "part of a search, as documented": lambda world: [_as_documented(world)],
    "connection dropped": lambda world: [drop()],
    "body shorter than announced": lambda world: [None, cut(0.5)],
    "broken JSON": lambda world: [None, cut(0.5, fitting_length=True)],
    "no hits": lambda world: [world.cmr.without("hits")],
    "no items": lambda world: [None, world.cmr.without("items")],
    "fewer hits on the last page": lambda world: [None, None, world.cmr.more_hits(-1)],
    "fewer hits than granules": lambda world: [world.cmr.more_hits(-1)] * 3,
    "more hits than granules": lambda world: [world.cmr.more_hits(1)] * 3,
    "redirected": lambda world: [_redirection(world)],
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_changes_nothing(
    world: World, names: list[str], fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.cmr.faults = list(PASSING[fault](world))
    with caplog.at_level(logging.WARNING, "s1monthly"):
        assert search(world) == names
    assert world.cmr.faults == []
    assert any("10SGD 2021-11: CMR: try 1: " in message for message in caplog.messages)


def test_another_try_begins_at_the_beginning(world: World, names: list[str]) -> None:
    world.cmr.faults = [None, status(503)]
    assert search(world) == names
    begins = [request.headers.get("CMR-Search-After") is None for request in world.cmr.log]
    assert begins == [True, False, True, False, False]


@pytest.mark.parametrize("fault", [Hold(), trickle(20)], ids=["held", "trickled"])
def test_an_answer_that_does_not_come_in_time_is_asked_for_again(
    world: World, names: list[str], monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    monkeypatch.setattr(cmr, "LONGEST_ANSWER", 0.3)
    world.cmr.faults = [None, fault]
    begun = time.monotonic()
    assert search(world) == names
    assert time.monotonic() - begun < 10


def test_the_server_is_left_alone_as_long_as_it_asks(world: World, waits: list[float]) -> None:
    world.cmr.faults = [status(429, retry_after=7), status(503, retry_after=11)]
    assert search(world)
    assert waits == [7, 11]


def test_a_compressed_answer_is_read(world: World, names: list[str]) -> None:
    def packed(exchange: Any) -> Reply:
        reply = exchange.answer()
        return replace(reply, body=gzip.compress(reply.body), headers=(*reply.headers, ("Content-Encoding", "gzip")))

    world.cmr.faults = packed
    assert search(world) == names


# faults that stay

LASTING: dict[str, tuple[Callable[[World], Any], str]] = {
    "503": (lambda world: status(503), "HTTP 503 .*The service answers 503"),
    "429": (lambda world: status(429, retry_after=3600), "HTTP 429"),
    "pages cut short": (lambda world: world.cmr.cut_short(2), "of 10 granules"),
    "no page but the first": (lambda world: world.cmr.cut_short(PAGE, header=False), "4 of 10 granules came"),
    "empty pages": (lambda world: world.cmr.cut_short(0), "page 1 brings nothing new after 0 of 10 granules"),
    "the first page for ever": (
        lambda world: world.cmr.first_again(goes_on=False),
        "page 2 brings nothing new after 4 of 10 granules",
    ),
    "no JSON": (lambda world: cut(0.5, fitting_length=True), "no JSON"),
    "dropped connections": (lambda world: drop(), "connection failed|stopped answering"),
}


@pytest.mark.parametrize("fault", LASTING)
def test_a_fault_that_stays_is_an_error_that_tells_all(world: World, waits: list[float], fault: str) -> None:
    make, reason = LASTING[fault]
    world.cmr.faults = make(world)
    with pytest.raises(SourceError, match=reason) as raised:
        search(world, NOVEMBER, Month(2022, 1))
    problem, remedy = raised.value.problem, raised.value.remedy
    assert problem.startswith("tile 10SGD 2021-11 ... 2022-01: no complete answer from CMR (localhost:")
    assert "status.earthdata.nasa.gov" in remedy and "run again later" in remedy
    assert f"(tried {len(waits) + 1} time" in problem and problem.endswith("in 60 s)")
    assert len(waits) == 0 if fault == "429" else len(waits) > 4


def test_a_refusal_is_reported_at_once_in_cmrs_words(world: World) -> None:
    world.cmr.faults = status(400)
    with pytest.raises(SourceError, match=r"tile 10SGD 2021-11: CMR \(localhost.*HTTP 400.*The service answers 400"):
        search(world)
    assert len(world.cmr.log) == 1


def test_the_fault_before_the_last_is_reported(world: World) -> None:
    world.cmr.faults = [status(503), drop()]
    with pytest.raises(SourceError, match=r"\(tried 2 times in 1\.4 s\); before that: HTTP 503"):
        search(world, seconds=1.4)  # the first wait is one second at most, the second one at least


def test_a_search_without_time_is_given_up(world: World) -> None:
    with pytest.raises(SourceError, match=r"the time was up after 0 of 0 granules \(tried 1 time in 0 s\)"):
        search(world, seconds=0.0)


def test_a_host_that_is_none_is_reported_at_once() -> None:
    with pytest.raises(SourceError, match=r"not an address.*correct source\.hosts\.cmr"):
        search_months("no host", TILE, NOVEMBER, NOVEMBER, 60)


def test_asf_searchs_own_doubt_counts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = asf_search.search_generator

    def doubting(**options: Any) -> Iterator[Any]:
        for page in generator(**options):
            page.searchComplete = False
            yield page

    monkeypatch.setattr(asf_search, "search_generator", doubting)
    with pytest.raises(SourceError, match="10 of 10 granules came"):
        search(world)


# what else an answer may hold


def test_an_empty_month_is_an_empty_list(world: World) -> None:
    assert search(world, Month(2019, 5)) == []
    assert len(world.cmr.log) == 1


@pytest.mark.parametrize("doubled", [0, 3, 10])
def test_order_and_doubled_records_change_nothing(
    world: World, names: list[str], doubled: int, caplog: pytest.LogCaptureFixture
) -> None:
    clean = search_months(world.hosts.cmr, TILE, NOVEMBER, NOVEMBER, 60)
    world.cmr.faults = world.cmr.mixed(3, doubled)
    with caplog.at_level(logging.WARNING, "s1monthly"):
        assert search_months(world.hosts.cmr, TILE, NOVEMBER, NOVEMBER, 60) == clean
    assert any(f"lists {doubled} granules twice" in message for message in caplog.messages) == (doubled > 0)


def test_of_two_records_of_one_name_the_later_is_used_in_any_order(world: World, names: list[str]) -> None:
    world.cmr.page_size = None

    def twice(turn: int) -> Callable[[Any], Reply]:
        def change(content: dict[str, Any]) -> None:
            again = json.loads(json.dumps(content["items"][0]))
            again["meta"]["concept-id"] = "G9999999999-ASF"
            for file in again["umm"]["DataGranule"]["ArchiveAndDistributionInformation"]:
                file["SizeInBytes"] = 77
            content["items"] = [again, *content["items"]][::turn]
            content["hits"] += 1

        return edited(change)

    for turn in (1, -1):
        world.cmr.faults = [twice(turn)]
        found = search_months(world.hosts.cmr, TILE, NOVEMBER, NOVEMBER, 60)
        assert [one.granule.id for one in found] == names
        assert sum(all(layer.size == 77 for layer in one.granule.layers) for one in found) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda item: item.pop("umm"),
        lambda item: item["meta"].pop("concept-id"),
        lambda item: item["umm"].update(GranuleUR="OPERA_L2_RTC-S1-STATIC_T161-344054-IW2_20140403_S1B_30_v1.0"),
        lambda item: item["umm"].update(RelatedUrls=[{"URL": 7}]),
    ],
)
def test_a_record_that_cannot_be_understood_does_not_vanish(world: World, change: Callable[[Any], object]) -> None:
    world.cmr.faults = [None, edited(lambda content: change(content["items"][1]))]
    with pytest.raises(SourceError, match=r"(?s)(lists a granule|cannot be read).* -> a newer version"):
        search(world)


def test_a_record_without_outline_sizes_and_links_is_kept(world: World, names: list[str]) -> None:
    def bare(content: dict[str, Any]) -> None:
        for item in content["items"]:
            needed = {key: item["umm"][key] for key in ("GranuleUR", "CollectionReference")}
            item["umm"].clear()
            item["umm"].update(needed)

    world.cmr.faults = edited(bare)
    found = search_months(world.hosts.cmr, TILE, NOVEMBER, NOVEMBER, 60)
    assert [one.granule.id for one in found] == names
    for one in found:
        here, model = shapely.from_wkt(one.granule.footprint), footprint(one.granule.burst)
        assert one.acquired == () and one.granule.layers == ()
        assert here.symmetric_difference(model).area < 1e-3 * model.area


@pytest.mark.parametrize("jump", [False, True])
def test_tiles_at_the_antimeridian_find_granules_on_both_sides(world: World, jump: bool) -> None:
    tiles = [Tile("01UBT"), Tile("60UYC")]
    over = [set(bursts_over(tile_outline(tile), Direction.ASCENDING)) for tile in tiles]
    placed = {burst: put(world.archive, burst, jump=jump) for burst in sorted(over[0] | over[1])}
    crossing = [burst for burst in placed if footprint(burst).geom_type == "MultiPolygon"]
    assert crossing and over[0] & over[1]
    for tile, bursts in zip(tiles, over, strict=True):
        listed = search_months(world.hosts.cmr, tile, NOVEMBER, NOVEMBER, 60)
        found = [one.granule.id for one in listed]
        assert len(set(found)) == len(found)
        assert set(found) >= {placed[burst] for burst in bursts}
        for one in listed:
            parts = shapely.get_parts(shapely.from_wkt(one.granule.footprint))
            assert max(part.bounds[2] - part.bounds[0] for part in parts) < 3


@pytest.mark.parametrize(("name", "listed", "used"), [("19HBD", 666, 666), ("22WFD", 443, 443)])
def test_real_granules_over_a_tile(world: World, shared_data: Path, name: str, listed: int, used: int) -> None:
    world.cmr.page_size = None
    entries = world.archive.add_list(shared_data / "cmr" / f"granules_{name}.csv.gz")
    assert len(entries) == listed
    found = search_months(world.hosts.cmr, Tile(name), Month(2023, 12), Month(2024, 6), 60)
    assert len(found) == used and len(world.cmr.log) == -(-listed // 250)
    assert {one.acquired for one in found} == {("VV", "VH") if name == "19HBD" else ("HH", "HV")}
    bursts = {entry.id: entry.granule.burst for entry in entries}
    left_out = {bursts[name] for name in bursts.keys() - {one.granule.id for one in found}}
    assert left_out == ({Burst.parse("T046-097074-IW2"), Burst.parse("T119-253872-IW2")} if used < listed else set())
