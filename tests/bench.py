"""Measure a full tile-month, rule by rule, beside plain libraries, and its accuracy on a known truth.

    make bench                                   all of it, medians of three runs
    .venv/bin/python tests/bench.py --repeat 1   a quick look
    .venv/bin/python tests/bench.py --only scale     what planning costs, up to a hundred tiles of ten years

The workflow runs unchanged, from simulated granules, through the local source, to the catalogs. Making the granules
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
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from benchmarks import (
    accuracy,
    breakdown,
    cube_growth,
    grd,
    kernels,
    link,
    month_options,
    pipeline,
    report_page,
    scale,
    slopes,
    static_layers,
    texture,
    upload,
)
from benchmarks.report import WIDTH
from s1monthly.granules import Granule

LIBRARIES = ("numpy", "numba", "rasterio", "zarr", "xarray", "scikit-image", "snakemake")


@dataclass(frozen=True)
class Bench:
    """What the parts work with."""

    granules: list[Granule]
    folder: Path
    cores: int
    repeat: int
    progress: pipeline.Progress


@dataclass(frozen=True)
class Part:
    """A part of the benchmark: its title, how it is measured, and how all that was found is laid out as text."""

    title: str
    measure: Callable[[Bench], Any]
    lay_out: Callable[[dict[str, Any]], str]
    of_granules: bool = False


PARTS = {
    "pipeline": Part(
        "The workflow, case by case",
        lambda b: pipeline.measure(b.granules, b.folder, b.cores, b.repeat, b.progress),
        lambda found: pipeline.tables(found["pipeline"], found["cores"]),
        of_granules=True,
    ),
    "options": Part(
        "What options add to a tile-month",
        lambda b: month_options.measure(b.granules, b.folder, b.cores, b.repeat, b.progress),
        lambda found: month_options.options_table(found["options"]),
        of_granules=True,
    ),
    "speckle": Part(
        "A tile-month with each despeckling method",
        lambda b: pipeline.measure_methods(b.granules, b.folder, b.cores, b.progress),
        lambda found: pipeline.methods_table(found["speckle"]),
        of_granules=True,
    ),
    "breakdown": Part(
        "Where the time of a tile-month goes",
        lambda b: breakdown.measure(b.granules, b.folder / "breakdown", b.cores, b.repeat, b.progress),
        lambda found: breakdown.breakdown_table(found["breakdown"], found.get("pipeline", {}).get("full")),
        of_granules=True,
    ),
    "kernels": Part(
        "Beside plain libraries",
        lambda b: kernels.compare(b.granules, b.folder / "kernels", b.repeat, b.progress),
        lambda found: kernels.comparison_table(found["kernels"]),
        of_granules=True,
    ),
    "static": Part(
        "Static layers, and another quantity of backscatter",
        lambda b: static_layers.measure(b.granules, b.folder, b.cores, b.repeat, b.progress),
        lambda found: static_layers.static_table(found["static"]),
        of_granules=True,
    ),
    "texture": Part(
        "Textures of two bands of a full tile",
        lambda b: texture.measure(b.folder, b.repeat, b.progress),
        lambda found: texture.texture_table(found["texture"]),
    ),
    "accuracy": Part(
        "Against the simulator's truth, in dB: root mean square error, and bias",
        lambda b: accuracy.measure(b.granules, b.progress),
        lambda found: accuracy.accuracy_tables(found["accuracy"]),
        of_granules=True,
    ),
    "slopes": Part(
        "Slopes seen from both directions, against a known truth",
        lambda b: slopes.measure(b.progress),
        lambda found: slopes.slopes_table(found["slopes"]),
    ),
    "grd": Part(
        "Whole GRD scenes on a tile",
        lambda b: grd.measure(b.folder / "grd", b.cores, b.repeat, b.progress),
        lambda found: grd.grd_table(found["grd"]),
    ),
    "link": Part(
        "Fetched over a link of 60 MB/s, 6 MB/s a connection, 0.3 s to the first byte of an answer",
        lambda b: link.measure(b.granules, b.folder, b.cores, b.progress),
        lambda found: link.link_table(found["link"]),
        of_granules=True,
    ),
    "growth": Part(
        "A full tile's cube that holds so many months",
        lambda b: cube_growth.measure(b.folder, b.repeat, b.progress),
        lambda found: cube_growth.growth_table(found["growth"]),
    ),
    "scale": Part(
        "Finding out what is to be done: snakemake -n, and a run that has nothing to do",
        lambda b: scale.measure(b.folder, b.progress),
        lambda found: scale.scale_table(found["scale"]),
    ),
    "upload": Part(
        "Publishing: an idle call; and what readers fetch from a server of the published tree",
        lambda b: upload.measure(b.folder / "upload", b.progress),
        lambda found: upload.upload_table(found["upload"]),
    ),
    "report": Part(
        "The report: built anew, with nothing and one month changed, and opened in a browser, in seconds",
        lambda b: report_page.measure(b.folder, b.progress),
        lambda found: report_page.report_table(found["report"]),
    ),
}


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    began = time.perf_counter()

    def progress(text: str) -> None:
        print(f"[{time.perf_counter() - began:6.1f} s] {text}", file=sys.stderr, flush=True)

    found: dict[str, Any] = {"machine": machine(), "cores": options.cores, "repeat": options.repeat}
    parts = {options.only: PARTS[options.only]} if options.only else PARTS
    with ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="s1monthly-bench-")))
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        granules = []
        if any(part.of_granules for part in parts.values()):
            granules = pipeline.make_granules(folder / "granules", options.cores, progress)
        bench = Bench(granules, folder, options.cores, options.repeat, progress)
        for name, part in parts.items():
            found[name] = part.measure(bench)
    found["machine"]["load_after"] = os.getloadavg()[0]
    progress("done")
    print(report(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1, default=asdict) + "\n")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=2, help="cores for Snakemake (2)")
    parser.add_argument("--repeat", type=int, default=3, help="runs, whose medians are shown (3)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work in this folder and leave everything there")
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file too")
    options = parser.parse_args(arguments)
    if min(options.cores, options.repeat) < 1:
        parser.error("--cores and --repeat must be at least 1")
    return options


def machine() -> dict[str, Any]:
    """Describe the machine and the libraries."""
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
        f"{found['cores']} cores; medians of {found['repeat']}",
    ]
    for name, part in PARTS.items():
        if name in found:
            text += ["", part.title, "", part.lay_out(found)]
    return "\n".join(text)


if __name__ == "__main__":
    main()
