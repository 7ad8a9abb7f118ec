"""List the granules over a tile from NASA's Common Metadata Repository (CMR): all of them, or an error.

CMR answers in pages, which may come short, twice or not at all. The list is complete only if every page reports the
same number of granules, and as many have come.
"""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import requests
import shapely
import urllib3.exceptions

from s1monthly import VERSION
from s1monthly.errors import SourceError
from s1monthly.model import Granule, Month, Tile
from s1monthly.sources.asf.footprints import Footprint, query_outline
from s1monthly.sources.asf.retries import FinalFault, GaveUpError, PassingFault, retry, retry_after
from s1monthly.sources.asf.transfer import PASSING, Clock, fault_of, read_body
from s1monthly.sources.asf.umm import read_record, record_key

LOGGER = logging.getLogger("s1monthly")

LONGEST_ANSWER = 120.0
"""Seconds to wait for a page from CMR.

CMR stops a search after 170 s and returns what it has found by then: a part that looks complete (CMR Search API
documentation, Request Timeouts). This limit avoids such answers.
"""

LAST_INSTANT = timedelta(milliseconds=1)
"""Subtracted from the end of a month: CMR counts time in milliseconds and includes both ends of a range."""

PAGE_SIZE = 250

_PATH = "/search/granules.umm_json"
_NEXT = "CMR-Search-After"
_PARTIAL = ("CMR-Timed-Out", "CMR-Time-Out")  # the header's name in CMR's program, and in its documentation


@dataclass(frozen=True)
class Listed:
    """A granule that CMR lists, with layers and footprint.

    `acquired` holds the polarizations in which it was acquired; it is empty if CMR does not declare them.
    """

    granule: Granule
    acquired: tuple[str, ...]


def month_ranges(months: Iterable[Month]) -> list[tuple[Month, Month]]:
    """Join neighbouring months; return the first and last month of every range, in order."""
    ranges: list[tuple[Month, Month]] = []
    for month in sorted(set(months)):
        if ranges and ranges[-1][1].shift(1) == month:
            ranges[-1] = ranges[-1][0], month
        else:
            ranges.append((month, month))
    return ranges


def search_months(host: str, tile: Tile, first: Month, last: Month, seconds: float) -> list[Listed]:
    """Return every granule over a tile that was acquired in a range of months, as CMR lists them.

    The query does not filter by direction, track or polarization, so that granules set aside can be reported.

    Parameters
    ----------
    host : str
        CMR's host, with a port if needed.
    first, last : Month
        Whole UTC months; the start of the acquisition, as in the granule's name, decides.
    seconds : float
        Time limit for all tries.

    Returns
    -------
    list of Listed
        Granules whose footprint meets the tile (within `footprints.FOOTPRINT_MARGIN`), sorted by id, without
        duplicates.

    Raises
    ------
    SourceError
        If CMR gives no complete answer in that time, refuses the query, or lists a granule that cannot be parsed.
    GridError
        If there is no such tile.
    """
    subject = f"{tile} {first}" if first == last else f"{tile} {first} ... {last}"
    outline = shapely.get_coordinates(query_outline(tile)).tolist()
    query = [
        ("short_name", "OPERA_L2_RTC-S1_V1"),
        ("provider", "ASF"),
        ("temporal[]", time_range(first, last)),
        ("polygon[]", ",".join(f"{lon - 360 * round(lon / 360):.6f},{lat:.6f}" for lon, lat in outline)),
        ("sort_key[]", "-end_date"),
        ("sort_key[]", "granule_ur"),
        ("page_size", str(PAGE_SIZE)),
    ]
    repeated: set[frozenset[str]] = set()

    def attempt(seconds_left: float) -> list[Listed]:
        newest: dict[str, tuple[str, Any]] = {}
        records = _all_records(subject, host, query, Clock(seconds_left))
        _check_repeated(subject, records, repeated)
        for record in records:
            concept_id, granule_id = record_key(record)
            # of two records with one name, the later one, in any order
            if granule_id not in newest or newest[granule_id][0] < concept_id:
                newest[granule_id] = concept_id, record["umm"]
        found = [_read(umm, tile, first, last) for _, (_, umm) in sorted(newest.items())]
        here = [listed for listed in found if listed]
        LOGGER.info("%s: %s of these meet the tile", subject, f"{len(here):,}")
        return here

    try:
        return retry(f"{subject}: CMR", attempt, seconds)
    except GaveUpError as error:
        raise SourceError(
            f"tile {subject}: no complete answer from CMR ({host}): {error.reason}",
            "run again later, what is done is kept; https://status.earthdata.nasa.gov tells of outages;"
            " search.retry_timeout_seconds gives CMR more time",
        ) from error
    except FinalFault as fault:
        raise SourceError(f"tile {subject}: CMR ({host}): {fault.reason}", fault.remedy) from fault


def time_range(first: Month, last: Month) -> str:
    """Return the time range from the start of one month to the end of another, in CMR's format."""
    start, end = (f"{moment:%Y-%m-%dT%H:%M:%S.%f}" for moment in (first.start, last.end - LAST_INSTANT))
    return f"{start[:-3]}Z,{end[:-3]}Z"


