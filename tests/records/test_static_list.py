"""Static granules of a tile: the list in the work folder, and the answer in search.json."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from s1monthly.errors import ProductError
from s1monthly.granule_names import parse_granule_id, parse_static_id
from s1monthly.granules import Burst, GranuleList, Layer, Slice, StaticGranule, newest_static
from s1monthly.model import Month
from s1monthly.records.search_log import Answer, read_answers, read_static_answer, write_answers
from s1monthly.records.static_list import StaticAnswer, read_static_list, read_static_slice, write_static_list

BURSTS = [Burst.parse(name) for name in ("T137-292318-IW1", "T137-292319-IW1", "T064-135524-IW1")]
QUESTION = {"source": "one"}


def static(burst: Burst, version: str = "1.0", size: int = 10) -> StaticGranule:
    granule = parse_static_id(f"OPERA_L2_RTC-S1-STATIC_{burst}_20140403_S1A_30_v{version}")
    layers = (Layer("mask", "https://a/mask.tif", size, "ab", "s3://a/mask.tif"),)
    return replace(granule, layers=layers, footprint="POLYGON ((0 0, 1 0, 1 1, 0 0))")


def answer(found: dict[Burst, StaticGranule], bursts: list[Burst] = BURSTS) -> StaticAnswer:
    return StaticAnswer.of(bursts, found, "2026-12-01T00:00:00Z", "listing", "")


def test_slices_are_written_and_read(tmp_path: Path) -> None:
    name = "S1A_IW_GRDH_1SDV_20240508T051129_20240508T051154_000007_000007_0889_T022"
    one = replace(parse_granule_id(name), layers=(Layer("VV", "/a/product", 10),), footprint="POINT (1 2)")
    assert isinstance(one, Slice)
    write_static_list(tmp_path / "static.json", [one])
    tracks = StaticAnswer.of_slices([one], "2026-12-01T00:00:00Z", "", "").tracks
    assert tracks[22].bursts == (name,) and tracks[22].without == ()
    found = read_static_slice(tmp_path / "static.json", tracks[22])
    assert (found, found.layers, found.footprint) == (one, one.layers, one.footprint)
    other = StaticAnswer.of_slices([replace(one, layers=())], "2026-12-01T00:00:00Z", "", "").tracks[22]
    with pytest.raises(ProductError, match="not the static granules"):
        read_static_slice(tmp_path / "static.json", other)


def test_the_newest_version_counts() -> None:
    versions = [static(BURSTS[0], version) for version in ("1.2", "1.10", "1.0")]
    later = replace(versions[0], version="1.10", valid_from=versions[0].valid_from.replace(year=2015))
    assert newest_static(versions) == {BURSTS[0]: versions[1]}
    assert newest_static([later, *versions]) == {BURSTS[0]: later}


def test_a_list_is_read_back_track_by_track(tmp_path: Path) -> None:
    path, found = tmp_path / "static.json", {burst: static(burst) for burst in BURSTS[1:]}
    write_static_list(path, found.values())
    tracks = answer(found).tracks
    assert read_static_list(path) == [found[BURSTS[2]], found[BURSTS[1]]]
    (granule,) = read_static_list(path, tracks[137])
    assert granule == found[BURSTS[1]]
    assert (granule.layers, granule.footprint) == (found[BURSTS[1]].layers, found[BURSTS[1]].footprint)
    assert tracks[137].without == ("T137-292318-IW1",) and tracks[64].without == ()
    write_static_list(path, [static(BURSTS[1], size=11)])
    with pytest.raises(ProductError, match="not the static granules that the source gave"):
        read_static_list(path, tracks[137])
    path.write_text("[{}]")
    with pytest.raises(ProductError, match=r"static\.json: list of static granules cannot be read"):
        read_static_list(path)


def test_what_changes_the_digest_of_a_track() -> None:
    found = {burst: static(burst) for burst in BURSTS}
    digest = answer(found).tracks[137].digest
    address = replace(found[BURSTS[0]], layers=(replace(found[BURSTS[0]].layers[0], url="https://b/mask.tif"),))
    other_track = {**found, BURSTS[2]: static(BURSTS[2], "2.0"), BURSTS[0]: address}
    assert answer(other_track).tracks[137].digest == digest
    for changed in (static(BURSTS[0], "1.1"), static(BURSTS[0], size=11)):
        assert answer({**found, BURSTS[0]: changed}).tracks[137].digest != digest
    assert answer(found, BURSTS[1:]).tracks[137].digest != digest
    assert answer({burst: found[burst] for burst in BURSTS[1:]}).tracks[137].digest != digest


def test_the_answer_lies_beside_those_about_months(tmp_path: Path) -> None:
    path, moment = tmp_path / "search.json", datetime(2026, 12, 1, tzinfo=UTC)
    months = {Month(2024, 5): Answer.of(GranuleList(), moment, "")}
    write_answers(path, QUESTION, months)
    assert "static" not in json.loads(path.read_text()) and read_static_answer(path, QUESTION) is None
    known = answer({burst: static(burst) for burst in BURSTS})
    write_answers(path, QUESTION, {}, known)
    write_answers(path, QUESTION, {Month(2024, 6): months[Month(2024, 5)]})
    assert read_static_answer(path, QUESTION) == known and len(read_answers(path)[1]) == 2
    assert read_static_answer(path, {"source": "other"}) is None
    write_answers(path, {"source": "other"}, months)
    assert read_static_answer(path, {"source": "other"}) is None
