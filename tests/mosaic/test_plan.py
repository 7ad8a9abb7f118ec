"""Mosaics of COGs: which tiles, in what order, on what grid; every pixel is compared with one found independently."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

import mosaic_tiles
from s1monthly.errors import GridError, ProductError
from s1monthly.grid.lattice import GeoBox, tile_geobox
from s1monthly.grid.outlines import transformer
from s1monthly.kernels.bands import bands
from s1monthly.layout import Layout, mosaic_name, parse_folder
from s1monthly.model import CompositeKey, Direction, GranuleList, Month, Tile
from s1monthly.mosaic import cog as mosaic_cog
from s1monthly.mosaic import vrt as mosaic_vrt
from s1monthly.mosaic.cog import write_cog_mosaic
from s1monthly.mosaic.plan import Label, Mosaic, epsg_code, find_cogs, plan_mosaics
from s1monthly.mosaic.vrt import write_vrt
from s1monthly.raster.cog import write_cog
from s1monthly.records.seal import seal
from s1monthly.records.search_log import Answer, write_answers

MAY = Month(2024, 5)
SIZE = 900.0
"""Metres a pixel: tiles of 122 x 122."""

Floats = NDArray[np.floating]
Field = Callable[[Floats, Floats], Floats]


def speckle(x: Floats, y: Floats) -> Floats:
    """Power that looks random and is the same wherever the same pixel centre is asked for."""
    noise = np.abs(np.sin(x * 12.9898 + y * 78.233) * 43758.5453) % 1
    return 0.01 + 0.4 * noise**2


def waves(lon: Floats, lat: Floats) -> Floats:
    """Power that is smooth in longitude and latitude, round the globe."""
    return 0.1 * (1.5 + np.sin(700 * np.radians(lon)) * np.cos(700 * np.radians(lat)))


def centres(box: GeoBox) -> tuple[Floats, Floats]:
    x = box.left + (np.arange(box.width) + 0.5) * box.resolution
    y = box.top - (np.arange(box.height) + 0.5) * box.resolution
    return np.meshgrid(x, y)


def power_of(box: GeoBox, field: Field) -> Floats:
    x, y = centres(box)
    return field(*transformer(box.epsg, 4326).transform(x, y)) if field is waves else field(x, y)


def put(
    base: Path,
    tile: str,
    direction: str = "ASCENDING",
    month: Month = MAY,
    *,
    field: Field = speckle,
    factor: float = 1.0,
    empty: tuple[slice, slice] | None = None,
    size: float = SIZE,
    epsg: int | None = None,
    pair: tuple[str, str] = ("VV", "VH"),
    texture: bool = False,
    level: str = "hARDCp",
) -> Path:
    """Write a tile's COG: power of a field times a factor, VH a fifth of VV or less."""
    box = tile_geobox(Tile(tile), size, epsg)
    co = (factor * power_of(box, field)).astype(np.float32)
    if empty:
        co[empty] = np.nan
    cross = (co * (0.1 + 0.3 * co)).astype(np.float32)
    labels = list(bands(*pair))
    values = [band.formula(co, cross) for band in labels]
    if texture:
        labels.append(Label(f"{pair[0]}_glcm_contrast", "1", "contrast"))
        values.append((7 + 100 * co).astype(np.float32))
    path = Path(Layout(str(base)).of(CompositeKey(Tile(tile), Direction(direction), month)).cog)
    write_cog(path, values, box, labels, tags={"PROCESSING_LEVEL": level})
    return path


def planned(
    base: Path, directions: str = "ASCENDING", epsg: int | None = 4326, resolution: float | None = None
) -> list[Mosaic]:
    cogs, _ = find_cogs(Layout(str(base), ""), MAY, directions)
    return plan_mosaics(cogs, directions, epsg, resolution)


def read(path: Path, **options: int) -> Floats:
    with rasterio.open(path, **options) as dataset:
        return dataset.read()


