"""Measure a full tile-month, rule by rule, beside plain libraries, and its accuracy on a known truth.

    make bench                                   all of it, medians of three runs
    .venv/bin/python tests/bench.py --repeat 1   a quick look
    .venv/bin/python tests/bench.py --only layouts   what other chunks, shards and codecs of the cube would cost
    .venv/bin/python tests/bench.py --only scale     what planning costs, up to a hundred tiles of ten years

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
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from benchmarks import accuracy, breakdown, cube_growth, cube_layouts, kernels, pipeline, scale, texture
from benchmarks.report import WIDTH

PARTS = ("pipeline", "breakdown", "kernels", "texture", "accuracy", "growth", "scale")
OF_GRANULES = {"pipeline", "breakdown", "kernels", "accuracy"}
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
            found["pipeline"] = pipeline.measure(granules, folder, options.cores, options.repeat, progress)
        if "breakdown" in parts:
            made = folder / "breakdown"
            made.mkdir(exist_ok=True)
            found["breakdown"] = breakdown.measure(granules, made, options.cores, options.repeat, progress)
        if "kernels" in parts:
            made = folder / "kernels"
            made.mkdir(exist_ok=True)
            found["kernels"] = kernels.compare(granules, made, options.repeat, progress)
        if "texture" in parts:
            found["texture"] = texture.measure(folder, options.repeat, progress)
        if "accuracy" in parts:
            found["accuracy"] = accuracy.measure(granules, progress)
        if "growth" in parts:
            found["growth"] = cube_growth.measure(folder, options.repeat, progress)
        if "scale" in parts:
            found["scale"] = scale.measure(folder, progress)
        if "layouts" in parts:
            found["layouts"] = cube_layouts.compare(folder, options.repeat, progress)
    found["machine"]["load_after"] = os.getloadavg()[0]
    progress("done")
    print(report(found))
    if options.json:
        if "kernels" in found:
            found["kernels"] = kernels.as_json(found["kernels"])
        if "breakdown" in found:
            found["breakdown"] = [asdict(piece) for piece in found["breakdown"]]
        for name, part in (("growth", cube_growth), ("layouts", cube_layouts), ("scale", scale)):
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


def report(found: dict[str, Any]) -> str:
    """Lay out all that was found."""
    here = found["machine"]
    libraries = ", ".join(f"{name} {number}" for name, number in here["libraries"].items())
    text = [
        f"{here['cpu']}, {here['cpus']} CPUs; load {here['load_before']:.1f} before, {here['load_after']:.1f} after",
        *textwrap.wrap(f"Python {here['python']}, {libraries}", WIDTH),
    ]
    if "pipeline" in found:
        text.append(pipeline.tables(found["pipeline"], found["cores"]))
    if "breakdown" in found:
        whole = found.get("pipeline", {}).get("full")
        title = f"Where the time of a tile-month goes; {found['cores']} threads, median of {found['repeat']}"
        text += ["", title, "", breakdown.breakdown_table(found["breakdown"], whole)]
    if "kernels" in found:
        title = f"Beside plain libraries; median of {found['repeat']}"
        text += ["", title, "", kernels.comparison_table(found["kernels"])]
    if "texture" in found:
        title = f"Textures of two bands of a full tile; median of {found['repeat']}"
        text += ["", title, "", texture.texture_table(found["texture"])]
    if "accuracy" in found:
        title = "Against the simulator's truth, in dB: root mean square error, and bias"
        text += ["", title, "", accuracy.accuracy_tables(found["accuracy"])]
    if "growth" in found:
        title = f"A full tile's cube that holds so many months; median of {found['repeat']}"
        text += ["", title, "", cube_growth.growth_table(found["growth"])]
    if "scale" in found:
        title = "Finding out what is to be done: snakemake -n, and a run that has nothing to do"
        text += ["", title, "", scale.scale_table(found["scale"])]
    if "layouts" in found:
        title = (
            f"Ways to store a cube: a month, a point's {cube_layouts.MONTHS} months, a map; median of {found['repeat']}"
        )
        text += ["", title, "", cube_layouts.layout_table(found["layouts"])]
    return "\n".join(text)


if __name__ == "__main__":
    main()
