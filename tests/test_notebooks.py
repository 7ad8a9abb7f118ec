"""The notebooks, executed one after the other on the small tree that the second one makes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import s1monthly
from conftest import ROOT

FOLDER = ROOT / "scripts" / "notebooks"
NOTEBOOKS = sorted(path.name for path in FOLDER.glob("*.ipynb"))
RUN = "2_run.ipynb"

pytestmark = pytest.mark.xdist_group("notebooks")  # one tree, made once, in one process


def execute(name: str, output: Path) -> tuple[str, int]:
    """Execute a notebook on an output tree; return its printed text and the number of its figures."""
    notebook = nbformat.read(FOLDER / name, as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("S1MONTHLY_OUTPUT", str(output))
        patch.setenv("IPYTHONDIR", str(output.parent / "ipython"))
        patch.delenv("MPLBACKEND", raising=False)
        NotebookClient(
            notebook, timeout=200, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
        ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    text = "\n".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs)
    return text, sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_stripped_and_uses_what_there_is(name: str) -> None:
    content = json.loads((FOLDER / name).read_text())
    nbformat.validate(nbformat.from_dict(content))
    assert content["metadata"].keys() == {"kernelspec", "language_info"} and content["nbformat_minor"] == 5
    assert content["metadata"]["language_info"] == {"name": "python"}
    for cell in content["cells"]:
        assert cell["metadata"] == {} and not cell.get("outputs") and cell.get("execution_count") is None
    source = "\n".join("".join(cell["source"]) for cell in content["cells"])
    assert 'os.environ.get("S1MONTHLY_OUTPUT"' in source
    assert {*re.findall(r"\bs1monthly\.(\w+)\(", source)} <= {*s1monthly.__all__}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, int]:
    base = tmp_path_factory.mktemp("notebooks")
    return (base / "notebook" / "output", *execute(RUN, base / "demo"))


def test_the_run_is_previewed_made_and_shown(run: tuple[Path, str, int]) -> None:
    base, text, figures = run
    assert "did you mean 'years'?" in text and "2 not searched yet: 2024-05, 2024-07" in text
    assert "10SGD ASCENDING: 2 made -> output/10SGD_ASCENDING" in text and "Nothing to be done" in text
    assert figures == 1 and s1monthly.find_months(base).month.tolist() == ["2024-05", "2024-07"]


@pytest.mark.parametrize(
    ("name", "figures", "says"),
    [
        ("1_find.ipynb", 1, r"10SGD ASCENDING - 2 months, missing: 2024-06"),
        ("3_cube.ipynb", 2, r"\['T137'\]"),
        ("4_mosaic.ipynb", 2, r"10SGD-10SGD-2024-07-ALL-4326\.tif.*EPSG:4326 VV_dB VH_dB Ratio RVI"),
        ("5_series.ipynb", 2, r"found within a month: 9[5-9]\.\d%.*false alarms: +[0-4]\.\d%"),
    ],
)
def test_the_others_read_that_tree(run: tuple[Path, str, int], name: str, figures: int, says: str) -> None:
    text, drawn = execute(name, run[0])
    assert re.search(says, text, re.DOTALL), text
    assert drawn == figures


def test_all_notebooks_are_tested_and_listed() -> None:
    listed = re.findall(r"\]\((\w+\.ipynb)\)", (FOLDER / "README.md").read_text())
    assert sorted(listed) == NOTEBOOKS and len(NOTEBOOKS) == 5
