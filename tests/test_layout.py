"""Names and places: everything that is written can be read back, nothing else is, and no two things share a path."""

from __future__ import annotations

import csv
import gzip
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s1monthly import layout as naming
from s1monthly.errors import NameFormatError
from s1monthly.layout import Layout, layer_file, parse_granule_id, parse_layer_file, parse_like_granule
from s1monthly.model import (
    COMBINED,
    TRACKS,
    Burst,
    CompositeKey,
    Direction,
    Granule,
    Month,
    Stack,
    Tile,
    TileDirection,
)
from s1monthly.records.recipe import digest

REAL = "OPERA_L2_RTC-S1_T137-292318-IW1_20211119T015854Z_20250830T120333Z_S1A_30_v1.0"
PATTERNS = sorted(name for name, made in vars(Layout).items() if isinstance(made, property) and name[0] != "_")
WILDCARDS = {
    "track": ("T137", naming.TRACK_PATTERN),
    "passes": ("ASCENDING", naming.PASSES_PATTERN),
    "layer": ("mask", "|".join(naming.STATIC_LAYERS)),
    "tile": ("10SGD", naming.TILE_PATTERN),
    "direction": ("ASCENDING", naming.DIRECTION_PATTERN),
    "month": ("2021-11", naming.MONTH_PATTERN),
    "question": ("0123456789abcdef", naming.DIGEST_PATTERN),
    "slots": ("2021-11_2022-02_0123456789abcdef", naming.SLOTS_PATTERN),
}
MONTHS = st.builds(Month, st.integers(1900, 9999), st.integers(1, 12))
MOMENTS = st.datetimes(datetime(2014, 4, 3), datetime(2099, 12, 31), timezones=st.just(UTC))


# granules


@pytest.mark.parametrize("name", ["granules_19HBD.csv.gz", "granules_22WFD.csv.gz"])
def test_real_granule_names_are_read_and_written_again(shared_data: Path, name: str) -> None:
    with gzip.open(shared_data / "cmr" / name, "rt") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) > 400
    for row in rows:
        found = parse_granule_id(row["granule"])
        assert found.id == row["granule"]
        assert str(found.burst) == row["burst"] and found.burst.track == int(row["track"])
        assert f"{found.acquired:%Y-%m-%dT%H:%M:%SZ}" == row["acquired"] and found.acquired.tzinfo is UTC
        assert str(found.month) == row["acquired"][:7]


@given(
    st.builds(
        Granule,
        burst=st.builds(Burst, st.integers(1, 175), st.integers(1, 375887), st.sampled_from(["IW1", "IW2", "IW3"])),
        acquired=MOMENTS.map(lambda moment: moment.replace(microsecond=0)),
        processed=MOMENTS.map(lambda moment: moment.replace(microsecond=0)),
        platform=st.sampled_from(["S1A", "S1B", "S1C", "S1D"]),
        spacing=st.sampled_from([10, 30, 100]),
        version=st.lists(st.integers(0, 99), min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts))),
    ),
    st.sampled_from(naming.LAYER_NAMES),
)
def test_any_granule_is_what_its_name_says(one: Granule, layer: str) -> None:
    assert parse_granule_id(one.id) == one
    assert parse_layer_file(layer_file(one.id, layer)) == (one.id, layer)


NO_GRANULES = [
    *(REAL + end for end in ("_VV.tif", "_VV", " ", "\n")),
    *(REAL.replace(part, "") for part in ("_30", "v")),
    *(
        REAL.replace(*change.split(">"))
        for change in ["L2>L3", "T137->T37-", "IW1>IW4", "IW1>EW1", "S1A>S2A", "v1.0>v1."]
    ),
    *(REAL.replace(*change.split(">")) for change in ["015854Z>015854", "20211119T>2021-11-19T"]),
    *(REAL.lower(), "path/" + REAL, ""),
]


@pytest.mark.parametrize("name", NO_GRANULES)
def test_no_granule_name(name: str) -> None:
    with pytest.raises(NameFormatError) as refusal:
        parse_granule_id(name)
    assert repr(name) in refusal.value.problem


@pytest.mark.parametrize("moment", ["20210230T015854Z", "20211319T015854Z", "20211119T245854Z", "20211119T016154Z"])
@pytest.mark.parametrize("replaced", ["20211119T015854Z", "20250830T120333Z"], ids=["acquired", "processed"])
def test_a_name_with_an_impossible_time_is_refused_by_name(moment: str, replaced: str) -> None:
    name = REAL.replace(replaced, moment)
    with pytest.raises(NameFormatError) as refusal:
        parse_granule_id(name)
    assert name in refusal.value.problem


