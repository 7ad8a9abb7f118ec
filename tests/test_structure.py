"""Imports point down the floors only; readers and writers keep to their rooms; the Snakefile stays on floor 0."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "scripts" / "s1monthly"

# A room is a file or folder; rooms in one tuple are one thing and may import each other.
FLOORS: dict[int, list[tuple[str, ...]]] = {
    0: [
        ("errors", "files", "vocabulary", "versions", "naming", "listing", "pixel_pairs", "regions", "crs"),
        ("refusals", "options", "source_config", "processing_config", "config", "config_file", "documentation", "logs"),
        (
            "recipe",
            "granule_list",
            "ledger",
            "slots",
            "estimate",
            "planning",
            "finished",
            "job_settings",
            "work_folder",
            "account",
            "kept",
            "failures",
        ),
        ("run_lock", "file_systems", "future"),
        ("environment", "commands", "jobs"),
    ],
    1: [
        (
            "bands",
            "masking",
            "resampling",
            "resampling_kernels",
            "compositing",
            "despeckling",
            "bregman",
            "bregman_kernels",
        ),
        ("statistics", "previews", "texture", "texture_kernels"),
        ("halving", "float_predictor"),
    ],
    2: [("utm", "outlines", "tiles", "grid", "polygon_mask", "orbit")],
    3: [
        ("sources",),
        (
            "geotiff",
            "geotiff_header",
            "geotiff_rows",
            "raster_header",
            "rasters",
            "cog",
            "cog_blocks",
            "tiff_header",
            "mosaicking",
            "mosaic_vrt",
            "mosaic_cog",
        ),
        ("cube", "cube_axis", "cube_creation", "cube_digest", "cube_files", "cube_layout", "chunk_files"),
        ("records", "measuring", "footprints", "assets", "stac", "collection", "catalog", "cataloguing"),
    ],
    4: [
        ("composing", "publishing"),
        (
            *("findings", "survey", "origins", "products", "overviews", "chunks", "cube_checks", "search_checks"),
            *("restoring", "remains", "doubts", "month_mends", "month_checks", "validation", "rebuilding"),
        ),
        ("inspection", "inspection_report"),
    ],
}
ALLOWED_ACROSS = {("sources", "geotiff"), ("sources", "geotiff_header")}
"""A source reads granule files through the one reader of rasters."""

PLACE = {name: (floor, room) for floor, rooms in FLOORS.items() for room in rooms for name in room}
FLOOR_0_PACKAGES = {"pydantic", "pydantic_core", "yaml", "shapely", "pyproj"}


def modules() -> list[tuple[str, Path]]:
    files = sorted(LIBRARY.rglob("*.py"))
    return [
        (path.relative_to(LIBRARY).with_suffix("").parts[0], path) for path in files if path != LIBRARY / "__init__.py"
    ]


def imported(path: Path) -> set[str]:
    """Dotted names that a file imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
            if node.module == "s1monthly":
                names |= {f"s1monthly.{alias.name}" for alias in node.names if alias.name != "VERSION"}
    return names


def wrong_imports(name: str, path: Path) -> list[str]:
    floor, room = PLACE[name]
    wrong = []
    for dotted in imported(path):
        if not dotted.startswith("s1monthly."):
            if floor == 0 and dotted.split(".")[0] not in FLOOR_0_PACKAGES | sys.stdlib_module_names | {"s1monthly"}:
                wrong.append(f"{name} (floor 0) imports {dotted}")
            continue
        other = dotted.split(".")[1]
        other_floor, other_room = PLACE[other]
        same = other_floor == floor and (floor < 3 or other_room == room or (name, other) in ALLOWED_ACROSS)
        if not (other_floor < floor or same):
            wrong.append(f"{name} (floor {floor}) imports {other} (floor {other_floor})")
    return wrong


@pytest.mark.parametrize(("name", "path"), modules(), ids=lambda value: value if isinstance(value, str) else "")
def test_imports_point_down(name: str, path: Path) -> None:
    assert name in PLACE, f"{path} stands on no floor: add it to FLOORS and to the table in s1monthly/__init__.py"
    assert wrong_imports(name, path) == []


