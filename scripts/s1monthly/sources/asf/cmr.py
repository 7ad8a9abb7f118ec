"""The granules over a tile as NASA's Common Metadata Repository (CMR) lists them, all of them or an error.

asf_search words the query, sends it and follows the pages. Whether all have come is judged here, from CMR's own
answers: asf_search only logs that an answer is not complete, cuts pages to the number of hits, takes a page that is
sent twice for two, and goes on in the middle where a session has failed before.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import asf_search
import requests
import urllib3.exceptions
from asf_search.ASFSearchOptions import ASFSearchOptions

from s1monthly.errors import SourceError
from s1monthly.model import Granule, Month, Tile
from s1monthly.sources.asf.footprints import Footprint, query_outline
from s1monthly.sources.asf.patience import GaveUpError, PassingFault, persevere, wait_asked
from s1monthly.sources.asf.transfer import PASSING, Clock, FinalFault, fault_of, read_body
from s1monthly.sources.asf.umm import read_record, record_key

LOGGER = logging.getLogger("s1monthly")

LONGEST_ANSWER = 120.0
"""Seconds given to CMR for a page.

CMR gives a search up after 170 s and answers with what it has found by then, a part that looks like a whole (CMR Search
API documentation, Request Timeouts); such an answer is not waited for.
"""

LAST_INSTANT = timedelta(milliseconds=1)
"""Before the end of a month: CMR counts time in milliseconds, and both ends of a range belong to it."""

asf_search.REPORT_ERRORS = False  # it would post the search to a third host, and a failure of that would hide the fault

_PARTIAL = ("CMR-Timed-Out", "CMR-Time-Out")  # the header as CMR's program and as its documentation spell it

_BLANK = {"meta": {}, "umm": {"CollectionReference": {"ShortName": "SENTINEL-1"}}}
"""What asf_search sees of a record: a Sentinel-1 product of which nothing is known.

Its class of OPERA products stops at a record without an outline or without the size of a file, which UMM-G allows, and
keeps one of several polygons.
"""


@dataclass(frozen=True)
class Listed:
    """A granule that CMR lists.

    Attributes
    ----------
    granule : Granule
        With its layers and footprint.
    acquired : tuple of str
        Polarizations in which it was acquired, as CMR declares; empty where it does not.
    """

    granule: Granule
    acquired: tuple[str, ...]


def spans(months: Iterable[Month]) -> list[tuple[Month, Month]]:
    """Join neighbouring months: the first and last month of every run, in order."""
    runs: list[tuple[Month, Month]] = []
    for month in sorted(set(months)):
        if runs and runs[-1][1].shift(1) == month:
            runs[-1] = runs[-1][0], month
        else:
            runs.append((month, month))
    return runs


def ask(host: str, tile: Tile, first: Month, last: Month, seconds: float) -> list[Listed]:
    """Ask CMR for every granule over a tile that was acquired in a span of months.

    Neither direction nor track nor polarization is asked for, so that what is left out can be told.

    Parameters
    ----------
    host : str
        CMR's host, with a port if need be.
    tile : Tile
    first, last : Month
        Whole UTC months; the start of the acquisition, as in the granule's name, decides.
    seconds : float
        Time for all tries.

    Returns
    -------
    list of Listed
        Granules whose footprint meets the tile (`footprints.FOOTPRINT_MARGIN`), sorted by id, each once.

    Raises
    ------
    SourceError
        If CMR gave no complete answer in that time, refuses the query, or lists a granule that cannot be understood.
    GridError
        If there is no such tile.
    """
    subject = f"{tile} {first}" if first == last else f"{tile} {first} ... {last}"
    outline = query_outline(tile).wkt
    doubled: set[frozenset[str]] = set()
    faults: list[str] = []

    def attempt(left: float) -> list[Listed]:
        try:
            return once(left)
        except PassingFault as fault:
            faults.append(fault.reason)
            raise

    def once(left: float) -> list[Listed]:
        enquiry = _Enquiry(subject, left)
        query = ASFSearchOptions(
            host=host,
            session=enquiry,
            dataset=asf_search.DATASET.OPERA_S1,
            processingLevel=asf_search.PRODUCT_TYPE.RTC,
            intersectsWith=outline,
            cmr_keywords=[("temporal[]", time_range(first, last))],  # asf_search's own end has whole seconds
        )
        found: dict[str, tuple[str, Listed | None]] = {}
        complete = False
        for page in asf_search.search_generator(opts=query):
            complete = page.searchComplete
            for record in enquiry.page:
                concept_id, granule_id = record_key(record)
                # of two records of one name the later one, in whatever order they come
                if granule_id not in found or found[granule_id][0] < concept_id:
                    found[granule_id] = concept_id, _read(record["umm"], tile, first, last)
        enquiry.check(complete, doubled)
        here = [listed for _, (_, listed) in sorted(found.items()) if listed]
        LOGGER.info("%s: %s of these meet the tile", subject, f"{len(here):,}")
        return here

    try:
        return persevere(f"{subject}: CMR", attempt, seconds)
    except GaveUpError as error:
        # a last try that is cut off by the end of the time says nothing of CMR
        before = f"; before that: {faults[-2]}" if len(faults) > 1 and faults[-2] != faults[-1] else ""
        raise SourceError(
            f"tile {subject}: no complete answer from CMR ({host}): {error.reason}{before}",
            "run again later, what is done is kept; https://status.earthdata.nasa.gov tells of outages;"
            " search.retry_timeout_seconds gives CMR more time",
        ) from error
    except FinalFault as fault:
        raise SourceError(f"tile {subject}: CMR ({host}): {fault.reason}", fault.remedy) from fault


def time_range(first: Month, last: Month) -> str:
    """Return every instant from the start of a month to the end of another, as CMR reads it."""
    start, end = (f"{moment:%Y-%m-%dT%H:%M:%S.%f}" for moment in (first.start, last.end - LAST_INSTANT))
    return f"{start[:-3]}Z,{end[:-3]}Z"


def _read(umm: Mapping[str, Any], tile: Tile, first: Month, last: Month) -> Listed | None:
    """Granule of a record; None where it began outside the months (CMR lists what overlaps) or is not over the tile."""
    granule, acquired = read_record(umm)
    if not first <= granule.month <= last:
        return None
    footprint = Footprint.declared(umm)
    if footprint is None:
        LOGGER.warning("%s: no usable outline in CMR; its burst's place by the orbit is taken", granule.id)
        footprint = Footprint.modelled(granule.burst)
    return Listed(replace(granule, footprint=footprint.wkt), acquired) if footprint.meets(tile) else None


class _Page(requests.Response):
    """What asf_search is given in place of CMR's answer: its counts, with blank records."""

    def __init__(self, answer: requests.Response, hits: int, items: int) -> None:
        super().__init__()
        self.status_code, self.headers = answer.status_code, answer.headers
        self._counts = {"hits": hits, "items": [_BLANK] * items}

    def json(self, **_: Any) -> Any:
        return self._counts


