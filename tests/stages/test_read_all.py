"""Reading all granules of a month: how many may be unread, what is logged, and what ends all."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from s1monthly.errors import CredentialsError, ProductError, SourceError
from s1monthly.granule_names import parse_granule_id
from s1monthly.granules import Granule, GranuleList, SetAside
from s1monthly.model import CompositeKey
from s1monthly.records.account import Account
from s1monthly.stages.bursts import read_all
from s1monthly.workflow.resume import KeptPieces, Piece

KEY = CompositeKey.parse("10SGD", "ASCENDING", "2021-11")
BURST = "OPERA_L2_RTC-S1_T137-{:06d}-IW1_20211119T015854Z_20250830T120333Z_S1A_30_v1.0"


def granules(number: int) -> tuple[Granule, ...]:
    return tuple(parse_granule_id(BURST.format(n)) for n in range(number))


def read_month(
    number: int, read: Callable[[Granule], Piece], folder: str | Path, most: float, lost: tuple[SetAside, ...] = ()
) -> Account:
    return read_all(KEY, GranuleList(granules(number), lost), read, KeptPieces(folder, "maker"), 2, most, "recipe")


def unread(
    number: int, failed: int, most: float, error: Exception | None = None, lost: tuple[SetAside, ...] = ()
) -> Account:
    """Read granules of which the first few fail."""

    def read(granule: Granule) -> Piece:
        if granule.burst.number < failed:
            raise error or SourceError(f"file {granule.burst.number} is cut short, ä", "fetch it again")
        return Piece("read", facts={"VV": f"{granule.burst.number}"})

    with tempfile.TemporaryDirectory() as folder:
        return read_month(number, read, folder, most, lost)


@pytest.mark.parametrize(
    ("number", "failed", "most", "refused"),
    [
        (30, 1, 0.0, True),
        (30, 3, 0.1, False),
        (30, 4, 0.1, True),
        (30, 29, 1.0, False),
        (30, 30, 1.0, True),
        (0, 0, 0.0, False),
        # 29 of 50 are not more than 0.58, though 0.58 * 50 is less than 29 in floating point
        (50, 29, 0.58, False),
        (50, 30, 0.58, True),
    ],
)
def test_as_many_may_be_unread_as_allowed(number: int, failed: int, most: float, refused: bool) -> None:
    if not refused:
        account = unread(number, failed, most)
        assert account.unread == {BURST.format(n): f"file {n} is cut short, ä" for n in range(failed)}
        assert account.checksums == {BURST.format(n): {"VV": f"{n}"} for n in range(failed, number)}
        return
    with pytest.raises(SourceError) as refusal:
        unread(number, failed, most)
    assert f"10SGD_ASCENDING_2021-11: {failed} of {number} granules" in refusal.value.problem
    assert all(f"file {n} is cut short" in refusal.value.problem for n in range(failed))
    assert "memory.max_failed_ratio" in refusal.value.remedy


def test_reasons_are_logged_with_counts(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="s1monthly"):
        unread(4, 1, 0.5)
    messages = sorted(record.getMessage() for record in caplog.records)
    assert [message[:4] for message in messages] == ["1/4 ", "2/4 ", "3/4 ", "4/4 "]
    assert [record.levelname for record in caplog.records].count("ERROR") == 1


def test_the_account_names_the_granules_that_left_files(tmp_path: Path) -> None:
    first, empty, last = (granule.id for granule in granules(3))

    def read(granule: Granule) -> Piece:
        if granule.id == empty:
            return Piece("no valid pixel on the tile")
        (tmp_path / "maker" / f"{granule.id}_VV.tif").write_text("power")
        return Piece("read", (f"{granule.id}_VV.tif",))

    account = read_month(3, read, tmp_path, 0.0)
    assert account.on_tile == [first, last] and set(account.checksums) == {first, empty, last}


def test_granules_set_aside_as_lost_count_as_unreadable() -> None:
    """A month without them is not whole: with memory.max_failed_ratio 0 it is not made in silence."""
    chosen, gone = SetAside("older", "older version"), SetAside("a granule", "no layer VH", lost=True)
    assert unread(3, 0, 0.0, lost=(chosen,)).unread == {}
    with pytest.raises(SourceError, match=r"1 of 4 granules.*\n.*a granule: no layer VH"):
        unread(3, 0, 0.0, lost=(chosen, gone))
    assert unread(3, 0, 0.25, lost=(gone,)).unread == {}, "the granule list names it already"
    with pytest.raises(SourceError, match=r"2 of 4 granules"):
        unread(3, 1, 0.25, lost=(gone,))


@pytest.mark.parametrize("error", [ProductError("x", "y"), ValueError("x")])
def test_other_errors_are_not_taken_for_an_unread_granule(error: Exception) -> None:
    with pytest.raises(type(error)):
        unread(3, 1, 1.0, error)


def test_an_error_that_ends_all_leaves_the_rest_untried(tmp_path: Path) -> None:
    """Every further try with refused credentials brings the account nearer to being locked."""
    tried = []

    def read(granule: Granule) -> Piece:
        tried.append(granule.id)
        raise CredentialsError("the login was refused", "give another")

    with pytest.raises(CredentialsError):
        read_month(200, read, tmp_path, 1.0)
    assert len(tried) < 100
