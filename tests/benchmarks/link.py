"""Months fetched over a link of known speed: how much of it a run uses, and how long it takes.

The archive stands in a process of its own, over the benchmark's granules: HTTPS, a login by token, a redirect to a
signed address. The link delays the first byte of every answer, and limits a connection and all of them together.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import rasterio.shutil

from benchmarks.pipeline import MONTH, TILE, Progress, run_workflow
from benchmarks.report import Run, table
from s1monthly.files import replacing
from s1monthly.granules import Granule, Layer


@dataclass(frozen=True)
class Shape:
    """A link: seconds to the first byte of an answer, MB/s of a connection, and of all of them together."""

    first_byte: float = 0.3
    each: float = 6.0
    together: float = 60.0


@dataclass(frozen=True)
class Case:
    """Runs over the link: their title, number of months and tiles, and section ``download`` of the configuration."""

    title: str
    months: int = 1
    tiles: tuple[str, ...] = (str(TILE),)
    download: Mapping[str, Any] | None = None


NEIGHBOURS = (str(TILE), "19UEQ", "19UDP", "19UDQ")
CASES = (Case("a month"), Case("4 months", months=4), Case("a month of 4 tiles", tiles=NEIGHBOURS))
CASES += (Case("a month of a tile beside", tiles=NEIGHBOURS[1:2]),)
CASES += (Case("the same, download.window", tiles=NEIGHBOURS[1:2], download={"window": True}),)


@dataclass(frozen=True)
class Carried:
    """What the link carried: bytes and files, and seconds from the first to the last byte."""

    sent: int
    files: int
    seconds: float

    @property
    def rate(self) -> float:
        """MB/s."""
        return self.sent / 1e6 / max(self.seconds, 1e-9)


def _serve(pipe: Connection, granules: Sequence[Granule], shape: Shape) -> None:
    """Serve granules: tell where, then what was carried whenever asked; end with the pipe."""
    from standin import Archive, standins
    from standin.link import Link

    archive = Archive()
    for granule in granules:
        archive.add(granule)
    with standins(archive) as world:
        signed, data = world.earthdata.signed, world.earthdata.data
        data.link = Link(shape.first_byte)
        pipe.send((world.hosts, world.environment(EARTHDATA_TOKEN=world.token)))
        while True:
            signed.link, before = Link(shape.first_byte, shape.each * 1e6, shape.together * 1e6), len(signed.log)
            try:
                pipe.recv()
            except EOFError:
                return
            pipe.send(Carried(signed.link.sent, len(signed.log) - before, signed.link.ended - signed.link.began))


def as_cogs(folder: Path, granules: Sequence[Granule], threads: int) -> list[Granule]:
    """Write the granules as Cloud Optimized GeoTIFFs with overviews, as OPERA's are; return them with their files."""

    def written(layer: Layer) -> Layer:
        made = folder / Path(layer.url).name
        if not made.exists():
            with replacing(made) as temporary:
                rasterio.shutil.copy(layer.url, temporary, driver="COG", compress="deflate", blocksize=512)
        return replace(layer, url=str(made))

    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(threads) as pool:
        return [replace(granule, layers=tuple(pool.map(written, granule.layers))) for granule in granules]


@contextmanager
def archive_behind(shape: Shape, granules: Sequence[Granule]) -> Iterator[tuple[Connection, Any, dict[str, str]]]:
    """Serve granules behind a link; yield the pipe to ask what it carried, the hosts, and a client's environment."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, list(granules), shape))
    process.start()
    theirs.close()
    try:
        yield ours, *ours.recv()
    finally:
        ours.close()
        process.join()


def configuration(hosts: Any, case: Case) -> dict[str, Any]:
    """Return the sections of the configuration that point to the archive."""
    names = ("cmr", "login", "s3_credentials", "s3_endpoint", "trusted")
    asked = {name: getattr(hosts, name) for name in names} | {"trusted": list(hosts.trusted)}
    return {
        "roi": {"manual_mgrs_tiles": list(case.tiles), "flight_direction": "ASCENDING"},
        "source": {"kind": "asf", "hosts": asked},
        "download": {"access": "https", **(case.download or {})},
    }


def measure(
    granules: Sequence[Granule], folder: Path, cores: int, progress: Progress, shape: Shape = Shape()
) -> dict[str, dict[str, float]]:
    """Run each of the `CASES` once over a link, all of it new; return what it carried and took, by title."""
    most = max(case.months for case in CASES)
    progress("the granules as Cloud Optimized GeoTIFFs")
    granules = as_cogs(folder / "granules_cog", granules, cores)
    months = [MONTH.shift(number) for number in range(most)]
    served = [
        replace(granule, acquired=granule.acquired + (month.start - MONTH.start))
        for month in months
        for granule in granules
    ]
    found = {}
    with archive_behind(shape, served) as (pipe, hosts, environment):
        for case in CASES:
            span = MONTH, months[case.months - 1]
            more = configuration(hosts, case)
            run = run_workflow(folder, folder / "run_link", cores, months=span, more=more, environment=environment)
            pipe.send("carried")
            found[case.title] = outcome(pipe.recv(), run, shape)
            progress(f"{case.title}: {found[case.title]}")
    return found


def outcome(carried: Carried, run: Run, shape: Shape) -> dict[str, float]:
    """Return the figures of a run."""
    return {
        "mb": carried.sent / 1e6,
        "files": carried.files,
        "seconds": carried.seconds,
        "share": carried.rate / shape.together,
        "wall": run.wall,
        "cpu": run.cpu,
        "peak": max(job.peak for job in run.jobs),
    }


def link_table(found: Mapping[str, Mapping[str, float]]) -> str:
    """Lay out what `measure` found."""
    rows = [
        (title, round(of["mb"]), of["seconds"], f"{of['share']:.0%}", of["wall"], of["cpu"], round(of["peak"]))
        for title, of in found.items()
    ]
    return table(("case", "MB", "first to last", "of the link", "run s", "CPU s", "peak MiB"), rows)
