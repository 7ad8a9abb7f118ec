"""Items: valid offline, in step with record and files, readable by the field's tools."""

from __future__ import annotations

import copy
import hashlib
import json
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pystac
import pytest
from shapely.geometry import shape

from s1monthly.catalog import item as stac
from s1monthly.catalog.assets import AssetFile, asset_file
from s1monthly.catalog.document import read_document, write_document
from s1monthly.catalog.lineage import lineage, output_bands, processing_tags
from s1monthly.errors import ProductError
from s1monthly.grid.lattice import GeoBox, tile_geobox
from s1monthly.kernels.bands import bands
from s1monthly.kernels.preview import CO_DB_RANGE, CROSS_DB_RANGE, RATIO_RANGE
from s1monthly.layout import Layout
from s1monthly.model import Tile
from s1monthly.raster.cog import write_cog
from s1monthly.versions import PRODUCTS
from support import stac_rules
from support.month_samples import ANTIMERIDIAN, ITEM_ORIGIN, granule, lay_down, month_record, publish

EMPTY = np.zeros((3660, 3660), bool)
DAY = datetime(2021, 11, 3, 2, tzinfo=UTC)
TEXTURES = {"metrics": ["contrast", "entropy"], "levels": 16, "inputs": {"VV_dB": [-25, 5], "VH_dB": [-32, -5]}}
FILES = {
    "cog": AssetFile("cog/x.tif", 10, "ab" * 32),
    "zarr": AssetFile("zarr/S1_monthly.zarr"),
    "preview": AssetFile("preview/x.png", 5, "cd" * 32, GeoBox(32610, 300.0, 699960.0, 3900000.0, 366, 366)),
    "record": AssetFile("months/2021-11.json", 7, "ef" * 32),
}
MONTHS = {
    "complete": {},
    "composite alone": {"level": "ARDC"},
    "HH+HV": {"polarization": "HH+HV"},
    "empty": {"mask": EMPTY},
    "no granule left": {"mask": EMPTY, "granules": []},
    "antimeridian": {"tile": ANTIMERIDIAN, "mask": ~EMPTY},
    "two platforms, two tracks": {"granules": [granule(DAY), granule(DAY + timedelta(5), platform="S1B", track=35)]},
    "platform without designator": {"granules": [granule(DAY, platform="S1D")]},
    "20 m": {"grid": GeoBox(32610, 20.0, 699960.0, 3900000.0, 5490, 5490)},
    "textures": {"textures": TEXTURES},
    "spread": {"spread": ["min", "max", "std", "p10", "p90"]},
    "rebuilt": {"unknown": True},
    "one track": {"direction": "DESCENDING_T144", "unknown": True},
    "both directions": {"direction": "COMBINED", "granules": [granule(DAY), granule(DAY + timedelta(5), track=144)]},
}


def test_the_network_is_off():
    with pytest.raises(AssertionError, match="network touched"):
        socket.create_connection(("stac-extensions.github.io", 443))


def made(**options):
    return stac.item(month_record(**options), FILES)


@pytest.mark.parametrize("kinds", ["cog zarr preview record", "zarr record", "zarr preview record"])
@pytest.mark.parametrize("month", MONTHS)
def test_items_are_valid(month, kinds):
    document = stac.item(month_record(**MONTHS[month]), {kind: FILES[kind] for kind in kinds.split()})
    stac_rules.validate(document)
    assert list(document["assets"]) == kinds.split()
    assert json.loads(json.dumps(document, allow_nan=False)) == document


