"""Products in a folder: what is found, what is set aside, and what stops a search."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from s1monthly.errors import SourceError, SourceGoneError
from s1monthly.granules import GranuleList, passes_of
from s1monthly.model import COMBINED, Direction, Month, Polarization, Stack, Tile
from s1monthly.sources import open_source
from s1monthly.sources.grd.listing import digests
from s1monthly.sources.grd.product import Product
from standin import status
from standin.bucket import buckets
from support.grd_products import with_pixels, write_small, zipped

TILE = Tile("33TUG")
MAY = Month(2024, 5)
DAY = 86400.0


def found(
    folder: Path,
    months: Sequence[Month] = (MAY,),
    *,
    tile: Tile = TILE,
    direction: Stack = Direction.DESCENDING,
    polarization: Polarization = Polarization.VV_VH,
    tracks: Sequence[int] | None = None,
    orbits: Path | None = None,
    **more: Any,
) -> dict[Month, GranuleList]:
    given = {"folder": folder, "only_tracks": tracks, "orbits": orbits and str(orbits), **more}
    return open_source("grd", polarization=polarization, **given).search(tile, direction, months)


def aside(listed: GranuleList) -> dict[str, tuple[str, bool]]:
    """Reason and loss of what was set aside, by product."""
    return {one.granule_id.partition("_T0")[0]: (one.reason, one.lost) for one in listed.set_aside}


def products(listed: GranuleList) -> set[str]:
    return {granule.id.removesuffix("_T022") for granule in listed.granules}


def name(path: Path) -> str:
    return path.name.removesuffix(".SAFE")


def test_folders_and_zips_are_found_with_what_the_manifest_says(tmp_path: Path) -> None:
    folder, other = write_small(tmp_path / "deep" / "down"), write_small(tmp_path, later=25)
    packed = zipped(other, tmp_path / "zips")
    listed = found(tmp_path)[MAY]
    assert listed.set_aside == () and products(listed) == {name(folder), name(other)}
    first, second = listed.granules
    assert (first.track, first.platform, first.beam) == (22, "S1A", "IW")
    assert [layer.name for layer in first.layers] == ["VV", "VH"] and all(layer.size > 1000 for layer in first.layers)
    assert {layer.url for layer in first.layers} == {str(folder)}
    assert {layer.url for layer in second.layers} == {str(packed)}
    assert [[layer.size, len(layer.md5)] for layer in first.layers] == [[layer.size, 32] for layer in second.layers]
    assert len(passes_of(listed.granules)) == 1, "slices of a datatake"


def test_only_what_lies_on_the_tile_in_the_direction_months_and_tracks_is_used(tmp_path: Path) -> None:
    here = write_small(tmp_path)
    ascending = write_small(tmp_path, direction=Direction.ASCENDING, track=44, datatake=301)
    june, far = write_small(tmp_path, later=29 * DAY), write_small(tmp_path, place=(40.0, 10.0), datatake=302)
    answer = found(tmp_path, (MAY, Month(2024, 6), Month(2024, 7)))
    assert [products(listed) for listed in answer.values()] == [{name(here)}, {name(june)}, set()]
    assert aside(answer[MAY]) == {name(ascending): ("direction ASCENDING, not DESCENDING", False)}
    assert name(far) not in str(answer)
    assert len(found(tmp_path, direction=COMBINED)[MAY].granules) == 2
    (left_out,) = found(tmp_path, tracks=[44])[MAY].set_aside[-1:]
    assert "track 22 is not among roi.tracks" in {one.reason for one in found(tmp_path, tracks=[44])[MAY].set_aside}
    assert not left_out.lost


def test_older_versions_give_way(tmp_path: Path) -> None:
    old, new = write_small(tmp_path, ipf=(2, 36)), write_small(tmp_path, later=1, ipf=(3, 10))
    neighbour = write_small(tmp_path, later=26, ipf=(2, 36))
    listed = found(tmp_path)[MAY]
    assert products(listed) == {name(new), name(neighbour)}
    assert aside(listed) == {name(old): (f"older version of {name(new)}_T022", False)}


def test_what_cannot_be_used_is_set_aside_with_the_reason(tmp_path: Path) -> None:
    kinds = {
        "single": (write_small(tmp_path, layers=("VV",), datatake=1), "it has one polarization only, VV"),
        "other pair": (
            write_small(tmp_path, layers=("HH", "HV"), datatake=2), "its polarizations are HH+HV, not VV+VH"),
        "near real time": (
            write_small(tmp_path, orbit_source="Downlink", datatake=3),
            "made in near real time with the orbit of its satellite, and there is no orbit file for it"),
    }  # fmt: skip
    listed = found(tmp_path)[MAY]
    assert not listed.granules
    assert aside(listed) == {name(path): (reason, False) for path, reason in kinds.values()}


def test_an_orbit_file_is_a_layer_and_serves_products_of_near_real_time(tmp_path: Path) -> None:
    write_small(tmp_path / "products", orbit_source="Downlink")
    orbits = tmp_path / "orbits"
    orbits.mkdir()
    good = "S1A_OPER_AUX_RESORB_OPOD_20240503T090000_V20240503T040000_20240503T073000.EOF"
    for file in (good, good.replace("S1A", "S1B"), good.replace("V20240503", "V20240502")):
        (orbits / file).write_text("x" * 50)
    before = digests(str(tmp_path / "products"))[0]
    (granule,) = found(tmp_path / "products", orbits=orbits)[MAY].granules
    layer = granule.layer("orbit")
    assert layer is not None and (layer.url, layer.size) == (str(orbits / good), 50)
    after, warnings = digests(str(tmp_path / "products"), str(orbits))
    assert after != before and not warnings, "a new orbit file makes answers void"
    (tmp_path / "empty").mkdir()
    assert "no orbit file in" in digests(str(tmp_path / "products"), str(tmp_path / "empty"))[1][0]


def test_orbit_files_are_fetched_for_products_that_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_small(tmp_path / "products", orbit_source="Downlink")
    write_small(tmp_path / "products", later=-100 * 60, place=(40.0, 10.0), datatake=301)  # over another tile
    write_small(tmp_path / "products", direction=Direction.ASCENDING, datatake=302)
    orbit = "S1A_OPER_AUX_POEORB_OPOD_20240523T070516_V20240502T225942_20240504T005942.EOF"
    with buckets(1, monkeypatch) as (bucket,):
        options = {"orbits": tmp_path / "orbits", "orbit_host": bucket.host, "seconds": 5.0}
        listed = found(tmp_path / "products", **options)[MAY]
        assert not listed.granules and "there is no orbit file" in str(listed.set_aside)
        bucket.objects = {f"AUX_POEORB/{orbit}": b"x" * 50}
        before = len(bucket.asked)
        (granule,) = found(tmp_path / "products", **options)[MAY].granules
        assert bucket.asked[before:] == ["?AUX_POEORB/S1A_OPER_AUX_POEORB_OPOD_20240503", f"AUX_POEORB/{orbit}"]
        layer = granule.layer("orbit")
        assert layer is not None and (layer.url, layer.size) == (str(tmp_path / "orbits" / orbit), 50)
        # no answer is no missing file
        bucket.web.faults = status(403)
        with pytest.raises(SourceError, match="HTTP 403"):
            found(tmp_path / "products", **{**options, "orbits": tmp_path / "others"})


def test_damaged_products_are_lost(tmp_path: Path) -> None:
    missing, short, whole = (write_small(tmp_path, later=later) for later in (0, 30, 60))
    shutil.rmtree(missing / "measurement")
    (tiff, *_) = sorted((short / "measurement").iterdir())
    tiff.write_bytes(tiff.read_bytes()[:-1])
    unread = write_small(tmp_path, later=90)
    (unread / "manifest.safe").write_text("<broken")
    elsewhere = write_small(tmp_path, later=120, datatake=999)
    (elsewhere / "manifest.safe").unlink()
    listed = found(tmp_path)[MAY]
    assert products(listed) == {name(whole)}
    reasons = aside(listed)
    assert reasons[name(missing)] == ("its measurement file of VV is missing", True)
    assert reasons[name(short)][0].startswith("its file measurement/s1a-iw-grd-v") and reasons[name(short)][1]
    assert "manifest.safe" in reasons[name(unread)][0] and reasons[name(unread)][1]
    assert "no manifest.safe in it" in reasons[name(elsewhere)][0]
    assert not reasons[name(elsewhere)][1], "nobody knows where it lies"
    again = write_small(tmp_path / "again", later=1, ipf=(2, 36))
    assert aside(found(tmp_path)[MAY])[name(missing)] == (
        f"its measurement file of VV is missing; {name(again)}_T022 is used instead", False,
    )  # fmt: skip


def test_a_damaged_zip_does_not_matter_beside_the_whole_folder(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "whole")
    (tmp_path / f"{name(folder)}.zip").write_bytes(b"PK no zip")
    listed = found(tmp_path)[MAY]
    assert products(listed) == {name(folder)} and not listed.set_aside


def test_folders_without_products_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceGoneError, match="no such folder"):
        found(tmp_path / "nowhere")
    with pytest.raises(SourceGoneError, match="no Sentinel-1 GRD product in it"):
        found(tmp_path)
    write_small(tmp_path, name="S1A_IW_SLC__1SDV_20240503T051117_20240503T051142_000300_00012C_0A7F.SAFE")
    with pytest.raises(SourceGoneError, match="no Sentinel-1 GRD product in it"):
        found(tmp_path)
    write_small(tmp_path / "products")
    with pytest.raises(SourceError, match="no such folder"):
        found(tmp_path / "products", orbits=tmp_path / "orbits")


def test_a_digest_changes_with_its_month_alone(tmp_path: Path) -> None:
    write_small(tmp_path)
    june = write_small(tmp_path, later=29 * DAY)
    before, _ = digests(str(tmp_path))
    (june / "measurement" / "more.tiff").touch()
    after, _ = digests(str(tmp_path))
    assert before[MAY] == after[MAY] and before[Month(2024, 6)] != after[Month(2024, 6)]
    june.rename(tmp_path / "moved")
    named, (warning,) = digests(str(tmp_path))
    assert set(named) == {MAY} and "moved is not used" in warning


@pytest.mark.parametrize("wrong", ["{lower}.zip", "{}.ZIP", "{} (1).zip", "{}.tar.gz"])
def test_archives_with_another_name_are_not_passed_over_in_silence(tmp_path: Path, wrong: str) -> None:
    product = name(write_small(tmp_path))
    other = product.replace("202405", "202406")
    (tmp_path / wrong.format(other, lower=other.lower())).touch()
    months, (warning,) = digests(str(tmp_path))
    assert set(months) == {MAY} and "is not used -> give products their own names" in warning
    assert products(found(tmp_path)[MAY]) == {product}
    shutil.rmtree(tmp_path / f"{product}.SAFE")
    with pytest.raises(SourceGoneError, match="no Sentinel-1 GRD product in it under its own name, but"):
        digests(str(tmp_path))


def test_a_product_across_the_antimeridian_is_found(tmp_path: Path) -> None:
    write_small(tmp_path, place=(179.99, 0.3))
    for tile in (Tile("60NYF"), Tile("01NAA")):
        assert len(found(tmp_path, tile=tile)[MAY].granules) == 1


def test_static_layers_have_the_geometry_of_the_first_slice_that_is_there(tmp_path: Path) -> None:
    """Of each track one; damaged and lost products are passed over."""
    for track, later in ((22, 0.0), (22, 25.0), (22, 50.0), (95, 5.0)):
        write_small(tmp_path, track=track, later=later, datatake=track)
    candidates = sorted(found(tmp_path)[MAY].granules, key=lambda one: one.acquired)
    source = open_source("grd", folder=tmp_path, polarization=Polarization.VV_VH)
    chosen = source.static_slices(candidates)
    assert chosen == {22: candidates[0], 95: candidates[1]}
    assert [layer.name for layer in chosen[22].layers] == ["VV", "VH"]
    (tmp_path / f"{candidates[0].product}.SAFE" / "manifest.safe").write_text("no XML")
    shutil.rmtree(tmp_path / f"{candidates[2].product}.SAFE")
    assert source.static_slices(candidates) == {22: candidates[3], 95: candidates[1]}


def test_real_products_are_judged_by_their_own_manifests(products: dict[str, Product], tmp_path: Path) -> None:
    for product in products.values():
        with_pixels(product, tmp_path)
    february = Month(2015, 2)

    def judged(tile: str, direction: Direction, month: Month = february) -> tuple[list[str], dict[str, str]]:
        listed = found(tmp_path, [month], tile=Tile(tile), direction=direction)[month]
        assert len(passes_of(listed.granules)) <= 1
        used = [granule.id.partition("_1SDV_")[2][-9:] for granule in listed.granules]
        return used, {one.granule_id[-9:]: one.reason.partition(" S1")[0] for one in listed.set_aside}

    assert judged("34SFH", Direction.DESCENDING) == (["6D00_T007"], {"FEC3_T007": "older version of"})
    assert judged("32UNA", Direction.ASCENDING) == (["CEAB_T117", "3768_T117"], {}), "two slices of a pass"
    near_real_time = "made in near real time with the orbit of its satellite, and there is no orbit file for it"
    assert judged("31TEL", Direction.ASCENDING, Month(2021, 8)) == ([], {"6FF8_T059": near_real_time})
    only_vv = "its annotation file of VH is missing"
    assert judged("33TUG", Direction.DESCENDING, Month(2021, 12)) == ([], {"5371_T022": only_vv})
    stripmap = "it is SM GRDH; only IW GRDH products are used"
    assert judged("32TMR", Direction.ASCENDING, Month(2025, 1)) == ([], {"4B8B_T015": stripmap})
