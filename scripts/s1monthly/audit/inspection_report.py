"""Results of inspections as text for a terminal of 80 columns."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from s1monthly.audit.inspection import MISSING, OUT_OF_DATE, InspectedMonth, InspectedTile, Kind
from s1monthly.errors import NameFormatError
from s1monthly.granule_names import SLICE_PATTERN, parse_granule_id
from s1monthly.model import month_ranges

WIDTH = 80

_GRANULE_ID = re.compile(rf"(?:OPERA_L2_RTC-S1_[^\s/]+?_v[\d.]*\d|{SLICE_PATTERN})(?=[\s:,;)]|$)")

MOST_LINES = 14
"""Largest number of lines shown of a reason; the log named there has all."""


def coverage(states: Sequence[InspectedTile]) -> Iterator[str]:
    """Yield a table of all tiles and directions, as in S1-GRiTS, then missing months and remarks as text."""
    yield f"{'Tile':<8}{'Direction':<16}{'Months':>6}{'Expected':>10}{'Missing':>9}{'Complete':>10}  Range"
    for state in states:
        yield _row(str(state.key.tile), str(state.key.direction), [state])
    if len(states) > 1:
        yield _row("all", "", states)
    yield from _section("Missing", states, (*MISSING, Kind.NOT_SEARCHED))
    yield from _section("Not expected", states, (Kind.NO_DATA,))
    yield from _paragraphs("To look at with tile_inspect", [(state, _remarkable(state)) for state in states])


def _row(tile: str, direction: str, states: Sequence[InspectedTile]) -> str:
    present, expected = sum(state.present for state in states), [m for state in states for m in state.expected]
    reach = f"{min(expected)} ~ {max(expected)}" if expected else "-"
    numbers = f"{present:>6}{len(expected):>10}{len(expected) - present:>9}{_percent(present, len(expected)):>9}"
    return f"{tile:<8}{direction:<16}{numbers}   {reach}"


def _percent(present: int, expected: int) -> str:
    """Format the completeness; 100.0% only if nothing is missing."""
    if not expected:
        return "-"
    return f"{100.0 if present == expected else min(99.9, 100 * present / expected):.1f}%"


def _section(title: str, states: Sequence[InspectedTile], kinds: Sequence[Kind]) -> Iterator[str]:
    found = []
    for state in states:
        months = [(kind, [one.month for one in state.of(kind)]) for kind in kinds]
        found.append((state, [f"{kind}: {month_ranges(listed)}" for kind, listed in months if listed]))
    yield from _paragraphs(title, found)


def _remarkable(state: InspectedTile) -> list[str]:
    fewer = [one.month for one in state.of(Kind.PRESENT, Kind.NOT_CATALOGUED) if one.missing_granules]
    behind = [one.month for one in state.months if any(remark.startswith(OUT_OF_DATE) for remark in one.remarks)]
    other = [one.month for one in state.months if any(not text.startswith(OUT_OF_DATE) for text in one.remarks)]
    told = (("of fewer granules than there are", fewer), ("out of date", behind), ("other remarks", other))
    return [*(f"{what}: {month_ranges(months)}" for what, months in told if months), *state.troubles]


def _paragraphs(title: str, found: Sequence[tuple[InspectedTile, Sequence[str]]]) -> Iterator[str]:
    if any(lines for _, lines in found):
        yield f"\n{title}"
    for state, lines in found:
        if lines:
            yield _wrapped(f"{state.key.tile} {state.key.direction}: {'; '.join(lines)}", "  ", "    ")


def details(states: Sequence[InspectedTile]) -> Iterator[str]:
    """Yield every missing or remarkable month of a tile's directions, with the reason."""
    title = f" Tile: {states[0].key.tile}"
    title += f"  |  {states[0].key.direction} " if len(states) == 1 else " "
    yield title.center(WIDTH, "-")
    for state in states:
        expected = state.expected
        remarkable = [one for one in state.of(Kind.PRESENT) if one.remarks or one.missing_granules]
        yield f"\n{state.key.direction}"
        note = f" ({len(remarkable)} with a remark)" if remarkable else ""
        yield f"  Present months:  {state.present}{note}"
        yield f"  Expected months: {len(expected)}"
        yield f"  Date range:      {f'{expected[0]} ~ {expected[-1]}' if expected else '-'}"
        yield f"  Completeness:    {_percent(state.present, len(expected))}"
        yield from _listed("Missing months", state.of(*MISSING))
        yield from _listed("Present, with a remark", remarkable)
        yield from _listed("Without source data, not expected", state.of(Kind.NO_DATA))
        yield from _unsearched(state.of(Kind.NOT_SEARCHED))
        for trouble in state.troubles:
            yield "\n" + _wrapped(trouble, "  ! ", "    ")
        if not state.of(*MISSING, Kind.NOT_SEARCHED):
            yield "\n  No missing months"


def _listed(title: str, months: Sequence[InspectedMonth]) -> Iterator[str]:
    if months:
        yield f"\n  {title} ({len(months)}):"
    for state in months:
        told = _GRANULE_ID.sub(lambda found: _short(found[0]), "\n".join(filter(None, [state.reason, *state.remarks])))
        lines = [line for text in told.split("\n") for line in _wrapped(text, "", "  ", WIDTH - 18).splitlines()]
        if len(lines) > MOST_LINES:
            lines[MOST_LINES - 3 :] = ["...", *lines[-2:]]
        if state.kind is Kind.UNUSABLE:
            lines[-1] += ":"
        lines += _granules(state.missing_granules, made=state.kind is not Kind.UNUSABLE)
        first, *others = filter(None, lines)
        yield "\n".join([f"    - {state.month}  ({first}", *(f"{'':15}{line}" for line in others)]) + ")"


def _unsearched(months: Sequence[InspectedMonth]) -> Iterator[str]:
    for reason in dict.fromkeys(state.reason for state in months):
        alike = [state.month for state in months if state.reason == reason]
        yield "\n" + _wrapped(f"{reason[0].upper()}{reason[1:]} ({len(alike)}): {month_ranges(alike)}", "  ", "    ")


def _granules(missing: Mapping[str, str], made: bool) -> Iterator[str]:
    if missing and made:
        yield f"made of fewer granules than there are, {len(missing)} missing:"
    for granule_id, reason in missing.items():
        text = f"{_short(granule_id)}: {reason}" if reason else _short(granule_id)
        yield from _wrapped(text, "  ", "    ", WIDTH - 18).splitlines()


def _short(granule_id: str) -> str:
    """Return a granule's scene, time and platform; other text stays unchanged."""
    try:
        return parse_granule_id(granule_id).in_short
    except NameFormatError:
        return granule_id


def _wrapped(text: str, first: str, others: str, width: int = WIDTH) -> str:
    whole = text.startswith("see ")  # keep paths whole, to be copied
    return textwrap.fill(
        text, width, initial_indent=first, subsequent_indent=others, break_long_words=not whole, break_on_hyphens=False
    )
