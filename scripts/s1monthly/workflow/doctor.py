"""Check what a run needs of its machine, and say what is missing and how to get it.

Everything but the standard library is imported late: a missing package is one of the findings.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import logging
import os
import platform
import shutil
import struct
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from s1monthly.errors import FileError, S1MonthlyError
from s1monthly.files import flock
from s1monthly.workflow.findings import Finding, State, well

if TYPE_CHECKING:
    from s1monthly.config.root import Config

LEAST_PYTHON = (3, 11)

FEW_DAYS = 7
"""A token that is valid for fewer days is worth a note."""

CLOCK_MINUTES = 5
"""Minutes by which a clock may be wrong; more, and logins and certificates are refused."""

FILE_CLOCK_SECONDS = 5
"""Seconds by which the clock of a file system may differ from ours; the run corrects times up to more."""

NETWORK_SECONDS = 10.0


def examine(values: Mapping[str, object] | None, lock: Path | None) -> Iterator[Finding]:
    """Yield one finding after the other.

    Parameters
    ----------
    values : mapping or None
        The configuration as read from YAML; None for the defaults.
    lock : path or None
        File with the exact versions that were tested (``requirements.txt``); None if it is not at hand.
    """
    yield from check_system()
    yield from check_packages(lock) if lock else ()
    try:
        config = _checked(values)
    except ImportError as error:
        yield Finding(State.BAD, "configuration", f"cannot be checked without {error.name}", "install the packages")
        return
    except S1MonthlyError as error:
        yield Finding(State.BAD, "configuration", error.problem, error.remedy)
        return
    yield from _check_configuration(config, given=values is not None)
    yield from check_memory(config)
    yield from check_source(config)
    yield from check_folders(config)
    yield from check_slurm()
    if config.source.kind == "asf":
        yield from check_network([config.source.hosts.cmr, config.source.hosts.login, _keys_host(config)])
        yield from check_login(config)
    elif config.source.kind == "grd":
        yield from _check_grd(config)
    else:
        yield well("network", f"not needed with source.kind: {config.source.kind}")


def _checked(values: Mapping[str, object] | None) -> Config:
    from s1monthly.config.root import load_config

    anything = {"roi": {"manual_mgrs_tiles": ["10SGD"], "flight_direction": "ASCENDING"}, "time": {"years": [2024]}}
    return load_config(anything if values is None else values)


def _check_configuration(config: Config, given: bool) -> Iterator[Finding]:
    if not given:
        yield Finding(State.NOTE, "configuration", "none is given, the defaults are checked", "--configfile my.yaml")
        return
    from s1monthly.workflow.grids import tiles_of_polygon

    try:
        names = config.roi.manual_mgrs_tiles or tiles_of_polygon(config.roi.polygon or "", config.roi.cover)
        months, _ = config.time.wanted(datetime.now(UTC).date())
    except S1MonthlyError as error:
        yield Finding(State.BAD, "configuration", error.problem, error.remedy)
        return
    if months:
        directions = " and ".join(config.roi.flight_direction)
        yield well("configuration", f"tiles: {len(names)}, months: {len(months)}, {directions}")
    else:
        yield Finding(State.BAD, "configuration", "time: no whole past month is left", "give earlier months")


def check_system() -> Iterator[Finding]:
    """Check operating system, Python and shell."""
    system, bits = platform.system(), struct.calcsize("P") * 8
    if system == "Windows":
        yield Finding(State.BAD, "system", "Windows", "use the Windows Subsystem for Linux (wsl --install)")
    elif bits < 64:
        yield Finding(State.BAD, "system", f"{system}, Python for {bits} bits", "install a Python for 64 bits")
    else:
        yield well("system", f"{system} {platform.release()}, {platform.machine()}")
    if sys.version_info < LEAST_PYTHON:
        needed = ".".join(map(str, LEAST_PYTHON))
        yield Finding(State.BAD, "Python", platform.python_version(), f"Python {needed} or newer is needed")
    else:
        yield well("Python", f"{platform.python_version()}, {sys.executable}")
    if shutil.which("bash") is None:
        yield Finding(State.BAD, "bash", "is missing; jobs are started by it", "install it")


def check_packages(lock: Path) -> Iterator[Finding]:
    """Compare the installed packages with the versions that were tested."""
    pins = dict(line.split("==") for line in lock.read_text(encoding="utf-8").splitlines() if "==" in line)
    missing, other = [], []
    for name, pinned in pins.items():
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if installed != pinned:
            other.append(f"{name} {installed} (tested: {pinned})")
    remedy = f"{sys.executable} -m pip install -r {lock}"
    if missing:
        yield Finding(State.BAD, "packages", f"missing: {', '.join(missing)}", remedy)
    if other:
        yield Finding(State.NOTE, "packages", f"other versions: {', '.join(other)}", remedy)
    if not (missing or other):
        yield well("packages", f"all {len(pins)} as tested")


def check_memory(config: Config) -> Iterator[Finding]:
    """Compare memory and cores with what the largest job needs."""
    from s1monthly.workflow import estimate

    pixels = estimate.usual_pixels(config)
    needed = max(estimate.memory_mb("composite", pixels), estimate.reading_mb(config.read_workers, pixels))
    if config.source.kind == "grd":
        fine = estimate.slice_pixels(config, pixels)
        needed = max(needed, estimate.memory_mb("heights", fine), estimate.memory_mb("slices", fine))
    available, cores = memory_mb(), len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    text = f"{available:,} MB, {cores} cores; a job needs up to {needed:,} MB"
    if available < needed:
        remedy = "use a larger machine, or a coarser processing.target_resolution"
        yield Finding(State.BAD, "memory", text, remedy)
    else:
        side_by_side = available // needed
        more = f": run with --resources mem_mb={available}" if side_by_side < (cores or 1) else ""
        yield well("memory", f"{text}, so {side_by_side} go side by side{more}")


def memory_mb() -> int:
    """Return the memory of this machine, or less if a container has less, in MB."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            memory = min(memory, int(Path("/sys/fs/cgroup", name).read_text(encoding="utf-8")))
        except (OSError, ValueError):  # no such limit: no such file, or the text "max"
            continue
    return memory // 1_000_000


