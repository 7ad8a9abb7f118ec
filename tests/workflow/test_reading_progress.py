"""The progress of reading: what jobs count, added up for the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from s1monthly.workflow import reading_progress
from s1monthly.workflow.reading_progress import ReadingCount, ReadingProgress, Ticker


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        """Return its time."""
        return self.now


def test_counts_of_all_jobs_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_progress, "COUNTED_EVERY", 0.0)
    clock = Clock()
    progress = ReadingProgress(str(tmp_path), {"11SLT_ASCENDING", "11SMT_ASCENDING"}, lambda: 100, "fetched", clock)
    assert progress.line() == "fetched 0 of 100 granules"
    assert progress.line() == "", "nothing new"
    one = ReadingCount(tmp_path / "11SLT_ASCENDING_2021-11.json", 10)
    two = ReadingCount(tmp_path / "11SMT_ASCENDING_2021-11.json", 40)
    other = ReadingCount(tmp_path / "11SNT_ASCENDING_2021-11.json", 40)
    for _ in range(10):
        one.add(14_000_000)
        two.add(14_000_000)
        other.add(14_000_000)
    clock.now = 20.0
    assert progress.line() == "fetched 20 of 100 granules, 14.0 MB/s, about 80 s left"
    assert sorted(path.name[:5] for path in tmp_path.iterdir()) == ["11SMT", "11SNT"], "a complete count is kept here"
    for _ in range(30):
        two.add(14_000_000)
    clock.now = 40.0
    assert progress.line() == "fetched 50 of 100 granules, 17.5 MB/s, about 40 s left"
    clock.now = 200.0
    ReadingCount(tmp_path / "11SLT_ASCENDING_2021-12.json", 1).add(0)
    assert progress.line() == "fetched 51 of 100 granules, about 2.2 h left"
    progress.total = lambda: 51
    ReadingCount(tmp_path / "11SLT_ASCENDING_2021-12.json", 1).add(0)
    assert progress.line() == "", "all is read"


def test_counts_of_an_earlier_run_are_forgotten_and_those_of_others_are_not(tmp_path: Path) -> None:
    for name in ("11SLT_ASCENDING_2021-11.json", "11SNT_ASCENDING_2021-11.json"):
        ReadingCount(tmp_path / name, 1).add(1)
    (tmp_path / "11SLT_ASCENDING_2021-12.json").write_text('[1, "')
    told: list[str] = []
    ticker = Ticker(ReadingProgress(str(tmp_path), {"11SLT_ASCENDING"}, lambda: 3, "read"), told.append)
    ticker.start()
    ticker.stop()
    assert [path.name[:5] for path in tmp_path.iterdir()] == ["11SNT"] and told == []


def test_a_ticker_tells_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_progress, "SHOWN_EVERY", 0.01)
    told: list[str] = []
    ticker = Ticker(ReadingProgress(str(tmp_path), {"11SLT_ASCENDING"}, lambda: 3, "read"), told.append)
    ticker.start()
    ReadingCount(tmp_path / "11SLT_ASCENDING_2021-11.json", 2).add(5)
    for _ in range(500):
        if told:
            break
        ticker._ended.wait(0.01)
    ticker.stop()
    assert told and told[0].startswith("read 1 of 3 granules")
