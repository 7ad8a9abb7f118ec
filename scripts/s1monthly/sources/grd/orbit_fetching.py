"""Fetch the orbit file of a product from a public bucket."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import urlencode

import numpy as np

from s1monthly.sources.grd.elements import parse_xml
from s1monthly.sources.grd.orbit_file import OrbitFile, best_orbit_file, list_orbit_files, parse_orbit_name
from s1monthly.sources.grd.public_files import ask, fetch

KINDS = {"POEORB": None, "RESORB": np.timedelta64(10, "D")}
"""Precise and restituted orbits, and how long after a product its file is made at most. Precise ones are made again."""


def fetch_orbit_file(
    folder: str | os.PathLike[str], mission: str, start: np.datetime64, stop: np.datetime64, host: str, seconds: float
) -> OrbitFile | None:
    """Return the orbit file of a product in a folder; fetch it if the folder has none.

    A file that is there is kept, also a restituted one: a product that is read again gives the same values.

    Parameters
    ----------
    folder : path
        Folder of orbit files; made if missing.
    mission, start, stop
        As for `best_orbit_file`.
    host : str
        Host of the bucket.
    seconds : float
        Time limit for each request.

    Returns
    -------
    OrbitFile or None
        None if the bucket has no file yet: restituted orbits come within a day, precise ones after 20 days.

    Raises
    ------
    SourceError
        If the bucket does not answer, or with something else.
    FileError
        If it cannot be written.
    """
    known = list_orbit_files(folder) if os.path.isdir(folder) else []
    best = best_orbit_file(known, mission, start, stop)
    if best is not None:
        return best
    for kind, delay in KINDS.items():
        last = None if delay is None else stop + delay
        sizes = dict(_listed(host, kind, mission, start, last, seconds))
        best = best_orbit_file(list(sizes), mission, start, stop)
        if best is not None:
            return _fetched(folder, host, best, sizes[best], seconds)
    return None


def _fetched(folder: str | os.PathLike[str], host: str, file: OrbitFile, size: int, seconds: float) -> OrbitFile:
    path = os.path.join(folder, os.path.basename(file.path))

    def problem(content: bytes) -> str:
        return "" if len(content) == size else f"{len(content):,} bytes came, not {size:,}"

    fetch(f"https://{host}/{file.path}", path, seconds, problem)
    found = parse_orbit_name(path)
    assert found is not None
    return found


def _listed(
    host: str, kind: str, mission: str, start: np.datetime64, last: np.datetime64 | None, seconds: float
) -> Iterator[tuple[OrbitFile, int]]:
    """Yield the files of a satellite that were made after a time, and their sizes, in the order of their making."""
    prefix = f"AUX_{kind}/{mission}_OPER_AUX_{kind}_OPOD_"
    after = prefix + str(start.astype("datetime64[D]")).replace("-", "")
    while after:
        query = urlencode({"list-type": 2, "prefix": prefix, "start-after": after})
        url = f"https://{host}/?{query}"
        content = ask(url, seconds, lambda content: "" if b"<ListBucketResult" in content else "no list of files came")
        page = parse_xml(content, f"list of orbit files https://{host}", "ListBucketResult", "run again later")
        after = ""
        for item in page.every("Contents"):
            key = item.text("Key")
            file = parse_orbit_name(key)
            if file and last is not None and file.made > last:
                return
            if file:
                yield file, item.whole("Size", 1, 10**9)
            after = key
        if not page.flag("IsTruncated"):
            return