def check_folders(config: Config) -> Iterator[Finding]:
    """Check every folder that a run writes to: permission, space, renaming, locks, clock."""
    output = config.output
    folders = {"output.base_dir": output.base_dir, "output.work_dir": config.work_dir}
    if config.download.cache_dir:
        folders["download.cache_dir"] = config.download.cache_dir
    if config.source.kind == "grd" and config.grd.cache_dir:
        folders["grd.cache_dir"] = config.grd.cache_dir
    for option, folder in folders.items():
        place = Path(folder).resolve()
        while not place.exists():
            place = place.parent
        about = f"{option} {folder}"
        try:
            yield from _check_folder(about, place, output.disk_warn_gb if option == "output.base_dir" else 1)
        except S1MonthlyError as error:
            yield Finding(State.BAD, about, error.problem, error.remedy)
        except OSError as error:
            told = FileError.of(error, str(place))
            yield Finding(State.BAD, about, told.problem, told.remedy)


def check_source(config: Config) -> Iterator[Finding]:
    """Check that a folder of granules can be read."""
    folder = config.source_path
    if config.source.kind not in ("local", "grd") or folder is None:
        return
    try:
        os.scandir(folder).close()
    except OSError as error:
        told = FileError.of(error, str(folder))
        remedy = "give an existing folder, relative to where snakemake runs"
        yield Finding(State.BAD, f"source.path {folder}", told.problem, remedy)
    else:
        yield well(f"source.path {folder}", "can be read")


def _check_folder(about: str, place: Path, least_gb: float) -> Iterator[Finding]:
    from s1monthly.workflow.file_system import refuse_unfit

    before = time.time()
    with tempfile.TemporaryFile(dir=place) as file:
        ahead = os.fstat(file.fileno()).st_mtime - before
        has_locks = flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    refuse_unfit(place)
    free = shutil.disk_usage(place).free / 1e9
    if free < least_gb:
        yield Finding(State.NOTE, about, f"{free:.0f} GB free, less than {least_gb:g} GB", "free space, or move it")
    if has_locks is None:
        remedy = "do not start two runs of one tile at once"
        yield Finding(State.NOTE, about, "its file system has no locks: two runs would not see each other", remedy)
    if abs(ahead) > FILE_CLOCK_SECONDS:
        remedy = "let the file server and this machine use one time server (NTP)"
        yield Finding(State.NOTE, about, f"its file system's clock differs by {ahead:.0f} s", remedy)
    yield well(about, f"can be written to, {free:.0f} GB free")


