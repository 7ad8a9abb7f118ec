"""List the granules over a tile from NASA's Common Metadata Repository (CMR): all of them, or an error.

asf_search builds the query, sends it and follows the pages. This module checks from CMR's own answers that the list is
complete, because asf_search only logs an incomplete answer, cuts pages to the number of hits, counts a page that is
sent twice as two, and continues in the middle if a session failed before.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import asf_search
import requests
import urllib3.exceptions
from asf_search.ASFSearchOptions import ASFSearchOptions

from s1monthly.errors import SourceError
from s1monthly.granules import Burst, BurstGranule, StaticGranule
from s1monthly.layout import track_name
from s1monthly.model import Month, Tile
from s1monthly.sources.asf.footprints import Footprint, query_outline
from s1monthly.sources.asf.umm import read_record, read_static_record, record_key
from s1monthly.sources.retries import FinalFault, GaveUpError, PassingFault, retry, retry_after
from s1monthly.sources.transfer import PASSING, Clock, fault_of, read_body

T = TypeVar("T")

LOGGER = logging.getLogger("s1monthly")

LONGEST_ANSWER = 120.0
"""Seconds to wait for a page from CMR.

CMR stops a search after 170 s and returns what it has found by then: a part that looks complete (CMR Search API
documentation, Request Timeouts). This limit avoids such answers.
"""

LAST_INSTANT = timedelta(milliseconds=1)
"""Subtracted from the end of a month: CMR counts time in milliseconds and includes both ends of a range."""

asf_search.REPORT_ERRORS = False  # else it posts the search to a third host, and a failure there hides the fault

_PARTIAL = ("CMR-Timed-Out", "CMR-Time-Out")  # the header's name in CMR's program, and in its documentation

_BLANK = {"meta": {}, "umm": {"CollectionReference": {"ShortName": "SENTINEL-1"}}}
"""The record that asf_search sees: a Sentinel-1 product without any details.

Its class of OPERA products fails on a record without an outline or a file size, which UMM-G allows, and keeps only one
of several polygons.
"""


@dataclass(frozen=True)
class Listed:
    """A granule that CMR lists, with layers and footprint.

    `acquired` holds the polarizations in which it was acquired; it is empty if CMR does not declare them.
    """

    granule: BurstGranule
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
    subject = f"tile {tile} {first}" if first == last else f"tile {tile} {first} ... {last}"
    found = _search(
        host,
        subject,
        seconds,
        lambda umm: _read(umm, tile, first, last),
        processingLevel=asf_search.PRODUCT_TYPE.RTC,
        intersectsWith=query_outline(tile).wkt,
        cmr_keywords=[("temporal[]", time_range(first, last))],  # asf_search rounds the end to whole seconds
    )
    here = [listed for listed in found if listed]
    LOGGER.info("%s: %s of these meet the tile", subject, f"{len(here):,}")
    return here


def search_static(host: str, bursts: Iterable[Burst], seconds: float) -> list[StaticGranule]:
    """Return every static granule of some bursts, as CMR lists them, sorted by id.

    The query names the bursts alone: static granules are dated before the mission began, and at the antimeridian their
    outlines span half the globe. asf_search would send one query a burst; CMR takes all of them in one, joined by *or*
    (CMR Search API documentation, "Find granules by additional attributes").

    Parameters
    ----------
    host, seconds
        As for `search_months`.
    bursts : iterable of Burst
        At least one.

    Raises
    ------
    SourceError
        As for `search_months`.
    """
    wanted = sorted(set(bursts))
    tracks = ", ".join(sorted({track_name(burst.track) for burst in wanted}))
    named = [("attribute[]", f"string,OPERA_BURST_ID,{str(burst).replace('-', '_')}") for burst in wanted]
    return _search(
        host,
        f"static granules of {tracks}",
        seconds,
        read_static_record,
        processingLevel=asf_search.PRODUCT_TYPE.RTC_STATIC,
        cmr_keywords=[*named, ("options[attribute][or]", "true")],
    )


def _search(host: str, subject: str, seconds: float, read: Callable[[Any], T], **query: Any) -> list[T]:
    """Send a query until the answer is complete; return what `read` makes of each record, sorted by granule id.

    Raises
    ------
    SourceError
        If CMR gives no complete answer in that time, refuses the query, or lists a granule that cannot be parsed.
    """
    repeated: set[frozenset[str]] = set()

    def attempt(seconds_left: float) -> list[T]:
        session = _Session(subject, seconds_left)
        options = ASFSearchOptions(host=host, session=session, dataset=asf_search.DATASET.OPERA_S1, **query)
        found: dict[str, tuple[str, T]] = {}
        complete = False
        for page in asf_search.search_generator(opts=options):
            complete = page.searchComplete
            for record in session.page:
                concept_id, granule_id = record_key(record)
                # of two records with one name, the later one, in any order
                if granule_id not in found or found[granule_id][0] < concept_id:
                    found[granule_id] = concept_id, read(record["umm"])
        session.check(complete, repeated)
        return [content for _, (_, content) in sorted(found.items())]

    try:
        return retry(f"{subject}: CMR", attempt, seconds)
    except GaveUpError as error:
        # a last try that ran out of time says nothing about the cause
        before = f"; before that: {error.before}" if error.before else ""
        raise SourceError(
            f"{subject}: no complete answer from CMR ({host}): {error.reason}{before}",
            "run again later, what is done is kept; https://status.earthdata.nasa.gov lists outages;"
            " search.retry_timeout_seconds gives CMR more time",
        ) from error
    except FinalFault as fault:
        raise SourceError(f"{subject}: CMR ({host}): {fault.reason}", fault.remedy) from fault


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


class _Page(requests.Response):
    """The page that asf_search gets instead of CMR's answer: the same counts, with blank records."""

    def __init__(self, answer: requests.Response, hits: int, items: int) -> None:
        super().__init__()
        self.status_code, self.headers = answer.status_code, answer.headers
        self._counts = {"hits": hits, "items": [_BLANK] * items}

    def json(self, **_: Any) -> Any:
        return self._counts


