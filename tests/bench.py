"""Measure a full tile-month, rule by rule, beside plain libraries, and its accuracy on a known truth.

    make bench                                   all of it, medians of three runs
    .venv/bin/python tests/bench.py --repeat 1   a quick look
    .venv/bin/python tests/bench.py --only layouts   what other chunks, shards and codecs of the cube would cost

The workflow runs as it stands, from simulated granules, through the local source, to the catalogs. Making the granules
is not measured, nor is a first run, over the month that is 99 % empty, in which kernels are compiled. Nothing is
judged: times depend on the machine, and on what else it does.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import textwrap
import time
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from benchmarks import accuracy, cube_growth, cube_layouts, kernels, pipeline
from benchmarks.report import WIDTH, Run, summary, summary_table
from s1monthly.vocabulary import Granule

PARTS = ("pipeline", "kernels", "accuracy", "growth")
OF_GRANULES = {"pipeline", "kernels", "accuracy"}
"""Parts that need the simulated granules."""
LIBRARIES = ("numpy", "numba", "rasterio", "zarr", "xarray", "scikit-image", "snakemake")


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    began = time.perf_counter()

    def progress(text: str) -> None:
        print(f"[{time.perf_counter() - began:6.1f} s] {text}", file=sys.stderr, flush=True)

    found: dict[str, Any] = {"machine": machine(), "cores": options.cores, "repeat": options.repeat}
    parts = [options.only] if options.only else PARTS
    with ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="s1monthly-bench-")))
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        granules = []
        if OF_GRANULES & set(parts):
            granules = pipeline.make_granules(folder / "granules", options.cores, progress)
        if "pipeline" in parts:
            found["pipeline"] = run_pipeline(granules, folder, options.cores, options.repeat, progress)
        if "kernels" in parts:
            made = folder / "kernels"
            made.mkdir(exist_ok=True)
            found["kernels"] = kernels.compare(granules, made, options.repeat, progress)
        if "accuracy" in parts:
            found["accuracy"] = accuracy.measure(granules, progress)
        if "growth" in parts:
            found["growth"] = cube_growth.measure(folder, options.repeat, progress)
        if "layouts" in parts:
            found["layouts"] = cube_layouts.compare(folder, options.repeat, progress)
    found["machine"]["load_after"] = os.getloadavg()[0]
    progress("done")
    print(report(found))
    if options.json:
        if "kernels" in found:
            found["kernels"] = kernels.as_json(found["kernels"])
        for name, part in (("growth", cube_growth), ("layouts", cube_layouts)):
            if name in found:
                found[name] = part.as_json(found[name])
        options.json.write_text(json.dumps(found, indent=1) + "\n")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=2, help="cores for Snakemake (2)")
    parser.add_argument("--repeat", type=int, default=3, help="runs, of which the medians are told (3)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work in this folder and leave all there")
    parser.add_argument("--only", choices=(*PARTS, "layouts"), help="one part alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file too")
    options = parser.parse_args(arguments)
    if min(options.cores, options.repeat) < 1:
        parser.error("--cores and --repeat must be 1 at least")
    return options


def machine() -> dict[str, Any]:
    """Say where this runs."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return {
        "cpu": model,
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
        "load_before": os.getloadavg()[0],
    }


def run_pipeline(
    granules: list[Granule], folder: Path, cores: int, repeat: int, progress: pipeline.Progress
) -> dict[str, Any]:
    """Run the workflow over the full month and the nearly empty one, turn by turn; one run of the latter in advance."""
    sources = {"full": folder / "granules", "empty": folder / "granules_empty"}
    progress("the same granules, 99 % empty")
    pipeline.empty_granules(sources["empty"], granules)
    progress("first run, not measured")
    pipeline.run_workflow(sources["empty"], folder / "run_first", cores)
    runs: dict[str, list[Run]] = {"full": [], "empty": []}
    for number in range(1, repeat + 1):
        for case, source in sources.items():
            run = pipeline.run_workflow(source, folder / f"run_{case}", cores)
            runs[case].append(run)
            progress(f"{case} month, run {number} of {repeat}: {run.wall:.1f} s, {run.cpu:.1f} CPU s")
    return {
        case: summary(of_case) | {"product_mb": pipeline.product_sizes(folder / f"run_{case}")}
        for case, of_case in runs.items()
    }


def report(found: dict[str, Any]) -> str:
    """Lay out all that was found."""
    here = found["machine"]
    libraries = ", ".join(f"{name} {number}" for name, number in here["libraries"].items())
    text = [
        f"{here['cpu']}, {here['cpus']} CPUs; load {here['load_before']:.1f} before, {here['load_after']:.1f} after",
        *textwrap.wrap(f"Python {here['python']}, {libraries}", WIDTH),
    ]
    titles = {"full": "A tile-month: 36 granules, 3 passes, 4 bands", "empty": "A month that is 99 % empty"}
    for case, runs in found.get("pipeline", {}).items():
        text += ["", f"{titles[case]}; {found['cores']} cores, median of {runs['runs']}", "", summary_table(runs)]
        sizes = ", ".join(f"{kind} {size:.1f}" for kind, size in runs["product_mb"].items())
        text += ["", f"products, MB: {sizes}"]
    if "kernels" in found:
        title = f"Beside plain libraries; median of {found['repeat']}"
        text += ["", title, "", kernels.comparison_table(found["kernels"])]
    if "accuracy" in found:
        title = "Against the simulator's truth, in dB: root mean square error, and bias"
        text += ["", title, "", accuracy.accuracy_tables(found["accuracy"])]
    if "growth" in found:
        title = f"A full tile's cube that holds so many months; median of {found['repeat']}"
        text += ["", title, "", cube_growth.growth_table(found["growth"])]
    if "layouts" in found:
        title = (
            f"Ways to store a cube: a month, a point's {cube_layouts.MONTHS} months, a map; median of {found['repeat']}"
        )
        text += ["", title, "", cube_layouts.layout_table(found["layouts"])]
    return "\n".join(text)


if __name__ == "__main__":
    main()