def nearest(paths: list[Path], box: GeoBox, shift: tuple[float, float] = (0, 0)) -> Floats:
    """First band on a grid by the nearest pixel of the first raster that has one: with pyproj and numpy alone."""
    x, y = centres(box)
    found = np.full(box.shape, np.nan, np.float32)
    for path in paths:
        with rasterio.open(path) as dataset:
            values, inverse, epsg = dataset.read(1), ~dataset.transform, dataset.crs.to_epsg()
        columns, rows = inverse @ transformer(box.epsg, epsg).transform(x + shift[0], y + shift[1])
        columns, rows = np.floor(columns).astype(int), np.floor(rows).astype(int)
        inside = (columns >= 0) & (rows >= 0) & (columns < values.shape[1]) & (rows < values.shape[0])
        take = inside & np.isnan(found)
        found[take] = values[rows[take], columns[take]]
    return found


# which COGs, in what order


@pytest.fixture
def two_zones(tmp_path: Path) -> Path:
    """Tiles of zones 10 and 11 that overlap, ascending."""
    base = tmp_path / "output"
    for tile in ("10SGD", "10SFD", "11SKU"):
        put(base, tile)
    return base


def test_cogs_are_found_by_priority(two_zones: Path) -> None:
    put(two_zones, "10SFD", "DESCENDING")
    put(two_zones, "10SFD", month=Month(2024, 6))
    cogs, lacking = find_cogs(Layout(str(two_zones), ""), MAY, "ALL")
    assert [f"{cog.key.tile} {cog.key.direction}" for cog in cogs] == [
        "10SFD ASCENDING",
        "10SGD ASCENDING",
        "11SKU ASCENDING",
        "10SFD DESCENDING",
    ]
    assert lacking == []
    cogs, _ = find_cogs(Layout(str(two_zones), ""), MAY, "DESCENDING")
    assert [str(cog.key.tile) for cog in cogs] == ["10SFD"]
    cogs, _ = find_cogs(Layout(str(two_zones), ""), MAY, "ALL", prefix="11")
    assert [str(cog.key.tile) for cog in cogs] == ["11SKU"]


def test_tiles_without_a_cog_are_told_with_the_reason(two_zones: Path) -> None:
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
    cogs, lacking = find_cogs(Layout(str(two_zones), ""), MAY, "ASCENDING")
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
    found = lambda: find_cogs(Layout(str(two_zones), ""), MAY, "ASCENDING")  # noqa: E731
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
        find_cogs(Layout(str(two_zones), ""), Month(2024, 7), "ASCENDING")
    assert "2 from 2023-11 to 2024-05" in caught.value.remedy
    with pytest.raises(ProductError, match=r"nowhere: no COG of 2024-07 ALL, tiles 50R\.\.\. -> .*--output-dir"):
        find_cogs(Layout("nowhere", ""), Month(2024, 7), "ALL", prefix="50R")


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"pair": ("HH", "HV")}, "bands VV_dB"),
        ({"texture": True}, "bands VV_dB"),
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
    compression = [struct.pack("<HHIH", 259, 3, 1, code) for code in (50000, 59999)]
    path.write_bytes(content.replace(*compression))  # a header that tells all, and a codec that nobody has
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
    (mosaic,) = plan_mosaics(find_cogs(Layout(str(two_zones), ""), MAY, "ALL", "11")[0], "ALL", 4326)
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


# virtual mosaics


def test_a_vrt_of_one_zone_holds_the_tiles_pixels(two_zones: Path) -> None:
    paths = [write_vrt(mosaic, two_zones / "mosaic") for mosaic in planned(two_zones, epsg=None)]
    assert [path.name for path in paths] == [
        "10SFD-10SGD-2024-05-ASCENDING.vrt",
        "11SKU-11SKU-2024-05-ASCENDING.vrt",
    ]
    ten = planned(two_zones, epsg=None)[0].geobox
    truth = 10 * np.log10(power_of(ten, speckle))
    found = read(paths[0])
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[0], truth, atol=1e-4)
    np.testing.assert_array_equal(read(paths[1]), read(next(two_zones.glob("11SKU_ASCENDING/cog/*.tif"))))