FAULTS = {
    "no collection": lambda item: item.pop("collection"),
    "x without extent": lambda item: item["properties"]["cube:dimensions"]["x"].pop("extent"),
    "y without extent": lambda item: item["properties"]["cube:dimensions"]["y"].pop("extent"),
    "a dimension that is a variable": lambda item: item["properties"]["cube:variables"]["count"].update(
        dimensions=["time", "y", "z"]
    ),
    "a variable without type": lambda item: item["properties"]["cube:variables"]["RVI"].pop("type"),
    "proj:epsg": lambda item: item["properties"].update({"proj:epsg": 32610}),
    "a null orbit": lambda item: item["properties"].update({"sat:relative_orbit": None}),
    "MD5 as checksum": lambda item: item["assets"]["cog"].update({"file:checksum": "0" * 32}),
    "an extension not declared": lambda item: item["stac_extensions"].pop(),
    "an extension not used": lambda item: (
        item["assets"]["cog"].pop("raster:sampling") and item["assets"]["cog"].pop("raster:spatial_resolution")
    ),
    "no datetime": lambda item: item["properties"].pop("datetime"),
    "a start without end": lambda item: item["properties"].pop("end_datetime"),
    "no bounding box": lambda item: item.pop("bbox"),
    "nodata as text": lambda item: item["assets"]["cog"]["bands"][0].update(nodata="nan"),
    "a link without title": lambda item: item["links"][0].pop("title"),
    "a field of S1-GRiTS that the extension forbids": lambda item: item["properties"].update({"mgrs:tile_id": "10SGD"}),
    "a picture without asset": lambda item: item["properties"]["renders"]["preview"].pop("assets"),
    "a grid without dash": lambda item: item["properties"].update({"grid:code": "MGRS 10SGD"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_control_a_faulty_item_fails(fault):
    document = copy.deepcopy(made())
    FAULTS[fault](document)
    with pytest.raises(stac_rules.FAILURES):
        stac_rules.validate(document)


def test_an_item_says_what_its_month_is():
    record = month_record()
    properties = stac.item(record, FILES)["properties"]
    assert properties["datetime"] == properties["start_datetime"] == "2021-11-01T00:00:00Z"
    assert properties["end_datetime"] == "2021-11-30T23:59:59Z"
    assert properties["s1monthly:first_acquisition"] == "2021-11-03T02:00:00Z"
    assert properties["s1monthly:last_acquisition"] == "2021-11-15T02:00:09Z"
    assert {name: properties[name] for name in ("s1monthly:granules", "s1monthly:passes", "s1monthly:tracks")} == {
        "s1monthly:granules": 12,
        "s1monthly:passes": 3,
        "s1monthly:tracks": [137],
    }
    assert properties["s1monthly:coverage"] == record.valid / 3660**2
    assert properties["platform"] == "sentinel-1a"
    assert properties["sat:relative_orbit"] == 137
    assert properties["sat:platform_international_designator"] == "2014-016A"
    assert properties["sat:orbit_state"] == "ascending"
    assert properties["grid:code"] == "MGRS-10SGD" and properties["s1monthly:mgrs_tile_id"] == "10SGD"
    assert properties["s1monthly:digest"] == record.digest
    assert properties["processing:lineage"] == (
        "12 OPERA RTC-S1 granules (gamma0 power); overlapping bursts of a pass merged (mean); median of 3 passes; "
        "despeckled with tv_bregman (reg_param=5.0)"
    )


def test_an_item_of_one_track_or_of_both_directions_says_so():
    one, both = (made(**MONTHS[name]) for name in ("one track", "both directions"))
    assert (one["id"], one["collection"]) == ("10SGD_DESCENDING_T144_2021-11", "s1-grits-monthly-descending-t144")
    assert {name: one["properties"][name] for name in ("sat:relative_orbit", "sat:orbit_state")} == {
        "sat:relative_orbit": 144,
        "sat:orbit_state": "descending",
    }
    above = [link["href"] for link in one["links"] if link["rel"] == "collection"]
    assert above == ["../collection_DESCENDING_T144.json"]
    assert one["properties"]["s1monthly:orbit_direction"] == "descending"
    assert not {"sat:orbit_state", "sat:relative_orbit"} & both["properties"].keys()
    assert both["properties"]["s1monthly:tracks"] == [137, 144] and both["collection"] == "s1-grits-monthly-combined"
    tags = processing_tags(month_record(**MONTHS["one track"]))
    assert (tags["DIRECTION"], tags["TRACK"]) == ("DESCENDING", "144")
    assert "TRACK" not in processing_tags(month_record())


GOLDEN = {3: "4edc98e6c92e078a37459924bde2926da4e30e44cf7deeba942107f45f8e304f"}
"""SHA-256 of the Item of `golden_record`, by version of the product."""


def golden_record():
    """A month without anything that another version of a library computes otherwise in the last digit."""
    outline = {"type": "Polygon", "coordinates": [[[-121, 34], [-120, 34], [-120, 35], [-121, 34]]]}
    return replace(month_record(mask=EMPTY, textures=TEXTURES), valid=9, footprint=outline)


def test_golden_item():
    """Where this fails, Items say something else of the same month: raise its version."""
    made = json.dumps(stac.item(golden_record(), FILES)).encode()
    assert hashlib.sha256(made).hexdigest() == GOLDEN[PRODUCTS["stac"]]


def test_what_is_not_known_of_a_month_is_left_out_of_its_item():
    known, rebuilt = made()["properties"], made(unknown=True)["properties"]
    assert known.keys() - rebuilt.keys() == set(ITEM_ORIGIN)
    same = known.keys() & rebuilt.keys() - {"processing:lineage"}
    assert {name: known[name] for name in same} == {name: rebuilt[name] for name in same}
    assert rebuilt["processing:lineage"].startswith("OPERA RTC-S1 granules (gamma0 power); overlapping bursts")


def test_textures_are_bands():
    document = made(textures=TEXTURES)
    bands = {band["name"]: band for band in document["assets"]["cog"]["bands"]}
    assert list(bands)[4:] == ["VV_glcm_contrast", "VV_glcm_entropy", "VH_glcm_contrast", "VH_glcm_entropy"]
    assert bands["VH_glcm_entropy"]["description"] == (
        "GLCM entropy of VH_dB at 0, 90 degrees, distance 1, window 5, 16 levels from -32 to -5 dB"
    )
    apart = made(textures={**TEXTURES, "angles": [45, 22.5], "distance": 2, "average_angles": False})
    described = {band["name"]: band["description"] for band in apart["assets"]["cog"]["bands"]}
    assert described["VV_glcm_contrast_22.5"].startswith("GLCM contrast of VV_dB at 22.5 degrees, distance 2,")
    assert document["properties"]["processing:lineage"].endswith("; GLCM contrast, entropy of VV_dB and VH_dB")
    assert set(bands) < set(document["properties"]["cube:variables"])


def test_the_spread_is_bands():
    document = made(textures=TEXTURES, spread=["std", "p90"])
    described = {band["name"]: band["description"] for band in document["assets"]["cog"]["bands"][8:]}
    assert list(described) == ["VV_dB_std", "VV_dB_p90", "VH_dB_std", "VH_dB_p90"]
    assert described["VH_dB_std"] == "standard deviation of VH_dB over the passes, before despeckling"
    lineage = document["properties"]["processing:lineage"]
    assert lineage.endswith("; std, p90 of the passes in dB, before despeckling")


def test_composites_by_static_layers_say_so():
    record = month_record()
    record.recipe["composite"] = {"method": "local_resolution"}
    record.recipe["angle_normalisation"] = {"reference": 38.0, "exponent": 2}
    told = lineage(record)
    assert "; normalised to an incidence angle of 38 degrees (cosine, exponent 2); mean weighted by local" in told
    assert "resolution (doi:10.1109/IGARSS.2012.6350465) of 3 passes; despeckled" in told
    described = {band.name: band.description for band in output_bands(record)}
    assert described["VV_dB"] == (
        "gamma0 backscatter, VV; normalised to an incidence angle of 38 degrees (cosine, exponent 2)"
    )
    assert "normalised" not in described["Ratio"]


def test_several_platforms_and_tracks_are_listed():
    properties = made(**MONTHS["two platforms, two tracks"])["properties"]
    assert properties["platform"] == "sentinel-1"
    assert properties["s1monthly:platforms"] == ["sentinel-1a", "sentinel-1b"]
    assert properties["s1monthly:tracks"] == [35, 137]
    assert not {"sat:relative_orbit", "sat:platform_international_designator"} & set(properties)


def test_the_lineage_names_no_step_that_was_not_done_and_no_wrong_source():
    properties = made(level="ARDC")["properties"]
    assert properties["s1monthly:despeckle"] is False and "despeckled" not in properties["processing:lineage"]
    record = month_record()
    record.recipe["data"] = {"simulated": {"seed": 1}}
    assert "12 simulated OPERA RTC-S1 granules" in lineage(record)


def test_bands_carry_names_units_and_statistics():
    record = month_record(polarization="HH+HV")
    document = stac.item(record, FILES)
    bands = document["assets"]["cog"]["bands"]
    assert [band["name"] for band in bands] == ["HH_dB", "HV_dB", "Ratio", "RVI"]
    assert [band["unit"] for band in bands] == ["dB", "dB", "1", "1"]
    assert bands[0]["statistics"] == {
        "minimum": -25.5,
        "maximum": 3.25,
        "mean": -12.125,
        "stddev": 4.5,
        "valid_percent": 100 * record.valid / 3660**2,
    }
    assert set(document["properties"]["cube:variables"]) == {"HH_dB", "HV_dB", "Ratio", "RVI", "count"}
    assert document["properties"]["sar:polarizations"] == ["HH", "HV"]


def test_items_say_how_to_show_their_cog_in_the_colours_of_the_preview():
    pictures = made(polarization="HH+HV", textures=TEXTURES)["properties"]["renders"]
    assert list(pictures) == ["preview", "HH_dB", "HV_dB", "Ratio"]
    preview = {name: pictures["preview"][name] for name in ("assets", "bidx", "rescale")}
    ranges = [list(shown) for shown in (CO_DB_RANGE, CROSS_DB_RANGE, RATIO_RANGE)]
    assert preview == {"assets": ["cog"], "bidx": [1, 2, 3], "rescale": ranges}
    without_ratio = [band for band in bands("VV", "VH") if band.name != "Ratio"]
    assert list(stac.renders(without_ratio, ["cog"])["renders"]) == ["VV_dB", "VH_dB"]
    assert stac.renders(without_ratio[2:], ["cog"]) == stac.renders(without_ratio, ["preview"]) == {}


def test_the_cube_dimensions_are_those_of_the_grid():
    dimensions = made()["properties"]["cube:dimensions"]
    assert dimensions["x"]["extent"] == [699960.0, 699960.0 + 109800]
    assert dimensions["y"]["extent"] == [3900000.0 - 109800, 3900000.0]
    assert dimensions["x"]["reference_system"] == 32610
    assert dimensions["time"]["extent"] == ["2021-11-01T00:00:00Z", "2021-11-30T23:59:59Z"]


@pytest.mark.parametrize(
    ("epsg", "resolution", "unit", "metres"),
    [
        (None, 300.0, "m", 300.0),
        (3310, 300.0, "m", 300.0),
        (4326, 0.003, "degree", 0.003 * 111_320),
        (4807, 0.003, "grade", 0.003 * 0.9 * 111_320),
        (2225, 1000.0, "US_survey_foot", 1000 * 1200 / 3937),
        (2222, 1000.0, "foot", 304.8),
    ],
)
def test_sizes_are_metres_and_units_those_of_the_crs(epsg, resolution, unit, metres, tmp_path):
    grid = tile_geobox(Tile("10SGD"), resolution, epsg)
    record = month_record(grid=grid)
    item = stac.item(record, FILES)
    stac_rules.validate(item)
    properties, cog = item["properties"], item["assets"]["cog"]
    assert {properties["cube:dimensions"][axis]["unit"] for axis in "xy"} == {unit}
    assert properties["cube:dimensions"]["x"]["step"] == resolution
    assert [properties["gsd"], cog["raster:spatial_resolution"]] == pytest.approx([metres, metres])
    lay_down(tmp_path, record, kinds=("cog",))
    assert publish(tmp_path)["summaries"]["gsd"] == pytest.approx([metres])


def test_an_empty_month_shows_its_tile_and_no_numbers():
    document = made(mask=EMPTY)
    assert (
        document["properties"]["s1monthly:valid_pixels"] == 0 and document["properties"]["s1monthly:status"] == "empty"
    )
    assert document["assets"]["cog"]["bands"][0]["statistics"] == {"valid_percent": 0.0}
    assert shape(document["geometry"]).area > 0.9
    assert "s1monthly:count_mean" not in document["properties"]


def test_the_geometry_is_the_footprint_of_the_data_and_not_of_the_tile():
    data, tile = shape(made()["geometry"]), shape(made(mask=EMPTY)["geometry"])
    assert tile.buffer(1e-4).covers(data)
    assert data.area == pytest.approx(0.7 * tile.area, rel=0.02)  # columns + 0.2 rows < 0.8 width


def test_at_the_antimeridian_the_box_crosses_and_the_geometry_is_split():
    document = made(**MONTHS["antimeridian"])
    west, _, east, _ = document["bbox"]
    assert west > 179 and east < -179
    assert document["geometry"]["type"] == "MultiPolygon"


def test_a_band_of_another_version_is_refused():
    record = month_record()
    record.bands["VV_entropy"] = record.bands["RVI"]
    with pytest.raises(
        ProductError, match=r"10SGD_ASCENDING_2021-11: bands .*VV_entropy, where its recipe makes VV_dB"
    ):
        stac.item(record, FILES)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_odc_stac_understands_the_bands_and_the_grid():
    from odc.stac import parse_item

    item = pystac.Item.from_dict(made())
    item.set_self_href("/output/10SGD_ASCENDING/10SGD_ASCENDING_2021-11.json")
    parsed = parse_item(item)
    (geobox,) = {source.geobox for source in parsed.bands.values() if source.uri.endswith("tif")}
    assert geobox.shape == (3660, 3660) and geobox.crs.epsg == 32610
    assert geobox.boundingbox.bbox == tile_geobox(Tile("10SGD")).bounds
    assert [parsed.collection.meta.aliases[name] for name in ("VV_dB", "VH_dB", "Ratio", "RVI")] == [
        [("cog", n)] for n in (1, 2, 3, 4)
    ]


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_odc_stac_loads_two_neighbouring_tiles_into_one_array(tmp_path):
    from odc.stac import load

    items = []
    for tile, left in (("10SGD", 699960.0), ("10SHD", 699960.0 + 48 * 30)):  # tiles overlap, here by 16 columns
        grid = GeoBox(32610, 30.0, left, 3900000.0, 64, 64)
        record = month_record(tile, grid=grid, mask=np.ones(grid.shape, bool))
        folder = lay_down(tmp_path, record, kinds=())
        column = (grid.left - 699960.0) / 30 + np.arange(64, dtype=np.float32)
        values = [np.tile(column + 1000 * n, (grid.height, 1)) for n in range(4)]
        for band in values if tile == "10SGD" else ():
            band[:, 60:] = np.nan  # the other tile has these columns
        cog = Path(Layout(str(tmp_path)).of(record.key).cog)
        write_cog(cog, values, grid, output_bands(record))
        path = Path(Layout(str(tmp_path)).of(record.key).item)
        write_document(path, stac.item(record, {"cog": asset_file(cog, folder)}))
        items.append(pystac.Item.from_file(str(path)))
    loaded = load(items, bands=["VV_dB", "RVI"], groupby="time")
    assert loaded.sizes == {"time": 1, "y": 64, "x": 112}
    assert loaded.odc.crs.epsg == 32610
    np.testing.assert_array_equal(loaded.VV_dB.values, np.broadcast_to(np.arange(112, dtype=np.float32), (1, 64, 112)))
    np.testing.assert_array_equal(loaded.RVI.values, loaded.VV_dB.values + 3000)
    assert loaded.time.values[0] == np.datetime64("2021-11-01")


def test_stac_geoparquet_reads_the_items():
    from stac_geoparquet.arrow import parse_stac_items_to_arrow

    table = parse_stac_items_to_arrow([made(), made(month="2021-12")]).read_all()
    assert table["id"].to_pylist() == ["10SGD_ASCENDING_2021-11", "10SGD_ASCENDING_2021-12"]


@pytest.mark.parametrize("content", ["{", "[]", None])
def test_a_damaged_document_is_named(tmp_path, content):
    path = tmp_path / "item.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ProductError, match=r"item\.json"):
        read_document(path)


@pytest.mark.parametrize(("radiometry", "kind"), [("sigma0_terrain", "RTC"), ("beta0", "GTC")])
def test_an_item_of_another_quantity_says_so_everywhere(radiometry, kind):
    record = month_record(spread=["max"])
    of = {"radiometry": radiometry, "angle_normalisation": {"reference": 38, "exponent": 2}}
    record = replace(record, recipe={**record.recipe, **of})
    files = {**FILES, **{name: AssetFile(f"cog/{name}.tif", 10, "ab" * 32) for name in ("power", "overview-vv")}}
    document = stac.item(record, files)
    stac_rules.validate(document)
    said = radiometry.replace("_", " ")
    assert document["properties"]["sar:product_type"] == kind
    assert {document["assets"][name]["title"].rpartition(", ")[2] for name in ("power", "overview-vv", "preview")} == {
        said
    }
    spread = document["assets"]["cog"]["bands"][-1]["description"]
    assert spread.startswith("maximum of VH_dB over the passes, before despeckling; ")
    assert radiometry.partition("_")[0] in spread and spread.endswith("degrees (cosine, exponent 2)")
