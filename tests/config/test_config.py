"""The configuration: what is accepted, what is refused and how, which months are wanted, generated files in step."""

from __future__ import annotations

import copy
import json
import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import geopandas
import jsonschema
import pytest
import shapely
import yaml
from pydantic import AfterValidator, BaseModel, Field, ValidationError
from pydantic_core import PydanticCustomError

from s1monthly.config import docs as documentation
from s1monthly.config.messages import explain
from s1monthly.config.processing import Processing
from s1monthly.config.root import Config, load_config
from s1monthly.errors import ConfigError
from s1monthly.model import Level, Month

CONFIG = Path(__file__).resolve().parents[2] / "config"

GOOD: dict[str, Any] = {
    "roi": {"manual_mgrs_tiles": ["10SGD"], "flight_direction": "ASCENDING"},
    "time": {"years": [2022]},
}


def despeckled(method: str, **options: Any) -> dict[str, Any]:
    """Valid values with a despeckling method and options."""
    return changed(processing={"despeckle": {"method": method, "kwargs": options}})


def textured(**options: Any) -> dict[str, Any]:
    """Valid values with textures, and some options of theirs."""
    return changed(processing={"texture_features": {"enabled": True, **options}})


def changed(**sections: Any) -> dict[str, Any]:
    values = copy.deepcopy(GOOD)
    for key, section in sections.items():
        values[key] = {**values.get(key, {}), **section} if isinstance(section, dict) else section
    return values