def test_the_test_sees_an_import_that_points_up(tmp_path: Path) -> None:
    bad = tmp_path / "bands.py"
    bad.write_text("def f():\n    from s1monthly.cube.months import state\n    return state\n")
    assert wrong_imports("bands", bad) == ["bands (floor 1) imports cube (floor 3)"]
    bad.write_text("from s1monthly import catalog\n")
    assert wrong_imports("cube", bad) == ["cube (floor 3) imports catalog (floor 3)"]
    bad.write_text("import numpy\n")
    assert wrong_imports("ledger", bad) == ["ledger (floor 0) imports numpy"]


def test_every_room_is_in_the_table_of_floors() -> None:
    table = re.findall(r"^   .*", (LIBRARY / "__init__.py").read_text(), re.MULTILINE)
    assert {name for name, _ in modules()} - set(re.findall(r"\w+", "\n".join(table))) == set()


def import_cycle(library: Path) -> list[str]:
    """Modules that import each other in a circle, at the top or anywhere else in a file; none where there is none."""
    paths = {
        ".".join((library.name, *path.relative_to(library).with_suffix("").parts)).removesuffix(".__init__"): path
        for path in library.rglob("*.py")
    }
    graph: dict[str, set[str]] = {name: set() for name in paths}
    for name, path in paths.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                graph[name] |= {alias.name for alias in node.names} & paths.keys()
            elif isinstance(node, ast.ImportFrom) and node.module in paths:
                inner = {f"{node.module}.{alias.name}" for alias in node.names} & paths.keys()
                graph[name] |= inner if len(inner) == len(node.names) else {node.module, *inner}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_each_other_in_a_circle(tmp_path: Path) -> None:
    assert import_cycle(LIBRARY) == []
    library = tmp_path / "library"
    library.mkdir()
    (library / "__init__.py").write_text("")
    (library / "one.py").write_text("import numpy\nfrom library.two import f\n")
    (library / "two.py").write_text("from library import three\n")
    assert import_cycle(library) == []
    (library / "three.py").write_text("def g():\n    import library.one\n")
    assert set(import_cycle(library)) == {"library.one", "library.two", "library.three"}


def test_kernels_know_no_path_config_or_log() -> None:
    for name in (name for room in FLOORS[1] for name in room):
        path = LIBRARY / f"{name}.py"
        if path.exists():
            assert not imported(path) & {
                "pathlib",
                "os",
                "logging",
                "s1monthly.config.root",
                "s1monthly.workflow.logs",
            }, name


def test_the_library_imports_no_script() -> None:
    scripts = {path.stem for path in (ROOT / "scripts").glob("*.py")}
    for _, path in modules():
        assert not {dotted.split(".")[0] for dotted in imported(path)} & scripts, path


def test_the_snakefile_imports_nothing_heavy() -> None:
    """`snakemake -n` stays fast: what common.smk imports pulls in neither numpy nor rasterio nor zarr."""
    python = (ROOT / "rules" / "common.smk").read_text().split("wildcard_constraints:")[0]
    wanted = list(ast.walk(ast.parse(python)))
    names = sorted(
        {node.module for node in wanted if isinstance(node, ast.ImportFrom) and node.module and node.col_offset == 0}
        - {"snakemake.exceptions"}
    )
    assert "s1monthly.workflow.plan" in names
    heavy = ("numpy", "rasterio", "zarr", "shapely")
    code = f"import sys; [__import__(n) for n in {names!r}]; print([m for m in {heavy!r} if m in sys.modules])"
    environment = {"PYTHONPATH": str(ROOT / "scripts")}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert out.stdout.strip() == "[]", out.stdout + out.stderr


def run_python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(LIBRARY.parent)}, check=True)


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


HEAVY = ("pydantic", "pandas", "zarr", "numba", "rasterio", "xarray", "pyproj", "boto3", "scipy.linalg", "snakemake")
NEEDED = {"bursts": {"rasterio"}, "composite": {"numba"}, "publish": {"rasterio"}}
"""What a rule's script loads of these before its work begins, and cannot do without."""
RULES = ("search", "bursts", "cube", "composite", "publish", "tile_catalog", "catalog")


@pytest.mark.parametrize("rule", RULES)
def test_scripts_of_rules_load_nothing_heavy_that_they_do_not_need(rule: str) -> None:
    code = f"import sys, {rule}; print([name for name in {HEAVY!r} if name in sys.modules])"
    environment = {"PYTHONPATH": str(LIBRARY.parent)}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert out.returncode == 0, out.stderr
    assert set(ast.literal_eval(out.stdout)) <= NEEDED.get(rule, set())
