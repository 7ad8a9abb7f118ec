"""Orbit files (EOF) of the Copernicus POD service: restituted (RESORB) and precise (POEORB)."""

from __future__ import annotations

import gzip
import os
import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from s1monthly.errors import SourceError
from s1monthly.sources.grd.annotation import StateVectors
from s1monthly.sources.grd.elements import MOST_BYTES, Element, parse_time, parse_xml
from s1monthly.sources.grd.listing import ORBIT_NAME, orbit_files

MARGIN = np.timedelta64(65, "s")
"""Vectors are used that lie this close to the product, as in annotations."""

REMEDY = "get the orbit file again, or remove it"


@dataclass(frozen=True)
class OrbitFile:
    """An orbit file, as its name describes it.

    Attributes
    ----------
    path : str
        The file; it may be packed (``.zip``, ``.gz``).
    mission, kind : str
        S1A to S1D; POEORB or RESORB.
    made, start, stop : datetime64
        When it was made, and what it covers, UTC.
    """

    path: str
    mission: str
    kind: str
    made: np.datetime64
    start: np.datetime64
    stop: np.datetime64


def list_orbit_files(folder: str | os.PathLike[str]) -> list[OrbitFile]:
    """List the orbit files in a folder, at any depth, by their names.

    Raises
    ------
    SourceError
        If there is no such folder.
    """
    parsed = (parse_orbit_name(path) for path, _ in orbit_files(folder))
    return [file for file in parsed if file is not None]


def parse_orbit_name(path: str) -> OrbitFile | None:
    """Return what the name of an orbit file says; None if it is none."""
    match = ORBIT_NAME.fullmatch(os.path.basename(path))
    if match is None:
        return None
    made, start, stop = times = [_time(match[key]) for key in ("made", "start", "stop")]
    if np.isnat(times).any():
        return None
    return OrbitFile(path, match["mission"], match["kind"], made, start, stop)


def _time(text: str) -> np.datetime64:
    return parse_time("{}{}-{}-{}T{}:{}:{}".format(*re.findall(r"\d\d", text)))


def best_orbit_file(
    files: Sequence[OrbitFile], mission: str, start: np.datetime64, stop: np.datetime64
) -> OrbitFile | None:
    """Choose the orbit file for a product: precise before restituted, then the newest.

    Parameters
    ----------
    files : sequence of OrbitFile
        Files to choose from.
    mission : str
        S1A to S1D.
    start, stop : datetime64
        First and last line, UTC.

    Returns
    -------
    OrbitFile or None
        None if no file covers the product and `MARGIN` around it.
    """
    covering = [
        file
        for file in files
        if file.mission == mission and file.start <= start - MARGIN and file.stop >= stop + MARGIN
    ]
    return max(covering, key=lambda file: (file.kind == "POEORB", file.made, file.path), default=None)


def read_orbit_file(
    path: str | os.PathLike[str], mission: str, start: np.datetime64, stop: np.datetime64
) -> StateVectors:
    """Read the state vectors around a product.

    Parameters
    ----------
    path : path
        The file, plain or packed.
    mission, start, stop
        As for `best_orbit_file`.

    Raises
    ------
    SourceError
        If the file is damaged, of another satellite, in another frame or unit, or does not cover the product.
    """
    path = os.fspath(path)
    return parse_orbit_file(_content(path), path, mission, start, stop)


def parse_orbit_file(
    content: bytes, file: str, mission: str, start: np.datetime64, stop: np.datetime64
) -> StateVectors:
    """Parse the state vectors around a product, as `read_orbit_file` does; `file` is for messages."""
    root = parse_xml(content, file, "Earth_Explorer_File", REMEDY)
    header = root.child("Earth_Explorer_Header")
    header.choice("Fixed_Header/Mission", (f"Sentinel-{mission[1:]}",))
    header.choice("Variable_Header/Ref_Frame", ("EARTH_FIXED",))
    header.choice("Variable_Header/Time_Reference", ("UTC",))
    block = root.child("Data_Block")
    vectors = [item for item in block.counted("List_of_OSVs", "OSV") if _near(item, start, stop)]
    times = np.array([item.time("UTC") for item in vectors], "datetime64[us]")
    if len(vectors) < 10 or times[0] > start or times[-1] < stop:
        block.fail(f"has {len(vectors)} state vectors near {start} to {stop}", "List_of_OSVs")
    if not (times[1:] > times[:-1]).all():
        block.fail("has times that do not increase", "List_of_OSVs")
    _check_leap_seconds(vectors, times, block)
    return StateVectors(
        times,
        np.array([[item.number(axis, -1e8, 1e8, "m") for axis in ("X", "Y", "Z")] for item in vectors]),
        np.array([[item.number(axis, -1e5, 1e5, "m/s") for axis in ("VX", "VY", "VZ")] for item in vectors]),
    )


def _near(item: Element, start: np.datetime64, stop: np.datetime64) -> bool:
    return bool(start - MARGIN <= item.time("UTC") <= stop + MARGIN)


def _check_leap_seconds(vectors: Sequence[Element], times: np.ndarray, block: Element) -> None:
    """Refuse vectors on both sides of a leap second: their times do not tell how far apart they are."""
    atomic = np.array([item.time("TAI", prefix="TAI=") for item in vectors])
    if len(set(atomic - times)) > 1:
        block.fail("has a leap second near the product", "List_of_OSVs")


def _content(path: str) -> bytes:
    """Return an orbit file's content, unpacked, but never more than an XML file may have."""
    try:
        if path.endswith(".gz"):
            with gzip.open(path) as packed:
                return packed.read(MOST_BYTES + 1)
        if path.endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if name.endswith(".EOF")]
                if len(names) != 1:
                    raise SourceError(f"{path}: {len(names)} orbit files in it, not one", REMEDY)
                with archive.open(names[0]) as member:
                    return member.read(MOST_BYTES + 1)
        with open(path, "rb") as file:
            return file.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        remedy = "put it back, or set search.refresh: true, which looks for one"
        raise SourceError(f"{path}: no such file", remedy) from error
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
        raise SourceError(f"{path}: {error or 'cut short'}", REMEDY) from error
