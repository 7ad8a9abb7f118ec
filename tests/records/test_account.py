"""The account of a month's granules: written, read, refused if of other granules; checksums of what was read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from s1monthly.errors import ProductError
from s1monthly.granule_names import parse_granule_id
from s1monthly.granules import Layer
from s1monthly.records.account import Account, read_account, write_account

GRANULES = [
    parse_granule_id(f"OPERA_L2_RTC-S1_T137-{number:06d}-IW1_20211119T015854Z_20250830T120333Z_S1A_30_v1.0")
    for number in range(3)
]
GONE, ONE, OTHER = (granule.id for granule in GRANULES)
ACCOUNT = Account({GONE: "cut short, ä"}, {ONE: {"VV": "measured", "VH": "too"}}, "list", "recipe", [ONE], {})


def test_an_account_comes_back_as_it_was(tmp_path: Path) -> None:
    write_account(tmp_path / "account.json", ACCOUNT)
    assert read_account(tmp_path / "account.json") == ACCOUNT


def test_an_account_of_other_granules_or_another_recipe_is_refused() -> None:
    ACCOUNT.check("list", "recipe")
    with pytest.raises(ProductError, match="another granule list"):
        ACCOUNT.check("another", "recipe")
    with pytest.raises(ProductError, match="another recipe"):
        ACCOUNT.check("list", "another")


def test_what_was_read_has_the_checksums_of_the_files_read() -> None:
    layers = (Layer("VV", "a.tif", 10, "declared"), Layer("VH", "b.tif", 10))
    read = ACCOUNT.of_read(replace(granule, layers=layers) for granule in GRANULES)
    assert [(granule.id, [layer.md5 for layer in granule.layers]) for granule in read] == [
        (ONE, ["measured", "too"]),
        (OTHER, ["declared", ""]),
    ]


def test_granules_that_are_left_out_later_have_a_reason_too() -> None:
    without = replace(ACCOUNT, on_tile=[ONE, OTHER], off_tile={}).without({OTHER: "its burst has no static granule"})
    assert (without.on_tile, without.off_tile) == ([ONE], {OTHER: "its burst has no static granule"})
    nothing = replace(without, unread={}).without({ONE: "its burst has no static granule"})
    assert nothing.why_empty == "its burst has no static granule (2 granules)"


@pytest.mark.parametrize("content", ["", '{"unread": {}', "null", "{}"])
def test_a_damaged_account_is_named_with_the_remedy(tmp_path: Path, content: str) -> None:
    path = tmp_path / "account.json"
    path.write_text(content)
    with pytest.raises(ProductError, match=r"account\.json: .* is damaged .* -> delete it and run again"):
        read_account(path)


def test_a_missing_account_names_the_job_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(ProductError, match=r"no\.json is not there.*run the job of the rule bursts first"):
        read_account(tmp_path / "no.json")