@pytest.mark.parametrize("epsg", [4326, 3857, 32611])
def test_a_vrt_across_zones_holds_the_nearest_pixels_and_no_seam(two_zones: Path, epsg: int) -> None:
    (mosaic,) = planned(two_zones, epsg=epsg)
    found = read(write_vrt(mosaic, two_zones / "mosaic"))
    paths = [cog.path for cog in mosaic.cogs]
    reach = 0.13 * mosaic.geobox.resolution  # a warp of GDAL approximates positions to an eighth of a pixel
    near = [nearest(paths, mosaic.geobox, (x, y)) for x in (-reach, 0, reach) for y in (-reach, 0, reach)]
    assert np.mean(found[0] == near[4]) > 0.6, "most are the very pixel, the others one as near"
    np.testing.assert_array_equal(np.any([found[0] == one for one in near], axis=0), np.isfinite(found[0]))
    everywhere = np.all(np.isfinite(near), axis=0)
    assert np.isfinite(found[:, everywhere]).all(), "no hole where tiles meet"
    ratio = 10 ** ((found[1] - found[0]) / 10)
    np.testing.assert_allclose(found[2], ratio, rtol=1e-4, err_msg="the bands of a pixel are from one pixel")


def test_a_vrt_keeps_names_units_and_no_data_and_tells_what_it_is(two_zones: Path) -> None:
    (mosaic,) = planned(two_zones)
    for path in (write_vrt(mosaic, two_zones / "m"), write_cog_mosaic(mosaic, two_zones / "m")):
        with rasterio.open(path) as dataset:
            assert dataset.descriptions == ("VV_dB", "VH_dB", "Ratio", "RVI")
            assert dataset.units == ("dB", "dB", "1", "1")
            assert np.isnan(dataset.nodata) and set(dataset.dtypes) == {"float32"}
            assert dataset.crs.to_epsg() == 4326
            assert dataset.tags(1)["long_name"] == "gamma0 backscatter, VV"
            tags = dataset.tags()
        assert (tags["MONTH"], tags["DIRECTION"], tags["MGRS_TILE"], tags["PROCESSING_LEVEL"]) == (
            "2024-05",
            "ASCENDING",
            "10SFD 10SGD 11SKU",
            "hARDCp",
        )


def test_a_vrt_stays_whole_when_the_tree_is_moved(two_zones: Path, tmp_path: Path) -> None:
    (mosaic,) = planned(two_zones)
    path = write_vrt(mosaic, two_zones / "mosaic")
    before = read(path)
    moved = tmp_path / "elsewhere" / "tree"
    moved.parent.mkdir()
    shutil.move(two_zones, moved)
    assert not two_zones.exists()
    np.testing.assert_array_equal(read(moved / "mosaic" / path.name), before)
    assert str(tmp_path) not in "".join(file.read_text() for file in (moved / "mosaic").rglob("*.vrt"))


def test_a_vrt_is_whole_behind_a_symbolic_link(two_zones: Path, tmp_path: Path) -> None:
    far = tmp_path / "disk" / "a" / "b" / "mosaics"
    far.mkdir(parents=True)
    (two_zones / "mosaic").symlink_to(far)
    (mosaic,) = planned(two_zones)
    assert np.isfinite(read(write_vrt(mosaic, two_zones / "mosaic"))).mean() > 0.8


def test_a_vrt_has_overviews_that_it_takes_from_the_tiles(tmp_path: Path) -> None:
    for tile in ("10SGD", "11SKU"):
        put(tmp_path, tile, field=waves, size=100.0)
    (mosaic,) = planned(tmp_path)
    path = write_vrt(mosaic, tmp_path / "mosaic")
    with rasterio.open(path) as dataset:
        assert dataset.overviews(1)[:2] == [2, 4]
    coarse = read(path, overview_level=1)[0]
    for cog in mosaic.cogs:
        cog.path.write_bytes(b"")
    with pytest.raises(rasterio.errors.RasterioIOError):
        read(path, overview_level=1)
    assert np.isfinite(coarse).mean() > 0.8


