"""What is known before any work: granule lists, answers of the source, and what is finished."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from s1monthly.errors import ProductError
from s1monthly.model import Granule, GranuleList, Layer, Month, SetAside
from s1monthly.records.granule_list import COLUMNS, list_digest, read_granule_list, write_granule_list
from s1monthly.records.seal import SEAL, seal
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
    written = write_granule_list(path, iter(granules), iter(SET_ASIDE))
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
        assert write_granule_list(path, [], []) == GranuleList((), ())
        assert not path.exists()
    write_granule_list(path, [], SET_ASIDE)
    assert read_granule_list(path).granules == () and len(read_granule_list(path).set_aside) == 2
    write_granule_list(path, [], [])
    assert not path.exists(), "an older list goes"


def test_a_list_that_says_the_same_stays_untouched(tmp_path: Path) -> None:
    path, granules = tmp_path / "list.csv", [detailed("20211119T015854Z"), detailed("20211119T015857Z", 292319)]
    write_granule_list(path, granules, SET_ASIDE)
    set_time(path, 0)
    before = path.stat().st_mtime_ns
    write_granule_list(path, granules[::-1], SET_ASIDE[::-1])
    assert path.stat().st_mtime_ns == before
    write_granule_list(path, granules, SET_ASIDE[:1])
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
    write_granule_list(path, [detailed("20211119T015854Z")], [])
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
    path = Path(site.book().path(site.plan().layout.search))
    content = damage(json.loads(path.read_text()))
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    set_time(path, 1)
    with pytest.raises(ProductError) as refusal:
        read_answers(path)
    assert str(path) in refusal.value.problem and "delete" in refusal.value.remedy


# records


def test_a_record_is_in_step_with_these_granules_and_this_recipe(site: Site) -> None:
    site.granules = granules_of("2021-11 2021-12")
    site.search()
    site.make("2021-11", "2021-12")
    book = site.book()
    assert [book.in_step(month) for month in (NOVEMBER, DECEMBER, JANUARY)] == [True, True, False]
    assert [book.made(month) for month in (NOVEMBER, DECEMBER, JANUARY)] == [True, True, False]
    other = site.book(processing={"mosaic_strategy": "last"}, output={"overwrite": True})
    assert not other.in_step(NOVEMBER) and other.made(NOVEMBER)
    site.granules += [granule("20211125T015854Z")]
    site.search(search={"refresh": True})
    assert [book.in_step(month) for month in (NOVEMBER, DECEMBER)] == [False, True]


def test_a_month_made_without_some_granules_is_never_in_step(site: Site) -> None:
    site.granules = granules_of("2021-11")
    site.search()
    site.make("2021-11")
    book = site.book()
    record = Path(book.path(book.layout.record, NOVEMBER))
    held = {key: value for key, value in json.loads(record.read_text()).items() if key != SEAL}
    record.write_text(json.dumps(seal({**held, "set_aside": []})))
    assert book.in_step(NOVEMBER)
    record.write_text(json.dumps(seal({**held, "unread": ["a granule"]})))
    assert not book.in_step(NOVEMBER) and book.out_of_step == [NOVEMBER]


def test_a_record_altered_by_hand_is_not_in_step(site: Site) -> None:
    """Else the next run would make COG, Item and catalog of what it says now."""
    site.granules = granules_of("2021-11")
    site.search()
    site.make("2021-11")
    book = site.book()
    record = Path(book.path(book.layout.record, NOVEMBER))
    held = json.loads(record.read_text())
    record.write_text(json.dumps(held, indent=4))
    assert book.in_step(NOVEMBER), "it says the same"
    record.write_text(json.dumps({**held, "granules": []}))
    assert not book.in_step(NOVEMBER) and book.out_of_step == [NOVEMBER]
    del held[SEAL]
    record.write_text(json.dumps(held))
    assert not book.in_step(NOVEMBER)


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b"null", b"{}", b'{"granules_digest": 1}', b"\xff\xfe"])
def test_a_damaged_record_is_not_in_step_and_its_list_is_asked_for(site: Site, damaged: bytes) -> None:
    site.granules = granules_of("2021-11")
    site.search()
    site.make("2021-11")
    book = site.book()
    Path(book.path(book.layout.record, NOVEMBER)).write_bytes(damaged)
    assert not book.in_step(NOVEMBER) and book.made(NOVEMBER)
    shutil.rmtree(book.layout.work_dir)
    assert site.search() == ["2021-11"]


@pytest.mark.parametrize("newer", [False, True])
@pytest.mark.parametrize("differing", [False, True])
def test_a_list_is_late_where_it_is_newer_and_names_other_granules(site: Site, newer: bool, differing: bool) -> None:
    site.granules = granules_of("2021-11")
    site.search()
    site.make("2021-11")
    if differing:
        site.granules += [granule("20211125T015854Z")]
        site.search(search={"refresh": True})
    book = site.book()
    listed, record = book.path(book.layout.granules, NOVEMBER), book.path(book.layout.record, NOVEMBER)
    set_time(record, 100)
    set_time(listed, 101 if newer else 99)
    assert book.late_list(NOVEMBER) == (listed if newer and differing else None)
    Path(listed).unlink()
    assert book.late_list(NOVEMBER) is None
    assert book.late_list(DECEMBER) is None


def test_missing_are_the_months_with_granules_and_without_a_record(site: Site) -> None:
    site.granules = granules_of("2021-11 2021-12 2022-02")
    site.search()
    site.make("2021-12")
    assert site.book().missing() == [NOVEMBER, FEBRUARY]
