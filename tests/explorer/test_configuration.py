"""The configuration of the Run tab: checked in a run's own words, for the explorer's tree alone, saved with care."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml

from s1monthly.errors import ConfigError
from s1monthly.explorer.configuration import OWN_FILE, ConfigurationFile, new_text

GOOD = """\
# mine
roi: {manual_mgrs_tiles: [11SLT], flight_direction: ASCENDING}
time: {start: 2021-11, end: 2021-12}
output: {base_dir: output}
"""


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConfigurationFile:
    """A configuration in a folder that has its output tree and, beside it, another one."""
    monkeypatch.chdir(tmp_path)
    for name in ("output/sub", "other"):
        Path(name).mkdir(parents=True)
    Path("link_to_output").symlink_to("output")
    Path("output/link_out").symlink_to(tmp_path / "other")
    Path("my.yaml").write_text(GOOD)
    file = ConfigurationFile.of("output", "my.yaml")
    assert file.open() == GOOD
    return file


@pytest.mark.parametrize("name", ["output", "it's $(mine); \"# ü", "a\\b: c"])
def test_a_new_configuration_is_for_the_tree_and_its_tiles(tmp_path: Path, name: str) -> None:
    tree = tmp_path / name
    for path in ("11SLT_DESCENDING_T071/months/2024-03.json", "10SGD_ASCENDING/months/2024-05.json", ".s1monthly/x"):
        (tree / path).parent.mkdir(parents=True)
        (tree / path).touch()
    config = ConfigurationFile.of(tree).check(new_text(tree, date(2024, 8, 9)))
    assert config.roi.manual_mgrs_tiles == ["10SGD", "11SLT"]
    assert [*config.roi.flight_direction] == ["ASCENDING", "DESCENDING"]
    assert (str(config.time.start), str(config.time.end)) == ("2024-03", "2024-07")
    assert config.output.base_dir == str(tree)


def test_a_tree_that_is_not_there_yet_begins_with_last_month(tmp_path: Path) -> None:
    values = yaml.safe_load(new_text(tmp_path / "none", date(2024, 1, 1)))
    assert values["time"] == {"start": "2023-12", "end": "2023-12"}
    assert values["roi"] == {"manual_mgrs_tiles": [], "flight_direction": ["ASCENDING", "DESCENDING"]}


@pytest.mark.parametrize("base_dir", ["output", "./output/", "other/../output", "link_to_output"])
def test_the_tree_may_be_named_in_any_way(opened: ConfigurationFile, base_dir: str) -> None:
    assert opened.check(GOOD.replace("base_dir: output", f"base_dir: {base_dir}")).output.base_dir


@pytest.mark.parametrize(
    "base_dir", ["other", "output/../other", "output/..", "output/sub", "output/link_out", "/", "link_to_output/sub"]
)
def test_another_tree_is_refused(opened: ConfigurationFile, base_dir: str) -> None:
    with pytest.raises(ConfigError, match=r"output\.base_dir .*: the explorer shows another output tree, output -> "):
        opened.check(GOOD.replace("base_dir: output", f"base_dir: {base_dir}"))


@pytest.mark.parametrize("tile", ["$(touch pwned)", "11SLT; touch pwned", "`touch pwned`", "../11SLT", "11SLT\n", ""])
def test_a_tile_that_would_be_more_than_a_name_is_refused(opened: ConfigurationFile, tile: str) -> None:
    values = yaml.safe_load(GOOD)
    values["roi"]["manual_mgrs_tiles"] = [tile]
    with pytest.raises(ConfigError, match=r"roi\.manual_mgrs_tiles"):
        opened.check(yaml.safe_dump(values))


def test_saved_is_what_was_written_and_nothing_else(opened: ConfigurationFile) -> None:
    assert opened.holds(GOOD) and not opened.holds(GOOD + "#")
    opened.save(GOOD + "# ü\n")
    assert Path("my.yaml").read_text(encoding="utf-8") == GOOD + "# ü\n"
    assert not opened.changed_on_disk() and opened.holds(GOOD + "# ü\n")
    assert sorted(path.name for path in Path().iterdir()) == ["link_to_output", "my.yaml", "other", "output"]


@pytest.mark.parametrize("theirs", [b"roi: {}\n", None])
def test_what_another_program_did_meanwhile_is_not_overwritten(opened: ConfigurationFile, theirs: bytes | None) -> None:
    path = Path("my.yaml")
    path.unlink() if theirs is None else path.write_bytes(theirs)
    assert opened.changed_on_disk() and not opened.holds(GOOD)
    with pytest.raises(ConfigError, match=r"my\.yaml: another program has changed it .*nothing was saved"):
        opened.save(GOOD)
    assert (path.read_bytes() if path.exists() else None) == theirs
    opened.open()
    opened.save(GOOD)
    assert path.read_text() == GOOD


def test_a_link_that_the_user_gave_stays_one(opened: ConfigurationFile) -> None:
    Path("latest.yaml").symlink_to("my.yaml")
    file = ConfigurationFile.of("output", "latest.yaml")
    file.open()
    file.save("# new\n")
    assert Path("latest.yaml").is_symlink() and Path("my.yaml").read_text() == "# new\n"


def test_lines_that_end_as_on_windows_are_no_change(opened: ConfigurationFile) -> None:
    Path("my.yaml").write_bytes(GOOD.replace("\n", "\r\n").encode())
    assert opened.open() == GOOD and opened.holds(GOOD)


def test_a_file_that_is_no_text_is_refused(opened: ConfigurationFile) -> None:
    Path("my.yaml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not in UTF-8"):
        opened.open()


def test_without_a_given_file_it_is_kept_in_the_tree(opened: ConfigurationFile) -> None:
    file = ConfigurationFile.of("output")
    text = file.open()
    assert not file.holds(text), "nothing is written before it is saved"
    file.save(text)
    assert Path("output", OWN_FILE).read_text() == text


@pytest.mark.parametrize("link", [".s1monthly", ".s1monthly/explorer", OWN_FILE])
def test_a_link_in_the_tree_that_leads_out_of_it_is_refused(opened: ConfigurationFile, link: str) -> None:
    place = Path("output", link)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(Path("other").resolve())
    with pytest.raises(ConfigError, match=r"a symbolic link leads to .*other"):
        ConfigurationFile.of("output")