class _Enquiry(asf_search.ASFSession):  # type: ignore[misc]
    """One try at a query: it sends what asf_search asks, as no one in particular, and keeps account of the answers.

    Parameters
    ----------
    subject : str
        What is asked, for messages.
    seconds : float
        Time for the whole try.
    """

    def __init__(self, subject: str, seconds: float) -> None:
        super().__init__()
        self.auth = _no_login  # else the login for CMR's host in netrc, or its default entry, would be sent
        self.page: list[Any] = []
        self._subject = subject
        self._clock = Clock(seconds)
        self._pages = self._items = 0
        self._hits: int | None = None
        self._seen: set[str] = set()

    def post(self, url: str, data: Any = None, **_: Any) -> requests.Response:
        """Send a query and check the page that comes.

        Raises
        ------
        PassingFault
            If none came, or one that cannot belong to a complete answer.
        FinalFault
            If CMR refuses the query or cannot be asked.
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
        self._account(hits, items)
        return _Page(answer, hits, len(items))

    def _exchange(self, url: str, data: Any) -> tuple[requests.Response, bytes]:
        clock = Clock(min(LONGEST_ANSWER, self._clock.left))
        if not clock.left:
            raise PassingFault(f"the time was up after {self._items:,} of {self._hits or 0:,} granules")
        timeouts = clock.timeouts[0], max(1.0, clock.left)
        try:
            # a redirected POST would come back as a GET that asks nothing
            with super().post(url, data=data, timeout=timeouts, allow_redirects=False, stream=True) as answer:
                answer.raw.decode_content = True
                return answer, read_body(answer.raw, clock)
        except requests.exceptions.InvalidURL as error:
            raise FinalFault("not an address that can be asked", "correct source.hosts.cmr") from error
        except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
            raise fault_of(error) from error

    def _account(self, hits: int, items: list[Any]) -> None:
        """Enter a page; a fault where it cannot belong to a complete answer with the pages before."""
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

    def check(self, complete: bool, doubled: set[frozenset[str]]) -> None:
        """Take the account at the end.

        Records that come twice may be twice in CMR, or stand where others should: they are believed when two tries
        bring the same.

        Parameters
        ----------
        complete : bool
            What asf_search says.
        doubled : set of frozenset
            What tries with doubled records brought; this one is added.

        Raises
        ------
        PassingFault
            If the answer is not complete.
        """
        if not complete or self._items != self._hits:
            raise PassingFault(f"{self._items:,} of {self._hits or 0:,} granules came")
        extra = self._items - len(self._seen)
        if extra:
            if self._seen not in doubled:
                doubled.add(frozenset(self._seen))
                raise PassingFault(f"{extra:,} of {self._items:,} granules came twice")
            LOGGER.warning("%s: CMR lists %s granules twice; each is used once", self._subject, f"{extra:,}")


def _no_login(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _check_status(answer: requests.Response, body: bytes) -> None:
    status = answer.status_code
    if status < 300:
        return
    told = f"HTTP {status} {answer.reason}{_errors(body)}"
    if status < 400 or status in PASSING or status >= 500:
        raise PassingFault(told, wait_asked(answer.headers.get("Retry-After")))
    raise FinalFault(
        f"refuses the query: {told}",
        "check source.hosts.cmr; if it is right, look at https://status.earthdata.nasa.gov and report this query",
    )


def _errors(body: bytes) -> str:
    """What CMR says in the body of a refusal; empty where it is no JSON of CMR's."""
    try:
        errors = json.loads(body)["errors"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f": {'; '.join(map(str, errors))[:500]}" if isinstance(errors, list) else ""
