"""The recipe: every option that changes values enters it and no other does; differences of two recipes are named."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given as generated
from hypothesis import strategies as st

from s1monthly.config import docs as documentation
from s1monthly.config.root import Config, load_config
from s1monthly.model import Tile
from s1monthly.records import recipe as recipe_module
from s1monthly.records.recipe import difference, digest, match_spelling, recipe
from s1monthly.versions import ALGORITHMS
from support.recipes import FIJI, MASKED, SIMULATED, TEXTURED, WKT, values

OTHER_WKT = "POLYGON((-122 38, -121 38, -121 39.5, -122 38))"
AREAS = str(Path(__file__).parents[1] / "support" / "areas.geojson")


def flat(options: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Options of sections within sections, by their full keys."""
    found: dict[str, Any] = {}
    for key, value in options.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


CHANGES_VALUES = flat(
    yaml.safe_load("""
roi: {polarization: HH+HV, tracks: [137], wkt: "POLYGON((-122 38, -121 38, -121 39.5, -122 38))",
  bbox: [-122, 38, -121, 39.5], filter: NAME = 'a'}
source: {kind: simulated, simulation: {seed: 2, tracks: 1, passes_per_track: 1}}
grd: {dem_heights: egm96, ocean: [Copernicus_DSM_COG_10_N38_00_W122_00_DEM], thermal_noise: false,
  border_noise: always, tropospheric_delay: false}
output: {bands: [RVI], keep_bits: 12, formats: {quality: true}}
processing:
  post_processing: false
  target_crs: EPSG:3310
  target_resolution: 60
  use_roi_mask: true
  radiometry: beta0
  mosaic_strategy: first
  composite_method: mean
  trim_fraction: 0.25
  spread: [std]
  angle_normalisation: {reference: 40, exponent: 2}
  min_valid_lin: 1.0e-5
  mask: both
  despeckle: {monthly_despeckle: false, method: lee, bias_correction: mean_power,
    kwargs: {reg_param: 4.0, window_size: 5, looks: 4.5, damping: 1, sigma: 0.8, reference: 2022-01 ... 2022-12}}
  texture_features: {enabled: true, inputs: [VV_dB], metrics: [contrast], window_size: 7, distance: 2, angles: [0],
    average_angles: false, levels: 32, vv_db_range: [-20, 0], vh_db_range: [-20, 0]}
""")
)
"""Options whose change makes another cube, with another value than the default."""

CHANGES_VALUES["grd.dem"] = CHANGES_VALUES["grd.geoid"] = str(Path(__file__).parent / "test_month.py")
CHANGES_VALUES["roi.file"] = str(Path(AREAS).with_name("area.geojson"))

KEEPS_VALUES = flat(
    yaml.safe_load("""
roi: {manual_mgrs_tiles: [10SGE], flight_direction: DESCENDING, cover: fewest, layer: areas}
time: {years: [2022], months: [5], full: 2024, start: 2021-11, end: 2024-12, mode: years}
source: {path: ., hosts: {cmr: localhost, login: localhost, s3_credentials: https://localhost/keys,
  s3_endpoint: https://localhost, trusted: [localhost]}}
search: {refresh: true, settle_days: 0, retry_timeout_seconds: 60}
download: {access: https, max_workers: 9, window: true, cache_dir: elsewhere, cache_max_gb: 1}
grd: {orbits: ., cache_dir: elsewhere,
  hosts: {glo_30: localhost, glo_90: localhost, geoid: localhost, orbits: localhost}}
output: {base_dir: elsewhere, work_dir: elsewhere, overwrite: true, disk_warn_gb: 1, public_url: https://localhost/,
  cog_compression: zstd, cog_layout: per_band, multiscales: false,
  credits: {creator_name: A, creator_type: person, creator_email: a@b, creator_url: c, institution: d, project: e,
    publisher_name: f, publisher_url: g, license: h},
  formats: {cog: false, preview: false, geopackage: true, overview: true, power: true, ceos_ard: true,
    report: true}}
processing: {by_track: true, zarr_chunks: [256, 256], cog_block_size: 256, group_mode: hour, eps_lin: 1.0e-9,
  on_time_conflict: overwrite, zarr_time_fix: {enabled: false, create_backup: false, backup_dir: elsewhere}}
memory: {max_memory_gb: 4, batch_strategy: yearly, max_download_workers: 9, scene_retry_timeout_seconds: 60,
  batch_max_retries: 0, max_failed_ratio: 0.5, clear_cache_per_batch: false}
parallel: {enabled: false, max_workers: 9}
static: {enabled: true}
publish: {url: "s3://bucket/prefix", endpoint: https://localhost, base_url: https://localhost/a, max_workers: 9}
logging: {file_level: DEBUG, console_level: DEBUG, suppress_third_party: false, log_file: all.log}
""")
)
"""Options that change files, speed or what is asked for, and no value of any month; each direction has its own cube."""

