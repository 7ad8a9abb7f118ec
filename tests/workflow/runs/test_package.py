"""The installed package, the workflow as a module of another Snakefile, and its report: the same files each time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

from s1monthly.model import Direction, Tile, TileDirection
from s1monthly.workflow.run_lock import hold
from support.runs import FOLDER, TILE, add, config, product
from support.same_tree import content
from support.workflow import ROOT, run_snakemake, snakemake_command

MONTHS = ("2021-11", "2021-12")
CONFIG = config(
    time={"start": MONTHS[0], "end": MONTHS[-1]},
    processing={"target_resolution": 300, "post_processing": False},  # what is installed anew compiles its kernels anew
)

pytestmark = pytest.mark.xdist_group("package")  # one run, one wheel, one environment, made once, in one process


def run(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder; what it prints is its `stdout`."""
    (folder / "my.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    told = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    everything = {**os.environ, **environment}
    return subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, env=everything, check=False, **told)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with granules, and their output tree as a checkout makes it."""
    folder = tmp_path_factory.mktemp("made")
    for month in MONTHS:
        add(folder, month)
    run_snakemake(folder, CONFIG)
    return folder


@pytest.fixture
def fresh(made: Path, tmp_path: Path) -> Path:
    """A folder with the same granules, and nothing else."""
    shutil.copytree(made / "granules", tmp_path / "granules")
    return tmp_path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs of an environment with the wheel; the libraries are those of this Python."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "others.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--no-index", str(wheel)], check=True)
    return folder / "bin"


def test_the_wheel_holds_the_library_and_every_file_that_snakemake_reads(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    read = [Path("Snakefile"), Path("envs/s1monthly.yaml"), Path("profiles/default/config.yaml")]
    for pattern in ("rules/*.smk", "scripts/*.py", "rules/report/*.rst"):
        read += [path.relative_to(ROOT) for path in ROOT.glob(pattern)]
    library = ROOT / "scripts"
    modules = {str(path.relative_to(library)) for path in library.glob("s1monthly/**/*.py")}
    modules |= {f"s1monthly/report/page/{path.name}" for path in library.glob("s1monthly/report/page/*")}
    assert {*modules, "s1monthly/py.typed", *(f"s1monthly/_workflow/{path}" for path in read)} <= held
    assert not [name for name in held if "__pycache__" in name or "/s1monthly/" in name]


def test_dependencies_are_those_of_the_locks() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [wanted.partition(">=")[0] for wanted in project["dependencies"]]
    lines = (ROOT / "requirements.in").read_text().splitlines()
    assert names == [line for line in lines if line and not line.startswith("#")]
    assert project["version"] in (ROOT / "CITATION.cff").read_text()


def test_the_installed_command_makes_the_bytes_of_a_checkout(made: Path, fresh: Path, installed: Path) -> None:
    process = run(fresh, str(installed / "s1monthly"), "process", "--config", "my.yaml", "--cores", "2")
    assert process.returncode == 0, process.stdout
    assert content(fresh / "output") == content(made / "output")
    again = run(fresh, str(installed / "s1monthly"), "process", "--config", "my.yaml", "--cores", "2")
    assert "Nothing to be done" in again.stdout
    inspected = run(fresh, str(installed / "s1monthly"), "tile", "inspect", "--tile", TILE, "--output-dir", "output")
    assert "Completeness:    100.0%" in inspected.stdout
    assert "usage: s1monthly mosaic" in run(fresh, str(installed / "s1monthly"), "mosaic", "--help").stdout


BARE = (
    "import sys; sys.modules |= dict.fromkeys(('numpy', 'pyproj', 'shapely', 'zarr', 'pyarrow', 'rasterio', 'numba',"
    " 'xarray', 'pandas', 'boto3', 'matplotlib', 'scipy')); from snakemake.cli import main; main()"
)
"""Snakemake without our libraries."""

CONDA = """#!/bin/bash
case "$1" in
  --version) echo "conda 24.9.2" ;;
  info) echo '{{"conda_prefix": "{0}", "root_prefix": "{0}", "platform": "linux-64"}}' ;;
  config) echo '{{"get": {{"channel_priority": "strict"}}}}' ;;
  env | create)
    while [ "$1" ]; do [ "$1" = --prefix ] && prefix=$2; shift; done
    mkdir -p "$prefix/bin"
    printf '#!/bin/bash\\nexec {1} "$@"\\n' > "$prefix/bin/python"
    chmod +x "$prefix/bin/python" ;;
