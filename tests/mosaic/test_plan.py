"""Plans of mosaics: which tiles, in what order, on what grid."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import rasterio

from s1monthly.errors import GridError, ProductError
from s1monthly.granules import GranuleList
from s1monthly.grid.lattice import tile_geobox
from s1monthly.grid.outlines import transformer
from s1monthly.layout import Layout, mosaic_name, parse_folder
from s1monthly.model import Month, Tile
from s1monthly.mosaic.cog import write_cog_mosaic
from s1monthly.mosaic.plan import epsg_code, find_cogs, plan_mosaics
from s1monthly.mosaic.vrt import write_vrt
from s1monthly.records.seal import seal
from s1monthly.records.search_log import Answer, write_answers
from support.mosaic_samples import MAY, SIZE, centres, planned, put, read, waves


def test_cogs_are_found_by_priority(two_zones: Path) -> None:
    put(two_zones, "10SFD", "DESCENDING")
    put(two_zones, "10SFD", month=Month(2024, 6))
    cogs, lacking = find_cogs(Layout(str(two_zones)), MAY, "ALL")
    assert [f"{cog.key.tile} {cog.key.direction}" for cog in cogs] == [
        "10SFD ASCENDING",
        "10SGD ASCENDING",
        "11SKU ASCENDING",
        "10SFD DESCENDING",
    ]
    assert lacking == []
    cogs, _ = find_cogs(Layout(str(two_zones)), MAY, "DESCENDING")
    assert [str(cog.key.tile) for cog in cogs] == ["10SFD"]
    cogs, _ = find_cogs(Layout(str(two_zones)), MAY, "ALL", prefix="11")
    assert [str(cog.key.tile) for cog in cogs] == ["11SKU"]


def test_cogs_of_tracks_are_taken_where_tracks_are_named(two_zones: Path) -> None:
    for direction in ("ASCENDING_T137", "ASCENDING_T064", "COMBINED", "DESCENDING_T144"):
        put(two_zones, "10SFD", direction)
    layout = Layout(str(two_zones))

    def found(directions: str, *tracks: int) -> list[str]:
        cogs, lacking = find_cogs(layout, MAY, directions, "10SFD", tracks)
        assert lacking == []
        return [str(cog.key.direction) for cog in cogs]

    assert found("ALL") == ["ASCENDING", "COMBINED"]
    assert found("ALL", 144, 137) == ["ASCENDING_T137", "DESCENDING_T144"]
    assert found("ASCENDING", 137, 64) == ["ASCENDING_T137", "ASCENDING_T064"]
    with pytest.raises(ProductError, match=r"DESCENDING, .*track 137 -> there are COGs of single tracks: --track 144"):
        found("DESCENDING", 137)
    with pytest.raises(ProductError, match="there are COGs of single tracks: --track 144"):
        found("DESCENDING")
    (mosaic,) = plan_mosaics(find_cogs(layout, MAY, "ALL", "10SFD", [64])[0], "ALL", None, tracks=[64])
    assert mosaic.name == "10SFD-10SFD-2024-05-ALL_T064"
    assert {name: mosaic.tags[name] for name in ("DIRECTION", "TRACK")} == {"DIRECTION": "ASCENDING", "TRACK": "64"}


def test_tiles_without_a_cog_are_named_with_the_reason(two_zones: Path) -> None:
    def answer(granules: int, lost: tuple[str, ...] = ()) -> Answer:
        empty = Answer.of(GranuleList((), ()), asked=MAY.end, listing="")
        return Answer(**{**empty.__dict__, "granules": granules, "lost": lost})

    for tile, found in (("10SFE", answer(0)), ("10SGE", answer(0)), ("10SHE", answer(3)), ("10SEE", answer(0, ("x",)))):
        (two_zones / f"{tile}_ASCENDING").mkdir()
        write_answers(two_zones / f"{tile}_ASCENDING" / "search.json", {}, {MAY: found})
    (two_zones / "10SHD_ASCENDING").mkdir()
    record = two_zones / "10SHC_ASCENDING" / "months" / "2024-05.json"
    record.parent.mkdir(parents=True)
    record.touch()
    cogs, lacking = find_cogs(Layout(str(two_zones)), MAY, "ASCENDING")
    assert len(cogs) == 3
    assert sorted(lacking) == [
        "10SEE ASCENDING: without usable granules",
        "10SFE ASCENDING, 10SGE ASCENDING: without source data",
        "10SHC ASCENDING: made without one (output.formats.cog)",
        "10SHD ASCENDING: not searched yet",
        "10SHE ASCENDING: not made yet",
    ]


def test_a_cog_of_other_values_than_its_record_is_left_out_and_named(two_zones: Path) -> None:
    def record(tile: str, digest: str, **altered: str) -> None:
        path = two_zones / f"{tile}_ASCENDING" / "months" / f"{MAY}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = seal({"granules_digest": "", "recipe_digest": "", "unread": [], "digest": digest})
        path.write_text(json.dumps({**content, **altered}))

    for tile in ("10SGD", "10SFD"):
        with rasterio.open(put(two_zones, tile), "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
            dataset.update_tags(DIGEST="a")
        record(tile, "a")
    found = lambda: find_cogs(Layout(str(two_zones)), MAY, "ASCENDING")  # noqa: E731
    assert [str(cog.key.tile) for cog in found()[0]] == ["10SFD", "10SGD", "11SKU"]
    record("10SGD", "b")
    record("11SKU", "a")  # its COG does not say of what values it is
    record("10SFD", "a", unread="other")
    with pytest.raises(ProductError, match=r"no COG of 2024-05 ASCENDING .*other values"):
        found()
    record("10SFD", "a")
    cogs, lacking = found()
    assert [str(cog.key.tile) for cog in cogs] == ["10SFD"]
    assert lacking == [
        "10SGD ASCENDING, 11SKU ASCENDING: left out, of other values than its record:"
        " run the workflow with output.formats.cog: true"
    ]
    record("10SFD", "a", unread="other")
    record("10SGD", "a")
    assert found()[1][0] == (
        "10SFD ASCENDING: its record is damaged, or was altered: run the workflow, or catalog_rebuild"
    )


def test_no_cog_at_all_names_the_months_that_have_some(two_zones: Path) -> None:
    put(two_zones, "10SGD", month=Month(2023, 11))
    with pytest.raises(ProductError, match=r"no COG of 2024-07 ASCENDING \(3 not searched yet\)") as caught:
        find_cogs(Layout(str(two_zones)), Month(2024, 7), "ASCENDING")
    assert "2 from 2023-11 to 2024-05" in caught.value.remedy
    with pytest.raises(ProductError, match=r"nowhere: no COG of 2024-07 ALL, tiles 50R\.\.\. -> .*--output-dir"):
        find_cogs(Layout("nowhere"), Month(2024, 7), "ALL", prefix="50R")


RECIPE: dict[str, object] = {
    "composite": {"method": "median"},
    "despeckle": {"method": "tv_bregman", "reg_param": 5.0},
    "mosaic": "mean",
}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"radiometry": "beta0"}, "quantity gamma0_terrain of .*10SFD.*, beta0 of .*11SLT"),
        ({"composite": {"method": "mean"}}, "composite method median of .*, method mean of"),
        ({"despeckle": {"method": "lee", "window_size": 7}}, "despeckling method tv_bregman, reg_param 5.0 of .* lee"),
        ({"angle_normalisation": {"reference": 38, "exponent": 2}}, "angle normalisation none of .* 38 degrees"),
        ({"despeckle": {"reg_param": 5.0, "method": "tv_bregman"}, "keep_bits": 12, "mosaic": "first"}, ""),
    ],
)
def test_cogs_made_by_recipes_that_cannot_be_compared_are_refused(
    tmp_path: Path, change: dict[str, object], what: str
) -> None:
    put(tmp_path, "10SEE", "ASCENDING")  # of an older version, without a recipe
    put(tmp_path, "10SFD", "ASCENDING", recipe=RECIPE)
    put(tmp_path, "11SLT", "ASCENDING", recipe={**RECIPE, **change})
    layout = Layout(str(tmp_path))
    if what:
        with pytest.raises(ProductError, match=f"do not go together: {what}"):
            find_cogs(layout, MAY, "ASCENDING")
        assert len(find_cogs(layout, MAY, "ASCENDING", "10")[0]) == 2
    else:
        assert len(find_cogs(layout, MAY, "ASCENDING")[0]) == 3


def test_a_mosaic_of_another_quantity_says_so(tmp_path: Path) -> None:
    put(tmp_path, "10SFD", recipe=RECIPE)
    (plain,) = planned(tmp_path)
    assert plain.tags["TITLE"].endswith("ASCENDING 2024-05") and "RADIOMETRY" not in plain.tags
    put(tmp_path, "10SFD", recipe={**RECIPE, "radiometry": "sigma0_terrain"})
    (other,) = planned(tmp_path)
    assert other.tags["TITLE"].endswith("2024-05, sigma0 terrain") and other.tags["RADIOMETRY"] == "sigma0_terrain"


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"pair": ("HH", "HV")}, "bands VV_dB"),
        ({"others": True}, "bands VV_dB"),
        ({"size": 1800.0}, "pixel size 900 m of .*10SFD.*, 1800 m of .*11SLT"),
        ({"level": "ARDC"}, "processing level hARDCp"),
    ],
)
def test_cogs_that_do_not_go_together_are_refused(two_zones: Path, other: dict[str, object], what: str) -> None:
    put(two_zones, "11SLT", **other)  # type: ignore[arg-type]
    with pytest.raises(ProductError, match=f"do not go together: {what}.*--mgrs-prefix"):
        planned(two_zones)


def test_files_that_are_no_cogs_of_this_product_are_refused(two_zones: Path) -> None:
    path = put(two_zones, "10SGE")
    content = path.read_bytes()
    path.write_bytes(content[:100])
    with pytest.raises(ProductError, match=r"10SGE_S1_Monthly.* cannot be opened"):
        planned(two_zones)
    path.write_bytes(content[: len(content) // 4])  # the bands that it needs come first
    (mosaic,) = planned(two_zones)
    with pytest.raises(ProductError, match=r"10SGE_S1_Monthly.* cannot be decoded"):
        write_cog_mosaic(mosaic, two_zones / "mosaic")
    compression = [struct.pack("<HHIH", 259, 3, 1, code) for code in (8, 59999)]
    path.write_bytes(content.replace(*compression))  # a whole header, and an unknown codec
    with pytest.raises(ProductError, match=r"10SGE_S1_Monthly.* cannot be read .*damaged"):
        planned(two_zones)
    path.write_bytes(content)
    with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        dataset.nodata = -9999
    with pytest.raises(ProductError, match=r"10SGE_S1_Monthly.* not a COG of this product .*-9999"):
        planned(two_zones)
    with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        dataset.nodata = np.nan
        dataset.descriptions = ["VV_dB", "Ratio", "RVI", "VH_dB"]
    with pytest.raises(ProductError, match=r"10SGE_S1_Monthly.* not a COG of this product \(bands VV_dB, Ratio"):
        planned(two_zones)


def test_directions_are_never_resampled_together(two_zones: Path) -> None:
    put(two_zones, "11SKU", "DESCENDING")
    (mosaic,) = plan_mosaics(find_cogs(Layout(str(two_zones)), MAY, "ALL", "11")[0], "ALL", 4326)
    assert [[str(cog.key.direction) for cog in group] for group in mosaic.groups()] == [["ASCENDING"], ["DESCENDING"]]


# names and grids


def test_names_are_those_of_s1_grits(two_zones: Path) -> None:
    put(two_zones, "10SFD", "DESCENDING")
    assert [mosaic.name for mosaic in planned(two_zones)] == ["10SFD-11SKU-2024-05-ASCENDING-4326"]
    assert [mosaic.name for mosaic in planned(two_zones, "ALL", 3857)] == ["10SFD-11SKU-2024-05-ALL-3857"]
    assert [mosaic.name for mosaic in planned(two_zones, epsg=None)] == [
        "10SFD-10SGD-2024-05-ASCENDING",
        "11SKU-11SKU-2024-05-ASCENDING",
    ]
    assert mosaic_name([Tile("50RLV"), Tile("50RKU")], MAY, "ALL", None) == "50RKU-50RLV-2024-05-ALL"
    assert parse_folder("10SGD_ASCENDING") == ("10SGD", "ASCENDING")
    assert [parse_folder(name) for name in ("work", "mosaic", "10SGD", "10SGD_ASCENDING.old", "x10SGD_ASCENDING")] == (
        [None] * 5
    )


def test_pixels_of_a_mosaic_lie_on_multiples_of_their_size(two_zones: Path) -> None:
    for epsg, size in ((4326, 30 / 3600), (3857, 900.0), (32610, 900.0), (3310, 900.0)):
        (mosaic,) = planned(two_zones, epsg=epsg)
        box = mosaic.geobox
        assert (box.epsg, box.resolution) == (epsg, pytest.approx(size))
        for edge in (box.left, box.top):
            assert edge / size == pytest.approx(round(edge / size), abs=1e-6)
        assert min(b[0] for b in mosaic.bounds) - box.left < size
        assert box.top - max(b[3] for b in mosaic.bounds) < size


def test_tiles_of_one_crs_keep_their_grid(two_zones: Path) -> None:
    ten, eleven = planned(two_zones, epsg=None)
    assert eleven.geobox == tile_geobox(Tile("11SKU"), SIZE)
    first, second = (tile_geobox(Tile(tile), SIZE) for tile in ("10SFD", "10SGD"))
    assert ten.geobox.bounds == (first.bounds[0], first.bounds[1], second.bounds[2], first.bounds[3])


@pytest.mark.parametrize("epsg", [4326, 3857])
def test_tiles_on_both_sides_of_the_antimeridian_lie_side_by_side(tmp_path: Path, epsg: int) -> None:
    for tile in ("01KAB", "01KBB", "60KXG", "60KYG"):
        put(tmp_path, tile, field=waves)
    (mosaic,) = planned(tmp_path, epsg=epsg)
    degree = 1 if epsg == 4326 else 111_320
    left, _, right, _ = mosaic.geobox.bounds
    assert 3 * degree < right - left < 4 * degree
    assert left < 180 * degree < right
    for path in (write_vrt(mosaic, tmp_path), write_cog_mosaic(mosaic, tmp_path)):
        x, y = centres(mosaic.geobox)
        truth = 10 * np.log10(waves(*transformer(epsg, 4326).transform(x, y)))
        found = read(path)[0]
        assert np.isfinite(found).mean() > 0.85
        assert np.nanmax(np.abs(found - truth)) < 0.5


def test_a_crs_that_does_not_cover_the_tiles_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "30NVF")
    with pytest.raises(GridError, match=r"tile 30NVF: lies beyond or across the edge of EPSG:32601 -> .*--keep-utm"):
        planned(tmp_path, epsg=32601)
    with pytest.raises(GridError, match=r"pixels of 0\.0001 in EPSG:3857 make a mosaic"):
        planned(tmp_path, epsg=3857, resolution=0.0001)


def test_epsg_codes_are_read() -> None:
    assert [epsg_code(text) for text in ("EPSG:3857", "epsg:4326", "32610")] == [3857, 4326, 32610]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        *((text, "EPSG") for text in ("mars", "EPSG:", "EPSG:99999", "+proj=utm")),
        # three axes, geocentric, or heights alone
        *((text, rf"^{text} \(.*\) is not a CRS of maps: .* -> give one") for text in ("EPSG:4979", "EPSG:4978")),
        ("EPSG:5773", r"^EPSG:5773 \(.*\) is not a CRS of maps: .* -> give one"),
    ],
)
def test_other_crs_are_refused(text: str, says: str) -> None:
    with pytest.raises(GridError, match=says):
        epsg_code(text)
