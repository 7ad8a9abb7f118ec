"""Granule lists and the search log."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from s1monthly.errors import ProductError
from s1monthly.model import Granule, GranuleList, Layer, Month, SetAside
from s1monthly.records.granule_list import COLUMNS, list_digest, read_granule_list, write_granule_list
from s1monthly.records.search_log import Answer, read_answers, write_answers
from support.sites import Site, burst_of, granule, granules_of, set_time

NOVEMBER, DECEMBER, JANUARY, FEBRUARY = Month(2021, 11).until(Month(2022, 2))
FOOTPRINT = (
    "MULTIPOLYGON (((179.5 65.1, 180 65.2, 180 65.4, 179.5 65.1)), ((-180 65.2, -179 65.3, -180 65.4, -180 65.2)))"
)
ASKED = datetime(2025, 3, 1, 12, 30, 15, tzinfo=UTC)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, monkeypatch)


def detailed(acquired: str, number: int = 292318, *, url: str = "https://host/a,b \"c\" 'd'?x=1&y=;ü") -> Granule:
    layers = (
        Layer("VH", url + "_VH.tif", 7_123_456, "0123456789abcdef0123456789abcdef", "s3://bucket/a,b/VH.tif"),
        Layer("VV", url + "_VV.tif", -1, ""),
    )
    return replace(granule(acquired, burst_of(number)), layers=layers, footprint=FOOTPRINT)


SET_ASIDE = [
    SetAside(granule("20211125T015854Z").id, 'file /a,b/"VV".tif is cut short:\n  12 of 40 bytes, "odd"', lost=True),
    SetAside(granule("20211119T015854Z").id, "track 137 was not asked for"),
]


# granule lists


def test_a_granule_list_comes_back_as_it_was_written(tmp_path: Path) -> None:
    granules = [
        detailed("20211125T015854Z", 292319),
        detailed("20211119T015854Z"),
        detailed("20211119T015857Z", 292319),
    ]
    path = tmp_path / "granules" / "2021-11.csv"
    written = write_granule_list(path, GranuleList(tuple(granules), tuple(SET_ASIDE)))
    found = read_granule_list(path)
    assert found == written and list_digest(found) == list_digest(written)
    assert [g.id for g in found.granules] == sorted(g.id for g in granules)
    by_id = {g.id: g for g in granules}
    for one in found.granules:
        assert (one, one.layers, one.footprint) == (by_id[one.id], by_id[one.id].layers, FOOTPRINT)
    assert found.set_aside == (SET_ASIDE[1], SET_ASIDE[0])
    assert [s.lost for s in found.set_aside] == [False, True]


def test_a_list_of_nothing_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "2021-11.csv"
    for _ in range(2):
        assert write_granule_list(path, GranuleList()) == GranuleList()
        assert not path.exists()
    write_granule_list(path, GranuleList((), tuple(SET_ASIDE)))
    assert read_granule_list(path).granules == () and len(read_granule_list(path).set_aside) == 2
    write_granule_list(path, GranuleList())
    assert not path.exists(), "an older list goes"


def test_a_list_that_says_the_same_stays_untouched(tmp_path: Path) -> None:
    path, granules = tmp_path / "list.csv", [detailed("20211119T015854Z"), detailed("20211119T015857Z", 292319)]
    write_granule_list(path, GranuleList(tuple(granules), tuple(SET_ASIDE)))
    set_time(path, 0)
    before = path.stat().st_mtime_ns
    write_granule_list(path, GranuleList(tuple(granules[::-1]), tuple(SET_ASIDE[::-1])))
    assert path.stat().st_mtime_ns == before
    write_granule_list(path, GranuleList(tuple(granules), tuple(SET_ASIDE[:1])))
    assert path.stat().st_mtime_ns > before and read_granule_list(path).set_aside == (SET_ASIDE[0],)


HEADER = ",".join(COLUMNS)
ROW = f"{granule('20211119T015854Z').id},VV,/a.tif,,12345,,,,"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "granule,url\nx,y\n",
        HEADER.replace("size", "bytes") + "\n",
        f"{HEADER}\n{ROW.replace('12345', 'many')}\n",
        f"{HEADER}\n{ROW[:40]}",
        f"{HEADER}\n{ROW[: ROW.index('345')]}",
        f"{HEADER}\n{ROW},one,two\n",
        f"{HEADER}\nnonsense,VV,/a.tif,,12345,,,,\n",
        f"{HEADER}\n{ROW.replace('20211119', '20211332')}\n",
        f"{HEADER}\n{ROW}\n".encode() + b"\xff\xfe\x00",
        b"\x00" * 4096,
    ],
    ids=["empty", "header", "column", "number", "cut", "cut-number", "long", "name", "date", "binary", "zeros"],
)
def test_a_damaged_list_is_refused_by_name(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "2021-11.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ProductError) as refusal:
        read_granule_list(path)
    assert str(path) in refusal.value.problem and refusal.value.remedy


def test_the_same_list_undamaged_is_read(tmp_path: Path) -> None:
    path = tmp_path / "2021-11.csv"
    path.write_text(f"{HEADER}\n{ROW}\n")
    (found,) = read_granule_list(path).granules
    assert found.layers == (Layer("VV", "/a.tif", 12345),)


def test_a_damaged_list_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "2021-11.csv"
    path.write_bytes(b"\xff\xfe\x00 not text")
    write_granule_list(path, GranuleList((detailed("20211119T015854Z"),)))
    assert len(read_granule_list(path).granules) == 1


def test_a_missing_list_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ProductError, match=r"gone\.csv"):
        read_granule_list(tmp_path / "gone.csv")


def test_the_digest_follows_what_is_composed_and_not_where_it_lies() -> None:
    one, other = detailed("20211119T015854Z"), detailed("20211119T015857Z", 292319)

    def digest_of(*granules: Granule, aside: tuple[SetAside, ...] = ()) -> str:
        return list_digest(GranuleList(granules, aside))

    def with_layers(change: Callable[[Layer], Layer]) -> Granule:
        return replace(one, layers=tuple(change(layer) for layer in one.layers))

    before = digest_of(one, other)
    same = [
        digest_of(with_layers(lambda layer: replace(layer, url="/elsewhere/" + layer.name)), other),
        digest_of(replace(one, footprint=""), other),
        digest_of(one, other, aside=tuple(SET_ASIDE)),
    ]
    assert same == [before] * 3
    changed = [
        digest_of(one),
        digest_of(other),
        digest_of(),
        digest_of(replace(one, version="1.1"), other),
        digest_of(replace(one, processed=one.processed + timedelta(seconds=1)), other),
        digest_of(replace(one, acquired=one.acquired + timedelta(seconds=1)), other),
        digest_of(replace(one, platform="S1B"), other),
        digest_of(with_layers(lambda layer: replace(layer, size=layer.size + 1)), other),
        digest_of(replace(one, layers=one.layers[:1]), other),
        digest_of(with_layers(lambda layer: replace(layer, name={"VV": "HH", "VH": "HV"}[layer.name])), other),
    ]
    assert len({before, *changed}) == len(changed) + 1


# answers


def test_an_answer_sums_up_the_list() -> None:
    overflown = [
        granule("20211119T015854Z"),
        granule("20211119T015857Z", burst_of(292319)),
        granule("20211125T015854Z"),
    ]
    found = GranuleList(tuple(overflown), tuple(SET_ASIDE))
    paris = ASKED.astimezone(timezone(timedelta(hours=1)))
    answer = Answer.of(found, paris, "listing")
    assert (answer.granules, answer.passes, answer.set_aside, answer.size) == (3, 2, 2, 600)
    assert (answer.asked, answer.digest, answer.listing) == ("2025-03-01T12:30:15Z", list_digest(found), "listing")
    unknown = replace(overflown[0], layers=(Layer("VV", "u", 100), Layer("VH", "u")))
    assert Answer.of(GranuleList((unknown, overflown[1]), ()), ASKED, "").size == -1


def answer(*granules: Granule, listing: str = "") -> Answer:
    return Answer.of(GranuleList(granules, ()), ASKED, listing)


def test_answers_to_one_question_are_gathered_and_another_question_voids_them(tmp_path: Path) -> None:
    path = tmp_path / "10SGD_ASCENDING" / "search.json"
    assert read_answers(path) == (None, {})
    question = {"source": {"kind": "local", "path": "granules"}, "tracks": [137]}
    first, second, third = answer(granule("20211119T015854Z")), answer(), answer(granule("20220119T015854Z"))
    write_answers(path, question, {DECEMBER: second, NOVEMBER: first})
    write_answers(path, question, {JANUARY: third, DECEMBER: third})
    assert read_answers(path) == (question, {NOVEMBER: first, DECEMBER: third, JANUARY: third})
    write_answers(path, question | {"tracks": [64]}, {JANUARY: second})
    assert read_answers(path) == (question | {"tracks": [64]}, {JANUARY: second})
    assert [p.name for p in path.parent.iterdir()] == ["search.json"]


def _without(key: str) -> Callable[[dict[str, Any]], Any]:
    return lambda content: {k: v for k, v in content.items() if k != key}


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: None,
        lambda _: [],
        lambda content: json.dumps(content)[:-20].encode(),
        _without("question"),
        _without("months"),
        lambda content: content | {"months": []},
        lambda content: content | {"months": {"2021-13": content["months"]["2021-11"]}},
        lambda content: content | {"months": {"2021-11": None}},
        lambda content: content | {"months": {"2021-11": _without("digest")(content["months"]["2021-11"])}},
        lambda content: content | {"months": {"2021-11": content["months"]["2021-11"] | {"unheard": 1}}},
        lambda _: b"\xff\xfe\x00",
        lambda _: b"",
    ],
    ids=[
        "null",
        "list",
        "cut",
        "no-question",
        "no-months",
        "months-list",
        "no-month",
        "no-answer",
        "no-digest",
        "unknown-key",
        "binary",
        "empty",
    ],
)
def test_damaged_answers_are_refused_by_name(site: Site, damage: Callable[[Any], Any]) -> None:
    site.granules = granules_of("2021-11")
    site.search()
    path = Path(site.tile().paths().search)
    content = damage(json.loads(path.read_text()))
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    set_time(path, 1)
    with pytest.raises(ProductError) as refusal:
        read_answers(path)
    assert str(path) in refusal.value.problem and "delete" in refusal.value.remedy