esac
"""
"""A stand-in for conda: an environment is this Python."""


def test_conda_needs_nothing_beside_snakemake(made: Path, fresh: Path) -> None:
    conda = fresh / "conda" / "bin"
    conda.mkdir(parents=True)
    (conda / "conda").write_text(CONDA.format(conda.parent, sys.executable))
    (conda / "conda").chmod(0o755)
    (conda / "activate").write_text('export PATH="$1/bin:$PATH"\n')
    path = {"PATH": f"{conda}:{os.environ['PATH']}"}
    bare = [sys.executable, "-c", BARE, "-s", str(ROOT / "Snakefile"), "--cores", "2", "--sdm", "conda"]
    done = run(fresh, *bare, "--configfile", "my.yaml", **path)
    assert done.returncode == 0, done.stdout
    assert content(fresh / "output") == content(made / "output")
    cog = product(fresh, "cog", MONTHS[0])
    cog.unlink()
    add(fresh, MONTHS[1], day=11).write_bytes(b"no raster")
    failed = run(fresh, *bare, "--configfile", "my.yaml", **path)
    assert failed.returncode == 1 and cog.exists()
    assert "catalogued: 1 month of 1 folder" in failed.stdout or "catalogued: 2 months of 1 folder" in failed.stdout


def test_polygons_say_what_they_need_beside_a_bare_snakemake(fresh: Path) -> None:
    wkt = "POLYGON((-117 35, -116.9 35, -116.9 35.1, -117 35))"
    roi = f"roi={{wkt: '{wkt}', manual_mgrs_tiles: null, flight_direction: ASCENDING}}"
    bare = [sys.executable, "-c", BARE, "-s", str(ROOT / "Snakefile"), "-n", "--configfile", "my.yaml"]
    told = run(fresh, *bare, "--config", roi).stdout
    assert "is not installed beside Snakemake" in told and "numpy, pyproj, shapely" in told


MODULE = f"""
configfile: "all.yaml"

onstart:
    print("ours began")

module monthly:
    snakefile: "{ROOT}/Snakefile"
    config: config["s1monthly"]

use rule * from monthly as s1_*

use rule publish from monthly as s1_publish with:
    threads: 1

onsuccess:
    print("ours ended")

rule numbers:
    output:
        "numbers.txt",
    shell:
        "ls output > {{output}}"

rule everything:
    default_target: True
    input:
        rules.s1_all.input,
        rules.numbers.output,
"""
SNAKEMAKE = [sys.executable, "-m", "snakemake", "--cores", "2"]


@pytest.fixture
def module(fresh: Path) -> Path:
    """A folder with a Snakefile that imports ours, with a part of its configuration, and our profile beside it."""
    (fresh / "all.yaml").write_text(yaml.safe_dump({"other": {"roi": 1}, "s1monthly": CONFIG}))
    (fresh / "Snakefile").write_text(MODULE)
    shutil.copytree(ROOT / "profiles" / "default", fresh / "profiles" / "default")
    return fresh


def test_a_module_makes_the_same_bytes_with_its_checks_and_its_outcome(made: Path, module: Path) -> None:
    held = hold(str(module / "output"), [TileDirection(Tile(TILE), Direction.ASCENDING)])
    assert held
    refused = run(module, *SNAKEMAKE)
    held.release()
    assert refused.returncode == 1 and FOLDER not in os.listdir(module / "output"), refused.stdout
    done = run(module, *SNAKEMAKE)
    assert done.returncode == 0, done.stdout
    assert content(module / "output") == content(made / "output")
    assert done.stdout.count("2 made -> output/") == 1
    assert (
        "ours began" in done.stdout and "ours ended" in done.stdout and f"s1_composite {TILE} ASCENDING" in done.stdout
    )
    product(module, "cog", MONTHS[0]).unlink()
    again = run(module, *SNAKEMAKE).stdout
    assert "\ns1_publish " in again and "\ns1_bursts " not in again
    assert "Nothing to be done" in run(module, *SNAKEMAKE).stdout
    add(module, MONTHS[1], day=11).write_bytes(b"no raster")
    failed = run(module, *SNAKEMAKE).stdout
    assert failed.count(f"FAILED s1_bursts {TILE} ASCENDING {MONTHS[1]}: ") == 1 and "catalogued: " in failed


def test_a_module_is_left_alone_if_other_targets_are_wanted(module: Path) -> None:
    (module / "output").mkdir()
    done = run(module, *SNAKEMAKE, "numbers")
    assert (
        done.returncode == 0
        and os.listdir(module / "output") == []
        and "made" not in done.stdout.split("ours began")[1]
    )


@pytest.mark.parametrize(
    ("line", "profile", "message"),
    [("", False, "rerun trigger `input`"), ('    prefix: "here"\n', True, "a prefix")],
)
def test_a_module_refuses_what_would_end_badly(line: str, profile: bool, message: str, module: Path) -> None:
    (module / "Snakefile").write_text(MODULE.replace("\nuse rule *", f"{line}\nuse rule *"))
    if not profile:
        shutil.rmtree(module / "profiles")
    refused = run(module, *SNAKEMAKE, "-n")
    assert refused.returncode == 1 and message in refused.stdout


def test_the_report_shows_previews_and_coverage_and_the_graph_stays_readable(made: Path) -> None:
    command = snakemake_command(made, CONFIG, "--report", "report.html")
    told = subprocess.run(command, cwd=made, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    page = (made / "report.html").read_text()
    assert page.count('"mime_type": "image/png"') == len(MONTHS) and page.count('"mime_type": "text/html"') == 1
    for words in ("Previews", "Coverage", "on the grid of Sentinel-2 tiles", f"{TILE}, ascending, {MONTHS[0]}"):
        assert words in page, words
    graph = run_snakemake(made, CONFIG, "--rulegraph").output
    assert graph.count("label = ") == 8
