"""The Item of static layers: valid offline; the Items of months name it where it exists."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pystac
from shapely.geometry import shape

from s1monthly.catalog.assets import AssetFile
from s1monthly.catalog.item import item
from s1monthly.catalog.static_item import REL, static_item, with_static_layers
from s1monthly.cube.static import StaticOrigin
from s1monthly.granule_names import STATIC_LAYERS
from s1monthly.grid.lattice import tile_geobox
from s1monthly.layout import Layout
from s1monthly.model import Tile, TileDirection
from support import stac_rules
from support.month_samples import month_record

GRID = tile_geobox(Tile("10SGD"))
NAMES = tuple(f"OPERA_L2_RTC-S1-STATIC_T137-29231{number}-IW1_20140403_S1A_30_v1.0" for number in (8, 9))
ORIGIN = StaticOrigin("10SGD", "ASCENDING", 137, NAMES, "0123456789abcdef", ("T137-292320-IW1",))
COGS = {layer: AssetFile(f"{layer}.tif", 7, "ab" * 32) for layer in STATIC_LAYERS}
STORE = AssetFile("../zarr/S1_static.zarr")


def made(origin: StaticOrigin = ORIGIN, valid: bool = True) -> dict:
    seen = np.zeros(GRID.shape, bool)
    seen[100:2000, 500:3000] = valid
    return static_item(origin, GRID, seen, COGS, STORE)


def test_item_is_valid_and_says_what_it_is_made_of() -> None:
    document = made()
    stac_rules.validate(document)
    opened = pystac.Item.from_dict(document)
    assert opened.properties["s1monthly:bursts_without_static"] == ["T137-292320-IW1"]
    assert opened.properties["s1monthly:static_granules"] == list(NAMES)
    assert opened.datetime and opened.datetime.isoformat() == "2014-04-03T00:00:00+00:00"
    assert {*opened.assets} == {*STATIC_LAYERS, "zarr"}
    assert all(asset.roles == ["data", "auxiliary"] for asset in opened.assets.values())
    assert 0.3 < shape(document["geometry"]).area / shape(made(valid=False)["geometry"]).area < 0.4


def test_item_without_any_granule_is_valid() -> None:
    stac_rules.validate(made(replace(ORIGIN, granules=()), valid=False))


def test_items_of_one_track_and_of_both_directions_say_so() -> None:
    one, both = (made(replace(ORIGIN, direction=direction)) for direction in ("ASCENDING_T137", "COMBINED"))
    for document in (one, both):
        stac_rules.validate(document)
        assert document["properties"]["sat:relative_orbit"] == 137
        assert document["properties"]["title"].count("T137") == document["id"].count("T137") == 1
    assert one["properties"]["sat:orbit_state"] == one["properties"]["s1monthly:orbit_direction"] == "ascending"
    assert one["collection"] == "s1-grits-monthly-ascending-t137"
    assert "sat:orbit_state" not in both["properties"] and both["collection"] == "s1-grits-monthly-combined"


def test_months_name_the_static_layers_that_exist(tmp_path: Path) -> None:
    record = month_record()
    assert record.tracks == [137]
    paths = Layout(str(tmp_path)).of(TileDirection(record.key.tile, record.key.direction))
    plain = item(record, {})
    assert with_static_layers(plain, paths) == plain
    for track in ("T137", "T035"):
        document = Path(paths.static_item.replace("{track}", track))
        document.parent.mkdir(parents=True, exist_ok=True)
        document.write_text("{}")
    linked = with_static_layers(plain, paths)
    stac_rules.validate(linked)
    assert [each["href"] for each in linked["links"] if each["rel"] == REL] == [
        f"static/{document.name}".replace("T035", "T137")
    ]
    assert [*linked["assets"]] == [f"T137_{layer}" for layer in STATIC_LAYERS]
    assert linked["assets"]["T137_mask"]["href"].startswith("static/10SGD_S1_Static_ASCENDING_T137_mask.tif")
    assert with_static_layers(linked, paths) == linked
    document.with_name(document.name.replace("T035", "T137")).unlink()
    assert with_static_layers(linked, paths) == plain