def test_earlier_tiles_and_ascending_passes_lie_on_top(two_zones: Path) -> None:
    hole = slice(30, 60), slice(20, 90)
    put(two_zones, "10SGD", empty=hole)
    for tile in ("10SFD", "10SGD", "11SKU"):
        put(two_zones, tile, "DESCENDING", factor=0.5)
    (both,) = planned(two_zones, "ALL")
    (ascending,) = planned(two_zones, "ASCENDING")
    paths = [cog.path for cog in both.cogs]
    assert [path.parent.parent.name.split("_")[1][0] for path in paths] == ["A", "A", "A", "D", "D", "D"]
    for write in (write_vrt, write_cog_mosaic):
        filled, alone = (read(write(mosaic, two_zones / "mosaic"))[0] for mosaic in (both, ascending))
        there = np.isfinite(alone)
        np.testing.assert_array_equal(filled[there], alone[there])
        assert 0.01 < np.mean(np.isfinite(filled) & ~there) < 0.2
    truth = nearest(paths, both.geobox)
    assert np.mean(read(two_zones / "mosaic" / f"{both.name}.vrt")[0] == truth) > 0.6
    (descending,) = planned(two_zones, "DESCENDING")
    other = read(write_cog_mosaic(descending, two_zones / "mosaic"))[0]
    np.testing.assert_array_equal(filled[~there], other[~there])


# cloud-optimised GeoTIFFs


def test_a_cog_on_the_tiles_own_grid_is_a_copy(two_zones: Path) -> None:
    for mosaic in planned(two_zones, epsg=None):
        cog, vrt = (read(write(mosaic, two_zones / "mosaic")) for write in (write_cog_mosaic, write_vrt))
        np.testing.assert_array_equal(cog, vrt)


