"""Section grd: what is refused before any work, and what has no effect beside another source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from s1monthly.config.root import Config, load_config
from s1monthly.errors import ConfigError
from s1monthly.workflow.asking import dem_of, question_of

FILE, FOLDER = __file__, str(Path(__file__).parent)
GOOD: dict[str, Any] = {
    "roi": {"manual_mgrs_tiles": ["33TUG"], "flight_direction": "DESCENDING"},
    "time": {"years": [2024]},
    "source": {"kind": "grd", "path": FOLDER},
    "grd": {"dem": FILE, "geoid": FILE},
}


def changed(**sections: dict[str, Any]) -> Config:
    return load_config({**GOOD, **{name: {**GOOD.get(name, {}), **values} for name, values in sections.items()}})


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"source": {"path": None}}, "source.kind grd needs source.path"),
        ({"source": {"path": FILE}}, "cannot be read"),
        ({"grd": {"dem": None}}, "source.kind grd needs grd.dem: copernicus, a GeoTIFF, a VRT, or a folder"),
        ({"grd": {"dem": "lost.tif"}}, "grd.dem: lost.tif does not exist"),
        ({"grd": {"dem": "./copernicus"}}, "copernicus does not exist"),
        ({"grd": {"dem": "copernicus", "dem_heights": "egm96"}}, "fetched DEM and geoid are egm2008"),
        ({"grd": {"geoid": None}}, "grd.dem_heights egm2008 needs grd.geoid, fetch or a grid of it"),
        ({"grd": {"geoid": None, "dem_heights": "egm96"}}, "egm96 needs grd.geoid, a grid of that geoid"),
        ({"grd": {"geoid": "fetch", "dem_heights": "egm96"}}, "fetched DEM and geoid are egm2008"),
        ({"grd": {"hosts": {"glo_30": "https://h/"}}}, "give a host's name alone"),
        ({"grd": {"geoid": "lost.tif"}}, "grd.geoid: lost.tif does not exist"),
        ({"grd": {"dem_heights": "ellipsoid"}}, "heights above the ellipsoid need no geoid"),
        ({"grd": {"dem": FOLDER, "dem_heights": "egm96"}}, "the tiles in grd.dem have heights above egm2008"),
        ({"grd": {"ocean": ["Copernicus_DSM_COG_10_S70_00_E162_00_DEM"]}}, "is no folder of tiles"),
        ({"grd": {"dem_heights": "sea"}}, "'egm2008', 'egm96' or 'ellipsoid'"),
        ({"grd": {"border_noise": "some"}}, "'auto', 'always' or 'never'"),
        ({"grd": {"orbits": "https://host/orbits"}}, "a URL"),
    ],
)
def test_refusals_name_place_and_remedy(sections: dict[str, dict[str, Any]], says: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        changed(**sections)
    assert says in str(refusal.value)


def test_static_layers_are_made_if_wanted_or_needed_but_not_for_another_quantity() -> None:
    assert not changed(processing={"radiometry": "beta0"}).makes_statics
    assert changed(static={"enabled": True}).makes_statics
    assert changed(processing={"composite_method": "local_resolution"}).makes_statics


def test_options_reach_the_source() -> None:
    config = changed()
    assert config.grd.orbits_folder is None and config.read_workers == 1 and not config.notes()
    options = config.source_options
    assert options.pop("polarization").layers == ("VV", "VH")
    assert options == {"only_tracks": None, "folder": FOLDER, "orbits": None}
    assert changed(grd={"orbits": FOLDER}).source_options["orbits"] == FOLDER


def test_what_is_fetched_lies_in_the_cache_or_in_the_work_folder(tmp_path: Path) -> None:
    fetched = {"dem": "copernicus", "geoid": None, "orbits": "fetch"}
    kept = str(tmp_path)
    for config, folder in (
        (changed(grd=fetched | {"cache_dir": kept}), kept),
        (changed(grd=fetched, output={"work_dir": kept}), f"{kept}/fetched"),
    ):
        options = config.source_options
        assert (options["orbits"], options["orbit_host"]) == (f"{folder}/orbits", "s1-orbits.s3.amazonaws.com")
        assert dem_of(config) == {
            "path": f"{folder}/copernicus_dem", "above": "egm2008", "geoid": f"{folder}/us_nga_egm08_25.tif",
            "ocean": [],
            "fetched": {
                "tiles": ["copernicus-dem-30m.s3.amazonaws.com", "copernicus-dem-90m.s3.amazonaws.com"],
                "geoid": "cdn.proj.org", "seconds": 600,
            },
        }  # fmt: skip
    assert dem_of(changed())["fetched"] == {}
    # fetched orbit files make no answer of a search void
    assert question_of(changed(grd=fetched | {"cache_dir": kept})) == question_of(changed(grd=fetched))


def test_beside_another_source_the_section_has_no_effect_and_one_line_says_so() -> None:
    config = changed(source={"kind": "simulated", "path": None}, grd={"dem": "lost.tif", "geoid": None})
    assert config.notes() == ["WARNING grd: no effect with source.kind simulated"]