NO_LAYERS = [
    *(REAL + end for end in [".tif", ".h5", "_BROWSE.png", "_VV.tif.aux.xml", "_RH.tif", "__VV.tif", "_VV.tif.part"]),
    *(REAL + end for end in ("_VV (1).tif", "_layover_shadow.tif")),
    *(f".{REAL}_VV.tif", "VV.tif", "OPERA_L2_RTC-S1-STATIC_T137-292318-IW1_20140403_S1A_30_v1.0_mask.tif"),
]


@pytest.mark.parametrize("name", NO_LAYERS)
def test_other_files_are_no_layers(name: str) -> None:
    assert parse_layer_file(name) is None


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        (f"{REAL}_VV.TIF", "VV"),
        (f"{REAL}_VV.tiff", "VV"),
        (f"{REAL}_vh.Tiff", "VH"),
        (f"{REAL}_VV.tif".lower(), "VV"),
        (f"{REAL}_hv.tif".upper(), "HV"),
        (f"{REAL}_MASK.TIF", "mask"),
        (f"{REAL}_layover_shadow_mask.tif", "mask"),
        (f"{REAL}_layover_shadow_mask.tif".upper(), "mask"),
    ],
)
def test_case_ending_and_the_masks_older_name_do_not_matter(name: str, layer: str) -> None:
    assert parse_layer_file(name) == (REAL, layer)


@pytest.mark.parametrize(
    ("name", "granule"),
    [
        (f"{REAL}.zip", REAL),
        (f"{REAL}.h5".lower(), REAL),
        (f"{REAL}_VV.tif.part", REAL),
        (f"Copy of {REAL}_VV.tif", REAL),
        (REAL.replace("S1A", "S1E") + "_VV.tif", ""),
        ("OPERA_L2_RTC-S1_T137.tar.gz", ""),
        (f"{REAL}_BROWSE.png", None),
        (f"{REAL}.iso.xml", None),
        (f"{REAL}_VV.tif.aux.xml", None),
        ("OPERA_L2_RTC-S1-STATIC_T137-292318-IW1_20140403_S1A_30_v1.0_mask.tif", None),
        ("10SGD_S1_Monthly_ASCENDING_2021-11.tif", None),
    ],
)
def test_what_looks_like_a_granule_is_known(name: str, granule: str | None) -> None:
    assert parse_like_granule(name) == granule


# the tree


def test_the_output_tree_is_that_of_the_peer() -> None:
    key = CompositeKey(Tile("10SGD"), Direction.ASCENDING, Month(2021, 11))
    layout = Layout("out", "work").of(key)
    assert layout == Layout("out", "work").of(TileDirection(key.tile, key.direction), key.month)
    kept = {name: getattr(layout, name) for name in PATTERNS}
    assert kept["catalog"] == "out/catalog.parquet"
    assert kept["collection"] == "out/collection.json"
    assert kept["tile_catalog"] == "out/10SGD_ASCENDING/catalog.parquet"
    assert kept["item"] == "out/10SGD_ASCENDING/10SGD_ASCENDING_2021-11.json"
    assert kept["cog"] == "out/10SGD_ASCENDING/cog/10SGD_S1_Monthly_ASCENDING_2021-11.tif"
    assert kept["preview"] == "out/10SGD_ASCENDING/preview/10SGD_S1_Monthly_ASCENDING_2021-11.png"
    assert kept["cube"] == "out/10SGD_ASCENDING/zarr/S1_monthly.zarr"
    assert kept["record"] == "out/10SGD_ASCENDING/months/2021-11.json"
    assert kept["search"] == "out/10SGD_ASCENDING/search.json"
    assert kept["slots"].startswith(kept["cube"] + "/")
    assert kept["granules"] == "work/10SGD_ASCENDING/granules/2021-11.csv"
    assert naming.item_id(key) == Path(kept["item"]).stem == str(key)


def test_what_may_be_deleted_lies_in_the_work_folder_and_what_is_kept_does_not() -> None:
    layout = Layout("out", "work")
    working = {name for name in PATTERNS if getattr(layout, name).startswith("work/")}
    assert working == {"granules", "static_granules", "asked", "owner", "logs", "bursts", "account", "resume_folder"}
    assert all(getattr(layout, name).startswith("out/") for name in set(PATTERNS) - working)


@pytest.mark.parametrize("roots", [("out", "work"), ("out", "out"), ("out", "out/work"), ("/data/out", "/scratch/w")])
def test_a_path_belongs_to_one_pattern_alone(roots: tuple[str, str]) -> None:
    """Two patterns that match one path would be an ambiguous rule, or a file that overwrites another."""
    layout = Layout(*roots)
    values = {name: value for name, (value, _) in WILDCARDS.items()}
    matchers = {}
    for name in PATTERNS:
        text = re.escape(getattr(layout, name))
        for wildcard, (_, pattern) in WILDCARDS.items():
            first, *others = text.split(re.escape(f"{{{wildcard}}}"))
            text = first + "".join(
                (f"(?P={wildcard})" if n else f"(?P<{wildcard}>{pattern})") + o for n, o in enumerate(others)
            )
        matchers[name] = re.compile(text)
    for name in PATTERNS:
        path = getattr(layout, name).format(**values)
        assert "{" not in path and "}" not in path
        assert [other for other, matcher in matchers.items() if matcher.fullmatch(path)] == [name]


