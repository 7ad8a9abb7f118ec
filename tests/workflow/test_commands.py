"""What the command lines of the tools have in common."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from s1monthly.model import COMBINED, Direction
from s1monthly.workflow import commands

TOOLS = ("catalog_inspect", "change", "mosaic_tiles", "report", "tile_inspect", "timeseries")
SCRIPTS = Path(commands.__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ASCENDING", "ASCENDING"),
        ("descending", "DESCENDING"),
        ("Asc", "ASCENDING"),
        ("DESC", "DESCENDING"),
        ("all", "ALL"),
    ],
)
def test_directions_are_read_in_any_case_and_short(text: str, name: str) -> None:
    assert commands.direction(text) == name
    assert commands.DIRECTIONS[name] == ([Direction(name)] if name != "ALL" else [*Direction, COMBINED])


@pytest.mark.parametrize("text", ["", "A", "ASCEND", "BOTH", "ASCENDING,DESCENDING"])
def test_other_directions_are_refused_with_what_is_allowed(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = commands.parser("tool", "Does it.", "--direction ALL")
    commands.add_direction(parser, "either")
    with pytest.raises(SystemExit):
        parser.parse_args(["--direction", text])
    said = capsys.readouterr().err
    assert f"{text!r} is none of ASCENDING, DESCENDING, COMBINED, ALL, ASC, DESC" in said


def test_tracks_are_numbers_in_the_order_given(capsys: pytest.CaptureFixture[str]) -> None:
    parser = commands.parser("tool", "Does it.", "--track 137")
    commands.add_direction(parser, "either")
    assert parser.parse_args([]).track == [] and parser.parse_args(["--track", "T137", "64"]).track == [137, 64]
    for text in ("0", "176", "ASC"):
        with pytest.raises(SystemExit):
            parser.parse_args(["--track", text])
        assert f"{text!r} is no track: give a number from 1 to 175" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--output-dir", "--output", "--work-dir"])
def test_a_url_is_refused_as_a_folder_and_home_is_expanded(
    option: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parser = commands.parser("tool", "Does it.", "")
    commands.add_mosaic(parser, ["VRT"])
    commands.add_work_dir(parser)
    needed = ["--month", "2024-05", "--direction", "ALL"]
    with pytest.raises(SystemExit):
        parser.parse_args([*needed, f"{option}=s3://bucket/out"])
    assert f"argument {option}: folder 's3://bucket/out': a URL -> give the path of a local" in capsys.readouterr().err
    monkeypatch.setenv("HOME", "/home/ada")
    given = vars(parser.parse_args([*needed, f"{option}=~/out"]))
    assert str(given[option[2:].replace("-", "_")]) == "/home/ada/out"


def test_a_direction_that_is_not_given_is_all_where_it_need_not_be(capsys: pytest.CaptureFixture[str]) -> None:
    free, bound = (commands.parser("tool", "Does it.", "") for _ in range(2))
    commands.add_direction(free, "")
    assert free.parse_args([]).direction == "ALL"
    commands.add_direction(bound, "", required=True)
    with pytest.raises(SystemExit):
        bound.parse_args([])
    assert "--direction" in capsys.readouterr().err


@pytest.mark.parametrize("tool", TOOLS)
def test_help_is_of_one_style_fits_80_columns_and_has_an_example(
    tool: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as end:
        importlib.import_module(tool).main(["--help"])
    told = capsys.readouterr().out
    assert end.value.code == 0
    assert max(map(len, told.splitlines())) <= 80
    assert told.startswith(f"usage: python scripts/{tool}.py ")
    options, example = told.split("\nexample:\n")
    assert example.startswith(f"  python scripts/{tool}.py --")
    assert set(re.findall(r"--[a-z-]+", example)) <= set(re.findall(r"--[a-z-]+", options))
    assert "--output-dir DIR" in told and ("--direction DIRECTION" in told or tool == "report")


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_looks_into_output_where_no_tree_is_named(
    tool: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))
    options = {
        "mosaic_tiles": ["--month", "2024-05", "--direction", "asc"],
        "tile_inspect": ["--tile", "10SGD"],
        "timeseries": ["--points", "1,2", "--output", "series.csv"],
    }
    with pytest.raises(SystemExit, match=r"^output: no "):
        importlib.import_module(tool).main(options.get(tool, []))


PRINTING = {
    "catalog_inspect": [],
    "catalog_rebuild": [],
    "catalog_validate": [],
    "mosaic_tiles": ["--help"],
    "tile_inspect": ["--tile", "10SGD"],
}


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("tool", PRINTING)
def test_a_reader_who_has_seen_enough_ends_a_tool_without_a_word(tool: str, unbuffered: str, tmp_path: Path) -> None:
    """As ``| head`` does: the pipe is closed before the first line."""
    if unbuffered and tool == "mosaic_tiles":
        pytest.skip("argparse itself keeps silent of help that nobody reads")
    (tmp_path / "output" / "10SGD_ASCENDING").mkdir(parents=True)
    command = [sys.executable, str(SCRIPTS / f"{tool}.py"), *PRINTING[tool]]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment
    )
    assert process.stdout and process.stderr
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 141
    process.stderr.close()


def test_what_may_not_be_read_ends_a_tool_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise PermissionError(13, "Permission denied", "output/catalog.parquet")

    assert commands.run(main) == 1
    assert capsys.readouterr().err == (
        "output/catalog.parquet: Permission denied -> ask its owner (ls -l) for permission to read and write it\n"
    )


def test_a_tool_that_ends_well_or_not_says_so() -> None:
    assert commands.run(lambda: None) == 0 and commands.run(lambda: 3) == 3


def test_help_of_validation_says_what_is_not_read(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        importlib.import_module("catalog_validate").main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "With --digests it also reads every value" in text and "only this finds" in text