GRD = {"source.kind": "grd", "source.path": ".", "grd.dem": __file__, "grd.geoid": __file__}

BESIDE: dict[str, dict[str, Any]] = {
    "grd.ocean": GRD | {"grd.dem": str(Path(__file__).parent)},
    "grd.": GRD,
    "roi.wkt": MASKED,
    "roi.bbox": {"processing.use_roi_mask": True, "roi.bbox": [-122, 38, -121, 39]},
    "roi.file": {"processing.use_roi_mask": True, "roi.file": AREAS},
    "roi.filter": {"processing.use_roi_mask": True, "roi.file": AREAS},
    "roi.layer": {"processing.use_roi_mask": True, "roi.file": AREAS},
    "source.simulation": SIMULATED,
    "time.full": {"time.years": None, "time.full": 2023},
    "time.start": {"time.years": None, "time.start": "2021-10", "time.end": "2024-12"},
    "time.end": {"time.years": None, "time.start": "2021-10", "time.end": "2024-11"},
    "processing.use_roi_mask": {"roi.wkt": WKT, "roi.manual_mgrs_tiles": None},
    "processing.trim_fraction": {"processing.composite_method": "trimmed_mean"},
    "processing.despeckle.kwargs.window_size": {"processing.despeckle.method": "boxcar"},
    "processing.despeckle.kwargs.looks": {"processing.despeckle.method": "gamma_map"},
    "processing.despeckle.kwargs.damping": {"processing.despeckle.method": "frost"},
    "processing.despeckle.kwargs.sigma": {"processing.despeckle.method": "lee_sigma"},
    "processing.despeckle.kwargs.reference": {
        "processing.despeckle.method": "rabasar",
        "processing.despeckle.kwargs.reference": "2021-01 ... 2021-12",
    },
    "processing.angle_normalisation.reference": {"processing.angle_normalisation.exponent": 1.5},
    "processing.texture_features.enabled": {},
    "processing.texture_features": TEXTURED,
}
"""What must be set so that an option, or the options of a section, have an effect."""


def beside(key: str) -> dict[str, Any]:
    return next((values for start, values in BESIDE.items() if key.startswith(start)), {})


PARTS = "(({0} 38, -121 38, -121 39, {0} 38))"
HOLES = ("(-121.2 38.1, -121.1 38.1, -121.1 38.2, -121.2 38.1)", "(-121.4 38.1, -121.3 38.1, -121.3 38.2, -121.4 38.1)")

