"""The command `s1monthly`, and what stands before a run: a system that is none of ours, a file that is not there."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from s1monthly import console
from s1monthly.errors import WINDOWS
from s1monthly.workflow import commands

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", console.SCRIPTS)
def test_every_command_is_its_script(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    monkeypatch.setattr(runpy, "run_path", lambda path, run_name: called.append((path, run_name, sys.argv[1:])))
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setattr(commands, "CALLED_AS", "")
    assert console.main([*name.split(), "--output-dir", "output"]) == 0
    script = ROOT / "scripts" / f"{console.SCRIPTS[name][0]}.py"
    assert script.exists() and called == [(str(script), "__main__", ["--output-dir", "output"])]


def test_process_hands_snakefile_configuration_and_other_options_to_snakemake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = []
    monkeypatch.setattr(console, "_snakemake", lambda command: called.append(command) or 0)
    file = tmp_path / "my.yaml"
    file.touch()
    assert console.main(["process", "--config", str(file), "-n", "--until", "search"]) == 0
    snakefile = ["--snakefile", str(ROOT / "Snakefile"), "--cores", "all"]
    assert called == [["--until", "search", *snakefile, "--dry-run", "--configfile", str(file)]]


def run(*words: str, folder: Path, before: str = "pass") -> subprocess.CompletedProcess[str]:
    """Run a command in a folder; `before` is Python that runs first."""
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'scripts')!r}); {before}; from s1monthly.console import main"
    command = [sys.executable, "-c", f"{code}; sys.exit(main())", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_tools_show_their_command_and_end_with_their_exit_code(tmp_path: Path) -> None:
    told = run("catalog", "validate", "--help", folder=tmp_path)
    assert told.returncode == 0 and told.stdout.startswith("usage: s1monthly catalog validate [-h]")
    told = run("catalog", "inspect", folder=tmp_path)
    assert told.returncode == 1 and told.stderr.startswith("output: no ")


def test_a_wrong_command_lists_the_right_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert console.main(["catalog", "inspekt"]) == 2
    told = capsys.readouterr().err
    assert "s1monthly catalog inspect" in told and "mosaic" not in told
    assert told.endswith("no such command: catalog inspekt\n")
    assert console.main(["--help"]) == 0
    assert {*console.SCRIPTS, "process"} <= {line[12:29].strip() for line in capsys.readouterr().out.splitlines()}


def test_ctrl_c_ends_a_run_with_130(tmp_path: Path) -> None:
    before = "import snakemake.cli, os, signal; snakemake.cli.main = lambda argv: os.kill(os.getpid(), signal.SIGINT)"
    (tmp_path / "my.yaml").touch()
    assert run("process", "--config", "my.yaml", folder=tmp_path, before=before).returncode == 130


@pytest.mark.parametrize("option", [["--configfile", "no.yaml"], ["--configfile=no.yaml"]])
def test_a_configuration_file_that_is_not_there_is_one_line(option: list[str], tmp_path: Path) -> None:
    line = "no.yaml: there is no such file -> give an existing one\n"
    told = run("process", "--config", "no.yaml", folder=tmp_path)
    assert (told.returncode, told.stdout, told.stderr) == (1, "", f"--config {line}")
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "-n", *option]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    profile, error = told.stderr.splitlines(keepends=True)
    assert told.returncode == 1 and told.stdout == "" and error == f"--configfile {line}" and "profile" in profile


def test_windows_is_refused_in_one_line_by_every_way_in(tmp_path: Path) -> None:
    windows = "sys.platform = 'win32'"
    assert run("process", folder=tmp_path, before=windows).stderr == f"{WINDOWS}\n"
    assert run(folder=tmp_path, before=f"{windows}; import light_imports").stderr == f"{WINDOWS}\n"
    (tmp_path / "Snakefile").write_text(f"import sys\n{windows}\ninclude: {str(ROOT / 'Snakefile')!r}\n")
    command = [sys.executable, "-m", "snakemake", "-n"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 1 and WINDOWS in told.stdout.splitlines() and "Traceback" not in told.stdout
