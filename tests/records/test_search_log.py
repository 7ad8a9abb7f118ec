"""The search log: answers summed up, gathered for one question, refused if damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from s1monthly.errors import ProductError
from s1monthly.granules import Granule, GranuleList, Layer, SetAside
from s1monthly.model import Month
from s1monthly.records.granule_list import list_digest
from s1monthly.records.search_log import Answer, read_answers, set_aside_of, write_answers
from support.sites import burst_of, granule

NOVEMBER, DECEMBER, JANUARY = Month(2021, 11).until(Month(2022, 1))
ASKED = datetime(2025, 3, 1, 12, 30, 15, tzinfo=UTC)
SET_ASIDE = (SetAside("a granule", "cut short", lost=True), SetAside("another", "track 137 was not asked for"))


def test_an_answer_sums_up_the_list() -> None:
    overflown = [
        granule("20211119T015854Z"),
        granule("20211119T015857Z", burst_of(292319)),
        granule("20211125T015854Z"),
    ]
    found = GranuleList(tuple(overflown), SET_ASIDE)
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


Content = dict[str, Any]
DAMAGE: dict[str, Callable[[Content, Content], Any]] = {
    "null": lambda content, entry: None,
    "cut": lambda content, entry: json.dumps(content)[:-20].encode(),
    "binary": lambda content, entry: b"\xff\xfe\x00",
    "no question": lambda content, entry: {"months": {}},
    "a list of months": lambda content, entry: content | {"months": []},
    "no month": lambda content, entry: content | {"months": {"2021-13": entry}},
    "no answer": lambda content, entry: content | {"months": {"2021-11": None}},
    "a text for a number": lambda content, entry: content | {"months": {"2021-11": entry | {"granules": "3"}}},
    "another time": lambda content, entry: content | {"months": {"2021-11": entry | {"asked": "2025-03-01"}}},
    "no digest": lambda content, entry: content | {"months": {"2021-11": {**entry, "digest": None}}},
    "a negative number": lambda content, entry: content | {"months": {"2021-11": entry | {"size": -2}}},
    "a lost granule without a name": lambda content, entry: content | {"months": {"2021-11": entry | {"lost": [1]}}},
    "an unknown key": lambda content, entry: content | {"months": {"2021-11": entry | {"unheard": 1}}},
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_log_is_refused_by_name(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "search.json"
    write_answers(path, {}, {NOVEMBER: answer()})
    written = json.loads(path.read_text())
    content = DAMAGE[damage](written, written["months"]["2021-11"])
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(ProductError) as refusal:
        read_answers(path)
    assert str(path) in refusal.value.problem and "delete" in refusal.value.remedy


def test_reasons_for_setting_aside_are_counted_without_the_names_of_granules() -> None:
    newer = [SetAside(f"{n}", f"older version of {granule(f'2021111{n}T015854Z').id}") for n in (1, 2)]
    found = Answer.of(GranuleList((), (*newer, *SET_ASIDE)), ASKED, "")
    assert set_aside_of([found]).startswith("4 set aside: older version of another granule (2); ")
    assert set_aside_of([answer()]) == ""
