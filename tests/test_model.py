"""Months, tiles, stacks of passes, keys of composites."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s1monthly.errors import NameFormatError
from s1monthly.model import CompositeKey, Direction, Month, Polarization, Stack, Tile, TileDirection

MONTHS = st.builds(Month, st.integers(1901, 9998), st.integers(1, 12))


# months


@given(MONTHS)
def test_a_month_begins_and_ends_where_the_calendar_says(month: Month) -> None:
    days = calendar.monthrange(month.year, month.month)[1]
    assert month.start == datetime(month.year, month.month, 1, tzinfo=UTC)
    assert month.start.utcoffset() == timedelta(0) == month.end.utcoffset()
    assert month.end - month.start == timedelta(days=days)
    assert Month.of(month.end - timedelta(microseconds=1)) == month == Month.of(month.start)
    assert Month.of(month.end) > month


@given(MONTHS, st.integers(-12_000, 12_000))
def test_shift_is_exact_over_years_and_the_order_is_that_of_time(month: Month, step: int) -> None:
    target = month.ordinal + step
    if not 1901 * 12 <= target < 9999 * 12:
        return
    moved = month.shift(step)
    assert (moved.year * 12 + moved.month) - (month.year * 12 + month.month) == step == moved.ordinal - month.ordinal
    assert moved.shift(-step) == month == Month.from_ordinal(month.ordinal)
    assert (moved > month) == (moved.start > month.start) == (str(moved) > str(month)) == (step > 0)


def test_until_crosses_years_and_holds_both_ends() -> None:
    def span(first: str, last: str) -> str:
        return " ".join(map(str, Month.parse(first).until(Month.parse(last))))

    assert span("2023-11", "2024-02") == "2023-11 2023-12 2024-01 2024-02"
    assert span("2024-02", "2024-02") == "2024-02"
    assert span("2024-03", "2024-02") == ""
    assert span("2014-04", "2024-03").count("-") == 120


@given(MONTHS)
def test_month_as_text_and_back(month: Month) -> None:
    assert Month.parse(str(month)) == month and len(str(month)) == 7


NO_MONTHS = [
    *["2024-13", "2024-00", "2024-1", "24-01", "2024-06-01", "2024/06", "202406", "1899-12"],
    " 2024-06",
    "2024-06\n",
    "",
]


@pytest.mark.parametrize("text", NO_MONTHS)
def test_no_month(text: str) -> None:
    with pytest.raises(NameFormatError, match="month"):
        Month.parse(text)


# tiles, bursts, keys


def test_parts_of_a_tile() -> None:
    tile = Tile("01KAB")
    assert (tile.zone, tile.band, tile.column, tile.row, tile.north, tile.epsg) == (1, "K", "A", "B", False, 32701)
    assert (Tile("10SGD").epsg, Tile("22NCF").north, Tile("22MCF").north) == (32610, True, False)


NO_TILES = {
    "no zone 61": ["61SGD"],
    "no zone 0": ["00SGD"],
    "no latitude band": ["10IGD", "10BGD", "10YGD"],
    "no column": ["10SJD", "11SGD"],
    "no row": ["10SGW", "10SGI"],
    "not a tile name": ["1SGD", "010SGD", "10sgd", "10SGD ", "10SGD\n", ""],
}


@pytest.mark.parametrize(("name", "says"), [(name, says) for says, names in NO_TILES.items() for name in names])
def test_no_tile(name: str, says: str) -> None:
    with pytest.raises(NameFormatError, match=says):
        Tile(name)


def test_polarization_pairs_name_the_co_polarized_layer_first() -> None:
    assert [pair.layers for pair in Polarization] == [("VV", "VH"), ("HH", "HV")]


def test_composite_key_by_names() -> None:
    key = CompositeKey.parse(tile="10SGD", direction="DESCENDING", month="2021-11")
    assert key == CompositeKey(Tile("10SGD"), Direction.DESCENDING, Month(2021, 11))
    assert str(key) == "10SGD_DESCENDING_2021-11"


@pytest.mark.parametrize(
    ("text", "pooled", "track", "directions", "passes"),
    [
        ("DESCENDING", "DESCENDING", None, [Direction.DESCENDING], "descending passes"),
        ("ASCENDING_T007", "ASCENDING", 7, [Direction.ASCENDING], "ascending passes of track 7"),
        ("COMBINED", "COMBINED", None, [*Direction], "passes of both directions"),
    ],
)
def test_a_stack_is_a_direction_a_track_or_both_directions(
    text: str, pooled: str, track: int | None, directions: list[Direction], passes: str
) -> None:
    stack = Stack.parse(text)
    assert stack == text == str(Stack.of(pooled, track)) and (stack.pooled, stack.track) == (pooled, track)
    assert list(stack.directions) == directions and stack.passes == passes
    key = CompositeKey.parse("10SGD", text, "2021-11")
    assert str(key) == f"10SGD_{text}_2021-11" and str(TileDirection(key.tile, stack).pooled) == f"10SGD_{pooled}"


@pytest.mark.parametrize(
    "text", ["", "ascending", "T137", "ASCENDING_137", "ASCENDING_T000", "ASCENDING_T176", "COMBINED_T137"]
)
def test_other_texts_are_no_stacks(text: str) -> None:
    with pytest.raises(NameFormatError, match="not a direction"):
        Stack.parse(text)
