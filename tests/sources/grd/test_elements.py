"""XML of others: bombs, other encodings, and values that make no sense."""

from __future__ import annotations

import numpy as np
import pytest

from s1monthly.errors import SourceError
from s1monthly.sources.grd import elements
from s1monthly.sources.grd.elements import parse_xml

BOMB = b"""<?xml version="1.0"?><!DOCTYPE product [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><product>&c;</product>"""
OTHER_FILE = b'<!DOCTYPE product [<!ENTITY x SYSTEM "file:///etc/passwd">]><product>&x;</product>'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BOMB, "entity"),
        (OTHER_FILE, "entity"),
        (BOMB.decode().encode("utf-16"), "not UTF-8"),
        (BOMB.decode().encode("utf-16-le"), "not UTF-8"),
        (BOMB.decode().encode("utf-16-be"), "not UTF-8"),
        (BOMB.decode().encode("utf-32"), "not UTF-8"),
        (b"<product><a></product>", "no well-formed XML: mismatched tag"),
        (b"", "no well-formed XML"),
        (b"\0" * 100, "not UTF-8"),
        (b"<product>&undefined;</product>", "no well-formed XML: undefined entity"),
        (b"<noise/>", "its root is 'noise', not 'product'"),
    ],
    ids=range(11),
)
def test_what_is_no_xml_of_a_product_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        parse_xml(content, "x.xml", "product")
    assert str(caught.value).startswith("x.xml: ")


def test_huge_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match="67,108,865 bytes of XML, more than 67,108,864"):
        parse_xml(b" " * (elements.MOST_BYTES + 1), "x.xml", "product")
    monkeypatch.setattr(elements, "MOST_ELEMENTS", 100)
    with pytest.raises(SourceError, match="more than 100 elements"):
        parse_xml(b"<product>" + b"<a/>" * 100 + b"</product>", "x.xml", "product")


def test_deep_nesting_is_no_danger() -> None:
    depth = 100_000
    parse_xml(b"<product>" + b"<a>" * depth + b"</a>" * depth + b"</product>", "x.xml", "product")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("<v>abc</v>", "product/v is 'abc', not a number"),
        ("<v>nan</v>", "product/v is 'nan', not a number"),
        ("<v>1_0</v>", "product/v is '1_0', not a number"),
        ("<v>\u0661</v>", "product/v is '\u0661', not a number"),
        ("<v>1e999</v>", "product/v is '1e999', not between 0 and 10"),
        ("<v>5000</v>", "product/v is '5000', not between 0 and 10"),
        ("<v> </v>", "product/v is empty"),
        ("<w/>", "product/v is missing"),
        ("<v>1</v><v>1</v>", "product/v exists 2 times"),
        ('<v unit="km">1</v>', "product/v is in 'km', not in m"),
    ],
)
def test_numbers_are_checked(value: str, message: str) -> None:
    root = parse_xml(f"<product>{value}</product>".encode(), "x.xml", "product")
    with pytest.raises(SourceError, match=f"x.xml: {message}"):
        root.number("v", 0, 10, "m")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('<v count="3">1 2</v>', "product/v says count='3', but has 2"),
        ("<v>1 2 3</v>", "product/v has 3 numbers, not 2"),
        ("<v>1 b</v>", "product/v is not a list of numbers: '1 b'"),
        ("<v>1 nan</v>", "product/v is not a list of numbers: '1 nan'"),
        ("<v>1 1_0</v>", "product/v is not a list of numbers: '1 1_0'"),
        ("<v>1 11</v>", "product/v holds '11', not between 0 and 10"),
    ],
)
def test_lists_are_checked(value: str, message: str) -> None:
    root = parse_xml(f"<product>{value}</product>".encode(), "x.xml", "product")
    with pytest.raises(SourceError, match=message):
        root.numbers("v", 0, 10, 2)


@pytest.mark.parametrize("value", ["now", "today", "NaT", "2021", "2021-13-01T00:00:00", "1970-01-01T00:00:00", "0"])
def test_times_are_checked(value: str) -> None:
    root = parse_xml(f"<product><v>{value}</v></product>".encode(), "x.xml", "product")
    with pytest.raises(SourceError, match=f"product/v is '{value}', not a time since 2014"):
        root.time("v")


def test_times_in_all_spellings() -> None:
    root = parse_xml(
        b"<product><v>UTC=2021-08-09T17:39:53.153776</v><w>2021-08-09T17:39:53Z</w></product>", "x", "product"
    )
    assert root.time("v") - root.time("w") == np.timedelta64(153776, "us")
