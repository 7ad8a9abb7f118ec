"""An output tree for the report: of two zones, with months that are complete, without data, unusable, failed ..."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from s1monthly.granules import GranuleList, SetAside
from s1monthly.records.granule_list import write_granule_list
from s1monthly.records.search_log import Answer, read_answers, write_answers
from support.audited_tree import copy_of
from support.browser import HOSTILE
from support.small_tree import SmallTree

LOST = "OPERA_L2_RTC-S1_T137-292319-IW1_20220305T020003Z_20250830T000000Z_S1A_30_v1.0"


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> SmallTree:
    """A tree whose name must be quoted in addresses."""
    tree = SmallTree(tmp_path_factory.mktemp("report") / "a #1 50% tree")
    for month in ("2021-11", "2021-12", "2022-02"):
        tree.add(month)
    for direction, tile in (("DESCENDING", "10SGD"), ("ASCENDING", "11SKU")):
        tree.add("2021-12", tile, direction)
    for key in tree.months:
        tree.make(key)
    failed, key = tree.add("2022-04"), tree.add("2022-03")
    listed = GranuleList((), (SetAside(LOST, HOSTILE, lost=True),))
    write_granule_list(tree.path("granules", key), listed)
    question, answers = read_answers(tree.path("search", key))
    answers[key.month] = Answer.of(listed, datetime(2024, 1, 2, tzinfo=UTC), "")
    write_answers(tree.path("search", key), question, answers)
    log = Path(tree.layout.logs, "bursts", f"{failed}.log")
    log.parent.mkdir(parents=True)
    log.write_text("2024-01-02 03:04:05,678 CRITICAL no route to <b>host</b>\n")
    tree.path("preview", failed).with_name("10SGD_S1_Monthly_ASCENDING_2021-12.png").unlink()
    return tree


@pytest.fixture
def tree(whole: SmallTree, tmp_path: Path) -> SmallTree:
    """A copy that may be changed."""
    shutil.copytree(whole.base, tmp_path / "output")
    return copy_of(whole, tmp_path / "output")
