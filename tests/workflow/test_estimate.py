"""What a run is said to cost before it begins."""

from __future__ import annotations

from typing import Any

import pytest

from s1monthly.config.root import load_config
from s1monthly.records.search_log import Answer
from s1monthly.workflow import report
from s1monthly.workflow.estimate import (
    GRANULE_BYTES,
    USUAL_GRANULES,
    as_text,
    cost,
    memory_mb,
    reading_mb,
    temporary_mb,
    usual_pixels,
)
from support.sites import Site, granules_of, set_time

ASF: dict[str, Any] = {"source": {"kind": "asf"}}


def config(kind: str = "asf", **processing: Any) -> Any:
    return load_config(
        {
            "roi": {"manual_mgrs_tiles": ["10SGD"], "flight_direction": "ASCENDING"},
            "time": {"start": "2021-11", "end": "2022-02"},
            "source": {"kind": kind},
            "processing": processing,
        }
    )


def answer(granules: int, size: int = -1) -> Answer:
    return Answer("2024-01-01T00:00:00Z", granules, 3, 0, size, "", "", False, ())


def last(site: Site, **sections: Any) -> str:
    return site.report(**sections)[-1]


def test_a_usual_month_costs_what_the_benchmark_measured() -> None:
    found = cost(config(), [answer(36)], unsearched=0)
    assert (found.months, found.granules) == (1, 36)
    assert 12.5 <= found.cpu_seconds <= 13.5
    assert (found.kept, found.temporary) == (0.373e9, 0.8e9)
    assert USUAL_GRANULES == 36


def test_a_polygon_costs_its_share() -> None:
    """Granules that are known count as they are; of others, and of disk space, its share."""
    whole, part = (cost(config(), [answer(10)], 2, None, *share) for share in ((1, 1), (0.25, 0.1)))
    assert (whole.granules, part.granules, part.usual) == (10 + 2 * 36, 10 + 2 * 9, 9)
    assert part.kept == pytest.approx(0.1 * whole.kept) and part.temporary == pytest.approx(0.25 * whole.temporary)
    assert part.download < whole.download and "9 for each month not searched" in as_text(part, 2)


def test_sizes_are_those_that_the_source_told_else_14_mb_a_granule() -> None:
    known = cost(config(), [answer(36, 500_000_000), answer(30, 400_000_000)], 0)
    assert (known.download, known.sized) == (900_000_000, True)
    partly = cost(config(), [answer(36, 500_000_000), answer(30)], 0)
    assert (partly.download, partly.sized) == (500_000_000 + 30 * 14_000_000, False)
    unsearched = cost(config(), [answer(36, 500_000_000)], 2)
    assert (unsearched.download, unsearched.sized) == (500_000_000 + 2 * 36 * GRANULE_BYTES, False)
    assert cost(config("simulated"), [answer(36, 500_000_000)], 3).download == 0


def test_pixels_make_the_difference() -> None:
    fine, coarse = (cost(config(target_resolution=size), [answer(36)], 0) for size in (15, 300))
    assert (fine.kept, fine.temporary) == (4 * 0.373e9, 4 * 0.8e9)
    assert (coarse.kept, coarse.temporary) == pytest.approx((0.00373e9, 0.008e9))
    assert 25 < fine.cpu_seconds < 28 and 8 < coarse.cpu_seconds < 9
    degrees = cost(config(target_crs=4326, target_resolution=0.001), [answer(36)], 0)
    assert degrees.kept == 0.373e9


def test_textures_cost_time_and_disk_by_their_number_angles_and_window() -> None:
    def more(**options: Any) -> tuple[float, float]:
        plain, textured = (
            cost(config(texture_features=features), [answer(36)], 0)
            for features in ({"enabled": False, **options}, {"enabled": True, **options})
        )
        return textured.cpu_seconds - plain.cpu_seconds, textured.kept - plain.kept

    seconds, kept = more()
    assert kept == pytest.approx(8 * 78e6), "both dB bands, four metrics"
    assert seconds == pytest.approx(8 * 0.8 + 0.67, abs=0.01), "25 ns for each of the pixels of two bands"
    assert more(inputs=["VV_dB"]) == pytest.approx((seconds / 2, kept / 2))
    assert more(metrics=["contrast"])[1] == kept / 4
    assert more(angles=[0, 45, 90, 135], average_angles=False)[1] == 4 * kept
    wide, narrow = (more(window_size=size, angles=[0, 45, 90, 135])[0] - 8 * 0.8 for size in (21, 5))
    assert wide / narrow == pytest.approx(36.5 / 12.5)
    coarse = [cost(config(target_resolution=300, texture_features={"enabled": on}), [answer(36)], 0) for on in (0, 1)]
    assert coarse[1].kept - coarse[0].kept == pytest.approx(kept / 100)


def test_the_spread_costs_time_and_disk_by_its_number() -> None:
    plain, spread = (cost(config(spread=names), [answer(36)], 0) for names in ([], ["min", "max", "std"]))
    assert spread.kept - plain.kept == 6 * 95e6
    assert spread.cpu_seconds - plain.cpu_seconds == pytest.approx(6 * 0.8)
    assert spread.temporary - plain.temporary == 6 * 4 * 3660**2
    assert temporary_mb(config(spread=["min", "std"]), 36) == 630 + 214
    assert temporary_mb(config(composite_method="local_resolution", angle_normalisation={"exponent": 2}), 36) == 844


def test_temporary_files_follow_granules_and_pixels() -> None:
    assert temporary_mb(config(), 36) == 630
    assert temporary_mb(config(target_resolution=300), 36) == 6
    assert temporary_mb(config(target_resolution=300), 0) == 1


