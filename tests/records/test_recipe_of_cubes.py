"""Recipes of existing cubes: they keep their spelling and their digest, and no two recipes are mixed in a cube."""

from __future__ import annotations

import json
from typing import Any

import pytest

from s1monthly.config.root import load_config
from s1monthly.errors import CubeError
from s1monthly.model import Direction, Month, Tile, TileDirection
from s1monthly.records.recipe import canonical, difference, digest, match_spelling, recipe, refuse_mixture
from support.recipes import FIJI, MASKED, SIMULATED, TEXTURED, WKT, values

HELD = {"roi_mask": WKT.lower(), "tracks": list(range(1, 176)), "grid": {"crs": "EPSG:32610", "resolution": 30.0}}


def test_cubes_made_before_keep_their_spelling_and_their_digest() -> None:
    tile, wanted = Tile("10SGD"), recipe(load_config(values(MASKED)))
    algorithms = {name: version for name, version in wanted["algorithms"].items() if name != "polygon_mask"}
    held = {**wanted, **HELD, "algorithms": algorithms}
    assert match_spelling(held, wanted, tile) == held
    textured = recipe(load_config(values(MASKED, TEXTURED)))
    added = match_spelling(held, textured, tile)
    assert added == {**held, "algorithms": {**algorithms, "texture": 1}, "textures": textured["textures"]}
    both = recipe(load_config(values(MASKED, TEXTURED, {"processing.spread": ["std"]})))
    assert match_spelling(added, both, tile) == {
        **added,
        "algorithms": {**algorithms, "texture": 1, "spread": 1},
        "spread": ["std"],
    }
    assert match_spelling(held, wanted, Tile("11SKU"))["grid"]["crs"] is None, "another zone: another grid"
    other = {**held, "mosaic": "first"}
    assert match_spelling(other, wanted, tile) == wanted


OLD_TEXTURES: dict[str, Any] = {
    "metrics": ["contrast", "homogeneity", "entropy", "correlation"],
    "window_size": 5,
    "distance": 1,
    "angles": [0, 90],
    "average_angles": True,
    "levels": 16,
    "inputs": {"VV_dB": [-25, 5], "VH_dB": [-32, -5]},
}


def old_recipe(textures: dict[str, Any] | None = None, **parts: Any) -> dict[str, Any]:
    """Return a recipe with its keys in the order in which the first version gave it to Snakemake."""
    names = ["bands", "compositing", "despeckling", "masking", "resampling", "sources.reading"]
    old: dict[str, Any] = {
        "algorithms": dict.fromkeys([*names, *(["texture"] if textures else [])], 1),
        "composite": {"method": "median"},
        "data": "OPERA RTC-S1",
        "despeckle": {"method": "tv_bregman", "reg_param": 5.0},
        "grid": {"crs": None, "resolution": 30.0},
        "level": "hARDCp",
        "mask": "shadow",
        "min_valid_power": 1e-06,
        "mosaic": "mean",
        "polarization": "VV+VH",
        "roi_mask": None,
        "tracks": None,
    }
    return {**old, **parts, **({"textures": textures} if textures else {})}


SIMULATION = {"simulated": {"seed": 1, "tracks": 2, "passes_per_track": None}}
OWN_CRS = {"crs": "EPSG:32610", "resolution": 30.0}
TURNED = {"angles": [90, 0], "metrics": ["entropy", "contrast"]}


@pytest.mark.parametrize(
    ("given", "old"),
    [
        ({}, old_recipe()),
        (TEXTURED, old_recipe(OLD_TEXTURES)),
        (MASKED | TEXTURED, old_recipe(OLD_TEXTURES, roi_mask=WKT)),
        (MASKED | SIMULATED, old_recipe(roi_mask=WKT, data=SIMULATION)),
        (TEXTURED | {"processing.target_crs": 32610}, old_recipe(OLD_TEXTURES, grid=OWN_CRS)),
        (
            TEXTURED | {f"processing.texture_features.{key}": value for key, value in TURNED.items()},
            old_recipe(OLD_TEXTURES | TURNED),
        ),
        ({"processing.min_valid_lin": 0}, old_recipe(min_valid_power=-0.0)),
        ({"roi.tracks": 137}, old_recipe(tracks=[137])),
    ],
)
def test_snakemake_sees_the_recipe_of_an_old_cube_unchanged(given: dict[str, Any], old: dict[str, Any]) -> None:
    """It compares the repr of params, and a cube holds its recipe with sorted keys."""
    held = json.loads(json.dumps(old, sort_keys=True))
    found = match_spelling(held, recipe(load_config(values(given))), Tile("10SGD"))
    assert repr(found) == repr(old)
    assert digest(found) == digest(held)


