"""Granules that several tiles need stay in the cache until the last of them has read its month."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from s1monthly.granule_names import parse_granule_id
from s1monthly.granules import Granule, GranuleList, Layer, SetAside
from s1monthly.layout import Layout
from s1monthly.model import CompositeKey
from s1monthly.records.granule_list import write_granule_list
from s1monthly.sources.asf.granule_cache import GranuleCache
from s1monthly.stages.sharing import release

NAME = "OPERA_L2_RTC-S1_T137-{:06d}-IW1_20211119T015854Z_20250830T120333Z_S1A_30_v1.0"
FIRST, SECOND, THIRD = (CompositeKey.parse(tile, "ASCENDING", "2021-11") for tile in ("11SLT", "11SMT", "11SLU"))


def granule(number: int) -> Granule:
    return replace(parse_granule_id(NAME.format(number)), layers=(Layer("VV", "https://x", 3),))


def test_a_granule_goes_when_its_last_tile_has_read_it(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path), str(tmp_path / "work"))
    cache = GranuleCache(layout.run_cache, 10**6)
    lists = {FIRST: (1, 2, 3), SECOND: (2, 3, 4), THIRD: (3,)}
    for key, numbers in lists.items():
        aside = (SetAside(NAME.format(1), "another track"),) if key == THIRD else ()
        write_granule_list(layout.of(key).granules, GranuleList(tuple(map(granule, numbers)), aside))
        for number in numbers:
            cache.write(f"{NAME.format(number)}_VV.tif", b"abc", 3, "")

    def left_after(key: CompositeKey, product: str) -> list[int]:
        made = Path(getattr(layout.of(key), product))
        made.parent.mkdir(parents=True)
        made.write_text("{}")
        release(layout, key, GranuleList(tuple(map(granule, lists[key])), ()), cache)
        return sorted(int(path.name.split("-")[2]) for path in Path(layout.run_cache).rglob("*.tif"))

    assert left_after(FIRST, "account") == [2, 3, 4], "another tile only set 1 aside"
    assert left_after(THIRD, "record") == [2, 3, 4], "SECOND has not read 3"
    assert left_after(SECOND, "account") == []
