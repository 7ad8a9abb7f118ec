"""Packages import from packages above them only, none in a circle; kernels know arrays only."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "scripts" / "s1monthly"

LINES = (
    ("errors", "model", "granules", "granule_names", "layout", "files", "versions"),
    ("kernels", "grid"),
    ("config",),
    ("raster", "cube"),
    ("sources",),
    ("records",),
    ("workflow",),
    ("catalog", "mosaic", "series"),
    ("stages",),
    ("audit",),
    ("explorer", "report", "upload"),
    ("reading", "console"),
)
"""Packages from top to bottom; those of one line do not know each other, but for the words and paths of the first."""


def imports_of(library: Path) -> dict[str, set[str]]:
    """Every module of a library and the modules that it imports, lazily or not; named from the library down."""
    paths = {_name(library, path): path for path in sorted(library.rglob("*.py"))}
    return {name: set(_imported(path, library.name, set(paths))) - {name} for name, path in paths.items()}


def _name(library: Path, path: Path) -> str:
    parts = path.relative_to(library).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(path: Path, library: str, modules: set[str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names]
            names = [name if name.removeprefix(f"{library}.") in modules else module for name in names]
        else:
            continue
        yield from (name.removeprefix(library).removeprefix(".") for name in names if name.split(".")[0] == library)


def wrong_imports(imports: Mapping[str, set[str]]) -> list[str]:
    """Imports that do not point up to an earlier line."""
    line = {package: number for number, packages in enumerate(LINES) for package in packages}
    wrong = []
    for module, others in imports.items():
        package = module.split(".")[0]
        for other in sorted(others):
            target = other.split(".")[0]
            if "" in (package, target) or package == target or line[package] == line[target] == 0:
                continue
            if line[target] >= line[package]:
                wrong.append(f"{module} imports {other}")
    return wrong


def circle(imports: Mapping[str, set[str]]) -> list[str]:
    """A circle of imports, as a path; empty where there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_module_stands_in_a_package_of_the_list() -> None:
    known = {"__init__", *(package for packages in LINES for package in packages)}
    found = {path.stem for path in LIBRARY.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert found == known


def test_packages_import_from_lines_above_them_only() -> None:
    assert wrong_imports(imports_of(LIBRARY)) == []


def test_no_module_imports_in_a_circle() -> None:
    assert circle(imports_of(LIBRARY)) == []


def test_these_tests_see_what_is_wrong(tmp_path: Path) -> None:
    library = tmp_path / "s1monthly"
    for name, text in {
        "__init__": "",
        "model": "",
        "cube/__init__": "",
        "cube/months": "def f():\n    from s1monthly.catalog import table\n    return table\n",
        "cube/axis": "import s1monthly.raster.cog\n",
        "raster/cog": "from s1monthly import model\nfrom s1monthly.raster.tiff import x\n",
        "raster/tiff": "def f():\n    from s1monthly.raster.cog import y\n    return y\n",
        "catalog/table": "from s1monthly.cube.months import f\n",
    }.items():
        path = library / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    imports = imports_of(library)
    assert wrong_imports(imports) == ["cube.axis imports raster.cog", "cube.months imports catalog.table"]
    assert circle(imports)
    assert not circle({name: others - {"catalog.table", "raster.cog"} for name, others in imports.items()})


@pytest.mark.parametrize("path", sorted((LIBRARY / "kernels").rglob("*.py")), ids=lambda path: path.stem)
def test_kernels_know_no_path_config_or_log(path: Path) -> None:
    tree = ast.walk(ast.parse(path.read_text()))
    names = {alias.name for node in tree if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
    assert not names & {"pathlib", "os", "logging"}


def test_the_library_imports_no_script() -> None:
    scripts = {path.stem for path in (ROOT / "scripts").glob("*.py")}
    for path in LIBRARY.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not {alias.name.split(".")[0] for alias in node.names} & scripts, path
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in scripts, path
