"""What Snakemake needs to find out what is to be done, from one tile-month to a hundred tiles of ten years.

Output trees are laid down as runs leave them, as far as anything looks at them before a job: the answers of the search,
granule lists, records of full length, cubes without arrays, all other files empty, and Snakemake's own memory. In two
states: everything searched and nothing made, so that every job of every month is planned; and everything made.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import shapely
import yaml

from benchmarks.pipeline import PROBE, ROOT, Progress
from benchmarks.report import MIB, read_probes, table
from s1monthly.config.root import Config, load_config
from s1monthly.cube.header import COMPLETE
from s1monthly.grid.lattice import tile_geobox
from s1monthly.grid.tiles import tiles_of_roi
from s1monthly.layout import Layout
from s1monthly.model import Direction, Month, Tile
from s1monthly.records.granule_list import COLUMNS
from s1monthly.records.month import Record
from s1monthly.records.recipe import digest, recipe
from s1monthly.records.seal import SEAL, seal
from s1monthly.records.search_log import Answer, write_answers
from s1monthly.workflow.asking import question_of
from support.month_samples import granule, month_record
from support.sites import write_store

TILES, MONTHS = (1, 10, 100), (1, 12, 120)
FIRST = Month(2015, 1)
REGION = shapely.box(6.0, 44.0, 17.0, 52.0)
"""Has more than a hundred tiles, in two zones."""
PASSES, BURSTS = 3, 12
"""Of each month, as in the benchmark of a full one."""

MEMORY, NOTES = Path(".snakemake/metadata"), Path(".snakemake/s1monthly_finished.json")

COMMANDS = {"preview": ["-n"], "every job": ["-n", "--quiet", "host"], "run": []}
"""A preview; one that shows every job, and so plans them all, as a run does that has to make them; a run."""


@dataclass(frozen=True)
class Case:
    """An output tree: how many tiles, months and directions; every month made, or the search answered and no more."""

    tiles: int
    months: int
    directions: int = 1
    made: bool = False

    def __str__(self) -> str:
        return f"{self.tiles} x {self.months} x {self.directions}, {'all made' if self.made else 'nothing made'}"


@dataclass(frozen=True)
class Measured:
    """What one of COMMANDS needed over a tree: seconds, and peak resident memory in MiB."""

    case: Case
    command: str
    wall: float
    cpu: float
    peak: float


def cases(tiles: Sequence[int] = TILES, months: Sequence[int] = MONTHS) -> list[Case]:
    """All sizes in one direction, and a middling one in both; nothing made, and all made."""
    sizes = [Case(t, m) for t in tiles for m in months]
    sizes.append(Case(sorted(tiles)[len(tiles) // 2], max(months), directions=2))
    return [replace(case, made=made) for made in (False, True) for case in sizes]


def measure(folder: Path, progress: Progress, wanted: Sequence[Case] | None = None) -> list[Measured]:
    """Measure the commands in every tree, and remove it again; raises as `run`."""
    found = []
    for case in cases() if wanted is None else wanted:
        place = folder / "scale"
        shutil.rmtree(place, ignore_errors=True)
        lay_down(place, case)
        for command in ("preview", "run" if case.made else "every job"):
            one = run(place, case, command)
            found.append(one)
            progress(f"{case}: {command} {one.wall:.1f} s, {one.cpu:.1f} CPU s, {one.peak:.0f} MiB")
        shutil.rmtree(place)
    return found


def lay_down(folder: Path, case: Case) -> None:
    """Lay down a tree in a new folder, with its configuration: the working directory of Snakemake."""
    folder.mkdir(parents=True)
    tiles, directions = [str(tile) for tile in tiles_of_roi(REGION)[: case.tiles]], list(Direction)[: case.directions]
    values = {
        "roi": {"manual_mgrs_tiles": tiles, "flight_direction": [str(direction) for direction in directions]},
        "time": {"start": str(FIRST), "end": str(FIRST.shift(case.months - 1))},
        "source": {"kind": "asf"},
        "output": {"base_dir": "output", "disk_warn_gb": 0},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(values))
    config = load_config(values)
    layout = Layout(str(folder / "output"), str(folder / "output" / "work"))
    months = list(FIRST.until(FIRST.shift(case.months - 1)))
    trees = [_Tree(layout, tile, str(direction), months) for tile in tiles for direction in directions]
    record = _record(config)
    for tree in trees:
        tree.search(config, record)
        if case.made:
            tree.make(record)
    if case.made:
        Path(layout.coverage).parent.mkdir()
        for path in (layout.catalog, layout.items, layout.stac_root, layout.collection, layout.coverage):
            Path(path).touch()
        for tree in trees:
            tree.path(layout.direction_collection).touch()
        _remember(folder, trees)


def _record(config: Config) -> Record:
    """Record of a month with a full number of granules, made by the configuration's recipe."""
    day = FIRST.start + timedelta(days=2, hours=2)
    moments = [
        (day + timedelta(days=12 * n, seconds=3 * burst), burst) for n in range(PASSES) for burst in range(BURSTS)
    ]
    granules, how = [granule(moment, 292318 + burst) for moment, burst in moments], recipe(config)
    return replace(month_record(month=str(FIRST), granules=granules), recipe=how, recipe_digest=digest(how))


