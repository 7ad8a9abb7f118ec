"""What a rule tells its script."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from s1monthly.errors import ConfigError
from s1monthly.workflow import jobs, logs

SETTINGS = {
    "base_dir": "output",
    "work_dir": "work",
    "logging": {"file_level": "WARNING"},
    "recipe": {"polarization": "VV+VH"},
    "source_kind": "local",
    "source_options": {},
    "question": {},
    "months": ["2024-05"],
    "from_earliest": False,
    "read_workers": 2,
    "held_granules": 2,
    "max_failed_ratio": 0.0,
    "overwrite": False,
    "chunks": [512, 512],
    "cog_compression": "deflate",
    "products": ["cog", "item"],
    "overviews": True,
    "credits": {},
    "dem": {},
}


@pytest.fixture
def common(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Options that every script is told; the log is begun for real, and ended."""
    monkeypatch.setattr(logs, "_log_use", lambda _: None)
    monkeypatch.setattr(logs.sys, "excepthook", logs.sys.excepthook)
    handlers, level = logging.root.handlers[:], logging.root.level
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(SETTINGS))
    yield [f"--settings={file}", f"--log={tmp_path / 'logs' / 'a.log'}"]
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def test_a_command_names_each_value_as_its_script_does() -> None:
    command = jobs.command("input.record", "params.block_size", "output.cog")
    common = "{params.start} --log={log:q} --threads={threads}"
    assert (
        command == f"{common} --record={{input.record:q}} --block-size={{params.block_size:q}} --cog={{output.cog:q}}"
    )


def test_a_script_reads_what_it_was_told_and_begins_its_log(common: list[str], tmp_path: Path) -> None:
    told = [*common, "--threads=3", "--block-size=512", "--months=", "--cog=-a b.tif"]
    job, log = jobs.read_arguments("Does it.", told, "block_size", "months", optional=("cog", "preview"))
    assert (job.threads, job.block_size, job.months, job.cog, job.preview) == (3, "512", "", "-a b.tif", None)
    assert job.settings.recipe == {"polarization": "VV+VH"} and job.settings.layout.base_dir == "output"
    log.info("unheard")
    log.warning("heard")
    text = (tmp_path / "logs" / "a.log").read_text()
    assert "heard" in text and "unheard" not in text
    assert jobs.read_arguments("", common)[0].threads == 1


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ([], "arguments are required: --record"),
        (["--record=a", "--cube=b"], "unrecognized arguments: --cube=b"),
        (["--record=a", "--rec=a"], "unrecognized arguments: --rec=a"),
        (["--record=a", "b"], "unrecognized arguments: b"),
    ],
    ids=["missing", "unknown", "cut short", "loose"],
)
def test_a_script_is_told_all_and_nothing_else(
    common: list[str], more: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        jobs.read_arguments("", [*common, *more], "record")
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, "{", "{}", json.dumps({**SETTINGS, "newer": 1})])
def test_settings_that_cannot_be_read_are_named_with_the_remedy(
    common: list[str], tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "settings.json"
    file.unlink() if content is None else file.write_text(content)
    with pytest.raises(ConfigError, match=r"settings\.json: cannot be read .* -> run Snakemake again"):
        jobs.read_arguments("", common)
    assert (tmp_path / "logs" / "a.log").exists()
