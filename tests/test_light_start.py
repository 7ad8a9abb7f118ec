"""Rules, scripts and jobs load no library that they do not need, and hide none from others."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "scripts" / "s1monthly"


def run_python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(LIBRARY.parent)}, check=True)


def test_the_rules_import_nothing_heavy() -> None:
    """`snakemake -n` stays fast: what the rules import loads neither numpy nor rasterio nor zarr."""
    lines = (ROOT / "rules" / "common.smk").read_text() + (ROOT / "rules" / "running.smk").read_text()
    modules = re.findall(r"^from (s1monthly\.[\w.]+) import ", lines, re.MULTILINE)
    assert "s1monthly.workflow.plan" in modules
    heavy = ("numpy", "rasterio", "zarr", "shapely")
    run_python(f"import sys; [__import__(n) for n in {modules!r}]; assert not {{*{heavy!r}}} & {{*sys.modules}}")


@pytest.mark.parametrize(
    ("script", "work", "unneeded", "use"),
    [
        ("bursts", "import rasterio", "boto3", "boto3.client"),
        (
            "composite",
            "from s1monthly.kernels.compositing import composite; composite(numpy.ones((1, 8, 8), 'float32'))",
            "scipy.linalg",
            "scipy.linalg.inv",
        ),
    ],
)
def test_scripts_do_not_load_what_is_still_there_for_others(script: str, work: str, unneeded: str, use: str) -> None:
    run_python(f"import numpy, sys, {script}; {work}\nassert {unneeded!r} not in sys.modules\nimport {unneeded}; {use}")


CATALOG = "from s1monthly.catalog.table import *; write_catalog({file!r}, []); read_catalog({file!r})\n"


@pytest.mark.parametrize(
    "script", ["tile_catalog", "catalog", "catalog_inspect", "catalog_rebuild", "catalog_validate"]
)
def test_scripts_write_and_read_catalogs_without_pandas(tmp_path: Path, script: str) -> None:
    run_python(
        f"import sys; sys.modules['__main__'].__file__ = {str(LIBRARY.parent / script)!r} + '.py'; import {script}\n"
        + CATALOG.format(file=str(tmp_path / "catalog.parquet"))
        + "assert 'pandas' not in sys.modules"
    )


def test_the_library_hides_no_module_from_anybody(tmp_path: Path) -> None:
    run_python(
        "import importlib, pkgutil, s1monthly\n"
        "for found in pkgutil.walk_packages(s1monthly.__path__, 's1monthly.'): importlib.import_module(found.name)\n"
        + CATALOG.format(file=str(tmp_path / "catalog.parquet"))
        + "from rasterio.session import AWSSession, Session; import numba.np.arraymath, pandas, pyarrow\n"
        "assert isinstance(Session.aws_or_dummy(aws_access_key_id='a', aws_secret_access_key='b'), AWSSession)\n"
        "assert numba.np.arraymath._HAVE_BLAS and len(pyarrow.table({'a': [1]}).to_pandas()) == 1\n"
    )


HEAVY = (
    "pydantic",
    "pandas",
    "pyogrio",
    "zarr",
    "numba",
    "rasterio",
    "xarray",
    "pyproj",
    "boto3",
    "scipy.linalg",
    "snakemake",
    "bokeh",
)
NEEDED = {"heights": {"rasterio"}, "bursts": {"rasterio"}, "composite": {"numba"}, "publish": {"rasterio"}}
"""What a rule's script loads of these before its work begins, and cannot do without."""
RULES = ("search", "heights", "bursts", "cube", "composite", "publish", "tile_catalog", "catalog")


@pytest.mark.parametrize("rule", RULES)
def test_scripts_of_rules_load_nothing_heavy_that_they_do_not_need(rule: str) -> None:
    code = f"import sys, {rule}; print([name for name in {HEAVY!r} if name in sys.modules])"
    environment = {"PYTHONPATH": str(LIBRARY.parent)}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert out.returncode == 0, out.stderr
    assert set(ast.literal_eval(out.stdout)) <= NEEDED.get(rule, set())