class _Tree:
    """The files of one tile and direction."""

    def __init__(self, layout: Layout, tile: str, direction: str, months: Sequence[Month]) -> None:
        self.layout, self.tile, self.direction, self.months = layout, tile, direction, months

    def path(self, pattern: str, month: Month | None = None, slots: str = "") -> Path:
        """Fill a pattern of the layout, and make the folder."""
        path = Path(pattern.format(tile=self.tile, direction=self.direction, month=month, slots=slots))
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def search(self, config: Config, record: Record) -> None:
        """Leave what a search leaves: every month has granules, and was asked about long after it ended."""
        number = PASSES * BURSTS
        moment, held = "2026-01-02T03:04:05Z", str(record.granules_digest)
        answer = Answer(moment, number, PASSES, 0, number * 14_000_000, held, "", from_earliest=False, lost=())
        write_answers(self.path(self.layout.search), question_of(config), dict.fromkeys(self.months, answer))
        for month in self.months:
            self.path(self.layout.granules, month).write_text(",".join(COLUMNS) + "\n")

    def make(self, record: Record) -> None:
        """Leave what the making of every month leaves, in the order of the rules."""
        first, last = self.months[0], self.months[-1]
        assert record.recipe is not None
        write_store(self.path(self.layout.cube), first, last, record.recipe, dict.fromkeys(self.months, COMPLETE))
        self.path(self.layout.slots, slots=f"{first}_{last}_{record.recipe_digest}").touch()
        text = record.to_json().replace(str(record.key.tile), self.tile)
        text = text.replace(str(record.key.direction), self.direction)
        for month in self.months:
            content = json.loads(text.replace(str(FIRST), str(month)))
            del content[SEAL]
            content["grid"] = asdict(tile_geobox(Tile(self.tile)))
            self.path(self.layout.record, month).write_text(json.dumps(seal(content)))
            for pattern in (self.layout.cog, self.layout.preview, self.layout.item):
                self.path(pattern, month).touch()
        self.path(self.layout.tile_catalog).touch()
        self.path(self.layout.tile_items).touch()