# wildcards


def test_every_real_tile_is_accepted_and_lies_in_its_zone(shared_data: Path) -> None:
    with gzip.open(shared_data / "mgrs" / "s2_land_tiles.csv.gz", "rt") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 19_002
    pattern = re.compile(naming.TILE_PATTERN)
    for row in rows:
        assert pattern.fullmatch(row["tile"]) and Tile(row["tile"]).epsg == int(row["epsg"])


@pytest.mark.parametrize(
    ("pattern", "refused"),
    [
        (naming.TILE_PATTERN, "1SGD 010SGD 10sGD 10IGD 10OGD 10AGD 10BGD 10YGD 10SID 10SGW 10SGO 10SG 10SGDD 10SGD_A"),
        (naming.DIRECTION_PATTERN, "ascending ASC ASCENDINGDESCENDING DESCENDING_2021 UP"),
        (naming.MONTH_PATTERN, "2021 2021-1 202111 21-11 2021-011 2021-11-19 2021_11 2021-11.json"),
        (naming.DIGEST_PATTERN, "0123456789abcde 0123456789abcdef0 0123456789ABCDEF 0123456789abcdeg .snakemake"),
        (
            naming.SLOTS_PATTERN,
            "2021-11_2022-02 2021-11_0123456789abcdef 2021-11_2022-02_0123456789abcde 2021-11_2022-02_0123456789abcdef0"
            " slots_2021-11_2022-02_0123456789abcdef 2021-11-2022-02-0123456789abcdef",
        ),
    ],
)
def test_wildcards_match_nothing_else(pattern: str, refused: str) -> None:
    assert [text for text in refused.split() if re.fullmatch(pattern, text)] == []


@given(MONTHS, MONTHS, st.integers())
def test_wildcards_match_every_value_that_is_used(month: Month, last: Month, number: int) -> None:
    assert re.fullmatch(naming.MONTH_PATTERN, str(month))
    assert re.fullmatch(naming.DIGEST_PATTERN, digest(number))
    assert re.fullmatch(naming.SLOTS_PATTERN, f"{month}_{last}_{digest(number)}")
    stacks = [*Direction, COMBINED, *(Stack.of(Direction.ASCENDING, track) for track in range(1, TRACKS + 1))]
    assert all(re.fullmatch(naming.DIRECTION_PATTERN, stack) for stack in stacks)


# folders that a user gives


FOLDERS = [
    *("./output", "out", "/data/out", "-out", "a b", 'it\'s "q"', "a#b%20c", "st*r?", "[x]", "Zürich 日本"),
    *("a$b", "a/b${c}", "$", "a/$.x", "${a"),
]


@pytest.mark.parametrize("path", FOLDERS)
def test_a_folder_is_taken_as_it_is_written(path: str) -> None:
    assert naming.folder_path(path) == path


@pytest.mark.parametrize("path", ["run:1", "s3:x/y", "./zip:y", "file:out"])
def test_a_relative_folder_that_looks_like_a_uri_becomes_absolute(path: str) -> None:
    assert naming.folder_path(path) == os.path.abspath(path)
    assert urlparse(naming.folder_path(path)).scheme == ""


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert [naming.folder_path(path) for path in ("~", "~/out", "a/~/b")] == ["/home/ada", "/home/ada/out", "a/~/b"]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        *((url, "a URL") for url in ("s3://bucket/out", "file:///data", "HTTPS://host/out", "zip+s3://b/a.zip")),
        *((path, "a path of Windows") for path in (r"C:\data\out", "c:/data", r"\\server\share")),
        *((path, "virtual file system") for path in ("/vsis3/bucket", "/vsimem/out", "//vsizip/a.zip")),
        *((path, "cannot be printed") for path in ("a\nb", "a\0b", "a\tb", "a\udcffb")),
        *((path, "empty, or with a blank") for path in ("", " ", " out", "out ")),
        ("~nobody_of_this_name/out", "no such user"),
        *((path, "variables are not expanded") for path in ("$HOME/out", "${HOME}/g", "/data/$USER/out", "a/${A_1}b")),
    ],
)
def test_a_folder_that_a_library_would_take_for_something_else_is_refused(path: str, says: str) -> None:
    with pytest.raises(NameFormatError, match=says):
        naming.folder_path(path)


def test_static_products_name_their_track_once() -> None:
    for direction in ("ASCENDING", "ASCENDING_T137"):
        paths = Layout("o").of(TileDirection(Tile("10SGD"), Stack.parse(direction)))
        assert paths.static_files(137)["mask"] == f"o/10SGD_{direction}/static/10SGD_S1_Static_ASCENDING_T137_mask.tif"
