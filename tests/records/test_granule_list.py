"""Granule lists: written, read, refused if damaged; what their digest follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from s1monthly.errors import ProductError
from s1monthly.granules import Granule, GranuleList, Layer, SetAside
from s1monthly.records.granule_list import COLUMNS, list_digest, read_granule_list, write_granule_list
from support.sites import burst_of, granule, set_time

FOOTPRINT = (
    "MULTIPOLYGON (((179.5 65.1, 180 65.2, 180 65.4, 179.5 65.1)), ((-180 65.2, -179 65.3, -180 65.4, -180 65.2)))"
)


def detailed(acquired: str, number: int = 292318, *, url: str = "https://host/a,b \"c\" 'd'?x=1&y=;ü") -> Granule:
    layers = (
        Layer("VH", url + "_VH.tif", 7_123_456, "0123456789abcdef0123456789abcdef", "s3://bucket/a,b/VH.tif"),
        Layer("VV", url + "_VV.tif", -1, ""),
    )
    return replace(granule(acquired, burst_of(number)), layers=layers, footprint=FOOTPRINT)


SET_ASIDE = [
    SetAside(granule("20211125T015854Z").id, 'file /a,b/"VV".tif is cut short:\n  12 of 40 bytes, "odd"', lost=True),
    SetAside(granule("20211119T015854Z").id, "track 137 was not asked for"),
]


def test_a_granule_list_comes_back_as_it_was_written(tmp_path: Path) -> None:
    granules = [
        detailed("20211125T015854Z", 292319),
        detailed("20211119T015854Z"),
        detailed("20211119T015857Z", 292319),
    ]
    path = tmp_path / "granules" / "2021-11.csv"
    written = write_granule_list(path, GranuleList(tuple(granules), tuple(SET_ASIDE)))
    found = read_granule_list(path)
    assert found == written and list_digest(found) == list_digest(written)
    assert [g.id for g in found.granules] == sorted(g.id for g in granules)
    by_id = {g.id: g for g in granules}
    for one in found.granules:
        assert (one, one.layers, one.footprint) == (by_id[one.id], by_id[one.id].layers, FOOTPRINT)
    assert found.set_aside == (SET_ASIDE[1], SET_ASIDE[0])
    assert [s.lost for s in found.set_aside] == [False, True]


def test_a_list_of_nothing_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "2021-11.csv"
    for _ in range(2):
        assert write_granule_list(path, GranuleList()) == GranuleList()
        assert not path.exists()
    write_granule_list(path, GranuleList((), tuple(SET_ASIDE)))
    assert read_granule_list(path).granules == () and len(read_granule_list(path).set_aside) == 2
    write_granule_list(path, GranuleList())
    assert not path.exists(), "an older list goes"


def test_a_list_that_says_the_same_stays_untouched(tmp_path: Path) -> None:
    path, granules = tmp_path / "list.csv", [detailed("20211119T015854Z"), detailed("20211119T015857Z", 292319)]
    write_granule_list(path, GranuleList(tuple(granules), tuple(SET_ASIDE)))
    set_time(path, 0)
    before = path.stat().st_mtime_ns
    write_granule_list(path, GranuleList(tuple(granules[::-1]), tuple(SET_ASIDE[::-1])))
    assert path.stat().st_mtime_ns == before
    write_granule_list(path, GranuleList(tuple(granules), tuple(SET_ASIDE[:1])))
    assert path.stat().st_mtime_ns > before and read_granule_list(path).set_aside == (SET_ASIDE[0],)


HEADER = ",".join(COLUMNS)
ROW = f"{granule('20211119T015854Z').id},VV,/a.tif,,12345,,,,"


DAMAGE: dict[str, str | bytes] = {
    "empty": "",
    "another column": HEADER.replace("size", "bytes") + "\n",
    "no number": f"{HEADER}\n{ROW.replace('12345', 'many')}\n",
    "cut short": f"{HEADER}\n{ROW[: ROW.index('345')]}",
    "too long": f"{HEADER}\n{ROW},one,two\n",
    "no granule": f"{HEADER}\nnonsense,VV,/a.tif,,12345,,,,\n",
    "binary": f"{HEADER}\n{ROW}\n".encode() + b"\xff\xfe\x00",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_list_is_refused_by_name_and_written_anew(tmp_path: Path, damage: str) -> None:
    path, content = tmp_path / "2021-11.csv", DAMAGE[damage]
    with pytest.raises(ProductError, match=r"2021-11\.csv"):
        read_granule_list(path)
    path.write_text(f"{HEADER}\n{ROW}\n")
    assert [one.layers for one in read_granule_list(path).granules] == [(Layer("VV", "/a.tif", 12345),)]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ProductError) as refusal:
        read_granule_list(path)
    assert str(path) in refusal.value.problem and refusal.value.remedy
    write_granule_list(path, GranuleList((detailed("20211119T015854Z"),)))
    assert len(read_granule_list(path).granules) == 1


def test_the_digest_follows_what_is_composed_and_not_where_it_lies() -> None:
    one, other = detailed("20211119T015854Z"), detailed("20211119T015857Z", 292319)

    def digest_of(*granules: Granule, aside: tuple[SetAside, ...] = ()) -> str:
        return list_digest(GranuleList(granules, aside))

    def with_layers(change: Callable[[Layer], Layer]) -> Granule:
        return replace(one, layers=tuple(change(layer) for layer in one.layers))

    before = digest_of(one, other)
    same = [
        digest_of(with_layers(lambda layer: replace(layer, url="/elsewhere/" + layer.name)), other),
        digest_of(replace(one, footprint=""), other),
        digest_of(one, other, aside=tuple(SET_ASIDE)),
    ]
    assert same == [before] * 3
    changed = [
        digest_of(one),
        digest_of(other),
        digest_of(),
        digest_of(replace(one, version="1.1"), other),
        digest_of(replace(one, processed=one.processed + timedelta(seconds=1)), other),
        digest_of(replace(one, acquired=one.acquired + timedelta(seconds=1)), other),
        digest_of(replace(one, platform="S1B"), other),
        digest_of(with_layers(lambda layer: replace(layer, size=layer.size + 1)), other),
        digest_of(replace(one, layers=one.layers[:1]), other),
        digest_of(with_layers(lambda layer: replace(layer, name={"VV": "HH", "VH": "HV"}[layer.name])), other),
    ]
    assert len({before, *changed}) == len(changed) + 1