def _remember(folder: Path, trees: Sequence[_Tree]) -> None:
    """Write the memory of the run that made a tree: what is noted of the first tile-month, for every other.

    That is noted when Snakemake is told to touch all files; for larger trees it takes longer than what is measured.
    """
    first = trees[0]
    if len(trees) * len(first.months) == 1:
        _snakemake(folder, "--touch", "--forceall")
        return
    sample = folder / "sample"
    lay_down(sample, Case(1, 1, made=True))
    _remember_jobs(sample / MEMORY, folder / MEMORY, trees)
    (note,) = json.loads((sample / NOTES).read_text()).values()
    notes = {}
    for tree in trees:
        for month in tree.months:
            patterns = (tree.layout.record, tree.layout.cog, tree.layout.preview, tree.layout.item)
            paths = [tree.path(pattern, month) for pattern in patterns]
            files = [[status.st_mtime_ns, status.st_size] for status in map(os.stat, paths)]
            notes[str(paths[0].relative_to(folder))] = [note[0], *files]
    (folder / NOTES).write_text(json.dumps(notes))
    shutil.rmtree(sample)


def _remember_jobs(sample: Path, held: Path, trees: Sequence[_Tree]) -> None:
    """Write Snakemake's own notes, from those of one tile-month."""
    first = trees[0]
    of_month, of_tree, others = [], [], []
    for path in sample.iterdir():
        name, text = urlsafe_b64decode(path.name).decode(), path.read_text()
        pairs = of_month if str(FIRST) in name else of_tree if first.tile in name else others
        pairs.append((name, text))
    held.mkdir(parents=True)

    def note(name: str, text: str, *renamed: tuple[str, str]) -> None:
        for old, new in renamed:
            name, text = name.replace(old, new), text.replace(old, new)
        (held / urlsafe_b64encode(name.encode()).decode()).write_text(text)

    for name, text in others:
        note(name, text)
    for tree in trees:
        place = (first.tile, tree.tile), (first.direction, tree.direction)
        for name, text in of_tree:
            note(name, text, *place)
        for month in tree.months:
            for name, text in of_month:
                note(name, text, *place, (str(FIRST), str(month)))


def run(folder: Path, case: Case, command: str) -> Measured:
    """Run Snakemake in a tree and measure it.

    Raises RuntimeError if it fails, plans anything in a tree that is made, or not every month in one that is not.
    """
    probes = folder / "probes"
    shutil.rmtree(probes, ignore_errors=True)
    probes.mkdir()
    before, began = _children(), time.perf_counter()
    output = _snakemake(folder, *COMMANDS[command], probes=probes)
    wall, cpu = time.perf_counter() - began, _children() - before
    number = case.tiles * case.months * case.directions
    told = sum(map(int, re.findall(r"(\d+) made" if case.made else r": (\d+) missing", output)))
    if told != number or ("Nothing to be done" in output) != case.made:
        raise RuntimeError(f"{case}: {told} months told, not {number}:\n{output[-3000:]}")
    return Measured(case, command, wall, cpu, max(found["peak_bytes"] for found in read_probes(probes)) / MIB)


def _snakemake(folder: Path, *arguments: str, probes: Path | None = None) -> str:
    environment = dict(os.environ)
    if probes:
        search = os.pathsep.join(filter(None, [str(PROBE), os.environ.get("PYTHONPATH")]))
        environment |= {"PYTHONPATH": search, "BENCH_PROBE": str(probes.resolve())}
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2", *arguments]
    command += ["--configfile", "config.yaml"]
    ended = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if ended.returncode:
        raise RuntimeError(f"snakemake ended with {ended.returncode}:\n{ended.stdout[-3000:]}")
    return ended.stdout


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def scale_table(found: Sequence[Measured]) -> str:
    """Lay out the figures: a line a command and tree; seconds of CPU time, and peak memory."""
    header = ("", "tiles", "directions", "months", "wall s", "CPU s", "MiB")
    rows: list[Sequence[Any]] = []
    kinds = dict.fromkeys((one.case.made, one.command) for one in found)
    for made, command in sorted(kinds):
        rows += [()] if rows else []
        title = f"{command}, {'all' if made else 'nothing'} made"
        for one in found:
            if (one.case.made, one.command) == (made, command):
                case = one.case
                rows.append((title, case.tiles, case.directions, case.months, one.wall, one.cpu, round(one.peak)))
                title = ""
    return table(header, rows, digits=1)
