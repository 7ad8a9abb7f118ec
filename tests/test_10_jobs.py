"""What a rule tells its script."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from s1monthly import jobs

SETTINGS = {
    "base_dir": "output",
    "work_dir": "work",
    "logging": {},
    "recipe": {"polarization": "VV+VH"},
    "source_kind": "local",
    "source_options": {},
    "question": {},
    "months": ["2024-05"],
    "from_earliest": False,
    "read_workers": 2,
    "max_failed_ratio": 0.0,
    "overwrite": False,
    "chunks": [512, 512],
}


@pytest.fixture
def common(tmp_path: Path) -> list[str]:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(SETTINGS))
    return ["--settings", str(file), "--log", "a.log"]


def test_a_command_names_each_value_as_its_script_does() -> None:
    command = jobs.command(["python", "a folder/{x}/publish.py"], "input.record", "params.block_size", "output.cog")
    common = "python 'a folder/{{x}}/publish.py' --log {log:q} --threads {threads}"
    assert (
        command == f"{common} --record {{input.record:q}} --block-size {{params.block_size:q}} --cog {{output.cog:q}}"
    )


def test_a_script_reads_what_it_was_told(common: list[str]) -> None:
    told = [*common, "--threads", "3", "--block-size", "512", "--months", "2024-05", "2024-06", "--cog", "a b.tif"]
    job = jobs.told("Does it.", told, "block_size", "months", lists=("months",), optional=("cog", "preview"))
    assert (job.log, job.threads, job.block_size, job.months) == ("a.log", 3, "512", ["2024-05", "2024-06"])
    assert (job.cog, job.preview) == ("a b.tif", None)
    assert job.settings.recipe == {"polarization": "VV+VH"} and job.settings.layout.base_dir == "output"


def test_none_of_several_is_an_answer_too(common: list[str]) -> None:
    assert jobs.told("", [*common, "--months"], "months", lists=("months",)).months == []


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ([], "--record"),
        (["--record", "a", "--cube", "b"], "--cube b"),
        (["--rec", "a"], "--rec"),
        (["--record", "a", "b"], "b"),
    ],
    ids=["missing", "unknown", "cut short", "two"],
)
def test_a_script_is_told_all_and_nothing_else(
    common: list[str], more: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        jobs.told("", [*common, *more], "record")
    assert complaint in capsys.readouterr().err