class _Session(asf_search.ASFSession):  # type: ignore[misc]
    """One try at a query, limited in time: sends it for asf_search, without a login, and counts the answers."""

    def __init__(self, subject: str, seconds: float) -> None:
        super().__init__()
        self.auth = _no_login  # otherwise netrc's entry for CMR's host, or its default entry, is sent
        self.page: list[Any] = []
        self._subject = subject
        self._clock = Clock(seconds)
        self._pages = self._items = 0
        self._hits: int | None = None
        self._seen: set[str] = set()

    def post(self, url: str, data: Any = None, **_: Any) -> requests.Response:
        """Send a query and check the page that is returned.

        Raises
        ------
        PassingFault
            If no page came, or one that cannot be part of a complete answer.
        FinalFault
            If CMR refuses the query, or its address is unusable.
        SourceError
            If a record has no name.
        """
        answer, body = self._exchange(url, data)
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
        self._count(hits, items)
        return _Page(answer, hits, len(items))

    def _exchange(self, url: str, data: Any) -> tuple[requests.Response, bytes]:
        clock = Clock(min(LONGEST_ANSWER, self._clock.left))
        if not clock.left:
            raise PassingFault(f"the time was up after {self._items:,} of {self._hits or 0:,} granules")
        timeouts = clock.timeouts[0], max(1.0, clock.left)
        try:
            # a redirect would turn the POST into an empty GET
            with super().post(url, data=data, timeout=timeouts, allow_redirects=False, stream=True) as answer:
                answer.raw.decode_content = True
                return answer, read_body(answer.raw, clock)
        except requests.exceptions.InvalidURL as error:
            raise FinalFault("not an address that can be asked", "correct source.hosts.cmr") from error
        except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
            raise fault_of(error) from error

    def _count(self, hits: int, items: list[Any]) -> None:
        """Count a page; raise a fault if it cannot be part of a complete answer with the pages before it."""
        self._pages += 1
        if self._hits not in (None, hits):
            raise PassingFault(f"page {self._pages} tells of {hits:,} granules, the one before of {self._hits:,}")
        numbers = {record_key(item)[0] for item in items}
        if numbers <= self._seen and self._items < hits:
            raise PassingFault(f"page {self._pages} brings nothing new after {self._items:,} of {hits:,} granules")
        self.page, self._hits = items, hits
        self._seen |= numbers
        self._items += len(items)
        LOGGER.info("%s: page %d, %s of %s granules", self._subject, self._pages, f"{self._items:,}", f"{hits:,}")

    def check(self, complete: bool, repeated: set[frozenset[str]]) -> None:
        """Raise PassingFault if not all granules came.

        Duplicate records may really be in CMR, or may have replaced others. They are accepted if two tries return the
        same; `repeated` collects the results of tries with duplicates. `complete` is what asf_search says.
        """
        if not complete or self._items != self._hits:
            raise PassingFault(f"{self._items:,} of {self._hits or 0:,} granules came")
        extra = self._items - len(self._seen)
        if extra:
            if self._seen not in repeated:
                repeated.add(frozenset(self._seen))
                raise PassingFault(f"{extra:,} of {self._items:,} granules came twice")
            LOGGER.warning("%s: CMR lists %s granules twice; each is used once", self._subject, f"{extra:,}")


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