SPELLINGS: dict[str, list[tuple[Any, Any]]] = {
    "roi.tracks": [([137, 64], [64, 137]), (137, ["137"]), (None, list(range(175, 0, -1)))],
    "roi.wkt": [
        (WKT, " polygon  (( -122 38,-121 38 ,\n-121 39,-122  38 ) ) "),
        (WKT, "POLYGON((-122.000 38.0, -1.21e2 38, -121 39.0000000000001, -122 38))"),
        (WKT, "POLYGON((-121 39, -121 38, -122 38, -121 39))"),  # another start, the other way round
        (WKT, "POLYGON((238 38, 239 38, 239 39, 238 38))"),
        (WKT, "MULTIPOLYGON(((-122 38, -121 38, -121 39, -122 38)))"),
        (WKT, "POLYGON Z((-122 38 5, -121 38 5, -121 39 5, -122 38 5))"),
        (WKT, "POLYGON((-122 38, -121 38, -121 38, -121 39, -122 38))"),
        (WKT, "POLYGON((-122 38, -121.7 38, -121 38, -121 39, -121.3 38.7, -122 38))"),  # vertices on edges
        (f"{WKT[:-1]}, {HOLES[0]}, {HOLES[1]})", f"{WKT[:-1]}, {HOLES[1]}, {HOLES[0]})"),
        (
            f"MULTIPOLYGON({PARTS.format(-122)}, ((0 0, 1 0, 1 1, 0 0)))",
            f"MULTIPOLYGON(((-0.0 -0.0, 1 1, 1 0, 0 0)), {PARTS.format(-122)})",
        ),
        (FIJI[0], f"MULTIPOLYGON({FIJI[1]}, ((-180 -18, -179 -18, -179 -16, -180 -16, -180 -18)))"),
        (FIJI[0], "POLYGON((-181 -18, -179 -18, -179 -16, -181 -16, -181 -18))"),
    ],
    "roi.bbox": [([-122, 38, -121, 39], [238, 38.0, 239, "39"])],
    "roi.filter": [("NAME = 'a'", "NAME IN ('a')")],
    "roi.file": [(AREAS, str(Path(AREAS).parent / ".." / "support" / "areas.geojson"))],
    "processing.despeckle.kwargs.reference": [("2021-01 ... 2021-12", " 2021-01...2021-12")],
    "processing.target_crs": [
        *((None, same) for same in ("EPSG:32610", 32610, "epsg:32610", "32610")),
        ("EPSG:3310", 3310),
    ],
    "processing.trim_fraction": [(0, -0.0), (0.25, "0.25")],
    "processing.min_valid_lin": [(0, -0.0), (1e-5, "1e-5")],
    "processing.spread": [(["min", "p90"], ["p90", "min"])],
    "processing.texture_features.inputs": [(None, ["VH_dB", "VV_dB"])],
    "processing.texture_features.metrics": [(["contrast", "entropy"], ["entropy", "contrast"])],
    "processing.texture_features.angles": [
        ([0, 90], [90.0, 0.0]),
        ([0, 90], [-0.0, 90]),
        ([0, 90], [450, 360]),
        *(([0], [same]) for same in (180, 20, -160, 359.5)),
        ([135, 45], [225, 315]),
        ([90, 0, 180], [450, 360, 180]),
    ],
    "processing.texture_features.vv_db_range": [([-20, 0], [-20.0, -0.0])],
    "processing.texture_features.vh_db_range": [([-20, 0], [-20.0, -0.0])],
}
"""Options that enter the recipe, and two spellings of one value that differ by more than their type."""

NO_EFFECT_WITHOUT: list[tuple[dict[str, Any], str, Any]] = [
    ({"processing.composite_method": "median"}, "processing.trim_fraction", 0.25),
    ({"processing.composite_method": "mean"}, "processing.trim_fraction", 0.25),
    ({"roi.wkt": WKT, "roi.manual_mgrs_tiles": None}, "roi.wkt", OTHER_WKT),
    ({"processing.post_processing": False}, "processing.despeckle.kwargs.reg_param", 4.0),
    ({"processing.post_processing": False}, "processing.despeckle.monthly_despeckle", False),
    ({"processing.despeckle.monthly_despeckle": False}, "processing.despeckle.kwargs.reg_param", 4.0),
    ({}, "processing.angle_normalisation.reference", 40),
    ({}, "source.simulation.seed", 2),
    ({}, "processing.texture_features.levels", 32),
    (TEXTURED, "processing.texture_features.inputs", ["VH_dB", "VV_dB"]),
    (TEXTURED | {"processing.texture_features.inputs": ["VH_dB"]}, "processing.texture_features.vv_db_range", [-9, 9]),
]
"""Options that change nothing beside these."""


