"""Connections that jobs share: how many a link takes, who gets one, and what a refusal does to all."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import pytest

from s1monthly.sources.asf import connections
from s1monthly.sources.asf.connections import FIRST, LEAST, MOST, Connections, Link
from s1monthly.sources.retries import PassingFault
from s1monthly.sources.transfer import Clock

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


def settled(together: float, each: float, wait: float, size: float = 5e6) -> tuple[int, float]:
    """Slots that open on a link, and the share of it that they then use.

    Of n connections, each waits, then sends its file at the link's share of those that send, or at its own limit. In
    balance, the files a second are n / (wait + size / rate), and all together send no more than the link.
    """
    link = Link()
    for _ in range(1000):
        n = int(link.slots)
        link = link.after_transfer(size / max(wait + size / each, n * size / together))
    n = int(link.slots)
    return n, n * size / max(wait + size / each, n * size / together) / together


@pytest.mark.parametrize(
    ("together", "each", "wait", "fewest", "most", "share"),
    [
        (60e6, 6e6, 0.6, 18, MOST, 0.95),
        (20e6, 6e6, 0.6, 6, 16, 0.95),
        (5e6, 5e6, 0.6, LEAST, 16, 0.95),
        (1e6, 6e6, 0.3, LEAST, 6, 0.99),
        (1e9, 6e6, 0.6, MOST, MOST, 0.08),
    ],
)
def test_a_link_gets_the_connections_that_fill_it(
    together: float, each: float, wait: float, fewest: int, most: int, share: float
) -> None:
    slots, used = settled(together, each, wait)
    assert fewest <= slots <= most and used >= share


def test_connections_close_when_the_link_gets_worse() -> None:
    link = Link(slots=20, usual=3e6, best=3e6)
    for _ in range(60):
        link = link.after_transfer(3e5)
    assert link.slots == LEAST
    for _ in range(15000):
        link = link.after_transfer(3e5)
    assert link.slots > LEAST, "what the link was once is forgotten"


def test_jobs_share_slots_and_a_job_gives_back_what_it_does_not_need(tmp_path: Path) -> None:
    given_up = threading.Event()
    one, other, clock = Connections(tmp_path), Connections(tmp_path), Clock(0.05, given_up)
    with ThreadPoolExecutor(1) as pool, ExitStack() as stack, ExitStack() as last:
        last.callback(given_up.set)  # a test that fails does not wait for ever
        for _ in range(FIRST):
            stack.enter_context(one.one(clock))
        waiting = pool.submit(lambda: other.one(clock).__enter__())
        time.sleep(0.3)
        assert not waiting.done()
        stack.pop_all().close()
        waiting.result(5)
        assert clock.left > 0, "waiting for a slot does not count"


def test_so_many_slots_of_its_own_as_were_given(tmp_path: Path) -> None:
    shared, fixed = Connections(tmp_path), Connections(tmp_path, 2)
    with ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        for _ in range(FIRST):
            stack.enter_context(shared.one(Clock(1)))
        first = [fixed.one(Clock(1)) for _ in range(2)]
        for each in first:
            each.__enter__()
        third = pool.submit(lambda: fixed.one(Clock(1)).__enter__())
        time.sleep(0.2)
        assert not third.done()
        first[0].__exit__(None, None, None)
        third.result(5)


def test_a_request_that_is_given_up_waits_no_longer_and_keeps_no_slot(tmp_path: Path) -> None:
    one, other, given_up = Connections(tmp_path), Connections(tmp_path), threading.Event()
    with ThreadPoolExecutor(1) as pool, ExitStack() as stack:
        for _ in range(FIRST):
            stack.enter_context(one.one(Clock(1)))
        waiting = pool.submit(lambda: other.one(Clock(60, given_up)).__enter__())
        given_up.set()
        with pytest.raises(PassingFault, match="given up"):
            waiting.result(5)
        one._waiting = 1  # a request waits when another ends, and is given up before it takes that slot
        stack.pop_all().close()
        one._waiting = 0
        with pytest.raises(PassingFault, match="given up"), one.one(Clock(60, given_up)):
            pass
    assert not one._held and not one._idle


@pytest.mark.parametrize("fixed", [None, 3])
def test_a_refusal_pauses_all_jobs_and_closes_half_of_the_slots_once(tmp_path: Path, fixed: int | None) -> None:
    (tmp_path / "link.json").write_text(json.dumps(asdict(Link(slots=20))))
    one, other = Connections(tmp_path, fixed), Connections(tmp_path, fixed)
    for _ in range(3):
        with pytest.raises(PassingFault), ExitStack() as stack:
            stack.callback(setattr, one, "_paused", 0.0)  # requests under way are refused, too
            with one.one(Clock(1)):
                raise PassingFault("HTTP 429", 0.4, slow_down=True)
    begun = time.monotonic()
    with other.one(Clock(1)):
        assert time.monotonic() - begun > 0.25
    assert json.loads((tmp_path / "link.json").read_text())["slots"] == 10
    one._held, one._waiting = {9, 10}, 2
    for slot in (9, 10):
        one._give_back(slot)
    assert one._idle == ([] if fixed else [9]), "a slot that is closed goes, even if a request waits"


def test_jobs_add_up_what_they_learn(tmp_path: Path) -> None:
    with ExitStack() as stack:
        for job in (Connections(tmp_path), Connections(tmp_path)):
            stack.enter_context(job.one(Clock(1))).size = 2_000_000
    assert json.loads((tmp_path / "link.json").read_text())["slots"] == FIRST + 1


def test_a_wrong_clock_prolongs_no_pause(tmp_path: Path) -> None:
    connections_of_job = Connections(tmp_path)
    (tmp_path / "link.json").write_text(
        json.dumps({"slots": 8, "usual": 0, "best": 0, "refusals": 1, "pause": 0.2, "until": time.time() + 3600})
    )
    begun = time.monotonic()
    with connections_of_job.one(Clock(1)):
        assert 0.1 < time.monotonic() - begun < 5


def test_what_another_run_learned_long_ago_or_half_wrote_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "link.json"
    path.write_text('{"slots": 2')
    with Connections(tmp_path).one(Clock(1)) as transfer:
        transfer.size = 2_000_000
    assert json.loads(path.read_text())["slots"] == FIRST + 0.5
    monkeypatch.setattr(connections, "VALID_SECONDS", -1.0)
    assert Connections(tmp_path)._read() == Link()


def test_a_killed_job_leaves_its_slots(tmp_path: Path) -> None:
    script = f"""
import sys, time
sys.path.insert(0, {str(SCRIPTS)!r})
from s1monthly.sources.asf.connections import Connections
from s1monthly.sources.transfer import Clock
shared = Connections({str(tmp_path)!r})
held = [shared.one(Clock(1)) for _ in range({FIRST})]
for each in held:
    each.__enter__()
print("held", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as job:
        assert job.stdout and job.stdout.readline() == b"held\n"
        other = Connections(tmp_path)
        assert other._free_slot(time.monotonic()) is None
        job.kill()
        job.wait()
        with other.one(Clock(1)):
            pass


def test_a_file_system_without_locks_gives_every_job_a_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "flock", lambda *_: None)
    for job in (Connections(tmp_path), Connections(tmp_path)):
        taken = [job._free_slot(time.monotonic()) for _ in range(LEAST + 1)]
        assert taken == [*range(LEAST), None]
