"""Names and places: everything that is written can be read back, nothing else is, and no two things share a path."""

from __future__ import annotations

import csv
import gzip
import os
import re
from pathlib import Path
from urllib.parse import urlparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s1monthly import layout as naming
from s1monthly.errors import NameFormatError
from s1monthly.granule_names import STATIC_LAYERS
from s1monthly.layout import Layout
from s1monthly.model import COMBINED, TRACKS, CompositeKey, Direction, Month, Stack, Tile, TileDirection
from s1monthly.records.recipe import digest

REAL = "OPERA_L2_RTC-S1_T137-292318-IW1_20211119T015854Z_20250830T120333Z_S1A_30_v1.0"
PATTERNS = sorted(name for name, made in vars(Layout).items() if isinstance(made, property) and name[0] != "_")
WILDCARDS = {
    "track": ("T137", naming.TRACK_PATTERN),
    "passes": ("ASCENDING", naming.PASSES_PATTERN),
    "layer": ("mask", "|".join(STATIC_LAYERS)),
    "tile": ("10SGD", naming.TILE_PATTERN),
    "direction": ("ASCENDING", naming.DIRECTION_PATTERN),
    "month": ("2021-11", naming.MONTH_PATTERN),
    "question": ("0123456789abcdef", naming.DIGEST_PATTERN),
    "made_of": ("0123456789abcdef", naming.DIGEST_PATTERN),
    "slots": ("2021-11_2022-02_0123456789abcdef", naming.SLOTS_PATTERN),
}
MONTHS = st.builds(Month, st.integers(1900, 9999), st.integers(1, 12))


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
    kinds = {"granules", "static_granules", "heights", "asked", "owner", "logs", "bursts", "account", "resume_folder"}
    kinds |= {"run_cache", "reading_count"}
    assert working == kinds
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