@pytest.mark.parametrize(
    ("key", "one", "other", "more"),
    [
        *((key, *spelling, {}) for key, spellings in SPELLINGS.items() for spelling in spellings),
        ("processing.texture_features.angles", [30.5], [206.5], {"processing.texture_features.distance": 2}),
    ],
)
def test_one_recipe_has_one_form_however_it_is_spelled(key: str, one: Any, other: Any, more: dict[str, Any]) -> None:
    tile = Tile("10SGD")
    recipes = [recipe(load_config(values(beside(key), more, {key: value}))) for value in (one, other)]
    first, second = (match_spelling(None, each, tile) for each in recipes)
    assert (first, digest(first)) == (second, digest(second))
    # a cube keeps its own spelling, whichever the configuration has
    held = json.loads(json.dumps(recipes[1]))
    assert digest(match_spelling(held, recipes[0], tile)) == digest(held)


def changed(given: dict[str, Any], key: str, value: Any) -> tuple[Config, Config]:
    """Two configurations that differ in one option."""
    before, after = load_config(values(given)), load_config(values(given, {key: value}))
    assert before != after
    return before, after


# what enters


def test_every_option_is_classified() -> None:
    """A new option must be put by hand among those that change values or those that do not."""
    known = {key for key, _ in documentation.options(Config)}
    assert known == CHANGES_VALUES.keys() | KEEPS_VALUES.keys()
    assert not CHANGES_VALUES.keys() & KEEPS_VALUES.keys(), "an option stands in two classes"


@pytest.mark.parametrize("key", CHANGES_VALUES)
def test_an_option_that_changes_values_changes_the_recipe(key: str) -> None:
    before, after = changed(beside(key), key, CHANGES_VALUES[key])
    one, other = recipe(before), recipe(after)
    assert digest(one) != digest(other) and list(difference(one, other))
    assert json.loads(json.dumps(other)) == other, "cubes and records hold it as JSON, and compare it"


@pytest.mark.parametrize("key", KEEPS_VALUES)
def test_an_option_that_changes_no_value_leaves_the_recipe(key: str) -> None:
    before, after = changed(beside(key), key, KEEPS_VALUES[key])
    assert recipe(before) == recipe(after) and digest(recipe(before)) == digest(recipe(after))


@pytest.mark.parametrize(("given", "key", "value"), NO_EFFECT_WITHOUT)
def test_an_option_that_is_not_used_leaves_the_recipe(given: dict[str, Any], key: str, value: Any) -> None:
    before, after = changed(given, key, value)
    assert digest(recipe(before)) == digest(recipe(after))


DEFAULTS = {key: field.default for key, field in documentation.options(Config) if field.default is not None}


@pytest.mark.parametrize(
    "key", sorted(CHANGES_VALUES.keys() & DEFAULTS.keys() - {"processing.texture_features.enabled"})
)
def test_a_default_that_is_written_out_leaves_the_recipe_to_the_letter(key: str) -> None:
    """As YAML or JSON would give it: jobs compare texts, where 0 is not 0.0."""
    default = DEFAULTS[key]
    given, text = beside(key), json.dumps(default)
    for written in (default, json.loads(text, parse_int=float), json.loads(text.replace(".0", ""))):
        before, after = load_config(values(given)), load_config(values(given, {key: written}))
        assert json.dumps(recipe(before)) == json.dumps(recipe(after))


def test_the_recipe_of_a_method_holds_its_own_options_alone() -> None:
    """So options and methods may be added, and cubes made before are continued."""
    methods = {
        "tv_bregman": {"reg_param": 5.0},
        "boxcar": {"window_size": 7},
        "refined_lee": {},
        "lee_sigma": {"window_size": 7, "looks": "auto", "sigma": 0.9},
    }
    for method, options in methods.items():
        found = recipe(load_config(values({"processing.despeckle.method": method})))["despeckle"]
        assert found == {"method": method, **options}
        default = {f"processing.despeckle.kwargs.{name}": value for name, value in options.items()}
        same = recipe(load_config(values({"processing.despeckle.method": method} | default)))["despeckle"]
        assert json.dumps(same) == json.dumps(found)


# algorithm versions


def algorithms(*changes: dict[str, Any]) -> dict[str, int]:
    found: dict[str, int] = recipe(load_config(values(*changes)))["algorithms"]
    return found