def _read(umm: Mapping[str, Any], tile: Tile, first: Month, last: Month) -> Listed | None:
    """Return the granule of a record; None if it began outside the months (CMR lists overlaps) or misses the tile."""
    granule, acquired = read_record(umm)
    if not first <= granule.month <= last:
        return None
    footprint = Footprint.declared(umm)
    if footprint is None:
        LOGGER.warning("%s: no usable outline in CMR; its burst's place by the orbit is taken", granule.id)
        footprint = Footprint.modelled(granule.burst)
    return Listed(replace(granule, footprint=footprint.wkt), acquired) if footprint.meets(tile) else None


def _all_records(subject: str, host: str, query: Sequence[tuple[str, str]], clock: Clock) -> list[Any]:
    """Send a query and follow the pages to their end.

    Raises
    ------
    PassingFault
        If a page does not come, is damaged, or does not fit those before it; or if a page is missing.
    FinalFault
        If CMR refuses the query, or its address is unusable.
    SourceError
        If a record has no name.
    """
    records: list[Any] = []
    seen: set[str] = set()
    hits: int | None = None
    after: str | None = None
    with requests.Session() as session:
        session.auth = _no_login  # otherwise netrc's entry for CMR's host, or its default entry, is sent
        session.headers.update({"User-Agent": f"s1monthly/{VERSION}", "Client-Id": f"s1monthly_v{VERSION}"})
        for number in itertools.count(1):
            if not clock.left:
                raise PassingFault(f"the time was up after {len(records):,} of {hits or 0:,} granules")
            count, items, after = _page(session, f"https://{host}{_PATH}", query, after, clock)
            if hits not in (None, count):
                raise PassingFault(f"page {number} tells of {count:,} granules, the one before of {hits:,}")
            concept_ids = {record_key(item)[0] for item in items}
            if concept_ids <= seen and len(records) < count:
                raise PassingFault(f"page {number} brings nothing new after {len(records):,} of {count:,} granules")
            hits, seen = count, seen | concept_ids
            records += items
            LOGGER.info("%s: page %d, %s of %s granules", subject, number, f"{len(records):,}", f"{hits:,}")
            if len(records) >= hits or not after:
                break
    if len(records) != hits:
        raise PassingFault(f"{len(records):,} of {hits or 0:,} granules came")
    return records


def _page(
    session: requests.Session, url: str, query: Sequence[tuple[str, str]], after: str | None, clock: Clock
) -> tuple[int, list[Any], str | None]:
    """Return the number of granules that match, the records of one page, and what asks for the next page."""
    clock = Clock(min(LONGEST_ANSWER, clock.left))
    headers = {_NEXT: after} if after else {}
    timeouts = clock.timeouts[0], max(1.0, clock.left)
    try:
        # a redirect would turn the POST into an empty GET
        answer = session.post(url, query, headers=headers, timeout=timeouts, allow_redirects=False, stream=True)
        with answer:
            answer.raw.decode_content = True
            body = read_body(answer.raw, clock)
    except requests.exceptions.InvalidURL as error:
        raise FinalFault("not an address that can be asked", "correct source.hosts.cmr") from error
    except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
        raise fault_of(error) from error
    _check_status(answer, body)
    if any(answer.headers.get(name, "").lower() == "true" for name in _PARTIAL):
        raise PassingFault("CMR gave the search up and sent a part of it")
    try:
        content = json.loads(body)
    except ValueError:
        raise PassingFault("an answer that is no JSON") from None
    hits, items = (content.get("hits"), content.get("items")) if isinstance(content, dict) else (None, None)
    if not (isinstance(hits, int) and isinstance(items, list)):
        raise PassingFault("an answer without hits and items")
    return hits, items, answer.headers.get(_NEXT)


def _check_repeated(subject: str, records: Sequence[Any], repeated: set[frozenset[str]]) -> None:
    """Raise PassingFault if a record came twice, unless an earlier try gave the same; `repeated` collects these.

    Duplicate records may really be in CMR, or may have replaced others.
    """
    concept_ids = frozenset(record_key(record)[0] for record in records)
    extra = len(records) - len(concept_ids)
    if extra and concept_ids not in repeated:
        repeated.add(concept_ids)
        raise PassingFault(f"{extra:,} of {len(records):,} granules came twice")
    if extra:
        LOGGER.warning("%s: CMR lists %s granules twice; each is used once", subject, f"{extra:,}")


def _no_login(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _check_status(answer: requests.Response, body: bytes) -> None:
    status = answer.status_code
    if status < 300:
        return
    reason = f"HTTP {status} {answer.reason}{_errors(body)}"
    if status < 400 or status in PASSING or status >= 500:
        raise PassingFault(reason, retry_after(answer.headers.get("Retry-After")))
    raise FinalFault(
        f"refuses the query: {reason}",
        "check source.hosts.cmr; if it is right, look at https://status.earthdata.nasa.gov and report this query",
    )


def _errors(body: bytes) -> str:
    """Return the error text in CMR's answer; empty if the body is not CMR's JSON."""
    try:
        errors = json.loads(body)["errors"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f": {'; '.join(map(str, errors))[:500]}" if isinstance(errors, list) else ""