def test_textures_added_to_an_old_masked_cube_are_added_once() -> None:
    wanted, tile = recipe(load_config(values(MASKED, TEXTURED))), Tile("10SGD")
    before = json.loads(json.dumps(old_recipe(roi_mask=WKT), sort_keys=True))
    added = match_spelling(before, wanted, tile)
    assert repr(added) == repr(old_recipe(OLD_TEXTURES, roi_mask=WKT))
    after = json.loads(json.dumps(added, sort_keys=True))
    assert repr(match_spelling(after, wanted, tile)) == repr(added)


@pytest.mark.parametrize(
    ("region", "tile", "crs", "right"),
    [
        (WKT, "10SGD", None, True),
        (FIJI[0], "60KXF", None, True),
        (FIJI[0], "60KXF", "EPSG:3832", False),
        ("POLYGON((-170 0,-34 0,-34 72,-170 72,-170 0))", "10SGD", None, False),
        ("POLYGON((238 38, 239 38, 239 39, 238 38))", "10SGD", None, True),
        ("POLYGON((238 38, 239 38, 239 39, 238 38))", "10SGD", "EPSG:4326", False),
        (WKT, "10SGD", "EPSG:4326", True),
    ],
)
def test_masks_that_were_wrong_are_made_again_and_no_others(
    region: str, tile: str, crs: str | None, right: bool
) -> None:
    config = load_config(values(MASKED, {"roi.wkt": region, "processing.target_crs": crs}))
    wanted = recipe(config)
    held = {**wanted, "roi_mask": region, "algorithms": {**wanted["algorithms"]}}
    assert held["algorithms"].pop("polygon_mask") == 2
    assert (match_spelling(held, wanted, Tile(tile)) == held) == right
    if not right:
        lines = list(difference(canonical(held, Tile(tile)), canonical(wanted, Tile(tile))))
        assert lines == ["algorithms.polygon_mask: nothing -> 2"]


KEY = TileDirection(Tile("10SGD"), Direction.ASCENDING)
LEFT = [Month(2021, 11), Month(2022, 2)]


@pytest.mark.parametrize(
    ("same", "left", "overwrite", "refused"),
    [
        (True, [], False, False),
        (True, LEFT, False, False),
        (True, LEFT, True, False),
        (False, [], True, False),
        (False, [], False, True),
        (False, LEFT, False, True),
        (False, LEFT, True, True),
    ],
)
def test_a_mixture_is_refused_unless_every_month_is_remade(
    same: bool, left: list[Month], overwrite: bool, refused: bool
) -> None:
    held, wanted = {"mosaic": "mean"}, {"mosaic": "mean" if same else "last"}
    if not refused:
        refuse_mixture(KEY, held, wanted, left, overwrite)
        return
    with pytest.raises(CubeError) as refusal:
        refuse_mixture(KEY, held, wanted, left, overwrite)
    assert "10SGD_ASCENDING" in refusal.value.problem and 'mosaic: "mean" -> "last"' in refusal.value.problem
    assert "output.base_dir" in refusal.value.remedy
    assert ("2021-11, 2022-02" in refusal.value.remedy) == overwrite
    assert ("output.overwrite: true" in refusal.value.remedy) == (not overwrite)


def test_textures_may_be_added_where_every_month_is_covered_and_never_taken_away() -> None:
    plain, textured = (recipe(load_config(values(layer))) for layer in ({}, TEXTURED))
    key = TileDirection(Tile("10SGD"), Direction.ASCENDING)
    refuse_mixture(key, plain, textured, [], overwrite=False)
    with pytest.raises(CubeError, match=r"bands can be added to all its months together only.*2021-11"):
        refuse_mixture(key, plain, textured, [Month(2021, 11)], overwrite=False)
    with pytest.raises(CubeError, match="made with another recipe"):
        refuse_mixture(key, textured, plain, [], overwrite=False)
    other = recipe(load_config(values(TEXTURED | {"processing.texture_features.levels": 32})))
    with pytest.raises(CubeError, match=r"textures.levels: 16 -> 32"):
        refuse_mixture(key, textured, other, [], overwrite=False)
    coarse = recipe(load_config(values(TEXTURED | {"processing.target_resolution": 60})))
    with pytest.raises(CubeError, match="made with another recipe"):
        refuse_mixture(key, plain, coarse, [], overwrite=False)
