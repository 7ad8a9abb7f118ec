"""Trying again: how long is waited, when it ends, and which faults count."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s1monthly.sources import retries
from s1monthly.sources.retries import FIRST_WAIT, LONGEST_WAIT, GaveUpError, PassingFault, retry, retry_after


class _FakeTime:
    """A clock that only `sleep` moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _FakeTime:
    fake = _FakeTime()
    monkeypatch.setattr(retries, "time", fake)
    return fake


def failing(*faults: Exception) -> Callable[[float], str]:
    """An attempt that raises these, one a try, and then succeeds."""
    left = list(faults)

    def attempt(seconds: float) -> str:
        if left:
            raise left.pop(0)
        return "done"

    return attempt


def test_waits_grow_up_to_the_longest(clock: _FakeTime) -> None:
    assert retry("x", failing(*[PassingFault("busy")] * 10), 10_000) == "done"
    longest = [min(FIRST_WAIT * 2**n, LONGEST_WAIT) for n in range(10)]
    assert all(most / 2 <= wait <= most for wait, most in zip(clock.waits, longest, strict=True))
    assert longest[-1] == LONGEST_WAIT
    retry("x", failing(PassingFault("busy")), 60)
    assert clock.waits[0] != clock.waits[-1], "by chance"


def test_what_the_server_asks_is_waited(clock: _FakeTime) -> None:
    assert retry("x", failing(PassingFault("busy", wait=37.0), PassingFault("busy", wait=0.1)), 600) == "done"
    assert clock.waits[0] == 37.0
    assert clock.waits[1] >= FIRST_WAIT  # the second wait is ours: longer than what is asked


def test_no_wait_goes_beyond_the_time_given(clock: _FakeTime) -> None:
    with pytest.raises(GaveUpError) as raised:
        retry("x", failing(PassingFault("busy", wait=31.0)), 30)
    assert clock.waits == []
    assert raised.value.reason == "busy (tried 1 time in 30 s)"
    assert raised.value.before == ""
    with pytest.raises(GaveUpError) as raised:
        retry("x", failing(PassingFault("busy"), PassingFault("slow", wait=31.0)), 30)
    assert (raised.value.reason, raised.value.before) == ("slow (tried 2 times in 30 s)", "busy")


@given(seconds=st.floats(0, 500), work=st.floats(0, 50))
def test_it_gives_up_in_time_and_tells_of_the_last_fault(seconds: float, work: float) -> None:
    clock, given_to = _FakeTime(), []

    def attempt(left: float) -> None:
        given_to.append((clock.now - 1000.0, left))
        clock.now += work
        raise PassingFault(f"fault {len(given_to)}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retries, "time", clock)
        with pytest.raises(GaveUpError) as raised:
            retry("x", attempt, seconds)
    tries = len(given_to)
    assert tries >= 1
    assert raised.value.reason.startswith(f"fault {tries} (tried {tries} time")
    begun = [start for start, _ in given_to]
    assert all(start < seconds for start in begun[1:])
    assert all(left == pytest.approx(max(0.0, seconds - start)) for start, left in given_to)


def test_the_first_try_is_made_without_any_time(clock: _FakeTime) -> None:
    assert retry("x", failing(), 0) == "done" and clock.waits == []
    with pytest.raises(GaveUpError):
        retry("x", failing(PassingFault("busy")), 0)


@pytest.mark.parametrize("error", [ValueError("bug"), OSError("disk"), KeyboardInterrupt()])
def test_other_errors_end_the_tries(clock: _FakeTime, error: BaseException) -> None:
    def attempt(left: float) -> None:
        raise error

    with pytest.raises(type(error)):
        retry("x", attempt, 600)
    assert clock.waits == []


def test_every_try_is_logged_with_its_fault(clock: _FakeTime, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "s1monthly"):
        retry("10SGD 2021-11", failing(PassingFault("busy", 4), PassingFault("gone", 5)), 600)
    assert caplog.messages == [
        "10SGD 2021-11: try 1: busy; next in 4 s",
        "10SGD 2021-11: try 2: gone; next in 5 s",
    ]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, 0), ("", 0), ("120", 120), (" 7 ", 7), ("-3", 0), ("soon", 0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)],
)
def test_retry_after_in_seconds_or_as_a_past_date(header: str | None, seconds: float) -> None:
    assert retry_after(header) == seconds


def test_retry_after_counts_from_the_servers_clock() -> None:
    at, now = "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:27:20 GMT"
    assert retry_after(at, now) == 40 and retry_after(now, at) == 0
    assert retry_after(at, "today") == 0 and retry_after("7", now) == 7


@pytest.mark.parametrize("usegmt", [True, False])
def test_retry_after_as_a_date_to_come(usegmt: bool) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=90)
    assert 85 < retry_after(format_datetime(moment, usegmt=usegmt)) <= 90