def check_slurm() -> Iterator[Finding]:
    """Check whether jobs can be sent to SLURM, where there is one."""
    if shutil.which("sbatch") is None:
        yield well("SLURM", "there is none here; jobs run on this machine")
        return
    try:
        version = importlib.metadata.version("snakemake-executor-plugin-slurm")
    except importlib.metadata.PackageNotFoundError:
        yield Finding(State.NOTE, "SLURM", "is here, but Snakemake's plugin is not installed", "make slurm")
        return
    yield well("SLURM", f"plugin {version}; --profile profiles/slurm sends jobs there")


def _keys_host(config: Config) -> str:
    from urllib.parse import urlsplit

    return urlsplit(config.source.hosts.s3_credentials).netloc


def _check_grd(config: Config) -> Iterator[Finding]:
    from s1monthly.workflow.doctor_grd import check_inputs, missing_files

    yield from check_inputs(config)
    hosts = missing_files(config)
    for host, missing in hosts.items():
        yield well("to be fetched", f"{missing}, from {host}")
    if hosts:
        yield from check_network(hosts, seek="or fill grd.cache_dir by a run on a machine that has one")
    else:
        yield well("network", "not needed: all files are there")


def check_network(hosts: Iterable[str], seek: str = "see https://status.earthdata.nasa.gov") -> Iterator[Finding]:
    """Check that every host answers by HTTPS, and compare the clock with theirs; `seek` ends the remedies."""
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(partial(_ask, seek=seek), dict.fromkeys(hosts)))
    yield from (finding for finding, _ in answers)
    ahead = [seconds for _, seconds in answers if seconds is not None]
    if not ahead:
        return
    minutes = min(ahead, key=abs) / 60
    if abs(minutes) > CLOCK_MINUTES:
        text = f"this machine's is {abs(minutes):.0f} min {'ahead' if minutes > 0 else 'behind'}"
        yield Finding(State.BAD, "clock", text, "set it, best by a time server (NTP)")
    else:
        yield well("clock", "as that of the servers")


def _ask(host: str, seek: str) -> tuple[Finding, float | None]:
    """Return whether a host answers, and by how many seconds our clock is ahead of its."""
    from s1monthly.sources.retries import FinalFault
    from s1monthly.sources.transfer import Session, fault_of

    began = time.monotonic()
    with Session() as session:
        try:
            answer = session.get(f"https://{host}/", timeout=NETWORK_SECONDS, stream=True, allow_redirects=False)
        except (OSError, ValueError) as error:
            fault = fault_of(error)
            usual = f"check the network; behind a proxy, export HTTPS_PROXY; {seek}"
            remedy = fault.remedy if isinstance(fault, FinalFault) else usual
            return Finding(State.BAD, "network", f"{host}: {fault.reason}", remedy), None
        answer.close()
    told = answer.headers.get("Date")
    ahead = time.time() - parsedate_to_datetime(told).timestamp() if told else None
    return well("network", f"{host} answers in {1000 * (time.monotonic() - began):.0f} ms"), ahead


def check_login(config: Config) -> Iterator[Finding]:
    """Check the Earthdata Login, and for how long it is valid."""
    from s1monthly.errors import CredentialsError
    from s1monthly.sources.asf import earthdata
    from s1monthly.sources.asf.credentials import expiry, find_credentials

    hosts, about = config.source.hosts, "Earthdata Login"
    try:
        with _heard() as warnings:
            found = find_credentials(hosts.login)
            earthdata.check_login(hosts.login, hosts.s3_credentials, hosts.trusted)
    except CredentialsError as error:
        yield Finding(State.BAD, about, error.problem, error.remedy)
        return
    for line in dict.fromkeys(warnings):
        yield Finding(State.NOTE, about, line)
    until = expiry(found) if found.scheme == "Bearer" else None
    days = (until - time.time()) / 86400 if until is not None else None
    if days is not None and days < FEW_DAYS:
        remedy = f"get a new token at https://{hosts.login} (Generate Token)"
        yield Finding(State.NOTE, about, f"the token in {found.origin} expires in {days:.1f} days", remedy)
    elif not warnings:
        valid = f", valid for {days:.0f} more days" if days is not None else ""
        yield well(about, f"{found.origin}: accepted{valid}")


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Collect what the library warns of."""
    lines: list[str] = []
    handler, logger = logging.Handler(logging.WARNING), logging.getLogger("s1monthly")
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