def test_memory_follows_pixels() -> None:
    """Each measured with four bands; at 30 m what was declared for long, to a percent."""
    at_30, at_10 = (usual_pixels(config(target_resolution=size)) for size in (30, 10))
    assert (at_30, at_10) == (3660**2, 10980**2)
    assert [memory_mb("composite", at_30), memory_mb("publish", at_30)] == pytest.approx([1600, 1000], rel=0.01)
    assert reading_mb(2, at_30) == pytest.approx(1200, rel=0.01)
    assert memory_mb("composite", at_10) > 4977 + 12 * at_10 / 1e6, "with textures"
    assert memory_mb("publish", at_10) > 2500 and reading_mb(2, at_10) > 1030


def test_another_crs_costs_by_the_pixels_of_its_grid(site: Site) -> None:
    values: dict[str, Any] = ASF | {"processing": {"target_crs": 4326, "target_resolution": 0.001}}
    line = list(report.before_run(site.plan(**values), lambda tile: 3660**2 / 100))[-1]
    assert "disk about 15 MB, and 8.0 MB for each month" in line
    assert temporary_mb(config(target_crs=4326, target_resolution=0.001), 36, 3660**2 / 10) == 63


def test_it_is_told_in_one_line() -> None:
    def line(answers: list[Answer], unsearched: int, kind: str = "asf") -> str:
        return as_text(cost(config(kind), answers, unsearched), unsearched)

    assert line([answer(36, 507_000_000)] * 3, 0) == (
        "to make in all: 3 months, 108 granules; download 1.5 GB, 76 s at 20 MB/s; CPU time about 39 s;"
        " disk about 1.1 GB, and 800 MB for each month in the making"
    )
    assert line([answer(36)] * 3, 97) == (
        "to make in all: at most 100 months, 97 still to be searched, about 3600 granules, 36 for each month not"
        " searched; download about 50 GB, 42 min at 20 MB/s; CPU time about 22 min; disk about 37 GB, and 800 MB for"
        " each month in the making"
    )
    assert line([], 12000, "simulated") == (
        "to make in all: at most 12000 months, all still to be searched, about 432000 granules, 36 for each month not"
        " searched; CPU time about 44 h; disk about 4.5 TB, and 800 MB for each month in the making"
    )
    assert line([answer(1)], 0, "simulated").startswith("to make in all: 1 month, 1 granule; CPU time about 10 s;")


def test_a_plan_counts_what_is_unknown_missing_or_to_make_again(site: Site) -> None:
    asked = "at most 4 months, all still to be searched, about 144 granules, 36 for each month not searched;"
    assert asked in last(site, **ASF)
    site.granules = granules_of("2021-11 2021-12 2022-02")
    site.search(**ASF)
    assert "in all: 3 months, 3 granules; download 0.0 MB, 0 s at 20 MB/s;" in last(site, **ASF)
    site.make("2021-11", "2021-12", **ASF)
    assert "in all: 1 month, 1 granule;" in last(site, **ASF)
    site.make("2022-02", **ASF)
    assert not any("in all" in text for text in site.report(**ASF))
    tile = site.tile(**ASF)
    site.write_record(tile, tile.with_granules[0], "other granules", tile.recipe_digest)
    set_time(tile.paths(tile.with_granules[0]).record, 0)
    assert "in all: 1 month, 1 granule;" in last(site, **ASF)


def test_fewer_bands_and_bits_take_less_space() -> None:
    """Measured on a full tile: COG and cube of 343 MB; 166 without indices, 195 rounded to 12 bits, 90 with both."""

    def kept(**output: Any) -> float:
        values = {**config().model_dump(exclude_defaults=True), "output": {"multiscales": False, **output}}
        return cost(load_config(values), [answer(36)], 0).kept

    whole = kept()
    assert kept(bands=[]) == pytest.approx(166 / 343 * whole, rel=0.05)
    assert kept(keep_bits=12) == pytest.approx(195 / 343 * whole, rel=0.05)
    assert kept(bands=["VV_dB"], keep_bits=12) == pytest.approx(90 / 343 * whole, rel=0.1)


def test_static_granules_and_further_cogs_are_counted() -> None:
    plain = cost(config(), [answer(36, 500_000_000)], 0)
    static = cost(config(), [answer(36, 500_000_000)], 0, statics=24)
    assert static.download - plain.download == 24 * 21_000_000 and plain.sized and not static.sized
    assert static.kept - plain.kept == pytest.approx(413e6 / 36 * 24, rel=0.01), "measured on a full tile"
    ellipsoid = cost(config(radiometry="sigma0_ellipsoid"), [answer(36, 500_000_000)], 0)
    assert ellipsoid.download - plain.download == 36 * 6_400_000
    assert cost(config("simulated", radiometry="beta0"), [answer(36)], 0, statics=24).download == 0
    values = {
        "roi": {"manual_mgrs_tiles": ["10SGD"], "flight_direction": "ASCENDING"},
        "time": {"start": "2021-11", "end": "2022-02"},
        **ASF,
    }
    further = load_config({**values, "output": {"formats": {"power": True, "overview": True}}})
    assert cost(further, [answer(36)], 0).kept - plain.kept == 144e6


def test_two_tracks_cost_a_quarter_more_time_and_half_more_disk_than_both_in_one() -> None:
    pooled = cost(config(), [answer(36)], 0)
    tracks = cost(config(by_track=True), [answer(18), answer(18)], 0)
    assert tracks.cpu_seconds / pooled.cpu_seconds == pytest.approx(1.25, abs=0.03)
    assert tracks.kept / pooled.kept == 1.5
