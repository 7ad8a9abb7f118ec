"""The configuration's file: what cannot be read as it was meant is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from s1monthly.config.file import read_config_file
from s1monthly.errors import ConfigError

GOOD = b"roi: {manual_mgrs_tiles: [10SGD]}\ntime:\n  years: 2024\n"


def test_yaml_and_json_are_read(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_bytes(GOOD)
    assert read_config_file(path) == {"roi": {"manual_mgrs_tiles": ["10SGD"]}, "time": {"years": 2024}}
    path.write_text(json.dumps(read_config_file(path), indent="\t"))
    assert read_config_file(path)["time"] == {"years": 2024}
    path.write_text("base: &base {cog: true}\nmore: {<<: *base, preview: true}\n")
    assert read_config_file(path)["more"] == {"cog": True, "preview": True}
    path.write_text("# nothing yet\n")
    assert read_config_file(path) == {}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (GOOD + b"time:\n  years: 2025\n", r"given twice: time \(line 4\)"),
        (GOOD + b"  years: 2025\n", r"given twice: time\.years \(line 4\)"),
        (b'{"roi": {"wkt": "a", "wkt": "b"}}', r"given twice: roi\.wkt \(line 1\)"),
        (b"a: [{b: 1, b: 2}]", r"given twice: a\.b \(line 1\)"),
        (b"- roi\n- time\n", "holds no keys"),
        (b"roi", "holds no keys"),
        (b"roi: &roi {wkt: *roi}", r"an alias .* holds itself"),
        (b"roi: {a: \xff}", "not in UTF-8"),
        (b"roi: [a\nb: c", "not YAML"),
        (b"\0\1", "not YAML"),
        (b"start: 2021-02-30", "not YAML .*day is out of range"),
        (None, "cannot be read .No such file"),
    ],
)
def test_what_cannot_be_meant_so_is_refused(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "my.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"configuration .*my\.yaml: {says}"):
        read_config_file(path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory"):
        read_config_file(tmp_path)