PLAIN = {"bands": 1, "compositing": 1, "despeckling": 1, "masking": 1, "resampling": 1, "sources.reading": 1}
"""What existing cubes hold: with these versions they must stay valid, even if modules move."""


def test_existing_cubes_stay_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe_module, "ALGORITHMS", dict.fromkeys(ALGORITHMS, 1))
    assert algorithms() == algorithms(MASKED) == algorithms(SIMULATED) == PLAIN
    assert algorithms(TEXTURED) == PLAIN | {"texture": 1}


def test_a_recipe_without_textures_does_not_know_of_them() -> None:
    """So textures can be added to a cube that was made before: all else stays equal."""
    plain, textured = recipe(load_config(values())), recipe(load_config(values(TEXTURED)))
    assert "textures" not in plain and "texture" not in plain["algorithms"]
    assert textured["algorithms"].pop("texture") == ALGORITHMS["texture"]
    assert textured.pop("textures")["inputs"] == {"VV_dB": [-25, 5], "VH_dB": [-32, -5]}
    assert textured == plain


WHERE_USED = {
    "sources.grd": GRD,
    "polygon_mask": MASKED,
    "sources.simulated": SIMULATED,
    "quality": {"output.formats.quality": True},
    "radiometry": {"processing.radiometry": "beta0"},
    "spread": {"processing.spread": ["std"]},
    "texture": TEXTURED,
}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_raised_version_changes_the_recipes_that_use_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    plain, using = load_config(values()), load_config(values(WHERE_USED.get(name, {})))
    before, unused = recipe(using), recipe(plain)
    monkeypatch.setattr(recipe_module, "ALGORITHMS", ALGORITHMS | {name: 99})
    (line,) = difference(before, recipe(using))
    assert re.fullmatch(rf"algorithms\.{re.escape(name)}: (\d+|nothing) -> 99", line)
    assert (recipe(plain) == unused) == (name in WHERE_USED)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_has_golden_values(name: str) -> None:
    """Of every version: a test fails where results change, or where the version is raised without new values."""
    tests = "".join(path.read_text() for path in Path(__file__).parents[1].rglob("test_*.py"))
    assert f'GOLDEN[ALGORITHMS["{name}"]]' in tests


# digests and differences


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    expected = hashlib.sha256(b'{"a":[1,2.5,null],"b":"x"}').hexdigest()[:16]
    assert digest({"b": "x", "a": [1, 2.5, None]}) == digest({"a": (1, 2.5, None), "b": "x"}) == expected
    assert len({digest(content) for content in (1, "1", [1], {"1": 1}, None, True, [[1]], [1, 1])}) == 8


def test_differences_are_named_key_by_key() -> None:
    held = {"composite": {"method": "median"}, "despeckle": {"method": "tv", "reg": 5.0}, "mask": "shadow", "same": [1]}
    wanted = {
        "composite": {"method": "trimmed", "trim": 0.1},
        "despeckle": None,
        "mask": "none",
        "same": [1],
        "roi": "P",
    }
    assert list(difference(held, wanted)) == [
        'composite.method: "median" -> "trimmed"',
        "composite.trim: nothing -> 0.1",
        'despeckle: {"method": "tv", "reg": 5.0} -> null',
        'mask: "shadow" -> "none"',
        'roi: nothing -> "P"',
    ]
    assert list(difference(held, held)) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "median"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


RECIPES = st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)


@generated(RECIPES, RECIPES)
def test_unequal_recipes_have_a_named_difference_and_equal_ones_none(held: Any, wanted: Any) -> None:
    """A refusal that names no difference would leave the user without a clue."""
    assert bool(list(difference(held, wanted))) == (held != wanted)


def test_a_fetched_dem_is_that_of_a_folder_and_its_geoid_has_a_name(tmp_path: Path) -> None:
    of_folder, fetched, given = (
        recipe(load_config(values(GRD, {"grd.dem": dem, "grd.geoid": geoid})))["grd"]
        for dem, geoid in ((str(tmp_path), "fetch"), ("copernicus", None), ("copernicus", __file__))
    )
    assert fetched == of_folder and fetched["geoid"] == "us_nga_egm08_25.tif"
    assert given | {"geoid": fetched["geoid"]} == fetched != given