def blocks(values: Floats, factor: int) -> Floats:
    """Means of whole blocks, by numpy."""
    rows, columns = (side // factor for side in values.shape)
    return values[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor).mean((1, 3))


def test_power_is_averaged_not_db(tmp_path: Path) -> None:
    put(tmp_path, "10SGD", texture=True)
    (mosaic,) = planned(tmp_path, epsg=None, resolution=4 * SIZE)
    found = read(write_cog_mosaic(mosaic, tmp_path))
    box, own = mosaic.geobox, tile_geobox(Tile("10SGD"), SIZE)
    rows, columns = (round(n / SIZE) for n in (box.top - own.top, own.left - box.left))
    assert (rows % 4, columns % 4) != (0, 0), "the tile's corner lies inside a pixel of the mosaic"
    power = power_of(own, speckle)[4 - rows % 4 if rows % 4 else 0 :, 4 - columns % 4 if columns % 4 else 0 :]
    co, cross, contrast = (blocks(band, 4) for band in (power, power * (0.1 + 0.3 * power), 7 + 100 * power))
    inner = found[:, bool(rows % 4) :, bool(columns % 4) :][:, : co.shape[0], : co.shape[1]]
    np.testing.assert_allclose(inner[0], 10 * np.log10(co), atol=1e-4)
    np.testing.assert_allclose(inner[1], 10 * np.log10(cross), atol=1e-4)
    np.testing.assert_allclose(inner[2], cross / co, rtol=1e-4)
    np.testing.assert_allclose(inner[3], 4 * cross / (co + cross), rtol=1e-4)
    np.testing.assert_allclose(inner[4], contrast, rtol=1e-4)
    assert np.abs(inner[0] - blocks(10 * np.log10(power), 4)).mean() > 0.5, "the mean of dB is another"


def test_a_coarse_cog_has_no_seam_between_tiles_of_one_zone(two_zones: Path) -> None:
    """Averaged pixels lie across the tiles' edges: they are made of both tiles."""
    mosaic, _ = planned(two_zones, epsg=None, resolution=7 * SIZE)
    found = read(write_cog_mosaic(mosaic, two_zones))[0]
    box = mosaic.geobox
    fine = GeoBox(box.epsg, SIZE, box.left, box.top, 7 * box.width, 7 * box.height)
    truth = 10 * np.log10(blocks(power_of(fine, speckle), 7))
    inner = slice(1, -1), slice(1, -1)
    np.testing.assert_allclose(found[inner], truth[inner], atol=1e-3)


def test_overviews_are_means_of_power(tmp_path: Path) -> None:
    put(tmp_path, "10SGD", size=100.0)
    (mosaic,) = planned(tmp_path, epsg=None)
    path = write_cog_mosaic(mosaic, tmp_path)
    with rasterio.open(path) as dataset:
        assert dataset.overviews(1) == [2, 4]
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    full = (10 ** (read(path)[:2].astype(np.float64) / 10))[:, :1096, :1096]
    for level, factor in enumerate((2, 4)):
        co, cross = (blocks(band, factor) for band in full)
        found = read(path, overview_level=level)[:, : co.shape[0], : co.shape[1]]
        np.testing.assert_allclose(found[0], 10 * np.log10(co), atol=1e-3)
        np.testing.assert_allclose(found[2], cross / co, rtol=1e-3)
        np.testing.assert_allclose(found[3], 4 * cross / (co + cross), rtol=1e-3)


def bilinear(path: Path, box: GeoBox) -> Floats:
    """Power of the first band at the centres of a grid, bilinear, NaN beside no data: by pyproj and numpy."""
    with rasterio.open(path) as dataset:
        power = 10 ** (dataset.read(1).astype(np.float64) / 10)
        columns, rows = ~dataset.transform @ transformer(box.epsg, dataset.crs.to_epsg()).transform(*centres(box))
    power = np.pad(power, 2, constant_values=np.nan)
    columns, rows = np.clip(columns + 1.5, 0, power.shape[1] - 2), np.clip(rows + 1.5, 0, power.shape[0] - 2)
    left, top = np.floor(columns).astype(int), np.floor(rows).astype(int)
    right, down = columns - left, rows - top
    upper, lower = ((1 - right) * power[top + n, left] + right * power[top + n, left + 1] for n in (0, 1))
    return (1 - down) * upper + down * lower


@pytest.mark.parametrize("epsg", [4326, 3857])
def test_a_cog_in_another_crs_is_bilinear_in_power(two_zones: Path, epsg: int) -> None:
    (mosaic,) = planned(two_zones, epsg=epsg)
    found = read(write_cog_mosaic(mosaic, two_zones))
    assert np.isfinite(found).mean() > 0.8
    each = [bilinear(cog.path, mosaic.geobox) for cog in mosaic.cogs]
    truth = 10 * np.log10(np.where(np.isfinite(each[0]), each[0], np.where(np.isfinite(each[1]), each[1], each[2])))
    sure = np.isfinite(truth)
    assert np.isfinite(found[0][sure]).all(), "no hole where tiles meet"
    close = np.abs(found[0][sure] - truth[sure]) < 0.1
    assert np.mean(close) > 0.99, "all but those on the edge of a tile, which have less than four neighbours there"
    assert np.mean(np.isfinite(found[0]) & ~sure) < 0.02


def test_blocks_leave_no_trace(two_zones: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(two_zones, "11SKU", empty=(slice(0, 122), slice(30, 60)))
    plans = [*planned(two_zones), *planned(two_zones, resolution=0.05)]
    whole = [read(write_cog_mosaic(mosaic, two_zones)) for mosaic in plans]
    monkeypatch.setattr(mosaic_cog, "WORKED", 64)
    for mosaic, expected in zip(plans, whole, strict=True):
        found = read(write_cog_mosaic(mosaic, two_zones))
        np.testing.assert_allclose(found, expected, rtol=2e-3)


def test_no_more_than_a_block_is_read_at_a_time(two_zones: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    gathered = mosaic_cog._gathered

    def counting(cogs: list, box: GeoBox, places: list[int]) -> list:
        sizes.append(max(box.shape))
        return gathered(cogs, box, places)

    monkeypatch.setattr(mosaic_cog, "WORKED", 64)
    monkeypatch.setattr(mosaic_cog, "_gathered", counting)
    for resolution in (None, 4 * 30 / 3600):
        (mosaic,) = planned(two_zones, resolution=resolution)
        write_cog_mosaic(mosaic, two_zones)
    assert len(sizes) > 20 and max(sizes) < 130


# whole or not at all


@pytest.mark.parametrize("write", [write_vrt, write_cog_mosaic])
def test_an_older_mosaic_survives_a_failure(
    two_zones: Path, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (mosaic,) = planned(two_zones)
    path = write(mosaic, two_zones / "mosaic")
    before = {file: file.read_bytes() for file in (two_zones / "mosaic").rglob("*.*") if file.is_file()}
    put(two_zones, "11SKU", factor=2)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mosaic_cog, "refuse_unwritten", full)
    monkeypatch.setattr(mosaic_vrt, "write_text", full)
    with pytest.raises(ProductError, match=f"{mosaic.name}.*No space left"):
        write(mosaic, two_zones / "mosaic")
    assert path in before
    assert {f: f.read_bytes() for f in (two_zones / "mosaic").rglob("*.*") if f.is_file()} == before


def test_a_block_lost_on_a_full_disk_is_noticed(two_zones: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (mosaic,) = planned(two_zones)
    refuse = mosaic_cog._refuse_lost
    monkeypatch.setattr(mosaic_cog, "_refuse_lost", lambda path, written: refuse(path, {*written, (7, 7)}))
    with pytest.raises(ProductError, match="block 7, 7 of band 1 was not written"):
        write_cog_mosaic(mosaic, two_zones / "mosaic")
    assert list((two_zones / "mosaic").iterdir()) == []


# the script


def test_the_script_says_what_it_made(two_zones: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (two_zones / "10SGE_ASCENDING").mkdir()
    options = ["--month", "2024-05", "--direction", "ASCENDING", "--output-dir", str(two_zones)]
    mosaic_tiles.main(options)
    assert capsys.readouterr().out == (
        "no COG of 10SGE ASCENDING: not searched yet\n"
        f"{two_zones}/mosaic/10SFD-11SKU-2024-05-ASCENDING-4326.vrt\n"
        "  3 COGs, 342 x 125 pixels, EPSG:4326\n"
    )
    mosaic_tiles.main(
        [*options, "--keep-utm", "--format", "COG", "--output", str(two_zones / "x"), "--mgrs-prefix", "10"]
    )
    assert [path.name for path in (two_zones / "x").iterdir()] == ["10SFD-10SGD-2024-05-ASCENDING.tif"]
    capsys.readouterr()
    mosaic_tiles.main([*options[:3], "asc", *options[4:], "--keep-utm", "--mgrs-prefix", "11", "--format", "vrt"])
    # as S1-GRiTS names it: the tiles top left and bottom right, also where one tile is both
    path = two_zones / "mosaic" / "11SKU-11SKU-2024-05-ASCENDING.vrt"
    assert capsys.readouterr().out == f"{path}\n  1 COG, 122 x 122 pixels, EPSG:32611\n"


def test_errors_are_one_line_and_exit_code_1(two_zones: Path) -> None:
    for wrong in (["--month", "2023-01"], ["--month", "2024-99"], ["--month", "2024-05", "--crs", "mars"]):
        with pytest.raises(SystemExit) as caught:
            mosaic_tiles.main(["--direction", "ALL", "--output-dir", str(two_zones), *wrong])
        assert isinstance(caught.value.code, str)  # printed, with exit code 1
        assert "\n" not in caught.value.code and " -> " in caught.value.code
    with pytest.raises(SystemExit) as caught:
        mosaic_tiles.main(["--direction", "ALL", "--month", "2024-05", "--resolution", "1"])
    assert caught.value.code == 2


def test_a_crs_and_the_tiles_own_are_not_asked_for_together(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--month", "2024-05", "--direction", "asc", "--keep-utm"]
    for crs in ("EPSG:3857", "EPSG:4326"):
        with pytest.raises(SystemExit) as end:
            mosaic_tiles.main([*options, "--crs", crs])
        assert end.value.code == 2
        assert "not allowed with argument" in capsys.readouterr().err