@pytest.mark.parametrize(
    ("values", "place", "says"),
    [
        (changed(proccessing={}), "proccessing", "did you mean 'processing'"),
        (changed(roi={"flight_dir": "ASCENDING"}), "roi.flight_dir", "did you mean 'flight_direction'"),
        (changed(output={"formats": {"cogs": True}}), "output.formats.cogs", "did you mean 'cog'"),
        (changed(overwrite=True), "overwrite", "did you mean 'output.overwrite'"),
        (changed(output={"bands": ["RVI", "NDVI"]}), "output.bands.1", "Ratio"),
        (changed(output={"bands": ["HH_dB"]}), "output.bands", "VV_dB and VH_dB are always kept"),
        (changed(output={"keep_bits": 23}), "output.keep_bits", "22"),
        (changed(nonsense_key={}), "nonsense_key", "known here: roi, time"),
        (changed(roi={"manual_mgrs_tiles": ["61SGD"]}), "roi.manual_mgrs_tiles.0", "no zone 61"),
        (changed(roi={"manual_mgrs_tiles": ["10IGD"]}), "roi.manual_mgrs_tiles.0", "no latitude band I"),
        (changed(roi={"manual_mgrs_tiles": ["10SJD"]}), "roi.manual_mgrs_tiles.0", "no column J"),
        (changed(roi={"manual_mgrs_tiles": ["10SGW"]}), "roi.manual_mgrs_tiles.0", "no row W"),
        (changed(roi={"manual_mgrs_tiles": ["10SGD", "10SGD"]}), "roi.manual_mgrs_tiles", "given twice"),
        (changed(roi={"manual_mgrs_tiles": []}), "roi", "wkt, file, bbox or manual_mgrs_tiles"),
        (changed(roi={"bbox": [1, 2, 3]}), "roi.bbox", "too few values"),
        (changed(roi={"bbox": [30, 113, 31, 114]}), "roi.bbox", "not west, south, east, north"),
        (changed(roi={"bbox": [1, 4, 2, 3]}), "roi.bbox", "south before north"),
        (changed(roi={"bbox": [1, 2, 3, 4], "wkt": "POLYGON((0 0,1 1,1 0,0 0))"}), "roi", "wkt and bbox contradict"),
        (changed(roi={"layer": "fields"}), "roi", "layer and filter go with file only"),
        (changed(roi={"file": "nowhere.gpkg"}), "roi", "file nowhere.gpkg: there is none"),
        (changed(roi={"manual_mgrs_tiles": None, "wkt": "POLYGON((1 2"}), "roi.wkt", "not WKT"),
        (changed(roi={"manual_mgrs_tiles": None, "wkt": "POINT(1 2)"}), "roi.wkt", "holds Point, not a polygon"),
        (changed(roi={"manual_mgrs_tiles": None, "wkt": "POLYGON((0 0,1 1,1 0,0 1,0 0))"}), "roi.wkt", "not valid"),
        (
            changed(roi={"manual_mgrs_tiles": None, "wkt": "POLYGON((5e5 4e6,6e5 4e6,6e5 5e6,5e5 4e6))"}),
            "roi.wkt",
            "not longitude",
        ),
        (
            changed(roi={"wkt": "POLYGON((179 0,-179 0,-179 1,179 0))"}, processing={"use_roi_mask": True}),
            "roi.wkt",
            "358 degrees",
        ),
        *((changed(processing={"target_crs": code}), "target_crs", "CRS of maps") for code in (4978, 5773, 4979)),
        (changed(processing={"target_crs": 2053}), "target_crs", "mirrored"),
        (changed(processing={"use_roi_mask": True}), "use_roi_mask", "roi.wkt, roi.file or roi.bbox"),
        (changed(roi={"flight_direction": "UP"}), "roi.flight_direction", "'ASCENDING', 'DESCENDING' or 'COMBINED'"),
        (changed(roi={"polarization": "VV"}), "roi.polarization", "'VV+VH' or 'HH+HV'"),
        (changed(roi={"tracks": [176]}), "roi.tracks.0", "less than or equal to 175"),
        (changed(time={"months": [13]}), "time.months.0", "less than or equal to 12"),
        (changed(time={"start": "2024-05", "end": "2024-06"}), "time", "found years and start/end"),
        ({**GOOD, "time": {}}, "time", "found none of them"),
        ({**GOOD, "time": {"start": "2024-05"}}, "time", "start and end go together"),
        ({**GOOD, "time": {"start": "2024-05", "end": "2024-04"}}, "time", "after end"),
        ({**GOOD, "time": {"start": "2024-13", "end": "2025-01"}}, "time.start", "no such month"),
        ({**GOOD, "time": {"full": 2024, "months": [1]}}, "time", "months goes with years only"),
        (changed(source={"kind": "local"}), "source", "needs source.path"),
        (changed(source={"hosts": {"cmr": "https://host"}}), "source.hosts.cmr", "without https://"),
        (changed(source={"hosts": {"trusted": ["host/path"]}}), "source.hosts.trusted.0", "without https://"),
        (changed(source={"hosts": {"s3_credentials": "http://h"}}), "source.hosts.s3_credentials", "begins with https"),
        (
            changed(processing={"target_resolution": 7}),
            "processing",
            "does not divide a tile's side of 109800 m; give 5",
        ),
        (changed(source={"kind": "ftp"}), "source.kind", "'asf', 'local', 'grd' or 'simulated'"),
        (changed(processing={"mosaic_strategy": "best"}), "processing.mosaic_strategy", "'mean', 'first' or 'last'"),
        (changed(processing={"despeckle": {"method": "best"}}), "processing.despeckle.method", "'tv_bregman'"),
        (despeckled("lee", damping=2), "processing.despeckle", "damping is no option of method lee; it takes window"),
        (despeckled("tv_bregman", window_size=7), "processing.despeckle", "window_size is no option of method tv_b"),
        (despeckled("refined_lee", looks="auto"), "processing.despeckle", "method refined_lee; it takes none"),
        (despeckled("boxcar", window_size=6), "processing.despeckle.kwargs.window_size", "odd number"),
        *(
            (despeckled("lee", looks=wrong), "processing.despeckle.kwargs.looks", "a positive number of looks, or auto")
            for wrong in (0, "many", True, float("nan"))
        ),
        (despeckled("rabasar"), "processing.despeckle", "method rabasar needs kwargs.reference"),
        (despeckled("rabasar", reference="2021"), "processing.despeckle.kwargs.reference", "2021-01 ... 2021-12"),
        (despeckled("rabasar", reference="2021-02 ... 2021-02"), "kwargs.reference", "two months or more"),
        (despeckled("rabasar", reference="2014-01 ... 2014-12"), "kwargs.reference", "acquired nothing before 2014-10"),
        (
            changed(
                processing={
                    "post_processing": False,
                    "despeckle": {"method": "rabasar", "kwargs": {"reference": "2021-01 ... 2021-12"}},
                }
            ),
            "processing",
            "rabasar needs post_processing",
        ),
        (despeckled("lee", reg_param=5.0), "processing.despeckle", "reg_param is no option of method lee"),
        (
            changed(processing={"despeckle": {"method": "lee", "bias_correction": "mean_power"}}),
            "processing.despeckle",
            "lee keeps the mean power",
        ),
        (despeckled("rabasar", reference="2021-02 ... 2021-13"), "kwargs.reference", "2021-13"),
        (despeckled("lee", reference="2021-01 ... 2021-12"), "processing.despeckle", "no option of method lee"),
        (
            changed(processing={"despeckle": {"method": "quegan_yu", "bias_correction": "mean_power"}}),
            "processing.despeckle",
            "quegan_yu keeps the mean power",
        ),
        (despeckled("lee_sigma", sigma=1), "processing.despeckle.kwargs.sigma", "less than 1"),
        (changed(processing={"target_crs": "UTM 10"}), "processing.target_crs", "give an EPSG code"),
        (textured(window_size=4), "texture_features.window_size", "odd number"),
        (textured(distance=5), "texture_features", "less than 5"),
        (textured(distance=7, angles=[45]), "texture_features", "window of 5 pixels lie 7 apart at angle 45"),
        (textured(angles=[0, float("nan")]), "texture_features.angles.1", "finite"),
        (textured(vv_db_range=[float("-inf"), 0]), "texture_features.vv_db_range.0", "finite"),
        (changed(processing={"despeckle": {"kwargs": {"reg_param": float("inf")}}}), "reg_param", "finite"),
        (changed(processing={"target_resolution": float("inf"), "target_crs": 3310}), "target_resolution", "finite"),
        (textured(metrics=["contrast", "contrast"]), "texture_features.metrics", "contrast given twice"),
        (textured(angles=[]), "texture_features.angles", "at least 1 item"),
        (
            textured(angles=[0, 360]),
            "texture_features",
            "0 and 360 are the same pair of pixels 1 apart -> leave one out",
        ),
        (textured(angles=[0, 90, 22.5]), "texture_features", "angles 0 and 22.5 are the same pair"),
        (
            textured(vv_db_range=[-25]),
            "texture_features.vv_db_range",
            "too few values, [-25]; Range of co-polarized dB",
        ),
        (textured(vh_db_range=[]), "texture_features.vh_db_range", "too few values, []; Range of cross-polarized dB"),
        (textured(vv_db_range=[5, -25]), "texture_features.vv_db_range", "in this order"),
        (textured(inputs=["HH_dB"]), "texture_features.inputs", "there are VV_dB and VH_dB"),
        (changed(output={"base_dir": "out{x}"}), "output.base_dir", "braces"),
        (changed(output={"work_dir": "<log>"}), "output.work_dir", "angle brackets"),
        (changed(output={"base_dir": ""}), "output.base_dir", "at least 1 character"),
        (changed(output={"base_dir": "s3://bucket/out"}), "output.base_dir", "'s3://bucket/out': a URL"),
        (changed(output={"work_dir": "gs://bucket/work"}), "output.work_dir", "a URL"),
        (changed(source={"path": "https://host/granules"}), "source.path", "a URL"),
        (changed(download={"cache_dir": "s3://bucket/cache"}), "download.cache_dir", "a URL"),
        (changed(publish={"url": "s3:/bucket/prefix"}), "publish.url", "give s3://bucket/prefix"),
        (changed(publish={"url": "output/../output/web"}), "publish.url", "give a folder outside"),
        (
            changed(roi={**GOOD["roi"], "flight_direction": "COMBINED"}, processing={"by_track": True}),
            "roi.flight_direction COMBINED",
            "processing.by_track",
        ),
        (changed(memory={"max_failed_ratio": 1.5}), "memory.max_failed_ratio", "less than or equal to 1"),
    ],
)
def test_refusals_name_place_and_remedy(values: dict[str, Any], place: str, says: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        load_config(values)
    assert place in str(refusal.value)
    assert says in str(refusal.value)


def refused(_: int) -> int:
    raise PydanticCustomError("never_seen_before", "give an even {what}", {"what": "number"})


class Odd(BaseModel):
    """A section with a refusal of its own."""

    size: Annotated[int, AfterValidator(refused)]
    other: int = Field(gt=3)


def test_our_own_errors_are_shown_unchanged() -> None:
    with pytest.raises(ValidationError) as refusal:
        Odd.model_validate({"size": 3, "other": 2})
    assert explain(refusal.value, Odd) == [
        "size: give an even number",
        "other: input should be greater than 3; found 2",
    ]


def test_home_is_expanded_in_every_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    paths = {"output": {"base_dir": "~/out", "work_dir": "~/work"}, "download": {"cache_dir": "~/cache"}}
    config = load_config(changed(**paths, source={"kind": "simulated", "path": "~/granules"}))
    found = [config.output.base_dir, config.work_dir, config.download.cache_dir, str(config.source_path)]
    assert found == [f"/home/ada/{name}" for name in ("out", "work", "cache", "granules")]


def test_missing_flight_direction() -> None:
    with pytest.raises(ConfigError, match=r"roi\.flight_direction: missing; ASCENDING, DESCENDING"):
        load_config({"roi": {"manual_mgrs_tiles": ["10SGD"]}, "time": {"years": 2022}})


def test_unreadable_folder(tmp_path: Path) -> None:
    afile = tmp_path / "granules"
    afile.write_text("not a folder")
    with pytest.raises(ConfigError, match="Not a directory"):
        load_config(changed(source={"kind": "local", "path": str(afile)}))


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as refusal:
        load_config(changed(time={"months": [13]}, memory={"max_failed_ratio": 2}, bogus=1))
    assert str(refusal.value).count("\n  - ") == 3


def test_months_of_years() -> None:
    time = load_config({**GOOD, "time": {"years": [2025, 2024], "months": [12, 1]}}).time
    months, warnings = time.wanted(date(2026, 11, 20))
    assert list(map(str, months)) == ["2024-01", "2024-12", "2025-01", "2025-12"]
    assert warnings == []


@pytest.mark.parametrize("today", [date(2026, 11, 1), date(2026, 11, 30)])
def test_current_and_future_months_are_skipped_by_name(today: date) -> None:
    months, warnings = load_config({**GOOD, "time": {"years": 2026, "months": [10, 11, 12]}}).time.wanted(today)
    assert list(map(str, months)) == ["2026-10"]
    assert warnings == [
        f"Skipping 2026-{m}: month is current (incomplete) or future (today is {today})" for m in (11, 12)
    ]


def test_full_is_clipped_to_the_last_whole_month() -> None:
    months, warnings = load_config({**GOOD, "time": {"full": 2026}}).time.wanted(date(2026, 3, 1))
    assert (months[0], months[-1]) == (Month(2014, 4), Month(2026, 2))
    assert warnings == [
        "Clipping end date from 2026-12-31 to 2026-02-28 (last fully completed month; today is 2026-03-01)"
    ]
    months, warnings = load_config({**GOOD, "time": {"full": 2024}}).time.wanted(date(2026, 3, 1))
    assert (months[-1], warnings) == (Month(2024, 12), [])


def test_empty_sections_take_their_defaults() -> None:
    assert load_config({**GOOD, "output": None, "processing": {"despeckle": None}}) == load_config(GOOD)


def test_level() -> None:
    assert load_config(changed(processing={"post_processing": False})).processing.level is Level.ARDC
    off = changed(processing={"despeckle": {"monthly_despeckle": False}})
    assert load_config(off).processing.level is Level.ARDC


def test_generated_files_are_in_step_with_the_model() -> None:
    written = documentation.files((CONFIG / "README.md").read_text())
    stale = [name for name, text in written.items() if (CONFIG / name).read_text() != text]
    assert stale == [], "run `make config`"


def test_shipped_config_is_valid_and_shows_every_option() -> None:
    text = (CONFIG / "config.yaml").read_text()
    config = load_config(yaml.safe_load(text))
    assert config.notes() == []
    for key, _ in documentation.options(Config):
        assert f"{key.rsplit('.', maxsplit=1)[-1]}:" in text, key


@pytest.mark.parametrize("name", ["config.yaml", "demo.yaml", "demo_grd.yaml"])
def test_schema_accepts_what_we_ship_and_refuses_what_we_refuse(name: str) -> None:
    schema = json.loads((CONFIG / "schema.json").read_text())
    values = yaml.safe_load((CONFIG / name).read_text())
    validator = jsonschema.Draft202012Validator(schema)
    assert list(validator.iter_errors(values)) == []
    values["processing"] = {"mosaic_strategi": "mean"}
    assert len(list(validator.iter_errors(values))) == 1


def test_configuration_shown_in_the_documents_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (whole,), (area, folder), (grd,) = (
        re.findall(r"^```yaml\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE)
        for document in (CONFIG.parent / "README.md", CONFIG / "README.md", CONFIG / "GRD.md")
    )
    for name in ("granules", "products", "dem", "orbits"):
        (tmp_path / name).mkdir()
    (tmp_path / "us_nga_egm08_25.tif").touch()
    fields = {"CROP": ["rice", "rice"], "AREA": [12, 3]}
    boxes = [shapely.box(113, 30, 113.1, 30.1), shapely.box(20, 30, 21, 31)]
    geopandas.GeoDataFrame(fields, geometry=boxes, crs=4326).to_file(tmp_path / "area.gpkg", layer="fields")
    monkeypatch.chdir(tmp_path)
    config = load_config(yaml.safe_load(whole))
    assert config.source.kind == "asf"
    assert len(config.time.wanted(date(2026, 1, 1))[0]) == 26
    assert load_config(yaml.safe_load(whole) | yaml.safe_load(folder)).source.kind == "local"
    assert load_config(yaml.safe_load(whole) | yaml.safe_load(grd)).grd.fetched_geoid
    shown = yaml.safe_load(area)["roi"] | {"flight_direction": "ASCENDING"}
    polygon = load_config({**GOOD, "roi": shown}).roi.polygon
    assert shapely.from_wkt(polygon).equals_exact(boxes[0].normalize(), 1e-9, normalize=True)


def test_only_chunks_that_are_given_differ_from_those_of_an_older_cube() -> None:
    """Cubes from before 512 was the default are no news in every run."""
    assert not Processing().keeps_other_chunks((1024, 1024))
    given = Processing(zarr_chunks=[512, 512])
    assert given.keeps_other_chunks((1024, 1024)) and not given.keeps_other_chunks((512, 512))


def test_options_without_what_they_need_are_pointed_out() -> None:
    def notes(**sections: Any) -> str:
        return "\n".join(load_config(changed(**sections)).notes())

    lonely = notes(processing={"angle_normalisation": {"reference": 30}})
    assert "WARNING processing.angle_normalisation: reference has no effect without exponent" in lonely
    assert notes(processing={"angle_normalisation": {"reference": 38}}) == ""
    assert notes(processing={"angle_normalisation": {"reference": 30, "exponent": 2}}) == ""
    beta0 = {"radiometry": "beta0"}
    assert "static.enabled: false has no effect here" in notes(processing=beta0, static={"enabled": False})
    assert notes(processing=beta0) == notes(static={"enabled": False}) == ""
