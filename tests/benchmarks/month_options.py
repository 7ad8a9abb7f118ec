"""What options add to a tile-month: quality, spread, another quantity of backscatter, a cube for each track."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.pipeline import Progress, moved_granules, run_workflow
from benchmarks.report import Run, table
from s1monthly.granule_names import layer_file
from s1monthly.granules import Granule, StaticGranule, passes_of
from s1monthly.model import Polarization
from s1monthly.sources.simulated.source import SimulatedSource

OTHER_TRACK = 164
"""Another track over the tile, which the second of the three passes gets for months of two tracks."""


@dataclass(frozen=True)
class Case:
    """A run of a month: its title, the title of the case it is compared with, and its options."""

    title: str
    beside: str = ""
    goal: str = ""
    tracks: int = 1
    processing: dict[str, Any] = field(default_factory=dict)
    formats: dict[str, Any] = field(default_factory=dict)
    statics: bool = False


CASES = (
    Case("plain"),
    Case("quality", "plain", "+0.5 s", formats={"quality": True}),
    Case("spread of five", "plain", "+2 s", processing={"spread": ["min", "max", "std", "p10", "p90"]}),
    Case("static layers", statics=True),
    Case("beta0", "static layers", "+2 s", processing={"radiometry": "beta0"}, statics=True),
    Case("two tracks, pooled", tracks=2),
    Case("two tracks, by_track", "two tracks, pooled", "x 1.3", tracks=2, processing={"by_track": True}),
)


def add_static(folder: Path, granules: Sequence[StaticGranule]) -> None:
    """Link static granules into a folder."""
    for granule in granules:
        for layer in granule.layers:
            link = folder / granule.id / layer_file(granule.id, layer.name)
            if not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                os.link(layer.url, link)


def measure(
    granules: Sequence[Granule], folder: Path, cores: int, repeat: int, progress: Progress
) -> dict[str, dict[str, float]]:
    """Run all cases turn by turn; return medians of wall and CPU seconds, and MB of the largest job, by title."""
    source = SimulatedSource(folder=folder / "granules", seed=1, polarization=Polarization.VV_VH, tracks=1)
    statics = list(map(source.make, source.static({granule.burst for granule in granules}).values()))
    sources = {1: folder / "granules_static", 2: folder / "granules_two_tracks"}
    moved_granules(sources[1], granules, [timedelta()])
    add_static(sources[1], statics)
    second = {granule.id for granule in passes_of(granules)[1].granules}
    of_two = [
        replace(granule, burst=replace(granule.burst, track=OTHER_TRACK)) if granule.id in second else granule
        for granule in granules
    ]
    moved_granules(sources[2], of_two, [timedelta()])
    runs: dict[str, list[Run]] = {case.title: [] for case in CASES}
    for number in range(repeat + 1):
        for case in CASES if number else CASES[:1]:
            place = sources[case.tracks], folder / "run_option"
            run = run_workflow(*place, cores, case.processing, formats=case.formats, statics=case.statics)
            progress(f"{case.title}, run {number}: {run.wall:.1f} s, {run.cpu:.1f} CPU s")
            if number:
                runs[case.title].append(run)
    return {
        title: {
            "wall": median(run.wall for run in mine),
            "cpu": median(run.cpu for run in mine),
            "peak": max(job.peak for run in mine for job in run.jobs),
        }
        for title, mine in runs.items()
    }


def options_table(found: dict[str, dict[str, float]]) -> str:
    """Lay out what `measure` found, each case beside the one it is compared with."""
    rows = []
    for case in CASES:
        mine, other = found[case.title], found.get(case.beside)
        more = "" if other is None else f"{mine['wall'] - other['wall']:+.1f} s, x {mine['wall'] / other['wall']:.2f}"
        rows.append((case.title, mine["wall"], mine["cpu"], mine["peak"], more, case.goal))
    return table(("case", "wall s", "CPU s", "peak MB", "more", "goal"), rows)
